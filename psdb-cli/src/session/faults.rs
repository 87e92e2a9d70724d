//! Breaking and mending the cluster of `psdb dev`.
//!
//! A name that no node has is refused for every fault, so that a slip of the finger is not taken
//! for a cluster that holds against the fault.
//!
//! Left out: what each fault does, which [`psdb::Cluster`] documents.

use psdb::{Cluster, Error, Result};

use super::{Faults, Node, Reply};

impl Faults for Cluster {
    fn nodes(&self) -> Reply<'_, Vec<Node>> {
        Box::pin(async move {
            let nodes = Cluster::nodes(self).await.into_iter();
            let node = |state: psdb::cluster::NodeState| Node {
                name: state.name,
                role: state.role.as_str(),
                running: state.running,
            };
            Ok(nodes.map(node).collect())
        })
    }

    fn kill<'a>(&'a self, node: &'a str) -> Reply<'a, ()> {
        Box::pin(Cluster::crash(self, node))
    }

    fn restart<'a>(&'a self, node: &'a str) -> Reply<'a, ()> {
        Box::pin(Cluster::restart(self, node))
    }

    fn pause<'a>(&'a self, node: &'a str) -> Reply<'a, ()> {
        Box::pin(Cluster::pause(self, node))
    }

    fn partition<'a>(&'a self, left: &'a [&'a str], right: &'a [&'a str]) -> Reply<'a, ()> {
        Box::pin(async move {
            let nodes = Cluster::nodes(self).await;
            for name in left.iter().chain(right) {
                if !nodes.iter().any(|node| node.name == *name) {
                    return Err(Error::NodeNotFound { name: (*name).to_owned() });
                }
                if left.contains(name) && right.contains(name) {
                    let reason = format!("node '{name}' stands on both sides of the partition");
                    return Err(Error::InvalidRequest { reason });
                }
            }
            Cluster::partition(self, left, right);
            Result::Ok(())
        })
    }

    fn heal(&self) {
        Cluster::heal(self);
    }

    fn drop_percent(&self, percent: u8) {
        Cluster::drop_percent(self, percent);
    }
}
