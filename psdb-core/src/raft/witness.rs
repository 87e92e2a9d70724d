//! Notices a panic inside a state machine.
//!
//! The engine runs the state machine in a task of its own. When that panics the engine goes on: it
//! waits for an answer that never comes, and the replica hangs without a word until it is asked to
//! apply more. So every call of the state machine is made under a [`Guard`], which tells whoever
//! waits when it is dropped by a panic.
//!
//! Left out: going on. What the state machine has left half done cannot be told apart from what is
//! whole; the state is read anew from disk at the next start.

use tokio::sync::watch;

use crate::env::task;

/// Knows whether a panic has passed through one of its guards.
pub(crate) struct Witness(watch::Sender<bool>);

/// Held during one call.
pub(crate) struct Guard<'a>(&'a Witness);

impl Default for Witness {
    fn default() -> Self {
        Witness(watch::channel(false).0)
    }
}

impl Witness {
    pub(crate) fn guard(&self) -> Guard<'_> {
        Guard(self)
    }

    /// Waits for a panic.
    pub(crate) async fn panicked(&self) {
        let mut seen = self.0.subscribe();
        // The sender lives in `self`, so this ends in no other way.
        let _seen = seen.wait_for(|panicked| *panicked).await;
    }
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        if task::is_panicking() {
            self.0.0.send_replace(true);
        }
    }
}
