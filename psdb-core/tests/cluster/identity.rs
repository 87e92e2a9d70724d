//! Proves that a master never votes with what it has forgotten, and that all others are let in:
//! after a power cut of the whole cluster, and at its founding.

use std::time::Duration;

use psdb_core::cluster::invariants::{Invariants, check_trees};
use psdb_core::raft::Role;
use psdb_core::{Cluster, Error};

use crate::writers::{DELAY, Writers};
use crate::{PATIENCE, eventually, leading_master, restart_everything, three_and_three};

/// Waits until the node has ended by itself, because it is refused; returns the message.
async fn refused(cluster: &Cluster, node: &str) -> String {
    eventually(cluster, "the refusal", || async {
        cluster.failure(node).await.expect("exists").is_some()
    })
    .await;
    let failure = cluster.failure(node).await.expect("exists").expect("refused");
    assert!(matches!(failure, Error::WrongIdentity { .. }), "{failure}");
    failure.to_string()
}

async fn following_master(cluster: &Cluster) -> String {
    let leader = leading_master(cluster).await;
    let all = cluster.master_status().await;
    all.into_keys().find(|name| *name != leader).expect("three masters")
}

/// Whether the node takes part in the masters' group.
async fn takes_part(cluster: &Cluster, node: &str) -> bool {
    cluster.master_status().await.contains_key(node)
}

#[tokio::test(start_paused = true)]
async fn a_master_whose_disk_was_replaced_is_refused_and_the_others_go_on() {
    for seed in 60..64 {
        let cluster = three_and_three(seed).start().await.expect("starts");
        let mut invariants = Invariants::default();
        let client = cluster.client();
        let notes = client.create_database("notes").await.expect("creates");
        cluster.delay(DELAY);
        let writers = Writers::start(&cluster, "notes", 2);
        cluster.settle(PATIENCE).await.expect("settles");
        // The leader, too: it would elect itself with an empty log.
        let wiped = if seed % 2 == 0 {
            following_master(&cluster).await
        } else {
            leading_master(&cluster).await
        };
        cluster.wipe(&wiped).await.expect("wipes");
        client.create_database("meanwhile").await.expect("two of three do it");
        cluster.restart(&wiped).await.expect("starts on an empty disk");
        let message = refused(&cluster, &wiped).await;
        assert!(message.contains("its data was lost"), "{message}");
        assert!(message.contains("master remove") && message.contains("--join"), "{message}");
        assert!(!takes_part(&cluster, &wiped).await, "it must not vote");

        // The way out works.
        cluster.add_master("master-4").await.expect("joins");
        cluster.remove_master(&wiped).await.expect("goes");
        client.create_database("after").await.expect("the masters work");
        let names: Vec<_> = client.list_databases().await.expect("answers");
        assert_eq!(names.len(), 3, "{names:?}");
        writers.progress(&cluster, 20).await;
        let ledger = writers.stop().await;
        cluster.settle(PATIENCE).await.expect("settles");
        invariants.check(&cluster).await.expect("holds");
        check_trees(&cluster).await.expect("sound");
        ledger.verify(&notes).await.expect("every acknowledged document is there");
    }
}

/// With one of three down, a restored master and the last one could elect a leader whose log lacks
/// what the first two had acknowledged.
#[tokio::test(start_paused = true)]
async fn a_master_restored_from_an_older_copy_is_refused() {
    for seed in 64..68 {
        let cluster = three_and_three(seed).start().await.expect("starts");
        let mut invariants = Invariants::default();
        let client = cluster.client().with_timeout(Duration::from_secs(5));
        client.create_database("before").await.expect("creates");
        cluster.settle(PATIENCE).await.expect("settles");
        let restored = following_master(&cluster).await;
        let backup = cluster.backup(&restored).await.expect("copies");
        cluster.crash(&restored).await.expect("crashes");
        cluster.restart(&restored).await.expect("restarts");
        cluster.settle(PATIENCE).await.expect("settles");
        client.create_database("acknowledged").await.expect("creates");

        cluster.restore(&restored, &backup).await.expect("restores");
        cluster.restart(&restored).await.expect("starts from the old copy");
        let message = refused(&cluster, &restored).await;
        assert!(message.contains("restored from an older copy"), "{message}");
        assert!(!takes_part(&cluster, &restored).await, "it must not vote");

        // Even alone with one other it brings about no leader.
        let leader = leading_master(&cluster).await;
        cluster.crash(&leader).await.expect("crashes");
        // It is marked: otherwise its starts would soon count beyond those of the original.
        for _ in 0..3 {
            let again = cluster.restart(&restored).await.expect_err("it is marked");
            assert!(again.to_string().contains("restored from an older copy"), "{again}");
        }
        let unavailable = client.list_databases().await.expect_err("one of three is no majority");
        assert!(unavailable.is_unavailable(), "{unavailable}");
        cluster.restart(&leader).await.expect("restarts");
        eventually(&cluster, "a majority", || async { client.list_databases().await.is_ok() })
            .await;
        let names = client.list_databases().await.expect("answers");
        assert_eq!(names.len(), 2, "{names:?}");
        invariants.check(&cluster).await.expect("holds");
    }
}

