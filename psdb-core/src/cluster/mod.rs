//! A whole PSDB in one process: embedded, or as a cluster with faults to inject.
//!
//! ```text
//! Cluster::open("data")      one node that is master and worker, on real files
//! Cluster::memory()          the same, in memory
//! Cluster::builder()...      any number of masters and workers over an in-process network
//! ```
//! Nodes, log, consensus, client and messages are the very ones of a cluster of machines; only the
//! network is a function call, and in a seeded cluster time and disks are simulated too. Faults
//! are part of the library, so that a user's tests can have them.
//!
//! Invariants:
//! 1. What a crashed node had not synced is lost; what it had acknowledged is not.
//! 2. A seeded cluster in a paused, single-threaded runtime is a function of its seed and of what
//!    is asked of it.
//!
//! Left out: processes and sockets (the package `psdb-server`).

mod builder;
mod embedded;
mod faults;
pub mod invariants;
mod ledger;
mod node;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;

use crate::client::{Client, ClientOptions};
use crate::env::{DiskStats, Env};
use crate::transport::Transport;
use crate::transport::in_process::Network;
use crate::transport::message::WorkerTraits;
use crate::types::{Address, Error, Result, validate_node_name};

pub use builder::ClusterBuilder;
pub use node::{NodeHandler, NodeRole, NodeState};

use node::Node;

/// When the replicas of a dead worker are rebuilt elsewhere, unless told otherwise.
const REPLACE_AFTER: Duration = Duration::from_mins(1);

/// A running PSDB inside this process.
///
/// Cheap to clone. [`Cluster::close`] stops it in good order; dropping the last clone stops it
/// like a crash of the process, which loses nothing that was acknowledged.
///
/// # Examples
///
/// ```
/// use psdb_core::Cluster;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let cluster = Cluster::memory().await?;
/// let users = cluster.client().create_database("users").index("role").await?;
/// let ada = users.insert_json(r#"{"name": "Ada", "role": "Dev"}"#).await?;
/// assert_eq!(ada.version, 1);
/// assert_eq!(users.count("lambda d: d['role'] == 'Dev'").await?.count, 1);
/// cluster.close().await?;
/// # Ok::<(), psdb_core::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Cluster(Arc<Inner>);

struct Inner {
    env: Env,
    network: Network,
    client: Client,
    masters: Vec<Address>,
    plan: node::Plan,
    nodes: Mutex<BTreeMap<String, Node>>,
}

impl Cluster {
    /// Opens the embedded database kept in the directory `path`, creating it if need be.
    ///
    /// Every acknowledged write is durable. One process at a time may open it.
    ///
    /// # Errors
    ///
    /// [`Error::DirectoryInUse`], [`Error::WrongIdentity`] when it belongs to another node,
    /// [`Error::Corrupt`] when it is damaged, [`Error::Storage`] when the disk refuses.
    pub async fn open(path: impl AsRef<Path>) -> Result<Cluster> {
        embedded::start(Env::real(), path.as_ref(), None).await
    }

    /// Opens an embedded database that is gone when it is closed.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] when PSDB breaks a rule of its own.
    pub async fn memory() -> Result<Cluster> {
        embedded::start(Env::memory(), Path::new("/psdb"), None).await
    }

    /// Opens an embedded database in `env`, so that a test can count its syncs or cut its power.
    ///
    /// # Errors
    ///
    /// As [`Cluster::open`].
    pub async fn open_in(env: Env, path: impl AsRef<Path>) -> Result<Cluster> {
        embedded::start(env, path.as_ref(), None).await
    }

    /// As [`Cluster::open_in`], keeping at most about `cache_bytes` bytes of pages in memory instead
    /// of a quarter of the machine's.
    ///
    /// # Errors
    ///
    /// As [`Cluster::open`].
    pub async fn open_with_cache(
        env: Env,
        path: impl AsRef<Path>,
        cache_bytes: u64,
    ) -> Result<Cluster> {
        embedded::start(env, path.as_ref(), Some(cache_bytes)).await
    }

    /// Begins to describe a cluster of several nodes.
    pub fn builder() -> ClusterBuilder {
        ClusterBuilder::default()
    }

