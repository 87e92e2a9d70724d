//! The write-ahead log: one sequence of records shared by every stream (Raft group) of a node.
//!
//! A submission joins a queue. One writer task takes whatever is queued, writes it as one batch
//! with one write, syncs once, and answers everybody who waited. That is group commit: many
//! submissions, one sync.
//!
//! ```text
//! submit --\                       batch: one write, one sync
//! submit ---> queue --> writer --> 00000007.log   header | checkpoint | batch | batch | seal
//! submit --/              \------> done(Ok), in the order of submission
//! ```
//!
//! A *stream* is a log of entries with consecutive indexes, a *floor* (everything up to it is
//! purged, with a note of the purger's) and up to 256 *slots* (values that replace one another,
//! such as a vote). Opening gives back what is live of each stream.
//!
//! The log is cut into segments. A new one begins with a *checkpoint*, a copy of all floors and
//! slots, so that it can be replayed without those before it. The oldest is removed when no
//! stream has a live entry in it. When the log has grown long and most of it is dead, what lives in
//! the oldest segment is written once more, so that a stream which lags does not keep all of it.
//!
//! Invariants:
//! 1. `done(Ok)` is called only when the records are durable, and in the order of submission.
//! 2. At most one batch is unsynced, so only the last batch of the last segment may be torn.
//!    `recovery` cuts exactly that; any other damage is [`StorageError::Corrupt`].
//! 3. After an I/O error the log is poisoned: nothing more is written and nothing is retried.
//! 4. Records that would contradict the log are refused before they are written.
//! 5. One owner at a time: the directory is locked until the last write has ended.
//!
//! The queue has no bound of its own: callers bound what they have in flight
//! ([`WalStats::queued_bytes`] tells).
//!
//! Left out: compression, and a cache of entries; their users know which they need soon.

mod batch;
mod commit;
mod ledger;
mod places;
mod queue;
mod reader;
mod record;
mod recovery;
mod segment;
mod spare;

use std::collections::BTreeMap;
use std::fmt;
use std::io;
use std::ops::{Range, RangeInclusive};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::oneshot;

use super::StorageError;
use super::headroom::Headroom;
use crate::env::{Disk, Env, Task};
use commit::Writer;
use ledger::Ledger;
use queue::{Completion, Queue};
use reader::SegmentReader;
pub use record::Record;

/// How long opening waits for an earlier owner in this process whose last write still runs.
const LOCK_PATIENCE: Duration = Duration::from_secs(5);
const LOCK_RETRY: Duration = Duration::from_millis(10);

/// The sizes of a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WalOptions {
    /// A segment that has reached this many bytes is followed by a new one; 16 MiB by default.
    /// The first ones are smaller: 64 KiB, then twice as much each time.
    pub segment_bytes: u64,
    /// No submission joins a batch that has this many bytes already; 4 MiB by default.
    pub batch_bytes: usize,
    /// When all segments together have more bytes and less than half of them are live, the live
    /// entries of the oldest are written once more so that it can go; 128 MiB by default.
    pub log_bytes: u64,
}

impl Default for WalOptions {
    fn default() -> Self {
        WalOptions { segment_bytes: 16 << 20, batch_bytes: 4 << 20, log_bytes: 128 << 20 }
    }
}

/// What a stream held when the log was opened.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RecoveredStream {
    /// The highest purged index and the note given with it.
    pub floor: Option<(u64, Bytes)>,
    /// The live entries; their indexes are consecutive and begin right above the floor.
    pub entries: BTreeMap<u64, Bytes>,
    /// The last value of each slot.
    pub slots: BTreeMap<u8, Bytes>,
}

/// What a log has done since it was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WalStats {
    /// Batches of submitted records written.
    pub batches: u64,
    /// Submitted records written.
    pub records: u64,
    /// Bytes written: batches, checkpoints and segment headers.
    pub bytes: u64,
    /// Syncs of files and of the directory, those of opening included.
    pub syncs: u64,
    /// Segments that exist.
    pub segments: u64,
    /// Entries written once more, so that the segment they stood in could go.
    pub repeated: u64,
    /// Segments that were written into the file of a past one.
    pub recycled: u64,
    /// Bytes of a batch that was begun and torn, and that opening cut off.
    pub torn_bytes: u64,
    /// Encoded bytes that are queued and not yet taken by the writer.
    pub queued_bytes: u64,
}

/// What a check of a log found; see [`Wal::check`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WalReport {
    /// Segments that exist.
    pub segments: u64,
    /// Streams that have anything live.
    pub streams: u64,
    /// Live entries of all streams.
    pub entries: u64,
    /// Bytes of a torn batch at the end, which opening would cut off.
    pub torn_bytes: u64,
    /// Whether the log was closed in good order.
    pub is_sealed: bool,
}

