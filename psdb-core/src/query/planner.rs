//! Chooses how a query finds its documents.
//!
//! ```text
//! predicate -> conditions on fields -> ranges of every index that has them -> the cheapest
//!
//! a and b and c       the best index of all; its ranges intersected with the next best, if that pays
//! a or b              an index for each, and the union; a scan if one has none
//! sort by f limit n   the index on f in its order, if the first n come sooner than by sorting
//! ```
//! How much a range holds its tree says, nearly. Costs are in tenths of what looking
//! at one document of a scan costs; they need only be right about what is much more than what.
//!
//! What `strict` asks for, an error for the first document on which a lambda raises, needs every
//! document, so it is always a scan.
//!
//! Invariant: a plan yields every document for which the predicate is true.
//!
//! Left out: statistics that are kept; doing (`access`, `ordered`, `keys_only`).

use std::borrow::Cow;
use std::sync::Arc;

use super::Program;
use super::condition::{Condition, FieldCondition, Known};
use super::field::Missing;
use super::plan::{Access, Chosen, Plan};
use super::ranges::{Asked, IndexRanges};
use super::source::{Source, SourceIndex};
use super::spans::Spans;
use crate::codec::key::{MISSING, NULL};
use crate::types::{FieldPath, IndexName, Result, Value};

/// What looking at a document costs when a scan comes to it.
const SCANNED: u64 = 10;
/// What finding and looking at a document by its id costs.
const FETCHED: u64 = 25;
/// What an entry of an index costs.
const ENTRY: u64 = 3;
/// Of so many results by order without a known condition, one is expected to match.
const UNKNOWN_MATCHES: u64 = 4;
/// How many indexes are intersected at most.
const INTERSECTED: usize = 3;

/// What a plan is wanted for.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Wanted<'q> {
    pub(super) filter: Option<&'q Program>,
    /// The key of the order, and whether the largest comes first.
    pub(super) order: Option<(&'q Program, bool)>,
    pub(super) limit: Option<u64>,
    pub(super) strict: bool,
    /// Whether nothing of the documents is wanted but their number.
    pub(super) counted: bool,
}

/// What the planner asks about data.
pub(super) trait Statistics {
    /// How many documents there are.
    fn documents(&self) -> u64;

    /// How many entries an index has from `low` up to `high`.
    fn entries(&self, index: &IndexName, low: &[u8], high: &[u8]) -> Result<u64>;
}

impl<S: Source> Statistics for S {
    fn documents(&self) -> u64 {
        self.count()
    }

    fn entries(&self, index: &IndexName, low: &[u8], high: &[u8]) -> Result<u64> {
        self.estimate_entries(index, low, high)
    }
}

/// Chooses the cheapest plan for a source.
///
/// # Errors
///
/// Whatever keeps the source from counting.
pub(super) fn choose<S: Source>(source: &S, wanted: Wanted<'_>) -> Result<Chosen> {
    let indexed = wanted.filter.is_some() || wanted.order.is_some();
    let indexes = if indexed { source.indexes() } else { Vec::new() };
    plan(wanted, &indexes, source)
}

/// The index whose only field is what `key` reads, if there is one.
pub(super) fn index_of<S: Source>(source: &S, key: &Program) -> Option<IndexRanges> {
    let path = std::slice::from_ref(&key.field()?.path);
    let indexes = source.indexes();
    let found = indexes.iter().find(|index| index.complete && index.fields.paths() == path);
    found.map(IndexRanges::all)
}

/// Whether an index narrows down which documents are looked at, be it cheaper than a scan or not.
pub(super) fn narrows<S: Source>(source: &S, wanted: Wanted<'_>) -> bool {
    if wanted.strict {
        return false;
    }
    let indexes = source.indexes();
    let planner = Planner { indexes: &indexes, statistics: source };
    let known = wanted.filter.and_then(Program::known);
    if known.is_some_and(|known| planner.has(&known.condition)) {
        return true;
    }
    let (Some((key, _)), Some(_)) = (wanted.order, wanted.limit) else { return false };
    planner.orders(key, known).next().is_some()
}

/// A way to the documents, with what is known of it.
#[derive(Clone, Debug)]
struct Way {
    access: Access,
    /// How many entries are read.
    entries: u64,
    /// How many documents they name, about.
    documents: u64,
    /// Whether nothing that is asked was left out.
    whole: bool,
}

impl Way {
    fn cost(&self) -> u64 {
        self.entries * ENTRY + self.documents * FETCHED
    }

