//! One database on one shard: its indexes, and what is known of its documents as a whole.
//!
//! Documents and index entries lie in trees of the shard's page file. All changes of documents go
//! through [`Database::put`] and [`Database::remove`], which keep the totals and the digest in step
//! and note what changes in the indexes; [`Database::make`] follows before the command is done.
//!
//! Invariants: those of the module, checked by [`Database::check_invariants`].
//!
//! Left out: versions and timestamps (`write`).

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::digest::{self, Hasher};
use super::entry_changes::EntryChanges;
use super::index::{Coverage, Index};
use super::stored::{StoredDatabase, documents_tree};
use crate::codec::document::EncodedDocument;
use crate::raft::StateError;
use crate::storage::{Snapshot, Store};
use crate::transport::message::{IndexDefinition, ShardStats};
use crate::types::{DatabaseId, DocumentId, Result};

/// The last clearing of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cleared {
    pub(super) token: u64,
    /// How many documents it removed, for whoever repeats it.
    pub(super) removed: u64,
}

/// What is known of some documents as a whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Sums {
    pub(super) documents: u64,
    /// The bytes of all encoded documents.
    bytes: u64,
    /// The sum of the documents' hashes.
    digest: u64,
}

impl Sums {
    /// Counts one more document.
    pub(super) fn add(&mut self, encoded: &[u8]) {
        self.documents += 1;
        self.bytes += encoded.len() as u64;
        self.digest = self.digest.wrapping_add(digest::hash(encoded));
    }

    /// Counts one document less, which was counted.
    fn subtract(&mut self, encoded: &[u8]) {
        // A page file whose totals are wrong must not make a replica panic.
        self.documents = self.documents.saturating_sub(1);
        self.bytes = self.bytes.saturating_sub(encoded.len() as u64);
        self.digest = self.digest.wrapping_sub(digest::hash(encoded));
    }
}

/// One open database.
#[derive(Clone)]
pub(super) struct Database {
    pub(super) id: DatabaseId,
    /// The tree of its documents.
    pub(super) documents_tree: Bytes,
    /// In the order of their definition; cloned with the database, so there should be few.
    pub(super) indexes: Vec<Index>,
    /// The version of the definitions that the indexes have.
    pub(super) indexes_version: u64,
    /// The number of the next index.
    pub(super) next_index: u64,
    pub(super) cleared: Option<Cleared>,
    pub(super) sums: Sums,
}

impl Database {
    /// An empty database, or why its indexes make no sense.
    pub(super) fn new(id: DatabaseId, definitions: Vec<IndexDefinition>) -> Result<Database> {
        IndexDefinition::check_all(&definitions)?;
        let mut database = Database {
            id,
            documents_tree: documents_tree(id),
            indexes: Vec::new(),
            indexes_version: 0,
            next_index: 0,
            cleared: None,
            sums: Sums::default(),
        };
        for definition in definitions {
            let index = database.new_index(definition, Coverage::Ready);
            database.indexes.push(index);
        }
        Ok(database)
    }

    /// An index that no other shares a tree with.
    pub(super) fn new_index(&mut self, definition: IndexDefinition, coverage: Coverage) -> Index {
        self.next_index += 1;
        Index::new(self.id, self.next_index, definition, coverage)
    }

    /// The database that was stored, or what is wrong with it.
    pub(super) fn from_stored(
        id: DatabaseId,
        stored: StoredDatabase,
    ) -> std::result::Result<Database, String> {
        let definitions: Vec<_> =
            stored.indexes.iter().map(|index| index.definition.clone()).collect();
        IndexDefinition::check_all(&definitions).map_err(|error| error.to_string())?;
        let indexes = stored.indexes.into_iter();
        let StoredDatabase { indexes_version, next_index, cleared, sums, .. } = stored;
        Ok(Database {
            id,
            documents_tree: documents_tree(id),
            indexes: indexes.map(|index| Index::from_stored(id, index)).collect(),
            indexes_version,
            next_index,
            cleared,
            sums,
        })
    }

    /// As it is stored.
    pub(super) fn to_stored(&self) -> StoredDatabase {
        StoredDatabase {
            indexes_version: self.indexes_version,
            next_index: self.next_index,
            indexes: self.indexes.iter().map(Index::to_stored).collect(),
            cleared: self.cleared,
            sums: self.sums,
        }
    }

    pub(super) fn stats(&self) -> ShardStats {
        ShardStats { documents: self.sums.documents, bytes: self.sums.bytes }
    }

    pub(super) fn definitions(&self) -> impl Iterator<Item = &IndexDefinition> {
        self.indexes.iter().map(|index| index.definition.as_ref())
    }

    /// The document under `id`.
    pub(super) fn get(
        &self,
        trees: &Store,
        id: &DocumentId,
    ) -> std::result::Result<Option<EncodedDocument>, StateError> {
        let found = trees.get(&self.documents_tree, id.as_str().as_bytes())?;
        let document = found.map(EncodedDocument::from_bytes).transpose();
        document.map_err(|error| StateError::Decode {
            what: "a stored document",
            reason: format!("document '{id}': {error}"),
        })
    }

