//! Indexes of a database: created, listed and dropped while it is in use.
//!
//! The masters keep which indexes there are to be and tell the shards, each of which builds its own
//! part while it goes on serving. [`CreateIndex`] asks the shards again and again until all are
//! done; whoever stops waiting for it, or asks for that with [`CreateIndex::background`], leaves the
//! building to itself.
//!
//! Left out: which queries use an index (`query`), building one (`worker`).

use std::collections::BTreeMap;
use std::future::{Future, IntoFuture};
use std::pin::Pin;
use std::time::Duration;

use super::database::Database;
use super::document::{Document, FromDocument};
use super::router::mismatched;
use super::scatter::Answered;
use crate::transport::message::{
    DatabaseInfo, IndexDefinition, IndexState, MasterRequest, MasterResponse, ShardRequest,
    ShardResponse,
};
use crate::types::{Error, IndexName, Outcome, Result, validate_database_name};

/// The first pause between two questions whether an index is ready.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// An index of a database over all its shards.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct IndexInfo {
    /// Its name.
    pub name: IndexName,
    /// Its fields.
    pub fields: Vec<String>,
    /// Whether every shard has built its part; queries use the parts that are ready.
    pub state: IndexState,
    /// How many entries it has: one for each document, and more for elements of arrays.
    pub entries: u64,
    /// Of how many documents it has entries.
    pub documents_done: u64,
    /// How many documents there are.
    pub documents: u64,
}

/// An index about to be created; await it.
///
/// The answer comes when every shard has built its part, or at once with
/// [`CreateIndex::background`]. Dropping the future ends the waiting, not the building.
#[must_use = "an index is created when this is awaited"]
pub struct CreateIndex {
    database: Database,
    fields: Vec<String>,
    name: Option<String>,
    background: bool,
}

impl CreateIndex {
    /// Orders by one more field where those before are equal.
    pub fn then(mut self, field: impl Into<String>) -> Self {
        self.fields.push(field.into());
        self
    }

    /// Calls the index so, and not after its fields.
    pub fn name(mut self, name: impl Into<String>) -> Self {
        self.name = Some(name.into());
        self
    }

    /// Answers when the index is wanted, not when it is built.
    pub fn background(mut self) -> Self {
        self.background = true;
        self
    }

    async fn run(self) -> Result<IndexInfo> {
        let index = IndexDefinition::new(self.name.as_deref(), self.fields)?;
        let name = index.name.clone();
        let database = self.database.name().to_owned();
        self.database
            .change_indexes(|request| MasterRequest::CreateIndex {
                request,
                database: database.clone(),
                index: index.clone(),
            })
            .await?;
        let mut pause = FIRST_PAUSE;
        loop {
            let mut found = self.database.list_indexes().await.map_err(standing)?.into_iter();
            let Some(found) = found.find(|index| index.name == name) else {
                // Somebody dropped it since.
                return Err(Error::IndexNotFound { name: name.to_string() });
            };
            if self.background || found.state == IndexState::Ready {
                return Ok(found);
            }
            self.database.router().env().sleep(pause).await;
            pause = (pause * 2).min(LONGEST_PAUSE);
        }
    }
}

/// A failure to learn how far an index is, which does not take it back.
fn standing(error: Error) -> Error {
    match error {
        Error::Unavailable { what, reason, .. } => Error::Unavailable {
            what,
            reason: format!("{reason}; the index is wanted and will be built"),
            outcome: Outcome::Unknown,
        },
        Error::DeadlineExceeded { what, after, .. } => {
            Error::DeadlineExceeded { what, after, outcome: Outcome::Unknown }
        }
        error => error,
    }
}

impl IntoFuture for CreateIndex {
    type Output = Result<IndexInfo>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

impl<T: FromDocument> Database<T> {
    /// Creates an index on a field, a path such as `addr.city`; describe the rest, then await.
    ///
    /// It is built while the database serves. An index of that name on these fields that is there
    /// already is no error: the answer comes when it is built. A database has up to 64 indexes, an
    /// index up to 16 fields.
    ///
    /// # Errors
    ///
    /// Awaiting it gives [`Error::IndexExists`] for another index of that name or on those fields,
    /// [`Error::InvalidName`], [`Error::InvalidRequest`] beyond a limit,
    /// [`Error::DatabaseNotFound`], [`Error::IndexNotFound`] when somebody drops it meanwhile, and
    /// [`Error::Unavailable`] when somebody does not answer in time; the index may be building then.
    ///
    /// # Examples
    ///
    /// ```
    /// use psdb_core::Cluster;
    /// use psdb_core::transport::message::IndexState;
    /// use serde_json::json;
    ///
    /// # tokio::runtime::Runtime::new()?.block_on(async {
    /// let cluster = Cluster::memory().await?;
    /// let users = cluster.client().create_database("users").await?;
    /// users.insert_many([json!({"role": "Dev", "age": 36}), json!({"role": "Ops"})]).await?;
    /// let index = users.create_index("role").then("age").await?;
    /// assert_eq!((index.name.as_str(), index.state), ("role,age", IndexState::Ready));
    /// assert_eq!((index.entries, users.list_indexes().await?.len()), (2, 1));
    /// users.drop_index("role,age").await?;
    /// assert!(users.list_indexes().await?.is_empty());
    /// # Ok::<(), psdb_core::Error>(())
    /// # })?;
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    pub fn create_index(&self, field: impl Into<String>) -> CreateIndex {
        self.create_index_on([field])
    }

