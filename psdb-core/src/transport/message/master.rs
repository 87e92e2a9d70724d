//! What clients and workers ask of the masters.
//!
//! Left out: how masters decide (`master`) and what they remember (`metadata`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::IndexDefinition;
use super::introduction::{Introduction, Stage};
use super::lock::{LockRequest, LockResponse};
use crate::codec::PageKey;
use crate::sharding::{RingSpec, ShardMap};
use crate::types::{
    Address, DatabaseId, Epoch, IndexName, LogIndex, NodeId, RequestId, ShardId, Term,
};

/// Where a database stands in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum DatabaseState {
    /// Its shards are being opened.
    Creating,
    /// It serves.
    Ready,
    /// Its documents are being removed; it serves again afterwards.
    Clearing,
    /// It is being removed for ever.
    Deleting,
}

/// All that routing to a database needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DatabaseInfo {
    /// Its name.
    pub name: String,
    /// Its id, never reused.
    pub id: DatabaseId,
    /// Where it stands.
    pub state: DatabaseState,
    /// The shards its documents spread over.
    pub shards: Vec<ShardId>,
    /// The parameters of the ring that spreads them.
    pub ring: RingSpec,
    /// Its secondary indexes.
    pub indexes: Vec<IndexDefinition>,
    /// Whether queries that would look at every document are refused.
    pub deny_full_scan: bool,
}

/// A worker's health, as the masters judge it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum WorkerStatus {
    /// Its heartbeats arrive.
    Alive,
    /// No heartbeat for 3 s.
    Suspect,
    /// No heartbeat for 10 s.
    Dead,
}

impl WorkerStatus {
    /// The name used in scripts: `alive`, `suspect` or `dead`.
    pub fn as_str(self) -> &'static str {
        match self {
            WorkerStatus::Alive => "alive",
            WorkerStatus::Suspect => "suspect",
            WorkerStatus::Dead => "dead",
        }
    }
}

/// Where a worker stands, and how much it can carry beside others.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerTraits {
    /// What it shares the fate of, such as a rack; replicas of a shard avoid one zone.
    pub zone: Option<String>,
    /// Its share beside other workers: one of 2 carries twice as much as one of 1.
    pub capacity: u32,
}

impl Default for WorkerTraits {
    fn default() -> Self {
        WorkerTraits { zone: None, capacity: 1 }
    }
}

/// What one replica of a shard carries, as its worker reports it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardLoad {
    /// Documents of all databases.
    pub documents: u64,
    /// Bytes of their encoded forms.
    pub bytes: u64,
    /// Whether this replica leads.
    pub leads: bool,
    /// The replica's term.
    pub term: Term,
    /// How far it has applied.
    pub applied: LogIndex,
    /// A hash of its state there; replicas that have applied as far have the same.
    pub hash: u64,
}

/// A worker's sign of life.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heartbeat {
    /// The worker's name, unique in the cluster.
    pub name: String,
    /// Where it is reached.
    pub address: Address,
    /// Names its data directory, so that one that was lost is not taken for the one before.
    pub directory: u64,
    /// Grows with every start of the worker.
    pub incarnation: u64,
    /// Drawn at every start.
    pub start: u64,
    /// Where it stands and how much it can carry.
    pub traits: WorkerTraits,
    /// The epoch of the map it obeys.
    pub epoch: Epoch,
    /// What its replicas carry.
    pub shards: BTreeMap<ShardId, ShardLoad>,
}

/// The masters' answer to a heartbeat.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct HeartbeatReply {
    /// The cluster the worker now belongs to.
    pub cluster: u64,
    /// The current map, if the worker's is older.
    pub map: Option<ShardMap>,
    /// Where the masters are reached now.
    pub masters: Vec<Address>,
}

/// One worker, as `workers` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerInfo {
    /// Its name.
    pub name: String,
    /// Its number in Raft.
    pub node: NodeId,
    /// Where it is reached.
    pub address: Address,
    /// Its health.
    pub status: WorkerStatus,
    /// Whether its replicas are moving away.
    pub draining: bool,
    /// The zone it was started in.
    pub zone: Option<String>,
    /// How many replicas it holds.
    pub shards: u64,
    /// How many of them lead.
    pub leaders: u64,
    /// Documents it holds.
    pub documents: u64,
    /// Bytes of their encoded forms.
    pub bytes: u64,
}

/// One master, as `masters` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MasterInfo {
    /// Its name; its number in Raft until it has introduced itself to the one that answers.
    pub name: String,
    /// Its number in Raft.
    pub node: NodeId,
    /// Where it is reached.
    pub address: Address,
    /// Whether it leads.
    pub leads: bool,
    /// The term.
    pub term: Term,
    /// How far the answering leader knows its log to be replicated there.
    pub matched: LogIndex,
}

