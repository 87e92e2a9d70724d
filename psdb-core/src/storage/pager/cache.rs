//! The page cache: the pages that are in memory, of all stores of a process, in one byte budget.
//!
//! Pages are spread over shards by a hash of store and page. A reader locks one shard for reading
//! while it looks at a page; readers of one shard do not wait for each other, and writers lock one
//! shard for the time of one change.
//!
//! Clean pages leave by the clock: each has a mark that a read sets; a page whose turn comes and
//! that is marked loses the mark and waits for another round, one without goes. Dirty pages stay
//! until they are written; they take their part of the budget from the clean ones.
//!
//! Invariants:
//! 1. A dirty page is never dropped but by the store that owns it.
//! 2. What a page shows never changes while a snapshot can see it: stores change dirty pages that
//!    no snapshot sees, and otherwise replace pages by others that say the same.
//!
//! Left out: counting the budget by what readers hold on to; they hold a page at a time.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::hash::{BuildHasherDefault, Hasher};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering};

use parking_lot::RwLock;

use crate::env::Env;
use crate::storage::page::{PAGE_BYTES, Page, PageId};

const MAX_SHARDS: usize = 64;
/// The budget of a process that does not know how much memory there is: 64 MiB.
const UNKNOWN_MEMORY_BYTES: u64 = 64 << 20;
/// No process gets along with less: 1 MiB.
const SMALLEST_BYTES: u64 = 1 << 20;
/// A shard of a small cache holds at least this many pages.
const SHARD_PAGES: usize = 64;
/// The part of the budget that dirty pages may take before they are written ahead: a quarter.
const DIRTY_PART: usize = 4;
/// The part of the budget that clean pages keep in any case.
const CLEAN_PART: usize = 8;

/// Pages in memory, shared by all stores that are opened with clones of it.
#[derive(Clone)]
pub struct PageCache(Arc<Shared>);

struct Shared {
    shards: Box<[RwLock<Shard>]>,
    budget_pages: usize,
    dirty: AtomicUsize,
    next_store: AtomicU32,
    /// How many stores there are.
    stores: AtomicUsize,
    /// Whether a page ever had to leave for want of room.
    was_full: AtomicBool,
}

type Frames = HashMap<u64, Frame, BuildHasherDefault<KeyHasher>>;

#[derive(Default)]
struct Shard {
    frames: Frames,
    /// Pages in the order of their turns; may hold some that are gone or dirty by now.
    clock: VecDeque<u64>,
    clean: usize,
}

/// A page in memory.
struct Frame {
    page: Arc<Page>,
    is_dirty: bool,
    /// The era it was made in; 0 for pages that were read from disk.
    birth: u64,
    /// Whether the clock knows it.
    is_queued: bool,
    was_read: AtomicBool,
}

/// Names a page of one of the stores.
#[derive(Clone, Copy)]
pub(super) struct Key(u64);

impl Key {
    pub(super) fn new(store: u32, id: PageId) -> Key {
        Key(u64::from(store) << 32 | u64::from(id.0))
    }
}

/// Keys are small numbers; one multiplication spreads them.
#[derive(Default)]
struct KeyHasher(u64);

impl Hasher for KeyHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.write_u64(self.0 ^ u64::from(*byte));
        }
    }

    fn write_u64(&mut self, number: u64) {
        let product = number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        self.0 = product ^ product >> 32;
    }
}

impl PageCache {
    /// A cache of about `bytes` bytes; of 8 pages, if that is less.
    pub fn new(bytes: usize) -> PageCache {
        let budget_pages = (bytes / PAGE_BYTES).max(8);
        let shards = (budget_pages / SHARD_PAGES).clamp(1, MAX_SHARDS);
        // Powers of two, so that a few bits of the hash choose the shard.
        let shards = 1 << shards.ilog2();
        PageCache(Arc::new(Shared {
            shards: (0..shards).map(|_| RwLock::default()).collect(),
            budget_pages,
            dirty: AtomicUsize::new(0),
            next_store: AtomicU32::new(0),
            stores: AtomicUsize::new(0),
            was_full: AtomicBool::new(false),
        }))
    }

