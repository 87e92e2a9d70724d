//! A query being described, before it runs.
//!
//! Left out: reading its results (`cursor`).

use std::future::{Future, IntoFuture};
use std::pin::Pin;

use super::cursor::{Cursor, Start};
use super::database::Database;
use super::document::FromDocument;
use super::router::mismatched;
use crate::query::Program;
use crate::transport::message::{Order, Query, ShardRequest, ShardResponse};
use crate::types::Result;

/// A query being described; await it for its [`Cursor`].
#[must_use = "a query runs when this is awaited"]
pub struct Find<T> {
    database: Database<T>,
    query: Query,
    skip: u64,
    limit: Option<u64>,
}

impl<T: FromDocument> Find<T> {
    pub(super) fn new(database: Database<T>, filter: Option<String>) -> Find<T> {
        let query = Query { filter, ..Query::default() };
        Find { database, query, skip: 0, limit: None }
    }

    /// Orders the results by what the lambda gives for each: null, numbers, strings, arrays,
    /// objects; ties by `_id`. A document on which it raises is skipped.
    pub fn sort(mut self, key: impl Into<String>) -> Self {
        let descending = self.query.order.as_ref().is_some_and(|order| order.descending);
        self.query.order = Some(Order { key: key.into(), descending });
        self
    }

    /// Puts the largest first. Without a [`Find::sort`] it changes nothing.
    pub fn descending(mut self) -> Self {
        if let Some(order) = &mut self.query.order {
            order.descending = true;
        }
        self
    }

    /// Leaves out the first so many results.
    pub fn skip(mut self, results: u64) -> Self {
        self.skip = results;
        self
    }

    /// Gives at most so many results.
    pub fn limit(mut self, results: u64) -> Self {
        self.limit = Some(results);
        self
    }

    async fn run(mut self) -> Result<Cursor<T>> {
        // Compiled here for the error only; the shards compile the text themselves.
        self.query.filter.as_deref().map(Program::compile).transpose()?;
        self.query.order.as_ref().map(|order| Program::compile(&order.key)).transpose()?;
        self.query.limit = self.limit.map(|limit| limit.saturating_add(self.skip));
        let descending = self.query.order.as_ref().is_some_and(|order| order.descending);
        let query = self.query;
        let asked = self
            .database
            .ask_all(|database| ShardRequest::Query { database, query: query.clone() });
        let mut pages = Vec::new();
        for (shard, response) in asked.await? {
            match response {
                ShardResponse::Page(page) => pages.push((shard, page)),
                _ => return Err(mismatched(&format!("shard {shard}"))),
            }
        }
        let (skip, limit, timeout) = (self.skip, self.limit, self.database.timeout());
        let start = Start { descending, skip, limit, timeout, pages };
        Cursor::new(self.database.router().clone(), start)
    }
}

impl<T: FromDocument + Send + 'static> IntoFuture for Find<T> {
    type Output = Result<Cursor<T>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}
