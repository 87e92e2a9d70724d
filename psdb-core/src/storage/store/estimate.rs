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

use super::read::{check_depth, misplaced};
use super::snapshot::Top;
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

/// About how many of all `entries` of a tree have keys between two.
pub(super) fn entries_between(
    pager: &Pager,
    top: &Top,
    entries: u64,
    (low, high): (&[u8], &[u8]),
) -> Result<u64, StorageError> {
    if low >= high {
        return Ok(0);
    }
    let low = place(pager, top, low)?;
    let below = low.leaf.search(high).unwrap_or_else(|at| at);
    if below < low.leaf.count() {
        return Ok(below.saturating_sub(low.below) as u64);
    }
    let high = place(pager, top, high)?;
    if Arc::ptr_eq(&low.leaf, &high.leaf) {
        return Ok(high.below.saturating_sub(low.below) as u64);
    }
    let part = (high.part - low.part).clamp(0.0, 1.0);
    Ok((part * entries as f64).round() as u64)
}

fn place(pager: &Pager, top: &Top, key: &[u8]) -> Result<Place, StorageError> {
    let (mut pointer, mut depth, mut at) = (top.pointer(), 0, 0);
    let (mut part, mut width) = (0.0, 1.0);
    loop {
        let page = top.page(pager, pointer, (depth, at))?;
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
                return Ok(Place { leaf: page, below, part });
            }
            Kind::Overflow => return Err(misplaced(pager, pointer)),
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
        let none = store.snapshot().tree(b"t").unwrap();
        assert_eq!(none.estimate(&key(0), &key(9)).unwrap(), 0);
        // In an order that leaves pages as full as random keys do.
        for n in (0..20_000).map(|n| n * 7_919 % 20_000) {
            store.insert(b"t", &key(n), b"value").unwrap();
        }
        let tree = store.snapshot().tree(b"t").unwrap();
        for (low, high) in [(0, 20_000), (0, 10_000), (5_000, 9_000), (19_000, 20_000), (7, 900)] {
            let found = tree.estimate(&key(low), &key(high)).unwrap();
            let meant = u64::from(high - low);
            let tolerance = meant / 5 + 400;
            assert!(found.abs_diff(meant) <= tolerance, "{low}..{high}: {found}");
        }
        assert_eq!(tree.estimate(&key(3), &key(5)).unwrap(), 2);
        assert_eq!(tree.estimate(&key(5), &key(5)).unwrap(), 0);
        assert_eq!(tree.estimate(&key(9), &key(5)).unwrap(), 0);
    }
}
