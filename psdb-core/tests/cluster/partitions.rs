//! Proves that a leader that is cut off answers no read with old data, and acknowledges nothing.

use std::time::Duration;

use psdb_core::cluster::invariants::{Invariants, check_trees};
use psdb_core::raft::Role;
use psdb_core::{DocumentId, Outcome};
use serde_json::json;

use crate::writers::{DELAY, Writers};
use crate::{PATIENCE, eventually, three_and_three};

#[tokio::test(start_paused = true)]
async fn a_leader_that_is_cut_off_serves_no_read() {
    let cluster = three_and_three(5).start().await.expect("starts");
    let client = cluster.client().with_timeout(Duration::from_secs(20));
    let notes = client.create_database("notes").shards(1).await.expect("creates");
    let id = DocumentId::from("register");
    let written = notes.insert_one(&json!({"_id": "register", "n": 1})).await.expect("inserts");

    let statuses = cluster.shard_status(written.shard).await;
    let leads = |(name, status): (&String, &psdb_core::raft::GroupStatus)| {
        (status.role == Role::Leader).then(|| name.clone())
    };
    let leader = statuses.iter().find_map(leads).expect("the shard has a leader");
    // The client stays with the leader, on the lonely side.
    let others: Vec<_> = cluster.nodes().await.into_iter().map(|node| node.name).collect();
    let others: Vec<_> = others.iter().map(String::as_str).filter(|name| *name != leader).collect();
    cluster.partition(&[&leader], &others);
    cluster.partition(&["client"], &others);
    let impatient = cluster.client().with_timeout(Duration::from_secs(5)).database("notes");
    let read = impatient.get(&id).await.expect_err("the cut-off leader must not answer");
    assert!(read.is_unavailable(), "{read}");
    let write = impatient.update_one(&id, &json!({"n": 2})).await;
    let write = write.expect_err("the cut-off leader must not acknowledge");
    assert_eq!(write.outcome(), Outcome::Unknown, "{write}");

    // The majority goes on with another client.
    let other_side = cluster.client_named("elsewhere").database("notes");
    let updated = other_side.update_one(&id, &json!({"n": 3})).await.expect("the majority writes");
    assert_eq!(updated.version, 2, "the cut-off write was not applied");

    cluster.heal();
    cluster.settle(PATIENCE).await.expect("settles");
    let document = notes.get(&id).await.expect("reads").expect("is there");
    assert_eq!(document.get("n"), Some(psdb_core::Value::Int(3)));
    Invariants::default().check(&cluster).await.expect("holds");
}

#[tokio::test(start_paused = true)]
async fn writers_get_through_a_storm_of_faults() {
    let cluster = three_and_three(6).start().await.expect("starts");
    let notes = cluster.client().create_database("notes").await.expect("creates");
    let mut invariants = Invariants::default();
    cluster.delay(DELAY * 5);
    cluster.drop_percent(5);
    cluster.duplicate_percent(20);
    let writers = Writers::start(&cluster, "notes", 6);
    for round in 0..6 {
        writers.progress(&cluster, 50).await;
        let (one, rest): (&[&str], &[&str]) = match round % 3 {
            0 => (&["worker-1"], &["worker-2", "worker-3", "master-1", "master-2", "master-3"]),
            1 => (&["worker-2", "master-2"], &["worker-1", "worker-3", "master-1", "master-3"]),
            _ => (&["master-1"], &["master-2", "master-3"]),
        };
        cluster.partition(one, rest);
        writers.progress(&cluster, 50).await;
        invariants.check(&cluster).await.expect("holds in the storm");
        cluster.heal();
        cluster.delay(DELAY * 5);
        cluster.drop_percent(5);
        cluster.duplicate_percent(20);
    }
    cluster.heal();
    cluster.delay(DELAY);
    let ledger = writers.stop().await;
    cluster.settle(PATIENCE).await.expect("settles");
    invariants.check(&cluster).await.expect("holds afterwards");
    check_trees(&cluster).await.expect("sound");
    ledger.verify(&notes).await.expect("every acknowledged document is there, once");
    eventually(&cluster, "progress after the storm", || async {
        notes.insert_one(&json!({"after": true})).await.is_ok()
    })
    .await;
}
