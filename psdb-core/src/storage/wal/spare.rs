//! The spare: the file that the next segment will be written into, made ready ahead of time.
//!
//! Syncing a file that grows costs more than its bytes: the file system must make the new length
//! and the new blocks durable too. So segments are written into files that have their length
//! already. Such a file comes from one of two places:
//!
//! ```text
//! 00000003.log, free to go ──rename──▶ 00000008.log.tmp        a past segment, full of its old batches
//! zeros, a little after each batch ──▶ 00000008.log.tmp        when no past segment is at hand
//! ```
//! It has the name of a segment that is not finished, so opening removes it. What it holds means
//! nothing: a segment's batches bear its own salt, and those of a former life bear another.
//!
//! Zeros are written in the second half of a segment's life, as fast as the segment fills up, by
//! the writer itself behind its answers. So they cost no thread, come in a fixed order, and are
//! synced in small parts that hold nobody up for long.
//!
//! Segments double in size from the first to the full size, so a small log takes little space.
//!
//! Invariants:
//! 1. There is one spare at most, and only the writer touches it.
//! 2. A full disk is no failure here: a spare holds nothing, and goes.
//!
//! Left out: reserving space without writing. Blocks that are only reserved are converted when
//! they are written, which is the very work that is to be saved.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::segment::{file_name, unfinished_name};
use crate::env::{Disk, File, OpenMode};
use crate::storage::StorageError;

/// The size of the first segment of a log: 64 KiB.
const FIRST_BYTES: u64 = 64 << 10;
/// How many zeros are written at once.
const STEP_BYTES: u64 = 64 << 10;
/// After so many zeros they are synced, so that no sync has much to write.
const SYNC_BYTES: u64 = 1 << 20;

/// How large segment `number` is meant to be in a log whose segments have `limit` bytes.
pub(super) fn capacity(number: u64, limit: u64) -> u64 {
    let doublings = number.saturating_sub(1).min(40);
    limit.min(FIRST_BYTES << doublings)
}

/// A file with the unfinished name of segment `number`, as many zeros in it as there is room for,
/// up to `bytes`.
pub(super) fn prepared_file(
    disk: &dyn Disk,
    dir: &Path,
    number: u64,
    bytes: u64,
) -> Result<Arc<dyn File>, StorageError> {
    let path = dir.join(unfinished_name(number));
    let created = disk.open(&path, OpenMode::Create);
    let file = created.map_err(|error| StorageError::io("create", &path, error))?;
    extend(&*file, &path, 0, bytes)?;
    Ok(file)
}

/// Writes zeros from `from` to below `to`; a full disk only ends that early.
pub(super) fn extend(file: &dyn File, path: &Path, from: u64, to: u64) -> Result<(), StorageError> {
    match file.fill_with_zeros(from, to) {
        Err(error) if error.kind() != io::ErrorKind::StorageFull => {
            Err(StorageError::io("fill", path, error))
        }
        _ => Ok(()),
    }
}

/// A file for the segment to come.
#[derive(Debug)]
pub(super) struct Spare {
    file: Arc<dyn File>,
    path: PathBuf,
    number: u64,
    /// How many bytes of the file have blocks.
    filled: u64,
    unsynced: u64,
}

/// The place of the spare, which may be empty.
#[derive(Debug)]
pub(super) struct SpareRoom {
    dir: PathBuf,
    spare: Option<Spare>,
    /// The segment for which the disk had no room; it does without.
    given_up: u64,
}

impl SpareRoom {
    pub(super) fn new(dir: &Path) -> SpareRoom {
        SpareRoom { dir: dir.to_owned(), spare: None, given_up: 0 }
    }

    /// Gives the spare away, if it is for segment `number`.
    pub(super) fn take(&mut self, number: u64) -> Option<Arc<dyn File>> {
        let spare = self.spare.take_if(|spare| spare.number == number)?;
        Some(spare.file)
    }