/// An open log. Clones share it; when the last one is dropped, what is queued fails with
/// [`StorageError::Closed`].
///
/// # Examples
///
/// ```
/// use bytes::Bytes;
/// use psdb_core::env::Env;
/// use psdb_core::storage::wal::{Record, Wal, WalOptions};
/// use std::path::Path;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), psdb_core::storage::StorageError> {
/// let env = Env::memory();
/// let (wal, _) = Wal::open(&env, Path::new("/wal"), WalOptions::default()).await?;
/// let payload = Bytes::from_static(b"hello");
/// wal.write(vec![Record::Append { stream: 1, index: 0, payload: payload.clone() }]).await?;
/// wal.close().await?;
///
/// let (_, streams) = Wal::open(&env, Path::new("/wal"), WalOptions::default()).await?;
/// assert_eq!(streams[&1].entries[&0], payload);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Wal {
    handle: Arc<Handle>,
}

/// What the clones of a [`Wal`] share; dropping it aborts the writer.
struct Handle {
    shared: Arc<Shared>,
    _writer: Task<()>,
}

/// What the handles and the writer share.
struct Shared {
    queue: Queue,
    ledger: Mutex<Ledger>,
    stats: Mutex<WalStats>,
    headroom: Headroom,
    reader: SegmentReader,
    env: Env,
}

impl Wal {
    /// Opens the log in `dir`, created if missing, and gives back what it holds.
    ///
    /// # Errors
    ///
    /// [`StorageError::Corrupt`] when the log is damaged elsewhere than at the end of an unclean
    /// stop; nothing is changed then. [`StorageError::InUse`] when another owner has it open.
    /// [`StorageError::Io`] when the system refuses an operation.
    pub async fn open(
        env: &Env,
        dir: &Path,
        options: WalOptions,
    ) -> Result<(Wal, BTreeMap<u64, RecoveredStream>), StorageError> {
        let lock = lock_directory(env, dir).await?;
        let (recovery_env, directory) = (env.clone(), dir.to_owned());
        let recovered = env.blocking(move || {
            recovery::recover(&recovery_env, &directory, options).map(|log| (log, lock))
        });
        let (recovered, lock) = recovered.await?;
        let shared = Arc::new(Shared {
            queue: Queue::new(recovered.ledger.bounds(), options.batch_bytes),
            ledger: Mutex::new(recovered.ledger),
            stats: Mutex::new(recovered.stats),
            headroom: Headroom::new(env, dir),
            reader: SegmentReader::new(env.disk().clone(), dir),
            env: env.clone(),
        });
        let end = (recovered.segment, recovered.chain);
        let writer = Writer::new(env.clone(), dir.to_owned(), options, shared.clone(), end, lock);
        let task = env.spawn(commit::run(writer, shared.clone()));
        let handle = Arc::new(Handle { shared, _writer: task });
        Ok((Wal { handle }, recovered.streams))
    }

    /// Verifies the log in `dir`, which nobody has open: every batch, the chain they form, and that
    /// no live entry is missing. Changes nothing.
    ///
    /// # Errors
    ///
    /// [`StorageError::Corrupt`] with file and offset where opening would refuse;
    /// [`StorageError::Io`].
    pub fn check(disk: &dyn Disk, dir: &Path) -> Result<WalReport, StorageError> {
        Ok(recovery::read_only(disk, dir)?.0)
    }

    /// As [`Wal::check`], and gives back what the log holds.
    ///
    /// # Errors
    ///
    /// As for [`Wal::check`].
    pub fn read_only(
        disk: &dyn Disk,
        dir: &Path,
    ) -> Result<(WalReport, BTreeMap<u64, RecoveredStream>), StorageError> {
        recovery::read_only(disk, dir)
    }

    /// Queues `records`, to be written together or not at all, and returns at once.
    ///
    /// `done` is called exactly once, on the writer's thread, after everything submitted before;
    /// it must be quick and must not block. When the records are refused it is called before
    /// this returns. No records at all make a barrier: `done` comes when everything before it is
    /// durable.
    ///
    /// `done` gets [`StorageError::Refused`] or [`StorageError::TooLarge`] when nothing was
    /// queued because of the records; [`StorageError::Io`] when writing them failed;
    /// [`StorageError::Poisoned`] after such a failure; [`StorageError::Closed`] when the log was
    /// closed, or dropped before they were durable.
    pub fn submit(
        &self,
        records: Vec<Record>,
        done: impl FnOnce(Result<(), StorageError>) + Send + 'static,
    ) {
        self.handle.shared.queue.push(records, Completion::new(done));
    }

    /// Queues `records` without asking for a sync: they go out with the next submission that
    /// somebody waits for, when a whole batch of them has gathered, or with [`Wal::close`].
    /// A crash may lose them.
    ///
    /// # Errors
    ///
    /// As [`Wal::submit`] answers where nothing was queued; later failures show in later
    /// submissions.
    pub fn submit_lazy(&self, records: Vec<Record>) -> Result<(), StorageError> {
        self.handle.shared.queue.push_lazy(records)
    }

