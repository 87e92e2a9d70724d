//! Queries: order, pages, limits, and the language in short.
//!
//! Left out: the language itself, which the core tests against its definition.

use psdb::client::Group;
use psdb::query::Aggregate;
use psdb::query::expr::{field, get};
use psdb::{Client, Document, Value};
use serde_json::json;

use super::documents::number;

fn numbers(documents: &[Document]) -> Vec<u64> {
    documents.iter().map(number).collect()
}

pub(super) async fn give_all_documents_in_order_over_pages(client: &Client) {
    let database = client.create_database("pages").await.expect("the database is created");
    // More than a page holds, by number and by size.
    let filler = "x".repeat(2_000);
    let documents = (0..3_000).map(|n| json!({"_id": format!("{n:05}"), "n": n, "f": filler}));
    let results = database.insert_many(documents).await.expect("it answers");
    assert!(results.iter().all(Result::is_ok));
    let mut cursor = database.find_all().await.expect("it answers");
    let mut ids = Vec::new();
    while let Some(document) = cursor.next().await {
        ids.push(document.expect("every page comes").id().as_str().to_owned());
    }
    assert_eq!(ids, (0..3_000).map(|n| format!("{n:05}")).collect::<Vec<_>>());
}

pub(super) async fn skip_and_limit_after_merging(client: &Client) {
    let database = client.database("pages");
    let found: Vec<Document> = database
        .find_all()
        .skip(1_234)
        .limit(3)
        .await
        .expect("it answers")
        .try_collect()
        .await
        .expect("it collects");
    assert_eq!(numbers(&found), [1_234, 1_235, 1_236]);
    let none = database.find_all().limit(0).await.expect("it answers");
    assert_eq!(none.try_collect::<Vec<_>>().await.expect("it collects").len(), 0);
}

pub(super) async fn filter_sort_and_count(client: &Client) {
    let database = client.create_database("people").index("role").await.expect("created");
    let people = (0..50).map(|n| {
        let role = if n % 3 == 0 { "Dev" } else { "Ops" };
        json!({"_id": format!("p{n:02}"), "role": role, "n": (n * 7) % 50})
    });
    database.insert_many(people).await.expect("it answers");
    let filter = "lambda d: d.get('role') == 'Dev' and d['n'] > 30";
    let mut expected: Vec<u64> =
        (0..50).filter(|n| n % 3 == 0).map(|n| (n * 7) % 50).filter(|n| *n > 30).collect();
    expected.sort_unstable_by(|a, b| b.cmp(a));
    let found: Vec<Document> = database
        .find(filter)
        .sort("lambda d: d['n']")
        .descending()
        .await
        .expect("it answers")
        .try_collect()
        .await
        .expect("it collects");
    assert_eq!(numbers(&found), expected);
    let counted = database.count(filter).await.expect("it counts");
    assert_eq!(counted.count, expected.len() as u64);
    let one = database.find_one("lambda d: d['n'] == 7").await.expect("it answers");
    assert_eq!(one.map(|d| d.id().as_str().to_owned()).as_deref(), Some("p01"));
}

pub(super) async fn count_what_they_skip(client: &Client) {
    let database = client.create_database("mixed").await.expect("the database is created");
    let documents = [json!({"_id": "a", "n": 1}), json!({"_id": "b"}), json!({"_id": "c"})];
    database.insert_many(documents).await.expect("it answers");
    let counted = database.count("lambda d: d['n'] > 0").await.expect("it counts");
    assert_eq!((counted.count, counted.skipped.count), (1, 2));
    let (id, raised) = counted.skipped.first.expect("it names the first");
    assert_eq!(id.as_str(), "b");
    assert!(raised.contains("KeyError"), "{raised}");
}

pub(super) async fn group_select_and_change_many(client: &Client) {
    let items = client.create_database("items").await.expect("the database is created");
    let documents = (0..60).map(|n| json!({"_id": format!("i{n:02}"), "k": n % 3, "n": n}));
    let results = items.insert_many(documents).await.expect("it answers");
    assert!(results.iter().all(Result::is_ok));
    let sums = items.group("lambda d: d['k']", Aggregate::Sum("lambda d: d['n']".into()));
    let sums: Vec<Group> =
        sums.await.expect("it answers").try_collect().await.expect("it collects");
    let sums: Vec<_> = sums.into_iter().map(|group| (group.key, group.value)).collect();
    let expected = [(0, 570), (1, 590), (2, 610)].map(|(k, n)| (Value::Int(k), Value::Int(n)));
    assert_eq!(sums, expected);
    let done = items.update_many("lambda d: d['k'] == 1", &json!({"seen": true})).await;
    let done = done.expect("it updates");
    assert_eq!((done.matched, done.modified), (20, 20));
    let done = items.delete_many("lambda d: not d.get('seen')").await.expect("it deletes");
    assert_eq!(done.deleted, 40);
    let left = items.find("lambda d: d['n'] > 50").select("lambda d: [d['n'], d['_version']]");
    let left: Vec<Value> =
        left.await.expect("it answers").try_collect().await.expect("it collects");
    let left: Vec<_> = left.iter().map(Value::to_json).collect();
    assert_eq!(left, ["[52, 2]", "[55, 2]", "[58, 2]"]);
}

pub(super) async fn take_built_lambdas_and_explain_themselves(client: &Client) {
    let built = client.create_database("built").index("k").shards(1).await.expect("created");
    let documents = (0..30).map(|n| json!({"_id": format!("b{n:02}"), "k": n % 3, "n": n}));
    built.insert_many(documents).await.expect("it answers");
    let filter = || field("k").equals(1).and(field("n").gt(20));
    let found = built.find(filter()).sort(-field("n")).limit(2).await.expect("it answers");
    let found: Vec<Document> = found.try_collect().await.expect("it collects");
    assert_eq!(numbers(&found), [28, 25]);
    assert_eq!(built.count(filter()).await.expect("it counts").count, 3);
    let sums = built.group(field("k"), Aggregate::sum(field("n"))).filter(field("n").lt(6));
    let sums: Vec<Group> =
        sums.await.expect("it answers").try_collect().await.expect("it collects");
    let sums: Vec<String> = sums.iter().map(|group| group.value.to_json()).collect();
    assert_eq!(sums, ["3", "5", "7"]);
    let done = built.update_many(filter(), &json!({"seen": true})).await.expect("it updates");
    assert_eq!(done.modified, 3);
    let done = built.delete_many(get("seen").equals(true)).await.expect("it deletes");
    assert_eq!(done.deleted, 3);
    // Enough others for the index to be worth using.
    let others = (0..300).map(|n| json!({"k": 1_000 + n, "n": 0}));
    built.insert_many(others).await.expect("it answers");
    let plan = built.explain(filter()).await.expect("it explains").to_string();
    assert!(plan.contains("filter lambda d: d['k'] == 1 and d['n'] > 20\n"), "{plan}");
    assert!(plan.contains("index k where k == 1\n"), "{plan}");
    let plan = built.find("lambda d: d['n'] > 3").select("lambda d: d['n']").explain().await;
    let plan = plan.expect("it explains").to_string();
    assert!(plan.contains("scan of all documents; 'index create n' would help\n"), "{plan}");
}
