//! Pages: the 8 KiB that a page file is read and written in.
//!
//! ```text
//!  0  checksum u32     of everything from byte 4 on
//!  4  id u32           its place in the file, in pages
//!  8  generation u64   the first checkpoint it belongs to
//! 16  kind u8          1 leaf, 2 branch, 3 overflow
//! 17  level u8         0 in leaves, one more in each branch above
//! 18  count u16        cells in a leaf or branch; bytes of payload in an overflow page
//! 20  heap u16         where the lowest cell begins
//! 22  garbage u16      bytes of removed cells within the heap
//! 24  ... zero up to 32
//! 32  the body         cells, see `slots`; or payload, see `overflow`
//! ```
//! All numbers are little-endian. Whoever points to a page knows its id, its generation and its
//! checksum ([`Pointer`]), so a page that is whole but is not the one that was meant, because a
//! write was lost or went elsewhere, is found out too.
//!
//! In memory a page has the same bytes as on disk. The checksum is filled in when it is written;
//! a pointer to a page that has not been written yet is *unsettled*, and settled in the copy of
//! its parent that goes to disk.
//!
//! - `slots`: cells of any length in the order of their keys.
//! - `leaf`, `branch`: what the cells hold.
//! - `overflow`: chains of pages for what is too long for a cell.
//! - `hints`: a short way to a key, in memory only.
//!
//! Invariants:
//! 1. A page that was decoded has only valid cells in strictly ascending order, whatever the
//!    bytes were, so nothing that reads it later can fail or panic.
//! 2. On disk no pointer is unsettled.
//!
//! Left out: compression, and prefixes shared by the keys of a leaf; separators are cut instead.

mod branch;
mod hints;
mod leaf;
mod overflow;
mod slots;

#[cfg(test)]
mod tests;

use std::fmt;

use hints::Hints;
pub(super) use leaf::{Value, ValueCell};
pub(super) use overflow::OVERFLOW_BYTES;
pub(super) use slots::Halves;

/// The size of a page.
pub const PAGE_BYTES: usize = 8192;
/// The most bytes of a key.
pub const MAX_KEY_BYTES: usize = 2000;
/// The most bytes of a value that stands in a leaf: a quarter of a page.
pub const MAX_INLINE_BYTES: usize = PAGE_BYTES / 4;

const CHECKSUM: usize = 0;
const ID: usize = 4;
const GENERATION: usize = 8;
const KIND: usize = 16;
const LEVEL: usize = 17;
const COUNT: usize = 18;
const HEAP: usize = 20;
const GARBAGE: usize = 22;
const RESERVED: std::ops::Range<usize> = 24..32;
const BODY: usize = 32;

/// A page's place in its file, in pages from the beginning.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct PageId(pub(super) u32);

impl PageId {
    /// Where the page begins, in bytes.
    pub(super) fn offset(self) -> u64 {
        u64::from(self.0) * PAGE_BYTES as u64
    }
}

impl fmt::Display for PageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "page {}", self.0)
    }
}

/// Set in an encoded generation while the checksum is not known.
const UNSETTLED: u64 = 1 << 63;

/// Which page is meant, and how to tell that it is the one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pointer {
    pub(super) id: PageId,
    /// Of the page, as its header says.
    pub(super) generation: u64,
    /// Of the page as it stands on disk; unknown until it was written.
    pub(super) checksum: Option<u32>,
}

impl Pointer {
    pub(super) const BYTES: usize = 16;

    /// A pointer to a page that is only in memory.
    pub(super) fn unsettled(id: PageId, generation: u64) -> Pointer {
        Pointer { id, generation, checksum: None }
    }

    pub(super) fn encode(self) -> [u8; Pointer::BYTES] {
        let mut bytes = [0; Pointer::BYTES];
        let mark = if self.checksum.is_some() { 0 } else { UNSETTLED };
        bytes[..4].copy_from_slice(&self.id.0.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.checksum.unwrap_or(0).to_le_bytes());
        bytes[8..].copy_from_slice(&(self.generation | mark).to_le_bytes());
        bytes
    }

    pub(super) fn decode(bytes: &[u8; Pointer::BYTES]) -> Pointer {
        let marked = u64_at(bytes, 8);
        Pointer {
            id: PageId(u32_at(bytes, 0)),
            generation: marked & !UNSETTLED,
            checksum: (marked & UNSETTLED == 0).then(|| u32_at(bytes, 4)),
        }
    }
}

/// What a page holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Leaf,
    Branch,
    Overflow,
}

impl Kind {
    fn code(self) -> u8 {
        match self {
            Kind::Leaf => 1,
            Kind::Branch => 2,
            Kind::Overflow => 3,
        }
    }

    fn of(code: u8) -> Option<Kind> {
        match code {
            1 => Some(Kind::Leaf),
            2 => Some(Kind::Branch),
            3 => Some(Kind::Overflow),
            _ => None,
        }
    }
}

/// One page.
pub(super) struct Page {
    /// Not boxed: pages are shared as a whole, and a lookup should not follow two pointers.
    bytes: [u8; PAGE_BYTES],
    /// Only in memory, and only while the page stays as it is.
    hints: Option<Hints>,
}

