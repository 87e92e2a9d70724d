//! Bytes of a small, cleanly closed file, flipped one at a time: opening and checking either
//! report it, or the content is the same. Never a wrong answer, never a panic.

use super::*;
use crate::env::{Disk, OpenMode};
use crate::storage::page::PAGE_BYTES;

/// A small file with a branch, a chain, free pages and two trees; its content.
fn example(disk: &SimDisk, closes: bool) -> Trees {
    let (mut store, _) = open(disk).unwrap();
    let mut trees = Trees::new();
    let mut insert = |store: &mut Store, tree: &[u8], n: u32, length: usize| {
        let key = format!("key-{n:05}").into_bytes();
        Change::Insert(key, vec![n as u8; length]).apply(store, &mut trees, tree);
    };
    for n in 0..30 {
        insert(&mut store, b"documents", n, 700);
    }
    insert(&mut store, b"documents", 3, 9_000);
    store.checkpoint(b"first").unwrap();
    for n in 0..5 {
        insert(&mut store, b"index", n, 10);
    }
    if closes {
        store.close(b"closed").unwrap();
    } else {
        store.checkpoint(b"second").unwrap();
    }
    trees
}

/// Opens, reads everything and checks; an error stands for damage that was found.
fn examine(disk: &SimDisk) -> Result<Trees, StorageError> {
    let (store, _) = open(disk)?;
    let report = store.check()?;
    if let Some(damage) = report.damages.first() {
        return Err(StorageError::corrupt(path(), damage.offset, damage.reason.clone()));
    }
    Ok(contents(&store.snapshot()))
}

/// Flips a byte, examines a copy of the file, and flips it back.
fn flipped(bytes: &[u8], at: usize, mask: u8) -> (Result<Trees, StorageError>, bool) {
    let disk = SimDisk::volatile();
    disk.create_dir_all(Path::new("/data")).unwrap();
    let file = disk.open(path(), OpenMode::Create).unwrap();
    file.write_at(bytes, 0).unwrap();
    file.write_at(&[bytes[at] ^ mask], at as u64).unwrap();
    let reported = !Store::check_file(&disk, path()).unwrap().is_sound();
    (examine(&disk), reported)
}