    /// Makes a past segment the spare of segment `number`, if there is none yet and it is large
    /// enough; says whether it did. Its name changes with the next sync of the directory.
    pub(super) fn recycle(
        &mut self,
        disk: &dyn Disk,
        segment: u64,
        number: u64,
        capacity: u64,
    ) -> Result<bool, StorageError> {
        if self.spare.as_ref().is_some_and(|spare| spare.filled >= capacity) {
            return Ok(false);
        }
        let old = self.dir.join(file_name(segment));
        let path = self.dir.join(unfinished_name(number));
        let failed = |action| {
            let old = &old;
            move |error| StorageError::io(action, old, error)
        };
        let file = disk.open(&old, OpenMode::Write).map_err(failed("open"))?;
        let filled = file.len().map_err(failed("look at"))?;
        if filled < capacity {
            return Ok(false);
        }
        disk.rename(&old, &path).map_err(failed("rename"))?;
        self.spare = Some(Spare { file, path, number, filled, unsynced: 0 });
        Ok(true)
    }

    /// Writes the spare of segment `number` on until it has `due` bytes; begins one if there is
    /// none.
    pub(super) fn fill(
        &mut self,
        disk: &dyn Disk,
        number: u64,
        due: u64,
    ) -> Result<(), StorageError> {
        let is_ready = self.spare.as_ref().is_some_and(|spare| spare.filled >= due);
        if due == 0 || is_ready || self.given_up == number {
            return Ok(());
        }
        let path = self.dir.join(unfinished_name(number));
        match self.try_fill(disk, &path, number, due) {
            Err(StorageError::Io { source, .. }) if source.kind() == io::ErrorKind::StorageFull => {
                tracing::warn!(dir = %self.dir.display(), "no room to prepare a log segment");
                self.given_up = number;
                self.discard(disk)
            }
            result => result,
        }
    }

    fn try_fill(
        &mut self,
        disk: &dyn Disk,
        path: &Path,
        number: u64,
        due: u64,
    ) -> Result<(), StorageError> {
        let failed = |action| move |error| StorageError::io(action, path, error);
        if self.spare.is_none() {
            let file = disk.open(path, OpenMode::Create).map_err(failed("create"))?;
            let path = path.to_owned();
            self.spare = Some(Spare { file, path, number, filled: 0, unsynced: 0 });
        }
        let Some(spare) = &mut self.spare else { return Ok(()) };
        while spare.filled < due {
            let size = STEP_BYTES.min(due - spare.filled);
            let end = spare.filled + size;
            spare.file.fill_with_zeros(spare.filled, end).map_err(failed("fill"))?;
            spare.filled = end;
            spare.unsynced += size;
            if spare.unsynced >= SYNC_BYTES {
                spare.file.sync().map_err(failed("sync"))?;
                spare.unsynced = 0;
            }
        }
        Ok(())
    }

    /// Removes the spare.
    pub(super) fn discard(&mut self, disk: &dyn Disk) -> Result<(), StorageError> {
        let Some(Spare { path, .. }) = self.spare.take() else { return Ok(()) };
        disk.remove(&path).map_err(|error| StorageError::io("remove", &path, error))
    }
}

#[cfg(test)]
mod tests {
    //! Proves that sizes grow to the limit, and that a full disk costs the spare only.

    use super::*;
    use crate::env::{Fault, SimDisk};

    #[test]
    fn sizes_double_up_to_the_limit() {
        let sizes: Vec<u64> = (1..=5).map(|number| capacity(number, 512 << 10)).collect();
        assert_eq!(sizes, [64 << 10, 128 << 10, 256 << 10, 512 << 10, 512 << 10]);
        assert_eq!(capacity(u64::MAX, 16 << 20), 16 << 20);
        assert_eq!(capacity(1, 600), 600);
    }

    #[test]
    fn a_full_disk_costs_the_spare_and_nothing_else() {
        let disk = SimDisk::new();
        let mut room = SpareRoom::new(Path::new("/"));
        room.fill(&disk, 2, 100_000).unwrap();
        disk.fail_at(2, Fault::NoSpace);
        room.fill(&disk, 2, 300_000).unwrap();
        assert!(disk.list(Path::new("/")).unwrap().is_empty());
        room.fill(&disk, 2, 300_000).unwrap();
        assert!(room.take(2).is_none(), "it is not tried twice for one segment");
        room.fill(&disk, 3, 300_000).unwrap();
        assert_eq!(room.take(3).unwrap().len().unwrap(), 300_000);
        disk.fail_at(1, Fault::IoError);
        room.fill(&disk, 4, 1).unwrap_err();
    }
}
