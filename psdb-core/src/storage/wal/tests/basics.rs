//! What is written comes back; refusals change nothing; lazy records wait for others; closing is
//! final, and dropping answers everybody.

use super::*;

#[test]
fn what_is_written_comes_back() {
    run(async {
        let disk = SimDisk::new();
        let (wal, streams) = open(&disk, SMALL).await.unwrap();
        assert!(streams.is_empty());
        wal.write((5..15).map(|index| append(1, index, &format!("entry {index}"))).collect())
            .await
            .unwrap();
        wal.write(vec![append(2, 0, "other"), slot(2, 7, "old"), slot(2, 7, "new")]).await.unwrap();
        wal.write(vec![Record::Truncate { stream: 1, from: 12 }]).await.unwrap();
        wal.write(vec![append(1, 12, "again"), purge(1, 7, "note")]).await.unwrap();
        wal.write(vec![append(3, 9, "gone"), slot(3, 0, "gone")]).await.unwrap();
        wal.write(vec![Record::Forget { stream: 3 }]).await.unwrap();
        wal.close().await.unwrap();

        let streams = contents(&disk).await;
        assert_eq!(streams.keys().collect::<Vec<_>>(), [&1, &2]);
        assert_eq!(streams[&1].floor, Some((7, bytes("note"))));
        let indexes: Vec<u64> = streams[&1].entries.keys().copied().collect();
        assert_eq!(indexes, [8, 9, 10, 11, 12]);
        assert_eq!(streams[&1].entries[&11], "entry 11");
        assert_eq!(streams[&1].entries[&12], "again");
        assert_eq!(streams[&2].entries[&0], "other");
        assert_eq!(streams[&2].slots, BTreeMap::from([(7, bytes("new"))]));
        assert_eq!(streams[&2].floor, None);
    });
}

#[test]
fn a_contradiction_is_refused_and_changes_nothing() {
    run(async {
        let disk = SimDisk::new();
        let (wal, _) = open(&disk, SMALL).await.unwrap();
        wal.write(vec![append(1, 1, "one")]).await.unwrap();
        let taken = wal.write(vec![append(1, 2, "two"), append(1, 2, "two again")]).await;
        assert!(matches!(taken, Err(StorageError::Refused { .. })), "{taken:?}");
        let gap = wal.write(vec![append(2, 1, "new stream"), append(1, 3, "gap")]).await;
        assert!(matches!(gap, Err(StorageError::Refused { .. })), "{gap:?}");
        let large = "x".repeat((1 << 20) + 1);
        let large = wal.write(vec![slot(1, 0, &large)]).await;
        assert!(matches!(large, Err(StorageError::TooLarge { .. })), "{large:?}");
        // Both positions are free still, since nothing of the refused submissions was taken.
        wal.write(vec![append(1, 2, "two"), append(2, 50, "fifty")]).await.unwrap();
        wal.close().await.unwrap();
        let streams = contents(&disk).await;
        assert_eq!(streams[&1].entries[&2], "two");
        assert_eq!(streams[&2].entries.len(), 1);
    });
}

#[test]
fn a_purge_above_the_last_entry_moves_the_next_one() {
    run(async {
        let disk = SimDisk::new();
        let (wal, _) = open(&disk, SMALL).await.unwrap();
        wal.write(vec![append(1, 1, "one"), purge(1, 100, "snapshot")]).await.unwrap();
        wal.write(vec![append(1, 2, "stale")]).await.unwrap_err();
        drop(wal);
        let (wal, streams) = open(&disk, SMALL).await.unwrap();
        assert_eq!(streams[&1].floor, Some((100, bytes("snapshot"))));
        assert!(streams[&1].entries.is_empty());
        wal.write(vec![append(1, 2, "stale")]).await.unwrap_err();
        wal.write(vec![append(1, 101, "next")]).await.unwrap();
    });
}

#[test]
fn lazy_records_wait_for_somebody_elses_sync() {
    run(async {
        let disk = SimDisk::new();
        let (wal, _) = open(&disk, SMALL).await.unwrap();
        let before = disk.stats().syncs;
        wal.submit_lazy(vec![slot(1, 0, "committed 1")]).unwrap();
        tokio::task::yield_now().await;
        assert_eq!(disk.stats().syncs, before);
        assert!(wal.stats().queued_bytes > 0);
        wal.write(vec![append(1, 1, "entry")]).await.unwrap();
        assert_eq!(disk.stats().syncs, before + 1);
        assert_eq!(wal.stats().queued_bytes, 0);
        wal.submit_lazy(vec![slot(1, 0, "committed 2")]).unwrap();
        wal.close().await.unwrap();
        disk.power_loss(1);
        assert_eq!(contents(&disk).await[&1].slots[&0], "committed 2");
    });
}

