//! Proves what reads promise: those of any replica say how old they may be and are not older, and
//! a query that one shard does not answer fails by that shard's name.

use std::time::Duration;

use psdb_core::client::Group;
use psdb_core::query::Aggregate;
use psdb_core::{Database, Document, DocumentId, Error, Value};
use serde_json::json;

use crate::writers::DELAY;
use crate::{PATIENCE, eventually, three_and_three};

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
    cluster.settle(PATIENCE).await.expect("settles");
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

/// So many documents that every shard needs several pages.
const MANY: usize = 5_000;

async fn fill(notes: &Database) {
    let documents = (0..MANY).map(|n| json!({"_id": format!("n{n:05}"), "n": n, "k": n % 7}));
    for inserted in notes.insert_many(documents.collect::<Vec<_>>()).await.expect("sent") {
        inserted.expect("inserted");
    }
}

#[tokio::test(start_paused = true)]
async fn stale_queries_give_what_leaders_give_page_by_page() {
    let cluster = three_and_three(54).start().await.expect("starts");
    let notes = cluster.client().create_database("notes").shards(2).await.expect("creates");
    fill(&notes).await;
    let max_age = Duration::from_secs(5);
    let stale = notes.stale_ok(max_age);
    // Often enough that followers answer, too.
    for _ in 0..6 {
        let found = stale.find("lambda d: d['k'] != 3").sort("lambda d: -d['n']").limit(4_000);
        let found = found.await.expect("finds");
        assert!(found.age() <= max_age, "{:?}", found.age());
        let found: Vec<Document> = found.try_collect().await.expect("reads");
        let numbers: Vec<_> = found.iter().map(|document| document.get("n")).collect();
        let expected: Vec<_> = (0..MANY).rev().filter(|n| n % 7 != 3).take(4_000).collect();
        let expected: Vec<_> = expected.iter().map(|n| Some(Value::Int(*n as i128))).collect();
        assert_eq!(numbers, expected);
        let groups = stale.group("lambda d: d['n']", Aggregate::Count).await.expect("groups");
        assert!(groups.age() <= max_age, "{:?}", groups.age());
        let groups: Vec<Group> = groups.try_collect().await.expect("reads");
        assert_eq!(groups.len(), MANY);
        let kinds: Vec<Group> = stale
            .distinct("lambda d: d['k']")
            .await
            .expect("groups")
            .try_collect()
            .await
            .expect("reads");
        assert_eq!(kinds.len(), 7);
    }
    assert_eq!(
        stale.find_all().await.expect("finds").try_collect::<Vec<_>>().await.map(|d| d.len()),
        Ok(MANY)
    );
    // What is given up half read leaves nothing behind, wherever it ran.
    let mut half = stale.find_all().await.expect("finds");
    half.next().await.expect("there are some").expect("reads");
    drop(half);
    eventually(&cluster, "the end of all cursors", || async {
        for worker in ["worker-1", "worker-2", "worker-3"] {
            if cluster.queries(worker).await.expect("exists") != (0, 0) {
                return false;
            }
        }
        true
    })
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_stale_query_is_no_older_than_it_says() {
    let cluster = three_and_three(55).start().await.expect("starts");
    cluster.delay(DELAY);
    let env = cluster.env().clone();
    let notes = cluster.client().create_database("notes").await.expect("creates");
    let id = notes.insert_one(&json!({"n": 0})).await.expect("inserts").id;
    cluster.settle(PATIENCE).await.expect("settles");
    let mut history = vec![(env.instant(), 0)];
    let mut ages = Vec::new();
    for n in 1..=60_i128 {
        notes.update_one(&id, &json!({"n": n as i64})).await.expect("updates");
        history.push((env.instant(), n));
        for max_age in [Duration::ZERO, Duration::from_millis(40), Duration::from_secs(5)] {
            let asked = env.instant();
            let read = notes.stale_ok(max_age).find_all().select("lambda d: d['n']").await;
            let mut read = read.expect("finds");
            let age = read.age();
            let Some(Ok(Value::Int(seen))) = read.next().await else { panic!("n is a number") };
            let floor = history.iter().rev().find(|(at, _)| asked.elapsed_since(*at) > age);
            assert!(floor.is_none_or(|(_, n)| seen >= *n), "{seen} at age {age:?}");
            ages.push(age);
        }
    }
    assert!(ages.iter().any(|age| *age > Duration::from_millis(20)), "no query was ever old");
}

#[tokio::test(start_paused = true)]
async fn a_stale_query_survives_its_leader_for_as_long_as_it_may_be_old() {
    let cluster = three_and_three(56).start().await.expect("starts");
    let client = cluster.client().with_timeout(Duration::from_secs(2));
    let notes = client.create_database("notes").shards(1).await.expect("creates");
    fill(&notes).await;
    cluster.settle(PATIENCE).await.expect("settles");
    let patient = notes.stale_ok(Duration::from_secs(30));
    let id = DocumentId::from("n00000");
    for _ in 0..20 {
        patient.get(&id).await.expect("reads");
    }
    cluster.env().sleep(Duration::from_secs(1)).await;
    cluster.crash("worker-1").await.expect("crashes");
    cluster.crash("worker-2").await.expect("crashes");
    let found = patient.find_all().await.expect("the last replica answers");
    assert!(found.age() > Duration::ZERO);
    assert_eq!(found.try_collect::<Vec<Document>>().await.expect("reads").len(), MANY);
    let kinds = patient.distinct("lambda d: d['k']").await.expect("it groups, too");
    assert_eq!(kinds.try_collect::<Vec<Group>>().await.expect("reads").len(), 7);
    let strict = notes.stale_ok(Duration::from_millis(1)).find_all().await.map(drop);
    assert!(strict.expect_err("nobody confirms its age").is_unavailable());
    let linearizable = notes.find_all().await.map(drop).expect_err("there is no quorum");
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
