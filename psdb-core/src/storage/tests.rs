//! Every byte of every file of a small data directory that was closed in good order: flipped, it is
//! either detected or changes nothing that is shown. Never a wrong answer, never a panic.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use bytes::Bytes;

use super::wal::{Record, Wal, WalOptions};
use super::{Directory, Identity, PageCache, RecoveredStream, StorageError, Store};
use crate::env::{Disk, Env, OpenMode, SimDisk};
use crate::types::Error;

const ROOT: &str = "/data";

fn run<T>(future: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(future)
}

/// What a directory holds.
#[derive(Debug, PartialEq)]
struct Content {
    identity: Identity,
    streams: BTreeMap<u64, RecoveredStream>,
    trees: Vec<(Bytes, Bytes, Bytes)>,
}

/// A directory with an identity, a log of two streams and a store of two trees.
async fn write_sample(disk: &SimDisk) {
    let env = Env::simulated(1, disk.clone());
    let directory = Directory::open(&env, Path::new(ROOT), "worker-1").await.unwrap();
    directory.join(7).await.unwrap();
    directory.release();
    let options = WalOptions { segment_bytes: 400, ..WalOptions::default() };
    let (wal, _) = Wal::open(&env, &Path::new(ROOT).join("wal"), options).await.unwrap();
    for index in 1..8 {
        let payload = Bytes::from(format!("entry {index} {}", "x".repeat(20)));
        let vote = Bytes::from(format!("vote {index}"));
        wal.write(vec![
            Record::Append { stream: 1, index, payload },
            Record::Slot { stream: 2, slot: 0, payload: vote },
        ])
        .await
        .unwrap();
    }
    wal.close().await.unwrap();
    let pages = Path::new(ROOT).join("pages");
    let (mut store, _) = Store::open(disk, &pages, PageCache::new(1 << 20)).unwrap();
    for n in 0..20 {
        let (key, value) = (format!("key {n}"), format!("value {n}"));
        store.insert(b"documents", key.as_bytes(), value.as_bytes()).unwrap();
    }
    store.insert(b"index", b"a", &[7; 3_000]).unwrap();
    store.close(b"applied 7").unwrap();
}

fn files(disk: &SimDisk) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut files = BTreeMap::new();
    for dir in [ROOT, "/data/wal"].map(Path::new) {
        for name in disk.list(dir).unwrap() {
            let path = dir.join(name);
            let Ok(file) = disk.open(&path, OpenMode::Read) else { continue };
            let mut content = vec![0; file.len().unwrap() as usize];
            file.read_exact_at(&mut content, 0).unwrap();
            files.insert(path, content);
        }
    }
    files
}

fn disk_with(files: &BTreeMap<PathBuf, Vec<u8>>) -> SimDisk {
    let disk = SimDisk::volatile();
    disk.create_dir_all(Path::new("/data/wal")).unwrap();
    for (path, content) in files {
        disk.open(path, OpenMode::Create).unwrap().write_at(content, 0).unwrap();
    }
    disk
}

/// Reads and verifies all that a directory holds.
async fn examine(disk: &SimDisk) -> Result<Content, Error> {
    let env = Env::simulated(1, disk.clone());
    let directory = Directory::open(&env, Path::new(ROOT), "worker-1").await?;
    let log = Path::new(ROOT).join("wal");
    let (_wal, streams) = Wal::open(&env, &log, WalOptions::default()).await?;
    Ok(Content { identity: directory.identity(), streams, trees: examine_pages(disk)? })
}

/// The part of it that is in the page file.
fn examine_pages(disk: &SimDisk) -> Result<Vec<(Bytes, Bytes, Bytes)>, Error> {
    let pages = Path::new(ROOT).join("pages");
    let (store, _) = Store::open(disk, &pages, PageCache::new(1 << 20))?;
    let report = store.check()?;
    if let Some(damage) = report.damages.first() {
        return Err(StorageError::corrupt(&pages, damage.offset, &*damage.reason).into());
    }
    let snapshot = store.snapshot();
    let mut trees = Vec::new();
    for name in snapshot.trees() {
        let range = snapshot.tree(name)?.range(
            std::ops::Bound::Unbounded,
            std::ops::Bound::Unbounded,
            super::Direction::Ascending,
        );
        for entry in range {
            let (key, value) = entry?;
            trees.push((name.clone(), key, value));
        }
    }
    Ok(trees)
}

/// Flips the bytes of one file that `takes` chooses; says how many were detected, and how many not.
fn flip_all(
    intact: &BTreeMap<PathBuf, Vec<u8>>,
    path: &Path,
    expected: &Content,
    takes: impl Fn(usize) -> bool,
) -> (u64, u64) {
    let (mut detected, mut harmless) = (0, 0);
    let disk = disk_with(intact);
    let is_pages = path.ends_with("pages");
    for at in (0..intact[path].len()).filter(|at| takes(*at)) {
        // Opening writes; so what was opened is put back.
        for (path, content) in intact.iter().filter(|(path, _)| path.ends_with("pages") == is_pages)
        {
            disk.open(path, OpenMode::Create).unwrap().write_at(content, 0).unwrap();
        }
        let file = disk.open(path, OpenMode::Write).unwrap();
        file.write_at(&[intact[path][at] ^ (1 << (at % 8))], at as u64).unwrap();
        // No file knows of another: of those that nothing was done to, one has been enough.
        let is_right = if is_pages {
            examine_pages(&disk).map(|trees| trees == expected.trees)
        } else {
            run(examine(&disk)).map(|content| content == *expected)
        };
        match is_right {
            Ok(is_right) => {
                assert!(is_right, "{} byte {at}: a wrong answer", path.display());
                harmless += 1;
            }
            Err(Error::Corrupt { path: reported, .. }) => {
                assert_eq!(Path::new(&reported), path, "byte {at}");
                detected += 1;
            }
            Err(error) => panic!("{} byte {at}: {error}", path.display()),
        }
    }
    (detected, harmless)
}

