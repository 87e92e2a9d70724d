//! A rate, what it costs the processor, and the median of several.

use std::fs;
use std::time::{Duration, Instant};

/// A rate, and the processor time of one operation.
#[derive(Clone, Copy, Debug, Default)]
pub struct Rate {
    pub per_second: f64,
    pub cpu_micros: f64,
}

/// The processor time of this process so far, all threads together.
fn cpu_time() -> Duration {
    let stat = fs::read_to_string("/proc/self/stat").expect("/proc is there");
    let fields: Vec<&str> = stat.rsplit(')').next().unwrap_or("").split_whitespace().collect();
    // Fields 14 and 15 of the file, in hundredths of a second.
    let ticks: u64 = fields[11..13].iter().map(|field| field.parse::<u64>().unwrap_or(0)).sum();
    Duration::from_millis(ticks * 10)
}

/// Runs `work`, which says how many operations it did.
pub fn rate(work: impl FnOnce() -> u64) -> Rate {
    let (cpu, start) = (cpu_time(), Instant::now());
    let count = work() as f64;
    let (elapsed, cpu) = (start.elapsed(), cpu_time() - cpu);
    Rate { per_second: count / elapsed.as_secs_f64(), cpu_micros: cpu.as_secs_f64() * 1e6 / count }
}

/// Repeats `work` until it has taken a fifth of a second, which the processor's clock resolves.
pub fn rate_of_many(mut work: impl FnMut() -> u64) -> Rate {
    const LEAST: Duration = Duration::from_millis(200);
    rate(|| {
        let (start, mut count) = (Instant::now(), 0);
        while start.elapsed() < LEAST {
            count += work();
        }
        count
    })
}

/// The rate in the middle, with its processor time.
pub fn median_rate(mut rates: Vec<Rate>) -> Rate {
    rates.sort_unstable_by(|a, b| a.per_second.total_cmp(&b.per_second));
    if rates.is_empty() { Rate::default() } else { rates[rates.len() / 2] }
}
