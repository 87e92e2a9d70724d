//! Proves what reads promise: those of any replica say how old they may be and are not older, and
//! a query that one shard does not answer fails by that shard's name.

use std::time::Duration;

use psdb_core::{Error, Value};
use serde_json::json;

use crate::writers::DELAY;
use crate::{PATIENCE, three_and_three};

#[tokio::test(start_paused = true)]
async fn a_stale_read_is_no_older_than_it_says() {
    let cluster = three_and_three(51).start().await.expect("starts");
    cluster.delay(DELAY);
    let env = cluster.env().clone();
    let notes = cluster.client().create_database("notes").await.expect("creates");
    let id = notes.insert_one(&json!({"n": 0})).await.expect("inserts").id;
    cluster.settle(PATIENCE).await.expect("settles");

    // (moment, number) of every acknowledged write, in order.
    let mut history = vec![(env.instant(), 0)];
    let mut ages = Vec::new();
    for n in 1..=60_i128 {
        notes.update_one(&id, &json!({"n": n as i64})).await.expect("updates");
        history.push((env.instant(), n));
        for max_age in [Duration::ZERO, Duration::from_millis(40), Duration::from_secs(5)] {
            let asked = env.instant();
            let read = notes.stale_ok(max_age).get(&id).await.expect("reads");
            let Some(Value::Int(seen)) = read.value.expect("is there").get("n") else {
                panic!("n is a number")
            };
            // Whatever was acknowledged before the age it tells has to be in it.
            let floor = history.iter().rev().find(|(at, _)| asked.elapsed_since(*at) > read.age);
            assert!(floor.is_none_or(|(_, n)| seen >= *n), "{seen} at age {:?}", read.age);
            ages.push(read.age);
        }
    }
    assert!(ages.iter().any(|age| *age > Duration::from_millis(20)), "no read was ever old");
}

#[tokio::test(start_paused = true)]
async fn a_stale_read_survives_its_leader_for_as_long_as_it_may_be_old() {
    let cluster = three_and_three(52).start().await.expect("starts");
    cluster.delay(DELAY);
    let client = cluster.client().with_timeout(Duration::from_secs(2));
    let notes = client.create_database("notes").shards(1).await.expect("creates");
    let id = notes.insert_one(&json!({"n": 7})).await.expect("inserts").id;
    let patient = notes.stale_ok(Duration::from_secs(30));
    // Every replica is asked once, so that each knows its age.
    for _ in 0..20 {
        patient.get(&id).await.expect("reads");
    }
    cluster.crash("worker-1").await.expect("crashes");
    cluster.crash("worker-2").await.expect("crashes");
    let read = patient.get(&id).await.expect("the last replica answers");
    assert_eq!(read.value.expect("is there").get("n"), Some(Value::Int(7)));
    assert_eq!(patient.count(None).await.expect("counts").value.count, 1);
    let strict = notes.stale_ok(Duration::from_millis(1)).get(&id).await;
    assert!(strict.expect_err("nobody confirms its age").is_unavailable());
    let linearizable = notes.get(&id).await.expect_err("there is no quorum");
    assert!(linearizable.is_unavailable(), "{linearizable}");
}

#[tokio::test(start_paused = true)]
async fn a_query_without_an_answer_of_one_shard_fails_by_its_name() {
    let cluster = three_and_three(53).replicas(1).start().await.expect("starts");
    let client = cluster.client().with_timeout(Duration::from_secs(3));
    let notes = client.create_database("notes").shards(4).await.expect("creates");
    for n in 0..40 {
        notes.insert_one(&json!({"n": n})).await.expect("inserts");
    }
    let shards = client.shards().await.expect("answers");
    cluster.crash("worker-2").await.expect("crashes");
    let lost: Vec<_> = shards
        .iter()
        .filter(|shard| shard.replicas.iter().any(|at| at.as_str() == "worker-2"))
        .map(|shard| format!("shard {}", shard.shard))
        .collect();
    assert!(!lost.is_empty() && lost.len() < 4, "{lost:?} are on worker-2");
    let counted = notes.count_all().await.expect_err("a part of an answer is none");
    let found = notes.find_all().await.map(drop).expect_err("a part of an answer is none");
    for error in [counted, found] {
        let Error::Unavailable { what, .. } = &error else { panic!("{error}") };
        assert!(lost.contains(what), "{what} is not among {lost:?}");
    }
}
