//! What waits for the writer.
//!
//! A submission is admitted or refused when it is pushed, against the log as it will be when
//! everything queued before is written. So a refusal comes at once, and the writer meets no
//! contradictions.
//!
//! Invariants:
//! 1. Submissions leave in the order they came.
//! 2. Every completion is called exactly once, even when the writer is dropped.
//! 3. No completion is called under the queue's lock.
//!
//! Left out: a bound, which is the submitters' duty.

use std::collections::{BTreeMap, VecDeque};
use std::fmt;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use tokio::sync::Notify;

use super::batch::MAX_RECORD_BYTES;
use super::ledger::Bounds;
use super::record::Record;
use crate::storage::StorageError;

/// The most bytes of a slot or of a purge's note: 1 MiB, since every segment repeats them.
const MAX_SLOT_BYTES: usize = 1 << 20;

type Callback = Box<dyn FnOnce(Result<(), StorageError>) + Send>;

/// Whom to tell how a submission ended. Dropping it tells [`StorageError::Closed`].
pub(super) struct Completion(Option<Callback>);

impl Completion {
    pub(super) fn new(callback: impl FnOnce(Result<(), StorageError>) + Send + 'static) -> Self {
        Completion(Some(Box::new(callback)))
    }

    pub(super) fn complete(mut self, result: Result<(), StorageError>) {
        if let Some(callback) = self.0.take() {
            callback(result);
        }
    }
}

impl Drop for Completion {
    fn drop(&mut self) {
        if let Some(callback) = self.0.take() {
            callback(Err(StorageError::Closed));
        }
    }
}

impl fmt::Debug for Completion {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Completion")
    }
}

/// Records to be written together.
#[derive(Debug)]
pub(super) struct Submission {
    pub(super) records: Vec<Record>,
    /// `None` when nobody waits.
    pub(super) done: Option<Completion>,
    bytes: usize,
}

/// What the writer is to do next.
#[derive(Debug)]
pub(super) enum Work {
    /// Write these as one batch.
    Batch(Vec<Submission>),
    /// Seal the log and stop.
    Close,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// No more is taken; what is queued will be written.
    Closing,
    Closed,
    Poisoned,
}

#[derive(Debug)]
struct State {
    phase: Phase,
    waiting: VecDeque<Submission>,
    /// How many of the waiting somebody waits for.
    awaited: usize,
    bytes: usize,
    /// The bounds of every stream once everything waiting is written.
    planned: BTreeMap<u64, Bounds>,
    closers: Vec<Completion>,
    /// Whether the writer waits on its thread, not in its task.
    lingers: bool,
}

/// The queue between submitters and the writer.
#[derive(Debug)]
pub(super) struct Queue {
    state: Mutex<State>,
    wake: Notify,
    /// Wakes the writer while it lingers.
    linger: Condvar,
    batch_bytes: usize,
}

impl Queue {
    pub(super) fn new(planned: BTreeMap<u64, Bounds>, batch_bytes: usize) -> Queue {
        let state = State {
            phase: Phase::Open,
            waiting: VecDeque::new(),
            awaited: 0,
            bytes: 0,
            planned,
            closers: Vec::new(),
            lingers: false,
        };
        let state = Mutex::new(state);
        Queue { state, wake: Notify::new(), linger: Condvar::new(), batch_bytes }
    }

    /// Encoded bytes that wait.
    pub(super) fn bytes(&self) -> usize {
        self.state.lock().bytes
    }

    /// Queues records that somebody waits for.
    pub(super) fn push(&self, records: Vec<Record>, done: Completion) {
        let mut done = Some(done);
        if let Err(error) = self.admit(records, &mut done)
            && let Some(done) = done
        {
            done.complete(Err(error));
        }
    }

    /// Queues records that nobody waits for.
    pub(super) fn push_lazy(&self, records: Vec<Record>) -> Result<(), StorageError> {
        self.admit(records, &mut None)
    }

    /// Takes `done` only if the records are admitted.
    fn admit(
        &self,
        records: Vec<Record>,
        done: &mut Option<Completion>,
    ) -> Result<(), StorageError> {
        let bytes = checked_size(&records)?;
        let mut state = self.state.lock();
        match state.phase {
            Phase::Open => {}
            Phase::Closing | Phase::Closed => return Err(StorageError::Closed),
            Phase::Poisoned => return Err(StorageError::Poisoned),
        }
        state.plan(&records).map_err(|reason| StorageError::Refused { reason })?;
        let submission = Submission { records, done: done.take(), bytes };
        state.awaited += usize::from(submission.done.is_some());
        state.bytes += bytes;
        state.waiting.push_back(submission);
        if state.has_batch(self.batch_bytes) {
            self.wake_writer(&state);
        }
        Ok(())
    }

