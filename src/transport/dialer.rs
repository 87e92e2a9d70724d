//! The sending half of a node: finds the link for each message.
//!
//! Left out: where clients reach a node (`client`).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use parking_lot::Mutex;
use psdb_core::Address;
use psdb_core::env::Env;
use psdb_core::transport::{BoxFuture, Message, Service, Transport, TransportError};

use super::Connection;
use super::exchange::LARGE_BYTES;
use super::handshake::Acquaintance;
use super::link::Link;

/// How many connections a dialler keeps to one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lanes {
    /// One for everything, as a client does.
    One,
    /// One for what must never wait and one for the rest, as nodes do among themselves.
    Two,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Lane {
    Control,
    Data,
}

/// Reaches nodes over gRPC by their addresses.
pub struct Dialer {
    env: Env,
    own: Arc<dyn Acquaintance>,
    lanes: Lanes,
    links: Mutex<BTreeMap<(Address, Lane), Arc<Link>>>,
}

impl Dialer {
    /// A dialler that introduces itself as `own`. Nothing is dialled until something is sent.
    pub fn new(env: Env, own: Arc<dyn Acquaintance>, lanes: Lanes) -> Dialer {
        Dialer { env, own, lanes, links: Mutex::default() }
    }

    /// Sends `message` for the node at `to` over a connection to `address`.
    pub(crate) async fn call_over(
        &self,
        address: &Address,
        to: &Address,
        message: Message,
    ) -> Result<Bytes, TransportError> {
        self.link(address, self.lane(&message)).call(to, message).await
    }

    /// The connection to `address` for questions of the transport itself.
    pub(crate) async fn connection(&self, address: &Address) -> Result<Connection, Arc<str>> {
        self.link(address, Lane::Data).connection().await
    }

    fn lane(&self, message: &Message) -> Lane {
        let urgent = match message.service {
            Service::Raft | Service::Master => message.body.len() <= LARGE_BYTES,
            Service::Shard => false,
        };
        if urgent && self.lanes == Lanes::Two { Lane::Control } else { Lane::Data }
    }

    fn link(&self, address: &Address, lane: Lane) -> Arc<Link> {
        let mut links = self.links.lock();
        let expected = match self.lanes {
            Lanes::One => "",
            Lanes::Two => address.as_str(),
        };
        let link = links
            .entry((address.clone(), lane))
            .or_insert_with(|| Arc::new(Link::new(&self.env, &self.own, address, expected)));
        link.clone()
    }
}

impl Transport for Dialer {
    fn call(&self, to: &Address, message: Message) -> BoxFuture<'_, Result<Bytes, TransportError>> {
        let to = to.clone();
        Box::pin(async move { self.call_over(&to, &to, message).await })
    }
}

impl fmt::Debug for Dialer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let links: Vec<_> = self.links.lock().keys().cloned().collect();
        f.debug_struct("Dialer").field("links", &links).finish_non_exhaustive()
    }
}
