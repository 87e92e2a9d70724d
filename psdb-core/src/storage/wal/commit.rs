//! The writer: the one task that changes the log's files.
//!
//! It takes a batch off the queue, writes and syncs it in [`Env::blocking`], follows it in the
//! ledger, answers the waiters, and then removes segments that became free. When the current
//! segment is full it makes a new one first.
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

use super::batch::{BatchBuffer, Chain, HEADER_BYTES, MAX_RECORD_BYTES, Salt};
use super::queue::{Submission, Work};
use super::record::{Record, encode_checkpoint, encode_seal};
use super::segment::{Segment, SegmentHeader, file_name};
use super::{DirectoryLock, Shared, WalOptions};
use crate::env::Env;
use crate::storage::StorageError;

/// The end of the log, and what is needed to move it.
pub(super) struct Writer {
    env: Env,
    dir: PathBuf,
    options: WalOptions,
    shared: Arc<Shared>,
    segment: Segment,
    chain: Chain,
    buffer: BatchBuffer,
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
    loop {
        let work = shared.queue.next().await;
        let (returned, ended) = env
            .blocking(move || {
                let ended = writer.perform(work);
                (writer, ended)
            })
            .await;
        writer = returned;
        match ended {
            Ended::Written(batch) => {
                answer(batch, &Ok(()));
                if !shared.has_removable() {
                    continue;
                }
                let (returned, removed) = env
                    .blocking(move || {
                        let removed = writer.remove_free_segments();
                        (writer, removed)
                    })
                    .await;
                writer = returned;
                if let Err(error) = removed {
                    return fail(&shared, Vec::new(), error);
                }
            }
            Ended::Failed(batch, error) => return fail(&shared, batch, error),
            Ended::Sealed => {
                // The lock goes first: whoever hears of the end may open the log again.
                drop(writer);
                return shared.queue.closed();
            }
        }
    }
}

/// How a piece of work ended.
enum Ended {
    Written(Vec<Submission>),
    Failed(Vec<Submission>, StorageError),
    Sealed,
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

impl Shared {
    fn has_removable(&self) -> bool {
        self.ledger.lock().removable().is_some()
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
        let buffer = BatchBuffer::new();
        Writer { env, dir, options, shared, segment, chain, buffer, _lock: lock }
    }

    fn perform(&mut self, work: Work) -> Ended {
        match work {
            Work::Batch(batch) => {
                let records = batch.iter().flat_map(|submission| &submission.records);
                match self.write(records.clone()).and_then(|()| self.follow(records)) {
                    Ok(()) => Ended::Written(batch),
                    Err(error) => Ended::Failed(batch, error),
                }
            }
            Work::Close => match self.seal() {
                Ok(()) => Ended::Sealed,
                Err(error) => Ended::Failed(Vec::new(), error),
            },
        }
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
        self.append_buffer()
    }

    /// Appends the buffer, to a new segment if the current one is full.
    fn append_buffer(&mut self) -> Result<(), StorageError> {
        let full = self.segment.len + self.buffer.len() as u64 > self.options.segment_bytes;
        if full && self.segment.has_batches {
            self.begin_segment()?;
        }
        let (bytes, chain) = self.buffer.finish(self.segment.salt, self.chain);
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
        self.segment = Segment::create(&**self.env.disk(), &self.dir, header, bytes)?;
        self.chain = chain;
        self.shared.ledger.lock().begin_segment(number);
        let mut stats = self.shared.stats.lock();
        stats.bytes += self.segment.len;
        stats.syncs += 2;
        Ok(())
    }

    /// Removes segments from the oldest on. Each removal is synced before the next, so that a
    /// crash leaves consecutive segments.
    fn remove_free_segments(&mut self) -> Result<(), StorageError> {
        let disk = self.env.disk();
        while let Some(number) = { self.shared.ledger.lock().removable() } {
            let path = self.dir.join(file_name(number));
            disk.remove(&path).map_err(|error| StorageError::io("remove", &path, error))?;
            let synced = disk.sync_dir(&self.dir);
            synced.map_err(|error| StorageError::io("sync", &self.dir, error))?;
            self.shared.ledger.lock().segment_removed();
            self.shared.stats.lock().syncs += 1;
        }
        Ok(())
    }
}
