//! Opening: what the files say, and what is cut off.
//!
//! Segments are replayed from the oldest. The oldest one's checkpoint gives the streams to begin
//! with; every later checkpoint must equal what was replayed up to it.
//!
//! A segment ends where the header of the next one goes on from: with the batch of that sequence
//! and checksum. What is behind it is room that was not used. The last segment ends with the last
//! batch that verifies, unless one with a later sequence follows anywhere in the file. At most one
//! batch is ever unsynced, so a later batch, such as the seal of a clean close, proves that what
//! does not verify was durable once; that is reported, and nothing is changed. Otherwise what
//! follows is room, or a *torn* batch, or both: room may hold batches of a former life of the file,
//! but they bear another salt. It is cut off. A segment's checkpoint cannot be torn: it was durable
//! before the segment had its name.
//!
//! Before anything is given back, what was read is made durable again: after a failed sync the
//! system may show bytes that the disk does not have, and syncing once more does not write them.
//! Only the last batch or the last segment's name can be in that state, so the last batch is
//! written again, in place and equal, or, where there is none, the last segment is made again.
//!
//! Invariants:
//! 1. Every acknowledged record is given back; nothing is given back that was not submitted.
//! 2. An error changes nothing on the disk.
//! 3. What is given back survives a power loss right after.
//!
//! Left out: repair. A damaged log is rebuilt from the node's peers.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::batch::{Batch, BatchBuffer, BatchReader, Chain, Found, Salt};
use super::ledger::{Bounds, Ledger, Live, StreamState};
use super::record::{Part, Parts, Record, encode_checkpoint, repeat_bytes};
use super::segment::{self, HEADER_BYTES, Segment, SegmentHeader, file_name};
use super::{RecoveredStream, WalOptions, WalReport, WalStats, spare};
use crate::env::{Disk, Env, File, OpenMode};
use crate::storage::StorageError;

/// A log that is ready to be written to.
pub(super) struct RecoveredLog {
    pub(super) streams: BTreeMap<u64, RecoveredStream>,
    pub(super) ledger: Ledger,
    pub(super) segment: Segment,
    pub(super) chain: Chain,
    pub(super) stats: WalStats,
}

/// Reads the log in `dir`, which exists, cuts a torn batch off, or begins a new log.
pub(super) fn recover(
    env: &Env,
    dir: &Path,
    options: WalOptions,
) -> Result<RecoveredLog, StorageError> {
    let disk = &**env.disk();
    let names = disk.list(dir).map_err(|error| StorageError::io("list", dir, error))?;
    let (mut replay, last, streams) = read_all(disk, dir, &names, OpenMode::Write)?;
    for name in names.iter().filter(|name| segment::is_unfinished(name)) {
        let path = dir.join(name);
        disk.remove(&path).map_err(|error| StorageError::io("remove", &path, error))?;
    }
    let mut stats = WalStats::default();
    let segment = match last {
        Some(last) => last.make_durable(disk, dir, options, &mut stats)?,
        None => first_segment(env, dir, options, &mut replay, &mut stats)?,
    };
    let chain = replay.chain.unwrap_or(Chain::START);
    Ok(RecoveredLog { streams, ledger: replay.ledger, segment, chain, stats })
}

/// Verifies the log in `dir` without changing anything.
pub(super) fn read_only(
    disk: &dyn Disk,
    dir: &Path,
) -> Result<(WalReport, BTreeMap<u64, RecoveredStream>), StorageError> {
    let names = disk.list(dir).map_err(|error| StorageError::io("list", dir, error))?;
    let (replay, last, streams) = read_all(disk, dir, &names, OpenMode::Read)?;
    let entries = streams.values().map(|stream| stream.entries.len() as u64);
    let torn_bytes = last.map_or(0, |last| last.torn_bytes);
    let report = WalReport {
        segments: replay.ledger.segments() as u64,
        streams: streams.len() as u64,
        entries: entries.sum(),
        torn_bytes,
        is_sealed: replay.is_sealed && torn_bytes == 0,
    };
    Ok((report, streams))
}

type ReadLog = (Replay, Option<LastSegment>, BTreeMap<u64, RecoveredStream>);

