//! Which replicas should move, and which leads should be handed over.
//!
//! Pure functions of what the masters know. [`plan_moves`] starts from the placement as it will be
//! when every move under way has ended, and improves it move by move:
//!
//! ```text
//! 1. rescue   a replica on a worker that is dead for long, draining or gone goes elsewhere
//! 2. spread   two replicas of a shard in one zone part, if another zone has room
//! 3. relieve  a worker above ceil(1.25 x its fair share) gives to one with room
//! 4. fill     a worker below 0.75 x its fair share, rounded down, takes from the fullest
//! ```
//! Where a replica may go to several workers, a ring over the workers decides, walked from the
//! shard's place: equal situations give equal answers, and different shards go different ways.
//! Nothing moves that need not, so a worker that joins takes its share and no other replica moves.
//!
//! Invariants:
//! 1. A shard never gets two replicas on one worker.
//! 2. A move for balance never brings replicas of a shard together in one zone.
//! 3. Applying the plan and planning again gives an empty plan.
//!
//! Left out: how fast to move (the reconciler begins a few at a time).

use std::collections::{BTreeMap, BTreeSet};

use crate::sharding::{HashRing, Placement, RingSpec, shard_name};
use crate::transport::message::WorkerTraits;
use crate::types::{NodeId, ShardId};

/// A worker as far as placing replicas on it goes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seat {
    /// Its zone and capacity.
    pub traits: WorkerTraits,
    /// Whether it may hold replicas: alive or only just silent, and not draining.
    pub usable: bool,
}

/// Why a replica moves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// Its worker is dead for long, draining, or gone.
    Rescue,
    /// Another replica of its shard is in the same zone.
    Spread,
    /// Its worker holds too many.
    Relieve,
    /// Another worker holds too few.
    Fill,
}

/// One replica to be moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PlannedMove {
    /// Of which shard.
    pub shard: ShardId,
    /// The worker it leaves.
    pub from: NodeId,
    /// The worker it goes to.
    pub to: NodeId,
    /// Why.
    pub reason: Reason,
}

/// The moves that bring `shards` into good order on `workers`, the most urgent first.
///
/// A rescue that no usable worker has a place for is left out until one has.
pub fn plan_moves(
    workers: &BTreeMap<NodeId, Seat>,
    shards: &BTreeMap<ShardId, Placement>,
) -> Vec<PlannedMove> {
    let mut board = Board::new(workers, shards);
    board.rescue();
    board.spread();
    board.relieve();
    board.fill();
    board.moves
}

/// The placement in the making.
struct Board<'a> {
    workers: &'a BTreeMap<NodeId, Seat>,
    holders: BTreeMap<ShardId, BTreeSet<NodeId>>,
    /// How many replicas each usable worker holds.
    held: BTreeMap<NodeId, u64>,
    ring: HashRing<NodeId>,
    moves: Vec<PlannedMove>,
}

impl<'a> Board<'a> {
    fn new(workers: &'a BTreeMap<NodeId, Seat>, shards: &BTreeMap<ShardId, Placement>) -> Self {
        let holders: BTreeMap<ShardId, BTreeSet<NodeId>> = shards
            .iter()
            .map(|(shard, placement)| (*shard, placement.moved().replicas.into_keys().collect()))
            .collect();
        let usable = workers.iter().filter(|(_, seat)| seat.usable).map(|(node, _)| *node);
        let usable: Vec<NodeId> = usable.collect();
        let names: Vec<_> = usable.iter().map(|node| format!("worker/{node}")).collect();
        let mut ring = HashRing::new(RingSpec::default());
        ring.add_all(usable.iter().copied().zip(names.iter().map(String::as_str)));
        let count = |node: &NodeId| holders.values().filter(|held| held.contains(node)).count();
        let held = usable.iter().map(|node| (*node, count(node) as u64)).collect();
        Board { workers, holders, held, ring, moves: Vec::new() }
    }

    fn zone(&self, node: NodeId) -> Option<&str> {
        self.workers.get(&node)?.traits.zone.as_deref()
    }

    fn capacity(&self, node: NodeId) -> u64 {
        self.workers.get(&node).map_or(1, |seat| u64::from(seat.traits.capacity.max(1)))
    }

    /// A worker's fair share of all replicas, as a fraction: numerator and denominator.
    fn fair(&self, node: NodeId) -> (u64, u64) {
        let replicas: u64 = self.holders.values().map(|held| held.len() as u64).sum();
        let capacities: u64 = self.held.keys().map(|node| self.capacity(*node)).sum();
        (replicas * self.capacity(node), capacities.max(1))
    }

    /// The most a worker should hold: a quarter above its fair share, rounded up.
    fn most(&self, node: NodeId) -> u64 {
        let (share, of) = self.fair(node);
        (5 * share).div_ceil(4 * of)
    }

    /// The least a worker should hold: three quarters of its fair share, rounded down.
    fn least(&self, node: NodeId) -> u64 {
        let (share, of) = self.fair(node);
        3 * share / (4 * of)
    }

    /// Whether another replica of the shard, `leaving` not counted, shares the zone of `node`.
    fn crowds(&self, shard: ShardId, node: NodeId, leaving: NodeId) -> bool {
        let Some(zone) = self.zone(node) else { return false };
        self.holders[&shard]
            .iter()
            .any(|other| *other != leaving && *other != node && self.zone(*other) == Some(zone))
    }

    /// Usable workers without a replica of the shard, in the order of the ring.
    fn candidates(&self, shard: ShardId) -> Vec<NodeId> {
        let holders = &self.holders[&shard];
        let places = self.ring.successors(shard_name(shard).as_bytes()).copied();
        places.filter(|node| !holders.contains(node)).collect()
    }