    /// Whether its entries alone say how many documents match.
    fn counts(&self) -> bool {
        match &self.access {
            Access::Nothing(_) => true,
            Access::Index(ranges) => {
                self.whole && ranges.is_exact() && !ranges.cut && !ranges.may_repeat
            }
            Access::Either(_) | Access::Both(_) => false,
        }
    }
}

/// Chooses the cheapest plan.
///
/// # Errors
///
/// Whatever keeps `statistics` from counting.
pub(super) fn plan(
    wanted: Wanted<'_>,
    indexes: &[SourceIndex],
    statistics: &impl Statistics,
) -> Result<Chosen> {
    let planner = Planner { indexes, statistics };
    let all = statistics.documents();
    let scan = |documents, by_choice| {
        let cost = u64::saturating_mul(documents, SCANNED);
        (cost, Chosen { plan: Plan::Scan, documents, whole: false, by_choice })
    };
    if wanted.strict {
        return Ok(scan(all, false).1);
    }
    let known = wanted.filter.and_then(Program::known);
    let way = match known {
        Some(known) => planner.way(&known.condition)?,
        None => None,
    };
    let matches = match (&way, wanted.filter) {
        (Some(way), _) => way.documents,
        (None, Some(filter)) if !filter.is_always_true() => all / UNKNOWN_MATCHES,
        (None, _) => all,
    };
    let scanned = match wanted.limit {
        // So many documents are passed until enough of them match.
        Some(limit) if wanted.order.is_none() => {
            (limit.saturating_mul(all) / matches.max(1)).min(all)
        }
        _ => all,
    };
    let mut best = scan(scanned, way.is_some());
    if let Some(way) = way {
        let whole = way.whole && known.is_some_and(|known| known.whole);
        let looked_at = match wanted.limit {
            _ if wanted.counted && whole && way.counts() => 0,
            // Documents come in the order of their ids, until there are enough.
            Some(limit) if whole && wanted.order.is_none() => limit.min(way.documents),
            _ => way.documents,
        };
        let cost = if wanted.counted && looked_at == 0 { 0 } else { way.cost() };
        // An index is preferred to a scan that costs the same, as in an empty database.
        if cost <= best.0 {
            let plan = Plan::Find(way.access);
            best = (cost, Chosen { plan, documents: looked_at, whole, by_choice: false });
        }
    }
    if let (Some((key, descending)), Some(limit)) = (wanted.order, wanted.limit)
        && let Some((Ordered { ranges, fixed, whole }, entries)) = planner.in_order(key, known)?
    {
        let covers = whole && known.is_some_and(|known| known.whole);
        let share = if covers { entries } else { matches.min(entries) };
        let documents = (limit.saturating_mul(entries) / share.max(1)).min(entries);
        let cost = documents.saturating_mul(ENTRY + FETCHED);
        if cost < best.0 {
            let plan = Plan::InOrder { ranges, fixed, descending };
            best = (cost, Chosen { plan, documents, whole: false, by_choice: false });
        }
    }
    Ok(best.1)
}

/// The field an index on which would help a scan, unless there is one: of those compared with one value
/// first.
pub(super) fn helpful(wanted: Wanted<'_>, indexes: &[SourceIndex]) -> Option<String> {
    if wanted.strict {
        return None;
    }
    let mut fields: Vec<(bool, String)> = Vec::new();
    for condition in wanted.filter.and_then(Program::known).map_or(&[][..], Known::conditions) {
        match condition {
            Condition::Field(field) => {
                let ranges = field.values.iter().any(|span| !span.point && span.exact);
                fields.push((ranges, field.path.to_string()));
            }
            Condition::Any(parts) => fields.extend(parts.iter().find_map(|part| match part {
                Condition::Field(field) => Some((true, field.path.to_string())),
                Condition::All(_) | Condition::Any(_) => None,
            })),
            Condition::All(_) => {}
        }
    }
    fields.sort();
    let by_order = || wanted.order?.0.field().map(|field| field.path.to_string());
    let helpful = fields.into_iter().map(|(_, field)| field).next().or_else(by_order)?;
    let has = |index: &SourceIndex| {
        let first = index.fields.paths().first();
        index.complete && first.is_some_and(|path| path.to_string() == helpful)
    };
    if indexes.iter().any(has) { None } else { Some(helpful) }
}

/// Ranges of an index in the order that is wanted.
struct Ordered {
    ranges: IndexRanges,
    /// Of how many fields, from the first on, all entries have the same value.
    fixed: usize,
    /// Whether every known condition bounds them.
    whole: bool,
}

/// Conditions on one field that may be intersected.
struct Merged<'c> {
    path: &'c FieldPath,
    values: Cow<'c, Spans>,
    /// The conditions as text.
    texts: Vec<&'c Arc<str>>,
}

