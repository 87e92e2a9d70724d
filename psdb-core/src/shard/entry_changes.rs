//! Changes of one index's entries that wait to be made together, in the order of the entries.
//!
//! Entries of documents that come one after another lie all over their tree. Made one by one, each
//! costs a walk down; sorted, those that belong to one leaf are made in one go
//! ([`Store::insert_all`]).
//!
//! ```text
//! keys      │ 31 ada │ 45 bob │ 31 cyn │      entries, one behind the other
//! changes     add      add      add           sorted before they are made: 31 ada, 31 cyn, 45 bob
//! ```
//! Invariant: the tree becomes what it would be if each change had been made at once: of several
//! changes of one entry the last one counts.
//!
//! Left out: which entries a document has (`codec::entry`), and when changes are made (`database`,
//! `indexes`).

use crate::storage::{StorageError, Store};

/// As many bytes of keys may wait: 4 MiB.
const WAITING_BYTES: usize = 4 << 20;

/// Entries to be added to a tree, and to be removed from it.
#[derive(Debug, Default)]
pub(super) struct EntryChanges {
    keys: Vec<u8>,
    changes: Vec<Change>,
    /// Memory to put an entry together in, for whoever adds some.
    pub(super) entry: Vec<u8>,
}

#[derive(Debug)]
struct Change {
    /// What its key begins with, as a number: enough for most comparisons.
    head: u64,
    begin: usize,
    end: usize,
    /// Where the document's id begins, with which the key ends.
    id: usize,
    adds: bool,
}

/// How many entries have come and gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Made {
    pub(super) added: u64,
    pub(super) removed: u64,
}

impl EntryChanges {
    /// Notes an entry that is to be added.
    pub(super) fn add(&mut self, entry: &[u8], id: &str) {
        self.push(entry, id, true);
    }

    /// Notes an entry that is to be removed.
    pub(super) fn remove(&mut self, entry: &[u8], id: &str) {
        self.push(entry, id, false);
    }

    /// Whether so much waits that it should be made before more is noted.
    pub(super) fn is_full(&self) -> bool {
        self.keys.len() >= WAITING_BYTES
    }

    fn push(&mut self, entry: &[u8], id: &str, adds: bool) {
        let begin = self.keys.len();
        self.keys.extend_from_slice(entry);
        let end = self.keys.len();
        let id = end.saturating_sub(id.len()).max(begin);
        self.changes.push(Change { head: head(entry), begin, end, id, adds });
    }

    /// Makes all changes; says how many entries have come and gone.
    pub(super) fn make(&mut self, trees: &mut Store, tree: &[u8]) -> Result<Made, StorageError> {
        let EntryChanges { keys, changes, .. } = self;
        let key = |change: &Change| &keys[change.begin..change.end];
        let order = |a: &Change, b: &Change| a.head.cmp(&b.head).then_with(|| key(a).cmp(key(b)));
        // Stable, so that the last change of an entry stays the last.
        changes.sort_by(order);
        let same = changes.chunk_by(|a, b| a.head == b.head && key(a) == key(b));
        let last = same.filter_map(<[Change]>::last);
        let (mut made, mut added) =
            (Made { added: 0, removed: 0 }, Vec::with_capacity(changes.len()));
        for change in last {
            if change.adds {
                added.push((key(change), &keys[change.id..change.end]));
            } else {
                made.removed += u64::from(trees.remove(tree, key(change))?);
            }
        }
        made.added = trees.insert_all(tree, &added)?;
        keys.clear();
        changes.clear();
        Ok(made)
    }
}

/// The first eight bytes of a key as a number; missing ones count as zero.
fn head(key: &[u8]) -> u64 {
    let mut head = [0; 8];
    let length = key.len().min(head.len());
    head[..length].copy_from_slice(&key[..length]);
    u64::from_be_bytes(head)
}

#[cfg(test)]
mod tests {
    //! Proves that changes made together leave the tree that changes made one by one leave.

    use std::collections::BTreeMap;
    use std::path::Path;

    use proptest::prelude::*;

    use super::{EntryChanges, Made};
    use crate::env::SimDisk;
    use crate::storage::{PageCache, Store};

    proptest! {
        #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

        #[test]
        fn changes_made_together_are_those_made_one_by_one(
            lists in prop::collection::vec(
                prop::collection::vec((0..4_usize, 0..12_u8, any::<bool>()), 0..60),
                1..8,
            ),
        ) {
            let disk = SimDisk::new();
            let (mut store, _) =
                Store::open(&disk, Path::new("/index"), PageCache::new(1 << 20)).unwrap();
            let (mut model, mut changes) = (BTreeMap::new(), EntryChanges::default());
            for list in lists {
                let before = model.clone();
                for (length, n, adds) in list {
                    // Short ones, and long ones that begin alike.
                    let (mut entry, id) = (vec![7; length * 4], n.to_string());
                    entry.extend_from_slice(id.as_bytes());
                    if adds {
                        changes.add(&entry, &id);
                        model.insert(entry, id.into_bytes());
                    } else {
                        changes.remove(&entry, &id);
                        model.remove(&entry);
                    }
                }
                let gone = before.keys().filter(|key| !model.contains_key(*key)).count() as u64;
                let came = model.keys().filter(|key| !before.contains_key(*key)).count() as u64;
                let made = changes.make(&mut store, b"index").unwrap();
                prop_assert_eq!(made, Made { added: came, removed: gone });
                let found: BTreeMap<_, _> = store
                    .snapshot()
                    .iter(b"index")
                    .map(|entry| entry.map(|(key, value)| (key.to_vec(), value.to_vec())))
                    .collect::<Result<_, _>>()
                    .unwrap();
                prop_assert_eq!(&found, &model);
            }
            prop_assert!(store.check().unwrap().is_sound());
        }
    }
}
