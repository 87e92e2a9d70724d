//! Whatever stands in a log's files, opening it either gives streams or reports damage; what it gives it
//! gives again, and a check says the same.
//!
//! The first byte cuts the rest into two segments; so inputs that begin as real logs are found fast. Run
//! it with `cargo +nightly fuzz run wal_replay`.
#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use psdb_core::env::{Disk, Env, OpenMode, SimDisk};
use psdb_core::storage::StorageError;
use psdb_core::storage::wal::{Wal, WalOptions};

fn open(disk: &SimDisk) -> Result<(Wal, impl PartialEq + std::fmt::Debug), StorageError> {
    let env = Env::memory().with_disk(std::sync::Arc::new(disk.clone()));
    let options = WalOptions { segment_bytes: 4_096, ..WalOptions::default() };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build().expect("one");
    runtime.block_on(Wal::open(&env, Path::new("/wal"), options))
}

fuzz_target!(|input: &[u8]| {
    let Some((cut, content)) = input.split_first() else { return };
    let disk = SimDisk::volatile();
    disk.create_dir_all(Path::new("/wal")).expect("a directory");
    let (first, second) = content.split_at(content.len() * usize::from(*cut) / 255);
    for (name, bytes) in [("00000001.log", first), ("00000002.log", second)] {
        if !bytes.is_empty() {
            let file = disk.open(&Path::new("/wal").join(name), OpenMode::Create).expect("a file");
            file.write_at(bytes, 0).expect("a write");
        }
    }
    let checked = Wal::check(&disk, Path::new("/wal"));
    let streams = match open(&disk) {
        Ok((_, streams)) => streams,
        Err(error) => {
            assert!(matches!(error, StorageError::Corrupt { .. }), "{error}");
            assert!(checked.is_err(), "a check sees what opening sees");
            return;
        }
    };
    assert!(checked.is_ok(), "a check sees what opening sees");
    let (wal, again) = open(&disk).expect("it opened before");
    assert_eq!(again, streams);
    drop(wal);
});
