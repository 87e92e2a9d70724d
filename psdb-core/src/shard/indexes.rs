//! The indexes of a database as a whole: which there are, and building them.
//!
//! ```text
//! SetIndexes                                adds and drops; on an empty database what is added is ready
//! FillIndex after None    -> entries of the first documents
//! FillIndex after doc-99  -> entries of the next ones        ... until there are none: ready
//! ```
//! `FillIndex` says how far it believes the index has been built. If that is not so any more, it is
//! late or came twice, and does nothing. It takes the documents as they are when it is applied, so a
//! write that comes between two batches needs no care.
//!
//! Invariant: definitions never go back: a command with a lower version than the last one is late,
//! and does nothing.
//!
//! Left out: who sends the batches, and when (`worker::builder`).

use std::ops::Bound;

use super::database::Database;
use super::entry_changes::EntryChanges;
use super::index::{Coverage, Index};
use crate::codec::document::{EncodedDocument, ValueRef};
use crate::raft::StateError;
use crate::storage::{Direction, Range, Snapshot, Store};
use crate::transport::message::{IndexDefinition, IndexState, IndexStatus};
use crate::types::{DocumentId, Error, IndexName};

type Result<T, E = Error> = std::result::Result<T, E>;

/// The most bytes of documents that one command adds entries of, beyond the first document.
const FILL_BYTES: usize = 4 << 20;
/// How many documents are read ahead.
const AHEAD: usize = 16;

impl Database {
    /// Makes these the indexes, unless later definitions came before.
    pub(super) fn set_indexes(
        &mut self,
        trees: &mut Store,
        version: u64,
        definitions: Vec<IndexDefinition>,
    ) -> Result<Result<()>, StateError> {
        if let Err(error) = IndexDefinition::check_all(&definitions) {
            return Ok(Err(error));
        }
        if version < self.indexes_version {
            return Ok(Ok(()));
        }
        self.indexes_version = version;
        let mut known = std::mem::take(&mut self.indexes);
        for definition in definitions {
            let same = known.iter().position(|index| *index.definition == definition);
            let index = match same {
                Some(at) => known.swap_remove(at),
                None if self.sums.documents == 0 => self.new_index(definition, Coverage::Ready),
                None => self.new_index(definition, Coverage::Building { up_to: None }),
            };
            self.indexes.push(index);
        }
        for index in known {
            trees.drop_tree(&index.tree)?;
        }
        Ok(Ok(()))
    }

    /// Adds the entries of the next documents to an index, if it has been built up to `after`.
    pub(super) fn fill_index(
        &mut self,
        trees: &mut Store,
        name: &IndexName,
        after: Option<&DocumentId>,
        max_documents: u32,
    ) -> Result<(), StateError> {
        let named = |index: &&mut Index| index.definition.name == *name;
        let Some(index) = self.indexes.iter_mut().find(named) else { return Ok(()) };
        match &index.coverage {
            Coverage::Building { up_to } if up_to.as_ref() == after => {}
            Coverage::Building { .. } | Coverage::Ready => return Ok(()),
        }
        let after = after.map(|id| id.as_str().as_bytes());
        let low = after.map_or(Bound::Unbounded, Bound::Excluded);
        let (tree, ascending) = (&self.documents_tree, Direction::Ascending);
        let mut rest = trees.snapshot().range(tree, low, Bound::Unbounded, ascending);
        let mut budget = Budget { documents: max_documents.max(1), bytes: FILL_BYTES };
        let (mut changes, mut last) = (EntryChanges::default(), None);
        let mut documents = Vec::with_capacity(AHEAD);
        while !budget.is_spent() && next_documents(&mut rest, &mut budget, &mut documents)? {
            index.touch(&documents);
            for document in &documents {
                index.add(&mut changes, id_of(document)?, document);
            }
            last = documents.pop();
        }
        let is_all = rest.next_value()?.is_none();
        index.coverage = match last {
            Some(last) if !is_all => Coverage::Building { up_to: Some(id_of(&last)?.into()) },
            _ => Coverage::Ready,
        };
        // Nobody looks at the pages any more that are about to be changed.
        drop(rest);
        Ok(index.make(trees, &mut changes)?)
    }

    /// Makes the entries of all indexes again, from the documents that `known` shows.
    pub(super) fn rebuild_indexes(
        &mut self,
        trees: &mut Store,
        known: &Snapshot,
    ) -> Result<(), StateError> {
        for index in &mut self.indexes {
            trees.remove_tree(&index.tree)?;
            index.empty(index.coverage.clone());
        }
        let mut changes = self.no_changes();
        let mut documents = known.iter(&self.documents_tree);
        while let Some(value) = documents.next_value()? {
            let document = EncodedDocument::from_bytes(value)
                .map_err(|error| not_a_document(&error.to_string()))?;
            let id = document.metadata().map_err(|error| not_a_document(&error.to_string()))?.id;
            for (index, changes) in self.indexes.iter_mut().zip(&mut changes) {
                index.change(changes, &id, None, Some(&document));
            }
            if changes.iter().any(EntryChanges::is_full) {
                self.make(trees, &mut changes)?;
            }
        }
        self.make(trees, &mut changes)
    }

    /// How the indexes stand, in the order of their definitions.
    pub(super) fn index_statuses(&self) -> Vec<IndexStatus> {
        let documents = self.sums.documents;
        let status = |index: &Index| IndexStatus {
            name: index.definition.name.clone(),
            fields: index.definition.fields.clone(),
            state: match index.coverage {
                Coverage::Ready => IndexState::Ready,
                Coverage::Building { .. } => IndexState::Building,
            },
            entries: index.entries,
            documents_done: index.documents,
            documents,
        };
        self.indexes.iter().map(status).collect()
    }

    /// The first index that is not built yet, and how far it has been built.
    pub(super) fn index_to_build(&self) -> Option<(IndexName, Option<DocumentId>)> {
        self.indexes.iter().find_map(|index| match &index.coverage {
            Coverage::Ready => None,
            Coverage::Building { up_to } => Some((index.definition.name.clone(), up_to.clone())),
        })
    }
}

/// How much more one command looks at.
struct Budget {
    documents: u32,
    bytes: usize,
}

impl Budget {
    fn is_spent(&self) -> bool {
        self.documents == 0 || self.bytes == 0
    }
}

/// Reads the next few documents in place of those that are there; says whether there are any.
fn next_documents(
    rest: &mut Range,
    budget: &mut Budget,
    documents: &mut Vec<EncodedDocument>,
) -> Result<bool, StateError> {
    documents.clear();
    while documents.len() < AHEAD && !budget.is_spent() {
        let Some(value) = rest.next_value()? else { break };
        budget.documents -= 1;
        // The one that passes the limit is still taken.
        budget.bytes = budget.bytes.saturating_sub(value.len());
        // Its page bears a checksum, and it was validated before it was stored.
        documents.push(EncodedDocument::from_verified(value));
    }
    Ok(!documents.is_empty())
}

/// The id of a stored document, which is its first field.
fn id_of(document: &EncodedDocument) -> Result<&str, StateError> {
    match document.root().first("_id") {
        Some(ValueRef::Str(id)) => Ok(id),
        _ => Err(not_a_document("it does not begin with its _id")),
    }
}

fn not_a_document(reason: &str) -> StateError {
    StateError::Decode { what: "a stored document", reason: reason.to_owned() }
}
