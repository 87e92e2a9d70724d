//! Whole leaves of a tree, for those who look at every value.
//!
//! A leaf is held while its values are looked at, and they are looked at where they stand. Values
//! in chains are read one by one, when their turn comes, since they may be large.
//!
//! Left out: bounds and directions (`cursor`).

use std::hint::black_box;
use std::sync::Arc;

use bytes::Bytes;

use super::cursor::Range;
use super::value::read_chain;
use crate::storage::StorageError;
use crate::storage::page::{self, Page, Pointer};

/// The leaves of a tree in ascending order; see [`super::Snapshot::leaves`].
#[derive(Debug)]
pub struct Leaves(Range);

/// A leaf that somebody holds.
#[derive(Debug)]
pub struct Leaf(Arc<Page>);

/// A value as its leaf has it.
#[derive(Debug)]
pub enum LeafValue<'l> {
    /// It stands in the leaf.
    Here(&'l [u8]),
    /// It has to be read, by [`Leaves::read`].
    Elsewhere(Chain),
}

/// Where a long value stands.
#[derive(Clone, Copy, Debug)]
pub struct Chain {
    length: u32,
    head: Pointer,
}

impl Leaves {
    pub(super) fn new(all: Range) -> Leaves {
        Leaves(all)
    }

    /// The next leaf.
    ///
    /// # Errors
    ///
    /// [`StorageError::Io`] or [`StorageError::Corrupt`] when a page cannot be read.
    pub fn next_leaf(&mut self) -> Result<Option<Leaf>, StorageError> {
        Ok(self.0.skip_leaf()?.map(Leaf))
    }

    /// A value that does not stand in its leaf.
    ///
    /// # Errors
    ///
    /// As for [`Leaves::next_leaf`].
    pub fn read(&self, chain: Chain) -> Result<Bytes, StorageError> {
        read_chain(self.0.pager(), chain.length, chain.head)
    }
}

impl Leaf {
    /// Touches the beginning of every value, so that the memory of all is fetched at once.
    pub fn touch(&self) {
        black_box(self.0.touch_cells());
    }

    /// The values in the order of their keys.
    pub fn values(&self) -> impl Iterator<Item = LeafValue<'_>> {
        (0..self.0.count()).map(|at| match self.0.value(at) {
            page::Value::Inline(value) => LeafValue::Here(value),
            page::Value::Chain { length, head } => LeafValue::Elsewhere(Chain { length, head }),
        })
    }
}
