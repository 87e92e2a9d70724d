//! The requests and replies that masters and shards understand.
//!
//! Both ends encode them with `codec::frame`, so a damaged or foreign message is an error, never
//! a wrong answer. A [`Reply`] says one of three things: done, ask the leader instead, or failed.
//!
//! Left out: Raft's own messages, which only `raft` reads.

mod index;
mod introduction;
mod lock;
mod master;
mod shard;

pub use index::IndexDefinition;
pub use introduction::{Introduction, Stage};
pub use lock::{LockClaim, LockInfo, LockLease, LockRequest, LockResponse};
pub use master::{
    DatabaseInfo, DatabaseState, Heartbeat, HeartbeatReply, MasterInfo, MasterRequest,
    MasterResponse, ShardInfo, ShardLoad, WorkerInfo, WorkerStatus, WorkerTraits,
};
pub use shard::{
    After, Among, GroupPage, GroupQuery, IndexState, IndexStatus, Order, Page, Query, Row,
    Selection, ShardRequest, ShardResponse, ShardStats, SkippedDocuments, WriteOp, WriteReceipt,
    Written,
};

use serde::{Deserialize, Serialize};

use crate::types::{Address, Error};

/// The answer to a request that only a group's leader can serve.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Reply<T> {
    /// The answer.
    Done(T),
    /// This node does not lead the group and did nothing; the leader, as far as it knows.
    NotLeader(Option<Address>),
    /// This node does not hold the group (yet, or any more) and did nothing: fetch the map again.
    NotHere,
    /// The request failed for good; the error says what became of it.
    Failed(Error),
}
