//! A database as its users see it: documents in and out.
//!
//! Left out: creating and deleting databases (`admin`).

use std::collections::BTreeMap;
use std::marker::PhantomData;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;

use super::cursor::merge_skipped;
use super::document::{Document, FromDocument};
use super::find::Find;
use super::group::GroupBy;
use super::handle::Handle;
use super::map_cache::Route;
use super::named::NamedRequest;
use super::router::{Router, mismatched};
use super::scatter::Answered;
use super::stale::{Stale, StaleReads};
use super::write::{Change, Inserted, Updated, WriteOne};
use crate::codec::EncodedDocument;
use crate::query::{Aggregate, PlanTree, Program};
use crate::transport::message::{
    ShardRequest, ShardResponse, ShardStats, SkippedDocuments, WriteOp, WriteReceipt,
};
use crate::types::{
    DocumentId, Error, Limits, Outcome, Result, ShardId, validate_database_name,
    validate_document_id,
};

/// The answer to a count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Count {
    /// How many documents match.
    pub count: u64,
    /// Documents on which the lambda raised; they do not match.
    pub skipped: SkippedDocuments,
}

/// A database. Reads are linearizable, writes durable on a quorum before they are acknowledged.
///
/// `T` is what documents are read as: a [`Document`], or any serde type ([`Database::typed`]).
pub struct Database<T = Document> {
    router: Arc<Router>,
    timeout: Duration,
    named: Option<NamedRequest>,
    name: Arc<str>,
    _type: PhantomData<fn() -> T>,
}

impl<T> Clone for Database<T> {
    fn clone(&self) -> Self {
        Database {
            router: self.router.clone(),
            timeout: self.timeout,
            named: self.named,
            name: self.name.clone(),
            _type: PhantomData,
        }
    }
}

impl<T> std::fmt::Debug for Database<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Database").field("name", &self.name).finish_non_exhaustive()
    }
}

impl Database {
    pub(super) fn new(
        router: Arc<Router>,
        timeout: Duration,
        named: Option<NamedRequest>,
        name: &str,
    ) -> Database {
        Database { router, timeout, named, name: Arc::from(name), _type: PhantomData }
    }
}

impl<T> Database<T> {
    /// The database's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The same database, its documents being read as `U`.
    pub fn typed<U: FromDocument>(&self) -> Database<U> {
        Database {
            router: self.router.clone(),
            timeout: self.timeout,
            named: self.named,
            name: self.name.clone(),
            _type: PhantomData,
        }
    }

    pub(super) fn router(&self) -> &Arc<Router> {
        &self.router
    }

    pub(super) fn timeout(&self) -> Duration {
        self.timeout
    }

    pub(super) fn named(&self) -> Option<NamedRequest> {
        self.named
    }

    fn limits() -> Limits {
        Limits::DEFAULT
    }
}

impl<T: FromDocument> Database<T> {
    /// Inserts one document: any serde value that is an object, with or without an `_id`.
    ///
    /// # Errors
    ///
    /// [`Error::DocumentExists`], [`Error::InvalidDocument`], [`Error::ReservedField`],
    /// [`Error::DatabaseNotFound`], [`Error::Unavailable`].
    pub async fn insert_one<S: Serialize + ?Sized>(&self, document: &S) -> Result<Inserted> {
        self.insert_single(EncodedDocument::from_serialize(document)?).await
    }

    /// Inserts one document given as JSON text, read strictly.
    ///
    /// # Errors
    ///
    /// As [`Database::insert_one`].
    pub async fn insert_json(&self, json: &str) -> Result<Inserted> {
        let document = EncodedDocument::from_json(json.as_bytes(), &Self::limits())?;
        self.insert_single(document).await
    }

    async fn insert_single(&self, document: EncodedDocument) -> Result<Inserted> {
        let (id, body) = document.split_id()?;
        let mut results = self.insert_encoded(vec![(id, body)]).await?;
        results.pop().unwrap_or_else(|| Err(mismatched("a shard")))
    }

