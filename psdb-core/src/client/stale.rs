//! Reads that may be a little old, from whichever replica answers.
//!
//! Left out: queries, whose pages all come from one replica; ask the leader for those.

use std::time::Duration;

use super::cursor::merge_skipped;
use super::database::{Count, Database, shard_of};
use super::document::{Document, FromDocument};
use super::router::mismatched;
use crate::codec::EncodedDocument;
use crate::query::Program;
use crate::transport::message::{ShardRequest, ShardResponse};
use crate::types::{DocumentId, Result};

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
                (ShardResponse::Documents(mut documents), age) if documents.len() == 1 => {
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
                let (ShardResponse::Count { count: part, skipped: raised }, old) = asked.await?
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
