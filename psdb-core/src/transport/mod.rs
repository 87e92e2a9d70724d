//! How nodes and clients reach each other: one request, one reply.
//!
//! A [`Transport`] carries opaque bytes, so an implementation over any network needs to know
//! nothing of databases or Raft. The receiving half is a [`Handler`]. Whatever is large is cut by
//! the layers above: query results travel as pages pulled through a cursor, snapshots as chunks
//! that are acknowledged one by one, so a slow receiver slows its sender and nothing else.
//!
//! - `message`: the envelope and the requests and replies of masters and shards.
//! - `redirect`: finds a group's leader among its replicas and follows its hints.
//! - `in_process`: a network inside one process.
//! - `lane`: what is said in one moment, carried together.
//! - `fault`: seeded loss, delay, duplication and partitions for that network.
//!
//! Invariants:
//! 1. [`TransportError::NotSent`] is said only where the receiver certainly never saw the message;
//!    every other failure leaves the outcome unknown.
//! 2. A call ends within its message's `timeout`, whatever the network does.
//!
//! Left out: real networks, which the package `psdb` brings.

mod fault;
pub mod in_process;
mod lane;
pub mod message;
pub mod redirect;

use std::fmt::Debug;
use std::future::Future;
use std::pin::Pin;
use std::time::Duration;

use bytes::Bytes;

use crate::types::{Address, GroupId};

/// A future that owns its trait object, as object-safe async traits need it.
pub type BoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Which part of a node a message is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Service {
    /// The Raft engine of `group`.
    Raft,
    /// The masters: databases, workers, the shard map.
    Master,
    /// The shard replicated by `group`: documents and queries.
    Shard,
}

/// One request on its way.
#[derive(Clone, Debug)]
pub struct Message {
    /// Which part of the receiving node it is for.
    pub service: Service,
    /// Which Raft group it concerns; [`GroupId::METADATA`] for the masters.
    pub group: GroupId,
    /// How long the sender waits for the reply.
    pub timeout: Duration,
    /// The encoded request: see [`message`] for masters and shards.
    pub body: Bytes,
}

/// Why no reply came.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TransportError {
    /// The message certainly did not reach its receiver. Try again, or another node.
    #[error("could not send to {to}: {reason}")]
    NotSent {
        /// Whom it was for.
        to: Address,
        /// Why.
        reason: String,
    },
    /// No reply came; the receiver may have seen the message.
    #[error("no reply from {to}: {reason}")]
    NoReply {
        /// Whom it was for.
        to: Address,
        /// Why.
        reason: String,
    },
}

/// The sending half: reaches any node by its address.
pub trait Transport: Debug + Send + Sync + 'static {
    /// Sends `message` to the node at `to` and waits for its reply, at most `message.timeout`.
    ///
    /// # Errors
    ///
    /// [`TransportError`]; only `NotSent` says that the receiver never saw the message.
    fn call(&self, to: &Address, message: Message) -> BoxFuture<'_, Result<Bytes, TransportError>>;
}

/// The receiving half: what a node does with a message.
pub trait Handler: Send + Sync + 'static {
    /// Answers one message. Every failure is part of the encoded reply.
    fn handle(&self, message: Message) -> BoxFuture<'_, Bytes>;
}
