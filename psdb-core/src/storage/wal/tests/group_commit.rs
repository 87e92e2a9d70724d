//! Many waiters share few syncs, and are answered in order of submission.

use std::sync::Arc;

use parking_lot::Mutex;

use super::*;

const WAITERS: u64 = 64;

#[test]
fn concurrent_waiters_share_syncs() {
    run(async {
        let disk = SimDisk::new();
        let (wal, _) = open(&disk, WalOptions::default()).await.unwrap();
        let before = disk.stats();
        let tasks: Vec<_> = (0..WAITERS)
            .map(|stream| {
                let wal = wal.clone();
                tokio::spawn(async move {
                    for index in 0..10 {
                        wal.write(vec![append(stream, index, "payload")]).await.unwrap();
                    }
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        let (syncs, writes) =
            (disk.stats().syncs - before.syncs, disk.stats().writes - before.writes);
        assert!((10..=22).contains(&syncs), "{syncs} syncs for {} writes", WAITERS * 10);
        assert_eq!(writes, syncs, "a batch is one write");
        let stats = wal.stats();
        assert_eq!((stats.records, stats.batches), (WAITERS * 10, syncs));
    });
}

#[test]
fn a_batch_has_a_limit_and_answers_in_order() {
    run(async {
        let disk = SimDisk::new();
        let options = WalOptions { batch_bytes: 1_000, ..WalOptions::default() };
        let (wal, _) = open(&disk, options).await.unwrap();
        let before = disk.stats().syncs;
        let answers = Arc::new(Mutex::new(Vec::new()));
        for index in 0..100 {
            let answers = answers.clone();
            wal.submit(vec![append(1, index, &"x".repeat(79))], move |result| {
                result.unwrap();
                answers.lock().push(index);
            });
        }
        assert!(answers.lock().is_empty(), "nothing is answered before the writer has run");
        wal.write(Vec::new()).await.unwrap();
        assert_eq!(disk.stats().syncs - before, 10, "100 records of 100 bytes");
        assert_eq!(*answers.lock(), (0..100).collect::<Vec<_>>());
    });
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn threads_share_syncs_of_real_files() {
    let directory = tempfile::tempdir().unwrap();
    let env = Env::real();
    let (wal, _) = Wal::open(&env, directory.path(), WalOptions::default()).await.unwrap();
    let before = env.disk().stats().syncs;
    let tasks: Vec<_> = (0..WAITERS)
        .map(|stream| {
            let wal = wal.clone();
            tokio::spawn(async move {
                for index in 0..10 {
                    wal.write(vec![append(stream, index, "payload")]).await.unwrap();
                }
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    let syncs = env.disk().stats().syncs - before;
    assert!(syncs < WAITERS * 10 / 2, "{syncs} syncs for {} writes", WAITERS * 10);
}
