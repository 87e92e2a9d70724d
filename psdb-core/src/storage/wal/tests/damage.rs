//! Damage is reported with file and offset, or it changed nothing: no wrong answer, no panic, and
//! nothing is cut that could have been acknowledged.

use proptest::prelude::*;

use super::*;
use crate::storage::wal::batch::{BatchBuffer, Chain, Salt};
use crate::storage::wal::record::encode_checkpoint;

/// A small log of every kind of record over three segments.
async fn write_sample(disk: &SimDisk) -> Wal {
    let (wal, _) = open(disk, WalOptions { segment_bytes: 300, ..SMALL }).await.unwrap();
    for index in 1..=6 {
        wal.write(vec![append(1, index, &format!("entry {index} {}", "x".repeat(30)))])
            .await
            .unwrap();
        wal.write(vec![slot(1, 0, &format!("vote {index}")), append(2, index, "y")]).await.unwrap();
    }
    wal.write(vec![purge(2, 3, "note"), Record::Truncate { stream: 1, from: 6 }]).await.unwrap();
    wal
}

fn files(disk: &SimDisk) -> BTreeMap<String, Vec<u8>> {
    let names = disk.list(dir()).unwrap();
    let read = |name: &String| {
        let file = disk.open(&dir().join(name), OpenMode::Read).ok()?;
        let mut content = vec![0; file.len().unwrap() as usize];
        file.read_exact_at(&mut content, 0).unwrap();
        Some((name.clone(), content))
    };
    names.iter().filter_map(read).collect()
}

fn segment_count(files: &BTreeMap<String, Vec<u8>>) -> u64 {
    files.keys().filter(|name| number_of(name).is_some()).count() as u64
}

/// A fresh disk with these files.
fn disk_with(files: &BTreeMap<String, Vec<u8>>) -> SimDisk {
    let disk = SimDisk::new();
    disk.create_dir_all(dir()).unwrap();
    for (name, content) in files {
        let file = disk.open(&dir().join(name), OpenMode::Create).unwrap();
        file.write_at(content, 0).unwrap();
    }
    disk
}

/// Opens a log whose file `name` was damaged at `at`. It must be detected there or before, with
/// nothing changed, or else give `expected`.
async fn check_damaged(
    damaged: &BTreeMap<String, Vec<u8>>,
    name: &str,
    at: usize,
    expected: &Streams,
) -> bool {
    let disk = disk_with(damaged);
    match open(&disk, SMALL).await {
        Ok((_, streams)) => {
            assert_eq!(streams, *expected, "{name} byte {at}: a wrong answer");
            false
        }
        Err(StorageError::Corrupt { path, offset, reason }) => {
            assert!(path.ends_with(name), "{name} byte {at}: reported in {}", path.display());
            assert!(offset <= at as u64, "{name} byte {at}: reported at {offset}: {reason}");
            assert_eq!(files(&disk), *damaged, "{name} byte {at}: something was changed");
            true
        }
        Err(error) => panic!("{name} byte {at}: {error}"),
    }
}

#[test]
fn every_flipped_bit_of_a_closed_log_is_detected_or_harmless() {
    run(async {
        let disk = SimDisk::new();
        write_sample(&disk).await.close().await.unwrap();
        let intact = files(&disk);
        assert!(intact.len() >= 3, "the sample must span segments");
        let expected = contents(&disk_with(&intact)).await;
        let (mut detected, mut harmless) = (0, 0);
        let files = intact.keys().filter(|name| number_of(name).is_some());
        let room: u64 = files
            .zip(1..)
            .map(|(name, number)| intact[name].len() as u64 - used_bytes(&disk, number))
            .sum();
        for (name, content) in &intact {
            for at in 0..content.len() {
                for mask in [0x01, 0x80, 0xff] {
                    let mut damaged = intact.clone();
                    damaged.get_mut(name).unwrap()[at] ^= mask;
                    if check_damaged(&damaged, name, at, &expected).await {
                        detected += 1;
                    } else {
                        harmless += 1;
                    }
                }
            }
        }
        // Only the seal itself, a header and one byte, may be damaged without notice, and the room
        // behind the batches of the segments before.
        assert_eq!(harmless, (25 + room) * 3, "{detected} detected");
    });
}