    /// As [`Database::create_index`], on several fields: ordered by the first, then the next.
    pub fn create_index_on<F: Into<String>>(
        &self,
        fields: impl IntoIterator<Item = F>,
    ) -> CreateIndex {
        CreateIndex {
            database: self.typed::<Document>(),
            fields: fields.into_iter().map(Into::into).collect(),
            name: None,
            background: false,
        }
    }

    /// Drops an index. Queries under way may still use it; its space is free afterwards.
    ///
    /// # Errors
    ///
    /// [`Error::IndexNotFound`], [`Error::DatabaseNotFound`], [`Error::Unavailable`].
    pub async fn drop_index(&self, name: &str) -> Result<()> {
        let database = self.name().to_owned();
        let dropped = self.change_indexes(|request| MasterRequest::DropIndex {
            request,
            database: database.clone(),
            index: name.into(),
        });
        dropped.await.map(|_| ())
    }

    /// The indexes in the order they were created, and how far each is built; linearizable.
    ///
    /// # Errors
    ///
    /// [`Error::DatabaseNotFound`], [`Error::Unavailable`] naming who did not answer.
    pub async fn list_indexes(&self) -> Result<Vec<IndexInfo>> {
        validate_database_name(self.name())?;
        let request = MasterRequest::GetDatabase { name: self.name().to_owned() };
        let deadline = self.router().deadline(self.timeout());
        let answer = self.router().ask_masters(&request, deadline).await?;
        let MasterResponse::Database(info) = answer else {
            return Err(mismatched("the masters"));
        };
        let mut statuses = BTreeMap::new();
        let asked = self.ask_all(None, None, |info| ShardRequest::Indexes { database: info.id });
        for Answered { shard, response, .. } in asked.await? {
            match response {
                ShardResponse::Indexes(indexes) => statuses.insert(shard, indexes),
                _ => return Err(mismatched(&format!("shard {shard}"))),
            };
        }
        let indexes = info.indexes.iter().map(|wanted| {
            let parts = statuses.values().map(|indexes| {
                // A shard that was not told yet knows another index of that name, or none.
                indexes.iter().find(|i| i.name == wanted.name && i.fields == wanted.fields)
            });
            let mut sum = IndexInfo {
                name: wanted.name.clone(),
                fields: wanted.fields.clone(),
                state: IndexState::Ready,
                entries: 0,
                documents_done: 0,
                documents: 0,
            };
            for part in parts {
                if part.is_none_or(|part| part.state == IndexState::Building) {
                    sum.state = IndexState::Building;
                }
                let Some(part) = part else { continue };
                sum.entries += part.entries;
                sum.documents_done += part.documents_done;
                sum.documents += part.documents;
            }
            sum
        });
        Ok(indexes.collect())
    }

    /// Refuses queries that would look at every document of the database, or takes them again.
    ///
    /// What is refused are queries with a lambda for which no index narrows the documents down;
    /// reading all documents, counting them all and exporting them stay possible. Other clients
    /// and nodes know of it within 5 s.
    ///
    /// # Errors
    ///
    /// [`Error::DatabaseNotFound`], [`Error::Unavailable`].
    pub async fn set_deny_full_scan(&self, deny: bool) -> Result<()> {
        let name = self.name().to_owned();
        let changed = self.change_indexes(|request| MasterRequest::ConfigureDatabase {
            request,
            name: name.clone(),
            deny_full_scan: deny,
        });
        changed.await.map(|_| ())
    }

    /// Lets the masters change what a database is, and remembers what it is now.
    async fn change_indexes(
        &self,
        request: impl Fn(crate::types::RequestId) -> MasterRequest,
    ) -> Result<DatabaseInfo> {
        validate_database_name(self.name())?;
        let deadline = self.router().deadline(self.timeout());
        match self.router().change_masters(request, deadline, self.named()).await? {
            MasterResponse::Database(info) => {
                self.router().learn(info.clone());
                Ok(info)
            }
            _ => Err(mismatched("the masters")),
        }
    }
}
