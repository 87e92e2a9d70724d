//! Slots: cells of any length in the order of their keys, within one leaf or branch.
//!
//! ```text
//! | header | first child (branches) | slot slot slot -->   free   <-- cell | cell | cell |
//! ```
//! A slot is the offset of its cell. Slots stand in the order of the keys, cells in any order;
//! where a cell was removed its bytes are garbage until the page is packed. A cell of either kind
//! begins with the length of its key and is understood without its page, so splitting and merging
//! move cells as they are.
//!
//! Invariants:
//! 1. `heap` to the end of the page is cells plus `garbage` bytes, exactly.
//! 2. Slots never reach into the heap.
//!
//! Left out: what a cell means (`leaf`, `branch`).

use std::ops::Range;

use super::{BODY, COUNT, GARBAGE, HEAP, Kind, PAGE_BYTES, Page, Pointer, branch, leaf, u16_at};

const SLOT_BYTES: usize = 2;

/// The cells of a page that is being split or merged, with the bytes they need.
#[derive(Debug, Default)]
pub(in crate::storage) struct Cells {
    bytes: Vec<u8>,
    /// Where each cell stands in the bytes, in order.
    cells: Vec<Range<usize>>,
}

/// What a page becomes when it is split.
#[derive(Debug)]
pub(in crate::storage) struct Halves {
    pub(in crate::storage) left: Page,
    /// Above every key of the left page, at most every key of the right one.
    pub(in crate::storage) separator: Vec<u8>,
    pub(in crate::storage) right: Page,
}

impl Cells {
    /// The cells of a page, in order, with room for one more.
    pub(in crate::storage) fn of(page: &Page) -> Cells {
        let bytes = Vec::with_capacity(2 * PAGE_BYTES);
        let mut cells = Cells { bytes, cells: Vec::with_capacity(page.count() + 1) };
        (0..page.count()).for_each(|at| cells.insert(at, page.cell(at)));
        cells
    }

    pub(in crate::storage) fn insert(&mut self, at: usize, cell: &[u8]) {
        let begin = self.bytes.len();
        self.bytes.extend_from_slice(cell);
        self.cells.insert(at, begin..self.bytes.len());
    }

    pub(in crate::storage) fn remove(&mut self, at: usize) {
        self.cells.remove(at);
    }

    /// Where to cut so that both sides fit and are about equally full, or so that the left side
    /// is as full as can be: the first cell of the right side. `whole` cells stay on a side each.
    pub(super) fn cut(&self, fill_left: bool) -> usize {
        let sizes: Vec<usize> = self.cells.iter().map(|cell| cell.len() + SLOT_BYTES).collect();
        let total: usize = sizes.iter().sum();
        // Branches have a little less room than leaves; what fits there fits in both.
        let room = PAGE_BYTES - branch::SLOTS;
        let target = if fill_left { room } else { total / 2 };
        let (mut left, mut cut) = (0, 0);
        while cut + 1 < sizes.len() {
            let must = total - left > room;
            let wants = left + sizes[cut] <= target;
            if !(must || wants) || left + sizes[cut] > room {
                break;
            }
            left += sizes[cut];
            cut += 1;
        }
        cut.max(1)
    }

    pub(super) fn len(&self) -> usize {
        self.cells.len()
    }

    pub(super) fn get(&self, at: usize) -> &[u8] {
        &self.bytes[self.cells[at].clone()]
    }

    /// Fills an empty page with some of the cells.
    pub(super) fn fill(&self, page: &mut Page, range: Range<usize>) {
        for (at, cell) in range.enumerate() {
            assert!(page.insert_cell(at, self.get(cell)), "cells are cut so that each side fits");
        }
    }
}

/// The length of a cell's key; any cell begins with it.
#[inline]
pub(super) fn key_length(cell: &[u8]) -> usize {
    usize::from(u16_at(cell, 0))
}

impl Page {
    /// Where the slots begin.
    #[inline]
    fn slots(&self) -> usize {
        match self.kind() {
            Kind::Branch => branch::SLOTS,
            Kind::Leaf | Kind::Overflow => BODY,
        }
    }

    #[inline]
    fn slot(&self, at: usize) -> usize {
        usize::from(u16_at(&self.bytes, self.slots() + at * SLOT_BYTES))
    }

    fn heap(&self) -> usize {
        usize::from(u16_at(&self.bytes, HEAP))
    }

    fn garbage(&self) -> usize {
        usize::from(u16_at(&self.bytes, GARBAGE))
    }

    #[inline]
    fn cell_length(&self, offset: usize) -> usize {
        match self.kind() {
            Kind::Branch => branch::cell_length(&self.bytes[offset..]),
            Kind::Leaf | Kind::Overflow => leaf::cell_length(&self.bytes[offset..]),
        }
    }

    /// Touches every cell, so that the memory of all is fetched at once; the answer means nothing.
    pub(in crate::storage) fn touch_cells(&self) -> u8 {
        (0..self.count()).fold(0, |sum, at| sum ^ self.bytes[self.slot(at)])
    }

    /// The `at`-th cell.
    #[inline]
    pub(super) fn cell(&self, at: usize) -> &[u8] {
        let offset = self.slot(at);
        &self.bytes[offset..offset + self.cell_length(offset)]
    }

    /// The bytes of the `at`-th cell that begin `skip` bytes into it.
    pub(super) fn cell_mut(&mut self, at: usize, skip: usize, bytes: usize) -> &mut [u8] {
        let offset = self.slot(at) + skip;
        &mut self.bytes[offset..offset + bytes]
    }

