//! Describes an in-process cluster and starts it.
//!
//! Left out: the embedded database, which is one node (`embedded`).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use super::node::{Node, NodeRole, Plan};
use super::{Cluster, Inner, REPLACE_AFTER};
use crate::client::{Client, ClientOptions};
use crate::env::{Env, SimDisk, random};
use crate::raft::RaftConfig;
use crate::storage::PageCache;
use crate::transport::in_process::Network;
use crate::types::{Address, Error, Result};

/// How long a new cluster may take to place its shards.
const READY_TIMEOUT: Duration = Duration::from_secs(30);

/// A description of a cluster in this process.
///
/// # Examples
///
/// ```
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let cluster = psdb_core::Cluster::builder().masters(1).workers(2).replicas(2).start().await?;
/// let notes = cluster.client().create_database("notes").await?;
/// notes.insert_json(r#"{"text": "hello"}"#).await?;
/// assert_eq!(notes.count_all().await?.count, 1);
/// # Ok::<(), psdb_core::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug)]
#[must_use = "a description does nothing until it is started"]
pub struct ClusterBuilder {
    masters: u32,
    workers: u32,
    replicas: Option<u32>,
    shards: u32,
    seed: Option<u64>,
    data_dir: Option<PathBuf>,
    raft: RaftConfig,
    replace_after: Duration,
    cache_bytes: Option<u64>,
}

impl Default for ClusterBuilder {
    fn default() -> Self {
        ClusterBuilder {
            masters: 3,
            workers: 3,
            replicas: None,
            shards: 16,
            seed: None,
            data_dir: None,
            raft: RaftConfig::default(),
            replace_after: REPLACE_AFTER,
            cache_bytes: None,
        }
    }
}

impl ClusterBuilder {
    /// How many masters there are, called `master-1` and so on; 3.
    pub fn masters(mut self, masters: u32) -> Self {
        self.masters = masters;
        self
    }

    /// How many workers there are, called `worker-1` and so on; 3.
    pub fn workers(mut self, workers: u32) -> Self {
        self.workers = workers;
        self
    }

    /// How many replicas each shard has; 3, or as many as there are workers if those are fewer.
    pub fn replicas(mut self, replicas: u32) -> Self {
        self.replicas = Some(replicas);
        self
    }

    /// How many shards there are; 16.
    pub fn shards(mut self, shards: u32) -> Self {
        self.shards = shards;
        self
    }

    /// Makes randomness, faults and wall-clock time a function of `seed`.
    ///
    /// For a run that is equal to the last byte, use a current-thread runtime built with
    /// `start_paused(true)`, and a fresh process for each run.
    pub fn seed(mut self, seed: u64) -> Self {
        self.seed = Some(seed);
        self
    }

    /// Keeps every node in a directory of its own below `path`, on real files.
    pub fn data_dir(mut self, path: impl AsRef<Path>) -> Self {
        self.data_dir = Some(path.as_ref().to_owned());
        self
    }

    /// Timers and bounds of all groups.
    pub fn raft(mut self, raft: RaftConfig) -> Self {
        self.raft = raft;
        self
    }

    /// Rebuilds the replicas of a worker elsewhere when it has been dead for so long; 60 s.
    pub fn replace_after(mut self, dead_for: Duration) -> Self {
        self.replace_after = dead_for;
        self
    }

    /// How many bytes of pages all nodes together keep in memory; a quarter of the machine's memory
    /// on real files, 64 MiB otherwise.
    pub fn cache_bytes(mut self, bytes: u64) -> Self {
        self.cache_bytes = Some(bytes);
        self
    }

    /// Starts the cluster and waits until it can serve.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidRequest`] when the numbers make no sense, [`Error::DeadlineExceeded`] when
    /// the cluster does not get ready within 30 s, and whatever starting a node says.
    pub async fn start(self) -> Result<Cluster> {
        self.check()?;
        let env = self.env();
        let plan = self.plan(&env);
        let network = Network::new(env.clone());
        let mut nodes = BTreeMap::new();
        let names = (1..=self.masters)
            .map(|n| (format!("master-{n}"), NodeRole::Master))
            .chain((1..=self.workers).map(|n| (format!("worker-{n}"), NodeRole::Worker)));
        for (name, role) in names {
            let mut node = Node::new(&name, role, &plan, &env);
            node.start(&plan, &network).await?;
            nodes.insert(name, node);
        }
        let cluster = assemble(env, network, plan, nodes);
        cluster.wait_until_placed().await?;
        Ok(cluster)
    }

    fn check(&self) -> Result<()> {
        let refuse = |reason: &str| Err(Error::InvalidRequest { reason: reason.to_owned() });
        if self.masters == 0 || self.workers == 0 || self.shards == 0 || self.replicas == Some(0) {
            return refuse("a cluster needs at least one master, worker, shard and replica");
        }
        if self.replicas.is_some_and(|replicas| replicas > self.workers) {
            return refuse("there are more replicas than workers to hold them");
        }
        if self.seed.is_some() && self.data_dir.is_some() {
            return refuse("a seeded cluster lives in memory: give a seed or a data directory");
        }
        self.raft.validate()
    }

    fn env(&self) -> Env {
        match (self.seed, &self.data_dir) {
            (Some(seed), _) => {
                random::seed_thread(seed);
                Env::simulated(seed, SimDisk::volatile())
            }
            (None, Some(_)) => Env::real(),
            (None, None) => Env::memory(),
        }
    }

    fn plan(&self, env: &Env) -> Plan {
        let master = |n: u32| format!("master-{n}");
        Plan {
            masters: (1..=self.masters).map(|n| (master(n), Address::from(master(n)))).collect(),
            shards: self.shards,
            replicas: self.replicas.unwrap_or(self.workers.min(3)),
            workers: self.workers,
            raft: self.raft.clone(),
            replace_after: self.replace_after,
            cache: PageCache::for_process(env, self.cache_bytes),
            root: self.data_dir.clone().unwrap_or_else(|| PathBuf::from("/psdb")),
            simulated_disks: self.data_dir.is_none(),
        }
    }
}

/// Ties the started parts together.
pub(super) fn assemble(
    env: Env,
    network: Network,
    plan: Plan,
    nodes: BTreeMap<String, Node>,
) -> Cluster {
    let masters: Vec<Address> = plan.masters.values().cloned().collect();
    let transport = network.transport(Address::from("client"));
    let client = Client::new(env.clone(), transport, masters.clone(), ClientOptions::default());
    Cluster(Arc::new(Inner { env, network, client, masters, plan, nodes: Mutex::new(nodes) }))
}

impl Cluster {
    /// Waits until the masters have placed the shards of a new cluster.
    pub(super) async fn wait_until_placed(&self) -> Result<()> {
        let client = self.0.client.with_timeout(READY_TIMEOUT);
        let placed = async {
            while client.shards().await?.is_empty() {
                self.0.env.sleep(Duration::from_millis(20)).await;
            }
            Ok(())
        };
        let waited = self.0.env.timeout(READY_TIMEOUT, placed).await;
        waited.unwrap_or_else(|_elapsed| {
            Err(Error::DeadlineExceeded {
                what: "the new cluster".into(),
                after: READY_TIMEOUT,
                outcome: crate::types::Outcome::Unknown,
            })
        })
    }
}
