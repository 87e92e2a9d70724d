//! The writer: the one task that changes the log's files.
//!
//! It takes a batch off the queue, writes and syncs it in [`Env::blocking`], follows it in the
//! ledger, answers the waiters, and then removes segments that became free, prepares the next one,
//! and writes a little of an old segment's live entries once more if the log has grown too long. When the current segment is full it begins a new one first.
//!
//! On its blocking thread the writer waits a little for the next batch, so that under load a
//! write costs two switches of threads, there and back, and no more.
//!
//! Invariants:
//! 1. A waiter is answered only after its batch is durable.
//! 2. The first error ends the writer. The queue is poisoned before anybody hears of the error.
//! 3. The directory's lock lives with the writer, in the very closure that does the I/O, so it is
//!    held until the last write has ended even when the task is aborted.
//!
//! Left out: deciding what may be written, which the queue has done.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::batch::{BatchBuffer, Chain, HEADER_BYTES, MAX_RECORD_BYTES, Salt};
use super::places::Place;
use super::queue::{Submission, Work};
use super::record::{Record, encode_checkpoint, encode_repeat, encode_seal, repeat_bytes};
use super::segment::{Segment, SegmentHeader, file_name};
use super::spare::{self, SpareRoom};
use super::{DirectoryLock, Shared, WalOptions};
use crate::env::Env;
use crate::storage::StorageError;

/// How long the writer keeps its thread when there is nothing to do.
const PATIENCE: Duration = Duration::from_millis(20);
/// How many bytes of entries are written once more in one batch.
const REPEATED_BYTES: usize = 256 << 10;
/// From how many batches they are gathered at most, since each has to be read.
const REPEATED_RUNS: usize = 64;

/// The end of the log, and what is needed to move it.
pub(super) struct Writer {
    env: Env,
    dir: PathBuf,
    options: WalOptions,
    shared: Arc<Shared>,
    segment: Segment,
    chain: Chain,
    /// Where the last batch begins in the segment.
    batch_at: u64,
    buffer: BatchBuffer,
    spare: SpareRoom,
    _lock: DirectoryLock,
}

/// Ends the queue when the writer's task is aborted or panics; whoever waits hears `Closed`.
struct EndOfWriter(Arc<Shared>);

impl Drop for EndOfWriter {
    fn drop(&mut self) {
        drop(self.0.queue.poison());
    }
}

/// Writes what is queued until the log is closed or fails.
pub(super) async fn run(mut writer: Writer, shared: Arc<Shared>) {
    let _end = EndOfWriter(shared.clone());
    let env = writer.env.clone();
    let patience = (!env.blocks_inline()).then_some(PATIENCE);
    loop {
        let work = shared.queue.next().await;
        let (returned, ended) = env
            .blocking(move || {
                let ended = writer.serve(work, patience);
                (writer, ended)
            })
            .await;
        writer = returned;
        match ended {
            Ok(Served::Idle) => {}
            Ok(Served::Sealed) => {
                // The lock goes first: whoever hears of the end may open the log again.
                drop(writer);
                return shared.queue.closed();
            }
            Err(Failure { batch, error }) => return fail(&shared, batch, error),
        }
    }
}

/// What is left to do when the writer gives its thread back.
enum Served {
    /// Nothing for now.
    Idle,
    /// Nothing for ever.
    Sealed,
}

/// An error, and who waits for what it hit.
struct Failure {
    batch: Vec<Submission>,
    error: StorageError,
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Failure {
        Failure { batch: Vec::new(), error }
    }
}

/// Tells everybody who waits for `batch`, in order.
fn answer(batch: Vec<Submission>, result: &Result<(), StorageError>) {
    for done in batch.into_iter().filter_map(|submission| submission.done) {
        done.complete(result.clone());
    }
}

