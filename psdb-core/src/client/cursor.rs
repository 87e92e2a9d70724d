//! The results of a query, merged from all shards of a database.
//!
//! Every shard answers with its own results in order, page by page; the cursor takes the smallest
//! of their heads. All shards are asked at once for their first page; a further page is asked for
//! when the one before is used up, so a slow reader holds back the shards and nothing piles up.
//!
//! Invariants:
//! 1. Results come in the query's order, ties by `_id`; without an order, by `_id`.
//! 2. An error of any shard ends the cursor: results are never silently partial.
//!
//! Left out: resuming after an error.

use std::collections::VecDeque;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use super::document::FromDocument;
use super::router::{Router, mismatched};
use crate::codec::{EncodedDocument, ValueRef};
use crate::transport::message::{Page, ShardRequest, ShardResponse, SkippedDocuments};
use crate::types::{Result, ShardId, Value};

/// What is left of one shard's results.
struct Part {
    shard: ShardId,
    page: VecDeque<(Option<Value>, EncodedDocument)>,
    cursor: Option<u64>,
    skipped: SkippedDocuments,
}

/// The results of a query; read them with [`Cursor::next`] or [`Cursor::try_collect`].
pub struct Cursor<T> {
    router: Arc<Router>,
    timeout: Duration,
    descending: bool,
    skip: u64,
    left: u64,
    parts: Vec<Part>,
    /// Whether an error has ended the results.
    ended: bool,
    _type: PhantomData<fn() -> T>,
}

/// What a cursor begins with.
pub(super) struct Start {
    pub(super) descending: bool,
    pub(super) skip: u64,
    pub(super) limit: Option<u64>,
    pub(super) timeout: Duration,
    pub(super) pages: Vec<(ShardId, Page)>,
}

impl<T: FromDocument> Cursor<T> {
    pub(super) fn new(router: Arc<Router>, start: Start) -> Result<Cursor<T>> {
        let parts = start.pages.into_iter();
        let parts = parts.map(|(shard, page)| {
            let mut part = Part {
                shard,
                page: VecDeque::new(),
                cursor: None,
                skipped: SkippedDocuments::default(),
            };
            part.turn(page).map(|()| part)
        });
        Ok(Cursor {
            router,
            timeout: start.timeout,
            descending: start.descending,
            skip: start.skip,
            left: start.limit.unwrap_or(u64::MAX),
            parts: parts.collect::<Result<_>>()?,
            ended: false,
            _type: PhantomData,
        })
    }

    /// The next document, `None` after the last.
    ///
    /// # Errors
    ///
    /// [`crate::Error::CursorExpired`] when it was left unread for too long or its shard changed
    /// its leader, [`crate::Error::Unavailable`] naming a shard that did not answer,
    /// [`crate::Error::InvalidDocument`] when a document does not fit `T`.
    pub async fn next(&mut self) -> Option<Result<T>> {
        if self.ended {
            return None;
        }
        let next = self.advance().await;
        self.ended = !matches!(next, Ok(Some(_)));
        next.and_then(|document| document.map(T::from_document).transpose()).transpose()
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

    /// Documents on which a lambda raised, as far as the results have been read.
    pub fn skipped(&self) -> SkippedDocuments {
        merge_skipped(self.parts.iter().map(|part| part.skipped.clone()))
    }

    async fn advance(&mut self) -> Result<Option<EncodedDocument>> {
        while self.left > 0 {
            self.refill().await?;
            let Some(document) = self.take_smallest() else { return Ok(None) };
            if self.skip > 0 {
                self.skip -= 1;
                continue;
            }
            self.left -= 1;
            return Ok(Some(document));
        }
        self.close();
        Ok(None)
    }

    /// Fetches the next page of every shard whose page is used up.
    async fn refill(&mut self) -> Result<()> {
        for part in &mut self.parts {
            while part.page.is_empty()
                && let Some(cursor) = part.cursor
            {
                let request = ShardRequest::NextPage { cursor };
                let deadline = self.router.deadline(self.timeout);
                match self.router.ask_shard(part.shard, &request, deadline).await? {
                    ShardResponse::Page(page) => part.turn(page)?,
                    _ => return Err(mismatched(&format!("shard {}", part.shard))),
                }
            }
        }
        Ok(())
    }

    fn take_smallest(&mut self) -> Option<EncodedDocument> {
        let descending = self.descending;
        let with_results = self.parts.iter_mut().filter(|part| !part.page.is_empty());
        let smallest = with_results.min_by(|a, b| {
            let ((key_a, a), (key_b, b)) = (&a.page[0], &b.page[0]);
            let by_key = match (key_a, key_b) {
                (Some(a), Some(b)) => a.total_cmp(b),
                _ => std::cmp::Ordering::Equal,
            };
            let by_key = if descending { by_key.reverse() } else { by_key };
            by_key.then_with(|| id_of(a).cmp(id_of(b)))
        });
        smallest?.page.pop_front().map(|(_, document)| document)
    }

    /// Tells the shards that no further page will be asked for.
    fn close(&mut self) {
        for part in &mut self.parts {
            let Some(cursor) = part.cursor.take() else { continue };
            let (router, shard) = (self.router.clone(), part.shard);
            let deadline = router.deadline(self.timeout);
            let env = router.env().clone();
            let closing = async move {
                let request = ShardRequest::CloseCursor { cursor };
                // If it does not arrive, the cursor expires by itself.
                let _unheard = router.ask_shard(shard, &request, deadline).await;
            };
            env.spawn(closing).detach();
        }
    }
}

impl Part {
    fn turn(&mut self, page: Page) -> Result<()> {
        let documents = page.documents.into_iter();
        let documents =
            documents.map(|(key, bytes)| Ok((key, EncodedDocument::from_bytes(bytes)?)));
        self.page = documents.collect::<Result<_>>()?;
        self.cursor = page.cursor;
        self.skipped = page.skipped;
        Ok(())
    }
}

fn id_of(document: &EncodedDocument) -> &str {
    match document.get("_id") {
        Some(ValueRef::Str(id)) => id,
        _ => "",
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
