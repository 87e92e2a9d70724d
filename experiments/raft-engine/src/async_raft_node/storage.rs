//! async-raft's `RaftStorage` in memory, written by the letter of the trait's documentation.
//!
//! Every method does what its contract says and nothing more: entries are written where their index
//! says, ranges are half open, the membership is the newest in the log.
//!
//! Invariant: whatever goes wrong in a scenario was asked for by the library.
//!
//! Left out: snapshots. The logs are short and the default policy takes one after 5,000 entries.

use std::collections::BTreeMap;
use std::io::Cursor;

use anyhow::{Result, bail};
use async_raft::RaftStorage;
use async_raft::raft::{
    Entry as LibraryEntry, EntryConfigChange, EntryNormal, EntryPayload, MembershipConfig,
};
use async_raft::storage::{CurrentSnapshotData, HardState, InitialState};
use async_trait::async_trait;
use parking_lot::Mutex;

use crate::machine::Machine;
use crate::raft::{Applied, Command, Disk, Entry, MEMBERS, Payload, at};

struct State {
    vote: HardState,
    log: BTreeMap<u64, LibraryEntry<Command>>,
    applied: u64,
}

/// One node's disk and state machine.
pub(super) struct Storage {
    id: u64,
    state: Mutex<State>,
    machine: Machine,
}

fn members() -> MembershipConfig {
    MembershipConfig { members: MEMBERS.into_iter().collect(), members_after_consensus: None }
}

/// An entry in the library's form.
pub(super) fn to_library(entry: &Entry) -> LibraryEntry<Command> {
    let payload = match &entry.payload {
        Payload::Members => EntryPayload::ConfigChange(EntryConfigChange { membership: members() }),
        Payload::Blank => EntryPayload::Blank,
        Payload::Command(command) => EntryPayload::Normal(EntryNormal { data: command.clone() }),
    };
    LibraryEntry { term: entry.position.term, index: entry.position.index, payload }
}

fn from_library(entry: &LibraryEntry<Command>) -> Entry {
    let payload = match &entry.payload {
        EntryPayload::ConfigChange(_) | EntryPayload::SnapshotPointer(_) => Payload::Members,
        EntryPayload::Blank => Payload::Blank,
        EntryPayload::Normal(normal) => Payload::Command(normal.data.clone()),
    };
    Entry { position: at(entry.term, entry.index), payload }
}

impl Storage {
    pub(super) fn new(id: u64, disk: &Disk) -> Storage {
        let log = disk.log.iter().map(|entry| (entry.position.index, to_library(entry))).collect();
        let vote = HardState { current_term: disk.term, voted_for: Some(disk.voted_for) };
        let state = State { vote, log, applied: 0 };
        Storage { id, state: Mutex::new(state), machine: Machine::new() }
    }

    pub(super) fn term(&self) -> u64 {
        self.state.lock().vote.current_term
    }

    pub(super) fn log(&self) -> Vec<Entry> {
        self.state.lock().log.values().map(from_library).collect()
    }

    pub(super) fn machine(&self) -> &Machine {
        &self.machine
    }

    fn apply(&self, index: u64, command: &Command) {
        self.state.lock().applied = index;
        self.machine.apply(command);
    }
}

impl State {
    fn membership(&self, id: u64) -> MembershipConfig {
        let newest = self.log.values().rev().find_map(|entry| match &entry.payload {
            EntryPayload::ConfigChange(change) => Some(change.membership.clone()),
            EntryPayload::SnapshotPointer(pointer) => Some(pointer.membership.clone()),
            EntryPayload::Blank | EntryPayload::Normal(_) => None,
        });
        newest.unwrap_or_else(|| MembershipConfig::new_initial(id))
    }
}

#[async_trait]
impl RaftStorage<Command, Applied> for Storage {
    type Snapshot = Cursor<Vec<u8>>;
    type ShutdownError = std::convert::Infallible;

    async fn get_membership_config(&self) -> Result<MembershipConfig> {
        Ok(self.state.lock().membership(self.id))
    }

    async fn get_initial_state(&self) -> Result<InitialState> {
        let state = self.state.lock();
        let (index, term) =
            state.log.last_key_value().map_or((0, 0), |(index, entry)| (*index, entry.term));
        Ok(InitialState {
            last_log_index: index,
            last_log_term: term,
            last_applied_log: state.applied,
            hard_state: state.vote.clone(),
            membership: state.membership(self.id),
        })
    }

    async fn save_hard_state(&self, hard_state: &HardState) -> Result<()> {
        self.state.lock().vote = hard_state.clone();
        Ok(())
    }

    async fn get_log_entries(&self, start: u64, stop: u64) -> Result<Vec<LibraryEntry<Command>>> {
        // The library asks for ranges that end before they begin, and means nothing by them.
        let stop = stop.max(start);
        Ok(self.state.lock().log.range(start..stop).map(|(_, entry)| entry.clone()).collect())
    }

    async fn delete_logs_from(&self, start: u64, stop: Option<u64>) -> Result<()> {
        let beyond = stop.unwrap_or(u64::MAX);
        self.state.lock().log.retain(|index, _| *index < start || *index >= beyond);
        Ok(())
    }

    async fn append_entry_to_log(&self, entry: &LibraryEntry<Command>) -> Result<()> {
        self.state.lock().log.insert(entry.index, entry.clone());
        Ok(())
    }

    async fn replicate_to_log(&self, entries: &[LibraryEntry<Command>]) -> Result<()> {
        let mut state = self.state.lock();
        state.log.extend(entries.iter().map(|entry| (entry.index, entry.clone())));
        Ok(())
    }

    async fn apply_entry_to_state_machine(&self, index: &u64, data: &Command) -> Result<Applied> {
        self.apply(*index, data);
        Ok(Applied)
    }

    async fn replicate_to_state_machine(&self, entries: &[(&u64, &Command)]) -> Result<()> {
        for (index, command) in entries {
            self.apply(**index, command);
        }
        Ok(())
    }

    async fn do_log_compaction(&self) -> Result<CurrentSnapshotData<Self::Snapshot>> {
        bail!("no scenario needs a snapshot")
    }

    async fn create_snapshot(&self) -> Result<(String, Box<Self::Snapshot>)> {
        bail!("no scenario needs a snapshot")
    }

    async fn finalize_snapshot_installation(
        &self,
        _index: u64,
        _term: u64,
        _delete_through: Option<u64>,
        _id: String,
        _snapshot: Box<Self::Snapshot>,
    ) -> Result<()> {
        bail!("no scenario needs a snapshot")
    }

    async fn get_current_snapshot(&self) -> Result<Option<CurrentSnapshotData<Self::Snapshot>>> {
        Ok(None)
    }
}
