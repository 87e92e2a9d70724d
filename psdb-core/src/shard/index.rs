//! One secondary index: a tree of entries, and how far it has been built.
//!
//! ```text
//!                      documents in _id order
//!   building   │ entries are here │ no entries yet          │
//!                                 ▲ up_to
//!   ready      │ entries are here                           │
//! ```
//! An index that is added to a database with documents is built from the first id to the last, a
//! batch per command (`indexes`). Writes keep it in step up to where it has been built; what lies
//! beyond gets its entries when the building comes there. So an index is a function of the documents
//! and of `up_to`, whatever happened in which order, and every replica has the same.
//!
//! Invariant: the tree holds exactly the entries of the documents that are covered.
//!
//! Left out: what an entry is (`codec::entry`), choosing an index (`query::planner`).

use std::sync::Arc;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::digest::Hasher;
use crate::codec::document::EncodedDocument;
use crate::codec::entry::IndexedFields;
use crate::storage::{BPlusTree, NotAscending};
use crate::transport::message::IndexDefinition;
use crate::types::DocumentId;

/// Which documents an index has entries of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Coverage {
    /// All of them.
    Ready,
    /// Those up to this id; none yet, if there is none.
    Building { up_to: Option<DocumentId> },
}

impl Coverage {
    pub(super) fn covers(&self, id: &DocumentId) -> bool {
        match self {
            Coverage::Ready => true,
            Coverage::Building { up_to } => up_to.as_ref().is_some_and(|up_to| id <= up_to),
        }
    }
}

/// One index of one database on one shard.
#[derive(Clone)]
pub(super) struct Index {
    pub(super) definition: Arc<IndexDefinition>,
    fields: Arc<IndexedFields>,
    pub(super) coverage: Coverage,
    /// How many documents it has entries of.
    pub(super) documents: u64,
    /// How many of its entries hold a value that was cut.
    pub(super) cuts: u64,
    pub(super) entries: BPlusTree<Bytes, DocumentId>,
}

impl Index {
    /// An index without entries.
    pub(super) fn new(definition: IndexDefinition, coverage: Coverage) -> Index {
        let fields = IndexedFields::new(definition.fields.iter().map(String::as_str));
        Index {
            definition: Arc::new(definition),
            fields: Arc::new(fields),
            coverage,
            documents: 0,
            cuts: 0,
            entries: BPlusTree::new(),
        }
    }

    /// The same index, built from all documents it covers at once.
    pub(super) fn rebuilt(
        &self,
        documents: &BPlusTree<DocumentId, EncodedDocument>,
    ) -> Result<Index, NotAscending> {
        let mut entries: Vec<(Bytes, DocumentId)> = Vec::new();
        let mut covered = 0;
        for (id, document) in documents.iter().filter(|(id, _)| self.coverage.covers(id)) {
            covered += 1;
            let keys = self.fields.entries(id, document);
            entries.extend(keys.into_iter().map(|key| (key, id.clone())));
        }
        entries.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let cuts = entries.iter().map(|(key, _)| self.is_cut(key)).sum();
        Ok(Index {
            definition: Arc::clone(&self.definition),
            fields: Arc::clone(&self.fields),
            coverage: self.coverage.clone(),
            documents: covered,
            cuts,
            entries: BPlusTree::from_sorted(entries)?,
        })
    }

    /// Whether this is what that index is, entry for entry.
    pub(super) fn is(&self, other: &Index) -> bool {
        (self.documents, self.cuts) == (other.documents, other.cuts)
            && self.coverage == other.coverage
            && self.entries == other.entries
    }

    fn is_cut(&self, entry: &[u8]) -> u64 {
        // What is no entry at all is looked at as closely as one that was cut.
        u64::from(self.fields.values_end(entry).is_none_or(|(_, cut)| cut))
    }

    pub(super) fn hash_into(&self, hasher: &mut Hasher) {
        let IndexDefinition { name, fields } = &*self.definition;
        hasher.bytes(name.as_str().as_bytes());
        hasher.number(fields.len() as u64);
        for field in fields {
            hasher.bytes(field.as_bytes());
        }
        match &self.coverage {
            Coverage::Ready => hasher.number(0),
            Coverage::Building { up_to: None } => hasher.number(1),
            Coverage::Building { up_to: Some(id) } => {
                hasher.number(2);
                hasher.bytes(id.as_str().as_bytes());
            }
        }
        hasher.number(self.documents);
        hasher.number(self.cuts);
        hasher.number(self.entries.len() as u64);
    }

    /// Follows one document from its old form to its new one, if it is covered.
    pub(super) fn change(
        &mut self,
        id: &DocumentId,
        old: Option<&EncodedDocument>,
        new: Option<&EncodedDocument>,
    ) {
        if self.coverage.covers(id) {
            self.follow(id, old, new);
        }
    }

    /// Adds the entries of one document that it did not cover.
    pub(super) fn add(&mut self, id: &DocumentId, document: &EncodedDocument) {
        self.follow(id, None, Some(document));
    }

    fn follow(
        &mut self,
        id: &DocumentId,
        old: Option<&EncodedDocument>,
        new: Option<&EncodedDocument>,
    ) {
        self.documents = self.documents + u64::from(new.is_some()) - u64::from(old.is_some());
        let entries = |document: Option<&EncodedDocument>| {
            document.map_or_else(Vec::new, |document| self.fields.entries(id, document))
        };
        let (old, new) = (entries(old), entries(new));
        if old == new {
            return;
        }
        for key in old.iter().filter(|key| new.binary_search(key).is_err()) {
            self.entries.remove(key);
            self.cuts -= self.is_cut(key);
        }
        for key in new.into_iter().filter(|key| old.binary_search(key).is_err()) {
            self.cuts += self.is_cut(&key);
            self.entries.insert(key, id.clone());
        }
    }
}
