//! Opening and creating page files.
//!
//! Recovery reads both superblocks and takes the newer one of those whose checksum holds and whose
//! catalog, list of used pages and roots verify. Then it writes one of them:
//!
//! - Normally the one it took, in place and equal. After a failed sync the system may show bytes
//!   that the disk does not have, and syncing once more does not write them. Only the superblock
//!   can be in that state, since it is written when all else is durable.
//! - When a whole superblock leads to damage, that one is replaced by a copy of the good one, so
//!   that it is not mistaken for good when pages it led to have been written again.
//!
//! A new file is written aside, synced and renamed, so a page file is complete or not there. One
//! that has no checkpoint yet is made once more, since its name may not be durable.
//!
//! Invariants:
//! 1. A damaged file is an error or gives an older checkpoint, and says so; it never gives
//!    anything else.
//! 2. What is given back survives a power loss right after.
//!
//! Left out: verifying all pages (`check`); each is verified when it is read.

use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::eras::Eras;
use super::value::{chain_pages, read_chain};
use super::{Catalog, Shared, Snapshot, Store, catalog};
use crate::env::{Disk, File, OpenMode};
use crate::storage::StorageError;
use crate::storage::checkpoint::Progress;
use crate::storage::freelist::{Freelist, PageSet};
use crate::storage::page::{Kind, PAGE_BYTES, Page, PageId, Pointer};
use crate::storage::pager::{PageCache, Pager};
use crate::storage::superblock::{self, Chain, Superblock};

/// What the newer superblock of a new file says.
const EMPTY_GENERATION: u64 = 2;

/// What opening a store found.
#[derive(Clone, Debug)]
pub struct Opened {
    /// Whether the file is new.
    pub is_new: bool,
    /// The number of the checkpoint that was taken.
    pub generation: u64,
    /// The note of that checkpoint.
    pub note: Bytes,
    /// What is wrong with the superblocks that were passed over.
    pub damage: Vec<StorageError>,
}

/// A checkpoint as it was read.
pub(super) struct Loaded {
    pub(super) superblock: Superblock,
    pub(super) catalog: Catalog,
    pub(super) used: PageSet,
    /// The pages of the catalog and of the list of used pages.
    pub(super) lists: Vec<PageId>,
}

impl Store {
    /// Opens the page file at `path`, or makes it in a directory that exists. Its pages share
    /// `cache` with those of other stores.
    ///
    /// One store at a time may have a file open; snapshots and checkpoints count.
    ///
    /// # Errors
    ///
    /// [`StorageError::Corrupt`] when neither superblock leads to a whole checkpoint,
    /// [`StorageError::Io`].
    pub fn open(
        disk: &dyn Disk,
        path: &Path,
        cache: PageCache,
    ) -> Result<(Store, Opened), StorageError> {
        if !disk.exists(path) {
            create(disk, path).map_err(|error| StorageError::io("create", path, error))?;
            let (store, opened) = Store::open_existing(disk, path, cache)?;
            return Ok((store, Opened { is_new: true, ..opened }));
        }
        let (store, opened) = Store::open_existing(disk, path, cache.clone())?;
        if opened.generation > EMPTY_GENERATION {
            return Ok((store, opened));
        }
        drop(store);
        create(disk, path).map_err(|error| StorageError::io("create", path, error))?;
        Store::open_existing(disk, path, cache)
    }

    /// The trees of the file at `path`, which no store has open, as opening would find them. The
    /// file is not changed.
    ///
    /// # Errors
    ///
    /// As for [`Store::open`].
    pub fn view_file(
        disk: &dyn Disk,
        path: &Path,
        cache: PageCache,
    ) -> Result<Snapshot, StorageError> {
        let file = disk.open(path, OpenMode::Read);
        let file = file.map_err(|error| StorageError::io("open", path, error))?;
        Ok(Store::newest(Pager::new(file, path, cache))?.snapshot())
    }

