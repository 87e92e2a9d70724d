//! Runs a query over a [`Source`], page by page.
//!
//! ```text
//! no order, scan     pulled in `_id` order; a page continues after the last id of the one before
//! no order, index    the ids the indexes name, in `_id` order; each page looks at some more of them
//! order, index       walked in the order of the index until there are enough (`ordered`)
//! order              every match with its key; sorted, or the smallest K kept in a heap (`best`)
//! count              by keys alone where these are certain (`keys_only`)
//! ```
//! The whole predicate is evaluated on whatever the plan yields, so a plan can only ever save work.
//! What a query selects is evaluated when a document matches, before the results are cut, so that a
//! document on which it raises takes nobody's place.
//! A document on which a lambda raises does not match; it is counted, and the first one in `_id`
//! order is named. With an index, only documents that are looked at can be counted.
//!
//! Invariants:
//! 1. A page ends at its bounds, but always brings at least one result if there is one.
//! 2. Results, and their order, do not depend on the plan.
//!
//! Left out: merging the results of several shards (`client`).

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use super::access::{documents, ids};
use super::aggregate::size;
use super::ahead::{Ahead, for_each};
use super::best::{Best, Ranked};
use super::keys_only;
use super::ordered::{Group, InOrder};
use super::plan::{Chosen, Plan};
use super::planner::{Wanted, choose};
use super::ranges::IndexRanges;
use super::source::Source;
use super::{EvalError, Meter, Program};
use crate::codec::{EncodedDocument, ObjectRef, Place, ValueRef};
use crate::types::{DocumentId, Error, Result, Value};

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
    lambdas: Lambdas,
    after: Option<(Option<Value>, DocumentId)>,
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
    /// These documents are to be looked at.
    Ids(VecDeque<DocumentId>),
    /// Everything was read; these results are left.
    Ready(VecDeque<Found>),
}

/// The id of a stored document; every source yields documents that have one.
pub(crate) fn id_of<'d>(document: impl Into<ObjectRef<'d>>) -> &'d str {
    // Stored documents begin with their ids.
    match document.into().get_near("_id", &Place::default()) {
        Some(ValueRef::Str(id)) => id,
        _ => "",
    }
}

impl Found {
    /// About how many bytes it takes while it waits.
    pub(super) fn kept_size(&self) -> u64 {
        let values = self.key.iter().chain(&self.selected);
        let document = self.document.bytes().len() as u64;
        RESULT_OVERHEAD + document + values.map(size).sum::<u64>()
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

    fn note(&mut self, document: ObjectRef<'_>, raised: &super::PyError) {
        self.count += 1;
        let id = id_of(document);
        if self.first.as_ref().is_none_or(|(first, _)| id < first.as_str()) {
            self.first = Some((DocumentId::from(id), raised.to_string()));
        }
    }

    /// What `evaluated` holds; `None` for a document that is skipped.
    pub(super) fn value<'d, T>(
        &mut self,
        document: impl Into<ObjectRef<'d>>,
        evaluated: Result<T, EvalError>,
    ) -> Result<Option<T>> {
        let document = document.into();
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

    pub(super) fn matches<'d>(
        &mut self,
        filter: Option<&Program>,
        document: impl Into<ObjectRef<'d>>,
        meter: &Meter,
    ) -> Result<bool> {
        let Some(filter) = filter else { return Ok(true) };
        let document = document.into();
        Ok(self.value(document, filter.matches_within(document, meter))?.unwrap_or(false))
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
    let Some(program) = filter else { return Ok(Counted { count: source.count(), skipped }) };
    let chosen = choose(source, Wanted { filter, counted: true, ..Wanted::default() })?;
    if let Some(count) = keys_only::count(source, &chosen, program, &mut skipped, meter)? {
        return Ok(Counted { count, skipped });
    }
    let mut count = 0;
    for_each(source, &chosen, meter, filter, |document| {
        count += u64::from(skipped.matches(filter, document, meter)?);
        Ok(())
    })?;
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
        let lambdas = Lambdas { filter, order, select: None };
        Execution { source, lambdas, after: None, left, skipped, meter, state }
    }

    /// The same query, which gives what `select` makes of each document.
    #[must_use]
    pub fn selecting(mut self, select: Option<Program>) -> Self {
        self.lambdas.select = select;
        self
    }

