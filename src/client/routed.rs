//! A client's way to a node: from the address the core knows to the one clients may use.
//!
//! The books of all reachable nodes are copied at the start, and again when a node is not in the
//! copy or cannot be reached under what the copy says (it may have moved), but not more often than
//! every [`REFRESH_EVERY`].
//!
//! Invariants:
//! 1. A message goes only to the node whose peer address it bears: the receiver refuses others,
//!    which counts as not sent.
//! 2. A node that answered under a seed is reached under that seed, even if it advertises another
//!    address that may not be reachable from here.
//!
//! 3. After a copy the client knows whom the nodes that were reached know, and nobody else: who was
//!    removed is forgotten.
//!
//! Left out: choosing among replicas, which is the core's.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::join_all;
use parking_lot::Mutex;
use psdb_core::Address;
use psdb_core::env::{Env, Instant};
use psdb_core::transport::{BoxFuture, Message, Transport, TransportError};

use crate::proto::internal as proto;
use crate::transport::{Acquaintance, AddressBook, Dialer, Hello, Lanes, NodeEntry};
use crate::wire::node_entry;

/// How often the books are copied at most.
const REFRESH_EVERY: Duration = Duration::from_millis(200);
/// The pause between two rounds of asking the seeds.
const SEED_PAUSE: Duration = Duration::from_millis(100);

/// Whom this client has met, and where.
#[derive(Debug, Default)]
struct Known {
    book: AddressBook,
}

impl Acquaintance for Known {
    fn node(&self) -> Option<NodeEntry> {
        None
    }

    fn cluster(&self) -> Option<u64> {
        None
    }

    fn met(&self, hello: &Hello) {
        self.book.learn(hello.node.clone());
        self.book.learn_masters(hello.masters.iter().cloned());
    }
}

/// The peer addresses in a book that was copied.
struct Copied {
    nodes: Vec<Address>,
    masters: Vec<Address>,
}

/// A transport that translates peer addresses into client addresses.
pub(super) struct Routed {
    env: Env,
    seeds: Vec<Address>,
    known: Arc<Known>,
    dialer: Dialer,
    /// Peer addresses of the nodes that answered under a seed.
    by_seed: Mutex<BTreeMap<Address, Address>>,
    failures: Mutex<BTreeMap<Address, String>>,
    refreshed: tokio::sync::Mutex<Option<Instant>>,
}

impl Routed {
    pub(super) fn new(env: Env, seeds: Vec<Address>) -> Routed {
        let known = Arc::new(Known::default());
        let dialer = Dialer::new(env.clone(), known.clone(), Lanes::One);
        Routed {
            env,
            seeds,
            known,
            dialer,
            by_seed: Mutex::default(),
            failures: Mutex::default(),
            refreshed: tokio::sync::Mutex::default(),
        }
    }

    /// Asks the seeds until one of them knows masters.
    pub(super) async fn find_masters(&self) -> Vec<Address> {
        loop {
            self.refresh().await;
            let masters = self.known.book.masters();
            if !masters.is_empty() {
                return masters;
            }
            self.env.sleep(SEED_PAUSE).await;
        }
    }

    /// What each seed failed with, in words.
    pub(super) fn why_not(&self) -> String {
        let failures = self.failures.lock();
        let said = |seed: &Address| {
            let reason = failures.get(seed).map_or("it does not answer", String::as_str);
            format!("{seed}: {reason}")
        };
        self.seeds.iter().map(said).collect::<Vec<_>>().join("; ")
    }

    /// Copies the books of every node that can be reached.
    async fn refresh(&self) {
        let mut refreshed = self.refreshed.lock().await;
        let now = self.env.instant();
        if refreshed.is_some_and(|at| now.elapsed_since(at) < REFRESH_EVERY) {
            return;
        }
        let mut addresses: BTreeSet<Address> = self.seeds.iter().cloned().collect();
        addresses.extend(self.known.book.nodes().into_iter().map(|node| node.client));
        let copied = join_all(addresses.iter().map(|address| self.copy_book(address))).await;
        let (mut nodes, mut masters) = (BTreeSet::new(), BTreeSet::new());
        for copied in copied.into_iter().flatten() {
            nodes.extend(copied.nodes);
            masters.extend(copied.masters);
        }
        if !nodes.is_empty() && !masters.is_empty() {
            self.known.book.keep(&nodes, &masters);
        }
        *refreshed = Some(self.env.instant());
    }

    async fn copy_book(&self, address: &Address) -> Option<Copied> {
        let listed = async {
            let connection = self.dialer.connection(address).await.map_err(|r| r.to_string())?;
            connection.list_nodes().await
        };
        match listed.await {
            Ok(listed) => {
                self.failures.lock().remove(address);
                Some(self.read_book(address, listed))
            }
            Err(reason) => {
                self.by_seed.lock().retain(|_, seed| seed != address);
                self.failures.lock().insert(address.clone(), reason);
                None
            }
        }
    }

    fn read_book(&self, address: &Address, listed: proto::ListNodesResponse) -> Copied {
        if self.seeds.contains(address) && !listed.answering.is_empty() {
            let mut by_seed = self.by_seed.lock();
            by_seed.retain(|_, seed| seed != address);
            for peer in &listed.answering {
                by_seed.insert(Address::from(peer.as_str()), address.clone());
            }
        }
        let masters: Vec<Address> = listed.masters.into_iter().map(Address::from).collect();
        self.known.book.learn_masters(masters.iter().cloned());
        let mut nodes = Vec::with_capacity(listed.nodes.len());
        for node in listed.nodes {
            nodes.push(Address::from(node.peer_address.as_str()));
            match node_entry::from_proto(node) {
                Ok(entry) => self.known.book.learn(entry),
                Err(reason) => tracing::warn!(%address, reason, "a book has a wrong entry"),
            }
        }
        Copied { nodes, masters }
    }

    /// Where clients reach the node at `peer`, as far as is known.
    fn address_of(&self, peer: &Address) -> Option<Address> {
        let seed = self.by_seed.lock().get(peer).cloned();
        seed.or_else(|| self.known.book.entry(peer).map(|node| node.client))
    }

    /// Sends a message; once more if it was not sent and its receiver has moved.
    ///
    /// Each step keeps to the message's time by itself, so that one who was never reached within
    /// it counts as not sent.
    async fn exchange(&self, to: &Address, message: Message) -> Result<Bytes, TransportError> {
        let begin = self.env.instant();
        let known = self.address_of(to);
        let failed = match &known {
            Some(address) => {
                let called = self.dialer.call_over(address, to, message.clone()).await;
                let Err(TransportError::NotSent { .. }) = called else { return called };
                called
            }
            None => Err(TransportError::NotSent {
                to: to.clone(),
                reason: "no node that can be reached knows where it serves clients".into(),
            }),
        };
        let left = || message.timeout.saturating_sub(self.env.instant().elapsed_since(begin));
        let _too_late = self.env.timeout(left(), self.refresh()).await;
        let now = self.address_of(to).filter(|now| Some(now) != known.as_ref());
        match now {
            Some(now) if !left().is_zero() => {
                let message = Message { timeout: left(), ..message.clone() };
                self.dialer.call_over(&now, to, message).await
            }
            _ => failed,
        }
    }
}

impl Transport for Routed {
    fn call(&self, to: &Address, message: Message) -> BoxFuture<'_, Result<Bytes, TransportError>> {
        let to = to.clone();
        Box::pin(async move { self.exchange(&to, message).await })
    }
}

impl fmt::Debug for Routed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Routed").field("seeds", &self.seeds).finish_non_exhaustive()
    }
}
