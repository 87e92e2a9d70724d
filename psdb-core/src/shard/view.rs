//! Reading one database as it was at one moment.
//!
//! A view shares the shard's trees, so it costs O(1) to make and to clone, and shows the same
//! documents for as long as it is held, however the shard goes on. It pins the nodes it shows:
//! memory grows by what is written meanwhile, not by what is read.
//!
//! Left out: evaluating lambdas (`query`), confirming leadership before a read (`raft`).

use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use super::database::Database;
use super::index::{Coverage, Index};
use crate::codec::document::EncodedDocument;
use crate::query::{Direction, Documents, Entries, Source, SourceIndex};
use crate::transport::message::{IndexDefinition, ShardStats};
use crate::types::{DatabaseId, DocumentId, IndexName, Result};

/// An immutable snapshot of one database on one shard; owned, and cheap to clone.
#[derive(Clone)]
pub struct DatabaseView {
    id: DatabaseId,
    database: Arc<Database>,
}

impl DatabaseView {
    pub(super) fn new(id: DatabaseId, database: Arc<Database>) -> DatabaseView {
        DatabaseView { id, database }
    }

    /// Which database this is.
    pub fn id(&self) -> DatabaseId {
        self.id
    }

    /// The stored document under `id`, with its metadata.
    pub fn get(&self, id: &DocumentId) -> Option<&EncodedDocument> {
        self.database.documents.get(id)
    }

    /// How many documents there are, and how many bytes their encoded forms have.
    pub fn stats(&self) -> ShardStats {
        self.database.stats()
    }

    /// The definitions of its secondary indexes.
    pub fn definitions(&self) -> impl Iterator<Item = &IndexDefinition> {
        self.database.definitions()
    }

    /// The documents in the order of their ids, from the one after `after` on.
    pub fn documents<'a>(
        &'a self,
        after: Option<&DocumentId>,
    ) -> impl Iterator<Item = &'a EncodedDocument> + use<'a> {
        let low = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.database.documents.range((low, Bound::Unbounded)).map(|(_, document)| document)
    }

    /// The entries of an index whose keys lie within the bounds, in the index's order and walked
    /// from both ends; `None` if there is no such index.
    pub fn index_entries<'a>(
        &'a self,
        index: &IndexName,
        low: Bound<&[u8]>,
        high: Bound<&[u8]>,
    ) -> Option<impl DoubleEndedIterator<Item = (&'a Bytes, &'a DocumentId)> + use<'a>> {
        let index = self.database.indexes.iter().find(|i| i.definition.name == *index)?;
        Some(index.entries.range::<[u8], _>((low, high)))
    }
}

impl Source for DatabaseView {
    fn documents<'a>(&'a self, after: Option<&DocumentId>) -> Documents<'a> {
        Box::new(self.documents(after).map(|document| Ok(document.clone())))
    }

    fn index_entries<'a>(
        &'a self,
        index: &IndexName,
        low: Bound<&[u8]>,
        high: Bound<&[u8]>,
        direction: Direction,
    ) -> Option<Entries<'a>> {
        let entries = self.index_entries(index, low, high)?;
        let entries = entries.map(|(key, id)| Ok((key.clone(), id.clone())));
        Some(match direction {
            Direction::Ascending => Box::new(entries),
            Direction::Descending => Box::new(entries.rev()),
        })
    }

    fn count_entries(
        &self,
        index: &IndexName,
        low: Bound<&[u8]>,
        high: Bound<&[u8]>,
        bound: u64,
    ) -> Result<u64> {
        let entries = self.index_entries(index, low, high);
        let count = entries.map_or(0, |entries| entries.count() as u64);
        Ok(count.min(bound))
    }

    fn document(&self, id: &DocumentId) -> Result<Option<EncodedDocument>> {
        Ok(self.get(id).cloned())
    }

    fn indexes(&self) -> Vec<SourceIndex> {
        let index = |index: &Index| SourceIndex {
            name: index.definition.name.clone(),
            fields: index.definition.fields.clone(),
            complete: index.coverage == Coverage::Ready,
            cut: index.cuts > 0,
        };
        self.database.indexes.iter().map(index).collect()
    }

    fn count(&self) -> u64 {
        self.stats().documents
    }
}
