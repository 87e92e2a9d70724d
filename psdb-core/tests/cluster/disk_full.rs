//! Proves that a worker whose disk is nearly full refuses what makes its data grow, for certain and
//! with the numbers, while reading, deleting and clearing go on; and that it takes writes again once
//! there is room.

use psdb_core::{Cluster, Code, Error, Outcome};
use serde_json::json;

use crate::eventually;

/// How large the worker's disk is.
const CAPACITY: u64 = 4 << 20;

#[tokio::test(start_paused = true)]
async fn a_nearly_full_disk_takes_deletions_only() {
    let builder = Cluster::builder().masters(1).workers(1).replicas(1).shards(1).seed(11);
    let cluster = builder.start().await.expect("starts");
    let notes = cluster.client().create_database("notes").await.expect("creates");
    let disk = cluster.fail_disk("worker-1").await.expect("a simulated disk");
    disk.set_capacity(Some(CAPACITY));
    let body = json!({"text": "x".repeat(20_000)});
    let mut ids = Vec::new();
    let refusal = loop {
        match notes.insert_one(&body).await {
            Ok(written) => ids.push(written.id),
            Err(error) => break error,
        }
        assert!(ids.len() < 1_000, "the disk never got full");
    };
    assert_eq!((refusal.code(), refusal.outcome()), (Code::ResourceExhausted, Outcome::NotApplied));
    assert!(!refusal.is_retryable());
    let Error::DiskFull { path, free_bytes, reserve_bytes } = &refusal else { panic!("{refusal}") };
    assert!(path.contains("wal") && *free_bytes <= *reserve_bytes, "{refusal}");
    assert_eq!(*reserve_bytes, CAPACITY / 16);

    let update = notes.update_one(&ids[0], &json!({"text": "y"})).await.unwrap_err();
    assert_eq!(update.code(), Code::ResourceExhausted);
    assert_eq!(notes.count_all().await.expect("reads go on").count, ids.len() as u64);
    for id in &ids {
        notes.delete_one(id).await.expect("deletions go on");
    }
    let files = cluster.disk_stats("worker-1").await.expect("the worker is there");
    assert!(files.writes > 0);
    cluster.client().clear_database("notes").await.expect("clearing goes on");

    // The worker is alive and well, so room is all that it needs.
    disk.set_capacity(Some(CAPACITY * 16));
    eventually(&cluster, "a write", || async { notes.insert_one(&body).await.is_ok() }).await;
    assert_eq!(notes.count_all().await.expect("reads").count, 1);
}
