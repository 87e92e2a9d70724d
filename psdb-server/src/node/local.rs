//! The node as its connections know it: who it is, whom it has met, what it answers.
//!
//! Left out: carrying messages (`serve`, and `psdb::transport` for the way out).

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use psdb::Address;
use psdb::cluster::NodeHandler;
use psdb::storage::Directory;
use psdb::transport::{
    Acquaintance, AddressBook, BoxFuture, Handler as _, Hello, Message, NodeEntry,
};

use crate::serve::{Refusal, Target};

/// This node.
#[derive(Debug)]
pub(crate) struct Local {
    entry: NodeEntry,
    directory: Directory,
    book: AddressBook,
    handler: OnceLock<Running>,
}

struct Running(Arc<NodeHandler>);

impl std::fmt::Debug for Running {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Running")
    }
}

impl Local {
    pub(super) fn new(entry: NodeEntry, directory: Directory, masters: &[Address]) -> Local {
        let book = AddressBook::default();
        book.learn(entry.clone());
        book.learn_masters(masters.iter().cloned());
        Local { entry, directory, book, handler: OnceLock::new() }
    }

    pub(crate) fn entry(&self) -> &NodeEntry {
        &self.entry
    }

    pub(super) fn directory(&self) -> &Directory {
        &self.directory
    }

    /// Hears who is in the cluster now.
    pub(super) fn follow(&self, members: BTreeSet<Address>) {
        self.book.follow(members);
    }

    /// From now on messages are answered by `handler`.
    pub(super) fn serve(&self, handler: Arc<NodeHandler>) {
        // Called once, by whoever started the role.
        let _first = self.handler.set(Running(handler));
    }
}

impl Acquaintance for Local {
    fn node(&self) -> Option<NodeEntry> {
        Some(self.entry.clone())
    }

    fn cluster(&self) -> Option<u64> {
        self.directory.identity().cluster
    }

    fn met(&self, hello: &Hello) {
        self.book.learn(hello.node.clone());
        self.book.learn_masters(hello.masters.iter().cloned());
    }
}

impl Target for Local {
    fn hello(&self) -> Hello {
        let (node, cluster) = (self.entry.clone(), self.cluster());
        Hello { node, cluster, masters: self.book.masters() }
    }

    fn nodes(&self) -> Vec<NodeEntry> {
        self.book.nodes()
    }

    fn answering(&self) -> Vec<Address> {
        vec![self.entry.peer.clone()]
    }

    fn introduced(&self, node: NodeEntry) {
        self.book.learn(node);
    }

    fn handle(
        self: Arc<Self>,
        to: &Address,
        message: Message,
    ) -> Result<BoxFuture<'static, Result<bytes::Bytes, String>>, Refusal> {
        if *to != self.entry.peer {
            return Err(format!("this is node '{}' at {}", self.entry.name, self.entry.peer));
        }
        let Some(Running(handler)) = self.handler.get() else {
            return Err(format!("node '{}' is starting", self.entry.name));
        };
        let handler = handler.clone();
        Ok(Box::pin(async move { Ok(handler.handle(message).await) }))
    }
}
