//! Answers that the keys of an index give without its documents.
//!
//! ```text
//! count  lambda d: 18 <= d["age"] < 30      the number of entries between two keys
//! group  lambda d: d["role"] count          the entries of each key; one document for each group
//! ```
//! Only keys that say everything are taken at their word. Whatever a range is not certain about, what
//! was cut, and where the field is missing, the document is looked at, so that the answer, and who is
//! skipped, is what looking at every document in the ranges would give.
//!
//! Left out: sums, for which a key would have to be decoded.

use std::ops::Bound;

use super::access::entries;
use super::executor::Skipped;
use super::plan::{Access, Chosen, Plan};
use super::ranges::{IndexRanges, KeyRange};
use super::source::{Direction, Source};
use super::spans::after;
use super::{Meter, Program};
use crate::codec::EncodedDocument;
use crate::codec::key::MISSING;
use crate::types::{DocumentId, Result};

/// How many entries are looked at to see whether an index has few different values.
const SAMPLED: usize = 256;
/// After so many entries of one value the others are counted by the index.
const WALKED: u64 = 32;

/// How many documents match, as far as keys say so; `None` if documents have to be looked at.
///
/// # Errors
///
/// As for evaluating the filter, and whatever keeps the source from reading.
pub(super) fn count<S: Source>(
    source: &S,
    chosen: &Chosen,
    filter: &Program,
    skipped: &mut Skipped,
    meter: &Meter,
) -> Result<Option<u64>> {
    let ranges = match &chosen.plan {
        Plan::Find(Access::Nothing(_)) => return Ok(Some(0)),
        Plan::Find(Access::Index(ranges)) if chosen.whole && !ranges.may_repeat => ranges,
        _ => return Ok(None),
    };
    let mut count = 0;
    for range in &ranges.ranges {
        if range.exact && !ranges.cut {
            let (low, high) = (Bound::Included(&range.low[..]), Bound::Excluded(&range.high[..]));
            count += source.count_entries(&ranges.name, low, high)?;
            continue;
        }
        for entry in entries(source, ranges, range, Direction::Ascending) {
            meter.entry()?;
            let (key, id) = entry?;
            let certain = range.exact && !is_cut(ranges, &key);
            count += u64::from(
                certain
                    || match source.document(&id)? {
                        Some(document) => skipped.matches(Some(filter), &document, meter)?,
                        None => false,
                    },
            );
        }
    }
    Ok(Some(count))
}

/// Whether one of the values that the ranges bound was cut.
fn is_cut(ranges: &IndexRanges, key: &[u8]) -> bool {
    ranges.fields.part_end(key, ranges.bounded).is_none_or(|(_, cut)| cut)
}

/// Gives `group` each different value of an index's only field, with the document of the smallest id
/// that has it and how many have it. Documents whose values keys do not tell come by themselves.
/// Says whether it did; if the values are too many, looking at all documents is faster.
///
/// # Errors
///
/// What `group` gives, and whatever keeps the source from reading.
pub(super) fn groups<S: Source>(
    source: &S,
    ranges: &IndexRanges,
    meter: &Meter,
    mut group: impl FnMut(EncodedDocument, u64) -> Result<()>,
) -> Result<bool> {
    if !has_few_values(source, ranges)? {
        return Ok(false);
    }
    for all in &ranges.ranges {
        let mut left = all.clone();
        while let Some(next) = groups_within(source, ranges, &left, meter, &mut group)? {
            left.low = next;
        }
    }
    Ok(true)
}

/// Whether the first entries have few different values.
fn has_few_values<S: Source>(source: &S, ranges: &IndexRanges) -> Result<bool> {
    let (mut different, mut seen, mut last) = (0, 0, Vec::new());
    let all = ranges.ranges.iter();
    let all = all.flat_map(|range| entries(source, ranges, range, Direction::Ascending));
    for entry in all.take(SAMPLED) {
        let (key, _) = entry?;
        let end = ranges.fields.part_end(&key, 1).map_or(key.len(), |(end, _)| end);
        if key[..end] != last[..] || key[..end] == [MISSING] {
            different += 1;
            last = key[..end].to_vec();
        }
        seen += 1;
    }
    Ok(different * 4 <= seen)
}

/// Walks through a range; gives where to go on after a value with many entries.
fn groups_within<S: Source>(
    source: &S,
    ranges: &IndexRanges,
    range: &KeyRange,
    meter: &Meter,
    group: &mut impl FnMut(EncodedDocument, u64) -> Result<()>,
) -> Result<Option<Vec<u8>>> {
    let mut current: Option<(Vec<u8>, DocumentId, u64)> = None;
    let finish = |current: Option<(Vec<u8>, DocumentId, u64)>,
                  group: &mut dyn FnMut(EncodedDocument, u64) -> Result<()>| {
        let Some((_, id, count)) = current else { return Ok(()) };
        match source.document(&id)? {
            Some(document) => group(document, count),
            None => Ok(()),
        }
    };
    for entry in entries(source, ranges, range, Direction::Ascending) {
        meter.entry()?;
        let (key, id) = entry?;
        let (end, cut) = ranges.fields.part_end(&key, 1).unwrap_or((key.len(), true));
        let value = &key[..end];
        if cut || value == [MISSING] {
            finish(current.take(), group)?;
            finish(Some((Vec::new(), id, 1)), group)?;
            continue;
        }
        match &mut current {
            Some((known, _, count)) if known[..] == *value => *count += 1,
            _ => finish(current.replace((value.to_vec(), id, 1)), group)?,
        }
        if let Some((value, first, count)) = &current
            && *count >= WALKED
        {
            let high = after(value.clone());
            let (low, end) = (Bound::Included(&value[..]), Bound::Excluded(&high[..]));
            let all = source.count_entries(&ranges.name, low, end)?;
            finish(Some((Vec::new(), first.clone(), all)), group)?;
            return Ok(Some(high));
        }
    }
    finish(current, group)?;
    Ok(None)
}
