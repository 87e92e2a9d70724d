//! Proves that a cluster that is dropped or closed leaves nothing running behind.

use std::time::Duration;

use psdb_core::Cluster;
use tokio::runtime::Handle;

use crate::three_and_three;

async fn no_tasks_are_left(cluster: Cluster) {
    let (env, metrics) = (cluster.env().clone(), Handle::current().metrics());
    drop(cluster);
    let gone = env.timeout(Duration::from_secs(30), async {
        while metrics.num_alive_tasks() > 0 {
            env.sleep(Duration::from_millis(100)).await;
        }
    });
    assert!(gone.await.is_ok(), "{} tasks go on", metrics.num_alive_tasks());
}

/// Handlers hold the network and the network holds handlers: that ring used to keep all alive.
#[tokio::test(start_paused = true)]
async fn a_dropped_cluster_stops() {
    no_tasks_are_left(Cluster::memory().await.expect("opens")).await;
    no_tasks_are_left(three_and_three(12).start().await.expect("starts")).await;
}

#[tokio::test(start_paused = true)]
async fn a_closed_cluster_stops() {
    let cluster = three_and_three(13).start().await.expect("starts");
    cluster.close().await.expect("closes");
    no_tasks_are_left(cluster).await;
}