    /// The key of the `at`-th cell.
    pub(in crate::storage) fn key(&self, at: usize) -> &[u8] {
        let cell = &self.bytes[self.slot(at)..];
        let skip = self.key_offset();
        &cell[skip..skip + key_length(cell)]
    }

    /// Where the key begins within a cell.
    fn key_offset(&self) -> usize {
        match self.kind() {
            Kind::Branch => branch::KEY,
            Kind::Leaf | Kind::Overflow => leaf::KEY,
        }
    }

    /// Where `key` is, or where it would be.
    pub(in crate::storage) fn search(&self, key: &[u8]) -> Result<usize, usize> {
        let (mut low, mut high) = self.hinted(key);
        let (slots, skip) = (self.slots(), self.key_offset());
        while low < high {
            let middle = usize::midpoint(low, high);
            let cell = &self.bytes[usize::from(u16_at(&self.bytes, slots + middle * SLOT_BYTES))..];
            match cell[skip..skip + key_length(cell)].cmp(key) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Ok(middle),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Err(low)
    }

    /// The bytes that cells, slots and a branch's first child take.
    pub(in crate::storage) fn used(&self) -> usize {
        self.slots() - BODY + self.count() * SLOT_BYTES + PAGE_BYTES - self.heap() - self.garbage()
    }

    /// The bytes that they may take.
    pub(in crate::storage) const ROOM: usize = PAGE_BYTES - BODY;

    /// Puts a cell before the `at`-th, if there is room.
    pub(super) fn insert_cell(&mut self, at: usize, cell: &[u8]) -> bool {
        self.hints = None;
        let (slots, count) = (self.slots(), self.count());
        let end = slots + count * SLOT_BYTES;
        let needed = cell.len() + SLOT_BYTES;
        if self.heap() - end < needed {
            if self.heap() + self.garbage() < end + needed {
                return false;
            }
            self.pack();
        }
        let heap = self.heap() - cell.len();
        self.bytes[heap..heap + cell.len()].copy_from_slice(cell);
        let slot = slots + at * SLOT_BYTES;
        self.bytes.copy_within(slot..end, slot + SLOT_BYTES);
        self.put_u16(slot, heap);
        self.put_u16(HEAP, heap);
        self.put_u16(COUNT, count + 1);
        true
    }

    /// Removes the `at`-th cell.
    pub(super) fn remove_cell(&mut self, at: usize) {
        self.hints = None;
        let (slots, count, offset) = (self.slots(), self.count(), self.slot(at));
        let length = self.cell_length(offset);
        let slot = slots + at * SLOT_BYTES;
        self.bytes.copy_within(slot + SLOT_BYTES..slots + count * SLOT_BYTES, slot);
        self.put_u16(COUNT, count - 1);
        if offset == self.heap() {
            self.put_u16(HEAP, offset + length);
        } else {
            self.put_u16(GARBAGE, self.garbage() + length);
        }
    }

    /// Moves all cells together, so that what is free is in one piece.
    fn pack(&mut self) {
        let old = self.clone();
        self.put_u16(HEAP, PAGE_BYTES);
        self.put_u16(GARBAGE, 0);
        let (slots, mut heap) = (self.slots(), PAGE_BYTES);
        for at in 0..old.count() {
            let cell = old.cell(at);
            heap -= cell.len();
            self.bytes[heap..heap + cell.len()].copy_from_slice(cell);
            self.put_u16(slots + at * SLOT_BYTES, heap);
        }
        self.put_u16(HEAP, heap);
    }

    /// Checks that every cell lies within the heap and that keys ascend.
    pub(super) fn validate_cells(&self) -> Result<(), String> {
        let (count, heap, garbage) = (self.count(), self.heap(), self.garbage());
        let end = self.slots() + count * SLOT_BYTES;
        if heap > PAGE_BYTES || end > heap {
            return Err(format!("{count} slots and a heap from {heap} do not fit"));
        }
        let mut cells = 0;
        for at in 0..count {
            let offset = self.slot(at);
            let cell = (offset >= heap).then(|| self.bytes.get(offset..)).flatten();
            let valid = match (cell, self.kind()) {
                (Some(cell), Kind::Branch) => branch::valid_cell_length(cell),
                (Some(cell), _) => leaf::valid_cell_length(cell),
                (None, _) => None,
            };
            let Some(length) = valid else {
                return Err(format!("cell {at} at {offset} is none"));
            };
            cells += length;
            if at > 0 && self.key(at - 1) >= self.key(at) {
                return Err(format!("key {at} is not above the one before"));
            }
        }
        if cells + garbage != PAGE_BYTES - heap {
            return Err(format!(
                "cells of {cells} bytes and {garbage} of garbage do not make a heap of {}",
                PAGE_BYTES - heap
            ));
        }
        Ok(())
    }

    /// Distributes cells over two pages; `make` turns a range of them into a page.
    pub(super) fn two_pages(
        kind: Kind,
        level: u8,
        generation: u64,
        cells: &Cells,
        ranges: [Range<usize>; 2],
        firsts: Option<[Pointer; 2]>,
    ) -> (Page, Page) {
        let [left_range, right_range] = ranges;
        let mut pages = [(left_range, 0), (right_range, 1)].into_iter().map(|(range, side)| {
            let mut page = Page::new(kind, level, generation);
            if let Some(firsts) = firsts {
                page.set_child(0, firsts[side]);
            }
            cells.fill(&mut page, range);
            page
        });
        let left = pages.next().expect("there are two ranges");
        (left, pages.next().expect("there are two ranges"))
    }
}
