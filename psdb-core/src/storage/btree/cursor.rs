//! `Range`: walks entries in order, from both ends.
//!
//! A cursor stands in a gap between two entries: a leaf, a place in it, and the path of branches
//! that led there. To leave a leaf it climbs the path to the first branch that has a further
//! child and goes down on its other side, so pages need neither parents nor siblings, which
//! copy on write could not keep up to date.
//!
//! ```text
//!   front ▼                  ▼ back          next:      moves front right
//!      [a │ b   c]   [d   e │ f]             next_back: moves back left
//! ```
//!
//! Invariants:
//! 1. A cursor at the end of a leaf stands in the next one instead, unless it is the last leaf;
//!    so every gap has exactly one name, and two cursors meet exactly when these are equal.
//! 2. `front` is never right of `back`.
//!
//! Left out: changing entries on the way.

use std::borrow::Borrow;
use std::fmt;
use std::iter::FusedIterator;
use std::ops::Bound;
use std::ptr;

use super::branch::Branch;
use super::leaf::Leaf;
use super::page::Page;

/// Entries in ascending order of their keys; made by [`super::BPlusTree::range`] and
/// [`super::BPlusTree::iter`].
pub struct Range<'a, K, V> {
    front: Cursor<'a, K, V>,
    back: Cursor<'a, K, V>,
}

impl<'a, K, V> Range<'a, K, V> {
    pub(super) fn all(root: &'a Page<K, V>) -> Self {
        let front = Cursor::seek(root, |_| 0, |_| 0);
        let back = Cursor::seek(root, |branch| branch.len() - 1, Leaf::len);
        Self { front, back }
    }
}

impl<'a, K: Ord, V> Range<'a, K, V> {
    pub(super) fn within<Q>(root: &'a Page<K, V>, low: Bound<&Q>, high: Bound<&Q>) -> Self
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        let all = Self::all(root);
        if is_empty(low, high) {
            return Self { back: all.front.clone(), front: all.front };
        }
        let front = match low {
            Bound::Unbounded => all.front,
            Bound::Included(key) => Cursor::before(root, key),
            Bound::Excluded(key) => Cursor::after(root, key),
        };
        let back = match high {
            Bound::Unbounded => all.back,
            Bound::Included(key) => Cursor::after(root, key),
            Bound::Excluded(key) => Cursor::before(root, key),
        };
        Self { front, back }
    }
}

/// Whether no key can lie between the bounds, so that the cursors would start crossed.
fn is_empty<Q: Ord + ?Sized>(low: Bound<&Q>, high: Bound<&Q>) -> bool {
    use Bound::{Excluded, Included, Unbounded};
    match (low, high) {
        (Unbounded, _) | (_, Unbounded) => false,
        (Included(low), Included(high)) => low > high,
        (Included(low) | Excluded(low), Included(high) | Excluded(high)) => low >= high,
    }
}

impl<'a, K, V> Iterator for Range<'a, K, V> {
    type Item = (&'a K, &'a V);

    fn next(&mut self) -> Option<Self::Item> {
        if self.front.meets(&self.back) {
            return None;
        }
        let entry = self.front.leaf.entry(self.front.at);
        self.front.advance();
        entry
    }

    /// Costs O(1) for each leaf, not for each entry.
    fn count(mut self) -> usize {
        let mut count = 0;
        while !ptr::eq(self.front.leaf, self.back.leaf) {
            count += self.front.leaf.len() - self.front.at;
            self.front.at = self.front.leaf.len();
            self.front.leave_full_leaf();
        }
        count + self.back.at - self.front.at
    }
}

impl<K, V> DoubleEndedIterator for Range<'_, K, V> {
    fn next_back(&mut self) -> Option<Self::Item> {
        if self.front.meets(&self.back) {
            return None;
        }
        self.back.retreat();
        self.back.leaf.entry(self.back.at)
    }
}