    /// Asks the writer to finish what is queued and to seal the log.
    pub(super) fn close(&self, done: Completion) {
        let mut state = self.state.lock();
        let result = match state.phase {
            Phase::Open | Phase::Closing => {
                state.phase = Phase::Closing;
                state.closers.push(done);
                self.wake_writer(&state);
                return;
            }
            Phase::Closed => Ok(()),
            Phase::Poisoned => Err(StorageError::Poisoned),
        };
        drop(state);
        done.complete(result);
    }

    fn wake_writer(&self, state: &State) {
        if state.lingers {
            self.linger.notify_one();
        } else {
            self.wake.notify_one();
        }
    }

    /// Waits for something to do. For the one writer only.
    pub(super) async fn next(&self) -> Work {
        loop {
            if let Some(work) = self.state.lock().work(self.batch_bytes) {
                return work;
            }
            self.wake.notified().await;
        }
    }

    /// Waits for something to do, on this thread and for so long. For the one writer only.
    pub(super) fn next_within(&self, patience: Duration) -> Option<Work> {
        let mut state = self.state.lock();
        let mut work = state.work(self.batch_bytes);
        if work.is_none() {
            state.lingers = true;
            // It may wake for no reason; then the writer waits in its task, as it does later.
            self.linger.wait_for(&mut state, patience);
            state.lingers = false;
            work = state.work(self.batch_bytes);
        }
        work
    }

    /// Ends the queue after the log was sealed.
    pub(super) fn closed(&self) {
        for done in self.end(Phase::Closed) {
            done.complete(Ok(()));
        }
    }

    /// Ends the queue after a failure; gives back whom to tell of it.
    #[must_use = "somebody waits for an answer"]
    pub(super) fn poison(&self) -> Vec<Completion> {
        self.end(Phase::Poisoned)
    }

    fn end(&self, phase: Phase) -> Vec<Completion> {
        let mut state = self.state.lock();
        if matches!(state.phase, Phase::Closed | Phase::Poisoned) {
            return Vec::new();
        }
        state.phase = phase;
        (state.awaited, state.bytes) = (0, 0);
        let waiting = std::mem::take(&mut state.waiting);
        let waiting = waiting.into_iter().filter_map(|submission| submission.done);
        waiting.chain(std::mem::take(&mut state.closers)).collect()
    }
}

impl State {
    /// Follows `records` in the planned bounds: all of them, or none if one is refused.
    fn plan(&mut self, records: &[Record]) -> Result<(), String> {
        let mut before: Vec<(u64, Option<Bounds>)> = Vec::new();
        for record in records {
            let stream = record.stream();
            let known = self.planned.get(&stream).copied();
            before.push((stream, known));
            let mut bounds = known.unwrap_or_default();
            if let Err(reason) = bounds.admit(record) {
                for (stream, bounds) in before.into_iter().rev() {
                    match bounds {
                        Some(bounds) => self.planned.insert(stream, bounds),
                        None => self.planned.remove(&stream),
                    };
                }
                return Err(reason);
            }
            if let Record::Forget { .. } = record {
                self.planned.remove(&stream);
            } else {
                self.planned.insert(stream, bounds);
            }
        }
        Ok(())
    }

    /// What there is to do, taken off the queue.
    fn work(&mut self, batch_bytes: usize) -> Option<Work> {
        let closing = self.phase == Phase::Closing;
        if self.has_batch(batch_bytes) || closing && !self.waiting.is_empty() {
            return Some(Work::Batch(self.take(batch_bytes)));
        }
        closing.then_some(Work::Close)
    }

    /// Whether there is something worth a sync.
    fn has_batch(&self, batch_bytes: usize) -> bool {
        self.awaited > 0 || self.bytes > batch_bytes
    }

    /// Takes the oldest submissions, one at least, until the batch is large enough.
    fn take(&mut self, batch_bytes: usize) -> Vec<Submission> {
        let (mut batch, mut bytes) = (Vec::new(), 0);
        while bytes < batch_bytes.max(1) {
            let fits = |next: &mut Submission| bytes == 0 || bytes + next.bytes <= MAX_RECORD_BYTES;
            let Some(next) = self.waiting.pop_front_if(fits) else { break };
            bytes += next.bytes;
            batch.push(next);
        }
        self.bytes -= bytes;
        self.awaited -= batch.iter().filter(|submission| submission.done.is_some()).count();
        batch
    }
}

/// The encoded size of `records`, if they can be written as one batch.
fn checked_size(records: &[Record]) -> Result<usize, StorageError> {
    let too_large = |what, bytes: usize, limit: usize| {
        Err(StorageError::TooLarge { what, bytes: bytes as u64, limit: limit as u64 })
    };
    let mut total = 0;
    for record in records {
        if let Record::Slot { payload: bytes, .. } | Record::Purge { note: bytes, .. } = record
            && bytes.len() > MAX_SLOT_BYTES
        {
            return too_large("a slot or note of the log", bytes.len(), MAX_SLOT_BYTES);
        }
        total += record.encoded_len();
    }
    if total > MAX_RECORD_BYTES {
        return too_large("a submission to the log", total, MAX_RECORD_BYTES);
    }
    Ok(total)
}
