//! How a query would be run, or was run, as a tree of steps.
//!
//! ```text
//! first 10
//! └─ sort by lambda d: d['name'], largest first
//!    └─ filter lambda d: d['age'] > 30 and d['role'] == 'Dev'
//!       └─ index role where role == 'Dev'
//! ```
//! A scan names the index that would help. With [`analyze`] the query is run, and the steps say what
//! came of it.
//!
//! Left out: time, which whoever runs the query measures.

use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use super::executor::Execution;
use super::plan::{Chosen, Plan};
use super::planner::{Wanted, choose, helpful};
use super::source::{Direction, Documents, Entries, Ids, Source, SourceIndex};
use super::{PlanTree, Program};
use crate::codec::EncodedDocument;
use crate::types::{DocumentId, IndexName, Result, Value};

/// What a query asks for.
#[derive(Clone, Copy, Debug, Default)]
pub struct Asked<'q> {
    /// Which documents.
    pub filter: Option<&'q Program>,
    /// In which order, and whether the largest comes first.
    pub order: Option<(&'q Program, bool)>,
    /// How many results at most.
    pub limit: Option<u64>,
    /// What is made of each document, if not the document itself.
    pub select: Option<&'q Program>,
    /// Whether a lambda that raises ends the query.
    pub strict: bool,
}

impl<'q> Asked<'q> {
    pub(super) fn wanted(&self) -> Wanted<'q> {
        let Asked { filter, order, limit, strict, .. } = *self;
        Wanted { filter, order, limit, strict, counted: false }
    }
}

/// The steps of a query on `source`, the last step first.
///
/// # Errors
///
/// Whatever keeps the source from counting its entries.
pub fn explain<S: Source>(source: &S, asked: &Asked<'_>) -> Result<PlanTree> {
    let chosen = choose(source, asked.wanted())?;
    Ok(steps(asked, &chosen, chosen_step(source, asked, &chosen)))
}

/// Runs a query to its end and gives its steps with what they did: how many entries and documents were
/// read, and how many results there were. It ends soon after `cancelled` becomes true.
///
/// # Errors
///
/// As for running the query.
pub fn analyze<S: Source>(
    source: S,
    asked: &Asked<'_>,
    cancelled: Option<Arc<AtomicBool>>,
) -> Result<PlanTree> {
    let chosen = choose(&source, asked.wanted())?;
    let step = chosen_step(&source, asked, &chosen);
    let read = Read::default();
    let counting = Counting { source, read: read.clone() };
    let order = asked.order.map(|(key, descending)| (key.clone(), descending));
    let execution = Execution::new(counting, asked.filter.cloned(), order, asked.limit);
    let mut execution = execution.selecting(asked.select.cloned()).strict(asked.strict);
    if let Some(cancelled) = cancelled {
        execution = execution.cancelled_by(cancelled);
    }
    let (mut results, mut skipped, mut finished) = (0, 0, false);
    while !finished {
        let page = execution.next_page(PAGE_RESULTS, PAGE_BYTES)?;
        results += page.found.len() as u64;
        (skipped, finished) = (page.skipped.count, page.finished);
    }
    let number = |number: u64| Value::Int(i128::from(number));
    let (entries, documents) = read.so_far();
    let step = step
        .fact("entries_read", number(entries))
        .fact("documents_read", number(documents))
        .fact("results", number(results))
        .fact("skipped", number(skipped));
    let read = format!("{entries} entries, {documents} documents read, {results} results");
    let step = PlanTree { text: format!("{} ({read})", step.text), ..step };
    Ok(steps(asked, &chosen, step))
}

/// How many results are taken at a time while a query is analyzed.
const PAGE_RESULTS: usize = 1_000;
/// How many bytes of results are taken at a time.
const PAGE_BYTES: usize = 1 << 20;

