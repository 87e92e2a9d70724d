//! `Branch`: the page that guides a search to its leaf.
//!
//! ```text
//!   separators        20        40
//!   children    [..20)  [20..40)  [40..]
//! ```
//!
//! Invariants:
//! 1. There is one separator less than there are children.
//! 2. Keys of child `i` are below separator `i`, and at least separator `i - 1`.
//!
//! Left out: entries (`leaf`); the root's growing and shrinking (`write`).

use std::borrow::Borrow;
use std::sync::Arc;

use super::page::{Inserted, Order, Page, Split, clone_with_capacity, reserve_one};
use super::write::{insert_below, remove_below};

/// Children and the keys that separate them.
pub(super) struct Branch<K, V> {
    separators: Vec<K>,
    children: Vec<Arc<Page<K, V>>>,
}

impl<K, V> Branch<K, V> {
    pub(super) fn new(separators: Vec<K>, children: Vec<Arc<Page<K, V>>>) -> Self {
        assert_eq!(separators.len() + 1, children.len(), "a separator stands between children");
        Self { separators, children }
    }

    /// How many children there are.
    pub(super) fn len(&self) -> usize {
        self.children.len()
    }

    pub(super) fn separators(&self) -> &[K] {
        &self.separators
    }

    pub(super) fn children(&self) -> &[Arc<Page<K, V>>] {
        &self.children
    }

    pub(super) fn child(&self, at: usize) -> &Page<K, V> {
        &self.children[at]
    }

    /// Splits off the right half of a branch that has one child too many.
    fn split(&mut self) -> Split<K, V> {
        let left_len = self.len() / 2;
        let children = self.children.split_off(left_len);
        let separators = self.separators.split_off(left_len);
        let separator = self.separators.pop().expect("the left half has two children or more");
        Split { separator, right: Arc::new(Page::Branch(Branch::new(separators, children))) }
    }

    /// Takes all children of the right neighbour, from which `separator` divided this branch.
    fn append(&mut self, separator: K, mut right: Self) {
        self.separators.push(separator);
        self.separators.append(&mut right.separators);
        self.children.append(&mut right.children);
    }

    /// Moves the last `count` children to the front of the right neighbour; returns the separator
    /// that now divides the two.
    fn give_right(&mut self, separator: K, right: &mut Self, count: usize) -> K {
        let keep = self.len() - count;
        right.children.splice(0..0, self.children.drain(keep..));
        right.separators.insert(0, separator);
        right.separators.splice(0..0, self.separators.drain(keep..));
        self.separators.pop().expect("children were kept, so a separator follows the last of them")
    }

    /// Moves the first `count` children of the right neighbour to this branch's end; returns the
    /// separator that now divides the two.
    fn take_from(&mut self, separator: K, right: &mut Self, count: usize) -> K {
        self.children.extend(right.children.drain(..count));
        self.separators.push(separator);
        self.separators.extend(right.separators.drain(..count));
        self.separators.pop().expect("it was pushed above")
    }
}

impl<K: Ord, V> Branch<K, V> {
    /// Which child's range `key` falls into.
    pub(super) fn child_for<Q: Ord + ?Sized>(&self, key: &Q) -> usize
    where
        K: Borrow<Q>,
    {
        self.separators.partition_point(|separator| separator.borrow() <= key)
    }
}

impl<K: Ord + Clone, V: Clone> Branch<K, V> {
    pub(super) fn insert(&mut self, key: K, value: V, order: Order) -> Inserted<K, V> {
        let at = self.child_for(&key);
        self.make_room_for_append(at, &key, order);
        match insert_below(&mut self.children[at], key, value, order) {
            Inserted::Split(split) => self.adopt(at, split, order),
            done => done,
        }
    }

