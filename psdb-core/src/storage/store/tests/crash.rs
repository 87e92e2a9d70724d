//! Power loss at every operation of a workload, with unsynced writes lost, kept and torn: after
//! reopening, the store is the last checkpoint that was acknowledged, or the one that was being
//! written. It then goes on and survives the next power loss.

use super::*;
use crate::env::Fault;

/// One part of a workload: changes, then a checkpoint or none.
type Part = (Vec<(Vec<u8>, Change)>, bool);

fn workload(parts: usize) -> impl Strategy<Value = Vec<Part>> {
    let changes = prop::collection::vec((tree(), change()), 1..40);
    prop::collection::vec((changes, prop::bool::weighted(0.7)), 1..parts)
}

/// What is known of a run that a power loss has ended.
struct Run {
    /// The states that recovery may give.
    allowed: Vec<(Vec<u8>, Trees)>,
    was_interrupted: bool,
}

/// Runs the workload with a power loss at the `n`-th operation that `fault` counts.
fn run_until(disk: &SimDisk, workload: &[Part], n: u64, fault: Fault) -> Run {
    let mut trees = Trees::new();
    let mut allowed = vec![(Vec::new(), trees.clone())];
    let (mut store, _) = open(disk).unwrap();
    disk.fail_at(n, fault);
    for (at, (changes, ends_with_checkpoint)) in workload.iter().enumerate() {
        for (tree, change) in changes {
            match change.try_apply(&mut store, tree) {
                Ok(_) => change.apply_to_model(&mut trees, tree),
                Err(_) => return Run { allowed, was_interrupted: true },
            }
        }
        if !ends_with_checkpoint {
            continue;
        }
        let note = (at as u64 + 1).to_le_bytes();
        let Ok(checkpoint) = store.begin_checkpoint(&note) else {
            return Run { allowed, was_interrupted: true };
        };
        allowed.push((note.to_vec(), trees.clone()));
        // The writer goes on while the checkpoint is being written: nothing of this may show.
        if store.insert(b"documents", b"in between", &[7; 100]).is_ok() {
            Change::Insert(b"in between".to_vec(), vec![7; 100])
                .apply_to_model(&mut trees, b"documents");
        } else {
            drop(checkpoint);
            return Run { allowed, was_interrupted: true };
        }
        if checkpoint.write().is_err() {
            return Run { allowed, was_interrupted: true };
        }
        allowed = allowed.split_off(allowed.len() - 1);
    }
    Run { allowed, was_interrupted: disk.is_off() }
}

/// One power loss, one recovery, more work, one more power loss.
fn check_one(workload: &[Part], n: u64, fault: Fault, seed: u64) -> bool {
    let context = format!("{fault:?} at {n}, seed {seed}");
    let disk = disk_with_seed(seed);
    let run = run_until(&disk, workload, n, fault);
    disk.clear_faults();
    disk.power_on();
    let (mut store, opened) = open(&disk).expect(&context);
    let found = (opened.note.to_vec(), contents(&store.snapshot()));
    assert!(run.allowed.contains(&found), "{context}: recovered {:?}", found.0);
    check(&store);

    // Old pages are written again now; the state before must survive until the next checkpoint.
    let (_, mut trees) = found.clone();
    for (tree, change) in workload.iter().flat_map(|(changes, _)| changes).take(30) {
        change.apply(&mut store, &mut trees, tree);
    }
    let saves = seed.is_multiple_of(2);
    if saves {
        store.checkpoint(b"after").expect(&context);
    }
    drop(store);
    disk.power_loss(seed ^ 1);
    let (store, opened) = open(&disk).expect(&context);
    let expected = if saves { (b"after".to_vec(), trees) } else { found };
    assert_eq!((opened.note.to_vec(), contents(&store.snapshot())), expected, "{context}");
    check(&store);
    run.was_interrupted
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 8, ..ProptestConfig::default() })]

    #[test]
    fn power_loss_at_every_operation_leaves_a_checkpoint(
        workload in workload(5),
        seed in any::<u64>(),
    ) {
        let mut n = 1;
        while check_one(&workload, n, Fault::PowerLoss, seed.wrapping_add(n)) {
            n += 1;
        }
    }

    #[test]
    fn power_loss_at_every_sync_leaves_a_checkpoint(
        workload in workload(12),
        seed in any::<u64>(),
    ) {
        let mut n = 1;
        while check_one(&workload, n, Fault::PowerLossAtSync, seed.wrapping_add(n)) {
            n += 1;
        }
    }
}

/// A fixed workload, so that every run of the tests meets every point of it with many fates.
#[test]
fn a_fixed_workload_survives_power_loss_at_every_operation() {
    let part = |from: u32, count: u32, removes: bool| -> Part {
        let changes = (from..from + count).map(|n| {
            let key = format!("key-{n:05}").into_bytes();
            let length = if n % 17 == 0 { 9_000 } else { 150 + n as usize % 700 };
            let change = if removes {
                Change::Remove(key)
            } else {
                Change::Insert(key, vec![n as u8; length])
            };
            (b"documents".to_vec(), change)
        });
        (changes.collect(), true)
    };
    let workload = [part(0, 60, false), part(30, 60, false), part(0, 70, true), part(0, 40, false)];
    let mut interrupted = 0;
    for seed in 0..3 {
        let mut n = 1;
        while check_one(&workload, n, Fault::PowerLoss, seed * 1_000 + n) {
            n += 1;
            interrupted += 1;
        }
    }
    assert!(interrupted > 100, "only {interrupted} power losses");
}

/// After a failed sync the system goes on showing what it may not have written, and the next sync
/// does not write it: what the next process reads there must not be lost later.
#[test]
fn what_was_read_after_a_crash_of_the_process_is_durable() {
    for n in (1..4).flat_map(|sync| (0..40).map(move |seed| seed * 3 + sync)) {
        let disk = disk_with_seed(n);
        let (mut store, _) = open(&disk).unwrap();
        store.insert(b"t", b"a", b"1").unwrap();
        store.checkpoint(b"1").unwrap();
        store.insert(b"t", b"a", b"2").unwrap();
        disk.fail_at(n % 3 + 1, Fault::SyncError);
        drop(store.checkpoint(b"2"));
        disk.clear_faults();
        drop(store);
        let (mut store, opened) = open(&disk).unwrap();
        let found = contents(&store.snapshot());
        store.insert(b"t", b"b", b"3").unwrap();
        drop(store);
        disk.power_loss(n);
        let (store, again) = open(&disk).unwrap();
        assert_eq!(again.note, opened.note, "failed sync {n}");
        assert_eq!(contents(&store.snapshot()), found);
        check(&store);
    }
}

/// The same for the file's name: a directory that could not be synced may lose it.
#[test]
fn a_name_that_was_not_synced_is_made_again() {
    for seed in 0..40 {
        let disk = disk_with_seed(seed);
        disk.fail_at(2, Fault::SyncError);
        assert!(open(&disk).is_err(), "the second sync is that of the directory");
        disk.clear_faults();
        let (mut store, _) = open(&disk).unwrap();
        store.insert(b"t", b"a", b"1").unwrap();
        store.checkpoint(b"1").unwrap();
        drop(store);
        disk.power_loss(seed);
        let (store, opened) = open(&disk).unwrap();
        assert_eq!((&opened.note[..], store.entries(b"t")), (&b"1"[..], 1), "seed {seed}");
    }
}
