//! Changing all documents that a lambda matches.
//!
//! ```text
//! shard by shard, all at once:
//!   select     the leader evaluates the lambda behind its read barrier: a page of ids and versions
//!   write      updates or deletions of a batch of them, each only in its version
//!   conflicts  what had changed in between is selected anew, at most ROUNDS times
//!   next batch, next page ... until nothing is left to look at
//! ```
//! Lambdas run where documents are read, never under `apply`, which compares versions only. Pages go
//! on after the last id, so a document is changed once although it may match again afterwards, and
//! no cursor is needed: the next page may come from another leader.
//!
//! A write that is sent again bears the request id it had, so it applies once. A call that its
//! *caller* makes again under the same name ([`super::NamedRequest`]) selects anew, which must not
//! change twice what the first one changed. Therefore a named write ends with a marker, a deletion
//! in version 0, which never happens and whose refusal names the batch's last id. Whoever tries
//! again asks for the answers of the first try, one number after the other, by writes that change
//! nothing; the last answer says after which id to go on, and which documents were in conflict.
//!
//! Invariants:
//! 1. A document is changed at most once by a call, and only in a version in which it matched.
//! 2. A document that vanished or matches no more is left alone, which is no error.
//! 3. An error after some documents were changed says so ([`Error::PartlyDone`]).
//!
//! Left out: all or nothing. Others see some documents changed before the rest is.

use std::future::Future;
use std::sync::Arc;

use bytes::Bytes;
use serde::Serialize;

use super::cursor::merge_skipped;
use super::database::Database;
use super::document::FromDocument;
use super::handle::{Answerer, Handle};
use super::router::mismatched;
use crate::codec::EncodedDocument;
use crate::query::Program;
use crate::transport::message::{
    Among, DatabaseInfo, Selection, ShardRequest, ShardResponse, SkippedDocuments, WriteOp,
    WriteReceipt,
};
use crate::types::{DatabaseId, DocumentId, Error, Limits, Outcome, Result, ShardId};

/// How often a document that others keep changing is tried.
const ROUNDS: u32 = 16;

/// What became of [`Database::update_many`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UpdatedMany {
    /// How many documents matched: those that were updated, and those that others changed each time
    /// they were to be.
    pub matched: u64,
    /// How many documents were updated.
    pub modified: u64,
    /// Documents on which the lambda raised; they do not match.
    pub skipped: SkippedDocuments,
}

/// What became of [`Database::delete_many`].
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DeletedMany {
    /// How many documents matched: those that were deleted, and those that others changed each time
    /// they were to be.
    pub matched: u64,
    /// How many documents were deleted.
    pub deleted: u64,
    /// Documents on which the lambda raised; they do not match.
    pub skipped: SkippedDocuments,
}

impl<T: FromDocument> Database<T> {
    /// Sets top-level fields in every document a lambda matches, leaving the other fields.
    ///
    /// Each document is updated once, in a version in which it matched; documents that others
    /// change at the same time are looked at again. Not all or nothing: readers see some documents
    /// updated before the others are.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidQuery`], [`Error::InvalidDocument`], [`Error::ReservedField`] and
    /// [`Error::DatabaseNotFound`] before anything is changed; [`Error::PartlyDone`] when something
    /// fails after some documents were updated.
    ///
    /// # Examples
    ///
    /// ```
    /// use psdb_core::Cluster;
    /// use serde_json::json;
    ///
    /// # tokio::runtime::Runtime::new()?.block_on(async {
    /// let cluster = Cluster::memory().await?;
    /// let users = cluster.client().create_database("users").await?;
    /// users.insert_many([json!({"age": 36}), json!({"age": 17}), json!({})]).await?;
    /// let done = users.update_many("lambda d: d['age'] >= 18", &json!({"adult": true})).await?;
    /// assert_eq!((done.matched, done.modified, done.skipped.count), (1, 1, 1));
    /// # Ok::<(), psdb_core::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn update_many<S: Serialize + ?Sized>(
        &self,
        filter: impl Into<String>,
        patch: &S,
    ) -> Result<UpdatedMany> {
        self.update_many_encoded(filter.into(), EncodedDocument::from_serialize(patch)?).await
    }

    /// As [`Database::update_many`], the fields being given as JSON text.
    ///
    /// # Errors
    ///
    /// As [`Database::update_many`].
    pub async fn update_many_json(
        &self,
        filter: impl Into<String>,
        patch: &str,
    ) -> Result<UpdatedMany> {
        let patch = EncodedDocument::from_json(patch.as_bytes(), &Limits::DEFAULT)?;
        self.update_many_encoded(filter.into(), patch).await
    }

    async fn update_many_encoded(
        &self,
        filter: String,
        patch: EncodedDocument,
    ) -> Result<UpdatedMany> {
        let (None, patch) = patch.split_id()? else {
            let reason = "_id cannot be changed; leave it out".into();
            return Err(Error::InvalidDocument { reason });
        };
        let change = Change::Update(patch.bytes().clone());
        let Tally { matched, changed, skipped } =
            change_many(&self.typed(), filter, change).await?;
        Ok(UpdatedMany { matched, modified: changed, skipped })
    }

    /// Deletes every document a lambda matches.
    ///
    /// Each document is deleted in a version in which it matched; documents that others change at
    /// the same time are looked at again. Not all or nothing.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidQuery`] and [`Error::DatabaseNotFound`] before anything is deleted;
    /// [`Error::PartlyDone`] when something fails after some documents were.
    pub async fn delete_many(&self, filter: impl Into<String>) -> Result<DeletedMany> {
        let tally = change_many(&self.typed(), filter.into(), Change::Delete).await?;
        Ok(DeletedMany { matched: tally.matched, deleted: tally.changed, skipped: tally.skipped })
    }
}

