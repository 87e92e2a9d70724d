//! Groups of documents and what is computed of each: `group LAMBDA sum LAMBDA`, `distinct LAMBDA`.
//!
//! Every shard makes [`Groups`] of its documents; whoever asked merges them and finishes. Keys are
//! one group when Python takes them for equal (`1`, `1.0` and `True`); the group shows the key of its
//! first document in `_id` order. Groups stand in the order of sorting: null, numbers, strings,
//! arrays, objects.
//!
//! Merging may take the shards in any order and gives the same: integers are summed exactly, floats
//! too (`sum`), smallest and largest are those of the order of sorting, collected values stand in
//! `_id` order.
//!
//! Invariants:
//! 1. Merging is associative and commutative.
//! 2. Groups never hold more than [`GROUP_BYTES`]; beyond, the query is refused.
//!
//! Left out: groups larger than memory.

mod pages;
mod sum;

use std::cmp::Ordering;
use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use serde::{Deserialize, Serialize};

pub use sum::Sum;

use super::ahead::for_each;
use super::executor::{Skipped, id_of};
use super::keys_only;
use super::planner::{self, Wanted};
use super::source::Source;
use super::{EvalError, Meter, Program, PyError};
use crate::codec::{EncodedDocument, ObjectRef};
use crate::types::{DocumentId, Error, Result, Value};

/// The most bytes that groups may take, about.
const GROUP_BYTES: u64 = 64 << 20;
/// What a group takes besides its values, about.
const GROUP_OVERHEAD: u64 = 128;

/// What is computed of each group; every lambda is Python text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Aggregate {
    /// How many documents there are.
    Count,
    /// The sum of a lambda's values.
    Sum(String),
    /// The mean of a lambda's values, a float.
    Average(String),
    /// The smallest of a lambda's values, in the order of sorting.
    Min(String),
    /// The largest of a lambda's values, in the order of sorting.
    Max(String),
    /// All of a lambda's values, in `_id` order.
    Collect(String),
}

impl Aggregate {
    /// The sum of what a lambda gives.
    pub fn sum(lambda: impl Into<String>) -> Aggregate {
        Aggregate::Sum(lambda.into())
    }

    /// The mean of what a lambda gives.
    pub fn average(lambda: impl Into<String>) -> Aggregate {
        Aggregate::Average(lambda.into())
    }

    /// The smallest of what a lambda gives.
    pub fn min(lambda: impl Into<String>) -> Aggregate {
        Aggregate::Min(lambda.into())
    }

    /// The largest of what a lambda gives.
    pub fn max(lambda: impl Into<String>) -> Aggregate {
        Aggregate::Max(lambda.into())
    }

    /// All that a lambda gives.
    pub fn collect(lambda: impl Into<String>) -> Aggregate {
        Aggregate::Collect(lambda.into())
    }

    fn lambda(&self) -> Option<&str> {
        match self {
            Aggregate::Count => None,
            Aggregate::Sum(lambda)
            | Aggregate::Average(lambda)
            | Aggregate::Min(lambda)
            | Aggregate::Max(lambda)
            | Aggregate::Collect(lambda) => Some(lambda),
        }
    }
}

/// A compiled request for groups.
#[derive(Clone, Debug)]
pub struct Grouping {
    key: Program,
    aggregate: Aggregate,
    value: Option<Program>,
    strict: bool,
}

impl Grouping {
    /// Groups by what the lambda `key` gives.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidQuery`] for a lambda outside of the language.
    pub fn compile(key: &str, aggregate: Aggregate) -> Result<Grouping> {
        let value = aggregate.lambda().map(Program::compile).transpose()?;
        Ok(Grouping { key: Program::compile(key)?, aggregate, value, strict: false })
    }

    /// The lambda whose values are the groups.
    pub fn key(&self) -> &Program {
        &self.key
    }

    /// Whether the keys of an index could say how large the groups are.
    fn is_counted_by_keys(&self, filter: Option<&Program>) -> bool {
        let all = filter.is_none_or(Program::is_always_true);
        all && !self.strict && self.aggregate == Aggregate::Count
    }