    fn open_existing(
        disk: &dyn Disk,
        path: &Path,
        cache: PageCache,
    ) -> Result<(Store, Opened), StorageError> {
        let file = disk.open(path, OpenMode::Write);
        let file = file.map_err(|error| StorageError::io("open", path, error))?;
        let pager = Pager::new(file, path, cache);
        let (mut found, mut damage) = load_all(&pager)?;
        let newest_seen = found.iter().map(|(superblock, _)| superblock.generation).max();
        let whole = found.iter_mut().filter_map(|(_, loaded)| loaded.take());
        let mut whole: Vec<Loaded> = whole.collect();
        whole.sort_unstable_by_key(|loaded| loaded.superblock.generation);
        let Some(mut newest) = whole.pop() else {
            let none = || StorageError::corrupt(path, 0, "there is no superblock");
            return Err(damage.pop().unwrap_or_else(none));
        };
        let mut older = whole.pop();
        if newest_seen > Some(newest.superblock.generation) {
            let good = newest.superblock.clone();
            let generation = newest_seen.map_or(0, |seen| seen + 1);
            newest.superblock = Superblock { slot: 1 - good.slot, generation, ..newest.superblock };
            let (catalog, used) = (Catalog::new(), newest.used.clone());
            older = Some(Loaded { superblock: good, catalog, used, lists: Vec::new() });
        }
        let place = superblock::offset(newest.superblock.slot);
        pager.write_bytes(&newest.superblock.encode(), place)?;
        pager.sync()?;
        let opened = Opened {
            is_new: false,
            generation: newest.superblock.generation,
            note: newest.superblock.note.clone(),
            damage,
        };
        Ok((Store::assemble(pager, newest, older), opened))
    }

    /// The store of a file of which nothing need be durable: one that was just made, or that will
    /// not be written.
    pub(super) fn newest(pager: Pager) -> Result<Store, StorageError> {
        let (mut found, mut damage) = load_all(&pager)?;
        let none = || StorageError::corrupt(pager.path(), 0, "there is no superblock");
        found.sort_unstable_by_key(|(superblock, _)| superblock.generation);
        let mut whole: Vec<Loaded> = found.into_iter().filter_map(|(_, loaded)| loaded).collect();
        match whole.pop() {
            Some(newest) => Ok(Store::assemble(pager, newest, whole.pop())),
            None => Err(damage.pop().unwrap_or_else(none)),
        }
    }

    fn assemble(pager: Pager, newest: Loaded, older: Option<Loaded>) -> Store {
        let Loaded { superblock, catalog, used, lists } = newest;
        let generation = superblock.generation;
        let older_used = older.as_ref().map(|older| older.used.clone()).unwrap_or_default();
        let freelist = Freelist::new(superblock.page_count, used, &older_used, generation);
        let progress = Progress {
            newest: superblock,
            older: older.map(|older| older.superblock),
            is_writing: false,
        };
        let eras = Arc::new(Eras::default());
        let era = eras.now();
        let shared = Arc::new(Shared { pager, progress: Mutex::new(progress), eras });
        Store {
            shared,
            catalog,
            freelist,
            generation: generation + 1,
            era,
            unwritten: std::collections::VecDeque::new(),
            lists,
            changed_pages: 0,
            finger: super::insert::Finger::default(),
        }
    }
}

/// Superblocks whose checksums hold, with their checkpoints as far as those are whole.
pub(super) type Found = Vec<(Superblock, Option<Loaded>)>;

/// Reads both superblocks and what they lead to; says what is damaged.
pub(super) fn load_all(pager: &Pager) -> Result<(Found, Vec<StorageError>), StorageError> {
    let (mut found, mut damage) = (Vec::new(), Vec::new());
    for slot in 0..2 {
        let superblock = match read_superblock(pager, slot) {
            Ok(superblock) => superblock,
            Err(error @ StorageError::Corrupt { .. }) => {
                damage.push(error);
                continue;
            }
            Err(error) => return Err(error),
        };
        match load(pager, superblock.clone()) {
            Ok(loaded) => found.push((superblock, Some(loaded))),
            Err(error @ StorageError::Corrupt { .. }) => {
                damage.push(error);
                found.push((superblock, None));
            }
            Err(error) => return Err(error),
        }
    }
    Ok((found, damage))
}

