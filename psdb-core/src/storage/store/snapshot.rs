//! Snapshots: all trees of a store as they were at one moment.
//!
//! A snapshot holds the roots and keeps the pages below them from being written over. Taking one
//! costs O(1); copying one shares it.
//!
//! Left out: durability. A snapshot shows what was in memory, checkpoint or not.

use std::fmt;
use std::ops::Bound;
use std::sync::{Arc, OnceLock};

use bytes::Bytes;

use super::cursor::{Direction, Range};
use super::eras::EraGuard;
use super::leaves::Leaves;
use super::{Catalog, Root, Shared, estimate, read};
use crate::storage::StorageError;
use crate::storage::page::{Kind, Page, Pointer};
use crate::storage::pager::Pager;

/// All trees of a store at one moment, for any number of threads.
#[derive(Clone)]
pub struct Snapshot(Arc<Inner>);

struct Inner {
    shared: Arc<Shared>,
    catalog: Catalog,
    _era: EraGuard,
}

impl Snapshot {
    pub(super) fn new(shared: Arc<Shared>, catalog: Catalog) -> Snapshot {
        let era = shared.eras.keep();
        Snapshot(Arc::new(Inner { shared, catalog, _era: era }))
    }

    pub(super) fn pager(&self) -> &Pager {
        &self.0.shared.pager
    }

    pub(super) fn root(&self, tree: &[u8]) -> Root {
        self.0.catalog.get(tree).copied().unwrap_or_default()
    }

    /// How many entries a tree has; none, if there is no such tree.
    pub fn entries(&self, tree: &[u8]) -> u64 {
        self.root(tree).entries
    }

    /// The names of all trees, in order.
    pub fn trees(&self) -> impl Iterator<Item = &Bytes> {
        let names = self.0.catalog.iter().map(|(name, _)| name);
        names.filter(|name| !super::dropped::is_dropped(name))
    }

    /// The value of `key`.
    ///
    /// # Errors
    ///
    /// [`StorageError::Io`] or [`StorageError::Corrupt`] when a page cannot be read.
    pub fn get(&self, tree: &[u8], key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        read::get(self.pager(), self.root(tree), key)
    }

    /// Gives the value of `key` to `look`, without copying it if it is at most a quarter page.
    ///
    /// `look` must be short: a part of the cache is locked meanwhile.
    ///
    /// # Errors
    ///
    /// As for [`Snapshot::get`].
    pub fn with_value<R>(
        &self,
        tree: &[u8],
        key: &[u8],
        look: impl FnMut(&[u8]) -> R,
    ) -> Result<Option<R>, StorageError> {
        read::with_value(self.pager(), self.root(tree), key, look)
    }

    /// Whether there is an entry for `key`.
    ///
    /// # Errors
    ///
    /// As for [`Snapshot::get`].
    pub fn contains_key(&self, tree: &[u8], key: &[u8]) -> Result<bool, StorageError> {
        read::contains_key(self.pager(), self.root(tree), key)
    }

    /// The entries of a tree whose keys lie within the bounds, in ascending or descending order.
    ///
    /// Costs O(log n) to start and O(1) per entry. Bounds that cross each other contain nothing.
    pub fn range(
        &self,
        tree: &[u8],
        low: Bound<&[u8]>,
        high: Bound<&[u8]>,
        direction: Direction,
    ) -> Range {
        Range::new(self.clone(), self.root(tree), low, high, direction)
    }

    /// All entries of a tree in ascending order.
    pub fn iter(&self, tree: &[u8]) -> Range {
        self.range(tree, Bound::Unbounded, Bound::Unbounded, Direction::Ascending)
    }

    /// All leaves of a tree in ascending order.
    pub fn leaves(&self, tree: &[u8]) -> Leaves {
        Leaves::new(self.iter(tree))
    }
}

impl Snapshot {
    /// One of the trees, for many reads: its root is looked up once, and the branches right below it
    /// once each. They stay in memory with the tree, beside the cache: some hundred pages at most.
    ///
    /// # Errors
    ///
    /// As for [`Snapshot::get`].
    pub fn tree(&self, name: &[u8]) -> Result<Tree, StorageError> {
        let root = self.root(name);
        let top = match root.page {
            Some(pointer) => Some(Arc::new(Top::new(pointer, self.pager().get(pointer)?))),
            None => None,
        };
        Ok(Tree { snapshot: self.clone(), root, top })
    }
}

