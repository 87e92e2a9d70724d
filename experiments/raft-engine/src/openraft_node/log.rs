//! openraft's `RaftLogStorage` in memory.
//!
//! Invariant: an append is complete when `append` returns, so its callback fires at once; what the
//! log holds is what a durable log would hold.
//!
//! Left out: purging, which only follows a snapshot.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::ops::RangeBounds;
use std::sync::Arc;

use openraft::storage::{LogFlushed, RaftLogStorage};
use openraft::{LogId, LogState, OptionalSend, RaftLogReader, StorageError, Vote};
use parking_lot::Mutex;

use super::types::{LibraryEntry, Types, first_entry, from_library, to_library};
use crate::raft::{Disk, Entry};

struct Log {
    vote: Vote<u64>,
    entries: BTreeMap<u64, LibraryEntry>,
}

/// One node's log.
#[derive(Clone)]
pub(super) struct LogStore(Arc<Mutex<Log>>);

impl LogStore {
    pub(super) fn new(disk: &Disk) -> LogStore {
        let entries = [first_entry()].into_iter().chain(disk.log.iter().map(to_library));
        LogStore(Arc::new(Mutex::new(Log {
            vote: Vote::new(disk.term, disk.voted_for),
            entries: entries.map(|entry| (entry.log_id.index, entry)).collect(),
        })))
    }

    /// The log from index 1 on.
    pub(super) fn entries(&self) -> Vec<Entry> {
        self.0.lock().entries.range(1..).map(|(_, entry)| from_library(entry)).collect()
    }
}

impl RaftLogReader<Types> for LogStore {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<LibraryEntry>, StorageError<u64>> {
        Ok(self.0.lock().entries.range(range).map(|(_, entry)| entry.clone()).collect())
    }
}

impl RaftLogStorage<Types> for LogStore {
    type LogReader = LogStore;

    async fn get_log_state(&mut self) -> Result<LogState<Types>, StorageError<u64>> {
        let log = self.0.lock();
        let last_log_id = log.entries.last_key_value().map(|(_, entry)| entry.log_id);
        Ok(LogState { last_purged_log_id: None, last_log_id })
    }

    async fn get_log_reader(&mut self) -> LogStore {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote<u64>) -> Result<(), StorageError<u64>> {
        self.0.lock().vote = *vote;
        Ok(())
    }

    async fn read_vote(&mut self) -> Result<Option<Vote<u64>>, StorageError<u64>> {
        Ok(Some(self.0.lock().vote))
    }

    async fn append<I>(
        &mut self,
        entries: I,
        callback: LogFlushed<Types>,
    ) -> Result<(), StorageError<u64>>
    where
        I: IntoIterator<Item = LibraryEntry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        {
            let mut log = self.0.lock();
            log.entries.extend(entries.into_iter().map(|entry| (entry.log_id.index, entry)));
        }
        callback.log_io_completed(Ok(()));
        Ok(())
    }

    async fn truncate(&mut self, log_id: LogId<u64>) -> Result<(), StorageError<u64>> {
        self.0.lock().entries.split_off(&log_id.index);
        Ok(())
    }

    async fn purge(&mut self, log_id: LogId<u64>) -> Result<(), StorageError<u64>> {
        unreachable!("no scenario takes a snapshot, but the log is purged up to {log_id}")
    }
}
