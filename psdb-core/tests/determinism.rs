//! One seed gives one run. Proves it for ten seeds: each runs twice, in fresh processes, with
//! crashes, partitions, loss, delay and duplication, and both traces are equal byte for byte.
//!
//! A fresh process is needed because unbiased `select!`s draw from per-process generators.

use std::process::{Child, Command, Stdio};
use std::time::Duration;

use psdb_core::cluster::invariants::{Invariants, Ledger};
use psdb_core::env::Env;
use psdb_core::{Cluster, Database, DocumentId};
use serde_json::json;

const SEEDS: std::ops::RangeInclusive<u64> = 1..=10;
const SEED_VARIABLE: &str = "PSDB_SIMULATED_SEED";
const PATIENCE: Duration = Duration::from_mins(1);

/// The run of one seed: what happens in it is drawn from the seed as well.
async fn scenario(seed: u64) -> Vec<String> {
    let builder = Cluster::builder().masters(3).workers(3).shards(2).seed(seed);
    let cluster = builder.start().await.expect("starts");
    let env = cluster.env().clone();
    let client = cluster.client().with_timeout(Duration::from_secs(5));
    let notes = client.create_database("notes").index("n").await.expect("creates");
    let mut invariants = Invariants::default();
    let mut ledger = Ledger::default();
    cluster.delay(Duration::from_millis(3));
    cluster.drop_percent(2);
    cluster.duplicate_percent(10);
    for round in 0..10 {
        let victim = victim(&env);
        match env.random_below(3) {
            0 => cluster.crash(victim).await.expect("crashes"),
            1 => cluster.partition(&[victim], &["master-1", "worker-1", "client"]),
            _ => cluster.pause(victim).await.expect("pauses"),
        }
        write(&notes, &mut ledger, round).await;
        cluster.heal();
        cluster.restart(victim).await.expect("restarts");
        cluster.delay(Duration::from_millis(3));
        invariants.check(&cluster).await.unwrap_or_else(|breach| panic!("seed {seed}: {breach}"));
    }
    cluster.heal();
    cluster.settle(PATIENCE).await.unwrap_or_else(|error| panic!("seed {seed}: {error}"));
    invariants.check(&cluster).await.unwrap_or_else(|breach| panic!("seed {seed}: {breach}"));
    ledger.verify(&notes).await.unwrap_or_else(|loss| panic!("seed {seed}: {loss}"));
    env.take_trace()
}

fn victim(env: &Env) -> &'static str {
    const NODES: [&str; 6] =
        ["master-1", "master-2", "master-3", "worker-1", "worker-2", "worker-3"];
    NODES[env.random_below(NODES.len() as u64) as usize]
}

async fn write(notes: &Database, ledger: &mut Ledger, round: u64) {
    for n in 0..25 {
        let id = DocumentId::from(format!("{round}-{n}"));
        match notes.insert_one(&json!({"_id": id.as_str(), "n": n})).await {
            Ok(inserted) => ledger.acknowledged(&id, inserted.version),
            Err(_) => ledger.uncertain(&id),
        }
    }
}

/// The child: runs one seed and prints its trace. Without the variable it has nothing to do.
#[test]
fn child() {
    let Ok(seed) = std::env::var(SEED_VARIABLE) else { return };
    let seed = seed.parse().expect("a seed is a number");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime starts");
    for line in runtime.block_on(scenario(seed)) {
        println!("{line}");
    }
}

fn start_fresh_process(seed: u64) -> Child {
    Command::new(std::env::current_exe().expect("this test is a program"))
        .args(["--exact", "child", "--nocapture", "--test-threads=1"])
        .env(SEED_VARIABLE, seed.to_string())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("a child starts")
}

fn trace_of(child: Child, seed: u64) -> String {
    let output = child.wait_with_output().expect("a child ends");
    let text = String::from_utf8(output.stdout).expect("a trace is text");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "seed {seed} failed:\n{errors}");
    // The harness prints how long it took.
    let events: Vec<_> = text.lines().filter(|line| line.contains(" -> ")).collect();
    events.join("\n")
}

#[test]
fn one_seed_gives_one_run() {
    let mut traces = Vec::new();
    for seed in SEEDS {
        let (first, second) = (start_fresh_process(seed), start_fresh_process(seed));
        let (first, second) = (trace_of(first, seed), trace_of(second, seed));
        assert!(first.lines().count() > 1_000, "seed {seed}: the trace is too short to mean much");
        let difference = first.lines().zip(second.lines()).enumerate().find(|(_, (a, b))| a != b);
        if let Some((line, (a, b))) = difference {
            panic!("seed {seed}: the runs differ at line {line}:\n{a}\n{b}");
        }
        assert_eq!(first.len(), second.len(), "seed {seed}: one run is longer");
        traces.push(first);
    }
    traces.sort();
    traces.dedup();
    assert_eq!(traces.len(), SEEDS.count(), "different seeds give different runs");
}
