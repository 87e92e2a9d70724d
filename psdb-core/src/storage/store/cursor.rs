//! Ranges: the entries of a tree between two keys, one after another.
//!
//! A range holds the path to its leaf, so going on costs one step within a page most of the time.
//! It owns its snapshot and so can outlive the store's next changes.
//!
//! Left out: reading ahead.

use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use super::snapshot::{Snapshot, Top};
use super::value::read_chain;
use super::{Root, read};
use crate::storage::StorageError;
use crate::storage::page::{Kind, Page, Pointer, Value};

/// Which way a range goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the lowest key to the highest.
    Ascending,
    /// From the highest key to the lowest.
    Descending,
}

type Limit = Bound<Vec<u8>>;

/// Entries of a tree between two keys; see [`Snapshot::range`].
#[derive(Debug)]
pub struct Range {
    snapshot: Snapshot,
    direction: Direction,
    /// Where it begins, until it has begun.
    start: Option<(Pointer, Limit)>,
    /// Where it ends.
    limit: Limit,
    /// The branches above the leaf, and which child of each was taken.
    path: Vec<(Arc<Page>, usize)>,
    /// How many entries of the leaf are before the next one, seen from the left.
    leaf: Option<(Arc<Page>, usize)>,
    /// The upper pages, if whoever began the range has them at hand.
    top: Option<Arc<Top>>,
}

impl Range {
    pub(super) fn new(
        snapshot: Snapshot,
        root: Root,
        low: Bound<&[u8]>,
        high: Bound<&[u8]>,
        direction: Direction,
    ) -> Range {
        let (low, high) = (low.map(<[u8]>::to_vec), high.map(<[u8]>::to_vec));
        let (first, limit) = match direction {
            Direction::Ascending => (low, high),
            Direction::Descending => (high, low),
        };
        let start = root.page.map(|page| (page, first));
        Range { snapshot, direction, start, limit, path: Vec::new(), leaf: None, top: None }
    }

    /// Lets the range find the upper pages of its tree there.
    pub(super) fn begin_at(&mut self, top: Option<Arc<Top>>) {
        self.top = top;
    }

    /// The page of `pointer`, to which the path leads.
    fn page(&self, pointer: Pointer) -> Result<Arc<Page>, StorageError> {
        let pager = self.snapshot.pager();
        let kept = match (&self.top, &self.path[..]) {
            (Some(top), []) => Some(top.root()),
            (Some(top), [(_, at)]) => top.child(pager, *at)?,
            _ => None,
        };
        kept.map_or_else(|| pager.get(pointer), |page| Ok(page.clone()))
    }

    /// Gives the next entry, key and value, to `look`, without copying what stands in a leaf.
    ///
    /// # Errors
    ///
    /// [`StorageError::Io`] or [`StorageError::Corrupt`] when a page cannot be read; the range is
    /// at its end then.
    pub fn next_with<R>(
        &mut self,
        look: impl FnOnce(&[u8], &[u8]) -> R,
    ) -> Result<Option<R>, StorageError> {
        let found = self.advance().and_then(|found| {
            let (Some(at), Some((page, _))) = (found, &self.leaf) else { return Ok(None) };
            let key = page.key(at);
            if self.is_past_limit(key) {
                return Ok(None);
            }
            match page.value(at) {
                Value::Inline(value) => Ok(Some(look(key, value))),
                Value::Chain { length, head } => {
                    let value = read_chain(self.snapshot.pager(), length, head)?;
                    Ok(Some(look(key, &value)))
                }
            }
        });
        if !matches!(found, Ok(Some(_))) {
            self.leaf = None;
            self.path.clear();
        }
        found
    }

    fn is_past_limit(&self, key: &[u8]) -> bool {
        match (&self.limit, self.direction) {
            (Bound::Unbounded, _) => false,
            (Bound::Included(limit), Direction::Ascending) => key > &limit[..],
            (Bound::Excluded(limit), Direction::Ascending) => key >= &limit[..],
            (Bound::Included(limit), Direction::Descending) => key < &limit[..],
            (Bound::Excluded(limit), Direction::Descending) => key <= &limit[..],
        }
    }

    /// Moves to the next entry; says where it is in the leaf.
    fn advance(&mut self) -> Result<Option<usize>, StorageError> {
        if let Some((root, first)) = self.start.take() {
            self.descend(root, &first)?;
        }
        loop {
            let Some((leaf, before)) = &mut self.leaf else { return Ok(None) };
            match self.direction {
                Direction::Ascending if *before < leaf.count() => {
                    *before += 1;
                    return Ok(Some(*before - 1));
                }
                Direction::Descending if *before > 0 => {
                    *before -= 1;
                    return Ok(Some(*before));
                }
                Direction::Ascending | Direction::Descending => {}
            }
            let Some(next) = self.next_subtree() else {
                self.leaf = None;
                return Ok(None);
            };
            self.descend(next, &Bound::Unbounded)?;
        }
    }

    /// The subtree next to the one that has been walked through, with the path to it.
    fn next_subtree(&mut self) -> Option<Pointer> {
        while let Some((branch, at)) = self.path.pop() {
            let next = match self.direction {
                Direction::Ascending => Some(at + 1).filter(|next| *next < branch.children()),
                Direction::Descending => at.checked_sub(1),
            };
            if let Some(next) = next {
                let child = branch.child(next);
                self.path.push((branch, next));
                return Some(child);
            }
        }
        None
    }

    /// Goes down to the leaf of the first entry within `first`.
    fn descend(&mut self, mut pointer: Pointer, first: &Limit) -> Result<(), StorageError> {
        loop {
            let page = self.page(pointer)?;
            match page.kind() {
                Kind::Branch => {
                    let at = match (first, self.direction) {
                        (Bound::Included(key) | Bound::Excluded(key), _) => page.child_for(key),
                        (Bound::Unbounded, Direction::Ascending) => 0,
                        (Bound::Unbounded, Direction::Descending) => page.count(),
                    };
                    let (child, level) = (page.child(at), page.level());
                    self.path.push((page, at));
                    read::check_depth(self.snapshot.pager(), pointer, level, self.path.len())?;
                    pointer = child;
                }
                Kind::Leaf => {
                    let before = entries_before(&page, first, self.direction);
                    self.leaf = Some((page, before));
                    return Ok(());
                }
                Kind::Overflow => {
                    let reason = "an overflow page stands where a leaf should";
                    return Err(self.snapshot.pager().corrupt(pointer.id, reason));
                }
            }
        }
    }
}

/// How many entries of a leaf are to the left of where a range begins.
fn entries_before(leaf: &Page, first: &Limit, direction: Direction) -> usize {
    let takes_equal = matches!(first, Bound::Included(_));
    match (first, direction) {
        (Bound::Unbounded, Direction::Ascending) => 0,
        (Bound::Unbounded, Direction::Descending) => leaf.count(),
        (Bound::Included(key) | Bound::Excluded(key), _) => match leaf.search(key) {
            Ok(at) => at + usize::from(takes_equal == (direction == Direction::Descending)),
            Err(at) => at,
        },
    }
}

impl Iterator for Range {
    type Item = Result<(Bytes, Bytes), StorageError>;

    fn next(&mut self) -> Option<Self::Item> {
        let copy =
            |key: &[u8], value: &[u8]| (Bytes::copy_from_slice(key), Bytes::copy_from_slice(value));
        self.next_with(copy).transpose()
    }
}
