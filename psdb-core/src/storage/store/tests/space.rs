//! Pages come back: a workload that goes on for ever in a bounded set of keys needs a bounded file,
//! snapshots hold back only what they show, and compaction cuts the file.

use super::*;
use crate::env::Disk;
use crate::storage::page::PAGE_BYTES;

fn fill(store: &mut Store, count: u32, seed: u32) {
    for n in 0..count {
        let key = (n.wrapping_mul(0x9e37_79b9) % count).to_be_bytes();
        store
            .insert(b"t", &key, &vec![seed as u8; 100 + (n as usize + seed as usize) % 300])
            .unwrap();
    }
}

#[test]
fn overwriting_for_ever_needs_a_bounded_file() {
    let (mut store, _) = open(&disk()).unwrap();
    let mut sizes = Vec::new();
    for round in 0..20 {
        fill(&mut store, 500, round);
        store.checkpoint(b"").unwrap();
        sizes.push(store.stats().pages);
    }
    check(&store);
    let settled = sizes[9];
    assert!(sizes[19] <= settled + settled / 10, "{sizes:?}");
}

#[test]
fn a_snapshot_holds_its_pages_and_gives_them_back() {
    let (mut store, _) = open(&disk()).unwrap();
    fill(&mut store, 500, 0);
    store.checkpoint(b"").unwrap();
    let snapshot = store.snapshot();
    let before = contents(&snapshot);
    for round in 1..6 {
        fill(&mut store, 500, round);
        store.checkpoint(b"").unwrap();
    }
    assert_eq!(contents(&snapshot), before);
    let held = store.stats().waiting_pages;
    drop(snapshot);
    store.checkpoint(b"").unwrap();
    store.checkpoint(b"").unwrap();
    store.insert(b"t", b"k", b"v").unwrap();
    assert!(store.stats().waiting_pages < held / 2, "{held} pages were held");
    check(&store);
}

#[test]
fn deleting_everything_gives_all_pages_back() {
    let disk = disk();
    let (mut store, _) = open(&disk).unwrap();
    fill(&mut store, 1_000, 0);
    store.insert(b"t", b"long", &vec![1; 100_000]).unwrap();
    store.checkpoint(b"").unwrap();
    let full = store.stats();
    store.remove_tree(b"t").unwrap();
    store.checkpoint(b"").unwrap();
    store.checkpoint(b"").unwrap();
    store.insert(b"t", b"k", b"v").unwrap();
    assert!(store.stats().available_pages + 10 > full.pages, "{:?}", store.stats());
    fill(&mut store, 1_000, 1);
    assert!(store.stats().pages < full.pages + 10, "the places are used again");
    check(&store);
}

#[test]
fn compaction_cuts_the_file_and_keeps_its_content() {
    let disk = disk();
    let (mut store, _) = open(&disk).unwrap();
    fill(&mut store, 2_000, 0);
    for n in 0..20_u32 {
        store.insert(b"long", &n.to_be_bytes(), &vec![n as u8; 20_000]).unwrap();
    }
    store.checkpoint(b"").unwrap();
    for n in 0..1_900_u32 {
        store.remove(b"t", &n.to_be_bytes()).unwrap();
    }
    for n in 0..15_u32 {
        store.remove(b"long", &n.to_be_bytes()).unwrap();
    }
    let expected = contents(&store.snapshot());
    let compacted = store.compact(b"compact").unwrap();
    check(&store);
    assert!(compacted.pages_after * 4 < compacted.pages_before, "{compacted:?}");
    let used = store.check().unwrap().used_pages;
    assert!(compacted.pages_after <= used + 12, "{compacted:?}, {used} used");
    let file = disk.open(path(), crate::env::OpenMode::Read).unwrap();
    assert_eq!(file.len().unwrap(), compacted.pages_after * PAGE_BYTES as u64);
    assert_eq!(contents(&store.snapshot()), expected);
    drop(store);
    assert!(Store::check_file(&disk, path()).unwrap().is_sound());
    let (store, opened) = open(&disk).unwrap();
    assert!(opened.damage.is_empty());
    assert_eq!(contents(&store.snapshot()), expected);
}

/// Power loss at every operation of a compaction.
#[test]
fn compaction_survives_power_loss_at_every_operation() {
    let mut n = 1;
    loop {
        let disk = disk_with_seed(n);
        let (mut store, _) = open(&disk).unwrap();
        fill(&mut store, 150, 0);
        store.insert(b"long", b"k", &vec![3; 30_000]).unwrap();
        store.checkpoint(b"").unwrap();
        for key in 0..140_u32 {
            store.remove(b"t", &key.to_be_bytes()).unwrap();
        }
        store.checkpoint(b"").unwrap();
        let expected = contents(&store.snapshot());
        disk.fail_at(n, crate::env::Fault::PowerLoss);
        let compacted = store.compact(b"");
        drop(store);
        disk.clear_faults();
        disk.power_on();
        let (store, _) = open(&disk).unwrap();
        assert_eq!(contents(&store.snapshot()), expected, "power loss at {n}");
        check(&store);
        if compacted.is_ok() {
            break;
        }
        n += 1;
    }
    assert!(n > 20, "a compaction has more than {n} operations");
}
