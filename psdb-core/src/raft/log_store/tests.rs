//! Proves that a log whose entries are mostly not in memory reads like one whose entries all are,
//! through truncations, purges and restarts, and that what is in memory stays within its bound.

use std::path::Path;

use openraft::storage::RaftLogStorageExt;
use openraft::{CommittedLeaderId, EntryPayload};
use proptest::prelude::*;

use super::super::engine::{Batch, Request};
use super::*;
use crate::env::{Env, SimDisk};
use crate::storage::WalOptions;
use crate::types::{NodeId, Timestamp};

const GROUP: GroupId = GroupId(7);
const TAIL: usize = 2_000;
const BOUNDS: LogBounds = LogBounds { message: 1_500, tail: TAIL };
const SMALL: WalOptions =
    WalOptions { segment_bytes: 3_000, batch_bytes: 4 << 20, log_bytes: 20_000 };

fn log_id(term: u64, index: u64) -> LogId {
    LogId::new(CommittedLeaderId::new(term, NodeId(1)), index)
}

fn entry(term: u64, index: u64, bytes: usize) -> Entry {
    let request = Request { id: None, command: vec![index as u8; bytes].into() };
    let batch = Batch { time: Timestamp::default(), requests: Arc::from([request]) };
    Entry { log_id: log_id(term, index), payload: EntryPayload::Normal(batch) }
}

async fn open(disk: &SimDisk) -> (Wal, LogStore) {
    let env = Env::simulated(3, disk.clone());
    let (wal, streams) = Wal::open(&env, Path::new("/wal"), SMALL).await.unwrap();
    let recovered = streams.get(&GROUP.0).cloned().unwrap_or_default();
    let store = LogStore::new(GROUP, wal.clone(), &recovered, BOUNDS).unwrap();
    (wal, store)
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(future)
}

#[test]
fn a_slow_follower_reads_old_entries_a_message_at_a_time_without_filling_memory() {
    run(async {
        let disk = SimDisk::new();
        let (wal, mut store) = open(&disk).await;
        let all: Vec<Entry> = (0..300).map(|index| entry(1, index, 100)).collect();
        for entry in &all {
            store.blocking_append([entry.clone()]).await.unwrap();
            assert!(store.log.lock().tail_bytes <= TAIL);
        }
        assert!(wal.stats().segments > 5, "{:?}", wal.stats());
        let mut read = Vec::new();
        while read.len() < all.len() {
            let message = store.limited_get_log_entries(read.len() as u64, 300).await.unwrap();
            let bytes: usize = message.iter().map(EntrySize::size_bytes).sum();
            assert!(!message.is_empty() && bytes <= BOUNDS.message + 164, "{bytes} bytes");
            read.extend(message);
            assert!(store.log.lock().tail_bytes <= TAIL, "reading keeps nothing");
        }
        assert_eq!(read, all);
        assert_eq!(store.try_get_log_entries(..).await.unwrap(), all);
        assert_eq!(store.try_get_log_entries(10..=12).await.unwrap(), all[10..13]);
        drop((wal, store));
        let (_wal, mut store) = open(&disk).await;
        assert!(store.log.lock().tail_bytes <= TAIL, "a restart keeps to the bound as well");
        assert_eq!(store.try_get_log_entries(..).await.unwrap(), all);
    });
}

#[derive(Clone, Debug)]
enum Step {
    Append(usize, usize),
    Truncate(u64),
    Purge(u64),
    Read(u64, u64),
    Restart,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => (1_usize..6, 0_usize..700).prop_map(|(count, bytes)| Step::Append(count, bytes)),
        1 => (0_u64..8).prop_map(Step::Truncate),
        1 => (0_u64..12).prop_map(Step::Purge),
        3 => (0_u64..40, 1_u64..30).prop_map(|(back, count)| Step::Read(back, count)),
        1 => Just(Step::Restart),
    ]
}

/// What the log should hold: the index of the next entry, and all live ones.
#[derive(Default)]
struct Model {
    next: u64,
    purged: Option<LogId>,
    entries: BTreeMap<u64, Entry>,
}

impl Model {
    fn state(&self) -> (Option<LogId>, Option<LogId>) {
        let last = self.entries.last_key_value().map(|(_, entry)| entry.log_id);
        (self.purged, last.or(self.purged))
    }
}

async fn check(steps: Vec<Step>) {
    let disk = SimDisk::new();
    let (mut wal, mut store) = open(&disk).await;
    let mut model = Model::default();
    for (term, step) in (1..).zip(steps) {
        match step {
            Step::Append(count, bytes) => {
                let entries: Vec<Entry> =
                    (model.next..).take(count).map(|index| entry(term, index, bytes)).collect();
                model.next += count as u64;
                let indexed = entries.iter().map(|entry| (entry.log_id.index, entry.clone()));
                model.entries.extend(indexed);
                store.blocking_append(entries).await.unwrap();
            }
            Step::Truncate(back) => {
                let first = model.entries.keys().next().copied().unwrap_or(model.next);
                let from = model.next.saturating_sub(back).max(first);
                let Some(entry) = model.entries.get(&from) else { continue };
                store.truncate(entry.log_id).await.unwrap();
                model.entries.split_off(&from);
                model.next = from;
            }
            Step::Purge(back) => {
                let through = model.next.saturating_sub(back + 1);
                let Some(entry) = model.entries.get(&through) else { continue };
                store.purge(entry.log_id).await.unwrap();
                let kept = store.get_log_state().await.unwrap().last_purged_log_id;
                assert_eq!(kept, model.purged, "no checkpoint reaches that far yet");
                model.purged = Some(entry.log_id);
                store.allow_purge(model.purged).unwrap();
                model.entries = model.entries.split_off(&(through + 1));
            }
            Step::Read(back, count) => {
                let first = model.entries.keys().next().copied().unwrap_or(0);
                let from = model.next.saturating_sub(back).max(first);
                let expected: Vec<Entry> =
                    model.entries.range(from..from + count).map(|(_, e)| e.clone()).collect();
                let read = store.try_get_log_entries(from..from + count).await.unwrap();
                assert_eq!(read, expected);
                let limited = store.limited_get_log_entries(from, from + count).await.unwrap();
                assert_eq!(limited.is_empty(), expected.is_empty());
                assert_eq!(limited, expected[..limited.len()]);
            }
            Step::Restart => {
                wal.close().await.unwrap();
                drop((wal, store));
                (wal, store) = open(&disk).await;
            }
        }
        let state = store.get_log_state().await.unwrap();
        assert_eq!((state.last_purged_log_id, state.last_log_id), model.state());
        assert!(store.log.lock().tail_bytes <= TAIL.max(5 * 764), "the tail is bounded");
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn the_log_reads_as_if_it_were_in_memory(steps in prop::collection::vec(step(), 1..60)) {
        run(check(steps));
    }
}