/// Poisons the log and tells everybody who waits, in order.
fn fail(shared: &Shared, batch: Vec<Submission>, error: StorageError) {
    tracing::error!(%error, "the write-ahead log stops");
    let waiting = shared.queue.poison();
    let result = Err(error);
    answer(batch, &result);
    for done in waiting {
        done.complete(result.clone());
    }
}

impl Writer {
    pub(super) fn new(
        env: Env,
        dir: PathBuf,
        options: WalOptions,
        shared: Arc<Shared>,
        (segment, chain): (Segment, Chain),
        lock: DirectoryLock,
    ) -> Writer {
        let (buffer, spare) = (BatchBuffer::new(), SpareRoom::new(&dir));
        let batch_at = segment.len;
        Writer { env, dir, options, shared, segment, chain, batch_at, buffer, spare, _lock: lock }
    }

    /// Does `work`, and what else comes within the `patience` there is.
    fn serve(&mut self, work: Work, patience: Option<Duration>) -> Result<Served, Failure> {
        let mut next = Some(work);
        while let Some(work) = next {
            let Work::Batch(batch) = work else {
                self.seal()?;
                return Ok(Served::Sealed);
            };
            let records = batch.iter().flat_map(|submission| &submission.records);
            match self.write(records.clone()).and_then(|()| self.follow(records)) {
                Ok(()) => answer(batch, &Ok(())),
                Err(error) => return Err(Failure { batch, error }),
            }
            self.repeat_oldest()?;
            self.remove_free_segments()?;
            self.fill_spare()?;
            next = patience.and_then(|patience| self.shared.queue.next_within(patience));
        }
        Ok(Served::Idle)
    }

