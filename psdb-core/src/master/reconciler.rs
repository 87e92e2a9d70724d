//! Does outside of the metadata what was decided inside of it.
//!
//! A database that is created has to be opened on each of its shards, one that is cleared or
//! deleted has to be cleared or closed there, and shards are told which indexes they are to have. Each is an entry in the shard's own log, so a worker
//! with an old map cannot write into a deleted database. The service does this at once for whoever
//! waits; the leader's tick does it for what a dead leader left behind.
//!
//! Invariants:
//! 1. Every step may be repeated and may be done by two at once: shards open, clear and close a
//!    given id and token once.
//! 2. A database becomes ready only after each of its shards has said so.
//!
//! Left out: moving replicas (`mover`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::{MasterOptions, placement, rebalance};
use crate::codec::PageKey;
use crate::env::Env;
use crate::metadata::{Command, Metadata, Response, Unfinished};
use crate::raft::{Group, ProposeError};
use crate::sharding::RingSpec;
use crate::transport::message::{DatabaseInfo, ShardRequest, ShardResponse, WorkerStatus};
use crate::transport::redirect::LeaderCaller;
use crate::transport::{Service, Transport};
use crate::types::{Address, Error, GroupId, NodeId, Outcome, Result, ShardId};

/// How long one step on one shard may take when nobody waits for it.
const STEP_TIMEOUT: Duration = Duration::from_secs(5);

pub(super) struct Reconciler {
    env: Env,
    shards: LeaderCaller,
    group: Group<Metadata>,
}

impl Reconciler {
    pub(super) fn new(
        env: Env,
        transport: Arc<dyn Transport>,
        group: Group<Metadata>,
    ) -> Reconciler {
        let shards = LeaderCaller::new(env.clone(), transport);
        Reconciler { env, shards, group }
    }

    /// Founds the cluster, if nobody has; returns its number.
    pub(super) async fn found(&self, options: &MasterOptions) -> Result<u64, ProposeError> {
        if let Some(settings) = self.group.state().settings() {
            return Ok(settings.cluster);
        }
        let command = Command::Found {
            cluster: self.env.random_u64(),
            shards: options.shards,
            replicas: options.replicas,
        };
        match self.propose(&command, STEP_TIMEOUT).await? {
            Response::Settings(settings) => Ok(settings.cluster),
            _ => Err(mismatched().into()),
        }
    }

    /// Draws the key that authenticates tokens of pages, if nobody has.
    pub(super) async fn draw_page_key(&self) -> Result<(), ProposeError> {
        if self.group.state().page_key().is_some() {
            return Ok(());
        }
        let mut bytes = [0; 16];
        let (low, high) = bytes.split_at_mut(8);
        low.copy_from_slice(&self.env.random_u64().to_le_bytes());
        high.copy_from_slice(&self.env.random_u64().to_le_bytes());
        let command = Command::SetPageKey { key: PageKey::new(bytes) };
        self.propose(&command, STEP_TIMEOUT).await.map(|_done| ())
    }

    /// Places the shards of a new cluster once enough workers live.
    pub(super) async fn place(&self, options: &MasterOptions) -> Result<(), ProposeError> {
        let metadata = self.group.state();
        let Some(settings) = metadata.settings().filter(|_| metadata.map().shards.is_empty())
        else {
            return Ok(());
        };
        let workers: Vec<(NodeId, Address)> = metadata
            .workers()
            .filter(|worker| worker.status == WorkerStatus::Alive)
            .map(|worker| (worker.node, worker.address.clone()))
            .collect();
        if workers.len() < options.initial_workers.max(settings.replicas) as usize {
            return Ok(());
        }
        let (shards, replicas) = (settings.shards, settings.replicas as usize);
        let placed = placement::place_shards(shards, replicas, &workers, RingSpec::default());
        let mut placements = placed.map_err(|error| Error::Unavailable {
            what: "the cluster".into(),
            reason: error.to_string(),
            outcome: Outcome::NotApplied,
        })?;
        // Nothing is there to be moved yet, so zones and capacities cost nothing to obey now.
        let addresses: BTreeMap<NodeId, Address> = workers.into_iter().collect();
        let seats = super::mover::seats(&metadata, self.env.now(), options.replace_after);
        for planned in rebalance::plan_moves(&seats, &placements) {
            let (Some(placement), Some(address)) =
                (placements.get_mut(&planned.shard), addresses.get(&planned.to))
            else {
                continue;
            };
            placement.replicas.remove(&planned.from);
            placement.replicas.insert(planned.to, address.clone());
        }
        self.propose(&Command::PlaceShards { placements }, STEP_TIMEOUT).await.map(|_map| ())
    }

