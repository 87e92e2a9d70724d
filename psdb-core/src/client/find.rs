//! A query being described, before it runs.
//!
//! Left out: reading its results (`cursor`).

use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use super::cursor::{Cursor, Merge, SelectedCursor, Start};
use super::database::Database;
use super::document::{Document, FromDocument};
use super::explain;
use super::handle::Handle;
use super::router::mismatched;
use super::scatter::Answered;
use crate::query::{PlanTree, Program};
use crate::transport::message::{Order, Query, ShardRequest, ShardResponse};
use crate::types::Result;

/// A query being described; await it for its [`Cursor`].
#[must_use = "a query runs when this is awaited"]
pub struct Find<T> {
    pub(super) database: Database<T>,
    pub(super) query: Query,
    pub(super) skip: u64,
    pub(super) limit: Option<u64>,
    /// How old the results may be, if any replica will do.
    pub(super) max_age: Option<Duration>,
}

impl<T: FromDocument> Find<T> {
    pub(super) fn new(database: Database<T>, filter: Option<String>) -> Find<T> {
        let query = Query { filter, ..Query::default() };
        Find { database, query, skip: 0, limit: None, max_age: None }
    }

    /// The same query of whichever replica knows to be at most so old.
    pub(super) fn at_most(self, max_age: Duration) -> Find<T> {
        Find { max_age: Some(max_age), ..self }
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

    /// Makes a lambda that raises on a document an error, where it would skip the document.
    ///
    /// The error is [`crate::Error::LambdaRaised`]; it comes as soon as a shard meets such a
    /// document, which may be one that a limit would have left out.
    pub fn strict(mut self) -> Self {
        self.query.strict = true;
        self
    }

    /// Gives what the lambda makes of each document, any JSON value, in place of the documents.
    ///
    /// It is evaluated on the shards. The order is still that of the documents; one on which the
    /// lambda raises is skipped.
    pub fn select(mut self, lambda: impl Into<String>) -> Select {
        self.query.select = Some(lambda.into());
        let Find { database, query, skip, limit, max_age } = self;
        Select(Find { database: database.typed(), query, skip, limit, max_age })
    }

    /// Says how the query would be run, without running it: what the client does, and below it what
    /// each shard does, shards that do the same being one branch.
    ///
    /// # Errors
    ///
    /// [`crate::Error::InvalidQuery`], [`crate::Error::DatabaseNotFound`],
    /// [`crate::Error::Unavailable`].
    ///
    /// # Examples
    ///
    /// ```
    /// use psdb_core::Cluster;
    /// use serde_json::json;
    ///
    /// # tokio::runtime::Runtime::new()?.block_on(async {
    /// let cluster = Cluster::memory().await?;
    /// let users = cluster.client().create_database("users").index("role").shards(2).await?;
    /// let role = |n| if n % 50 == 0 { "Dev" } else { "Ops" };
    /// users.insert_many((0..200).map(|n| json!({"role": role(n)}))).await?;
    /// let plan = users.find("lambda d: d['role'] == 'Dev'").limit(10).explain().await?;
    /// let expected = "\
    /// first 10
    /// └─ merge by _id
    ///    └─ shards 0, 1
    ///       └─ first 10
    ///          └─ filter lambda d: d['role'] == 'Dev'
    ///             └─ index role where role == 'Dev'
    /// ";
    /// assert_eq!(plan.to_string(), expected);
    /// # Ok::<(), psdb_core::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn explain(self) -> Result<PlanTree> {
        self.explained(false).await
    }

