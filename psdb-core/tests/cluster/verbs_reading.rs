//! Proves that grouping, distinct values and selections over any number of shards give what a client
//! would compute from all documents, that limits and strictness are errors, and that a query nobody
//! waits for stops.

use std::collections::BTreeMap;
use std::time::Duration;

use psdb_core::client::Group;
use psdb_core::query::{Aggregate, Program};
use psdb_core::{Cluster, Database, Document, Error, Value};
use serde_json::json;

/// Documents of mixed types, always the same; `seed` gives others.
async fn mixed(cluster: &Cluster, shards: u32, seed: u64) -> Database {
    let name = format!("mixed-{shards}");
    let mixed = cluster.client().create_database(&name).shards(shards).await.expect("creates");
    let mut state = seed;
    let mut next = |below: u64| {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let documents = (0..300).map(|n| {
        let key = match next(8) {
            0 => json!(null),
            1 => json!("b"),
            2 => json!([1, "x"]),
            3 => json!(1.0),
            4 => json!(true),
            _ => json!(next(4)),
        };
        let mut document =
            json!({"_id": format!("m{n:03}"), "k": key, "f": next(1_000) as f64 / 7.0});
        if next(10) > 0 {
            document["v"] = json!(next(50));
        }
        document
    });
    for inserted in mixed.insert_many(documents.collect::<Vec<_>>()).await.expect("sent") {
        inserted.expect("inserted");
    }
    mixed
}

/// What a client computes of one lambda on every document.
async fn values(database: &Database, lambda: &str) -> Vec<(Document, Option<Value>)> {
    let program = Program::compile(lambda).expect("a lambda");
    let all: Vec<Document> =
        database.find_all().await.expect("finds").try_collect().await.expect("reads");
    all.into_iter()
        .map(|document| {
            let value = program.evaluate(document.encoded()).ok();
            (document, value)
        })
        .collect()
}

/// Groups made naively: each key, and the values of its documents by `_id`.
async fn naive(database: &Database, key: &str, value: &str) -> Vec<(Value, Vec<Value>)> {
    let values: Vec<_> = values(database, value).await.into_iter().map(|(_, v)| v).collect();
    let mut groups: Vec<(Value, Vec<Value>)> = Vec::new();
    for ((_, key), value) in self::values(database, key).await.into_iter().zip(values) {
        let (Some(key), Some(value)) = (key, value) else { continue };
        match groups.iter_mut().find(|(k, _)| k.total_cmp(&key).is_eq()) {
            Some((_, values)) => values.push(value),
            None => groups.push((key, vec![value])),
        }
    }
    groups.sort_by(|(a, _), (b, _)| a.total_cmp(b));
    groups
}

fn reduced(values: &[Value], aggregate: &Aggregate) -> Value {
    let integers = values.iter().map(|value| match value {
        Value::Int(n) => *n,
        other => panic!("the test sums integers, not {other:?}"),
    });
    match aggregate {
        Aggregate::Count => Value::Int(values.len() as i128),
        Aggregate::Sum(_) => Value::Int(integers.sum()),
        Aggregate::Average(_) => Value::Float(integers.sum::<i128>() as f64 / values.len() as f64),
        Aggregate::Min(_) => values.iter().min_by(|a, b| a.total_cmp(b)).expect("one").clone(),
        Aggregate::Max(_) => values.iter().max_by(|a, b| a.total_cmp(b)).expect("one").clone(),
        Aggregate::Collect(_) => Value::Array(values.to_vec()),
    }
}

fn shown(groups: &[Group]) -> Vec<String> {
    groups
        .iter()
        .map(|group| format!("{} {}", group.key.to_json(), group.value.to_json()))
        .collect()
}

#[tokio::test(start_paused = true)]
async fn groups_over_any_number_of_shards_are_those_of_all_documents() {
    let cluster = Cluster::builder().workers(2).replicas(1).shards(16).seed(41).start().await;
    let cluster = cluster.expect("starts");
    let (by, value) = ("lambda d: d['k']", "lambda d: d['v']");
    let mut answers: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for shards in [1, 2, 4, 16] {
        let mixed = mixed(&cluster, shards, 7).await;
        for aggregate in [
            Aggregate::Count,
            Aggregate::Sum(value.into()),
            Aggregate::Average(value.into()),
            Aggregate::Min(value.into()),
            Aggregate::Max(value.into()),
            Aggregate::Collect(value.into()),
        ] {
            let counted = if aggregate == Aggregate::Count { "lambda d: 0" } else { value };
            let naive = naive(&mixed, by, counted).await;
            let naive: Vec<_> = naive
                .iter()
                .map(|(key, values)| Group { key: key.clone(), value: reduced(values, &aggregate) })
                .collect();
            let mut cursor = mixed.group(by, aggregate.clone()).await.expect("groups");
            let mut found = Vec::new();
            while let Some(group) = cursor.next().await.transpose().expect("reads") {
                found.push(group);
            }
            assert_eq!(shown(&found), shown(&naive), "{shards} shards, {aggregate:?}");
            let missing = values(&mixed, counted).await.iter().filter(|(_, v)| v.is_none()).count();
            assert_eq!(cursor.skipped().count, missing as u64, "{shards} shards, {aggregate:?}");
        }
        // Floats are summed exactly, so the number of shards does not show.
        let sums = mixed.group(by, Aggregate::Sum("lambda d: d['f']".into()));
        let sums: Vec<Group> = sums
            .filter("lambda d: d['_id'] > 'm050'")
            .await
            .expect("groups")
            .try_collect()
            .await
            .expect("reads");
        let expected = answers.entry("sums".into()).or_insert_with(|| shown(&sums));
        assert_eq!(&shown(&sums), expected, "{shards} shards");
        let distinct = mixed.distinct("lambda d: d['v']").await.expect("finds");
        let distinct: Vec<Group> = distinct.try_collect().await.expect("reads");
        let naive = naive(&mixed, "lambda d: d['v']", "lambda d: 0").await;
        let keys = |groups: &[Group]| groups.iter().map(|g| g.key.to_json()).collect::<Vec<_>>();
        assert_eq!(keys(&distinct), naive.iter().map(|(k, _)| k.to_json()).collect::<Vec<_>>());
    }
}

#[tokio::test(start_paused = true)]
async fn selections_over_any_number_of_shards_keep_the_documents_order() {
    let cluster = Cluster::builder().workers(2).replicas(1).shards(16).seed(42).start().await;
    let cluster = cluster.expect("starts");
    let (key, select) = ("lambda d: d['f']", "lambda d: {'id': d['_id'], 'twice': d['v'] * 2}");
    for shards in [1, 2, 4, 16] {
        let mixed = mixed(&cluster, shards, 8).await;
        let selected = values(&mixed, select).await;
        let (mut naive, skipped): (Vec<_>, Vec<_>) =
            selected.into_iter().partition(|(_, value)| value.is_some());
        naive.sort_by(|(a, _), (b, _)| {
            let key = |document: &Document| document.get("f").expect("every document has it");
            key(b).total_cmp(&key(a)).then_with(|| a.id().cmp(b.id()))
        });
        let query = mixed.find("lambda d: True").sort(key).descending().skip(5).limit(200);
        let mut cursor = query.select(select).await.expect("finds");
        let mut found = Vec::new();
        while let Some(value) = cursor.next().await.transpose().expect("reads") {
            found.push(value.to_json());
        }
        let expected: Vec<_> = naive
            .iter()
            .skip(5)
            .take(200)
            .filter_map(|(_, value)| value.as_ref().map(Value::to_json))
            .collect();
        assert_eq!(found, expected, "{shards} shards");
        assert_eq!(cursor.skipped().count, skipped.len() as u64, "{shards} shards");
    }
}

#[tokio::test(start_paused = true)]
async fn limits_and_strictness_are_errors() {
    let cluster = Cluster::builder().workers(1).replicas(1).shards(4).seed(43).start().await;
    let cluster = cluster.expect("starts");
    let mixed = mixed(&cluster, 4, 9).await;
    let strict = mixed.find("lambda d: d['v'] >= 0").strict().await;
    let Err(Error::LambdaRaised { raised, .. }) = strict.map(|_| ()) else { panic!("no error") };
    assert_eq!(raised, "KeyError: 'v'");
    let strict = mixed.find_all().select("lambda d: d['v']").await.expect("finds");
    assert!(strict.skipped().count > 0);
    let strict = mixed.distinct("lambda d: d['v']").strict().await.map(|_| ());
    assert!(matches!(strict, Err(Error::LambdaRaised { .. })), "{strict:?}");
    let endless = "lambda d: sum(x for x in range(10**9)) > 0";
    for failed in [
        mixed.count(endless).await.map(|_| ()),
        mixed.find(endless).await.map(|_| ()),
        mixed.update_many(endless, &json!({"a": 1})).await.map(|_| ()),
        mixed.distinct("lambda d: [d['_id'] * 200000]").await.map(|_| ()),
        mixed.find_all().sort("lambda d: d['_id'] * 300000").await.map(|_| ()),
    ] {
        assert!(matches!(failed, Err(Error::QueryLimit { .. })), "{failed:?}");
    }
    assert_eq!(mixed.count_all().await.expect("counts").count, 300);
}

/// How soon after nobody waits for it a query has to be over.
const PROMISED: Duration = Duration::from_millis(100);

async fn until(
    what: &str,
    limit: Duration,
    cluster: &Cluster,
    wanted: impl Fn((usize, usize)) -> bool,
) {
    let waited = tokio::time::timeout(limit, async {
        while !wanted(cluster.queries("node-1").await.expect("the node")) {
            tokio::task::yield_now().await;
        }
    });
    assert!(waited.await.is_ok(), "{what} took longer than {limit:?}");
}

/// In real time, since it is real work that has to stop.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_nobody_waits_for_stops() {
    let directory = tempfile::tempdir().expect("a directory");
    let cluster = Cluster::open(directory.path()).await.expect("opens");
    let items = cluster.client().create_database("items").await.expect("creates");
    let all = (0..4_000).map(|n| json!({"n": n}));
    for inserted in items.insert_many(all).await.expect("sent") {
        inserted.expect("inserted");
    }
    // Minutes of work, unless it is stopped.
    let slow = "lambda d: sum(x * x for x in range(50000)) < d['n']";
    let long = Duration::from_secs(20);
    for verb in ["count", "find", "group", "update"] {
        let items = items.clone();
        let asking = tokio::spawn(async move {
            match verb {
                "count" => items.count(slow).await.map(|_| ()),
                "find" => items.find(slow).await.map(|_| ()),
                "group" => items.distinct(slow).await.map(|_| ()),
                _ => items.update_many(slow, &json!({"a": 1})).await.map(|_| ()),
            }
        });
        until("to begin", long, &cluster, |(running, _)| running > 0).await;
        asking.abort();
        until(verb, PROMISED, &cluster, |counts| counts == (0, 0)).await;
    }
    // A cursor that is dropped is forgotten; one whose time is over stops by itself.
    let mut cursor = items.find_all().await.expect("finds");
    assert!(cursor.next().await.is_some());
    let held = cluster.queries("node-1").await.expect("the node").1;
    assert!(held > 0, "4,000 documents are more than a page of each shard");
    drop(cursor);
    until("a dropped cursor", PROMISED, &cluster, |counts| counts == (0, 0)).await;
    let hasty = cluster.client().with_timeout(Duration::from_millis(300)).database("items");
    let late = hasty.count(slow).await.expect_err("its time is over");
    assert!(late.is_unavailable(), "{late}");
    until("its time being over", PROMISED, &cluster, |counts| counts == (0, 0)).await;
    cluster.close().await.expect("closes");
}
