//! The metadata as a stream of checksummed frames.
//!
//! ```text
//! Header { settings, counters, map, how many databases, workers and locks }
//! Database(record) ...   by id
//! Worker(record) ...     by number
//! Lock(record) ...       by name
//! ```
//!
//! Nothing that is read is trusted: every frame bears a checksum, and the module's invariants are
//! checked before the state is handed on. The counts in the header tell truncation from the end,
//! and `load` reads exactly what `save` wrote, so more may follow in the same stream.
//!
//! Left out: transport in pieces (`raft`).

use std::collections::BTreeSet;
use std::io::{Read, Write};
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::databases::check_shards;
use super::locks::{LockRecord, check_record};
use super::shards::check_complete;
use super::{DatabaseRecord, Metadata, Settings, WorkerRecord};
use crate::codec::PageKey;
use crate::codec::frames::{self, ReadError};
use crate::raft::StateError;
use crate::sharding::ShardMap;
use crate::transport::message::{DatabaseState, IndexDefinition};
use crate::types::{Epoch, NodeId, Result as Checked};

/// One frame.
#[derive(Serialize, Deserialize)]
enum Record {
    Header(Header),
    Database(DatabaseRecord),
    Worker(WorkerRecord),
    Lock(LockRecord),
}

#[derive(Serialize, Deserialize)]
struct Header {
    settings: Option<Settings>,
    last_database: u64,
    last_token: u64,
    map: ShardMap,
    retired_masters: BTreeSet<NodeId>,
    page_key: Option<PageKey>,
    databases: u64,
    workers: u64,
    last_lock_token: u64,
    locks: u64,
}

pub(super) fn save(state: &Metadata, sink: &mut dyn Write) -> Result<(), StateError> {
    let header = Header {
        settings: state.settings,
        last_database: state.last_database,
        last_token: state.last_token,
        map: ShardMap::clone(&state.map),
        retired_masters: state.retired_masters.clone(),
        page_key: state.page_key,
        databases: state.databases.len() as u64,
        workers: state.workers.len() as u64,
        last_lock_token: state.locks.last_token,
        locks: state.locks.records.len() as u64,
    };
    write(sink, &Record::Header(header))?;
    for (_, record) in &state.databases {
        write(sink, &Record::Database(record.as_ref().clone()))?;
    }
    for (_, record) in &state.workers {
        write(sink, &Record::Worker(record.as_ref().clone()))?;
    }
    for (_, record) in &state.locks.records {
        write(sink, &Record::Lock(record.as_ref().clone()))?;
    }
    Ok(())
}

pub(super) fn load(source: &mut dyn Read) -> Result<Metadata, StateError> {
    let Record::Header(header) = read(source)? else {
        return Err(damaged("it does not begin with a header"));
    };
    let mut state = Metadata {
        settings: header.settings,
        last_database: header.last_database,
        last_token: header.last_token,
        map: Arc::new(header.map),
        retired_masters: header.retired_masters,
        page_key: header.page_key,
        ..Metadata::default()
    };
    for _ in 0..header.databases {
        let Record::Database(record) = read(source)? else {
            return Err(damaged("a database is missing"));
        };
        add_database(&mut state, record)?;
    }
    for _ in 0..header.workers {
        let Record::Worker(record) = read(source)? else {
            return Err(damaged("a worker is missing"));
        };
        add_worker(&mut state, record)?;
    }
    state.locks.last_token = header.last_lock_token;
    for _ in 0..header.locks {
        let Record::Lock(record) = read(source)? else {
            return Err(damaged("a lock is missing"));
        };
        add_lock(&mut state, record)?;
    }
    check_map(&state)?;
    Ok(state)
}