/// What is done to each document.
#[derive(Clone)]
enum Change {
    Update(Bytes),
    Delete,
}

impl Change {
    fn operation(&self, id: DocumentId, version: u64) -> WriteOp {
        let if_version = Some(version);
        match self {
            Change::Update(patch) => WriteOp::Update { id, patch: patch.clone(), if_version },
            Change::Delete => WriteOp::Delete { id, if_version },
        }
    }

    fn size(&self) -> usize {
        match self {
            Change::Update(patch) => patch.len(),
            Change::Delete => 0,
        }
    }
}

/// What was done so far.
#[derive(Default)]
struct Tally {
    matched: u64,
    changed: u64,
    skipped: SkippedDocuments,
}

impl Tally {
    fn add(&mut self, other: Tally) {
        self.matched += other.matched;
        self.changed += other.changed;
        self.skip(other.skipped);
    }

    fn skip(&mut self, more: SkippedDocuments) {
        self.skipped = merge_skipped([std::mem::take(&mut self.skipped), more].into_iter());
    }
}

async fn change_many(database: &Database, filter: String, change: Change) -> Result<Tally> {
    // Compiled here for the error only; the shards compile the text themselves.
    Program::compile(&filter)?;
    let filter: Arc<str> = filter.into();
    let handle = Arc::new(Handle::new(database.router().clone(), database.timeout()));
    let done = database.on_every_shard(|info, shard| {
        let (database, filter, change) = (database.clone(), filter.clone(), change.clone());
        let (handle, tally) = (handle.clone(), Tally::default());
        let (id, deny_full_scan) = (info.id, info.deny_full_scan);
        let number = 0;
        let mut job =
            Job { database, id, deny_full_scan, shard, filter, change, handle, number, tally };
        async move {
            let ended = job.run().await;
            (job.tally, ended)
        }
    });
    done.await
}

impl Database {
    /// Runs `work` on every shard at once and adds up what was done, even if some failed.
    async fn on_every_shard<F>(&self, work: impl Fn(&DatabaseInfo, ShardId) -> F) -> Result<Tally>
    where
        F: Future<Output = (Tally, Result<()>)> + Send + 'static,
    {
        crate::types::validate_database_name(self.name())?;
        let deadline = self.router().deadline(self.timeout());
        self.router().fresh_route(self.name(), deadline).await?;
        let done = self.router().with_route(self.name(), deadline, |route| {
            let start =
                |shard: &ShardId| (*shard, self.router().env().spawn(work(&route.info, *shard)));
            let tasks: Vec<_> = route.info.shards.iter().map(start).collect();
            async move {
                let (mut tally, mut failure) = (Tally::default(), None);
                for (shard, task) in tasks {
                    let stopped = |stopped| Error::Internal {
                        reason: format!("changing shard {shard} was stopped: {stopped}"),
                        outcome: Outcome::Unknown,
                    };
                    match task.await.map_err(stopped) {
                        Ok((done, ended)) => {
                            tally.add(done);
                            failure = failure.or(ended.err());
                        }
                        Err(error) => failure = failure.or(Some(error)),
                    }
                }
                match failure {
                    None => Ok(tally),
                    Some(error) if tally.changed == 0 => Err(error),
                    Some(error) => {
                        Err(Error::PartlyDone { changed: tally.changed, cause: Box::new(error) })
                    }
                }
            }
        });
        done.await
    }
}

/// The change of one shard's documents.
struct Job {
    database: Database,
    id: DatabaseId,
    deny_full_scan: bool,
    shard: ShardId,
    filter: Arc<str>,
    change: Change,
    handle: Arc<Handle>,
    /// How many numbers were used for writes under the caller's name.
    number: u64,
    tally: Tally,
}

/// Documents by id and version.
type Versions = Vec<(DocumentId, u64)>;

