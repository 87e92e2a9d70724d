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

use super::Program;
use super::condition::{self, Condition, FieldCondition, Known};
use super::field::{Field, Missing};
use super::plan::{Access, Chosen, Plan};
use super::ranges::{Asked, IndexRanges, PlannedIndex};
use super::source::{Source, SourceIndex};
use super::spans::Spans;
use crate::codec::entry::IndexedFields;
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

/// The indexes that can be searched.
pub(super) fn usable(indexes: &[SourceIndex]) -> Vec<PlannedIndex> {
    let complete = indexes.iter().filter(|index| index.complete);
    let planned = complete.map(|index| PlannedIndex {
        name: index.name.clone(),
        fields: IndexedFields::new(index.fields.iter().map(String::as_str)),
        cut: index.cut,
    });
    planned.collect()
}

/// Chooses the cheapest plan for a source.
///
/// # Errors
///
/// Whatever keeps the source from counting.
pub(super) fn choose<S: Source>(source: &S, wanted: Wanted<'_>) -> Result<Chosen> {
    let indexed = wanted.filter.is_some() || wanted.order.is_some();
    let indexes = if indexed { usable(&source.indexes()) } else { Vec::new() };
    plan(wanted, &indexes, source)
}

/// The index whose only field is what `key` reads, if there is one.
pub(super) fn index_of<S: Source>(source: &S, key: &Program) -> Option<IndexRanges> {
    let field = Field::of(key.code())?;
    let indexes = usable(&source.indexes());
    let found = indexes.iter().find(|index| *index.fields.paths() == [field.path.clone()]);
    found.map(IndexRanges::all)
}

/// Whether an index narrows down which documents are looked at, be it cheaper than a scan or not.
///
/// # Errors
///
/// Whatever keeps the source from counting.
pub(super) fn narrows<S: Source>(source: &S, wanted: Wanted<'_>) -> Result<bool> {
    if wanted.strict {
        return Ok(false);
    }
    let indexes = usable(&source.indexes());
    let planner = Planner { indexes: &indexes, statistics: source };
    let known = wanted.filter.and_then(condition::of);
    if let Some(known) = &known
        && planner.way(&known.condition)?.is_some()
    {
        return Ok(true);
    }
    match (wanted.order, wanted.limit) {
        (Some((key, _)), Some(_)) => Ok(planner.in_order(key, known.as_ref())?.is_some()),
        _ => Ok(false),
    }
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
    indexes: &[PlannedIndex],
    statistics: &impl Statistics,
) -> Result<Chosen> {
    let planner = Planner { indexes, statistics };
    let all = statistics.documents();
    let known = wanted.filter.and_then(condition::of);
    let has = |field: &String| {
        let first = |index: &PlannedIndex| index.fields.paths().first().map(FieldPath::to_string);
        indexes.iter().any(|index| first(index).as_ref() == Some(field))
    };
    let helpful = helpful(known.as_ref(), wanted).filter(|field| !has(field));
    let scan = Chosen { plan: Plan::Scan, documents: all, whole: false, by_choice: false, helpful };
    if wanted.strict {
        return Ok(Chosen { helpful: None, ..scan });
    }
    let way = match &known {
        Some(known) => planner.way(&known.condition)?,
        None => None,
    };
    let matches = match (&way, wanted.filter) {
        (Some(way), _) => way.documents,
        (None, Some(filter)) if !filter.is_always_true() => all / UNKNOWN_MATCHES,
        (None, _) => all,
    };
    let walked = |limit: Option<u64>| match limit {
        // So many documents are passed until enough of them match.
        Some(limit) => (limit.saturating_mul(all) / matches.max(1)).min(all),
        None => all,
    };
    let scanned = if wanted.order.is_none() { walked(wanted.limit) } else { all };
    let by_choice = way.is_some();
    let scan = Chosen { documents: scanned, by_choice, ..scan };
    let mut best = (scanned.saturating_mul(SCANNED), scan);
    if let Some(way) = &way {
        let whole = way.whole && known.as_ref().is_some_and(|known| known.whole);
        let looked_at = match wanted.limit {
            _ if wanted.counted && whole && way.counts() => 0,
            // Documents come in the order of their ids, until there are enough.
            Some(limit) if whole && wanted.order.is_none() => limit.min(way.documents),
            _ => way.documents,
        };
        let cost = if wanted.counted && looked_at == 0 { 0 } else { way.cost() };
        // An index is preferred to a scan that costs the same, as in an empty database.
        if cost <= best.0 {
            let plan = Plan::Find(way.access.clone());
            let documents = looked_at;
            best = (cost, Chosen { plan, documents, whole, by_choice: false, helpful: None });
        }
    }
    if let (Some(order), Some(limit)) = (wanted.order, wanted.limit)
        && let Some(Ordered { ranges, entries, whole }) =
            planner.in_order(order.0, known.as_ref())?
    {
        let covers = whole && known.as_ref().is_some_and(|known| known.whole);
        let share = if covers { entries } else { matches.min(entries) };
        let documents = (limit.saturating_mul(entries) / share.max(1)).min(entries);
        let cost = documents.saturating_mul(ENTRY + FETCHED);
        if cost < best.0 {
            let plan = Plan::InOrder { ranges, descending: order.1 };
            let whole = false;
            best = (cost, Chosen { plan, documents, whole, by_choice: false, helpful: None });
        }
    }
    Ok(best.1)
}

