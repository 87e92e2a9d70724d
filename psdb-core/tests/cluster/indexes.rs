//! Proves that indexes come and go while a cluster is in use and its masters die: what was wanted is
//! built on every shard by whoever leads, a dropped one is gone, and answers stay the same.

use std::time::Duration;

use psdb_core::cluster::invariants::check_trees;
use psdb_core::transport::message::IndexState;
use psdb_core::{Client, Database, Error};
use serde_json::json;

use crate::writers::{DELAY, Writers};
use crate::{PATIENCE, eventually, leading_master, restart_everything, three_and_three};

async fn filled(client: &Client, name: &str, documents: u32) -> Database {
    let database = client.create_database(name).shards(4).await.expect("creates");
    let document = |n: u32| json!({"_id": format!("d{n:04}"), "k": n % 7, "n": n});
    let results = database.insert_many((0..documents).map(document)).await.expect("answers");
    assert!(results.iter().all(Result::is_ok));
    database
}

async fn names(database: &Database) -> Vec<String> {
    let indexes = database.list_indexes().await.expect("lists");
    indexes.iter().map(|index| index.name.to_string()).collect()
}

#[tokio::test(start_paused = true)]
async fn an_index_is_built_while_documents_flow() {
    let cluster = three_and_three(81).start().await.expect("starts");
    let client = cluster.client();
    let database = filled(&client, "built", 800).await;
    cluster.delay(DELAY);
    let writers = Writers::start(&cluster, "built", 3);
    writers.progress(&cluster, 50).await;
    let index = database.create_index("k").then("n").await.expect("creates");
    assert_eq!((index.name.as_str(), index.state), ("k,n", IndexState::Ready));
    assert!(index.entries >= 800 && index.entries == index.documents_done, "{index:?}");
    let plan = database.explain("lambda d: d['k'] == 3").await.expect("explains").to_string();
    assert!(plan.contains("index k,n"), "{plan}");
    let found = database.count("lambda d: d.get('k') == 3 and d['n'] >= 0").await.expect("counts");
    assert_eq!(found.count, (0..800).filter(|n| n % 7 == 3).count() as u64);
    writers.progress(&cluster, 50).await;
    let ledger = writers.stop().await;
    let count = database.count_all().await.expect("counts").count;
    assert!(count >= 800 + ledger.len() as u64, "{count} documents, of {} written", ledger.len());
    cluster.settle(PATIENCE).await.expect("settles");
    check_trees(&cluster).await.expect("every index is the one its documents make");
    database.drop_index("k,n").await.expect("drops");
    let gone = database.drop_index("k,n").await.expect_err("it is gone");
    assert!(gone.is_not_found() && names(&database).await.is_empty(), "{gone}");
    check_trees(&cluster).await.expect("sound");
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_master_was_asked_to_index_is_indexed_by_the_next() {
    let cluster = three_and_three(82).start().await.expect("starts");
    let client = cluster.client();
    let database = filled(&client, "orders", 200).await;
    cluster.delay(DELAY * 5);
    for round in 0..5 {
        let field = format!("field-{round}");
        let creating = {
            let (database, field) = (database.clone(), field.clone());
            cluster.env().spawn(async move { database.create_index(field).await })
        };
        let leader = leading_master(&cluster).await;
        cluster.env().sleep(DELAY * (4 + 8 * round)).await;
        cluster.crash(&leader).await.expect("crashes");
        let created = creating.await.expect("does not panic");
        cluster.restart(&leader).await.expect("restarts");
        cluster.settle(PATIENCE).await.expect("settles");
        let wanted = names(&database).await.contains(&field);
        assert!(wanted || created.is_err(), "{field} was acknowledged and is not wanted");
        eventually(&cluster, "the end of all building", || async {
            let indexes = database.list_indexes().await.expect("lists");
            indexes.iter().all(|index| index.state == IndexState::Ready)
        })
        .await;
    }
    let before = names(&database).await;
    assert!(!before.is_empty(), "no index outlived its master");
    restart_everything(&cluster).await;
    cluster.settle(PATIENCE).await.expect("settles");
    assert_eq!(names(&database).await, before);
    check_trees(&cluster).await.expect("every index is the one its documents make");
}

#[tokio::test(start_paused = true)]
async fn mistakes_about_indexes_are_refused_with_numbers() {
    let cluster = three_and_three(83).start().await.expect("starts");
    let database = filled(&cluster.client(), "limits", 10).await;
    for n in 0..64 {
        database.create_index(format!("f{n}")).background().await.expect("creates");
    }
    let refused = database.create_index("one more").await.expect_err("is one too many");
    assert!(refused.to_string().contains("has 64 indexes, which is the limit"), "{refused}");
    let again = database.create_index("f7").await.expect("the same once more is no error");
    assert_eq!(again.entries, 10);
    let other = database.create_index("x").name("f7").await.expect_err("the name is taken");
    assert!(matches!(&other, Error::IndexExists { name, .. } if name == "f7"), "{other}");
    let other = database.create_index("f7").name("x").await.expect_err("the fields are taken");
    assert!(other.is_conflict(), "{other}");
    let wide = database.create_index_on((0..17).map(|n| n.to_string())).await;
    let wide = wide.expect_err("has too many fields").to_string();
    assert!(wide.contains("17 fields; 1 to 16"), "{wide}");
    let twice = database.create_index("a").then("a").await.expect_err("stands twice").to_string();
    assert!(twice.contains("\"a\" stands twice"), "{twice}");
    let long = database.create_index("a").name("x".repeat(257)).await.expect_err("is too long");
    assert!(long.to_string().contains("257 bytes; 1 to 256"), "{long}");
    let nowhere = cluster.client().database("nowhere").create_index("a").await;
    assert!(nowhere.expect_err("is not there").is_not_found());
}

#[tokio::test(start_paused = true)]
async fn a_policy_refuses_scans_and_nothing_else() {
    let cluster = three_and_three(84).start().await.expect("starts");
    let client = cluster.client();
    let database = client.create_database("strict").index("k").deny_full_scan().shards(2).await;
    let database = database.expect("creates");
    let documents = (0..20).map(|n| json!({"k": n % 2, "n": n}));
    database.insert_many(documents).await.expect("answers");
    let scan = "lambda d: d['n'] > 3";
    let denied = |result: Result<(), Error>, what: &str| match result {
        Err(error @ Error::FullScanDenied { .. }) => {
            let told = error.to_string();
            assert!(told.contains("deny_full_scan") && told.contains("index create"), "{told}");
        }
        other => panic!("{what}: {other:?}"),
    };
    denied(database.find(scan).await.map(|_| ()), "find");
    denied(database.find_all().sort("lambda d: d['n']").await.map(|_| ()), "sort");
    denied(database.count(scan).await.map(|_| ()), "count");
    denied(database.distinct("lambda d: d['k']").await.map(|_| ()), "distinct");
    denied(database.update_many(scan, &json!({"x": 1})).await.map(|_| ()), "update_many");
    denied(database.delete_many(scan).await.map(|_| ()), "delete_many");
    let narrow = "lambda d: d['k'] == 1 and d['n'] > 3";
    assert_eq!(database.count(narrow).await.expect("an index narrows it down").count, 8);
    let groups = database.distinct("lambda d: d['k']").filter(narrow).await.expect("groups");
    assert_eq!(groups.try_collect::<Vec<_>>().await.expect("collects").len(), 1);
    let all: Vec<psdb_core::Document> =
        database.find_all().await.expect("reads").try_collect().await.expect("collects");
    assert_eq!((all.len(), database.count_all().await.expect("counts").count), (20, 20));
    let done = database.update_many(narrow, &json!({"seen": true})).await.expect("updates");
    assert_eq!(done.modified, 8);
    // Another client, with a copy of its own, hears of a change within seconds.
    let other = cluster.client().database("strict");
    denied(other.count(scan).await.map(|_| ()), "another client's count");
    database.set_deny_full_scan(false).await.expect("changes");
    assert_eq!(database.count(scan).await.expect("is allowed at once").count, 16);
    cluster.env().sleep(Duration::from_secs(5)).await;
    assert_eq!(other.count(scan).await.expect("is allowed").count, 16);
}

#[tokio::test(start_paused = true)]
async fn a_changed_policy_reaches_stale_queries_too() {
    let cluster = three_and_three(86).start().await.expect("starts");
    let database = cluster.client().create_database("notes").shards(2).await.expect("creates");
    database.insert_many((0..20).map(|n| json!({"n": n}))).await.expect("answers");
    let (scan, stale) = ("lambda d: d['n'] > 3", database.stale_ok(Duration::from_secs(30)));
    let found = stale.find(scan).await.expect("is allowed");
    assert_eq!(found.try_collect::<Vec<_>>().await.expect("reads").len(), 16);
    let other = cluster.client().database("notes");
    other.set_deny_full_scan(true).await.expect("changes");
    cluster.env().sleep(Duration::from_secs(5)).await;
    let denied = |error: Error| matches!(error, Error::FullScanDenied { .. });
    assert!(denied(stale.find(scan).await.map(|_| ()).expect_err("find is denied")));
    assert!(denied(stale.count(Some(scan)).await.expect_err("count is denied")));
    let distinct = stale.distinct("lambda d: d['n']").await;
    assert!(denied(distinct.map(|_| ()).expect_err("distinct is denied")));
    other.set_deny_full_scan(false).await.expect("changes");
    cluster.env().sleep(Duration::from_secs(5)).await;
    let counted = stale.count(Some(scan)).await.expect("is allowed again");
    assert_eq!(counted.value.count, 16);
    // Whatever is no name of a database is said to be none.
    let nameless = cluster.client().database("no name").stale_ok(Duration::from_secs(30));
    let refused = nameless.find(scan).await.map(|_| ()).expect_err("has no name");
    assert!(matches!(refused, Error::InvalidName { .. }), "{refused}");
}

#[tokio::test(start_paused = true)]
async fn queries_go_on_without_masters() {
    let cluster = three_and_three(85).start().await.expect("starts");
    let client = cluster.client();
    let database = client.create_database("kept").index("k").deny_full_scan().shards(4).await;
    let database = database.expect("creates");
    database.insert_many((0..50).map(|n| json!({"k": n % 5}))).await.expect("answers");
    for master in ["master-1", "master-2", "master-3"] {
        cluster.crash(master).await.expect("crashes");
    }
    // By now the masters would be asked again how the database may be read.
    cluster.env().sleep(Duration::from_secs(6)).await;
    let begin = cluster.env().instant();
    assert_eq!(database.count("lambda d: d['k'] == 1").await.expect("counts").count, 10);
    let took = cluster.env().instant().elapsed_since(begin);
    assert!(took < Duration::from_secs(1), "{took:?} for a count that needs no master");
    let scan = database.count("lambda d: d.get('x') == 1").await;
    assert!(matches!(scan, Err(Error::FullScanDenied { .. })), "{scan:?}");
}
