//! Documents: written, read, changed.
//!
//! Left out: queries.

use psdb::{Client, Database, Document, DocumentId};
use serde_json::json;

use super::super::deadline::eventually;

pub(super) async fn fresh(client: &Client, name: &str) -> Database {
    client.create_database(name).shards(1).await.expect("the database is created")
}

/// The document's field `n`.
pub(super) fn number(document: &Document) -> u64 {
    let fields: serde_json::Value = document.deserialize().expect("it is an object");
    fields["n"].as_u64().expect("it has a number n")
}

async fn read(database: &Database, id: &DocumentId) -> Document {
    database.get(id).await.expect("it answers").expect("the document is there")
}

pub(super) async fn are_written_and_read_back_exactly(client: &Client) {
    let database = fresh(client, "exact").await;
    let fields = r#""s":"é\u0000\"😀","i":-9223372036854775808,"u":18446744073709551615,"f":0.1,"#;
    let nested = r#""e":1e300,"n":null,"b":[true,false,{}],"o":{"a":{"b":[]}}"#;
    let inserted = database.insert_json(&format!("{{{fields}{nested}}}")).await;
    let inserted = inserted.expect("it is inserted");
    assert_eq!(inserted.version, 1);
    let found = read(&database, &inserted.id).await;
    let json = found.to_json();
    for part in [r#""i": -9223372036854775808"#, r#""u": 18446744073709551615"#, r#""f": 0.1"#] {
        assert!(json.contains(part), "{json}");
    }
    assert_eq!((found.version(), found.created_at()), (1, found.updated_at()));
    let value: serde_json::Value = serde_json::from_str(&json).expect("it is JSON");
    assert_eq!(value["s"], "é\0\"😀");
    assert_eq!(value["o"], json!({"a": {"b": []}}));
    let named = database.insert_one(&json!({"_id": "mine", "n": 1})).await.expect("inserted");
    assert_eq!(named.id.as_str(), "mine");
    assert!(inserted.id.as_str().len() == 36, "{}", inserted.id);
    assert!(database.get(&"nobody".into()).await.expect("it answers").is_none());
}

pub(super) async fn are_changed_by_merging_and_replacing(client: &Client) {
    let database = fresh(client, "changes").await;
    let id = database.insert_one(&json!({"a": 1, "b": {"c": 2}})).await.expect("inserted").id;
    let updated = database.update_one(&id, &json!({"b": 3, "d": 4})).await.expect("updated");
    assert_eq!(updated.version, 2);
    let fields = |document: &Document| {
        serde_json::from_str::<serde_json::Value>(&document.encoded().without_metadata().to_json())
            .expect("it is JSON")
    };
    assert_eq!(fields(&read(&database, &id).await), json!({"a": 1, "b": 3, "d": 4}));
    let replaced = database.replace_one(&id, &json!({"z": null})).await.expect("replaced");
    assert_eq!(replaced.version, 3);
    let now = read(&database, &id).await;
    assert_eq!(fields(&now), json!({"z": null}));
    assert!(now.updated_at() >= now.created_at());
    database.delete_one(&id).await.expect("deleted");
    assert!(database.get(&id).await.expect("it answers").is_none());
    let gone = database.delete_one(&id).await.expect_err("it is gone");
    assert!(gone.is_not_found(), "{gone}");
}

pub(super) async fn change_only_at_the_version_required(client: &Client) {
    let database = fresh(client, "versions").await;
    let id = database.insert_one(&json!({"n": 0})).await.expect("inserted").id;
    let late = database.update_one(&id, &json!({"n": 9})).if_version(7).await;
    let late = late.expect_err("it has another version");
    assert!(late.is_conflict() && late.to_string().contains("has version 1, not 7"), "{late}");
    // Of many who saw the same version, one wins; every increment is kept.
    let adders = (0..4).map(|_| {
        let (database, id) = (database.clone(), id.clone());
        tokio::spawn(async move {
            for _ in 0..5 {
                let begin = std::time::Duration::from_secs(30);
                eventually("an increment succeeds", begin, || async {
                    let seen = read(&database, &id).await;
                    let patch = json!({"n": number(&seen) + 1});
                    database.update_one(&id, &patch).if_version(seen.version()).await
                })
                .await;
            }
        })
    });
    for adder in adders.collect::<Vec<_>>() {
        adder.await.expect("it does not panic");
    }
    let last = read(&database, &id).await;
    assert_eq!((number(&last), last.version()), (20, 21));
}

pub(super) async fn succeed_or_fail_each_by_itself(client: &Client) {
    let database = client.create_database("many").await.expect("the database is created");
    let documents = (0..500).map(|n| json!({"_id": format!("d{:03}", n % 490), "n": n}));
    let results = database.insert_many(documents).await.expect("it answers");
    assert_eq!(results.len(), 500);
    let failed: Vec<usize> =
        results.iter().enumerate().filter(|(_, r)| r.is_err()).map(|(n, _)| n).collect();
    assert_eq!(failed, (490..500).collect::<Vec<_>>());
    assert!(results[495].as_ref().expect_err("it is there").is_conflict());
    assert_eq!(database.count_all().await.expect("it counts").count, 490);
}

pub(super) async fn of_one_client_are_seen_by_another_at_once(client: &Client) {
    let database = fresh(client, "fresh").await;
    for n in 0..20 {
        let id = database.insert_one(&json!({"n": n})).await.expect("inserted").id;
        let other = client.database("fresh");
        assert!(other.get(&id).await.expect("it answers").is_some(), "a stale read of {id}");
    }
}
