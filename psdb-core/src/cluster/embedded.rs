//! The embedded database: one node that is master and worker, with one log for both.
//!
//! Left out: nothing of the database itself. It is a cluster of one.

use std::collections::BTreeMap;
use std::path::Path;

use super::Cluster;
use super::REPLACE_AFTER;
use super::builder::assemble;
use super::node::{Node, NodeRole, Plan};
use crate::env::Env;
use crate::raft::RaftConfig;
use crate::storage::PageCache;
use crate::transport::in_process::Network;
use crate::types::{Address, Result};

/// The name and address of the only node.
const NODE: &str = "node-1";
/// How many shards an embedded database has.
const SHARDS: u32 = 4;

pub(super) async fn start(env: Env, path: &Path, cache_bytes: Option<u64>) -> Result<Cluster> {
    let plan = Plan {
        masters: BTreeMap::from([(NODE.to_owned(), Address::from(NODE))]),
        shards: SHARDS,
        replicas: 1,
        workers: 1,
        raft: RaftConfig::default(),
        replace_after: REPLACE_AFTER,
        cache: PageCache::for_process(&env, cache_bytes),
        root: path.to_owned(),
        simulated_disks: false,
    };
    let network = Network::new(env.clone());
    let mut node = Node::new(NODE, NodeRole::Both, &plan, &env);
    node.start(&plan, &network).await?;
    let cluster = assemble(env, network, plan, BTreeMap::from([(NODE.to_owned(), node)]));
    cluster.wait_until_placed().await?;
    Ok(cluster)
}
