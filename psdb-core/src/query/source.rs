//! What a query reads from: one database on one shard, as of one moment.
//!
//! The executor knows no storage; whoever holds documents implements [`Source`] on a snapshot.
//!
//! Invariant: a source shows the same documents for as long as it lives.
//!
//! Left out: writing.

use std::ops::Bound;

use crate::codec::EncodedDocument;
use crate::types::{DocumentId, IndexName};

/// Documents on their way out of a source.
pub type Documents<'a> = Box<dyn Iterator<Item = &'a EncodedDocument> + 'a>;

/// An owned snapshot of one database on one shard.
pub trait Source: Send + 'static {
    /// The documents in the order of their ids, from the one after `after` on.
    fn documents<'a>(&'a self, after: Option<&DocumentId>) -> Documents<'a>;

    /// The documents whose keys in the index lie within the bounds, in the index's order; `None`
    /// without such an index. A key begins with [`crate::codec::key::encode_value`] of the first
    /// field.
    fn index_range<'a>(
        &'a self,
        index: &IndexName,
        low: Bound<&[u8]>,
        high: Bound<&[u8]>,
    ) -> Option<Documents<'a>>;

    /// The document under `id`, if there is one.
    fn document(&self, id: &DocumentId) -> Option<&EncodedDocument>;

    /// The indexes, each with its fields.
    fn indexes(&self) -> Vec<(IndexName, Vec<String>)>;

    /// How many documents there are.
    fn count(&self) -> u64;
}
