//! All that the shell asks of a database, behind one trait.
//!
//! [`Backend`] is what the commands see: texts in, texts and numbers out. Tests of commands run
//! against a double of it, which can fail in ways a healthy cluster cannot be made to.
//!
//! Left out: what a command makes of an answer (`run`).

#[cfg(test)]
pub(crate) mod double;
mod faults;
mod local;
#[cfg(test)]
mod local_tests;
mod open;

use std::time::Duration;

use psdb::client::{IndexInfo, ResultPage};
use psdb::env::DiskStats;
use psdb::query::{Aggregate, PlanTree};
use psdb::transport::BoxFuture;
use psdb::transport::message::{
    IndexDefinition, LockInfo, LockLease, MasterInfo, ShardInfo, SkippedDocuments, WorkerInfo,
};
use psdb::{DocumentId, Result, ShardId};

use crate::command::Page;

pub(crate) use open::open;

/// An answer on its way.
pub(crate) type Reply<'a, T> = BoxFuture<'a, Result<T>>;

/// One database, as `list` shows it.
#[derive(Clone, Debug)]
pub(crate) struct DatabaseSummary {
    pub(crate) name: String,
    /// On how many shards it lives.
    pub(crate) shards: u64,
    pub(crate) documents: u64,
    pub(crate) bytes: u64,
    pub(crate) indexes: Vec<IndexDefinition>,
    pub(crate) deny_full_scan: bool,
}

/// A new document's identity.
#[derive(Clone, Debug)]
pub(crate) struct Inserted {
    pub(crate) id: DocumentId,
    pub(crate) version: u64,
}

/// What to find.
#[derive(Clone, Debug, Default)]
pub(crate) struct Find {
    /// All documents without one.
    pub(crate) filter: Option<String>,
    /// By `_id` without one.
    pub(crate) sort: Option<String>,
    pub(crate) descending: bool,
    pub(crate) skip: u64,
    pub(crate) limit: Option<u64>,
    /// The documents themselves without one.
    pub(crate) select: Option<String>,
    pub(crate) strict: bool,
}

/// What to group.
#[derive(Clone, Debug)]
pub(crate) struct Group {
    pub(crate) key: String,
    pub(crate) aggregate: Aggregate,
    /// All documents without one.
    pub(crate) filter: Option<String>,
    pub(crate) strict: bool,
}

/// What a change of many documents came to.
#[derive(Clone, Debug)]
pub(crate) struct ChangedMany {
    pub(crate) matched: u64,
    pub(crate) changed: u64,
    pub(crate) skipped: SkippedDocuments,
}

/// Groups, one by one: key and value as JSON texts.
pub(crate) trait Groups: Send {
    /// The next one; `None` at the end.
    fn next(&mut self) -> Reply<'_, Option<(String, String)>>;
    /// Documents on which a lambda raised.
    fn skipped(&self) -> SkippedDocuments;
}

/// Documents that were found, or what was selected of them, one by one, as JSON texts.
pub(crate) trait Cursor: Send {
    /// The next one; `None` at the end.
    fn next(&mut self) -> Reply<'_, Option<String>>;
    /// Documents on which a lambda raised; complete when the cursor is at its end.
    fn skipped(&self) -> SkippedDocuments;
}

