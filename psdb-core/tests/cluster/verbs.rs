//! Proves that changing many documents by a lambda changes each of them once, whoever else writes,
//! whatever crashes and however often it is asked for.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use psdb_core::client::{Client, ClientOptions, NamedRequest};
use psdb_core::cluster::invariants::Invariants;
use psdb_core::{Address, Cluster, Database, DocumentId, Error, Outcome};
use serde_json::json;

use crate::writers::DELAY;
use crate::{PATIENCE, eventually, three_and_three};

fn id(n: u64) -> DocumentId {
    DocumentId::from(format!("item-{n:03}"))
}

async fn items(cluster: &Cluster, count: u64) -> Database {
    let items = cluster.client().create_database("items").shards(4).await.expect("creates");
    let all = (0..count).map(|n| json!({"_id": id(n).as_str(), "n": n}));
    for inserted in items.insert_many(all).await.expect("sent") {
        inserted.expect("inserted");
    }
    items
}

/// A client whose writes carry at most so many operations.
fn in_small_batches(cluster: &Cluster, batch_operations: usize) -> Client {
    let transport = cluster.transport("small");
    let masters = ["master-1", "master-2", "master-3"].map(Address::from).to_vec();
    let options = ClientOptions { batch_operations, ..ClientOptions::default() };
    Client::new(cluster.env().clone(), transport, masters, options)
}

/// Writers that touch documents one after the other until told to stop; each tells how often each
/// of its documents was certainly and perhaps touched.
fn touch(
    cluster: &Cluster,
    stop: &Arc<AtomicBool>,
    writer: u64,
    count: u64,
) -> psdb_core::env::Task<Vec<(u64, u64)>> {
    let (items, stop) = (cluster.new_client().database("items"), Arc::clone(stop));
    cluster.env().spawn(async move {
        let mut touched = vec![(0, 0); count as usize];
        for turn in 0.. {
            if stop.load(Ordering::Relaxed) {
                break;
            }
            let n = (turn * 7 + writer * 11) % count;
            match items.update_one(&id(n), &json!({"touched": turn})).await {
                Ok(_) => touched[n as usize].0 += 1,
                Err(error) if error.outcome() == Outcome::Unknown => touched[n as usize].1 += 1,
                Err(_not_applied) => {}
            }
        }
        touched
    })
}

/// Every update adds one to the version, so versions tell how often each document was updated.
#[tokio::test(start_paused = true)]
async fn each_document_is_updated_once_while_others_write_and_a_worker_crashes() {
    const COUNT: u64 = 60;
    const CALLS: u64 = 6;
    let cluster = three_and_three(31).start().await.expect("starts");
    let items = items(&cluster, COUNT).await;
    cluster.delay(DELAY);
    cluster.duplicate_percent(20);
    cluster.drop_percent(2);
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..4).map(|writer| touch(&cluster, &stop, writer, COUNT)).collect();
    for call in 0..CALLS {
        if call == 2 {
            cluster.crash("worker-2").await.expect("crashes");
        }
        if call == 4 {
            cluster.restart("worker-2").await.expect("restarts");
        }
        let done = items.update_many("lambda d: d['n'] % 3 == 0", &json!({"call": call})).await;
        let done = done.expect("updates");
        assert_eq!((done.matched, done.modified, done.skipped.count), (20, 20, 0), "call {call}");
    }
    stop.store(true, Ordering::Relaxed);
    let mut touched = vec![(0, 0); COUNT as usize];
    for writer in writers {
        for (sum, of_one) in touched.iter_mut().zip(writer.await.expect("does not panic")) {
            *sum = (sum.0 + of_one.0, sum.1 + of_one.1);
        }
    }
    cluster.heal();
    cluster.settle(PATIENCE).await.expect("settles");
    Invariants::default().check(&cluster).await.expect("holds");
    for n in 0..COUNT {
        let document = items.get(&id(n)).await.expect("reads").expect("is there");
        let (certainly, perhaps) = touched[n as usize];
        let calls = if n % 3 == 0 { CALLS } else { 0 };
        let least = 1 + calls + certainly;
        let version = document.version();
        assert!((least..=least + perhaps).contains(&version), "{document}: {least} + {perhaps}");
        assert_eq!(document.get("call").is_some(), n % 3 == 0, "{document}");
    }
    assert!(touched.iter().map(|(certainly, _)| certainly).sum::<u64>() >= COUNT, "{touched:?}");
}

#[tokio::test(start_paused = true)]
async fn what_matches_is_deleted_while_others_write_and_a_worker_crashes() {
    const COUNT: u64 = 90;
    let cluster = three_and_three(32).start().await.expect("starts");
    let items = items(&cluster, COUNT).await;
    cluster.delay(DELAY);
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..4).map(|writer| touch(&cluster, &stop, writer, COUNT)).collect();
    cluster.crash("worker-1").await.expect("crashes");
    let done = items.delete_many("lambda d: d['n'] >= 30").await.expect("deletes");
    assert_eq!((done.matched, done.deleted, done.skipped.count), (60, 60, 0));
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        writer.await.expect("does not panic");
    }
    cluster.restart("worker-1").await.expect("restarts");
    cluster.settle(PATIENCE).await.expect("settles");
    Invariants::default().check(&cluster).await.expect("holds");
    for n in 0..COUNT {
        assert_eq!(items.get(&id(n)).await.expect("reads").is_some(), n < 30, "{n}");
    }
}

