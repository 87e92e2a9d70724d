//! Proves that an index which was being built when every process was killed is completed after the
//! restart, and has exactly the entries that its documents make.

use std::time::Duration;

use psdb::Database;
use psdb::client::IndexInfo;
use psdb::transport::message::IndexState;

use super::deadline::eventually;
use super::processes::Processes;

/// Enough for many batches of every shard's builder.
const DOCUMENTS: u64 = 96_000;
/// How many documents one request carries.
const BATCH: u64 = 1_000;
const KINDS: u64 = 7;
const LIMIT: Duration = Duration::from_mins(2);

fn document(n: u64) -> serde_json::Value {
    serde_json::json!({"_id": format!("d{n:06}"), "k": n % KINDS, "n": n})
}

async fn filled(cluster: &Processes) -> Database {
    let nodes = ["m1", "w1", "w2", "w3"];
    let client = cluster.serving(&nodes, |client| client.create_database("items").shards(2)).await;
    let items = client.database("items");
    for first in (0..DOCUMENTS).step_by(BATCH as usize) {
        let results = items.insert_many((first..first + BATCH).map(document)).await;
        assert!(results.expect("it answers").iter().all(Result::is_ok));
    }
    items
}

async fn only_index(items: &Database) -> Result<IndexInfo, String> {
    let indexes = items.list_indexes().await.map_err(|error| error.to_string())?;
    let [index] = &indexes[..] else { return Err(format!("{indexes:?}")) };
    Ok(index.clone())
}

/// Waits until more than `done` documents have their entries, and not all.
async fn under_way(items: &Database, done: u64) -> u64 {
    let index = eventually("a part of the index is built", LIMIT, || async {
        let index = only_index(items).await?;
        if index.documents_done > done { Ok(index) } else { Err(format!("{index:?}")) }
    })
    .await;
    assert_eq!(index.state, IndexState::Building, "it was built too fast: {index:?}");
    assert!(index.documents_done < index.documents, "{index:?}");
    index.documents_done
}

#[tokio::test(flavor = "multi_thread")]
async fn an_index_is_completed_after_everybody_was_killed_while_it_was_built() {
    let mut cluster = Processes::start(1, 3, 2).await;
    let items = filled(&cluster).await;
    items.create_index("k").background().await.expect("it is wanted");
    let first = under_way(&items, 0).await;
    for node in cluster.nodes.values_mut() {
        node.kill();
    }
    cluster.start_all().await;
    // What was built is not lost, and the rest is still to be built: killed again, one by one.
    let second = under_way(&items, first).await;
    for node in cluster.nodes.values_mut() {
        node.kill();
        node.start().await;
    }
    println!("killed at {first} and at {second} of {DOCUMENTS} documents");
    // Documents that come meanwhile are in it, too.
    let late = DOCUMENTS..DOCUMENTS + KINDS;
    for n in late.clone() {
        eventually("a document is inserted", LIMIT, || async {
            match items.insert_one(&document(n)).await {
                Err(error) if error.is_conflict() => Ok(()),
                inserted => inserted.map(|_| ()),
            }
        })
        .await;
    }
    let ready = eventually("the index is completed", LIMIT, || async {
        let index = only_index(&items).await?;
        if index.state == IndexState::Ready { Ok(index) } else { Err(format!("{index:?}")) }
    })
    .await;
    let all = late.end;
    assert_eq!((ready.entries, ready.documents_done, ready.documents), (all, all, all));
    let mut sum = 0;
    for k in 0..KINDS {
        let by_index = format!("lambda d: d['k'] == {k}");
        let by_scan = format!("lambda d: d['k'] + 0 == {k}");
        let plan = items.explain(&*by_index).await.expect("it is planned");
        assert!(plan.find("index").is_some() && plan.find("scan").is_none(), "{plan:?}");
        let plan = items.explain(&*by_scan).await.expect("it is planned");
        assert!(plan.find("index").is_none() && plan.find("scan").is_some(), "{plan:?}");
        let found = items.count(&*by_index).await.expect("it is counted").count;
        assert_eq!(found, items.count(&*by_scan).await.expect("it is counted").count, "k = {k}");
        sum += found;
    }
    assert_eq!(sum, all);
}
