//! Reading entries back from the segments while the log is written on.
//!
//! The ledger says in which batch an entry stands. The batch is read and verified as recovery does
//! it, and its records are followed in order, since a batch may append, truncate and append again.
//! Meanwhile the writer may purge the entry, repeat it elsewhere, or use the file for another
//! segment: what does not verify is looked up again, and is damage only if it should still be there.
//!
//! Invariants:
//! 1. An entry is given out only from a batch whose checksum holds.
//! 2. One batch is in memory at a time, beside what is given out.
//!
//! Left out: entries that are not durable yet. Whoever queued them has them.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;

use super::batch::{BatchReader, Found};
use super::ledger::Ledger;
use super::places::Place;
use super::record::{Part, Parts, Record};
use super::recovery::read_header;
use super::segment::file_name;
use crate::env::{Disk, File, OpenMode};
use crate::storage::StorageError;

/// Entries of one stream with their indexes.
pub(super) type Entries = Vec<(u64, Bytes)>;

/// Why a batch did not give its entries.
enum Failed {
    /// It is not what the ledger said; the reason, for the case that it should be.
    Changed(String),
    Error(StorageError),
}

/// What is asked for of one segment.
struct Wanted {
    stream: u64,
    /// The index from which on another batch than the first has the entries.
    until: u64,
    range: Range<u64>,
    limit: usize,
}

/// Reads the segments of one log.
#[derive(Debug)]
pub(super) struct SegmentReader {
    disk: Arc<dyn Disk>,
    dir: PathBuf,
}

impl SegmentReader {
    pub(super) fn new(disk: Arc<dyn Disk>, dir: &Path) -> SegmentReader {
        SegmentReader { disk, dir: dir.to_owned() }
    }

    /// Live entries of a stream from the start of `range` on, one at least if there is any, until
    /// they have `limit` bytes or the range or the log ends.
    pub(super) fn entries(
        &self,
        ledger: &Mutex<Ledger>,
        stream: u64,
        range: Range<u64>,
        limit: usize,
    ) -> Result<Entries, StorageError> {
        let (mut entries, mut bytes, mut next) = (Vec::new(), 0, range.start);
        while next < range.end && (entries.is_empty() || bytes < limit) {
            let Some((place, until)) = ledger.lock().find(stream, next) else { break };
            let (range, limit) = (next..range.end, limit.saturating_sub(bytes));
            let wanted = Wanted { stream, until, range, limit };
            match self.segment_entries(ledger, place, wanted) {
                Ok(found) => {
                    next += found.len() as u64;
                    bytes += found.iter().map(|(_, payload)| payload.len()).sum::<usize>();
                    entries.extend(found);
                }
                Err(Failed::Error(error)) => return Err(error),
                // Whoever wants the rest asks again.
                Err(Failed::Changed(_)) if !entries.is_empty() => break,
                Err(Failed::Changed(reason)) => {
                    if ledger.lock().find(stream, next).is_some_and(|(now, _)| now == place) {
                        let path = self.dir.join(file_name(place.segment));
                        return Err(StorageError::corrupt(&path, place.offset, reason));
                    }
                }
            }
        }
        Ok(entries)
    }

    /// Entries from the batch at `place` and those after it in its segment.
    fn segment_entries(
        &self,
        ledger: &Mutex<Ledger>,
        mut place: Place,
        Wanted { stream, mut until, range, limit }: Wanted,
    ) -> Result<Entries, Failed> {
        let (file, path) = self.open(place.segment)?;
        let read_failed = |error| Failed::Error(StorageError::io("read", &path, error));
        let header = read_header(&*file, place.segment).map_err(read_failed)?;
        let salt = header.map_err(Failed::Changed)?.salt;
        let mut reader = BatchReader::new(&*file, salt).map_err(read_failed)?;
        let (mut entries, mut bytes, mut next) = (Vec::new(), 0, range.start);
        loop {
            let held = batch_entries(&mut reader, place.offset, stream).map_err(read_failed)?;
            let mut held = match held {
                Ok(held) => held,
                // What was found so far is good; the rest is looked up again.
                Err(_) if !entries.is_empty() => return Ok(entries),
                Err(reason) => return Err(Failed::Changed(reason)),
            };
            while next < until.min(range.end) {
                let Some(payload) = held.remove(&next) else {
                    let reason = format!("entry {next} is not there");
                    let is_first = entries.is_empty();
                    return if is_first { Err(Failed::Changed(reason)) } else { Ok(entries) };
                };
                bytes += payload.len();
                entries.push((next, payload));
                next += 1;
                if bytes >= limit {
                    return Ok(entries);
                }
            }
            // The file stays open while the stream goes on in the same segment.
            match ledger.lock().find(stream, next) {
                Some(found) if next < range.end && found.0.segment == place.segment => {
                    (place, until) = found;
                }
                _ => return Ok(entries),
            }
        }
    }

    fn open(&self, segment: u64) -> Result<(Arc<dyn File>, PathBuf), Failed> {
        let path = self.dir.join(file_name(segment));
        match self.disk.open(&path, OpenMode::Read) {
            Ok(file) => Ok((file, path)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                Err(Failed::Changed("the segment is missing".to_owned()))
            }
            Err(error) => Err(Failed::Error(StorageError::io("open", &path, error))),
        }
    }

    /// Live entries of a stream that stand in one batch: for the writer, who alone changes segments.
    pub(super) fn batch_entries(
        &self,
        place: Place,
        stream: u64,
        wanted: Range<u64>,
    ) -> Result<Entries, StorageError> {
        let path = self.dir.join(file_name(place.segment));
        let corrupt = |reason: String| StorageError::corrupt(&path, place.offset, reason);
        let read_failed = |error| StorageError::io("read", &path, error);
        let file = self.disk.open(&path, OpenMode::Read).map_err(read_failed)?;
        let header = read_header(&*file, place.segment).map_err(read_failed)?;
        let salt = header.map_err(corrupt)?.salt;
        let mut reader = BatchReader::new(&*file, salt).map_err(read_failed)?;
        let held = batch_entries(&mut reader, place.offset, stream).map_err(read_failed)?;
        let held = held.map_err(corrupt)?;
        let entry = |index| {
            let payload = held.get(&index).cloned();
            let payload = payload.ok_or_else(|| corrupt(format!("entry {index} is not there")))?;
            Ok((index, payload))
        };
        wanted.map(entry).collect()
    }
}

/// The entries of a stream that the batch at `offset` leaves, or why they cannot be had.
fn batch_entries(
    reader: &mut BatchReader<'_>,
    offset: u64,
    stream: u64,
) -> io::Result<Result<BTreeMap<u64, Bytes>, String>> {
    Ok(match reader.read(offset)? {
        Found::Batch(batch) => stream_entries(batch.records(), stream),
        Found::End => Err("the file ends here".to_owned()),
        Found::Damage(reason) => Err(reason),
    })
}

/// The entries of a stream that a batch leaves.
fn stream_entries(records: &[u8], wanted: u64) -> Result<BTreeMap<u64, Bytes>, String> {
    let (mut entries, mut parts) = (BTreeMap::new(), Parts::new(records));
    while let Some(part) = parts.next()? {
        match part {
            Part::Record(Record::Append { stream, index, payload })
            | Part::Repeat { stream, index, payload }
                if stream == wanted =>
            {
                entries.insert(index, payload);
            }
            Part::Record(Record::Truncate { stream, from }) if stream == wanted => {
                entries.split_off(&from);
            }
            Part::Record(Record::Forget { stream }) if stream == wanted => entries.clear(),
            _ => {}
        }
    }
    Ok(entries)
}