    /// Goes on with every database that is not ready.
    pub(super) async fn finish_databases(&self) -> Result<(), ProposeError> {
        for unfinished in self.group.state().unfinished() {
            match unfinished {
                Unfinished::Open(database) => {
                    self.open(&database, STEP_TIMEOUT).await?;
                }
                Unfinished::Clear(database, token) => {
                    self.clear(&database, token, STEP_TIMEOUT).await?;
                }
                Unfinished::Delete(database) => self.delete(&database, STEP_TIMEOUT).await?,
                Unfinished::Index(database, version) => {
                    self.tell_indexes(&database, version, STEP_TIMEOUT).await?;
                }
            }
        }
        Ok(())
    }

    /// Opens a new database on each of its shards and declares it ready.
    pub(super) async fn open(
        &self,
        database: &DatabaseInfo,
        timeout: Duration,
    ) -> Result<DatabaseInfo, ProposeError> {
        let request =
            ShardRequest::OpenDatabase { database: database.id, indexes: database.indexes.clone() };
        self.on_each_shard(database, &request, timeout).await?;
        let ready = Command::DatabaseOpened { id: database.id };
        match self.propose(&ready, timeout).await? {
            Response::Database(database) => Ok(database),
            _ => Err(mismatched().into()),
        }
    }

    /// Clears a database on each of its shards; returns how many documents were removed.
    pub(super) async fn clear(
        &self,
        database: &DatabaseInfo,
        token: u64,
        timeout: Duration,
    ) -> Result<u64, ProposeError> {
        let request = ShardRequest::ClearDatabase { database: database.id, token };
        let removed = self.on_each_shard(database, &request, timeout).await?;
        let done = Command::ClearDone { id: database.id, token, removed };
        self.propose(&done, timeout).await?;
        Ok(removed)
    }

    /// Tells each shard of a database which indexes it is to have.
    pub(super) async fn tell_indexes(
        &self,
        database: &DatabaseInfo,
        version: u64,
        timeout: Duration,
    ) -> Result<DatabaseInfo, ProposeError> {
        let definitions = database.indexes.clone();
        let request = ShardRequest::EnsureIndexes { database: database.id, version, definitions };
        self.on_each_shard(database, &request, timeout).await?;
        let told = Command::IndexesTold { id: database.id, version };
        match self.propose(&told, timeout).await? {
            Response::Database(database) => Ok(database),
            _ => Err(mismatched().into()),
        }
    }

    /// Closes a database on each of its shards and forgets it.
    pub(super) async fn delete(
        &self,
        database: &DatabaseInfo,
        timeout: Duration,
    ) -> Result<(), ProposeError> {
        let request = ShardRequest::CloseDatabase { database: database.id };
        self.on_each_shard(database, &request, timeout).await?;
        let done = Command::DeleteDone { id: database.id };
        self.propose(&done, timeout).await.map(|_done| ())
    }

    /// Asks every shard of the database, all at once; returns how many documents went in sum.
    async fn on_each_shard(
        &self,
        database: &DatabaseInfo,
        request: &ShardRequest,
        timeout: Duration,
    ) -> Result<u64> {
        let asked: Vec<_> = database
            .shards
            .iter()
            .map(|shard| {
                let (caller, request) = (self.shards.clone(), request.clone());
                let (shard, replicas) = (*shard, self.replicas_of(*shard));
                self.env.spawn(async move {
                    change_database(&caller, shard, &replicas, &request, timeout).await
                })
            })
            .collect();
        let mut removed = 0;
        for answer in asked {
            removed += answer.await.map_err(|stopped| Error::Internal {
                reason: format!("a request to a shard was stopped: {stopped}"),
                outcome: Outcome::Unknown,
            })??;
        }
        Ok(removed)
    }

    fn replicas_of(&self, shard: ShardId) -> Vec<Address> {
        let map = self.group.state().map().clone();
        map.shards.get(&shard).map(|p| p.replicas.values().cloned().collect()).unwrap_or_default()
    }

    async fn propose(
        &self,
        command: &Command,
        timeout: Duration,
    ) -> Result<Response, ProposeError> {
        match self.group.propose(None, command, timeout).await?.response {
            Response::Refused(error) => Err(error.into()),
            response => Ok(response),
        }
    }
}

async fn change_database(
    caller: &LeaderCaller,
    shard: ShardId,
    replicas: &[Address],
    request: &ShardRequest,
    timeout: Duration,
) -> Result<u64> {
    let group = GroupId::of_shard(shard);
    let what = format!("shard {shard}");
    match caller.call(&what, Service::Shard, group, replicas, request, timeout).await? {
        ShardResponse::DatabaseChanged { removed } => Ok(removed),
        ShardResponse::Indexes(_) => Ok(0),
        _ => Err(mismatched()),
    }
}

fn mismatched() -> Error {
    Error::Internal {
        reason: "a group answered another question".into(),
        outcome: Outcome::Unknown,
    }
}
