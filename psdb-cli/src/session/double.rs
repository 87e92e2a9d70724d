//! A stand-in for a database, for tests of the commands.
//!
//! It keeps documents as the texts they came as and understands no lambdas: a filter matches every
//! document. What it is for is to fail on demand, and to show what the shell asked for.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use psdb::client::{IndexInfo, ResultPage};
use psdb::env::DiskStats;
use psdb::query::PlanTree;
use psdb::transport::message::{
    LockInfo, LockLease, MasterInfo, ShardInfo, SkippedDocuments, WorkerInfo,
};
use psdb::{Error, Result, ShardId};

use super::{
    Backend, Change, ChangedMany, Cursor, DatabaseSummary, Faults, Find, Group, Groups, Inserted,
    Node, Reply,
};
use crate::command::Page;

/// Shared by the double and the test that watches it.
#[derive(Debug, Default)]
pub(crate) struct State {
    /// Documents by database and id.
    pub(crate) databases: BTreeMap<String, BTreeMap<String, String>>,
    /// The next calls fail with these, in order; `None` lets one pass.
    pub(crate) failures: VecDeque<Option<Error>>,
    /// What was asked for beyond documents, in words.
    pub(crate) calls: Vec<String>,
    /// What every query reports as skipped.
    pub(crate) skipped: SkippedDocuments,
    /// What `workers` answers, one after the other, the last for ever; a sample if there is none.
    pub(crate) workers: VecDeque<Vec<WorkerInfo>>,
    /// What `shards` answers, likewise.
    pub(crate) shards: VecDeque<Vec<ShardInfo>>,
    /// What `index list` answers, likewise.
    pub(crate) indexes: VecDeque<Vec<IndexInfo>>,
}

#[derive(Clone, Default)]
pub(crate) struct Double {
    pub(crate) state: Arc<Mutex<State>>,
    /// Whether it can be broken as the cluster of `psdb dev` can.
    pub(crate) dev: bool,
}

impl Double {
    /// Locks the state for a call, unless the call is to fail.
    fn call(&self, name: String) -> Result<MutexGuard<'_, State>> {
        let mut state = self.state.lock().expect("no test panics while it holds the lock");
        state.calls.push(name);
        match state.failures.pop_front().flatten() {
            Some(error) => Err(error),
            None => Ok(state),
        }
    }

    fn with<T: Send + 'static>(
        &self,
        name: String,
        work: impl FnOnce(&mut State) -> Result<T>,
    ) -> Reply<'_, T> {
        let result = self.call(name).and_then(|mut state| work(&mut state));
        Box::pin(async { result })
    }
}

fn store(state: &mut State, database: &str, document: &str) -> Result<String> {
    let value: serde_json::Value = serde_json::from_str(document)
        .map_err(|error| Error::InvalidDocument { reason: error.to_string() })?;
    let documents = documents(state, database)?;
    let id = value["_id"].as_str().map_or(format!("id-{}", documents.len() + 1), str::to_string);
    if documents.contains_key(&id) {
        return Err(Error::DocumentExists { id: id.into() });
    }
    documents.insert(id.clone(), document.to_string());
    Ok(id)
}

fn documents<'a>(state: &'a mut State, database: &str) -> Result<&'a mut BTreeMap<String, String>> {
    let missing = || Error::DatabaseNotFound { name: database.to_string() };
    state.databases.get_mut(database).ok_or_else(missing)
}

fn existing<'a>(state: &'a mut State, database: &str, id: &str) -> Result<&'a mut String> {
    let missing = || Error::DocumentNotFound { id: id.into() };
    documents(state, database)?.get_mut(id).ok_or_else(missing)
}

/// The next of `answers`, the last of which stays.
fn next<T: Clone>(answers: &mut VecDeque<Vec<T>>, sample: fn() -> T) -> Vec<T> {
    let last = answers.len() == 1;
    match if last { answers.front().cloned() } else { answers.pop_front() } {
        Some(answer) => answer,
        None => vec![sample()],
    }
}

struct Found {
    documents: VecDeque<String>,
    skipped: SkippedDocuments,
}

impl Cursor for Found {
    fn next(&mut self) -> Reply<'_, Option<String>> {
        let next = self.documents.pop_front();
        Box::pin(async { Ok(next) })
    }

    fn skipped(&self) -> SkippedDocuments {
        self.skipped.clone()
    }
}

/// One group of everything.
struct One(Option<(String, String)>, SkippedDocuments);

