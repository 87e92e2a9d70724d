//! One node of an in-process cluster: its roles, its disk, and whether it runs.
//!
//! A node is what a process would be: one data directory, one log for all its groups, a master, a
//! worker or both. Stopping it in good order seals its log; crashing it takes the network away
//! first and the power of its (simulated) disk next, so nothing it still does has any effect.
//!
//! A node that can be none any more, since it is refused, its disk has failed or a replica has broken
//! down, ends by itself as its process would: it falls silent.
//!
//! Left out: who decides to stop or crash it (`faults`).

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;

use crate::env::{DiskStats, Env, SimDisk, Task};
use crate::master::{Master, MasterOptions};
use crate::raft::{LogHome, RaftConfig};
use crate::storage::{Directory, PageCache, WalOptions};
use crate::transport::in_process::Network;
use crate::transport::message::WorkerTraits;
use crate::transport::{BoxFuture, Handler, Message, Service};
use crate::types::{Address, Error, GroupId, Result};
use crate::worker::{Worker, WorkerOptions};

/// What a node does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NodeRole {
    /// It keeps the cluster's metadata.
    Master,
    /// It holds documents.
    Worker,
    /// It does both, as an embedded database does.
    Both,
}

impl NodeRole {
    /// The name used in scripts: `master`, `worker` or `master+worker`.
    pub fn as_str(self) -> &'static str {
        match self {
            NodeRole::Master => "master",
            NodeRole::Worker => "worker",
            NodeRole::Both => "master+worker",
        }
    }

    fn is_master(self) -> bool {
        matches!(self, NodeRole::Master | NodeRole::Both)
    }

    fn is_worker(self) -> bool {
        matches!(self, NodeRole::Worker | NodeRole::Both)
    }
}

/// A node as its cluster sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeState {
    /// Its name, which is also its address.
    pub name: String,
    /// What it does.
    pub role: NodeRole,
    /// Whether it runs.
    pub running: bool,
}

/// What all nodes of a cluster have in common.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) masters: BTreeMap<String, Address>,
    pub(super) shards: u32,
    pub(super) replicas: u32,
    pub(super) workers: u32,
    pub(super) raft: RaftConfig,
    /// When the replicas of a dead worker are rebuilt elsewhere.
    pub(super) replace_after: Duration,
    /// The pages that all nodes keep in memory together.
    pub(super) cache: PageCache,
    /// The directory below which nodes keep theirs; of an embedded node, its own.
    pub(super) root: PathBuf,
    /// Whether disks are simulated, each node having its own.
    pub(super) simulated_disks: bool,
}

pub(super) struct Node {
    name: String,
    role: NodeRole,
    env: Env,
    directory: PathBuf,
    /// The simulated disk, if it is one that can lose its power.
    disk: Option<SimDisk>,
    /// As a worker, where it stands and how much it can carry.
    traits: WorkerTraits,
    /// As a master, whether it came after the cluster was founded.
    joins: bool,
    running: Option<Running>,
}

struct Running {
    handler: Arc<NodeHandler>,
    home: LogHome,
    directory: Directory,
    /// Why it has come to an end by itself, if it has.
    failure: Arc<OnceLock<Error>>,
    _watch: Task<()>,
}

/// Hands each message to the role it is for.
#[derive(Default)]
pub struct NodeHandler {
    /// The master of this node.
    pub master: Option<Master>,
    /// The worker of this node.
    pub worker: Option<Worker>,
}

impl Handler for NodeHandler {
    fn handle(&self, message: Message) -> BoxFuture<'_, Bytes> {
        let for_master = match message.service {
            Service::Master => true,
            Service::Shard => false,
            Service::Raft => message.group == GroupId::METADATA,
        };
        match (&self.master, &self.worker) {
            (Some(master), None) => master.handle(message),
            (Some(master), Some(_)) if for_master => master.handle(message),
            (_, Some(worker)) => worker.handle(message),
            (None, None) => Box::pin(async { Bytes::new() }),
        }
    }
}

impl NodeHandler {
    /// Waits until what runs here can be no node any more, and returns why: it is refused, its
    /// storage has failed, or a replica has broken down. Shut it down then.
    pub async fn failed(&self) -> Error {
        let master = async {
            match &self.master {
                Some(master) => master.failed().await,
                None => std::future::pending().await,
            }
        };
        let worker = async {
            match &self.worker {
                Some(worker) => worker.failed().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            failure = master => failure,
            failure = worker => failure,
        }
    }

    /// Stops what runs here. Requests under way fail with an unknown outcome.
    pub async fn shutdown(&self) {
        if let Some(worker) = &self.worker {
            worker.shutdown().await;
        }
        if let Some(master) = &self.master {
            master.shutdown().await;
        }
    }
}

impl Node {
    /// A node that does not run yet.
    pub(super) fn new(name: &str, role: NodeRole, plan: &Plan, env: &Env) -> Node {
        let disk = plan.simulated_disks.then(SimDisk::new);
        let env = match &disk {
            Some(disk) => env.with_disk(Arc::new(disk.clone())),
            None => env.clone(),
        };
        let directory = match role {
            NodeRole::Both => plan.root.clone(),
            NodeRole::Master | NodeRole::Worker => plan.root.join(name),
        };
        let (name, traits) = (name.to_owned(), WorkerTraits::default());
        Node { name, role, env, directory, disk, traits, joins: false, running: None }
    }

