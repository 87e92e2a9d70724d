//! The store: several named B+ trees in one page file.
//!
//! ```text
//! Store (one writer) ── insert, remove ──▶ pages in memory ── checkpoint ──▶ the file
//!    │ snapshot, O(1)                           ▲
//!    ▼                                          │ reads
//! Snapshot (any number of readers) ── get, range ┘
//! ```
//! Keys are bytes in the order of their bytes, values are bytes up to 4 GiB. A change touches
//! pages in memory only; a *checkpoint* makes all trees durable at once, with a note of the owner's
//! (such as how far its log has been applied). What came after the last checkpoint is lost with
//! the process: the owner's log has it.
//!
//! A write never waits for a reader. A page that a snapshot or a running checkpoint can see is
//! copied to another place before it is changed; any other page that is not on disk yet is changed
//! where it is. A page on disk is never changed: its copy goes elsewhere, and its place is free
//! when no superblock leads to it any more (`freelist`).
//!
//! When dirty pages take more than a quarter of the cache, each write puts some of the oldest on
//! disk ahead of the checkpoint, so memory stays bounded however long a checkpoint takes.
//!
//! - `open`, `draft`, `compact`: beginning, making and shrinking a file. `catalog`: its trees.
//! - `dropped`: trees that are removed at once and freed little by little.
//! - `insert`, `remove`: the writer's walks; `ownership`: what may be changed in place.
//! - `value`: chains of overflow pages. `read`, `cursor`: lookups and ranges.
//! - `eras`, `snapshot`: what readers look at. `check`: verifying everything; `salvage`: what
//!   can be done with a damaged file.
//!
//! Invariants:
//! 1. A page is changed only while nobody but the writer can see it.
//! 2. Leaves but an only root are never empty; all leaves are equally deep; a root branch has two
//!    children or more.
//! 3. Every page of the file is reachable from a tree, is one of the last checkpoint's lists, or is
//!    known to the freelist as free, and only one of these ([`Store::check`]).
//! 4. After an I/O error while writing, everything that writes fails with
//!    [`StorageError::Poisoned`]; what snapshots show stays right.
//!
//! Left out: locking the file against other processes (`Directory` does), logging.

mod catalog;
mod check;
mod compact;
mod cursor;
mod draft;
mod dropped;
mod eras;
mod estimate;
mod insert;
mod leaves;
mod open;
mod ownership;
mod read;
mod remove;
mod salvage;
mod snapshot;
mod value;

#[cfg(test)]
mod tests;

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::StorageError;
use super::checkpoint::{Checkpoint, CheckpointStats, Progress};
use super::freelist::{Freelist, PageSet};
use super::page::{OVERFLOW_BYTES, PAGE_BYTES, PageId};
use super::pager::Pager;
use super::superblock::MAX_NOTE_BYTES;

pub use catalog::MAX_NAME_BYTES;
pub(super) use catalog::{Catalog, Root, encode as encode_catalog};
pub use check::{Damage, StoreReport, TreeReport, Visit};
pub use compact::Compacted;
pub use cursor::{Direction, Range};
pub use draft::Draft;
pub(crate) use dropped::is_dropped;
pub(super) use eras::EraGuard;
use eras::{Era, Eras};
pub use leaves::{Chain, Leaf, LeafValue, Leaves};
pub use open::Opened;
pub use salvage::Repaired;
pub use snapshot::{Snapshot, Tree};

/// What the writer, its snapshots and its checkpoints share.
#[derive(Debug)]
pub(super) struct Shared {
    pub(super) pager: Pager,
    pub(super) progress: Mutex<Progress>,
    eras: Arc<Eras>,
}

/// The sizes of a store.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct StoreStats {
    /// The pages of the file, free ones included.
    pub pages: u64,
    /// The pages that may be written again at once.
    pub available_pages: u64,
    /// The pages that are free, but may still be needed by a snapshot or by recovery.
    pub waiting_pages: u64,
    /// Pages that were changed since the last checkpoint began and that the next will write, or
    /// that were written ahead of it.
    pub changed_pages: u64,
    /// Pages read from the file since it was opened.
    pub pages_read: u64,
    /// Pages written to the file since it was opened.
    pub pages_written: u64,
}

