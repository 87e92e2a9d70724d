//! The real backend: a PSDB in this process or a running cluster, through the client that every
//! program uses, which is the same for both.
//!
//! Texts become documents and documents become texts here, and nothing else is decided: limits,
//! names and versions are judged by the database. One request takes at most the time limit of the
//! client, retries included.
//!
//! Left out: breaking the cluster of `psdb dev` (`faults`).

use std::future::IntoFuture as _;
use std::time::Duration;

use psdb::client::{IndexInfo, ResultPage, WriteOne};
use psdb::codec::EncodedDocument;
use psdb::env::DiskStats;
use psdb::query::PlanTree;
use psdb::transport::message::{
    LockInfo, LockLease, MasterInfo, ShardInfo, SkippedDocuments, WorkerInfo,
};
use psdb::{Address, Client, Cluster, Document, DocumentId, Error, Limits, Lock, Result, ShardId};

use crate::command::Page;
use crate::settings::{Place, Settings};

use super::{
    Backend, Change, ChangedMany, Cursor, DatabaseSummary, Faults, Find, Group, Groups, Inserted,
    Reply,
};

/// A client, and the PSDB in this process that it is of, if there is one.
pub(crate) struct Local {
    cluster: Option<Cluster>,
    client: Client,
    /// Whether it is there to be broken.
    dev: bool,
    /// Whether it keeps files, all of them through one disk.
    on_disk: bool,
}

impl Local {
    /// A cluster and a client of it, as the settings describe it.
    pub(super) fn new(cluster: Cluster, settings: &Settings) -> Local {
        let client = cluster.client();
        let client = match settings.timeout {
            Some(timeout) => client.with_timeout(timeout),
            None => client,
        };
        let (dev, on_disk) = match &settings.place {
            Place::Memory | Place::Remote(_) => (false, false),
            Place::Directory(_) => (false, true),
            Place::Dev(dev) => (true, dev.data_dir.is_some()),
        };
        Local { cluster: Some(cluster), client, dev, on_disk }
    }

    /// A client of a cluster that runs elsewhere.
    pub(super) fn connected(client: Client) -> Local {
        Local { cluster: None, client, dev: false, on_disk: false }
    }
}

impl Local {
    /// A query, and the lambda that is to select of its results.
    fn described(
        &self,
        database: &str,
        find: Find,
    ) -> (psdb::client::Find<Document>, Option<String>) {
        let database = self.client.database(database);
        let Find { filter, sort, descending, skip, limit, select, strict } = find;
        let mut query = match filter {
            Some(filter) => database.find(filter),
            None => database.find_all(),
        };
        if let Some(key) = sort {
            query = query.sort(key);
        }
        if descending {
            query = query.descending();
        }
        if let Some(limit) = limit {
            query = query.limit(limit);
        }
        if strict {
            query = query.strict();
        }
        (query.skip(skip), select)
    }

    fn lock(&self, name: &str, ttl: Option<Duration>) -> Lock {
        let lock = self.client.lock(name);
        match ttl {
            Some(ttl) => lock.ttl(ttl),
            None => lock,
        }
    }
}