impl Clone for Page {
    fn clone(&self) -> Page {
        Page { bytes: self.bytes, hints: None }
    }
}

impl Page {
    fn new(kind: Kind, level: u8, generation: u64) -> Page {
        let mut page = Page { bytes: [0; PAGE_BYTES], hints: None };
        page.bytes[KIND] = kind.code();
        page.bytes[LEVEL] = level;
        page.put_u64(GENERATION, generation);
        page.put_u16(HEAP, PAGE_BYTES);
        page
    }

    /// Reads a page that should be the one `pointer` means, or says why it is not.
    pub(super) fn decode(bytes: &[u8], pointer: Pointer) -> Result<Page, String> {
        let Ok(bytes) = bytes.try_into() else {
            return Err(format!("{} bytes are not a page", bytes.len()));
        };
        let page = Page { bytes, hints: None };
        let (stored, computed) = (u32_at(&page.bytes, CHECKSUM), page.computed_checksum());
        if stored != computed {
            return Err(format!("checksum {stored:#010x}, expected {computed:#010x}"));
        }
        let found = (PageId(u32_at(&page.bytes, ID)), page.generation());
        if found != (pointer.id, pointer.generation) {
            let (id, generation) = found;
            return Err(format!(
                "{id} of generation {generation} stands where {} of generation {} should",
                pointer.id, pointer.generation
            ));
        }
        if let Some(meant) = pointer.checksum
            && meant != stored
        {
            return Err(format!(
                "checksum {stored:#010x}, but what points here says {meant:#010x}: \
                 an older or newer page of the same place"
            ));
        }
        page.validate()?;
        page.check_settled()?;
        Ok(page)
    }

    /// Checks everything but the checksum: the shape, the cells and their order.
    pub(super) fn validate(&self) -> Result<(), String> {
        let Some(kind) = Kind::of(self.bytes[KIND]) else {
            return Err(format!("kind {} is unknown", self.bytes[KIND]));
        };
        if self.bytes[RESERVED].iter().any(|byte| *byte != 0) {
            return Err("reserved bytes are not zero".into());
        }
        if (self.level() > 0) != (kind == Kind::Branch) {
            return Err(format!("a {kind:?} cannot have level {}", self.level()));
        }
        match kind {
            Kind::Overflow => self.validate_overflow(),
            Kind::Leaf | Kind::Branch => self.validate_cells(),
        }
    }

    fn check_settled(&self) -> Result<(), String> {
        let settled = |pointer: Pointer| match pointer.checksum {
            Some(_) => Ok(()),
            None => Err(format!("the checksum of {} is not filled in", pointer.id)),
        };
        match self.kind() {
            Kind::Leaf => (0..self.count()).try_for_each(|at| match self.value(at) {
                Value::Chain { head, .. } => settled(head),
                Value::Inline(_) => Ok(()),
            }),
            Kind::Branch => (0..self.children()).try_for_each(|at| settled(self.child(at))),
            Kind::Overflow => self.next().map_or(Ok(()), settled),
        }
    }

    /// Fills in id and checksum, as they go to disk, and gives the checksum.
    pub(super) fn seal(&mut self, id: PageId) -> u32 {
        self.bytes[ID..ID + 4].copy_from_slice(&id.0.to_le_bytes());
        let checksum = self.computed_checksum();
        self.bytes[CHECKSUM..CHECKSUM + 4].copy_from_slice(&checksum.to_le_bytes());
        checksum
    }

    /// The checksum that [`Page::seal`] filled in.
    pub(super) fn sealed_checksum(&self) -> u32 {
        u32_at(&self.bytes, CHECKSUM)
    }

    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    pub(super) fn kind(&self) -> Kind {
        Kind::of(self.bytes[KIND]).expect("a page is made or validated with a known kind")
    }

    pub(super) fn level(&self) -> u8 {
        self.bytes[LEVEL]
    }

    pub(super) fn generation(&self) -> u64 {
        u64_at(&self.bytes, GENERATION)
    }

    pub(super) fn set_generation(&mut self, generation: u64) {
        self.put_u64(GENERATION, generation);
    }

    /// How many cells there are; in a branch, one less than children.
    pub(super) fn count(&self) -> usize {
        usize::from(u16_at(&self.bytes, COUNT))
    }

    fn computed_checksum(&self) -> u32 {
        crc32fast::hash(&self.bytes[ID..])
    }

    fn put_u16(&mut self, at: usize, number: usize) {
        let number = u16::try_from(number).expect("a page is shorter than 64 KiB");
        self.bytes[at..at + 2].copy_from_slice(&number.to_le_bytes());
    }

    fn put_u64(&mut self, at: usize, number: u64) {
        self.bytes[at..at + 8].copy_from_slice(&number.to_le_bytes());
    }
}

impl fmt::Debug for Page {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = Kind::of(self.bytes[KIND]);
        let mut debug = f.debug_struct("Page");
        debug.field("kind", &kind).field("count", &self.count()).finish_non_exhaustive()
    }
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

pub(super) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

pub(super) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