    /// The same node in another zone or with another capacity.
    pub(super) fn with_traits(self, traits: WorkerTraits) -> Node {
        Node { traits, ..self }
    }

    /// The same node, which founds nothing and waits to be added to the masters.
    pub(super) fn joining(self) -> Node {
        Node { joins: true, ..self }
    }

    pub(super) fn state(&self) -> NodeState {
        let running = self.running.is_some() && self.failure().is_none();
        NodeState { name: self.name.clone(), role: self.role, running }
    }

    pub(super) fn disk_stats(&self) -> DiskStats {
        self.env.disk().stats()
    }

    /// The simulated disk of this node, to make it fail.
    pub(super) fn sim_disk(&self) -> Option<&SimDisk> {
        self.disk.as_ref()
    }

    /// Gives the node another disk.
    pub(super) fn replace_disk(&mut self, disk: SimDisk) {
        self.env = self.env.with_disk(Arc::new(disk.clone()));
        self.disk = Some(disk);
    }

    /// Why the node has come to an end by itself, if it has.
    pub(super) fn failure(&self) -> Option<Error> {
        self.running.as_ref().and_then(|running| running.failure.get().cloned())
    }

    /// What runs on this node.
    pub(super) fn handler(&self) -> Option<&NodeHandler> {
        self.running.as_ref().map(|running| &*running.handler)
    }

    /// Starts the node from whatever its disk holds.
    pub(super) async fn start(&mut self, plan: &Plan, network: &Network) -> Result<()> {
        if self.failure().is_some() {
            self.crash(network).await;
        }
        if self.running.is_some() {
            return Ok(());
        }
        let directory = Directory::open(&self.env, &self.directory, &self.name).await?;
        let opened = self.start_roles(plan, network, &directory).await;
        let (handler, home) = match opened {
            Ok(opened) => opened,
            Err(error) => {
                directory.release();
                return Err(error);
            }
        };
        let address = Address::from(self.name.as_str());
        network.bind(address.clone(), handler.clone());
        let failure = Arc::new(OnceLock::new());
        let watch = fall_silent(handler.clone(), network.clone(), address, failure.clone());
        let watch = self.env.spawn(watch);
        self.running = Some(Running { handler, home, directory, failure, _watch: watch });
        Ok(())
    }

    async fn start_roles(
        &self,
        plan: &Plan,
        network: &Network,
        directory: &Directory,
    ) -> Result<(Arc<NodeHandler>, LogHome)> {
        let (options, cache) = (WalOptions::default(), plan.cache.clone());
        let home = LogHome::open_with(&self.env, &self.directory, options, cache).await?;
        let transport = network.transport(Address::from(self.name.as_str()));
        let mut handler = NodeHandler::default();
        let (env, name) = (self.env.clone(), self.name.as_str());
        if self.role.is_master() {
            let options = MasterOptions {
                shards: plan.shards,
                replicas: plan.replicas,
                initial_workers: plan.workers,
                raft: plan.raft.clone(),
                replace_after: plan.replace_after,
                join: self.joins,
                ..MasterOptions::new(name, plan.masters.clone())
            };
            let (directory, home) = (directory.clone(), home.clone());
            let started =
                Master::start(options, env.clone(), directory, home, transport.clone()).await?;
            handler.master = Some(started);
        }
        if self.role.is_worker() {
            let masters = plan.masters.values().cloned().collect();
            let options = WorkerOptions {
                raft: plan.raft.clone(),
                traits: self.traits.clone(),
                ..WorkerOptions::new(name, Address::from(name), masters)
            };
            let (directory, home) = (directory.clone(), home.clone());
            handler.worker = Some(Worker::start(options, env, directory, home, transport).await?);
        }
        Ok((Arc::new(handler), home))
    }

    /// Stops the node in good order: its log is sealed.
    pub(super) async fn stop(&mut self, network: &Network) -> Result<()> {
        let Some(running) = self.running.take() else { return Ok(()) };
        network.unbind(&Address::from(self.name.as_str()));
        running.handler.shutdown().await;
        let closed = running.home.close().await;
        running.directory.release();
        closed
    }

    /// Stops the node as a power cut would: what its disk had not synced is lost.
    pub(super) async fn crash(&mut self, network: &Network) {
        let Some(running) = self.running.take() else { return };
        network.unbind(&Address::from(self.name.as_str()));
        if let Some(disk) = &self.disk {
            disk.power_loss(self.env.random_u64());
        }
        running.handler.shutdown().await;
        // On a simulated disk this fails, since the power is gone; on real files it waits for
        // the writer, so that a restart does not find a log that still moves.
        if let Err(error) = running.home.close().await {
            tracing::debug!(node = %self.name, %error, "a crashed node left its log unsealed");
        }
        running.directory.release();
    }
}

/// Takes a node off the network when it can be none any more.
async fn fall_silent(
    handler: Arc<NodeHandler>,
    network: Network,
    address: Address,
    failure: Arc<OnceLock<Error>>,
) {
    let error = handler.failed().await;
    tracing::warn!(node = %address, %error, "a node has ended");
    let _first = failure.set(error);
    network.unbind(&address);
}
