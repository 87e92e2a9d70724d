//! What the masters remember: the databases, the workers, and which worker holds which shard.
//!
//! ```text
//! Command ──▶ Metadata::apply ──▶ Response
//!             settings    who the cluster is; set once, by `Found`
//!             databases   Creating ─▶ Ready ⇄ Clearing, and from any of them ─▶ Deleting ─▶ gone
//!             workers     name, address, incarnation, health, load per shard
//!             map         shard ─▶ replicas, named by its epoch
//!             locks       name ─▶ lease and queue; fencing tokens grow for ever
//! ```
//!
//! Creating, clearing and deleting a database take many steps on many shards. The intent is
//! written here first, and its end when every shard has confirmed; in between the database is
//! *unfinished* ([`Metadata::unfinished`]), so a master that becomes the leader finds all work
//! that its predecessor left half done. What is drawn at random or chosen by a policy (the
//! cluster's number, a database's shards, a placement) is decided before the proposal and arrives
//! in the command.
//!
//! - `command`: the commands and their answers.
//! - `databases`: the life of a database.
//! - `indexes`: which indexes a database is to have, and how it may be read.
//! - `workers`: registration, health and reported load.
//! - `moves`: replicas on their way, and workers that are emptied and removed.
//! - `shards`: the shard map, and what shards carry by the workers' reports.
//! - `locks`, `lock_command`: leases with fencing tokens.
//! - `snapshot`: the state as bytes.
//!
//! Invariants:
//! 1. A database's id and a clear token are given out once; both grow for ever.
//! 2. A name belongs to its database until the last of its shards has been closed, so a successor
//!    of that name never coexists with documents of its predecessor.
//! 3. The map's epoch grows exactly when the map changes, and every address in the map is the one
//!    its worker registered.
//! 4. A refused command changes nothing.
//!
//! Left out: deciding (`master::placement`, `master::rebalance`), acting (`master::reconciler`), and
//! the rules for names, which are checked before anything is proposed.

mod command;
mod databases;
mod indexes;
mod lock_command;
mod locks;
mod moves;
mod shards;
mod snapshot;
mod workers;

#[cfg(test)]
mod lock_tests;
#[cfg(test)]
mod replica_tests;
#[cfg(test)]
mod script_tests;
#[cfg(test)]
mod snapshot_tests;

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::codec::PageKey;
use crate::raft::{Position, StateError, StateMachine};
use crate::sharding::ShardMap;
use crate::storage::{BPlusTree, Snapshot, Store};
use crate::transport::message::{DatabaseInfo, DatabaseState};
use crate::types::{DatabaseId, Error, NodeId, Outcome, Result};

pub use command::{Command, Registration, Response};
pub use databases::{Cleared, DatabaseRecord, Unfinished};
pub use indexes::IndexNews;
pub use lock_command::{LockAnswer, LockCommand};
pub use locks::ClaimState;
pub(crate) use locks::PRESENCE_MILLIS;
pub use shards::{ShardSummary, moving_of};
pub use workers::WorkerRecord;

/// The tree that holds the state, and its only key.
const TREE: &[u8] = b"metadata";
const KEY: &[u8] = b"state";

/// What a cluster is born with; it never changes afterwards.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Settings {
    /// The cluster's number, drawn at random by whoever founded it.
    pub cluster: u64,
    /// How many shards it has.
    pub shards: u32,
    /// How many replicas each shard has.
    pub replicas: u32,
}

/// The replicated state of the masters.
///
/// A clone is a snapshot and costs O(1): everything that grows is shared until it is changed.
#[derive(Clone, Default)]
pub struct Metadata {
    /// `None` until the cluster is founded.
    settings: Option<Settings>,
    /// The highest database id given out; ids start at 1.
    last_database: u64,
    /// The highest clear token given out; tokens start at 1.
    last_token: u64,
    databases: BPlusTree<DatabaseId, Arc<DatabaseRecord>>,
    /// The id of each database by name, those being deleted included.
    names: BPlusTree<Arc<str>, DatabaseId>,
    workers: BPlusTree<NodeId, Arc<WorkerRecord>>,
    map: Arc<ShardMap>,
    locks: locks::Locks,
    /// Masters that were taken out of the group. Their names are used up: a master that came back
    /// under one might vote with what it has forgotten.
    retired_masters: BTreeSet<NodeId>,
    /// What authenticates tokens of pages; `None` until a leader has drawn it.
    page_key: Option<PageKey>,
}

impl Metadata {
    /// The cluster's settings, `None` until it is founded.
    pub fn settings(&self) -> Option<&Settings> {
        self.settings.as_ref()
    }

    /// The key that authenticates tokens of pages, `None` until it is drawn.
    pub fn page_key(&self) -> Option<PageKey> {
        self.page_key
    }

    /// The shard map; its epoch is 0 and it has no shards until they are placed.
    pub fn map(&self) -> &Arc<ShardMap> {
        &self.map
    }

    /// A number that is equal on two replicas that have applied the same commands: FNV-1a, 64 bit,
    /// over the bytes of [`Metadata::save`]. It takes a walk over the whole state.
    pub fn hash(&self) -> u64 {
        let mut fingerprint = Fingerprint(0xcbf2_9ce4_8422_2325);
        self.save(&mut fingerprint).expect("a fingerprint accepts every write");
        fingerprint.0
    }

