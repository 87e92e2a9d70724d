//! One group's Raft log, made durable by the process's write-ahead log.
//!
//! The engine appends here; the records join the next batch of the shared log, and the engine's
//! callback fires when that batch is durable. Truncations, purges and votes go through the same
//! queue, so their order on disk is the order of the calls.
//!
//! ```text
//! purged | live, in the segments only ............ | tail, in memory too .... last |
//!                                                  ^ grows from here to the right, cut to a bound
//! ```
//! The newest entries are in memory, as many as fit into a bound: followers that keep up and the
//! applier find them there. What a follower that lags needs is read back from the segments, a
//! message at a time.
//!
//! Invariants:
//! 1. Entries are consecutive: the first follows `purged`, and appending follows the last.
//! 2. A vote is answered only when it is durable; an entry is acknowledged only then.
//! 3. An entry is purged only when no checkpoint that recovery could choose needs it, whatever the
//!    engine asks for ([`LogStore::allow_purge`]).
//! 4. The commit index is queued without waiting: it joins whatever is written next, and a
//!    restarted replica serves no read before its leader has confirmed a later one.
//! 5. An entry leaves the tail only when it is durable, so that the segments have it.
//!
//! Left out: bounding what the engine asks for at once when it applies entries after a restart.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::ops::{Bound, Range, RangeBounds};
use std::sync::Arc;

use bytes::Bytes;
use openraft::storage::{LogFlushed, RaftLogStorage};
use openraft::{AnyError, LogState, OptionalSend, RaftLogReader, StorageIOError};
use parking_lot::Mutex;

use super::engine::{Engine, EngineError, Entry, EntrySize, LogId, Vote};
use crate::codec::frame;
use crate::storage::{Record, RecoveredStream, StorageError, Wal};
use crate::types::{GroupId, LogIndex};

const VOTE_SLOT: u8 = 0;
const COMMITTED_SLOT: u8 = 1;
/// The replica's number, where it is not its node's own (see `log_home`).
pub(super) const REPLICA_SLOT: u8 = 2;

#[derive(Debug, Default)]
struct Log {
    vote: Option<Vote>,
    committed: Option<LogId>,
    purged: Option<LogId>,
    /// Up to where the engine wants the log to be purged.
    unwanted: Option<LogId>,
    /// Up to where no checkpoint needs the log any more.
    unneeded: Option<LogId>,
    /// The last entry, or what was purged last.
    last: Option<LogId>,
    /// The newest entries; all of them, or those down to one that is durable.
    tail: BTreeMap<u64, Entry>,
    tail_bytes: usize,
    /// Entries below this index are durable.
    durable: u64,
}

/// The bounds of a group's log, in bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LogBounds {
    /// Of the entries in one message to a follower.
    pub(crate) message: usize,
    /// Of the entries in memory.
    pub(crate) tail: usize,
}

/// The log of one group.
#[derive(Clone, Debug)]
pub(crate) struct LogStore {
    stream: u64,
    wal: Wal,
    log: Arc<Mutex<Log>>,
    bounds: LogBounds,
}

impl LogStore {
    /// Rebuilds the log of `group` from its recovered records, which are not trusted.
    pub(crate) fn new(
        group: GroupId,
        wal: Wal,
        recovered: &RecoveredStream,
        bounds: LogBounds,
    ) -> Result<LogStore, frame::FrameError> {
        let mut log = Log::default();
        if let Some(bytes) = recovered.slots.get(&VOTE_SLOT) {
            log.vote = Some(frame::decode(bytes)?);
        }
        if let Some(bytes) = recovered.slots.get(&COMMITTED_SLOT) {
            log.committed = Some(frame::decode(bytes)?);
        }
        if let Some((_, note)) = &recovered.floor {
            log.purged = Some(frame::decode(note)?);
        }
        log.last = log.purged;
        for (index, payload) in &recovered.entries {
            log.push(frame::decode(payload)?);
            log.durable = index + 1;
            log.cut(bounds.tail);
        }
        // The commit index was queued lazily: entries it covers may have been cut with a torn
        // batch only if they were never acknowledged, and purged ones are committed anyway.
        let last = log.last;
        log.committed = log.committed.filter(|_| last.is_some()).min(last).max(log.purged);
        Ok(LogStore { stream: group.0, wal, log: Arc::new(Mutex::new(log)), bounds })
    }