/// The fields an index on which would help a scan: those compared with one value first.
fn helpful(known: Option<&Known>, wanted: Wanted<'_>) -> Option<String> {
    let mut fields: Vec<(bool, String)> = Vec::new();
    let conditions = match known.map(|known| &known.condition) {
        Some(Condition::All(conditions)) => &conditions[..],
        Some(condition) => std::slice::from_ref(condition),
        None => &[],
    };
    for condition in conditions {
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
    let by_order = || Field::of(wanted.order?.0.code()).map(|field| field.path.to_string());
    fields.into_iter().map(|(_, field)| field).next().or_else(by_order)
}

/// Conditions on one field that may be intersected.
struct Merged<'c> {
    path: &'c FieldPath,
    values: Spans,
    text: String,
    count: usize,
}

/// Ranges of an index in the order that is wanted.
struct Ordered {
    ranges: IndexRanges,
    /// How many entries they hold, about.
    entries: u64,
    /// Whether every known condition bounds them.
    whole: bool,
}

struct Planner<'p, S> {
    indexes: &'p [PlannedIndex],
    statistics: &'p S,
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
        let fields = conditions.iter().filter_map(|condition| match condition {
            Condition::Field(field) => Some(field),
            Condition::All(_) | Condition::Any(_) => None,
        });
        let fields: Vec<&FieldCondition> = fields.collect();
        let merged = merged(&fields);
        if let Some(empty) = merged.iter().find(|merged| merged.values.is_empty()) {
            let access = Access::Nothing(vec![empty.text.clone()]);
            return Ok(Some(Way { access, entries: 0, documents: 0, whole: true }));
        }
        for index in self.indexes {
            for first in merged.iter().filter(|m| Some(m.path) == index.fields.paths().first()) {
                let ranges = ranges(index, first, &merged);
                let used: usize = ranges.1;
                let whole = used == conditions.len();
                ways.push(self.index_way(ranges.0, whole)?);
            }
        }
        // The first of equally good ones, so that plans do not depend on chance.
        ways.sort_by_key(Way::cost);
        let mut ways = ways.into_iter();
        let Some(best) = ways.next() else { return Ok(None) };
        Ok(Some(self.intersected(best, ways)))
    }

    fn index_way(&self, ranges: IndexRanges, whole: bool) -> Result<Way> {
        let entries = self.entries(&ranges)?;
        Ok(Way { access: Access::Index(ranges), entries, documents: entries, whole })
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
        let mut parts = vec![way.access.clone()];
        for other in others {
            let left = way.documents.saturating_mul(other.documents) / all;
            let saved = (way.documents - left.min(way.documents)) * FETCHED;
            // Both lists are sorted, which costs about as much as reading them.
            let cost = (way.documents + 2 * other.entries) * ENTRY;
            if parts.len() == INTERSECTED || cost >= saved || overlap(&parts, &other.access) {
                continue;
            }
            parts.push(other.access);
            way.entries += other.entries;
            way.documents = left;
            way.whole = false;
        }
        if parts.len() > 1 {
            way.access = Access::Both(parts);
        }
        way
    }

    /// The ranges of an index that has the documents in the order of `key`.
    fn in_order(&self, key: &Program, known: Option<&Known>) -> Result<Option<Ordered>> {
        let Some(field) = Field::of(key.code()) else { return Ok(None) };
        // A missing field must come where its value comes, or not at all.
        let lowest = match field.missing {
            Missing::Raises => NULL,
            Missing::Reads(Value::Null) if field.path.names().len() == 1 => MISSING,
            Missing::Reads(_) | Missing::Unknown => return Ok(None),
        };
        let conditions = match known.map(|known| &known.condition) {
            Some(Condition::All(conditions)) => &conditions[..],
            Some(condition) => std::slice::from_ref(condition),
            None => &[],
        };
        let fields = conditions.iter().filter_map(|condition| match condition {
            Condition::Field(field) if !field.values.has_elements() => Some(field),
            _ => None,
        });
        let merged = merged(&fields.collect::<Vec<_>>());
        let mut best: Option<Ordered> = None;
        for index in self.indexes {
            let Some((ranges, used)) = ordered_ranges(index, &field.path, lowest, &merged) else {
                continue;
            };
            let entries = self.entries(&ranges)?;
            if best.as_ref().is_none_or(|best| entries < best.entries) {
                best = Some(Ordered { ranges, entries, whole: used == conditions.len() });
            }
        }
        Ok(best)
    }
}

