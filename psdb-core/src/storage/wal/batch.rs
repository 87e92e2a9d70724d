//! A batch: the records that one write and one sync make durable.
//!
//! ```text
//! | marker u32 | length u32 | crc32 u32 | sequence u64 | previous crc32 u32 | records, `length` bytes |
//! ```
//!
//! The checksum covers the segment's salt and everything in the batch but the marker and itself.
//! Marker and salt are random numbers of the segment's, so no payload, not even a copy of a log,
//! can be taken for a batch. Sequence and previous checksum chain the batches of the whole log.
//!
//! Invariants:
//! 1. A batch that reads as valid was written to this very segment.
//! 2. Reading allocates no more than the file holds.
//!
//! Left out: what the records mean.

use std::io;

use crate::env::File;

/// The size of a batch without its records.
pub(super) const HEADER_BYTES: usize = 24;
/// The most bytes that the records of one batch may have: 256 MiB.
pub(super) const MAX_RECORD_BYTES: usize = 256 << 20;
/// How much of a file is read at once.
const WINDOW_BYTES: usize = 256 << 10;

/// A segment's random number, from which its marker and checksums follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Salt(pub(super) u64);

impl Salt {
    /// What every batch of the segment begins with; never zero.
    fn marker(self) -> [u8; 4] {
        ((self.0 >> 32) as u32 | 1).to_le_bytes()
    }

    /// The checksum of a batch's header, from its sequence on, its length, and its records.
    fn checksum(self, header: &[u8; HEADER_BYTES], records: &[u8]) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&self.0.to_le_bytes());
        hasher.update(&header[4..8]);
        hasher.update(&header[12..]);
        hasher.update(records);
        hasher.finalize()
    }
}

/// Where the log goes on: the next batch's sequence, and the checksum it must refer to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Chain {
    pub(super) sequence: u64,
    pub(super) previous: u32,
}

impl Chain {
    /// The beginning of a log.
    pub(super) const START: Chain = Chain { sequence: 1, previous: 0 };

    /// The chain after a batch with that checksum.
    pub(super) fn followed_by(self, crc: u32) -> Chain {
        Chain { sequence: self.sequence.wrapping_add(1), previous: crc }
    }
}

/// A batch being put together; it can be used again after [`BatchBuffer::clear`].
#[derive(Debug)]
pub(super) struct BatchBuffer(Vec<u8>);

impl BatchBuffer {
    pub(super) fn new() -> BatchBuffer {
        BatchBuffer(vec![0; HEADER_BYTES])
    }

    /// Removes the records, and the memory beyond `keep` bytes.
    pub(super) fn clear(&mut self, keep: usize) {
        self.0.truncate(HEADER_BYTES);
        self.0.shrink_to(keep);
    }

    /// Where records are encoded to.
    pub(super) fn records(&mut self) -> &mut Vec<u8> {
        &mut self.0
    }

    /// The size of the whole batch.
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }

    /// Fills the header in; gives the bytes to write and the chain after them.
    pub(super) fn finish(&mut self, salt: Salt, chain: Chain) -> (&[u8], Chain) {
        let length = self.0.len() - HEADER_BYTES;
        assert!(length <= MAX_RECORD_BYTES, "a batch of {length} bytes could not be read back");
        let (header, records) = self.0.split_first_chunk_mut().expect("a buffer has a header");
        header[..4].copy_from_slice(&salt.marker());
        header[4..8].copy_from_slice(&(length as u32).to_le_bytes());
        header[12..20].copy_from_slice(&chain.sequence.to_le_bytes());
        header[20..].copy_from_slice(&chain.previous.to_le_bytes());
        let crc = salt.checksum(header, records);
        header[8..12].copy_from_slice(&crc.to_le_bytes());
        (&self.0, chain.followed_by(crc))
    }
}

/// What stands at some offset of a segment.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found<'a> {
    /// The file ends there.
    End,
    /// Not a batch of this segment, because of this.
    Damage(String),
    /// A batch.
    Batch(Batch<'a>),
}

/// A batch whose checksum is right.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Batch<'a> {
    /// The header and the records, as they stand in the file.
    pub(super) bytes: &'a [u8],
    /// Which batch it is, and the one before.
    pub(super) chain: Chain,
    /// Its own checksum.
    pub(super) crc: u32,
}

impl<'a> Batch<'a> {
    pub(super) fn records(&self) -> &'a [u8] {
        &self.bytes[HEADER_BYTES..]
    }
}