/// A database, or a cluster of them.
pub(crate) trait Backend: Send + Sync {
    fn create_database<'a>(
        &'a self,
        name: &'a str,
        indexes: &'a [Vec<String>],
        shards: Option<u32>,
        deny_full_scan: bool,
    ) -> Reply<'a, ()>;
    fn set_deny_full_scan<'a>(&'a self, database: &'a str, deny: bool) -> Reply<'a, ()>;
    /// Returns when the index is wanted.
    fn create_index<'a>(
        &'a self,
        database: &'a str,
        fields: &'a [String],
        name: Option<&'a str>,
    ) -> Reply<'a, IndexInfo>;
    fn list_indexes<'a>(&'a self, database: &'a str) -> Reply<'a, Vec<IndexInfo>>;
    fn drop_index<'a>(&'a self, database: &'a str, name: &'a str) -> Reply<'a, ()>;
    /// Fails if there is no such database.
    fn check_database<'a>(&'a self, name: &'a str) -> Reply<'a, ()>;
    fn list_databases(&self) -> Reply<'_, Vec<DatabaseSummary>>;
    fn delete_database<'a>(&'a self, name: &'a str) -> Reply<'a, ()>;
    /// Says how many documents there were.
    fn clear_database<'a>(&'a self, name: &'a str) -> Reply<'a, u64>;

    fn insert<'a>(&'a self, database: &'a str, document: &'a str) -> Reply<'a, Inserted>;
    /// Inserts the lines of an import: ids are kept, other metadata is dropped. Each succeeds or
    /// fails by itself; the results are in the order of the lines.
    fn import<'a>(&'a self, database: &'a str, lines: &'a [Vec<u8>]) -> Reply<'a, Vec<Result<()>>>;
    fn read<'a>(&'a self, database: &'a str, id: &'a str) -> Reply<'a, String>;
    fn find<'a>(&'a self, database: &'a str, find: Find) -> Reply<'a, Box<dyn Cursor>>;
    /// Reads one page of a query's results.
    fn page<'a>(
        &'a self,
        database: &'a str,
        find: Find,
        page: Page,
    ) -> Reply<'a, ResultPage<String>>;
    /// Says how a query would be run, or what came of running it.
    fn explain<'a>(&'a self, database: &'a str, find: Find, analyze: bool) -> Reply<'a, PlanTree>;
    fn count<'a>(
        &'a self,
        database: &'a str,
        filter: Option<&'a str>,
    ) -> Reply<'a, (u64, SkippedDocuments)>;
    fn group<'a>(&'a self, database: &'a str, group: Group) -> Reply<'a, Box<dyn Groups>>;
    fn update_many<'a>(
        &'a self,
        database: &'a str,
        filter: &'a str,
        patch: &'a str,
    ) -> Reply<'a, ChangedMany>;
    fn delete_many<'a>(&'a self, database: &'a str, filter: &'a str) -> Reply<'a, ChangedMany>;
    /// Says the new version.
    fn update<'a>(&'a self, database: &'a str, change: Change<'a>) -> Reply<'a, u64>;
    /// Says the new version.
    fn replace<'a>(&'a self, database: &'a str, change: Change<'a>) -> Reply<'a, u64>;
    fn delete<'a>(
        &'a self,
        database: &'a str,
        id: &'a str,
        if_version: Option<u64>,
    ) -> Reply<'a, ()>;

    fn workers(&self) -> Reply<'_, Vec<WorkerInfo>>;
    fn masters(&self) -> Reply<'_, Vec<MasterInfo>>;
    fn shards(&self) -> Reply<'_, Vec<ShardInfo>>;

    /// Orders all replicas off a worker, or lets it have some again.
    fn drain_worker<'a>(&'a self, worker: &'a str, draining: bool) -> Reply<'a, ()>;
    fn remove_worker<'a>(&'a self, worker: &'a str) -> Reply<'a, ()>;
    /// Returns when the new master votes.
    fn add_master<'a>(&'a self, master: &'a str, address: &'a str) -> Reply<'a, ()>;
    fn remove_master<'a>(&'a self, master: &'a str) -> Reply<'a, ()>;
    /// Returns when the move has begun.
    fn move_shard<'a>(&'a self, shard: ShardId, from: &'a str, to: &'a str) -> Reply<'a, ()>;

    fn acquire_lock<'a>(
        &'a self,
        name: &'a str,
        ttl: Option<Duration>,
        wait: Option<Duration>,
    ) -> Reply<'a, LockLease>;
    fn renew_lock<'a>(
        &'a self,
        name: &'a str,
        token: u64,
        ttl: Option<Duration>,
    ) -> Reply<'a, LockLease>;
    fn release_lock<'a>(&'a self, name: &'a str, token: u64) -> Reply<'a, ()>;
    fn list_locks(&self) -> Reply<'_, Vec<LockInfo>>;

    /// The means to break the cluster, if it runs in this process for that purpose.
    fn faults(&self) -> Option<&dyn Faults>;
    /// What the disk has been asked to do; `None` if everything is in memory.
    fn disk_stats(&self) -> Option<DiskStats>;
    /// Stops whatever runs in this process; everything acknowledged is durable before, too.
    fn close(&self) -> Reply<'_, ()>;
}

/// A change of one document.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Change<'a> {
    pub(crate) id: &'a str,
    pub(crate) document: &'a str,
    pub(crate) if_version: Option<u64>,
}

/// One node of a cluster in this process.
#[derive(Clone, Debug)]
pub(crate) struct Node {
    pub(crate) name: String,
    /// `master` or `worker`.
    pub(crate) role: &'static str,
    pub(crate) running: bool,
}

/// What `psdb dev` can do to its cluster.
pub(crate) trait Faults: Send + Sync {
    fn nodes(&self) -> Reply<'_, Vec<Node>>;
    fn kill<'a>(&'a self, node: &'a str) -> Reply<'a, ()>;
    fn restart<'a>(&'a self, node: &'a str) -> Reply<'a, ()>;
    fn pause<'a>(&'a self, node: &'a str) -> Reply<'a, ()>;
    fn partition<'a>(&'a self, left: &'a [&'a str], right: &'a [&'a str]) -> Reply<'a, ()>;
    fn heal(&self);
    fn drop_percent(&self, percent: u8);
}
