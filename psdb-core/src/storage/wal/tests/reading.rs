//! Entries are read back from the segments while the log goes on: within bounds, across batches,
//! truncations and segments, and never from a file that has become another segment.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use proptest::prelude::*;

use super::model::{Model, workload};
use super::*;

#[test]
fn reading_keeps_to_its_bounds_and_ends_where_the_stream_does() {
    run(async {
        let disk = SimDisk::new();
        let (wal, _) = open(&disk, SMALL).await.unwrap();
        for index in 3..40 {
            let text = format!("entry {index} {}", "x".repeat(50));
            wal.write(vec![append(1, index, &text), append(2, index, "other")]).await.unwrap();
        }
        let indexes = async |range, bytes| {
            let read = wal.read(1, range, bytes).await.unwrap();
            for (index, payload) in &read {
                assert!(payload.starts_with(format!("entry {index} ").as_bytes()));
            }
            read.into_iter().map(|(index, _)| index).collect::<Vec<_>>()
        };
        assert_eq!(indexes(3..40, usize::MAX).await, (3..40).collect::<Vec<_>>());
        assert_eq!(indexes(10..12, usize::MAX).await, [10, 11]);
        assert_eq!(indexes(30..99, usize::MAX).await, (30..40).collect::<Vec<_>>());
        assert_eq!(indexes(10..30, 1).await, [10], "one comes in any case");
        assert_eq!(indexes(10..30, 150).await, [10, 11, 12]);
        assert!(indexes(0..2, 100).await.is_empty() && indexes(40..50, 100).await.is_empty());
        wal.write(vec![purge(1, 20, "")]).await.unwrap();
        assert!(indexes(20..30, 100).await.is_empty(), "purged");
        assert_eq!(wal.read(9, 0..10, 100).await.unwrap(), []);
        // Truncated and appended anew, all in one batch.
        let mut records = vec![append(1, 40, "old"), append(1, 41, "old")];
        records.extend([Record::Truncate { stream: 1, from: 40 }, append(1, 40, "entry 40 ")]);
        wal.write(records).await.unwrap();
        assert_eq!(indexes(39..50, usize::MAX).await, [39, 40]);
    });
}

#[test]
fn damage_under_a_running_log_is_reported_to_the_reader() {
    run(async {
        let disk = SimDisk::new();
        let (wal, _) = open(&disk, WalOptions::default()).await.unwrap();
        wal.write(vec![append(1, 1, "first")]).await.unwrap();
        let at = used_bytes(&disk, 1);
        wal.write(vec![append(1, 2, "second")]).await.unwrap();
        let file = disk.open(&dir().join(file_name(1)), OpenMode::Write).unwrap();
        file.write_at(&[0xff], at + 30).unwrap();
        let read = wal.read(1, 1..3, usize::MAX).await.unwrap();
        assert_eq!(read, [(1, bytes("first"))], "what comes before is good");
        match wal.read(1, 2..3, usize::MAX).await {
            Err(StorageError::Corrupt { path, offset, .. }) => {
                assert!(path.ends_with(file_name(1)) && offset == at, "{offset}");
            }
            result => panic!("{result:?}"),
        }
    });
}

/// Reads run on another thread while the writer purges, recycles and repeats; each gives the right
/// entries, or none because they are gone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reading_races_with_the_writer() {
    let directory = tempfile::tempdir().unwrap();
    let options = WalOptions { segment_bytes: 4_000, log_bytes: 16_000, ..WalOptions::default() };
    let (wal, _) = Wal::open(&Env::real(), directory.path(), options).await.unwrap();
    wal.write(vec![append(2, 1, "a stream that lags")]).await.unwrap();
    let (last, is_done) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicBool::new(false)));
    let reader = tokio::spawn({
        let (wal, last, is_done) = (wal.clone(), last.clone(), is_done.clone());
        async move {
            let mut read = 0;
            // Once more after the end, when nothing is purged any more.
            let mut goes_on = true;
            while goes_on {
                goes_on = !is_done.load(Ordering::Acquire);
                let lagging = wal.read(2, 1..2, 100).await.unwrap();
                assert_eq!(lagging, [(1, bytes("a stream that lags"))]);
                let from = last.load(Ordering::Acquire).saturating_sub(4);
                for (index, payload) in wal.read(1, from..from + 9, 1_000).await.unwrap() {
                    assert_eq!(payload, format!("{index:0300}").as_bytes());
                    read += 1;
                }
            }
            read
        }
    });
    for index in 0..400 {
        let records = vec![append(1, index, &format!("{index:0300}"))];
        wal.write(records).await.unwrap();
        last.store(index, Ordering::Release);
        if index > 5 {
            wal.write(vec![purge(1, index - 5, "")]).await.unwrap();
        }
    }
    is_done.store(true, Ordering::Release);
    assert!(reader.await.unwrap() > 0);
    let stats = wal.stats();
    assert!(stats.recycled > 4 && stats.repeated > 0, "{stats:?}");
}

