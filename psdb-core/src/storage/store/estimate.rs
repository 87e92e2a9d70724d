//! How many entries lie between two keys, about, at the cost of two lookups.
//!
//! ```text
//!                branch: 4 children               low  is 1/4 of the way, and 2/5 of a quarter: 0.35
//!      ┌───────┬────┴──┬────────┐                 high is 3/4 of the way, and 1/5 of a quarter: 0.80
//!   leaf 5  leaf 5  leaf 5   leaf 5               0.45 of 20 entries: 9
//!             ▲ low           ▲ high
//! ```
//! It takes all pages of a level for equally full, which splits keep true within a factor of two. If
//! both keys lead to one leaf the answer is exact.
//!
//! Left out: exact counts (`cursor`).

use super::Root;
use super::read::check_depth;
use super::snapshot::Snapshot;
use crate::storage::StorageError;
use crate::storage::page::{Kind, PageId};

/// Where a key stands in its tree.
struct Place {
    leaf: PageId,
    /// How many entries of the leaf are below it.
    below: usize,
    /// Which part of all entries is below it, about.
    part: f64,
}

impl Snapshot {
    /// About how many entries of a tree have keys from `low`, included, up to `high`, excluded.
    ///
    /// # Errors
    ///
    /// As for [`Snapshot::get`].
    pub fn estimate(&self, tree: &[u8], low: &[u8], high: &[u8]) -> Result<u64, StorageError> {
        let root = self.root(tree);
        if low >= high {
            return Ok(0);
        }
        let (Some(low), Some(high)) = (self.place(root, low)?, self.place(root, high)?) else {
            return Ok(0);
        };
        if low.leaf == high.leaf {
            return Ok((high.below - low.below) as u64);
        }
        let part = (high.part - low.part).clamp(0.0, 1.0);
        Ok((part * root.entries as f64).round() as u64)
    }

    fn place(&self, root: Root, key: &[u8]) -> Result<Option<Place>, StorageError> {
        let Some(mut pointer) = root.page else { return Ok(None) };
        let (mut part, mut width, mut depth) = (0.0, 1.0, 0);
        loop {
            let page = self.pager().get(pointer)?;
            match page.kind() {
                Kind::Branch => {
                    let (at, children) = (page.child_for(key), page.children());
                    width /= children as f64;
                    part += width * at as f64;
                    depth += 1;
                    check_depth(self.pager(), pointer, page.level(), depth)?;
                    pointer = page.child(at);
                }
                Kind::Leaf => {
                    let below = page.search(key).unwrap_or_else(|at| at);
                    part += width * below as f64 / page.count().max(1) as f64;
                    return Ok(Some(Place { leaf: pointer.id, below, part }));
                }
                Kind::Overflow => {
                    let reason = "an overflow page stands where a leaf should";
                    return Err(self.pager().corrupt(pointer.id, reason));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    //! Proves that estimates are near, and exact within a leaf.

    use std::path::Path;

    use crate::env::SimDisk;
    use crate::storage::{PageCache, Store};

    #[test]
    fn estimates_are_near() {
        let disk = SimDisk::new();
        let cache = PageCache::new(64 << 20);
        let mut store = Store::open(&disk, Path::new("/pages"), cache).unwrap().0;
        let key = |n: u32| format!("{n:06}").into_bytes();
        assert_eq!(store.snapshot().estimate(b"t", &key(0), &key(9)).unwrap(), 0);
        // In an order that leaves pages as full as random keys do.
        for n in (0..20_000).map(|n| n * 7_919 % 20_000) {
            store.insert(b"t", &key(n), b"value").unwrap();
        }
        let snapshot = store.snapshot();
        for (low, high) in [(0, 20_000), (0, 10_000), (5_000, 9_000), (19_000, 20_000), (7, 900)] {
            let found = snapshot.estimate(b"t", &key(low), &key(high)).unwrap();
            let meant = u64::from(high - low);
            let tolerance = meant / 5 + 400;
            assert!(found.abs_diff(meant) <= tolerance, "{low}..{high}: {found}");
        }
        assert_eq!(snapshot.estimate(b"t", &key(3), &key(5)).unwrap(), 2);
        assert_eq!(snapshot.estimate(b"t", &key(5), &key(5)).unwrap(), 0);
        assert_eq!(snapshot.estimate(b"t", &key(9), &key(5)).unwrap(), 0);
    }
}
