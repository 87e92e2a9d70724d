//! Masters, workers and shards on the wire.
//!
//! Left out: changing who is in the cluster.

use psdb_core::transport::message::{MasterInfo, ShardInfo, WorkerInfo, WorkerStatus};

use crate::proto::v1;

/// Encodes a master.
pub fn from_master(master: &MasterInfo) -> v1::Master {
    v1::Master {
        name: master.name.clone(),
        node: master.node.to_string(),
        address: master.address.as_str().to_owned(),
        leads: master.leads,
        term: master.term.0,
        matched: master.matched.0,
    }
}

/// Encodes a worker.
pub fn from_worker(worker: &WorkerInfo) -> v1::Worker {
    let status = match worker.status {
        WorkerStatus::Alive => v1::WorkerStatus::Alive,
        WorkerStatus::Suspect => v1::WorkerStatus::Suspect,
        WorkerStatus::Dead => v1::WorkerStatus::Dead,
    };
    v1::Worker {
        name: worker.name.clone(),
        address: worker.address.as_str().to_owned(),
        status: status.into(),
        shards: worker.shards,
        leaders: worker.leaders,
        documents: worker.documents,
        bytes: worker.bytes,
        draining: worker.draining,
        zone: worker.zone.clone(),
    }
}

/// Encodes a shard.
pub fn from_shard(shard: &ShardInfo) -> v1::Shard {
    let text = |address: &psdb_core::Address| address.as_str().to_owned();
    v1::Shard {
        shard: shard.shard.0,
        leader: shard.leader.as_ref().map(text),
        replicas: shard.replicas.iter().map(text).collect(),
        term: shard.term.0,
        applied: shard.applied.0,
        databases: shard.databases,
        documents: shard.documents,
        bytes: shard.bytes,
        state_hash: shard.hash,
        moving_from: shard.moving.as_ref().map(|(from, _)| text(from)),
        moving_to: shard.moving.as_ref().map(|(_, to)| text(to)),
    }
}
