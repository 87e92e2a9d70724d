//! A group's state on this node, as one writer sees it: machine, agreement and page file.
//!
//! ```text
//! entries ─▶ apply ─▶ sessions ─▶ machine ─▶ trees of the store      in memory, and written ahead
//!                                              │ cut: flush, begin a checkpoint, keep a snapshot
//!                                              ▼
//!                                            the page file           durable, named by its note
//! ```
//! Everything of one entry is in the trees before the next one begins, and a checkpoint is cut
//! between two entries, so a page file shows the state after a whole number of entries.
//!
//! Invariants:
//! 1. After an error nothing is applied and no checkpoint is cut any more: an entry may have been
//!    applied in part.
//! 2. The state's time never goes back, whatever the proposers' clocks do.
//!
//! Left out: locking, and writing checkpoints (`applier`).

use std::path::PathBuf;

use bytes::Bytes;
use openraft::EntryPayload;
use parking_lot::Mutex;

use super::agreed::{Agreed, applied_of};
use super::engine::{Answer, Answers, Batch, Entry, LogId, Request, SnapshotMeta};
use super::sessions::{SessionLimits, Verdict};
use super::snapshot::{self, SnapshotFile};
use super::state_machine::{Inspector, Position, StateError, StateMachine};
use super::tree_stream;
use crate::codec::frame;
use crate::env::Env;
use crate::storage::{Checkpoint, Draft, PAGE_BYTES, PageCache, Snapshot, StorageError, Store};
use crate::types::{GroupId, LogIndex, Term};

/// So many pages of dropped trees are freed along with each round of entries.
const FREED_PER_ROUND: usize = 64;
/// So many more before each checkpoint.
const FREED_PER_CHECKPOINT: usize = 1_024;

/// Where a group's page file lies.
#[derive(Clone, Debug)]
pub(crate) struct ReplicaPlace {
    pub(crate) env: Env,
    pub(crate) dir: PathBuf,
    pub(crate) group: GroupId,
    pub(crate) cache: PageCache,
}

impl ReplicaPlace {
    /// The page file.
    pub(crate) fn path(&self) -> PathBuf {
        self.dir.join(snapshot::page_file(self.group))
    }

    /// How far the last checkpoint reaches; not at all, if there is none.
    pub(crate) fn checkpointed(&self) -> Result<Option<LogIndex>, StateError> {
        let (disk, path) = (self.env.disk(), self.path());
        if !disk.exists(&path) {
            return Ok(None);
        }
        let (trees, _) = Store::open(&**disk, &path, self.cache.clone())?;
        let agreed = Agreed::open(&trees.snapshot())?;
        Ok(agreed.applied.map(|id| LogIndex(id.index)))
    }

    pub(super) fn draft(&self, ending: &str) -> Result<(Store, Draft), StorageError> {
        let part = self.dir.join(format!("g{}-{ending}.part", self.group.0));
        Store::draft(self.env.disk(), &part, &self.path(), self.cache.clone())
    }
}

/// What a group agrees on, as one replica knows it.
pub(crate) struct Replica<S: StateMachine> {
    machine: S,
    agreed: Agreed,
    trees: Store,
    /// Names the page file, if it has no name yet.
    pub(crate) draft: Option<Draft>,
    /// The bytes of commands applied since the last checkpoint was cut.
    grown_bytes: u64,
    is_broken: bool,
    /// The present state, if somebody has looked since it changed.
    view: Mutex<Option<S::View>>,
}

/// A checkpoint that was cut.
pub(crate) struct Cut {
    pub(crate) meta: SnapshotMeta,
    pub(crate) checkpoint: Checkpoint,
    /// The trees as of the checkpoint.
    pub(crate) trees: Snapshot,
}

