//! Snapshot files: a group's whole state at one log index, checksummed from end to end.
//!
//! ```text
//! | magic "PSDBSNAP" | meta length u32 | meta: framed SnapshotMeta | body ... | body length u64 | crc32 u32 |
//! ```
//! All numbers are little-endian; the crc covers every byte before it. The body is what the
//! replica's state writes. A snapshot is written to a `.part` file, synced, renamed, and the
//! folder synced; only then does it exist. `g3-120.snap` is group 3 up to index 120.
//!
//! The same bytes travel to followers, so a transferred file is verified before it is installed.
//!
//! Invariants:
//! 1. A `.snap` file is complete and durable; `.part` files are leftovers and are removed.
//! 2. [`SnapshotFile::read_body`] returns a state only after the checksum of the whole file held.
//!
//! Left out: when to take one (the engine decides), how to send one (`snapshot_transfer`).

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::engine::SnapshotMeta;
use crate::codec::frame;
use crate::env::{Disk, File, OpenMode};
use crate::types::GroupId;

const MAGIC: &[u8; 8] = b"PSDBSNAP";
const TRAILER_BYTES: u64 = 12;
const META_LIMIT_BYTES: u32 = 16 << 20;
const BUFFER_BYTES: usize = 64 << 10;

/// One snapshot on disk.
#[derive(Clone, Debug)]
pub(crate) struct SnapshotFile {
    pub(crate) path: PathBuf,
    pub(crate) file: Arc<dyn File>,
    pub(crate) length: u64,
}

/// The file name of the snapshot of `group` up to `index`.
pub(crate) fn file_name(group: GroupId, index: u64) -> String {
    format!("g{}-{index}.snap", group.0)
}

/// The snapshots of `group` in `dir`, the newest first.
pub(crate) fn list(disk: &dyn Disk, dir: &Path, group: GroupId) -> io::Result<Vec<PathBuf>> {
    Ok(indexed(disk, dir, group)?.into_iter().map(|(_, path)| path).collect())
}

/// Up to where the newest snapshot of `group` in `dir` reaches.
pub(crate) fn newest_index(disk: &dyn Disk, dir: &Path, group: GroupId) -> io::Result<Option<u64>> {
    Ok(indexed(disk, dir, group)?.first().map(|(index, _)| *index))
}

fn indexed(disk: &dyn Disk, dir: &Path, group: GroupId) -> io::Result<Vec<(u64, PathBuf)>> {
    let prefix = format!("g{}-", group.0);
    let mut found = Vec::new();
    for name in disk.list(dir)? {
        let index = name.strip_prefix(&prefix).and_then(|rest| rest.strip_suffix(".snap"));
        if let Some(index) = index.and_then(|digits| digits.parse::<u64>().ok()) {
            found.push((index, dir.join(&name)));
        }
    }
    found.sort_by_key(|(index, _)| std::cmp::Reverse(*index));
    Ok(found)
}

/// Removes every snapshot of `group`, whole or not.
pub(crate) fn remove_all(disk: &dyn Disk, dir: &Path, group: GroupId) -> io::Result<()> {
    remove_leftovers(disk, dir, group)?;
    let found = list(disk, dir, group)?;
    for path in &found {
        disk.remove(path)?;
    }
    if found.is_empty() { Ok(()) } else { disk.sync_dir(dir) }
}

/// Removes what a crash left half written. Nobody may be writing a snapshot of `group`.
pub(crate) fn remove_leftovers(disk: &dyn Disk, dir: &Path, group: GroupId) -> io::Result<()> {
    let prefix = format!("g{}-", group.0);
    for name in disk.list(dir)? {
        if name.strip_prefix(&prefix).is_some_and(|rest| rest.strip_suffix(".part").is_some()) {
            disk.remove(&dir.join(&name))?;
        }
    }
    Ok(())
}

/// Makes the complete file `part` the snapshot of `group` at `index`, and removes older ones.
pub(crate) fn publish(
    disk: &dyn Disk,
    dir: &Path,
    group: GroupId,
    index: u64,
    part: &SnapshotFile,
) -> io::Result<SnapshotFile> {
    let path = dir.join(file_name(group, index));
    part.file.sync()?;
    disk.rename(&part.path, &path)?;
    disk.sync_dir(dir)?;
    for old in list(disk, dir, group)? {
        if old != path {
            disk.remove(&old)?;
        }
    }
    Ok(SnapshotFile { path, file: part.file.clone(), length: part.length })
}

/// Writes a snapshot to `path` through `body` and leaves it unpublished.
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
    /// Opens the file at `path` without reading it.
    pub(crate) fn open(disk: &dyn Disk, path: &Path) -> io::Result<SnapshotFile> {
        let file = disk.open(path, OpenMode::Read)?;
        let length = file.len()?;
        Ok(SnapshotFile { path: path.to_owned(), file, length })
    }

    /// Reads and verifies the whole file; returns its meta and what `load` made of the body.
    ///
    /// # Errors
    ///
    /// `InvalidData` when the file is not a complete, undamaged snapshot.
    pub(crate) fn read_body<T>(
        &self,
        load: impl FnOnce(&mut dyn Read) -> io::Result<T>,
    ) -> io::Result<(SnapshotMeta, T)> {
        self.verify()?;
        let mut source = Source { file: &*self.file, at: 0, end: self.length - TRAILER_BYTES };
        let meta = read_meta(&mut source)?;
        let mut body = io::BufReader::with_capacity(BUFFER_BYTES, source);
        let value = load(&mut body)?;
        let mut rest = [0; 1];
        if body.read(&mut rest)? != 0 {
            return Err(damaged("bytes follow the state"));
        }
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