    /// A client of this cluster. Clones share its caches and its session.
    pub fn client(&self) -> Client {
        self.0.client.clone()
    }

    /// A client with caches and a session of its own, as another process would have.
    pub fn new_client(&self) -> Client {
        self.client_named("client")
    }

    /// As [`Cluster::new_client`], at an address of its own, so that a partition may name it.
    pub fn client_named(&self, name: &str) -> Client {
        let (transport, masters) = (self.0.network.transport(Address::from(name)), &self.0.masters);
        Client::new(self.0.env.clone(), transport, masters.clone(), ClientOptions::default())
    }

    /// The sending half of this cluster's network for somebody called `from`, so that a process
    /// can let others in.
    pub fn transport(&self, from: &str) -> Arc<dyn Transport> {
        self.0.network.transport(Address::from(from))
    }

    /// The world the cluster lives in.
    pub fn env(&self) -> &Env {
        &self.0.env
    }

    /// Every node by name, and whether it runs.
    pub async fn nodes(&self) -> Vec<NodeState> {
        self.0.nodes.lock().await.values().map(Node::state).collect()
    }

    /// What the node's disk has been asked to do since it was made.
    ///
    /// # Errors
    ///
    /// [`Error::NodeNotFound`].
    pub async fn disk_stats(&self, node: &str) -> Result<DiskStats> {
        let nodes = self.0.nodes.lock().await;
        Ok(find(&nodes, node)?.disk_stats())
    }

    /// The bytes of all pages that the nodes keep in memory; see [`ClusterBuilder::cache_bytes`].
    pub fn cached_bytes(&self) -> usize {
        self.0.plan.cache.bytes()
    }

    /// Lets a new worker join, which needs no configuration anywhere else.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidRequest`] when the name is taken; whatever starting a node says.
    pub async fn add_worker(&self, name: &str) -> Result<()> {
        self.add_worker_with(name, WorkerTraits::default()).await
    }

    /// As [`Cluster::add_worker`], in a zone or with a capacity of its own.
    ///
    /// # Errors
    ///
    /// As [`Cluster::add_worker`].
    pub async fn add_worker_with(&self, name: &str, traits: WorkerTraits) -> Result<()> {
        let node = Node::new(name, NodeRole::Worker, &self.0.plan, &self.0.env);
        self.add_node(name, node.with_traits(traits)).await
    }

    /// Starts a new master and makes it a member of the masters' group.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidRequest`] when the name is taken or used up, [`Error::Unavailable`] when it
    /// does not catch up in time.
    pub async fn add_master(&self, name: &str) -> Result<()> {
        let node = Node::new(name, NodeRole::Master, &self.0.plan, &self.0.env);
        self.add_node(name, node.joining()).await?;
        self.0.client.add_master(name, Address::from(name)).await
    }

    /// Takes a master out of the group for ever, then stops it.
    ///
    /// # Errors
    ///
    /// As [`Client::remove_master`].
    pub async fn remove_master(&self, name: &str) -> Result<()> {
        self.0.client.remove_master(name).await?;
        match self.0.nodes.lock().await.remove(name) {
            Some(mut node) => node.stop(&self.0.network).await,
            None => Ok(()),
        }
    }

    async fn add_node(&self, name: &str, mut node: Node) -> Result<()> {
        validate_node_name(name)?;
        let mut nodes = self.0.nodes.lock().await;
        if nodes.contains_key(name) {
            return Err(Error::InvalidRequest { reason: format!("node '{name}' exists already") });
        }
        let started = node.start(&self.0.plan, &self.0.network).await;
        nodes.insert(name.to_owned(), node);
        started
    }

    /// Stops every node in good order and seals what it stored.
    ///
    /// # Errors
    ///
    /// [`Error::Storage`] when a disk refuses the last write.
    pub async fn close(&self) -> Result<()> {
        let mut result = Ok(());
        for node in self.0.nodes.lock().await.values_mut() {
            result = result.and(node.stop(&self.0.network).await);
        }
        result
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.network.unbind_all();
    }
}

fn find<'a>(nodes: &'a BTreeMap<String, Node>, name: &str) -> Result<&'a Node> {
    nodes.get(name).ok_or_else(|| Error::NodeNotFound { name: name.into() })
}
