//! Branches: pages whose cells are separators with the children to their right.
//!
//! ```text
//! | header | child 0, 16 bytes | slots --> <-- cells |
//! cell: | key length u16 | pointer to the child, 16 bytes | separator |
//! ```
//! A separator is cut to the bytes that tell its neighbours apart, so a branch has some hundreds
//! of children even over long keys.
//!
//! Invariant: cell `i` holds the separator between child `i` and child `i + 1`. A branch has one
//! child at least; one with a single child is valid and disappears when it is merged.
//!
//! Left out: choosing what to merge (`store::remove`).

use super::slots::{self, Cells, Halves};
use super::{BODY, Kind, MAX_KEY_BYTES, Page, Pointer};

/// Where the slots of a branch begin.
pub(super) const SLOTS: usize = BODY + Pointer::BYTES;
/// Where the separator begins within a cell.
pub(super) const KEY: usize = 2 + Pointer::BYTES;

pub(super) fn cell_length(bytes: &[u8]) -> usize {
    KEY + slots::key_length(bytes)
}

/// The length of the cell at the beginning of `bytes`, if it is a valid one.
pub(super) fn valid_cell_length(bytes: &[u8]) -> Option<usize> {
    if bytes.len() < KEY {
        return None;
    }
    let length = cell_length(bytes);
    (slots::key_length(bytes) <= MAX_KEY_BYTES && length <= bytes.len()).then_some(length)
}

fn new_cell(separator: &[u8], child: Pointer) -> Vec<u8> {
    let length = u16::try_from(separator.len()).expect("keys are bounded");
    let mut cell = Vec::with_capacity(KEY + separator.len());
    cell.extend_from_slice(&length.to_le_bytes());
    cell.extend_from_slice(&child.encode());
    cell.extend_from_slice(separator);
    cell
}

fn pointer_of(cell: &[u8]) -> Pointer {
    Pointer::decode(cell[2..].first_chunk().expect("a branch's cell holds a pointer"))
}

impl Page {
    /// A branch with one child.
    pub(in crate::storage) fn branch(level: u8, generation: u64, child: Pointer) -> Page {
        assert!(level > 0, "leaves have level 0");
        let mut page = Page::new(Kind::Branch, level, generation);
        page.set_child(0, child);
        page
    }

    /// How many children there are.
    pub(in crate::storage) fn children(&self) -> usize {
        self.count() + 1
    }

    /// The child that holds `key` if any does.
    pub(in crate::storage) fn child_for(&self, key: &[u8]) -> usize {
        match self.search(key) {
            Ok(at) => at + 1,
            Err(at) => at,
        }
    }

    /// The `at`-th child.
    pub(in crate::storage) fn child(&self, at: usize) -> Pointer {
        match at.checked_sub(1) {
            Some(cell) => pointer_of(self.cell(cell)),
            None => Pointer::decode(
                self.bytes[BODY..].first_chunk().expect("a page is longer than its header"),
            ),
        }
    }

    pub(in crate::storage) fn set_child(&mut self, at: usize, child: Pointer) {
        let bytes = match at.checked_sub(1) {
            Some(cell) => self.cell_mut(cell, 2, Pointer::BYTES),
            None => &mut self.bytes[BODY..SLOTS],
        };
        bytes.copy_from_slice(&child.encode());
    }

    /// Puts a child after the `at`-th, with the separator between them, if there is room.
    pub(in crate::storage) fn insert_child(
        &mut self,
        at: usize,
        separator: &[u8],
        child: Pointer,
    ) -> bool {
        self.insert_cell(at, &new_cell(separator, child))
    }

    /// Removes the `at`-th of several children, and a separator next to it.
    pub(in crate::storage) fn remove_child(&mut self, at: usize) {
        if at == 0 {
            let second = self.child(1);
            self.set_child(0, second);
        }
        self.remove_cell(at.saturating_sub(1));
    }

    /// Splits a branch with a child that does not fit into it; see [`Page::split_leaf`].
    pub(in crate::storage) fn split_branch(
        &self,
        at: usize,
        separator: &[u8],
        child: Pointer,
        is_last: bool,
    ) -> Halves {
        let mut cells = Cells::of(self);
        cells.insert(at, &new_cell(separator, child));
        // The cell at the cut moves up: its child becomes the right page's first.
        let cut = cells.cut(is_last).min(cells.len() - 2);
        let moved = cells.get(cut).to_vec();
        let (left, right) = Page::two_pages(
            Kind::Branch,
            self.level(),
            self.generation(),
            &cells,
            [0..cut, cut + 1..cells.len()],
            Some([self.child(0), pointer_of(&moved)]),
        );
        Halves { left, separator: moved[KEY..].to_vec(), right }
    }

    /// Takes over the children of the right neighbour, which fit with the separator in between.
    pub(in crate::storage) fn append_branch(&mut self, separator: &[u8], right: &Page) {
        let first = new_cell(separator, right.child(0));
        assert!(self.insert_cell(self.count(), &first), "the caller knows it fits");
        for at in 0..right.count() {
            assert!(self.insert_cell(self.count(), right.cell(at)), "the caller knows it fits");
        }
    }

    /// The bytes that this page would use with all of `right` in it.
    pub(in crate::storage) fn merged_size(&self, separator: &[u8], right: &Page) -> usize {
        let between = match self.kind() {
            // The right page's first child needs a cell now.
            Kind::Branch => KEY + separator.len() + 2 - Pointer::BYTES,
            Kind::Leaf | Kind::Overflow => 0,
        };
        self.used() + between + right.used()
    }
}
