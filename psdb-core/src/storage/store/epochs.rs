//! Epochs: which states of a store are still looked at.
//!
//! Time is cut by snapshots: what the writer does between two of them happens in one epoch. A
//! page made in epoch `b` and freed in epoch `f` is seen by the snapshots of the epochs from `b`
//! to `f - 1`.
//!
//! Left out: what a snapshot shows (`snapshot`).

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

/// The epochs of one store.
#[derive(Debug, Default)]
pub(in crate::storage) struct Epochs(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The number of epochs that have ended.
    ended: u64,
    /// How many snapshots there are of each epoch.
    live: BTreeMap<u64, usize>,
}

/// The epoch the writer is in, and those that are looked at.
#[derive(Clone, Copy, Debug)]
pub(in crate::storage) struct Epoch {
    pub(in crate::storage) current: u64,
    pub(in crate::storage) newest_seen: Option<u64>,
    pub(in crate::storage) oldest_seen: Option<u64>,
}

impl Epochs {
    /// The present epoch.
    pub(in crate::storage) fn now(&self) -> Epoch {
        let state = self.0.lock();
        Epoch {
            current: state.ended + 1,
            newest_seen: state.live.last_key_value().map(|(epoch, _)| *epoch),
            oldest_seen: state.live.first_key_value().map(|(epoch, _)| *epoch),
        }
    }

    /// Ends the present epoch and keeps what it shows until the guard is dropped.
    pub(in crate::storage) fn keep(self: &Arc<Self>) -> EpochGuard {
        let mut state = self.0.lock();
        state.ended += 1;
        let epoch = state.ended;
        *state.live.entry(epoch).or_default() += 1;
        EpochGuard { epochs: self.clone(), epoch }
    }
}

/// Keeps the pages of one epoch.
#[derive(Debug)]
pub(in crate::storage) struct EpochGuard {
    epochs: Arc<Epochs>,
    epoch: u64,
}

impl Drop for EpochGuard {
    fn drop(&mut self) {
        let mut state = self.epochs.0.lock();
        if let Some(count) = state.live.get_mut(&self.epoch) {
            *count -= 1;
            if *count == 0 {
                state.live.remove(&self.epoch);
            }
        }
    }
}
