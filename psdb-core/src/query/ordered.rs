//! Results in the order of an index, until there are enough.
//!
//! ```text
//! sort d["age"] limit 3            sort d["age"] desc limit 3
//!   7 a                              41 k
//!  18 c  18 d   ── full              36 b  36 e     entries of one value by _id, whichever way
//!  30 ...                            ...
//! ```
//! Entries come in the order of their keys. Those of one value are taken in the order of their ids,
//! since ties are broken by `_id` in both directions; an index with further fields has them in another
//! order, so they are gathered and sorted first. A missing field and null read as one value if the key
//! is `d.get(...)`, so they are taken together. Of values that were cut nothing is known but what they
//! begin with: all documents of one such key are ranked before the walk may end.
//!
//! Invariant: what comes after the walk has ended sorts after everything it kept.
//!
//! Left out: orders of several keys.

use std::borrow::Cow;

use bytes::Bytes;

use super::Meter;
use super::access::entries;
use super::best::Best;
use super::ranges::{IndexRanges, KeyRange};
use super::source::{Direction, Source};
use super::spans::after;
use crate::codec::EncodedDocument;
use crate::codec::key::{MISSING, NULL};
use crate::types::{DocumentId, Result};

/// After so many entries of one value, met from behind, the rest are walked through from the front.
const GATHERED: usize = 64;

/// A walk under way.
pub(super) struct InOrder<'w, S, F> {
    pub(super) source: &'w S,
    pub(super) ranges: &'w IndexRanges,
    /// Of how many fields, from the first on, all entries have the same value.
    pub(super) fixed: usize,
    pub(super) descending: bool,
    pub(super) meter: &'w Meter,
    pub(super) best: Best,
    /// Looks at one document and adds it to the best if it matches.
    pub(super) look: F,
    /// Entries of one value, not looked at yet.
    pub(super) group: Group,
}

/// Documents of one value.
#[derive(Default)]
pub(super) struct Group {
    value: Vec<u8>,
    ids: Vec<DocumentId>,
    /// Whether the value was cut.
    cut: bool,
}

impl<S, F> InOrder<'_, S, F>
where
    S: Source,
    F: FnMut(&mut Best, EncodedDocument) -> Result<()>,
{
    /// Walks until there are enough results, and gives them.
    pub(super) fn run(mut self) -> Result<Best> {
        let mut ranges: Vec<&KeyRange> = self.ranges.ranges.iter().collect();
        if self.descending {
            ranges.reverse();
        }
        for range in ranges {
            let mut left = range.clone();
            while let Some(next) = self.walk(&left)? {
                left = next;
            }
            if self.best.is_full() {
                break;
            }
        }
        self.finish_group()?;
        Ok(self.best)
    }

    /// Walks through a range; gives the part of it that is still to be walked through.
    fn walk(&mut self, range: &KeyRange) -> Result<Option<KeyRange>> {
        let direction = if self.descending { Direction::Descending } else { Direction::Ascending };
        for entry in entries(self.source, self.ranges, range, direction) {
            if self.best.is_full() && self.group.ids.is_empty() {
                return Ok(None);
            }
            self.meter.entry()?;
            let (key, id) = entry?;
            let (value, cut) = self.value_of(&key);
            if *value != self.group.value[..] {
                self.finish_group()?;
                if self.best.is_full() {
                    return Ok(None);
                }
                self.group = Group { value: value.to_vec(), ids: Vec::new(), cut };
            }
            if !self.has_ids_in_order(&value) {
                self.group.ids.push(id);
            } else if self.descending {
                self.group.ids.push(id);
                if self.group.ids.len() >= GATHERED {
                    return self.walk_group(range);
                }
            } else {
                self.look_at(&id)?;
            }
        }
        Ok(None)
    }

    /// Walks through the entries of the group's value from the front, for a walk that met them from
    /// behind; gives what is left of the range below them.
    fn walk_group(&mut self, range: &KeyRange) -> Result<Option<KeyRange>> {
        let value = std::mem::take(&mut self.group).value;
        let low = value.clone().max(range.low.clone());
        let high = after(value.clone()).min(range.high.clone());
        let of_value = KeyRange { low, high, exact: range.exact };
        for entry in entries(self.source, self.ranges, &of_value, Direction::Ascending) {
            self.meter.entry()?;
            self.look_at(&entry?.1)?;
            if self.best.is_full() {
                return Ok(None);
            }
        }
        Ok(Some(KeyRange { high: value, ..range.clone() }))
    }

    /// Whether the entries of this value are in the order of their ids.
    fn has_ids_in_order(&self, value: &[u8]) -> bool {
        let last_field = self.fixed + 1 == self.ranges.fields.paths().len();
        last_field && !self.group.cut && value.last() != Some(&NULL)
    }

    /// The part of an entry that decides its place, up to and with the order's field, and whether it
    /// was cut. A missing field counts as null.
    fn value_of<'k>(&self, key: &'k Bytes) -> (Cow<'k, [u8]>, bool) {
        let fields = &self.ranges.fields;
        let parts = self.fixed + 1;
        // Whatever is no entry is taken for one that was cut, and looked at.
        let (end, cut) = fields.part_end(key, parts).unwrap_or((key.len(), true));
        let start = fields.part_end(key, parts - 1).map_or(0, |(start, _)| start);
        if key[start..end] == [MISSING] {
            let mut value = key[..start].to_vec();
            value.push(NULL);
            return (value.into(), cut);
        }
        ((&key[..end]).into(), cut)
    }

    fn finish_group(&mut self) -> Result<()> {
        let mut group = std::mem::take(&mut self.group);
        group.ids.sort_unstable();
        for id in group.ids {
            if self.best.is_full() && !group.cut {
                break;
            }
            self.look_at(&id)?;
        }
        Ok(())
    }

    fn look_at(&mut self, id: &DocumentId) -> Result<()> {
        match self.source.document(id)? {
            Some(document) => (self.look)(&mut self.best, document),
            None => Ok(()),
        }
    }
}