    /// Writes `records`, together or not at all, and returns when they are durable.
    ///
    /// Dropping the future does not take the records back.
    ///
    /// # Errors
    ///
    /// As [`Wal::submit`] answers.
    pub async fn write(&self, records: Vec<Record>) -> Result<(), StorageError> {
        let (answer, answered) = oneshot::channel();
        self.submit(records, move |result| {
            // Nobody is told when the writing future was dropped.
            drop(answer.send(result));
        });
        answered.await.unwrap_or(Err(StorageError::Closed))
    }

    /// Reads durable live entries of a stream from `range.start` on, in order, from the segments:
    /// one at least if there is any, and no more than make `bytes` bytes full.
    ///
    /// Fewer come where the range goes beyond what is live and durable, none when its start does.
    /// Costs a read of every batch that holds any of them.
    ///
    /// # Errors
    ///
    /// [`StorageError::Corrupt`] when they are not what was written, [`StorageError::Io`].
    pub async fn read(
        &self,
        stream: u64,
        range: Range<u64>,
        bytes: usize,
    ) -> Result<Vec<(u64, Bytes)>, StorageError> {
        let shared = self.handle.shared.clone();
        let env = shared.env.clone();
        env.blocking(move || shared.reader.entries(&shared.ledger, stream, range, bytes)).await
    }

    /// Writes what is queued, seals the log and releases its directory.
    ///
    /// The seal lets the next opening tell a clean stop from a crash. Closing twice is fine.
    ///
    /// # Errors
    ///
    /// [`StorageError::Io`] or [`StorageError::Poisoned`] when not everything could be written.
    pub async fn close(&self) -> Result<(), StorageError> {
        let (answer, answered) = oneshot::channel();
        self.handle.shared.queue.close(Completion::new(move |result| {
            // Nobody is told when the closing future was dropped.
            drop(answer.send(result));
        }));
        answered.await.unwrap_or(Err(StorageError::Closed))
    }

    /// The streams whose live entries keep the oldest segments, when more than `segments` exist.
    /// Purge them to get down to that number.
    pub fn holders(&self, segments: usize) -> Vec<u64> {
        self.handle.shared.ledger.lock().holders(segments)
    }

    /// From which entry of a stream on those up to the last of `indexes` have no more than `limit`
    /// bytes together, as they are written; 0 if all of `indexes` have not. Entries of one batch
    /// count together, where the first of them is.
    ///
    /// Costs a step for each of those batches.
    pub fn within(&self, stream: u64, indexes: RangeInclusive<u64>, limit: u64) -> u64 {
        self.handle.shared.ledger.lock().within(stream, indexes, limit)
    }

    /// Fails when the log's disk is nearly full, so that whatever makes the data grow should be
    /// refused; the log itself goes on into the reserve. Costs a question to the system now and
    /// then.
    ///
    /// # Errors
    ///
    /// [`StorageError::DiskFull`] with the numbers, or [`StorageError::Io`].
    pub fn check_room(&self) -> Result<(), StorageError> {
        let written = self.handle.shared.stats.lock().bytes;
        self.handle.shared.headroom.check(written)
    }

    /// What the log has done since it was opened.
    pub fn stats(&self) -> WalStats {
        let shared = &self.handle.shared;
        let segments = shared.ledger.lock().segments() as u64;
        let queued_bytes = shared.queue.bytes() as u64;
        WalStats { segments, queued_bytes, ..*shared.stats.lock() }
    }
}

impl fmt::Debug for Wal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Wal").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// A directory's lock, held until dropped.
pub(crate) type DirectoryLock = Box<dyn Send + Sync>;

/// Takes the directory's lock. An owner in this process that was dropped in the middle of a write
/// lets go when that write ends, hence the patience.
pub(crate) async fn lock_directory(env: &Env, dir: &Path) -> Result<DirectoryLock, StorageError> {
    let deadline = env.instant() + LOCK_PATIENCE;
    loop {
        let (disk, directory) = (env.disk().clone(), dir.to_owned());
        let attempt = env.blocking(move || {
            disk.create_dir_all(&directory)?;
            disk.lock(&directory.join("lock"))
        });
        match attempt.await {
            Ok(lock) => return Ok(lock),
            Err(error) if error.kind() != io::ErrorKind::WouldBlock => {
                return Err(StorageError::io("lock", dir, error));
            }
            Err(_) if env.instant() >= deadline => {
                return Err(StorageError::InUse { path: dir.to_owned() });
            }
            Err(_) => env.sleep(LOCK_RETRY).await,
        }
    }
}

#[cfg(test)]
mod tests;
