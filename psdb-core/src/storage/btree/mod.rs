//! `BPlusTree`: an ordered map whose snapshots cost nothing.
//!
//! Entries live in leaves, in key order; branches above them only guide the search. Every page is
//! behind an `Arc`, so cloning a tree copies one pointer, and both trees share all pages:
//!
//! ```text
//!      clone: one pointer              writer changed a key in b
//!
//!   reader ─┐                         reader ──► root ──► a, b, c
//!           ├─► root ─► a, b, c       writer ──► root'─► a, b', c
//!   writer ─┘
//! ```
//!
//! A write walks from the root down through `Arc::make_mut`: a page that a snapshot still holds
//! is copied first, a page nobody else holds is changed in place. So a writer without readers
//! copies nothing, and one with a reader copies each page at most once per snapshot.
//!
//! - `page`: a leaf or a branch, and how full they may be.
//! - `leaf`, `branch`: what happens inside one page, splitting and refilling included.
//! - `write`: insert and remove from the root's side; `build`: loading entries already in order.
//! - `cursor`: ranges, walked from both ends along a path (pages do not know their parents).
//! - `check`: the invariants, verified over the whole tree.
//!
//! Invariants (all checked by [`BPlusTree::check_invariants`]):
//! 1. Keys ascend strictly, within a leaf and from leaf to leaf.
//! 2. Separator `i` of a branch is above every key of child `i` and at most every key of child
//!    `i + 1`. It need not be a key of the tree: the entry it was taken from may be gone.
//! 3. All leaves are equally deep.
//! 4. A page holds at most `order` entries (children, in a branch) and, but for the root, at
//!    least half of that, rounded up; a branch that is the root has two children or more.
//! 5. `len` is the number of entries in all leaves.
//!
//! Left out: bytes and disks. The tree on disk takes this one's place behind the same API.

mod branch;
mod build;
mod check;
mod cursor;
mod leaf;
mod page;
mod write;

#[cfg(test)]
mod tests;

use std::borrow::Borrow;
use std::fmt;
use std::ops::RangeBounds;
use std::sync::Arc;

pub use build::{Builder, NotAscending};
pub use cursor::Range;
use page::{Order, Page};

/// An ordered map with constant-time snapshots, kept in memory.
///
/// `clone` takes a snapshot in O(1): it goes on showing the entries of that moment, while the
/// tree it was taken from changes. Searches, inserts and removals cost O(log n).
///
/// # Examples
///
/// ```
/// use psdb_core::storage::BPlusTree;
///
/// let mut films = BPlusTree::new();
/// films.insert(1977, "Eraserhead");
/// films.insert(1986, "Blue Velvet");
/// let before = films.clone();
///
/// films.insert(2001, "Mulholland Drive");
/// assert_eq!(films.remove(&1977), Some("Eraserhead"));
///
/// let late: Vec<_> = films.range(1980..).rev().map(|(year, _)| *year).collect();
/// assert_eq!(late, [2001, 1986]);
/// assert_eq!(before.get(&1977), Some(&"Eraserhead"));
/// assert_eq!(before.len(), 2);
/// ```
#[derive(Clone)]
pub struct BPlusTree<K, V> {
    root: Arc<Page<K, V>>,
    /// How many entries there are.
    len: usize,
    order: Order,
}

impl<K, V> BPlusTree<K, V> {
    /// Makes an empty tree whose pages hold up to 32 entries.
    pub fn new() -> Self {
        Self::with_order(Order::DEFAULT)
    }