    /// Inserts many documents; each succeeds or fails by itself, in the order given.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidDocument`] or [`Error::ReservedField`] for the first that is none; nothing
    /// is inserted then. Failures of single documents are in the answer.
    pub async fn insert_many<S: Serialize>(
        &self,
        documents: impl IntoIterator<Item = S>,
    ) -> Result<Vec<Result<Inserted>>> {
        let encode = |document| EncodedDocument::from_serialize(&document)?.split_id();
        let encoded = documents.into_iter().map(encode).collect::<Result<Vec<_>>>()?;
        self.insert_encoded(encoded).await
    }

    /// Inserts bodies under given or generated ids; each succeeds or fails by itself.
    ///
    /// Documents of one shard travel together; all shards are written at once.
    ///
    /// # Errors
    ///
    /// [`Error::DatabaseNotFound`] and [`Error::InvalidName`] for the database. Everything else is
    /// an answer of single documents.
    pub async fn insert_encoded(
        &self,
        bodies: Vec<(Option<DocumentId>, EncodedDocument)>,
    ) -> Result<Vec<Result<Inserted>>> {
        validate_database_name(&self.name)?;
        let generate = || self.router.env().document_id();
        let bodies: Vec<_> = bodies
            .into_iter()
            .map(|(id, body)| (id.unwrap_or_else(generate), body.bytes().clone()))
            .collect();
        for (id, _) in &bodies {
            validate_document_id(id.as_str())?;
        }
        let deadline = self.router.deadline(self.timeout);
        // Opens the route before anything is sent, so that an unknown database is one error.
        self.router.route(&self.name, deadline).await?;
        let batches = self.router.with_route(&self.name, deadline, |route| {
            let bodies = &bodies;
            async move { self.insert_by(&route, bodies).await }
        });
        batches.await
    }

    /// Sorts documents by shard, cuts them into batches and writes all shards at once.
    async fn insert_by(
        &self,
        route: &Arc<Route>,
        bodies: &[(DocumentId, bytes::Bytes)],
    ) -> Result<Vec<Result<Inserted>>> {
        let mut by_shard: BTreeMap<ShardId, Vec<usize>> = BTreeMap::new();
        for (position, (id, _)) in bodies.iter().enumerate() {
            by_shard.entry(shard_of(route, id)?).or_default().push(position);
        }
        let tasks: Vec<_> = by_shard
            .into_iter()
            .map(|(shard, positions)| {
                let writes = self.batches(bodies, &positions);
                let (router, database) = (self.router.clone(), route.info.id);
                let (deadline, named) = (self.router.deadline(self.timeout), self.named);
                let task = async move {
                    let mut receipts = Vec::new();
                    for (number, (positions, operations)) in (1..).zip(writes) {
                        let name = named.map(|named| (named, number));
                        let written =
                            router.write(shard, database, operations, deadline, name).await;
                        receipts.push((positions, written));
                    }
                    receipts
                };
                (shard, self.router.env().spawn(task))
            })
            .collect();
        let mut results: Vec<Option<Result<Inserted>>> = vec![None; bodies.len()];
        for (shard, task) in tasks {
            let receipts = task.await.map_err(|stopped| Error::Internal {
                reason: format!("a write to shard {shard} was stopped: {stopped}"),
                outcome: Outcome::Unknown,
            })?;
            for (positions, written) in receipts {
                settle(bodies, shard, &positions, written, &mut results)?;
            }
        }
        Ok(results.into_iter().map(|r| r.unwrap_or_else(|| Err(mismatched("a shard")))).collect())
    }

    /// Cuts one shard's documents into writes of bounded size.
    fn batches(
        &self,
        bodies: &[(DocumentId, bytes::Bytes)],
        positions: &[usize],
    ) -> Vec<(Vec<usize>, Vec<WriteOp>)> {
        let options = self.router.options;
        let mut batches: Vec<(Vec<usize>, Vec<WriteOp>)> = Vec::new();
        let mut bytes = 0;
        for &position in positions {
            let (id, body) = &bodies[position];
            bytes += body.len();
            let full = batches.last().is_none_or(|(_, operations)| {
                operations.len() >= options.batch_operations || bytes > options.batch_bytes
            });
            if full {
                batches.push((Vec::new(), Vec::new()));
                bytes = body.len();
            }
            if let Some((taken, operations)) = batches.last_mut() {
                taken.push(position);
                operations.push(WriteOp::Insert { id: id.clone(), body: body.clone() });
            }
        }
        batches
    }