pub(super) fn read_superblock(pager: &Pager, slot: usize) -> Result<Superblock, StorageError> {
    let (mut bytes, offset) = (vec![0; PAGE_BYTES], superblock::offset(slot));
    let corrupt = |reason: String| StorageError::corrupt(pager.path(), offset, reason);
    match pager.file().read_exact_at(&mut bytes, offset) {
        Ok(()) => Superblock::decode(&bytes, slot).map_err(corrupt),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Err(corrupt("the file ends within this superblock".into()))
        }
        Err(error) => Err(StorageError::io("read", pager.path(), error)),
    }
}

/// Reads what a superblock leads to, down to the roots of its trees.
fn load(pager: &Pager, superblock: Superblock) -> Result<Loaded, StorageError> {
    let (catalog_bytes, mut lists) = load_chain(pager, superblock.catalog)?;
    let catalog = catalog::decode(&catalog_bytes)
        .map_err(|reason| pager.corrupt(superblock.catalog.head.id, reason))?;
    let (used_bytes, used_pages) = load_chain(pager, superblock.used_pages)?;
    let used = PageSet::decode(&used_bytes, superblock.page_count)
        .map_err(|reason| pager.corrupt(superblock.used_pages.head.id, reason))?;
    lists.extend(used_pages);
    for (name, root) in &catalog {
        let Some(page) = root.page else { continue };
        if pager.get(page)?.kind() == Kind::Overflow {
            let reason = format!("it is the root of tree {name:?}, but an overflow page");
            return Err(pager.corrupt(page.id, reason));
        }
    }
    Ok(Loaded { superblock, catalog, used, lists })
}

pub(super) fn load_chain(
    pager: &Pager,
    chain: Chain,
) -> Result<(Bytes, Vec<PageId>), StorageError> {
    let content = read_chain(pager, chain.length, chain.head)?;
    let pages = chain_pages(pager, chain.length, chain.head)?;
    Ok((content, pages.into_iter().map(|pointer| pointer.id).collect()))
}

/// Makes a file without trees.
fn create(disk: &dyn Disk, path: &Path) -> io::Result<()> {
    let mut part = path.as_os_str().to_owned();
    part.push(".part");
    let file = disk.open(Path::new(&part), OpenMode::Create)?;
    write_empty(&*file)?;
    file.sync()?;
    disk.rename(Path::new(&part), path)?;
    disk.sync_dir(parent_of(path))
}

/// The directory that holds `path`; the current one for a bare name.
pub(super) fn parent_of(path: &Path) -> &Path {
    path.parent().filter(|parent| *parent != Path::new("")).unwrap_or(Path::new("."))
}

/// Writes a file without trees: both superblocks lead to the same two lists.
pub(super) fn write_empty(file: &dyn File) -> io::Result<()> {
    let (catalog_page, used_page, page_count) = (PageId(2), PageId(3), 4);
    let used = [catalog_page, used_page].into_iter().fold(PageSet::default(), |mut set, id| {
        set.insert(id);
        set
    });
    let catalog = write_list(file, catalog_page, &catalog::encode(&Catalog::new()))?;
    let used_pages = write_list(file, used_page, &used.encode(page_count))?;
    for (slot, generation) in [(0, EMPTY_GENERATION - 1), (1, EMPTY_GENERATION)] {
        let note = Bytes::new();
        let superblock = Superblock { slot, generation, page_count, catalog, used_pages, note };
        file.write_at(&superblock.encode(), superblock::offset(slot))?;
    }
    Ok(())
}

fn write_list(file: &dyn File, id: PageId, content: &[u8]) -> io::Result<Chain> {
    let mut page = Page::overflow(1, content, None);
    let checksum = Some(page.seal(id));
    file.write_at(page.bytes(), id.offset())?;
    let head = Pointer { id, generation: 1, checksum };
    Ok(Chain { head, length: content.len() as u32 })
}
