//! A whole cluster in this process, served to clients: `psdb-server dev`.
//!
//! Masters and workers talk over the in-process network. To clients the process looks like a
//! cluster all of whose nodes are reached at one address.
//!
//! Left out: a listener for nodes. Nobody joins this cluster from outside.

use std::sync::Arc;

use bytes::Bytes;
use psdb::cluster::NodeRole;
use psdb::transport::{BoxFuture, Hello, Message, NodeEntry, Transport};
use psdb::{Address, Cluster};

use crate::exit::Failure;
use crate::serve::{self, Doors, Refusal, Target, bind};
use crate::settings::{Role, Settings};
use crate::{api, signals};

/// Runs the cluster until it is asked to stop.
pub(crate) async fn run(settings: &Settings) -> Result<(), Failure> {
    let Role::Dev { masters, workers, shards, replicas, replace_after } = settings.role else {
        return Err(Failure::usage("this is no dev cluster"));
    };
    let stopping = signals::stopping()
        .map_err(|error| Failure::io(format!("could not watch for signals: {error}")))?;
    let clients = bind(&settings.listen).await?;
    let address = settings.advertise.clone().map_or_else(|| serve::bound(&clients), Ok)?;
    let mut cluster = Cluster::builder().masters(masters).workers(workers).shards(shards);
    cluster = cluster.replicas(replicas).replace_after(replace_after);
    if let Some(bytes) = settings.cache_bytes {
        cluster = cluster.cache_bytes(bytes);
    }
    if let Some(path) = &settings.data_dir {
        cluster = cluster.data_dir(path);
    } else {
        tracing::info!("this cluster is in memory and gone at the end; keep one with --data-dir");
    }
    let cluster = cluster.start().await?;
    let target = Arc::new(Inside::new(&cluster, &Address::from(address)).await);
    let ready =
        format!("psdb-server dev {} ready: clients {}", settings.node_id, serve::bound(&clients)?);
    let api = api::Api::new(cluster.client(), &settings.node_id);
    let doors = Doors { api, target, stopping: stopping.clone() };
    let serving = serve::start(&doors, clients, None);
    println!("{ready}");
    signals::stopped(stopping).await;
    serving.drain().await;
    Ok(cluster.close().await?)
}

/// The nodes inside, as clients see them from outside.
#[derive(Debug)]
struct Inside {
    nodes: Vec<NodeEntry>,
    transport: Arc<dyn Transport>,
}

impl Inside {
    async fn new(cluster: &Cluster, address: &Address) -> Inside {
        let entry = |node: psdb::cluster::NodeState| NodeEntry {
            peer: Address::from(node.name.as_str()),
            name: node.name,
            role: node.role,
            client: address.clone(),
            incarnation: 1,
        };
        let nodes = cluster.nodes().await.into_iter().map(entry).collect();
        Inside { nodes, transport: cluster.transport("clients") }
    }

    fn masters(&self) -> Vec<Address> {
        let masters = self.nodes.iter().filter(|node| node.role != NodeRole::Worker);
        masters.map(|node| node.peer.clone()).collect()
    }
}

impl Target for Inside {
    fn hello(&self) -> Hello {
        let node = self.nodes.first().cloned().unwrap_or_else(|| NodeEntry {
            name: "dev".into(),
            role: NodeRole::Both,
            peer: "dev".into(),
            client: "dev".into(),
            incarnation: 1,
        });
        Hello { node, cluster: None, masters: self.masters() }
    }

    fn nodes(&self) -> Vec<NodeEntry> {
        self.nodes.clone()
    }

    fn answering(&self) -> Vec<Address> {
        self.nodes.iter().map(|node| node.peer.clone()).collect()
    }

    fn introduced(&self, _node: NodeEntry) {}

    fn handle(
        self: Arc<Self>,
        to: &Address,
        message: Message,
    ) -> Result<BoxFuture<'static, Result<Bytes, String>>, Refusal> {
        if !self.nodes.iter().any(|node| node.peer == *to) {
            return Err(format!("there is no node '{to}' in this cluster"));
        }
        let to = to.clone();
        Ok(Box::pin(async move {
            let called = self.transport.call(&to, message).await;
            called.map_err(|error| error.to_string())
        }))
    }
}
