//! The wall clock: the system's, or a simulated one that goes with tokio's time.
//!
//! A simulated clock starts at a fixed origin and adds what tokio's monotonic clock has counted
//! since. On a paused runtime that is virtual time, equal in every run.
//!
//! Left out: monotonic time, which is [`Instant`].

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::Instant;
use crate::types::Timestamp;

/// Where simulated time begins: 2026-01-01T00:00:00Z.
pub const SIMULATED_ORIGIN: Timestamp = Timestamp(1_767_225_600_000);

/// A source of wall-clock time.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    source: Source,
}

#[derive(Clone, Copy, Debug)]
enum Source {
    System,
    Simulated { started: Instant },
}

impl Clock {
    /// The operating system's clock.
    pub fn system() -> Clock {
        Clock { source: Source::System }
    }

    /// A clock that shows [`SIMULATED_ORIGIN`] now and goes with tokio's time.
    pub fn simulated() -> Clock {
        Clock { source: Source::Simulated { started: Instant::now() } }
    }

    /// The time it shows. A system clock set before 1970 shows 1970.
    pub fn now(&self) -> Timestamp {
        match self.source {
            Source::System => {
                let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH);
                Timestamp(millis(since_epoch.unwrap_or_default()))
            }
            Source::Simulated { started } => {
                let elapsed = Instant::now().elapsed_since(started);
                Timestamp(SIMULATED_ORIGIN.as_millis() + millis(elapsed))
            }
        }
    }
}

/// Whole milliseconds; 584 million years fit.
fn millis(duration: Duration) -> u64 {
    duration.as_millis() as u64
}
