//! The replicas a worker holds: starting, founding and finding them.
//!
//! A shard's replica is started when the log shows it was here before, or when the shard map first
//! names this worker for it. Then it also founds its group together with the other members named
//! by the map; for a group that exists this changes nothing.
//!
//! Invariant: one replica per shard, started once.
//!
//! Left out: dropping replicas the map takes away (the issue on membership).

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::RwLock;

use crate::env::Env;
use crate::raft::{Group, GroupOptions, LogHome, RaftConfig};
use crate::shard::Shard;
use crate::sharding::ShardMap;
use crate::transport::Transport;
use crate::types::{Epoch, GroupId, NodeId, Result, ShardId};

/// How many log segments may gather before a group that holds them is made to take a snapshot.
const SEGMENTS_KEPT: usize = 4;

pub(super) struct Replicas {
    env: Env,
    node: NodeId,
    config: RaftConfig,
    home: LogHome,
    transport: Arc<dyn Transport>,
    running: RwLock<BTreeMap<ShardId, Group<Shard>>>,
    map: RwLock<ShardMap>,
}

impl Replicas {
    pub(super) fn new(
        env: Env,
        node: NodeId,
        config: RaftConfig,
        home: LogHome,
        transport: Arc<dyn Transport>,
    ) -> Replicas {
        let (running, map) = (RwLock::default(), RwLock::default());
        Replicas { env, node, config, home, transport, running, map }
    }

    pub(super) fn get(&self, shard: ShardId) -> Option<Group<Shard>> {
        self.running.read().get(&shard).cloned()
    }

    pub(super) fn all(&self) -> BTreeMap<ShardId, Group<Shard>> {
        self.running.read().clone()
    }

    pub(super) fn epoch(&self) -> Epoch {
        self.map.read().epoch
    }

    /// Starts every replica the log knows.
    pub(super) async fn restart_known(&self) -> Result<()> {
        let known: Vec<_> = self.home.known_groups().filter_map(GroupId::shard).collect();
        for shard in known {
            self.start(shard).await?;
        }
        Ok(())
    }

    /// Does what `map` asks of this worker.
    pub(super) async fn obey(&self, map: ShardMap) -> Result<()> {
        if map.epoch < self.epoch() {
            return Ok(());
        }
        for (shard, placement) in &map.shards {
            if !placement.replicas.contains_key(&self.node) {
                continue;
            }
            let replica = match self.get(*shard) {
                Some(replica) => replica,
                None => self.start(*shard).await?,
            };
            if !replica.is_initialized() {
                replica.initialize(&placement.replicas).await?;
            }
        }
        *self.map.write() = map;
        Ok(())
    }

    async fn start(&self, shard: ShardId) -> Result<Group<Shard>> {
        let options = GroupOptions {
            env: self.env.clone(),
            group: GroupId::of_shard(shard),
            node: self.node,
            config: self.config.clone(),
        };
        let replica = Group::start(options, &self.home, self.transport.clone()).await?;
        self.running.write().insert(shard, replica.clone());
        Ok(replica)
    }

    /// Makes groups whose old entries keep many log segments alive take a snapshot.
    pub(super) async fn free_log(&self) {
        for group in self.home.holders(SEGMENTS_KEPT) {
            let Some(replica) = group.shard().and_then(|shard| self.get(shard)) else { continue };
            if let Err(error) = replica.snapshot().await {
                tracing::warn!(%group, %error, "could not take a snapshot to free the log");
            }
        }
    }

    pub(super) async fn shutdown(&self) {
        let running = std::mem::take(&mut *self.running.write());
        for replica in running.into_values() {
            replica.shutdown().await;
        }
    }
}
