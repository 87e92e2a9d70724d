//! Power is cut at every sync, and at every write, of a small import, one after the other. Proves that an embedded
//! database opens again every time and has every document whose insertion was acknowledged, with
//! its content, and none that nobody inserted.
//!
//! The disk is simulated: what was not synced is lost, kept or torn, as a seed decides.

use std::sync::Arc;
use std::time::Duration;

use psdb_core::env::{Disk, DiskStats, Env, Fault, SimDisk};
use psdb_core::{Cluster, Database, DocumentId, Error, Outcome};
use serde_json::json;

const DOCUMENTS: u32 = 12;
const PATH: &str = "/data";

fn id(n: u32) -> DocumentId {
    DocumentId::from(format!("film-{n:02}"))
}

/// What an import was told before the power went.
#[derive(Default)]
struct Told {
    acknowledged: Vec<u32>,
    uncertain: Vec<u32>,
}

/// Opens the database and inserts, until something fails.
async fn import(env: Env) -> Told {
    let mut told = Told::default();
    let Ok(cluster) = Cluster::open_in(env, PATH).await else { return told };
    let client = cluster.client().with_timeout(Duration::from_secs(3));
    let films = match client.create_database("films").index("n").await {
        Ok(films) => films,
        Err(Error::DatabaseExists { .. }) => client.database("films"),
        Err(_) => return told,
    };
    for n in 0..DOCUMENTS {
        let document = json!({"_id": id(n).as_str(), "n": n, "title": "x".repeat(300)});
        match films.insert_one(&document).await {
            Ok(_) => told.acknowledged.push(n),
            Err(error) if error.outcome() == Outcome::Unknown => {
                told.uncertain.push(n);
                return told;
            }
            Err(_not_applied) => return told,
        }
    }
    let _power_may_go_here = cluster.close().await;
    told
}

async fn verify(films: &Database, told: &Told, context: &str) {
    let mut found = Vec::new();
    let mut cursor = films.find_all().await.expect("finds");
    while let Some(document) = cursor.next().await {
        let document = document.unwrap_or_else(|error| panic!("{context}: {error}"));
        let value = document.get("n").expect("has its field").to_json();
        let n: u32 = value.parse().expect("is a number");
        assert_eq!(document.id(), &id(n), "{context}");
        found.push(n);
    }
    for n in &told.acknowledged {
        assert!(found.contains(n), "{context}: film {n} was acknowledged and is lost");
        let by_index = films.count(&format!("lambda d: d['n'] == {n}")).await.expect("counts");
        assert_eq!(by_index.count, 1, "{context}: film {n} by the index");
    }
    for n in &found {
        let known = told.acknowledged.contains(n) || told.uncertain.contains(n);
        assert!(known, "{context}: film {n} is there, but nobody inserted it");
    }
}

/// What the disk was asked to do in a run without faults.
struct Operations {
    syncs: u64,
    changes: u64,
}

/// A world of its own for each cut, so that one run does not depend on another.
async fn run(seed: u64, cut: Option<(u64, Fault)>) -> Option<Operations> {
    let disk = SimDisk::with_seed(seed);
    let env = Env::simulated(seed, disk.clone());
    psdb_core::env::random::seed_thread(seed);
    if let Some((n, fault)) = cut {
        disk.fail_at(n, fault);
    }
    let told = import(env.clone()).await;
    let Some((n, fault)) = cut else {
        assert_eq!(told.acknowledged.len(), DOCUMENTS as usize, "a run without faults");
        let DiskStats { writes, syncs, .. } = disk.stats();
        return Some(Operations { syncs, changes: writes + syncs });
    };
    let context = format!("seed {seed}, {fault:?} {n}");
    disk.power_loss(seed ^ n);
    let cluster = Cluster::open_in(env.with_disk(Arc::new(disk.clone())), PATH).await;
    let cluster = cluster.unwrap_or_else(|error| panic!("{context}: {error}"));
    let films = cluster.client().database("films");
    match films.count_all().await {
        Ok(_) => verify(&films, &told, &context).await,
        Err(error) => {
            assert!(error.is_not_found(), "{context}: {error}");
            assert!(told.acknowledged.is_empty(), "{context}: the whole database is lost");
        }
    }
    // And it can be written again.
    if told.acknowledged.len() > 2 {
        films.insert_one(&json!({"after": true})).await.expect("takes a new document");
    }
    None
}

#[tokio::test(start_paused = true)]
async fn no_sync_is_a_bad_moment_to_lose_power() {
    let Operations { syncs, .. } = run(1, None).await.expect("counts");
    assert!(syncs >= u64::from(DOCUMENTS), "{syncs} syncs for {DOCUMENTS} single inserts");
    for seed in 1..=4 {
        for n in 1..=syncs {
            run(seed, Some((n, Fault::PowerLossAtSync))).await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn no_write_is_a_bad_moment_to_lose_power() {
    let Operations { changes, .. } = run(1, None).await.expect("counts");
    for n in 1..=changes {
        run(n, Some((n, Fault::PowerLoss))).await;
    }
}
