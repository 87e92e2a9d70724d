//! Proves that a write is applied once, however often it is sent and delivered.

use psdb_core::cluster::invariants::Invariants;
use psdb_core::raft::RaftConfig;
use psdb_core::{DocumentId, Outcome};
use serde_json::json;

use crate::writers::DELAY;
use crate::{PATIENCE, three_and_three};

/// Every update raises the version by one, so the version counts how often writes were applied.
#[tokio::test(start_paused = true)]
async fn a_retried_write_applies_once() {
    let cluster = three_and_three(9).start().await.expect("starts");
    let counters = cluster.client().create_database("counters").await.expect("creates");
    let ids: Vec<_> = (0..4).map(|n| DocumentId::from(format!("counter-{n}"))).collect();
    for id in &ids {
        counters.insert_one(&json!({"_id": id.as_str()})).await.expect("inserts");
    }
    cluster.delay(DELAY);
    cluster.drop_percent(15);
    cluster.duplicate_percent(50);
    let tasks: Vec<_> = ids
        .iter()
        .map(|id| {
            let counters = cluster.new_client().database("counters");
            let id = id.clone();
            cluster.env().spawn(async move {
                let (mut acknowledged, mut uncertain) = (0, 0);
                for n in 0..60 {
                    match counters.update_one(&id, &json!({"n": n})).await {
                        Ok(updated) => {
                            acknowledged += 1;
                            let most = 1 + acknowledged + uncertain;
                            assert!((1 + acknowledged..=most).contains(&updated.version));
                        }
                        Err(error) if error.outcome() == Outcome::Unknown => uncertain += 1,
                        Err(_not_applied) => {}
                    }
                }
                (id, acknowledged, uncertain)
            })
        })
        .collect();
    let mut told = Vec::new();
    for task in tasks {
        told.push(task.await.expect("does not panic"));
    }
    cluster.heal();
    cluster.settle(PATIENCE).await.expect("settles");
    Invariants::default().check(&cluster).await.expect("holds");
    for (id, acknowledged, uncertain) in told {
        let document = counters.get(&id).await.expect("reads").expect("is there");
        let range = 1 + acknowledged..=1 + acknowledged + uncertain;
        assert!(
            range.contains(&document.version()),
            "{id}: {} not in {range:?}",
            document.version()
        );
        assert!(acknowledged >= 50, "{id}: only {acknowledged} of 60 writes were acknowledged");
    }
}

/// An insert whose reply is lost is retried; it must not find itself in its way.
#[tokio::test(start_paused = true)]
async fn an_insert_whose_replies_are_lost_is_no_duplicate() {
    let cluster = three_and_three(10).start().await.expect("starts");
    let notes = cluster.client().create_database("notes").await.expect("creates");
    cluster.delay(DELAY);
    cluster.drop_percent(30);
    for n in 0..40 {
        let inserted = notes.insert_one(&json!({"_id": format!("note-{n}")})).await;
        match inserted {
            Ok(inserted) => assert_eq!(inserted.version, 1),
            Err(error) => assert_eq!(error.outcome(), Outcome::Unknown, "note-{n}: {error}"),
        }
    }
    cluster.heal();
    assert_eq!(notes.count_all().await.expect("counts").count, 40);
}

/// What was applied once stays applied once: across the death of its leader, and on replicas that
/// know of it only by a snapshot.
#[tokio::test(start_paused = true)]
async fn a_retry_applies_once_across_failover_and_snapshot() {
    let raft = RaftConfig { snapshot_after: 20, keep_entries: 5, ..RaftConfig::default() };
    let cluster = three_and_three(15).shards(1).raft(raft).start().await.expect("starts");
    let counters = cluster.client().create_database("counters").await.expect("creates");
    let id = DocumentId::from("counter");
    counters.insert_one(&json!({"_id": "counter"})).await.expect("inserts");
    cluster.delay(DELAY);
    cluster.drop_percent(10);
    cluster.duplicate_percent(40);
    let (mut acknowledged, mut uncertain) = (0, 0);
    for n in 0..120 {
        if n % 30 == 10 {
            cluster.crash(&format!("worker-{}", 1 + n / 30 % 3)).await.expect("crashes");
        }
        if n % 30 == 25 {
            cluster.restart(&format!("worker-{}", 1 + n / 30 % 3)).await.expect("restarts");
        }
        match counters.update_one(&id, &json!({"n": n})).await {
            Ok(_) => acknowledged += 1,
            Err(error) if error.outcome() == Outcome::Unknown => uncertain += 1,
            Err(_not_applied) => {}
        }
    }
    cluster.heal();
    cluster.restart("worker-1").await.expect("restarts");
    cluster.settle(PATIENCE).await.expect("settles");
    let version = counters.get(&id).await.expect("reads").expect("is there").version();
    assert!((1 + acknowledged..=1 + acknowledged + uncertain).contains(&version), "{version}");
    assert!(acknowledged >= 100, "only {acknowledged} of 120 updates were acknowledged");
}
