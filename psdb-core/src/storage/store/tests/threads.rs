//! Readers and checkpoints on threads of their own beside the writer: every snapshot shows one
//! moment, whatever is written, evicted, freed and reused meanwhile.

use std::sync::atomic::{AtomicBool, Ordering};

use parking_lot::Mutex;

use super::*;

const KEYS: u32 = 600;

/// All values of a round say the round; a snapshot between rounds shows one value only.
fn verify(snapshot: &Snapshot) {
    let mut rounds = snapshot.iter(b"t").map(|entry| {
        let (key, value) = entry.unwrap();
        let round = u32::from_be_bytes(*value.first_chunk().unwrap());
        assert!(value[4..].iter().all(|byte| *byte == round as u8));
        assert_eq!(snapshot.get(b"t", &key).unwrap().unwrap(), value);
        round
    });
    let Some(first) = rounds.next() else { return };
    let mut count = 1;
    for round in rounds {
        assert_eq!(round, first, "two rounds in one snapshot");
        count += 1;
    }
    assert_eq!(count, KEYS);
}

#[test]
fn readers_and_checkpoints_run_beside_the_writer() {
    let disk = disk();
    let cache = PageCache::new(40 * 8192);
    let (mut store, _) = Store::open(&disk, path(), cache).unwrap();
    let latest = Mutex::new(store.snapshot());
    let done = AtomicBool::new(false);
    let (checkpoints, begun) = std::sync::mpsc::channel::<crate::storage::Checkpoint>();
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| {
                let mut seen = 0;
                while !done.load(Ordering::Relaxed) || seen == 0 {
                    let snapshot = latest.lock().clone();
                    verify(&snapshot);
                    seen += 1;
                }
            });
        }
        let writer_of_checkpoints = scope.spawn(move || {
            let mut written = 0;
            for checkpoint in begun {
                checkpoint.write().unwrap();
                written += 1;
            }
            written
        });
        for round in 0..60_u32 {
            for n in 0..KEYS {
                let key = (n * 7 % KEYS).to_be_bytes();
                let length = 4 + if n % 50 == 0 { 9_000 } else { (n + round) as usize % 400 };
                let mut value = vec![round as u8; length];
                value[..4].copy_from_slice(&round.to_be_bytes());
                store.insert(b"t", &key, &value).unwrap();
            }
            *latest.lock() = store.snapshot();
            match store.begin_checkpoint(&round.to_be_bytes()) {
                Ok(checkpoint) => checkpoints.send(checkpoint).unwrap(),
                Err(StorageError::Refused { .. }) => {}
                Err(error) => panic!("{error}"),
            }
        }
        drop(checkpoints);
        assert!(writer_of_checkpoints.join().unwrap() > 1);
        done.store(true, Ordering::Relaxed);
    });
    check(&store);
    drop((latest, store));
    let (store, _) = open(&disk).unwrap();
    verify(&store.snapshot());
    check(&store);
}