impl Merged<'_> {
    fn asked(&self) -> Asked<'_> {
        Asked { values: &self.values, texts: &self.texts }
    }
}

struct Planner<'p, S> {
    indexes: &'p [SourceIndex],
    statistics: &'p S,
}

impl<S> Planner<'_, S> {
    /// The indexes that can be searched.
    fn usable(&self) -> impl Iterator<Item = &SourceIndex> {
        self.indexes.iter().filter(|index| index.complete)
    }

    /// Whether there is a way to what satisfies `condition`.
    fn has(&self, condition: &Condition) -> bool {
        let has_all = |conditions: &[Condition]| {
            let first =
                |path| self.usable().any(|index| index.fields.paths().first() == Some(path));
            let any = |condition: &Condition| matches!(condition, Condition::Any(_));
            conditions.iter().any(|condition| any(condition) && self.has(condition))
                || merged(conditions).iter().any(|m| m.values.is_empty() || first(m.path))
        };
        match condition {
            Condition::Field(_) => has_all(std::slice::from_ref(condition)),
            Condition::All(conditions) => has_all(conditions),
            Condition::Any(conditions) => conditions.iter().all(|condition| self.has(condition)),
        }
    }

    /// The ranges of each index that has the documents in the order of `key`.
    fn orders(&self, key: &Program, known: Option<&Known>) -> impl Iterator<Item = Ordered> {
        let field = key.field().and_then(|field| match field.missing {
            // A missing field must come where its value comes, or not at all.
            Missing::Raises => Some((&field.path, NULL)),
            Missing::Reads(Value::Null) if field.path.names().len() == 1 => {
                Some((&field.path, MISSING))
            }
            Missing::Reads(_) | Missing::Unknown => None,
        });
        let conditions = known.map_or(&[][..], Known::conditions);
        let mut merged = field.map_or_else(Vec::new, |_| merged(conditions));
        merged.retain(|merged| !merged.values.has_elements());
        let ordered = move |index| {
            let (path, lowest) = field?;
            ordered(index, path, lowest, &merged, conditions.len())
        };
        self.usable().filter_map(ordered)
    }
}

impl<S: Statistics> Planner<'_, S> {
    /// The best way to what satisfies `condition`; `None` if no index has it.
    fn way(&self, condition: &Condition) -> Result<Option<Way>> {
        match condition {
            Condition::Field(_) => self.all(std::slice::from_ref(condition)),
            Condition::All(conditions) => self.all(conditions),
            Condition::Any(conditions) => {
                let mut ways = Vec::new();
                for condition in conditions {
                    let Some(way) = self.way(condition)? else { return Ok(None) };
                    ways.push(way);
                }
                let entries = ways.iter().map(|way| way.entries).sum();
                let documents = ways.iter().map(|way| way.documents).sum();
                let access = Access::Either(ways.into_iter().map(|way| way.access).collect());
                Ok(Some(Way { access, entries, documents, whole: false }))
            }
        }
    }

    /// The best way to what satisfies all conditions.
    fn all(&self, conditions: &[Condition]) -> Result<Option<Way>> {
        let mut ways = Vec::new();
        for condition in conditions {
            if let Condition::Any(_) = condition {
                ways.extend(self.way(condition)?);
            }
        }
        let merged = merged(conditions);
        if let Some(empty) = merged.iter().find(|merged| merged.values.is_empty()) {
            let texts: Vec<&str> = empty.texts.iter().map(|text| &***text).collect();
            let access = Access::Nothing(texts.join(" and "));
            return Ok(Some(Way { access, entries: 0, documents: 0, whole: true }));
        }
        for index in self.usable() {
            for first in merged.iter().filter(|m| Some(m.path) == index.fields.paths().first()) {
                let (ranges, used) = ranges(index, first, &merged);
                let entries = self.entries(&ranges)?;
                let (access, whole) = (Access::Index(ranges), used == conditions.len());
                ways.push(Way { access, entries, documents: entries, whole });
            }
        }
        // The first of equally good ones, so that plans do not depend on chance.
        ways.sort_by_key(Way::cost);
        let mut ways = ways.into_iter();
        let Some(best) = ways.next() else { return Ok(None) };
        Ok(Some(self.intersected(best, ways)))
    }

    /// How many entries the ranges hold, about.
    fn entries(&self, ranges: &IndexRanges) -> Result<u64> {
        let mut entries = 0;
        for range in &ranges.ranges {
            entries += self.statistics.entries(&ranges.name, &range.low, &range.high)?;
        }
        Ok(entries)
    }

    /// The best way, narrowed by others as long as that pays.
    fn intersected(&self, best: Way, others: impl Iterator<Item = Way>) -> Way {
        let all = self.statistics.documents().max(1);
        let mut way = best;
        for other in others {
            let left = way.documents.saturating_mul(other.documents) / all;
            let saved = (way.documents - left.min(way.documents)) * FETCHED;
            // Both lists are sorted, which costs about as much as reading them.
            let cost = (way.documents + 2 * other.entries) * ENTRY;
            let parts = match &way.access {
                Access::Both(parts) => parts,
                single => std::slice::from_ref(single),
            };
            if parts.len() == INTERSECTED || cost >= saved || overlap(parts, &other.access) {
                continue;
            }
            way.access = match way.access {
                Access::Both(mut parts) => {
                    parts.push(other.access);
                    Access::Both(parts)
                }
                single => Access::Both(vec![single, other.access]),
            };
            way.entries += other.entries;
            way.documents = left;
            way.whole = false;
        }
        way
    }

    /// The ranges that have the documents in the order of `key` with the fewest entries, and how many.
    fn in_order(&self, key: &Program, known: Option<&Known>) -> Result<Option<(Ordered, u64)>> {
        let mut best: Option<(Ordered, u64)> = None;
        for ordered in self.orders(key, known) {
            let entries = self.entries(&ordered.ranges)?;
            if best.as_ref().is_none_or(|(_, fewest)| entries < *fewest) {
                best = Some((ordered, entries));
            }
        }
        Ok(best)
    }
}

