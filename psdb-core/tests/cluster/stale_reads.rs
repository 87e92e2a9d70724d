//! Proves that the first read after a restart shows every write acknowledged before it.
//!
//! A replica that led when its power went away leads again at once, in the same term, and its
//! commit index was stored lazily: it must not answer reads before it has applied the tail of its
//! log again.

use std::time::Duration;

use crate::{restart_everything, three_and_three};

#[tokio::test(start_paused = true)]
async fn a_leader_that_restarts_serves_no_stale_reads() {
    for seed in 50..54 {
        let cluster = three_and_three(seed).start().await.expect("starts");
        let notes = cluster.client().create_database("notes").shards(4).await.expect("created");
        // What confirms leadership may then arrive before what moves the commit index.
        cluster.delay(Duration::from_millis(40));
        let mut written = 0;
        for _round in 0..4 {
            let batch = (0..40).map(|n| serde_json::json!({ "n": n }));
            for inserted in notes.insert_many(batch).await.expect("sent") {
                inserted.expect("inserted");
                written += 1;
            }
            restart_everything(&cluster).await;
            let counted = notes.count_all().await.expect("counted").count;
            assert_eq!(counted, written, "seed {seed}: the first read after a restart is stale");
        }
        cluster.close().await.expect("closes");
    }
}
