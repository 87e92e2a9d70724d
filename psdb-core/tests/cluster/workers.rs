//! Proves that workers come and go while documents flow: replicas move, nothing is lost, and a
//! shard never has fewer voters than it should.

use std::time::Duration;

use psdb_core::cluster::invariants::{Invariants, check_trees};
use psdb_core::transport::message::{WorkerInfo, WorkerStatus, WorkerTraits};
use psdb_core::{Cluster, Error, ShardId};

use crate::writers::{DELAY, Writers};
use crate::{PATIENCE, eventually, leading_master, three_and_three};

async fn worker(cluster: &Cluster, name: &str) -> Option<WorkerInfo> {
    let workers = cluster.client().workers().await.expect("the masters answer");
    workers.into_iter().find(|info| info.name == name)
}

async fn nothing_moves(cluster: &Cluster) -> bool {
    let shards = cluster.client().shards().await.expect("the masters answer");
    shards.iter().all(|shard| shard.moving.is_none())
}

/// Whether a replica of any shard runs on the node.
async fn holds_something(cluster: &Cluster, node: &str) -> bool {
    for shard in (0..4).map(ShardId) {
        if cluster.shard_status(shard).await.contains_key(node) {
            return true;
        }
    }
    false
}

/// Waits until `name` holds what `fits` and nothing moves any more, checking all the while.
async fn rebalanced(
    cluster: &Cluster,
    invariants: &mut Invariants,
    name: &str,
    fits: impl Fn(u64) -> bool,
) {
    let deadline = cluster.env().instant() + 2 * PATIENCE;
    loop {
        invariants.check(cluster).await.expect("holds while replicas move");
        let worker = worker(cluster, name).await;
        let fits = worker.as_ref().is_some_and(|worker| fits(worker.shards));
        if fits && nothing_moves(cluster).await {
            return;
        }
        assert!(cluster.env().instant() < deadline, "in vain: {worker:?}");
        cluster.env().sleep(Duration::from_millis(50)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_that_joins_takes_its_share_while_documents_flow() {
    let cluster = three_and_three(21).start().await.expect("starts");
    let mut invariants = Invariants::default();
    let notes = cluster.client().create_database("notes").index("n").shards(4).await;
    let notes = notes.expect("creates");
    cluster.delay(DELAY * 10);
    let writers = Writers::start(&cluster, "notes", 4);
    writers.progress(&cluster, 100).await;

    cluster.add_worker("worker-4").await.expect("starts");
    rebalanced(&cluster, &mut invariants, "worker-4", |shards| shards >= 2).await;
    writers.progress(&cluster, 100).await;
    let ledger = writers.stop().await;
    cluster.settle(PATIENCE).await.expect("settles");
    invariants.check(&cluster).await.expect("holds");
    ledger.verify(&notes).await.expect("every acknowledged document is there");
    assert!(holds_something(&cluster, "worker-4").await);
}

#[tokio::test(start_paused = true)]
async fn a_drained_worker_is_emptied_and_may_be_removed() {
    let cluster = three_and_three(22).workers(4).start().await.expect("starts");
    let mut invariants = Invariants::default();
    let client = cluster.client();
    let notes = client.create_database("notes").shards(4).await.expect("creates");
    cluster.delay(DELAY * 10);
    let writers = Writers::start(&cluster, "notes", 4);
    writers.progress(&cluster, 100).await;

    let refused = client.remove_worker("worker-1").await.expect_err("it holds replicas");
    assert!(matches!(refused, Error::NotReady { .. }), "{refused}");
    client.drain_worker("worker-1", true).await.expect("takes the order");
    rebalanced(&cluster, &mut invariants, "worker-1", |shards| shards == 0).await;
    assert!(worker(&cluster, "worker-1").await.is_some_and(|worker| worker.draining));
    eventually(&cluster, "the dropping of its replicas", || async {
        !holds_something(&cluster, "worker-1").await
    })
    .await;
    client.remove_worker("worker-1").await.expect("it holds nothing any more");
    writers.progress(&cluster, 100).await;
    let ledger = writers.stop().await;
    cluster.settle(PATIENCE).await.expect("settles");
    invariants.check(&cluster).await.expect("holds");
    ledger.verify(&notes).await.expect("every acknowledged document is there");
    let missing = client.drain_worker("nobody", true).await.expect_err("there is none");
    assert!(missing.is_not_found(), "{missing}");
}

#[tokio::test(start_paused = true)]
async fn a_dead_worker_is_replaced_and_comes_back_without_its_stale_replicas() {
    let cluster = three_and_three(23).workers(4).replace_after(Duration::from_secs(20));
    let cluster = cluster.start().await.expect("starts");
    let mut invariants = Invariants::default();
    let notes = cluster.client().create_database("notes").shards(4).await.expect("creates");
    cluster.delay(DELAY * 10);
    let writers = Writers::start(&cluster, "notes", 4);
    writers.progress(&cluster, 100).await;

    cluster.crash("worker-2").await.expect("crashes");
    rebalanced(&cluster, &mut invariants, "worker-2", |shards| shards == 0).await;
    let dead = worker(&cluster, "worker-2").await.expect("known");
    assert_eq!(dead.status, WorkerStatus::Dead);
    writers.progress(&cluster, 100).await;

    // It comes back with replicas of groups that went on without it, and gets new ones.
    cluster.restart("worker-2").await.expect("restarts");
    rebalanced(&cluster, &mut invariants, "worker-2", |shards| shards >= 2).await;
    writers.progress(&cluster, 100).await;
    let ledger = writers.stop().await;
    cluster.settle(PATIENCE).await.expect("settles");
    invariants.check(&cluster).await.expect("holds");
    ledger.verify(&notes).await.expect("every acknowledged document is there");
}

#[tokio::test(start_paused = true)]
async fn moves_are_finished_whoever_dies_in_the_middle() {
    for seed in 30..36 {
        let cluster = three_and_three(seed).start().await.expect("starts");
        let mut invariants = Invariants::default();
        let notes = cluster.client().create_database("notes").shards(4).await.expect("creates");
        cluster.delay(DELAY * 10);
        let writers = Writers::start(&cluster, "notes", 3);
        writers.progress(&cluster, 50).await;
        cluster.add_worker("worker-4").await.expect("starts");
        for round in 0..6 {
            let victim = match round % 3 {
                0 => leading_master(&cluster).await,
                1 => "worker-4".to_owned(),
                _ => format!("worker-{}", 1 + cluster.env().random_below(3)),
            };
            let wait = Duration::from_millis(50 + cluster.env().random_below(700));
            cluster.env().sleep(wait).await;
            cluster.crash(&victim).await.expect("crashes");
            writers.progress(&cluster, 20).await;
            invariants.check(&cluster).await.unwrap_or_else(|breach| panic!("{seed}: {breach}"));
            cluster.restart(&victim).await.expect("restarts");
            cluster.settle(PATIENCE).await.unwrap_or_else(|error| panic!("{seed}: {error}"));
        }
        rebalanced(&cluster, &mut invariants, "worker-4", |shards| shards >= 2).await;
        let ledger = writers.stop().await;
        cluster.settle(PATIENCE).await.unwrap_or_else(|error| panic!("{seed}: {error}"));
        check_trees(&cluster).await.unwrap_or_else(|breach| panic!("{seed}: {breach}"));
        ledger.verify(&notes).await.unwrap_or_else(|loss| panic!("seed {seed}: {loss}"));
    }
}

#[tokio::test(start_paused = true)]
async fn a_worker_whose_disk_was_replaced_is_refused() {
    let cluster = three_and_three(24).start().await.expect("starts");
    cluster.settle(PATIENCE).await.expect("settles");
    cluster.wipe("worker-3").await.expect("wipes");
    cluster.restart("worker-3").await.expect("starts on an empty disk");
    eventually(&cluster, "the refusal", || async {
        cluster.failure("worker-3").await.expect("exists").is_some()
    })
    .await;
    let refusal = cluster.failure("worker-3").await.expect("exists").expect("refused");
    assert!(matches!(refusal, Error::WrongIdentity { .. }), "{refusal}");
    assert!(refusal.to_string().contains("under a new name"), "{refusal}");
    assert!(!holds_something(&cluster, "worker-3").await, "it must not vote");
}

#[tokio::test(start_paused = true)]
async fn replicas_part_over_zones() {
    let cluster = three_and_three(25).start().await.expect("starts");
    for (name, zone) in [("worker-4", "east"), ("worker-5", "west")] {
        let traits = WorkerTraits { zone: Some(zone.to_owned()), capacity: 1 };
        cluster.add_worker_with(name, traits).await.expect("starts");
    }
    let mut invariants = Invariants::default();
    rebalanced(&cluster, &mut invariants, "worker-5", |shards| shards >= 1).await;
    let zones: Vec<_> = cluster.client().workers().await.expect("answers");
    let zone = |name: &str| zones.iter().find(|w| w.name == name).and_then(|w| w.zone.clone());
    assert_eq!((zone("worker-4"), zone("worker-1")), (Some("east".into()), None));
}

#[tokio::test(start_paused = true)]
async fn leads_are_even_from_the_start_and_become_so_again() {
    let cluster = three_and_three(26).shards(6).start().await.expect("starts");
    let leaders = |cluster: Cluster| async move {
        let workers = cluster.client().workers().await.expect("answers");
        workers.iter().map(|worker| worker.leaders).collect::<Vec<_>>()
    };
    eventually(&cluster, "an even start", || async { leaders(cluster.clone()).await == [2, 2, 2] })
        .await;
    cluster.crash("worker-1").await.expect("crashes");
    eventually(&cluster, "leads elsewhere", || async {
        let workers = leaders(cluster.clone()).await;
        workers[1] + workers[2] == 6
    })
    .await;
    cluster.restart("worker-1").await.expect("restarts");
    let deadline = cluster.env().instant() + 4 * PATIENCE;
    while leaders(cluster.clone()).await != [2, 2, 2] {
        assert!(cluster.env().instant() < deadline, "{:?}", leaders(cluster.clone()).await);
        cluster.env().sleep(Duration::from_millis(100)).await;
    }
}
