//! Which workers hold a shard, and which shards a new database is homed on.
//!
//! Pure functions: they decide, and the masters' service writes down and acts.
//!
//! [`place_shards`] walks a ring of workers from each shard's place and takes the first ones that
//! are not full, so that every worker gets a fair number of replicas and a similar list of
//! workers gives a similar placement. The last shards can meet a ring on which too few *distinct*
//! workers have room; then a replica placed earlier moves over to make room:
//!
//! ```text
//!   shard 5 goes to c; a and b are full        a: 0 1 2 3 4   b: 0 1 2 3 4   c: 5
//!   shard 0 of a is not on c, so it moves      a:   1 2 3 4   b: 0 1 2 3 4   c: 5 0
//!   shard 5 takes the room                     a: 5 1 2 3 4   b: 0 1 2 3 4   c: 5 0
//! ```
//!
//! Such a shard always exists: `a` is full and `c` is not, so `a` carries more shards than `c`.
//!
//! Invariants of a placement:
//! 1. Every shard has exactly `replicas` workers, all distinct.
//! 2. No worker carries more than a quarter above its fair share, rounded up.
//! 3. It depends neither on the order of the workers nor on anything but the arguments.
//!
//! Left out: moving replicas once they are placed, capacities and zones (`rebalance`).

use std::collections::{BTreeMap, BTreeSet};

use crate::sharding::{HashRing, Placement, RingSpec, bounded_capacity, shard_name};
use crate::types::{Address, NodeId, ShardId};

/// Why shards cannot be placed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PlacementError {
    /// A shard's replicas live on distinct workers. Start more workers, or ask for fewer replicas.
    #[error("{replicas} replicas need as many workers, but there are {workers}")]
    TooFewWorkers {
        /// How many replicas each shard should have.
        replicas: usize,
        /// How many workers there are.
        workers: usize,
    },
    /// A shard without replicas would hold nothing. Ask for one replica or more.
    #[error("a shard needs at least one replica")]
    NoReplicas,
}

/// What one shard carries, over all databases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ShardLoadSummary {
    /// Which shard.
    pub shard: ShardId,
    /// How many documents it holds.
    pub documents: u64,
    /// How many bytes their encoded forms have.
    pub bytes: u64,
    /// How many databases are homed on it.
    pub databases: u64,
}

/// Places `shards` shards, numbered from 0, on `replicas` distinct workers each.
///
/// No worker gets more than [`bounded_capacity`] of all replicas.
///
/// # Errors
///
/// [`PlacementError::TooFewWorkers`] when there are fewer workers than replicas, and
/// [`PlacementError::NoReplicas`].
pub fn place_shards(
    shards: u32,
    replicas: usize,
    workers: &[(NodeId, Address)],
    spec: RingSpec,
) -> Result<BTreeMap<ShardId, Placement>, PlacementError> {
    let addresses: BTreeMap<_, _> = workers.iter().cloned().collect();
    if replicas == 0 {
        return Err(PlacementError::NoReplicas);
    }
    if addresses.len() < replicas {
        return Err(PlacementError::TooFewWorkers { replicas, workers: addresses.len() });
    }
    let names: Vec<_> = addresses.keys().map(|worker| format!("worker/{worker}")).collect();
    let mut ring = HashRing::new(spec);
    ring.add_all(addresses.keys().copied().zip(names.iter().map(String::as_str)));
    let all = u64::from(shards) * replicas as u64;
    let mut board = Board::new(&addresses, bounded_capacity(all, addresses.len() as u64));
    for shard in (0..shards).map(ShardId) {
        let preference: Vec<_> = ring.successors(shard_name(shard).as_bytes()).copied().collect();
        board.place(shard, replicas, &preference);
    }
    Ok(board.into_placements(&addresses, shards))
}

/// The replicas placed so far.
struct Board {
    /// What each worker carries.
    held: BTreeMap<NodeId, BTreeSet<ShardId>>,
    /// The most any worker may carry.
    capacity: usize,
}

impl Board {
    fn new(workers: &BTreeMap<NodeId, Address>, capacity: u64) -> Self {
        let held = workers.keys().map(|worker| (*worker, BTreeSet::new())).collect();
        Self { held, capacity: usize::try_from(capacity).unwrap_or(usize::MAX) }
    }

    /// Gives `shard` to the first workers of `preference`, which names all, that have room.
    fn place(&mut self, shard: ShardId, replicas: usize, preference: &[NodeId]) {
        for _ in 0..replicas {
            let others: Vec<_> =
                preference.iter().filter(|worker| !self.held[worker].contains(&shard)).collect();
            let roomy = others.iter().find(|worker| self.held[worker].len() < self.capacity);
            let first = others.first().expect("there are as many workers as replicas");
            let chosen = **roomy.unwrap_or(first);
            if roomy.is_none() {
                self.make_room(chosen);
            }
            self.held.entry(chosen).or_default().insert(shard);
        }
    }

    /// Moves one shard away from a full worker, to the one that carries least.
    fn make_room(&mut self, full: NodeId) {
        let least = self.held.iter().min_by_key(|(_, shards)| shards.len());
        let (least, spare) = least.expect("there are workers");
        let (least, moved) = (*least, self.held[&full].difference(spare).next().copied());
        let moved = moved.expect("the full worker carries more shards than the one with room");
        self.held.entry(full).or_default().remove(&moved);
        self.held.entry(least).or_default().insert(moved);
    }

    fn into_placements(
        self,
        addresses: &BTreeMap<NodeId, Address>,
        shards: u32,
    ) -> BTreeMap<ShardId, Placement> {
        let mut replicas: BTreeMap<_, BTreeMap<_, _>> =
            (0..shards).map(|shard| (ShardId(shard), BTreeMap::new())).collect();
        for (worker, held) in self.held {
            for shard in held {
                replicas.entry(shard).or_default().insert(worker, addresses[&worker].clone());
            }
        }
        replicas.into_iter().map(|(shard, held)| (shard, Placement::founded(held))).collect()
    }
}

/// The `count` least-loaded shards, where a new database finds its home, in ascending order.
///
/// Fewer bytes come first, then fewer documents, fewer databases, and the lower number. Where
/// there are fewer than `count` shards, all of them are taken.
pub fn home_shards(count: usize, loads: &[ShardLoadSummary]) -> Vec<ShardId> {
    let mut loads: Vec<_> = loads.iter().collect();
    loads.sort_by_key(|load| (load.bytes, load.documents, load.databases, load.shard));
    let mut homes: Vec<_> = loads.into_iter().take(count).map(|load| load.shard).collect();
    homes.sort_unstable();
    homes
}

#[cfg(test)]
#[path = "placement_tests.rs"]
mod tests;
