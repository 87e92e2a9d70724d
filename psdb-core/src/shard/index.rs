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
use super::entry_changes::EntryChanges;
use super::stored::index_tree;
use crate::codec::document::EncodedDocument;
use crate::codec::entry::IndexedFields;
use crate::storage::{Snapshot, StorageError, Store};
use crate::transport::message::IndexDefinition;
use crate::types::{DatabaseId, DocumentId};

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

/// An index as it is stored, but for its entries.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct StoredIndex {
    /// Names its tree; no other index of the database ever has the same.
    pub(super) number: u64,
    pub(super) definition: IndexDefinition,
    pub(super) coverage: Coverage,
    pub(super) documents: u64,
    pub(super) cuts: u64,
    pub(super) entries: u64,
}

/// One index of one database on one shard.
#[derive(Clone)]
pub(super) struct Index {
    pub(super) number: u64,
    pub(super) definition: Arc<IndexDefinition>,
    pub(super) fields: Arc<IndexedFields>,
    pub(super) coverage: Coverage,
    /// How many documents it has entries of.
    pub(super) documents: u64,
    /// How many of its entries hold a value that was cut.
    pub(super) cuts: u64,
    /// How many entries it has.
    pub(super) entries: u64,
    /// The tree of its entries.
    pub(super) tree: Bytes,
}

impl Index {
    /// An index without entries.
    pub(super) fn new(
        database: DatabaseId,
        number: u64,
        definition: IndexDefinition,
        coverage: Coverage,
    ) -> Index {
        let fields = IndexedFields::new(definition.fields.iter().map(String::as_str));
        Index {
            number,
            definition: Arc::new(definition),
            fields: Arc::new(fields),
            coverage,
            documents: 0,
            cuts: 0,
            entries: 0,
            tree: index_tree(database, number),
        }
    }

    /// Makes it one without entries; its tree is somebody else's care.
    pub(super) fn empty(&mut self, coverage: Coverage) {
        self.coverage = coverage;
        (self.documents, self.cuts, self.entries) = (0, 0, 0);
    }

    pub(super) fn from_stored(database: DatabaseId, stored: StoredIndex) -> Index {
        let StoredIndex { number, definition, coverage, documents, cuts, entries } = stored;
        let index = Index::new(database, number, definition, coverage);
        Index { documents, cuts, entries, ..index }
    }

    pub(super) fn to_stored(&self) -> StoredIndex {
        StoredIndex {
            number: self.number,
            definition: IndexDefinition::clone(&self.definition),
            coverage: self.coverage.clone(),
            documents: self.documents,
            cuts: self.cuts,
            entries: self.entries,
        }
    }

    /// Compares the tree with the entries that these documents make, in whatever order.
    pub(super) fn check(
        &self,
        trees: &Snapshot,
        documents: &[EncodedDocument],
    ) -> Result<(), String> {
        let (mut meant, mut covered) = (Vec::new(), 0);
        for document in documents {
            let id = document.metadata().map_err(|error| error.to_string())?.id;
            if self.coverage.covers(&id) {
                covered += 1;
                let keys = self.fields.entries(&id, document).into_iter();
                meant.extend(keys.map(|key| (key, Bytes::from(id.as_str().to_owned()))));
            }
        }
        meant.sort_unstable();
        let cuts: u64 = meant.iter().map(|(key, _)| self.is_cut(key)).sum();
        let (found, known) =
            ((covered, cuts, meant.len() as u64), (self.documents, self.cuts, self.entries));
        if found != known {
            return Err(format!("documents, cuts and entries are {found:?}, not {known:?}"));
        }
        let mut meant = meant.into_iter();
        for entry in trees.iter(&self.tree) {
            let (entry, meant) = (entry.map_err(|error| error.to_string())?, meant.next());
            if meant.as_ref() != Some(&entry) {
                return Err(format!("it has {entry:?} where {meant:?} should be"));
            }
        }
        meant.next().map_or(Ok(()), |missing| Err(format!("it lacks {missing:?}")))
    }

    /// The entries of a document, if it is covered.
    pub(super) fn covered_entries(
        &self,
        id: &DocumentId,
        document: &EncodedDocument,
    ) -> Vec<Bytes> {
        if self.coverage.covers(id) { self.fields.entries(id, document) } else { Vec::new() }
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
        hasher.number(self.entries);
    }

    /// Follows one document from its old form to its new one, if it is covered: its entries are
    /// noted in `changes`.
    pub(super) fn change(
        &mut self,
        changes: &mut EntryChanges,
        id: &DocumentId,
        old: Option<&EncodedDocument>,
        new: Option<&EncodedDocument>,
    ) {
        if !self.coverage.covers(id) {
            return;
        }
        let Some(old) = old else {
            if let Some(new) = new {
                self.add(changes, id.as_str(), new);
            }
            return;
        };
        // A page file whose numbers are wrong must not make a replica panic, hence the saturation.
        let documents = self.documents + u64::from(new.is_some());
        self.documents = documents.saturating_sub(1);
        let entries =
            |document: &EncodedDocument| self.fields.entries_and_cuts(id.as_str(), document.root());
        let (old, new) = (entries(old), new.map_or_else(Vec::new, entries));
        if old == new {
            return;
        }
        for entry in old.iter().filter(|entry| new.binary_search(entry).is_err()) {
            changes.remove(&entry.0, id.as_str());
            self.cuts = self.cuts.saturating_sub(u64::from(entry.1));
        }
        for entry in new.iter().filter(|entry| old.binary_search(entry).is_err()) {
            changes.add(&entry.0, id.as_str());
            self.cuts += u64::from(entry.1);
        }
    }

    /// Notes the entries of one document that has none yet.
    pub(super) fn add(&mut self, changes: &mut EntryChanges, id: &str, document: &EncodedDocument) {
        self.documents += 1;
        let mut entry = std::mem::take(&mut changes.entry);
        self.fields.visit_entries(id, document.root(), &mut entry, |entry, is_cut| {
            changes.add(entry, id);
            self.cuts += u64::from(is_cut);
        });
        changes.entry = entry;
    }

    /// Touches what it needs of documents that are about to be added.
    pub(super) fn touch(&self, documents: &[EncodedDocument]) {
        self.fields.touch(|| documents.iter().map(EncodedDocument::root));
    }

    /// Makes the changes that were noted.
    pub(super) fn make(
        &mut self,
        trees: &mut Store,
        changes: &mut EntryChanges,
    ) -> Result<(), StorageError> {
        let made = changes.make(trees, &self.tree)?;
        self.entries = (self.entries + made.added).saturating_sub(made.removed);
        Ok(())
    }
}
