//! Proves that pages show every document once, in order, whichever client reads them and whatever
//! dies in between, and that a token is good for nothing else.

use psdb_core::client::Find;
use psdb_core::{Cluster, Database, Document, Error, Value};
use serde_json::json;

use crate::{PATIENCE, restart_everything, three_and_three};

async fn filled(cluster: &Cluster) -> Database {
    let client = cluster.client();
    let database = client.create_database("pages").index("k").shards(4).await.expect("creates");
    // Many ties, and keys of several kinds.
    let document = |n: u32| {
        let key = match n % 5 {
            0 => json!(null),
            1 => json!(n % 3),
            2 => json!(f64::from(n % 4) + 0.5),
            3 => json!("text"),
            _ => json!([n % 2]),
        };
        json!({"_id": format!("d{n:03}"), "k": n % 2, "s": key})
    };
    let results = database.insert_many((0..101).map(document)).await.expect("answers");
    assert!(results.iter().all(Result::is_ok));
    database
}

fn ids(documents: &[Document]) -> Vec<String> {
    documents.iter().map(|document| document.id().to_string()).collect()
}

/// A query on the database.
type Query = fn(&Database) -> Find<Document>;

/// A sort key that many documents share.
const SORT: &str = "lambda d: d['s']";

/// All results of a query, page after page, each page through another client.
async fn paged(cluster: &Cluster, size: u64, query: Query) -> Vec<String> {
    let (mut found, mut token): (_, Option<String>) = (Vec::new(), None);
    loop {
        let database = cluster.client().database("pages");
        let page = query(&database).page_size(size);
        let page = match token {
            Some(token) => page.page(token).await,
            None => page.await,
        };
        let page = page.expect("a page comes");
        assert!(page.results.len() as u64 <= size);
        found.extend(ids(&page.results));
        match page.next_token {
            Some(next) => token = Some(next),
            None => return found,
        }
    }
}

#[tokio::test(start_paused = true)]
async fn pages_add_up_to_the_whole() {
    let cluster = three_and_three(91).start().await.expect("starts");
    let database = filled(&cluster).await;
    let queries: [Query; 7] = [
        |d| d.find_all(),
        |d| d.find("lambda d: d['k'] == 1"),
        |d| d.find("lambda d: d['_id'] > 'd050'"),
        |d| d.find_all().sort(SORT),
        |d| d.find("lambda d: d['k'] == 0").sort(SORT).descending(),
        |d| d.find_all().sort(SORT).skip(7).limit(40),
        |d| d.find_all().limit(12),
    ];
    for (number, query) in queries.into_iter().enumerate() {
        let whole: Vec<Document> =
            query(&database).await.expect("finds").try_collect().await.expect("collects");
        for size in [1, 3, 10, 1_000] {
            assert_eq!(paged(&cluster, size, query).await, ids(&whole), "query {number} by {size}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_outlives_every_node() {
    let cluster = three_and_three(92).start().await.expect("starts");
    let database = filled(&cluster).await;
    let query = |database: &Database| database.find_all().sort("lambda d: d['s']").page_size(60);
    let first = query(&database).await.expect("the first page");
    let token = first.next_token.expect("more follow");
    restart_everything(&cluster).await;
    cluster.settle(PATIENCE).await.expect("settles");
    let again = cluster.client().database("pages");
    let second = query(&again).page(&token).await.expect("the second page");
    assert_eq!((first.results.len(), second.results.len(), second.next_token), (60, 41, None));
    // Documents that come between two pages stand where they belong: those before are not seen.
    database.insert_one(&json!({"_id": "early", "s": null})).await.expect("inserts");
    database.insert_one(&json!({"_id": "late", "s": {"z": 1}})).await.expect("inserts");
    let later = query(&database).page(&token).await.expect("the second page again");
    let added: Vec<_> = ids(&later.results).into_iter().filter(|id| !id.starts_with('d')).collect();
    assert_eq!(added, ["late"]);
}

#[tokio::test(start_paused = true)]
async fn a_token_is_taken_for_its_own_query_only() {
    let cluster = three_and_three(93).start().await.expect("starts");
    let database = filled(&cluster).await;
    let page = database.find_all().page_size(5).await.expect("a page");
    let token = page.next_token.expect("more follow");
    let refusal = |result: psdb_core::Result<psdb_core::client::ResultPage<Document>>| match result
        .expect_err("it is refused")
    {
        Error::InvalidPageToken { reason } => reason,
        other => panic!("{other}"),
    };
    let other = database.find("lambda d: True").page_size(5).page(&token).await;
    assert!(refusal(other).contains("another query"));
    let limited = database.find_all().limit(9).page_size(5).page(&token).await;
    assert!(refusal(limited).contains("another query"));
    let twin = cluster.client().create_database("twin").await.expect("creates");
    assert!(refusal(twin.find_all().page_size(5).page(&token).await).contains("another database"));
    let mut forged = token.clone().into_bytes();
    forged[9] = if forged[9] == b'A' { b'B' } else { b'A' };
    let forged = String::from_utf8(forged).expect("it is ASCII");
    let forged = database.find_all().page_size(5).page(forged).await;
    assert!(refusal(forged).contains("none of this cluster's"));
    let none = database.find_all().page_size(0).await.expect_err("a page of nothing");
    assert!(matches!(none, Error::InvalidRequest { .. }), "{none}");
    // The same query with other pages goes on.
    let rest = database.find_all().page_size(500).page(&token).await.expect("the rest");
    assert_eq!((rest.results.len(), rest.next_token), (96, None));
    let values = database.find_all().select("lambda d: d['k']").page_size(2).await.expect("values");
    assert_eq!(values.results, [Value::Int(0), Value::Int(1)]);
    let select = || database.find_all().select("lambda d: d['k']").page_size(200);
    let rest = select().page(values.next_token.expect("more follow")).await.expect("the rest");
    assert_eq!(rest.results.len(), 99);
    // A database of the same name later on is another one.
    cluster.client().delete_database("pages").await.expect("deletes");
    cluster.client().create_database("pages").await.expect("creates");
    let late = cluster.client().database("pages").find_all().page_size(5).page(&token).await;
    assert!(refusal(late).contains("another database"));
}
