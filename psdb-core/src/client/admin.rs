//! Databases and the cluster: what a client asks the masters.
//!
//! Left out: documents (`database`).

use std::future::{Future, IntoFuture};
use std::pin::Pin;

use super::router::mismatched;
use super::{Client, Database};
use crate::transport::message::{
    DatabaseInfo, IndexDefinition, MasterInfo, MasterRequest, MasterResponse, ShardInfo,
    ShardStats, WorkerInfo,
};
use crate::types::{Address, Result, ShardId, validate_database_name};

/// A database and what it holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DatabaseSummary {
    /// Its name, shards and indexes.
    pub info: DatabaseInfo,
    /// How many documents it holds.
    pub documents: u64,
    /// How many bytes their encoded forms have.
    pub bytes: u64,
}

/// A database about to be created; await it.
#[must_use = "a database is created when this is awaited"]
pub struct CreateDatabase {
    client: Client,
    name: String,
    indexes: Vec<Vec<String>>,
    shards: Option<u32>,
    deny_full_scan: bool,
}

impl CreateDatabase {
    /// Adds an index on one field, a path such as `addr.city`.
    pub fn index(self, field: impl Into<String>) -> Self {
        self.index_on([field.into()])
    }

    /// Adds an index on several fields, ordered by the first, then the next.
    pub fn index_on<F: Into<String>>(mut self, fields: impl IntoIterator<Item = F>) -> Self {
        self.indexes.push(fields.into_iter().map(Into::into).collect());
        self
    }

    /// Spreads the database over so many shards instead of a quarter of the cluster's.
    pub fn shards(mut self, shards: u32) -> Self {
        self.shards = Some(shards);
        self
    }

    /// Refuses queries that would look at every document, as [`Database::set_deny_full_scan`] does.
    pub fn deny_full_scan(mut self) -> Self {
        self.deny_full_scan = true;
        self
    }

    async fn create(self) -> Result<Database> {
        validate_database_name(&self.name)?;
        let define = |fields: &Vec<String>| IndexDefinition::new(None, fields.iter().cloned());
        let indexes = self.indexes.iter().map(define).collect::<Result<Vec<_>>>()?;
        let router = &self.client.router;
        let created = router.change_masters(
            |request| MasterRequest::CreateDatabase {
                request,
                name: self.name.clone(),
                indexes: indexes.clone(),
                shards: self.shards,
                deny_full_scan: self.deny_full_scan,
            },
            router.deadline(self.client.timeout),
            self.client.named,
        );
        match created.await? {
            MasterResponse::Database(info) => router.learn(info),
            _ => return Err(mismatched("the masters")),
        }
        Ok(self.client.database(&self.name))
    }
}

impl IntoFuture for CreateDatabase {
    type Output = Result<Database>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.create())
    }
}

impl Client {
    /// Creates a database on the least-loaded shards; add indexes, then await.
    ///
    /// # Errors
    ///
    /// Awaiting it gives [`crate::Error::DatabaseExists`], [`crate::Error::InvalidName`], or
    /// [`crate::Error::Unavailable`] when no master answers in time.
    pub fn create_database(&self, name: &str) -> CreateDatabase {
        CreateDatabase {
            client: self.clone(),
            name: name.to_owned(),
            indexes: Vec::new(),
            shards: None,
            deny_full_scan: false,
        }
    }