/// The step that finds documents.
fn chosen_step<S: Source>(source: &S, asked: &Asked<'_>, chosen: &Chosen) -> PlanTree {
    let mut step = chosen.plan.tree();
    if chosen.by_choice {
        step.text = format!("{}: the indexes there are would save too little", step.text);
        step = step.fact("by_choice", Value::Bool(true));
    }
    if matches!(chosen.plan, Plan::Scan)
        && let Some(field) = helpful(asked.wanted(), &source.indexes())
    {
        let command = format!("index create {field}");
        step.text = format!("{}; '{command}' would help", step.text);
        step = step.fact("advice", Value::String(format!("'{command}' would help")));
    }
    step.fact("estimated_documents", Value::Int(i128::from(chosen.documents)))
}

/// What is done with the documents that `found` finds.
fn steps(asked: &Asked<'_>, chosen: &Chosen, found: PlanTree) -> PlanTree {
    let mut tree = found;
    let mut then = |step: &str, text: String, fact: (&str, Value)| {
        let inner = std::mem::replace(&mut tree, PlanTree::new(step, text).fact(fact.0, fact.1));
        tree.inputs.push(inner);
    };
    let number = |number: u64| Value::Int(i128::from(number));
    let lambda = |program: &Program| ("lambda", Value::String(program.text().to_owned()));
    if let Some(filter) = asked.filter {
        then("filter", format!("filter {}", filter.text()), lambda(filter));
    }
    if let Some(select) = asked.select {
        then("select", format!("select {}", select.text()), lambda(select));
    }
    let in_order = matches!(chosen.plan, Plan::InOrder { .. });
    if let Some((key, descending)) = asked.order
        && !in_order
    {
        let largest = if descending { ", largest first" } else { "" };
        then("sort", format!("sort by {}{largest}", key.text()), lambda(key));
    }
    if let Some(limit) = asked.limit {
        then("limit", format!("first {limit}"), ("results", number(limit)));
    }
    tree
}

/// How much was read: entries, documents.
#[derive(Clone, Debug, Default)]
struct Read(Arc<[AtomicU64; 2]>);

impl Read {
    fn count(&self, which: usize) {
        self.0[which].fetch_add(1, Ordering::Relaxed);
    }

    fn so_far(&self) -> (u64, u64) {
        (self.0[0].load(Ordering::Relaxed), self.0[1].load(Ordering::Relaxed))
    }
}

/// A source that counts what is read of it.
struct Counting<S> {
    source: S,
    read: Read,
}

impl<S: Source> Source for Counting<S> {
    fn documents<'a>(&'a self, after: Option<&DocumentId>) -> Documents<'a> {
        Box::new(self.source.documents(after).inspect(|_| self.read.count(1)))
    }

    fn index_entries<'a>(
        &'a self,
        index: &IndexName,
        low: Bound<&[u8]>,
        high: Bound<&[u8]>,
        direction: Direction,
    ) -> Option<Entries<'a>> {
        let entries = self.source.index_entries(index, low, high, direction)?;
        Some(Box::new(entries.inspect(|_| self.read.count(0))))
    }

    fn index_ids<'a>(
        &'a self,
        index: &IndexName,
        low: Bound<&[u8]>,
        high: Bound<&[u8]>,
    ) -> Option<Ids<'a>> {
        let ids = self.source.index_ids(index, low, high)?;
        Some(Box::new(ids.inspect(|_| self.read.count(0))))
    }

    fn count_entries(
        &self,
        index: &IndexName,
        low: Bound<&[u8]>,
        high: Bound<&[u8]>,
    ) -> Result<u64> {
        self.source.count_entries(index, low, high)
    }

    fn estimate_entries(&self, index: &IndexName, low: &[u8], high: &[u8]) -> Result<u64> {
        self.source.estimate_entries(index, low, high)
    }

    fn document(&self, id: &DocumentId) -> Result<Option<EncodedDocument>> {
        self.read.count(1);
        self.source.document(id)
    }

    fn indexes(&self) -> Vec<SourceIndex> {
        self.source.indexes()
    }

    fn count(&self) -> u64 {
        self.source.count()
    }
}

#[cfg(test)]
#[path = "explain_tests.rs"]
mod tests;