/// Several named B+ trees in one file, with one writer and any number of snapshots.
///
/// All calls block while they read pages that are not in memory; a search costs O(log n) pages.
///
/// # Examples
///
/// ```
/// use psdb_core::env::SimDisk;
/// use psdb_core::storage::{PageCache, Store};
/// use std::path::Path;
///
/// let disk = SimDisk::new();
/// let (mut store, _) = Store::open(&disk, Path::new("/films"), PageCache::new(1 << 20))?;
/// store.insert(b"by year", b"1977", b"Eraserhead")?;
/// store.insert(b"by year", b"1986", b"Blue Velvet")?;
/// let before = store.snapshot();
/// store.remove(b"by year", b"1977")?;
/// store.checkpoint(b"as of entry 3")?;
/// store.insert(b"by year", b"2001", b"Mulholland Drive")?;
/// drop(store);
///
/// assert_eq!(before.get(b"by year", b"1977")?.as_deref(), Some(&b"Eraserhead"[..]));
/// drop(before);
/// let (store, opened) = Store::open(&disk, Path::new("/films"), PageCache::new(1 << 20))?;
/// assert_eq!(&opened.note[..], b"as of entry 3");
/// assert_eq!(store.entries(b"by year"), 1, "what came after the checkpoint is the log's business");
/// # Ok::<(), psdb_core::storage::StorageError>(())
/// ```
pub struct Store {
    shared: Arc<Shared>,
    catalog: Catalog,
    freelist: Freelist,
    /// The number of the next checkpoint, to which all changes belong.
    generation: u64,
    era: Era,
    /// Leaves and overflow pages made since the last checkpoint began, oldest first, with births.
    unwritten: VecDeque<(PageId, u64)>,
    /// Where the lists of the last checkpoint are.
    lists: Vec<PageId>,
    changed_pages: u64,
    /// Where the last insert went.
    finger: insert::Finger,
}

impl Store {
    /// How many entries a tree has; none, if there is no such tree.
    pub fn entries(&self, tree: &[u8]) -> u64 {
        self.catalog.get(tree).map_or(0, |root| root.entries)
    }

    /// The names of all trees, in order.
    pub fn trees(&self) -> impl Iterator<Item = &Bytes> {
        self.catalog.iter().map(|(name, _)| name).filter(|name| !is_dropped(name))
    }

    /// The value of `key` as it is now.
    ///
    /// # Errors
    ///
    /// [`StorageError::Io`] or [`StorageError::Corrupt`] when a page cannot be read.
    pub fn get(&self, tree: &[u8], key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        read::get(&self.shared.pager, self.root(tree), key)
    }

    /// Whether there is an entry for `key` now.
    ///
    /// # Errors
    ///
    /// As for [`Store::get`].
    pub fn contains_key(&self, tree: &[u8], key: &[u8]) -> Result<bool, StorageError> {
        read::contains_key(&self.shared.pager, self.root(tree), key)
    }

