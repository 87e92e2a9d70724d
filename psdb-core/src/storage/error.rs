//! What can go wrong in storage.
//!
//! Every error can be cloned, because one failed sync is the answer to every write that waited
//! for it.
//!
//! Left out: errors of users. Nothing a document holds can make storage fail.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::types::{Error, Outcome};

/// Whatever can go wrong in storage.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StorageError {
    /// The operating system refused an operation. See the source; reopen the store when that is
    /// mended. Whether what was being written is durable is unknown.
    #[error("could not {action} {}: {source}", path.display())]
    Io {
        /// What was being done, such as `sync`.
        action: &'static str,
        /// To which file or directory.
        path: PathBuf,
        /// What the system said.
        source: Arc<io::Error>,
    },
    /// Stored bytes are not what was written. Rebuild this node from its peers or a backup.
    #[error("{} is corrupt at offset {offset}: {reason}", path.display())]
    Corrupt {
        /// The damaged file.
        path: PathBuf,
        /// Where the damaged part begins, in bytes.
        offset: u64,
        /// What is wrong there.
        reason: String,
    },
    /// An earlier operation failed, so nothing more is written. Reopen the store.
    #[error("storage refuses writes after an earlier failure; reopen it")]
    Poisoned,
    /// The store was closed, or its last owner went away. Whether what was being written is
    /// durable is unknown.
    #[error("storage is closed")]
    Closed,
    /// Another owner has the directory open. Stop it first.
    #[error("{} is in use by another process or node", path.display())]
    InUse {
        /// The directory.
        path: PathBuf,
    },
    /// The disk is nearly full; what is left is kept for deleting and for finishing what was begun.
    /// Make room or add some; nothing was written.
    #[error(
        "the disk of {} is nearly full: {free_bytes} bytes are free, {reserve_bytes} are kept back; \
         delete documents, make room on the disk or enlarge it",
        path.display()
    )]
    DiskFull {
        /// What is on that disk.
        path: PathBuf,
        /// How much is free.
        free_bytes: u64,
        /// How much has to be free for a write to be taken.
        reserve_bytes: u64,
    },
    /// A write is larger than can ever be read back. Split it; nothing was written.
    #[error("{what} has {bytes} bytes, the limit is {limit}")]
    TooLarge {
        /// What is too large.
        what: &'static str,
        /// Its size.
        bytes: u64,
        /// The limit.
        limit: u64,
    },
    /// A write contradicts what was written before, such as a log position that is taken. It is
    /// a bug in the caller; nothing was written.
    #[error("storage refused a write that contradicts an earlier one: {reason}")]
    Refused {
        /// The contradiction, with its numbers.
        reason: String,
    },
}

impl StorageError {
    /// Wraps what the system said about `path`.
    pub(crate) fn io(action: &'static str, path: &Path, source: io::Error) -> StorageError {
        StorageError::Io { action, path: path.to_owned(), source: Arc::new(source) }
    }

    /// Reports damage in `path`.
    pub(crate) fn corrupt(path: &Path, offset: u64, reason: impl Into<String>) -> StorageError {
        StorageError::Corrupt { path: path.to_owned(), offset, reason: reason.into() }
    }
}

impl From<StorageError> for Error {
    fn from(error: StorageError) -> Error {
        match error {
            StorageError::Corrupt { path, offset, reason } => {
                Error::Corrupt { path: path.display().to_string(), offset, reason }
            }
            StorageError::InUse { path } => {
                Error::DirectoryInUse { path: path.display().to_string() }
            }
            StorageError::DiskFull { path, free_bytes, reserve_bytes } => {
                Error::DiskFull { path: path.display().to_string(), free_bytes, reserve_bytes }
            }
            StorageError::Refused { .. } => {
                Error::Internal { reason: error.to_string(), outcome: Outcome::NotApplied }
            }
            StorageError::TooLarge { .. } => Error::InvalidRequest { reason: error.to_string() },
            StorageError::Io { .. } | StorageError::Poisoned | StorageError::Closed => {
                Error::Storage { reason: error.to_string() }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    //! Proves that the public error keeps what an operator needs: file, offset and cause.

    use super::*;

    #[test]
    fn the_public_error_says_what_and_where() {
        let damage = StorageError::corrupt(Path::new("d/00000001.log"), 40, "checksum");
        let text = Error::from(damage).to_string();
        assert_eq!(text, "corrupt data in d/00000001.log at offset 40: checksum");
        let full = StorageError::io("write", Path::new("d"), io::ErrorKind::StorageFull.into());
        let text = Error::from(full.clone()).to_string();
        assert_eq!(text, "storage failed: could not write d: no storage space");
        assert_eq!(Error::from(full).outcome(), Outcome::Unknown);
    }
}