/// Reads all segments; opens the last one as `mode` says.
fn read_all(
    disk: &dyn Disk,
    dir: &Path,
    names: &[String],
    mode: OpenMode,
) -> Result<ReadLog, StorageError> {
    let numbers = segment_numbers(dir, names)?;
    let (mut replay, mut last) = (Replay::default(), None);
    let open = |number: &u64| {
        let mode = if Some(number) == numbers.last() { mode } else { OpenMode::Read };
        SegmentFile::open(disk, dir, *number, mode)
    };
    let mut rest = numbers.iter();
    let mut next = rest.next().map(open).transpose()?;
    while let Some(segment) = next.take() {
        // The next header says where this segment ends.
        next = rest.next().map(open).transpose()?;
        last = Some(replay.segment(segment, next.as_ref().map(|next| next.header.chain))?);
    }
    // A live entry that is in no segment was in one before the oldest.
    let before_oldest = numbers.first().map_or(1, |oldest| oldest.saturating_sub(1).max(1));
    let streams = replay.recovered_streams(&dir.join(file_name(before_oldest)))?;
    Ok((replay, last, streams))
}

/// The segments in order, which must be consecutive.
fn segment_numbers(dir: &Path, names: &[String]) -> Result<Vec<u64>, StorageError> {
    let mut numbers: Vec<u64> = names.iter().filter_map(|name| segment::number_of(name)).collect();
    numbers.sort_unstable();
    if let Some(gap) = numbers.windows(2).find(|pair| pair[0] + 1 != pair[1]) {
        let path = dir.join(file_name(gap[0] + 1));
        return Err(StorageError::corrupt(&path, 0, "the segment is missing"));
    }
    Ok(numbers)
}

/// Begins a new log.
fn first_segment(
    env: &Env,
    dir: &Path,
    options: WalOptions,
    replay: &mut Replay,
    stats: &mut WalStats,
) -> Result<Segment, StorageError> {
    let header = SegmentHeader { number: 1, salt: Salt(env.random_u64()), chain: Chain::START };
    let mut checkpoint = BatchBuffer::new();
    encode_checkpoint(BTreeMap::new().iter(), checkpoint.records());
    let (bytes, chain) = checkpoint.finish(header.salt, header.chain);
    replay.chain = Some(chain);
    replay.ledger.begin_segment(header.number);
    create_segment(&**env.disk(), dir, options, (header, bytes), stats)
}

fn create_segment(
    disk: &dyn Disk,
    dir: &Path,
    options: WalOptions,
    (header, checkpoint): (SegmentHeader, &[u8]),
    stats: &mut WalStats,
) -> Result<Segment, StorageError> {
    let capacity = spare::capacity(header.number, options.segment_bytes);
    let file = spare::prepared_file(disk, dir, header.number, capacity)?;
    let segment = Segment::create(disk, dir, header, checkpoint, Some(file))?;
    stats.bytes += segment.len;
    stats.syncs += 2;
    Ok(segment)
}

/// A segment whose header has been read.
struct SegmentFile {
    file: Arc<dyn File>,
    path: PathBuf,
    header: SegmentHeader,
}

impl SegmentFile {
    fn open(
        disk: &dyn Disk,
        dir: &Path,
        number: u64,
        mode: OpenMode,
    ) -> Result<SegmentFile, StorageError> {
        let path = dir.join(file_name(number));
        let read_failed = |error| StorageError::io("read", &path, error);
        let file = disk.open(&path, mode).map_err(read_failed)?;
        match read_header(&*file, number).map_err(read_failed)? {
            Ok(header) => Ok(SegmentFile { file, path, header }),
            Err(reason) => Err(StorageError::corrupt(&path, 0, reason)),
        }
    }
}

/// The last segment, read to its end.
struct LastSegment {
    segment: SegmentFile,
    /// Where the last valid batch begins, and its bytes.
    last_batch: (u64, Vec<u8>),
    /// What there is of a batch that was begun behind it.
    torn_bytes: u64,
}

impl LastSegment {
    /// Cuts off what follows the last batch, makes room for others, and makes sure that all the
    /// rest is on the disk.
    fn make_durable(
        self,
        disk: &dyn Disk,
        dir: &Path,
        options: WalOptions,
        stats: &mut WalStats,
    ) -> Result<Segment, StorageError> {
        let LastSegment { segment, last_batch: (offset, bytes), torn_bytes } = self;
        let SegmentFile { file, path, header } = segment;
        let end = offset + bytes.len() as u64;
        stats.torn_bytes = torn_bytes;
        if torn_bytes > 0 {
            let path = path.display();
            tracing::warn!(%path, offset = end, torn_bytes, "cutting a torn batch off the log");
        }
        if offset == HEADER_BYTES as u64 {
            return create_segment(disk, dir, options, (header, &bytes), stats);
        }
        let failed = |action| {
            let path = &path;
            move |error| StorageError::io(action, path, error)
        };
        file.set_len(end).map_err(failed("truncate"))?;
        let capacity = spare::capacity(header.number, options.segment_bytes);
        spare::extend(&*file, &path, end, capacity)?;
        file.write_at(&bytes, offset).map_err(failed("write"))?;
        file.sync().map_err(failed("sync"))?;
        disk.sync_dir(dir).map_err(|error| StorageError::io("sync", dir, error))?;
        stats.bytes += bytes.len() as u64;
        stats.syncs += 2;
        Ok(Segment::resume(file, path, header, end))
    }
}

