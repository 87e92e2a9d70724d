//! What a master answers to clients and workers.
//!
//! Everything is served by the leader. Reads wait for the read barrier, so they see whatever was
//! acknowledged; changes are checked, decided and proposed, and what they need outside of the
//! metadata is done before the answer.
//!
//! Left out: what changes mean (`metadata`), what follows from them (`reconciler`), databases and
//! their indexes (`definitions`).

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;

use super::Core;
use super::health::Health;
use crate::codec::{PageKey, frame};
use crate::metadata::{Command, Metadata, Registration, Response, moving_of};
use crate::raft::ProposeError;
use crate::transport::message::{
    DatabaseInfo, DatabaseState, Heartbeat, HeartbeatReply, MasterInfo, MasterRequest,
    MasterResponse, Reply, ShardInfo, ShardLoad, WorkerInfo, WorkerStatus,
};
use crate::types::{Error, LogIndex, NodeId, Outcome, RequestId, Result, ShardId};

pub(super) type Answer<T> = std::result::Result<T, ProposeError>;

impl Core {
    /// Answers one request to the masters.
    pub(super) async fn master_message(
        &self,
        request: std::result::Result<MasterRequest, frame::FrameError>,
        timeout: Duration,
    ) -> Bytes {
        let answer = match request {
            Ok(request) => self.answer(request, timeout).await,
            Err(error) => Err(Error::InvalidRequest { reason: error.to_string() }.into()),
        };
        frame::encode(&match answer {
            Ok(response) => Reply::Done(response),
            Err(ProposeError::NotLeader(leader)) => Reply::NotLeader(leader),
            Err(ProposeError::Failed(error)) => Reply::Failed(error),
        })
    }

    async fn answer(&self, request: MasterRequest, timeout: Duration) -> Answer<MasterResponse> {
        // Before anything else, since every decision below is taken on the state it confirms.
        self.group.read_barrier(timeout).await?;
        let metadata = self.group.state();
        match request {
            request @ (MasterRequest::CreateDatabase { .. }
            | MasterRequest::CreateIndex { .. }
            | MasterRequest::DropIndex { .. }
            | MasterRequest::ConfigureDatabase { .. }) => {
                Ok(MasterResponse::Database(self.define(&metadata, request, timeout).await?))
            }
            MasterRequest::GetDatabase { name } => {
                Ok(MasterResponse::Database(existing(&metadata, &name)?))
            }
            MasterRequest::ListDatabases => {
                let living = metadata.databases().map(|record| record.info.clone());
                let living = living.filter(|info| info.state != DatabaseState::Deleting);
                Ok(MasterResponse::Databases(living.collect()))
            }
            MasterRequest::ClearDatabase { request, name } => {
                let removed = self.clear(request, name, timeout).await?;
                Ok(MasterResponse::Cleared { removed })
            }
            MasterRequest::DeleteDatabase { request, name } => {
                self.delete(request, name, timeout).await?;
                Ok(MasterResponse::Deleted)
            }
            MasterRequest::GetPageKey => Ok(MasterResponse::PageKey(page_key(&metadata)?)),
            MasterRequest::GetMap => {
                let map = (**metadata.map()).clone();
                Ok(MasterResponse::Map(map, self.master_addresses()))
            }
            MasterRequest::Heartbeat(heartbeat) => {
                let reply = self.heartbeat(metadata, heartbeat, timeout).await?;
                Ok(MasterResponse::Heartbeat(reply))
            }
            MasterRequest::DrainWorker { worker, draining } => {
                self.drain_worker(&worker, draining, timeout).await?;
                Ok(MasterResponse::Done)
            }
            MasterRequest::RemoveWorker { worker } => {
                self.remove_worker(&worker, timeout).await?;
                Ok(MasterResponse::Done)
            }
            MasterRequest::MoveShard { shard, from, to } => {
                self.move_shard(shard, &from, &to, timeout).await?;
                Ok(MasterResponse::Done)
            }
            MasterRequest::AddMaster { name, address } => {
                self.add_master(&metadata, &name, address, timeout).await?;
                Ok(MasterResponse::Done)
            }
            MasterRequest::RemoveMaster { name } => {
                self.remove_master(&metadata, &name, timeout).await?;
                Ok(MasterResponse::Done)
            }
            MasterRequest::ListWorkers => Ok(MasterResponse::Workers(self.workers(&metadata))),
            MasterRequest::ListMasters => Ok(MasterResponse::Masters(self.masters())),
            MasterRequest::ListShards => Ok(MasterResponse::Shards(self.shards(&metadata))),
            MasterRequest::Lock(request) => {
                Ok(MasterResponse::Lock(self.lock(&metadata, request, timeout).await?))
            }
            // Answered before, since everybody does so for himself.
            MasterRequest::Introduce(_) => Err(mismatched()),
        }
    }

    async fn clear(&self, request: RequestId, name: String, timeout: Duration) -> Answer<u64> {
        let command = Command::BeginClear { name };
        match self.group.propose(Some(request), &command, timeout).await?.response {
            Response::Clearing { database, token } => {
                self.reconciler.clear(&database, token, timeout).await
            }
            Response::Refused(error) => Err(error.into()),
            _ => Err(mismatched()),
        }
    }

