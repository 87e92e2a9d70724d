//! Proves what shards owe to their page files: a restart replays what came after the last
//! checkpoint and nothing before, a torn checkpoint costs nothing, a replica that is far behind is
//! brought up while writes go on, and documents beyond the cache are served.

use std::path::PathBuf;

use psdb_core::cluster::invariants::{Invariants, Ledger, check_trees};
use psdb_core::env::{Disk, OpenMode};
use psdb_core::raft::RaftConfig;
use psdb_core::{Cluster, Database, DocumentId, LogIndex, ShardId};
use serde_json::json;

use crate::{PATIENCE, eventually, restart_everything, three_and_three};

const PAGE_BYTES: u64 = 8_192;

fn small_logs() -> RaftConfig {
    RaftConfig { snapshot_after: 20, keep_entries: 2, ..RaftConfig::default() }
}

async fn insert(notes: &Database, ledger: &mut Ledger, from: u32, count: u32) -> ShardId {
    let mut shard = ShardId(0);
    for n in from..from + count {
        let id = DocumentId::from(format!("{n:05}"));
        let document = json!({"_id": id.as_str(), "n": n % 7, "text": "x".repeat(700)});
        let inserted = notes.insert_one(&document).await.expect("inserts");
        ledger.acknowledged(&id, inserted.version);
        shard = inserted.shard;
    }
    shard
}

async fn one_of_each(seed: u64) -> Cluster {
    let builder = Cluster::builder().masters(1).workers(1).shards(2).seed(seed).raft(small_logs());
    builder.start().await.expect("starts")
}

#[tokio::test(start_paused = true)]
async fn a_restart_replays_what_came_after_the_last_checkpoint() {
    let cluster = one_of_each(31).await;
    let notes = cluster.client().create_database("notes").index("n").shards(1).await;
    let (notes, mut ledger) = (notes.expect("creates"), Ledger::default());
    let shard = insert(&notes, &mut ledger, 0, 130).await;
    eventually(&cluster, "a checkpoint and a purge", || async {
        let status = cluster.shard_status(shard).await["worker-1"].clone();
        status.snapshot > LogIndex(100) && status.purged > LogIndex(50)
    })
    .await;
    let before = cluster.shard_status(shard).await["worker-1"].clone();
    restart_everything(&cluster).await;
    cluster.settle(PATIENCE).await.expect("settles");
    let after = cluster.shard_status(shard).await["worker-1"].clone();
    assert!(after.snapshot >= before.snapshot, "it began at its checkpoint: {after:?}");
    assert!(after.last_log.0 - after.snapshot.0 < 40, "the rest was replayed: {after:?}");
    ledger.verify(&notes).await.expect("nothing is lost");
    check_trees(&cluster).await.expect("sound");
}

#[tokio::test(start_paused = true)]
async fn a_clean_stop_leaves_nothing_to_replay() {
    let disk = psdb_core::env::SimDisk::new();
    let env = psdb_core::env::Env::simulated(7, disk);
    psdb_core::env::random::seed_thread(7);
    let cluster = Cluster::open_in(env.clone(), "/d").await.expect("opens");
    let notes = cluster.client().create_database("notes").index("n").shards(1).await;
    let (notes, mut ledger) = (notes.expect("creates"), Ledger::default());
    let shard = insert(&notes, &mut ledger, 0, 30).await;
    let applied = cluster.shard_status(shard).await["node-1"].applied;
    cluster.close().await.expect("closes");
    let cluster = Cluster::open_in(env, "/d").await.expect("opens again");
    cluster.settle(PATIENCE).await.expect("settles");
    let status = cluster.shard_status(shard).await["node-1"].clone();
    assert!(status.snapshot >= applied, "{status:?} after {applied:?}");
    ledger.verify(&cluster.client().database("notes")).await.expect("nothing is lost");
}

/// Damages the newer of the two superblocks of every page file of a node.
async fn tear_newest_superblocks(cluster: &Cluster, node: &str) -> u32 {
    let disk = cluster.fail_disk(node).await.expect("a simulated disk");
    let groups = PathBuf::from("/psdb").join(node).join("groups");
    let mut torn = 0;
    for name in disk.list(&groups).expect("lists") {
        if PathBuf::from(&name).extension().is_none_or(|ending| ending != "psdb") {
            continue;
        }
        let file = disk.open(&groups.join(name), OpenMode::Write).expect("opens");
        let generation = |slot: u64| {
            let mut bytes = [0; 8];
            file.read_exact_at(&mut bytes, slot * PAGE_BYTES + 24).expect("reads");
            u64::from_le_bytes(bytes)
        };
        let newest = u64::from(generation(1) > generation(0));
        file.write_at(&[0xa5; 512], newest * PAGE_BYTES).expect("writes");
        file.sync().expect("syncs");
        torn += 1;
    }
    torn
}