impl Backend for Local {
    fn create_database<'a>(
        &'a self,
        name: &'a str,
        indexes: &'a [Vec<String>],
        shards: Option<u32>,
        deny_full_scan: bool,
    ) -> Reply<'a, ()> {
        let mut creating = self.client.create_database(name);
        for fields in indexes {
            creating = creating.index_on(fields.iter().cloned());
        }
        if let Some(shards) = shards {
            creating = creating.shards(shards);
        }
        if deny_full_scan {
            creating = creating.deny_full_scan();
        }
        Box::pin(async move { creating.await.map(|_| ()) })
    }

    fn set_deny_full_scan<'a>(&'a self, database: &'a str, deny: bool) -> Reply<'a, ()> {
        let database = self.client.database(database);
        Box::pin(async move { database.set_deny_full_scan(deny).await })
    }

    fn create_index<'a>(
        &'a self,
        database: &'a str,
        fields: &'a [String],
        name: Option<&'a str>,
    ) -> Reply<'a, IndexInfo> {
        let mut creating = self.client.database(database).create_index_on(fields.iter().cloned());
        if let Some(name) = name {
            creating = creating.name(name);
        }
        Box::pin(creating.background().into_future())
    }

    fn list_indexes<'a>(&'a self, database: &'a str) -> Reply<'a, Vec<IndexInfo>> {
        let database = self.client.database(database);
        Box::pin(async move { database.list_indexes().await })
    }

    fn drop_index<'a>(&'a self, database: &'a str, name: &'a str) -> Reply<'a, ()> {
        let database = self.client.database(database);
        Box::pin(async move { database.drop_index(name).await })
    }

    fn check_database<'a>(&'a self, name: &'a str) -> Reply<'a, ()> {
        Box::pin(async move { self.client.get_database(name).await.map(|_| ()) })
    }

    fn list_databases(&self) -> Reply<'_, Vec<DatabaseSummary>> {
        Box::pin(async move {
            let found = self.client.list_databases().await?;
            let summary = |found: psdb::client::DatabaseSummary| DatabaseSummary {
                name: found.info.name,
                shards: found.info.shards.len() as u64,
                documents: found.documents,
                bytes: found.bytes,
                indexes: found.info.indexes,
                deny_full_scan: found.info.deny_full_scan,
            };
            Ok(found.into_iter().map(summary).collect())
        })
    }

    fn delete_database<'a>(&'a self, name: &'a str) -> Reply<'a, ()> {
        Box::pin(self.client.delete_database(name))
    }

    fn clear_database<'a>(&'a self, name: &'a str) -> Reply<'a, u64> {
        Box::pin(self.client.clear_database(name))
    }

    fn insert<'a>(&'a self, database: &'a str, document: &'a str) -> Reply<'a, Inserted> {
        Box::pin(async move {
            let inserted = self.client.database(database).insert_json(document).await?;
            Ok(Inserted { id: inserted.id, version: inserted.version })
        })
    }

    fn import<'a>(&'a self, database: &'a str, lines: &'a [Vec<u8>]) -> Reply<'a, Vec<Result<()>>> {
        Box::pin(async move {
            let mut results: Vec<Result<()>> = Vec::with_capacity(lines.len());
            let mut bodies = Vec::with_capacity(lines.len());
            for line in lines {
                results.push(import_body(line).map(|body| bodies.push(body)));
            }
            let inserted = self.client.database(database).insert_encoded(bodies).await?;
            let mut inserted = inserted.into_iter();
            // The lines that are documents, in their order, are what was inserted.
            for result in results.iter_mut().filter(|result| result.is_ok()) {
                if let Some(Err(error)) = inserted.next() {
                    *result = Err(error);
                }
            }
            Ok(results)
        })
    }

    fn read<'a>(&'a self, database: &'a str, id: &'a str) -> Reply<'a, String> {
        Box::pin(async move {
            let id = DocumentId::from(id);
            let found: Option<Document> = self.client.database(database).get(&id).await?;
            found.map(|document| document.to_json()).ok_or(Error::DocumentNotFound { id })
        })
    }

    fn find<'a>(&'a self, database: &'a str, find: Find) -> Reply<'a, Box<dyn Cursor>> {
        let (query, select) = self.described(database, find);
        Box::pin(async move {
            let found: Box<dyn Cursor> = match select {
                Some(select) => Box::new(Selected(query.select(select).await?)),
                None => Box::new(Found(query.await?)),
            };
            Ok(found)
        })
    }

    fn page<'a>(
        &'a self,
        database: &'a str,
        find: Find,
        page: Page,
    ) -> Reply<'a, ResultPage<String>> {
        let (query, select) = self.described(database, find);
        let Page { size, token } = page;
        Box::pin(async move {
            Ok(match select {
                Some(select) => {
                    let page = query.select(select).page_size(size).after(token).await?;
                    page.map(|value| value.to_json())
                }
                None => query.page_size(size).after(token).await?.map(|found| found.to_json()),
            })
        })
    }

    fn explain<'a>(&'a self, database: &'a str, find: Find, analyze: bool) -> Reply<'a, PlanTree> {
        let (query, select) = self.described(database, find);
        Box::pin(async move {
            match (select, analyze) {
                (Some(select), false) => query.select(select).explain().await,
                (Some(select), true) => query.select(select).analyze().await,
                (None, false) => query.explain().await,
                (None, true) => query.analyze().await,
            }
        })
    }

    fn group<'a>(&'a self, database: &'a str, group: Group) -> Reply<'a, Box<dyn Groups>> {
        let database = self.client.database(database);
        Box::pin(async move {
            let Group { key, aggregate, filter, strict } = group;
            let mut query = database.group(key, aggregate);
            if let Some(filter) = filter {
                query = query.filter(filter);
            }
            if strict {
                query = query.strict();
            }
            let groups: Box<dyn Groups> = Box::new(Grouped(query.await?));
            Ok(groups)
        })
    }

    fn update_many<'a>(
        &'a self,
        database: &'a str,
        filter: &'a str,
        patch: &'a str,
    ) -> Reply<'a, ChangedMany> {
        let database = self.client.database(database);
        Box::pin(async move {
            let done = database.update_many_json(filter, patch).await?;
            let (matched, changed, skipped) = (done.matched, done.modified, done.skipped);
            Ok(ChangedMany { matched, changed, skipped })
        })
    }

    fn delete_many<'a>(&'a self, database: &'a str, filter: &'a str) -> Reply<'a, ChangedMany> {
        let database = self.client.database(database);
        Box::pin(async move {
            let done = database.delete_many(filter).await?;
            let (matched, changed, skipped) = (done.matched, done.deleted, done.skipped);
            Ok(ChangedMany { matched, changed, skipped })
        })
    }

    fn count<'a>(
        &'a self,
        database: &'a str,
        filter: Option<&'a str>,
    ) -> Reply<'a, (u64, SkippedDocuments)> {
        let database = self.client.database(database);
        Box::pin(async move {
            let counted = match filter {
                Some(filter) => database.count(filter).await?,
                None => database.count_all().await?,
            };
            Ok((counted.count, counted.skipped))
        })
    }

    fn update<'a>(&'a self, database: &'a str, change: Change<'a>) -> Reply<'a, u64> {
        let id = DocumentId::from(change.id);
        let write = self.client.database(database).update_one_json(&id, change.document);
        changed(write, change.if_version)
    }

    fn replace<'a>(&'a self, database: &'a str, change: Change<'a>) -> Reply<'a, u64> {
        let id = DocumentId::from(change.id);
        let write = self.client.database(database).replace_one_json(&id, change.document);
        changed(write, change.if_version)
    }

    fn delete<'a>(
        &'a self,
        database: &'a str,
        id: &'a str,
        if_version: Option<u64>,
    ) -> Reply<'a, ()> {
        let write = self.client.database(database).delete_one(&DocumentId::from(id));
        Box::pin(async move { changed(write, if_version).await.map(|_| ()) })
    }

    fn workers(&self) -> Reply<'_, Vec<WorkerInfo>> {
        Box::pin(self.client.workers())
    }

    fn masters(&self) -> Reply<'_, Vec<MasterInfo>> {
        Box::pin(self.client.masters())
    }

    fn shards(&self) -> Reply<'_, Vec<ShardInfo>> {
        Box::pin(self.client.shards())
    }

    fn drain_worker<'a>(&'a self, worker: &'a str, draining: bool) -> Reply<'a, ()> {
        Box::pin(self.client.drain_worker(worker, draining))
    }

    fn remove_worker<'a>(&'a self, worker: &'a str) -> Reply<'a, ()> {
        Box::pin(self.client.remove_worker(worker))
    }

    fn add_master<'a>(&'a self, master: &'a str, address: &'a str) -> Reply<'a, ()> {
        Box::pin(self.client.add_master(master, Address::from(address)))
    }

    fn remove_master<'a>(&'a self, master: &'a str) -> Reply<'a, ()> {
        Box::pin(self.client.remove_master(master))
    }

    fn move_shard<'a>(&'a self, shard: ShardId, from: &'a str, to: &'a str) -> Reply<'a, ()> {
        Box::pin(self.client.move_shard(shard, from, to))
    }

    fn acquire_lock<'a>(
        &'a self,
        name: &'a str,
        ttl: Option<Duration>,
        wait: Option<Duration>,
    ) -> Reply<'a, LockLease> {
        let lock = self.lock(name, ttl).holder(format!("psdb, process {}", std::process::id()));
        let lock = lock.wait(wait.unwrap_or_default());
        Box::pin(async move {
            let guard = lock.acquire().await?;
            Ok(LockLease { token: guard.token(), expires_at: guard.expires_at() })
        })
    }

    fn renew_lock<'a>(
        &'a self,
        name: &'a str,
        token: u64,
        ttl: Option<Duration>,
    ) -> Reply<'a, LockLease> {
        let lock = self.lock(name, ttl);
        Box::pin(async move { lock.renew(token).await })
    }

    fn release_lock<'a>(&'a self, name: &'a str, token: u64) -> Reply<'a, ()> {
        let lock = self.lock(name, None);
        Box::pin(async move { lock.release(token).await })
    }

    fn list_locks(&self) -> Reply<'_, Vec<LockInfo>> {
        Box::pin(self.client.locks())
    }

    fn faults(&self) -> Option<&dyn Faults> {
        let cluster = self.cluster.as_ref().filter(|_| self.dev)?;
        Some(cluster)
    }

    fn disk_stats(&self) -> Option<DiskStats> {
        let cluster = self.cluster.as_ref().filter(|_| self.on_disk)?;
        Some(cluster.env().disk().stats())
    }

    fn close(&self) -> Reply<'_, ()> {
        Box::pin(async move {
            match &self.cluster {
                Some(cluster) => cluster.close().await,
                None => Ok(()),
            }
        })
    }
}

