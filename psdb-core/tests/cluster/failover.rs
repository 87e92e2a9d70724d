//! Proves that clients go on writing when leaders die, and lose nothing they were told is done.

use std::time::Duration;

use psdb_core::Error;
use psdb_core::cluster::invariants::{Invariants, check_trees};
use psdb_core::env::Fault;

use crate::writers::{DELAY, Writers};
use crate::{PATIENCE, eventually, leading_master, restart_everything, three_and_three};

#[tokio::test(start_paused = true)]
async fn nothing_acknowledged_is_lost_when_a_master_leader_and_a_worker_die() {
    let cluster = three_and_three(1).start().await.expect("starts");
    let mut invariants = Invariants::default();
    let notes = cluster.client().create_database("notes").index("number").await.expect("creates");
    cluster.delay(DELAY);

    let writers = Writers::start(&cluster, "notes", 8);
    writers.progress(&cluster, 200).await;
    let master = leading_master(&cluster).await;
    cluster.crash(&master).await.expect("crashes");
    cluster.crash("worker-2").await.expect("crashes");
    writers.progress(&cluster, 400).await;
    invariants.check(&cluster).await.expect("holds with two nodes down");
    cluster.restart(&master).await.expect("restarts");
    cluster.restart("worker-2").await.expect("restarts");
    writers.progress(&cluster, 200).await;
    let ledger = writers.stop().await;

    cluster.settle(PATIENCE).await.expect("settles");
    invariants.check(&cluster).await.expect("holds");
    check_trees(&cluster).await.expect("sound");
    ledger.verify(&notes).await.expect("every acknowledged document is there");
    assert!(ledger.len() >= 800, "{} documents were acknowledged", ledger.len());

    restart_everything(&cluster).await;
    cluster.settle(PATIENCE).await.expect("settles");
    invariants.check(&cluster).await.expect("holds after a restart of all six");
    ledger.verify(&notes).await.expect("still there after a restart of all six");
}

#[tokio::test(start_paused = true)]
async fn each_worker_may_die_in_turn() {
    let cluster = three_and_three(2).start().await.expect("starts");
    let mut invariants = Invariants::default();
    let notes = cluster.client().create_database("notes").await.expect("creates");
    cluster.delay(DELAY);

    let writers = Writers::start(&cluster, "notes", 4);
    for worker in ["worker-1", "worker-2", "worker-3"] {
        writers.progress(&cluster, 100).await;
        cluster.crash(worker).await.expect("crashes");
        writers.progress(&cluster, 100).await;
        cluster.restart(worker).await.expect("restarts");
        cluster.settle(PATIENCE).await.expect("every replica runs and follows");
        invariants.check(&cluster).await.expect("holds");
    }
    let ledger = writers.stop().await;
    cluster.settle(PATIENCE).await.expect("settles");
    invariants.check(&cluster).await.expect("holds");
    ledger.verify(&notes).await.expect("every acknowledged document is there");
}

/// Seed 4 used to split every vote for ever: the engine draws a timeout once per replica, and two
/// were equal.
#[tokio::test(start_paused = true)]
async fn candidates_that_tie_elect_a_leader_all_the_same() {
    for seed in 0..24 {
        let cluster = three_and_three(seed).workers(1).replicas(1).shards(1).start().await;
        let cluster = cluster.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        cluster.settle(PATIENCE).await.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    }
}

#[tokio::test(start_paused = true)]
async fn documents_flow_on_while_the_master_leader_is_dead() {
    let cluster = three_and_three(14).start().await.expect("starts");
    cluster.client().create_database("notes").await.expect("creates");
    cluster.delay(DELAY);
    let writers = Writers::start(&cluster, "notes", 4);
    writers.progress(&cluster, 50).await;
    let env = cluster.env().clone();
    let master = leading_master(&cluster).await;
    cluster.crash(&master).await.expect("crashes");
    // Far less than an election among the masters takes.
    let begun = env.instant();
    writers.progress(&cluster, 50).await;
    let took = env.instant().elapsed_since(begun);
    assert!(took < Duration::from_millis(500), "50 inserts took {took:?}");
    let begun = env.instant();
    cluster.client().create_database("more").await.expect("creates with the next leader");
    let took = env.instant().elapsed_since(begun);
    assert!(took < Duration::from_secs(3), "the masters were without a leader for {took:?}");
    writers.stop().await;
}

/// A disk that fails takes its node out as a whole, whichever of its replicas met it.
#[tokio::test(start_paused = true)]
async fn a_node_whose_disk_fails_ends_and_the_others_go_on() {
    for seed in 15..18 {
        let cluster = three_and_three(seed).start().await.expect("starts");
        let mut invariants = Invariants::default();
        let notes = cluster.client().create_database("notes").shards(4).await.expect("creates");
        cluster.delay(DELAY);
        let writers = Writers::start(&cluster, "notes", 4);
        writers.progress(&cluster, 50).await;
        for node in ["worker-1".to_owned(), leading_master(&cluster).await] {
            let disk = cluster.fail_disk(&node).await.expect("simulated");
            let fault = if seed % 2 == 0 { Fault::SyncError } else { Fault::WriteError };
            disk.fail_at(1 + cluster.env().random_below(5), fault);
            eventually(&cluster, "its end", || async {
                cluster.failure(&node).await.expect("exists").is_some()
            })
            .await;
            let failure = cluster.failure(&node).await.expect("exists").expect("failed");
            assert!(matches!(failure, Error::Storage { .. }), "{failure}");
            let running = cluster.nodes().await.into_iter().filter(|node| node.running).count();
            assert_eq!(running, 5, "only {node} has ended");
            writers.progress(&cluster, 50).await;
            invariants.check(&cluster).await.expect("holds");
            cluster.restart(&node).await.expect("restarts from its disk");
            cluster.settle(PATIENCE).await.expect("settles");
        }
        let ledger = writers.stop().await;
        cluster.settle(PATIENCE).await.expect("settles");
        invariants.check(&cluster).await.expect("holds");
        ledger.verify(&notes).await.expect("every acknowledged document is there");
    }
}
