//! Measuring: rates with the processor time they cost, latencies, sizes.

use std::fs;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use psdb_benches::{Rate, rate};

use crate::engine::{Engine, Entry, Numbers, Reader, key, value};

/// Runs `work(thread)` again and again on so many threads until the time is over.
pub fn threads<'e>(
    count: usize,
    time: Duration,
    work: impl Fn(usize) -> Box<dyn FnMut() -> u64 + 'e> + Sync,
) -> Rate {
    let (stop, total) = (AtomicBool::new(false), AtomicU64::new(0));
    rate(|| {
        std::thread::scope(|scope| {
            for thread in 0..count {
                let (stop, total, work) = (&stop, &total, &work);
                scope.spawn(move || {
                    let mut step = work(thread);
                    let mut done = 0;
                    while !stop.load(Ordering::Relaxed) {
                        done += step();
                    }
                    total.fetch_add(done, Ordering::Relaxed);
                });
            }
            std::thread::sleep(time);
            stop.store(true, Ordering::Relaxed);
        });
        total.load(Ordering::Relaxed)
    })
}

/// Durable puts of single entries, under random keys that were not there.
pub fn durable_puts(engine: &dyn Engine, count: usize, time: Duration, seed: u64) -> Rate {
    threads(count, time, |thread| {
        let mut numbers = Numbers::new(seed * 1_000 + thread as u64 + 1, 1 << 40);
        Box::new(move || {
            let n = numbers.next() + (1 << 41);
            engine.put(&key(n), &value(n));
            1
        })
    })
}

/// Durable batches of 1,000 entries.
pub fn durable_batches(engine: &dyn Engine, time: Duration, seed: u64) -> Rate {
    threads(1, time, |_| {
        let mut numbers = Numbers::new(seed + 77, 1 << 40);
        Box::new(move || {
            let entry = |_| {
                let n = numbers.next() + (1 << 42);
                (key(n), value(n))
            };
            let entries: Vec<Entry> = (0..1_000).map(entry).collect();
            engine.put_batch(&entries);
            1_000
        })
    })
}

/// Random reads of entries that are there.
pub fn reads(engine: &dyn Engine, count: usize, entries: u64, time: Duration) -> Rate {
    read_with(engine, count, entries, time, |reader, n| {
        assert_eq!(reader.get(&key(n)), Some(crate::engine::VALUE_BYTES), "entry {n}");
    })
}

/// Ranges of ten entries from random keys on.
pub fn scans(engine: &dyn Engine, entries: u64, time: Duration) -> Rate {
    read_with(engine, 1, entries - 10, time, |reader, n| {
        let bytes = 10 * (crate::engine::KEY_BYTES + crate::engine::VALUE_BYTES);
        assert_eq!(reader.scan(&key(n), 10), bytes, "entries from {n}");
    })
}

fn read_with(
    engine: &dyn Engine,
    count: usize,
    entries: u64,
    time: Duration,
    read: impl Fn(&mut dyn Reader, u64) + Sync,
) -> Rate {
    let read = &read;
    threads(count, time, move |thread| {
        let mut numbers = Numbers::new(thread as u64 + 5, entries);
        let mut reader = engine.reader();
        Box::new(move || {
            for _ in 0..64 {
                read(&mut *reader, numbers.next());
            }
            64
        })
    })
}

/// The latencies of single durable puts while `goes_on`, sorted.
pub fn put_latencies(
    engine: &dyn Engine,
    mut goes_on: impl FnMut() -> bool,
    seed: u64,
) -> Vec<Duration> {
    let mut numbers = Numbers::new(seed + 991, 1 << 40);
    let mut latencies = Vec::new();
    while goes_on() {
        let n = numbers.next() + (1 << 43);
        let (key, value) = (key(n), value(n));
        let start = Instant::now();
        engine.put(&key, &value);
        latencies.push(start.elapsed());
    }
    latencies.sort_unstable();
    latencies
}

/// The latencies of an fdatasync after 512 bytes were written into a preallocated file.
pub fn sync_latencies(dir: &Path, count: usize) -> Vec<Duration> {
    use std::os::unix::fs::FileExt;
    let path = dir.join("sync");
    fs::write(&path, vec![0; 1 << 20]).expect("a file");
    let file = fs::OpenOptions::new().write(true).open(&path).expect("the file");
    file.sync_all().expect("sync");
    let latencies = (0..count as u64)
        .map(|at| {
            let start = Instant::now();
            file.write_all_at(&[at as u8; 512], at * 512 % (1 << 20)).expect("write");
            file.sync_data().expect("sync");
            start.elapsed()
        })
        .collect();
    fs::remove_file(path).expect("remove");
    latencies
}

/// The bytes on disk of a directory and all below it.
pub fn disk_bytes(dir: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => disk_bytes(&entry.path()),
            Ok(metadata) => metadata.blocks() * 512,
            Err(_) => 0,
        })
        .sum()
}

/// The resident memory of this process.
pub fn resident_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kilobytes =
        line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse::<u64>().ok());
    kilobytes.unwrap_or(0) << 10
}

pub fn median(mut numbers: Vec<f64>) -> f64 {
    numbers.sort_unstable_by(f64::total_cmp);
    if numbers.is_empty() { 0.0 } else { numbers[numbers.len() / 2] }
}
