//! PSDB below the Raft engine: the write-ahead log and the store, put together as a replica does.
//!
//! A put goes to the log; when it is durable it is applied to the store, in the order of the log,
//! and then answered. A checkpoint begins when the log has grown by so many bytes, and is written
//! on a thread of its own; then the log is purged up to the older of the two checkpoints.

use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::{BufMut, Bytes, BytesMut};
use psdb_core::env::Env;
use psdb_core::storage::store::{Direction, Tree};
use psdb_core::storage::wal::{Record, Wal, WalOptions};
use psdb_core::storage::{PageCache, Store};
use tokio::runtime::Runtime;
use tokio::sync::oneshot;

use crate::engine::{Engine, Entry, Reader};

const STREAM: u64 = 1;
const TREE: &[u8] = b"t";
/// How much log there is between two checkpoints; recovery replays up to twice as much.
const CHECKPOINT_BYTES: u64 = 32 << 20;
pub const CACHE_BYTES: usize = 512 << 20;

pub struct Psdb {
    runtime: Runtime,
    wal: Wal,
    next_index: Mutex<u64>,
    state: Arc<State>,
}

struct State {
    store: Mutex<Store>,
    applied: AtomicU64,
    log_bytes: AtomicU64,
    is_writing: AtomicBool,
    /// Whether checkpoints begin by themselves.
    is_automatic: AtomicBool,
}

/// What opening did.
pub struct Recovered {
    pub replayed_entries: u64,
    pub replayed_bytes: u64,
}

impl Psdb {
    pub fn open(dir: &Path, cache_bytes: usize) -> (Psdb, Recovered) {
        let mut runtime = tokio::runtime::Builder::new_multi_thread();
        let runtime = runtime.worker_threads(1).enable_time().build().expect("a runtime");
        let env = Env::real();
        let cache = PageCache::new(cache_bytes);
        let (mut store, opened) =
            Store::open(&**env.disk(), &dir.join("pages"), cache).expect("the store opens");
        let mut applied = opened.note.first_chunk().map_or(0, |note| u64::from_le_bytes(*note));
        let log_dir = dir.join("wal");
        let opening = Wal::open(&env, &log_dir, WalOptions::default());
        let (wal, streams) = runtime.block_on(opening).expect("the log opens");
        let mut recovered = Recovered { replayed_entries: 0, replayed_bytes: 0 };
        for (index, payload) in streams.get(&STREAM).into_iter().flat_map(|s| &s.entries) {
            if *index > applied {
                apply(&mut store, payload);
                recovered.replayed_entries += 1;
                recovered.replayed_bytes += payload.len() as u64;
                applied = *index;
            }
        }
        let state = State {
            store: Mutex::new(store),
            applied: AtomicU64::new(applied),
            log_bytes: AtomicU64::new(0),
            is_writing: AtomicBool::new(false),
            is_automatic: AtomicBool::new(true),
        };
        let next_index = Mutex::new(applied + 1);
        (Psdb { runtime, wal, next_index, state: Arc::new(state) }, recovered)
    }

    /// Whether checkpoints begin by themselves.
    pub fn set_automatic(&self, is_automatic: bool) {
        self.state.is_automatic.store(is_automatic, Ordering::Relaxed);
    }

    /// Begins a checkpoint unless one is being written.
    pub fn begin_checkpoint(&self) {
        self.state.clone().begin_checkpoint(self.wal.clone());
    }

    pub fn is_writing(&self) -> bool {
        self.state.is_writing.load(Ordering::Acquire)
    }

    fn submit(&self, payload: Bytes) {
        let (answer, answered) = oneshot::channel();
        let (state, wal) = (self.state.clone(), self.wal.clone());
        {
            let mut next = self.next_index.lock().expect("no panics");
            let index = *next;
            *next += 1;
            let record = Record::Append { stream: STREAM, index, payload: payload.clone() };
            self.wal.submit(vec![record], move |result| {
                result.expect("the log writes");
                state.apply(index, &payload, wal);
                answer.send(()).ok();
            });
        }
        answered.blocking_recv().expect("the log answers");
    }
}

