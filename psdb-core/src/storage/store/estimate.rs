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

use std::sync::Arc;

use super::Root;
use super::read::check_depth;
use super::snapshot::{Snapshot, Top};
use crate::storage::StorageError;
use crate::storage::page::{Kind, Page};
use crate::storage::pager::Pager;

/// Where a key stands in its tree.
struct Place {
    leaf: Arc<Page>,
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
        estimate(self.pager(), self.root(tree), None, low, high)
    }
}

/// The estimate for a tree, whose upper pages may be at hand.
pub(super) fn estimate(
    pager: &Pager,
    root: Root,
    top: Option<&Top>,
    low: &[u8],
    high: &[u8],
) -> Result<u64, StorageError> {
    if low >= high {
        return Ok(0);
    }
    let Some(low) = place(pager, root, top, low)? else { return Ok(0) };
    let below = low.leaf.search(high).unwrap_or_else(|at| at);
    if below < low.leaf.count() {
        return Ok(below.saturating_sub(low.below) as u64);
    }
    let Some(high) = place(pager, root, top, high)? else { return Ok(0) };
    if Arc::ptr_eq(&low.leaf, &high.leaf) {
        return Ok(high.below.saturating_sub(low.below) as u64);
    }
    let part = (high.part - low.part).clamp(0.0, 1.0);
    Ok((part * root.entries as f64).round() as u64)
}

fn place(
    pager: &Pager,
    root: Root,
    top: Option<&Top>,
    key: &[u8],
) -> Result<Option<Place>, StorageError> {
    let Some(mut pointer) = root.page else { return Ok(None) };
    let (mut part, mut width, mut depth, mut at) = (0.0, 1.0, 0, 0);
    loop {
        let kept = match (top, depth) {
            (Some(top), 0) => Some(top.root()),
            (Some(top), 1) => top.child(pager, at)?,
            _ => None,
        };
        let page = kept.map_or_else(|| pager.get(pointer), |page| Ok(page.clone()))?;
        match page.kind() {
            Kind::Branch => {
                at = page.child_for(key);
                width /= page.children() as f64;
                part += width * at as f64;
                depth += 1;
                check_depth(pager, pointer, page.level(), depth)?;
                pointer = page.child(at);
            }
            Kind::Leaf => {
                let below = page.search(key).unwrap_or_else(|at| at);
                part += width * below as f64 / page.count().max(1) as f64;
                return Ok(Some(Place { leaf: page, below, part }));
            }
            Kind::Overflow => {
                let reason = "an overflow page stands where a leaf should";
                return Err(pager.corrupt(pointer.id, reason));
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
