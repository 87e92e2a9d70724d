//! The pager: hands out the pages of one file and writes them back.
//!
//! ```text
//! with / get ──▶ cache ──(not there)──▶ read, verify against the pointer, keep in the cache
//! create, update ──▶ dirty pages in the cache
//! write ──▶ seal: fill in id, checksums of children, checksum ──▶ disk ──▶ clean
//! ```
//! What is written gets its checksum then, when its parent is in memory and does not know it. So
//! the pager remembers the checksums of pages written since the last checkpoint was begun but one
//! ([`Pager::forget_checksums`]); parents are sealed with them, and pages that are read back are
//! verified with them. Only a snapshot that is older than that can hold a pointer without any
//! checksum; what it reads is verified by id, generation and the page's own checksum.
//!
//! Invariants:
//! 1. A page is given out only if it is the one its pointer means.
//! 2. After a failed write or sync nothing is written any more (fail-stop).
//!
//! Left out: which pages are free (`freelist`), and when to write (`checkpoint`, `store`).

mod cache;

use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use parking_lot::Mutex;

use cache::Key;
pub use cache::PageCache;

use super::StorageError;
use super::page::{Kind, PAGE_BYTES, Page, PageId, Pointer};
use crate::env::File;

/// How many bytes are written at once at most.
const WRITE_BYTES: usize = 1 << 20;

/// The pages of one file.
#[derive(Debug)]
pub(super) struct Pager {
    file: Arc<dyn File>,
    path: PathBuf,
    cache: PageCache,
    store: u32,
    checksums: Mutex<HashMap<PageId, (u64, u32)>>,
    failure: Mutex<Option<StorageError>>,
    has_failed: AtomicBool,
    pages_read: AtomicU64,
    pages_written: AtomicU64,
}

impl Pager {
    pub(super) fn new(file: Arc<dyn File>, path: &Path, cache: PageCache) -> Pager {
        Pager {
            file,
            path: path.to_owned(),
            store: cache.join(),
            cache,
            checksums: Mutex::default(),
            failure: Mutex::default(),
            has_failed: AtomicBool::new(false),
            pages_read: AtomicU64::new(0),
            pages_written: AtomicU64::new(0),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn file(&self) -> &dyn File {
        &*self.file
    }

    pub(super) fn cache(&self) -> &PageCache {
        &self.cache
    }

    pub(super) fn pages_read(&self) -> u64 {
        self.pages_read.load(Ordering::Relaxed)
    }

    pub(super) fn pages_written(&self) -> u64 {
        self.pages_written.load(Ordering::Relaxed)
    }

    fn key(&self, id: PageId) -> Key {
        Key::new(self.store, id)
    }

    /// Looks at a page.
    pub(super) fn with<R>(
        &self,
        pointer: Pointer,
        mut look: impl FnMut(&Page) -> R,
    ) -> Result<R, StorageError> {
        match self.cache.with(self.key(pointer.id), &mut look) {
            Ok(seen) => Ok(seen),
            Err(()) => Ok(look(&*self.load(pointer)?)),
        }
    }

    /// Holds on to a page.
    pub(super) fn get(&self, pointer: Pointer) -> Result<Arc<Page>, StorageError> {
        match self.cache.get(self.key(pointer.id)) {
            Some(page) => Ok(page),
            None => self.load(pointer),
        }
    }

    fn load(&self, pointer: Pointer) -> Result<Arc<Page>, StorageError> {
        let mut page = self.read(pointer)?;
        page.add_hints();
        Ok(self.cache.add_clean(self.key(pointer.id), Arc::new(page)))
    }

    /// Reads a page from the file and verifies it.
    pub(super) fn read(&self, pointer: Pointer) -> Result<Page, StorageError> {
        let mut bytes = [0; PAGE_BYTES];
        self.pages_read.fetch_add(1, Ordering::Relaxed);
        let offset = pointer.id.offset();
        match self.file.read_exact_at(&mut bytes, offset) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                return Err(
                    self.corrupt(pointer.id, format!("the file ends before {}", pointer.id))
                );
            }
            Err(error) => return Err(StorageError::io("read", &self.path, error)),
        }
        let known = Pointer { checksum: pointer.checksum.or(self.checksum(pointer)), ..pointer };
        Page::decode(&bytes, known).map_err(|reason| self.corrupt(pointer.id, reason))
    }

