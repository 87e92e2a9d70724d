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
use super::index::{Coverage, Index};
use super::indexes::check_definitions;
use crate::codec::document::EncodedDocument;
use crate::storage::{BPlusTree, NotAscending};
use crate::transport::message::{IndexDefinition, ShardStats};
use crate::types::{DocumentId, Result};

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
    /// The version of the definitions that the indexes have.
    pub(super) indexes_version: u64,
    pub(super) cleared: Option<Cleared>,
    /// The bytes of all encoded documents.
    bytes: u64,
    /// The sum of the documents' hashes.
    digest: u64,
}

impl Database {
    /// An empty database, or why its indexes make no sense.
    pub(super) fn new(indexes: Vec<IndexDefinition>) -> Result<Database> {
        check_definitions(&indexes)?;
        Ok(Database {
            documents: BPlusTree::new(),
            indexes: indexes
                .into_iter()
                .map(|definition| Index::new(definition, Coverage::Ready))
                .collect(),
            indexes_version: 0,
            cleared: None,
            bytes: 0,
            digest: 0,
        })
    }

    /// An empty database with indexes that cover these documents, once they are there.
    pub(super) fn covering(
        indexes_version: u64,
        indexes: Vec<(IndexDefinition, Coverage)>,
    ) -> Result<Database> {
        let (definitions, coverages): (Vec<_>, Vec<_>) = indexes.into_iter().unzip();
        let mut database = Database { indexes_version, ..Database::new(definitions)? };
        for (index, coverage) in database.indexes.iter_mut().zip(coverages) {
            index.coverage = coverage;
        }
        Ok(database)
    }

    /// The same database with these documents; its indexes are built anew.
    pub(super) fn restore(
        self,
        documents: BPlusTree<DocumentId, EncodedDocument>,
        cleared: Option<Cleared>,
    ) -> Result<Database, NotAscending> {
        let (bytes, digest) = sums(documents.iter().map(|(_, document)| document));
        let rebuilt = self.indexes.iter().map(|index| index.rebuilt(&documents));
        let indexes = rebuilt.collect::<Result<_, NotAscending>>()?;
        Ok(Database { documents, indexes, cleared, bytes, digest, ..self })
    }

    pub(super) fn stats(&self) -> ShardStats {
        ShardStats { documents: self.documents.len() as u64, bytes: self.bytes }
    }

    pub(super) fn digest(&self) -> u64 {
        self.digest
    }

    pub(super) fn coverages(&self) -> Vec<(IndexDefinition, Coverage)> {
        let coverage =
            |index: &Index| (IndexDefinition::clone(&index.definition), index.coverage.clone());
        self.indexes.iter().map(coverage).collect()
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
            // Nothing is left to be built from.
            *index = Index::new(IndexDefinition::clone(&index.definition), Coverage::Ready);
        }
        self.documents = BPlusTree::new();
        self.cleared = Some(Cleared { token, removed });
        (self.bytes, self.digest) = (0, 0);
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
        hasher.number(self.indexes_version);
        hasher.number(self.indexes.len() as u64);
        for index in &self.indexes {
            index.hash_into(hasher);
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
            if !index.is(&rebuilt) {
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
