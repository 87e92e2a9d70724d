//! `Builder`: loads entries that are already in order, without searching or splitting.
//!
//! Leaves are filled one after the other; at the end the levels above are put on top, bottom up.
//! Restoring a snapshot does this, from bytes that are not trusted, so a key out of order is an
//! error and never a broken tree.
//!
//! Invariant: what `finish` returns keeps every invariant of the tree, whatever was pushed.
//!
//! Left out: merging into a tree that has entries.

use std::sync::Arc;

use super::BPlusTree;
use super::branch::Branch;
use super::leaf::Leaf;
use super::page::{Order, Page};

/// A key was not above the one before it, so a tree cannot be built from these entries.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("entry {position} is not above the one before it")]
pub struct NotAscending {
    /// The position of the entry, from 0.
    pub position: usize,
}

/// Builds a [`BPlusTree`] from entries in strictly ascending order, one by one.
///
/// # Examples
///
/// ```
/// use psdb_core::storage::btree::Builder;
///
/// let mut builder = Builder::default().fill_percent(80);
/// for n in 0..1000 {
///     builder.push(n, ())?;
/// }
/// let tree = builder.finish();
/// assert_eq!(tree.len(), 1000);
/// # Ok::<(), psdb_core::storage::NotAscending>(())
/// ```
pub struct Builder<K, V> {
    order: Order,
    /// How many entries or children a page gets.
    target: usize,
    /// Full leaves, each with its lowest key.
    done: Vec<(K, Arc<Page<K, V>>)>,
    leaf: Leaf<K, V>,
    len: usize,
}

impl<K: Ord + Clone, V> Builder<K, V> {
    /// Starts a tree of that order, whose pages will be full.
    ///
    /// # Panics
    ///
    /// When `order` is below 3.
    pub fn new(order: usize) -> Self {
        let order = Order::new(order);
        Self { order, target: order.max(), done: Vec::new(), leaf: Leaf::default(), len: 0 }
    }

    /// Fills pages to `percent` of their capacity only (50 to 100; others count as the nearer of
    /// the two), which leaves room for inserts that follow.
    #[must_use]
    pub fn fill_percent(mut self, percent: u8) -> Self {
        let target = self.order.max() * usize::from(percent.min(100)) / 100;
        self.target = target.max(self.order.min());
        self
    }

    /// Adds the next entry.
    ///
    /// # Errors
    ///
    /// [`NotAscending`] when `key` is not above the one before; the entry is dropped.
    pub fn push(&mut self, key: K, value: V) -> Result<(), NotAscending> {
        if self.leaf.keys().last().is_some_and(|last| *last >= key) {
            return Err(NotAscending { position: self.len });
        }
        if self.leaf.len() == self.target {
            self.close_leaf();
        }
        self.leaf.push(key, value);
        self.len += 1;
        Ok(())
    }

    fn close_leaf(&mut self) {
        let next = Leaf::with_capacity(self.target);
        let full = std::mem::replace(&mut self.leaf, next);
        self.done.push((full.keys()[0].clone(), Arc::new(Page::Leaf(full))));
    }

    /// Puts the branches on top of the leaves.
    pub fn finish(mut self) -> BPlusTree<K, V> {
        self.even_out_last_leaves();
        if self.leaf.len() > 0 {
            self.close_leaf();
        }
        let mut level = self.done;
        while level.len() > 1 {
            level = branches_over(level, self.target, self.order);
        }
        let root = level.pop().map_or_else(|| Arc::new(Page::empty()), |(_, root)| root);
        BPlusTree { root, len: self.len, order: self.order }
    }

    /// Mends a last leaf that is too empty, together with the one before it.
    fn even_out_last_leaves(&mut self) {
        if self.leaf.len() >= self.order.min() {
            return;
        }
        let Some((_, page)) = self.done.pop() else { return };
        let Some(Page::Leaf(mut left)) = Arc::into_inner(page) else {
            unreachable!("nobody else has seen a page of a tree being built, and it is a leaf")
        };
        let mut right = std::mem::take(&mut self.leaf);
        let total = left.len() + right.len();
        if total <= self.order.max() {
            left.append(right);
            self.leaf = left;
        } else {
            let spare = left.len() - total / 2;
            left.give_right(&mut right, spare);
            self.leaf = left;
            self.close_leaf();
            self.leaf = right;
        }
    }
}

impl<K: Ord + Clone, V> Default for Builder<K, V> {
    /// Starts a tree of the default order, whose pages will be full.
    fn default() -> Self {
        Self::new(Order::DEFAULT)
    }
}

/// Groups the pages of one level under branches of about `target` children each.
fn branches_over<K, V>(
    level: Vec<(K, Arc<Page<K, V>>)>,
    target: usize,
    order: Order,
) -> Vec<(K, Arc<Page<K, V>>)> {
    let pages = level.len();
    // Fewer, fuller branches where the last ones would be too empty.
    let branches = pages.div_ceil(target).min(pages / order.min()).max(1);
    let mut rest = level.into_iter();
    let group = |number: usize| pages / branches + usize::from(number < pages % branches);
    (0..branches)
        .map(|number| {
            let mut separators = Vec::with_capacity(group(number));
            let mut children = Vec::with_capacity(group(number));
            for (lowest, page) in rest.by_ref().take(group(number)) {
                separators.push(lowest);
                children.push(page);
            }
            let lowest = separators.remove(0);
            (lowest, Arc::new(Page::Branch(Branch::new(separators, children))))
        })
        .collect()
}
