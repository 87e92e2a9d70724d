//! What a shard keeps in the trees of its page file, and under which names.
//!
//! ```text
//! tree databases            id, 8 bytes big-endian ─▶ frame: indexes, clearing, totals, digest
//! tree closed               "closed" ─▶ frame: floor, closed ids
//! tree documents/ID         document id ─▶ encoded document            ID: 16 hexadecimal digits
//! tree index/ID/N           key of `codec::key` ─▶ document id         N: the number of the index
//! ```
//! Documents and index entries are written as they change. The other two trees say what a shard
//! has in memory anyway; they are written when a checkpoint is taken.
//!
//! Invariant: numbers of indexes are not used again, so a tree that is still being freed has
//! nothing to do with a new index of that name.
//!
//! Left out: pages and checkpoints (`storage`).

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::closed::ClosedIds;
use super::database::{Cleared, Database, Sums};
use super::index::StoredIndex;
use crate::codec::frame;
use crate::raft::StateError;
use crate::storage::{Snapshot, Store};
use crate::types::DatabaseId;

pub(super) const DATABASES: &[u8] = b"databases";
const CLOSED: &[u8] = b"closed";
pub(super) const DOCUMENTS: &[u8] = b"documents/";
pub(super) const INDEX: &[u8] = b"index/";

/// The name of the tree of a database's documents.
pub fn documents_tree(id: DatabaseId) -> Bytes {
    format!("documents/{:016x}", id.0).into()
}

/// The tree of one of its indexes.
pub(super) fn index_tree(id: DatabaseId, number: u64) -> Bytes {
    format!("index/{:016x}/{number}", id.0).into()
}

/// A database as it is stored.
#[derive(Serialize, Deserialize)]
pub(super) struct StoredDatabase {
    pub(super) indexes_version: u64,
    pub(super) next_index: u64,
    pub(super) indexes: Vec<StoredIndex>,
    pub(super) cleared: Option<Cleared>,
    pub(super) sums: Sums,
}

/// Writes what is known of a database, or that there is none.
pub(super) fn write_database(
    trees: &mut Store,
    id: DatabaseId,
    database: Option<&Database>,
) -> Result<(), StateError> {
    let key = id.0.to_be_bytes();
    match database {
        Some(database) => trees.insert(DATABASES, &key, &frame::encode(&database.to_stored()))?,
        None => trees.remove(DATABASES, &key)?,
    };
    Ok(())
}

/// The databases, in the order of their ids, whether or not the other trees agree.
pub(super) fn read_definitions(
    trees: &Snapshot,
) -> Result<Vec<(DatabaseId, Database)>, StateError> {
    let mut found = Vec::new();
    for entry in trees.iter(DATABASES) {
        let (key, value) = entry?;
        found.push(read_database(&key, &value)?);
    }
    Ok(found)
}

/// One entry of the tree of databases.
pub(super) fn read_database(
    key: &[u8],
    value: &[u8],
) -> Result<(DatabaseId, Database), StateError> {
    let id = key.try_into().map(u64::from_be_bytes).map(DatabaseId);
    let id = id.map_err(|_| damaged(format!("a database's id of {} bytes", key.len())))?;
    let stored = frame::decode(value).map_err(|error| damaged(error.to_string()))?;
    Ok((id, Database::from_stored(id, stored).map_err(damaged)?))
}

/// The databases, in the order of their ids; their trees have as many entries as they should.
pub(super) fn read_databases(trees: &Snapshot) -> Result<Vec<(DatabaseId, Database)>, StateError> {
    let found = read_definitions(trees)?;
    for (id, database) in &found {
        let entries = trees.entries(&database.documents_tree);
        if entries != database.stats().documents {
            let known = database.stats().documents;
            return Err(damaged(format!("database {id} has {entries} documents, not {known}")));
        }
        for index in &database.indexes {
            let (entries, known) = (trees.entries(&index.tree), index.entries);
            if entries != known {
                let name = &index.definition.name;
                let reason = format!("index {name} of {id} has {entries} entries, not {known}");
                return Err(damaged(reason));
            }
        }
    }
    Ok(found)
}

pub(super) fn write_closed(trees: &mut Store, closed: &ClosedIds) -> Result<(), StateError> {
    trees.insert(CLOSED, CLOSED, &frame::encode(&closed.to_parts()))?;
    Ok(())
}

pub(super) fn read_closed(trees: &Snapshot) -> Result<ClosedIds, StateError> {
    let Some(bytes) = trees.get(CLOSED, CLOSED)? else { return Ok(ClosedIds::default()) };
    let (floor, ids): (DatabaseId, Vec<DatabaseId>) =
        frame::decode(&bytes).map_err(|error| damaged(error.to_string()))?;
    ClosedIds::from_parts(floor, &ids).map_err(damaged)
}

pub(super) fn damaged(reason: impl Into<String>) -> StateError {
    StateError::Decode { what: "a shard's page file", reason: reason.into() }
}
