//! Replicas on their way from one worker to another, and workers that are to be emptied.
//!
//! A move is begun, done outside of the metadata (the shard's own group changes its members), and
//! then ended or cancelled. The shard map says at any moment who holds a replica or is to get one,
//! so workers obey the map alone and a new leader of the masters finds every move under way.
//!
//! Invariants:
//! 1. A shard has at most one move under way.
//! 2. A move is ended or cancelled by the birth of its new replica, so a late repetition changes nothing.
//! 3. A worker is removed only when the map does not name it any more.
//!
//! Left out: which replica should move where (`master::rebalance`).

use std::sync::Arc;

use super::{Metadata, Response, WorkerRecord, invalid};
use crate::sharding::{Move, Placement, ShardMap};
use crate::types::{Epoch, Error, NodeId, Result, ShardId};

impl Metadata {
    pub(super) fn begin_move(
        &mut self,
        shard: ShardId,
        from: NodeId,
        to: NodeId,
    ) -> Result<Response> {
        let placement = self.placement(shard)?;
        if let Some(moving) = &placement.moving {
            return Err(invalid(format!(
                "a replica of shard {shard} is moving from {} to {} already",
                self.called(moving.from),
                self.called(moving.to)
            )));
        }
        if !placement.replicas.contains_key(&from) {
            return Err(invalid(format!(
                "{} holds no replica of shard {shard}",
                self.called(from)
            )));
        }
        if placement.replicas.contains_key(&to) {
            return Err(invalid(format!(
                "{} holds a replica of shard {shard} already",
                self.called(to)
            )));
        }
        let worker = self.worker(to).ok_or_else(|| Error::NodeNotFound { name: to.to_string() })?;
        let (address, birth) = (worker.address.clone(), Epoch(self.map.epoch.0 + 1));
        self.change_placement(shard, |placement| {
            placement.moving = Some(Move { from, to, address, birth });
        });
        Ok(Response::Map(ShardMap::clone(&self.map)))
    }

    pub(super) fn end_move(&mut self, shard: ShardId, birth: Epoch) -> Result<Response> {
        if self.is_moving(shard, birth)? {
            self.change_placement(shard, |placement| *placement = placement.moved());
        }
        Ok(Response::Done)
    }

    pub(super) fn cancel_move(&mut self, shard: ShardId, birth: Epoch) -> Result<Response> {
        if self.is_moving(shard, birth)? {
            self.change_placement(shard, |placement| placement.moving = None);
        }
        Ok(Response::Done)
    }

    pub(super) fn set_draining(&mut self, worker: NodeId, draining: bool) -> Result<Response> {
        let known = self.known_worker(worker)?;
        if known.draining != draining {
            let record = WorkerRecord { draining, ..known.clone() };
            self.workers.insert(worker, Arc::new(record));
        }
        Ok(Response::Done)
    }

    pub(super) fn remove_worker(&mut self, worker: NodeId) -> Result<Response> {
        let known = self.known_worker(worker)?;
        let held = self.map.shards.values().filter(|p| p.replica_of(worker).is_some()).count();
        if held > 0 {
            return Err(Error::NotReady {
                what: format!("removing worker '{}'", known.name),
                reason: format!(
                    "it still holds {held} replicas; drain it first, or wait until they are \
                     rebuilt elsewhere"
                ),
            });
        }
        self.workers.remove(&worker);
        Ok(Response::Done)
    }

    /// A worker as people know it.
    fn called(&self, worker: NodeId) -> String {
        match self.worker(worker) {
            Some(known) => format!("worker '{}'", known.name),
            None => format!("worker {worker}"),
        }
    }

    fn placement(&self, shard: ShardId) -> Result<&Placement> {
        let placement = self.map.shards.get(&shard);
        placement.ok_or_else(|| invalid(format!("there is no shard {shard}")))
    }

    fn is_moving(&self, shard: ShardId, birth: Epoch) -> Result<bool> {
        let moving = self.placement(shard)?.moving.as_ref();
        Ok(moving.is_some_and(|moving| moving.birth == birth))
    }

    fn change_placement(&mut self, shard: ShardId, change: impl FnOnce(&mut Placement)) {
        let map = Arc::make_mut(&mut self.map);
        map.epoch.0 += 1;
        if let Some(placement) = map.shards.get_mut(&shard) {
            change(placement);
        }
    }
}
