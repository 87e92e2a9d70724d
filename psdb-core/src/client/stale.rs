//! Reads that may be a little old, from whichever replica answers.
//!
//! All pages of a query come from the replica that began it, and show the state it began with.
//!
//! Left out: changes, which always go to the leader.

use std::time::Duration;

use super::database::{Count, Database, shard_of};
use super::document::{Document, FromDocument};
use super::find::Find;
use super::group::GroupBy;
use super::router::mismatched;
use crate::codec::EncodedDocument;
use crate::query::Aggregate;
use crate::transport::message::{ShardRequest, ShardResponse};
use crate::types::{DocumentId, Result, validate_database_name, validate_document_id};

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
        validate_document_id(id.as_str())?;
        validate_database_name(database.name())?;
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
        self.database.count_matching(filter.map(str::to_owned), Some(self.max_age)).await
    }
}
