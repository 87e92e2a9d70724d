//! Ranges of one index: conditions on its fields, turned into the entries to look at.
//!
//! ```text
//! index role, age    role in {"Dev", "Ops"}, age in [18, 30)
//!
//!     | "Dev" 18 ─── "Dev" 30 )    | "Ops" 18 ─── "Ops" 30 )
//! ```
//! As long as every set is made of points the next field joins in; the first that is not ends it.
//!
//! Invariants:
//! 1. The ranges hold an entry of every document that satisfies the conditions.
//! 2. An entry in an exact range in which no value was cut belongs to a document that satisfies those
//!    conditions that were `used`.
//! 3. Ranges ascend and do not overlap.
//!
//! Left out: which index is best (`planner`).

use std::sync::Arc;

use super::SourceIndex;
use super::spans::{Span, Spans, after};
use crate::codec::entry::{ELEMENT, IndexedFields};
use crate::codec::key::CUT;
use crate::types::IndexName;

/// The most ranges of one index; beyond, one range holds them all.
const RANGES: usize = 256;

/// Keys from `low`, included, up to `high`, excluded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct KeyRange {
    pub(super) low: Vec<u8>,
    pub(super) high: Vec<u8>,
    pub(super) exact: bool,
}

/// Ranges of one index.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct IndexRanges {
    pub(super) name: IndexName,
    pub(super) fields: Arc<IndexedFields>,
    /// Whether a value in the index was cut.
    pub(super) cut: bool,
    pub(super) ranges: Vec<KeyRange>,
    /// How many of the index's fields they bound.
    pub(super) bounded: usize,
    /// Whether a document may have several entries in them.
    pub(super) may_repeat: bool,
    /// What they follow from, as text.
    pub(super) conditions: Vec<Arc<str>>,
}

/// What is asked of one field.
#[derive(Clone, Debug)]
pub(super) struct Asked<'a> {
    pub(super) values: &'a Spans,
    /// The conditions that it follows from, as text.
    pub(super) texts: &'a [&'a Arc<str>],
}

impl IndexRanges {
    /// The ranges for what is asked of the index's first fields, in their order.
    pub(super) fn new(index: &SourceIndex, asked: &[Asked<'_>]) -> IndexRanges {
        let cut = index.fields.cut();
        let mut ranges = vec![KeyRange { low: Vec::new(), high: vec![ELEMENT + 1], exact: true }];
        let (mut bounded, mut may_repeat) = (0, false);
        for Asked { values, .. } in asked {
            let points = values.iter().all(|span| span.point);
            let few = ranges.len() * values.len() <= RANGES;
            let hull = if few { None } else { Some(values.hull()) };
            let values = hull.as_ref().unwrap_or(values);
            if bounded == 0 {
                may_repeat = values.may_repeat() || (!few && asked[0].values.has_elements());
            }
            ranges = extended(&ranges, values, cut);
            bounded += 1;
            if !points || !few {
                break;
            }
        }
        let texts = asked[..bounded].iter().flat_map(|asked| asked.texts);
        let conditions = texts.map(|text| Arc::clone(text)).collect();
        let (name, fields) = (index.name.clone(), Arc::clone(&index.fields));
        IndexRanges { name, fields, cut: index.cut, ranges, bounded, may_repeat, conditions }
    }

    /// All entries of an index but those of elements: every document once.
    pub(super) fn all(index: &SourceIndex) -> IndexRanges {
        let everything = KeyRange { low: Vec::new(), high: vec![ELEMENT], exact: true };
        IndexRanges {
            name: index.name.clone(),
            fields: Arc::clone(&index.fields),
            cut: index.cut,
            ranges: vec![everything],
            bounded: 0,
            may_repeat: false,
            conditions: Vec::new(),
        }
    }

    /// Whether every entry, unless a value in it was cut, belongs to a document that satisfies the
    /// conditions.
    pub(super) fn is_exact(&self) -> bool {
        self.ranges.iter().all(|range| range.exact)
    }
}

/// Each range, made of points so far, followed by each of the values.
fn extended(ranges: &[KeyRange], values: &Spans, cut: usize) -> Vec<KeyRange> {
    let mut extended = Vec::with_capacity(ranges.len() * values.len());
    for range in ranges {
        for span in values.iter() {
            let (mut low, mut high) = cut_ends(span, cut);
            if !range.low.is_empty() {
                low.splice(..0, range.low.iter().copied());
                high.splice(..0, range.low.iter().copied());
            }
            extended.push(KeyRange { low, high, exact: range.exact && span.exact });
        }
    }
    joined(extended)
}

/// The same keys in ranges that do not overlap: ends that were cut may have come to lie on each other.
/// What lies in two ranges was cut, so both are as exact as they were.
fn joined(ranges: Vec<KeyRange>) -> Vec<KeyRange> {
    let mut joined: Vec<KeyRange> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match joined.last_mut() {
            Some(last) if range.low < last.high => {
                last.exact &= range.exact;
                last.high = std::mem::take(&mut last.high).max(range.high);
            }
            _ => joined.push(range),
        }
    }
    joined
}

/// The ends of a span among keys that are cut.
fn cut_ends(span: &Span, cut: usize) -> (Vec<u8>, Vec<u8>) {
    let cut = cut + usize::from(span.is_element());
    let (mut low, mut high) = (span.low.clone(), span.high.clone());
    if low.len() > cut {
        low.truncate(cut);
        if span.point {
            low.push(CUT);
            return (low.clone(), after(low));
        }
    }
    if high.len() > cut {
        high.truncate(cut);
        high = after(high);
    }
    (low, high)
}
