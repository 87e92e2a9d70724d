//! What a process of its own is needed for: memory, and being killed.
//!
//! The benchmark runs itself again with `--child NAME DIR N`.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::engine::{Engine, Entry, Numbers, key, value};
use crate::measure::resident_bytes;
use crate::psdb::Psdb;

/// The budget of the cache when memory is measured.
pub const MEMORY_BUDGET: usize = 64 << 20;

/// What a child does; prints its findings.
pub fn child(name: &str, dir: &Path, count: u64) {
    match name {
        // Loads more than fits into the budget, reads it at random, and says how much it took.
        "memory" => {
            let (psdb, _) = Psdb::open(dir, MEMORY_BUDGET);
            psdb.load(&mut (0..count).map(|n| (key(n), value(n))));
            let mut reader = psdb.reader();
            let mut numbers = Numbers::new(3, count);
            for _ in 0..count / 2 {
                assert!(reader.get(&key(numbers.next())).is_some());
            }
            drop(reader);
            println!("{}", resident_bytes());
        }
        // Writes batches until it is killed; says how many are durable, and since when.
        "writes" => {
            let (psdb, _) = Psdb::open(dir, 256 << 20);
            let (mut numbers, start) = (Numbers::new(9, count), Instant::now());
            for batch in 1.. {
                let entry = |_| {
                    let n = numbers.next();
                    (key(n), value(n))
                };
                let entries: Vec<Entry> = (0..200).map(entry).collect();
                psdb.put_batch(&entries);
                println!("{} {}", batch * 200, start.elapsed().as_millis());
                std::io::stdout().flush().expect("a pipe");
            }
        }
        unknown => panic!("there is no child '{unknown}'"),
    }
}

fn spawn(name: &str, dir: &Path, count: u64) -> std::process::Child {
    let program = std::env::current_exe().expect("this program");
    let mut command = Command::new(program);
    command.arg("--child").arg(name).arg(dir).arg(count.to_string());
    command.stdout(Stdio::piped()).spawn().expect("a child")
}

/// The resident memory of a process that stores and reads so many entries.
pub fn memory(dir: &Path, count: u64) -> u64 {
    let output = spawn("memory", dir, count).wait_with_output().expect("the child ends");
    String::from_utf8_lossy(&output.stdout).trim().parse().expect("the child says a number")
}

/// What recovery after a kill did.
pub struct Killed {
    pub replayed_bytes: u64,
    pub written_per_second: f64,
    pub replayed_per_second: f64,
}

/// Kills a writing process after a while and recovers what it left; checks that it is all there.
pub fn kill(dir: &Path, count: u64, time: Duration) -> Killed {
    let mut child = spawn("writes", dir, count);
    let mut lines = BufReader::new(child.stdout.take().expect("a pipe")).lines();
    let start = Instant::now();
    let mut last = (0_u64, 1_u64);
    while start.elapsed() < time {
        let line = lines.next().expect("the child writes").expect("a line");
        let mut numbers = line.split(' ').map(|number| number.parse::<u64>().expect("a number"));
        last = (numbers.next().expect("a count"), numbers.next().expect("a time"));
    }
    child.kill().expect("kill");
    child.wait().expect("the child is gone");
    let start = Instant::now();
    let (psdb, recovered) = Psdb::open(dir, 256 << 20);
    let elapsed = start.elapsed();
    let (mut numbers, mut reader) = (Numbers::new(9, count), psdb.reader());
    for _ in 0..last.0 {
        let n = numbers.next();
        assert!(reader.get(&key(n)).is_some(), "an acknowledged entry is gone");
    }
    drop(reader);
    Killed {
        replayed_bytes: recovered.replayed_bytes,
        written_per_second: last.0 as f64 / (last.1 as f64 / 1e3),
        replayed_per_second: recovered.replayed_entries as f64 * 200.0 / elapsed.as_secs_f64(),
    }
}
