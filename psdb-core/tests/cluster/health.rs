//! Proves that the masters know who lives, and that a new leader knows what the old one knew.

use std::time::Duration;

use psdb_core::Cluster;
use psdb_core::transport::message::WorkerStatus;

use crate::{eventually, leading_master, three_and_three};

async fn status_of(cluster: &Cluster, worker: &str) -> Option<WorkerStatus> {
    let workers = cluster.client().workers().await.ok()?;
    workers.into_iter().find(|info| info.name == worker).map(|info| info.status)
}

#[tokio::test(start_paused = true)]
async fn a_silent_worker_is_suspect_then_dead_and_a_new_leader_knows() {
    let cluster = three_and_three(3).start().await.expect("starts");
    let env = cluster.env().clone();
    eventually(&cluster, "a first heartbeat", || async {
        status_of(&cluster, "worker-3").await == Some(WorkerStatus::Alive)
    })
    .await;
    cluster.crash("worker-3").await.expect("crashes");
    let died = env.instant();
    eventually(&cluster, "suspicion", || async {
        status_of(&cluster, "worker-3").await == Some(WorkerStatus::Suspect)
    })
    .await;
    let suspected = env.instant().elapsed_since(died);
    assert!(suspected >= Duration::from_millis(2_400), "suspected after {suspected:?} already");
    assert!(suspected <= Duration::from_secs(4), "suspected after {suspected:?} only");
    eventually(&cluster, "the verdict", || async {
        status_of(&cluster, "worker-3").await == Some(WorkerStatus::Dead)
    })
    .await;
    let judged = env.instant().elapsed_since(died);
    assert!(judged >= Duration::from_millis(9_400), "declared dead after {judged:?} already");
    assert!(judged <= Duration::from_secs(11), "declared dead after {judged:?} only");

    let old = leading_master(&cluster).await;
    cluster.crash(&old).await.expect("crashes");
    let known = status_of(&cluster, "worker-3").await;
    assert_eq!(known, Some(WorkerStatus::Dead), "as the new leader answers");

    cluster.restart("worker-3").await.expect("restarts");
    eventually(&cluster, "its return", || async {
        status_of(&cluster, "worker-3").await == Some(WorkerStatus::Alive)
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_joined_worker_appears_without_configuration() {
    let cluster = three_and_three(4).start().await.expect("starts");
    assert_eq!(status_of(&cluster, "worker-4").await, None);
    cluster.add_worker("worker-4").await.expect("starts");
    eventually(&cluster, "the new worker", || async {
        status_of(&cluster, "worker-4").await == Some(WorkerStatus::Alive)
    })
    .await;
}
