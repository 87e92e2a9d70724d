//! What changes the masters' metadata, and what each change answers.
//!
//! A command carries everything its effect depends on besides the state itself, so that replicas
//! that apply it agree. Commands marked *repeatable* may be proposed again by a new leader that
//! does not know how far its predecessor came; the others are protected by their request ids.
//!
//! Left out: who proposes them, and when (`master`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::Settings;
use super::lock_command::{LockAnswer, LockCommand};
use crate::codec::PageKey;
use crate::sharding::{Placement, RingSpec, ShardMap};
use crate::transport::message::{
    DatabaseInfo, IndexDefinition, ShardLoad, WorkerInfo, WorkerStatus, WorkerTraits,
};
use crate::types::{Address, DatabaseId, Epoch, Error, IndexName, NodeId, ShardId};

/// One change of the masters' metadata.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// Founds the cluster; the first one counts, later ones answer what it set. Repeatable.
    Found {
        /// The cluster's number, drawn at random.
        cluster: u64,
        /// How many shards it gets, for ever.
        shards: u32,
        /// How many replicas each shard gets.
        replicas: u32,
    },
    /// Names a new database and gives it an id; its shards have to be opened next.
    CreateDatabase {
        /// Its name, checked before.
        name: String,
        /// Its secondary indexes.
        indexes: Vec<IndexDefinition>,
        /// The shards its documents spread over, chosen by load.
        shards: Vec<ShardId>,
        /// How they spread.
        ring: RingSpec,
        /// Whether queries that would look at every document are refused.
        deny_full_scan: bool,
    },
    /// Every shard of the database has opened it: it serves. Repeatable.
    DatabaseOpened {
        /// The database.
        id: DatabaseId,
    },
    /// Orders the removal of all its documents and answers the token that names this clearing.
    ///
    /// A clearing that runs already is not joined, since it may have passed shards that were
    /// written to since: every one gets a token of its own, and a shard obeys only growing ones.
    BeginClear {
        /// The database.
        name: String,
    },
    /// Every shard of the database has obeyed the token. Repeatable.
    ClearDone {
        /// The database.
        id: DatabaseId,
        /// Which clearing.
        token: u64,
        /// How many documents it removed.
        removed: u64,
    },
    /// Orders the removal of a database; it stops being served. Repeatable until it is done.
    BeginDelete {
        /// The database.
        name: String,
    },
    /// Every shard of the database has closed it: its name is free. Repeatable.
    DeleteDone {
        /// The database.
        id: DatabaseId,
    },
    /// Wants one index more; the shards have to be told next. Repeatable.
    CreateIndex {
        /// The database's name.
        database: String,
        /// The index.
        index: IndexDefinition,
    },
    /// Wants one index less; the shards have to be told next.
    DropIndex {
        /// The database's name.
        database: String,
        /// The index's name.
        index: IndexName,
    },
    /// Every shard of the database has been told of this version of its indexes. Repeatable.
    IndexesTold {
        /// The database.
        id: DatabaseId,
        /// Which version.
        version: u64,
    },
    /// Changes how a database may be read. Repeatable.
    ConfigureDatabase {
        /// Its name.
        name: String,
        /// Whether queries that would look at every document are refused.
        deny_full_scan: bool,
    },
    /// Sets the key that authenticates tokens of pages; the first one counts. Repeatable.
    SetPageKey {
        /// The key, drawn at random.
        key: PageKey,
    },
    /// A worker has started, maybe at a new address. Repeatable.
    RegisterWorker(Registration),
    /// The leader judges a worker's health anew. Repeatable.
    SetWorkerStatus {
        /// The worker.
        worker: NodeId,
        /// Its health.
        status: WorkerStatus,
    },
    /// What a worker's replicas carry, in place of its last report. Repeatable.
    ReportLoad {
        /// The worker.
        worker: NodeId,
        /// Every replica it holds.
        shards: BTreeMap<ShardId, ShardLoad>,
    },
    /// Places all shards of a new cluster; the first one counts, later ones answer the map it
    /// made. Repeatable.
    PlaceShards {
        /// The replicas of every shard.
        placements: BTreeMap<ShardId, Placement>,
    },
    /// Changes the locks.
    Lock(LockCommand),
    /// A replica is to move: the new one is to be made, to learn, and to take the old one's place.
    BeginMove {
        /// Of which shard.
        shard: ShardId,
        /// Whose replica goes.
        from: NodeId,
        /// Who gets one.
        to: NodeId,
    },
    /// The shard's group has the new replica in the old one's place. Repeatable.
    EndMove {
        /// Of which shard.
        shard: ShardId,
        /// Which move.
        birth: Epoch,
    },
    /// The shard's group is as it was before the move. Repeatable.
    CancelMove {
        /// Of which shard.
        shard: ShardId,
        /// Which move.
        birth: Epoch,
    },
    /// A worker's replicas are to move away, or may stay again. Repeatable.
    SetDraining {
        /// The worker.
        worker: NodeId,
        /// Whether it is to be emptied.
        draining: bool,
    },
    /// A master is being taken out of the group, for ever. Repeatable.
    RetireMaster {
        /// Its number in Raft.
        master: NodeId,
    },
    /// Forgets a worker that holds nothing.
    RemoveWorker {
        /// The worker.
        worker: NodeId,
    },
}

/// A worker's own account of who it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Registration {
    /// Its name, unique in the cluster.
    pub name: String,
    /// Where it is reached.
    pub address: Address,
    /// Names its data directory, so that one that was made anew is not taken for the old one.
    pub directory: u64,
    /// Grows with every start, so that news of an earlier life are recognized.
    pub incarnation: u64,
    /// Drawn at every start, so that two lives that count alike are told apart.
    pub start: u64,
    /// Where it stands and how much it can carry.
    pub traits: WorkerTraits,
}

#[cfg(test)]
impl Registration {
    /// A worker with a directory of its own, in its `incarnation`-th life.
    pub(super) fn of(name: &str, address: &str, incarnation: u64) -> Registration {
        Registration {
            name: name.into(),
            address: address.into(),
            directory: 1,
            incarnation,
            start: incarnation,
            traits: WorkerTraits::default(),
        }
    }
}

/// What a [`Command`] answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Response {
    /// To [`Command::Found`]: the settings in force, whoever set them.
    Settings(Settings),
    /// To commands that create or change a database: the database after it.
    Database(DatabaseInfo),
    /// To [`Command::BeginClear`].
    Clearing {
        /// The database.
        database: DatabaseInfo,
        /// What its shards have to be cleared with.
        token: u64,
    },
    /// To [`Command::RegisterWorker`].
    Worker(WorkerInfo),
    /// To [`Command::PlaceShards`]: the map in force.
    Map(ShardMap),
    /// Done, with nothing to tell.
    Done,
    /// Refused; nothing has changed.
    Refused(Error),
    /// To [`Command::Lock`].
    Lock(LockAnswer),
}
