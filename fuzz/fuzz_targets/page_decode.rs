//! Whatever stands in a page file, opening and checking it either gives trees or reports damage, and
//! whatever can be read is read without a panic. Checksums are made right first, or nothing would be
//! decoded: the input is a list of changes to a sound file, each an offset and bytes, after which every
//! page gets its checksum anew.
//!
//! Run it with `cargo +nightly fuzz run page_decode`.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use psdb_core::env::{Disk, OpenMode, SimDisk};
use psdb_core::storage::{PAGE_BYTES, PageCache, StorageError, Store};

const PATH: &str = "/pages";

fn sound_file() -> Vec<u8> {
    let disk = SimDisk::volatile();
    let (mut store, _) =
        Store::open(&disk, Path::new(PATH), PageCache::new(1 << 20)).expect("opens");
    for n in 0..200_u32 {
        store.insert(b"t", format!("key {n}").as_bytes(), &[n as u8; 60]).expect("a write");
    }
    store.insert(b"t", b"long", &[1; 9_000]).expect("a write");
    store.close(b"note").expect("closes");
    let file = disk.open(Path::new(PATH), OpenMode::Read).expect("the file");
    let mut bytes = vec![0; file.len().expect("a length") as usize];
    file.read_exact_at(&mut bytes, 0).expect("a read");
    bytes
}

/// Fills in the checksums of superblocks and pages.
fn seal(bytes: &mut [u8]) {
    for (number, page) in bytes.chunks_exact_mut(PAGE_BYTES).enumerate() {
        let (at, from) = if number < 2 { (8, 12) } else { (0, 4) };
        let checksum = crc32fast::hash(&page[from..]);
        page[at..at + 4].copy_from_slice(&checksum.to_le_bytes());
    }
}

fn read_all(disk: &SimDisk) -> Result<usize, StorageError> {
    let (store, _) = Store::open(disk, Path::new(PATH), PageCache::new(1 << 20))?;
    let _ = store.check()?;
    let snapshot = store.snapshot();
    let mut entries = 0;
    for name in snapshot.trees() {
        for entry in snapshot.tree(name)?.range(
            std::ops::Bound::Unbounded,
            std::ops::Bound::Unbounded,
            psdb_core::storage::Direction::Ascending,
        ) {
            let (key, _) = entry?;
            snapshot.get(name, &key)?;
            entries += 1;
        }
    }
    Ok(entries)
}

fuzz_target!(|input: &[u8]| {
    static SOUND: std::sync::OnceLock<Vec<u8>> = std::sync::OnceLock::new();
    let mut bytes = SOUND.get_or_init(sound_file).clone();
    let length = bytes.len();
    let mut rest = input;
    while let Some((head, tail)) = rest.split_first_chunk::<4>() {
        let at = u32::from_le_bytes([head[0], head[1], head[2], 0]) as usize % length;
        let count = usize::from(head[3] % 16).min(tail.len()).min(length - at);
        bytes[at..at + count].copy_from_slice(&tail[..count]);
        rest = &tail[count..];
    }
    seal(&mut bytes);
    let disk = SimDisk::volatile();
    let file = disk.open(Path::new(PATH), OpenMode::Create).expect("a file");
    file.write_at(&bytes, 0).expect("a write");
    drop(Store::check_file(&disk, Path::new(PATH)));
    if let Err(error) = read_all(&disk) {
        assert!(matches!(error, StorageError::Corrupt { .. }), "{error}");
    }
});