/// Reads batches, a window of the file at a time.
pub(super) struct BatchReader<'f> {
    file: &'f dyn File,
    salt: Salt,
    len: u64,
    window: Vec<u8>,
    window_at: u64,
}

impl<'f> BatchReader<'f> {
    pub(super) fn new(file: &'f dyn File, salt: Salt) -> io::Result<BatchReader<'f>> {
        Ok(BatchReader { file, salt, len: file.len()?, window: Vec::new(), window_at: 0 })
    }

    /// Says what stands at `offset`.
    pub(super) fn read(&mut self, offset: u64) -> io::Result<Found<'_>> {
        let remaining = self.len.saturating_sub(offset);
        if remaining == 0 {
            return Ok(Found::End);
        }
        if remaining < HEADER_BYTES as u64 {
            return Ok(Found::Damage(format!("{remaining} bytes are too few for a batch")));
        }
        let salt = self.salt;
        let bytes = self.bytes(offset, HEADER_BYTES)?;
        let header: [u8; HEADER_BYTES] = bytes.try_into().expect("as many bytes as asked for");
        if header[..4] != salt.marker() {
            return Ok(Found::Damage("no batch begins here".into()));
        }
        let length = u32_at(&header, 4) as usize;
        if length > MAX_RECORD_BYTES || (HEADER_BYTES + length) as u64 > remaining {
            return Ok(Found::Damage(format!("the length {length} goes past the end")));
        }
        let bytes = self.bytes(offset, HEADER_BYTES + length)?;
        let (stored, computed) =
            (u32_at(&header, 8), salt.checksum(&header, &bytes[HEADER_BYTES..]));
        if stored != computed {
            let reason = format!("checksum {stored:#010x}, expected {computed:#010x}");
            return Ok(Found::Damage(reason));
        }
        let (head, tail) = (u64::from(u32_at(&header, 12)), u64::from(u32_at(&header, 16)));
        let chain = Chain { sequence: head | tail << 32, previous: u32_at(&header, 20) };
        Ok(Found::Batch(Batch { bytes, chain, crc: stored }))
    }

    /// How many bytes at `offset` belong to a batch of this segment that was begun there, whole or
    /// not: those it says it has, as far as the file goes; none, if no batch begins there.
    pub(super) fn begun_bytes(&mut self, offset: u64) -> io::Result<u64> {
        let remaining = self.len.saturating_sub(offset);
        let marker = self.salt.marker();
        if remaining < 4 || self.bytes(offset, 4)? != marker {
            return Ok(0);
        }
        if remaining < HEADER_BYTES as u64 {
            return Ok(remaining);
        }
        let header = self.bytes(offset, HEADER_BYTES)?;
        let length = u32::from_le_bytes([header[4], header[5], header[6], header[7]]);
        Ok(remaining.min(HEADER_BYTES as u64 + u64::from(length)))
    }

    /// The first batch at or after `offset`, wherever it begins, that comes after `chain`.
    pub(super) fn find_later(&mut self, mut offset: u64, chain: Chain) -> io::Result<Option<u64>> {
        let marker = self.salt.marker();
        while offset + (HEADER_BYTES as u64) <= self.len {
            let size = (self.len - offset).min(WINDOW_BYTES as u64) as usize;
            let window = self.bytes(offset, size)?;
            let Some(at) = window.windows(4).position(|bytes| bytes == marker) else {
                // The marker may begin in the last three bytes.
                offset += size as u64 - 3;
                continue;
            };
            offset += at as u64;
            if let Found::Batch(batch) = self.read(offset)?
                && batch.chain.sequence > chain.sequence
            {
                return Ok(Some(offset));
            }
            offset += 1;
        }
        Ok(None)
    }

    /// `count` bytes at `offset`, which the file has.
    fn bytes(&mut self, offset: u64, count: usize) -> io::Result<&[u8]> {
        let end = offset + count as u64;
        if offset < self.window_at || end > self.window_at + self.window.len() as u64 {
            let size = (self.len - offset).min(count.max(WINDOW_BYTES) as u64) as usize;
            self.window.resize(size, 0);
            self.window_at = offset;
            self.file.read_exact_at(&mut self.window, offset)?;
        }
        let start = (offset - self.window_at) as usize;
        Ok(&self.window[start..start + count])
    }
}

fn u32_at(header: &[u8; HEADER_BYTES], at: usize) -> u32 {
    let bytes = [header[at], header[at + 1], header[at + 2], header[at + 3]];
    u32::from_le_bytes(bytes)
}