/// A line of an import as an id, if it has one, and a body without metadata.
fn import_body(line: &[u8]) -> Result<(Option<DocumentId>, EncodedDocument)> {
    EncodedDocument::from_json(line, &Limits::DEFAULT)?.without_reserved().split_id()
}

/// Awaits a change of one document and says the new version.
fn changed<'a>(write: WriteOne, if_version: Option<u64>) -> Reply<'a, u64> {
    let write = match if_version {
        Some(version) => write.if_version(version),
        None => write,
    };
    Box::pin(async move { Ok(write.await?.version) })
}

/// Documents as they arrive from the shards.
struct Found(psdb::Cursor<Document>);

impl Cursor for Found {
    fn next(&mut self) -> Reply<'_, Option<String>> {
        Box::pin(async move {
            let next = self.0.next().await.transpose()?;
            Ok(next.map(|document| document.to_json()))
        })
    }

    fn skipped(&self) -> SkippedDocuments {
        self.0.skipped()
    }
}

/// Values as they arrive from the shards.
struct Selected(psdb::client::SelectedCursor);

impl Cursor for Selected {
    fn next(&mut self) -> Reply<'_, Option<String>> {
        Box::pin(async move {
            let next = self.0.next().await.transpose()?;
            Ok(next.map(|value| value.to_json()))
        })
    }

    fn skipped(&self) -> SkippedDocuments {
        self.0.skipped()
    }
}

/// Groups as they are complete.
struct Grouped(psdb::client::GroupCursor);

impl Groups for Grouped {
    fn next(&mut self) -> Reply<'_, Option<(String, String)>> {
        Box::pin(async move {
            let next = self.0.next().await.transpose()?;
            Ok(next.map(|group| (group.key.to_json(), group.value.to_json())))
        })
    }

    fn skipped(&self) -> SkippedDocuments {
        self.0.skipped()
    }
}
