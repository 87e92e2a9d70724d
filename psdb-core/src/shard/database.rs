//! One database on one shard: documents, indexes, and what is known of them as a whole.
//!
//! All changes of documents go through [`Database::put`] and [`Database::remove`], which keep the
//! indexes, the totals and the digest in step.
//!
//! Invariants: those of the module, checked by [`Database::check_invariants`].
//!
//! Left out: versions and timestamps (`write`).

use serde::{Deserialize, Serialize};

use super::digest::{self, Hasher};
use super::index::Index;
use crate::codec::document::EncodedDocument;
use crate::storage::{BPlusTree, NotAscending};
use crate::transport::message::{IndexDefinition, ShardStats};
use crate::types::{DocumentId, Error, Result};

/// The last clearing of a database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Cleared {
    pub(super) token: u64,
    /// How many documents it removed, for whoever repeats it.
    pub(super) removed: u64,
}

/// One open database.
#[derive(Clone)]
pub(super) struct Database {
    pub(super) documents: BPlusTree<DocumentId, EncodedDocument>,
    /// In the order of their definition; cloned with the database, so there should be few.
    pub(super) indexes: Vec<Index>,
    pub(super) cleared: Option<Cleared>,
    /// The bytes of all encoded documents.
    bytes: u64,
    /// The sum of the documents' hashes.
    digest: u64,
}

impl Database {
    /// An empty database, or why its indexes make no sense.
    pub(super) fn new(indexes: Vec<IndexDefinition>) -> Result<Database> {
        for (position, index) in indexes.iter().enumerate() {
            let reason = if index.fields.is_empty() {
                format!("index '{}' has no fields", index.name)
            } else if indexes[..position].iter().any(|other| other.name == index.name) {
                format!("index '{}' is defined twice", index.name)
            } else {
                continue;
            };
            return Err(Error::InvalidRequest { reason });
        }
        Ok(Database {
            documents: BPlusTree::new(),
            indexes: indexes.into_iter().map(Index::new).collect(),
            cleared: None,
            bytes: 0,
            digest: 0,
        })
    }

    /// The same database with these documents; its indexes are built anew.
    pub(super) fn restore(
        self,
        documents: BPlusTree<DocumentId, EncodedDocument>,
        cleared: Option<Cleared>,
    ) -> Result<Database, NotAscending> {
        let (bytes, digest) = sums(documents.iter().map(|(_, document)| document));
        let rebuilt = self.indexes.into_iter().map(|index| index.rebuilt(&documents));
        let indexes = rebuilt.collect::<Result<_, NotAscending>>()?;
        Ok(Database { documents, indexes, cleared, bytes, digest })
    }

    pub(super) fn stats(&self) -> ShardStats {
        ShardStats { documents: self.documents.len() as u64, bytes: self.bytes }
    }

    pub(super) fn digest(&self) -> u64 {
        self.digest
    }

    pub(super) fn definitions(&self) -> impl Iterator<Item = &IndexDefinition> {
        self.indexes.iter().map(|index| index.definition.as_ref())
    }

    /// Stores a document in place of any other under its id.
    pub(super) fn put(&mut self, id: &DocumentId, document: &EncodedDocument) {
        let old = self.documents.insert(id.clone(), document.clone());
        self.account(id, old.as_ref(), Some(document));
    }

    /// Removes a document if it is there.
    pub(super) fn remove(&mut self, id: &DocumentId) {
        let old = self.documents.remove(id);
        self.account(id, old.as_ref(), None);
    }

    /// Removes all documents unless this clearing, or a later one, did so before.
    pub(super) fn clear(&mut self, token: u64) -> u64 {
        match self.cleared {
            Some(last) if last.token == token => return last.removed,
            Some(last) if last.token > token => return 0,
            _ => {}
        }
        let removed = self.stats().documents;
        for index in &mut self.indexes {
            index.entries = BPlusTree::new();
        }
        *self = Database {
            documents: BPlusTree::new(),
            indexes: std::mem::take(&mut self.indexes),
            cleared: Some(Cleared { token, removed }),
            bytes: 0,
            digest: 0,
        };
        removed
    }

    fn account(
        &mut self,
        id: &DocumentId,
        old: Option<&EncodedDocument>,
        new: Option<&EncodedDocument>,
    ) {
        let (old_bytes, old_digest) = sums(old);
        let (new_bytes, new_digest) = sums(new);
        self.bytes = self.bytes - old_bytes + new_bytes;
        self.digest = self.digest.wrapping_sub(old_digest).wrapping_add(new_digest);
        for index in &mut self.indexes {
            index.change(id, old, new);
        }
    }

    pub(super) fn hash_into(&self, hasher: &mut Hasher) {
        hasher.number(self.indexes.len() as u64);
        for definition in self.definitions() {
            hasher.bytes(definition.name.as_str().as_bytes());
            hasher.number(definition.fields.len() as u64);
            definition.fields.iter().for_each(|field| hasher.bytes(field.as_bytes()));
        }
        hasher.number(u64::from(self.cleared.is_some()));
        hasher.number(self.cleared.map_or(0, |last| last.token));
        hasher.number(self.cleared.map_or(0, |last| last.removed));
        hasher.number(self.stats().documents);
        hasher.number(self.bytes);
        hasher.number(self.digest);
    }

    pub(super) fn check_invariants(&self) -> std::result::Result<(), String> {
        self.documents.check_invariants()?;
        let sums = sums(self.documents.iter().map(|(_, document)| document));
        if sums != (self.bytes, self.digest) {
            return Err(format!(
                "the documents have bytes and digest {sums:?}, not {:?}",
                (self.bytes, self.digest)
            ));
        }
        for (id, document) in &self.documents {
            let metadata =
                document.metadata().map_err(|error| format!("document {id}: {error}"))?;
            if metadata.id != *id {
                return Err(format!("document {} is stored as {id}", metadata.id));
            }
        }
        for index in &self.indexes {
            let name = &index.definition.name;
            index.entries.check_invariants().map_err(|reason| format!("index {name}: {reason}"))?;
            let rebuilt = index.rebuilt(&self.documents).map_err(|error| error.to_string())?;
            if index.entries != rebuilt.entries {
                return Err(format!("index {name} is not the one its documents make"));
            }
        }
        Ok(())
    }
}

/// The bytes and the digest of some documents.
fn sums<'a>(documents: impl IntoIterator<Item = &'a EncodedDocument>) -> (u64, u64) {
    documents.into_iter().fold((0, 0), |(bytes, digest), document| {
        let encoded = document.bytes();
        (bytes + encoded.len() as u64, u64::wrapping_add(digest, digest::hash(encoded)))
    })
}
