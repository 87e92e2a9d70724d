//! Who answers the core's own messages behind a listener.
//!
//! Left out: the answers.

use std::fmt::Debug;
use std::sync::Arc;

use bytes::Bytes;
use psdb::Address;
use psdb::transport::{BoxFuture, Hello, Message, NodeEntry};

/// Why a message was not looked at.
pub(crate) type Refusal = String;

/// A node, or a process that is a whole cluster.
pub(crate) trait Target: Debug + Send + Sync + 'static {
    /// What this side says of itself.
    fn hello(&self) -> Hello;

    /// Every node that is known here.
    fn nodes(&self) -> Vec<NodeEntry>;

    /// The peer addresses for which messages are taken here.
    fn answering(&self) -> Vec<Address>;

    /// Another node has introduced itself.
    fn introduced(&self, node: NodeEntry);

    /// Begins to answer a message for the node at `to`; the future goes on in a task of its own.
    fn handle(
        self: Arc<Self>,
        to: &Address,
        message: Message,
    ) -> Result<BoxFuture<'static, Result<Bytes, String>>, Refusal>;
}
