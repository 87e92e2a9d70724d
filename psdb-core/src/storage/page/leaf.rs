//! Leaves: pages whose cells are entries.
//!
//! ```text
//! cell: | key length u16 | value length u16 | key | value |
//!       | key length u16 | 0xffff           | key | length u32 | pointer to the chain, 16 bytes |
//! ```
//!
//! Invariant: a cell is shorter than a third of a page, so a page that is split fits into two.
//!
//! Left out: following the chain of a long value (`store::value`).

use super::slots::{self, Cells, Halves};
use super::{Kind, MAX_INLINE_BYTES, MAX_KEY_BYTES, Page, Pointer, u16_at, u32_at};

/// Where the key begins within a cell.
pub(super) const KEY: usize = 4;
/// What stands for a value length when the value is in a chain.
const CHAIN: u16 = u16::MAX;
const CHAIN_BYTES: usize = 4 + Pointer::BYTES;
/// The longest cell with its value inside; with a longer key, a shorter value moves out.
const MAX_CELL_BYTES: usize = 3000;

/// What a leaf says of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::storage) enum Value<'a> {
    /// The value.
    Inline(&'a [u8]),
    /// The value is in a chain of overflow pages.
    Chain {
        /// Its length in bytes.
        length: u32,
        /// The chain's first page.
        head: Pointer,
    },
}

/// An entry as a leaf stores it.
#[derive(Clone, Debug, Default)]
pub(in crate::storage) struct ValueCell(pub(in crate::storage) Vec<u8>);

impl ValueCell {
    /// Whether a value of that length stands in the leaf itself.
    pub(in crate::storage) fn fits_inline(key: &[u8], value_length: usize) -> bool {
        value_length <= MAX_INLINE_BYTES && KEY + key.len() + value_length <= MAX_CELL_BYTES
    }

    pub(in crate::storage) fn new(key: &[u8], value: Value<'_>) -> ValueCell {
        let mut cell = ValueCell::default();
        cell.set(key, value);
        cell
    }

    /// Makes it another entry's cell, in the same memory.
    pub(in crate::storage) fn set(&mut self, key: &[u8], value: Value<'_>) {
        let key_length = u16::try_from(key.len()).expect("keys are bounded");
        let cell = &mut self.0;
        cell.clear();
        match value {
            Value::Inline(bytes) => {
                let length = u16::try_from(bytes.len()).expect("inline values are bounded");
                cell.reserve(KEY + key.len() + bytes.len());
                cell.extend_from_slice(&key_length.to_le_bytes());
                cell.extend_from_slice(&length.to_le_bytes());
                cell.extend_from_slice(key);
                cell.extend_from_slice(bytes);
            }
            Value::Chain { length, head } => {
                cell.reserve(KEY + key.len() + CHAIN_BYTES);
                cell.extend_from_slice(&key_length.to_le_bytes());
                cell.extend_from_slice(&CHAIN.to_le_bytes());
                cell.extend_from_slice(key);
                cell.extend_from_slice(&length.to_le_bytes());
                cell.extend_from_slice(&head.encode());
            }
        }
    }
}

/// The length of a valid cell at the beginning of `bytes`.
#[inline]
pub(super) fn cell_length(bytes: &[u8]) -> usize {
    KEY + slots::key_length(bytes) + value_bytes(u16_at(bytes, 2))
}

#[inline]
fn value_bytes(length: u16) -> usize {
    if length == CHAIN { CHAIN_BYTES } else { usize::from(length) }
}

/// The length of the cell at the beginning of `bytes`, if it is a valid one.
pub(super) fn valid_cell_length(bytes: &[u8]) -> Option<usize> {
    if bytes.len() < KEY {
        return None;
    }
    let (key, value) = (slots::key_length(bytes), u16_at(bytes, 2));
    let inline = value == CHAIN
        || (usize::from(value) <= MAX_INLINE_BYTES
            && KEY + key + usize::from(value) <= MAX_CELL_BYTES);
    let length = cell_length(bytes);
    (inline && key <= MAX_KEY_BYTES && length <= bytes.len()).then_some(length)
}

impl Page {
    /// An empty leaf.
    pub(in crate::storage) fn leaf(generation: u64) -> Page {
        Page::new(Kind::Leaf, 0, generation)
    }

    /// The value of the `at`-th entry.
    #[inline]
    pub(in crate::storage) fn value(&self, at: usize) -> Value<'_> {
        let cell = self.cell(at);
        let value = &cell[KEY + slots::key_length(cell)..];
        if u16_at(cell, 2) != CHAIN {
            return Value::Inline(value);
        }
        let head = value[4..].first_chunk().expect("a cell with a chain ends with its pointer");
        Value::Chain { length: u32_at(value, 0), head: Pointer::decode(head) }
    }

    /// Puts an entry before the `at`-th, in place of it if it `replaces`; says whether it fitted.
    /// If not, the page is as it was.
    pub(in crate::storage) fn put_entry(
        &mut self,
        at: usize,
        cell: &ValueCell,
        replaces: bool,
    ) -> bool {
        let old = replaces.then(|| self.cell(at).to_vec());
        if replaces {
            self.remove_cell(at);
        }
        let fits = self.insert_cell(at, &cell.0);
        if let (false, Some(old)) = (fits, old) {
            assert!(self.insert_cell(at, &old), "what was there fits again");
        }
        fits
    }

    /// Removes the `at`-th entry.
    pub(in crate::storage) fn remove_entry(&mut self, at: usize) {
        self.remove_cell(at);
    }

    /// Splits a leaf with an entry that does not fit into it.
    ///
    /// An entry that comes last in its tree leaves the left page full: entries that arrive in
    /// order fill their pages.
    pub(in crate::storage) fn split_leaf(
        &self,
        at: usize,
        cell: &ValueCell,
        replaces: bool,
        is_last: bool,
    ) -> Halves {
        let mut cells = Cells::of(self);
        if replaces {
            cells.remove(at);
        }
        cells.insert(at, &cell.0);
        let (cut, generation) = (cells.cut(is_last), self.generation());
        let ranges = [0..cut, cut..cells.len()];
        let (left, right) = Page::two_pages(Kind::Leaf, 0, generation, &cells, ranges, None);
        let separator = separator(left.key(left.count() - 1), right.key(0)).to_vec();
        Halves { left, separator, right }
    }

    /// Takes over the entries of the right neighbour, which fit.
    pub(in crate::storage) fn append_leaf(&mut self, right: &Page) {
        for at in 0..right.count() {
            assert!(self.insert_cell(self.count(), right.cell(at)), "the caller knows it fits");
        }
    }
}

/// The shortest beginning of `right` that is above `left`.
pub(in crate::storage) fn separator<'a>(left: &[u8], right: &'a [u8]) -> &'a [u8] {
    let equal = left.iter().zip(right).take_while(|(a, b)| a == b).count();
    &right[..(equal + 1).min(right.len())]
}
