//! What a query reads from: one database on one shard, as of one moment.
//!
//! The executor knows no storage; whoever holds documents implements [`Source`] on a snapshot.
//! Documents come out owned: an [`EncodedDocument`] shares its bytes, so a source in memory hands out
//! one more reference and a source on disk what it has just read.
//!
//! Invariants:
//! 1. A source shows the same documents for as long as it lives.
//! 2. An index that is complete holds the entries of every document, and no other.
//!
//! Left out: writing.

use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use crate::codec::entry::IndexedFields;
use crate::codec::{EncodedDocument, ObjectRef};
use crate::types::{DocumentId, IndexName, Result};

/// Documents on their way out of a source.
pub type Documents<'a> = Box<dyn Iterator<Item = Result<EncodedDocument>> + 'a>;

/// Entries of an index on their way out of a source: the key, and the document it stands for.
pub type Entries<'a> = Box<dyn Iterator<Item = Result<(Bytes, DocumentId)>> + 'a>;

/// The documents of entries of an index on their way out of a source.
pub type Ids<'a> = Box<dyn Iterator<Item = Result<DocumentId>> + 'a>;

/// How many documents are shown at once by a source that has no better number.
const VISITED: usize = 16;

/// Which way entries are walked through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the lowest key to the highest.
    Ascending,
    /// From the highest key to the lowest.
    Descending,
}

/// An index of a source.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceIndex {
    /// Its name.
    pub name: IndexName,
    /// Its fields.
    pub fields: Arc<IndexedFields>,
    /// Whether it has the entries of every document; only then it can be searched.
    pub complete: bool,
    /// Whether a value in it was cut, so that its keys alone do not tell all values apart.
    pub cut: bool,
}

/// An owned snapshot of one database on one shard.
pub trait Source: Send + 'static {
    /// The documents in the order of their ids, from the one after `after` on.
    fn documents<'a>(&'a self, after: Option<&DocumentId>) -> Documents<'a>;

    /// Gives all documents to `look`, in the order of their ids and some at a time, without making
    /// them owned where the source can help it; ends with the first error. `look` may be shown none.
    ///
    /// # Errors
    ///
    /// Whatever keeps the source from reading, and whatever `look` fails with.
    fn visit(&self, look: &mut dyn FnMut(&[ObjectRef<'_>]) -> Result<()>) -> Result<()> {
        let mut documents = self.documents(None);
        loop {
            let some = documents.by_ref().take(VISITED).collect::<Result<Vec<_>>>()?;
            if some.is_empty() {
                return Ok(());
            }
            look(&some.iter().map(EncodedDocument::root).collect::<Vec<_>>())?;
        }
    }

    /// The entries of an index whose keys lie within the bounds, in the order of their keys or
    /// against it; `None` without such an index. `codec::key` says what a key looks like.
    fn index_entries<'a>(
        &'a self,
        index: &IndexName,
        low: Bound<&[u8]>,
        high: Bound<&[u8]>,
        direction: Direction,
    ) -> Option<Entries<'a>>;

    /// The documents of those entries, in the order of the keys; `None` without such an index.
    fn index_ids<'a>(
        &'a self,
        index: &IndexName,
        low: Bound<&[u8]>,
        high: Bound<&[u8]>,
    ) -> Option<Ids<'a>> {
        let entries = self.index_entries(index, low, high, Direction::Ascending)?;
        Some(Box::new(entries.map(|entry| entry.map(|(_, id)| id))))
    }

    /// How many entries of an index lie within the bounds; none without such an index.
    ///
    /// # Errors
    ///
    /// Whatever keeps the source from reading them.
    fn count_entries(
        &self,
        index: &IndexName,
        low: Bound<&[u8]>,
        high: Bound<&[u8]>,
    ) -> Result<u64> {
        let Some(entries) = self.index_entries(index, low, high, Direction::Ascending) else {
            return Ok(0);
        };
        let mut count = 0;
        for entry in entries {
            entry?;
            count += 1;
        }
        Ok(count)
    }

    /// About how many entries of an index have keys from `low`, included, up to `high`, excluded.
    /// Plans are chosen by it, so it should cost less than walking through them.
    ///
    /// # Errors
    ///
    /// Whatever keeps the source from reading them.
    fn estimate_entries(&self, index: &IndexName, low: &[u8], high: &[u8]) -> Result<u64> {
        self.count_entries(index, Bound::Included(low), Bound::Excluded(high))
    }

    /// The document under `id`, if there is one.
    ///
    /// # Errors
    ///
    /// Whatever keeps the source from reading it.
    fn document(&self, id: &DocumentId) -> Result<Option<EncodedDocument>>;

    /// The indexes, complete or not.
    fn indexes(&self) -> Vec<SourceIndex>;

    /// How many documents there are.
    fn count(&self) -> u64;
}