/// It has not started since the copy was made, so its start number is one that nobody has seen.
#[tokio::test(start_paused = true)]
async fn a_master_restored_from_a_copy_of_the_same_life_is_refused() {
    let cluster = three_and_three(76).start().await.expect("starts");
    let client = cluster.client();
    cluster.settle(PATIENCE).await.expect("settles");
    let restored = following_master(&cluster).await;
    let backup = cluster.backup(&restored).await.expect("copies");
    client.create_database("acknowledged").await.expect("creates");
    cluster.env().sleep(Duration::from_secs(15)).await;
    cluster.restore(&restored, &backup).await.expect("restores");
    cluster.restart(&restored).await.expect("starts from the old copy");
    let message = refused(&cluster, &restored).await;
    assert!(message.contains("its log ends at"), "{message}");
    assert!(!takes_part(&cluster, &restored).await, "it must not vote");
}

#[tokio::test(start_paused = true)]
async fn a_worker_restored_from_an_older_copy_stays_refused() {
    let cluster = three_and_three(77).start().await.expect("starts");
    cluster.settle(PATIENCE).await.expect("settles");
    let backup = cluster.backup("worker-2").await.expect("copies");
    cluster.crash("worker-2").await.expect("crashes");
    cluster.restart("worker-2").await.expect("restarts");
    cluster.settle(PATIENCE).await.expect("settles");
    cluster.restore("worker-2", &backup).await.expect("restores");
    cluster.restart("worker-2").await.expect("starts from the old copy");
    let message = refused(&cluster, "worker-2").await;
    assert!(message.contains("restored from an older copy"), "{message}");
    for _ in 0..3 {
        cluster.restart("worker-2").await.expect_err("it is marked");
    }
}

#[tokio::test(start_paused = true)]
async fn a_master_that_lost_only_its_log_is_refused() {
    let cluster = three_and_three(68).start().await.expect("starts");
    cluster.settle(PATIENCE).await.expect("settles");
    let victim = following_master(&cluster).await;
    let disk = cluster.fail_disk(&victim).await.expect("simulated");
    cluster.crash(&victim).await.expect("crashes");
    psdb_core::env::Disk::remove(
        &disk,
        &std::path::PathBuf::from(format!("/psdb/{victim}/wal/00000001.log")),
    )
    .expect("removes");
    let refused = cluster.restart(&victim).await.expect_err("its own notes know better");
    assert!(matches!(refused, Error::WrongIdentity { .. }), "{refused}");
    assert!(refused.to_string().contains("is gone"), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn all_masters_start_again_after_a_power_cut_of_everything() {
    for seed in 69..75 {
        let cluster = three_and_three(seed).start().await.expect("starts");
        let mut invariants = Invariants::default();
        let notes = cluster.client().create_database("notes").await.expect("creates");
        cluster.delay(DELAY);
        let writers = Writers::start(&cluster, "notes", 2);
        for round in 0..3 {
            writers.progress(&cluster, 30).await;
            restart_everything(&cluster).await;
            cluster.settle(PATIENCE).await.unwrap_or_else(|error| panic!("{seed}: {error}"));
            let name = format!("round-{round}");
            cluster.client().create_database(&name).await.expect("the masters work");
            invariants.check(&cluster).await.unwrap_or_else(|breach| panic!("{seed}: {breach}"));
        }
        let ledger = writers.stop().await;
        cluster.settle(PATIENCE).await.expect("settles");
        ledger.verify(&notes).await.expect("every acknowledged document is there");
    }
}

#[tokio::test(start_paused = true)]
async fn one_master_alone_takes_no_part_until_another_has_answered() {
    let cluster = three_and_three(75).start().await.expect("starts");
    cluster.settle(PATIENCE).await.expect("settles");
    for name in ["master-1", "master-2", "master-3"] {
        cluster.crash(name).await.expect("crashes");
    }
    cluster.restart("master-1").await.expect("restarts");
    cluster.env().sleep(Duration::from_secs(20)).await;
    assert!(!takes_part(&cluster, "master-1").await);
    cluster.restart("master-2").await.expect("restarts");
    eventually(&cluster, "a leader of two", || async {
        let statuses = cluster.master_status().await;
        statuses.values().any(|status| status.role == Role::Leader)
    })
    .await;
    cluster.client().create_database("notes").await.expect("two of three do it");
}
