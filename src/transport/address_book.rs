//! Which nodes there are, and the two addresses of each.
//!
//! The core knows a node by its *peer address*, where other nodes reach it; the shard map and the
//! hints of replicas speak of no other. Clients come in by another door. The book translates: every
//! node writes down whom it has shaken hands with, and clients copy the books of the nodes.
//!
//! Invariant: of two entries for one peer address the one of the higher incarnation stays.
//!
//! Left out: forgetting nodes. A cluster has few, and a dead one may come back.

use std::collections::{BTreeMap, BTreeSet};

use parking_lot::Mutex;
use psdb_core::Address;
use psdb_core::cluster::NodeRole;

/// A node and its two addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeEntry {
    /// Its name, unique in the cluster.
    pub name: String,
    /// What it does.
    pub role: NodeRole,
    /// Where nodes reach it.
    pub peer: Address,
    /// Where clients reach it.
    pub client: Address,
    /// Grows with every start of the node.
    pub incarnation: u64,
}

/// The nodes somebody knows.
#[derive(Debug, Default)]
pub struct AddressBook {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    nodes: BTreeMap<Address, NodeEntry>,
    masters: BTreeSet<Address>,
}

impl AddressBook {
    /// Writes down a node, unless a newer entry is there.
    pub fn learn(&self, entry: NodeEntry) {
        let mut state = self.state.lock();
        if matches!(entry.role, NodeRole::Master | NodeRole::Both) {
            state.masters.insert(entry.peer.clone());
        }
        let known = state.nodes.get(&entry.peer);
        if known.is_none_or(|known| known.incarnation <= entry.incarnation) {
            state.nodes.insert(entry.peer.clone(), entry);
        }
    }

    /// Writes down where masters are, whether or not they have been met.
    pub fn learn_masters(&self, masters: impl IntoIterator<Item = Address>) {
        self.state.lock().masters.extend(masters);
    }

    /// The node that others reach at `peer`.
    pub fn entry(&self, peer: &Address) -> Option<NodeEntry> {
        self.state.lock().nodes.get(peer).cloned()
    }

    /// Every node, by peer address.
    pub fn nodes(&self) -> Vec<NodeEntry> {
        self.state.lock().nodes.values().cloned().collect()
    }

    /// The peer addresses of the masters.
    pub fn masters(&self) -> Vec<Address> {
        self.state.lock().masters.iter().cloned().collect()
    }
}

#[cfg(test)]
mod tests {
    //! Proves that news replaces what is old, and never the other way round.

    use super::*;

    fn entry(client: &str, incarnation: u64) -> NodeEntry {
        NodeEntry {
            name: "m1".into(),
            role: NodeRole::Master,
            peer: "h:1".into(),
            client: client.into(),
            incarnation,
        }
    }

    #[test]
    fn a_later_start_wins_whatever_order_it_is_heard_in() {
        let book = AddressBook::default();
        book.learn(entry("h:20", 2));
        book.learn(entry("h:10", 1));
        assert_eq!(book.entry(&"h:1".into()).map(|e| e.client), Some("h:20".into()));
        book.learn(entry("h:30", 3));
        assert_eq!(book.entry(&"h:1".into()).map(|e| e.client), Some("h:30".into()));
        assert_eq!(book.masters(), ["h:1".into()]);
    }
}
