//! The client: one type for a database in this process, in a test cluster or far away.
//!
//! ```text
//! Client ── Database<T> ── write one    router ─► the shard of the document's id
//!                       ├─ find, count  router ─► every shard of the database ─► Cursor merges
//!                       ├─ group        router ─► every shard of the database ─► GroupCursor joins
//!                       └─ write many   router ─► every shard selects, then is written to
//!        ── Lock ── acquire, renew, release        ─► the masters
//! ```
//! A client finds leaders, follows hints, retries within its time limit under one request id, and
//! keeps copies of the shard map and of the databases it has used.
//!
//! Invariant: an error of a write says whether it was applied ([`crate::Error::outcome`]).
//!
//! Left out: networks. A client is given a [`Transport`].

mod admin;
mod change_many;
mod cursor;
mod database;
mod document;
mod explain;
mod find;
mod group;
mod handle;
mod indexes;
mod lock;
mod map_cache;
mod named;
mod page_token;
mod paging;
mod router;
mod scatter;
mod session;
mod stale;
mod write;

use std::sync::Arc;
use std::time::Duration;

use crate::env::Env;
use crate::transport::Transport;
use crate::types::Address;
use router::Router;

pub use admin::{CreateDatabase, DatabaseSummary};
pub use change_many::{DeletedMany, UpdatedMany};
pub use cursor::{Cursor, SelectedCursor};
pub use database::{Count, Database};
pub use document::{Document, FromDocument};
pub use find::{Find, Select};
pub use group::{Group, GroupBy, GroupCursor};
pub use indexes::{CreateIndex, IndexInfo};
pub use lock::{Lock, LockGuard};
pub use named::NamedRequest;
pub use paging::{FindPage, ResultPage};
pub use stale::{Stale, StaleReads};
pub use write::{Inserted, Updated, WriteOne};

/// How a client behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientOptions {
    /// How long a request may take, retries included; 30 s.
    pub timeout: Duration,
    /// How many operations one write to a shard carries at most; 1,000.
    pub batch_operations: usize,
    /// How many bytes of documents it carries, unless one is larger; 4 MiB.
    pub batch_bytes: usize,
}

impl Default for ClientOptions {
    fn default() -> Self {
        ClientOptions {
            timeout: Duration::from_secs(30),
            batch_operations: 1_000,
            batch_bytes: 4 << 20,
        }
    }
}

/// A client of a PSDB, wherever that is. Cheap to clone; clones share caches and session.
#[derive(Clone)]
pub struct Client {
    router: Arc<Router>,
    timeout: Duration,
    named: Option<NamedRequest>,
}

impl Client {
    /// A client that reaches nodes through `transport` and finds the rest through `masters`.
    ///
    /// Nothing is sent until something is asked.
    pub fn new(
        env: Env,
        transport: Arc<dyn Transport>,
        masters: Vec<Address>,
        options: ClientOptions,
    ) -> Client {
        let router = Router::new(env, transport, masters, options);
        Client { router: Arc::new(router), timeout: options.timeout, named: None }
    }

    /// The same client with another time limit for each request, retries included.
    pub fn with_timeout(&self, timeout: Duration) -> Client {
        Client { router: self.router.clone(), timeout, named: self.named }
    }

    /// The same client for one write, which is sent under the caller's own name for it.
    ///
    /// Writes of a client are applied once however often it retries. This extends that to callers
    /// that retry by themselves, perhaps through another client: under the same name, the same
    /// write is applied once and answered as at first. Documents without an `_id` have to be
    /// given the same one each time.
    pub fn named(&self, request: NamedRequest) -> Client {
        Client { router: self.router.clone(), timeout: self.timeout, named: Some(request) }
    }

    /// The database called `name`, which need not exist yet; nothing is sent.
    pub fn database(&self, name: &str) -> Database {
        Database::new(self.router.clone(), self.timeout, self.named, name)
    }
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}