    /// Adds the new right neighbour of child `at`.
    fn adopt(&mut self, at: usize, split: Split<K, V>, order: Order) -> Inserted<K, V> {
        reserve_one(&mut self.separators, order.max());
        reserve_one(&mut self.children, order.max());
        self.separators.insert(at, split.separator);
        self.children.insert(at + 1, split.right);
        if self.len() > order.max() { Inserted::Split(self.split()) } else { Inserted::Added }
    }

    /// Lets a full last leaf give entries to its left neighbour before `key` is appended to it.
    ///
    /// Generated ids ascend, so most keys arrive at the end. Plain splitting would leave a trail
    /// of leaves that are half empty for ever; this way they are left full.
    fn make_room_for_append(&mut self, at: usize, key: &K, order: Order) {
        let Page::Leaf(last) = self.child(at) else { return };
        let appends = at + 1 == self.len() && last.keys().last().is_some_and(|last| last < key);
        if !appends || at == 0 || last.len() < order.max() {
            return;
        }
        let room = order.max() - self.child(at - 1).len();
        if room > 0 {
            self.shift(at - 1, Shift::Left(room.min(order.max() - order.min())));
        }
    }

    /// Removes `key`, which is known to be below this branch.
    pub(super) fn remove<Q: Ord + ?Sized>(&mut self, key: &Q, order: Order) -> Option<V>
    where
        K: Borrow<Q>,
    {
        let at = self.child_for(key);
        let removed = remove_below(&mut self.children[at], key, order);
        if self.child(at).len() < order.min() {
            self.refill(at, order);
        }
        removed
    }

    /// Brings child `at`, which is one short of its least fill, back to it: its fuller neighbour
    /// shares evenly with it or, having nothing to spare, is merged with it.
    fn refill(&mut self, at: usize, order: Order) {
        let len = |at: usize| self.children.get(at).map_or(0, |child| child.len());
        let before = at.checked_sub(1).map_or(0, len);
        let left = if before >= len(at + 1) { at - 1 } else { at };
        let (left_len, right_len) = (len(left), len(left + 1));
        if left_len.max(right_len) <= order.min() {
            self.merge(left);
        } else if left_len < right_len {
            self.shift(left, Shift::Left((right_len - left_len) / 2));
        } else {
            self.shift(left, Shift::Right((left_len - right_len) / 2));
        }
    }

    /// Moves the right neighbour of child `left` into it.
    fn merge(&mut self, left: usize) {
        let separator = self.separators.remove(left);
        let right = Arc::unwrap_or_clone(self.children.remove(left + 1));
        match (Arc::make_mut(&mut self.children[left]), right) {
            (Page::Leaf(left), Page::Leaf(right)) => left.append(right),
            (Page::Branch(left), Page::Branch(right)) => left.append(separator, right),
            _ => unreachable!("siblings are equally deep"),
        }
    }

    /// Moves entries or children between child `left` and its right neighbour.
    fn shift(&mut self, left: usize, shift: Shift) {
        let (head, tail) = self.children.split_at_mut(left + 1);
        let separator = &mut self.separators[left];
        match (Arc::make_mut(&mut head[left]), Arc::make_mut(&mut tail[0])) {
            (Page::Leaf(left), Page::Leaf(right)) => {
                match shift {
                    Shift::Left(count) => left.take_from(right, count),
                    Shift::Right(count) => left.give_right(right, count),
                }
                *separator = right.keys()[0].clone();
            }
            (Page::Branch(left), Page::Branch(right)) => {
                let old = separator.clone();
                *separator = match shift {
                    Shift::Left(count) => left.take_from(old, right, count),
                    Shift::Right(count) => left.give_right(old, right, count),
                };
            }
            _ => unreachable!("siblings are equally deep"),
        }
    }
}

/// How many entries or children move from one of two neighbours to the other.
#[derive(Clone, Copy)]
enum Shift {
    Left(usize),
    Right(usize),
}

impl<K: Clone, V> Clone for Branch<K, V> {
    fn clone(&self) -> Self {
        Self {
            separators: clone_with_capacity(&self.separators),
            children: clone_with_capacity(&self.children),
        }
    }
}
