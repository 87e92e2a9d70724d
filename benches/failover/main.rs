//! How long writes stand still when a shard's leader dies, and changes of databases when the
//! masters' leader does: the distribution over many kills, with default timers, in real time.
//!
//! Several clusters run side by side, since each of them mostly waits. In each, one client inserts
//! without pause (or creates databases), the leader is killed, and the gap is the time from the
//! kill to the next acknowledged write. Then the node is started again and everything settles.
//!
//! `--quick` kills less often; `--check` exits with 1 when a goal is missed. The last line is
//! `goals met: N of M`. The page is written by full runs only.

use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, Instant};

use psdb_benches::{Report, load, machine};
use psdb_core::Cluster;
use psdb_core::raft::{GroupStatus, Role};

const HEAD: &str = "# Failover

Written by `cargo bench --manifest-path benches/Cargo.toml --bench failover`; do not edit above the last
heading. Clusters of three masters and three workers in one process, default timers, real time. A gap is
the time from the kill of a leader to the next acknowledged write of a client that writes without pause.
";

/// How many clusters run side by side.
const CLUSTERS: usize = 5;
const PATIENCE: Duration = Duration::from_secs(60);

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let kills = if has("--quick") { 3 } else { 20 };
    let load_before = load();
    let mut report = Report::default();
    let shards = side_by_side(kills, shard_gaps).await;
    distribution(&mut report, "writes, after the kill of a shard's leader", &shards);
    let masters = side_by_side(kills.div_ceil(2), master_gaps).await;
    distribution(&mut report, "new databases, after the kill of the masters' leader", &masters);
    for (what, gaps) in [("writes", &shards), ("new databases", &masters)] {
        let p99 = quantile(gaps, 0.99).as_secs_f64();
        report.at_most(&format!("p99 of the gap of {what}, seconds"), p99, 3.0);
    }
    report.print_goals();
    if !has("--quick") {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/benchmarks/failover.md");
        report.write(&page, HEAD, &machine(&load_before));
    }
    let (met, all) = report.met();
    println!("goals met: {met} of {all}");
    if has("--check") && met < all {
        std::process::exit(1);
    }
}

async fn side_by_side<F: Future<Output = Vec<Duration>> + Send + 'static>(
    kills: usize,
    measure: impl Fn(usize) -> F,
) -> Vec<Duration> {
    let tasks: Vec<_> = (0..CLUSTERS).map(|_| tokio::spawn(measure(kills))).collect();
    let mut gaps = Vec::new();
    for task in tasks {
        gaps.extend(task.await.expect("no panic"));
    }
    gaps.sort_unstable();
    gaps
}

async fn start() -> Cluster {
    let builder = Cluster::builder().masters(3).workers(3).replicas(3).shards(1);
    let cluster = builder.start().await.expect("a cluster");
    cluster.settle(PATIENCE).await.expect("a settled cluster");
    cluster
}

fn leader(statuses: BTreeMap<String, GroupStatus>) -> Option<String> {
    let leads =
        |(name, status): (String, GroupStatus)| (status.role == Role::Leader).then_some(name);
    statuses.into_iter().find_map(leads)
}

async fn shard_gaps(kills: usize) -> Vec<Duration> {
    let cluster = start().await;
    let notes = cluster.client().create_database("notes").await.expect("a database");
    let shard = notes.insert_json("{}").await.expect("an insert").shard;
    let mut gaps = Vec::new();
    for _ in 0..kills {
        let victim = leader(cluster.shard_status(shard).await).expect("a leader");
        notes.insert_json("{}").await.expect("an insert");
        let killed = Instant::now();
        cluster.crash(&victim).await.expect("a crash");
        notes.insert_json("{}").await.expect("an insert");
        gaps.push(killed.elapsed());
        cluster.restart(&victim).await.expect("a restart");
        cluster.settle(PATIENCE).await.expect("a settled cluster");
    }
    cluster.close().await.expect("a close");
    gaps
}

async fn master_gaps(kills: usize) -> Vec<Duration> {
    let cluster = start().await;
    let client = cluster.client();
    let mut gaps = Vec::new();
    for n in 0..kills {
        let victim = leader(cluster.master_status().await).expect("a leader");
        let killed = Instant::now();
        cluster.crash(&victim).await.expect("a crash");
        client.create_database(&format!("database-{n}")).await.expect("a database");
        gaps.push(killed.elapsed());
        cluster.restart(&victim).await.expect("a restart");
        cluster.settle(PATIENCE).await.expect("a settled cluster");
    }
    cluster.close().await.expect("a close");
    gaps
}

/// The value below which this share of the sorted gaps lies.
fn quantile(gaps: &[Duration], share: f64) -> Duration {
    let at = ((gaps.len() as f64 * share).ceil() as usize).clamp(1, gaps.len()) - 1;
    gaps[at]
}

fn distribution(report: &mut Report, what: &str, gaps: &[Duration]) {
    let at = |share| format!("{:.2} s", quantile(gaps, share).as_secs_f64());
    report.figure(
        format!("{what}, {} kills", gaps.len()),
        format!(
            "min {}, median {}, p90 {}, p99 {}, max {}",
            at(0.0),
            at(0.5),
            at(0.9),
            at(0.99),
            at(1.0)
        ),
    );
}
