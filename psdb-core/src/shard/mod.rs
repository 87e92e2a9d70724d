//! The replicated state of one shard: its slice of every database that lives there.
//!
//! ```text
//! Command ──▶ Shard::apply ──▶ Response        Shard::database(id) ──▶ DatabaseView
//!               │ Open, Clear, Close, Write      an O(1) snapshot: a query's Source,
//!               ▼                                reads by id, sizes
//!             databases: id ─▶ Database { documents, one tree per index, totals, digest }
//!             closed:    ids that are over for ever
//! ```
//!
//! Everything lives in copy-on-write trees. A clone shares them, so a reader, a query that goes
//! through many pages, and the writer of a Raft snapshot each hold the state of one moment, while
//! `apply` copies only those nodes that somebody else still sees.
//!
//! - `command`: the commands and their answers.
//! - `database`: one database: its documents, its indexes and the totals over them.
//! - `write`: what a write operation does to a document, and when it is refused.
//! - `index`: one secondary index.
//! - `closed`: the ids that are never opened again, in bounded memory.
//! - `digest`, `size`: the hash of a document, and its size as the limit counts it.
//! - `view`: reading.
//! - `snapshot`: the state as bytes.
//!
//! Invariants:
//! 1. Every index holds exactly one entry for every document of its database, and no other.
//! 2. Totals and digest of a database are those of its documents.
//! 3. A database that was closed here is never open here again, so a command that was delayed for
//!    however long cannot bring back, or write to, what its users have deleted.
//! 4. A refused command or operation changes nothing.
//!
//! Left out: lambdas, which never run under `apply`; building an index on a database that has
//! documents already; sessions, which `raft` adds around the state.

mod closed;
mod command;
mod database;
mod digest;
mod index;
mod size;
mod snapshot;
mod view;
mod write;

#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod script_tests;
#[cfg(test)]
mod snapshot_tests;

use std::io::{Read, Write};
use std::sync::Arc;

use crate::raft::{Position, StateError, StateMachine};
use crate::storage::BPlusTree;
use crate::transport::message::{IndexDefinition, ShardStats, WriteOp};
use crate::types::{DatabaseId, Error, Result};

use closed::ClosedIds;
use database::Database;

pub use command::{Command, Response};
pub use size::{body_size, check_body_size};
pub use view::DatabaseView;

/// The replicated state of one shard. A clone is a snapshot and costs O(1).
#[derive(Clone, Default)]
pub struct Shard {
    databases: BPlusTree<DatabaseId, Arc<Database>>,
    closed: ClosedIds,
}

impl Shard {
    /// A snapshot of one database.
    ///
    /// # Errors
    ///
    /// [`Error::DatabaseGone`] if it is not open here.
    pub fn database(&self, id: DatabaseId) -> Result<DatabaseView> {
        let database = self.databases.get(&id).ok_or(Error::DatabaseGone { database: id })?;
        Ok(DatabaseView::new(id, Arc::clone(database)))
    }

    /// The size of one database.
    ///
    /// # Errors
    ///
    /// [`Error::DatabaseGone`] if it is not open here.
    pub fn stats(&self, id: DatabaseId) -> Result<ShardStats> {
        let database = self.databases.get(&id).ok_or(Error::DatabaseGone { database: id })?;
        Ok(database.stats())
    }

    /// The ids of the databases that are open here, in order.
    pub fn databases(&self) -> impl Iterator<Item = DatabaseId> {
        self.databases.iter().map(|(id, _)| *id)
    }

    /// The size of all databases together.
    pub fn totals(&self) -> ShardStats {
        self.databases.iter().fold(ShardStats::default(), |sum, (_, database)| {
            let stats = database.stats();
            ShardStats {
                documents: sum.documents + stats.documents,
                bytes: sum.bytes + stats.bytes,
            }
        })
    }

