//! Drafts: page files that are being made and have no name yet.
//!
//! A file that was just made holds nothing that anybody relies on, so nothing of it is synced.
//! It stands beside the place it is meant for, until its first checkpoints are durable and
//! [`Draft::publish`] gives it its name. Many stores can thus be founded for no sync at all, and a
//! file that is loaded from elsewhere takes the place of another one in one step, or not at all.
//!
//! Invariants:
//! 1. Under its own name a page file always has a durable checkpoint.
//! 2. What a crash leaves of a draft is nobody's, and may be written over or removed.
//!
//! Left out: removing drafts that a crash has left; whoever owns the directory knows their names.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::Store;
use super::open::write_empty;
use crate::env::{Disk, OpenMode};
use crate::storage::StorageError;
use crate::storage::pager::{PageCache, Pager};

/// Gives a new page file its name.
#[derive(Debug)]
#[must_use = "a draft that is not published is gone after the next start"]
pub struct Draft {
    disk: Arc<dyn Disk>,
    part: PathBuf,
    path: PathBuf,
}

impl Store {
    /// Makes an empty page file at `part`, which is to become the one at `path`, in place of any
    /// other. Both are in one directory. Costs no sync.
    ///
    /// # Errors
    ///
    /// [`StorageError::Io`].
    ///
    /// # Examples
    ///
    /// ```
    /// use std::path::Path;
    /// use std::sync::Arc;
    ///
    /// use psdb_core::env::{Disk, SimDisk};
    /// use psdb_core::storage::{PageCache, Store};
    ///
    /// let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
    /// let (path, part) = (Path::new("/films"), Path::new("/films.part"));
    /// let (mut store, draft) = Store::draft(&disk, part, path, PageCache::new(1 << 20))?;
    /// store.insert(b"by year", b"1977", b"Eraserhead")?;
    /// store.checkpoint(b"")?;
    /// assert!(!disk.exists(path));
    /// draft.publish()?;
    /// assert!(disk.exists(path));
    /// # Ok::<(), psdb_core::storage::StorageError>(())
    /// ```
    pub fn draft(
        disk: &Arc<dyn Disk>,
        part: &Path,
        path: &Path,
        cache: PageCache,
    ) -> Result<(Store, Draft), StorageError> {
        let failed = |error| StorageError::io("create", part, error);
        let file = disk.open(part, OpenMode::Create).map_err(failed)?;
        write_empty(&*file).map_err(failed)?;
        let store = Store::newest(Pager::new(file, path, cache))?;
        Ok((store, Draft { disk: disk.clone(), part: part.to_owned(), path: path.to_owned() }))
    }
}

impl Draft {
    /// Gives the file its name, durably. Its content must be durable: take a checkpoint before.
    ///
    /// # Errors
    ///
    /// [`StorageError::Io`]; whether it has its name is unknown then.
    pub fn publish(&self) -> Result<(), StorageError> {
        let renamed = self.disk.rename(&self.part, &self.path);
        renamed.map_err(|error| StorageError::io("rename", &self.part, error))?;
        let parent = super::open::parent_of(&self.path);
        let synced = self.disk.sync_dir(parent);
        synced.map_err(|error| StorageError::io("sync", parent, error))
    }

    /// Removes the file, which is not wanted any more.
    ///
    /// # Errors
    ///
    /// [`StorageError::Io`].
    pub fn discard(self) -> Result<(), StorageError> {
        let removed = self.disk.remove(&self.part);
        removed.map_err(|error| StorageError::io("remove", &self.part, error))
    }
}

#[cfg(test)]
mod tests {
    //! Proves that a draft costs no sync, and that at every moment there is the old file or the
    //! new one, whole, whatever a power loss does.

    use super::*;
    use crate::env::{Fault, SimDisk};

    const PATH: &str = "/d/store";
    const PART: &str = "/d/store.part";

    fn cache() -> PageCache {
        PageCache::new(1 << 20)
    }

    fn replace(disk: &SimDisk, value: &[u8]) -> Result<(), StorageError> {
        let shared: Arc<dyn Disk> = Arc::new(disk.clone());
        let (mut store, draft) = Store::draft(&shared, Path::new(PART), Path::new(PATH), cache())?;
        store.insert(b"tree", b"key", value)?;
        store.checkpoint(value)?;
        draft.publish()
    }

    #[test]
    fn founding_costs_no_sync() {
        let disk: Arc<dyn Disk> = Arc::new(SimDisk::new());
        disk.create_dir_all(Path::new("/d")).unwrap();
        let (mut store, draft) =
            Store::draft(&disk, Path::new(PART), Path::new(PATH), cache()).unwrap();
        store.insert(b"tree", b"key", b"value").unwrap();
        assert_eq!(disk.stats().syncs, 0);
        assert!(store.check().unwrap().is_sound());
        draft.discard().unwrap();
        assert!(!disk.exists(Path::new(PART)) && !disk.exists(Path::new(PATH)));
    }

    #[test]
    fn a_file_is_replaced_as_a_whole_or_not_at_all() {
        let (mut kept, mut replaced) = (0, 0);
        for seed in 0..8 {
            for n in 1..=20 {
                let disk = SimDisk::with_seed(seed);
                disk.create_dir_all(Path::new("/d")).unwrap();
                replace(&disk, b"old").unwrap();
                disk.fail_at(n, Fault::PowerLoss);
                let done = replace(&disk, b"new").is_ok();
                disk.power_loss(seed * 100 + n);
                let (store, opened) = Store::open(&disk, Path::new(PATH), cache()).unwrap();
                let found = store.get(b"tree", b"key").unwrap().unwrap();
                assert_eq!(found, opened.note, "seed {seed}, operation {n}");
                assert!(store.check().unwrap().is_sound());
                assert!(!done || &found[..] == b"new", "seed {seed}, operation {n}");
                if &found[..] == b"new" { replaced += 1 } else { kept += 1 }
            }
        }
        assert!(kept > 10 && replaced > 10, "{kept} kept, {replaced} replaced");
    }
}
