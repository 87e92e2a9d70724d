//! Storage beside redb, LMDB, fjall, sled and SQLite, in one run, taking turns.
//!
//! `--quick` takes under two minutes and says little; `--check` exits with 1 when a goal is missed.
//! The last line is `goals met: N of M`. The page `docs/benchmarks/storage.md` is written by full
//! runs only. `--alone QUESTION` (`put`, `puts`, `batches`, `load`, `reads`, `scans`) asks one question
//! of PSDB and redb only, for a profiler and for whoever changes the code.

mod engine;
mod measure;
mod psdb;
mod recovery;
mod rivals;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use engine::{Engine, Maker, key, value};
use measure::median;
use psdb_benches::{Rate, Report, load, machine, median_rate, rate};

const MAKERS: [Maker; 6] = [
    Maker { name: "psdb", open: |dir| Box::new(psdb::Psdb::open(dir, psdb::CACHE_BYTES).0) },
    Maker { name: "redb", open: |dir| Box::new(rivals::Redb::open(dir)) },
    Maker { name: "lmdb", open: |dir| Box::new(rivals::Heed::open(dir)) },
    Maker { name: "fjall", open: |dir| Box::new(rivals::Fjall::open(dir)) },
    Maker { name: "sled", open: |dir| Box::new(rivals::Sled::open(dir)) },
    Maker { name: "sqlite", open: |dir| Box::new(rivals::Sqlite::open(dir)) },
];

/// How much is measured.
struct Plan {
    rounds: usize,
    time: Duration,
    entries: u64,
}

const FULL: Plan = Plan { rounds: 5, time: Duration::from_secs(4), entries: 1_000_000 };
const QUICK: Plan = Plan { rounds: 1, time: Duration::from_millis(600), entries: 50_000 };

const HEAD: &str = "# Storage beside its rivals

Written by `cargo bench --manifest-path benches/Cargo.toml --bench storage`; do not edit above the last
heading. Keys of 24 bytes, values of 150. Every figure is the median of rounds in which all engines took
turns. Operations per second, and in brackets CPU-µs per operation of the whole process.
";

const ONE: &str = "1 thread, each put durable";
const MANY: &str = "64 threads, each put durable";
const BATCH: &str = "batches of 1,000, durable";
const LOAD: &str = "bulk load, in order";
const READ: &str = "random reads, warm";
const READ_4: &str = "random reads, warm, 4 threads";
const SCAN: &str = "ranges of 10, warm";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [flag, name, dir, count] = &arguments[..]
        && flag == "--child"
    {
        return recovery::child(name, Path::new(dir), count.parse().expect("a number"));
    }
    let has = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let plan = if has("--quick") { QUICK } else { FULL };
    if let [flag, question, ..] = &arguments[..]
        && flag == "--alone"
    {
        return alone(question);
    }
    let dir = tempfile::tempdir_in(scratch()).expect("a directory");
    let load_before = load();
    let mut report = Report::default();
    durable(&plan, dir.path(), &mut report);
    loaded(&plan, dir.path(), &mut report);
    checkpoints(&plan, dir.path(), &mut report);
    processes(&plan, dir.path(), &mut report);
    group(&plan, dir.path(), &mut report);
    goals(&mut report);
    report.print_goals();
    if !has("--quick") {
        let page = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/benchmarks/storage.md");
        let mut machine = machine(&load_before);
        let rounds =
            format!("{} of {} s, {} entries", plan.rounds, plan.time.as_secs(), plan.entries);
        machine.push(("rounds".to_owned(), rounds));
        report.write(&page, HEAD, &machine);
    }
    let (met, all) = report.met();
    println!("goals met: {met} of {all}");
    if has("--check") && met < all {
        std::process::exit(1);
    }
}

/// Asks one question of PSDB and of redb, in many short turns.
fn alone(question: &str) {
    let dir = tempfile::tempdir_in(scratch()).expect("a directory");
    let (time, entries) = (Duration::from_millis(400), 300_000);
    let load = |engine: &dyn Engine| {
        engine.load(&mut (0..entries).map(|n| (key(n), value(n))));
        entries
    };
    let engines: Vec<_> = MAKERS[..2]
        .iter()
        .map(|maker| {
            let dir = tempfile::tempdir_in(dir.path()).expect("a directory").keep();
            let engine = (maker.open)(&dir);
            if matches!(question, "reads" | "reads4" | "scans") {
                load(&*engine);
            }
            (maker.name, engine)
        })
        .collect();
    let mut all: BTreeMap<&str, Vec<Rate>> = BTreeMap::new();
    for round in 0..12 {
        for (name, engine) in &engines {
            let asked = match question {
                "put" => measure::durable_puts(&**engine, 1, time, round + 1),
                "puts" => measure::durable_puts(&**engine, 64, time, round + 1),
                "batches" => measure::durable_batches(&**engine, time, round),
                "load" => rate(|| load(&**engine)),
                "reads" => measure::reads(&**engine, 1, entries, time),
                "reads4" => measure::reads(&**engine, 4, entries, time),
                "scans" => measure::scans(&**engine, entries, time),
                unknown => panic!("there is no question '{unknown}'"),
            };
            all.entry(name).or_default().push(asked);
        }
    }
    for (name, rates) in all {
        let Rate { per_second, cpu_micros } = median_rate(rates);
        println!("{question} {name:8} {per_second:>12.0}/s {cpu_micros:>9.3} CPU-µs");
    }
}

