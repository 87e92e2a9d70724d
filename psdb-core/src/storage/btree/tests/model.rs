//! Proves that, for any sequence of operations and any order, the tree answers as a `BTreeMap`
//! does, that every invariant holds after each step, and that snapshots never change.

use std::collections::BTreeMap;
use std::ops::Bound;

use proptest::collection::vec;
use proptest::prelude::*;

use crate::storage::btree::{BPlusTree, Builder, NotAscending};

type Key = u16;
type Tree = BPlusTree<Key, u32>;
type Model = BTreeMap<Key, u32>;

#[derive(Clone, Debug)]
enum Op {
    Insert(Key),
    /// Inserts keys above all others, as generated ids do.
    Append(u8),
    Remove(Key),
    /// Removes the n-th entry, so that removals find something.
    RemoveNth(usize),
    Range(Bound<Key>, Bound<Key>, Vec<bool>),
    Snapshot,
    /// Forgets the oldest snapshot.
    Release,
    Clear,
}

fn keys() -> impl Strategy<Value = Key> {
    // Few enough keys that operations meet each other.
    0..600_u16
}

fn bounds() -> impl Strategy<Value = Bound<Key>> {
    prop_oneof![
        1 => Just(Bound::Unbounded),
        3 => keys().prop_map(Bound::Included),
        3 => keys().prop_map(Bound::Excluded),
    ]
}

fn ops() -> impl Strategy<Value = Op> {
    prop_oneof![
        30 => keys().prop_map(Op::Insert),
        6 => (1..40_u8).prop_map(Op::Append),
        10 => keys().prop_map(Op::Remove),
        25 => any::<usize>().prop_map(Op::RemoveNth),
        10 => (bounds(), bounds(), vec(any::<bool>(), 0..40))
            .prop_map(|(low, high, turns)| Op::Range(low, high, turns)),
        5 => Just(Op::Snapshot),
        3 => Just(Op::Release),
        1 => Just(Op::Clear),
    ]
}

#[derive(Default)]
struct Run {
    tree: Tree,
    model: Model,
    snapshots: Vec<(Tree, Model)>,
    clock: u32,
}

impl Run {
    fn step(&mut self, op: &Op) {
        self.clock += 1;
        match op {
            Op::Insert(key) => self.insert(*key),
            Op::Append(count) => {
                for _ in 0..*count {
                    let next = self.model.last_key_value().map_or(0, |(key, _)| key + 1);
                    self.insert(next);
                }
            }
            Op::Remove(key) => assert_eq!(self.tree.remove(key), self.model.remove(key)),
            Op::RemoveNth(nth) => {
                let nth = nth % self.model.len().max(1);
                if let Some(key) = self.model.keys().nth(nth).copied() {
                    assert_eq!(self.tree.remove(&key), self.model.remove(&key));
                    assert!(!self.tree.contains_key(&key));
                }
            }
            Op::Range(low, high, turns) => self.compare_range(*low, *high, turns),
            Op::Snapshot => self.snapshots.push((self.tree.clone(), self.model.clone())),
            Op::Release => drop(self.snapshots.drain(..self.snapshots.len().min(1))),
            Op::Clear => {
                self.tree.clear();
                self.model.clear();
            }
        }
        self.tree.check_invariants().expect("invariants hold after every step");
        assert_eq!(self.tree.len(), self.model.len());
        assert_eq!(self.tree.first(), self.model.first_key_value());
        assert_eq!(self.tree.last(), self.model.last_key_value());
    }

    fn insert(&mut self, key: Key) {
        assert_eq!(self.tree.insert(key, self.clock), self.model.insert(key, self.clock));
        assert_eq!(self.tree.get(&key), Some(&self.clock));
    }