/// Conditions by field, intersected where a document has one value; questions for elements each for
/// itself, since different elements may answer them.
fn merged(conditions: &[Condition]) -> Vec<Merged<'_>> {
    let mut merged: Vec<Merged<'_>> = Vec::with_capacity(conditions.len());
    for condition in conditions {
        let Condition::Field(FieldCondition { path, values, text, .. }) = condition else {
            continue;
        };
        let elements = values.has_elements();
        let same = |known: &&mut Merged<'_>| {
            known.path == path && !known.values.has_elements() && !elements
        };
        match merged.iter_mut().find(same) {
            Some(known) => {
                known.values = Cow::Owned(known.values.intersection(values));
                known.texts.push(text);
            }
            None => merged.push(Merged { path, values: Cow::Borrowed(values), texts: vec![text] }),
        }
    }
    merged
}

/// The ranges of an index whose first field is asked for `first`, and how many conditions they use.
fn ranges(index: &SourceIndex, first: &Merged<'_>, merged: &[Merged<'_>]) -> (IndexRanges, usize) {
    let mut asked = vec![first.asked()];
    for path in index.fields.paths().iter().skip(1) {
        let plain = |m: &&Merged<'_>| m.path == path && !m.values.has_elements();
        let Some(next) = merged.iter().find(plain) else { break };
        asked.push(next.asked());
    }
    let ranges = IndexRanges::new(index, &asked);
    let used = ranges.conditions.len();
    (ranges, used)
}

/// The ranges of an index that are in the order of the field at `path`: it comes first, or after fields
/// that are asked for one value each.
fn ordered(
    index: &SourceIndex,
    path: &FieldPath,
    lowest: u8,
    merged: &[Merged<'_>],
    conditions: usize,
) -> Option<Ordered> {
    let fixed = index.fields.paths().iter().position(|field| field == path)?;
    let mut asked = Vec::with_capacity(fixed + 1);
    for path in &index.fields.paths()[..fixed] {
        let known = merged.iter().find(|merged| merged.path == path)?;
        let one = known.values.len() == 1 && known.values.iter().all(|span| span.point);
        if !one {
            return None;
        }
        asked.push(known.asked());
    }
    let sorted = Spans::from(lowest);
    let within = merged.iter().find(|merged| merged.path == path);
    let both = within.map(|within| within.values.intersection(&sorted));
    let texts = within.map_or(&[][..], |within| &within.texts);
    asked.push(Asked { values: both.as_ref().unwrap_or(&sorted), texts });
    let ranges = IndexRanges::new(index, &asked);
    let whole = ranges.conditions.len() == conditions;
    Some(Ordered { ranges, fixed, whole })
}

/// Whether an access is of an index that is among `parts` already.
fn overlap(parts: &[Access], access: &Access) -> bool {
    let name = |access: &Access| match access {
        Access::Index(ranges) => Some(ranges.name.clone()),
        _ => None,
    };
    name(access).is_some_and(|index| parts.iter().any(|part| name(part).as_ref() == Some(&index)))
}
