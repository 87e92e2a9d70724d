//! What storage asks of a disk: the traits [`Disk`] and [`File`].
//!
//! The contract is the weakest that real file systems keep, so that code which holds on it holds
//! everywhere:
//!
//! 1. A write is durable after [`File::sync`] of that file returned, not before. Until then any
//!    part of it may be on the disk, in any order, torn at sectors of 512 bytes.
//! 2. Creating, renaming or removing a file is durable after [`Disk::sync_dir`] of its directory
//!    returned. Syncing a file does not make its name durable.
//! 3. After a failed sync nobody knows what is durable, and a retry proves nothing: the system
//!    may report success for pages it has dropped. Stop, reopen, and trust only checksums.
//!
//! Everything is synchronous; async callers go through [`Env::blocking`](super::Env::blocking).
//!
//! Left out: memory maps, permissions, links.

use std::fmt::Debug;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// What [`File::fill_with_zeros`] writes at once.
static ZEROS: [u8; 64 << 10] = [0; 64 << 10];

/// How a file is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OpenMode {
    /// For reading; it must exist.
    Read,
    /// For reading and writing; it must exist.
    Write,
    /// For reading and writing; created if missing, emptied if not.
    Create,
}

/// What a disk has done since it was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DiskStats {
    /// Calls of [`File::write_at`].
    pub writes: u64,
    /// Calls of [`File::sync`] and [`Disk::sync_dir`].
    pub syncs: u64,
    /// Bytes written.
    pub bytes_written: u64,
}

/// How much a disk holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// All of it, in bytes.
    pub total_bytes: u64,
    /// What may still be written, in bytes.
    pub free_bytes: u64,
}

/// Files and directories.
pub trait Disk: Debug + Send + Sync + 'static {
    /// Creates a directory and its parents, durably; nothing happens where they exist.
    ///
    /// # Errors
    ///
    /// What the system says.
    fn create_dir_all(&self, path: &Path) -> io::Result<()>;

    /// The names in a directory, sorted.
    ///
    /// # Errors
    ///
    /// `NotFound` when there is no such directory, or what the system says.
    fn list(&self, path: &Path) -> io::Result<Vec<String>>;

    /// Opens a file.
    ///
    /// # Errors
    ///
    /// `NotFound` when the file or its directory does not exist and must, or what the system says.
    fn open(&self, path: &Path, mode: OpenMode) -> io::Result<Arc<dyn File>>;

    /// Renames a file, replacing the target, atomically within one directory.
    ///
    /// # Errors
    ///
    /// `NotFound` when there is no such file, or what the system says.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    /// Removes a file.
    ///
    /// # Errors
    ///
    /// `NotFound` when there is no such file, or what the system says.
    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes the names in a directory durable.
    ///
    /// # Errors
    ///
    /// What the system says; see rule 3 of the module.
    fn sync_dir(&self, path: &Path) -> io::Result<()>;

    /// Whether there is a file or directory at `path`.
    fn exists(&self, path: &Path) -> bool;

    /// Takes the lock file at `path`, created if missing, until the returned guard is dropped.
    /// The lock ends with the process, however that ends.
    ///
    /// # Errors
    ///
    /// `WouldBlock` when it is held, by this process or another.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>>;

    /// How much room there is where `path` is.
    ///
    /// # Errors
    ///
    /// `NotFound` when there is nothing at `path`, or what the system says.
    fn space(&self, path: &Path) -> io::Result<Space>;

    /// What this disk has done since it was made.
    fn stats(&self) -> DiskStats;
}

/// An open file. Reads and writes say where; there is no cursor.
pub trait File: Debug + Send + Sync {
    /// Reads up to `buffer.len()` bytes at `offset`; fewer near the end, 0 at or after it.
    ///
    /// # Errors
    ///
    /// What the system says.
    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize>;

    /// Writes all of `data` at `offset`, growing the file as needed; a gap reads as zeros.
    ///
    /// # Errors
    ///
    /// What the system says; any part may have been written then.
    fn write_at(&self, data: &[u8], offset: u64) -> io::Result<()>;

    /// Makes the content and the length durable.
    ///
    /// # Errors
    ///
    /// What the system says; see rule 3 of the module.
    fn sync(&self) -> io::Result<()>;

    /// The length in bytes.
    ///
    /// # Errors
    ///
    /// What the system says.
    fn len(&self) -> io::Result<u64>;

    /// Whether the file has no bytes.
    ///
    /// # Errors
    ///
    /// As [`File::len`].
    fn is_empty(&self) -> io::Result<bool> {
        Ok(self.len()? == 0)
    }

    /// Cuts the file, or grows it with zeros.
    ///
    /// # Errors
    ///
    /// What the system says.
    fn set_len(&self, len: u64) -> io::Result<()>;

    /// Writes zeros from `from` to just below `to`, growing the file as needed.
    ///
    /// Writing there later takes no new blocks of the disk, so a sync after it need not make a
    /// change of the file's length or place durable as well. It is not durable by itself.
    ///
    /// # Errors
    ///
    /// As for [`File::write_at`].
    fn fill_with_zeros(&self, from: u64, to: u64) -> io::Result<()> {
        let mut at = from;
        while at < to {
            let size = (to - at).min(ZEROS.len() as u64);
            self.write_at(&ZEROS[..size as usize], at)?;
            at += size;
        }
        Ok(())
    }

    /// Fills `buffer` from `offset`.
    ///
    /// # Errors
    ///
    /// `UnexpectedEof` when the file ends before, or what the system says.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let mut filled = 0;
        while filled < buffer.len() {
            match self.read_at(&mut buffer[filled..], offset + filled as u64)? {
                0 => return Err(io::ErrorKind::UnexpectedEof.into()),
                n => filled += n,
            }
        }
        Ok(())
    }
}

/// Counts what a disk does; shared by the disk and its files.
#[derive(Debug, Default)]
pub(super) struct Counters {
    writes: AtomicU64,
    syncs: AtomicU64,
    bytes_written: AtomicU64,
}

impl Counters {
    pub(super) fn count_write(&self, bytes: usize) {
        self.writes.fetch_add(1, Ordering::Relaxed);
        self.bytes_written.fetch_add(bytes as u64, Ordering::Relaxed);
    }

    pub(super) fn count_sync(&self) {
        self.syncs.fetch_add(1, Ordering::Relaxed);
    }

    pub(super) fn stats(&self) -> DiskStats {
        DiskStats {
            writes: self.writes.load(Ordering::Relaxed),
            syncs: self.syncs.load(Ordering::Relaxed),
            bytes_written: self.bytes_written.load(Ordering::Relaxed),
        }
    }
}
