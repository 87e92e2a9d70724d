//! `Leaf`: the page that holds entries.
//!
//! Keys and values stand in two parallel vectors, so that a search touches keys only.
//!
//! Invariants:
//! 1. `keys` ascend strictly, and `values[i]` belongs to `keys[i]`.
//! 2. No leaf ever exceeds the order, not even in between: a full one is split before it grows.
//!
//! Left out: which leaf a key belongs to (`branch`).

use std::borrow::Borrow;
use std::mem;
use std::sync::Arc;

use super::page::{Inserted, Order, Page, Split, clone_with_capacity, reserve_one};

/// A sorted run of entries.
pub(super) struct Leaf<K, V> {
    keys: Vec<K>,
    values: Vec<V>,
}

impl<K, V> Leaf<K, V> {
    pub(super) fn with_capacity(entries: usize) -> Self {
        Self { keys: Vec::with_capacity(entries), values: Vec::with_capacity(entries) }
    }

    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    pub(super) fn keys(&self) -> &[K] {
        &self.keys
    }

    pub(super) fn entry(&self, at: usize) -> Option<(&K, &V)> {
        Some((self.keys.get(at)?, self.values.get(at)?))
    }

    /// Adds an entry whose key is above all others.
    pub(super) fn push(&mut self, key: K, value: V) {
        self.keys.push(key);
        self.values.push(value);
    }

    /// Moves the entries from `at` on into a new leaf.
    pub(super) fn split_off(&mut self, at: usize) -> Self {
        Self { keys: self.keys.split_off(at), values: self.values.split_off(at) }
    }

    /// Takes all entries of the right neighbour.
    pub(super) fn append(&mut self, mut right: Self) {
        self.keys.append(&mut right.keys);
        self.values.append(&mut right.values);
    }

    /// Moves the last `count` entries to the front of the right neighbour.
    pub(super) fn give_right(&mut self, right: &mut Self, count: usize) {
        let at = self.len() - count;
        right.keys.splice(0..0, self.keys.drain(at..));
        right.values.splice(0..0, self.values.drain(at..));
    }

    /// Moves the first `count` entries of the right neighbour to this leaf's end.
    pub(super) fn take_from(&mut self, right: &mut Self, count: usize) {
        self.keys.extend(right.keys.drain(..count));
        self.values.extend(right.values.drain(..count));
    }

    fn insert_at(&mut self, at: usize, key: K, value: V, order: Order) {
        reserve_one(&mut self.keys, order.max());
        reserve_one(&mut self.values, order.max());
        self.keys.insert(at, key);
        self.values.insert(at, value);
    }
}

impl<K: Ord, V> Leaf<K, V> {
    pub(super) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
    {
        self.search(key).ok().map(|at| &self.values[at])
    }

    /// How many keys are below `key`.
    pub(super) fn before<Q: Ord + ?Sized>(&self, key: &Q) -> usize
    where
        K: Borrow<Q>,
    {
        self.search(key).unwrap_or_else(|at| at)
    }

    /// How many keys are at most `key`.
    pub(super) fn after<Q: Ord + ?Sized>(&self, key: &Q) -> usize
    where
        K: Borrow<Q>,
    {
        self.search(key).map_or_else(|at| at, |at| at + 1)
    }

    pub(super) fn remove<Q: Ord + ?Sized>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let at = self.search(key).ok()?;
        self.keys.remove(at);
        Some(self.values.remove(at))
    }

    fn search<Q: Ord + ?Sized>(&self, key: &Q) -> Result<usize, usize>
    where
        K: Borrow<Q>,
    {
        self.keys.binary_search_by(|probe| probe.borrow().cmp(key))
    }
}

impl<K: Ord + Clone, V> Leaf<K, V> {
    pub(super) fn insert(&mut self, key: K, value: V, order: Order) -> Inserted<K, V> {
        match self.search(&key) {
            Ok(at) => Inserted::Replaced(mem::replace(&mut self.values[at], value)),
            Err(at) if self.len() < order.max() => {
                self.insert_at(at, key, value, order);
                Inserted::Added
            }
            Err(at) => Inserted::Split(self.split_and_insert(at, key, value, order)),
        }
    }

    /// Splits a full leaf so that, with the new entry, both halves differ by at most one.
    fn split_and_insert(&mut self, at: usize, key: K, value: V, order: Order) -> Split<K, V> {
        let left_len = usize::midpoint(self.len(), 1);
        let mut right;
        if at < left_len {
            right = self.split_off(left_len - 1);
            self.insert_at(at, key, value, order);
        } else {
            right = self.split_off(left_len);
            right.insert_at(at - left_len, key, value, order);
        }
        Split { separator: right.keys[0].clone(), right: Arc::new(Page::Leaf(right)) }
    }
}

impl<K, V> Default for Leaf<K, V> {
    fn default() -> Self {
        Self { keys: Vec::new(), values: Vec::new() }
    }
}

impl<K: Clone, V: Clone> Clone for Leaf<K, V> {
    fn clone(&self) -> Self {
        Self { keys: clone_with_capacity(&self.keys), values: clone_with_capacity(&self.values) }
    }
}
