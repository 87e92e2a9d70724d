//! What the replicas of a group say to each other.
//!
//! Every message is one frame in the body of a transport message, so a damaged one is an error of
//! that call and nothing else.
//!
//! Left out: the meaning of votes and entries, which is the engine's.

use bytes::Bytes;
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, VoteRequest, VoteResponse};
use serde::{Deserialize, Serialize};

use super::engine::{Engine, SnapshotMeta, Vote};
use crate::types::NodeId;

/// A request to one certain replica. A node that held another replica of the group before must not
/// answer for that one.
#[derive(Serialize, Deserialize)]
pub(crate) struct RaftMessage {
    pub(crate) to: NodeId,
    pub(crate) request: RaftRequest,
}

/// A request between replicas.
#[derive(Serialize, Deserialize)]
pub(crate) enum RaftRequest {
    /// Entries, or a heartbeat without any.
    Append(AppendEntriesRequest<Engine>),
    /// A candidate asks for a vote.
    Vote(VoteRequest<NodeId>),
    /// The next part of a snapshot.
    Chunk(Chunk),
}

/// The answer to a [`RaftRequest`].
#[derive(Serialize, Deserialize)]
pub(crate) enum RaftReply {
    Append(AppendEntriesResponse<NodeId>),
    Vote(VoteResponse<NodeId>),
    Chunk(ChunkReply),
    /// The replica cannot answer: it is stopping, failed, or does not exist here.
    Refused(String),
}

/// A part of a snapshot file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Chunk {
    /// The leader's vote; a stale leader's snapshot is not installed.
    pub(crate) vote: Vote,
    /// Which snapshot this is a part of.
    pub(crate) meta: SnapshotMeta,
    /// Names this sending of it.
    pub(crate) transfer: u64,
    /// Where in the file the part belongs, in bytes.
    pub(crate) offset: u64,
    /// The length of the whole file.
    pub(crate) total: u64,
    /// The bytes.
    pub(crate) bytes: Bytes,
}

/// What a follower says to a [`Chunk`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) enum ChunkReply {
    /// It has so many bytes of this transfer and wants the next from there.
    Wants(u64),
    /// The snapshot is complete and installed, or not needed; the follower's vote.
    Installed(Vote),
    /// It could not be taken; start over or give up.
    Failed(String),
}

/// The reply of a node that does not hold the group it was asked about.
pub fn refuse(reason: &str) -> Bytes {
    crate::codec::frame::encode(&RaftReply::Refused(reason.to_owned()))
}