/// Conditions by field, intersected where a document has one value; questions for elements each for
/// itself, since different elements may answer them.
fn merged<'c>(fields: &[&'c FieldCondition]) -> Vec<Merged<'c>> {
    let mut merged: Vec<Merged<'c>> = Vec::new();
    for field in fields {
        let elements = field.values.has_elements();
        let same = |known: &&mut Merged<'c>| {
            known.path == &field.path && !known.values.has_elements() && !elements
        };
        match merged.iter_mut().find(same) {
            Some(known) => {
                known.values = known.values.intersection(&field.values);
                known.text = format!("{} and {}", known.text, field.text);
                known.count += 1;
            }
            None => merged.push(Merged {
                path: &field.path,
                values: field.values.clone(),
                text: field.text.clone(),
                count: 1,
            }),
        }
    }
    merged
}

/// The ranges of an index whose first field is asked for `first`, and how many conditions they use.
fn ranges(index: &PlannedIndex, first: &Merged<'_>, merged: &[Merged<'_>]) -> (IndexRanges, usize) {
    let mut asked = vec![first];
    for path in index.fields.paths().iter().skip(1) {
        let plain = |m: &&Merged<'_>| m.path == path && !m.values.has_elements();
        let Some(next) = merged.iter().find(plain) else { break };
        asked.push(next);
    }
    let of_fields: Vec<Asked<'_>> =
        asked.iter().map(|m| Asked { values: &m.values, text: &m.text }).collect();
    let ranges = IndexRanges::new(index, &of_fields);
    let used = asked[..ranges.bounded].iter().map(|m| m.count).sum();
    (ranges, used)
}

/// The ranges of an index that are in the order of the field at `path`, and how many conditions they
/// use: the field comes first, or after fields that are asked for one value each.
fn ordered_ranges(
    index: &PlannedIndex,
    path: &FieldPath,
    lowest: u8,
    merged: &[Merged<'_>],
) -> Option<(IndexRanges, usize)> {
    let at = index.fields.paths().iter().position(|field| field == path)?;
    let (mut asked, mut used) = (Vec::new(), 0);
    for fixed in &index.fields.paths()[..at] {
        let known = merged.iter().find(|merged| merged.path == fixed)?;
        let one = known.values.len() == 1 && known.values.iter().all(|span| span.point);
        if !one {
            return None;
        }
        asked.push(Asked { values: &known.values, text: &known.text });
        used += known.count;
    }
    let sorted = Spans::from(lowest);
    let within = merged.iter().find(|merged| merged.path == path);
    used += within.map_or(0, |within| within.count);
    let both = within.map(|within| within.values.intersection(&sorted));
    let (values, text) = match (&both, within) {
        (Some(both), Some(within)) => (both, within.text.as_str()),
        _ => (&sorted, ""),
    };
    asked.push(Asked { values, text });
    let mut ranges = IndexRanges::new(index, &asked);
    ranges.conditions.retain(|text| !text.is_empty());
    ranges.fixed = at;
    Some((ranges, used))
}

/// Whether an access is of an index that is among `parts` already.
fn overlap(parts: &[Access], access: &Access) -> bool {
    let name = |access: &Access| match access {
        Access::Index(ranges) => Some(ranges.name.clone()),
        _ => None,
    };
    name(access).is_some_and(|index| parts.iter().any(|part| name(part).as_ref() == Some(&index)))
}
