//! The first K results of a query with an order.
//!
//! Invariants:
//! 1. Ties of an order are broken by `_id`, whichever way it goes.
//! 2. What is kept of the results takes at most [`RESULT_BYTES`]; beyond, the query is refused.
//! 3. What is kept shares no page with the source: a few documents would keep many pages in memory.
//!
//! Left out: orders that an index has already (`ordered`).

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};

use super::executor::{Found, id_of};
use crate::types::{DocumentId, Error, Result, Value};

/// The most bytes that waiting results may take, about.
const RESULT_BYTES: u64 = 64 << 20;

/// A match with its place in the order.
pub(super) struct Ranked {
    pub(super) found: Found,
    pub(super) descending: bool,
}

impl Ranked {
    /// How it stands to the place of another result of the query.
    fn beside(&self, key: Option<&Value>, id: &str) -> Ordering {
        let by_key = match (&self.found.key, key) {
            (Some(a), Some(b)) => a.total_cmp(b),
            _ => Ordering::Equal,
        };
        let by_key = if self.descending { by_key.reverse() } else { by_key };
        by_key.then_with(|| id_of(&self.found.document).cmp(id))
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        self.beside(other.found.key.as_ref(), id_of(&other.found.document))
    }
}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other).is_eq()
    }
}

impl Eq for Ranked {}

/// The first K of all that is added; the worst of them is on top of the heap.
pub(super) struct Best {
    limit: u64,
    bytes: u64,
    heap: BinaryHeap<Ranked>,
}

impl Best {
    pub(super) fn new(limit: u64) -> Best {
        Best { limit, bytes: 0, heap: BinaryHeap::new() }
    }

    pub(super) fn add(&mut self, mut ranked: Ranked) -> Result<()> {
        if self.is_full() && self.heap.peek().is_none_or(|worst| ranked >= *worst) {
            return Ok(());
        }
        ranked.found.document = ranked.found.document.detached();
        self.bytes += ranked.found.kept_size();
        self.heap.push(ranked);
        if self.heap.len() as u64 > self.limit
            && let Some(worst) = self.heap.pop()
        {
            self.bytes -= worst.found.kept_size();
        }
        if self.bytes > RESULT_BYTES {
            let limit = format!(
                "{} results to be sorted take more than {RESULT_BYTES} bytes; narrow the query or \
                 limit it",
                self.heap.len()
            );
            return Err(Error::QueryLimit { limit });
        }
        Ok(())
    }

    /// As [`Best::add`], unless `ranked` stands at or before the place after which results are wanted.
    pub(super) fn add_after(
        &mut self,
        ranked: Ranked,
        after: Option<&(Option<Value>, DocumentId)>,
    ) -> Result<()> {
        match after {
            Some((key, id)) if ranked.beside(key.as_ref(), id.as_str()).is_le() => Ok(()),
            _ => self.add(ranked),
        }
    }

    /// About how many bytes the results take.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether there are as many as are wanted.
    pub(super) fn is_full(&self) -> bool {
        self.heap.len() as u64 >= self.limit
    }

    pub(super) fn in_order(self) -> VecDeque<Found> {
        self.heap.into_sorted_vec().into_iter().map(|ranked| ranked.found).collect()
    }
}