#[test]
fn after_an_unclean_stop_only_the_last_batch_is_cut() {
    run(async {
        let disk = SimDisk::new();
        drop(write_sample(&disk).await);
        let before_last = files(&disk);
        let expected = contents(&disk_with(&before_last)).await;
        let newest = segment_count(&before_last);
        let last_batch = used_bytes(&disk, newest) as usize;
        let (wal, _) = open(&disk, SMALL).await.unwrap();
        wal.write(vec![append(1, 6, "the last batch")]).await.unwrap();
        drop(wal);
        assert_eq!(segment_count(&files(&disk)), newest);
        let intact: BTreeMap<_, _> =
            files(&disk).into_iter().filter(|(name, _)| number_of(name).is_some()).collect();
        let complete = contents(&disk_with(&intact)).await;
        let (name, content) = intact.last_key_value().unwrap();
        let end = used_bytes(&disk, newest) as usize;
        assert!(end < content.len(), "there is room behind the last batch");
        for at in end..content.len() {
            let mut damaged = intact.clone();
            damaged.get_mut(name).unwrap()[at] ^= 0x10;
            assert!(!check_damaged(&damaged, name, at, &complete).await, "room means nothing");
        }
        for at in 0..end {
            let mut damaged = intact.clone();
            damaged.get_mut(name).unwrap()[at] ^= 0x10;
            let detected = check_damaged(&damaged, name, at, &expected).await;
            assert_eq!(detected, at < last_batch, "{name} byte {at} of {}", content.len());
        }
        for cut in last_batch..end {
            let mut damaged = intact.clone();
            damaged.get_mut(name).unwrap().truncate(cut);
            check_damaged(&damaged, name, cut, &expected).await;
        }
        // A batch of which nothing but the end is missing is counted in full; one that is gone
        // altogether cannot be told from room.
        for (from, torn) in [(end - 1, end - last_batch), (last_batch, 0)] {
            let mut damaged = intact.clone();
            damaged.get_mut(name).unwrap()[from..].fill(0);
            let disk = disk_with(&damaged);
            let (wal, streams) = open(&disk, SMALL).await.unwrap();
            assert_eq!(streams, expected);
            assert_eq!(wal.stats().torn_bytes as usize, torn);
        }
    });
}

#[test]
fn a_missing_or_swapped_or_shortened_segment_is_reported() {
    run(async {
        let disk = SimDisk::new();
        write_sample(&disk).await.close().await.unwrap();
        let intact = files(&disk);
        let refuses = async |files: &BTreeMap<String, Vec<u8>>| {
            let result = open(&disk_with(files), SMALL).await.map(|_| ());
            assert!(matches!(result, Err(StorageError::Corrupt { .. })), "{result:?}");
        };
        let second = file_name(2);
        let mut missing = intact.clone();
        missing.remove(&second);
        refuses(&missing).await;
        let mut swapped = intact.clone();
        swapped.insert(second.clone(), intact[&file_name(1)].clone());
        refuses(&swapped).await;
        let mut empty = intact.clone();
        empty.insert(second.clone(), Vec::new());
        refuses(&empty).await;
        for cut in 1..used_bytes(&disk, 2) {
            let mut shortened = intact.clone();
            shortened.get_mut(&second).unwrap().truncate(cut as usize);
            refuses(&shortened).await;
        }
        // The oldest segment may go only when nothing lives in it.
        let mut beheaded = intact.clone();
        beheaded.remove(&file_name(1));
        refuses(&beheaded).await;
    });
}

#[test]
fn a_payload_that_looks_like_the_log_cannot_pass_for_a_batch() {
    run(async {
        // A user stores a copy of a whole log, and the batch with it is torn in its first bytes.
        let other = SimDisk::new();
        write_sample(&other).await.close().await.unwrap();
        let copy: Vec<u8> = files(&other).into_values().flatten().collect();
        let disk = SimDisk::new();
        let (wal, _) = Wal::open(&Env::simulated(2, disk.clone()), dir(), WalOptions::default())
            .await
            .unwrap();
        wal.write(vec![append(1, 1, "kept")]).await.unwrap();
        let before = used_bytes(&disk, 1);
        let payload = Bytes::from(copy);
        wal.write(vec![Record::Append { stream: 1, index: 2, payload }]).await.unwrap();
        drop(wal);
        let file = disk.open(&dir().join(file_name(1)), OpenMode::Write).unwrap();
        file.write_at(&[0xff; 30], before).unwrap();
        let streams = contents(&disk).await;
        assert_eq!(streams[&1].entries.keys().collect::<Vec<_>>(), [&1]);
    });
}