impl State {
    /// Applies an entry; called in the order of the log.
    fn apply(self: Arc<Self>, index: u64, payload: &Bytes, wal: Wal) {
        apply(&mut self.store.lock().expect("no panics"), payload);
        self.applied.store(index, Ordering::Release);
        let bytes = self.log_bytes.fetch_add(payload.len() as u64 + 40, Ordering::Relaxed);
        if bytes > CHECKPOINT_BYTES && self.is_automatic.load(Ordering::Relaxed) {
            self.begin_checkpoint(wal);
        }
    }

    fn begin_checkpoint(self: Arc<Self>, wal: Wal) {
        if self.is_writing.swap(true, Ordering::AcqRel) {
            return;
        }
        self.log_bytes.store(0, Ordering::Relaxed);
        let checkpoint = {
            let mut store = self.store.lock().expect("no panics");
            let note = self.applied.load(Ordering::Acquire).to_le_bytes();
            store.begin_checkpoint(&note).expect("a checkpoint begins")
        };
        std::thread::spawn(move || {
            checkpoint.write_gently().expect("a checkpoint is written");
            let older = self.store.lock().expect("no panics").older_note();
            if let Some(through) = older.first_chunk().map(|note| u64::from_le_bytes(*note))
                && through > 0
            {
                let purge = Record::Purge { stream: STREAM, through, note: Bytes::new() };
                wal.submit(vec![purge], |_| ());
            }
            self.is_writing.store(false, Ordering::Release);
        });
    }
}

fn encode<'e>(entries: impl Iterator<Item = (&'e [u8], &'e [u8])>) -> Bytes {
    let mut payload = BytesMut::new();
    for (key, value) in entries {
        payload.put_u16_le(key.len() as u16);
        payload.put_u32_le(value.len() as u32);
        payload.put_slice(key);
        payload.put_slice(value);
    }
    payload.freeze()
}

fn apply(store: &mut Store, mut payload: &[u8]) {
    while let Some((head, rest)) = payload.split_first_chunk::<6>() {
        let key_bytes = usize::from(u16::from_le_bytes([head[0], head[1]]));
        let value_bytes = u32::from_le_bytes([head[2], head[3], head[4], head[5]]) as usize;
        let (key, rest) = rest.split_at(key_bytes);
        let (value, rest) = rest.split_at(value_bytes);
        store.insert(TREE, key, value).expect("the store writes");
        payload = rest;
    }
}

impl Engine for Psdb {
    fn put(&self, key: &[u8], value: &[u8]) {
        self.submit(encode([(key, value)].into_iter()));
    }

    fn put_batch(&self, entries: &[Entry]) {
        self.submit(encode(entries.iter().map(|(key, value)| (&key[..], &value[..]))));
    }

    fn load(&self, entries: &mut dyn Iterator<Item = Entry>) {
        // As a replica installs a snapshot: into the store, durable with a checkpoint.
        let mut store = self.state.store.lock().expect("no panics");
        for (key, value) in entries {
            store.insert(TREE, &key, &value).expect("the store writes");
        }
        let note = self.state.applied.load(Ordering::Acquire).to_le_bytes();
        store.checkpoint(&note).expect("a checkpoint is written");
    }

    fn reader(&self) -> Box<dyn Reader + '_> {
        let snapshot = self.state.store.lock().expect("no panics").snapshot();
        Box::new(PsdbReader(snapshot.tree(TREE).expect("a read")))
    }

    fn settle(&self) {
        while self.is_writing() {
            std::thread::yield_now();
        }
    }
}

impl Drop for Psdb {
    fn drop(&mut self) {
        self.settle();
        self.runtime.block_on(self.wal.close()).expect("the log closes");
    }
}

struct PsdbReader(Tree);

impl Reader for PsdbReader {
    fn get(&mut self, key: &[u8]) -> Option<usize> {
        self.0.get(key).expect("a read").map(|value| value.len())
    }

    fn scan(&mut self, key: &[u8], count: usize) -> usize {
        use std::ops::Bound;
        let mut range = self.0.range(Bound::Included(key), Bound::Unbounded, Direction::Ascending);
        let mut bytes = 0;
        for _ in 0..count {
            match range.next_with(|key, value| key.len() + value.len()).expect("a read") {
                Some(length) => bytes += length,
                None => break,
            }
        }
        bytes
    }
}
