//! Waiting for conditions, always with a deadline.
//!
//! Invariant: a scenario never goes on because time has passed. It goes on because what it waited
//! for is there, or it fails and says what it waited for.

use std::fmt::Debug;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use tokio::sync::watch;
use tokio::time::timeout;

/// How long any single step may take.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);

/// Waits for one answer.
pub(crate) async fn within<T>(what: &str, answer: impl Future<Output = T>) -> Result<T> {
    timeout(DEADLINE, answer).await.with_context(|| format!("{what}: not within {DEADLINE:?}"))
}

/// Waits until `read` finds something in a watched value.
pub(crate) async fn until<V: Clone + Debug, T>(
    mut watched: watch::Receiver<V>,
    what: &str,
    read: impl Fn(&V) -> Option<T>,
) -> Result<T> {
    let found = timeout(DEADLINE, async {
        loop {
            let value = watched.borrow_and_update().clone();
            if let Some(found) = read(&value) {
                return Ok(found);
            }
            watched.changed().await.with_context(|| format!("{what}: the node stopped"))?;
        }
    });
    if let Ok(found) = found.await {
        return found;
    }
    let last = watched.borrow().clone();
    Err(anyhow!("{what}: not within {DEADLINE:?}; last seen {last:?}"))
}