/// Writes a segment whose checksums are all right, whatever its batches hold.
fn forge_segment(disk: &SimDisk, number: u64, chain: Chain, batches: &[Vec<u8>]) -> Chain {
    let header = SegmentHeader { number, salt: Salt(9), chain };
    let (mut content, mut chain) = (header.encode().to_vec(), chain);
    for records in batches {
        let mut buffer = BatchBuffer::new();
        buffer.records().extend_from_slice(records);
        let (bytes, next) = buffer.finish(header.salt, chain);
        content.extend_from_slice(bytes);
        chain = next;
    }
    disk.create_dir_all(dir()).unwrap();
    let file = disk.open(&dir().join(file_name(number)), OpenMode::Create).unwrap();
    file.write_at(&content, 0).unwrap();
    chain
}

fn empty_checkpoint() -> Vec<u8> {
    let mut bytes = Vec::new();
    encode_checkpoint(BTreeMap::new().iter(), &mut bytes);
    bytes
}

fn encoded(records: &[Record]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for record in records {
        record.encode(&mut bytes);
    }
    bytes
}

#[test]
fn contradictions_under_right_checksums_are_reported() {
    run(async {
        let refuses = async |disk: SimDisk, expected: &str| match open(&disk, SMALL).await {
            Err(StorageError::Corrupt { reason, .. }) => {
                assert!(reason.contains(expected), "{reason}");
            }
            result => panic!("{result:?}"),
        };
        let forged = |batches: &[Vec<u8>]| {
            let disk = SimDisk::new();
            forge_segment(&disk, 1, Chain::START, batches);
            disk
        };
        let entry = encoded(&[append(1, 5, "x")]);
        refuses(forged(&[]), "checkpoint is missing").await;
        refuses(forged(std::slice::from_ref(&entry)), "begin with a checkpoint").await;
        refuses(forged(&[empty_checkpoint(), entry.clone(), entry.clone()]), "next entry is 6")
            .await;
        refuses(forged(&[empty_checkpoint(), empty_checkpoint()]), "middle of a segment").await;
        refuses(forged(&[empty_checkpoint(), vec![99]]), "unknown kind 99").await;
        refuses(forged(&[[empty_checkpoint(), vec![8]].concat()]), "something else").await;

        // The second segment's checkpoint knows nothing of the first one's entry.
        let disk = SimDisk::new();
        let chain = forge_segment(&disk, 1, Chain::START, &[empty_checkpoint(), entry]);
        forge_segment(&disk, 2, chain, &[empty_checkpoint()]);
        refuses(disk, "contradicts the segments before it").await;
    });
}

/// Bytes that often begin as records do.
fn hostile_records() -> impl Strategy<Value = Vec<u8>> {
    let numbers = prop::sample::select(vec![0, 1, 2, u64::MAX - 1, u64::MAX]);
    let piece = prop_oneof![
        (0_u8..10).prop_map(|kind| vec![kind]),
        numbers.prop_map(|number: u64| number.to_le_bytes().to_vec()),
        (0_u32..4).prop_map(|length| length.to_le_bytes().to_vec()),
        prop::collection::vec(any::<u8>(), 0..4),
    ];
    prop::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn hostile_bytes_under_right_checksums_never_panic(
        checkpoint in prop_oneof![Just(empty_checkpoint()), hostile_records()],
        batches in prop::collection::vec(hostile_records(), 0..4),
        sequence in prop::sample::select(vec![0, 1, u64::MAX]),
    ) {
        run(async {
            let disk = SimDisk::new();
            let batches: Vec<_> = std::iter::once(checkpoint).chain(batches).collect();
            forge_segment(&disk, 1, Chain { sequence, previous: 0 }, &batches);
            match open(&disk, SMALL).await {
                Ok((wal, _)) => wal.write(vec![slot(1, 0, "goes on")]).await.unwrap(),
                Err(error) => assert!(matches!(error, StorageError::Corrupt { .. }), "{error}"),
            }
        });
    }

    #[test]
    fn hostile_files_never_panic(
        content in prop::collection::vec(any::<u8>(), 0..200),
        headed in any::<bool>(),
    ) {
        run(async {
            let disk = SimDisk::new();
            forge_segment(&disk, 1, Chain::START, &[empty_checkpoint()]);
            let file = disk.open(&dir().join(file_name(1)), OpenMode::Write).unwrap();
            let offset = if headed { file.len().unwrap() } else { 0 };
            file.write_at(&content, offset).unwrap();
            match open(&disk, SMALL).await {
                Ok((_, streams)) => assert!(streams.is_empty()),
                Err(error) => assert!(matches!(error, StorageError::Corrupt { .. }), "{error}"),
            }
        });
    }
}
