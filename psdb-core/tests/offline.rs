//! Proves what can be done with a directory that nobody has open: a sound one is found sound, damage
//! is found wherever it is, indexes and lists of used pages are made again, and documents are read
//! together with what only the log has.

use std::path::Path;

use psdb_core::env::{Disk, Env, OpenMode, SimDisk};
use psdb_core::metadata::Metadata;
use psdb_core::raft::{Mended, Offline};
use psdb_core::shard::Shard;
use psdb_core::storage::{PageCache, Store};
use psdb_core::{Cluster, DocumentId, GroupId};
use serde_json::json;

const DIR: &str = "/d";
const PAGE_BYTES: u64 = 8_192;

/// A database of 400 documents, 40 of which came after the last clean stop.
async fn directory(seed: u64) -> (Env, SimDisk) {
    let disk = SimDisk::with_seed(seed);
    let env = Env::simulated(seed, disk.clone());
    psdb_core::env::random::seed_thread(seed);
    for (from, to) in [(0, 360), (360, 400)] {
        let cluster = Cluster::open_in(env.clone(), DIR).await.expect("opens");
        let notes = match cluster.client().create_database("notes").index("n").shards(1).await {
            Ok(notes) => notes,
            Err(_exists) => cluster.client().database("notes"),
        };
        for n in from..to {
            let document = json!({"_id": format!("{n:04}"), "n": n % 10, "text": "x".repeat(300)});
            notes.insert_one(&document).await.expect("inserts");
        }
        if to == 360 {
            cluster.close().await.expect("closes");
        } else {
            disk.power_loss(seed);
        }
    }
    (env, disk)
}

fn offline(env: &Env) -> Offline {
    Offline::open(env, Path::new(DIR)).expect("nobody has it open")
}

/// The shard that has the documents.
fn shard_with_documents(offline: &Offline) -> GroupId {
    let groups = offline.groups().expect("lists").into_iter();
    let full = groups.filter(|group| *group != GroupId::METADATA).find(|group| {
        let findings = offline.check::<Shard>(*group).expect("can be read");
        findings.store.trees.iter().any(|tree| tree.name.starts_with(b"documents/"))
    });
    full.expect("one shard has them")
}

fn overwrite(disk: &SimDisk, path: &Path, offset: u64) {
    let file = disk.open(path, OpenMode::Write).expect("opens");
    file.write_at(&[0x5a; 64], offset).expect("writes");
    file.sync().expect("syncs");
}

fn whole(disk: &SimDisk, path: &Path) -> Vec<u8> {
    let file = disk.open(path, OpenMode::Read).expect("opens");
    let mut bytes = vec![0; file.len().expect("has a length") as usize];
    file.read_exact_at(&mut bytes, 0).expect("reads");
    bytes
}

fn documents(offline: &Offline, group: GroupId) -> u64 {
    let report = offline.check::<Shard>(group).expect("can be read").store;
    let trees = report.trees.iter().filter(|tree| tree.name.starts_with(b"documents/"));
    trees.map(|tree| tree.entries).sum()
}

#[tokio::test(start_paused = true)]
async fn a_sound_directory_is_found_sound() {
    let (env, _disk) = directory(1).await;
    let offline = offline(&env);
    assert!(Offline::open(&env, Path::new(DIR)).is_err(), "it is locked meanwhile");
    let groups = offline.groups().expect("lists");
    assert_eq!(groups.len(), 5, "the masters and four shards");
    let (log, streams) = offline.log().expect("whole");
    assert!(log.segments > 0 && !log.is_sealed && !streams.is_empty());
    for group in groups {
        let findings = if group == GroupId::METADATA {
            offline.check::<Metadata>(group)
        } else {
            offline.check::<Shard>(group)
        };
        let findings = findings.expect("can be read");
        assert!(findings.store.is_sound() && findings.content.is_empty(), "{findings:?}");
        assert_eq!(offline.repair::<Shard>(group).expect("can be read"), Mended::Sound);
    }
}

#[tokio::test(start_paused = true)]
async fn documents_are_read_with_what_only_the_log_has() {
    let (env, _disk) = directory(2).await;
    let offline = offline(&env);
    let group = shard_with_documents(&offline);
    let log = offline.log().expect("whole").1.remove(&group).expect("the shard has a log");
    let salvaged = offline.salvage::<Shard>(group, &log).expect("can be read");
    let Ok(view) = salvaged.state else { panic!("the shard is whole") };
    let ids: Vec<_> = view.databases().collect();
    let notes = view.database(ids[0]).expect("it is open");
    assert_eq!(notes.stats().documents, 400);
    let last = notes.get(&DocumentId::from("0399")).expect("can be read");
    assert!(last.expect("it is only in the log").get("text").is_some());
}

