//! Single promises: values of all lengths, limits, trees that come and go, ranges that are
//! abandoned, a cache shared by stores.

use std::ops::Bound;

use super::super::Direction;
use super::*;
use crate::storage::superblock::MAX_NOTE_BYTES;

#[test]
fn values_of_every_length_come_back_before_and_after_a_checkpoint() {
    let disk = disk();
    let (mut store, opened) = open(&disk).unwrap();
    assert!(opened.is_new && opened.note.is_empty());
    let lengths = [0, 1, 2_047, 2_048, 2_049, 8_143, 8_144, 8_145, 100_000, 1 << 20];
    for length in lengths {
        let value: Vec<u8> = (0..length).map(|at| (at * 7 + length) as u8).collect();
        assert!(store.insert(b"t", &(length as u32).to_be_bytes(), &value).unwrap());
    }
    let expected = contents(&store.snapshot());
    for length in lengths {
        let key = (length as u32).to_be_bytes();
        assert_eq!(store.get(b"t", &key).unwrap().unwrap().len(), length);
        assert_eq!(expected[&b"t"[..]][&key[..]].len(), length);
    }
    check(&store);
    store.checkpoint(b"").unwrap();
    drop(store);
    let (store, opened) = open(&disk).unwrap();
    assert!(!opened.is_new);
    assert_eq!(contents(&store.snapshot()), expected);
    let tree = store.snapshot().tree(b"t").unwrap();
    assert_eq!(tree.entries(), lengths.len() as u64);
    for length in lengths {
        let value = tree.get(&(length as u32).to_be_bytes()).unwrap();
        assert_eq!(value.unwrap()[..], expected[&b"t"[..]][&(length as u32).to_be_bytes()[..]]);
    }
    assert_eq!(tree.get(b"none").unwrap(), None);
    assert_eq!(store.snapshot().tree(b"none").unwrap().get(b"k").unwrap(), None);
    let seen = store.snapshot().with_value(b"t", &1_u32.to_be_bytes(), <[u8]>::len).unwrap();
    assert_eq!(seen, Some(1));
    check(&store);
}

#[test]
fn what_is_too_large_is_refused_and_changes_nothing() {
    let (mut store, _) = open(&disk()).unwrap();
    store.insert(b"t", &[1; 2_000], b"longest").unwrap();
    let refusals = [
        store.insert(b"t", &[1; 2_001], b"").map(drop),
        store.insert(&[1; 1_025], b"k", b"").map(drop),
        store.begin_checkpoint(&[1; MAX_NOTE_BYTES + 1]).map(drop),
    ];
    for refusal in refusals {
        assert!(matches!(refusal, Err(StorageError::TooLarge { .. })), "{refusal:?}");
    }
    assert_eq!(store.entries(b"t"), 1);
    store.checkpoint(&[1; MAX_NOTE_BYTES]).unwrap();
    assert_eq!(store.note().len(), MAX_NOTE_BYTES);
}

#[test]
fn the_longest_keys_split_and_merge() {
    let (mut store, _) = open(&disk()).unwrap();
    let key = |n: u32| [&[b'x'; 1_990][..], &n.to_be_bytes()].concat();
    for n in 0..200 {
        store.insert(b"t", &key(n * 7 % 200), &vec![n as u8; 1_000]).unwrap();
    }
    check(&store);
    for n in 0..200 {
        assert!(store.remove(b"t", &key(n)).unwrap());
        check(&store);
    }
    assert_eq!(store.entries(b"t"), 0);
}

#[test]
fn missing_trees_and_keys_are_no_errors() {
    let (mut store, _) = open(&disk()).unwrap();
    assert_eq!(store.get(b"none", b"k").unwrap(), None);
    assert!(!store.remove(b"none", b"k").unwrap());
    store.remove_tree(b"none").unwrap();
    assert_eq!(store.snapshot().iter(b"none").count(), 0);
    assert_eq!(store.trees().count(), 0);
    assert!(!store.contains_key(b"none", b"").unwrap());
}

#[test]
fn a_range_outlives_the_changes_behind_it() {
    let (mut store, _) = open(&disk()).unwrap();
    for n in 0..2_000_u32 {
        store.insert(b"t", &n.to_be_bytes(), &[1; 100]).unwrap();
    }
    let high = 500_u32.to_be_bytes();
    let snapshot = store.snapshot();
    let mut range =
        snapshot.range(b"t", Bound::Unbounded, Bound::Excluded(&high), Direction::Descending);
    drop(snapshot);
    assert_eq!(&range.next().unwrap().unwrap().0[..], &499_u32.to_be_bytes());
    store.remove_tree(b"t").unwrap();
    for n in 0..2_000_u32 {
        store.insert(b"other", &n.to_be_bytes(), &[2; 100]).unwrap();
    }
    store.checkpoint(b"").unwrap();
    assert_eq!(range.count(), 499);
    check(&store);
}

#[test]
fn stores_share_one_cache_and_its_budget() {
    let disk = disk();
    let cache = PageCache::new(128 * 8192);
    let budget = cache.budget_bytes();
    let mut stores: Vec<Store> = (0..4)
        .map(|n| {
            let path = format!("/data/pages{n}");
            Store::open(&disk, Path::new(&path), cache.clone()).unwrap().0
        })
        .collect();
    let mut highest = 0;
    for n in 0..8_000_u32 {
        let store = &mut stores[n as usize % 4];
        let key = n.wrapping_mul(0x9e37_79b9).to_be_bytes();
        store.insert(b"t", &key, &[n as u8; 200]).unwrap();
        highest = highest.max(cache.bytes());
    }
    // Branches stay in memory until a checkpoint, so there is a little on top.
    assert!(highest < budget + budget / 4, "{highest} bytes in a cache of {budget}");
    for store in &mut stores {
        store.checkpoint(b"").unwrap();
        assert_eq!(store.snapshot().iter(b"t").count(), 2_000);
        check(store);
    }
    assert!(cache.bytes() <= budget);
    drop(stores);
    assert_eq!(cache.bytes(), 0);
}

#[test]
fn closing_makes_both_superblocks_say_the_same() {
    let disk = disk();
    let (mut store, _) = open(&disk).unwrap();
    store.insert(b"t", b"k", b"v").unwrap();
    store.close(b"end").unwrap();
    let (store, opened) = open(&disk).unwrap();
    assert_eq!((&opened.note[..], &store.older_note()[..]), (&b"end"[..], &b"end"[..]));
}
