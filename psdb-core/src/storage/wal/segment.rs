//! One file of the log: a header, a checkpoint, then batches.
//!
//! ```text
//! 00000007.log: | "PSDB-WAL" | version u32 | number u64 | salt u64 | first sequence u64
//!               | previous crc32 u32 | header crc32 u32 |  checkpoint batch | batch | ...
//! ```
//!
//! A segment is made under the name `00000007.log.tmp`, with its header and checkpoint in one
//! write; it is synced, renamed, and its directory is synced. So a crash in the middle of making
//! one leaves a `.tmp` file, which opening removes, or the whole segment. A file with a segment's
//! name has a valid header and checkpoint, or it is damaged.
//!
//! Behind the last batch there may be room: zeros, or what the file held when it was another
//! segment. A clean close cuts it off.
//!
//! Invariants:
//! 1. No batch is appended before the segment's name is durable.
//! 2. Nothing is appended to the segment before it once the new one is made.
//!
//! Left out: making that room ahead of time (`spare`).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::batch::{Chain, Salt};
use crate::env::{Disk, File, OpenMode};
use crate::storage::StorageError;

/// The size of a segment's header.
pub(super) const HEADER_BYTES: usize = 44;
const MAGIC: &[u8; 8] = b"PSDB-WAL";
const VERSION: u32 = 1;

/// What a segment says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) number: u64,
    pub(super) salt: Salt,
    /// The sequence of its checkpoint, and the checksum of the batch before that.
    pub(super) chain: Chain,
}

impl SegmentHeader {
    pub(super) fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut bytes = [0; HEADER_BYTES];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..20].copy_from_slice(&self.number.to_le_bytes());
        bytes[20..28].copy_from_slice(&self.salt.0.to_le_bytes());
        bytes[28..36].copy_from_slice(&self.chain.sequence.to_le_bytes());
        bytes[36..40].copy_from_slice(&self.chain.previous.to_le_bytes());
        let crc = crc32fast::hash(&bytes[..40]);
        bytes[40..].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    /// Reads a header; the bytes are not trusted.
    pub(super) fn decode(bytes: &[u8; HEADER_BYTES]) -> Result<SegmentHeader, String> {
        if &bytes[..8] != MAGIC {
            return Err("it does not begin as a log segment does".into());
        }
        let u32_at = |at: usize| {
            u32::from_le_bytes(bytes[at..at + 4].try_into().expect("four bytes were taken"))
        };
        let u64_at = |at: usize| u64::from(u32_at(at)) | u64::from(u32_at(at + 4)) << 32;
        let (stored, computed) = (u32_at(40), crc32fast::hash(&bytes[..40]));
        if stored != computed {
            return Err(format!("header checksum {stored:#010x}, expected {computed:#010x}"));
        }
        if u32_at(8) != VERSION {
            return Err(format!("format version {}, this program knows {VERSION}", u32_at(8)));
        }
        let chain = Chain { sequence: u64_at(28), previous: u32_at(36) };
        Ok(SegmentHeader { number: u64_at(12), salt: Salt(u64_at(20)), chain })
    }
}

/// The name of a segment's file.
pub(super) fn file_name(number: u64) -> String {
    format!("{number:08}.log")
}

/// The name of a segment's file until it is finished.
pub(super) fn unfinished_name(number: u64) -> String {
    format!("{number:08}.log.tmp")
}

/// The segment whose file has that name.
pub(super) fn number_of(name: &str) -> Option<u64> {
    let number = name.strip_suffix(".log")?.parse().ok()?;
    // The last number is taken for none, so that every segment has a successor.
    (number != u64::MAX && file_name(number) == name).then_some(number)
}

/// Whether a file of that name is left of a segment that was never finished.
pub(super) fn is_unfinished(name: &str) -> bool {
    name.strip_suffix(".tmp").and_then(number_of).is_some()
}

/// The segment that batches are appended to.
#[derive(Debug)]
pub(super) struct Segment {
    file: Arc<dyn File>,
    path: PathBuf,
    pub(super) number: u64,
    pub(super) salt: Salt,
    /// Where the next batch goes.
    pub(super) len: u64,
    /// Whether anything follows the checkpoint.
    pub(super) has_batches: bool,
}

impl Segment {
    /// Makes a segment of a header and a finished checkpoint batch, durable with its name.
    ///
    /// It is written into `spare`, if one is given that has the segment's unfinished name.
    pub(super) fn create(
        disk: &dyn Disk,
        dir: &Path,
        header: SegmentHeader,
        checkpoint: &[u8],
        spare: Option<Arc<dyn File>>,
    ) -> Result<Segment, StorageError> {
        let path = dir.join(file_name(header.number));
        let unfinished = dir.join(unfinished_name(header.number));
        let failed = |action| {
            let path = &unfinished;
            move |error| StorageError::io(action, path, error)
        };
        let file = match spare {
            Some(spare) => spare,
            None => disk.open(&unfinished, OpenMode::Create).map_err(failed("create"))?,
        };
        let content = [&header.encode()[..], checkpoint].concat();
        file.write_at(&content, 0).map_err(failed("write"))?;
        file.sync().map_err(failed("sync"))?;
        disk.rename(&unfinished, &path).map_err(failed("rename"))?;
        disk.sync_dir(dir).map_err(|error| StorageError::io("sync", dir, error))?;
        let (number, salt, len) = (header.number, header.salt, content.len() as u64);
        Ok(Segment { file, path, number, salt, len, has_batches: false })
    }

    /// Goes on with a segment that ends at `len`, after at least one batch behind its checkpoint.
    pub(super) fn resume(
        file: Arc<dyn File>,
        path: PathBuf,
        header: SegmentHeader,
        len: u64,
    ) -> Segment {
        Segment { file, path, number: header.number, salt: header.salt, len, has_batches: true }
    }

    /// Appends a finished batch and syncs it.
    pub(super) fn append(&mut self, batch: &[u8]) -> Result<(), StorageError> {
        self.put(batch)?;
        self.sync()
    }

    /// Appends the batch that seals the log, and cuts off the room behind it.
    pub(super) fn seal(&mut self, batch: &[u8]) -> Result<(), StorageError> {
        self.put(batch)?;
        let cut = self.file.set_len(self.len);
        cut.map_err(|error| StorageError::io("cut", &self.path, error))?;
        self.sync()
    }

    fn put(&mut self, batch: &[u8]) -> Result<(), StorageError> {
        let written = self.file.write_at(batch, self.len);
        written.map_err(|error| StorageError::io("write", &self.path, error))?;
        self.len += batch.len() as u64;
        self.has_batches = true;
        Ok(())
    }

    fn sync(&self) -> Result<(), StorageError> {
        self.file.sync().map_err(|error| StorageError::io("sync", &self.path, error))
    }
}
