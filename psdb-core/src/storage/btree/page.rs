//! `Page`: one leaf or one branch, and `Order`: how full it may be.
//!
//! A page never knows its parent, so one page can belong to any number of snapshots.
//!
//! Left out: what leaves and branches do (`leaf`, `branch`).

use std::sync::Arc;

use super::branch::Branch;
use super::leaf::Leaf;

/// How full the pages of one tree may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Order(usize);

impl Order {
    /// Twice that reads no faster, and a write right after a snapshot copies twice as much.
    pub(super) const DEFAULT: usize = 32;

    pub(super) fn new(max: usize) -> Self {
        assert!(max >= 3, "a page must hold at least 3 entries, not {max}");
        Order(max)
    }

    /// The most entries of a leaf or children of a branch.
    pub(super) fn max(self) -> usize {
        self.0
    }

    /// The fewest, except in the root. Two pages of which one is below it fit into one.
    pub(super) fn min(self) -> usize {
        self.0.div_ceil(2)
    }
}

/// A leaf or a branch.
#[derive(Clone)]
pub(super) enum Page<K, V> {
    Leaf(Leaf<K, V>),
    Branch(Branch<K, V>),
}

impl<K, V> Page<K, V> {
    /// The root of an empty tree.
    pub(super) fn empty() -> Self {
        Page::Leaf(Leaf::default())
    }

    /// How many entries (in a leaf) or children (in a branch) there are.
    pub(super) fn len(&self) -> usize {
        match self {
            Page::Leaf(leaf) => leaf.len(),
            Page::Branch(branch) => branch.len(),
        }
    }

    pub(super) fn as_leaf(&self) -> Option<&Leaf<K, V>> {
        match self {
            Page::Leaf(leaf) => Some(leaf),
            Page::Branch(_) => None,
        }
    }
}

/// The new right neighbour of a page that was split.
pub(super) struct Split<K, V> {
    /// Above every key of the left page, at most every key of the right one.
    pub(super) separator: K,
    pub(super) right: Arc<Page<K, V>>,
}

/// What became of an insertion below a page.
pub(super) enum Inserted<K, V> {
    /// The key was there; this was its value.
    Replaced(V),
    /// The entry is new.
    Added,
    /// The entry is new, and the page had to be split for it.
    Split(Split<K, V>),
}

/// Makes room for one more item, doubling the capacity but never beyond `max` items.
///
/// A `Vec` left to itself would grow past the page's limit and waste the difference.
pub(super) fn reserve_one<T>(items: &mut Vec<T>, max: usize) {
    if items.len() == items.capacity() {
        let capacity = (items.capacity() * 2).clamp(4, max.max(4));
        items.reserve_exact(capacity.saturating_sub(items.len()).max(1));
    }
}

/// Copies `items` with their spare capacity: a page is copied in order to be changed.
pub(super) fn clone_with_capacity<T: Clone>(items: &Vec<T>) -> Vec<T> {
    let mut copy = Vec::with_capacity(items.capacity());
    copy.extend_from_slice(items);
    copy
}
