//! Proves that a replica that was away for longer than the log reaches back is brought up again.

use psdb_core::cluster::invariants::Invariants;
use psdb_core::raft::RaftConfig;
use psdb_core::{LogIndex, ShardId};
use serde_json::json;

use crate::writers::{DELAY, Writers};
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

/// A log that is kept for followers is bounded by its bytes, however few entries it has.
#[tokio::test(start_paused = true)]
async fn a_log_of_large_entries_is_not_kept_by_their_number() {
    let keep_bytes = 100 << 10;
    let raft = RaftConfig { snapshot_after: 20, keep_bytes, ..RaftConfig::default() };
    let cluster = three_and_three(19).shards(1).raft(raft).start().await.expect("starts");
    let notes = cluster.client().create_database("notes").shards(1).await.expect("creates");
    for n in 0..100 {
        let document = json!({"n": n, "text": "x".repeat(10_000)});
        notes.insert_one(&document).await.expect("inserts");
    }
    eventually(&cluster, "a log of few bytes", || async {
        let statuses = cluster.shard_status(ShardId(0)).await;
        // Ten entries behind a checkpoint, and those up to the next one.
        statuses.values().all(|status| status.last_log.0 - status.purged.0 <= 10 + 2 * 20)
    })
    .await;
    cluster.settle(PATIENCE).await.expect("settles");
    assert_eq!(notes.count_all().await.expect("counts").count, 100);
}

/// Lets a follower fall `entries` behind, one write each, and come back while writing goes on.
async fn far_behind(seed: u64, entries: usize) {
    let raft = RaftConfig {
        batch_requests: 1,
        snapshot_after: 400,
        keep_entries: 100,
        chunk_bytes: 16 << 10,
        ..RaftConfig::default()
    };
    // What is kept behind a checkpoint, up to the next one, and what comes while that is written.
    let kept = raft.keep_entries + raft.snapshot_after + 400;
    let cluster = three_and_three(seed).shards(1).raft(raft).start().await.expect("starts");
    let mut invariants = Invariants::default();
    let notes = cluster.client().create_database("notes").shards(1).await.expect("creates");
    cluster.settle(PATIENCE).await.expect("settles");
    let shard = ShardId(0);
    let left_at = cluster.shard_status(shard).await["worker-3"].last_log;
    cluster.crash("worker-3").await.expect("crashes");
    cluster.delay(DELAY);
    let writers = Writers::start(&cluster, "notes", 16);
    for _ in 0..entries.div_ceil(500) {
        writers.progress(&cluster, 500).await;
    }
    let reached = cluster.shard_status(shard).await["worker-1"].applied;
    assert!(reached.0 >= left_at.0 + entries as u64, "{reached} is not far from {left_at}");

    cluster.restart("worker-3").await.expect("restarts");
    let begun = cluster.env().instant();
    loop {
        writers.progress(&cluster, 20).await;
        let statuses = cluster.shard_status(shard).await;
        let first = statuses.values().map(|status| status.applied).max().expect("some run");
        let follower = statuses.get("worker-3").map_or(LogIndex(0), |status| status.applied);
        if follower.0 + 100 >= first.0 {
            assert!(follower > reached, "writing goes on");
            break;
        }
        let took = cluster.env().instant().elapsed_since(begun);
        assert!(took < PATIENCE, "worker-3 has applied {follower} of {first} after {took:?}");
    }
    // It stays: what it lacks does not grow again.
    for _ in 0..10 {
        writers.progress(&cluster, 50).await;
        let statuses = cluster.shard_status(shard).await;
        let first = statuses.values().map(|status| status.applied).max().expect("some run");
        let follower = statuses["worker-3"].applied;
        assert!(follower.0 + 200 >= first.0, "worker-3 has applied {follower} of {first}");
    }
    // What was held for it goes again.
    eventually(&cluster, "the end of what was held", || async {
        let statuses = cluster.shard_status(shard).await;
        statuses.values().all(|status| status.last_log.0 - status.purged.0 <= kept)
    })
    .await;
    let ledger = writers.stop().await;
    cluster.settle(PATIENCE).await.expect("settles");
    invariants.check(&cluster).await.expect("holds");
    ledger.verify(&notes).await.expect("every acknowledged document is there");
}

#[tokio::test(start_paused = true)]
async fn a_follower_far_behind_catches_up_under_write_load() {
    far_behind(17, 3_000).await;
}

#[ignore = "takes minutes: a hundred thousand entries"]
#[tokio::test(start_paused = true)]
async fn a_follower_a_hundred_thousand_entries_behind_catches_up_under_write_load() {
    far_behind(18, 100_000).await;
}