    /// Makes an empty tree whose leaves hold up to `order` entries and whose branches have up to
    /// `order` children.
    ///
    /// # Panics
    ///
    /// When `order` is below 3: such a page could not be split into two valid ones.
    pub fn with_order(order: usize) -> Self {
        Self { root: Arc::new(Page::empty()), len: 0, order: Order::new(order) }
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are no entries.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The most entries a leaf holds, and the most children a branch has.
    pub fn order(&self) -> usize {
        self.order.max()
    }

    /// Removes all entries. Snapshots keep theirs.
    pub fn clear(&mut self) {
        *self = Self::with_order(self.order.max());
    }

    /// The entry with the lowest key.
    pub fn first(&self) -> Option<(&K, &V)> {
        let mut page = &*self.root;
        while let Page::Branch(branch) = page {
            page = branch.child(0);
        }
        page.as_leaf().and_then(|leaf| leaf.entry(0))
    }

    /// The entry with the highest key.
    pub fn last(&self) -> Option<(&K, &V)> {
        let mut page = &*self.root;
        while let Page::Branch(branch) = page {
            page = branch.child(branch.len() - 1);
        }
        page.as_leaf().and_then(|leaf| leaf.entry(leaf.len().checked_sub(1)?))
    }

    /// All entries in ascending order of their keys; can be walked from both ends.
    pub fn iter(&self) -> Range<'_, K, V> {
        Range::all(&self.root)
    }
}

impl<K: Ord, V> BPlusTree<K, V> {
    /// The value of `key`.
    pub fn get<Q>(&self, key: &Q) -> Option<&V>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        let mut page = &*self.root;
        loop {
            match page {
                Page::Branch(branch) => page = branch.child(branch.child_for(key)),
                Page::Leaf(leaf) => return leaf.get(key),
            }
        }
    }

    /// Whether there is an entry for `key`.
    pub fn contains_key<Q>(&self, key: &Q) -> bool
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        self.get(key).is_some()
    }

    /// The entries whose keys lie within `bounds`, in ascending order; can be walked from both
    /// ends, in turns if need be.
    ///
    /// Costs O(log n) to start and O(1) per entry. Bounds that cross each other, such as `5..3`,
    /// contain nothing; unlike the standard library's map this does not panic, since bounds
    /// computed from a query may well cross.
    pub fn range<Q, R>(&self, bounds: R) -> Range<'_, K, V>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
        R: RangeBounds<Q>,
    {
        Range::within(&self.root, bounds.start_bound(), bounds.end_bound())
    }
}

impl<K: Ord + Clone, V> BPlusTree<K, V> {
    /// Builds a tree from entries in strictly ascending order of their keys, in O(n).
    ///
    /// # Errors
    ///
    /// [`NotAscending`] when a key is not above the one before it.
    ///
    /// # Examples
    ///
    /// ```
    /// use psdb_core::storage::BPlusTree;
    ///
    /// let squares = BPlusTree::from_sorted((0..1000).map(|n| (n, n * n)))?;
    /// assert_eq!(squares.get(&30), Some(&900));
    /// assert!(BPlusTree::from_sorted([(2, 'b'), (1, 'a')]).is_err());
    /// # Ok::<(), psdb_core::storage::NotAscending>(())
    /// ```
    pub fn from_sorted(entries: impl IntoIterator<Item = (K, V)>) -> Result<Self, NotAscending> {
        let mut builder = Builder::default();
        for (key, value) in entries {
            builder.push(key, value)?;
        }
        Ok(builder.finish())
    }
}

impl<K, V> Default for BPlusTree<K, V> {
    fn default() -> Self {
        Self::new()
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for BPlusTree<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_map().entries(self).finish()
    }
}

impl<K: PartialEq, V: PartialEq> PartialEq for BPlusTree<K, V> {
    /// Whether both hold the same entries, whatever the shape of their pages.
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.root, &other.root) || (self.len == other.len && self.iter().eq(other))
    }
}

impl<K: Eq, V: Eq> Eq for BPlusTree<K, V> {}

impl<'a, K, V> IntoIterator for &'a BPlusTree<K, V> {
    type Item = (&'a K, &'a V);
    type IntoIter = Range<'a, K, V>;

    fn into_iter(self) -> Range<'a, K, V> {
        self.iter()
    }
}