impl Groups for One {
    fn next(&mut self) -> Reply<'_, Option<(String, String)>> {
        let next = self.0.take();
        Box::pin(async { Ok(next) })
    }

    fn skipped(&self) -> SkippedDocuments {
        self.1.clone()
    }
}

impl Backend for Double {
    fn create_database<'a>(
        &'a self,
        name: &'a str,
        indexes: &'a [Vec<String>],
        shards: Option<u32>,
        deny_full_scan: bool,
    ) -> Reply<'a, ()> {
        let deny = if deny_full_scan { " deny_full_scan" } else { "" };
        self.with(format!("create {name} {indexes:?} {shards:?}{deny}"), |state| {
            match state.databases.insert(name.to_string(), BTreeMap::new()) {
                None => Ok(()),
                Some(_) => Err(Error::DatabaseExists { name: name.to_string() }),
            }
        })
    }

    fn set_deny_full_scan<'a>(&'a self, database: &'a str, deny: bool) -> Reply<'a, ()> {
        self.with(format!("deny_full_scan {database} {deny}"), |_| Ok(()))
    }

    fn create_index<'a>(
        &'a self,
        database: &'a str,
        fields: &'a [String],
        name: Option<&'a str>,
    ) -> Reply<'a, IndexInfo> {
        self.with(format!("index {database} {fields:?} {name:?}"), |state| {
            let index = state.indexes.front().and_then(|indexes| indexes.last()).cloned();
            index.ok_or(Error::InvalidRequest { reason: "no index is prepared".into() })
        })
    }

    fn list_indexes<'a>(&'a self, database: &'a str) -> Reply<'a, Vec<IndexInfo>> {
        self.with(format!("indexes {database}"), |state| {
            Ok(next(&mut state.indexes, samples::index))
        })
    }

    fn drop_index<'a>(&'a self, database: &'a str, name: &'a str) -> Reply<'a, ()> {
        self.with(format!("drop {name} of {database}"), |_| Ok(()))
    }

    fn check_database<'a>(&'a self, name: &'a str) -> Reply<'a, ()> {
        self.with(format!("check {name}"), |state| documents(state, name).map(|_| ()))
    }

    fn list_databases(&self) -> Reply<'_, Vec<DatabaseSummary>> {
        self.with("list".into(), |state| {
            let summary = |(name, documents): (&String, &BTreeMap<_, String>)| DatabaseSummary {
                name: name.clone(),
                shards: 1,
                documents: documents.len() as u64,
                bytes: 10,
                indexes: Vec::new(),
                deny_full_scan: false,
            };
            Ok(state.databases.iter().map(summary).collect())
        })
    }

    fn delete_database<'a>(&'a self, name: &'a str) -> Reply<'a, ()> {
        self.with(format!("delete {name}"), |state| {
            documents(state, name)?;
            state.databases.remove(name);
            Ok(())
        })
    }

    fn clear_database<'a>(&'a self, name: &'a str) -> Reply<'a, u64> {
        self.with(format!("clear {name}"), |state| {
            Ok(std::mem::take(documents(state, name)?).len() as u64)
        })
    }

    fn insert<'a>(&'a self, database: &'a str, document: &'a str) -> Reply<'a, Inserted> {
        self.with("insert".into(), |state| {
            let id = store(state, database, document)?.into();
            Ok(Inserted { id, version: 1 })
        })
    }

    fn import<'a>(&'a self, database: &'a str, lines: &'a [Vec<u8>]) -> Reply<'a, Vec<Result<()>>> {
        self.with(format!("import {}", lines.len()), |state| {
            let mut results = Vec::new();
            for line in lines {
                let line = String::from_utf8_lossy(line);
                results.push(store(state, database, &line).map(|_| ()));
            }
            Ok(results)
        })
    }

    fn read<'a>(&'a self, database: &'a str, id: &'a str) -> Reply<'a, String> {
        self.with("read".into(), |state| existing(state, database, id).cloned())
    }

    fn find<'a>(&'a self, database: &'a str, find: Find) -> Reply<'a, Box<dyn Cursor>> {
        self.with(format!("{find:?}"), |state| {
            let limit = find.limit.unwrap_or(u64::MAX) as usize;
            let all = documents(state, database)?.values().cloned();
            let documents = all.skip(find.skip as usize).take(limit).collect();
            let found: Box<dyn Cursor> =
                Box::new(Found { documents, skipped: state.skipped.clone() });
            Ok(found)
        })
    }

    fn page<'a>(
        &'a self,
        database: &'a str,
        find: Find,
        page: Page,
    ) -> Reply<'a, ResultPage<String>> {
        self.with(format!("{page:?} of {find:?}"), |state| {
            let begin: usize = page.token.as_deref().unwrap_or("0").parse().expect("a number");
            let all: Vec<String> = documents(state, database)?.values().cloned().collect();
            let end = all.len().min(begin + page.size as usize);
            let next_token = (end < all.len()).then(|| end.to_string());
            let skipped = state.skipped.clone();
            Ok(ResultPage { results: all[begin..end].to_vec(), next_token, skipped })
        })
    }

    fn explain<'a>(&'a self, database: &'a str, find: Find, analyze: bool) -> Reply<'a, PlanTree> {
        self.with(format!("explain {analyze} {find:?}"), |state| {
            documents(state, database)?;
            let scan = PlanTree::new("scan", "scan of all documents");
            Ok(PlanTree::new("merge", "merge by _id").over([scan]))
        })
    }

    fn count<'a>(
        &'a self,
        database: &'a str,
        filter: Option<&'a str>,
    ) -> Reply<'a, (u64, SkippedDocuments)> {
        self.with(format!("count {filter:?}"), |state| {
            let count = documents(state, database)?.len() as u64;
            let skipped = filter.map(|_| state.skipped.clone()).unwrap_or_default();
            Ok((count, skipped))
        })
    }

    fn group<'a>(&'a self, database: &'a str, group: Group) -> Reply<'a, Box<dyn Groups>> {
        self.with(format!("{group:?}"), |state| {
            let count = documents(state, database)?.len().to_string();
            let groups: Box<dyn Groups> =
                Box::new(One(Some(("\"all\"".into(), count)), state.skipped.clone()));
            Ok(groups)
        })
    }

    fn update_many<'a>(
        &'a self,
        database: &'a str,
        filter: &'a str,
        patch: &'a str,
    ) -> Reply<'a, ChangedMany> {
        self.with(format!("update_many {filter} {patch}"), |state| {
            let matched = documents(state, database)?.len() as u64;
            let changed = matched.saturating_sub(1);
            Ok(ChangedMany { matched, changed, skipped: state.skipped.clone() })
        })
    }

    fn delete_many<'a>(&'a self, database: &'a str, filter: &'a str) -> Reply<'a, ChangedMany> {
        self.with(format!("delete_many {filter}"), |state| {
            let deleted = std::mem::take(documents(state, database)?).len() as u64;
            let skipped = state.skipped.clone();
            Ok(ChangedMany { matched: deleted, changed: deleted, skipped })
        })
    }

    fn update<'a>(&'a self, database: &'a str, change: Change<'a>) -> Reply<'a, u64> {
        self.replace(database, change)
    }

    fn replace<'a>(&'a self, database: &'a str, change: Change<'a>) -> Reply<'a, u64> {
        self.with(format!("{change:?}"), |state| {
            *existing(state, database, change.id)? = change.document.to_string();
            Ok(2)
        })
    }

    fn delete<'a>(
        &'a self,
        database: &'a str,
        id: &'a str,
        if_version: Option<u64>,
    ) -> Reply<'a, ()> {
        self.with(format!("delete {id} {if_version:?}"), |state| {
            existing(state, database, id)?;
            documents(state, database)?.remove(id);
            Ok(())
        })
    }

    fn workers(&self) -> Reply<'_, Vec<WorkerInfo>> {
        self.with("workers".into(), |state| Ok(next(&mut state.workers, samples::worker)))
    }

    fn masters(&self) -> Reply<'_, Vec<MasterInfo>> {
        self.with("masters".into(), |_| Ok(vec![samples::master()]))
    }

    fn shards(&self) -> Reply<'_, Vec<ShardInfo>> {
        self.with("shards".into(), |state| Ok(next(&mut state.shards, samples::shard)))
    }

    fn drain_worker<'a>(&'a self, worker: &'a str, draining: bool) -> Reply<'a, ()> {
        self.with(format!("drain {worker} {draining}"), |_| Ok(()))
    }

    fn remove_worker<'a>(&'a self, worker: &'a str) -> Reply<'a, ()> {
        self.with(format!("remove worker {worker}"), |_| Ok(()))
    }

    fn add_master<'a>(&'a self, master: &'a str, address: &'a str) -> Reply<'a, ()> {
        self.with(format!("add master {master} {address}"), |_| Ok(()))
    }

    fn remove_master<'a>(&'a self, master: &'a str) -> Reply<'a, ()> {
        self.with(format!("remove master {master}"), |_| Ok(()))
    }

    fn move_shard<'a>(&'a self, shard: ShardId, from: &'a str, to: &'a str) -> Reply<'a, ()> {
        self.with(format!("move {shard} {from} {to}"), |_| Ok(()))
    }

    fn acquire_lock<'a>(
        &'a self,
        name: &'a str,
        ttl: Option<Duration>,
        wait: Option<Duration>,
    ) -> Reply<'a, LockLease> {
        self.with(format!("acquire {name} {ttl:?} {wait:?}"), |_| Ok(samples::lease()))
    }

    fn renew_lock<'a>(
        &'a self,
        name: &'a str,
        token: u64,
        ttl: Option<Duration>,
    ) -> Reply<'a, LockLease> {
        self.with(format!("renew {name} {token} {ttl:?}"), |_| Ok(samples::lease()))
    }

    fn release_lock<'a>(&'a self, name: &'a str, token: u64) -> Reply<'a, ()> {
        self.with(format!("release {name} {token}"), |_| Ok(()))
    }

    fn list_locks(&self) -> Reply<'_, Vec<LockInfo>> {
        self.with("locks".into(), |_| Ok(vec![samples::lock()]))
    }

    fn faults(&self) -> Option<&dyn Faults> {
        self.dev.then_some(self)
    }

    fn disk_stats(&self) -> Option<DiskStats> {
        None
    }

    fn close(&self) -> Reply<'_, ()> {
        self.with("close".into(), |_| Ok(()))
    }
}

