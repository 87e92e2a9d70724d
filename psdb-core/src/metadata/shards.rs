//! The shards: where their replicas are, and what they carry by the workers' reports.
//!
//! The map is made once, when enough workers have joined, and then follows its workers' addresses.
//! Reports come from every replica and are as old as the last heartbeat; of several replicas that
//! claim to lead a shard the one with the highest term is believed, as in Raft itself.
//!
//! Invariants:
//! 1. The map is empty, or has every shard of the cluster with as many replicas as the settings
//!    say, each on a registered worker.
//! 2. Each change of the map raises its epoch by one.
//!
//! Left out: choosing placements (`master::placement`), moving replicas (`moves`).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Metadata, Response, Settings, WorkerRecord, invalid};
use crate::sharding::{Placement, ShardMap};
use crate::transport::message::{ShardInfo, ShardLoad};
use crate::types::{Address, Epoch, NodeId, Result, ShardId, Term};

/// What one shard carries: the databases by the masters' own books, the rest as reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShardSummary {
    /// How many databases live there, unfinished ones included.
    pub databases: u64,
    /// Documents of all databases.
    pub documents: u64,
    /// Bytes of their encoded forms.
    pub bytes: u64,
}

impl Metadata {
    /// What every shard of the cluster carries; the placement of a new database goes by it.
    pub fn shard_summaries(&self) -> BTreeMap<ShardId, ShardSummary> {
        let shards = self.settings.map_or(0, |settings| settings.shards);
        let mut summaries: BTreeMap<ShardId, ShardSummary> =
            (0..shards).map(|shard| (ShardId(shard), ShardSummary::default())).collect();
        for record in self.databases() {
            for shard in &record.info.shards {
                if let Some(summary) = summaries.get_mut(shard) {
                    summary.databases += 1;
                }
            }
        }
        for (shard, load) in self.best_reports() {
            if let Some(summary) = summaries.get_mut(&shard) {
                summary.documents = load.documents;
                summary.bytes = load.bytes;
            }
        }
        summaries
    }

    /// Every shard of the map, with its leader and load as far as they were reported.
    pub fn shard_infos(&self) -> Vec<ShardInfo> {
        let (leaders, summaries, reports) =
            (self.leaders(), self.shard_summaries(), self.best_reports());
        self.map
            .shards
            .iter()
            .map(|(&shard, placement)| {
                let summary = summaries.get(&shard).copied().unwrap_or_default();
                let leader = leaders.get(&shard).and_then(|(_, node)| self.worker(*node));
                let report = reports.get(&shard).copied().unwrap_or_default();
                ShardInfo {
                    shard,
                    leader: leader.map(|worker| worker.address.clone()),
                    replicas: placement.replicas.values().cloned().collect(),
                    moving: moving_of(placement),
                    term: self.highest_term(shard),
                    applied: report.applied,
                    hash: report.hash,
                    databases: summary.databases,
                    documents: summary.documents,
                    bytes: summary.bytes,
                }
            })
            .collect()
    }

    /// Who leads each shard, by the claim with the highest term.
    pub fn leaders(&self) -> BTreeMap<ShardId, (Term, NodeId)> {
        let mut leaders = BTreeMap::new();
        for (node, shard, load) in self.reports().filter(|(_, _, load)| load.leads) {
            let claim = (load.term, node);
            let best = leaders.entry(shard).or_insert(claim);
            *best = claim.max(*best);
        }
        leaders
    }

    /// The report to go by for each shard: its leader's, else that of the replica that has
    /// applied most.
    fn best_reports(&self) -> BTreeMap<ShardId, ShardLoad> {
        let rank = |load: &ShardLoad| (load.leads, load.term, load.applied);
        let mut best: BTreeMap<ShardId, ShardLoad> = BTreeMap::new();
        for (_, shard, load) in self.reports() {
            let known = best.entry(shard).or_insert(*load);
            if rank(load) > rank(known) {
                *known = *load;
            }
        }
        best
    }

    fn highest_term(&self, shard: ShardId) -> Term {
        let terms = self.workers().filter_map(|worker| worker.loads.get(&shard));
        terms.map(|load| load.term).max().unwrap_or_default()
    }

    fn reports(&self) -> impl Iterator<Item = (NodeId, ShardId, &ShardLoad)> {
        fn of(worker: &WorkerRecord) -> impl Iterator<Item = (NodeId, ShardId, &ShardLoad)> {
            worker.loads.iter().map(|(shard, load)| (worker.node, *shard, load))
        }
        self.workers().flat_map(of)
    }

    pub(super) fn place_shards(
        &mut self,
        mut placements: BTreeMap<ShardId, Placement>,
    ) -> Result<Response> {
        let settings = self.founded()?;
        if !self.map.shards.is_empty() {
            return Ok(Response::Map(ShardMap::clone(&self.map)));
        }
        check_complete(&placements, settings)?;
        for (node, address) in placements.values_mut().flat_map(|p| p.replicas.iter_mut()) {
            // The worker may have moved while the placement was being decided.
            let worker = self.worker(*node);
            let worker = worker.ok_or_else(|| invalid(format!("no worker has number {node}")))?;
            *address = worker.address.clone();
        }
        for placement in placements.values_mut() {
            *placement = Placement::founded(std::mem::take(&mut placement.replicas));
        }
        let map = ShardMap { epoch: Epoch(self.map.epoch.0 + 1), shards: placements };
        self.map = Arc::new(map.clone());
        Ok(Response::Map(map))
    }

    /// Follows a worker to its address, raising the epoch if the map has another one.
    pub(super) fn move_replicas(&mut self, node: NodeId, address: &Address) {
        let moved = |p: &Placement| {
            let incoming = p.moving.as_ref().filter(|moving| moving.to == node);
            let known = p.replicas.get(&node).or(incoming.map(|moving| &moving.address));
            known.is_some_and(|known| known != address)
        };
        if !self.map.shards.values().any(moved) {
            return;
        }
        let map = Arc::make_mut(&mut self.map);
        map.epoch.0 += 1;
        for placement in map.shards.values_mut() {
            if let Some(known) = placement.replicas.get_mut(&node) {
                known.clone_from(address);
            }
            if let Some(moving) = placement.moving.as_mut().filter(|moving| moving.to == node) {
                moving.address.clone_from(address);
            }
        }
    }
}

/// The replica that is moving: where it leaves, and where it goes.
pub fn moving_of(placement: &Placement) -> Option<(Address, Address)> {
    let moving = placement.moving.as_ref()?;
    Some((placement.replicas.get(&moving.from)?.clone(), moving.address.clone()))
}

/// Checks that every shard of the cluster, and no other, gets its full number of replicas.
pub(super) fn check_complete(
    placements: &BTreeMap<ShardId, Placement>,
    settings: Settings,
) -> Result<()> {
    let complete = placements.len() == settings.shards as usize
        && placements.keys().all(|shard| shard.0 < settings.shards);
    if !complete {
        return Err(invalid(format!(
            "a placement must name each of the {} shards; this one names {}",
            settings.shards,
            placements.len()
        )));
    }
    match placements.iter().find(|(_, p)| p.replicas.len() != settings.replicas as usize) {
        None => Ok(()),
        Some((shard, placement)) => Err(invalid(format!(
            "shard {shard} is given {} replicas instead of {}",
            placement.replicas.len(),
            settings.replicas
        ))),
    }
}