    /// The index of the last entry, purged ones counted.
    pub(crate) fn last_index(&self) -> Option<u64> {
        self.log.lock().last.map(|last| last.index)
    }

    /// From which one on the `count` entries up to `last` have no more than `limit` bytes together;
    /// 0 if all of them have not.
    pub(crate) fn within(&self, last: LogIndex, count: u64, limit: u64) -> LogIndex {
        let indexes = last.0.saturating_sub(count.saturating_sub(1))..=last.0;
        LogIndex(self.wal.within(self.stream, indexes, limit))
    }

    /// Says that every checkpoint that recovery could choose reaches to `applied` at least.
    ///
    /// What the engine wanted purged before, and what had to stay for a checkpoint's sake, goes now.
    pub(crate) fn allow_purge(&self, applied: Option<LogId>) -> Result<(), StorageError> {
        self.log.lock().unneeded = applied;
        self.purge_unneeded()
    }

    /// Purges what neither the engine nor a checkpoint needs.
    fn purge_unneeded(&self) -> Result<(), StorageError> {
        let through = {
            let mut log = self.log.lock();
            let Some(through) = log.unwanted.min(log.unneeded) else { return Ok(()) };
            if Some(through) <= log.purged {
                return Ok(());
            }
            let kept = log.tail.split_off(&(through.index + 1));
            log.keep(kept);
            log.purged = Some(through);
            log.last = log.last.max(log.purged);
            through
        };
        // A purge that is lost with the power only leaves more to replay.
        let note = frame::encode(&through);
        let purge = Record::Purge { stream: self.stream, through: through.index, note };
        self.wal.submit_lazy(vec![purge])
    }

    fn slot(&self, slot: u8, payload: Bytes) -> Vec<Record> {
        vec![Record::Slot { stream: self.stream, slot, payload }]
    }

    /// Live entries of a range, until they have `limit` bytes; one at least if there is any.
    async fn entries(&self, range: Range<u64>, limit: usize) -> Result<Vec<Entry>, EngineError> {
        let (mut entries, mut bytes, mut next) = (Vec::new(), 0, range.start);
        loop {
            let older = {
                let log = self.log.lock();
                let tail = log.tail_start();
                // A purge may be known here before the segments hear of it.
                next = next.max(log.purged.map_or(0, |purged| purged.index + 1));
                if next >= tail {
                    let tail = log.tail.range(next..range.end.max(next));
                    let tail = tail.map(|(_, entry)| entry.clone());
                    take_until(&mut entries, &mut bytes, limit, tail);
                    return Ok(entries);
                }
                next..tail.min(range.end)
            };
            if older.is_empty() || bytes >= limit {
                return Ok(entries);
            }
            let read = self.wal.read(self.stream, older, limit - bytes).await;
            let read = read.map_err(|error| read_failed(&error))?;
            if read.is_empty() {
                return Ok(entries);
            }
            for (index, payload) in read {
                let entry: Entry = frame::decode(&payload).map_err(|error| read_failed(&error))?;
                take_until(&mut entries, &mut bytes, limit, [entry]);
                if bytes > limit {
                    return Ok(entries);
                }
                next = index + 1;
            }
        }
    }
}

/// Takes more entries as long as all stay within `limit` bytes; one at least.
fn take_until(
    entries: &mut Vec<Entry>,
    bytes: &mut usize,
    limit: usize,
    more: impl IntoIterator<Item = Entry>,
) {
    for entry in more {
        *bytes = bytes.saturating_add(entry.size_bytes());
        if *bytes > limit && !entries.is_empty() {
            break;
        }
        entries.push(entry);
    }
}

impl Log {
    /// From which index on entries are in memory, if there are any.
    fn tail_start(&self) -> u64 {
        let next = self.last.map_or(0, |last| last.index + 1);
        self.tail.first_key_value().map_or(next, |(first, _)| *first)
    }

    fn push(&mut self, entry: Entry) {
        self.last = Some(entry.log_id);
        self.tail_bytes += entry.size_bytes();
        self.tail.insert(entry.log_id.index, entry);
    }

    /// Drops the oldest durable entries of the tail until it has no more than `limit` bytes.
    fn cut(&mut self, limit: usize) {
        while self.tail_bytes > limit {
            let durable = self.durable;
            let Some(oldest) = self.tail.first_entry().filter(|oldest| *oldest.key() < durable)
            else {
                break;
            };
            self.tail_bytes -= oldest.remove().size_bytes();
        }
    }

