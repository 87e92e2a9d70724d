//! I/O errors and a full disk at every operation: the store refuses to go on, what snapshots show
//! stays right, and reopening gives the last checkpoint or the one that was being written.

use super::*;
use crate::env::Fault;

/// Works until the fault comes; says whether it did.
fn check_one(n: u64, fault: Fault) -> bool {
    let context = format!("{fault:?} at {n}");
    let disk = disk_with_seed(n);
    let (mut store, _) = open(&disk).unwrap();
    let (mut trees, mut allowed) = (Trees::new(), vec![(Vec::new(), Trees::new())]);
    disk.fail_at(n, fault);
    let mut failed = None;
    let mut before = None;
    for round in 0..4_u8 {
        for entry in 0..80_u32 {
            let key = format!("key-{:05}", entry * (u32::from(round) + 1)).into_bytes();
            let change = Change::Insert(key, vec![round; 200 + (entry as usize % 9) * 400]);
            if entry == 40 {
                before = Some((store.snapshot(), trees.clone()));
            }
            match change.try_apply(&mut store, b"documents") {
                Ok(_) => change.apply_to_model(&mut trees, b"documents"),
                Err(error) => failed = Some(error),
            }
            if failed.is_some() {
                break;
            }
        }
        if failed.is_some() {
            break;
        }
        allowed.push((vec![round], trees.clone()));
        match store.checkpoint(&[round]) {
            Ok(_) => allowed = allowed.split_off(allowed.len() - 1),
            Err(error) => failed = Some(error),
        }
        if failed.is_some() {
            break;
        }
    }
    let Some(error) = failed else { return false };
    assert!(matches!(error, StorageError::Io { .. }), "{context}: {error}");
    disk.clear_faults();
    // Nothing is retried, although the disk is well again.
    for refused in [
        store.insert(b"documents", b"k", b"v").map(drop),
        store.remove(b"documents", b"key-00000").map(drop),
        store.checkpoint(b"").map(drop),
    ] {
        assert!(matches!(refused, Err(StorageError::Poisoned)), "{context}: {refused:?}");
    }
    if let Some((snapshot, trees)) = before {
        assert_eq!(contents(&snapshot), trees, "{context}");
    }
    drop(store);
    let (mut store, opened) = open(&disk).expect(&context);
    let found = (opened.note.to_vec(), contents(&store.snapshot()));
    assert!(allowed.contains(&found), "{context}: recovered {:?}", found.0);
    check(&store);
    store.insert(b"documents", b"k", b"v").expect(&context);
    store.checkpoint(b"").expect(&context);
    true
}

#[test]
fn errors_at_every_operation_stop_the_store_and_lose_nothing() {
    for fault in [Fault::IoError, Fault::WriteError, Fault::SyncError, Fault::NoSpace] {
        let mut n = 1;
        while check_one(n, fault) {
            n += 1;
        }
        assert!(n > 5, "{fault:?} came {n} times");
    }
}

#[test]
fn a_file_that_cannot_be_made_is_not_there() {
    for n in 1..20 {
        let disk = disk_with_seed(n);
        disk.fail_at(n, Fault::IoError);
        if open(&disk).is_ok() {
            assert!(n > 5, "creating has more than {n} operations");
            return;
        }
        disk.clear_faults();
        let (store, opened) = open(&disk).unwrap();
        assert!(contents(&store.snapshot()).is_empty() && opened.damage.is_empty());
    }
    panic!("creating a file does not take 20 operations");
}

#[test]
fn an_abandoned_checkpoint_stops_the_store() {
    let disk = disk();
    let (mut store, _) = open(&disk).unwrap();
    store.insert(b"t", b"k", b"v").unwrap();
    drop(store.begin_checkpoint(b"").unwrap());
    assert!(matches!(store.insert(b"t", b"k", b"v"), Err(StorageError::Poisoned)));
    drop(store);
    assert!(contents(&open(&disk).unwrap().0.snapshot()).is_empty());
}