impl Job {
    async fn run(&mut self) -> Result<()> {
        let mut after = None;
        if self.database.named().is_some_and(super::NamedRequest::is_retry) {
            let pending;
            (after, pending) = self.replay().await?;
            if !pending.is_empty() {
                let again = self.select(Among::Ids(pending)).await?;
                self.change(again.versions, after.as_ref()).await?;
            }
        }
        loop {
            let page = self.select(Among::After(after)).await?;
            for batch in page.versions.chunks(self.batch_documents()) {
                self.change(batch.to_vec(), None).await?;
            }
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }

    /// How many documents one write changes at most.
    fn batch_documents(&self) -> usize {
        let options = self.database.router().options;
        let each = self.change.size() + 64;
        // One place is the marker's.
        (options.batch_bytes / each).min(options.batch_operations.saturating_sub(1)).max(1)
    }

    /// Changes a batch; `last` is its last id, if that is not the last of `versions`.
    async fn change(&mut self, versions: Versions, last: Option<&DocumentId>) -> Result<()> {
        let last = last.or(versions.last().map(|(id, _)| id)).cloned();
        let Some(last) = last else { return Ok(()) };
        let mut versions = versions;
        for _ in 0..ROUNDS {
            if versions.is_empty() {
                return Ok(());
            }
            let conflicts = self.write(&versions, &last).await?;
            if conflicts.is_empty() {
                return Ok(());
            }
            versions = self.select(Among::Ids(conflicts)).await?.versions;
        }
        self.tally.matched += versions.len() as u64;
        Ok(())
    }

    async fn select(&mut self, among: Among) -> Result<Selection> {
        let router = self.database.router();
        let deadline = router.deadline(self.database.timeout());
        let request = ShardRequest::Select {
            database: self.id,
            handle: self.handle.number(),
            filter: self.filter.to_string(),
            among,
            deny_full_scan: self.deny_full_scan,
        };
        self.handle.begun(self.shard, Answerer::Leader);
        let answer = router.ask_shard(self.shard, &request, deadline).await;
        self.handle.ended(self.shard);
        match answer? {
            ShardResponse::Selected(mut selection) => {
                self.tally.skip(std::mem::take(&mut selection.skipped));
                Ok(selection)
            }
            _ => Err(mismatched(&format!("shard {}", self.shard))),
        }
    }

    /// Writes a batch and returns the documents that had changed in between.
    async fn write(&mut self, versions: &Versions, last: &DocumentId) -> Result<Vec<DocumentId>> {
        let operation =
            |(id, version): &(DocumentId, u64)| self.change.operation(id.clone(), *version);
        let mut operations: Vec<_> = versions.iter().map(operation).collect();
        let named = self.database.named().is_some();
        if named {
            operations.push(marker(last.clone()));
        }
        let mut receipt = self.send(operations).await?;
        if receipt.results.len() != versions.len() + usize::from(named) {
            // Somebody else writes under the same name at the same time.
            return Err(mismatched(&format!("shard {}", self.shard)));
        }
        receipt.results.truncate(versions.len());
        self.settle(receipt)
    }

    async fn send(&mut self, operations: Vec<WriteOp>) -> Result<WriteReceipt> {
        self.number += 1;
        let name = self.database.named().map(|named| (named, self.number));
        let router = self.database.router();
        let deadline = router.deadline(self.database.timeout());
        router.write(self.shard, self.id, operations, deadline, name).await
    }

    /// Counts what a write did and returns the documents it found changed.
    fn settle(&mut self, receipt: WriteReceipt) -> Result<Vec<DocumentId>> {
        let (mut conflicts, mut failure) = (Vec::new(), None);
        for result in receipt.results {
            match result {
                Ok(_) => {
                    self.tally.matched += 1;
                    self.tally.changed += 1;
                }
                Err(Error::VersionConflict { id, .. } | Error::DocumentNotFound { id }) => {
                    conflicts.push(id);
                }
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        failure.map_or(Ok(conflicts), Err)
    }

    /// Counts what an earlier try under the same name did: after which id to go on, and which
    /// documents before it were found changed.
    async fn replay(&mut self) -> Result<(Option<DocumentId>, Vec<DocumentId>)> {
        let (mut after, mut pending) = (None, Vec::new());
        loop {
            let probe = self.database.router().env().document_id();
            let mut receipt = self.send(vec![marker(probe.clone())]).await?;
            let refused = receipt.results.pop().and_then(Result::err);
            let Some(Error::DocumentNotFound { id } | Error::VersionConflict { id, .. }) = refused
            else {
                return Err(mismatched(&format!("shard {}", self.shard)));
            };
            if id == probe {
                return Ok((after, pending));
            }
            // The answer to a probe of another try is its marker alone.
            if !receipt.results.is_empty() {
                after = Some(id);
                pending = self.settle(receipt)?;
            }
        }
    }
}

/// An operation that changes nothing, and whose refusal names `id`: no document has version 0.
fn marker(id: DocumentId) -> WriteOp {
    WriteOp::Delete { id, if_version: Some(0) }
}
