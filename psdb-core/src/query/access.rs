//! Walks through indexes to the documents that a plan names.
//!
//! Invariants:
//! 1. Every document comes once.
//! 2. What an index names is there: a source's indexes are in step with its documents.
//!
//! Left out: choosing (`planner`), orders (`ordered`), answers from keys alone (`keys_only`).

use std::ops::Bound;

use super::Meter;
use super::plan::{Access, Chosen, Plan};
use super::ranges::{IndexRanges, KeyRange};
use super::source::{Direction, Documents, Entries, Ids, Source};
use crate::types::{DocumentId, Result};

/// The entries in one range; none, if the index is gone.
pub(super) fn entries<'a, S: Source>(
    source: &'a S,
    ranges: &IndexRanges,
    range: &KeyRange,
    direction: Direction,
) -> Entries<'a> {
    let (low, high) = (Bound::Included(&range.low[..]), Bound::Excluded(&range.high[..]));
    let entries = source.index_entries(&ranges.name, low, high, direction);
    entries.unwrap_or_else(|| Box::new(std::iter::empty()))
}

/// The documents of the entries in one range; none, if the index is gone.
fn range_ids<'a, S: Source>(source: &'a S, ranges: &IndexRanges, range: &KeyRange) -> Ids<'a> {
    let (low, high) = (Bound::Included(&range.low[..]), Bound::Excluded(&range.high[..]));
    source.index_ids(&ranges.name, low, high).unwrap_or_else(|| Box::new(std::iter::empty()))
}

/// The ids of the documents that an access names, ascending, each once.
///
/// # Errors
///
/// [`crate::Error::QueryLimit`] when the query is cancelled, and whatever keeps the source from reading.
pub(super) fn ids<S: Source>(
    source: &S,
    access: &Access,
    meter: &Meter,
) -> Result<Vec<DocumentId>> {
    let mut ids = Vec::new();
    match access {
        Access::Nothing(_) => {}
        Access::Index(ranges) => {
            for range in &ranges.ranges {
                for id in range_ids(source, ranges, range) {
                    meter.entry()?;
                    ids.push(id?);
                }
            }
        }
        Access::Either(parts) => {
            for part in parts {
                ids.append(&mut self::ids(source, part, meter)?);
            }
        }
        Access::Both(parts) => {
            let mut parts = parts.iter();
            if let Some(first) = parts.next() {
                ids = self::ids(source, first, meter)?;
            }
            for part in parts {
                let other = self::ids(source, part, meter)?;
                ids.retain(|id| other.binary_search(id).is_ok());
            }
            return Ok(ids);
        }
    }
    // The entries of one value are in this order already.
    if !ids.is_sorted() {
        ids.sort_unstable();
    }
    ids.dedup();
    Ok(ids)
}

/// The documents of a plan, in no order that anybody may rely on.
///
/// # Errors
///
/// As for [`ids`].
pub(super) fn documents<'a, S: Source>(
    source: &'a S,
    chosen: &'a Chosen,
    meter: &Meter,
) -> Result<Documents<'a>> {
    let fetched = |id: Result<DocumentId>| id.and_then(|id| source.document(&id)).transpose();
    Ok(match &chosen.plan {
        Plan::Find(Access::Index(ranges)) | Plan::InOrder { ranges, .. } if !ranges.may_repeat => {
            let all = ranges.ranges.iter();
            Box::new(all.flat_map(|range| range_ids(source, ranges, range)).filter_map(fetched))
        }
        Plan::Find(access) => {
            Box::new(ids(source, access, meter)?.into_iter().map(Ok).filter_map(fetched))
        }
        // No plan in order has elements; a scan would be right even so.
        Plan::Scan | Plan::InOrder { .. } => source.documents(None),
    })
}