    /// A number that is equal on two replicas that have applied the same commands.
    ///
    /// It covers all that a snapshot holds: of each database its id, its indexes' definitions, its
    /// last clearing, its totals and the digest of its documents, and the closed ids. The digest
    /// is kept up to date by every write, so this costs nothing per document. `shard/digest.rs`
    /// specifies the function. The hash finds replicas that have gone apart by mistake; it does
    /// not resist somebody who looks for collisions.
    pub fn hash(&self) -> u64 {
        let mut hasher = digest::Hasher::default();
        hasher.number(self.databases.len() as u64);
        for (id, database) in &self.databases {
            hasher.number(id.0);
            database.hash_into(&mut hasher);
        }
        self.closed.hash_into(&mut hasher);
        hasher.finish()
    }

    /// Walks over everything and checks this module's invariants; for tests and after a restore.
    ///
    /// # Errors
    ///
    /// A description of the first invariant that does not hold.
    pub fn check_invariants(&self) -> std::result::Result<(), String> {
        self.databases.check_invariants()?;
        for (id, database) in &self.databases {
            if self.closed.remembers(*id) {
                return Err(format!("database {id} is both open and closed"));
            }
            database.check_invariants().map_err(|reason| format!("database {id}: {reason}"))?;
        }
        self.closed.check_invariants()
    }

    fn open(&mut self, id: DatabaseId, indexes: Vec<IndexDefinition>) -> Response {
        if let Some(database) = self.databases.get(&id) {
            return if database.definitions().eq(&indexes) {
                Response::Changed { removed: 0 }
            } else {
                let reason = format!("database {id} is open with other indexes already");
                Response::Refused(Error::InvalidRequest { reason })
            };
        }
        if self.closed.contains(id) {
            return Response::Refused(Error::DatabaseGone { database: id });
        }
        match Database::new(indexes) {
            Ok(database) => {
                self.databases.insert(id, Arc::new(database));
                Response::Changed { removed: 0 }
            }
            Err(error) => Response::Refused(error),
        }
    }

    fn close(&mut self, id: DatabaseId) -> Response {
        let removed = self.databases.remove(&id).map_or(0, |database| database.stats().documents);
        self.closed.insert(id);
        Response::Changed { removed }
    }

    fn clear(&mut self, id: DatabaseId, token: u64) -> Result<Response, StateError> {
        self.change(id, |database| Ok(Response::Changed { removed: database.clear(token) }))
    }

    fn write(
        &mut self,
        position: Position,
        id: DatabaseId,
        operations: Vec<WriteOp>,
    ) -> Result<Response, StateError> {
        self.change(id, |database| {
            let results = operations.into_iter().map(|op| database.write(position.time, op));
            Ok(Response::Written(results.collect::<Result<_, StateError>>()?))
        })
    }

    /// Changes an open database in place, or refuses one that is not open.
    ///
    /// It is taken out of the tree meanwhile: with the tree's own reference beside this one, every
    /// write would look as if a snapshot were being held, and copy.
    fn change(
        &mut self,
        id: DatabaseId,
        act: impl FnOnce(&mut Database) -> Result<Response, StateError>,
    ) -> Result<Response, StateError> {
        let Some(mut database) = self.databases.remove(&id) else {
            return Ok(Response::Refused(Error::DatabaseGone { database: id }));
        };
        let response = act(Arc::make_mut(&mut database));
        self.databases.insert(id, database);
        response
    }
}

impl StateMachine for Shard {
    type Command = Command;
    type Response = Response;

    fn grows(command: &Command) -> bool {
        command.grows()
    }

    fn apply(&mut self, position: Position, command: Command) -> Result<Response, StateError> {
        match command {
            Command::Open { database, indexes } => Ok(self.open(database, indexes)),
            Command::Clear { database, token } => self.clear(database, token),
            Command::Close { database } => Ok(self.close(database)),
            Command::Write { database, operations } => self.write(position, database, operations),
        }
    }

    fn save(&self, sink: &mut dyn Write) -> Result<(), StateError> {
        snapshot::save(self, sink)
    }

    fn load(source: &mut dyn Read) -> Result<Self, StateError> {
        snapshot::load(source)
    }
}
