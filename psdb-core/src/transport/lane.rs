//! What one node says to another in one moment, carried together.
//!
//! ```text
//! a, b, c for the same node ─► lane ─► one bundle ─► the receiver answers each by itself
//! ```
//! Whoever comes first opens a bundle and sends it off as soon as all others that are ready to run
//! have had their turn; they put theirs in. Nothing waits for time to pass, so a lonely message is not
//! held up. In an idle cluster all heartbeats between two nodes are one bundle.
//!
//! Invariant: a bundle is taken whole, once.
//!
//! Left out: what happens to bundles on their way (`in_process`).

use std::collections::BTreeMap;

use parking_lot::Mutex;

use crate::types::Address;

/// The open bundles, by sender and receiver.
pub(super) struct Lanes<T> {
    open: Mutex<BTreeMap<(Address, Address), Vec<T>>>,
}

impl<T> Default for Lanes<T> {
    fn default() -> Self {
        Lanes { open: Mutex::default() }
    }
}

impl<T> Lanes<T> {
    /// Puts `item` into the open bundle; whether it is the first, so that the caller has to send the
    /// bundle off.
    pub(super) fn put(&self, from: &Address, to: &Address, item: T) -> bool {
        let mut open = self.open.lock();
        let bundle = open.entry((from.clone(), to.clone())).or_default();
        bundle.push(item);
        bundle.len() == 1
    }

    /// Closes the open bundle and takes it.
    pub(super) fn take(&self, from: &Address, to: &Address) -> Vec<T> {
        self.open.lock().remove(&(from.clone(), to.clone())).unwrap_or_default()
    }
}
