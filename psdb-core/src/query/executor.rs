//! Runs a query over a [`Source`], page by page.
//!
//! ```text
//! no order, scan     pulled in `_id` order; a page continues after the last id of the one before
//! no order, index    the range's matches, collected and put into `_id` order; then cut into pages
//! order              every match with its key; sorted, or the smallest K kept in a heap
//! ```
//! The whole predicate is evaluated on whatever the plan yields, so a plan can only ever save work.
//! What a query selects is evaluated when a document matches, before the results are cut, so that a
//! document on which it raises takes nobody's place.
//! A document on which a lambda raises does not match; it is counted, and the first one in `_id`
//! order is named. With an index, only documents the index yields are looked at, so only those can
//! be counted.
//!
//! Invariants:
//! 1. A page ends at its bounds, but always brings at least one result if there is one.
//! 2. Ties of an order are broken by `_id`, so results do not depend on the plan.
//! 3. What a query keeps of its results, documents not counted since they are shared with the
//!    source, takes at most [`RESULT_BYTES`]; beyond, the query is refused.
//!
//! Left out: merging the results of several shards (`client`).

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::aggregate::size;
use super::ahead::Ahead;
use super::plan::Plan;
use super::planner::plan;
use super::source::{Direction, Documents, Source};
use super::{EvalError, Meter, Program};
use crate::codec::{EncodedDocument, ValueRef};
use crate::types::{DocumentId, Error, Result, Value};

/// The most bytes that keys and selected values of waiting results may take, about.
const RESULT_BYTES: u64 = 64 << 20;
/// What a waiting result takes besides its values, about.
const RESULT_OVERHEAD: u64 = 96;

/// Documents on which a lambda raised, and which therefore do not match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// How many there were so far.
    pub count: u64,
    /// The first of them in `_id` order, and what was raised, such as `KeyError: 'age'`.
    pub first: Option<(DocumentId, String)>,
    /// Whether such a document is an error instead.
    pub(super) strict: bool,
}

/// One result of a query.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// The key it is sorted by, if the query has an order.
    pub key: Option<Value>,
    /// The document.
    pub document: EncodedDocument,
    /// What the query selects of it, if it selects.
    pub selected: Option<Value>,
}

/// One page of results.
#[derive(Clone, Debug, PartialEq)]
pub struct Results {
    /// The results, in the query's order.
    pub found: Vec<Found>,
    /// Whether this was the last page.
    pub finished: bool,
    /// Documents skipped so far.
    pub skipped: Skipped,
}

/// The answer to [`count`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Counted {
    /// How many documents match.
    pub count: u64,
    /// Documents on which the lambda raised.
    pub skipped: Skipped,
}

/// A query under way. It owns its source, so it can wait for the next page to be asked for.
pub struct Execution<S: Source> {
    source: S,
    filter: Option<Program>,
    order: Option<(Program, bool)>,
    select: Option<Program>,
    left: u64,
    skipped: Skipped,
    meter: Meter,
    state: State,
}

enum State {
    /// Nothing was read yet.
    Fresh,
    /// A scan that goes on after this id.
    Scan(Option<DocumentId>),
    /// Everything was read; these results are left.
    Ready(VecDeque<Found>),
}

/// The id of a stored document; every source yields documents that have one.
pub(crate) fn id_of(document: &EncodedDocument) -> &str {
    match document.get("_id") {
        Some(ValueRef::Str(id)) => id,
        _ => "",
    }
}

impl Found {
    /// About how many bytes it takes, its document not counted.
    fn values_size(&self) -> u64 {
        let values = self.key.iter().chain(&self.selected);
        RESULT_OVERHEAD + values.map(size).sum::<u64>()
    }

    /// About how many bytes it has as a part of a page.
    fn page_size(&self) -> usize {
        match &self.selected {
            Some(value) => usize::try_from(size(value)).unwrap_or(usize::MAX),
            None => self.document.bytes().len(),
        }
    }
}

impl Skipped {
    /// None yet; with `strict` there will be none, since the first is an error.
    pub(super) fn new(strict: bool) -> Skipped {
        Skipped { strict, ..Skipped::default() }
    }

    fn note(&mut self, document: &EncodedDocument, raised: &super::PyError) {
        self.count += 1;
        let id = id_of(document);
        if self.first.as_ref().is_none_or(|(first, _)| id < first.as_str()) {
            self.first = Some((DocumentId::from(id), raised.to_string()));
        }
    }

    /// What `evaluated` holds; `None` for a document that is skipped.
    pub(super) fn value<T>(
        &mut self,
        document: &EncodedDocument,
        evaluated: Result<T, EvalError>,
    ) -> Result<Option<T>> {
        match evaluated {
            Ok(value) => Ok(Some(value)),
            Err(EvalError::Raised(raised)) if self.strict => {
                let id = DocumentId::from(id_of(document));
                Err(Error::LambdaRaised { id, raised: raised.to_string() })
            }
            Err(EvalError::Raised(raised)) => {
                self.note(document, &raised);
                Ok(None)
            }
            Err(EvalError::Limit(limit)) => Err(Error::QueryLimit { limit }),
        }
    }