/// The upper pages of a tree, which every lookup passes.
#[derive(Debug)]
pub(super) struct Top {
    pointer: Pointer,
    page: Arc<Page>,
    /// The branches right below a root of level 2 or more.
    branches: Box<[OnceLock<Arc<Page>>]>,
}

impl Top {
    fn new(pointer: Pointer, page: Arc<Page>) -> Top {
        let is_high = page.kind() == Kind::Branch && page.level() > 1;
        let count = if is_high { page.children() } else { 0 };
        Top { pointer, page, branches: (0..count).map(|_| OnceLock::new()).collect() }
    }

    /// The lowest page here that `key` is at or below, with the pointer to it.
    fn page_for(&self, pager: &Pager, key: &[u8]) -> Result<(Pointer, &Arc<Page>), StorageError> {
        if self.branches.is_empty() {
            return Ok((self.pointer, &self.page));
        }
        let at = self.page.child_for(key);
        Ok((self.page.child(at), self.branch(pager, at)?))
    }

    /// The pointer to the root.
    pub(super) fn pointer(&self) -> Pointer {
        self.pointer
    }

    /// The page of `pointer`, to which a walk came through `depth` branches, by the `at`-th child of
    /// the last of them; from here, if it is kept here.
    pub(super) fn page(
        &self,
        pager: &Pager,
        pointer: Pointer,
        (depth, at): (usize, usize),
    ) -> Result<Arc<Page>, StorageError> {
        match depth {
            0 => Ok(self.page.clone()),
            1 if !self.branches.is_empty() => self.branch(pager, at).cloned(),
            _ => pager.get(pointer),
        }
    }

    fn branch(&self, pager: &Pager, at: usize) -> Result<&Arc<Page>, StorageError> {
        if let Some(page) = self.branches[at].get() {
            return Ok(page);
        }
        let page = pager.get(self.page.child(at))?;
        Ok(self.branches[at].get_or_init(|| page))
    }
}

/// One tree of a snapshot; an empty one, if the snapshot has no such tree.
#[derive(Clone, Debug)]
pub struct Tree {
    snapshot: Snapshot,
    root: Root,
    top: Option<Arc<Top>>,
}

impl Tree {
    /// How many entries there are.
    pub fn entries(&self) -> u64 {
        self.root.entries
    }

    /// The value of `key`.
    ///
    /// # Errors
    ///
    /// As for [`Snapshot::get`].
    pub fn get(&self, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        let Some(top) = &self.top else { return Ok(None) };
        let pager = self.snapshot.pager();
        let (pointer, page) = top.page_for(pager, key)?;
        read::look_up_below(pager, pointer, page, key, Bytes::copy_from_slice)?.read(pager)
    }

    /// As [`Tree::get`]; a value that stands in a leaf is not copied. It shares the page, which stays in
    /// memory for as long as the value is held. Keep a copy of what is kept long.
    ///
    /// # Errors
    ///
    /// As for [`Snapshot::get`].
    pub fn get_shared(&self, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        let Some(top) = &self.top else { return Ok(None) };
        let pager = self.snapshot.pager();
        let (pointer, page) = top.page_for(pager, key)?;
        read::shared_below(pager, pointer, page, key)
    }

    /// About how many entries have keys from `low`, included, up to `high`, excluded. Costs two
    /// lookups.
    ///
    /// # Errors
    ///
    /// As for [`Snapshot::get`].
    pub fn estimate(&self, low: &[u8], high: &[u8]) -> Result<u64, StorageError> {
        let Some(top) = &self.top else { return Ok(0) };
        estimate::entries_between(self.snapshot.pager(), top, self.entries(), (low, high))
    }

    /// The entries whose keys lie within the bounds; see [`Snapshot::range`].
    pub fn range(&self, low: Bound<&[u8]>, high: Bound<&[u8]>, direction: Direction) -> Range {
        let mut range = Range::new(self.snapshot.clone(), self.root, low, high, direction);
        range.begin_at(self.top.clone());
        range
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("trees", &self.0.catalog.len()).finish_non_exhaustive()
    }
}