/// One page after the other is damaged.
#[tokio::test(start_paused = true)]
async fn indexes_are_made_again_and_documents_are_not_made_up() {
    let (env, disk) = directory(3).await;
    let offline = offline(&env);
    let group = shard_with_documents(&offline);
    let path = offline.path(group);
    let bytes = whole(&disk, &path);
    let (mut anew, mut impossible) = (None, 0);
    for page in 2..bytes.len() as u64 / PAGE_BYTES {
        overwrite(&disk, &path, page * PAGE_BYTES + 4_000);
        let is_sound = offline.check::<Shard>(group).expect("can be read").store.is_sound();
        match offline.repair::<Shard>(group).expect("can be read") {
            Mended::Anew(_) => {
                let findings = offline.check::<Shard>(group).expect("can be read");
                assert!(findings.store.is_sound() && findings.content.is_empty(), "page {page}");
                assert_eq!(documents(&offline, group), 360, "page {page}");
                anew = Some(whole(&disk, &path));
            }
            Mended::Impossible(_) => {
                let log = offline.log().expect("whole").1.remove(&group).unwrap_or_default();
                let salvaged = offline.salvage::<Shard>(group, &log).expect("can be read");
                assert!(!is_sound, "page {page}");
                // It may be sessions that are lost; documents are all there, or it is no state.
                if let Ok(view) = salvaged.state {
                    let id = view.databases().next().expect("the database is open");
                    let notes = view.database(id).expect("the database is open");
                    assert_eq!(notes.documents(None).flatten().count(), 400, "page {page}");
                } else {
                    impossible += 1;
                }
            }
            Mended::Sound | Mended::UsedPages => {}
        }
        let file = disk.open(&path, OpenMode::Create).expect("opens");
        file.write_at(&bytes, 0).expect("writes");
    }
    assert!(impossible > 5, "{impossible} pages of documents");
    // A node starts from a file whose index was made again.
    let file = disk.open(&path, OpenMode::Create).expect("opens");
    file.write_at(&anew.expect("the index has pages"), 0).expect("writes");
    drop(offline);
    let cluster = Cluster::open_in(env, DIR).await.expect("opens again");
    let notes = cluster.client().database("notes");
    assert_eq!(notes.count("lambda d: d['n'] == 3").await.expect("counts").count, 40);
    assert_eq!(notes.count_all().await.expect("counts").count, 400);
}

/// Gives an index an entry that no document makes instead of one that a document does.
fn falsify_an_index(disk: &SimDisk, path: &Path) {
    let (mut store, opened) = Store::open(disk, path, PageCache::new(1 << 20)).expect("opens");
    let trees = store.snapshot();
    let index = trees.trees().find(|name| name.starts_with(b"index/")).expect("there is one");
    let (key, value) = trees.iter(index).next().expect("it has entries").expect("reads");
    store.remove(index, &key).expect("removes");
    store.insert(index, &[&key[..], b"?"].concat(), &value).expect("inserts");
    store.checkpoint(&opened.note).expect("is durable");
}

/// The superblock of the checkpoint before the last one.
fn older_superblock(disk: &SimDisk, path: &Path) -> u64 {
    let bytes = whole(disk, path);
    let generation = |slot: usize| {
        let at = slot * PAGE_BYTES as usize + 24;
        u64::from_le_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
    };
    if generation(0) < generation(1) { 0 } else { PAGE_BYTES }
}

#[tokio::test(start_paused = true)]
async fn a_damaged_superblock_does_not_hide_a_wrong_index() {
    let (env, disk) = directory(4).await;
    let offline = offline(&env);
    let group = shard_with_documents(&offline);
    let path = offline.path(group);
    falsify_an_index(&disk, &path);
    overwrite(&disk, &path, older_superblock(&disk, &path) + 1_000);
    let found = offline.check::<Shard>(group).expect("can be read");
    assert!(!found.store.is_sound() && !found.content.is_empty(), "{found:?}");
    let mended = offline.repair::<Shard>(group).expect("can be read");
    assert!(matches!(mended, Mended::Anew(_)), "{mended:?}");
    let found = offline.check::<Shard>(group).expect("can be read");
    assert!(found.store.is_sound() && found.content.is_empty(), "{found:?}");
    assert_eq!(documents(&offline, group), 360);
    // A superblock alone is mended by opening, which takes the other one.
    overwrite(&disk, &path, older_superblock(&disk, &path) + 1_000);
    assert_eq!(offline.repair::<Shard>(group).expect("can be read"), Mended::Sound);
}