    /// Returns all databases by name, each with its exact size as its shards tell it.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Unavailable`] naming who did not answer.
    pub async fn list_databases(&self) -> Result<Vec<DatabaseSummary>> {
        let answer = self.ask(&MasterRequest::ListDatabases).await?;
        let MasterResponse::Databases(infos) = answer else {
            return Err(mismatched("the masters"));
        };
        let mut summaries = Vec::with_capacity(infos.len());
        for info in infos {
            let found = self.database(&info.name).stats().await;
            match found {
                Ok(ShardStats { documents, bytes }) => {
                    summaries.push(DatabaseSummary { info, documents, bytes });
                }
                // Deleted since it was listed.
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(summaries)
    }

    /// Returns one database's name, shards and indexes.
    ///
    /// # Errors
    ///
    /// [`crate::Error::DatabaseNotFound`], [`crate::Error::Unavailable`].
    pub async fn get_database(&self, name: &str) -> Result<DatabaseInfo> {
        match self.ask(&MasterRequest::GetDatabase { name: name.to_owned() }).await? {
            MasterResponse::Database(info) => Ok(info),
            _ => Err(mismatched("the masters")),
        }
    }

    /// Deletes a database with all its documents, for ever.
    ///
    /// # Errors
    ///
    /// [`crate::Error::DatabaseNotFound`], [`crate::Error::Unavailable`].
    pub async fn delete_database(&self, name: &str) -> Result<()> {
        let request = |request| MasterRequest::DeleteDatabase { request, name: name.to_owned() };
        let deadline = self.router.deadline(self.timeout);
        match self.router.change_masters(request, deadline, self.named).await? {
            MasterResponse::Deleted => {
                self.router.forget(name);
                Ok(())
            }
            _ => Err(mismatched("the masters")),
        }
    }

    /// Deletes all documents of a database and returns how many there were.
    ///
    /// # Errors
    ///
    /// [`crate::Error::DatabaseNotFound`], [`crate::Error::Unavailable`].
    pub async fn clear_database(&self, name: &str) -> Result<u64> {
        let request = |request| MasterRequest::ClearDatabase { request, name: name.to_owned() };
        let deadline = self.router.deadline(self.timeout);
        match self.router.change_masters(request, deadline, self.named).await? {
            MasterResponse::Cleared { removed } => Ok(removed),
            _ => Err(mismatched("the masters")),
        }
    }

    /// Returns all workers by name, with their health and load.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Unavailable`] when no master answers in time.
    pub async fn workers(&self) -> Result<Vec<WorkerInfo>> {
        match self.ask(&MasterRequest::ListWorkers).await? {
            MasterResponse::Workers(workers) => Ok(workers),
            _ => Err(mismatched("the masters")),
        }
    }

    /// Returns all masters, with who leads.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Unavailable`] when no master answers in time.
    pub async fn masters(&self) -> Result<Vec<MasterInfo>> {
        match self.ask(&MasterRequest::ListMasters).await? {
            MasterResponse::Masters(masters) => Ok(masters),
            _ => Err(mismatched("the masters")),
        }
    }

    /// Returns all shards, with their replicas, leaders and loads as last reported.
    ///
    /// # Errors
    ///
    /// [`crate::Error::Unavailable`] when no master answers in time.
    pub async fn shards(&self) -> Result<Vec<ShardInfo>> {
        match self.ask(&MasterRequest::ListShards).await? {
            MasterResponse::Shards(shards) => Ok(shards),
            _ => Err(mismatched("the masters")),
        }
    }

    /// Orders all replicas off a worker, or, with `draining` false, lets it have some again.
    ///
    /// Returns when the order is given; [`Client::workers`] tells how many replicas are left.
    ///
    /// # Errors
    ///
    /// [`crate::Error::NodeNotFound`], [`crate::Error::Unavailable`].
    pub async fn drain_worker(&self, worker: &str, draining: bool) -> Result<()> {
        self.order(MasterRequest::DrainWorker { worker: worker.to_owned(), draining }).await
    }

    /// Forgets a worker that holds no replica any more.
    ///
    /// # Errors
    ///
    /// [`crate::Error::NotReady`] while it holds one, [`crate::Error::NodeNotFound`],
    /// [`crate::Error::Unavailable`].
    pub async fn remove_worker(&self, worker: &str) -> Result<()> {
        self.order(MasterRequest::RemoveWorker { worker: worker.to_owned() }).await
    }

    /// Begins to move one replica of a shard to another worker; [`Client::shards`] shows it moving.
    ///
    /// # Errors
    ///
    /// [`crate::Error::InvalidRequest`] when the move makes no sense or another one of this shard
    /// is under way, [`crate::Error::NodeNotFound`], [`crate::Error::Unavailable`].
    pub async fn move_shard(&self, shard: ShardId, from: &str, to: &str) -> Result<()> {
        let (from, to) = (from.to_owned(), to.to_owned());
        self.order(MasterRequest::MoveShard { shard, from, to }).await
    }

    /// Adds a master that runs at `address` and waits to be added; returns when it votes.
    ///
    /// # Errors
    ///
    /// [`crate::Error::InvalidRequest`] for a name that was used up, [`crate::Error::Unavailable`]
    /// when the new master does not catch up in time.
    pub async fn add_master(&self, name: &str, address: Address) -> Result<()> {
        self.order(MasterRequest::AddMaster { name: name.to_owned(), address }).await
    }

    /// Takes a master out of the group for ever; returns when the others work without it.
    ///
    /// # Errors
    ///
    /// [`crate::Error::InvalidRequest`] for the last one, [`crate::Error::NodeNotFound`],
    /// [`crate::Error::Unavailable`].
    pub async fn remove_master(&self, name: &str) -> Result<()> {
        self.order(MasterRequest::RemoveMaster { name: name.to_owned() }).await
    }

    async fn order(&self, request: MasterRequest) -> Result<()> {
        match self.ask(&request).await? {
            MasterResponse::Done => Ok(()),
            _ => Err(mismatched("the masters")),
        }
    }

    async fn ask(&self, request: &MasterRequest) -> Result<MasterResponse> {
        self.router.ask_masters(request, self.router.deadline(self.timeout)).await
    }
}
