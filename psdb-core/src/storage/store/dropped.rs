//! Dropped trees: removed at once, their pages freed little by little.
//!
//! A tree of millions of entries has so many pages that freeing them all would hold up the writer.
//! [`Store::drop_tree`] only gives it another name, under which nobody looks for it, and
//! [`Store::free_dropped`] frees its leaves from the right, a bounded number of pages at a time.
//! What is left when the process ends is in the checkpoint under that name, so it goes on later.
//!
//! Invariant: what is left of a dropped tree is a whole tree, so a check counts it like any other.
//!
//! Left out: when to free; the owner calls it along with its own changes.

use std::ops::Bound;

use bytes::Bytes;

use super::{Root, Store};
use crate::storage::StorageError;
use crate::storage::page::{Kind, Pointer, Value};

/// What the names of dropped trees begin with.
const DROPPED: &[u8] = b"\0dropped/";

/// Whether what is left of a dropped tree is called so.
pub(crate) fn is_dropped(name: &[u8]) -> bool {
    name.starts_with(DROPPED)
}

/// What was freed of a dropped tree.
struct Freed {
    pages: usize,
    is_gone: bool,
}

impl Store {
    /// Removes a tree in O(log n), and leaves its pages to [`Store::free_dropped`].
    ///
    /// # Errors
    ///
    /// As for [`Store::insert`].
    pub fn drop_tree(&mut self, tree: &[u8]) -> Result<(), StorageError> {
        self.begin_write()?;
        self.finger.forget();
        let Some(root) = self.catalog.remove(tree).filter(|root| root.page.is_some()) else {
            return Ok(());
        };
        let last = self.dropped().last().map_or(0, |name| number(name));
        let name = [DROPPED, &(last + 1).to_be_bytes()].concat();
        self.catalog.insert(Bytes::from(name), root);
        Ok(())
    }

    /// Frees about `pages` pages of dropped trees; says whether something is left of them.
    ///
    /// # Errors
    ///
    /// As for [`Store::insert`].
    pub fn free_dropped(&mut self, pages: usize) -> Result<bool, StorageError> {
        let (mut freed, mut names) = (0, self.dropped().into_iter());
        let Some(mut name) = names.next() else { return Ok(false) };
        while freed < pages {
            self.begin_write()?;
            let step = self.free_last(&name).map_err(|error| self.shared.pager.fail(error))?;
            freed += step.pages;
            if step.is_gone {
                self.catalog.remove(&name[..]);
                match names.next() {
                    Some(next) => name = next,
                    None => return Ok(false),
                }
            }
        }
        Ok(true)
    }

    /// The names of dropped trees, in the order in which they were dropped.
    fn dropped(&self) -> Vec<Bytes> {
        let bounds = (Bound::Included(DROPPED), Bound::Unbounded);
        let names = self.catalog.range::<[u8], _>(bounds).map(|(name, _)| name.clone());
        names.take_while(|name| is_dropped(name)).collect()
    }

    /// Frees the last leaf of a tree, or its last entry if leaves have long values.
    fn free_last(&mut self, name: &[u8]) -> Result<Freed, StorageError> {
        let root = self.root(name);
        let Some(top) = root.page else { return Ok(Freed { pages: 0, is_gone: true }) };
        let last = self.last_leaf(top)?;
        let page = self.shared.pager.get(last)?;
        let Some(end) = page.count().checked_sub(1) else {
            return Err(self.shared.pager.corrupt(last.id, "a leaf is empty"));
        };
        let key = page.key(end).to_vec();
        let chain = (0..=end).rev().find_map(|at| match page.value(at) {
            Value::Chain { length, .. } => Some(length as usize),
            Value::Inline(_) => None,
        });
        if let Some(length) = chain {
            drop(page);
            self.remove_from(name, &key)?;
            let pages = 1 + length / crate::storage::page::OVERFLOW_BYTES;
            return Ok(Freed { pages, is_gone: self.root(name).page.is_none() });
        }
        let (path, place) = self.descend(top, &key, |_, _| ())?;
        self.free(place.leaf)?;
        let left = self.shrink_to_nothing(path, place.leaf)?;
        self.set_root(name, Root { page: left, entries: root.entries - page.count() as u64 });
        Ok(Freed { pages: 1, is_gone: left.is_none() })
    }

