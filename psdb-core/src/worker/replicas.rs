//! The replicas a worker holds: starting, founding, finding and giving them up.
//!
//! ```text
//! map names us            no replica yet: claim, start; a founding one also founds its group
//! map names us anew       the replica bears another number: give the old one up, then as above
//! map does not name us    the group went on without us: give it up
//! ```
//! Replicas found in the log are started only once the masters have accepted this start of the
//! worker: a directory that was restored from an old copy must not vote with what it has forgotten.
//!
//! Of the founders of a group one is preferred, so that leads spread evenly; the others found it
//! only if that one does not. All found it with the same members, so it does not matter who comes
//! first.
//!
//! Invariants:
//! 1. One replica per shard, started once.
//! 2. A replica is given up only on the word of a map in which its group already works without it.
//!
//! Left out: deciding who holds what, which the masters do.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::RwLock;
use tokio::sync::watch;

use crate::env::{Env, Instant, Task};
use crate::raft::{Group, GroupOptions, LogHome, RaftConfig};
use crate::shard::Shard;
use crate::sharding::{Placement, ShardMap};
use crate::transport::Transport;
use crate::types::{Epoch, Error, GroupId, NodeId, Result, ShardId};

/// How many log segments may gather before a group that holds them is made to take a snapshot.
const SEGMENTS_KEPT: usize = 4;
/// How long a founder leaves the founding to the preferred one.
const FOUNDING_PATIENCE: Duration = Duration::from_secs(2);

pub(super) struct Replicas {
    env: Env,
    node: NodeId,
    config: RaftConfig,
    home: LogHome,
    transport: Arc<dyn Transport>,
    running: RwLock<BTreeMap<ShardId, Running>>,
    map: RwLock<Arc<ShardMap>>,
    /// When the first map came.
    placed_at: RwLock<Option<Instant>>,
    failure: Failure,
}

/// Where a replica that has failed says so. The first one counts.
pub(super) type Failure = Arc<watch::Sender<Option<Error>>>;

/// A replica and who watches over it.
struct Running {
    group: Group<Shard>,
    _watch: Task<()>,
}

impl Replicas {
    pub(super) fn new(
        env: Env,
        node: NodeId,
        config: RaftConfig,
        home: LogHome,
        transport: Arc<dyn Transport>,
        failure: Failure,
    ) -> Replicas {
        let (running, map, placed_at) = (RwLock::default(), RwLock::default(), RwLock::default());
        Replicas { env, node, config, home, transport, running, map, placed_at, failure }
    }

    pub(super) fn get(&self, shard: ShardId) -> Option<Group<Shard>> {
        self.running.read().get(&shard).map(|running| running.group.clone())
    }

    pub(super) fn all(&self) -> BTreeMap<ShardId, Group<Shard>> {
        let running = self.running.read();
        running.iter().map(|(shard, running)| (*shard, running.group.clone())).collect()
    }

    pub(super) fn epoch(&self) -> Epoch {
        self.map.read().epoch
    }

    /// Starts every replica the log knows and that does not run yet.
    pub(super) async fn restart_known(&self) -> Result<()> {
        for (group, number) in self.home.known_groups() {
            let Some(shard) = group.shard() else { continue };
            if self.get(shard).is_none() {
                self.start(shard, number.unwrap_or(self.node)).await?;
            }
        }
        Ok(())
    }

    /// Does what `map` asks of this worker, as far as it is newer than the one obeyed.
    pub(super) async fn obey(&self, map: ShardMap) -> Result<()> {
        if map.epoch < self.epoch() {
            return Ok(());
        }
        for (shard, placement) in &map.shards {
            self.obey_one(*shard, placement).await?;
        }
        self.placed_at.write().get_or_insert_with(|| self.env.instant());
        *self.map.write() = Arc::new(map);
        self.found_groups().await
    }

    async fn obey_one(&self, shard: ShardId, placement: &Placement) -> Result<()> {
        let duty = placement.replica_of(self.node);
        let running = self.get(shard);
        if let Some(replica) = &running
            && duty != Some(replica.node())
        {
            self.give_up(shard, replica).await?;
        }
        let Some(number) = duty else { return Ok(()) };
        if running.is_some_and(|replica| replica.node() == number) {
            return Ok(());
        }
        let noted = (number != self.node).then_some(number);
        self.home.claim(GroupId::of_shard(shard), noted).await?;
        self.start(shard, number).await
    }

    /// Founds the groups that this worker has to found and that nobody has founded yet.
    pub(super) async fn found_groups(&self) -> Result<()> {
        let map = self.map.read().clone();
        let waited = self.placed_at.read().map(|at| self.env.instant().elapsed_since(at));
        let patient = waited.is_none_or(|waited| waited < FOUNDING_PATIENCE);
        for (shard, preferred) in map.preferred_founders() {
            let Some(replica) = self.get(shard) else { continue };
            let founders = &map.shards[&shard].founders;
            let founding = founders.contains_key(&replica.node()) && !replica.is_initialized();
            if founding && (preferred == self.node || !patient) {
                replica.initialize(founders).await?;
            }
        }
        Ok(())
    }

    async fn start(&self, shard: ShardId, number: NodeId) -> Result<()> {
        let options = GroupOptions {
            env: self.env.clone(),
            group: GroupId::of_shard(shard),
            node: number,
            config: self.config.clone(),
        };
        let group = Group::start(options, &self.home, self.transport.clone()).await?;
        let watch = self.env.spawn(watch_over(group.clone(), self.failure.clone()));
        self.running.write().insert(shard, Running { group, _watch: watch });
        Ok(())
    }

    async fn give_up(&self, shard: ShardId, replica: &Group<Shard>) -> Result<()> {
        self.running.write().remove(&shard);
        replica.abandon().await;
        self.home.forget(replica.id()).await
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
            replica.group.shutdown().await;
        }
    }
}

/// Tells when a replica has failed. A panic of the engine is none of a status: the replica would
/// look like one that moved away.
async fn watch_over(group: Group<Shard>, failure: Failure) {
    let error = group.failed().await;
    tracing::error!(group = %group.id(), %error, "a replica has failed; this worker has to end");
    failure.send_if_modified(|first| {
        let is_first = first.is_none();
        if is_first {
            *first = Some(error);
        }
        is_first
    });
}
