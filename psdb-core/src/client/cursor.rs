//! The results of a query, merged from all shards of a database.
//!
//! Every shard answers with its own results in order, page by page; the cursor takes the smallest
//! of their heads. All shards are asked at once for their first page; a further page is asked for
//! when the one before is used up, so a slow reader holds back the shards and nothing piles up.
//!
//! [`Merge`] does that for whatever the rows are; [`Cursor`] hands out documents, and
//! [`SelectedCursor`] the values that a query selects.
//!
//! Invariants:
//! 1. Results come in the query's order, ties by `_id`; without an order, by `_id`.
//! 2. An error of any shard ends the cursor: results are never silently partial.
//! 3. A cursor that is dropped before its end stops its query on the shards.
//!
//! Left out: resuming after an error.

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use super::document::FromDocument;
use super::handle::Handle;
use super::router::{Router, mismatched};
use crate::codec::EncodedDocument;
use crate::query::{id_of, value_size};
use crate::transport::message::{Page, Row, ShardRequest, ShardResponse, SkippedDocuments};
use crate::types::{Address, DocumentId, Result, ShardId, Value};

/// One result.
pub(super) enum Item {
    Document(EncodedDocument),
    Selected(DocumentId, Value),
}

/// One result with its sort key, if the query has an order.
type Keyed = (Option<Value>, Item);

/// What is left of one shard's results.
struct Part {
    shard: ShardId,
    /// The replica that has the rest, unless that is the leader.
    at: Option<Address>,
    page: VecDeque<Keyed>,
    cursor: Option<u64>,
    skipped: SkippedDocuments,
}

/// The merged results of all shards.
pub(super) struct Merge {
    router: Arc<Router>,
    timeout: Duration,
    /// `None` when the query is over.
    handle: Option<Handle>,
    descending: bool,
    skip: u64,
    left: u64,
    age: Duration,
    parts: Vec<Part>,
}

/// What a cursor begins with.
pub(super) struct Start {
    pub(super) handle: Handle,
    pub(super) descending: bool,
    pub(super) skip: u64,
    pub(super) limit: Option<u64>,
    pub(super) timeout: Duration,
    /// How old the state may have been when the query began.
    pub(super) age: Duration,
    pub(super) pages: Vec<(ShardId, Option<Address>, Page)>,
}

/// The results of a query; read them with [`Cursor::next`] or [`Cursor::try_collect`]. Dropping it
/// stops the query.
pub struct Cursor<T> {
    merge: Merge,
    _type: PhantomData<fn() -> T>,
}

/// What a query selects of the documents it finds, in its order: any JSON values. Dropping it stops
/// the query.
pub struct SelectedCursor {
    merge: Merge,
}

impl<T: FromDocument> Cursor<T> {
    pub(super) fn new(router: Arc<Router>, start: Start) -> Result<Cursor<T>> {
        Ok(Cursor { merge: Merge::new(router, start)?, _type: PhantomData })
    }

    /// The next document, `None` after the last.
    ///
    /// # Errors
    ///
    /// [`crate::Error::CursorExpired`] when it was left unread for too long or its shard changed
    /// its leader, [`crate::Error::Unavailable`] naming a shard that did not answer,
    /// [`crate::Error::LambdaRaised`] if the query is strict,
    /// [`crate::Error::InvalidDocument`] when a document does not fit `T`.
    pub async fn next(&mut self) -> Option<Result<T>> {
        let document = match self.merge.next().await {
            Ok(None) => return None,
            Ok(Some((_, Item::Document(document)))) => T::from_document(document),
            Ok(Some((_, Item::Selected(..)))) => Err(mismatched("a shard")),
            Err(error) => Err(error),
        };
        if document.is_err() {
            self.merge.end();
        }
        Some(document)
    }

    /// All documents that are left.
    ///
    /// # Errors
    ///
    /// As [`Cursor::next`].
    pub async fn try_collect<C: FromIterator<T>>(mut self) -> Result<C> {
        let mut documents = Vec::new();
        while let Some(document) = self.next().await {
            documents.push(document?);
        }
        Ok(documents.into_iter().collect())
    }

    /// How old the results may have been when the query began: zero, but for
    /// [`super::Database::stale_ok`].
    pub fn age(&self) -> Duration {
        self.merge.age
    }

    /// Documents on which a lambda raised, as far as the results have been read.
    pub fn skipped(&self) -> SkippedDocuments {
        self.merge.skipped()
    }
}

impl SelectedCursor {
    pub(super) fn new(router: Arc<Router>, start: Start) -> Result<SelectedCursor> {
        Ok(SelectedCursor { merge: Merge::new(router, start)? })
    }

    /// The next value, `None` after the last.
    ///
    /// # Errors
    ///
    /// As [`Cursor::next`].
    pub async fn next(&mut self) -> Option<Result<Value>> {
        let value = match self.merge.next().await {
            Ok(None) => return None,
            Ok(Some((_, Item::Selected(_, value)))) => Ok(value),
            Ok(Some((_, Item::Document(_)))) => Err(mismatched("a shard")),
            Err(error) => Err(error),
        };
        if value.is_err() {
            self.merge.end();
        }
        Some(value)
    }

