//! Proves that new databases land where there is least, and that documents spread over them.

use std::collections::BTreeSet;

use psdb_core::ShardId;
use serde_json::json;

use crate::{eventually, three_and_three};

#[tokio::test(start_paused = true)]
async fn a_new_database_lands_on_the_least_loaded_shards() {
    let cluster = three_and_three(7).start().await.expect("starts");
    let client = cluster.client();
    let shards_of = |name: &'static str| {
        let client = client.clone();
        async move { client.get_database(name).await.expect("exists").shards }
    };
    // Four databases on four shards: each gets one that no other has.
    let mut taken = BTreeSet::new();
    for name in ["first", "second", "third", "fourth"] {
        client.create_database(name).shards(1).await.expect("creates");
        taken.extend(shards_of(name).await);
    }
    assert_eq!(taken, (0..4).map(ShardId).collect());

    // All but the third fill up; the next database goes to where the third lies.
    for name in ["first", "second", "fourth"] {
        let documents = (0..50).map(|n| json!({"n": n, "text": "some text to weigh something"}));
        let inserted = client.database(name).insert_many(documents).await.expect("inserts");
        assert!(inserted.iter().all(Result::is_ok));
    }
    eventually(&cluster, "the loads by heartbeat", || async {
        let shards = client.shards().await.expect("answers");
        shards.iter().filter(|shard| shard.documents == 50).count() == 3
    })
    .await;
    client.create_database("fifth").shards(1).await.expect("creates");
    assert_eq!(shards_of("fifth").await, shards_of("third").await);
}

#[tokio::test(start_paused = true)]
async fn documents_spread_over_all_shards_of_their_database() {
    let cluster = three_and_three(8).start().await.expect("starts");
    let wide = cluster.client().create_database("wide").shards(4).await.expect("creates");
    let documents = (0..400).map(|n| json!({"n": n}));
    let inserted = wide.insert_many(documents).await.expect("inserts");
    let mut per_shard = std::collections::BTreeMap::<ShardId, usize>::new();
    for inserted in inserted {
        *per_shard.entry(inserted.expect("inserts").shard).or_default() += 1;
    }
    assert_eq!(per_shard.len(), 4);
    assert!(per_shard.values().all(|count| (40..=200).contains(count)), "{per_shard:?}");
    assert_eq!(wide.count_all().await.expect("counts").count, 400);
}
