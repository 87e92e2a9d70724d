//! The workers: who they are, how they are, and what they carry.
//!
//! A worker registers with every start. Its number in Raft follows from its name, so a name whose
//! number is taken by another is refused. Its incarnation grows with every start: news from an
//! earlier life, which may arrive late, neither move its address back nor revive it, and a copy of
//! its directory started elsewhere cannot take its place under the same incarnation.
//!
//! Health and load are replicated so that a new leader of the masters starts from what its
//! predecessor knew.
//!
//! Invariants:
//! 1. A worker's incarnation never goes back; its address changes only when it grows.
//! 2. A load is kept only for shards that the cluster has, so a report's size is bounded.
//!
//! Left out: judging health by heartbeats (`master::health`); emptying and removing (`moves`).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::{Metadata, Registration, Response, invalid};
use crate::transport::message::{ShardLoad, WorkerInfo, WorkerStatus, WorkerTraits};
use crate::types::{Address, Error, NodeId, Result, ShardId, Timestamp};

/// All the masters know of one worker.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct WorkerRecord {
    /// Its name, unique in the cluster.
    pub name: String,
    /// Its number in Raft, derived from the name.
    pub node: NodeId,
    /// Where it is reached.
    pub address: Address,
    /// Names its data directory.
    pub directory: u64,
    /// Which of its lives this is.
    pub incarnation: u64,
    /// Drawn at the start of that life.
    pub start: u64,
    /// Where it stands and how much it can carry.
    pub traits: WorkerTraits,
    /// Whether its replicas are to move away.
    pub draining: bool,
    /// Its health.
    pub status: WorkerStatus,
    /// Since when it has that health.
    pub since: Timestamp,
    /// What its replicas carry, by its last report.
    pub loads: BTreeMap<ShardId, ShardLoad>,
}

impl Metadata {
    /// The worker with this number.
    pub fn worker(&self, node: NodeId) -> Option<&WorkerRecord> {
        self.workers.get(&node).map(Arc::as_ref)
    }

    /// Every worker, by its number in Raft.
    pub fn workers(&self) -> impl Iterator<Item = &WorkerRecord> {
        self.workers.iter().map(|(_, record)| record.as_ref())
    }

    /// Every worker by name, with how much it holds by the map and by its own reports.
    pub fn worker_infos(&self) -> Vec<WorkerInfo> {
        let leaders = self.leaders();
        let mut infos: Vec<WorkerInfo> = self
            .workers()
            .map(|worker| {
                let leads = leaders.values().filter(|(_, node)| *node == worker.node).count();
                self.worker_info(worker, leads as u64)
            })
            .collect();
        infos.sort_by(|a, b| a.name.cmp(&b.name));
        infos
    }

    fn worker_info(&self, worker: &WorkerRecord, leaders: u64) -> WorkerInfo {
        let placed = |shards: usize| shards as u64;
        WorkerInfo {
            name: worker.name.clone(),
            node: worker.node,
            address: worker.address.clone(),
            status: worker.status,
            draining: worker.draining,
            zone: worker.traits.zone.clone(),
            shards: placed(
                self.map.shards.values().filter(|p| p.replicas.contains_key(&worker.node)).count(),
            ),
            leaders,
            documents: worker
                .loads
                .values()
                .map(|load| load.documents)
                .fold(0, u64::saturating_add),
            bytes: worker.loads.values().map(|load| load.bytes).fold(0, u64::saturating_add),
        }
    }

    pub(super) fn register_worker(
        &mut self,
        time: Timestamp,
        registration: Registration,
    ) -> Result<Response> {
        let node = NodeId::from_name(&registration.name);
        let (draining, loads) = match self.worker(node) {
            None => (false, BTreeMap::new()),
            Some(known) => {
                check_same_directory(known, &registration)?;
                check_same_worker(known, &registration)?;
                (known.draining, known.loads.clone())
            }
        };
        let Registration { name, address, directory, incarnation, start, traits } = registration;
        let (status, since) = match self.worker(node) {
            Some(known) if known.incarnation == incarnation => (known.status, known.since),
            _ => (WorkerStatus::Alive, time),
        };
        let record = WorkerRecord {
            name,
            node,
            address,
            directory,
            incarnation,
            start,
            traits,
            draining,
            status,
            since,
            loads,
        };
        self.move_replicas(node, &record.address);
        let leads = self.leaders().values().filter(|(_, leader)| *leader == node).count();
        let info = self.worker_info(&record, leads as u64);
        self.workers.insert(node, Arc::new(record));
        Ok(Response::Worker(info))
    }

    pub(super) fn set_worker_status(
        &mut self,
        time: Timestamp,
        node: NodeId,
        status: WorkerStatus,
    ) -> Result<Response> {
        let known = self.known_worker(node)?;
        if known.status != status {
            let record = WorkerRecord { status, since: time, ..known.clone() };
            self.workers.insert(node, Arc::new(record));
        }
        Ok(Response::Done)
    }

    pub(super) fn report_load(
        &mut self,
        node: NodeId,
        mut loads: BTreeMap<ShardId, ShardLoad>,
    ) -> Result<Response> {
        let shards = self.founded()?.shards;
        let known = self.known_worker(node)?;
        loads.retain(|shard, _| shard.0 < shards);
        let record = WorkerRecord { loads, ..known.clone() };
        self.workers.insert(node, Arc::new(record));
        Ok(Response::Done)
    }

    pub(super) fn known_worker(&self, node: NodeId) -> Result<&WorkerRecord> {
        self.worker(node).ok_or_else(|| Error::NodeNotFound { name: node.to_string() })
    }
}

/// Refuses a worker that has lost what it had voted for and promised to keep.
fn check_same_directory(known: &WorkerRecord, registration: &Registration) -> Result<()> {
    let Registration { name, directory, .. } = registration;
    let directory = *directory;
    if known.name == *name && known.directory != directory {
        return Err(Error::WrongIdentity {
            path: format!("of worker '{name}'"),
            reason: format!(
                "it bears the number {directory:016x}, but the masters know {:016x}: its data was \
                 lost or it is another worker's; start it under a new name",
                known.directory
            ),
            stale: false,
        });
    }
    Ok(())
}

/// Refuses a namesake, a message from an earlier life, and a double of the present one.
fn check_same_worker(known: &WorkerRecord, registration: &Registration) -> Result<()> {
    let Registration { name, address, incarnation, start, .. } = registration;
    let incarnation = *incarnation;
    if known.name != *name {
        return Err(Error::InvalidName {
            kind: "worker name".into(),
            name: name.clone(),
            reason: format!(
                "its number {} belongs to worker '{}'; choose another name",
                known.node, known.name
            ),
        });
    }
    let used = incarnation < known.incarnation
        || (incarnation == known.incarnation && *start != known.start && *address == known.address);
    if used {
        return Err(Error::WrongIdentity {
            path: format!("of worker '{name}'"),
            reason: format!(
                "its start number {incarnation} was used before, so the directory was restored \
                 from an older copy and has forgotten what it voted for; start it under a new \
                 name with an empty directory"
            ),
            stale: true,
        });
    }
    if incarnation == known.incarnation && *address != known.address {
        return Err(invalid(format!(
            "worker '{name}' runs at {} in its incarnation {incarnation} already, so the one at \
             {address} is a copy of it; start one of them with a new name and directory",
            known.address
        )));
    }
    Ok(())
}
