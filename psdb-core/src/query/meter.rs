//! What an evaluation may use: steps, memory, and time until its query is cancelled.
//!
//! Steps are handed out in slices, so that counting one costs a subtraction; whenever a slice is
//! used up, the budgets of the document and of the query are charged and the flag is looked at.
//! Memory counts what a document's evaluation allocates, freed or not, which is an upper bound of
//! what it holds at any time. What the query keeps of documents before (results to be sorted, groups)
//! is taken off, so that all of a query on one shard stays within one budget.
//!
//! Invariant: whatever takes time or memory in proportion to data charges for it before it begins.
//!
//! Left out: what is sent already, and documents, which are shared with their source.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::limits::{CANCEL_EVERY, DOCUMENT_FUEL, MEMORY_BYTES, QUERY_FUEL};
use super::raised::{Eval, EvalError};
use crate::types::Error;

/// The budgets of one query on one shard.
#[derive(Debug)]
pub struct Meter {
    /// Steps handed out and not used yet.
    slice: Cell<u64>,
    /// Steps the document has left, beyond the slice.
    document: Cell<u64>,
    /// Steps the query has left.
    query: Cell<u64>,
    /// Bytes the document has left.
    memory: Cell<u64>,
    /// Bytes the query keeps of documents before.
    kept: Cell<u64>,
    /// The steps each document may take.
    document_fuel: u64,
    cancelled: Option<Arc<AtomicBool>>,
}

impl Default for Meter {
    fn default() -> Self {
        Meter::new(None)
    }
}

impl Meter {
    /// Full budgets; the query ends soon after `cancelled` becomes true.
    pub fn new(cancelled: Option<Arc<AtomicBool>>) -> Meter {
        Meter {
            slice: Cell::new(0),
            document: Cell::new(DOCUMENT_FUEL),
            query: Cell::new(QUERY_FUEL),
            memory: Cell::new(MEMORY_BYTES),
            kept: Cell::new(0),
            document_fuel: DOCUMENT_FUEL,
            cancelled,
        }
    }

    /// Fewer steps for each document.
    #[must_use]
    pub fn with_document_fuel(mut self, steps: u64) -> Meter {
        self.document_fuel = steps.min(DOCUMENT_FUEL);
        self.document.set(self.document_fuel);
        self
    }

    /// Fills up the budgets of a document; those of the query go on.
    pub(super) fn next_document(&self) {
        self.document.set(self.document_fuel);
        self.memory.set(MEMORY_BYTES.saturating_sub(self.kept.get()));
    }

    /// Says how many bytes the query keeps from here on.
    pub(super) fn set_kept(&self, bytes: u64) {
        self.kept.set(bytes);
    }

    /// Says that the query keeps so many bytes more.
    pub(super) fn keep(&self, bytes: u64) {
        self.kept.set(self.kept.get().saturating_add(bytes));
    }

    /// Takes a step that belongs to no document, such as reading an entry of an index.
    pub(super) fn entry(&self) -> Result<(), Error> {
        self.next_document();
        self.step().map_err(|ended| match ended {
            EvalError::Limit(limit) => Error::QueryLimit { limit },
            EvalError::Raised(raised) => Error::QueryLimit { limit: raised.to_string() },
        })
    }

    /// Takes one step.
    #[inline]
    pub(super) fn step(&self) -> Eval<()> {
        self.charge(1)
    }

    /// Takes so many steps.
    #[inline]
    pub(super) fn charge(&self, steps: u64) -> Eval<()> {
        match self.slice.get().checked_sub(steps) {
            Some(left) => {
                self.slice.set(left);
                Ok(())
            }
            None => self.refill(steps),
        }
    }

    #[cold]
    fn refill(&self, steps: u64) -> Eval<()> {
        if self.cancelled.as_ref().is_some_and(|flag| flag.load(Ordering::Relaxed)) {
            return Err(EvalError::Limit("the query was cancelled".into()));
        }
        let needed = steps.saturating_add(CANCEL_EVERY) - self.slice.get();
        let Some(document) = self.document.get().checked_sub(needed) else {
            let message = format!("one document took more than {} steps", self.document_fuel);
            return Err(EvalError::Limit(message));
        };
        let Some(query) = self.query.get().checked_sub(needed) else {
            let message = format!("the query took more than {QUERY_FUEL} steps");
            return Err(EvalError::Limit(message));
        };
        self.document.set(document);
        self.query.set(query);
        self.slice.set(CANCEL_EVERY);
        Ok(())
    }

    /// Takes so many bytes of memory, and the time to fill them.
    pub(super) fn allocate(&self, bytes: u64) -> Eval<()> {
        let Some(left) = self.memory.get().checked_sub(bytes) else {
            let message = match self.kept.get() {
                0 => format!("one document took more than {MEMORY_BYTES} bytes of memory"),
                kept => format!(
                    "the query took more than {MEMORY_BYTES} bytes of memory, {kept} of them for \
                     results that are kept"
                ),
            };
            return Err(EvalError::Limit(message));
        };
        self.memory.set(left);
        self.charge(bytes / 64)
    }
}

#[cfg(test)]
mod tests {
    //! Proves that what is kept and what a document takes share one budget.

    use super::{EvalError, MEMORY_BYTES, Meter};

    #[test]
    fn what_is_kept_is_not_there_for_documents() {
        let meter = Meter::default();
        let refused = |bytes| match meter.allocate(bytes) {
            Ok(()) => None,
            Err(EvalError::Limit(message)) => Some(message),
            Err(raised) => panic!("{raised:?}"),
        };
        assert_eq!(refused(MEMORY_BYTES), None);
        assert!(refused(1).is_some_and(|message| message.starts_with("one document took")));
        meter.set_kept(MEMORY_BYTES / 2);
        meter.keep(10);
        meter.next_document();
        assert_eq!(refused(MEMORY_BYTES / 2 - 10), None);
        let message = refused(1).expect("the budget is used up");
        assert!(message.contains("33554442 of them for results that are kept"), "{message}");
        meter.set_kept(0);
        meter.next_document();
        assert_eq!(refused(MEMORY_BYTES), None);
    }
}
