//! The replicated state of one shard: its slice of every database that lives there.
//!
//! ```text
//! Command ──▶ Shard::apply ──▶ Response        ShardView::database(id) ──▶ DatabaseView
//!               │ Open, Clear, Close, Write,     an O(1) snapshot: a query's Source,
//!               ▼ SetIndexes, FillIndex          reads by id, sizes
//!   in memory   databases: id ─▶ Database { indexes, totals, digest }, closed ids
//!   in trees    documents, one tree per database; entries, one tree per index
//! ```
//!
//! Documents lie in the trees of the group's page file, beyond memory (`storage::Store`). A reader,
//! a query that goes through many pages, and the sender of a snapshot each hold the state of one
//! moment, while `apply` copies only those pages that somebody else still sees.
//!
//! - `command`: the commands and their answers.
//! - `database`: one database: its documents, its indexes and the totals over them.
//! - `write`: what a write operation does to a document, and when it is refused.
//! - `index`: one secondary index. `indexes`: which there are, and building them. `entry_changes`:
//!   changes of their trees, made together.
//! - `closed`: the ids that are never opened again, in bounded memory.
//! - `digest`, `size`: the hash of a document, and its size as the limit counts it.
//! - `view`: reading.
//! - `stored`: what the trees are called and hold. `inspector`: checking those of other replicas.
//!
//! Invariants:
//! 1. Every index holds exactly the entries of the documents it covers: all, once it is built.
//! 2. Totals and digest of a database are those of its documents.
//! 3. A database that was closed here is never open here again, so a command that was delayed for
//!    however long cannot bring back, or write to, what its users have deleted.
//! 4. A refused command or operation changes nothing.
//!
//! Left out: lambdas, which never run under `apply`; sessions, which `raft` adds around the state.

mod closed;
mod command;
mod database;
mod digest;
mod entry_changes;
mod index;
mod indexes;
mod inspector;
mod size;
mod stored;
mod view;
mod write;

#[cfg(test)]
mod model_tests;
#[cfg(test)]
mod script_tests;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod transfer_tests;

use std::collections::BTreeSet;
use std::sync::Arc;

use crate::raft::{Position, StateError, StateMachine};
use crate::storage::{BPlusTree, Snapshot, Store};
use crate::transport::message::{IndexDefinition, IndexStatus, ShardStats, WriteOp};
use crate::types::{DatabaseId, Error, Result};

use closed::ClosedIds;
use database::Database;

pub use command::{Command, Response};
pub use inspector::ShardInspector;
pub use size::{body_size, check_body_size};
pub use stored::documents_tree;
pub use view::{DatabaseView, DocumentsOf, EntriesOf, ShardView};

/// The replicated state of one shard: what it keeps in memory beside its trees.
#[derive(Default)]
pub struct Shard {
    databases: BPlusTree<DatabaseId, Arc<Database>>,
    closed: ClosedIds,
    /// The databases that are not in the trees as they are here, gone ones included.
    changed: BTreeSet<DatabaseId>,
    /// Whether the closed ids are not in the trees as they are here.
    closed_changed: bool,
}

impl Shard {
    /// The size of one database.
    ///
    /// # Errors
    ///
    /// [`Error::DatabaseGone`] if it is not open here.
    pub fn stats(&self, id: DatabaseId) -> Result<ShardStats> {
        let database = self.databases.get(&id).ok_or(Error::DatabaseGone { database: id })?;
        Ok(database.stats())
    }

    /// How the indexes of one database stand, in the order of their definitions.
    ///
    /// # Errors
    ///
    /// [`Error::DatabaseGone`] if it is not open here.
    pub fn indexes(&self, id: DatabaseId) -> Result<Vec<IndexStatus>> {
        let database = self.databases.get(&id).ok_or(Error::DatabaseGone { database: id })?;
        Ok(database.index_statuses())
    }

    /// Whether a database has these indexes, or later ones.
    ///
    /// # Errors
    ///
    /// [`Error::DatabaseGone`] if it is not open here.
    pub fn has_indexes(
        &self,
        id: DatabaseId,
        version: u64,
        definitions: &[IndexDefinition],
    ) -> Result<bool> {
        let database = self.databases.get(&id).ok_or(Error::DatabaseGone { database: id })?;
        let same = version == database.indexes_version && database.definitions().eq(definitions);
        Ok(same || version < database.indexes_version)
    }

