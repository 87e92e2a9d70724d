//! I/O errors poison the log: everybody who waits is told, nothing is retried, and after reopening
//! everything acknowledged is there and stays there. The workload purges as it goes, so that making
//! and removing segments fail as well.

use super::*;
use crate::env::Fault;

/// Writes entries until the log fails, keeping the last three; gives back the last acknowledged.
async fn write_until_failure(wal: &Wal, limit: u64) -> u64 {
    for index in 1..=limit {
        let mut records = vec![append(1, index, &"x".repeat(150))];
        if index > 3 {
            records.push(purge(1, index - 3, "note"));
        }
        if let Err(error) = wal.write(records).await {
            let expected = matches!(error, StorageError::Io { .. } | StorageError::Poisoned);
            assert!(expected, "{error}");
            return index - 1;
        }
    }
    limit
}

/// The last entry of stream 1.
fn last_entry(streams: &Streams) -> u64 {
    let entries = streams.get(&1).map(|stream| &stream.entries);
    entries.and_then(|entries| entries.keys().last()).copied().unwrap_or(0)
}

#[test]
fn an_error_at_any_operation_poisons_and_loses_nothing() {
    run(async {
        let mut failures = 0;
        for fault in [Fault::IoError, Fault::WriteError, Fault::SyncError, Fault::NoSpace] {
            for (n, seed) in (1..40).flat_map(|n| (0..8).map(move |seed| (n, seed))) {
                let disk = SimDisk::with_seed(seed);
                let (wal, _) = open(&disk, SMALL).await.unwrap();
                disk.fail_at(n, fault);
                let acknowledged = write_until_failure(&wal, 20).await;
                if acknowledged == 20 {
                    continue;
                }
                failures += 1;
                let syncs = disk.stats();
                let late = wal.write(vec![append(1, acknowledged + 1, "late")]).await;
                assert!(matches!(late, Err(StorageError::Poisoned)), "{late:?}");
                let lazy = wal.submit_lazy(vec![slot(1, 0, "late")]);
                assert!(matches!(lazy, Err(StorageError::Poisoned)), "{lazy:?}");
                assert!(matches!(wal.close().await, Err(StorageError::Poisoned)));
                assert_eq!(disk.stats(), syncs, "nothing is tried again");
                drop(wal);

                // The process restarts without a power loss, so it sees what the page cache has.
                let context = format!("{fault:?} at {n}, seed {seed}");
                let (wal, streams) = open(&disk, SMALL).await.expect(&context);
                let last = last_entry(&streams);
                assert!(last == acknowledged || last == acknowledged + 1, "{context}: {last}");
                wal.write(vec![append(2, 1, "afterwards")]).await.unwrap();
                drop(wal);
                disk.power_loss(seed);
                let after = contents(&disk).await;
                let stream = after.get(&1).cloned().unwrap_or_default();
                assert_eq!(stream, streams.get(&1).cloned().unwrap_or_default(), "{context}");
                assert_eq!(after[&2].entries[&1], "afterwards", "{context}");
            }
        }
        assert!(failures > 700, "only {failures} runs failed");
    });
}

#[test]
fn everybody_in_the_queue_hears_of_the_error() {
    run(async {
        let disk = SimDisk::new();
        let options = WalOptions { batch_bytes: 100, ..WalOptions::default() };
        let (wal, _) = open(&disk, options).await.unwrap();
        disk.fail_at(2, Fault::SyncError);
        let writes: Vec<_> = (0..5)
            .map(|index| {
                let wal = wal.clone();
                tokio::spawn(
                    async move { wal.write(vec![append(1, index, &"x".repeat(90))]).await },
                )
            })
            .collect();
        let mut results = Vec::new();
        for write in writes {
            results.push(write.await.unwrap());
        }
        assert!(results[0].is_ok(), "{results:?}");
        assert!(results[1..].iter().all(|result| matches!(result, Err(StorageError::Io { .. }))));
        let syncs = disk.stats().syncs;
        assert!(matches!(wal.close().await, Err(StorageError::Poisoned)));
        assert_eq!(disk.stats().syncs, syncs);
    });
}

#[test]
fn what_an_opening_gave_back_survives_a_power_loss_right_after() {
    run(async {
        for (fault, seed) in [Fault::SyncError, Fault::IoError]
            .into_iter()
            .flat_map(|f| (0..40).map(move |s| (f, s)))
        {
            for n in 1..8 {
                let disk = SimDisk::with_seed(seed);
                let (wal, _) = open(&disk, SMALL).await.unwrap();
                disk.fail_at(n, fault);
                write_until_failure(&wal, 4).await;
                drop(wal);
                disk.clear_faults();
                let given = contents(&disk).await;
                disk.power_loss(seed);
                assert_eq!(contents(&disk).await, given, "{fault:?} at {n}, seed {seed}");
            }
        }
    });
}

#[test]
fn an_error_while_opening_changes_nothing_that_matters() {
    run(async {
        for (n, seed) in (1..8).flat_map(|n| (0..8).map(move |seed| (n, seed))) {
            let disk = SimDisk::with_seed(seed);
            let (wal, _) = open(&disk, SMALL).await.unwrap();
            write_until_failure(&wal, 5).await;
            drop(wal);
            let expected = contents(&disk).await;
            disk.fail_at(n, Fault::IoError);
            if open(&disk, SMALL).await.is_err() {
                disk.power_loss(seed);
            }
            disk.clear_faults();
            assert_eq!(contents(&disk).await, expected, "operation {n}, seed {seed}");
        }
    });
}

#[test]
fn a_panicking_callback_ends_the_log_and_hangs_nobody() {
    run(async {
        let disk = SimDisk::new();
        let (wal, _) = open(&disk, SMALL).await.unwrap();
        wal.submit(vec![append(1, 1, "x")], |_| panic!("on purpose"));
        let other = wal.write(vec![append(1, 2, "y")]).await;
        assert!(matches!(other, Err(StorageError::Closed)), "{other:?}");
        assert!(matches!(wal.write(Vec::new()).await, Err(StorageError::Poisoned)));
    });
}

#[test]
fn a_failed_removal_is_the_last_one() {
    run(async {
        for seed in 0..20 {
            let disk = SimDisk::with_seed(seed);
            let (wal, _) = open(&disk, SMALL).await.unwrap();
            for index in 1..=10 {
                wal.write(vec![append(1, index, &"x".repeat(200))]).await.unwrap();
            }
            let segments = disk.list(dir()).unwrap().len();
            // The first sync is that of the batch, the second that of the first removal.
            disk.fail_at(2, Fault::SyncError);
            wal.write(vec![purge(1, 10, "note")]).await.unwrap();
            wal.write(Vec::new()).await.unwrap_err();
            assert_eq!(disk.list(dir()).unwrap().len(), segments - 1);
            drop(wal);
            disk.power_loss(seed);
            assert_eq!(contents(&disk).await[&1].floor, Some((10, bytes("note"))), "seed {seed}");
        }
    });
}
