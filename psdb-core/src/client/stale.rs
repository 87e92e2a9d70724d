//! Reads that may be a little old, from whichever replica answers.
//!
//! All pages of a query come from the replica that began it, and show the state it began with.
//!
//! Left out: changes, which always go to the leader.

use std::time::Duration;

use super::cursor::merge_skipped;
use super::database::{Count, Database, shard_of};
use super::document::{Document, FromDocument};
use super::find::Find;
use super::group::GroupBy;
use super::handle::{Answerer, Handle};
use super::router::mismatched;
use crate::codec::EncodedDocument;
use crate::query::{Aggregate, Program};
use crate::transport::message::{DatabaseInfo, ShardRequest, ShardResponse};
use crate::types::{Address, DocumentId, Error, Outcome, Result, ShardId};

/// An answer, and how old it may be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stale<T> {
    /// The answer.
    pub value: T,
    /// It was true at some moment no longer ago than this.
    pub age: Duration,
}

/// A database as any of its replicas knows it, at most so old; made by [`Database::stale_ok`].
#[derive(Clone, Debug)]
pub struct StaleReads<T = Document> {
    pub(super) database: Database<T>,
    pub(super) max_age: Duration,
}

impl<T: FromDocument> StaleReads<T> {
    /// The document with this id, if there was one.
    ///
    /// # Errors
    ///
    /// [`crate::Error::DatabaseNotFound`]; [`crate::Error::Unavailable`] when no replica can answer
    /// for its age.
    pub async fn get(&self, id: &DocumentId) -> Result<Stale<Option<T>>> {
        let database = &self.database;
        let deadline = database.router().deadline(database.timeout());
        let found = database.router().with_route(database.name(), deadline, |route| async move {
            let shard = shard_of(&route, id)?;
            let request = ShardRequest::Get { database: route.info.id, ids: vec![id.clone()] };
            let router = database.router();
            match router.ask_any(shard, request, self.max_age, deadline).await? {
                (ShardResponse::Documents(mut documents), age, _) if documents.len() == 1 => {
                    Ok((documents.pop().flatten(), age))
                }
                _ => Err(mismatched(&format!("shard {shard}"))),
            }
        });
        let (bytes, age) = found.await?;
        let value = match bytes {
            Some(bytes) => Some(T::from_document(EncodedDocument::from_bytes(bytes)?)?),
            None => None,
        };
        Ok(Stale { value, age })
    }

    /// Finds the documents a lambda matched; describe the rest, then await for a cursor, whose
    /// [`super::Cursor::age`] says how old the results may be.
    ///
    /// # Examples
    ///
    /// ```
    /// # use psdb_core::{Cluster, Document};
    /// # use std::time::Duration;
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
    /// let cluster = Cluster::memory().await?;
    /// let notes = cluster.client().create_database("notes").await?;
    /// notes.insert_json(r#"{"text": "hello"}"#).await?;
    /// let patient = notes.stale_ok(Duration::from_secs(10));
    /// let found = patient.find("lambda d: d['text'] == 'hello'").await?;
    /// assert!(found.age() <= Duration::from_secs(10));
    /// assert_eq!(found.try_collect::<Vec<Document>>().await?.len(), 1);
    /// # Ok::<(), psdb_core::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn find(&self, filter: impl Into<String>) -> Find<T> {
        Find::new(self.database.clone(), Some(filter.into())).at_most(self.max_age)
    }

    /// Finds all documents there were, in the order of their ids.
    pub fn find_all(&self) -> Find<T> {
        Find::new(self.database.clone(), None).at_most(self.max_age)
    }

    /// Groups documents as [`Database::group`] does; [`super::GroupCursor::age`] says how old the
    /// groups may be.
    pub fn group(&self, key: impl Into<String>, aggregate: Aggregate) -> GroupBy {
        self.database.group(key, aggregate).at_most(self.max_age)
    }

    /// The different values a lambda gave, as [`Database::distinct`] has them.
    pub fn distinct(&self, lambda: impl Into<String>) -> GroupBy {
        self.database.distinct(lambda).at_most(self.max_age)
    }

    /// Counts the documents a lambda matched, or all of them without one. The age is that of the
    /// oldest part; parts on different shards may be of different moments.
    ///
    /// # Errors
    ///
    /// As [`StaleReads::get`], and [`crate::Error::InvalidQuery`].
    pub async fn count(&self, filter: Option<&str>) -> Result<Stale<Count>> {
        filter.map(Program::compile).transpose()?;
        let database = &self.database;
        let deadline = database.router().deadline(database.timeout());
        database.router().fresh_route(database.name(), deadline).await?;
        let counted = database.router().with_route(database.name(), deadline, |route| async move {
            let (mut count, mut age, mut skipped) = (0, Duration::ZERO, Vec::new());
            for shard in &route.info.shards {
                let filter = filter.map(str::to_owned);
                // Nothing stops it before its time is over: whoever answers is not known.
                let (database_id, handle) = (route.info.id, database.router().env().random_u64());
                let request = ShardRequest::Count {
                    database: database_id,
                    handle,
                    filter,
                    deny_full_scan: route.info.deny_full_scan,
                };
                let asked = database.router().ask_any(*shard, request, self.max_age, deadline);
                let (ShardResponse::Count { count: part, skipped: raised }, old, _) = asked.await?
                else {
                    return Err(mismatched(&format!("shard {shard}")));
                };
                count += part;
                age = age.max(old);
                skipped.push(raised);
            }
            Ok(Stale { value: Count { count, skipped: merge_skipped(skipped.into_iter()) }, age })
        });
        counted.await
    }
}

/// One shard's answer to a question that all shards were asked.
pub(super) struct Answered {
    pub(super) shard: ShardId,
    pub(super) response: ShardResponse,
    /// How old it may be.
    pub(super) age: Duration,
    /// The replica that gave it, unless that was the leader.
    pub(super) at: Option<Address>,
}

impl<T: FromDocument> Database<T> {
    /// Asks every shard, all at once: its leader, or any replica that knows to be at most `max_age`
    /// old.
    pub(super) async fn ask_all_within(
        &self,
        max_age: Option<Duration>,
        handle: &Handle,
        request: impl Fn(&DatabaseInfo) -> ShardRequest,
    ) -> Result<Vec<Answered>> {
        let Some(max_age) = max_age else {
            let answers = self.ask_all(Some(handle), request).await?.into_iter();
            let led =
                |(shard, response)| Answered { shard, response, age: Duration::ZERO, at: None };
            return Ok(answers.map(led).collect());
        };
        let deadline = self.router().deadline(self.timeout());
        let asked = self.router().with_route(self.name(), deadline, |route| {
            let request = request(&route.info);
            async move {
                let ask = |shard: &ShardId| {
                    let (router, request) = (self.router().clone(), request.clone());
                    let shard = *shard;
                    handle.begun(shard, Answerer::Anyone);
                    let task =
                        async move { router.ask_any(shard, request, max_age, deadline).await };
                    (shard, self.router().env().spawn(task))
                };
                let tasks: Vec<_> = route.info.shards.iter().map(ask).collect();
                let mut answers = Vec::with_capacity(tasks.len());
                for (shard, task) in tasks {
                    let answer = task.await.map_err(|stopped| Error::Internal {
                        reason: format!("a request to shard {shard} was stopped: {stopped}"),
                        outcome: Outcome::NotApplied,
                    })?;
                    let (response, age, at) = answer?;
                    handle.begun(shard, Answerer::At(at.clone()));
                    answers.push(Answered { shard, response, age, at: Some(at) });
                }
                Ok(answers)
            }
        });
        asked.await
    }
}
