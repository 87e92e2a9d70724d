//! Monotonic time and waiting, over tokio's clock, so that a paused runtime controls both.
//!
//! [`Instant`] is a newtype: a deadline computed from it cannot be mixed up with the standard
//! library's clock, which no simulation controls.
//!
//! Left out: wall time, which is [`Timestamp`](crate::Timestamp).

use std::future::Future;
use std::ops::{Add, AddAssign, Sub, SubAssign};
use std::time::Duration;

/// The future of [`sleep`].
pub use tokio::time::Sleep;
/// The future of [`timeout`].
pub use tokio::time::Timeout;
/// The error of a [`timeout`] whose time ran out.
pub use tokio::time::error::Elapsed;

/// A point of monotonic time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Instant(tokio::time::Instant);

impl Instant {
    /// The present, as the current runtime's clock has it.
    pub fn now() -> Instant {
        Instant(tokio::time::Instant::now())
    }

    /// The time from `earlier` to this; zero when `earlier` is later.
    pub fn elapsed_since(self, earlier: Instant) -> Duration {
        self.0.saturating_duration_since(earlier.0)
    }
}

impl Add<Duration> for Instant {
    type Output = Instant;

    fn add(self, duration: Duration) -> Instant {
        Instant(self.0 + duration)
    }
}

impl AddAssign<Duration> for Instant {
    fn add_assign(&mut self, duration: Duration) {
        self.0 += duration;
    }
}

impl Sub<Duration> for Instant {
    type Output = Instant;

    fn sub(self, duration: Duration) -> Instant {
        Instant(self.0 - duration)
    }
}

impl SubAssign<Duration> for Instant {
    fn sub_assign(&mut self, duration: Duration) {
        self.0 -= duration;
    }
}

impl Sub for Instant {
    type Output = Duration;

    fn sub(self, earlier: Instant) -> Duration {
        self.elapsed_since(earlier)
    }
}

/// Waits for `duration`.
pub fn sleep(duration: Duration) -> Sleep {
    tokio::time::sleep(duration)
}

/// Waits until `deadline`.
pub fn sleep_until(deadline: Instant) -> Sleep {
    tokio::time::sleep_until(deadline.0)
}

/// Waits for `future`, but no longer than `duration`.
pub fn timeout<F: Future>(duration: Duration, future: F) -> Timeout<F> {
    tokio::time::timeout(duration, future)
}

/// Waits for `future`, but not past `deadline`.
pub fn timeout_at<F: Future>(deadline: Instant, future: F) -> Timeout<F> {
    tokio::time::timeout_at(deadline.0, future)
}
