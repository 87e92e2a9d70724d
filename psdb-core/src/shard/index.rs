//! One secondary index: a tree of order-preserving keys.
//!
//! A key is the indexed fields' values, each cut at 512 bytes, followed by the document's id
//! (`codec::key`), so equal values stand in the order of their ids and every document has a key of
//! its own. A missing field has a place in the order too. The entry names the document; whoever
//! reads through an index looks the document up and lets the residual predicate decide.
//!
//! Left out: dotted paths and elements of arrays; choosing an index (`query::planner`).

use std::sync::Arc;

use bytes::Bytes;

use crate::codec::document::EncodedDocument;
use crate::codec::key;
use crate::storage::{BPlusTree, NotAscending};
use crate::transport::message::IndexDefinition;
use crate::types::DocumentId;

/// One index of one database on one shard.
#[derive(Clone)]
pub(super) struct Index {
    pub(super) definition: Arc<IndexDefinition>,
    pub(super) entries: BPlusTree<Bytes, DocumentId>,
}

impl Index {
    pub(super) fn new(definition: IndexDefinition) -> Index {
        Index { definition: Arc::new(definition), entries: BPlusTree::new() }
    }

    /// The same index, built from all documents at once.
    pub(super) fn rebuilt(
        &self,
        documents: &BPlusTree<DocumentId, EncodedDocument>,
    ) -> Result<Index, NotAscending> {
        let mut entries: Vec<(Bytes, DocumentId)> = documents
            .iter()
            .map(|(id, document)| (entry_key(&self.definition, id, document), id.clone()))
            .collect();
        entries.sort_unstable_by(|a, b| a.0.cmp(&b.0));
        let definition = Arc::clone(&self.definition);
        Ok(Index { definition, entries: BPlusTree::from_sorted(entries)? })
    }

    /// Follows one document from its old form to its new one.
    pub(super) fn change(
        &mut self,
        id: &DocumentId,
        old: Option<&EncodedDocument>,
        new: Option<&EncodedDocument>,
    ) {
        let old = old.map(|document| entry_key(&self.definition, id, document));
        let new = new.map(|document| entry_key(&self.definition, id, document));
        if old == new {
            return;
        }
        if let Some(key) = old {
            self.entries.remove(&key);
        }
        if let Some(key) = new {
            self.entries.insert(key, id.clone());
        }
    }
}

fn entry_key(definition: &IndexDefinition, id: &DocumentId, document: &EncodedDocument) -> Bytes {
    let values: Vec<_> = definition.fields.iter().map(|field| document.get(field)).collect();
    key::index_key(&values, id).into()
}
