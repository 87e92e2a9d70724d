//! One group's Raft log: entries in memory, made durable by the process's write-ahead log.
//!
//! The engine appends here; the records join the next batch of the shared log, and the engine's
//! callback fires when that batch is durable. Truncations, purges and votes go through the same
//! queue, so their order on disk is the order of the calls. Live entries stay in memory, bounded
//! by compaction; reading for a slow follower touches no disk.
//!
//! Invariants:
//! 1. Entries are consecutive: the first follows `purged`, and appending follows the last.
//! 2. A vote is answered only when it is durable; an entry is acknowledged only then.
//! 3. An entry is purged only when no checkpoint that recovery could choose needs it, whatever the
//!    engine asks for ([`LogStore::allow_purge`]).
//! 4. The commit index is queued without waiting: it joins whatever is written next, and a
//!    restarted replica serves no read before its leader has confirmed a later one.
//!
//! Left out: reading entries back from disk (the storage issue's concern).

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::io;
use std::ops::RangeBounds;
use std::sync::Arc;

use bytes::Bytes;
use openraft::storage::{LogFlushed, RaftLogStorage};
use openraft::{AnyError, LogState, OptionalSend, RaftLogReader, StorageIOError};
use parking_lot::Mutex;

use super::engine::{Engine, EngineError, Entry, EntrySize, LogId, Vote};
use crate::codec::frame;
use crate::storage::{Record, RecoveredStream, StorageError, Wal};
use crate::types::GroupId;

const VOTE_SLOT: u8 = 0;
const COMMITTED_SLOT: u8 = 1;
/// The replica's number, where it is not its node's own (see `log_home`).
pub(super) const REPLICA_SLOT: u8 = 2;

#[derive(Debug, Default)]
struct Log {
    vote: Option<Vote>,
    committed: Option<LogId>,
    purged: Option<LogId>,
    entries: BTreeMap<u64, Entry>,
    /// Up to where the engine wants the log to be purged.
    unwanted: Option<LogId>,
    /// Up to where no checkpoint needs the log any more.
    unneeded: Option<LogId>,
}

/// The log of one group.
#[derive(Clone, Debug)]
pub(crate) struct LogStore {
    stream: u64,
    wal: Wal,
    log: Arc<Mutex<Log>>,
    message_bytes: usize,
}

impl LogStore {
    /// Rebuilds the log of `group` from its recovered records, which are not trusted.
    pub(crate) fn new(
        group: GroupId,
        wal: Wal,
        recovered: &RecoveredStream,
        message_bytes: usize,
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
        for (index, payload) in &recovered.entries {
            log.entries.insert(*index, frame::decode(payload)?);
        }
        // The commit index was queued lazily: entries it covers may have been cut with a torn
        // batch only if they were never acknowledged, and purged ones are committed anyway.
        let last = log.last();
        log.committed = log.committed.filter(|_| last.is_some()).min(last).max(log.purged);
        Ok(LogStore { stream: group.0, wal, log: Arc::new(Mutex::new(log)), message_bytes })
    }

    /// The index of the last entry, purged ones counted.
    pub(crate) fn last_index(&self) -> Option<u64> {
        self.log.lock().last().map(|last| last.index)
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
            let kept = log.entries.split_off(&(through.index + 1));
            log.entries = kept;
            log.purged = Some(through);
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
}

impl Log {
    fn last(&self) -> Option<LogId> {
        self.entries.last_key_value().map(|(_, entry)| entry.log_id).or(self.purged)
    }
}

fn write_failed(error: &StorageError) -> EngineError {
    StorageIOError::write_logs(AnyError::new(error)).into()
}

impl RaftLogReader<Engine> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<Entry>, EngineError> {
        Ok(self.log.lock().entries.range(range).map(|(_, entry)| entry.clone()).collect())
    }

    async fn limited_get_log_entries(
        &mut self,
        start: u64,
        end: u64,
    ) -> Result<Vec<Entry>, EngineError> {
        let log = self.log.lock();
        let mut bytes = 0;
        let mut entries = Vec::new();
        for entry in log.entries.range(start..end).map(|(_, entry)| entry) {
            bytes += entry.size_bytes();
            if bytes > self.message_bytes && !entries.is_empty() {
                break;
            }
            entries.push(entry.clone());
        }
        Ok(entries)
    }
}

impl RaftLogStorage<Engine> for LogStore {
    type LogReader = LogStore;

    async fn get_log_state(&mut self) -> Result<LogState<Engine>, EngineError> {
        let log = self.log.lock();
        Ok(LogState { last_purged_log_id: log.purged, last_log_id: log.last() })
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
        let mut records = Vec::new();
        {
            let mut log = self.log.lock();
            for entry in entries {
                let index = entry.log_id.index;
                let payload = frame::encode(&entry);
                records.push(Record::Append { stream: self.stream, index, payload });
                log.entries.insert(index, entry);
            }
        }
        self.wal.submit(records, move |result| {
            callback.log_io_completed(result.map_err(|error| io::Error::other(error.to_string())));
        });
        Ok(())
    }

    async fn truncate(&mut self, log_id: LogId) -> Result<(), EngineError> {
        self.log.lock().entries.split_off(&log_id.index);
        let record = Record::Truncate { stream: self.stream, from: log_id.index };
        self.wal.write(vec![record]).await.map_err(|error| write_failed(&error))
    }

    async fn purge(&mut self, log_id: LogId) -> Result<(), EngineError> {
        {
            let mut log = self.log.lock();
            log.unwanted = log.unwanted.max(Some(log_id));
        }
        self.purge_unneeded().map_err(|error| write_failed(&error))
    }
}
