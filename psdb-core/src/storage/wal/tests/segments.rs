//! Segments roll when they are full and go when they are free; a crash in the middle of either
//! leaves a log that opens.

use super::*;
use crate::env::Fault;

fn segment_files(disk: &SimDisk) -> Vec<String> {
    let names = disk.list(dir()).unwrap();
    names.into_iter().filter(|name| number_of(name).is_some()).collect()
}

/// Ten entries of stream 1, a few to a segment.
async fn fill(wal: &Wal) {
    for index in 1..=10 {
        wal.write(vec![append(1, index, &"x".repeat(200))]).await.unwrap();
    }
}

#[test]
fn full_segments_roll_and_free_ones_go() {
    run(async {
        let disk = SimDisk::new();
        let (wal, _) = open(&disk, SMALL).await.unwrap();
        wal.write(vec![slot(2, 0, "kept by checkpoints"), slot(1, 3, "vote")]).await.unwrap();
        fill(&wal).await;
        let all = segment_files(&disk);
        assert!(all.len() >= 5 && all[0] == "00000001.log", "{all:?}");
        assert_eq!((wal.holders(2), wal.holders(100)), (vec![1], vec![]));
        wal.write(vec![purge(1, 9, "note")]).await.unwrap();
        // The removal comes after the answer; the next answer comes after the removal.
        wal.write(Vec::new()).await.unwrap();
        assert!(segment_files(&disk).len() <= 2, "{:?}", segment_files(&disk));
        assert_eq!(wal.stats().segments as usize, segment_files(&disk).len());
        assert_eq!(wal.holders(2), Vec::<u64>::new());
        drop(wal);
        disk.power_loss(5);
        let streams = contents(&disk).await;
        assert_eq!(streams[&1].floor, Some((9, bytes("note"))));
        assert_eq!(streams[&1].entries.keys().collect::<Vec<_>>(), [&10]);
        assert_eq!(streams[&1].slots[&3], "vote");
        assert_eq!(streams[&2].slots[&0], "kept by checkpoints");
    });
}

#[test]
fn one_lagging_stream_holds_segments_and_is_named() {
    run(async {
        let disk = SimDisk::new();
        let (wal, _) = open(&disk, SMALL).await.unwrap();
        wal.write(vec![append(7, 1, "lagging")]).await.unwrap();
        fill(&wal).await;
        wal.write(vec![purge(1, 10, "")]).await.unwrap();
        wal.write(Vec::new()).await.unwrap();
        assert!(wal.stats().segments > 4);
        assert_eq!(wal.holders(2), [7]);
        wal.write(vec![Record::Forget { stream: 7 }]).await.unwrap();
        wal.write(Vec::new()).await.unwrap();
        assert_eq!((wal.stats().segments, wal.holders(1)), (1, vec![]));
        drop(wal);
        assert_eq!(contents(&disk).await.keys().collect::<Vec<_>>(), [&1]);
    });
}

#[test]
fn a_submission_larger_than_a_segment_gets_through() {
    run(async {
        let disk = SimDisk::new();
        let (wal, _) = open(&disk, SMALL).await.unwrap();
        for index in 1..=3 {
            wal.write(vec![append(1, index, &"x".repeat(5_000))]).await.unwrap();
        }
        drop(wal);
        assert_eq!(contents(&disk).await[&1].entries.len(), 3);
    });
}

#[test]
fn an_unfinished_segment_is_removed_and_others_are_left_alone() {
    run(async {
        let disk = SimDisk::new();
        let (wal, _) = open(&disk, SMALL).await.unwrap();
        fill(&wal).await;
        drop(wal);
        for name in ["00000099.log.tmp", "notes.txt", "7.log"] {
            disk.open(&dir().join(name), OpenMode::Create).unwrap();
        }
        assert_eq!(contents(&disk).await[&1].entries.len(), 10);
        assert!(!disk.exists(&dir().join("00000099.log.tmp")));
        assert!(disk.exists(&dir().join("notes.txt")) && disk.exists(&dir().join("7.log")));
    });
}