#[test]
fn a_batch_of_lazy_records_is_not_held_back() {
    run(async {
        let disk = SimDisk::new();
        let options = WalOptions { batch_bytes: 1_000, ..SMALL };
        let (wal, _) = open(&disk, options).await.unwrap();
        for _ in 0..100 {
            wal.submit_lazy(vec![slot(1, 0, &"x".repeat(100))]).unwrap();
            tokio::task::yield_now().await;
            assert!(wal.stats().queued_bytes <= 1_200, "{:?}", wal.stats());
        }
    });
}

#[test]
fn no_records_are_a_barrier() {
    run(async {
        let disk = SimDisk::new();
        let (wal, _) = open(&disk, SMALL).await.unwrap();
        let before = disk.stats();
        wal.write(Vec::new()).await.unwrap();
        assert_eq!(disk.stats(), before, "with nothing queued, nothing is written");
        wal.submit_lazy(vec![slot(1, 0, "value")]).unwrap();
        wal.write(Vec::new()).await.unwrap();
        disk.power_loss(1);
        assert_eq!(contents(&disk).await[&1].slots[&0], "value");
    });
}

#[test]
fn closing_is_final_and_releases_the_directory() {
    run(async {
        let disk = SimDisk::new();
        let (wal, _) = open(&disk, SMALL).await.unwrap();
        let in_use = open(&disk, SMALL).await.map(|_| ());
        assert!(matches!(in_use, Err(StorageError::InUse { .. })), "{in_use:?}");
        let pending = wal.write(vec![append(1, 1, "queued")]);
        let (written, closed) = tokio::join!(pending, wal.close());
        written.unwrap();
        closed.unwrap();
        let late = wal.write(vec![append(1, 2, "late")]).await;
        assert!(matches!(late, Err(StorageError::Closed)), "{late:?}");
        wal.close().await.unwrap();
        let (_wal, streams) = open(&disk, SMALL).await.unwrap();
        assert_eq!(streams[&1].entries.len(), 1);
    });
}

#[test]
fn dropping_the_log_answers_everybody() {
    run(async {
        let disk = SimDisk::new();
        let (wal, _) = open(&disk, SMALL).await.unwrap();
        let (answer, answered) = tokio::sync::oneshot::channel();
        wal.submit(vec![append(1, 1, "never written")], move |result| {
            answer.send(result).unwrap();
        });
        drop(wal);
        assert!(matches!(answered.await.unwrap(), Err(StorageError::Closed)));
    });
}

#[tokio::test]
async fn real_files_keep_the_same_promises() {
    let directory = tempfile::tempdir().unwrap();
    let (env, path) = (Env::real(), directory.path().join("data/wal"));
    let (wal, _) = Wal::open(&env, &path, SMALL).await.unwrap();
    for index in 0..50 {
        wal.write(vec![append(1, index, "some payload"), slot(1, 0, "vote")]).await.unwrap();
    }
    wal.write(vec![purge(1, 39, "note")]).await.unwrap();
    wal.close().await.unwrap();
    assert!(wal.stats().segments < 5, "{:?}", wal.stats());
    let (_wal, streams) = Wal::open(&env, &path, SMALL).await.unwrap();
    assert_eq!(
        streams[&1].entries.keys().copied().collect::<Vec<_>>(),
        (40..50).collect::<Vec<_>>()
    );
}

/// A check tells the same as opening, and leaves what opening would cut.
#[test]
fn a_check_reads_and_changes_nothing() {
    run(async {
        let disk = SimDisk::new();
        let (wal, _) = open(&disk, SMALL).await.unwrap();
        wal.write(vec![append(1, 0, "a"), append(1, 1, "b"), slot(2, 0, "v")]).await.unwrap();
        let report = Wal::check(&disk, dir()).unwrap();
        assert_eq!((report.streams, report.entries, report.is_sealed), (2, 2, false));
        wal.close().await.unwrap();
        drop(wal);
        assert!(Wal::check(&disk, dir()).unwrap().is_sealed);
        let path = dir().join("00000001.log");
        let file = Disk::open(&disk, &path, OpenMode::Write).unwrap();
        let length = file.len().unwrap();
        // The beginning of a batch: that of the seal, once more.
        let mut torn = [0; 10];
        file.read_exact_at(&mut torn, length - 25).unwrap();
        file.write_at(&torn, length).unwrap();
        for _ in 0..2 {
            let report = Wal::check(&disk, dir()).unwrap();
            assert_eq!((report.torn_bytes, report.entries, report.is_sealed), (10, 2, false));
        }
        file.write_at(&[0xff], 100).unwrap();
        assert!(matches!(Wal::check(&disk, dir()), Err(StorageError::Corrupt { .. })));
    });
}
