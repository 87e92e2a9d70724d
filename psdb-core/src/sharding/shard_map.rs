//! Who holds which shard: the map clients route by and workers obey.
//!
//! The masters own the map; everybody else holds a copy, named by its epoch. A copy that is too
//! old is fenced: a worker that knows a newer epoch says so, and the copy is fetched again.
//!
//! Invariants:
//! 1. Every change of placement raises the epoch; two maps of one epoch are equal.
//! 2. A database's shards never change once it exists, so a document's route is stable.
//!
//! Left out: deciding placements (`master::placement`) and routes (`ring`).

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::types::{Address, Epoch, NodeId, ShardId};

/// The replicas of one shard.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Placement {
    /// The voters, by node, with the address where each is reached.
    pub replicas: BTreeMap<NodeId, Address>,
}

/// The placement of every shard at one epoch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ShardMap {
    /// The version of this map; 0 before the cluster is born.
    pub epoch: Epoch,
    /// The shards; empty until enough workers have joined.
    pub shards: BTreeMap<ShardId, Placement>,
}
