//! Verifies the invariants of a whole tree, for tests and for doubts.
//!
//! Left out: mending what is broken; a broken tree is a bug.

use super::BPlusTree;
use super::page::{Order, Page};

impl<K: Ord, V> BPlusTree<K, V> {
    /// Checks every invariant of the tree in O(n): order of keys, separators, depth, fill, length.
    ///
    /// # Errors
    ///
    /// Which invariant is broken, and on which page: `root/2/0` is the first child of the third
    /// child of the root.
    pub fn check_invariants(&self) -> Result<(), String> {
        let mut check = Check { order: self.order, entries: 0, leaf_depth: None, previous: None };
        check.page(&self.root, &Place { name: "root".into(), depth: 0, low: None, high: None })?;
        if check.entries == self.len {
            Ok(())
        } else {
            Err(format!("the length is {}, but there are {} entries", self.len, check.entries))
        }
    }
}

/// What was seen so far, from left to right.
struct Check<'a, K> {
    order: Order,
    entries: usize,
    leaf_depth: Option<usize>,
    previous: Option<&'a K>,
}

/// Where a page hangs, and which keys it may hold.
struct Place<'a, K> {
    name: String,
    depth: usize,
    low: Option<&'a K>,
    high: Option<&'a K>,
}

impl<'a, K: Ord> Check<'a, K> {
    fn page<V>(&mut self, page: &'a Page<K, V>, place: &Place<'a, K>) -> Result<(), String> {
        self.fill(page, place)?;
        match page {
            Page::Leaf(leaf) => self.leaf(leaf.keys(), place),
            Page::Branch(branch) => {
                let separators = branch.separators();
                if separators.len() + 1 != branch.len() {
                    return Err(format!(
                        "{}: {} separators between {} children",
                        place.name,
                        separators.len(),
                        branch.len()
                    ));
                }
                for (at, child) in branch.children().iter().enumerate() {
                    let low = at.checked_sub(1).map(|at| &separators[at]).or(place.low);
                    let high = separators.get(at).or(place.high);
                    let name = format!("{}/{at}", place.name);
                    self.page(child, &Place { name, depth: place.depth + 1, low, high })?;
                }
                Ok(())
            }
        }
    }

    fn fill<V>(&self, page: &Page<K, V>, place: &Place<'_, K>) -> Result<(), String> {
        let least = match (place.depth, page) {
            (0, Page::Leaf(_)) => 0,
            (0, Page::Branch(_)) => 2,
            _ => self.order.min(),
        };
        let (len, most) = (page.len(), self.order.max());
        if (least..=most).contains(&len) {
            Ok(())
        } else {
            Err(format!("{}: it holds {len}, not {least} to {most}", place.name))
        }
    }

    fn leaf(&mut self, keys: &'a [K], place: &Place<'a, K>) -> Result<(), String> {
        let name = &place.name;
        let depth = *self.leaf_depth.get_or_insert(place.depth);
        if depth != place.depth {
            return Err(format!("{name}: leaf at depth {}, others at {depth}", place.depth));
        }
        for (at, key) in keys.iter().enumerate() {
            if self.previous.is_some_and(|previous| previous >= key) {
                return Err(format!("{name}: key {at} is not above the one before it"));
            }
            if place.low.is_some_and(|low| key < low) {
                return Err(format!("{name}: key {at} is below the separator on the left"));
            }
            if place.high.is_some_and(|high| key >= high) {
                return Err(format!("{name}: key {at} is not below the separator on the right"));
            }
            self.previous = Some(key);
        }
        self.entries += keys.len();
        Ok(())
    }
}
