//! Insert and remove, from the root's side.
//!
//! Both go down through `Arc::make_mut`, which is all there is to copy on write: it copies a page
//! that a snapshot holds and hands out any other as it is. On the way back a split or a page that
//! became too empty is mended by its parent (`branch`); what reaches the root changes the depth.
//!
//! Invariant: a removal that finds nothing copies nothing.
//!
//! Left out: what happens inside a page (`leaf`, `branch`).

use std::borrow::Borrow;
use std::mem;
use std::sync::Arc;

use super::BPlusTree;
use super::branch::Branch;
use super::page::{Inserted, Order, Page};

impl<K: Ord + Clone, V: Clone> BPlusTree<K, V> {
    /// Sets the value of `key` and returns the one it had.
    pub fn insert(&mut self, key: K, value: V) -> Option<V> {
        match insert_below(&mut self.root, key, value, self.order) {
            Inserted::Replaced(old) => return Some(old),
            Inserted::Added => {}
            Inserted::Split(split) => {
                let left = mem::replace(&mut self.root, Arc::clone(&split.right));
                let root = Branch::new(vec![split.separator], vec![left, split.right]);
                self.root = Arc::new(Page::Branch(root));
            }
        }
        self.len += 1;
        None
    }

    /// Removes the entry for `key` and returns its value.
    pub fn remove<Q>(&mut self, key: &Q) -> Option<V>
    where
        K: Borrow<Q>,
        Q: Ord + ?Sized,
    {
        // One more search is cheaper than copying a path for nothing.
        if !self.contains_key(key) {
            return None;
        }
        let removed = remove_below(&mut self.root, key, self.order)?;
        self.len -= 1;
        if let Page::Branch(branch) = &*self.root
            && let [only] = branch.children()
        {
            self.root = Arc::clone(only);
        }
        Some(removed)
    }
}

/// Inserts into the tree below `page`.
pub(super) fn insert_below<K: Ord + Clone, V: Clone>(
    page: &mut Arc<Page<K, V>>,
    key: K,
    value: V,
    order: Order,
) -> Inserted<K, V> {
    match Arc::make_mut(page) {
        Page::Leaf(leaf) => leaf.insert(key, value, order),
        Page::Branch(branch) => branch.insert(key, value, order),
    }
}

/// Removes from the tree below `page`, which may leave `page` itself too empty.
pub(super) fn remove_below<K, V, Q>(page: &mut Arc<Page<K, V>>, key: &Q, order: Order) -> Option<V>
where
    K: Ord + Clone + Borrow<Q>,
    V: Clone,
    Q: Ord + ?Sized,
{
    match Arc::make_mut(page) {
        Page::Leaf(leaf) => leaf.remove(key),
        Page::Branch(branch) => branch.remove(key, order),
    }
}