#[tokio::test(start_paused = true)]
async fn the_log_reaches_back_to_the_older_checkpoint() {
    for documents in [25, 60, 61, 75, 110] {
        let cluster = one_of_each(u64::from(documents)).await;
        let notes = cluster.client().create_database("notes").index("n").shards(1).await;
        let (notes, mut ledger) = (notes.expect("creates"), Ledger::default());
        insert(&notes, &mut ledger, 0, documents).await;
        for node in ["worker-1", "master-1"] {
            cluster.crash(node).await.expect("crashes");
            let torn = tear_newest_superblocks(&cluster, node).await;
            assert!(torn > 0 || documents < 60 || node == "master-1", "{node} has page files");
            cluster.restart(node).await.expect("starts from the older checkpoint");
        }
        cluster.settle(PATIENCE).await.expect("settles");
        ledger.verify(&notes).await.expect("nothing is lost");
        check_trees(&cluster).await.expect("sound");
        insert(&notes, &mut ledger, documents, 50).await;
        restart_everything(&cluster).await;
        cluster.settle(PATIENCE).await.expect("settles");
        ledger.verify(&notes).await.expect("nothing is lost after that either");
    }
}

#[tokio::test(start_paused = true)]
async fn a_replica_far_behind_is_brought_up_while_writes_go_on() {
    let raft = RaftConfig { chunk_bytes: 4 << 10, ..small_logs() };
    let cluster = three_and_three(17).raft(raft).start().await.expect("starts");
    let (mut invariants, mut ledger) = (Invariants::default(), Ledger::default());
    let notes = cluster.client().create_database("notes").index("n").shards(1).await;
    let notes = notes.expect("creates");
    let shard = insert(&notes, &mut ledger, 0, 10).await;
    cluster.settle(PATIENCE).await.expect("settles");
    let reached = cluster.shard_status(shard).await["worker-2"].last_log;
    cluster.crash("worker-2").await.expect("crashes");
    insert(&notes, &mut ledger, 10, 200).await;
    // Messages take a while, so that the transfer does too.
    cluster.delay(std::time::Duration::from_millis(20));
    cluster.restart("worker-2").await.expect("restarts");
    let mut written = 210;
    loop {
        insert(&notes, &mut ledger, written, 5).await;
        written += 5;
        let status = cluster.shard_status(shard).await["worker-2"].clone();
        if status.snapshot > LogIndex(reached.0 + 150) {
            break;
        }
        assert!(written < 5_000, "worker-2 does not come up: {status:?}");
    }
    insert(&notes, &mut ledger, written, 20).await;
    cluster.heal();
    cluster.settle(PATIENCE).await.expect("settles");
    invariants.check(&cluster).await.expect("holds");
    check_trees(&cluster).await.expect("sound");
    ledger.verify(&notes).await.expect("nothing is lost");
}

#[tokio::test(start_paused = true)]
async fn more_documents_than_the_cache_holds_are_served_from_it() {
    const CACHE_BYTES: u64 = 2 << 20;
    let builder = Cluster::builder().masters(1).workers(1).shards(2).seed(5);
    let cluster = builder.cache_bytes(CACHE_BYTES).start().await.expect("starts");
    let notes = cluster.client().create_database("notes").index("n").await.expect("creates");
    for round in 0..20 {
        let documents = (0..500).map(|n| {
            let id = format!("{:05}", (n * 20 + round) * 7 % 10_000);
            json!({"_id": id, "n": n, "text": "x".repeat(900)})
        });
        notes.insert_many(documents).await.expect("inserts");
        let (held, budget) = (cluster.cached_bytes() as u64, CACHE_BYTES);
        assert!(held < budget + budget / 2, "{held} bytes of pages after round {round}");
    }
    assert_eq!(notes.count_all().await.expect("counts").count, 10_000);
    assert_eq!(notes.count("lambda d: d['n'] == 77").await.expect("counts").count, 20);
    let long = notes.count("lambda d: len(d['text']) == 900").await.expect("counts");
    assert_eq!(long.count, 10_000);
    assert!((cluster.cached_bytes() as u64) < CACHE_BYTES + CACHE_BYTES / 2);
    check_trees(&cluster).await.expect("sound");
    restart_everything(&cluster).await;
    cluster.settle(PATIENCE).await.expect("settles");
    assert_eq!(notes.count_all().await.expect("counts").count, 10_000);
}