/// The log as read so far.
#[derive(Default)]
struct Replay {
    ledger: Ledger,
    entries: BTreeMap<u64, BTreeMap<u64, Bytes>>,
    /// What the next batch must say; `None` before the first segment.
    chain: Option<Chain>,
    /// Whether the last batch so far is a seal.
    is_sealed: bool,
}

impl Replay {
    /// Replays one segment up to where the chain reaches `end`, which is what the segment after it
    /// goes on from; the last one has none and may have a torn end.
    fn segment(
        &mut self,
        segment: SegmentFile,
        end: Option<Chain>,
    ) -> Result<LastSegment, StorageError> {
        let SegmentFile { file, path, header } = &segment;
        let read_failed = |error| StorageError::io("read", path, error);
        let corrupt = |offset, reason| Err(StorageError::corrupt(path, offset, reason));
        let chain = self.chain.unwrap_or(header.chain);
        if chain != header.chain {
            return corrupt(0, "it does not follow the segment before it".to_owned());
        }
        self.chain = Some(chain);
        let mut reader = BatchReader::new(&**file, header.salt).map_err(read_failed)?;
        let (mut offset, mut last_offset) = (HEADER_BYTES as u64, None);
        let damage = loop {
            if last_offset.is_some() && end.is_some() && self.chain == end {
                break None;
            }
            match reader.read(offset).map_err(read_failed)? {
                Found::Batch(batch) => {
                    if last_offset.is_some() {
                        self.ledger.begin_batch(offset..offset + batch.bytes.len() as u64);
                    }
                    if let Err(reason) = self.batch(header.number, &batch, last_offset.is_none()) {
                        return corrupt(offset, reason);
                    }
                    last_offset = Some(offset);
                    offset += batch.bytes.len() as u64;
                }
                Found::End if last_offset.is_none() => break None,
                Found::End => break Some("the file ends here".to_owned()),
                Found::Damage(reason) => break Some(reason),
            }
        };
        let Some(last_offset) = last_offset else {
            return corrupt(offset, damage.unwrap_or_else(|| "the checkpoint is missing".into()));
        };
        if let Some(reason) = damage {
            if end.is_some() {
                return corrupt(offset, format!("{reason}, before the next segment begins"));
            }
            let next = self.chain.unwrap_or(chain);
            if let Some(later) = reader.find_later(offset + 1, next).map_err(read_failed)? {
                return corrupt(offset, format!("{reason}; a later batch is at offset {later}"));
            }
        }
        let torn_bytes = reader.begun_bytes(offset).map_err(read_failed)?;
        let mut last_batch = vec![0; (offset - last_offset) as usize];
        file.read_exact_at(&mut last_batch, last_offset).map_err(read_failed)?;
        Ok(LastSegment { segment, last_batch: (last_offset, last_batch), torn_bytes })
    }

    /// Replays a batch whose checksum is right.
    fn batch(&mut self, segment: u64, batch: &Batch<'_>, is_first: bool) -> Result<(), String> {
        let expected = self.chain.unwrap_or(batch.chain);
        if batch.chain != expected {
            let (found, expected) = (batch.chain.sequence, expected.sequence);
            return Err(format!("batch {found} stands where batch {expected} should follow"));
        }
        self.chain = Some(expected.followed_by(batch.crc));
        let mut parts = Parts::new(batch.records());
        self.is_sealed = false;
        if is_first {
            return self.checkpoint(segment, &mut parts);
        }
        while let Some(part) = parts.next()? {
            match part {
                Part::Record(record) => self.record(record)?,
                Part::Repeat { stream, index, payload } => self.repeat(stream, index, payload)?,
                Part::Seal => self.is_sealed = true,
                Part::Checkpoint { .. } | Part::State { .. } => {
                    return Err("a checkpoint stands in the middle of a segment".into());
                }
            }
        }
        Ok(())
    }

