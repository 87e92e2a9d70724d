//! What is read from damaged files, and what is made of them: every page of a file damaged in turn,
//! all entries but those on the damaged page are still read, and a lost list of used pages is made
//! again.

use super::*;
use crate::env::{Disk, OpenMode};
use crate::storage::page::PAGE_BYTES;
use crate::storage::store::Repaired;

fn example(disk: &SimDisk) -> Trees {
    let (mut store, _) = open(disk).unwrap();
    let mut trees = Trees::new();
    for n in 0..60_u32 {
        let key = format!("key-{n:05}").into_bytes();
        let length = if n == 30 { 20_000 } else { 700 };
        Change::Insert(key, vec![n as u8; length]).apply(&mut store, &mut trees, b"documents");
    }
    store.close(b"note").unwrap();
    trees
}

fn salvaged(disk: &SimDisk) -> Result<(Trees, bool), StorageError> {
    let mut trees = Trees::new();
    let report = Store::salvage(disk, path(), &mut |tree, key, value| {
        trees.entry(tree.to_vec()).or_default().insert(key.to_vec(), value.to_vec());
    })?;
    Ok((trees, report.is_sound()))
}

fn invert(disk: &SimDisk, page: u64) {
    let file = disk.open(path(), OpenMode::Write).unwrap();
    let at = page * PAGE_BYTES as u64 + 5_000;
    let mut byte = [0];
    file.read_exact_at(&mut byte, at).unwrap();
    file.write_at(&[!byte[0]], at).unwrap();
}

#[test]
fn everything_but_the_damaged_page_is_read() {
    let disk = disk();
    let trees = example(&disk);
    let pages = disk.open(path(), OpenMode::Read).unwrap().len().unwrap() / PAGE_BYTES as u64;
    let (mut whole, mut partial, mut nothing) = (0, 0, 0);
    for page in 0..pages {
        invert(&disk, page);
        match salvaged(&disk) {
            Ok((found, true)) => {
                assert_eq!(found, trees, "page {page}");
                whole += 1;
            }
            Ok((found, false)) => {
                let entries = found.get(&b"documents"[..]).cloned().unwrap_or_default();
                assert!(entries.iter().all(|(key, value)| trees[&b"documents"[..]][key] == *value));
                // One leaf, or the branch above all, or a chain.
                assert!(entries.len() >= 45 || entries.is_empty(), "page {page}");
                let repaired = Store::repair_file(&disk, path()).unwrap();
                assert!(matches!(repaired, Repaired::Impossible(_)), "page {page}: {repaired:?}");
                partial += 1;
            }
            Err(StorageError::Corrupt { .. }) => nothing += 1,
            Err(error) => panic!("{error}"),
        }
        invert(&disk, page);
    }
    assert!(whole > 3 && partial > 6, "{whole} whole, {partial} partial, {nothing} nothing");
    assert_eq!(nothing, 0, "closing leaves two catalogs");
}

#[test]
fn a_lost_list_of_used_pages_is_made_again() {
    let disk = disk();
    let trees = example(&disk);
    assert_eq!(Store::repair_file(&disk, path()).unwrap(), Repaired::Sound);
    let (store, _) = open(&disk).unwrap();
    let lists: Vec<u64> = {
        let progress = store.shared.progress.lock();
        let older = progress.older.as_ref().unwrap();
        [&progress.newest, older].map(|block| u64::from(block.used_pages.head.id.0)).to_vec()
    };
    drop(store);
    for page in lists {
        invert(&disk, page);
    }
    assert!(matches!(open(&disk), Err(StorageError::Corrupt { .. })));
    assert_eq!(Store::repair_file(&disk, path()).unwrap(), Repaired::UsedPages);
    let (mut store, opened) = open(&disk).unwrap();
    assert_eq!(&opened.note[..], b"note");
    assert_eq!(contents(&store.snapshot()), trees);
    check(&store);
    for n in 0..200_u32 {
        store.insert(b"documents", &n.to_be_bytes(), &[1; 500]).unwrap();
    }
    store.close(b"").unwrap();
    assert!(Store::check_file(&disk, path()).unwrap().is_sound());
}