    /// All values that are left.
    ///
    /// # Errors
    ///
    /// As [`Cursor::next`].
    pub async fn try_collect<C: FromIterator<Value>>(mut self) -> Result<C> {
        let mut values = Vec::new();
        while let Some(value) = self.next().await {
            values.push(value?);
        }
        Ok(values.into_iter().collect())
    }

    /// How old the results may have been when the query began: zero, but for
    /// [`super::Database::stale_ok`].
    pub fn age(&self) -> Duration {
        self.merge.age
    }

    /// Documents on which a lambda raised, as far as the results have been read.
    pub fn skipped(&self) -> SkippedDocuments {
        self.merge.skipped()
    }
}

impl Merge {
    pub(super) fn new(router: Arc<Router>, start: Start) -> Result<Merge> {
        let mut parts = Vec::with_capacity(start.pages.len());
        for (shard, at, page) in start.pages {
            let (page_of, cursor) = (VecDeque::new(), None);
            let skipped = SkippedDocuments::default();
            let mut part = Part { shard, at, page: page_of, cursor, skipped };
            part.turn(page, &start.handle)?;
            parts.push(part);
        }
        Ok(Merge {
            router,
            timeout: start.timeout,
            handle: Some(start.handle),
            descending: start.descending,
            skip: start.skip,
            left: start.limit.unwrap_or(u64::MAX),
            age: start.age,
            parts,
        })
    }

    /// The next row with its sort key; an error or the end ends it.
    pub(super) async fn next(&mut self) -> Result<Option<Keyed>> {
        let next = self.advance().await;
        if !matches!(next, Ok(Some(_))) {
            self.end();
        }
        next
    }

    pub(super) fn skipped(&self) -> SkippedDocuments {
        merge_skipped(self.parts.iter().map(|part| part.skipped.clone()))
    }

    /// Ends the query wherever it is.
    pub(super) fn end(&mut self) {
        self.handle = None;
    }

    async fn advance(&mut self) -> Result<Option<Keyed>> {
        while self.left > 0 && self.handle.is_some() {
            self.refill().await?;
            let Some(next) = self.take_smallest() else { return Ok(None) };
            if self.skip > 0 {
                self.skip -= 1;
                continue;
            }
            self.left -= 1;
            return Ok(Some(next));
        }
        Ok(None)
    }

    /// Fetches the next page of every shard whose page is used up.
    async fn refill(&mut self) -> Result<()> {
        let Some(handle) = &self.handle else { return Ok(()) };
        for part in &mut self.parts {
            while part.page.is_empty()
                && let Some(cursor) = part.cursor
            {
                let request = ShardRequest::NextPage { handle: handle.number(), cursor };
                let deadline = self.router.deadline(self.timeout);
                let (shard, at) = (part.shard, part.at.as_ref());
                match self.router.ask_for_more(shard, at, &request, deadline).await? {
                    ShardResponse::Page(page) => part.turn(page, handle)?,
                    _ => return Err(mismatched(&format!("shard {}", part.shard))),
                }
            }
        }
        Ok(())
    }

    fn take_smallest(&mut self) -> Option<Keyed> {
        let descending = self.descending;
        let with_results = self.parts.iter_mut().filter(|part| !part.page.is_empty());
        let smallest = with_results.min_by(|a, b| {
            let ((key_a, a), (key_b, b)) = (&a.page[0], &b.page[0]);
            let by_key = match (key_a, key_b) {
                (Some(a), Some(b)) => a.total_cmp(b),
                _ => std::cmp::Ordering::Equal,
            };
            let by_key = if descending { by_key.reverse() } else { by_key };
            by_key.then_with(|| a.id().cmp(b.id()))
        });
        smallest?.page.pop_front()
    }
}

impl Part {
    fn turn(&mut self, page: Page, handle: &Handle) -> Result<()> {
        let item = |(key, row)| {
            let item = match row {
                Row::Document(bytes) => Item::Document(EncodedDocument::from_bytes(bytes)?),
                Row::Selected(id, value) => Item::Selected(id, value),
            };
            Ok((key, item))
        };
        self.page = page.rows.into_iter().map(item).collect::<Result<_>>()?;
        self.cursor = page.cursor;
        self.skipped = page.skipped;
        if self.cursor.is_none() {
            handle.ended(self.shard);
        }
        Ok(())
    }
}

impl Item {
    /// About how many bytes it takes.
    pub(super) fn size(&self) -> usize {
        match self {
            Item::Document(document) => document.bytes().len(),
            Item::Selected(_, value) => usize::try_from(value_size(value)).unwrap_or(usize::MAX),
        }
    }

    pub(super) fn id(&self) -> &str {
        match self {
            Item::Document(document) => id_of(document),
            Item::Selected(id, _) => id.as_str(),
        }
    }
}

/// Adds up what several shards skipped; the first by `_id` is the first of all.
pub(super) fn merge_skipped(parts: impl Iterator<Item = SkippedDocuments>) -> SkippedDocuments {
    parts.fold(SkippedDocuments::default(), |sum, part| SkippedDocuments {
        count: sum.count + part.count,
        first: match (sum.first, part.first) {
            (Some(a), Some(b)) => Some(if b.0 < a.0 { b } else { a }),
            (a, b) => a.or(b),
        },
    })
}
