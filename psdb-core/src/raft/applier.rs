//! Applies committed entries to a group's replica and makes its state durable.
//!
//! ```text
//! apply            the lock for the time of the entries
//! build_snapshot   the lock for the time of a cut; then the checkpoint is written beside
//! readers          a view in O(1); nothing is held up
//! ```
//! To the engine a *snapshot* is the last durable checkpoint: its meta, and the trees as of then,
//! which are turned into bytes only when a follower needs them.
//!
//! Invariants:
//! 1. An error of the state machine, of storage or of decoding stops the replica; nothing is
//!    skipped.
//! 2. A snapshot is reported as built or installed only when its checkpoint is durable.
//! 3. The log is purged only up to the older of the two checkpoints that recovery could choose.
//! 4. One checkpoint is written at a time, and none while a snapshot is installed.
//!
//! Left out: when to take one. The engine does by entries, `group` by bytes and at the end.

use std::sync::Arc;

use openraft::storage::RaftStateMachine;
use openraft::{AnyError, OptionalSend, RaftSnapshotBuilder, StorageIOError};
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Mutex as Turn, Notify};

use super::engine::{
    Answers, Engine, EngineError, Entry, LogId, Membership, Snapshot, SnapshotMeta,
};
use super::log_home::HomeLock;
use super::log_store::LogStore;
use super::replica::{Replica, ReplicaPlace};
use super::sessions::SessionLimits;
use super::snapshot::SnapshotBody;
use super::state_machine::{StateError, StateMachine};
use super::witness::Witness;
use crate::storage::{self, StorageError};
use crate::types::{Error, LogIndex};

/// So much log, or so many changed pages, make a checkpoint due.
const CHECKPOINT_BYTES: u64 = 32 << 20;

struct Shared<S: StateMachine> {
    replica: RwLock<Replica<S>>,
    /// The last durable checkpoint, and the trees as of then.
    current: Mutex<Option<(SnapshotMeta, storage::Snapshot)>>,
    /// Whose turn it is to write a checkpoint or to install a snapshot.
    turn: Turn<()>,
    /// Told when a checkpoint is due by its bytes.
    due: Notify,
    place: ReplicaPlace,
    limits: SessionLimits,
    log: LogStore,
    lock: HomeLock,
    /// Why the replica stopped, if storage is why.
    failure: Mutex<Option<Error>>,
    witness: Witness,
}

/// A group's state on this node.
pub(crate) struct Applier<S: StateMachine>(Arc<Shared<S>>);

impl<S: StateMachine> Clone for Applier<S> {
    fn clone(&self) -> Self {
        Applier(self.0.clone())
    }
}

impl<S: StateMachine> Applier<S> {
    /// Opens the group's page file at its last checkpoint, or begins with the first state.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] with file and offset, or [`Error::Storage`].
    pub(crate) async fn load(
        place: ReplicaPlace,
        lock: HomeLock,
        limits: SessionLimits,
        log: LogStore,
    ) -> Result<Self, Error> {
        let (from, env) = (place.clone(), place.env.clone());
        let opened = env.blocking(move || {
            let replica = Replica::<S>::open(&from)?;
            Ok((replica.opened_at(), replica.safe()?, replica))
        });
        let opened: Result<_, StateError> = opened.await;
        let (current, safe, replica) = opened.map_err(|error| error_of(&place, &error))?;
        log.allow_purge(safe)?;
        Ok(Applier(Arc::new(Shared {
            replica: RwLock::new(replica),
            current: Mutex::new(current),
            turn: Turn::new(()),
            due: Notify::new(),
            place,
            limits,
            log,
            lock,
            failure: Mutex::new(None),
            witness: Witness::default(),
        })))
    }

    /// The state as it is now, in O(1).
    pub(crate) fn view(&self) -> S::View {
        self.0.replica.read().view()
    }

    /// How far entries have been applied.
    pub(crate) fn applied(&self) -> LogIndex {
        index_of(self.0.replica.read().applied())
    }

    /// The state together with the index it was reached at.
    pub(crate) fn view_at(&self) -> (LogIndex, S::View) {
        let replica = self.0.replica.read();
        (index_of(replica.applied()), replica.view())
    }

    /// What `look` sees of the machine, and the index at which.
    pub(crate) fn look<R>(&self, look: impl FnOnce(&S) -> R) -> (LogIndex, R) {
        let replica = self.0.replica.read();
        (index_of(replica.applied()), look(replica.machine()))
    }

    /// How many entries have been applied since the last durable checkpoint.
    pub(crate) fn behind(&self) -> u64 {
        let replica = self.0.replica.read();
        let checkpointed = replica.checkpointed().ok().flatten();
        index_of(replica.applied()).0 - index_of(checkpointed).0
    }

    pub(crate) fn place(&self) -> &ReplicaPlace {
        &self.0.place
    }

    /// Why the replica stopped, if storage is why.
    pub(crate) fn failure(&self) -> Option<Error> {
        self.0.failure.lock().clone()
    }

    /// Waits for a panic of the state machine.
    pub(crate) async fn panicked(&self) {
        self.0.witness.panicked().await;
    }

    /// Waits until a checkpoint is due by its bytes.
    pub(crate) async fn due(&self) {
        self.0.due.notified().await;
    }

    /// Makes the present state durable, if asked to, and lets nothing be applied any more.
    pub(crate) async fn close(&self, with_checkpoint: bool) -> Result<(), Error> {
        let _turn = self.0.turn.lock().await;
        let result = if with_checkpoint { self.checkpoint().await } else { Ok(()) };
        self.0.replica.write().close();
        result.map_err(|error| error_of(&self.0.place, &error))
    }