    /// Reports a page as damaged.
    pub(super) fn corrupt(&self, id: PageId, reason: impl Into<String>) -> StorageError {
        StorageError::corrupt(&self.path, id.offset(), reason)
    }

    /// Makes a page that is not on disk yet.
    pub(super) fn create(&self, id: PageId, page: Arc<Page>, birth: u64) {
        // Another page of this generation may have been written here and freed.
        self.checksums.lock().remove(&id);
        self.cache.put_dirty(self.key(id), page, birth);
    }

    /// Changes a page that [`Pager::is_dirty_since`] some era.
    pub(super) fn update<R>(&self, id: PageId, change: impl FnOnce(&mut Page) -> R) -> R {
        let changed = self.cache.update(self.key(id), change);
        changed.expect("only dirty pages are changed, and those stay in memory")
    }

    /// Changes a page if it is dirty and was made after `era`.
    pub(super) fn update_since<R>(
        &self,
        id: PageId,
        era: Option<u64>,
        change: impl FnOnce(&mut Page) -> R,
    ) -> Option<R> {
        self.cache.update_since(self.key(id), era, change)
    }

    /// Changes a page if it is dirty.
    pub(super) fn update_if_dirty(&self, id: PageId, change: impl FnOnce(&mut Page)) {
        self.cache.update(self.key(id), change);
    }

    /// Whether the page is dirty and was made after `era`.
    pub(super) fn is_dirty_since(&self, id: PageId, era: Option<u64>) -> bool {
        let birth = self.cache.birth(self.key(id));
        birth.is_some_and(|(birth, is_dirty)| is_dirty && Some(birth) > era)
    }

    /// Whether a snapshot of `era` can see the page.
    pub(super) fn is_visible_at(&self, id: PageId, era: Option<u64>) -> bool {
        let birth = self.cache.birth(self.key(id)).map_or(0, |(birth, _)| birth);
        era.is_some_and(|era| birth <= era)
    }

    /// Forgets a page whose place is free now.
    pub(super) fn discard(&self, id: PageId) {
        self.cache.discard(self.key(id));
    }

    /// The checksum of a page as it stands on disk, if the pager knows it.
    pub(super) fn checksum(&self, pointer: Pointer) -> Option<u32> {
        let known = self.checksums.lock().get(&pointer.id).copied();
        known.filter(|(generation, _)| *generation == pointer.generation).map(|(_, sum)| sum)
    }

    /// The same pointer with its checksum, which is read from the page if need be.
    pub(super) fn settled(&self, pointer: Pointer) -> Result<Pointer, StorageError> {
        if pointer.checksum.is_some() {
            return Ok(pointer);
        }
        let checksum = match self.checksum(pointer) {
            Some(checksum) => checksum,
            None => self.read(pointer)?.sealed_checksum(),
        };
        Ok(Pointer { checksum: Some(checksum), ..pointer })
    }

    /// Forgets the checksums of pages from before `generation`.
    pub(super) fn forget_checksums(&self, generation: u64) {
        self.checksums.lock().retain(|_, (made, _)| *made >= generation);
    }

    /// Writes those leaves and overflow pages that are still dirty and were made when they are
    /// said to. A place may have become another page's since, even a branch's: that one waits.
    pub(super) fn write(
        &self,
        pages: impl IntoIterator<Item = (PageId, u64)>,
    ) -> Result<(), StorageError> {
        let mut waiting = Vec::new();
        for (id, birth) in pages {
            let Some((page, found)) = self.cache.dirty_page(self.key(id)) else { continue };
            if found != birth || page.kind() == Kind::Branch {
                continue;
            }
            let mut image = page.clone();
            Arc::make_mut(&mut image).seal(id);
            waiting.push((id, page, image));
            if waiting.len() * PAGE_BYTES >= WRITE_BYTES {
                self.write_images(std::mem::take(&mut waiting))?;
            }
        }
        self.write_images(waiting)
    }