    async fn delete(&self, request: RequestId, name: String, timeout: Duration) -> Answer<()> {
        let command = Command::BeginDelete { name };
        match self.group.propose(Some(request), &command, timeout).await?.response {
            Response::Database(database) => self.reconciler.delete(&database, timeout).await,
            Response::Refused(error) => Err(error.into()),
            _ => Err(mismatched()),
        }
    }

    async fn heartbeat(
        &self,
        metadata: Metadata,
        heartbeat: Heartbeat,
        timeout: Duration,
    ) -> Answer<HeartbeatReply> {
        let Some(settings) = metadata.settings() else {
            return Err(ProposeError::Failed(Error::Unavailable {
                what: "the cluster".into(),
                reason: "it is being founded".into(),
                outcome: Outcome::NotApplied,
            }));
        };
        let node = NodeId::from_name(&heartbeat.name);
        let known = metadata.worker(node);
        let same = known.is_some_and(|worker| {
            worker.name == heartbeat.name
                && worker.address == heartbeat.address
                && worker.directory == heartbeat.directory
                && worker.incarnation == heartbeat.incarnation
                && worker.start == heartbeat.start
                && worker.traits == heartbeat.traits
        });
        if !same {
            let command = Command::RegisterWorker(Registration {
                name: heartbeat.name.clone(),
                address: heartbeat.address.clone(),
                directory: heartbeat.directory,
                incarnation: heartbeat.incarnation,
                start: heartbeat.start,
                traits: heartbeat.traits.clone(),
            });
            self.propose(&command, timeout).await?;
            self.joined.notify_one();
        } else if known.is_some_and(Health::revives) {
            let status = WorkerStatus::Alive;
            self.propose(&Command::SetWorkerStatus { worker: node, status }, timeout).await?;
        }
        self.health.heard(node, &heartbeat);
        let map = self.group.state().map().clone();
        let map = (map.epoch > heartbeat.epoch).then(|| (*map).clone());
        let masters = self.master_addresses();
        Ok(HeartbeatReply { cluster: settings.cluster, map, masters })
    }

    pub(super) async fn propose(&self, command: &Command, timeout: Duration) -> Answer<Response> {
        match self.group.propose(None, command, timeout).await?.response {
            Response::Refused(error) => Err(error.into()),
            response => Ok(response),
        }
    }

    fn workers(&self, metadata: &Metadata) -> Vec<WorkerInfo> {
        let loads = self.health.loads(metadata);
        let mut infos = metadata.worker_infos();
        for info in &mut infos {
            let Some(loads) = loads.get(&info.node) else { continue };
            info.leaders = loads.values().filter(|load| load.leads).count() as u64;
            info.documents = loads.values().map(|load| load.documents).sum();
            info.bytes = loads.values().map(|load| load.bytes).sum();
        }
        infos
    }

    fn masters(&self) -> Vec<MasterInfo> {
        let status = self.group.status();
        let leader = status.leader.as_ref().map(|(node, _)| *node);
        let names = self.introductions.names();
        let voters = status.voters.into_iter();
        voters
            .map(|(node, address)| MasterInfo {
                name: names.get(&node).map_or_else(|| node.to_string(), Clone::clone),
                node,
                address,
                leads: leader == Some(node),
                term: status.term,
                matched: status.matched.get(&node).copied().unwrap_or(LogIndex(0)),
            })
            .collect()
    }

    fn shards(&self, metadata: &Metadata) -> Vec<ShardInfo> {
        let loads = self.health.loads(metadata);
        let summaries = metadata.shard_summaries();
        let map = metadata.map();
        let info = |(shard, placement): (&ShardId, &crate::sharding::Placement)| {
            let leader = leader_of(&loads, *shard);
            let load = leader.map(|(_, load)| load).unwrap_or_default();
            ShardInfo {
                shard: *shard,
                leader: leader.and_then(|(node, _)| placement.replicas.get(&node).cloned()),
                replicas: placement.replicas.values().cloned().collect(),
                moving: moving_of(placement),
                term: load.term,
                applied: load.applied,
                hash: load.hash,
                databases: summaries.get(shard).map_or(0, |summary| summary.databases),
                documents: load.documents,
                bytes: load.bytes,
            }
        };
        map.shards.iter().map(info).collect()
    }
}

pub(super) type Loads = BTreeMap<NodeId, BTreeMap<ShardId, ShardLoad>>;

/// The replica that says it leads; of several, the one with the highest term.
fn leader_of(loads: &Loads, shard: ShardId) -> Option<(NodeId, ShardLoad)> {
    loads
        .iter()
        .filter_map(|(node, loads)| Some((*node, *loads.get(&shard)?)))
        .filter(|(_, load)| load.leads)
        .max_by_key(|(_, load)| load.term)
}

fn existing(metadata: &Metadata, name: &str) -> Result<DatabaseInfo> {
    metadata
        .database(name)
        .map(|record| record.info.clone())
        .filter(|info| info.state != DatabaseState::Deleting)
        .ok_or_else(|| Error::DatabaseNotFound { name: name.into() })
}

fn page_key(metadata: &Metadata) -> Result<PageKey> {
    metadata.page_key().ok_or_else(|| Error::Unavailable {
        what: "the key of page tokens".into(),
        reason: "the cluster is being founded".into(),
        outcome: Outcome::NotApplied,
    })
}

pub(super) fn mismatched() -> ProposeError {
    ProposeError::Failed(Error::Internal {
        reason: "the metadata answered another question".into(),
        outcome: Outcome::Unknown,
    })
}
