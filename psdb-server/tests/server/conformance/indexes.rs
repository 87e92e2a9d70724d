//! Indexes, policies and pages: whatever a database is read by changes no answer.
//!
//! Left out: faults, which the core's simulated clusters have.

use psdb::transport::message::IndexState;
use psdb::{Client, Document, Error};
use serde_json::json;

use super::documents::number;

pub(super) async fn are_created_listed_and_dropped(client: &Client) {
    let database = client.create_database("indexed").index("k").await.expect("created");
    let documents = (0..300).map(|n| json!({"k": n % 3, "addr": {"city": n % 7}, "n": n}));
    database.insert_many(documents).await.expect("it answers");
    let filter = "lambda d: d['addr']['city'] == 3 and d['n'] >= 10";
    let before = database.count(filter).await.expect("it counts").count;
    let index = database.create_index("addr.city").then("n").name("towns").await.expect("built");
    assert_eq!((index.name.as_str(), index.state), ("towns", IndexState::Ready));
    assert_eq!((index.entries, index.documents_done, index.documents), (300, 300, 300));
    assert_eq!(database.count(filter).await.expect("it counts").count, before);
    let listed = database.list_indexes().await.expect("it lists");
    let listed: Vec<(&str, u64)> =
        listed.iter().map(|index| (index.name.as_str(), index.entries)).collect();
    assert_eq!(listed, [("k", 300), ("towns", 300)]);
    let other = database.create_index("n").name("towns").await.expect_err("the name is taken");
    assert!(other.is_conflict(), "{other}");
    database.drop_index("towns").await.expect("it is dropped");
    let gone = database.drop_index("towns").await.expect_err("it is gone");
    assert!(gone.is_not_found(), "{gone}");
    assert_eq!(database.count(filter).await.expect("it counts").count, before);
    let info = client.get_database("indexed").await.expect("it is there");
    assert_eq!(info.indexes.len(), 1);
}

pub(super) async fn refuse_scans_where_that_is_wanted(client: &Client) {
    let database = client.create_database("denied").index("k").deny_full_scan().await;
    let database = database.expect("created");
    database.insert_many((0..9).map(|n| json!({"k": n % 3, "n": n}))).await.expect("it answers");
    let scan = database.count("lambda d: d['n'] > 3").await;
    assert!(matches!(scan, Err(Error::FullScanDenied { .. })), "{scan:?}");
    let narrow = database.count("lambda d: d['k'] == 1 and d['n'] > 3").await.expect("it counts");
    assert_eq!((narrow.count, database.count_all().await.expect("it counts").count), (2, 9));
    database.set_deny_full_scan(false).await.expect("it is changed");
    assert_eq!(database.count("lambda d: d['n'] > 3").await.expect("it counts").count, 5);
}

pub(super) async fn pages_add_up(client: &Client) {
    // Filled by `queries`: documents 0 to 2,999.
    let database = client.database("pages");
    let query = || database.find("lambda d: d['n'] % 7 == 0").sort("lambda d: d['n'] % 10");
    let whole: Vec<Document> =
        query().await.expect("it answers").try_collect().await.expect("it collects");
    let (mut found, mut token): (Vec<u64>, Option<String>) = (Vec::new(), None);
    loop {
        let page = query().page_size(100);
        let page = match token {
            Some(token) => page.page(token).await,
            None => page.await,
        };
        let page = page.expect("a page comes");
        found.extend(page.results.iter().map(number));
        token = page.next_token;
        if token.is_none() {
            break;
        }
    }
    assert_eq!(found, whole.iter().map(number).collect::<Vec<_>>());
    let forged = query().page_size(100).page("bm90aGluZw").await;
    assert!(matches!(forged, Err(Error::InvalidPageToken { .. })), "{forged:?}");
}