    pub(super) fn matches(
        &mut self,
        filter: Option<&Program>,
        document: &EncodedDocument,
        meter: &Meter,
    ) -> Result<bool> {
        let Some(filter) = filter else { return Ok(true) };
        Ok(self.value(document, filter.matches_within(document, meter))?.unwrap_or(false))
    }
}

/// The documents the plan for `filter` yields, a superset of what matches.
pub(super) fn candidates<'a, S: Source>(
    source: &'a S,
    filter: Option<&Program>,
) -> (Documents<'a>, bool) {
    let plan = filter.map_or(Plan::Scan, |filter| plan(filter, &source.indexes()));
    match plan {
        Plan::Scan => {}
        Plan::Nothing => return (Box::new(std::iter::empty()), true),
        Plan::Index { name, low, high, .. } => {
            let (low, high) = (as_slice(&low), as_slice(&high));
            if let Some(found) = source.index_entries(&name, low, high, Direction::Ascending) {
                // An index is in step with its documents, so what it names is there.
                let document = |entry: Result<(_, DocumentId)>| {
                    entry.and_then(|(_, id)| source.document(&id)).transpose()
                };
                return (Box::new(found.filter_map(document)), true);
            }
        }
    }
    (source.documents(None), false)
}

fn as_slice(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    match bound {
        Bound::Included(key) => Bound::Included(key),
        Bound::Excluded(key) => Bound::Excluded(key),
        Bound::Unbounded => Bound::Unbounded,
    }
}

/// Counts the documents that match `filter`, or all of them.
///
/// # Errors
///
/// [`Error::QueryLimit`] when evaluating passes a limit.
pub fn count<S: Source>(source: &S, filter: Option<&Program>) -> Result<Counted> {
    count_within(source, filter, &Meter::default())
}

/// As [`count`], charging the budgets of `meter`.
///
/// # Errors
///
/// As [`count`], and a limit when the query is cancelled.
pub fn count_within<S: Source>(
    source: &S,
    filter: Option<&Program>,
    meter: &Meter,
) -> Result<Counted> {
    let mut skipped = Skipped::default();
    if filter.is_none() {
        return Ok(Counted { count: source.count(), skipped });
    }
    let mut count = 0;
    for document in Ahead::new(candidates(source, filter).0, filter) {
        count += u64::from(skipped.matches(filter, &document?, meter)?);
    }
    Ok(Counted { count, skipped })
}

impl<S: Source> Execution<S> {
    /// A query for the documents of `source` that match `filter`, in `order` (a key, and whether
    /// the largest comes first) or by `_id`, and at most `limit` of them.
    pub fn new(
        source: S,
        filter: Option<Program>,
        order: Option<(Program, bool)>,
        limit: Option<u64>,
    ) -> Self {
        let (left, skipped) = (limit.unwrap_or(u64::MAX), Skipped::default());
        let (meter, state) = (Meter::default(), State::Fresh);
        Execution { source, filter, order, select: None, left, skipped, meter, state }
    }

    /// The same query, which gives what `select` makes of each document.
    #[must_use]
    pub fn selecting(mut self, select: Option<Program>) -> Self {
        self.select = select;
        self
    }

    /// The same query; if `strict`, a lambda that raises ends it.
    #[must_use]
    pub fn strict(mut self, strict: bool) -> Self {
        self.skipped.strict = strict;
        self
    }

    /// The same query, which ends soon after `cancelled` becomes true.
    #[must_use]
    pub fn cancelled_by(mut self, cancelled: Arc<AtomicBool>) -> Self {
        self.meter = Meter::new(Some(cancelled));
        self
    }

    /// The next results, at most so many documents and, beyond the first, so many bytes.
    ///
    /// # Errors
    ///
    /// [`Error::QueryLimit`] when evaluating passes a limit, [`Error::LambdaRaised`] if it is
    /// strict; the query cannot go on then.
    pub fn next_page(&mut self, max_documents: usize, max_bytes: usize) -> Result<Results> {
        if matches!(self.state, State::Fresh) {
            self.state = self.begin()?;
        }
        let (found, finished) = match std::mem::replace(&mut self.state, State::Fresh) {
            State::Ready(mut ready) => {
                let found = cut(&mut ready, max_documents, max_bytes);
                let finished = ready.is_empty();
                self.state = State::Ready(ready);
                (found, finished)
            }
            State::Scan(after) => self.scan(after.as_ref(), max_documents, max_bytes)?,
            State::Fresh => unreachable!("a query begins before its first page"),
        };
        Ok(Results { found, finished, skipped: self.skipped.clone() })
    }

