//! Random operations on a store with a tiny cache and on plain maps must agree, at every moment
//! and in every snapshot; after reopening, the store is what its last checkpoint was.

use super::*;
use crate::storage::checkpoint::Checkpoint;

#[derive(Clone, Debug)]
enum Operation {
    Change(Vec<u8>, Change),
    /// Inserts a run of entries in order.
    Fill(Vec<u8>, u32, u32),
    /// Inserts several entries at once, sorted by their keys or as they are.
    Several(Vec<u8>, Vec<(Vec<u8>, Vec<u8>)>, bool),
    RemoveTree(Vec<u8>),
    Snapshot,
    DropSnapshot(usize),
    Begin,
    Write,
    Reopen,
    Close,
    Compact,
}

fn operation() -> impl Strategy<Value = Operation> {
    prop_oneof![
        40 => (tree(), change()).prop_map(|(tree, change)| Operation::Change(tree, change)),
        3 => (tree(), 0..500_u32, 10..120_u32)
            .prop_map(|(tree, from, count)| Operation::Fill(tree, from, count)),
        6 => (tree(), prop::collection::vec((key(), value()), 0..40), any::<bool>())
            .prop_map(|(tree, entries, sorted)| Operation::Several(tree, entries, sorted)),
        1 => tree().prop_map(Operation::RemoveTree),
        3 => Just(Operation::Snapshot),
        3 => (0..4_usize).prop_map(Operation::DropSnapshot),
        3 => Just(Operation::Begin),
        3 => Just(Operation::Write),
        1 => Just(Operation::Reopen),
        1 => Just(Operation::Close),
        1 => Just(Operation::Compact),
    ]
}

struct Run {
    disk: SimDisk,
    store: Option<Store>,
    trees: Trees,
    snapshots: Vec<(Snapshot, Trees)>,
    /// A checkpoint under way, and what it should hold.
    begun: Option<(Checkpoint, Trees)>,
    durable: Trees,
    count: u64,
}

impl Run {
    fn new() -> Run {
        let disk = disk();
        let store = Some(open(&disk).unwrap().0);
        Run {
            disk,
            store,
            trees: Trees::new(),
            snapshots: Vec::new(),
            begun: None,
            durable: Trees::new(),
            count: 0,
        }
    }

    fn store(&mut self) -> &mut Store {
        self.store.as_mut().unwrap()
    }

    fn step(&mut self, operation: Operation) {
        let store = self.store.as_mut().unwrap();
        match operation {
            Operation::Change(tree, change) => {
                let key = match &change {
                    Change::Insert(key, _) | Change::Remove(key) => key,
                };
                let was_there = self.trees.get(&tree).is_some_and(|tree| tree.contains_key(key));
                assert_eq!(store.contains_key(&tree, key).unwrap(), was_there);
                let (is_insert, told) =
                    (matches!(change, Change::Insert(..)), change.try_apply(store, &tree).unwrap());
                assert_eq!(told, was_there != is_insert);
                change.apply_to_model(&mut self.trees, &tree);
            }
            Operation::Fill(tree, from, count) => {
                for n in from..from + count {
                    let key = format!("key-{n:05}").into_bytes();
                    Change::Insert(key, vec![n as u8; 150]).apply(store, &mut self.trees, &tree);
                }
            }
            Operation::Several(tree, entries, sorted) => self.insert_all(&tree, entries, sorted),
            Operation::RemoveTree(tree) => {
                store.remove_tree(&tree).unwrap();
                self.trees.remove(&tree);
            }
            Operation::Snapshot => {
                if self.snapshots.len() < 4 {
                    self.snapshots.push((store.snapshot(), self.trees.clone()));
                }
            }
            Operation::DropSnapshot(at) => {
                if at < self.snapshots.len() {
                    self.snapshots.remove(at);
                }
            }
            Operation::Begin => self.begin(),
            Operation::Write => self.write(),
            Operation::Reopen => self.reopen(false),
            Operation::Close => self.reopen(true),
            Operation::Compact => self.compact(),
        }
    }

    fn insert_all(&mut self, tree: &[u8], mut entries: Vec<(Vec<u8>, Vec<u8>)>, sorted: bool) {
        if sorted {
            entries.sort_by(|(a, _), (b, _)| a.cmp(b));
        }
        let pairs: Vec<_> = entries.iter().map(|(key, value)| (&key[..], &value[..])).collect();
        let before = self.trees.get(tree).map_or(0, BTreeMap::len);
        let new = self.store().insert_all(tree, &pairs).unwrap();
        for (key, value) in entries {
            Change::Insert(key, value).apply_to_model(&mut self.trees, tree);
        }
        let after = self.trees.get(tree).map_or(0, BTreeMap::len);
        assert_eq!(new, (after - before) as u64, "how many keys are new");
    }

