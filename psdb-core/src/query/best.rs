//! The first K results of a query with an order.
//!
//! Invariants:
//! 1. Ties of an order are broken by `_id`, whichever way it goes.
//! 2. What is kept of the results takes at most [`RESULT_BYTES`]; beyond, the query is refused.
//! 3. Where more than [`SHARING`] results are wanted, what is kept shares no page with the source: each
//!    document might keep a whole page in memory.
//!
//! Left out: orders that an index has already (`ordered`).

use std::cmp::Ordering;
use std::collections::{BinaryHeap, VecDeque};

use super::executor::{Found, id_of};
use crate::types::{DocumentId, Error, Result, Value};

/// The most bytes that waiting results may take, about.
const RESULT_BYTES: u64 = 64 << 20;

/// So many results may share pages with the source.
const SHARING: u64 = 64;

/// A match with its place in the order.
pub(super) struct Ranked {
    pub(super) found: Found,
    pub(super) descending: bool,
}

impl Ranked {
    /// How it stands to the place of another result of the query, whose id is only asked for in a tie.
    fn beside<'i>(&self, key: Option<&Value>, id: impl FnOnce() -> &'i str) -> Ordering {
        let by_key = match (&self.found.key, key) {
            (Some(a), Some(b)) => a.total_cmp(b),
            _ => Ordering::Equal,
        };
        let by_key = if self.descending { by_key.reverse() } else { by_key };
        by_key.then_with(|| id_of(&self.found.document).cmp(id()))
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        self.beside(other.found.key.as_ref(), || id_of(&other.found.document))
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

/// The first K of all that is added.
pub(super) struct Best {
    limit: u64,
    bytes: u64,
    kept: Kept,
}

/// Results that were kept so far.
enum Kept {
    /// They came in order, as those of a walk through an index mostly do; the worst is the last.
    InOrder(Vec<Ranked>),
    /// The worst is on top.
    Heap(BinaryHeap<Ranked>),
}

impl Kept {
    fn len(&self) -> usize {
        match self {
            Kept::InOrder(results) => results.len(),
            Kept::Heap(heap) => heap.len(),
        }
    }

    fn worst(&self) -> Option<&Ranked> {
        match self {
            Kept::InOrder(results) => results.last(),
            Kept::Heap(heap) => heap.peek(),
        }
    }

    /// Adds one result; `is_last` says whether it comes after all others.
    fn push(&mut self, ranked: Ranked, is_last: bool) {
        match self {
            Kept::InOrder(results) if is_last => results.push(ranked),
            Kept::InOrder(results) => {
                let mut heap = BinaryHeap::from(std::mem::take(results));
                heap.push(ranked);
                *self = Kept::Heap(heap);
            }
            Kept::Heap(heap) => heap.push(ranked),
        }
    }

    fn pop_worst(&mut self) -> Option<Ranked> {
        match self {
            Kept::InOrder(results) => results.pop(),
            Kept::Heap(heap) => heap.pop(),
        }
    }
}

impl Best {
    pub(super) fn new(limit: u64) -> Best {
        Best { limit, bytes: 0, kept: Kept::InOrder(Vec::new()) }
    }

    pub(super) fn add(&mut self, mut ranked: Ranked) -> Result<()> {
        let is_last = self.kept.worst().is_none_or(|worst| ranked >= *worst);
        if is_last && self.is_full() {
            return Ok(());
        }
        if self.limit > SHARING {
            ranked.found.document = ranked.found.document.detached();
        }
        self.bytes += ranked.found.kept_size();
        self.kept.push(ranked, is_last);
        if self.kept.len() as u64 > self.limit
            && let Some(worst) = self.kept.pop_worst()
        {
            self.bytes -= worst.found.kept_size();
        }
        if self.bytes > RESULT_BYTES {
            let limit = format!(
                "{} results to be sorted take more than {RESULT_BYTES} bytes; narrow the query or \
                 limit it",
                self.kept.len()
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
            Some((key, id)) if ranked.beside(key.as_ref(), || id.as_str()).is_le() => Ok(()),
            _ => self.add(ranked),
        }
    }

    /// About how many bytes the results take.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Whether there are as many as are wanted.
    pub(super) fn is_full(&self) -> bool {
        self.kept.len() as u64 >= self.limit
    }

    pub(super) fn in_order(self) -> VecDeque<Found> {
        let results = match self.kept {
            Kept::InOrder(results) => results,
            Kept::Heap(heap) => heap.into_sorted_vec(),
        };
        results.into_iter().map(|ranked| ranked.found).collect()
    }
}

#[cfg(test)]
mod tests {
    //! Proves that the best are the same in whatever order results come.

    use proptest::prelude::*;

    use super::super::executor::{Found, id_of};
    use super::{Best, Ranked};
    use crate::codec::EncodedDocument;
    use crate::types::{DocumentId, Limits, Value};

    fn ranked(key: u8, id: usize, descending: bool) -> Ranked {
        let json = format!("{{\"_id\": \"{id:03}\"}}");
        let document = EncodedDocument::from_json(json.as_bytes(), &Limits::DEFAULT).unwrap();
        let key = Some(Value::Int(i128::from(key)));
        Ranked { found: Found { key, document, selected: None }, descending }
    }

    proptest! {
        #[test]
        fn the_best_do_not_depend_on_the_order_they_come_in(
            keys in prop::collection::vec(0..4_u8, 0..100),
            sorted_up_to in 0..100_usize,
            limit in prop_oneof![0..12_u64, 60..70_u64, Just(u64::MAX)],
            descending: bool,
            after in prop::option::of((0..4_u8, 0..100_usize)),
        ) {
            let all: Vec<(u8, usize)> = keys.iter().copied().zip(0..).collect();
            let in_order = |a: &(u8, usize), b: &(u8, usize)| {
                let by_key = if descending { b.0.cmp(&a.0) } else { a.0.cmp(&b.0) };
                by_key.then(a.1.cmp(&b.1))
            };
            let mut expected = all.clone();
            expected.sort_by(in_order);
            if let Some(after) = &after {
                expected.retain(|place| in_order(place, after).is_gt());
            }
            expected.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
            let mut coming = all;
            let sorted = sorted_up_to.min(coming.len());
            coming[..sorted].sort_by(in_order);
            let after = after.map(|(key, id)| {
                (Some(Value::Int(i128::from(key))), DocumentId::from(format!("{id:03}")))
            });
            let mut best = Best::new(limit);
            for (key, id) in coming {
                best.add_after(ranked(key, id, descending), after.as_ref()).unwrap();
            }
            let found: Vec<String> =
                best.in_order().iter().map(|found| id_of(&found.document).to_owned()).collect();
            let expected: Vec<String> = expected.iter().map(|(_, id)| format!("{id:03}")).collect();
            prop_assert_eq!(found, expected);
        }
    }
}