    /// Whether there is a document under `id`.
    pub(super) fn contains(
        &self,
        trees: &Store,
        id: &DocumentId,
    ) -> std::result::Result<bool, StateError> {
        Ok(trees.contains_key(&self.documents_tree, id.as_str().as_bytes())?)
    }

    /// Stores a document in place of `old`, the one under its id so far, and notes its indexes'
    /// `changes`.
    pub(super) fn put(
        &mut self,
        trees: &mut Store,
        id: &DocumentId,
        old: Option<&EncodedDocument>,
        document: &EncodedDocument,
        changes: &mut [EntryChanges],
    ) -> std::result::Result<(), StateError> {
        trees.insert(&self.documents_tree, id.as_str().as_bytes(), document.bytes())?;
        self.account(changes, id, old, Some(document));
        Ok(())
    }

    /// Removes `old`, the document under `id`, and notes its indexes' `changes`.
    pub(super) fn remove(
        &mut self,
        trees: &mut Store,
        id: &DocumentId,
        old: &EncodedDocument,
        changes: &mut [EntryChanges],
    ) -> std::result::Result<(), StateError> {
        trees.remove(&self.documents_tree, id.as_str().as_bytes())?;
        self.account(changes, id, Some(old), None);
        Ok(())
    }

    /// No changes yet, of each index's entries.
    pub(super) fn no_changes(&self) -> Vec<EntryChanges> {
        self.indexes.iter().map(|_| EntryChanges::default()).collect()
    }

    /// Makes the changes of the indexes' entries that were noted.
    pub(super) fn make(
        &mut self,
        trees: &mut Store,
        changes: &mut [EntryChanges],
    ) -> std::result::Result<(), StateError> {
        for (index, changes) in self.indexes.iter_mut().zip(changes) {
            index.make(trees, changes)?;
        }
        Ok(())
    }

    /// Removes all documents unless this clearing, or a later one, did so before.
    pub(super) fn clear(
        &mut self,
        trees: &mut Store,
        token: u64,
    ) -> std::result::Result<u64, StateError> {
        match self.cleared {
            Some(last) if last.token == token => return Ok(last.removed),
            Some(last) if last.token > token => return Ok(0),
            _ => {}
        }
        let removed = self.stats().documents;
        self.drop_trees(trees)?;
        for index in &mut self.indexes {
            // Nothing is left to be built from.
            index.empty(Coverage::Ready);
        }
        self.cleared = Some(Cleared { token, removed });
        self.sums = Sums::default();
        Ok(removed)
    }

    /// Removes all documents and all index entries. Their pages are freed little by little.
    pub(super) fn drop_trees(&self, trees: &mut Store) -> std::result::Result<(), StateError> {
        trees.drop_tree(&self.documents_tree)?;
        for index in &self.indexes {
            trees.drop_tree(&index.tree)?;
        }
        Ok(())
    }

    fn account(
        &mut self,
        changes: &mut [EntryChanges],
        id: &DocumentId,
        old: Option<&EncodedDocument>,
        new: Option<&EncodedDocument>,
    ) {
        if let Some(old) = old {
            self.sums.subtract(old.bytes());
        }
        if let Some(new) = new {
            self.sums.add(new.bytes());
        }
        for (index, changes) in self.indexes.iter_mut().zip(changes) {
            index.change(changes, id, old, new);
        }
    }

    pub(super) fn hash_into(&self, hasher: &mut Hasher) {
        hasher.number(self.indexes_version);
        hasher.number(self.indexes.len() as u64);
        for index in &self.indexes {
            index.hash_into(hasher);
        }
        hasher.number(u64::from(self.cleared.is_some()));
        hasher.number(self.cleared.map_or(0, |last| last.token));
        hasher.number(self.cleared.map_or(0, |last| last.removed));
        hasher.number(self.sums.documents);
        hasher.number(self.sums.bytes);
        hasher.number(self.sums.digest);
    }

    /// Walks over all documents and index entries as `trees` show them.
    pub(super) fn check_invariants(&self, trees: &Snapshot) -> std::result::Result<(), String> {
        let (mut sums, mut documents) = (Sums::default(), Vec::new());
        for entry in trees.iter(&self.documents_tree) {
            let (key, value) = entry.map_err(|error| error.to_string())?;
            let document = EncodedDocument::from_bytes(value).map_err(|error| error.to_string())?;
            let id = document.metadata().map_err(|error| format!("{key:?}: {error}"))?.id;
            if id.as_str().as_bytes() != &key[..] {
                return Err(format!("document {id} is stored as {key:?}"));
            }
            sums.add(document.bytes());
            documents.push(document);
        }
        if sums != self.sums {
            return Err(format!("the documents come to {sums:?}, not to {:?}", self.sums));
        }
        for index in &self.indexes {
            let sound = index.check(trees, &documents);
            sound.map_err(|reason| format!("index {}: {reason}", index.definition.name))?;
        }
        Ok(())
    }
}