    /// Writes a dirty branch whose children are written.
    pub(super) fn write_branch(&self, id: PageId) -> Result<(), StorageError> {
        let Some((page, _)) = self.cache.dirty_page(self.key(id)) else { return Ok(()) };
        let mut image = page.clone();
        let written = Arc::make_mut(&mut image);
        self.settle_children(written)?;
        written.seal(id);
        self.write_images(vec![(id, page, image)])
    }

    /// Writes a sealed page that need not stay in memory.
    pub(super) fn write_uncached(&self, id: PageId, page: &Page) -> Result<(), StorageError> {
        self.pages_written.fetch_add(1, Ordering::Relaxed);
        self.write_bytes(page.bytes(), id.offset())
    }

    fn settle_children(&self, branch: &mut Page) -> Result<(), StorageError> {
        for at in 0..branch.children() {
            let child = branch.child(at);
            if child.checksum.is_none() {
                branch.set_child(at, self.settled(child)?);
            }
        }
        Ok(())
    }

    fn write_images(
        &self,
        mut images: Vec<(PageId, Arc<Page>, Arc<Page>)>,
    ) -> Result<(), StorageError> {
        images.sort_unstable_by_key(|(id, ..)| *id);
        for run in images.chunk_by(|(a, ..), (b, ..)| a.0 + 1 == b.0) {
            let offset = run[0].0.offset();
            if let [(_, _, single)] = run {
                self.write_bytes(single.bytes(), offset)?;
                continue;
            }
            let mut bytes = Vec::with_capacity(run.len() * PAGE_BYTES);
            for (_, _, image) in run {
                bytes.extend_from_slice(image.bytes());
            }
            self.write_bytes(&bytes, offset)?;
        }
        self.pages_written.fetch_add(images.len() as u64, Ordering::Relaxed);
        for (id, page, mut image) in images {
            Arc::make_mut(&mut image).add_hints();
            let entry = (image.generation(), image.sealed_checksum());
            self.checksums.lock().insert(id, entry);
            self.cache.settle(self.key(id), &page, image);
        }
        Ok(())
    }

    /// Writes bytes into the file.
    pub(super) fn write_bytes(&self, bytes: &[u8], offset: u64) -> Result<(), StorageError> {
        self.check_usable()?;
        let written = self.file.write_at(bytes, offset);
        written.map_err(|error| self.fail(StorageError::io("write", &self.path, error)))
    }

    /// Makes all that was written durable.
    pub(super) fn sync(&self) -> Result<(), StorageError> {
        self.check_usable()?;
        let synced = self.file.sync();
        synced.map_err(|error| self.fail(StorageError::io("sync", &self.path, error)))
    }

    /// Cuts the file behind its last page.
    pub(super) fn cut(&self, page_count: u32) -> Result<(), StorageError> {
        self.check_usable()?;
        let cut = self.file.set_len(PageId(page_count).offset());
        cut.map_err(|error| self.fail(StorageError::io("cut", &self.path, error)))
    }

    /// Notes that the file cannot be trusted any more, because of `error`.
    pub(super) fn fail(&self, error: StorageError) -> StorageError {
        self.failure.lock().get_or_insert_with(|| error.clone());
        self.has_failed.store(true, Ordering::Release);
        error
    }

    /// Fails when something has failed before.
    pub(super) fn check_usable(&self) -> Result<(), StorageError> {
        if self.has_failed.load(Ordering::Acquire) { Err(StorageError::Poisoned) } else { Ok(()) }
    }
}

impl Drop for Pager {
    fn drop(&mut self) {
        self.cache.leave(self.store);
    }
}
