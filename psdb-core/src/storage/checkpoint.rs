//! Checkpoints: all trees of a store made durable together, at one moment of its history.
//!
//! ```text
//! begin (on the writer's thread, short)        write (anywhere, long)
//!   lists get their pages                        1. dirty leaves and overflow pages
//!   the moment is kept like a snapshot's         2. dirty branches, children before parents
//!   the writer goes on                           3. catalog and used pages
//!                                                4. sync
//!                                                5. the older superblock
//!                                                6. sync: durable
//! ```
//! Everything goes to pages that no superblock leads to, so a crash at any point leaves the last
//! checkpoint as it was. The superblock is written after everything else is durable: if it is
//! whole, so is what it leads to.
//!
//! Invariants:
//! 1. [`Checkpoint::write`] returns `Ok` only when the checkpoint is durable.
//! 2. After an error, or when a checkpoint is dropped without being written, the store refuses
//!    all further writes: what it thinks of the file is not what the file is.
//!
//! Left out: when to take one; the owner knows how long its log has grown.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;

use super::StorageError;
use super::freelist::PageSet;
use super::page::{Kind, OVERFLOW_BYTES, Page, PageId, Pointer};
use super::pager::Pager;
use super::store::{Catalog, EraGuard, Root, Shared, encode_catalog};
use super::superblock::{self, Chain, Superblock};

/// After so many pages a sync, 2 MiB, so that the last one has not everything to write.
const SYNC_PAGES: usize = 256;
/// The same for a checkpoint beside others' work, 128 KiB.
const GENTLE_PAGES: usize = 16;

/// What a checkpoint wrote.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CheckpointStats {
    /// Its number; grows by one with each.
    pub generation: u64,
    /// Pages written by it, those of its lists included.
    pub pages: u64,
}

/// A checkpoint that was begun and is to be written.
#[must_use = "a checkpoint that is not written stops its store"]
pub struct Checkpoint {
    pub(super) shared: Arc<Shared>,
    pub(super) generation: u64,
    pub(super) catalog: Catalog,
    /// Leaves and overflow pages that may be dirty, each with its birth.
    pub(super) pages: Vec<(PageId, u64)>,
    pub(super) used: PageSet,
    pub(super) page_count: u32,
    /// Where the catalog goes.
    pub(super) catalog_pages: Vec<PageId>,
    /// Where the list of used pages goes.
    pub(super) used_pages: Vec<PageId>,
    pub(super) note: Bytes,
    pub(super) era: EraGuard,
    pub(super) is_written: bool,
}

impl Checkpoint {
    /// Its number.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// Writes it. Blocks; to be called off the threads that serve requests.
    ///
    /// # Errors
    ///
    /// [`StorageError::Io`] when the disk refuses; the store is poisoned then.
    pub fn write(self) -> Result<CheckpointStats, StorageError> {
        self.write_by(SYNC_PAGES)
    }

    /// Writes it in small parts, for a store whose log goes on meanwhile on the same disk: a sync of
    /// the log waits for whatever the disk was given before, so that must never be much. Takes
    /// longer than [`Checkpoint::write`]. Blocks as well.
    ///
    /// # Errors
    ///
    /// As for [`Checkpoint::write`].
    pub fn write_gently(self) -> Result<CheckpointStats, StorageError> {
        self.write_by(GENTLE_PAGES)
    }

    fn write_by(mut self, sync_pages: usize) -> Result<CheckpointStats, StorageError> {
        let written_before = self.shared.pager.pages_written();
        let superblock = self.write_pages(sync_pages)?;
        self.shared.pager.sync()?;
        self.write_superblock(&superblock)?;
        self.is_written = true;
        self.shared.progress.lock().advance(superblock);
        let pages = self.shared.pager.pages_written() - written_before;
        Ok(CheckpointStats { generation: self.generation, pages })
    }

    fn pager(&self) -> &Pager {
        &self.shared.pager
    }

    fn write_pages(&mut self, sync_pages: usize) -> Result<Superblock, StorageError> {
        for pages in std::mem::take(&mut self.pages).chunks(sync_pages) {
            self.pager().write(pages.iter().copied())?;
            if pages.len() == sync_pages {
                self.pager().sync()?;
            }
        }
        let mut settled = self.catalog.clone();
        for (name, root) in &self.catalog {
            let Some(page) = root.page else { continue };
            self.write_branches(page)?;
            let page = Some(self.pager().settled(page)?);
            settled.insert(name.clone(), Root { page, entries: root.entries });
        }
        let catalog = self.write_chain(&encode_catalog(&settled), &self.catalog_pages)?;
        let used = self.used.encode(self.page_count);
        Ok(Superblock {
            slot: self.shared.progress.lock().older_slot(),
            generation: self.generation,
            page_count: self.page_count,
            catalog,
            used_pages: self.write_chain(&used, &self.used_pages)?,
            note: self.note.clone(),
        })
    }

    /// Writes the branches at and below `pointer` that are new since the last checkpoint.
    fn write_branches(&self, pointer: Pointer) -> Result<(), StorageError> {
        if pointer.generation < self.generation || self.pager().checksum(pointer).is_some() {
            return Ok(());
        }
        let branch = self.pager().get(pointer)?;
        if branch.kind() != Kind::Branch {
            return Ok(());
        }
        if branch.level() > 1 {
            (0..branch.children()).try_for_each(|at| self.write_branches(branch.child(at)))?;
        }
        drop(branch);
        self.pager().write_branch(pointer.id)
    }

    /// Writes a chain of overflow pages to the given places, the last one first.
    fn write_chain(&self, content: &[u8], places: &[PageId]) -> Result<Chain, StorageError> {
        assert_eq!(places.len(), content.len().div_ceil(OVERFLOW_BYTES), "places were counted");
        let mut next = None;
        for (id, payload) in places.iter().zip(content.chunks(OVERFLOW_BYTES)).rev() {
            let mut page = Page::overflow(self.generation, payload, next);
            let checksum = Some(page.seal(*id));
            self.pager().write_uncached(*id, &page)?;
            next = Some(Pointer { id: *id, generation: self.generation, checksum });
        }
        let head = next.expect("neither list is ever empty");
        Ok(Chain { head, length: content.len() as u32 })
    }

    fn write_superblock(&self, superblock: &Superblock) -> Result<(), StorageError> {
        self.pager().write_bytes(&superblock.encode(), superblock::offset(superblock.slot))?;
        self.pager().sync()
    }
}

impl Drop for Checkpoint {
    fn drop(&mut self) {
        let mut progress = self.shared.progress.lock();
        progress.is_writing = false;
        if !self.is_written {
            self.shared.pager.fail(StorageError::Poisoned);
        }
    }
}

impl fmt::Debug for Checkpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (generation, era) = (&self.generation, &self.era);
        let mut debug = f.debug_struct("Checkpoint");
        debug.field("generation", generation).field("era", era).finish_non_exhaustive()
    }
}

/// Which checkpoints of a store are durable.
#[derive(Debug)]
pub(super) struct Progress {
    /// The newest.
    pub(super) newest: Superblock,
    /// The one before, if its superblock is whole.
    pub(super) older: Option<Superblock>,
    /// Whether a checkpoint was begun and has not ended.
    pub(super) is_writing: bool,
}

impl Progress {
    fn advance(&mut self, superblock: Superblock) {
        self.older = Some(std::mem::replace(&mut self.newest, superblock));
    }

    /// The slot that is overwritten next.
    pub(super) fn older_slot(&self) -> usize {
        1 - self.newest.slot
    }
}