impl<K, V> FusedIterator for Range<'_, K, V> {}

impl<K, V> Clone for Range<'_, K, V> {
    fn clone(&self) -> Self {
        Self { front: self.front.clone(), back: self.back.clone() }
    }
}

impl<K: fmt::Debug, V: fmt::Debug> fmt::Debug for Range<'_, K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.clone()).finish()
    }
}

/// A gap between two entries.
struct Cursor<'a, K, V> {
    /// The branches from the root to the leaf, each with the child that was taken.
    path: Vec<(&'a Branch<K, V>, usize)>,
    leaf: &'a Leaf<K, V>,
    /// The gap is left of this entry.
    at: usize,
}

impl<'a, K, V> Cursor<'a, K, V> {
    /// Goes down from `root`, into the child and to the place that the functions choose.
    fn seek(
        root: &'a Page<K, V>,
        child: impl Fn(&Branch<K, V>) -> usize,
        place: impl FnOnce(&Leaf<K, V>) -> usize,
    ) -> Self {
        let mut path = Vec::new();
        let leaf = descend(root, &mut path, child);
        let mut cursor = Self { path, leaf, at: place(leaf) };
        cursor.leave_full_leaf();
        cursor
    }

    fn meets(&self, other: &Self) -> bool {
        self.at == other.at && ptr::eq(self.leaf, other.leaf)
    }

    /// Moves over the entry on the right, which exists.
    fn advance(&mut self) {
        self.at += 1;
        self.leave_full_leaf();
    }

    /// Moves over the entry on the left, which exists.
    fn retreat(&mut self) {
        if self.at == 0 {
            let level = self.path.iter().rposition(|(_, taken)| *taken > 0);
            self.turn(level, |taken| taken - 1, |branch| branch.len() - 1);
            self.at = self.leaf.len();
        }
        self.at -= 1;
    }

    fn leave_full_leaf(&mut self) {
        if self.at < self.leaf.len() {
            return;
        }
        let level = self.path.iter().rposition(|(branch, taken)| taken + 1 < branch.len());
        if level.is_some() {
            self.turn(level, |taken| taken + 1, |_| 0);
            self.at = 0;
        }
    }

    /// Takes another child at `level` of the path and goes down from there.
    fn turn(
        &mut self,
        level: Option<usize>,
        other: impl Fn(usize) -> usize,
        child: impl Fn(&Branch<K, V>) -> usize,
    ) {
        let level = level.expect("the caller found a branch with a further child");
        let (branch, taken) = self.path[level];
        self.path.truncate(level);
        self.path.push((branch, other(taken)));
        self.leaf = descend(branch.child(other(taken)), &mut self.path, child);
    }
}

impl<'a, K: Ord, V> Cursor<'a, K, V> {
    /// The gap below `key`.
    fn before<Q>(root: &'a Page<K, V>, key: &Q) -> Self
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        Self::seek(root, |branch| branch.child_for(key), |leaf| leaf.before(key))
    }

    /// The gap above `key`.
    fn after<Q>(root: &'a Page<K, V>, key: &Q) -> Self
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        Self::seek(root, |branch| branch.child_for(key), |leaf| leaf.after(key))
    }
}

impl<K, V> Clone for Cursor<'_, K, V> {
    fn clone(&self) -> Self {
        Self { path: self.path.clone(), leaf: self.leaf, at: self.at }
    }
}

/// Goes down from `page` to a leaf, adding every branch on the way to `path`.
fn descend<'a, K, V>(
    mut page: &'a Page<K, V>,
    path: &mut Vec<(&'a Branch<K, V>, usize)>,
    child: impl Fn(&Branch<K, V>) -> usize,
) -> &'a Leaf<K, V> {
    loop {
        match page {
            Page::Leaf(leaf) => return leaf,
            Page::Branch(branch) => {
                let taken = child(branch);
                path.push((branch, taken));
                page = branch.child(taken);
            }
        }
    }
}
