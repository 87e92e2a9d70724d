//! Proves that groups between the same two nodes cost little while nothing happens.

use std::time::Duration;

use crate::{PATIENCE, eventually, three_and_three};

/// Sixteen shards on three workers are 32 heartbeats an interval, and the masters two.
#[tokio::test(start_paused = true)]
async fn heartbeats_between_the_same_two_nodes_travel_together() {
    let cluster = three_and_three(19).shards(16).start().await.expect("starts");
    cluster.settle(PATIENCE).await.expect("settles");
    eventually(&cluster, "leads spread over all workers", || async {
        let workers = cluster.client().workers().await.expect("answers");
        workers.iter().all(|worker| (5..=6).contains(&worker.leaders))
    })
    .await;
    let before = cluster.raft_traffic();
    cluster.env().sleep(Duration::from_secs(30)).await;
    let after = cluster.raft_traffic();
    let (messages, bundles) = (after.messages - before.messages, after.bundles - before.bundles);
    // Two hundred intervals of 150 ms.
    assert!(messages >= 200 * 34, "{messages} messages are too few to be all heartbeats");
    // Six ways between workers, two between masters; the masters confirm reads, too.
    assert!(bundles <= 200 * 8 + 30 * 40, "{messages} messages travelled in {bundles} bundles");
    cluster.client().create_database("notes").await.expect("the cluster lives");
}