    /// A cache for all stores of a process: of `bytes`, or else of a quarter of the memory it may
    /// use.
    pub fn for_process(env: &Env, bytes: Option<u64>) -> PageCache {
        let quarter = || env.memory_bytes().map_or(UNKNOWN_MEMORY_BYTES, |bytes| bytes / 4);
        let bytes = bytes.unwrap_or_else(quarter).max(SMALLEST_BYTES);
        PageCache::new(usize::try_from(bytes).unwrap_or(usize::MAX))
    }

    /// The budget in bytes.
    pub fn budget_bytes(&self) -> usize {
        self.0.budget_pages * PAGE_BYTES
    }

    /// The bytes of all pages in memory.
    pub fn bytes(&self) -> usize {
        let pages = self.0.shards.iter().map(|shard| shard.read().frames.len());
        pages.sum::<usize>() * PAGE_BYTES
    }

    /// Whether pages had to leave for want of room, so that any lookup may have to read one.
    pub fn was_full(&self) -> bool {
        self.0.was_full.load(Ordering::Relaxed)
    }

    /// A number that no other store of this cache has.
    pub(super) fn join(&self) -> u32 {
        self.0.stores.fetch_add(1, Ordering::Relaxed);
        self.0.next_store.fetch_add(1, Ordering::Relaxed)
    }

    /// Whether dirty pages take more than their part.
    fn is_too_dirty(&self) -> bool {
        self.0.dirty.load(Ordering::Relaxed) > self.0.budget_pages / DIRTY_PART
    }

    /// How many of the `unwritten` pages of a store should be written now.
    ///
    /// Each store may keep its share of half the dirty part; the other half is for those that a
    /// checkpoint is writing.
    pub(in crate::storage) fn surplus(&self, unwritten: usize) -> usize {
        if !self.is_too_dirty() {
            return 0;
        }
        let stores = self.0.stores.load(Ordering::Relaxed).max(1);
        unwritten.saturating_sub(self.0.budget_pages / DIRTY_PART / 2 / stores)
    }

    fn shard(&self, key: Key) -> &RwLock<Shard> {
        let spread = key.0.wrapping_mul(0xd6e8_feb8_6659_fd93) >> 40;
        &self.0.shards[spread as usize & (self.0.shards.len() - 1)]
    }

    /// Looks at a page, if it is here.
    pub(super) fn with<R>(&self, key: Key, look: impl FnOnce(&Page) -> R) -> Result<R, ()> {
        let shard = self.shard(key).read();
        let frame = shard.frames.get(&key.0).ok_or(())?;
        frame.mark();
        Ok(look(&frame.page))
    }

    pub(super) fn get(&self, key: Key) -> Option<Arc<Page>> {
        let shard = self.shard(key).read();
        let frame = shard.frames.get(&key.0)?;
        frame.mark();
        Some(frame.page.clone())
    }

    /// A page that waits to be written, and its birth.
    pub(super) fn dirty_page(&self, key: Key) -> Option<(Arc<Page>, u64)> {
        let shard = self.shard(key).read();
        let frame = shard.frames.get(&key.0).filter(|frame| frame.is_dirty)?;
        Some((frame.page.clone(), frame.birth))
    }

    /// The birth of a page that is here, and whether it is dirty.
    pub(super) fn birth(&self, key: Key) -> Option<(u64, bool)> {
        let shard = self.shard(key).read();
        shard.frames.get(&key.0).map(|frame| (frame.birth, frame.is_dirty))
    }

    /// Takes a page that was read from disk, unless it is here already; gives the one that is.
    pub(super) fn add_clean(&self, key: Key, page: Arc<Page>) -> Arc<Page> {
        let mut shard = self.shard(key).write();
        if let Some(frame) = shard.frames.get(&key.0) {
            return frame.page.clone();
        }
        let frame = Frame {
            page: page.clone(),
            is_dirty: false,
            birth: 0,
            is_queued: true,
            was_read: AtomicBool::new(false),
        };
        shard.frames.insert(key.0, frame);
        shard.clock.push_back(key.0);
        shard.clean += 1;
        self.evict(&mut shard);
        page
    }