    /// The same groups; if `strict`, a lambda that raises ends the query.
    #[must_use]
    pub fn strict(mut self, strict: bool) -> Grouping {
        self.strict = strict;
        self
    }
}

/// What is known of one group so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Group {
    key: Value,
    /// The first document in `_id` order, whose key is shown.
    first: DocumentId,
    count: u64,
    partial: Partial,
}

/// What is known of an aggregate so far.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
enum Partial {
    Count,
    Sum(Sum),
    Extreme(Value),
    Values(Vec<(DocumentId, Value)>),
}

impl Partial {
    fn size(&self) -> u64 {
        match self {
            Partial::Values(values) => values.iter().map(|(_, value)| 32 + size(value)).sum(),
            Partial::Extreme(value) => size(value),
            Partial::Count | Partial::Sum(_) => 0,
        }
    }
}

/// A key in the order of sorting.
#[derive(Clone, Debug)]
struct Key(Value);

impl Ord for Key {
    fn cmp(&self, other: &Self) -> Ordering {
        self.0.total_cmp(&other.0)
    }
}

impl PartialOrd for Key {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Key {}

/// Groups of some documents; mergeable.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Groups {
    groups: BTreeMap<Key, Group>,
    bytes: u64,
}

/// About how many bytes a value takes.
pub(crate) fn size(value: &Value) -> u64 {
    let inner: u64 = match value {
        Value::String(text) => text.len() as u64,
        Value::Array(values) => values.iter().map(size).sum(),
        Value::Object(fields) => {
            fields.iter().map(|(name, value)| name.len() as u64 + 24 + size(value)).sum()
        }
        _ => 0,
    };
    32 + inner
}

impl Groups {
    /// Adds one group, or joins it with the one of the same key.
    fn add(&mut self, group: Group, aggregate: &Aggregate) -> Result<()> {
        self.bytes += group.partial.size();
        match self.groups.entry(Key(group.key.clone())) {
            Entry::Vacant(entry) => {
                self.bytes += GROUP_OVERHEAD + 2 * size(&group.key);
                entry.insert(group);
            }
            Entry::Occupied(mut entry) => entry.get_mut().join(group, aggregate),
        }
        if self.bytes > GROUP_BYTES { Err(too_large(self.groups.len())) } else { Ok(()) }
    }

    /// Joins the groups of other documents with these.
    ///
    /// # Errors
    ///
    /// [`Error::QueryLimit`] when they take too much memory together.
    pub fn merge(&mut self, other: Groups, aggregate: &Aggregate) -> Result<()> {
        other.groups.into_values().try_for_each(|group| self.add(group, aggregate))
    }

    /// How many groups there are.
    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.groups.is_empty()
    }

    /// Each group's key and what was computed of it, in the order of sorting.
    pub fn finish(self, aggregate: &Aggregate) -> Vec<(Value, Value)> {
        self.groups.into_values().map(|group| group.finish(aggregate)).collect()
    }
}

/// The error of so many groups that are too large together.
fn too_large(groups: usize) -> Error {
    let limit = format!("{groups} groups take more than {GROUP_BYTES} bytes; narrow the query");
    Error::QueryLimit { limit }
}

/// Groups travel as a list; what was counted is counted anew.
impl Serialize for Groups {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(self.groups.values())
    }
}

impl<'de> Deserialize<'de> for Groups {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let list = Vec::<Group>::deserialize(deserializer)?;
        let bytes = list.iter().map(Group::size).sum();
        let groups = list.into_iter().map(|group| (Key(group.key.clone()), group)).collect();
        Ok(Groups { groups, bytes })
    }
}

impl Group {
    fn size(&self) -> u64 {
        GROUP_OVERHEAD + 2 * size(&self.key) + self.partial.size()
    }

    /// The group's key and what was computed of it.
    fn finish(self, aggregate: &Aggregate) -> (Value, Value) {
        let value = match (self.partial, aggregate) {
            (Partial::Count, _) => Value::Int(i128::from(self.count)),
            (Partial::Sum(sum), Aggregate::Average(_)) => sum.average(self.count),
            (Partial::Sum(sum), _) => sum.total(),
            (Partial::Extreme(value), _) => value,
            (Partial::Values(values), _) => {
                Value::Array(values.into_iter().map(|(_, value)| value).collect())
            }
        };
        (self.key, value)
    }