    /// The document with this id, if there is one.
    ///
    /// # Errors
    ///
    /// [`Error::DatabaseNotFound`], [`Error::Unavailable`].
    pub async fn get(&self, id: &DocumentId) -> Result<Option<T>> {
        validate_document_id(id.as_str())?;
        validate_database_name(&self.name)?;
        let deadline = self.router.deadline(self.timeout);
        let found = self.router.with_route(&self.name, deadline, |route| async move {
            let shard = shard_of(&route, id)?;
            let request = ShardRequest::Get { database: route.info.id, ids: vec![id.clone()] };
            match self.router.ask_shard(shard, &request, deadline).await? {
                ShardResponse::Documents(mut documents) if documents.len() == 1 => {
                    Ok(documents.pop().flatten())
                }
                _ => Err(mismatched(&format!("shard {shard}"))),
            }
        });
        match found.await? {
            Some(bytes) => T::from_document(EncodedDocument::from_bytes(bytes)?).map(Some),
            None => Ok(None),
        }
    }

    /// Reads from any replica instead of the leader, as long as it knows to be at most so old.
    ///
    /// Cheaper where many read what seldom changes, and possible for `max_age` after the leader is
    /// gone. Every answer says how old it may be.
    ///
    /// # Examples
    ///
    /// ```
    /// # use psdb_core::Cluster;
    /// # use std::time::Duration;
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// let cluster = Cluster::memory().await?;
    /// let notes = cluster.client().create_database("notes").await?;
    /// let note = notes.insert_json(r#"{"text": "hello"}"#).await?;
    /// let read = notes.stale_ok(Duration::from_secs(10)).get(&note.id).await?;
    /// assert!(read.age <= Duration::from_secs(10));
    /// # Ok::<(), psdb_core::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn stale_ok(&self, max_age: Duration) -> StaleReads<T> {
        StaleReads { database: self.clone(), max_age }
    }

    /// Finds the documents a lambda matches; describe the rest, then await for a cursor.
    ///
    /// The lambda is a text, or built with [`crate::query::expr`]; so it is wherever a lambda is
    /// taken. A document on which it raises does not match and is counted as skipped.
    ///
    /// # Examples
    ///
    /// ```
    /// use psdb_core::query::expr::field;
    /// use psdb_core::{Cluster, Document};
    /// use serde_json::json;
    ///
    /// # tokio::runtime::Runtime::new()?.block_on(async {
    /// let cluster = Cluster::memory().await?;
    /// let users = cluster.client().create_database("users").await?;
    /// users.insert_many([json!({"age": 36}), json!({"age": 17})]).await?;
    /// let text: Vec<Document> = users.find("lambda d: d['age'] > 30").await?.try_collect().await?;
    /// let built: Vec<Document> = users.find(field("age").gt(30)).await?.try_collect().await?;
    /// assert_eq!(text, built);
    /// assert_eq!(users.count(field("age").gt(30)).await?.count, 1);
    /// # Ok::<(), psdb_core::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn find(&self, filter: impl Into<String>) -> Find<T> {
        Find::new(self.clone(), Some(filter.into()))
    }

    /// Finds all documents, in the order of their ids.
    pub fn find_all(&self) -> Find<T> {
        Find::new(self.clone(), None)
    }

    /// The first document, by `_id`, that a lambda matches.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidQuery`], [`Error::DatabaseNotFound`], [`Error::Unavailable`].
    pub async fn find_one(&self, filter: impl Into<String>) -> Result<Option<T>>
    where
        T: Send + 'static,
    {
        self.find(filter).limit(1).await?.next().await.transpose()
    }

    /// Counts the documents a lambda matches.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidQuery`], [`Error::DatabaseNotFound`], [`Error::Unavailable`].
    pub async fn count(&self, filter: impl Into<String>) -> Result<Count> {
        Ok(self.count_matching(Some(filter.into()), None).await?.value)
    }

    /// Says how the documents a lambda matches would be found; for a sort, limits and the like see
    /// [`Find::explain`].
    ///
    /// # Errors
    ///
    /// [`Error::InvalidQuery`], [`Error::DatabaseNotFound`], [`Error::Unavailable`].
    pub async fn explain(&self, filter: impl Into<String>) -> Result<PlanTree> {
        self.find(filter).explain().await
    }

    /// Counts all documents.
    ///
    /// # Errors
    ///
    /// [`Error::DatabaseNotFound`], [`Error::Unavailable`].
    pub async fn count_all(&self) -> Result<Count> {
        Ok(self.count_matching(None, None).await?.value)
    }

    /// Groups all documents by what a lambda gives for each, and computes something of each group;
    /// describe the rest, then await for a cursor.
    ///
    /// Grouping is done on the shards, each of which reads its documents once. A document on which
    /// a lambda raises is in no group and is counted as skipped.
    ///
    /// # Examples
    ///
    /// ```
    /// use psdb_core::query::Aggregate;
    /// use psdb_core::Cluster;
    /// use serde_json::json;
    ///
    /// # tokio::runtime::Runtime::new()?.block_on(async {
    /// let cluster = Cluster::memory().await?;
    /// let users = cluster.client().create_database("users").await?;
    /// users.insert_many([json!({"role": "Dev", "age": 36}), json!({"role": "Dev", "age": 41})]).await?;
    /// let ages = Aggregate::Average("lambda d: d['age']".into());
    /// let mut groups = users.group("lambda d: d['role']", ages).await?;
    /// let dev = groups.next().await.transpose()?.expect("one group");
    /// assert_eq!((dev.key.to_json(), dev.value.to_json()), ("\"Dev\"".into(), "38.5".into()));
    /// # Ok::<(), psdb_core::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn group(&self, key: impl Into<String>, aggregate: Aggregate) -> GroupBy {
        GroupBy::new(self.typed(), key.into(), aggregate)
    }

    /// The different values a lambda gives: each group's key is one, its value says of how many
    /// documents.
    pub fn distinct(&self, lambda: impl Into<String>) -> GroupBy {
        self.group(lambda, Aggregate::Count)
    }

    /// Counts on all shards at once. The age is that of the oldest part.
    pub(super) async fn count_matching(
        &self,
        filter: Option<String>,
        max_age: Option<Duration>,
    ) -> Result<Stale<Count>> {
        // Compiled here for the error only; the shards compile the text themselves.
        filter.as_deref().map(Program::compile).transpose()?;
        let handle = Handle::new(self.router.clone(), self.timeout);
        let asked = self.ask_all(max_age, Some(&handle), |info| ShardRequest::Count {
            database: info.id,
            handle: handle.number(),
            filter: filter.clone(),
            deny_full_scan: info.deny_full_scan,
        });
        let (mut sum, mut parts, mut age) = (0, Vec::new(), Duration::ZERO);
        for Answered { shard, response, age: old, .. } in asked.await? {
            handle.ended(shard);
            let ShardResponse::Count { count, skipped } = response else {
                return Err(mismatched(&format!("shard {shard}")));
            };
            sum += count;
            age = age.max(old);
            parts.push(skipped);
        }
        let skipped = merge_skipped(parts.into_iter());
        Ok(Stale { value: Count { count: sum, skipped }, age })
    }

    /// How many documents there are, and how many bytes their encoded forms have.
    ///
    /// # Errors
    ///
    /// [`Error::DatabaseNotFound`], [`Error::Unavailable`].
    pub async fn stats(&self) -> Result<ShardStats> {
        let mut sum = ShardStats::default();
        let asked = self.ask_all(None, None, |info| ShardRequest::Stats { database: info.id });
        for Answered { shard, response, .. } in asked.await? {
            let ShardResponse::Stats(stats) = response else {
                return Err(mismatched(&format!("shard {shard}")));
            };
            sum.documents += stats.documents;
            sum.bytes += stats.bytes;
        }
        Ok(sum)
    }

    /// Sets top-level fields of a document, leaving the others.
    pub fn update_one<S: Serialize + ?Sized>(&self, id: &DocumentId, patch: &S) -> WriteOne {
        self.change(id, Change::Update(EncodedDocument::from_serialize(patch)))
    }

    /// As [`Database::update_one`], the fields being given as JSON text.
    pub fn update_one_json(&self, id: &DocumentId, patch: &str) -> WriteOne {
        let patch = EncodedDocument::from_json(patch.as_bytes(), &Self::limits());
        self.change(id, Change::Update(patch))
    }

    /// Replaces all fields of a document.
    pub fn replace_one<S: Serialize + ?Sized>(&self, id: &DocumentId, document: &S) -> WriteOne {
        self.change(id, Change::Replace(EncodedDocument::from_serialize(document)))
    }

    /// As [`Database::replace_one`], the document being given as JSON text.
    pub fn replace_one_json(&self, id: &DocumentId, document: &str) -> WriteOne {
        let document = EncodedDocument::from_json(document.as_bytes(), &Self::limits());
        self.change(id, Change::Replace(document))
    }

    /// Deletes a document.
    pub fn delete_one(&self, id: &DocumentId) -> WriteOne {
        self.change(id, Change::Delete)
    }

    fn change(&self, id: &DocumentId, change: Change) -> WriteOne {
        WriteOne { database: self.typed(), id: id.clone(), change, if_version: None }
    }

    pub(super) async fn write_one(&self, id: &DocumentId, operation: WriteOp) -> Result<Updated> {
        validate_document_id(id.as_str())?;
        validate_database_name(&self.name)?;
        let deadline = self.router.deadline(self.timeout);
        let written = self.router.with_route(&self.name, deadline, |route| {
            let operation = operation.clone();
            async move {
                let shard = shard_of(&route, id)?;
                let (database, name) = (route.info.id, self.named.map(|named| (named, 1)));
                let written =
                    self.router.write(shard, database, vec![operation], deadline, name).await;
                Ok((shard, written?))
            }
        });
        let (shard, mut receipt) = written.await?;
        let (term, index) = (receipt.term, receipt.index);
        let result = receipt.results.pop().unwrap_or_else(|| Err(mismatched("a shard")));
        result.map(|written| Updated { version: written.version, shard, term, index })
    }
}