    /// Takes a page that is to be written, in place of any other.
    pub(super) fn put_dirty(&self, key: Key, page: Arc<Page>, birth: u64) {
        let mut shard = self.shard(key).write();
        let old = shard.frames.remove(&key.0);
        match &old {
            Some(frame) if frame.is_dirty => {}
            Some(_) => {
                shard.clean -= 1;
                self.0.dirty.fetch_add(1, Ordering::Relaxed);
            }
            None => {
                self.0.dirty.fetch_add(1, Ordering::Relaxed);
            }
        }
        let frame = Frame {
            page,
            is_dirty: true,
            birth,
            is_queued: old.is_some_and(|frame| frame.is_queued),
            was_read: AtomicBool::new(true),
        };
        shard.frames.insert(key.0, frame);
    }

    /// Changes a dirty page.
    pub(super) fn update<R>(&self, key: Key, change: impl FnOnce(&mut Page) -> R) -> Option<R> {
        let mut shard = self.shard(key).write();
        let frame = shard.frames.get_mut(&key.0).filter(|frame| frame.is_dirty)?;
        Some(change(Arc::make_mut(&mut frame.page)))
    }

    /// Changes a dirty page that was made after `era`.
    pub(super) fn update_since<R>(
        &self,
        key: Key,
        era: Option<u64>,
        change: impl FnOnce(&mut Page) -> R,
    ) -> Option<R> {
        let mut shard = self.shard(key).write();
        let frame = shard.frames.get_mut(&key.0)?;
        let is_own = frame.is_dirty && Some(frame.birth) > era;
        is_own.then(|| change(Arc::make_mut(&mut frame.page)))
    }

    /// Says that `written` is on disk, in the form of `image`; from now on it may be dropped.
    pub(super) fn settle(&self, key: Key, written: &Arc<Page>, image: Arc<Page>) {
        let mut shard = self.shard(key).write();
        let Some(frame) = shard.frames.get_mut(&key.0) else { return };
        if !frame.is_dirty || !Arc::ptr_eq(&frame.page, written) {
            return;
        }
        frame.page = image;
        frame.is_dirty = false;
        let enters_clock = !std::mem::replace(&mut frame.is_queued, true);
        if enters_clock {
            shard.clock.push_back(key.0);
        }
        shard.clean += 1;
        self.0.dirty.fetch_sub(1, Ordering::Relaxed);
        self.evict(&mut shard);
    }

    /// Forgets a page whose place in the file is free.
    pub(super) fn discard(&self, key: Key) {
        let mut shard = self.shard(key).write();
        let Some(frame) = shard.frames.remove(&key.0) else { return };
        self.forget(&mut shard, &frame);
        if frame.is_queued {
            // The clock finds out by itself, unless it has nothing else to do.
            shard.trim_clock();
        }
    }

    /// Forgets all pages of a store that is gone.
    pub(super) fn leave(&self, store: u32) {
        self.0.stores.fetch_sub(1, Ordering::Relaxed);
        for shard in &self.0.shards {
            let mut shard = shard.write();
            let all = std::mem::take(&mut shard.frames);
            let (gone, kept): (Frames, Frames) =
                all.into_iter().partition(|(key, _)| (*key >> 32) as u32 == store);
            shard.frames = kept;
            for frame in gone.values() {
                self.forget(&mut shard, frame);
            }
            shard.trim_clock();
        }
    }

    fn forget(&self, shard: &mut Shard, frame: &Frame) {
        if frame.is_dirty {
            self.0.dirty.fetch_sub(1, Ordering::Relaxed);
        } else {
            shard.clean -= 1;
        }
    }

