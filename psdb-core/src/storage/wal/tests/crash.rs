//! Power loss at every sync of a random workload over several streams, and at any other operation:
//! after reopening, everything acknowledged is there, nothing is invented, and floors and slots are
//! right. The log then goes on and survives the next power loss.

use proptest::prelude::*;

use super::model::{Model, Wish, wish, workload};
use super::*;
use crate::env::Fault;

/// So little log that entries are repeated all the time.
const TIGHT: WalOptions = WalOptions { log_bytes: 1_500, ..SMALL };

/// A run of the workload up to a power loss.
struct Run {
    /// The state after each submission; the first is the state before any.
    states: Vec<Model>,
    /// How many submissions were acknowledged.
    acknowledged: usize,
    /// Whether the power loss came.
    interrupted: bool,
}

/// Submits the workload a group at a time, so that batches of several submissions occur, with a
/// power loss at the `n`-th operation that `fault` counts.
async fn run_until(disk: &SimDisk, workload: &[Vec<Wish>], n: u64, fault: Fault) -> Run {
    let (wal, _) = open(disk, TIGHT).await.unwrap();
    disk.fail_at(n, fault);
    let (mut states, mut acknowledged) = (vec![Model::default()], 0);
    for group in workload.chunks(3) {
        let mut answers = Vec::new();
        for wishes in group {
            let mut model = states.last().unwrap().clone();
            let mut records = Vec::new();
            for wish in wishes {
                let record = model.realize(wish);
                model.apply(std::slice::from_ref(&record));
                records.push(record);
            }
            states.push(model);
            let (answer, answered) = tokio::sync::oneshot::channel();
            wal.submit(records, move |result| drop(answer.send(result)));
            answers.push(answered);
        }
        for answered in answers {
            match answered.await.unwrap() {
                Ok(()) => acknowledged += 1,
                Err(StorageError::Io { .. } | StorageError::Poisoned) => {}
                Err(error) => panic!("{error}"),
            }
        }
    }
    // Waits for the removal of segments behind the last answer.
    drop(wal.write(Vec::new()).await);
    Run { states, acknowledged, interrupted: disk.is_off() }
}

/// The submission up to which the log was recovered.
fn recovered_submission(run: &Run, streams: &Streams, context: &str) -> usize {
    let candidates = run.acknowledged..run.states.len();
    let found = candidates.rev().find(|at| run.states[*at].streams == *streams);
    found.unwrap_or_else(|| {
        let at = run.acknowledged;
        panic!("{context}: {at} acknowledged; recovered {streams:#?}, model {:#?}", run.states[at])
    })
}

/// One power loss, one recovery, one more write, one more power loss.
async fn check(workload: &[Vec<Wish>], after: &Wish, n: u64, fault: Fault, seed: u64) -> bool {
    let context = format!("{fault:?} at {n}, seed {seed}");
    let disk = SimDisk::with_seed(seed);
    let run = run_until(&disk, workload, n, fault).await;
    disk.clear_faults();
    disk.power_on();
    let (wal, streams) = open(&disk, SMALL).await.expect(&context);
    let mut model = run.states[recovered_submission(&run, &streams, &context)].clone();
    let record = model.realize(after);
    model.apply(std::slice::from_ref(&record));
    wal.write(vec![record]).await.expect(&context);
    drop(wal);
    disk.power_loss(seed.wrapping_add(1));
    assert_eq!(contents(&disk).await, model.streams, "{context}, afterwards");
    run.interrupted
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn power_loss_at_every_sync_loses_nothing(
        workload in workload(24),
        after in wish(),
        seed in any::<u64>(),
    ) {
        run(async {
            let mut n = 1;
            while check(&workload, &after, n, Fault::PowerLossAtSync, seed ^ n).await {
                n += 1;
            }
        });
    }

    #[test]
    fn power_loss_at_every_operation_loses_nothing(
        workload in workload(16),
        after in wish(),
        seed in any::<u64>(),
    ) {
        run(async {
            let mut n = 1;
            while check(&workload, &after, n, Fault::PowerLoss, seed ^ n).await {
                n += 1;
            }
        });
    }

    #[test]
    fn reopening_at_random_moments_agrees_with_the_model(
        workload in workload(60),
        closes in prop::collection::vec(any::<Option<bool>>(), 60),
    ) {
        run(async {
            let disk = SimDisk::new();
            let (mut wal, _) = open(&disk, SMALL).await.unwrap();
            let mut model = Model::default();
            for (wishes, close) in workload.iter().zip(closes) {
                for wish in wishes {
                    let record = model.realize(wish);
                    model.apply(std::slice::from_ref(&record));
                    wal.write(vec![record]).await.unwrap();
                }
                let Some(clean) = close else { continue };
                if clean {
                    wal.close().await.unwrap();
                }
                drop(wal);
                let (reopened, streams) = open(&disk, SMALL).await.unwrap();
                assert_eq!(streams, model.streams);
                wal = reopened;
            }
        });
    }
}
