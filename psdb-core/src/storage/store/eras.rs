//! Eras: which states of a store are still looked at.
//!
//! Time is cut by snapshots: what the writer does between two of them happens in one era. A
//! page made in era `b` and freed in era `f` is seen by the snapshots of the eras from `b`
//! to `f - 1`.
//!
//! Left out: what a snapshot shows (`snapshot`).

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;

/// The eras of one store.
#[derive(Debug, Default)]
pub(in crate::storage) struct Eras(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// The number of eras that have ended.
    ended: u64,
    /// How many snapshots there are of each era.
    live: BTreeMap<u64, usize>,
}

/// The era the writer is in, and those that are looked at.
#[derive(Clone, Copy, Debug)]
pub(in crate::storage) struct Era {
    pub(in crate::storage) current: u64,
    pub(in crate::storage) newest_seen: Option<u64>,
    pub(in crate::storage) oldest_seen: Option<u64>,
}

impl Eras {
    /// The present era.
    pub(in crate::storage) fn now(&self) -> Era {
        let state = self.0.lock();
        Era {
            current: state.ended + 1,
            newest_seen: state.live.last_key_value().map(|(era, _)| *era),
            oldest_seen: state.live.first_key_value().map(|(era, _)| *era),
        }
    }

    /// Ends the present era and keeps what it shows until the guard is dropped.
    pub(in crate::storage) fn keep(self: &Arc<Self>) -> EraGuard {
        let mut state = self.0.lock();
        state.ended += 1;
        let era = state.ended;
        *state.live.entry(era).or_default() += 1;
        EraGuard { eras: self.clone(), era }
    }
}

/// Keeps the pages of one era.
#[derive(Debug)]
pub(in crate::storage) struct EraGuard {
    eras: Arc<Eras>,
    era: u64,
}

impl Drop for EraGuard {
    fn drop(&mut self) {
        let mut state = self.eras.0.lock();
        if let Some(count) = state.live.get_mut(&self.era) {
            *count -= 1;
            if *count == 0 {
                state.live.remove(&self.era);
            }
        }
    }
}