    /// Makes `records` durable as one batch; nothing is written when there are none.
    fn write<'r>(&mut self, records: impl Iterator<Item = &'r Record>) -> Result<(), StorageError> {
        self.buffer.clear(self.options.batch_bytes + HEADER_BYTES);
        for record in records {
            record.encode(self.buffer.records());
        }
        if self.buffer.len() == HEADER_BYTES {
            return Ok(());
        }
        self.append_buffer()?;
        self.shared.stats.lock().batches += 1;
        Ok(())
    }

    /// Takes durable records into the ledger.
    fn follow<'r>(&self, records: impl Iterator<Item = &'r Record>) -> Result<(), StorageError> {
        let (mut count, mut ledger) = (0, self.shared.ledger.lock());
        ledger.begin_batch(self.batch_at..self.segment.len);
        for record in records {
            ledger.apply(record).map_err(|reason| StorageError::Refused { reason })?;
            count += 1;
        }
        drop(ledger);
        self.shared.stats.lock().records += count;
        Ok(())
    }

    fn seal(&mut self) -> Result<(), StorageError> {
        self.buffer.clear(0);
        encode_seal(self.buffer.records());
        let (bytes, chain) = self.buffer.finish(self.segment.salt, self.chain);
        self.segment.seal(bytes)?;
        self.chain = chain;
        self.spare.discard(&**self.env.disk())
    }

    /// Appends the buffer, to a new segment if the current one is full.
    fn append_buffer(&mut self) -> Result<(), StorageError> {
        let full = self.segment.len + self.buffer.len() as u64 > self.capacity(0);
        if full && self.segment.has_batches {
            self.begin_segment()?;
        }
        let (bytes, chain) = self.buffer.finish(self.segment.salt, self.chain);
        self.batch_at = self.segment.len;
        self.segment.append(bytes)?;
        self.chain = chain;
        let mut stats = self.shared.stats.lock();
        stats.bytes += bytes.len() as u64;
        stats.syncs += 1;
        Ok(())
    }

    fn begin_segment(&mut self) -> Result<(), StorageError> {
        let number = self.segment.number + 1;
        let salt = Salt(self.env.random_u64());
        let header = SegmentHeader { number, salt, chain: self.chain };
        let mut checkpoint = BatchBuffer::new();
        encode_checkpoint(self.shared.ledger.lock().streams().iter(), checkpoint.records());
        let size = checkpoint.len() - HEADER_BYTES;
        if size > MAX_RECORD_BYTES {
            let (bytes, limit) = (size as u64, MAX_RECORD_BYTES as u64);
            return Err(StorageError::TooLarge { what: "the log's checkpoint", bytes, limit });
        }
        let (bytes, chain) = checkpoint.finish(salt, self.chain);
        let spare = self.spare.take(number);
        self.segment = Segment::create(&**self.env.disk(), &self.dir, header, bytes, spare)?;
        self.chain = chain;
        self.shared.ledger.lock().begin_segment(number);
        let mut stats = self.shared.stats.lock();
        stats.bytes += self.segment.len;
        stats.syncs += 2;
        Ok(())
    }

    /// Writes a part of what lives in the oldest segment once more, if that is worth while.
    fn repeat_oldest(&mut self) -> Result<(), StorageError> {
        let (oldest, live) = {
            let ledger = self.shared.ledger.lock();
            let Some(oldest) = ledger.repeatable(self.options.log_bytes) else { return Ok(()) };
            (oldest, ledger.live_in(oldest).take(REPEATED_RUNS).collect::<Vec<_>>())
        };
        let (mut repeated, mut size) = (Vec::new(), 0);
        for (stream, offset, range) in live {
            let place = Place { segment: oldest, offset };
            for (index, payload) in self.shared.reader.batch_entries(place, stream, range)? {
                size += payload.len();
                repeated.push((stream, index, payload));
            }
            if size >= REPEATED_BYTES {
                break;
            }
        }
        if repeated.is_empty() {
            return Ok(());
        }
        self.buffer.clear(self.options.batch_bytes + HEADER_BYTES);
        for (stream, index, payload) in &repeated {
            encode_repeat(*stream, *index, payload, self.buffer.records());
        }
        self.append_buffer()?;
        let mut ledger = self.shared.ledger.lock();
        ledger.begin_batch(self.batch_at..self.segment.len);
        for (stream, index, payload) in &repeated {
            let followed = ledger.repeat(*stream, *index, repeat_bytes(payload));
            followed.map_err(|reason| StorageError::Refused { reason })?;
        }
        self.shared.stats.lock().repeated += repeated.len() as u64;
        Ok(())
    }

    /// How large the segment so many after the current one is meant to be.
    fn capacity(&self, after: u64) -> u64 {
        spare::capacity(self.segment.number + after, self.options.segment_bytes)
    }

    /// Removes segments from the oldest on, or makes one the spare. Each change is synced before
    /// the next, so that a crash leaves consecutive segments.
    fn remove_free_segments(&mut self) -> Result<(), StorageError> {
        let (next, capacity) = (self.segment.number + 1, self.capacity(1));
        while let Some(number) = { self.shared.ledger.lock().removable() } {
            let disk = &**self.env.disk();
            if self.spare.recycle(disk, number, next, capacity)? {
                self.shared.stats.lock().recycled += 1;
            } else {
                let path = self.dir.join(file_name(number));
                disk.remove(&path).map_err(|error| StorageError::io("remove", &path, error))?;
            }
            let synced = disk.sync_dir(&self.dir);
            synced.map_err(|error| StorageError::io("sync", &self.dir, error))?;
            self.shared.ledger.lock().segment_removed();
            self.shared.stats.lock().syncs += 1;
        }
        Ok(())
    }

    /// Prepares the next segment as far as the current one has been used: nothing until half, all
    /// of it from three quarters on.
    fn fill_spare(&mut self) -> Result<(), StorageError> {
        let (current, next) = (self.capacity(0), self.capacity(1));
        let beyond_half = self.segment.len.saturating_sub(current / 2);
        let due = next.min(next * beyond_half / (current / 4).max(1));
        self.spare.fill(&**self.env.disk(), self.segment.number + 1, due)
    }
}
