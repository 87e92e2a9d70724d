//! Proves what the store promises, each promise in a file of its own:
//!
//! - `basics`: long values, limits, ranges, refusals, sharing a cache.
//! - `model`: random operations, snapshots, checkpoints and reopenings agree with a plain map.
//! - `crash`: power loss at every operation of a workload.
//! - `failure`: I/O errors and a full disk at every operation.
//! - `damage`: bytes flipped, pages misplaced, writes lost.
//! - `salvage`: what is read from, and made of, damaged files.
//! - `space`: pages come back, and the file shrinks.
//! - `threads`: readers and checkpoints beside the writer.
//! - `format`: the dumps in `docs/format.md`.
//! - `golden`: scripts of splits, merges, free pages and recovery, to be read.
//!
//! Left out: real power loss. The simulated disk is harsher than any medium.

mod basics;
mod crash;
mod damage;
mod failure;
mod format;
mod golden;
mod model;
mod salvage;
mod space;
mod threads;

use std::collections::BTreeMap;
use std::path::Path;

use proptest::prelude::*;

use super::{LeafValue, Opened, Snapshot, Store};
use crate::env::SimDisk;
use crate::storage::StorageError;
use crate::storage::pager::PageCache;

/// What a store should hold: trees of entries.
type Trees = BTreeMap<Vec<u8>, BTreeMap<Vec<u8>, Vec<u8>>>;

/// So small that pages are written ahead and read back all the time.
const TINY: usize = 8 * 8192;

fn path() -> &'static Path {
    Path::new("/data/pages")
}

fn disk() -> SimDisk {
    disk_with_seed(0)
}

fn disk_with_seed(seed: u64) -> SimDisk {
    let disk = SimDisk::with_seed(seed);
    crate::env::Disk::create_dir_all(&disk, Path::new("/data")).unwrap();
    disk
}

fn open(disk: &SimDisk) -> Result<(Store, Opened), StorageError> {
    Store::open(disk, path(), PageCache::new(TINY))
}

/// The values of a tree, read leaf by leaf.
fn values(snapshot: &Snapshot, tree: &[u8]) -> Vec<Vec<u8>> {
    let (mut leaves, mut values) = (snapshot.leaves(tree), Vec::new());
    while let Some(leaf) = leaves.next_leaf().unwrap() {
        leaf.touch();
        values.extend(leaf.values().map(|value| match value {
            LeafValue::Here(value) => value.to_vec(),
            LeafValue::Elsewhere(chain) => leaves.read(chain).unwrap().to_vec(),
        }));
    }
    values
}

/// Everything a snapshot shows, read by ranges; trees without entries left out.
fn contents(snapshot: &Snapshot) -> Trees {
    let mut trees = Trees::new();
    for name in snapshot.trees() {
        let entries = snapshot.iter(name).map(|entry| {
            let (key, value) = entry.unwrap();
            (key.to_vec(), value.to_vec())
        });
        let entries: BTreeMap<_, _> = entries.collect();
        assert_eq!(entries.len() as u64, snapshot.entries(name));
        assert!(values(snapshot, name).iter().eq(entries.values()), "leaves show the same");
        if !entries.is_empty() {
            trees.insert(name.to_vec(), entries);
        }
    }
    trees
}

fn check(store: &Store) {
    let report = store.check().unwrap();
    assert!(report.is_sound(), "{report:#?}");
}

/// A change of one tree.
#[derive(Clone, Debug)]
enum Change {
    Insert(Vec<u8>, Vec<u8>),
    Remove(Vec<u8>),
}

impl Change {
    fn apply(&self, store: &mut Store, trees: &mut Trees, tree: &[u8]) {
        self.try_apply(store, tree).unwrap();
        self.apply_to_model(trees, tree);
    }

    fn try_apply(&self, store: &mut Store, tree: &[u8]) -> Result<bool, StorageError> {
        match self {
            Change::Insert(key, value) => store.insert(tree, key, value),
            Change::Remove(key) => store.remove(tree, key),
        }
    }

    fn apply_to_model(&self, trees: &mut Trees, tree: &[u8]) {
        let entries = trees.entry(tree.to_vec()).or_default();
        match self {
            Change::Insert(key, value) => drop(entries.insert(key.clone(), value.clone())),
            Change::Remove(key) => drop(entries.remove(key)),
        }
        if entries.is_empty() {
            trees.remove(tree);
        }
    }
}

/// One of few keys, short or long, most of which share a beginning.
fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => (0..200_u32).prop_map(|n| format!("key-{n:05}").into_bytes()),
        2 => (0..60_u8, 0..900_usize).prop_map(|(n, length)| [vec![b'k'; length], vec![n]].concat()),
        1 => (0..8_u8).prop_map(|n| [vec![n; 1900], vec![n]].concat()),
        1 => Just(Vec::new()),
    ]
}

/// A value of any kind: empty, short, as long as fits, or in a chain.
fn value() -> impl Strategy<Value = Vec<u8>> {
    let length = prop_oneof![
        4 => 0..200_usize,
        4 => 900..2_048_usize,
        1 => 2_048..2_060_usize,
        1 => 8_000..30_000_usize,
    ];
    (length, any::<u8>()).prop_map(|(length, byte)| vec![byte; length])
}

fn change() -> impl Strategy<Value = Change> {
    prop_oneof![
        3 => (key(), value()).prop_map(|(key, value)| Change::Insert(key, value)),
        2 => key().prop_map(Change::Remove),
    ]
}

fn tree() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![3 => Just(b"documents".to_vec()), 1 => Just(b"index".to_vec())]
}