    /// Whether the master of this number was taken out of the group.
    pub fn is_retired_master(&self, master: NodeId) -> bool {
        self.retired_masters.contains(&master)
    }

    /// The masters that were taken out of the group.
    pub fn retired_masters(&self) -> &BTreeSet<NodeId> {
        &self.retired_masters
    }

    /// Founds the cluster. Whoever comes second learns what the first one set.
    fn found(&mut self, settings: Settings) -> Result<Response> {
        if settings.shards == 0 || settings.replicas == 0 {
            return Err(invalid("a cluster needs at least one shard and one replica"));
        }
        Ok(Response::Settings(*self.settings.get_or_insert(settings)))
    }

    /// The settings, or the refusal of whatever needs them.
    fn founded(&self) -> Result<Settings> {
        self.settings.ok_or_else(|| not_yet("the cluster".into(), "it has not been founded yet"))
    }
}

impl Metadata {
    /// Applies one command.
    ///
    /// # Errors
    ///
    /// None so far; a state machine may fail.
    pub fn apply(&mut self, position: Position, command: Command) -> Result<Response, StateError> {
        let time = position.time;
        let answer = match command {
            Command::Found { cluster, shards, replicas } => {
                self.found(Settings { cluster, shards, replicas })
            }
            Command::CreateDatabase { name, indexes, shards, ring, deny_full_scan } => {
                let (id, state) = (DatabaseId(0), DatabaseState::Creating);
                let info = DatabaseInfo { name, id, state, shards, ring, indexes, deny_full_scan };
                self.create_database(time, info)
            }
            Command::CreateIndex { database, index } => self.create_index(&database, index),
            Command::DropIndex { database, index } => self.drop_index(&database, &index),
            Command::IndexesTold { id, version } => self.indexes_told(id, version),
            Command::ConfigureDatabase { name, deny_full_scan } => {
                self.configure_database(&name, deny_full_scan)
            }
            Command::SetPageKey { key } => {
                self.page_key.get_or_insert(key);
                Ok(Response::Done)
            }
            Command::DatabaseOpened { id } => self.database_opened(id),
            Command::BeginClear { name } => self.begin_clear(&name),
            Command::ClearDone { id, token, removed } => {
                self.clear_done(id, Cleared { token, removed })
            }
            Command::BeginDelete { name } => self.begin_delete(&name),
            Command::DeleteDone { id } => self.delete_done(id),
            Command::RegisterWorker(registration) => self.register_worker(time, registration),
            Command::SetWorkerStatus { worker, status } => {
                self.set_worker_status(time, worker, status)
            }
            Command::ReportLoad { worker, shards } => self.report_load(worker, shards),
            Command::PlaceShards { placements } => self.place_shards(placements),
            Command::Lock(command) => Ok(Response::Lock(self.locks.apply(time, command))),
            Command::BeginMove { shard, from, to } => self.begin_move(shard, from, to),
            Command::EndMove { shard, birth } => self.end_move(shard, birth),
            Command::CancelMove { shard, birth } => self.cancel_move(shard, birth),
            Command::SetDraining { worker, draining } => self.set_draining(worker, draining),
            Command::RemoveWorker { worker } => self.remove_worker(worker),
            Command::RetireMaster { master } => {
                self.retired_masters.insert(master);
                Ok(Response::Done)
            }
        };
        Ok(answer.unwrap_or_else(Response::Refused))
    }

    /// Writes the whole state, so that [`Metadata::load`] restores an equal one.
    ///
    /// # Errors
    ///
    /// [`StateError::Snapshot`] when `sink` refuses.
    pub fn save(&self, sink: &mut dyn Write) -> Result<(), StateError> {
        snapshot::save(self, sink)
    }

    /// Reads a state written by [`Metadata::save`]. The bytes are not trusted.
    ///
    /// # Errors
    ///
    /// [`StateError`] when the bytes are not such a state.
    pub fn load(source: &mut dyn Read) -> Result<Self, StateError> {
        snapshot::load(source)
    }
}

/// The whole state is one value, written anew with each checkpoint: it is small, and every read
/// and every decision of the masters needs it in memory.
impl StateMachine for Metadata {
    type Command = Command;
    type Response = Response;
    type View = Metadata;
    type Inspector = ();

    fn open(trees: &Snapshot) -> Result<Metadata, StateError> {
        match trees.get(TREE, KEY)? {
            Some(bytes) => Metadata::load(&mut &bytes[..]),
            None => Ok(Metadata::default()),
        }
    }

    fn apply(
        &mut self,
        _: &mut Store,
        position: Position,
        command: Command,
    ) -> Result<Response, StateError> {
        Metadata::apply(self, position, command)
    }

    fn flush(&mut self, trees: &mut Store) -> Result<(), StateError> {
        let mut bytes = Vec::new();
        self.save(&mut bytes)?;
        trees.insert(TREE, KEY, &bytes)?;
        Ok(())
    }

    fn view(&self, _: &Store) -> Metadata {
        self.clone()
    }
}

/// A sink that keeps only the FNV-1a hash of what it is given.
struct Fingerprint(u64);

impl Write for Fingerprint {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// A refusal that comes again however often the request is repeated.
fn invalid(reason: impl Into<String>) -> Error {
    Error::InvalidRequest { reason: reason.into() }
}

/// A refusal that passes when the cluster has got further.
fn not_yet(what: String, reason: &str) -> Error {
    Error::Unavailable { what, reason: reason.into(), outcome: Outcome::NotApplied }
}
