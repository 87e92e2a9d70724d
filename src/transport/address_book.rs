//! Which nodes there are, and the two addresses of each.
//!
//! The core knows a node by its *peer address*, where other nodes reach it; the shard map and the
//! hints of replicas speak of no other. Clients come in by another door. The book translates: every
//! node writes down whom it has shaken hands with, and clients copy the books of the nodes.
//!
//! A node that was a member of the cluster and is none any more was removed, and is forgotten; one that
//! is only dead stays, since it may come back.
//!
//! Invariants:
//! 1. Of two entries for one peer address the one of the higher incarnation stays.
//! 2. A master that was removed comes back only as a member, not by what others say of it.
//!
//! Left out: who is a member, which the masters know.

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
    /// The members of the cluster, as last heard.
    members: BTreeSet<Address>,
    /// Those who were members once.
    removed: BTreeSet<Address>,
}

impl AddressBook {
    /// Writes down a node, unless a newer entry is there.
    pub fn learn(&self, entry: NodeEntry) {
        let mut state = self.state.lock();
        let is_master = matches!(entry.role, NodeRole::Master | NodeRole::Both);
        if is_master && !state.removed.contains(&entry.peer) {
            state.masters.insert(entry.peer.clone());
        }
        let known = state.nodes.get(&entry.peer);
        if known.is_none_or(|known| known.incarnation <= entry.incarnation) {
            state.nodes.insert(entry.peer.clone(), entry);
        }
    }

    /// Writes down where masters are, whether or not they have been met.
    pub fn learn_masters(&self, masters: impl IntoIterator<Item = Address>) {
        let mut state = self.state.lock();
        for master in masters {
            if !state.removed.contains(&master) {
                state.masters.insert(master);
            }
        }
    }

    /// Hears who is in the cluster now, by peer address, and forgets who was and is not.
    pub fn follow(&self, members: BTreeSet<Address>) {
        let mut state = self.state.lock();
        let gone: Vec<Address> = state.members.difference(&members).cloned().collect();
        for gone in gone {
            state.nodes.remove(&gone);
            state.masters.remove(&gone);
            state.removed.insert(gone);
        }
        state.removed.retain(|address| !members.contains(address));
        state.members = members;
    }

    /// Keeps only who is mentioned.
    pub fn keep(&self, nodes: &BTreeSet<Address>, masters: &BTreeSet<Address>) {
        let mut state = self.state.lock();
        state.nodes.retain(|peer, _| nodes.contains(peer));
        state.masters.retain(|master| masters.contains(master));
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

    #[test]
    fn who_was_removed_is_forgotten_and_who_was_never_a_member_is_not() {
        let book = AddressBook::default();
        let named = |peer: &str| NodeEntry { peer: peer.into(), ..entry("h:10", 1) };
        let (one, two, waits) = (Address::from("h:1"), Address::from("h:2"), Address::from("h:3"));
        for peer in ["h:1", "h:2", "h:3"] {
            book.learn(named(peer));
        }
        book.follow([one.clone(), two.clone()].into());
        assert_eq!(book.nodes().len(), 3, "one waits to be added");
        book.follow([one.clone()].into());
        assert_eq!(book.entry(&two), None);
        assert_eq!(book.masters(), [one.clone(), waits.clone()]);
        // Others may not have heard of it yet.
        book.learn_masters([two.clone()]);
        assert_eq!(book.masters(), [one.clone(), waits]);
        book.follow([one.clone(), two.clone()].into());
        book.learn(named("h:2"));
        assert!(book.masters().contains(&two), "it is a member again");
        book.keep(&[one.clone()].into(), &[one.clone()].into());
        assert_eq!((book.nodes().len(), book.masters()), (1, vec![one]));
    }
}