    fn last_leaf(&self, mut pointer: Pointer) -> Result<Pointer, StorageError> {
        for _ in 0..super::read::MAX_DEPTH {
            let child = self.shared.pager.with(pointer, |page| match page.kind() {
                Kind::Branch => Ok(Some(page.child(page.children() - 1))),
                Kind::Leaf => Ok(None),
                Kind::Overflow => Err(()),
            })?;
            match child {
                Ok(Some(child)) => pointer = child,
                Ok(None) => return Ok(pointer),
                Err(()) => return Err(super::read::misplaced(&self.shared.pager, pointer)),
            }
        }
        Err(self.shared.pager.corrupt(pointer.id, "its tree leads back to itself"))
    }
}

fn number(name: &[u8]) -> u64 {
    name[DROPPED.len()..].first_chunk().map_or(0, |bytes| u64::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    //! Proves that dropped trees disappear at once, that what they took is free in bounded steps,
    //! also when the store is opened anew in between, and that snapshots keep showing them.

    use std::path::Path;

    use super::*;
    use crate::env::SimDisk;
    use crate::storage::pager::PageCache;

    fn open(disk: &SimDisk) -> Store {
        Store::open(disk, Path::new("/store"), PageCache::new(4 << 20)).unwrap().0
    }

    fn filled(disk: &SimDisk) -> Store {
        let mut store = open(disk);
        for n in 0..6_000_u32 {
            let length = if n % 1_000 == 7 { 40_000 } else { 100 };
            store.insert(b"large", &n.to_be_bytes(), &vec![1; length]).unwrap();
        }
        store.insert(b"small", b"key", b"value").unwrap();
        store
    }

    #[test]
    fn pages_are_freed_in_bounded_steps() {
        let disk = SimDisk::new();
        let mut store = filled(&disk);
        store.checkpoint(b"").unwrap();
        let before = store.snapshot();
        store.drop_tree(b"large").unwrap();
        store.drop_tree(b"small").unwrap();
        store.drop_tree(b"none").unwrap();
        assert_eq!(store.trees().count(), 0);
        assert_eq!(store.entries(b"large"), 0);
        let mut steps = 0;
        while store.free_dropped(20).unwrap() {
            steps += 1;
            if steps == 3 {
                drop(store);
                store = open(&disk);
                store.drop_tree(b"large").unwrap();
                store.drop_tree(b"small").unwrap();
            }
            if steps % 4 == 2 {
                store.checkpoint(b"").unwrap();
            }
            let report = store.check().unwrap();
            assert!(report.is_sound(), "{:?}", report.damages);
        }
        assert!(steps > 5, "{steps} steps");
        drop(before);
        for _ in 0..3 {
            store.checkpoint(b"").unwrap();
        }
        store.insert(b"new", b"key", b"value").unwrap();
        let stats = store.stats();
        assert!(stats.pages - stats.available_pages < 16, "{stats:?}");
    }

    #[test]
    fn snapshots_keep_what_is_dropped() {
        let disk = SimDisk::new();
        let mut store = filled(&disk);
        let before = store.snapshot();
        store.drop_tree(b"large").unwrap();
        while store.free_dropped(1_000).unwrap() {}
        for n in 0..6_000_u32 {
            store.insert(b"other", &n.to_be_bytes(), &[2; 100]).unwrap();
        }
        let shown: Vec<_> = before.iter(b"large").map(Result::unwrap).collect();
        assert_eq!(shown.len(), 6_000);
        assert!(shown.iter().all(|(_, value)| value.iter().all(|byte| *byte == 1)));
    }
}