    /// Walks one range forwards, backwards, and from both ends in turns.
    fn compare_range(&self, low: Bound<Key>, high: Bound<Key>, turns: &[bool]) {
        let expected: Vec<_> =
            if crossed(low, high) { Vec::new() } else { self.model.range((low, high)).collect() };
        let range = || self.tree.range((low, high));
        assert!(range().eq(expected.iter().copied()));
        assert!(range().rev().eq(expected.iter().rev().copied()));
        let (mut found, mut wanted) = (range(), expected.into_iter());
        for front in turns {
            if *front {
                assert_eq!(found.next(), wanted.next());
            } else {
                assert_eq!(found.next_back(), wanted.next_back());
            }
        }
        assert!(found.clone().eq(wanted.clone()));
        assert!(found.rev().eq(wanted.rev()));
    }

    fn check_snapshots(&self) {
        for (tree, model) in &self.snapshots {
            tree.check_invariants().expect("invariants hold in every snapshot");
            assert!(tree.iter().eq(model), "a snapshot changed");
        }
    }
}

/// Whether `BTreeMap` would panic on such bounds.
fn crossed(low: Bound<Key>, high: Bound<Key>) -> bool {
    match (low, high) {
        (Bound::Excluded(low), Bound::Excluded(high)) => low >= high,
        (
            Bound::Included(low) | Bound::Excluded(low),
            Bound::Included(high) | Bound::Excluded(high),
        ) => low > high,
        _ => false,
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn agrees_with_btree_map(order in 3..=64_usize, ops in vec(ops(), 1..250)) {
        let mut run = Run { tree: Tree::with_order(order), ..Run::default() };
        for op in &ops {
            run.step(op);
        }
        run.check_snapshots();
    }

    /// Small orders make deep trees, where branches split, share and merge too.
    #[test]
    fn agrees_with_btree_map_when_deep(order in 3..=5_usize, ops in vec(ops(), 1..250)) {
        let mut run = Run { tree: Tree::with_order(order), ..Run::default() };
        for op in &ops {
            run.step(op);
        }
        run.check_snapshots();
    }

    #[test]
    fn bulk_load_agrees_with_inserts(
        order in 3..=64_usize,
        fill in 0..=100_u8,
        len in 0..700_u16,
        ops in vec(ops(), 0..60),
    ) {
        let model: Model = (0..len).map(|key| (key, u32::from(key))).collect();
        let mut builder = Builder::new(order).fill_percent(fill);
        for (key, value) in &model {
            builder.push(*key, *value).expect("keys ascend");
        }
        let tree = builder.finish();
        tree.check_invariants().expect("invariants hold after loading");
        prop_assert!(tree.iter().eq(&model));
        // The loaded tree is an ordinary tree: it can be changed.
        let mut run = Run { tree, model, ..Run::default() };
        for op in &ops {
            run.step(op);
        }
        run.check_snapshots();
    }
}

#[test]
fn bulk_load_refuses_keys_out_of_order() {
    for (keys, position) in [(vec![1, 1], 1), (vec![2, 1], 1), (vec![1, 2, 3, 4, 5, 5], 5)] {
        // Order 3 closes a leaf after three entries, so the last case crosses a leaf's end.
        let mut builder = Builder::new(3);
        let outcome = keys.into_iter().try_for_each(|key| builder.push(key, ()));
        assert_eq!(outcome, Err(NotAscending { position }));
    }
}

#[test]
fn crossing_bounds_contain_nothing() {
    let tree = BPlusTree::from_sorted((0..100).map(|n| (n, ()))).expect("keys ascend");
    for (low, high) in [
        (Bound::Included(5), Bound::Included(3)),
        (Bound::Included(5), Bound::Excluded(5)),
        (Bound::Excluded(5), Bound::Included(5)),
        (Bound::Excluded(5), Bound::Excluded(5)),
        (Bound::Excluded(90), Bound::Excluded(2)),
    ] {
        assert_eq!(tree.range((low, high)).count(), 0, "{low:?} to {high:?}");
        assert_eq!(tree.range((low, high)).next_back(), None, "{low:?} to {high:?}");
    }
}

#[test]
#[should_panic(expected = "at least 3")]
fn order_two_is_refused() {
    drop(BPlusTree::<u8, u8>::with_order(2));
}