/// A directory on a real disk; `/tmp` may be memory.
fn scratch() -> PathBuf {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/scratch");
    std::fs::create_dir_all(&dir).expect("a directory");
    dir
}

/// All engines, each in a new directory.
fn open_all(dir: &Path) -> Vec<(&'static str, PathBuf, Box<dyn Engine>)> {
    let open = |maker: &Maker| {
        let dir = tempfile::tempdir_in(dir).expect("a directory").keep();
        (maker.name, dir.clone(), (maker.open)(&dir))
    };
    MAKERS.iter().map(open).collect()
}

/// Asks every engine in turn, as often as the plan says, and takes the medians.
fn ask(
    plan: &Plan,
    question: &'static str,
    report: &mut Report,
    engines: &[(&'static str, PathBuf, Box<dyn Engine>)],
    measure: impl Fn(&dyn Engine, u64) -> Rate,
) {
    let mut rates: BTreeMap<&'static str, Vec<Rate>> = BTreeMap::new();
    for round in 0..plan.rounds as u64 {
        for (name, _, engine) in engines {
            rates.entry(name).or_default().push(measure(&**engine, round));
        }
    }
    let medians = rates.into_iter().map(|(name, rates)| (name, median_rate(rates))).collect();
    report.rates(question, medians);
}

fn durable(plan: &Plan, dir: &Path, report: &mut Report) {
    let engines = open_all(dir);
    ask(plan, ONE, report, &engines, |engine, round| {
        measure::durable_puts(engine, 1, plan.time, round + 1)
    });
    ask(plan, MANY, report, &engines, |engine, round| {
        measure::durable_puts(engine, 64, plan.time, round + 101)
    });
    ask(plan, BATCH, report, &engines, |engine, round| {
        measure::durable_batches(engine, plan.time, round)
    });
    let (put, sync) = put_and_sync(plan, dir, &*engines[0].2);
    report.figure(
        "median of a single durable put, and of an fdatasync of a preallocated 512-byte append",
        format!("{put:.0} µs, {sync:.0} µs"),
    );
    report.at_most("single durable put, times an fdatasync", put / sync, 1.3);
}

/// The medians of a durable put and of a bare sync, in microseconds, measured in short turns.
fn put_and_sync(plan: &Plan, dir: &Path, engine: &dyn Engine) -> (f64, f64) {
    let (mut puts, mut syncs) = (Vec::new(), Vec::new());
    for turn in 0..20 * plan.rounds as u64 {
        syncs.extend(measure::sync_latencies(dir, 50));
        let mut left = 50;
        let goes_on = || {
            left -= 1;
            left >= 0
        };
        puts.extend(measure::put_latencies(engine, goes_on, turn + 7_000));
    }
    let micros = |latencies: Vec<Duration>| {
        median(latencies.iter().map(|latency| latency.as_secs_f64() * 1e6).collect())
    };
    (micros(puts), micros(syncs))
}

fn loaded(plan: &Plan, dir: &Path, report: &mut Report) {
    let mut rates: BTreeMap<&'static str, Vec<Rate>> = BTreeMap::new();
    let mut sizes: BTreeMap<&'static str, u64> = BTreeMap::new();
    let mut engines = Vec::new();
    for _ in 0..plan.rounds {
        for (_, old, engine) in engines.drain(..) {
            drop::<Box<dyn Engine>>(engine);
            std::fs::remove_dir_all::<PathBuf>(old).expect("remove");
        }
        engines = open_all(dir);
        for (name, _, engine) in &engines {
            let loaded = rate(|| {
                engine.load(&mut (0..plan.entries).map(|n| (key(n), value(n))));
                plan.entries
            });
            rates.entry(name).or_default().push(loaded);
        }
    }
    for (name, place, engine) in &engines {
        engine.settle();
        sizes.insert(name, measure::disk_bytes(place));
    }
    let medians = rates.into_iter().map(|(name, rates)| (name, median_rate(rates))).collect();
    report.rates(LOAD, medians);
    ask(plan, READ, report, &engines, |engine, _| {
        measure::reads(engine, 1, plan.entries, plan.time)
    });
    ask(plan, READ_4, report, &engines, |engine, _| {
        measure::reads(engine, 4, plan.entries, plan.time)
    });
    ask(plan, SCAN, report, &engines, |engine, _| measure::scans(engine, plan.entries, plan.time));
    for (name, bytes) in &sizes {
        report.figure(format!("{} entries on disk, {name}", plan.entries), mebibytes(*bytes));
    }
    let ratio = sizes["psdb"] as f64 / sizes["sqlite"] as f64;
    report.at_most("size on disk, times SQLite's", ratio, 1.3);
}

/// The latency of durable puts while a checkpoint is being written, and while none is.
fn checkpoints(plan: &Plan, dir: &Path, report: &mut Report) {
    let dir = tempfile::tempdir_in(dir).expect("a directory");
    let (psdb, _) = psdb::Psdb::open(dir.path(), psdb::CACHE_BYTES);
    psdb.set_automatic(false);
    psdb.load(&mut (0..plan.entries).map(|n| (key(n), value(n))));
    let (mut with, mut without) = (Vec::new(), Vec::new());
    for round in 0..plan.rounds.max(3) as u64 {
        // Many pages all over the tree are dirty when it begins.
        let mut numbers = engine::Numbers::new(round + 40, plan.entries);
        for _ in 0..20 {
            let entries: Vec<_> =
                (0..500).map(|_| numbers.next()).map(|n| (key(n), value(n + 1))).collect();
            psdb.put_batch(&entries);
        }
        let end = std::time::Instant::now() + plan.time;
        without.extend(measure::put_latencies(&psdb, || std::time::Instant::now() < end, round));
        psdb.begin_checkpoint();
        with.extend(measure::put_latencies(&psdb, || psdb.is_writing(), round + 500));
    }
    let p99 = |latencies: &mut Vec<Duration>| {
        latencies.sort_unstable();
        let at = latencies.len() * 99 / 100;
        latencies
            .get(at.min(latencies.len().saturating_sub(1)))
            .map_or(f64::NAN, Duration::as_secs_f64)
    };
    let (with, without) = (p99(&mut with) * 1e6, p99(&mut without) * 1e6);
    report.figure(
        "p99 of durable puts during a checkpoint, and without one",
        format!("{with:.0} µs, {without:.0} µs"),
    );
    report.at_most("p99 during a checkpoint, times that without", with / without, 3.0);
}

fn processes(plan: &Plan, dir: &Path, report: &mut Report) {
    let memory_dir = tempfile::tempdir_in(dir).expect("a directory");
    let resident = recovery::memory(memory_dir.path(), plan.entries) as f64;
    let budget = recovery::MEMORY_BUDGET as f64;
    report.figure(
        format!(
            "resident with {} entries and a cache of {}",
            plan.entries,
            mebibytes(budget as u64)
        ),
        mebibytes(resident as u64),
    );
    report.at_most(
        "resident beyond the cache, MiB",
        (resident - budget) / f64::from(1 << 20),
        64.0,
    );
    let kill_dir = tempfile::tempdir_in(dir).expect("a directory");
    let killed = recovery::kill(kill_dir.path(), plan.entries, plan.time * 4);
    let replayed = killed.replayed_bytes as f64 / f64::from(1 << 20);
    report.figure(
        "after kill -9",
        format!(
            "{replayed:.1} MiB of log, {:.0} entries/s replayed, {:.0}/s written",
            killed.replayed_per_second, killed.written_per_second
        ),
    );
    report.at_most("log to replay after kill -9, MiB", replayed, 64.0);
    let ratio = killed.replayed_per_second / killed.written_per_second;
    report.at_least("replaying, times the rate of writing", ratio, 0.5);
}

/// Once more through Raft: an embedded database, whose groups have a single voter each.
fn group(plan: &Plan, dir: &Path, report: &mut Report) {
    let dir = tempfile::tempdir_in(dir).expect("a directory");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let rate = runtime.block_on(async {
        let cluster = psdb_core::Cluster::open(dir.path()).await.expect("an embedded database");
        let client = cluster.client();
        let entries = client.create_database("t").await.expect("a database");
        let end = std::time::Instant::now() + plan.time;
        let started = std::time::Instant::now();
        let tasks: Vec<_> = (0..64)
            .map(|task| {
                let entries = entries.clone();
                tokio::spawn(async move {
                    let mut done = 0_u64;
                    while std::time::Instant::now() < end {
                        let text = "x".repeat(engine::VALUE_BYTES - 30);
                        let document =
                            BTreeMap::from([("task", format!("{task}")), ("text", text)]);
                        entries.insert_one(&document).await.expect("an insert");
                        done += 1;
                    }
                    done
                })
            })
            .collect();
        let mut total = 0;
        for task in tasks {
            total += task.await.expect("no panic");
        }
        total as f64 / started.elapsed().as_secs_f64()
    });
    report.figure("64 tasks, insert_one into an embedded database", format!("{rate:.0}/s"));
}

fn goals(report: &mut Report) {
    let ratio = |report: &Report, question, rival| {
        report.rate(question, "psdb") / report.rate(question, rival)
    };
    for (question, rival, goal) in [
        (MANY, "redb", 15.0),
        (MANY, "sled", 2.0),
        (BATCH, "redb", 8.0),
        (LOAD, "lmdb", 1.0),
        (READ, "redb", 1.2),
        (READ, "lmdb", 1.0),
        (SCAN, "redb", 1.0),
        (SCAN, "lmdb", 1.0),
    ] {
        let ratio = ratio(report, question, rival);
        report.at_least(&format!("{question}, times {rival}"), ratio, goal);
    }
    let scaling = report.rate(READ_4, "psdb") / report.rate(READ, "psdb");
    report.at_least("4 reader threads, times one", scaling, 1.6);
}

fn mebibytes(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}
