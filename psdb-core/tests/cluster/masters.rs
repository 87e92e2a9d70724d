//! Proves that masters come and go while documents flow, and that documents do not need them.

use std::time::Duration;

use psdb_core::cluster::invariants::{Invariants, check_trees};
use psdb_core::transport::message::WorkerStatus;
use serde_json::json;

use crate::writers::{DELAY, Writers};
use crate::{PATIENCE, eventually, leading_master, three_and_three};

#[tokio::test(start_paused = true)]
async fn masters_are_replaced_until_none_of_the_first_is_left() {
    let cluster = three_and_three(41).start().await.expect("starts");
    let mut invariants = Invariants::default();
    let client = cluster.client();
    let notes = client.create_database("notes").await.expect("creates");
    cluster.delay(DELAY * 10);
    let writers = Writers::start(&cluster, "notes", 4);
    for (old, new) in [("master-1", "master-4"), ("master-2", "master-5"), ("master-3", "master-6")]
    {
        writers.progress(&cluster, 50).await;
        cluster.add_master(new).await.expect("joins");
        cluster.remove_master(old).await.expect("goes");
        invariants.check(&cluster).await.expect("holds");
        let masters = client.masters().await.expect("answers");
        assert_eq!(masters.len(), 3, "{masters:?}");
    }
    writers.progress(&cluster, 50).await;
    let leader = leading_master(&cluster).await;
    assert!(["master-4", "master-5", "master-6"].contains(&leader.as_str()), "{leader} leads");

    // Everything still works: heartbeats, new databases, the death of the leader.
    eventually(&cluster, "the workers' heartbeats", || async {
        let workers = client.workers().await.expect("answers");
        workers.iter().all(|worker| worker.status == WorkerStatus::Alive)
    })
    .await;
    cluster.crash(&leader).await.expect("crashes");
    client.create_database("more").await.expect("two of three masters do it");
    cluster.restart(&leader).await.expect("restarts");
    let ledger = writers.stop().await;
    cluster.settle(PATIENCE).await.expect("settles");
    invariants.check(&cluster).await.expect("holds");
    check_trees(&cluster).await.expect("sound");
    ledger.verify(&notes).await.expect("every acknowledged document is there");

    // A name that was used up stays so: its old directory must not vote again.
    let refused = client.add_master("master-1", "master-1".into()).await.expect_err("used up");
    assert!(refused.to_string().contains("used up"), "{refused}");
    let missing = client.remove_master("nobody").await.expect_err("there is none");
    assert!(missing.is_not_found(), "{missing}");
    client.remove_master("master-1").await.expect("removing it again changes nothing");
}

#[tokio::test(start_paused = true)]
async fn documents_are_served_without_a_majority_of_masters() {
    let cluster = three_and_three(42).start().await.expect("starts");
    let client = cluster.client().with_timeout(Duration::from_secs(5));
    let notes = client.create_database("notes").await.expect("creates");
    let first = notes.insert_one(&json!({"n": 1})).await.expect("inserts");
    cluster.crash("master-1").await.expect("crashes");
    cluster.crash("master-2").await.expect("crashes");

    notes.insert_one(&json!({"n": 2})).await.expect("documents need no masters");
    notes.update_one(&first.id, &json!({"n": 3})).await.expect("updates");
    assert_eq!(notes.count_all().await.expect("counts").count, 2);
    let refused = client.create_database("more").await.expect_err("needs a majority of masters");
    assert!(refused.is_unavailable(), "{refused}");

    cluster.restart("master-1").await.expect("restarts");
    client.create_database("more").await.expect("a majority is back");
}

#[tokio::test(start_paused = true)]
async fn a_master_that_does_not_run_is_not_added() {
    let cluster = three_and_three(43).start().await.expect("starts");
    let client = cluster.client().with_timeout(Duration::from_secs(5));
    let refused = client.add_master("ghost", "nowhere".into()).await.expect_err("does not run");
    assert!(refused.is_unavailable(), "{refused}");
    eventually(&cluster, "three masters as before", || async {
        cluster.client().masters().await.is_ok_and(|masters| masters.len() == 3)
    })
    .await;
    client.create_database("notes").await.expect("the masters still work");
}
