//! Ranges: the entries of a tree between two keys, one after another.
//!
//! A range holds the path to its leaf, so going on costs one step within a page most of the time.
//! It owns its snapshot and so can outlive the store's next changes.
//!
//! Left out: reading ahead.

use std::hint::black_box;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use super::snapshot::{Snapshot, Top};
use super::value::read_chain;
use super::{Root, read};
use crate::storage::StorageError;
use crate::storage::page::{Kind, Page, Pointer, Value};
use crate::storage::pager::Pager;

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
    /// The bytes of the leaf, once somebody has asked for a value without copying it.
    leaf_bytes: Option<Bytes>,
    /// The upper pages, if whoever began the range has them at hand.
    top: Option<Arc<Top>>,
}

/// Lets values that stand in a page be handed out without copying them.
pub(super) struct Held(pub(super) Arc<Page>);

impl AsRef<[u8]> for Held {
    fn as_ref(&self) -> &[u8] {
        self.0.bytes()
    }
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
        let (path, leaf, leaf_bytes, top) = (Vec::new(), None, None, None);
        Range { snapshot, direction, start, limit, path, leaf, leaf_bytes, top }
    }

    /// Lets the range find the upper pages of its tree there.
    pub(super) fn begin_at(&mut self, top: Option<Arc<Top>>) {
        self.top = top;
    }

    /// The page of `pointer`, to which the path leads.
    fn page(&self, pointer: Pointer) -> Result<Arc<Page>, StorageError> {
        let Some(top) = &self.top else { return self.pager().get(pointer) };
        let at = self.path.last().map_or(0, |(_, at)| *at);
        top.page(self.pager(), pointer, (self.path.len(), at))
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
                    let value = read_chain(self.pager(), length, head)?;
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

    /// The value of the next entry. One that stands in a leaf is not copied: it shares the page,
    /// which stays in memory for as long as the value is held. Keep a copy of what is kept long.
    ///
    /// # Errors
    ///
    /// As for [`Range::next_with`].
    pub fn next_value(&mut self) -> Result<Option<Bytes>, StorageError> {
        let found = self.advance().and_then(|found| self.shared_value(found));
        if !matches!(found, Ok(Some(_))) {
            self.leaf = None;
            self.path.clear();
        }
        found
    }

    /// The whole leaf that the next entry is in, all of whose entries are taken then.
    pub(super) fn skip_leaf(&mut self) -> Result<Option<Arc<Page>>, StorageError> {
        if self.advance()?.is_none() {
            return Ok(None);
        }
        let Some((leaf, before)) = &mut self.leaf else { return Ok(None) };
        *before = leaf.count();
        Ok(Some(leaf.clone()))
    }

    pub(super) fn pager(&self) -> &Pager {
        self.snapshot.pager()
    }

    /// How many entries there are from here on; a count ends when it has come to `bound`.
    ///
    /// Costs one step for each leaf, not for each entry.
    ///
    /// # Errors
    ///
    /// As for [`Range::next_with`].
    pub fn count_up_to(mut self, bound: u64) -> Result<u64, StorageError> {
        let mut count = 0;
        while count < bound
            && let Some(at) = self.advance()?
        {
            let Some((leaf, before)) = &mut self.leaf else { break };
            let (within, all, end) = match self.direction {
                Direction::Ascending => {
                    let end = entries_up_to(leaf, &self.limit);
                    (end.saturating_sub(at), leaf.count() - at, leaf.count())
                }
                Direction::Descending => {
                    let outside = entries_outside(leaf, &self.limit);
                    ((at + 1).saturating_sub(outside), at + 1, 0)
                }
            };
            count += within as u64;
            if within < all {
                break;
            }
            *before = end;
        }
        Ok(count.min(bound))
    }

    /// The value at a place in the leaf, unless that lies past the limit.
    fn shared_value(&mut self, at: Option<usize>) -> Result<Option<Bytes>, StorageError> {
        let (Some(at), Some((page, _))) = (at, &self.leaf) else { return Ok(None) };
        if self.leaf_bytes.is_none() {
            // Whoever takes values without copying them mostly takes all of the leaf's.
            black_box(page.touch_cells());
        }
        if !matches!(self.limit, Bound::Unbounded) && self.is_past_limit(page.key(at)) {
            return Ok(None);
        }
        match page.value(at) {
            Value::Inline(value) => {
                let hold = || Bytes::from_owner(Held(page.clone()));
                Ok(Some(self.leaf_bytes.get_or_insert_with(hold).slice_ref(value)))
            }
            Value::Chain { length, head } => read_chain(self.pager(), length, head).map(Some),
        }
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
                    read::check_depth(self.pager(), pointer, level, self.path.len())?;
                    pointer = child;
                }
                Kind::Leaf => {
                    let before = entries_before(&page, first, self.direction);
                    self.leaf = Some((page, before));
                    self.leaf_bytes = None;
                    return Ok(());
                }
                Kind::Overflow => {
                    return Err(read::misplaced(self.pager(), pointer));
                }
            }
        }
    }
}

/// How many entries of a leaf are not above an upper limit.
fn entries_up_to(leaf: &Page, limit: &Limit) -> usize {
    let (key, takes_equal) = match limit {
        Bound::Unbounded => return leaf.count(),
        Bound::Included(key) => (key, true),
        Bound::Excluded(key) => (key, false),
    };
    match leaf.search(key) {
        Ok(at) => at + usize::from(takes_equal),
        Err(at) => at,
    }
}

/// How many entries of a leaf are below a lower limit.
fn entries_outside(leaf: &Page, limit: &Limit) -> usize {
    let (key, takes_equal) = match limit {
        Bound::Unbounded => return 0,
        Bound::Included(key) => (key, true),
        Bound::Excluded(key) => (key, false),
    };
    match leaf.search(key) {
        Ok(at) => at + usize::from(!takes_equal),
        Err(at) => at,
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
