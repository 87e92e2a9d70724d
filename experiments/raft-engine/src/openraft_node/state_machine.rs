//! openraft's `RaftStateMachine` over a scenario's [`Machine`].
//!
//! Left out: snapshots; the policy is to take none.

use std::io::{self, Cursor};

use openraft::storage::RaftStateMachine;
use openraft::{
    AnyError, EmptyNode, EntryPayload, LogId, OptionalSend, RaftSnapshotBuilder, Snapshot,
    SnapshotMeta, StorageError, StorageIOError, StoredMembership,
};

use super::types::{LibraryEntry, Types};
use crate::machine::Machine;
use crate::raft::Applied;

/// The machine and how far it has got.
#[derive(Clone)]
pub(super) struct StateMachine {
    machine: Machine,
    applied: Option<LogId<u64>>,
    membership: StoredMembership<u64, EmptyNode>,
}

impl StateMachine {
    pub(super) fn new(machine: Machine) -> StateMachine {
        StateMachine { machine, applied: None, membership: StoredMembership::default() }
    }
}

fn no_snapshots() -> StorageError<u64> {
    let error = io::Error::other("no scenario needs a snapshot");
    StorageIOError::write_snapshot(None, AnyError::new(&error)).into()
}

impl RaftStateMachine<Types> for StateMachine {
    type SnapshotBuilder = StateMachine;

    async fn applied_state(
        &mut self,
    ) -> Result<(Option<LogId<u64>>, StoredMembership<u64, EmptyNode>), StorageError<u64>> {
        Ok((self.applied, self.membership.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<Applied>, StorageError<u64>>
    where
        I: IntoIterator<Item = LibraryEntry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let mut answers = Vec::new();
        for entry in entries {
            self.applied = Some(entry.log_id);
            match entry.payload {
                EntryPayload::Blank => {}
                EntryPayload::Normal(command) => self.machine.apply(&command),
                EntryPayload::Membership(membership) => {
                    self.membership = StoredMembership::new(Some(entry.log_id), membership);
                }
            }
            answers.push(Applied);
        }
        Ok(answers)
    }

    async fn get_snapshot_builder(&mut self) -> StateMachine {
        self.clone()
    }

    async fn begin_receiving_snapshot(
        &mut self,
    ) -> Result<Box<Cursor<Vec<u8>>>, StorageError<u64>> {
        Err(no_snapshots())
    }

    async fn install_snapshot(
        &mut self,
        _meta: &SnapshotMeta<u64, EmptyNode>,
        _snapshot: Box<Cursor<Vec<u8>>>,
    ) -> Result<(), StorageError<u64>> {
        Err(no_snapshots())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot<Types>>, StorageError<u64>> {
        Ok(None)
    }
}

impl RaftSnapshotBuilder<Types> for StateMachine {
    async fn build_snapshot(&mut self) -> Result<Snapshot<Types>, StorageError<u64>> {
        Err(no_snapshots())
    }
}
