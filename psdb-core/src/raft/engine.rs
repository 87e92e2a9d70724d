//! The Raft library's types, bound to ours in one place.
//!
//! A log entry's payload is a [`Batch`] of opaque commands: one entry, one flush and one quorum
//! round serve every request that waited. The engine never sees a database's types, so the same
//! engine serves the metadata group and every shard.
//!
//! Left out: what commands mean (`applier` decodes them for its state machine).

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::runtime::SeededRuntime;
use super::snapshot::SnapshotBody;
use crate::types::{Address, NodeId, RequestId, Timestamp};

/// One request inside a batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Request {
    /// Makes a retry apply once; absent for commands that may be applied twice.
    pub(crate) id: Option<RequestId>,
    /// The framed command.
    pub(crate) command: Bytes,
}

/// The payload of one log entry.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Batch {
    /// The proposer's clock.
    pub(crate) time: Timestamp,
    /// Shared, because the engine clones entries on their way to every follower.
    pub(crate) requests: Arc<[Request]>,
}

/// What became of one request of a batch.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// The framed response, new or remembered.
    Applied(Bytes),
    /// The session no longer knows; nothing was applied now.
    Evicted(crate::types::LogIndex),
}

/// The answers of a batch, in its order.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Answers(pub(crate) Vec<Answer>);

/// A member of a group: where it is reached.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Member {
    address: String,
}

impl Member {
    pub(crate) fn new(address: &Address) -> Member {
        Member { address: address.as_str().to_owned() }
    }

    pub(crate) fn address(&self) -> Address {
        Address::new(self.address.as_str())
    }
}

impl fmt::Display for Member {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.address)
    }
}

openraft::declare_raft_types!(
    /// The engine's configuration.
    pub(crate) Engine:
        D = Batch,
        R = Answers,
        NodeId = NodeId,
        Node = Member,
        Entry = openraft::Entry<Engine>,
        SnapshotData = SnapshotBody,
        AsyncRuntime = SeededRuntime,
);

pub(crate) type Raft = openraft::Raft<Engine>;
pub(crate) type Entry = openraft::Entry<Engine>;
pub(crate) type LogId = openraft::LogId<NodeId>;
pub(crate) type Vote = openraft::Vote<NodeId>;
pub(crate) type Membership = openraft::StoredMembership<NodeId, Member>;
pub(crate) type SnapshotMeta = openraft::SnapshotMeta<NodeId, Member>;
pub(crate) type Snapshot = openraft::Snapshot<Engine>;
pub(crate) type EngineError = openraft::StorageError<NodeId>;

/// How many bytes an entry weighs in a message.
pub(crate) trait EntrySize {
    fn size_bytes(&self) -> usize;
}

impl EntrySize for Entry {
    fn size_bytes(&self) -> usize {
        const OVERHEAD: usize = 64;
        match &self.payload {
            openraft::EntryPayload::Normal(batch) => {
                batch.requests.iter().map(|request| request.command.len() + OVERHEAD).sum()
            }
            openraft::EntryPayload::Blank | openraft::EntryPayload::Membership(_) => OVERHEAD,
        }
    }
}