    /// Runs the query on every shard, sends no results, and says for each how it was run: how many
    /// entries and documents were read, how many results there were, and how long that took.
    ///
    /// # Errors
    ///
    /// As [`Find::explain`], and as for running it.
    ///
    /// # Examples
    ///
    /// ```
    /// use psdb_core::{Cluster, Value};
    /// use serde_json::json;
    ///
    /// # tokio::runtime::Runtime::new()?.block_on(async {
    /// let cluster = Cluster::memory().await?;
    /// let users = cluster.client().create_database("users").shards(1).await?;
    /// users.insert_many([json!({"age": 36}), json!({"age": 17}), json!({})]).await?;
    /// let plan = users.find("lambda d: d['age'] > 30").analyze().await?;
    /// let scan = plan.find("scan").expect("there is no index");
    /// assert_eq!(scan.get("documents_read"), Some(&Value::Int(3)));
    /// assert_eq!((scan.get("results"), scan.get("skipped")), (Some(&Value::Int(1)), Some(&Value::Int(1))));
    /// assert!(plan.find("analyzed").is_some_and(|step| step.get("micros").is_some()));
    /// # Ok::<(), psdb_core::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub async fn analyze(self) -> Result<PlanTree> {
        self.explained(true).await
    }

    async fn explained(mut self, analyze: bool) -> Result<PlanTree> {
        self.prepare()?;
        let handle = Handle::new(self.database.router().clone(), self.database.timeout());
        let asked = self.database.ask_all(None, Some(&handle), |info| ShardRequest::Explain {
            database: info.id,
            handle: handle.number(),
            query: Query { deny_full_scan: info.deny_full_scan, ..self.query.clone() },
            analyze,
        });
        let mut parts = Vec::new();
        for Answered { shard, response, .. } in asked.await? {
            handle.ended(shard);
            match response {
                ShardResponse::Explained(tree) => parts.push((shard, tree)),
                _ => return Err(mismatched(&format!("shard {shard}"))),
            }
        }
        Ok(explain::merged(&self.query, self.skip, self.limit, parts))
    }

    /// Checks the lambdas and settles how many results each shard has to give.
    fn prepare(&mut self) -> Result<()> {
        // Compiled here for the error only; the shards compile the text themselves.
        self.query.filter.as_deref().map(Program::compile).transpose()?;
        self.query.order.as_ref().map(|order| Program::compile(&order.key)).transpose()?;
        self.query.select.as_deref().map(Program::compile).transpose()?;
        self.query.limit = self.limit.map(|limit| limit.saturating_add(self.skip));
        Ok(())
    }

    async fn start(mut self) -> Result<(Database<T>, Start)> {
        self.prepare()?;
        let descending = self.query.order.as_ref().is_some_and(|order| order.descending);
        let (query, timeout) = (self.query, self.database.timeout());
        let handle = Handle::new(self.database.router().clone(), timeout);
        let asked =
            self.database.ask_all(self.max_age, Some(&handle), |info| ShardRequest::Query {
                database: info.id,
                handle: handle.number(),
                query: Query { deny_full_scan: info.deny_full_scan, ..query.clone() },
            });
        let mut pages = Vec::new();
        let mut age = Duration::ZERO;
        for Answered { shard, response, age: old, at } in asked.await? {
            age = age.max(old);
            match response {
                ShardResponse::Page(page) => pages.push((shard, at, page)),
                _ => return Err(mismatched(&format!("shard {shard}"))),
            }
        }
        let (skip, limit) = (self.skip, self.limit);
        let start = Start { handle, descending, skip, limit, timeout, age, pages };
        Ok((self.database, start))
    }

    /// Starts the query, for whoever reads its results as they come from the shards.
    pub(super) async fn merge(self) -> Result<Merge> {
        let (database, start) = self.start().await?;
        Merge::new(database.router().clone(), start)
    }

    async fn run(self) -> Result<Cursor<T>> {
        let (database, start) = self.start().await?;
        Cursor::new(database.router().clone(), start)
    }
}

/// A query for values of documents being described; await it for its [`SelectedCursor`].
#[must_use = "a query runs when this is awaited"]
pub struct Select(pub(super) Find<Document>);

impl Select {
    /// Says how the query would be run, as [`Find::explain`] does.
    ///
    /// # Errors
    ///
    /// As [`Find::explain`].
    pub async fn explain(self) -> Result<PlanTree> {
        self.0.explain().await
    }

    /// Runs the query and says how that went, as [`Find::analyze`] does.
    ///
    /// # Errors
    ///
    /// As [`Find::analyze`].
    pub async fn analyze(self) -> Result<PlanTree> {
        self.0.analyze().await
    }

    async fn run(self) -> Result<SelectedCursor> {
        let (database, start) = self.0.start().await?;
        SelectedCursor::new(database.router().clone(), start)
    }
}

impl IntoFuture for Select {
    type Output = Result<SelectedCursor>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl<T: FromDocument + Send + 'static> IntoFuture for Find<T> {
    type Output = Result<Cursor<T>>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}