#[test]
fn every_flipped_byte_of_every_file_is_detected_or_harmless() {
    let disk = SimDisk::new();
    run(write_sample(&disk));
    let intact = Arc::new(files(&disk));
    let expected = Arc::new(run(examine(&disk_with(&intact))).unwrap());
    assert!(intact.len() >= 4, "an identity, two segments, a page file: {:?}", intact.keys());
    for (path, content) in &*intact {
        let halves: Vec<_> = [0, 1]
            .map(|half| {
                let (intact, expected) = (intact.clone(), expected.clone());
                let path = path.clone();
                std::thread::spawn(move || flip_all(&intact, &path, &expected, |at| at % 2 == half))
            })
            .into_iter()
            .map(|thread| thread.join().expect("no wrong answer and no panic"))
            .collect();
        let detected: u64 = halves.iter().map(|(detected, _)| detected).sum();
        let harmless: u64 = halves.iter().map(|(_, harmless)| harmless).sum();
        assert_eq!(detected + harmless, content.len() as u64);
        // Most of a page file is free pages and the older superblock; of the rest, all but the seal.
        let is_pages = path.ends_with("pages");
        assert!(is_pages || harmless < detected, "{}: {harmless} unnoticed", path.display());
        assert!(detected > 20, "{}: {detected} detected", path.display());
    }
}

/// Fills in the checksums of superblocks and pages, so that whatever they hold is decoded.
fn seal(bytes: &mut [u8]) {
    for (number, page) in bytes.chunks_exact_mut(super::PAGE_BYTES).enumerate() {
        let (at, from) = if number < 2 { (8, 12) } else { (0, 4) };
        let checksum = crc32fast::hash(&page[from..]);
        page[at..at + 4].copy_from_slice(&checksum.to_le_bytes());
    }
}

/// Opens a page file, checks it and reads all of it, as far as that goes.
fn read_pages(disk: &SimDisk) -> Result<usize, StorageError> {
    let (store, _) = Store::open(disk, Path::new("/pages"), PageCache::new(1 << 20))?;
    let _ = store.check()?;
    let snapshot = store.snapshot();
    let mut read = 0;
    for name in snapshot.trees() {
        let all = (std::ops::Bound::Unbounded, std::ops::Bound::Unbounded);
        for entry in snapshot.tree(name)?.range(all.0, all.1, super::Direction::Ascending) {
            let (key, _) = entry?;
            snapshot.get(name, &key)?;
            read += 1;
        }
    }
    Ok(read)
}

fn page_file() -> Vec<u8> {
    let disk = SimDisk::volatile();
    let path = Path::new("/pages");
    let (mut store, _) = Store::open(&disk, path, PageCache::new(1 << 20)).unwrap();
    for n in 0..200_u8 {
        store.insert(b"t", format!("key {n}").as_bytes(), &[n; 60]).unwrap();
    }
    store.insert(b"t", b"long", &[1; 9_000]).unwrap();
    store.close(b"note").unwrap();
    let file = disk.open(path, OpenMode::Read).unwrap();
    let mut bytes = vec![0; file.len().unwrap() as usize];
    file.read_exact_at(&mut bytes, 0).unwrap();
    bytes
}

proptest::proptest! {
    /// What the fuzz target `page_decode` does, on inputs of this test's seed: sound pages with some
    /// bytes changed, all under right checksums, give an error or entries and never a panic.
    #[test]
    fn changed_pages_under_right_checksums_never_panic(
        changes in proptest::collection::vec((0..200_usize, 0..64_usize, 0..4_u8, proptest::num::u8::ANY), 1..6),
        anywhere in proptest::collection::vec((0..120_000_usize, proptest::num::u8::ANY), 0..3),
    ) {
        static SOUND: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
        let mut bytes = SOUND.get_or_init(page_file).clone();
        let pages = bytes.len() / super::PAGE_BYTES;
        for (page, at, shape, byte) in changes {
            // Headers and the first slots are where a change does most.
            let value = match shape { 0 => byte, 1 => 0, 2 => 0xff, _ => byte & 3 };
            bytes[page % pages * super::PAGE_BYTES + at] = value;
        }
        for (at, byte) in anywhere {
            let length = bytes.len();
            bytes[at % length] = byte;
        }
        seal(&mut bytes);
        let disk = SimDisk::volatile();
        let path = Path::new("/pages");
        disk.open(path, OpenMode::Create).unwrap().write_at(&bytes, 0).unwrap();
        drop(Store::check_file(&disk, path));
        match read_pages(&disk) {
            Ok(_) | Err(StorageError::Corrupt { .. }) => {}
            Err(error) => panic!("{error}"),
        }
    }
}
