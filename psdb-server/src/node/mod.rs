//! One node: its data directory, its role, its listeners, and its end.
//!
//! ```text
//! bind both listeners ─► open the directory and the log ─► start the role ─► serve ─► ready
//!     ... until a signal, or until storage fails ...
//! stop accepting, drain ─► stop the role ─► seal the log ─► release the directory
//! ```
//! Ports come first, since a node's address is part of what it tells the cluster.
//!
//! A node that can be none any more ends, says why, and whoever started it decides ([`NodeHandler::failed`]).
//! After a failed write or sync nothing is known of the disk, so a group stops for good; a node that
//! went on without some of its groups would look alive and be none. So with one whose directory was wiped
//! or restored from an old copy, which must not vote with what it has forgotten, and after a panic of the
//! engine, which says nothing.
//!
//! Left out: a whole cluster in one process (`dev`).

mod kinship;
mod local;
mod loopback;
mod membership;

use std::path::Path;
use std::sync::Arc;

use psdb::cluster::{NodeHandler, NodeRole};
use psdb::env::Env;
use psdb::master::{Master, MasterOptions};
use psdb::raft::LogHome;
use psdb::storage::{Directory, PageCache, WalOptions};
use psdb::transport::{Dialer, Lanes, NodeEntry, Transport};
use psdb::worker::{Worker, WorkerOptions};
use psdb::{Address, Client, ClientOptions};
use tokio::net::TcpListener;

use crate::exit::Failure;
use crate::serve::{self, Doors, bind};
use crate::settings::{Role, Settings};
use crate::{api, signals};
use local::Local;
use loopback::Loopback;

/// Runs a master or a worker until it is asked to stop.
pub(crate) async fn run(settings: &Settings) -> Result<(), Failure> {
    let stopping = signals::stopping()
        .map_err(|error| Failure::io(format!("could not watch for signals: {error}")))?;
    let clients = bind(&settings.listen).await?;
    let peers = bind(&settings.peer_listen).await?;
    let node = Node::start(settings, &clients, &peers).await?;
    let ready = format!(
        "psdb-server {} {} ready: clients {}, peers {}",
        node.local.entry().role.as_str(),
        settings.node_id,
        serve::bound(&clients)?,
        serve::bound(&peers)?,
    );
    let api = api::Api::new(node.client.clone(), &settings.node_id);
    let doors = Doors { api, target: node.local.clone(), stopping: stopping.clone() };
    let serving = serve::start(&doors, clients, Some(peers));
    println!("{ready}");
    let estranged = kinship::estranged(&node.local, &settings.role);
    let following = membership::follow(&node.local, &node.client);
    let ended = tokio::select! {
        biased;
        never = following => match never {},
        () = signals::stopped(stopping) => Ok(()),
        failure = estranged => Err(failure),
        failed = node.handler.failed() => Err(Failure::from(failed)),
    };
    serving.drain().await;
    let closed = node.stop().await;
    ended.and(closed)
}

/// What runs behind the listeners.
struct Node {
    local: Arc<Local>,
    handler: Arc<NodeHandler>,
    client: Client,
    home: LogHome,
    directory: Directory,
}

impl Node {
    async fn start(
        settings: &Settings,
        clients: &TcpListener,
        peers: &TcpListener,
    ) -> Result<Node, Failure> {
        let env = Env::real();
        let path = settings.data_dir.as_deref().unwrap_or(Path::new("."));
        let directory = Directory::open(&env, path, &settings.node_id).await?;
        let cache = PageCache::for_process(&env, settings.cache_bytes);
        let home = LogHome::open_with(&env, path, WalOptions::default(), cache).await?;
        let (entry, masters) = identity(settings, clients, peers, &directory)?;
        let local = Arc::new(Local::new(entry.clone(), directory.clone(), &masters));
        let dialer = Dialer::new(env.clone(), local.clone(), Lanes::Two);
        let transport: Arc<dyn Transport> =
            Arc::new(Loopback::new(env.clone(), local.clone(), dialer));
        let handler = Arc::new(
            start_role(settings, &env, entry, &directory, &home, transport.clone()).await?,
        );
        local.serve(handler.clone());
        let client = Client::new(env, transport, masters, ClientOptions::default());
        Ok(Node { local, handler, client, home, directory })
    }

    async fn stop(self) -> Result<(), Failure> {
        self.handler.shutdown().await;
        let closed = self.home.close().await;
        self.directory.release();
        Ok(closed?)
    }
}

/// Who this node is, and where the masters are.
fn identity(
    settings: &Settings,
    clients: &TcpListener,
    peers: &TcpListener,
    directory: &Directory,
) -> Result<(NodeEntry, Vec<Address>), Failure> {
    let or_bound = |given: &Option<String>, listener| match given {
        Some(address) => Ok(Address::from(address.as_str())),
        None => serve::bound(listener).map(Address::from),
    };
    let mut peer = or_bound(&settings.peer_advertise, peers)?;
    let (role, masters) = match &settings.role {
        Role::Master { peers, .. } => {
            // The masters know each other by the addresses they were all told.
            if let Some(told) = peers.get(&settings.node_id) {
                peer = told.clone();
            }
            let masters: Vec<_> = peers.values().cloned().collect();
            (NodeRole::Master, if masters.is_empty() { vec![peer.clone()] } else { masters })
        }
        Role::Worker { masters, .. } => (NodeRole::Worker, masters.clone()),
        Role::Dev { .. } => (NodeRole::Both, Vec::new()),
    };
    let entry = NodeEntry {
        name: settings.node_id.clone(),
        role,
        peer,
        client: or_bound(&settings.advertise, clients)?,
        incarnation: directory.identity().incarnation,
    };
    Ok((entry, masters))
}

async fn start_role(
    settings: &Settings,
    env: &Env,
    entry: NodeEntry,
    directory: &Directory,
    home: &LogHome,
    transport: Arc<dyn Transport>,
) -> Result<NodeHandler, Failure> {
    let (env, directory, home) = (env.clone(), directory.clone(), home.clone());
    let mut handler = NodeHandler::default();
    match &settings.role {
        Role::Master { peers, join, shards, replicas, replace_after } => {
            let mut masters = peers.clone();
            masters.entry(entry.name.clone()).or_insert(entry.peer);
            let options = MasterOptions {
                shards: *shards,
                replicas: *replicas,
                initial_workers: *replicas,
                join: *join,
                replace_after: *replace_after,
                ..MasterOptions::new(entry.name, masters)
            };
            let master = Master::start(options, env, directory, home, transport).await?;
            handler.master = Some(master);
        }
        Role::Worker { masters, traits } => {
            let options = WorkerOptions {
                traits: traits.clone(),
                ..WorkerOptions::new(entry.name, entry.peer, masters.clone())
            };
            let worker = Worker::start(options, env, directory, home, transport).await?;
            handler.worker = Some(worker);
        }
        Role::Dev { .. } => {}
    }
    Ok(handler)
}
