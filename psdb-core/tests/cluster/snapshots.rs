//! Proves that a replica that was away for longer than the log reaches back is brought up again.

use psdb_core::cluster::invariants::Invariants;
use psdb_core::raft::RaftConfig;
use psdb_core::{LogIndex, ShardId};
use serde_json::json;

use crate::{PATIENCE, eventually, restart_everything, three_and_three};

fn small_logs() -> RaftConfig {
    RaftConfig {
        snapshot_after: 20,
        keep_entries: 5,
        chunk_bytes: 4 << 10,
        ..RaftConfig::default()
    }
}

#[tokio::test(start_paused = true)]
async fn a_follower_that_was_down_past_a_purge_catches_up_by_snapshot() {
    let cluster = three_and_three(11).raft(small_logs()).start().await.expect("starts");
    let mut invariants = Invariants::default();
    let notes = cluster.client().create_database("notes").index("n").shards(1).await;
    let notes = notes.expect("creates");
    let first = notes.insert_one(&json!({"n": 0})).await.expect("inserts");
    cluster.settle(PATIENCE).await.expect("settles");
    let shard: ShardId = first.shard;
    let reached = cluster.shard_status(shard).await["worker-3"].last_log;
    cluster.crash("worker-3").await.expect("crashes");

    for n in 1..=200 {
        let document = json!({"n": n, "text": "x".repeat(500)});
        notes.insert_one(&document).await.expect("two of three go on");
    }
    eventually(&cluster, "a purge of what worker-3 lacks", || async {
        let statuses = cluster.shard_status(shard).await;
        statuses.values().all(|status| status.purged > LogIndex(reached.0 + 1))
    })
    .await;
    cluster.restart("worker-3").await.expect("restarts");
    cluster.settle(PATIENCE).await.expect("settles");
    let caught_up = cluster.shard_status(shard).await["worker-3"].clone();
    assert!(caught_up.snapshot > reached, "it was brought up by a snapshot: {caught_up:?}");
    invariants.check(&cluster).await.expect("holds");
    assert_eq!(notes.count_all().await.expect("counts").count, 201);

    // What it installed is durable, and its log goes on from there.
    restart_everything(&cluster).await;
    cluster.settle(PATIENCE).await.expect("settles");
    invariants.check(&cluster).await.expect("holds after a restart of all");
    assert_eq!(notes.count_all().await.expect("counts").count, 201);
}