    /// The command that builds the next part, of about so many documents, of the first index that is
    /// not complete; `None` if all are.
    pub fn next_build(&self, max_documents: u32) -> Option<Command> {
        self.databases.iter().find_map(|(id, database)| {
            let (index, after) = database.index_to_build()?;
            Some(Command::FillIndex { database: *id, index, after, max_documents })
        })
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

    fn all(&self) -> impl Iterator<Item = (DatabaseId, &Database)> {
        self.databases.iter().map(|(id, database)| (*id, &**database))
    }

    fn open_database(&mut self, id: DatabaseId, indexes: Vec<IndexDefinition>) -> Response {
        if self.databases.contains_key(&id) {
            // Its indexes may have changed since; `SetIndexes` alone decides about those.
            return Response::Changed { removed: 0 };
        }
        if self.closed.contains(id) {
            return Response::Refused(Error::DatabaseGone { database: id });
        }
        match Database::new(id, indexes) {
            Ok(database) => {
                self.changed.insert(id);
                self.databases.insert(id, Arc::new(database));
                Response::Changed { removed: 0 }
            }
            Err(error) => Response::Refused(error),
        }
    }

    fn close(&mut self, trees: &mut Store, id: DatabaseId) -> Result<Response, StateError> {
        let mut removed = 0;
        if let Some(database) = self.databases.remove(&id) {
            removed = database.stats().documents;
            database.drop_trees(trees)?;
            self.changed.insert(id);
        }
        self.closed.insert(id);
        self.closed_changed = true;
        Ok(Response::Changed { removed })
    }

    fn clear(
        &mut self,
        trees: &mut Store,
        id: DatabaseId,
        token: u64,
    ) -> Result<Response, StateError> {
        self.change(id, |database| Ok(Response::Changed { removed: database.clear(trees, token)? }))
    }

    fn set_indexes(
        &mut self,
        trees: &mut Store,
        id: DatabaseId,
        version: u64,
        definitions: Vec<IndexDefinition>,
    ) -> Result<Response, StateError> {
        self.change(id, |database| {
            Ok(match database.set_indexes(trees, version, definitions)? {
                Ok(()) => Response::Changed { removed: 0 },
                Err(error) => Response::Refused(error),
            })
        })
    }

    fn write(
        &mut self,
        trees: &mut Store,
        position: Position,
        id: DatabaseId,
        operations: Vec<WriteOp>,
    ) -> Result<Response, StateError> {
        self.change(id, |database| {
            Ok(Response::Written(database.write(trees, position.time, operations)?))
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
        self.changed.insert(id);
        response
    }
}

impl StateMachine for Shard {
    type Command = Command;
    type Response = Response;
    type View = ShardView;
    type Inspector = ShardInspector;

    fn grows(command: &Command) -> bool {
        command.grows()
    }

    fn open(trees: &Snapshot) -> Result<Shard, StateError> {
        let mut shard = Shard { closed: stored::read_closed(trees)?, ..Shard::default() };
        for (id, database) in stored::read_databases(trees)? {
            if shard.closed.remembers(id) {
                return Err(stored::damaged(format!("database {id} is both open and closed")));
            }
            shard.databases.insert(id, Arc::new(database));
        }
        Ok(shard)
    }

    fn apply(
        &mut self,
        trees: &mut Store,
        position: Position,
        command: Command,
    ) -> Result<Response, StateError> {
        match command {
            Command::Open { database, indexes } => Ok(self.open_database(database, indexes)),
            Command::Clear { database, token } => self.clear(trees, database, token),
            Command::Close { database } => self.close(trees, database),
            Command::SetIndexes { database, version, definitions } => {
                self.set_indexes(trees, database, version, definitions)
            }
            Command::FillIndex { database, index, after, max_documents } => {
                self.change(database, |database| {
                    database.fill_index(trees, &index, after.as_ref(), max_documents)?;
                    Ok(Response::Changed { removed: 0 })
                })
            }
            Command::Write { database, operations } => {
                self.write(trees, position, database, operations)
            }
        }
    }

    fn flush(&mut self, trees: &mut Store) -> Result<(), StateError> {
        for id in std::mem::take(&mut self.changed) {
            let database = self.databases.get(&id);
            stored::write_database(trees, id, database.map(|database| &**database))?;
        }
        if std::mem::take(&mut self.closed_changed) {
            stored::write_closed(trees, &self.closed)?;
        }
        Ok(())
    }

    fn rebuild(trees: &mut Store) -> Result<(), StateError> {
        let known = trees.snapshot();
        for (id, mut database) in stored::read_definitions(&known)? {
            database.rebuild_indexes(trees, &known)?;
            stored::write_database(trees, id, Some(&database))?;
        }
        Ok(())
    }

    fn view(&self, trees: &Store) -> ShardView {
        ShardView::new(self.databases.clone(), self.closed.clone(), trees.snapshot())
    }
}