    fn begin(&mut self) {
        self.count += 1;
        let note = self.count.to_le_bytes();
        let begun = self.store().begin_checkpoint(&note);
        match (begun, self.begun.is_some()) {
            (Ok(checkpoint), false) => self.begun = Some((checkpoint, self.trees.clone())),
            (Err(StorageError::Refused { .. }), true) => {}
            (begun, _) => panic!("{begun:?}"),
        }
    }

    fn write(&mut self) {
        if let Some((checkpoint, trees)) = self.begun.take() {
            checkpoint.write().unwrap();
            self.durable = trees;
        }
    }

    fn compact(&mut self) {
        self.write();
        self.snapshots.clear();
        self.store().compact(b"").unwrap();
        self.durable = self.trees.clone();
    }

    fn reopen(&mut self, is_clean: bool) {
        self.write();
        self.snapshots.clear();
        let store = self.store.take().unwrap();
        if is_clean {
            store.close(b"closed").unwrap();
            self.durable = self.trees.clone();
        } else {
            drop(store);
        }
        let report = Store::check_file(&self.disk, path()).unwrap();
        assert!(report.is_sound(), "{report:#?}");
        let (store, opened) = open(&self.disk).unwrap();
        assert!(opened.damage.is_empty());
        self.store = Some(store);
        self.trees = self.durable.clone();
    }

    fn compare(&mut self) {
        check(self.store());
        assert_eq!(contents(&self.store().snapshot()), self.trees);
        for (snapshot, trees) in &self.snapshots {
            assert_eq!(contents(snapshot), *trees);
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn random_operations_agree_with_plain_maps(
        operations in prop::collection::vec(operation(), 1..150),
    ) {
        let mut run = Run::new();
        for operation in operations {
            run.step(operation);
            run.compare();
        }
        run.write();
    }

    #[test]
    fn ranges_agree_with_a_plain_map(
        keys in prop::collection::btree_set(key(), 0..300),
        bounds in prop::collection::vec((bound(), bound()), 1..20),
    ) {
        let mut store = open(&disk()).unwrap().0;
        for key in &keys {
            store.insert(b"t", key, &vec![7; key.len() % 2_500]).unwrap();
        }
        let snapshot = store.snapshot();
        for (low, high) in bounds {
            let expected: Vec<&Vec<u8>> =
                keys.iter().filter(|key| within(key, &low, &high)).collect();
            for direction in [super::super::Direction::Ascending, super::super::Direction::Descending] {
                let (low, high) = (as_slice(&low), as_slice(&high));
                let found: Vec<Vec<u8>> = snapshot
                    .range(b"t", low, high, direction)
                    .map(|entry| entry.unwrap().0.to_vec())
                    .collect();
                let mut wanted: Vec<Vec<u8>> = expected.iter().map(|key| (*key).clone()).collect();
                if direction == super::super::Direction::Descending {
                    wanted.reverse();
                }
                prop_assert_eq!(found, wanted);
                for bound in [u64::MAX, 7] {
                    let counted = snapshot.range(b"t", low, high, direction).count_up_to(bound);
                    prop_assert_eq!(counted.unwrap(), bound.min(expected.len() as u64));
                }
            }
        }
    }
}

use std::ops::Bound;

fn bound() -> impl Strategy<Value = Bound<Vec<u8>>> {
    prop_oneof![
        1 => Just(Bound::Unbounded),
        3 => key().prop_map(Bound::Included),
        3 => key().prop_map(Bound::Excluded),
    ]
}

fn as_slice(bound: &Bound<Vec<u8>>) -> Bound<&[u8]> {
    bound.as_ref().map(Vec::as_slice)
}

fn within(key: &[u8], low: &Bound<Vec<u8>>, high: &Bound<Vec<u8>>) -> bool {
    let above = match low {
        Bound::Unbounded => true,
        Bound::Included(low) => key >= &low[..],
        Bound::Excluded(low) => key > &low[..],
    };
    above
        && match high {
            Bound::Unbounded => true,
            Bound::Included(high) => key <= &high[..],
            Bound::Excluded(high) => key < &high[..],
        }
}
