//! Snapshots: all trees of a store as they were at one moment.
//!
//! A snapshot holds the roots and keeps the pages below them from being written over. Taking one
//! costs O(1); copying one shares it.
//!
//! Left out: durability. A snapshot shows what was in memory, checkpoint or not.

use std::fmt;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use super::cursor::{Direction, Range};
use super::eras::EraGuard;
use super::{Catalog, Root, Shared, read};
use crate::storage::StorageError;
use crate::storage::page::{Page, Pointer};
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
        names.filter(|name| !name.starts_with(super::dropped::DROPPED))
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
}

impl Snapshot {
    /// One of the trees, for many reads: its root is looked up once.
    ///
    /// # Errors
    ///
    /// As for [`Snapshot::get`].
    pub fn tree(&self, name: &[u8]) -> Result<Tree, StorageError> {
        let root = self.root(name);
        let page = match root.page {
            Some(pointer) => Some((pointer, self.pager().get(pointer)?)),
            None => None,
        };
        Ok(Tree { snapshot: self.clone(), root, page })
    }
}

/// One tree of a snapshot; an empty one, if the snapshot has no such tree.
#[derive(Clone, Debug)]
pub struct Tree {
    snapshot: Snapshot,
    root: Root,
    page: Option<(Pointer, Arc<Page>)>,
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
        let Some((pointer, page)) = &self.page else { return Ok(None) };
        let pager = self.snapshot.pager();
        read::look_up_below(pager, *pointer, page, key, Bytes::copy_from_slice)?.read(pager)
    }

    /// The entries whose keys lie within the bounds; see [`Snapshot::range`].
    pub fn range(&self, low: Bound<&[u8]>, high: Bound<&[u8]>, direction: Direction) -> Range {
        Range::new(self.snapshot.clone(), self.root, low, high, direction)
    }
}

impl fmt::Debug for Snapshot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Snapshot").field("trees", &self.0.catalog.len()).finish_non_exhaustive()
    }
}
