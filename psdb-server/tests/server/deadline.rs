//! Waiting for a condition, with a deadline.
//!
//! Left out: guessing how long something takes.

use std::fmt::Debug;
use std::future::Future;
use std::time::Duration;

/// How often a condition is looked at.
const EVERY: Duration = Duration::from_millis(25);

/// Waits until `probe` gives a value; panics with the last refusal when the time is over.
pub(crate) async fn eventually<T, E: Debug, F>(
    what: &str,
    limit: Duration,
    mut probe: impl FnMut() -> F,
) -> T
where
    F: Future<Output = Result<T, E>>,
{
    let mut ticks = tokio::time::interval(EVERY);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut last = None;
    let waited = tokio::time::timeout(limit, async {
        loop {
            ticks.tick().await;
            match probe().await {
                Ok(value) => return value,
                Err(refusal) => last = Some(refusal),
            }
        }
    });
    match waited.await {
        Ok(value) => value,
        Err(elapsed) => panic!("{what}: {elapsed}, which was {limit:?}: {last:?}"),
    }
}
