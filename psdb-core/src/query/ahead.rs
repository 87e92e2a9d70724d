//! Documents of a scan, some at a time, so that their memory is fetched side by side.
//!
//! A scan over documents that are not in the processor's cache waits for memory: first for a
//! document's table of fields, then for the field. One document after the other, each wait is
//! served alone. Here some documents are touched in turn, the tables of all and then the fields of
//! all; no touch depends on another, so the processor waits for many at once.
//!
//! Whoever only looks at documents is shown them where they stand ([`for_each`]); whoever keeps
//! some takes them one by one ([`Ahead`]).
//!
//! Left out: what is computed of the documents; touching changes nothing but the time it takes.

use super::access::documents;
use super::plan::{Chosen, Plan};
use super::source::Source;
use super::{Meter, Program};
use crate::codec::{EncodedDocument, ObjectRef};
use crate::types::Result;

/// How many documents are touched at once by [`Ahead`].
const BATCH: usize = 16;

/// Gives every document of a plan to `look`, after touching what `program` reads first of it.
///
/// # Errors
///
/// As for [`documents`], and whatever `look` fails with.
pub(super) fn for_each<S: Source>(
    source: &S,
    chosen: &Chosen,
    meter: &Meter,
    program: Option<&Program>,
    mut look: impl FnMut(ObjectRef<'_>) -> Result<()>,
) -> Result<()> {
    if matches!(chosen.plan, Plan::Scan) {
        return source.visit(&mut |some| {
            if let Some(program) = program {
                program.touch(|| some.iter().copied());
            }
            some.iter().try_for_each(|document| look(*document))
        });
    }
    for document in Ahead::new(documents(source, chosen, meter)?, program) {
        look(document?.root())?;
    }
    Ok(())
}

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
        if let Some(program) = self.program {
            program.touch(|| self.ready.iter().flatten().map(EncodedDocument::root));
        }
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