    /// Keeps a part of the tail.
    fn keep(&mut self, tail: BTreeMap<u64, Entry>) {
        self.tail_bytes = tail.values().map(EntrySize::size_bytes).sum();
        self.tail = tail;
    }
}

fn read_failed(error: &(impl std::error::Error + 'static)) -> EngineError {
    StorageIOError::read_logs(AnyError::new(error)).into()
}

fn write_failed(error: &StorageError) -> EngineError {
    StorageIOError::write_logs(AnyError::new(error)).into()
}

impl RaftLogReader<Engine> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, EngineError> {
        let start = match range.start_bound() {
            Bound::Included(start) => *start,
            Bound::Excluded(start) => start.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(end) => end.saturating_add(1),
            Bound::Excluded(end) => *end,
            Bound::Unbounded => u64::MAX,
        };
        self.entries(start..end, usize::MAX).await
    }

    async fn limited_get_log_entries(
        &mut self,
        start: u64,
        end: u64,
    ) -> Result<Vec<Entry>, EngineError> {
        self.entries(start..end, self.bounds.message).await
    }
}

impl RaftLogStorage<Engine> for LogStore {
    type LogReader = LogStore;

    async fn get_log_state(&mut self) -> Result<LogState<Engine>, EngineError> {
        let log = self.log.lock();
        Ok(LogState { last_purged_log_id: log.purged, last_log_id: log.last })
    }

    async fn get_log_reader(&mut self) -> LogStore {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote) -> Result<(), EngineError> {
        let records = self.slot(VOTE_SLOT, frame::encode(vote));
        self.wal
            .write(records)
            .await
            .map_err(|error| StorageIOError::write_vote(AnyError::new(&error)))?;
        self.log.lock().vote = Some(*vote);
        Ok(())
    }

    async fn read_vote(&mut self) -> Result<Option<Vote>, EngineError> {
        Ok(self.log.lock().vote)
    }

    async fn save_committed(&mut self, committed: Option<LogId>) -> Result<(), EngineError> {
        if let Some(committed) = committed {
            self.wal
                .submit_lazy(self.slot(COMMITTED_SLOT, frame::encode(&committed)))
                .map_err(|error| write_failed(&error))?;
        }
        self.log.lock().committed = committed;
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId>, EngineError> {
        Ok(self.log.lock().committed)
    }

    async fn append<I>(
        &mut self,
        entries: I,
        callback: LogFlushed<Engine>,
    ) -> Result<(), EngineError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let (mut records, mut next) = (Vec::new(), 0);
        {
            let mut log = self.log.lock();
            for entry in entries {
                let index = entry.log_id.index;
                let payload = frame::encode(&entry);
                records.push(Record::Append { stream: self.stream, index, payload });
                next = index + 1;
                log.push(entry);
            }
        }
        let (log, limit) = (self.log.clone(), self.bounds.tail);
        self.wal.submit(records, move |result| {
            if result.is_ok() {
                let mut log = log.lock();
                log.durable = log.durable.max(next);
                log.cut(limit);
            }
            callback.log_io_completed(result.map_err(|error| io::Error::other(error.to_string())));
        });
        Ok(())
    }

    async fn truncate(&mut self, log_id: LogId) -> Result<(), EngineError> {
        // What is before comes from the tail, from the segments, or was purged.
        let before = match log_id.index.checked_sub(1) {
            Some(before) => self.entries(before..log_id.index, usize::MAX).await?.pop(),
            None => None,
        };
        {
            let mut log = self.log.lock();
            log.tail.split_off(&log_id.index);
            let kept = std::mem::take(&mut log.tail);
            log.keep(kept);
            log.last = before.map(|entry| entry.log_id).or(log.purged);
        }
        let record = Record::Truncate { stream: self.stream, from: log_id.index };
        self.wal.write(vec![record]).await.map_err(|error| write_failed(&error))?;
        // Whatever was appended before the truncation has been written by now.
        let mut log = self.log.lock();
        log.durable = log.durable.min(log_id.index);
        Ok(())
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), EngineError> {
        {
            let mut log = self.log.lock();
            log.unwanted = log.unwanted.max(Some(log_id));
        }
        self.purge_unneeded().map_err(|error| write_failed(&error))
    }
}

#[cfg(test)]
mod tests;