    /// The same query, which gives only what comes after this key and id in its order.
    #[must_use]
    pub fn after(mut self, place: Option<(Option<Value>, DocumentId)>) -> Self {
        self.after = place;
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
            State::Ids(ids) => self.by_ids(ids, max_documents, max_bytes)?,
            State::Fresh => unreachable!("a query begins before its first page"),
        };
        Ok(Results { found, finished, skipped: self.skipped.clone() })
    }

    /// Chooses a plan, and does what has to be done before the first result is known.
    fn begin(&mut self) -> Result<State> {
        let wanted = Wanted {
            filter: self.lambdas.filter.as_ref(),
            order: self.lambdas.order.as_ref().map(|(key, descending)| (key, *descending)),
            limit: Some(self.left).filter(|left| *left < u64::MAX),
            strict: self.skipped.strict,
            counted: false,
        };
        let chosen = choose(&self.source, wanted)?;
        match (&chosen.plan, &self.lambdas.order) {
            (Plan::Scan, None) => Ok(State::Scan(self.after.as_ref().map(|(_, id)| id.clone()))),
            (Plan::Find(access), None) => {
                let mut ids = ids(&self.source, access, &self.meter)?;
                if let Some((_, after)) = &self.after {
                    ids.retain(|id| id > after);
                }
                Ok(State::Ids(ids.into()))
            }
            (Plan::InOrder { ranges, fixed, descending }, Some(_)) => {
                self.in_order(ranges, *fixed, *descending).map(State::Ready)
            }
            _ => self.ranked(&chosen).map(State::Ready),
        }
    }

    /// The first results of all that the plan yields.
    fn ranked(&mut self, chosen: &Chosen) -> Result<VecDeque<Found>> {
        let (lambdas, after) = (&self.lambdas, self.after.as_ref());
        let mut best = Best::new(self.left);
        self.meter.set_kept(0);
        let documents = documents(&self.source, chosen, &self.meter)?;
        for document in Ahead::new(documents, lambdas.filter.as_ref()) {
            lambdas.rank(document?, &mut best, after, &mut self.skipped, &self.meter)?;
        }
        Ok(best.in_order())
    }

    /// The first results in the order of an index.
    fn in_order(
        &mut self,
        ranges: &IndexRanges,
        fixed: usize,
        descending: bool,
    ) -> Result<VecDeque<Found>> {
        let (lambdas, after) = (&self.lambdas, self.after.as_ref());
        let (skipped, meter) = (&mut self.skipped, &self.meter);
        meter.set_kept(0);
        let look = |best: &mut Best, document| lambdas.rank(document, best, after, skipped, meter);
        let (source, best, group) = (&self.source, Best::new(self.left), Group::default());
        let walk = InOrder { source, ranges, fixed, descending, meter, best, look, group };
        Ok(walk.run()?.in_order())
    }

    /// Goes on with documents that indexes have named, in `_id` order.
    fn by_ids(
        &mut self,
        mut ids: VecDeque<DocumentId>,
        max_documents: usize,
        max_bytes: usize,
    ) -> Result<(Vec<Found>, bool)> {
        let (mut results, mut bytes) = (Vec::new(), 0);
        while self.left > 0 && results.len() < max_documents && bytes < max_bytes {
            let Some(id) = ids.pop_front() else { break };
            // An index is in step with its documents, so what it names is there.
            let Some(document) = self.source.document(&id)? else { continue };
            let found = self.lambdas.evaluate(document, &mut self.skipped, &self.meter)?;
            if let Some(found) = found {
                self.left -= 1;
                bytes += found.page_size();
                results.push(found);
            }
        }
        let finished = ids.is_empty() || self.left == 0;
        self.state = State::Ids(ids);
        Ok((results, finished))
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
        for document in Ahead::new(self.source.documents(after), self.lambdas.filter.as_ref()) {
            let document = document?;
            let full = results.len() >= max_documents || bytes >= max_bytes;
            if self.left == 0 || full {
                let finished = self.left == 0;
                // Once a page is full nothing more is looked at, so its last result was looked at last.
                let last = results.last().map(|found: &Found| id_of(&found.document).into());
                self.state = State::Scan(last.or_else(|| after.cloned()));
                return Ok((results, finished));
            }
            let found = self.lambdas.evaluate(document, &mut self.skipped, &self.meter)?;
            if let Some(found) = found {
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
struct Lambdas {
    filter: Option<Program>,
    /// The key, and whether the largest comes first.
    order: Option<(Program, bool)>,
    select: Option<Program>,
}

impl Lambdas {
    /// Adds what the query finds in `document` to the best, unless it comes before `after`.
    fn rank(
        &self,
        document: EncodedDocument,
        best: &mut Best,
        after: Option<&(Option<Value>, DocumentId)>,
        skipped: &mut Skipped,
        meter: &Meter,
    ) -> Result<()> {
        let descending = self.order.as_ref().is_some_and(|(_, descending)| *descending);
        if let Some(found) = self.evaluate(document, skipped, meter)? {
            best.add_after(Ranked { found, descending }, after)?;
        }
        // The key of a document that was skipped or was not among the best is not kept.
        meter.set_kept(best.bytes());
        Ok(())
    }

    /// What the query finds in `document`; `None` if it does not match or is skipped.
    fn evaluate(
        &self,
        document: EncodedDocument,
        skipped: &mut Skipped,
        meter: &Meter,
    ) -> Result<Option<Found>> {
        if !skipped.matches(self.filter.as_ref(), &document, meter)? {
            return Ok(None);
        }
        let mut value =
            |program: &Program| skipped.value(&document, program.evaluate_within(&document, meter));
        let (mut key, mut selected) = (None, None);
        if let Some((program, _)) = &self.order {
            let Some(found) = value(program)? else { return Ok(None) };
            meter.keep(size(&found));
            key = Some(found);
        }
        if let Some(program) = &self.select {
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

#[cfg(test)]
#[path = "executor_tests.rs"]
pub(super) mod tests;