pub(super) fn shard_of(route: &Route, id: &DocumentId) -> Result<ShardId> {
    route.shard_of(id).ok_or_else(|| Error::Internal {
        reason: format!("database '{}' has no shards", route.info.name),
        outcome: Outcome::NotApplied,
    })
}

/// Puts the results of one write where its documents stood.
fn settle(
    bodies: &[(DocumentId, bytes::Bytes)],
    shard: ShardId,
    positions: &[usize],
    written: Result<WriteReceipt>,
    results: &mut [Option<Result<Inserted>>],
) -> Result<()> {
    let receipt = match written {
        Ok(receipt) if receipt.results.len() == positions.len() => receipt,
        Ok(_) => return Err(mismatched(&format!("shard {shard}"))),
        // The database is another one now; nothing of this write was applied.
        Err(gone @ Error::DatabaseGone { .. }) => return Err(gone),
        Err(error) => {
            for position in positions {
                results[*position] = Some(Err(error.clone()));
            }
            return Ok(());
        }
    };
    let (term, index) = (receipt.term, receipt.index);
    for (position, result) in positions.iter().zip(receipt.results) {
        let id = bodies[*position].0.clone();
        results[*position] = Some(result.map(|written| Inserted {
            id,
            version: written.version,
            shard,
            term,
            index,
        }));
    }
    Ok(())
}