    fn begin(&mut self) -> Result<State> {
        let filter = self.filter.as_ref();
        let (candidates, by_index) = candidates(&self.source, filter);
        if self.order.is_none() && !by_index {
            return Ok(State::Scan(None));
        }
        let descending = self.order.as_ref().is_some_and(|(_, descending)| *descending);
        let mut best = Best::new(self.left);
        for document in Ahead::new(candidates, filter) {
            let parts =
                Lambdas { filter, order: self.order.as_ref(), select: self.select.as_ref() };
            if let Some(found) = parts.evaluate(document?, &mut self.skipped, &self.meter)? {
                best.add(Ranked { found, descending })?;
            }
        }
        Ok(State::Ready(best.in_order()))
    }

    /// Goes on with a scan in `_id` order.
    fn scan(
        &mut self,
        after: Option<&DocumentId>,
        max_documents: usize,
        max_bytes: usize,
    ) -> Result<(Vec<Found>, bool)> {
        let mut results = Vec::new();
        let mut bytes = 0;
        for document in Ahead::new(self.source.documents(after), self.filter.as_ref()) {
            let document = document?;
            let full = results.len() >= max_documents || bytes >= max_bytes;
            if self.left == 0 || full {
                let finished = self.left == 0;
                // Once a page is full nothing more is looked at, so its last result was looked at last.
                let last = results.last().map(|found: &Found| id_of(&found.document).into());
                self.state = State::Scan(last.or_else(|| after.cloned()));
                return Ok((results, finished));
            }
            let (filter, select) = (self.filter.as_ref(), self.select.as_ref());
            let parts = Lambdas { filter, order: None, select };
            if let Some(found) = parts.evaluate(document, &mut self.skipped, &self.meter)? {
                self.left -= 1;
                bytes += found.page_size();
                results.push(found);
            }
        }
        self.state = State::Ready(VecDeque::new());
        Ok((results, true))
    }
}

/// The lambdas of a query.
struct Lambdas<'a> {
    filter: Option<&'a Program>,
    order: Option<&'a (Program, bool)>,
    select: Option<&'a Program>,
}

impl Lambdas<'_> {
    /// What the query finds in `document`; `None` if it does not match or is skipped.
    fn evaluate(
        &self,
        document: EncodedDocument,
        skipped: &mut Skipped,
        meter: &Meter,
    ) -> Result<Option<Found>> {
        if !skipped.matches(self.filter, &document, meter)? {
            return Ok(None);
        }
        let mut value =
            |program: &Program| skipped.value(&document, program.evaluate_within(&document, meter));
        let (mut key, mut selected) = (None, None);
        if let Some((program, _)) = self.order {
            let Some(found) = value(program)? else { return Ok(None) };
            key = Some(found);
        }
        if let Some(program) = self.select {
            let Some(found) = value(program)? else { return Ok(None) };
            selected = Some(found);
        }
        Ok(Some(Found { key, document, selected }))
    }
}

fn cut(ready: &mut VecDeque<Found>, max_documents: usize, max_bytes: usize) -> Vec<Found> {
    let mut page = Vec::new();
    let mut bytes = 0;
    while page.len() < max_documents && bytes < max_bytes {
        let Some(next) = ready.pop_front() else { break };
        bytes += next.page_size();
        page.push(next);
    }
    page
}

/// A match with its place in the order.
struct Ranked {
    found: Found,
    descending: bool,
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_key = match (&self.found.key, &other.found.key) {
            (Some(a), Some(b)) => a.total_cmp(b),
            _ => Ordering::Equal,
        };
        let by_key = if self.descending { by_key.reverse() } else { by_key };
        by_key.then_with(|| id_of(&self.found.document).cmp(id_of(&other.found.document)))
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ranked {}

/// The first K of all that is added; the worst of them is on top of the heap.
struct Best {
    limit: u64,
    bytes: u64,
    heap: BinaryHeap<Ranked>,
}

impl Best {
    fn new(limit: u64) -> Best {
        Best { limit, bytes: 0, heap: BinaryHeap::new() }
    }

    fn add(&mut self, ranked: Ranked) -> Result<()> {
        self.bytes += ranked.found.values_size();
        self.heap.push(ranked);
        if self.heap.len() as u64 > self.limit
            && let Some(worst) = self.heap.pop()
        {
            self.bytes -= worst.found.values_size();
        }
        if self.bytes > RESULT_BYTES {
            let limit = format!(
                "{} results to be sorted take more than {RESULT_BYTES} bytes; narrow the query or \
                 limit it",
                self.heap.len()
            );
            return Err(Error::QueryLimit { limit });
        }
        Ok(())
    }

    fn in_order(self) -> VecDeque<Found> {
        self.heap.into_sorted_vec().into_iter().map(|ranked| ranked.found).collect()
    }
}

#[cfg(test)]
#[path = "executor_tests.rs"]
pub(super) mod tests;