impl Faults for Double {
    fn nodes(&self) -> Reply<'_, Vec<Node>> {
        let node = Node { name: "worker-1".into(), role: "worker", running: false };
        Box::pin(async { Ok(vec![node]) })
    }

    fn kill<'a>(&'a self, node: &'a str) -> Reply<'a, ()> {
        self.with(format!("kill {node}"), |_| Ok(()))
    }

    fn restart<'a>(&'a self, node: &'a str) -> Reply<'a, ()> {
        self.with(format!("restart {node}"), |_| Ok(()))
    }

    fn pause<'a>(&'a self, node: &'a str) -> Reply<'a, ()> {
        self.with(format!("pause {node}"), |_| Ok(()))
    }

    fn partition<'a>(&'a self, left: &'a [&'a str], right: &'a [&'a str]) -> Reply<'a, ()> {
        self.with(format!("partition {left:?} {right:?}"), |_| Ok(()))
    }

    fn heal(&self) {
        drop(self.call("heal".into()).expect("no failure is meant for heal"));
    }

    fn drop_percent(&self, percent: u8) {
        drop(self.call(format!("drop {percent}")).expect("no failure is meant for drop"));
    }
}

/// One of each thing a cluster consists of.
pub(crate) mod samples {
    use psdb::client::IndexInfo;
    use psdb::transport::message::{
        IndexState, LockInfo, LockLease, MasterInfo, ShardInfo, WorkerInfo, WorkerStatus,
    };
    use psdb::{LogIndex, NodeId, ShardId, Term, Timestamp};