    fn record(&mut self, record: Record) -> Result<(), String> {
        self.ledger.apply(&record)?;
        let entries = self.entries.entry(record.stream()).or_default();
        match record {
            Record::Append { index, payload, .. } => {
                entries.insert(index, payload);
            }
            Record::Truncate { from, .. } => {
                entries.split_off(&from);
            }
            Record::Purge { through, .. } => {
                // A floor at the highest index is refused, so there is one above.
                *entries = entries.split_off(&(through + 1));
            }
            Record::Slot { .. } => {}
            Record::Forget { stream } => {
                self.entries.remove(&stream);
            }
        }
        Ok(())
    }

    fn repeat(&mut self, stream: u64, index: u64, payload: Bytes) -> Result<(), String> {
        self.ledger.repeat(stream, index, repeat_bytes(&payload))?;
        let entries = self.entries.entry(stream).or_default();
        match entries.insert(index, payload) {
            Some(before) if before != entries[&index] => {
                Err(format!("entry {index} of stream {stream} is repeated with another content"))
            }
            _ => Ok(()),
        }
    }

    /// Takes a segment's checkpoint over, or compares it with what was replayed up to it.
    fn checkpoint(&mut self, segment: u64, parts: &mut Parts<'_>) -> Result<(), String> {
        let streams = read_checkpoint(parts)?;
        if self.ledger.segments() == 0 {
            self.ledger.restore(streams);
        } else if streams != *self.ledger.streams() {
            return Err("the checkpoint contradicts the segments before it".into());
        }
        self.ledger.begin_segment(segment);
        Ok(())
    }

    /// What the streams hold, after checking that no live entry is missing.
    fn recovered_streams(
        &mut self,
        path: &Path,
    ) -> Result<BTreeMap<u64, RecoveredStream>, StorageError> {
        let mut recovered = BTreeMap::new();
        for (stream, state) in self.ledger.streams() {
            let entries = self.entries.remove(stream).unwrap_or_default();
            if !is_whole(state.bounds, &entries) {
                let reason = format!("live entries of stream {stream} are in no segment");
                return Err(StorageError::corrupt(path, 0, reason));
            }
            let floor = state.bounds.floor.map(|index| (index, state.note.clone()));
            let slots = state.slots.clone();
            recovered.insert(*stream, RecoveredStream { floor, entries, slots });
        }
        Ok(recovered)
    }
}

/// Whether `entries` are exactly those that are live.
fn is_whole(bounds: Bounds, entries: &BTreeMap<u64, Bytes>) -> bool {
    let Some(Live { first, next }) = bounds.live else { return entries.is_empty() };
    let count = next.checked_sub(first);
    count == Some(entries.len() as u64) && entries.keys().all(|index| (first..next).contains(index))
}

/// Reads a segment's header; the inner error says what is wrong with its bytes.
pub(super) fn read_header(
    file: &dyn File,
    number: u64,
) -> io::Result<Result<SegmentHeader, String>> {
    let mut bytes = [0; HEADER_BYTES];
    match file.read_exact_at(&mut bytes, 0) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            return Ok(Err("the header is cut short".into()));
        }
        result => result?,
    }
    Ok(SegmentHeader::decode(&bytes).and_then(|header| {
        if header.number == number {
            Ok(header)
        } else {
            Err(format!("the header is that of segment {}", header.number))
        }
    }))
}

/// Reads the streams of a checkpoint.
fn read_checkpoint(parts: &mut Parts<'_>) -> Result<BTreeMap<u64, StreamState>, String> {
    let Some(Part::Checkpoint { streams: count }) = parts.next()? else {
        return Err("the segment does not begin with a checkpoint".into());
    };
    let mut streams: BTreeMap<u64, StreamState> = BTreeMap::new();
    while let Some(part) = parts.next()? {
        match part {
            Part::State { stream, bounds, note } => {
                let state = StreamState { bounds, note, slots: BTreeMap::new() };
                streams.insert(stream, state);
            }
            Part::Record(Record::Slot { stream, slot, payload }) => {
                let state = streams.get_mut(&stream).ok_or("a slot comes before its stream")?;
                state.slots.insert(slot, payload);
            }
            _ => return Err("a checkpoint holds something else than streams".into()),
        }
    }
    if streams.len() != count as usize {
        return Err(format!("a checkpoint of {count} streams has {}", streams.len()));
    }
    Ok(streams)
}