impl<S: StateMachine> Replica<S> {
    /// Opens the group's page file at its last checkpoint, or begins a new one.
    pub(crate) fn open(place: &ReplicaPlace) -> Result<Replica<S>, StateError> {
        let disk = place.env.disk();
        snapshot::remove_leftovers(&**disk, &place.dir, place.group)
            .map_err(|error| StorageError::io("remove leftovers in", &place.dir, error))?;
        let path = place.path();
        if !disk.exists(&path) {
            let (trees, draft) = place.draft("new")?;
            return Replica::assemble(trees, Some(draft));
        }
        let (trees, opened) = Store::open(&**disk, &path, place.cache.clone())?;
        for damage in &opened.damage {
            tracing::warn!(group = %place.group, %damage, "recovery passed over a checkpoint");
        }
        Replica::assemble(trees, None)
    }

    /// Makes a page file of a snapshot that came from another replica, and gives it the place of
    /// the group's; durable when this returns.
    pub(crate) fn install(
        place: &ReplicaPlace,
        meta: &SnapshotMeta,
        received: &SnapshotFile,
    ) -> Result<Replica<S>, StateError> {
        let (mut trees, draft) = place.draft("installing")?;
        let mut inspector = S::Inspector::default();
        let read = received.read_body(|body| tree_stream::load(body, &mut trees, &mut inspector));
        let (_, loaded) = read.map_err(|source| StateError::Snapshot { action: "read", source })?;
        loaded?;
        let mut replica = Replica::<S>::assemble(trees, None)?;
        inspector.finish(&replica.machine)?;
        if replica.agreed.applied != meta.last_log_id {
            let reason =
                format!("it ends at {:?}, not at {:?}", replica.applied(), meta.last_log_id);
            return Err(StateError::Decode { what: "a snapshot", reason });
        }
        // Twice, so that the log before it is needed by neither superblock.
        let note = replica.agreed.note();
        replica.trees.checkpoint(&note)?;
        replica.trees.checkpoint(&note)?;
        draft.publish()?;
        Ok(replica)
    }

    pub(super) fn assemble(trees: Store, draft: Option<Draft>) -> Result<Replica<S>, StateError> {
        let snapshot = trees.snapshot();
        let (machine, agreed) = (S::open(&snapshot)?, Agreed::open(&snapshot)?);
        Ok(Replica {
            machine,
            agreed,
            trees,
            draft,
            grown_bytes: 0,
            is_broken: false,
            view: Mutex::new(None),
        })
    }

    pub(crate) fn applied(&self) -> Option<LogId> {
        self.agreed.applied
    }

    pub(crate) fn membership(&self) -> super::engine::Membership {
        self.agreed.membership.clone()
    }

    pub(crate) fn machine(&self) -> &S {
        &self.machine
    }

    /// The state as it is now.
    pub(crate) fn view(&self) -> S::View {
        self.view.lock().get_or_insert_with(|| self.machine.view(&self.trees)).clone()
    }

    /// Applies entries in order.
    pub(crate) fn apply(
        &mut self,
        entries: Vec<Entry>,
        limits: SessionLimits,
    ) -> Result<Vec<Answers>, (LogId, StateError)> {
        // Pages that nobody else looks at are changed in place.
        *self.view.lock() = None;
        let mut answers = Vec::with_capacity(entries.len());
        for entry in entries {
            let log_id = entry.log_id;
            let applied = self.check_usable().and_then(|()| self.apply_entry(entry, limits));
            answers.push(applied.map_err(|error| self.broken(log_id, error))?);
        }
        let freed = self.trees.free_dropped(FREED_PER_ROUND);
        freed.map_err(|error| {
            self.broken(self.agreed.applied.unwrap_or_default(), StateError::from(error))
        })?;
        Ok(answers)
    }

    fn check_usable(&self) -> Result<(), StateError> {
        if self.is_broken { Err(StorageError::Poisoned.into()) } else { Ok(()) }
    }

    fn broken(&mut self, log_id: LogId, error: StateError) -> (LogId, StateError) {
        self.is_broken = true;
        (log_id, error)
    }

    fn apply_entry(&mut self, entry: Entry, limits: SessionLimits) -> Result<Answers, StateError> {
        self.agreed.applied = Some(entry.log_id);
        match entry.payload {
            EntryPayload::Blank => Ok(Answers::default()),
            EntryPayload::Membership(membership) => {
                self.agreed.membership =
                    super::engine::Membership::new(Some(entry.log_id), membership);
                Ok(Answers::default())
            }
            EntryPayload::Normal(batch) => self.apply_batch(entry.log_id, &batch, limits),
        }
    }

