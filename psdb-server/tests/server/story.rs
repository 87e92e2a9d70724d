//! Proves that a cluster of processes heals itself and changes while documents flow: workers join,
//! are drained, die, are replaced and return; a master is added and the leading one removed; every
//! acknowledged document is there at the end, once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use psdb::transport::message::{WorkerInfo, WorkerStatus};
use psdb::{Client, Document};
use tokio::task::JoinHandle;

use super::deadline::eventually;
use super::processes::{Place, Processes, free_ports, names};

/// How long one change of the cluster may take on a machine with other things to do.
const LIMIT: Duration = Duration::from_mins(2);
/// A worker is given up so soon after it was found dead.
const REPLACE_AFTER: &str = "PSDB_REPLACE_AFTER=2s";
const SHARDS: u32 = 8;

/// Clients that insert documents all the while.
struct Writers {
    stop: Arc<AtomicBool>,
    tasks: Vec<JoinHandle<Vec<String>>>,
}

impl Writers {
    async fn start(cluster: &Processes, seeds: &[&[&str]]) -> Writers {
        let stop = Arc::new(AtomicBool::new(false));
        let mut tasks = Vec::new();
        for (writer, seeds) in seeds.iter().enumerate() {
            let client = cluster.client(seeds).await;
            tasks.push(tokio::spawn(write(client, writer, stop.clone())));
        }
        Writers { stop, tasks }
    }

    /// Stops them; returns the ids that were acknowledged to each.
    async fn stop(self) -> Vec<Vec<String>> {
        self.stop.store(true, Ordering::Relaxed);
        let mut acknowledged = Vec::new();
        for task in self.tasks {
            acknowledged.push(task.await.expect("a writer is never told anything unheard of"));
        }
        acknowledged
    }
}

/// Inserts batches at a steady pace until it is to stop; returns what was acknowledged.
async fn write(client: Client, writer: usize, stop: Arc<AtomicBool>) -> Vec<String> {
    let flow = client.database("flow");
    let mut acknowledged = Vec::new();
    let mut pace = tokio::time::interval(Duration::from_millis(50));
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    for batch in 0.. {
        if stop.load(Ordering::Relaxed) {
            break;
        }
        pace.tick().await;
        let ids: Vec<String> = (0..10).map(|n| format!("{writer}-{batch}-{n}")).collect();
        let documents = ids.iter().map(|id| serde_json::json!({"_id": id, "writer": writer}));
        let results = flow.insert_many(documents).await.expect("the database is there");
        for (id, result) in ids.into_iter().zip(results) {
            match result {
                Ok(_) => acknowledged.push(id),
                Err(error) => assert!(error.is_unavailable(), "{id}: {error}"),
            }
        }
    }
    acknowledged
}

/// Three masters that give a dead worker up soon, and three workers.
async fn start() -> Processes {
    let mut ports = free_ports(12).into_iter();
    let mut address = || format!("127.0.0.1:{}", ports.next().expect("one for each"));
    let mut places = BTreeMap::new();
    for name in names(3, 3) {
        let command = vec!["env".to_owned(), REPLACE_AFTER.to_owned()];
        places.insert(name, Place { command, clients: address(), peers: address() });
    }
    Processes::start_at(places, SHARDS).await
}

/// Waits until the workers are as `wanted` says and nothing moves.
async fn settled(
    client: &Client,
    what: &str,
    wanted: impl Fn(&BTreeMap<String, WorkerInfo>) -> bool,
) {
    eventually(what, LIMIT, || async {
        let workers = client.workers().await.map_err(|error| error.to_string())?;
        let shards = client.shards().await.map_err(|error| error.to_string())?;
        let moving = shards.iter().filter(|shard| shard.moving.is_some()).count();
        let replicas: usize = shards.iter().map(|shard| shard.replicas.len()).sum();
        let by_name = workers.into_iter().map(|worker| (worker.name.clone(), worker)).collect();
        if wanted(&by_name) && moving == 0 && replicas == 3 * SHARDS as usize {
            return Ok(());
        }
        let held = by_name.values().map(|w| format!("{} {:?} {}", w.name, w.status, w.shards));
        Err(format!("{:?}, {moving} moving, {replicas} replicas", held.collect::<Vec<_>>()))
    })
    .await;
}

