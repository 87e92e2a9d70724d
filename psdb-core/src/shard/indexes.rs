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
use super::index::{Coverage, Index};
use crate::codec::document::{EncodedDocument, ValueRef};
use crate::raft::StateError;
use crate::storage::{Direction, Snapshot, Store};
use crate::transport::message::{IndexDefinition, IndexState, IndexStatus};
use crate::types::{DocumentId, Error, IndexName};

type Result<T, E = Error> = std::result::Result<T, E>;

/// The most bytes of documents that one command adds entries of, beyond the first document.
const FILL_BYTES: usize = 4 << 20;
/// The most fields of an index.
const FIELDS: usize = 16;
/// The most indexes of a database.
const INDEXES: usize = 64;

/// Checks definitions that come from outside.
pub(super) fn check_definitions(definitions: &[IndexDefinition]) -> Result<()> {
    let invalid = |reason: String| Err(Error::InvalidRequest { reason });
    if definitions.len() > INDEXES {
        return invalid(format!("{} indexes; the limit is {INDEXES}", definitions.len()));
    }
    for (position, index) in definitions.iter().enumerate() {
        let (name, fields) = (&index.name, index.fields.len());
        if fields == 0 {
            return invalid(format!("index '{name}' has no fields"));
        }
        if fields > FIELDS {
            return invalid(format!("index '{name}' has {fields} fields; the limit is {FIELDS}"));
        }
        if definitions[..position].iter().any(|other| other.name == *name) {
            return invalid(format!("index '{name}' is defined twice"));
        }
    }
    Ok(())
}

impl Database {
    /// Makes these the indexes, unless later definitions came before.
    pub(super) fn set_indexes(
        &mut self,
        trees: &mut Store,
        version: u64,
        definitions: Vec<IndexDefinition>,
    ) -> Result<Result<()>, StateError> {
        if let Err(error) = check_definitions(&definitions) {
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

    /// Adds the entries of the next documents to an index that has been built up to `after`; says
    /// whether it did.
    pub(super) fn fill_index(
        &mut self,
        trees: &mut Store,
        name: &IndexName,
        after: Option<&DocumentId>,
        max_documents: u32,
    ) -> Result<bool, StateError> {
        let named = |index: &&mut Index| index.definition.name == *name;
        let Some(index) = self.indexes.iter_mut().find(named) else { return Ok(false) };
        match &index.coverage {
            Coverage::Building { up_to } if up_to.as_ref() == after => {}
            Coverage::Building { .. } | Coverage::Ready => return Ok(false),
        }
        let after = after.map(|id| id.as_str().as_bytes());
        let low = after.map_or(Bound::Unbounded, Bound::Excluded);
        let (tree, ascending) = (&self.documents_tree, Direction::Ascending);
        let mut rest = trees.snapshot().range(tree, low, Bound::Unbounded, ascending);
        let (mut bytes, mut last) = (0, None);
        for _ in 0..max_documents.max(1) {
            let Some(value) = rest.next_value()? else { break };
            // Its page bears a checksum, and it was validated before it was stored.
            let document = EncodedDocument::from_verified(value);
            let Some(ValueRef::Str(id)) = document.get("_id") else {
                return Err(not_a_document("it has no _id"));
            };
            let id = DocumentId::from(id);
            index.add(trees, &id, &document)?;
            last = Some(id);
            bytes += document.bytes().len();
            if bytes > FILL_BYTES {
                break;
            }
        }
        index.coverage = match last {
            Some(last) if rest.next_value()?.is_some() => Coverage::Building { up_to: Some(last) },
            _ => Coverage::Ready,
        };
        Ok(true)
    }

    /// Makes the entries of all indexes again, from the documents that `known` shows.
    pub(super) fn rebuild_indexes(
        &mut self,
        trees: &mut Store,
        known: &Snapshot,
    ) -> Result<(), StateError> {
        for index in &mut self.indexes {
            trees.remove_tree(&index.tree)?;
            let definition = IndexDefinition::clone(&index.definition);
            *index = Index::new(self.id, index.number, definition, index.coverage.clone());
        }
        let mut documents = known.iter(&self.documents_tree);
        while let Some(value) = documents.next_value()? {
            let document = EncodedDocument::from_bytes(value)
                .map_err(|error| not_a_document(&error.to_string()))?;
            let id = document.metadata().map_err(|error| not_a_document(&error.to_string()))?.id;
            for index in &mut self.indexes {
                index.change(trees, &id, None, Some(&document))?;
            }
        }
        Ok(())
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

fn not_a_document(reason: &str) -> StateError {
    StateError::Decode { what: "a stored document", reason: reason.to_owned() }
}