    pub(super) fn lease() -> LockLease {
        LockLease { token: 17, expires_at: Timestamp(1_795_421_730_250) }
    }

    pub(super) fn lock() -> LockInfo {
        LockInfo {
            name: "jobs".into(),
            token: 17,
            holder: "the importer".into(),
            granted_at: Timestamp(1_795_421_700_250),
            expires_at: lease().expires_at,
            waiting: 2,
        }
    }

    pub(crate) fn index() -> IndexInfo {
        IndexInfo {
            name: "role".into(),
            fields: vec!["role".into()],
            state: IndexState::Ready,
            entries: 7,
            documents_done: 7,
            documents: 7,
        }
    }

    pub(crate) fn worker() -> WorkerInfo {
        WorkerInfo {
            name: "worker-1".into(),
            node: NodeId(1),
            address: "worker-1".into(),
            draining: false,
            zone: None,
            status: WorkerStatus::Suspect,
            shards: 4,
            leaders: 2,
            documents: 7,
            bytes: 2048,
        }
    }

    pub(super) fn master() -> MasterInfo {
        MasterInfo {
            name: "master-1".into(),
            node: NodeId(2),
            address: "master-1".into(),
            leads: true,
            term: Term(3),
            matched: LogIndex(9),
        }
    }

    pub(crate) fn shard() -> ShardInfo {
        ShardInfo {
            shard: ShardId(0),
            leader: None,
            replicas: vec!["worker-1".into(), "worker-2".into()],
            moving: None,
            term: Term(1),
            applied: LogIndex(5),
            hash: 7,
            databases: 1,
            documents: 7,
            bytes: 2048,
        }
    }
}
