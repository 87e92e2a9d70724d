//! Proves that databases come and go under load: a deleted one takes no write any more, its space
//! is freed, its successor of the same name begins empty, and a master that dies half-way leaves
//! work that its successor finishes.

use psdb_core::cluster::invariants::{Invariants, check_trees};
use serde_json::json;

use crate::writers::{DELAY, Writers};
use crate::{PATIENCE, eventually, leading_master, three_and_three};

#[tokio::test(start_paused = true)]
async fn a_database_is_deleted_while_documents_flow() {
    let cluster = three_and_three(61).start().await.expect("starts");
    let mut invariants = Invariants::default();
    let client = cluster.client();
    let kept = client.create_database("kept").shards(4).await.expect("creates");
    client.create_database("doomed").index("n").shards(4).await.expect("creates");
    cluster.delay(DELAY);
    let (writers, doomed) =
        (Writers::start(&cluster, "kept", 3), Writers::start(&cluster, "doomed", 3));
    doomed.progress(&cluster, 100).await;
    client.delete_database("doomed").await.expect("deletes");
    invariants.check(&cluster).await.expect("holds");

    // Those who still write there with what they knew are refused for certain.
    let late = client.database("doomed").insert_one(&json!({})).await.expect_err("is deleted");
    assert!(late.is_not_found(), "{late}");
    let successor = client.create_database("doomed").shards(4).await.expect("the name is free");
    let before = successor.count_all().await.expect("counts").count;
    let told = doomed.stop().await;
    assert!(told.len() >= 100);
    // The writers go on in the successor by its name; nothing of its predecessor is in it.
    successor.insert_one(&json!({"_id": "mine"})).await.expect("inserts");
    assert!(before < 20, "{before} documents were there from the start");

    writers.progress(&cluster, 50).await;
    let ledger = writers.stop().await;
    cluster.settle(PATIENCE).await.expect("settles");
    invariants.check(&cluster).await.expect("holds");
    check_trees(&cluster).await.expect("sound");
    ledger.verify(&kept).await.expect("the other database has lost nothing");
    let listed = client.list_databases().await.expect("lists");
    let names: Vec<_> = listed.iter().map(|summary| summary.info.name.as_str()).collect();
    assert_eq!(names, ["doomed", "kept"]);
    assert_eq!(listed[1].documents, kept.count_all().await.expect("counts").count);
}

#[tokio::test(start_paused = true)]
async fn what_a_dead_master_began_is_finished_by_the_next() {
    let cluster = three_and_three(62).start().await.expect("starts");
    let client = cluster.client();
    cluster.delay(DELAY * 5);
    for round in 0..6 {
        let name = format!("database-{round}");
        let creating = {
            let (client, name) = (client.clone(), name.clone());
            cluster.env().spawn(async move { client.create_database(&name).shards(4).await })
        };
        let leader = leading_master(&cluster).await;
        cluster.env().sleep(DELAY * (5 + 10 * round)).await;
        cluster.crash(&leader).await.expect("crashes");
        let created = creating.await.expect("does not panic");
        cluster.restart(&leader).await.expect("restarts");
        cluster.settle(PATIENCE).await.expect("settles");
        // Whatever its creator was told: it is whole, or it is not there at all.
        match client.get_database(&name).await {
            Ok(_) => {
                let database = client.database(&name);
                database.insert_one(&json!({})).await.expect("it serves on every shard");
                assert_eq!(database.count_all().await.expect("counts").count, 1);
                let deleting = {
                    let (client, name) = (client.clone(), name.clone());
                    cluster.env().spawn(async move { client.delete_database(&name).await })
                };
                let leader = leading_master(&cluster).await;
                cluster.env().sleep(DELAY * (5 + 10 * round)).await;
                cluster.crash(&leader).await.expect("crashes");
                let _told = deleting.await.expect("does not panic");
                cluster.restart(&leader).await.expect("restarts");
            }
            Err(error) => {
                assert!(error.is_not_found(), "{error}");
                assert!(created.is_err(), "a database that was acknowledged is gone");
            }
        }
    }
    eventually(&cluster, "the end of all deletions that were begun", || async {
        let listed = client.list_databases().await.expect("lists");
        let ready = psdb_core::transport::message::DatabaseState::Ready;
        listed.iter().all(|summary| summary.info.state == ready)
    })
    .await;
}