    /// All trees as they are now, in O(1). Pages that a snapshot shows are kept while it lives.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot::new(self.shared.clone(), self.catalog.clone())
    }

    /// The note of the older of the two checkpoints that recovery could choose.
    ///
    /// The owner's log must reach back to what this one says: if the newest checkpoint turns out
    /// to be damaged, the older one is taken.
    pub fn older_note(&self) -> Bytes {
        let progress = self.shared.progress.lock();
        progress.older.as_ref().unwrap_or(&progress.newest).note.clone()
    }

    /// The note of the newest durable checkpoint.
    pub fn note(&self) -> Bytes {
        self.shared.progress.lock().newest.note.clone()
    }

    /// How many pages the next checkpoint will write, or were written ahead of it.
    pub fn changed_pages(&self) -> u64 {
        self.changed_pages
    }

    /// The sizes at this moment. Costs a look at the lists of free pages.
    pub fn stats(&self) -> StoreStats {
        StoreStats {
            pages: u64::from(self.freelist.page_count()),
            available_pages: self.freelist.available() as u64,
            waiting_pages: self.freelist.waiting() as u64,
            changed_pages: self.changed_pages,
            pages_read: self.shared.pager.pages_read(),
            pages_written: self.shared.pager.pages_written(),
        }
    }

    /// Begins a checkpoint of all trees as they are now; [`Checkpoint::write`] makes it durable
    /// while this store goes on.
    ///
    /// Costs a walk over the branches that have changed since the last one, in memory.
    ///
    /// # Errors
    ///
    /// [`StorageError::Refused`] while another one is being written, [`StorageError::TooLarge`]
    /// for a note of more than [`MAX_NOTE_BYTES`] bytes, [`StorageError::Poisoned`].
    pub fn begin_checkpoint(&mut self, note: &[u8]) -> Result<Checkpoint, StorageError> {
        if note.len() > MAX_NOTE_BYTES {
            let (bytes, limit) = (note.len() as u64, MAX_NOTE_BYTES as u64);
            return Err(StorageError::TooLarge { what: "a checkpoint's note", bytes, limit });
        }
        self.begin_write()?;
        if self.shared.progress.lock().is_writing {
            let reason = "a checkpoint was begun while another is being written".to_owned();
            return Err(StorageError::Refused { reason });
        }
        self.settle_pointers()?;
        for id in std::mem::take(&mut self.lists) {
            let last = Some(self.generation - 1);
            assert!(self.freelist.retire(id, last, self.era.current), "lists have own pages");
        }
        let catalog_bytes = catalog::encoded_bytes(&self.catalog);
        let catalog_pages = self.list_pages(|_| catalog_bytes)?;
        let used_pages = self.list_pages(PageSet::encoded_bytes)?;
        self.lists = catalog_pages.iter().chain(&used_pages).copied().collect();
        self.shared.progress.lock().is_writing = true;
        let checkpoint = Checkpoint {
            generation: self.generation,
            catalog: self.catalog.clone(),
            pages: std::mem::take(&mut self.unwritten).into(),
            used: self.freelist.used().clone(),
            page_count: self.freelist.page_count(),
            catalog_pages,
            used_pages,
            note: Bytes::copy_from_slice(note),
            era: self.shared.eras.keep(),
            is_written: false,
            shared: self.shared.clone(),
        };
        self.generation += 1;
        self.changed_pages = 0;
        Ok(checkpoint)
    }

    /// Takes a checkpoint and waits for it.
    ///
    /// # Errors
    ///
    /// As for [`Store::begin_checkpoint`] and [`Checkpoint::write`].
    pub fn checkpoint(&mut self, note: &[u8]) -> Result<CheckpointStats, StorageError> {
        self.begin_checkpoint(note)?.write()
    }

    /// Takes two checkpoints, so that both superblocks lead to the same content.
    ///
    /// # Errors
    ///
    /// As for [`Store::checkpoint`].
    pub fn close(mut self, note: &[u8]) -> Result<(), StorageError> {
        self.checkpoint(note)?;
        self.checkpoint(note)?;
        Ok(())
    }

    /// Pages for a list of the checkpoint; its length may depend on how many pages there are.
    fn list_pages(&mut self, bytes: impl Fn(u32) -> usize) -> Result<Vec<PageId>, StorageError> {
        let mut pages = Vec::new();
        while pages.len() * OVERFLOW_BYTES < bytes(self.freelist.page_count()) {
            pages.push(self.allocate()?);
        }
        Ok(pages)
    }

    fn root(&self, tree: &[u8]) -> Root {
        self.catalog.get(tree).copied().unwrap_or_default()
    }
}

impl fmt::Debug for Store {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (path, bytes) = (self.shared.pager.path(), PAGE_BYTES as u64 * self.stats().pages);
        f.debug_struct("Store").field("path", &path).field("bytes", &bytes).finish_non_exhaustive()
    }
}
