//! Whole clusters in this process, under faults. Proves that nothing acknowledged is lost, that a
//! retry applies once, and that what must hold at every moment (`cluster::invariants`) does.
//!
//! Time is virtual: the runtime is paused and single-threaded, so a test of a minute takes a
//! second, and waits for conditions, each with a deadline.

mod databases;
mod disk_full;
mod failover;
mod founding;
mod health;
mod identity;
mod idle;
mod index_builds;
mod indexes;
mod lifecycle;
mod locks;
mod masters;
mod overload;
mod page_files;
mod pages;
mod partitions;
mod placement;
mod reads;
mod retries;
mod snapshots;
mod stale_reads;
mod verbs;
mod verbs_reading;
mod workers;
mod writers;

use std::future::Future;
use std::time::Duration;

use psdb_core::Cluster;
use psdb_core::cluster::ClusterBuilder;
use psdb_core::raft::Role;

/// How long a cluster may take to get over a fault, in virtual time.
const PATIENCE: Duration = Duration::from_mins(1);

/// Three masters and three workers, each shard on all three.
fn three_and_three(seed: u64) -> ClusterBuilder {
    Cluster::builder().masters(3).workers(3).replicas(3).shards(4).seed(seed)
}

/// Waits until `condition` holds.
async fn eventually<F: Future<Output = bool>>(
    cluster: &Cluster,
    what: &str,
    condition: impl Fn() -> F,
) {
    let waited = cluster.env().timeout(PATIENCE, async {
        while !condition().await {
            cluster.env().sleep(Duration::from_millis(20)).await;
        }
    });
    assert!(waited.await.is_ok(), "{what} did not come about within {PATIENCE:?}");
}

/// The master that leads, once one does.
async fn leading_master(cluster: &Cluster) -> String {
    let find = || async {
        let statuses = cluster.master_status().await;
        statuses.into_iter().find(|(_, status)| status.role == Role::Leader)
    };
    eventually(cluster, "a leader of the masters", || async { find().await.is_some() }).await;
    find().await.expect("it has just been seen").0
}

/// Crashes every node at once and starts them again from their disks.
async fn restart_everything(cluster: &Cluster) {
    let names: Vec<_> = cluster.nodes().await.into_iter().map(|node| node.name).collect();
    for name in &names {
        cluster.crash(name).await.expect("the node exists");
    }
    for name in &names {
        cluster.restart(name).await.expect("the node starts from its disk");
    }
}