/// One shard, as `shards` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardInfo {
    /// Which shard.
    pub shard: ShardId,
    /// The node that leads it, if one reported so.
    pub leader: Option<Address>,
    /// Where its replicas are.
    pub replicas: Vec<Address>,
    /// The replica that is moving: where it leaves, and where it goes.
    pub moving: Option<(Address, Address)>,
    /// The highest term reported.
    pub term: Term,
    /// How far its leader has applied.
    pub applied: LogIndex,
    /// A hash of the leader's state there.
    pub hash: u64,
    /// How many databases live there.
    pub databases: u64,
    /// Documents, as its leader reported them.
    pub documents: u64,
    /// Bytes of their encoded forms.
    pub bytes: u64,
}

/// A request to the masters; every one but the last is served by their leader, linearizably.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum MasterRequest {
    /// Creates a database on the least-loaded shards and opens it there.
    CreateDatabase {
        /// Makes a retry apply once.
        request: RequestId,
        /// Its name.
        name: String,
        /// Its indexes.
        indexes: Vec<IndexDefinition>,
        /// How many shards; `None` for a quarter of the cluster's, at least 1.
        shards: Option<u32>,
        /// Whether queries that would look at every document are refused.
        deny_full_scan: bool,
    },
    /// Returns one database.
    GetDatabase {
        /// Its name.
        name: String,
    },
    /// Returns all databases.
    ListDatabases,
    /// Removes all documents of a database.
    ClearDatabase {
        /// Makes a retry apply once.
        request: RequestId,
        /// Its name.
        name: String,
    },
    /// Removes a database for ever.
    DeleteDatabase {
        /// Makes a retry apply once.
        request: RequestId,
        /// Its name.
        name: String,
    },
    /// Adds an index to a database and tells its shards, who build it.
    CreateIndex {
        /// Makes a retry apply once.
        request: RequestId,
        /// The database's name.
        database: String,
        /// The index.
        index: IndexDefinition,
    },
    /// Removes an index of a database.
    DropIndex {
        /// Makes a retry apply once.
        request: RequestId,
        /// The database's name.
        database: String,
        /// The index's name.
        index: IndexName,
    },
    /// Changes how a database may be read.
    ConfigureDatabase {
        /// Makes a retry apply once.
        request: RequestId,
        /// Its name.
        name: String,
        /// Whether queries that would look at every document are refused.
        deny_full_scan: bool,
    },
    /// Returns the key that authenticates tokens of pages.
    GetPageKey,
    /// Returns the shard map.
    GetMap,
    /// A worker's sign of life, from which it also learns its duties.
    Heartbeat(Heartbeat),
    /// Moves all replicas off a worker, or lets it have some again.
    DrainWorker {
        /// Its name.
        worker: String,
        /// Whether it is to be emptied.
        draining: bool,
    },
    /// Forgets a worker that holds nothing.
    RemoveWorker {
        /// Its name.
        worker: String,
    },
    /// Moves one replica of a shard.
    MoveShard {
        /// Which shard.
        shard: ShardId,
        /// The name of the worker whose replica goes.
        from: String,
        /// The name of the worker that gets one.
        to: String,
    },
    /// Adds a master, which must run already and wait to be added.
    AddMaster {
        /// Its name.
        name: String,
        /// Where the other masters and the workers reach it.
        address: Address,
    },
    /// Takes a master out of the group for ever.
    RemoveMaster {
        /// Its name.
        name: String,
    },
    /// Returns all workers.
    ListWorkers,
    /// Returns all masters.
    ListMasters,
    /// Returns all shards.
    ListShards,
    /// About locks.
    Lock(LockRequest),
    /// A master's first words to another. Answered by every master for itself, at any time.
    Introduce(Introduction),
}

/// The answer to a [`MasterRequest`], inside a [`super::Reply`].
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum MasterResponse {
    /// A database, created, found or changed.
    Database(DatabaseInfo),
    /// The key that authenticates tokens of pages.
    PageKey(PageKey),
    /// All databases, by name.
    Databases(Vec<DatabaseInfo>),
    /// The database was cleared of so many documents.
    Cleared {
        /// How many documents were removed.
        removed: u64,
    },
    /// The database is deleted.
    Deleted,
    /// The shard map, and where the masters are reached now.
    Map(ShardMap, Vec<Address>),
    /// Done, with nothing to tell.
    Done,
    /// A worker's duties.
    Heartbeat(HeartbeatReply),
    /// All workers, by name.
    Workers(Vec<WorkerInfo>),
    /// All masters.
    Masters(Vec<MasterInfo>),
    /// All shards.
    Shards(Vec<ShardInfo>),
    /// About locks.
    Lock(LockResponse),
    /// The one that introduced itself is noted here; how far this master has got itself.
    Introduced(Stage),
}