    /// Cuts a checkpoint and writes it, unless there is nothing new. The caller has the turn.
    async fn checkpoint(&self) -> Result<(), StateError> {
        let shared = self.0.clone();
        self.0.place.env.blocking(move || shared.checkpoint()).await
    }

    fn failed(&self, error: &StateError) {
        let error = error_of(&self.0.place, error);
        self.0.failure.lock().get_or_insert(error);
    }
}

impl<S: StateMachine> Shared<S> {
    fn checkpoint(&self) -> Result<(), StateError> {
        let _guard = self.witness.guard();
        // Whoever opens the directory next waits until this is written.
        let _lock = self.lock.hold()?;
        let Some(cut) = self.replica.write().cut()? else { return Ok(()) };
        cut.checkpoint.write_gently()?;
        let draft = self.replica.write().draft.take();
        if let Some(draft) = draft {
            draft.publish()?;
        }
        *self.current.lock() = Some((cut.meta, cut.trees));
        let safe = self.replica.read().safe()?;
        self.log.allow_purge(safe)?;
        Ok(())
    }

    fn apply(&self, entries: Vec<Entry>) -> Result<Vec<Answers>, (LogId, StateError)> {
        let _guard = self.witness.guard();
        let mut replica = self.replica.write();
        let answers = replica.apply(entries, self.limits);
        if replica.due_bytes() >= CHECKPOINT_BYTES {
            self.due.notify_one();
        }
        answers
    }

    fn install(&self, meta: &SnapshotMeta, body: &SnapshotBody) -> Result<(), StateError> {
        let _guard = self.witness.guard();
        let SnapshotBody::Received(received) = body else {
            let reason = "a snapshot of its own was to be installed".to_owned();
            return Err(StorageError::Refused { reason }.into());
        };
        let _lock = self.lock.hold()?;
        let replica = Replica::<S>::install(&self.place, meta, received)?;
        let disk = self.place.env.disk();
        if let Err(error) = disk.remove(&received.path) {
            tracing::debug!(%error, "could not remove an installed snapshot; a restart will");
        }
        *self.current.lock() = replica.opened_at();
        let safe = replica.safe()?;
        let old = std::mem::replace(&mut *self.replica.write(), replica);
        if let Some(Err(error)) = old.draft.map(storage::Draft::discard) {
            tracing::debug!(%error, "could not remove a page file; a restart will");
        }
        self.log.allow_purge(safe)?;
        Ok(())
    }
}

fn index_of(id: Option<LogId>) -> LogIndex {
    LogIndex(id.map_or(0, |id| id.index))
}

/// What clients and operators are told of an error of a replica.
fn error_of(place: &ReplicaPlace, error: &StateError) -> Error {
    match error {
        StateError::Storage(_) | StateError::Snapshot { .. } => error.to_public(),
        StateError::Decode { .. } => Error::Corrupt {
            path: place.path().display().to_string(),
            offset: 0,
            reason: error.to_string(),
        },
    }
}

impl<S: StateMachine> RaftStateMachine<Engine> for Applier<S> {
    type SnapshotBuilder = Applier<S>;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, Membership), EngineError> {
        let replica = self.0.replica.read();
        Ok((replica.applied(), replica.membership()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<Answers>, EngineError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<Entry> = entries.into_iter().collect();
        // Where all pages have had room so far, applying waits for no disk, and handing it to
        // another thread would take longer than doing it.
        let applied = if self.0.place.cache.was_full() {
            let shared = self.0.clone();
            self.0.place.env.blocking(move || shared.apply(entries)).await
        } else {
            self.0.apply(entries)
        };
        applied.map_err(|(log_id, error)| {
            self.failed(&error);
            StorageIOError::apply(log_id, AnyError::new(&error)).into()
        })
    }

    async fn get_snapshot_builder(&mut self) -> Applier<S> {
        self.clone()
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<SnapshotBody>, EngineError> {
        let unused = std::io::Error::other("snapshots arrive whole, through snapshot_transfer");
        Err(StorageIOError::write_snapshot(None, AnyError::new(&unused)).into())
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        received: Box<SnapshotBody>,
    ) -> Result<(), EngineError> {
        let _turn = self.0.turn.lock().await;
        let (shared, received_meta) = (self.0.clone(), meta.clone());
        let work = move || shared.install(&received_meta, &received);
        self.0.place.env.blocking(work).await.map_err(|error| {
            self.failed(&error);
            StorageIOError::write_snapshot(Some(meta.signature()), AnyError::new(&error)).into()
        })
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot>, EngineError> {
        let current = self.0.current.lock().clone();
        Ok(current
            .map(|(meta, trees)| Snapshot { meta, snapshot: Box::new(SnapshotBody::Kept(trees)) }))
    }
}

impl<S: StateMachine> RaftSnapshotBuilder<Engine> for Applier<S> {
    async fn build_snapshot(&mut self) -> Result<Snapshot, EngineError> {
        let turn = self.0.turn.lock().await;
        let built = self.checkpoint().await;
        drop(turn);
        let current = self.0.current.lock().clone();
        let built = built.and_then(|()| {
            let nothing = "there is nothing to take a snapshot of".to_owned();
            current.ok_or(StorageError::Refused { reason: nothing }.into())
        });
        let (meta, trees) = built.map_err(|error| {
            self.failed(&error);
            StorageIOError::write_snapshot(None, AnyError::new(&error))
        })?;
        Ok(Snapshot { meta, snapshot: Box::new(SnapshotBody::Kept(trees)) })
    }
}