    /// Drops clean pages until the shard keeps to its part of the budget.
    fn evict(&self, shard: &mut Shard) {
        let (budget, dirty) = (self.0.budget_pages, self.0.dirty.load(Ordering::Relaxed));
        let clean = budget.saturating_sub(dirty).max(budget / CLEAN_PART);
        let limit = (clean / self.0.shards.len()).max(1);
        // Two rounds clear all marks.
        let mut turns = 2 * shard.clock.len();
        while shard.clean > limit && turns > 0 {
            turns -= 1;
            let Some(key) = shard.clock.pop_front() else { break };
            match shard.frames.get_mut(&key) {
                None => {}
                Some(frame) if frame.is_dirty => frame.is_queued = false,
                Some(frame) if frame.was_read.swap(false, Ordering::Relaxed) => {
                    shard.clock.push_back(key);
                }
                Some(_) => {
                    shard.frames.remove(&key);
                    shard.clean -= 1;
                    self.0.was_full.store(true, Ordering::Relaxed);
                }
            }
        }
    }
}

impl Shard {
    /// Drops turns of pages that are gone when they outnumber the others.
    fn trim_clock(&mut self) {
        if self.clock.len() <= 2 * self.frames.len() + SHARD_PAGES {
            return;
        }
        let mut kept = VecDeque::with_capacity(self.frames.len());
        for frame in self.frames.values_mut() {
            frame.is_queued = false;
        }
        for key in std::mem::take(&mut self.clock) {
            if let Some(frame) = self.frames.get_mut(&key)
                && !std::mem::replace(&mut frame.is_queued, true)
            {
                kept.push_back(key);
            }
        }
        self.clock = kept;
    }
}

impl Frame {
    /// Notes the reading without writing to memory that other readers look at, if it can.
    fn mark(&self) {
        if !self.was_read.load(Ordering::Relaxed) {
            self.was_read.store(true, Ordering::Relaxed);
        }
    }
}

impl fmt::Debug for PageCache {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageCache").field("budget_bytes", &self.budget_bytes()).finish()
    }
}

#[cfg(test)]
mod tests {
    //! Proves that the budget is kept, that pages in use stay, and that dirty ones always do.

    use super::*;

    fn key(n: u32) -> Key {
        Key::new(0, PageId(n))
    }

    #[test]
    fn clean_pages_go_when_there_are_too_many_and_the_used_ones_last() {
        let cache = PageCache::new(8 * PAGE_BYTES);
        for n in 0..100 {
            cache.add_clean(key(n), Arc::new(Page::leaf(1)));
            cache.with(key(0), |_| ()).expect("the page that is read all the time stays");
            assert!(cache.bytes() <= 8 * PAGE_BYTES);
        }
        assert!(cache.get(key(1)).is_none(), "the others have gone");
    }

    #[test]
    fn dirty_pages_stay_until_they_are_settled() {
        let cache = PageCache::new(8 * PAGE_BYTES);
        for n in 0..20 {
            cache.put_dirty(key(n), Arc::new(Page::leaf(1)), 1);
        }
        assert!(cache.is_too_dirty());
        for n in 100..200 {
            cache.add_clean(key(n), Arc::new(Page::leaf(1)));
        }
        for n in 0..20 {
            let (page, birth) = cache.dirty_page(key(n)).expect("dirty pages stay");
            assert_eq!(birth, 1);
            cache.settle(key(n), &page, Arc::new(Page::leaf(1)));
        }
        assert!(!cache.is_too_dirty());
        for n in 200..300 {
            cache.add_clean(key(n), Arc::new(Page::leaf(1)));
        }
        assert!(cache.bytes() <= 8 * PAGE_BYTES);
    }

    #[test]
    fn reusing_a_place_for_ever_needs_no_more_memory() {
        let cache = PageCache::new(64 * PAGE_BYTES);
        for _ in 0..10_000 {
            cache.put_dirty(key(3), Arc::new(Page::leaf(1)), 1);
            let (page, _) = cache.dirty_page(key(3)).unwrap();
            cache.settle(key(3), &page, Arc::new(Page::leaf(1)));
            cache.put_dirty(key(4), Arc::new(Page::leaf(1)), 1);
            let (page, _) = cache.dirty_page(key(4)).unwrap();
            cache.settle(key(4), &page, Arc::new(Page::leaf(1)));
            cache.discard(key(4));
        }
        assert!(cache.shard(key(3)).read().clock.len() < 1_000);
        cache.join();
        cache.leave(0);
        assert_eq!(cache.bytes(), 0);
    }
}