    fn apply(&mut self, shard: ShardId, from: NodeId, to: NodeId, reason: Reason) {
        if let Some(holders) = self.holders.get_mut(&shard) {
            holders.remove(&from);
            holders.insert(to);
        }
        if let Some(held) = self.held.get_mut(&from) {
            *held -= 1;
        }
        *self.held.entry(to).or_default() += 1;
        self.moves.push(PlannedMove { shard, from, to, reason });
    }

    fn rescue(&mut self) {
        let shards: Vec<ShardId> = self.holders.keys().copied().collect();
        for shard in shards {
            let stranded: Vec<NodeId> = self.holders[&shard]
                .iter()
                .copied()
                .filter(|node| !self.held.contains_key(node))
                .collect();
            for from in stranded {
                let candidates = self.candidates(shard);
                // A free zone counts more than room, and room more than the ring.
                let best = candidates.iter().enumerate().min_by_key(|(rank, node)| {
                    let full = self.held[*node] >= self.most(**node);
                    (self.crowds(shard, **node, from), full, *rank)
                });
                if let Some((_, to)) = best {
                    self.apply(shard, from, *to, Reason::Rescue);
                }
            }
        }
    }

    fn spread(&mut self) {
        let shards: Vec<ShardId> = self.holders.keys().copied().collect();
        for shard in shards {
            let crowded: Vec<NodeId> = self.holders[&shard]
                .iter()
                .copied()
                .filter(|node| self.crowds(shard, *node, *node))
                .collect();
            // The fullest of the crowd goes, so that spreading also balances.
            let from = crowded.iter().copied().max_by_key(|node| (self.held.get(node), *node));
            let Some(from) = from else { continue };
            let free = |node: &&NodeId| {
                !self.crowds(shard, **node, from) && self.held[*node] < self.most(**node)
            };
            let to = self.candidates(shard).iter().find(free).copied();
            if let Some(to) = to {
                self.apply(shard, from, to, Reason::Spread);
            }
        }
    }

    fn relieve(&mut self) {
        let workers: Vec<NodeId> = self.held.keys().copied().collect();
        for from in workers {
            while self.held[&from] > self.most(from) {
                let room = |node: &NodeId| self.held[node] < self.most(*node);
                let Some((shard, to)) = self.best_exchange(from, room) else { break };
                self.apply(shard, from, to, Reason::Relieve);
            }
        }
    }

    fn fill(&mut self) {
        let workers: Vec<NodeId> = self.held.keys().copied().collect();
        for to in workers {
            while self.held[&to] < self.least(to) {
                // Whoever gives must not fall below what it should hold itself.
                let mut givers: Vec<NodeId> = self.held.keys().copied().collect();
                givers.retain(|node| self.held[node] > self.least(*node) && *node != to);
                givers.sort_by_key(|node| (std::cmp::Reverse(self.fullness(*node)), *node));
                let exchange = givers
                    .iter()
                    .find_map(|from| Some((*from, self.best_exchange(*from, |node| *node == to)?)));
                let Some((from, (shard, to))) = exchange else { break };
                self.apply(shard, from, to, Reason::Fill);
            }
        }
    }

    /// The replica of `from` that may go to a worker `takes` accepts: to the emptiest of them, and
    /// of several shards the one from which that worker comes first on the ring.
    fn best_exchange(
        &self,
        from: NodeId,
        takes: impl Fn(&NodeId) -> bool,
    ) -> Option<(ShardId, NodeId)> {
        let mine = self.holders.iter().filter(|(_, holders)| holders.contains(&from));
        let exchanges = mine.flat_map(|(shard, _)| {
            let candidates = self.candidates(*shard).into_iter().enumerate();
            let fitting =
                candidates.filter(|(_, node)| takes(node) && !self.crowds(*shard, *node, from));
            fitting.map(|(rank, to)| (self.fullness(to), rank, *shard, to)).collect::<Vec<_>>()
        });
        exchanges.min().map(|(_, _, shard, to)| (shard, to))
    }

    /// How much a worker holds for its capacity, in thousandths.
    fn fullness(&self, node: NodeId) -> u64 {
        self.held.get(&node).map_or(0, |held| held * 1_000 / self.capacity(node))
    }
}

/// The lead to hand over next: from the worker with the most to a holder of that shard with at
/// least two fewer; `None` when leads are spread evenly.
pub fn next_hand_over(
    leaders: &BTreeMap<ShardId, NodeId>,
    shards: &BTreeMap<ShardId, Placement>,
    workers: &BTreeMap<NodeId, Seat>,
) -> Option<(ShardId, NodeId, NodeId)> {
    let usable = |node: &NodeId| workers.get(node).is_some_and(|seat| seat.usable);
    let count = |node: NodeId| leaders.values().filter(|leader| **leader == node).count();
    let mut best: Option<(usize, ShardId, NodeId, NodeId)> = None;
    for (shard, leader) in leaders {
        let Some(placement) = shards.get(shard).filter(|p| p.moving.is_none()) else { continue };
        let others = placement.replicas.keys().copied().filter(|node| node != leader);
        let target = others.filter(usable).min_by_key(|node| (count(*node), *node));
        let Some(target) = target else { continue };
        let gain = count(*leader).saturating_sub(count(target));
        if gain >= 2 && best.is_none_or(|(known, ..)| gain > known) {
            best = Some((gain, *shard, *leader, target));
        }
    }
    best.map(|(_, shard, from, to)| (shard, from, to))
}

#[cfg(test)]
#[path = "rebalance_tests.rs"]
mod tests;