    fn apply_batch(
        &mut self,
        log_id: LogId,
        batch: &Batch,
        limits: SessionLimits,
    ) -> Result<Answers, StateError> {
        self.agreed.time = self.agreed.time.max(batch.time);
        let position = Position {
            term: Term(log_id.leader_id.term),
            index: LogIndex(log_id.index),
            time: self.agreed.time,
        };
        let answers = batch.requests.iter().map(|request| self.answer(position, request, limits));
        Ok(Answers(answers.collect::<Result<_, _>>()?))
    }

    fn answer(
        &mut self,
        position: Position,
        request: &Request,
        limits: SessionLimits,
    ) -> Result<Answer, StateError> {
        self.grown_bytes += request.command.len() as u64;
        match request.id.as_ref().map(|id| self.agreed.sessions.check(id)) {
            Some(Verdict::Duplicate(first)) => return Ok(Answer::Applied(first)),
            Some(Verdict::Evicted(horizon)) => return Ok(Answer::Evicted(horizon)),
            Some(Verdict::New) | None => {}
        }
        let command = frame::decode(&request.command).map_err(|error| StateError::Decode {
            what: "a command of the log",
            reason: error.to_string(),
        })?;
        let response = self.machine.apply(&mut self.trees, position, command)?;
        let answer: Bytes = frame::encode(&response);
        if let Some(id) = &request.id {
            self.agreed.sessions.record(id, answer.clone(), position.index, limits);
        }
        Ok(Answer::Applied(answer))
    }

    /// Cuts a checkpoint, unless the page file shows this state in both superblocks already.
    pub(crate) fn cut(&mut self) -> Result<Option<Cut>, StateError> {
        self.check_usable()?;
        let (newest, older) = (self.trees.note(), self.trees.older_note());
        if !newest.is_empty() && newest == older && applied_of(&newest)? == self.agreed.applied {
            return Ok(None);
        }
        let cut = self.cut_now();
        if cut.is_err() {
            self.is_broken = true;
        }
        cut.map(Some)
    }

    fn cut_now(&mut self) -> Result<Cut, StateError> {
        self.trees.free_dropped(FREED_PER_CHECKPOINT)?;
        self.machine.flush(&mut self.trees)?;
        self.agreed.flush(&mut self.trees)?;
        let checkpoint = self.trees.begin_checkpoint(&self.agreed.note())?;
        self.grown_bytes = 0;
        Ok(Cut { meta: self.meta(), checkpoint, trees: self.trees.snapshot() })
    }

    /// The snapshot that the page file, as it was opened, stands for; none for one without
    /// checkpoints.
    pub(crate) fn opened_at(&self) -> Option<(SnapshotMeta, Snapshot)> {
        let is_kept = !self.trees.note().is_empty();
        is_kept.then(|| (self.meta(), self.trees.snapshot()))
    }

    fn meta(&self) -> SnapshotMeta {
        let index = self.agreed.applied.map_or(0, |id| id.index);
        SnapshotMeta {
            last_log_id: self.agreed.applied,
            last_membership: self.agreed.membership.clone(),
            snapshot_id: index.to_string(),
        }
    }

    /// How far the checkpoints reach that recovery could choose, at least.
    pub(crate) fn safe(&self) -> Result<Option<LogId>, StateError> {
        applied_of(&self.trees.older_note())
    }

    /// How far the newest checkpoint reaches.
    pub(crate) fn checkpointed(&self) -> Result<Option<LogId>, StateError> {
        applied_of(&self.trees.note())
    }

    /// How much the next checkpoint has to make up for: bytes of the log, or of changed pages.
    pub(crate) fn due_bytes(&self) -> u64 {
        self.grown_bytes.max(self.trees.changed_pages() * PAGE_BYTES as u64)
    }

    /// Lets nothing be applied or cut any more.
    pub(crate) fn close(&mut self) {
        self.is_broken = true;
    }
}