fn bytes_of(disk: &SimDisk) -> Vec<u8> {
    let file = disk.open(path(), OpenMode::Read).unwrap();
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

#[test]
fn flipped_bytes_of_a_closed_file_are_found_or_harmless() {
    let disk = disk();
    let trees = example(&disk, true);
    let bytes = bytes_of(&disk);
    let (mut found, mut harmless) = (0, 0);
    // Every byte of all headers; elsewhere a step that meets every page often. That no byte of a
    // page or superblock is left out is shown where those are decoded.
    let all = (0..bytes.len()).filter(|at| at % PAGE_BYTES < 64 || at % 29 == 0);
    for at in all {
        let (examined, reported) = flipped(&bytes, at, 1 << (at % 8));
        match examined {
            Ok(content) => {
                assert_eq!(content, trees, "byte {at}");
                harmless += 1;
                // A damaged superblock is harmless, since the other one says the same.
                assert!(reported || at >= 2 * PAGE_BYTES, "byte {at} of a superblock");
            }
            Err(StorageError::Corrupt { offset, .. }) => {
                assert!(reported, "byte {at}");
                assert_eq!(offset / PAGE_BYTES as u64, (at / PAGE_BYTES) as u64, "byte {at}");
                found += 1;
            }
            Err(error) => panic!("byte {at}: {error}"),
        }
    }
    assert!(found > 500 && harmless > 500, "{found} found, {harmless} harmless");
}

#[test]
fn a_damaged_checkpoint_gives_the_one_before_and_says_so() {
    let disk = disk();
    example(&disk, false);
    let bytes = bytes_of(&disk);
    let newest = &open(&disk).unwrap().1;
    assert_eq!(&newest.note[..], b"second");
    let report = Store::check_file(&disk, path()).unwrap();
    assert!(report.is_sound() && report.trees.len() == 2, "{report:?}");
    let mut older = 0;
    for at in (2 * PAGE_BYTES..bytes.len()).step_by(PAGE_BYTES) {
        let disk = SimDisk::new();
        disk.create_dir_all(Path::new("/data")).unwrap();
        disk.open(path(), OpenMode::Create).unwrap().write_at(&bytes, 0).unwrap();
        let file = disk.open(path(), OpenMode::Write).unwrap();
        file.write_at(b"damage", at as u64 + 100).unwrap();
        file.sync().unwrap();
        disk.sync_dir(Path::new("/data")).unwrap();
        let Ok((mut store, opened)) = open(&disk) else { continue };
        if &opened.note[..] != b"first" {
            continue;
        }
        older += 1;
        assert_eq!(opened.damage.len(), 1, "{opened:?}");
        // The damaged superblock has been replaced: what follows does not bring it back.
        assert_eq!(&store.older_note()[..], b"first");
        check(&store);
        let before = contents(&store.snapshot());
        store.insert(b"index", b"new", b"entry").unwrap();
        drop(store);
        disk.power_loss(1);
        let (store, again) = open(&disk).unwrap();
        assert!(again.damage.is_empty() && again.note == opened.note, "{again:?}");
        assert_eq!(contents(&store.snapshot()), before);
    }
    assert!(older > 1, "some pages belong to the newest checkpoint's roots and lists only");
}

#[test]
fn a_page_in_the_place_of_another_is_found() {
    let disk = disk();
    let trees = example(&disk, true);
    let bytes = bytes_of(&disk);
    let pages = bytes.len() / PAGE_BYTES;
    let (mut found, mut harmless) = (0, 0);
    for (from, to) in (2..pages).flat_map(|from| (2..pages).map(move |to| (from, to))) {
        let disk = SimDisk::volatile();
        disk.create_dir_all(Path::new("/data")).unwrap();
        let file = disk.open(path(), OpenMode::Create).unwrap();
        file.write_at(&bytes, 0).unwrap();
        let page = &bytes[from * PAGE_BYTES..(from + 1) * PAGE_BYTES];
        file.write_at(page, (to * PAGE_BYTES) as u64).unwrap();
        match examine(&disk) {
            Ok(content) => {
                assert_eq!(content, trees, "page {from} in place of {to}");
                harmless += 1;
            }
            Err(StorageError::Corrupt { .. }) => found += 1,
            Err(error) => panic!("{error}"),
        }
    }
    assert!(found > 20 && harmless > 20, "{found} found, {harmless} harmless");
}

#[test]
fn a_lost_write_of_a_page_is_found() {
    // An older state of a page is whole, has the right place, and may have the same generation.
    let disk = disk();
    let (mut store, _) = open(&disk).unwrap();
    let mut older = Vec::new();
    for round in 0..12_u8 {
        for n in 0..30_u32 {
            store.insert(b"t", &n.to_be_bytes(), &[round; 700]).unwrap();
        }
        older.push(bytes_of(&disk));
        store.checkpoint(&[round]).unwrap();
    }
    let trees = contents(&store.snapshot());
    drop(store);
    let newest = bytes_of(&disk);
    let (mut found, mut harmless) = (0, 0);
    for image in &older {
        for at in (2 * PAGE_BYTES..image.len()).step_by(PAGE_BYTES) {
            let file = disk.open(path(), OpenMode::Write).unwrap();
            file.write_at(&newest, 0).unwrap();
            file.write_at(&image[at..at + PAGE_BYTES], at as u64).unwrap();
            let fell_back = open(&disk).is_ok_and(|(_, opened)| !opened.damage.is_empty());
            file.write_at(&newest, 0).unwrap();
            file.write_at(&image[at..at + PAGE_BYTES], at as u64).unwrap();
            match examine(&disk) {
                Ok(content) if content == trees => harmless += 1,
                Ok(_) => {
                    assert!(fell_back, "page at {at} was taken for another");
                    found += 1;
                }
                Err(StorageError::Corrupt { .. }) => found += 1,
                Err(error) => panic!("{error}"),
            }
        }
    }
    assert!(found > 10 && harmless > 10, "{found} found, {harmless} harmless");
}