/// A stream that lags does not hold the log: what it holds is written once more, and comes back.
#[test]
fn a_lagging_stream_does_not_hold_the_log() {
    run(async {
        let disk = SimDisk::new();
        let options = WalOptions { log_bytes: 3_000, ..SMALL };
        let (wal, _) = open(&disk, options).await.unwrap();
        wal.write(vec![append(7, 1, "lagging"), append(7, 2, "too"), slot(7, 0, "vote")])
            .await
            .unwrap();
        for index in 1..=100 {
            let mut records = vec![append(1, index, &"x".repeat(200))];
            records.extend((index > 2).then(|| purge(1, index - 2, "note")));
            wal.write(records).await.unwrap();
            assert!(wal.stats().segments <= 9, "{:?}", wal.stats());
        }
        let stats = wal.stats();
        assert!((10..60).contains(&stats.repeated), "{stats:?}");
        assert_eq!(wal.read(7, 1..3, 1_000).await.unwrap().len(), 2);
        drop(wal);
        disk.power_loss(3);
        let (wal, streams) = open(&disk, options).await.unwrap();
        assert_eq!(streams[&7].entries[&1], "lagging");
        assert_eq!(streams[&7].entries[&2], "too");
        assert_eq!(streams[&7].slots[&0], "vote");
        assert_eq!(wal.read(7, 1..3, 1_000).await.unwrap().len(), 2, "found again after opening");
    });
}

/// What is mostly alive is not written again and again.
#[test]
fn a_log_that_is_alive_is_left_alone() {
    run(async {
        let disk = SimDisk::new();
        let options = WalOptions { log_bytes: 3_000, ..SMALL };
        let (wal, _) = open(&disk, options).await.unwrap();
        for index in 1..=100 {
            wal.write(vec![append(1, index, &"x".repeat(200))]).await.unwrap();
        }
        assert_eq!(wal.stats().repeated, 0);
        assert_eq!(contents(&disk_copy(&disk)).await[&1].entries.len(), 100);
    });
}

/// The same files on another disk, since the log has its own locked.
fn disk_copy(disk: &SimDisk) -> SimDisk {
    let copy = SimDisk::new();
    copy.create_dir_all(dir()).unwrap();
    for name in disk.list(dir()).unwrap() {
        let Ok(file) = disk.open(&dir().join(&name), OpenMode::Read) else { continue };
        let mut content = vec![0; file.len().unwrap() as usize];
        file.read_exact_at(&mut content, 0).unwrap();
        copy.open(&dir().join(&name), OpenMode::Create).unwrap().write_at(&content, 0).unwrap();
    }
    copy
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, ..ProptestConfig::default() })]

    #[test]
    fn reading_agrees_with_the_model(
        workload in workload(80),
        limit in 1_usize..2_000,
    ) {
        run(async {
            let disk = SimDisk::new();
            let options = WalOptions { log_bytes: 2_000, ..SMALL };
            let (mut wal, _) = open(&disk, options).await.unwrap();
            let mut model = Model::default();
            for (at, wishes) in workload.iter().enumerate() {
                let mut records = Vec::new();
                for wish in wishes {
                    let record = model.realize(wish);
                    model.apply(std::slice::from_ref(&record));
                    records.push(record);
                }
                wal.write(records).await.unwrap();
                if at % 13 == 12 {
                    drop(wal);
                    let (reopened, streams) = open(&disk, options).await.unwrap();
                    assert_eq!(streams, model.streams);
                    wal = reopened;
                }
                for (stream, expected) in &model.streams {
                    let Some(first) = expected.entries.keys().next().copied() else { continue };
                    let (mut next, mut read) = (first, BTreeMap::new());
                    loop {
                        let some = wal.read(*stream, next..u64::MAX, limit).await.unwrap();
                        let Some((last, _)) = some.last() else { break };
                        next = last + 1;
                        read.extend(some);
                    }
                    assert_eq!(read, expected.entries, "stream {stream}");
                }
            }
        });
    }
}
