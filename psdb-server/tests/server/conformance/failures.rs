//! Failures: every kind is told as what it is, and changes nothing.
//!
//! Left out: failures of machines.

use std::time::Duration;

use psdb::{Client, Code, Error, Outcome};
use serde_json::json;

use super::documents::fresh;

fn refused<T>(result: Result<T, Error>, code: Code, what: &str) -> Error {
    let Err(error) = result else { panic!("{what} was taken") };
    assert_eq!(error.code(), code, "{what}: {error}");
    assert_eq!(error.outcome(), Outcome::NotApplied, "{what}: {error}");
    error
}

pub(super) async fn of_databases_have_their_kinds(client: &Client) {
    fresh(client, "twice").await;
    let again = client.create_database("twice").await;
    refused(again, Code::AlreadyExists, "a second database of one name");
    for name in ["", "a b", "../x", &"x".repeat(65)] {
        refused(client.create_database(name).await, Code::InvalidArgument, name);
    }
    let shards = client.create_database("wide").shards(1_000).await;
    refused(shards, Code::InvalidArgument, "more shards than there are");
    let nowhere = client.database("nowhere");
    refused(nowhere.insert_one(&json!({})).await, Code::NotFound, "an unknown database");
    refused(nowhere.count_all().await, Code::NotFound, "an unknown database");
    refused(client.delete_database("nowhere").await, Code::NotFound, "an unknown database");
    let cleared = client.database("twice");
    cleared.insert_many([json!({}), json!({}), json!({})]).await.expect("it answers");
    assert_eq!(client.clear_database("twice").await.expect("it is cleared"), 3);
    assert_eq!(cleared.count_all().await.expect("it counts").count, 0);
    client.delete_database("twice").await.expect("it is deleted");
    refused(cleared.count_all().await, Code::NotFound, "a deleted database");
    fresh(client, "twice").await;
    assert_eq!(cleared.count_all().await.expect("the successor counts").count, 0);
    let listed = client.list_databases().await.expect("it lists");
    let names: Vec<&str> = listed.iter().map(|summary| summary.info.name.as_str()).collect();
    assert!(names.is_sorted() && names.contains(&"twice"), "{names:?}");
}

pub(super) async fn of_documents_change_nothing(client: &Client) {
    let database = fresh(client, "wrong").await;
    for text in
        ["", "nonsense", "[]", "{\"a\":NaN}", "{\"a\":1e400}", "{\"a\":18446744073709551616}"]
    {
        refused(database.insert_json(text).await, Code::InvalidArgument, text);
    }
    for field in ["_version", "_created_at", "_updated_at"] {
        let reserved = database.insert_one(&json!({ field: 1 })).await;
        refused(reserved, Code::InvalidArgument, field);
    }
    let long = "x".repeat(513);
    let deep = format!("{{\"a\":{}{}}}", "[".repeat(100), "]".repeat(100));
    refused(database.insert_one(&json!({"_id": long})).await, Code::InvalidArgument, "a long id");
    refused(database.insert_json(&deep).await, Code::InvalidArgument, "deep nesting");
    let large = json!({"t": "x".repeat(16 << 20)});
    refused(database.insert_one(&large).await, Code::InvalidArgument, "a large document");
    database.insert_one(&json!({"_id": "a"})).await.expect("it is inserted");
    let twice = database.insert_one(&json!({"_id": "a"})).await;
    refused(twice, Code::AlreadyExists, "a second document of one id");
    let missing = database.update_one(&"b".into(), &json!({})).await;
    refused(missing, Code::NotFound, "an update of nothing");
    let renamed = database.update_one(&"a".into(), &json!({"_id": "c"})).await;
    refused(renamed, Code::InvalidArgument, "another id");
    assert_eq!(database.count_all().await.expect("it counts").count, 1);
    let largest = json!({"_id": "largest", "t": "x".repeat((16 << 20) - 4_096)});
    database.insert_one(&largest).await.expect("the largest document is taken");
    let back = database.get(&"largest".into()).await.expect("it answers").expect("it is there");
    assert!(back.to_json().len() > (16 << 20) - 4_096);
}

pub(super) async fn of_queries_have_a_column(client: &Client) {
    let database = fresh(client, "columns").await;
    for (text, at) in [("lambda d: d[", 13), ("lambda d: import os", 11), ("d['a']", 1)] {
        match database.count(text).await {
            Err(Error::InvalidQuery { column, .. }) => assert_eq!(column, at, "{text}"),
            other => panic!("{text}: {other:?}"),
        }
        let error = database.find(text).await.err().expect("it is no query");
        refused(Err::<(), _>(error), Code::InvalidArgument, text);
    }
}

pub(super) async fn end_with_the_time_given(client: &Client) {
    fresh(client, "hurry").await;
    let hurried = client.with_timeout(Duration::from_millis(1));
    let begin = std::time::Instant::now();
    for _ in 0..20 {
        if let Err(error) = hurried.database("hurry").insert_one(&json!({})).await {
            assert!(error.is_unavailable(), "{error}");
        }
    }
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
}
