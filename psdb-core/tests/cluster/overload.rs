//! Proves that too many requests are refused at once and for certain, and that those that are
//! taken still get through.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use psdb_core::raft::RaftConfig;
use psdb_core::{Cluster, Error, Outcome};
use serde_json::json;

use crate::writers::DELAY;
use crate::{eventually, three_and_three};

/// Inserts with so many clients for a while; returns how many were acknowledged per second of
/// virtual time, and how many were refused as too many.
async fn load(cluster: &Cluster, clients: usize) -> (f64, u64) {
    let (done, refused) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
    let begun = cluster.env().instant();
    let tasks: Vec<_> = (0..clients)
        .map(|_| {
            let database = cluster.new_client().with_timeout(Duration::from_secs(4));
            let database = database.database("notes");
            let (done, refused, env) = (done.clone(), refused.clone(), cluster.env().clone());
            cluster.env().spawn(async move {
                while env.instant().elapsed_since(begun) < Duration::from_secs(3) {
                    match database.insert_one(&json!({"text": "hello"})).await {
                        Ok(_) => done.fetch_add(1, Ordering::Relaxed),
                        Err(Error::Overloaded { .. } | Error::Unavailable { .. }) => {
                            refused.fetch_add(1, Ordering::Relaxed)
                        }
                        Err(error) => panic!("{error}"),
                    };
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.expect("does not panic");
    }
    let seconds = cluster.env().instant().elapsed_since(begun).as_secs_f64();
    (done.load(Ordering::Relaxed) as f64 / seconds, refused.load(Ordering::Relaxed))
}

/// The bounds are small, so that the peak is reached by few clients and 64 times as many are
/// still few enough for a test.
#[tokio::test(start_paused = true)]
async fn at_64_times_the_peak_goodput_stays() {
    let raft = RaftConfig { batch_requests: 4, waiting_requests: 8, ..RaftConfig::default() };
    let cluster = three_and_three(71).shards(1).raft(raft).start().await.expect("starts");
    cluster.client().create_database("notes").await.expect("creates");
    cluster.delay(DELAY);
    let (peak, _) = load(&cluster, 8).await;
    let (goodput, _) = load(&cluster, 8 * 64).await;
    assert!(goodput >= 0.8 * peak, "{goodput:.0}/s at 64 times the load, {peak:.0}/s before");
}

#[tokio::test(start_paused = true)]
async fn one_request_too_many_is_refused_at_once_and_for_certain() {
    let raft = RaftConfig { waiting_requests: 2, ..RaftConfig::default() };
    let cluster = three_and_three(72).shards(1).raft(raft).start().await.expect("starts");
    let notes = cluster.client().create_database("notes").await.expect("creates");
    notes.insert_one(&json!({})).await.expect("inserts");
    // Nobody answers the leader, so what it has taken waits.
    cluster.partition(&["worker-1"], &["worker-2", "worker-3"]);
    cluster.partition(&["worker-2"], &["worker-3"]);
    let impatient = cluster.client().with_timeout(Duration::from_millis(900));
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let notes = impatient.database("notes");
            cluster.env().spawn(async move { notes.insert_one(&json!({})).await })
        })
        .collect();
    let (mut certain, mut unknown) = (0, 0);
    for task in tasks {
        let error = task.await.expect("does not panic").expect_err("there is no quorum");
        match error.outcome() {
            Outcome::NotApplied => certain += 1,
            Outcome::Unknown => unknown += 1,
        }
    }
    assert!(certain >= 10, "{certain} were refused for certain, {unknown} are unknown");
    cluster.heal();
    eventually(&cluster, "service again", || async { notes.insert_one(&json!({})).await.is_ok() })
        .await;
    let there = notes.count_all().await.expect("counts").count;
    assert!(there <= 2 + unknown, "{there} documents, though {certain} were not applied");
}
