//! Salvage: reading what can be read of a damaged file, and repairing what can be rebuilt.
//!
//! The list of used pages follows from the trees, so it can be made again when they are whole. A
//! page of a tree cannot: what was on it is gone, and a replica is rebuilt from its peers. Until
//! then, everything on the other pages can be read.
//!
//! Left out: pages that nothing leads to any more.

use std::path::Path;

use super::check::{CHECK_CACHE_BYTES, Check, StoreReport, Visit};
use super::open::{load_all, load_chain, read_superblock};
use super::{Catalog, Store, catalog};
use crate::env::{Disk, File, OpenMode};
use crate::storage::StorageError;
use crate::storage::freelist::PageSet;
use crate::storage::page::{OVERFLOW_BYTES, Page, PageId, Pointer};
use crate::storage::pager::{PageCache, Pager};
use crate::storage::superblock::{self, Chain, Superblock};

/// What became of a file that was to be repaired.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Repaired {
    /// Nothing was wrong with it that opening does not mend.
    Sound,
    /// Its list of used pages was made again.
    UsedPages,
    /// The trees themselves are damaged, as the report says; nothing was changed.
    Impossible(StoreReport),
}

/// A checkpoint of which the catalog could be read.
struct Candidate {
    superblock: Superblock,
    catalog: Catalog,
    catalog_pages: Vec<PageId>,
}

impl Store {
    /// Gives every entry of the file at `path` that can be read to `visit`: tree, key and value.
    /// Nobody may have the file open; it is not changed. The report says what could not be read.
    ///
    /// # Errors
    ///
    /// [`StorageError::Corrupt`] when neither catalog can be read; [`StorageError::Io`].
    pub fn salvage(
        disk: &dyn Disk,
        path: &Path,
        visit: &mut Visit<'_>,
    ) -> Result<StoreReport, StorageError> {
        let pager = open_pager(disk, path, OpenMode::Read)?;
        let candidate = newest_candidate(&pager)?;
        let superblock = &candidate.superblock;
        let mut check = Check::new(&pager, superblock.generation, superblock.page_count);
        check.visit = Some(visit);
        check.catalog(&candidate.catalog)?;
        Ok(check.report)
    }

    /// Repairs the file at `path`, which nobody has open, as far as that is possible.
    ///
    /// # Errors
    ///
    /// As for [`Store::salvage`].
    pub fn repair_file(disk: &dyn Disk, path: &Path) -> Result<Repaired, StorageError> {
        let pager = open_pager(disk, path, OpenMode::Write)?;
        let candidate = newest_candidate(&pager)?;
        let generation = candidate.superblock.generation;
        let (found, _) = load_all(&pager)?;
        let is_whole = |(superblock, loaded): &(Superblock, Option<_>)| {
            superblock.generation == generation && loaded.is_some()
        };
        let mut check = Check::new(&pager, generation, candidate.superblock.page_count);
        check.catalog(&candidate.catalog)?;
        check.lists(&candidate.catalog_pages);
        if !check.report.is_sound() {
            return Ok(Repaired::Impossible(check.report));
        }
        if found.iter().any(is_whole) {
            return Ok(Repaired::Sound);
        }
        let used = check.reached;
        write_used_pages(&pager, &candidate.superblock, used)?;
        Ok(Repaired::UsedPages)
    }
}

fn open_pager(disk: &dyn Disk, path: &Path, mode: OpenMode) -> Result<Pager, StorageError> {
    let file = disk.open(path, mode);
    let file = file.map_err(|error| StorageError::io("open", path, error))?;
    Ok(Pager::new(file, path, PageCache::new(CHECK_CACHE_BYTES)))
}

/// The newest checkpoint of which the catalog can be read.
fn newest_candidate(pager: &Pager) -> Result<Candidate, StorageError> {
    let (mut newest, mut damage): (Option<Candidate>, _) = (None, None);
    for slot in 0..2 {
        let candidate = read_superblock(pager, slot).and_then(|superblock| {
            let (bytes, catalog_pages) = load_chain(pager, superblock.catalog)?;
            let catalog = catalog::decode(&bytes)
                .map_err(|reason| pager.corrupt(superblock.catalog.head.id, reason))?;
            Ok(Candidate { superblock, catalog, catalog_pages })
        });
        match candidate {
            Ok(candidate) => {
                let generation = candidate.superblock.generation;
                if newest.as_ref().is_none_or(|known| known.superblock.generation < generation) {
                    newest = Some(candidate);
                }
            }
            Err(error @ StorageError::Corrupt { .. }) => damage = Some(error),
            Err(error) => return Err(error),
        }
    }
    newest.ok_or_else(|| {
        damage.unwrap_or_else(|| StorageError::corrupt(pager.path(), 0, "there is no superblock"))
    })
}

/// Writes a new list behind the end of the file, and then the superblock that leads to it.
fn write_used_pages(
    pager: &Pager,
    superblock: &Superblock,
    mut used: PageSet,
) -> Result<(), StorageError> {
    let file_bytes = file_bytes(pager.file())
        .map_err(|error| StorageError::io("measure", pager.path(), error))?;
    let first = superblock.page_count.max(file_bytes.div_ceil(PageId(1).offset()) as u32);
    let mut page_count = first;
    while (page_count - first) as usize * OVERFLOW_BYTES < PageSet::encoded_bytes(page_count) {
        used.insert(PageId(page_count));
        page_count += 1;
    }
    let content = used.encode(page_count);
    let generation = superblock.generation + 1;
    let mut next = None;
    for (id, payload) in (first..page_count).zip(content.chunks(OVERFLOW_BYTES)).rev() {
        let (id, mut page) = (PageId(id), Page::overflow(generation, payload, next));
        let checksum = Some(page.seal(id));
        pager.write_uncached(id, &page)?;
        next = Some(Pointer { id, generation, checksum });
    }
    pager.sync()?;
    let head = next.expect("the list has a page at least");
    let repaired = Superblock {
        slot: 1 - superblock.slot,
        generation,
        page_count,
        used_pages: Chain { head, length: content.len() as u32 },
        ..superblock.clone()
    };
    pager.write_bytes(&repaired.encode(), superblock::offset(repaired.slot))?;
    pager.sync()
}

fn file_bytes(file: &dyn File) -> std::io::Result<u64> {
    file.len()
}
