//! Hints: where to look in a page, in a few lines of memory next to each other.
//!
//! The keys of a page lie all over its 8 KiB, so each step of a binary search waits for memory. Hints
//! hold what all keys of the page begin with, and of each key the four bytes behind that. They
//! lead to the one or few keys that have to be looked at.
//!
//! ```text
//! | prefix length u8 | prefix | head of key 0, 4 bytes | head of key 1 | ...
//! ```
//! A page gets hints when it is read from disk or has been written there. Whatever changes it drops
//! them, and so does copying it: a copy is made to be changed.
//!
//! Invariant: hints belong to the cells that the page has.
//!
//! Left out: keys that differ late and in great number; among equal heads whole keys are compared.

use super::{Kind, Page};

const HEAD_BYTES: usize = 4;
/// Longer prefixes are cut: they only have to be skipped.
const MAX_PREFIX: usize = 255;
/// A page with fewer keys is searched as fast without.
const MIN_KEYS: usize = 8;

/// The hints of one page.
#[derive(Debug)]
pub(super) struct Hints(Box<[u8]>);

/// The bytes of `key` behind the prefix, as a number; missing ones count as zero.
fn head(key: &[u8], prefix: usize) -> u32 {
    let rest = &key[prefix..];
    match rest.first_chunk::<HEAD_BYTES>() {
        Some(head) => u32::from_be_bytes(*head),
        None => (0..HEAD_BYTES)
            .fold(0, |head, at| head << 8 | u32::from(rest.get(at).copied().unwrap_or(0))),
    }
}

impl Hints {
    /// The hints for the keys of a page; none, if it has few.
    fn of(page: &Page) -> Option<Hints> {
        let count = page.count();
        if page.kind() == Kind::Overflow || count < MIN_KEYS {
            return None;
        }
        let (first, last) = (page.key(0), page.key(count - 1));
        let prefix = first.iter().zip(last).take_while(|(a, b)| a == b).count().min(MAX_PREFIX);
        let mut bytes = Vec::with_capacity(1 + prefix + count * HEAD_BYTES);
        bytes.push(prefix as u8);
        bytes.extend_from_slice(&first[..prefix]);
        for at in 0..count {
            bytes.extend_from_slice(&head(page.key(at), prefix).to_le_bytes());
        }
        Some(Hints(bytes.into_boxed_slice()))
    }

    /// The places where `key` can be: from the first on, and before the second.
    fn range(&self, key: &[u8], count: usize) -> (usize, usize) {
        let prefix = usize::from(self.0[0]);
        let (begin, heads) = self.0[1..].split_at(prefix);
        match key[..prefix.min(key.len())].cmp(begin) {
            std::cmp::Ordering::Less => return (0, 0),
            std::cmp::Ordering::Greater => return (count, count),
            std::cmp::Ordering::Equal => {}
        }
        let wanted = head(key, prefix);
        let heads = heads.as_chunks::<HEAD_BYTES>().0;
        let low = heads.partition_point(|head| u32::from_le_bytes(*head) < wanted);
        let equal = heads[low..].iter().take_while(|head| u32::from_le_bytes(**head) == wanted);
        (low, low + equal.count())
    }
}

impl Page {
    /// Makes hints for searching, as long as the page is not changed.
    pub(in crate::storage) fn add_hints(&mut self) {
        self.hints = Hints::of(self);
    }

    /// Where `key` can be.
    pub(super) fn hinted(&self, key: &[u8]) -> (usize, usize) {
        let count = self.count();
        self.hints.as_ref().map_or((0, count), |hints| hints.range(key, count))
    }
}