fn add_database(state: &mut Metadata, record: DatabaseRecord) -> Result<(), StateError> {
    let info = &record.info;
    let settings = state.settings.ok_or_else(|| damaged("a database without a cluster"))?;
    let in_order = state.databases.last().is_none_or(|(last, _)| *last < info.id);
    if !in_order || info.id.0 == 0 || info.id.0 > state.last_database {
        return Err(damaged(format!("database id {} is out of order", info.id)));
    }
    valid(
        check_shards(&info.shards, settings)
            .and_then(|()| IndexDefinition::check_all(&info.indexes)),
    )?;
    let tokens = [record.pending_clear, record.last_clear.map(|last| last.token)];
    if tokens.into_iter().flatten().any(|token| token > state.last_token)
        || record.pending_clear.is_some() != (info.state == DatabaseState::Clearing)
    {
        return Err(damaged(format!("database '{}' has an impossible clearing", info.name)));
    }
    let news = record.index_news;
    if news.pending.is_some_and(|pending| pending != news.version) {
        return Err(damaged(format!("database '{}' has impossible news of indexes", info.name)));
    }
    if state.names.insert(info.name.as_str().into(), info.id).is_some() {
        return Err(damaged(format!("two databases are called '{}'", info.name)));
    }
    state.databases.insert(info.id, Arc::new(record));
    Ok(())
}

fn add_worker(state: &mut Metadata, record: WorkerRecord) -> Result<(), StateError> {
    let shards = state.settings.map_or(0, |settings| settings.shards);
    let in_order = state.workers.last().is_none_or(|(last, _)| *last < record.node);
    if !in_order
        || record.node != NodeId::from_name(&record.name)
        || record.loads.keys().any(|shard| shard.0 >= shards)
    {
        return Err(damaged(format!("worker '{}' does not fit", record.name)));
    }
    state.workers.insert(record.node, Arc::new(record));
    Ok(())
}

fn add_lock(state: &mut Metadata, record: LockRecord) -> Result<(), StateError> {
    let last = state.locks.records.last();
    if last.is_some_and(|(last, _)| **last >= *record.name) {
        return Err(damaged(format!("lock '{}' is out of order", record.name)));
    }
    check_record(&record, state.locks.last_token).map_err(damaged)?;
    state.locks.put(record);
    Ok(())
}

fn check_map(state: &Metadata) -> Result<(), StateError> {
    if state.map.shards.is_empty() && state.map.epoch == Epoch(0) {
        return Ok(());
    }
    let settings = state.settings.ok_or_else(|| damaged("a map without a cluster"))?;
    valid(check_complete(&state.map.shards, settings))?;
    for (node, address) in state.map.shards.values().flat_map(|p| p.replicas.iter()) {
        if state.worker(*node).is_none_or(|worker| worker.address != *address) {
            return Err(damaged(format!("the map has {node} at {address}, the workers have not")));
        }
    }
    let mut moves = state.map.shards.values().filter_map(|p| Some((p, p.moving.as_ref()?)));
    let unsound = moves.find(|(placement, moving)| {
        !placement.replicas.contains_key(&moving.from)
            || placement.replicas.contains_key(&moving.to)
            || state.worker(moving.to).is_none_or(|worker| worker.address != moving.address)
            || moving.birth > state.map.epoch
    });
    if let Some((_, moving)) = unsound {
        return Err(damaged(format!("the move from {} to {} is none", moving.from, moving.to)));
    }
    Ok(())
}

fn valid(checked: Checked<()>) -> Result<(), StateError> {
    checked.map_err(|error| damaged(error.to_string()))
}

fn write(sink: &mut dyn Write, record: &Record) -> Result<(), StateError> {
    frames::write(sink, record).map_err(|source| StateError::Snapshot { action: "write", source })
}

fn read(source: &mut dyn Read) -> Result<Record, StateError> {
    frames::read(source).map_err(|error| match error {
        ReadError::Io(source) => StateError::Snapshot { action: "read", source },
        ReadError::Frame(error) => damaged(error.to_string()),
    })
}

fn damaged(reason: impl Into<String>) -> StateError {
    StateError::Decode { what: "a snapshot of the metadata", reason: reason.into() }
}
