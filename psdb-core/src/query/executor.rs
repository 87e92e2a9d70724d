//! Runs a query over a [`Source`], page by page.
//!
//! ```text
//! no order, scan     pulled in `_id` order; a page continues after the last id of the one before
//! no order, index    the range's matches, collected and put into `_id` order; then cut into pages
//! order              every match with its key; sorted, or the smallest K kept in a heap
//! ```
//! The whole predicate is evaluated on whatever the plan yields, so a plan can only ever save work.
//! A document on which a lambda raises does not match; it is counted, and the first one in `_id`
//! order is named. With an index, only documents the index yields are looked at, so only those can
//! be counted.
//!
//! Invariants:
//! 1. A page ends at its bounds, but always brings at least one result if there is one.
//! 2. Ties of an order are broken by `_id`, so results do not depend on the plan.
//!
//! Left out: merging the results of several shards (`client`).

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::plan::Plan;
use super::planner::plan;
use super::source::{Documents, Source};
use super::{EvalError, Meter, Program};
use crate::codec::{EncodedDocument, ValueRef};
use crate::types::{DocumentId, Error, Result, Value};

/// Documents on which a lambda raised, and which therefore do not match.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Skipped {
    /// How many there were so far.
    pub count: u64,
    /// The first of them in `_id` order, and what was raised, such as `KeyError: 'age'`.
    pub first: Option<(DocumentId, String)>,
}

/// One page of results.
#[derive(Clone, Debug, PartialEq)]
pub struct Results {
    /// The documents, each with its sort key if the query has an order.
    pub documents: Vec<(Option<Value>, EncodedDocument)>,
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
    Ready(VecDeque<(Option<Value>, EncodedDocument)>),
}

/// The id of a stored document; every source yields documents that have one.
pub(super) fn id_of(document: &EncodedDocument) -> &str {
    match document.get("_id") {
        Some(ValueRef::Str(id)) => id,
        _ => "",
    }
}

impl Skipped {
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
            if let Some(found) = source.index_range(&name, as_slice(&low), as_slice(&high)) {
                return (found, true);
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
    let mut skipped = Skipped::default();
    if filter.is_none() {
        return Ok(Counted { count: source.count(), skipped });
    }
    let mut count = 0;
    let meter = Meter::default();
    for document in candidates(source, filter).0 {
        count += u64::from(skipped.matches(filter, document, &meter)?);
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
        let meter = Meter::default();
        Execution { source, filter, order, left, skipped, meter, state: State::Fresh }
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
    /// [`Error::QueryLimit`] when evaluating passes a limit; the query cannot go on then.
    pub fn next_page(&mut self, max_documents: usize, max_bytes: usize) -> Result<Results> {
        if matches!(self.state, State::Fresh) {
            self.state = self.begin()?;
        }
        let (documents, finished) = match std::mem::replace(&mut self.state, State::Fresh) {
            State::Ready(mut ready) => {
                let documents = cut(&mut ready, max_documents, max_bytes);
                let finished = ready.is_empty();
                self.state = State::Ready(ready);
                (documents, finished)
            }
            State::Scan(after) => self.scan(after.as_ref(), max_documents, max_bytes)?,
            State::Fresh => unreachable!("a query begins before its first page"),
        };
        Ok(Results { documents, finished, skipped: self.skipped.clone() })
    }

    fn begin(&mut self) -> Result<State> {
        let filter = self.filter.as_ref();
        let (candidates, by_index) = candidates(&self.source, filter);
        if self.order.is_none() && !by_index {
            return Ok(State::Scan(None));
        }
        let descending = self.order.as_ref().is_some_and(|(_, descending)| *descending);
        let mut best = Best::new(self.left);
        for document in candidates {
            if !self.skipped.matches(filter, document, &self.meter)? {
                continue;
            }
            let key = match &self.order {
                None => None,
                Some((key, _)) => {
                    let Some(key) =
                        self.skipped.value(document, key.evaluate_within(document, &self.meter))?
                    else {
                        continue;
                    };
                    Some(key)
                }
            };
            best.add(Ranked { key, descending, document: document.clone() });
        }
        Ok(State::Ready(best.in_order()))
    }

    /// Goes on with a scan in `_id` order.
    #[allow(clippy::type_complexity)]
    fn scan(
        &mut self,
        after: Option<&DocumentId>,
        max_documents: usize,
        max_bytes: usize,
    ) -> Result<(Vec<(Option<Value>, EncodedDocument)>, bool)> {
        let mut documents = Vec::new();
        let mut bytes = 0;
        let mut last = after.cloned();
        for document in self.source.documents(after) {
            let full = documents.len() >= max_documents || bytes >= max_bytes;
            if self.left == 0 || full {
                let finished = self.left == 0;
                self.state = State::Scan(last);
                return Ok((documents, finished));
            }
            last = Some(DocumentId::from(id_of(document)));
            if self.skipped.matches(self.filter.as_ref(), document, &self.meter)? {
                self.left -= 1;
                bytes += document.bytes().len();
                documents.push((None, document.clone()));
            }
        }
        self.state = State::Ready(VecDeque::new());
        Ok((documents, true))
    }
}

fn cut(
    ready: &mut VecDeque<(Option<Value>, EncodedDocument)>,
    max_documents: usize,
    max_bytes: usize,
) -> Vec<(Option<Value>, EncodedDocument)> {
    let mut documents = Vec::new();
    let mut bytes = 0;
    while documents.len() < max_documents && bytes < max_bytes {
        let Some(next) = ready.pop_front() else { break };
        bytes += next.1.bytes().len();
        documents.push(next);
    }
    documents
}

/// A match with its place in the order.
struct Ranked {
    key: Option<Value>,
    descending: bool,
    document: EncodedDocument,
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        let by_key = match (&self.key, &other.key) {
            (Some(a), Some(b)) => a.total_cmp(b),
            _ => Ordering::Equal,
        };
        let by_key = if self.descending { by_key.reverse() } else { by_key };
        by_key.then_with(|| id_of(&self.document).cmp(id_of(&other.document)))
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
    heap: BinaryHeap<Ranked>,
}

impl Best {
    fn new(limit: u64) -> Best {
        Best { limit, heap: BinaryHeap::new() }
    }

    fn add(&mut self, ranked: Ranked) {
        self.heap.push(ranked);
        if self.heap.len() as u64 > self.limit {
            self.heap.pop();
        }
    }

    fn in_order(self) -> VecDeque<(Option<Value>, EncodedDocument)> {
        let sorted = self.heap.into_sorted_vec().into_iter();
        sorted.map(|ranked| (ranked.key, ranked.document)).collect()
    }
}

#[cfg(test)]
#[path = "executor_tests.rs"]
pub(super) mod tests;
