//! openraft's types, bound to the scenarios' words, and the way between the two.

use std::collections::BTreeSet;
use std::io::Cursor;

use openraft::{CommittedLeaderId, EmptyNode, EntryPayload, LogId, Membership};

use crate::raft::{Applied, Command, Entry, MEMBERS, Payload, Position, at};

openraft::declare_raft_types!(
    pub(super) Types:
        D = Command,
        R = Applied,
        NodeId = u64,
        Node = EmptyNode,
        Entry = openraft::Entry<Types>,
        SnapshotData = Cursor<Vec<u8>>,
        AsyncRuntime = openraft::TokioRuntime,
);

pub(super) type LibraryEntry = openraft::Entry<Types>;

/// A place in the log, in the library's form. With `single-term-leader` a term has one leader, so
/// the leader's id is the term alone.
pub(super) fn log_id(position: Position) -> LogId<u64> {
    LogId::new(CommittedLeaderId::new(position.term, 0), position.index)
}

fn members() -> Membership<u64, EmptyNode> {
    let voters: BTreeSet<u64> = MEMBERS.into_iter().collect();
    Membership::new(vec![voters], None)
}

/// The entry that `initialize` writes, at index 0 and in term 0.
pub(super) fn first_entry() -> LibraryEntry {
    LibraryEntry { log_id: log_id(at(0, 0)), payload: EntryPayload::Membership(members()) }
}

/// An entry in the library's form.
pub(super) fn to_library(entry: &Entry) -> LibraryEntry {
    let payload = match &entry.payload {
        Payload::Members => EntryPayload::Membership(members()),
        Payload::Blank => EntryPayload::Blank,
        Payload::Command(command) => EntryPayload::Normal(command.clone()),
    };
    LibraryEntry { log_id: log_id(entry.position), payload }
}

/// An entry in the scenarios' form.
pub(super) fn from_library(entry: &LibraryEntry) -> Entry {
    let payload = match &entry.payload {
        EntryPayload::Membership(_) => Payload::Members,
        EntryPayload::Blank => Payload::Blank,
        EntryPayload::Normal(command) => Payload::Command(command.clone()),
    };
    Entry { position: at(entry.log_id.leader_id.term, entry.log_id.index), payload }
}