/// A document that others keep moving out of the filter is neither changed nor an error.
#[tokio::test(start_paused = true)]
async fn a_document_that_matches_no_more_is_left_alone() {
    let cluster = three_and_three(33).start().await.expect("starts");
    let items = items(&cluster, 40).await;
    cluster.delay(DELAY);
    let racers: Vec<_> = (0..4)
        .map(|racer| {
            let items = cluster.new_client().database("items");
            cluster.env().spawn(async move {
                for n in (racer * 10..racer * 10 + 10).rev() {
                    let moved = items.update_one(&id(n), &json!({"n": 1_000 + n})).await;
                    moved.expect("updates");
                }
            })
        })
        .collect();
    let slow = in_small_batches(&cluster, 2).database("items");
    let done = slow.update_many("lambda d: d['n'] < 1000", &json!({"seen": true})).await;
    let done = done.expect("updates");
    for racer in racers {
        racer.await.expect("does not panic");
    }
    assert_eq!(done.matched, done.modified);
    let seen = items.count("lambda d: d.get('seen') == True").await.expect("counts").count;
    assert_eq!(seen, done.modified);
    let versions = items.count("lambda d: d['_version'] == (3 if d.get('seen') else 2)").await;
    assert_eq!(versions.expect("counts").count, 40);
    assert!(done.modified > 0 && done.modified < 40, "there was no race: {done:?}");
}

/// The first try is given up in the middle; the second goes on where it was.
#[tokio::test(start_paused = true)]
async fn a_named_update_that_is_tried_again_changes_nothing_twice() {
    const COUNT: u64 = 80;
    for (seed, seen) in [(34, 1), (35, 20), (36, 50), (37, 79)] {
        let cluster = three_and_three(seed).start().await.expect("starts");
        let items = items(&cluster, COUNT).await;
        cluster.delay(DELAY);
        let name = |retry| NamedRequest::new("nightly-job", retry).expect("a name");
        let first = in_small_batches(&cluster, 4).named(name(false)).database("items");
        let trying = cluster.env().spawn(async move {
            first.update_many("lambda d: True", &json!({"done": True})).await
        });
        let marked = "lambda d: 'done' in d";
        let (counting, cluster_ref) = (&items, &cluster);
        eventually(cluster_ref, "some updates", || async move {
            counting.count(marked).await.expect("counts").count >= seen
        })
        .await;
        drop(trying);
        for _ in 0..3 {
            let again = in_small_batches(&cluster, 4).named(name(true)).database("items");
            let done = again.update_many("lambda d: True", &json!({"done": True})).await;
            let done = done.expect("updates the rest");
            assert_eq!((done.matched, done.modified), (COUNT, COUNT), "seed {seed}");
        }
        let twice = items.count("lambda d: d['_version'] != 2").await.expect("counts").count;
        assert_eq!(twice, 0, "seed {seed}");
        cluster.close().await.expect("closes");
    }
}

/// JSON's `true`, written as the lambdas beside it.
#[allow(non_upper_case_globals)]
const True: bool = true;

#[tokio::test(start_paused = true)]
async fn mistakes_change_nothing_and_what_is_skipped_is_counted() {
    let cluster = three_and_three(38).start().await.expect("starts");
    let items = items(&cluster, 20).await;
    items.insert_one(&json!({"_id": "odd"})).await.expect("inserts");
    let refused = items.update_many("lambda d: x", &json!({"a": 1})).await;
    assert!(matches!(refused, Err(Error::InvalidQuery { .. })), "{refused:?}");
    for patch in [json!({"_id": "x"}), json!({"_version": 3}), json!([1])] {
        let refused = items.update_many("lambda d: True", &patch).await.expect_err("no patch");
        assert_eq!(refused.outcome(), Outcome::NotApplied, "{patch}: {refused}");
    }
    let nowhere = cluster.client().database("nowhere").delete_many("lambda d: True").await;
    assert!(matches!(nowhere, Err(Error::DatabaseNotFound { .. })), "{nowhere:?}");
    let changed = items.count("lambda d: d['_version'] > 1").await.expect("counts").count;
    assert_eq!(changed, 0);
    let done = items.update_many("lambda d: d['n'] < 5", &json!({"low": true})).await;
    let done = done.expect("updates");
    assert_eq!((done.matched, done.modified, done.skipped.count), (5, 5, 1));
    let (first, raised) = done.skipped.first.expect("it is named");
    assert_eq!((first.as_str(), raised.as_str()), ("odd", "KeyError: 'n'"));
    let none = items.delete_many("lambda d: d.get('n') == -1").await.expect("deletes nothing");
    assert_eq!((none.matched, none.deleted), (0, 0));
}

/// A document that grows over the limit fails alone; what was updated before is told.
#[tokio::test(start_paused = true)]
async fn a_failure_in_the_middle_tells_how_many_were_changed() {
    let cluster = three_and_three(39).start().await.expect("starts");
    let items = items(&cluster, 3).await;
    let large = "x".repeat(9 << 20);
    items.insert_one(&json!({"_id": "large", "n": 9, "a": large})).await.expect("fits");
    let failed = items.update_many("lambda d: True", &json!({"b": large})).await;
    let failed = failed.expect_err("one document grows too large");
    let Error::PartlyDone { changed: 3, cause } = &failed else { panic!("{failed}") };
    assert!(matches!(**cause, Error::InvalidDocument { .. }), "{cause}");
    assert_eq!(failed.outcome(), Outcome::Unknown);
}
