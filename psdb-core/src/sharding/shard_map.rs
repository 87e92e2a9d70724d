//! Who holds which shard: the map clients route by and workers obey.
//!
//! The masters own the map; everybody else holds a copy, named by its epoch. A copy that is too
//! old is fenced: a worker that knows a newer epoch says so, and the copy is fetched again.
//!
//! A replica moves in steps, each a map of its own, so that a new leader of the masters goes on
//! where its predecessor stopped:
//!
//! ```text
//! {a b c}              moving: c -> d         {a b d}
//!    begin ──────────────► d starts, learns, votes; c leaves ──────► end: c is dropped
//!                            └ d dies first: cancelled, d is dropped
//! ```
//!
//! Invariants:
//! 1. Every change of placement raises the epoch; two maps of one epoch are equal.
//! 2. A database's shards never change once it exists, so a document's route is stable.
//! 3. A worker that is given a shard again holds it under another number in Raft.
//! 4. `founders` never changes: whoever founds the group late founds it with the same members.
//!
//! Left out: deciding placements (`master::placement`) and routes (`ring`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::types::{Address, Epoch, NodeId, ShardId};

/// The replicas of one shard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// The workers whose replicas vote, with the address where each is reached.
    pub replicas: BTreeMap<NodeId, Address>,
    /// The workers that founded the shard's group, where they were reached then.
    pub founders: BTreeMap<NodeId, Address>,
    /// The map in which each replica that is not a founding one was given to its worker.
    pub births: BTreeMap<NodeId, Epoch>,
    /// The replacement under way.
    pub moving: Option<Move>,
}

/// One replica being replaced by another.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// The worker whose replica goes.
    pub from: NodeId,
    /// The worker that gets one.
    pub to: NodeId,
    /// Where that is reached.
    pub address: Address,
    /// The epoch of the map that began the move; it names the new replica.
    pub birth: Epoch,
}

/// The placement of every shard at one epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardMap {
    /// The version of this map; 0 before the cluster is born.
    pub epoch: Epoch,
    /// The shards; empty until enough workers have joined.
    pub shards: BTreeMap<ShardId, Placement>,
}

impl ShardMap {
    /// Who is to found each shard's group: its founders take turns, so that leads spread evenly.
    pub fn preferred_founders(&self) -> BTreeMap<ShardId, NodeId> {
        let mut given: BTreeMap<NodeId, usize> = BTreeMap::new();
        let mut preferred = BTreeMap::new();
        for (shard, placement) in &self.shards {
            let fewest = |node: &&NodeId| (given.get(node).copied().unwrap_or(0), **node);
            let Some(node) = placement.founders.keys().min_by_key(fewest).copied() else {
                continue;
            };
            *given.entry(node).or_default() += 1;
            preferred.insert(*shard, node);
        }
        preferred
    }
}

impl Placement {
    /// A placement on these workers, which found the shard.
    pub fn founded(replicas: BTreeMap<NodeId, Address>) -> Placement {
        let (births, founders) = (BTreeMap::new(), replicas.clone());
        Placement { replicas, founders, births, moving: None }
    }

    /// The number under which the replica of `worker` votes or is to vote; `None` if it has no
    /// part in the shard.
    pub fn replica_of(&self, worker: NodeId) -> Option<NodeId> {
        if self.replicas.contains_key(&worker) {
            let birth = self.births.get(&worker).copied().unwrap_or_default();
            return Some(worker.replica(birth));
        }
        let incoming = self.moving.as_ref().filter(|moving| moving.to == worker)?;
        Some(worker.replica(incoming.birth))
    }

    /// The members of the shard's group by their numbers there, as long as nothing moves.
    pub fn members(&self) -> BTreeMap<NodeId, Address> {
        let member = |(worker, address): (&NodeId, &Address)| {
            let birth = self.births.get(worker).copied().unwrap_or_default();
            (worker.replica(birth), address.clone())
        };
        self.replicas.iter().map(member).collect()
    }

    /// This placement once its move has ended; itself when nothing moves.
    #[must_use]
    pub fn moved(&self) -> Placement {
        let mut placement = self.clone();
        if let Some(Move { from, to, address, birth }) = placement.moving.take() {
            placement.replicas.remove(&from);
            placement.births.remove(&from);
            placement.replicas.insert(to, address);
            placement.births.insert(to, birth);
        }
        placement
    }
}