    fn join(&mut self, other: Group, aggregate: &Aggregate) {
        self.count += other.count;
        if other.first < self.first {
            self.first = other.first;
            self.key = other.key;
        }
        match (&mut self.partial, other.partial) {
            (Partial::Sum(sum), Partial::Sum(more)) => sum.join(&more),
            (Partial::Extreme(best), Partial::Extreme(next)) => {
                let wanted = match aggregate {
                    Aggregate::Max(_) => Ordering::Greater,
                    _ => Ordering::Less,
                };
                if next.total_cmp(best) == wanted {
                    *best = next;
                }
            }
            (Partial::Values(values), Partial::Values(mut more)) => {
                let ordered = values.last().map(|(id, _)| id) < more.first().map(|(id, _)| id);
                values.append(&mut more);
                if !ordered {
                    values.sort_by(|(a, _), (b, _)| a.cmp(b));
                }
            }
            _ => {}
        }
    }
}

/// What one document adds.
fn evaluated(
    grouping: &Grouping,
    document: ObjectRef<'_>,
    meter: &Meter,
) -> Result<(Value, Partial), EvalError> {
    let key = grouping.key.evaluate_within(document, meter)?;
    let Some(program) = &grouping.value else { return Ok((key, Partial::Count)) };
    meter.keep(size(&key));
    let value = program.evaluate_within(document, meter)?;
    let partial = match &grouping.aggregate {
        Aggregate::Count => Partial::Count,
        Aggregate::Sum(_) | Aggregate::Average(_) => {
            let Some(sum) = Sum::of(&value) else {
                let message =
                    format!("unsupported operand type(s) for +: 'int' and '{}'", value.type_name());
                return Err(EvalError::Raised(PyError { kind: "TypeError", message }));
            };
            Partial::Sum(sum)
        }
        Aggregate::Min(_) | Aggregate::Max(_) => Partial::Extreme(value),
        Aggregate::Collect(_) => Partial::Values(vec![(DocumentId::from(id_of(document)), value)]),
    };
    Ok((key, partial))
}

/// Groups the documents that match `filter`, or all of them.
///
/// A document on which a lambda raises is in no group; it is counted.
///
/// # Errors
///
/// [`Error::QueryLimit`] when evaluating passes a limit, or the groups take too much memory.
pub fn group<S: Source>(
    source: &S,
    filter: Option<&Program>,
    grouping: &Grouping,
    meter: &Meter,
) -> Result<(Groups, Skipped)> {
    let (mut groups, mut skipped) = (Groups::default(), Skipped::new(grouping.strict));
    if grouping.is_counted_by_keys(filter)
        && let Some(index) = planner::index_of(source, &grouping.key)
    {
        let (groups, skipped) = (&mut groups, &mut skipped);
        let add = |document: EncodedDocument, count| {
            let key = grouping.key.evaluate_within(&document, meter);
            let Some(key) = skipped.value(&document, key)? else { return Ok(()) };
            let first = DocumentId::from(id_of(&document));
            let partial = Partial::Count;
            groups.add(Group { key, first, count, partial }, &grouping.aggregate)
        };
        if keys_only::groups(source, &index, meter, add)? {
            return Ok((std::mem::take(groups), std::mem::take(skipped)));
        }
    }
    let wanted = Wanted { filter, strict: grouping.strict, ..Wanted::default() };
    let chosen = planner::choose(source, wanted)?;
    let reads = filter.unwrap_or(&grouping.key);
    for_each(source, &chosen, meter, Some(reads), |document| {
        if !skipped.matches(filter, document, meter)? {
            return Ok(());
        }
        meter.set_kept(groups.bytes);
        let found = evaluated(grouping, document, meter);
        let Some((key, partial)) = skipped.value(document, found)? else { return Ok(()) };
        let first = DocumentId::from(id_of(document));
        groups.add(Group { key, first, count: 1, partial }, &grouping.aggregate)
    })?;
    Ok((groups, skipped))
}

#[cfg(test)]
#[path = "aggregate_tests.rs"]
mod tests;
