//! Documents of a scan, some at a time, so that their memory is fetched side by side.
//!
//! A scan over documents that are not in the processor's cache waits for memory: first for a
//! document's table of fields, then for the field. One document after the other, each wait is
//! served alone. Here the next [`BATCH`] documents are touched in turn, the tables of all and then
//! the fields of all; no touch depends on another, so the processor waits for many at once.
//!
//! Left out: what is computed of the documents; touching changes nothing but the time it takes.

use std::hint::black_box;

use super::Program;
use crate::codec::EncodedDocument;
use crate::types::Result;

/// How many documents are touched at once.
const BATCH: usize = 16;

/// The documents of `inner`, touched before they are handed out.
pub(super) struct Ahead<'p, I> {
    inner: I,
    program: Option<&'p Program>,
    /// The next ones, in reverse.
    ready: Vec<Result<EncodedDocument>>,
}

impl<'p, I: Iterator<Item = Result<EncodedDocument>>> Ahead<'p, I> {
    /// With what `program` reads first of each.
    pub(super) fn new(inner: I, program: Option<&'p Program>) -> Ahead<'p, I> {
        Ahead { inner, program, ready: Vec::with_capacity(BATCH) }
    }

    fn refill(&mut self) {
        self.ready.extend(self.inner.by_ref().take(BATCH));
        self.ready.reverse();
        let Some(program) = self.program else { return };
        let documents = || self.ready.iter().flatten();
        black_box(documents().fold(0, |sum, document| sum ^ document.root().touch()));
        if let Some(first) = documents().next() {
            program.learn(first);
        }
        black_box(documents().fold(0, |sum, document| sum ^ program.touch(document)));
    }
}

impl<I: Iterator<Item = Result<EncodedDocument>>> Iterator for Ahead<'_, I> {
    type Item = Result<EncodedDocument>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.ready.is_empty() {
            self.refill();
        }
        self.ready.pop()
    }
}
