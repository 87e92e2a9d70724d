//! The state machine of every node here: it remembers the commands it applied, in order.
//!
//! Invariant: commands are never removed or reordered, so what was applied wrongly stays visible.
//!
//! Left out: reading values; the list of commands says all that the scenarios ask.

use std::sync::Arc;

use anyhow::Result;
use tokio::sync::watch;

use crate::raft::Command;
use crate::waiting::until;

/// A list of applied commands, shared by the engine that appends and the scenario that looks.
#[derive(Clone, Debug)]
pub(crate) struct Machine(Arc<watch::Sender<Vec<String>>>);

impl Machine {
    pub(crate) fn new() -> Machine {
        Machine(Arc::new(watch::Sender::new(Vec::new())))
    }

    /// Applies one command.
    pub(crate) fn apply(&self, command: &Command) {
        self.0.send_modify(|applied| applied.push(command.0.clone()));
    }

    /// The commands applied so far.
    pub(crate) fn applied(&self) -> Vec<String> {
        self.0.borrow().clone()
    }

    /// Waits until the commands applied so far meet a condition.
    pub(crate) async fn until(
        &self,
        what: &str,
        met: impl Fn(&[String]) -> bool,
    ) -> Result<Vec<String>> {
        until(self.0.subscribe(), what, |applied| met(applied).then(|| applied.clone())).await
    }
}
