//! Snapshot files: a group's whole state at one log index, on its way to another replica.
//!
//! ```text
//! | magic "PSDBSNAP" | meta length u32 | meta: framed SnapshotMeta | body ... | body length u64 | crc32 u32 |
//! ```
//! All numbers are little-endian; the crc covers every byte before it. The body is what
//! `tree_stream` writes. A snapshot file is written when a replica needs it, on both sides of the
//! way there, and removed afterwards; what a node keeps for itself is the group's page file.
//!
//! Invariants:
//! 1. `.part` files are leftovers of a crash, unless a transfer is under way, and are removed.
//! 2. [`SnapshotFile::read_body`] reads a body only after the checksum of the whole file held.
//!
//! Left out: when to send one (the engine decides), how to send one (`snapshot_transfer`).

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::engine::SnapshotMeta;
use crate::codec::frame;
use crate::env::{Disk, File, OpenMode};
use crate::storage::Snapshot;
use crate::types::GroupId;

const MAGIC: &[u8; 8] = b"PSDBSNAP";
const TRAILER_BYTES: u64 = 12;
const META_LIMIT_BYTES: u32 = 16 << 20;
const BUFFER_BYTES: usize = 64 << 10;

/// A snapshot as the engine hands it around.
#[derive(Clone, Debug)]
pub(crate) enum SnapshotBody {
    /// Of this replica: the trees as of its last checkpoint. Written to a file when it is sent.
    Kept(Snapshot),
    /// Of another replica, as it was received.
    Received(SnapshotFile),
}

/// One snapshot file.
#[derive(Clone, Debug)]
pub(crate) struct SnapshotFile {
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn File>,
    pub(crate) length: u64,
}

/// The name of a group's page file.
pub(crate) fn page_file(group: GroupId) -> String {
    format!("g{}.psdb", group.0)
}

/// The group whose page file has this name.
pub(crate) fn group_of(name: &str) -> Option<GroupId> {
    let number = name.strip_prefix('g')?.strip_suffix(".psdb")?;
    number.parse().ok().map(GroupId)
}

/// Removes everything of `group`, whole or not.
pub(crate) fn remove_all(disk: &dyn Disk, dir: &Path, group: GroupId) -> io::Result<()> {
    remove_leftovers(disk, dir, group)?;
    let path = dir.join(page_file(group));
    if !disk.exists(&path) {
        return Ok(());
    }
    disk.remove(&path)?;
    disk.sync_dir(dir)
}

/// Removes what a crash left half written. Nobody may be writing a file of `group`.
pub(crate) fn remove_leftovers(disk: &dyn Disk, dir: &Path, group: GroupId) -> io::Result<()> {
    let prefix = format!("g{}-", group.0);
    for name in disk.list(dir)? {
        if name.strip_prefix(&prefix).is_some_and(|rest| rest.strip_suffix(".part").is_some()) {
            disk.remove(&dir.join(&name))?;
        }
    }
    Ok(())
}

/// Writes a snapshot to `path` through `body`. It is not durable, and need not be.
pub(crate) fn write(
    disk: &dyn Disk,
    path: &Path,
    meta: &SnapshotMeta,
    body: impl FnOnce(&mut dyn Write) -> io::Result<()>,
) -> io::Result<SnapshotFile> {
    let file = disk.open(path, OpenMode::Create)?;
    let mut sink = Sink::new(file.clone());
    let meta = frame::encode(meta);
    sink.write_all(MAGIC)?;
    sink.write_all(&(meta.len() as u32).to_le_bytes())?;
    sink.write_all(&meta)?;
    let start = sink.position();
    body(&mut sink)?;
    let length = sink.position() - start;
    sink.write_all(&length.to_le_bytes())?;
    let crc = sink.crc.clone().finalize();
    sink.write_all(&crc.to_le_bytes())?;
    sink.flush()?;
    Ok(SnapshotFile { path: path.to_owned(), file, length: sink.position() })
}

impl SnapshotFile {
    /// Reads and verifies the whole file; returns its meta and what `load` made of the body.
    ///
    /// # Errors
    ///
    /// `InvalidData` when the file is not a complete, undamaged snapshot.
    pub(crate) fn read_body<T>(
        &self,
        load: impl FnOnce(&mut dyn Read) -> T,
    ) -> io::Result<(SnapshotMeta, T)> {
        self.verify()?;
        let mut source = Source { file: &*self.file, at: 0, end: self.length - TRAILER_BYTES };
        let meta = read_meta(&mut source)?;
        let mut body = io::BufReader::with_capacity(BUFFER_BYTES, source);
        let value = load(&mut body);
        Ok((meta, value))
    }

    /// Verifies the whole file and returns its meta.
    pub(crate) fn verified_meta(&self) -> io::Result<SnapshotMeta> {
        self.verify()?;
        read_meta(&mut Source { file: &*self.file, at: 0, end: self.length - TRAILER_BYTES })
    }

    /// Checks the checksum of the whole file, reading it once.
    fn verify(&self) -> io::Result<()> {
        let smallest = MAGIC.len() as u64 + 4 + TRAILER_BYTES;
        if self.length < smallest {
            return Err(damaged("the file is too short"));
        }
        let mut crc = crc32fast::Hasher::new();
        let mut source = Source { file: &*self.file, at: 0, end: self.length - 4 };
        let mut buffer = vec![0; BUFFER_BYTES];
        loop {
            match source.read(&mut buffer)? {
                0 => break,
                n => crc.update(&buffer[..n]),
            }
        }
        let mut stored = [0; 4];
        Source { file: &*self.file, at: self.length - 4, end: self.length }
            .read_exact(&mut stored)?;
        if crc.finalize() != u32::from_le_bytes(stored) {
            return Err(damaged("the checksum does not match"));
        }
        Ok(())
    }
}

fn read_meta(source: &mut Source<'_>) -> io::Result<SnapshotMeta> {
    let mut magic = [0; 8];
    source.read_exact(&mut magic)?;
    if &magic != MAGIC {
        return Err(damaged("it does not begin like a snapshot"));
    }
    let mut length = [0; 4];
    source.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    if length > META_LIMIT_BYTES {
        return Err(damaged("its meta data is too long"));
    }
    let mut meta = vec![0; length as usize];
    source.read_exact(&mut meta)?;
    frame::decode(&meta).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

fn damaged(reason: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("not a whole snapshot: {reason}"))
}

/// A buffered writer that keeps a checksum of everything written.
struct Sink {
    file: Arc<dyn File>,
    buffer: Vec<u8>,
    written: u64,
    crc: crc32fast::Hasher,
}

impl Sink {
    fn new(file: Arc<dyn File>) -> Sink {
        Sink {
            file,
            buffer: Vec::with_capacity(BUFFER_BYTES),
            written: 0,
            crc: crc32fast::Hasher::new(),
        }
    }

    fn position(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }
}

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.crc.update(bytes);
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= BUFFER_BYTES {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.write_at(&self.buffer, self.written)?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }
}

/// A reader over a part of a file.
struct Source<'a> {
    file: &'a dyn File,
    at: u64,
    end: u64,
}

impl Read for Source<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let left = usize::try_from(self.end - self.at).unwrap_or(usize::MAX);
        let wanted = buffer.len().min(left);
        if wanted == 0 {
            return Ok(0);
        }
        let read = self.file.read_at(&mut buffer[..wanted], self.at)?;
        if read == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        self.at += read as u64;
        Ok(read)
    }
}