/// Adds a master, removes the one that leads, and stops its process.
async fn replace_the_leading_master(client: &Client, cluster: &mut Processes) {
    cluster.add("m4").await;
    let address = psdb::Address::from(cluster.peers["m4"].as_str());
    eventually("m4 votes", LIMIT, || client.add_master("m4", address.clone())).await;
    let leader = cluster.leading_master(client).await;
    eventually("the leader is removed", LIMIT, || client.remove_master(&leader)).await;
    cluster.node(&leader).kill();
    let left = eventually("the others answer", LIMIT, || client.masters()).await;
    assert_eq!(left.len(), 3, "{left:?}");
}

/// Reads everything back: all that was acknowledged is there, once, and nothing nobody wrote.
async fn verify(client: &Client, acknowledged: &[Vec<String>]) {
    let flow = client.database("flow");
    let found: Vec<Document> = eventually("all shards answer", LIMIT, || async {
        flow.find_all().await?.try_collect().await
    })
    .await;
    let ids: BTreeSet<String> = found.iter().map(|document| document.id().to_string()).collect();
    assert_eq!(ids.len(), found.len(), "an id is there twice");
    assert!(found.iter().all(|document| document.version() == 1), "one was written twice");
    let lost: Vec<&String> =
        acknowledged.iter().flatten().filter(|id| !ids.contains(*id)).collect();
    let all: usize = acknowledged.iter().map(Vec::len).sum();
    println!("{all} documents were acknowledged, {} are there", found.len());
    assert!(lost.is_empty(), "{} of {all} lost: {lost:?}", lost.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn workers_join_drain_die_and_return_while_documents_flow() {
    let mut cluster = start().await;
    let client = cluster
        .serving(&["m1", "m2", "m3"], |client| client.create_database("flow").shards(SHARDS))
        .await;
    let writers = Writers::start(&cluster, &[&["m1", "w1", "w2"], &["w2", "w3", "m3"]]).await;

    cluster.add("w4").await;
    settled(&client, "w4 has got its share", |w| w.get("w4").is_some_and(|w4| w4.shards > 0)).await;

    client.drain_worker("w1", true).await.expect("the order is taken");
    settled(&client, "w1 is empty", |w| w["w1"].shards == 0 && w["w1"].draining).await;
    assert_eq!(cluster.node("w1").stop("-TERM").await.code(), Some(0));
    client.remove_worker("w1").await.expect("it holds nothing");
    assert!(client.remove_worker("w2").await.is_err(), "it holds replicas");

    // Three replicas need three workers, so there must be one more before one dies for good.
    cluster.add("w5").await;
    settled(&client, "w5 has got its share", |w| w.get("w5").is_some_and(|w5| w5.shards > 0)).await;
    cluster.node("w2").kill();
    settled(&client, "w2 is replaced", |w| {
        w["w2"].status == WorkerStatus::Dead && w["w2"].shards == 0
    })
    .await;
    cluster.node("w2").start().await;
    settled(&client, "w2 is back, with new replicas", |w| {
        w["w2"].status == WorkerStatus::Alive && w["w2"].shards > 0
    })
    .await;

    replace_the_leading_master(&client, &mut cluster).await;
    client.create_database("after").await.expect("the masters take changes");

    let acknowledged = writers.stop().await;
    assert!(acknowledged.iter().all(|ids| ids.len() > 100), "the writers hardly wrote");
    verify(&client, &acknowledged).await;
    // What w2 got since it is back counts: the replicas of another worker are gone now.
    cluster.node("w3").kill();
    verify(&client, &acknowledged).await;

    cluster.node("w5").kill();
    std::fs::remove_dir_all(cluster.directory().join("w5")).expect("it can be removed");
    let wiped = cluster.node("w5");
    wiped.start().await;
    assert_eq!(wiped.end().await.code(), Some(78));
    assert!(wiped.errors().contains("start it under a new name"), "{}", wiped.errors());
}