/// Loses power at the `n`-th operation from the first roll or removal on; tells whether it came.
async fn interrupted(n: u64, seed: u64) -> bool {
    let disk = SimDisk::with_seed(seed);
    let (wal, _) = open(&disk, SMALL).await.unwrap();
    wal.write(vec![slot(1, 0, "vote")]).await.unwrap();
    let mut acknowledged = 0;
    disk.fail_at(n, Fault::PowerLoss);
    for index in 1..=6_u64 {
        let payload = "x".repeat(200);
        let purged = index.saturating_sub(1);
        let records = vec![append(1, index, &payload), purge(1, purged, "")];
        if wal.write(records).await.is_ok() {
            acknowledged = index;
        }
    }
    // Waits until the last removal is done.
    drop(wal.write(Vec::new()).await);
    let came = disk.is_off();
    drop(wal);
    disk.clear_faults();
    disk.power_on();
    let (wal, streams) = open(&disk, SMALL).await.unwrap();
    let stream = &streams[&1];
    assert_eq!(stream.slots[&0], "vote", "n {n}, seed {seed}");
    let last = stream.floor.as_ref().map_or(0, |floor| floor.0 + 1);
    assert!(last >= acknowledged, "n {n}, seed {seed}: {acknowledged} acknowledged, {last} there");
    wal.write(vec![append(1, last + 1, "goes on")]).await.unwrap();
    drop(wal);
    disk.power_loss(seed);
    assert_eq!(contents(&disk).await[&1].entries[&(last + 1)], "goes on");
    came
}

#[test]
fn power_loss_at_any_operation_of_rolling_and_removing_is_survived() {
    run(async {
        let mut n = 1;
        while interrupted(n, 0).await {
            for seed in 1..10 {
                interrupted(n, seed).await;
            }
            n += 1;
        }
        assert!(n > 25, "only {n} operations were interrupted");
    });
}

fn file_bytes(disk: &SimDisk, number: u64) -> u64 {
    disk.open(&dir().join(file_name(number)), OpenMode::Read).unwrap().len().unwrap()
}

/// A write within a segment changes no file's length; the next segment has its length before it is
/// needed; a clean close gives the room back, and opening takes it again.
#[test]
fn segments_have_their_length_before_they_are_written() {
    run(async {
        let disk = SimDisk::new();
        let options = WalOptions { segment_bytes: 200 << 10, ..WalOptions::default() };
        let (wal, _) = open(&disk, options).await.unwrap();
        let (first, later) = (64 << 10, [128 << 10, 200 << 10, 200 << 10]);
        assert_eq!(file_bytes(&disk, 1), first);
        let mut index = 0;
        let mut write = async || {
            index += 1;
            wal.write(vec![append(1, index, &"x".repeat(5_000))]).await.unwrap();
            wal.stats().segments
        };
        assert_eq!(write().await, 1);
        assert_eq!(file_bytes(&disk, 1), first, "the file has not grown");
        let next = dir().join("00000002.log.tmp");
        assert!(!disk.exists(&next), "a small log takes little space");
        for (number, bytes) in (2..).zip(later) {
            while write().await < number {}
            assert_eq!(file_bytes(&disk, number), bytes, "segment {number}");
        }
        wal.close().await.unwrap();
        assert_eq!(file_bytes(&disk, 4), used_bytes(&disk, 4));
        assert!(segment_files(&disk).len() == 4 && disk.list(dir()).unwrap().len() == 4);
        let (_wal, streams) = open(&disk, options).await.unwrap();
        assert_eq!(streams[&1].entries.len() as u64, index);
        assert_eq!(file_bytes(&disk, 4), 200 << 10);
    });
}

/// Files of past segments are used again, full of batches of the log's own past. None of them comes
/// back, wherever the power goes, and whatever the tail of the new segment holds.
#[test]
fn batches_of_a_former_life_do_not_come_back() {
    run(async {
        let mut recycled = 0;
        for seed in 0..60 {
            let disk = SimDisk::with_seed(seed);
            let (wal, _) = open(&disk, SMALL).await.unwrap();
            disk.fail_at(10 + seed, Fault::PowerLoss);
            let mut acknowledged = 0;
            for index in 1..=30 {
                let records = vec![
                    append(1, index, &"x".repeat(20 + (index as usize * 37) % 90)),
                    purge(1, index.saturating_sub(2), "note"),
                ];
                match wal.write(records).await {
                    Ok(()) => acknowledged = index,
                    Err(_) => break,
                }
            }
            drop(wal.write(Vec::new()).await);
            recycled += wal.stats().recycled;
            drop(wal);
            disk.clear_faults();
            disk.power_on();
            let streams = contents(&disk).await;
            let last = streams.get(&1).and_then(|s| s.entries.keys().last().copied()).unwrap_or(0);
            assert!(last == acknowledged || last == acknowledged + 1, "seed {seed}: {last}");
        }
        assert!(recycled > 60, "only {recycled} files were used again");
    });
}
