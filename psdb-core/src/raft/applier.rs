//! Applies committed entries to a group's state and takes its snapshots.
//!
//! A [`Replica`] is everything a group agrees on: the state machine, the sessions, the membership
//! and how far they have got. Readers and snapshots take an O(1) clone of the state machine under
//! a short lock, so they never hold up the applying of entries.
//!
//! Invariants:
//! 1. An error of the state machine or of decoding stops the replica; nothing is skipped.
//! 2. The state's time never goes back, whatever the proposers' clocks do.
//! 3. A snapshot is reported as built or installed only when its file is durable.
//!
//! Left out: the tree's own checkpoints, which the storage issue brings.

use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use openraft::storage::RaftStateMachine;
use openraft::{AnyError, EntryPayload, OptionalSend, RaftSnapshotBuilder, StorageIOError};
use parking_lot::{Mutex, RwLock};
use serde::{Deserialize, Serialize};

use super::engine::{
    Answer, Answers, Batch, Engine, EngineError, Entry, LogId, Membership, Request, Snapshot,
    SnapshotMeta,
};
use super::sessions::{SessionLimits, Sessions, Verdict};
use super::snapshot::{self, SnapshotFile};
use super::state_machine::{Position, StateError, StateMachine};
use super::witness::Witness;
use crate::codec::frame;
use crate::env::Env;
use crate::types::{GroupId, LogIndex, Term, Timestamp};

/// What a group agrees on, as one replica knows it.
#[derive(Clone, Default)]
struct Replica<S> {
    machine: S,
    agreed: Agreed,
}

/// The part of a replica that every kind of group has.
#[derive(Clone, Default, Serialize, Deserialize)]
struct Agreed {
    sessions: Sessions,
    applied: Option<LogId>,
    membership: Membership,
    time: Timestamp,
}

/// Where a group's snapshots lie.
#[derive(Clone, Debug)]
pub(crate) struct SnapshotPlace {
    pub(crate) env: Env,
    pub(crate) dir: PathBuf,
    pub(crate) group: GroupId,
}

struct Shared<S> {
    replica: RwLock<Replica<S>>,
    current: Mutex<Option<(SnapshotMeta, SnapshotFile)>>,
    place: SnapshotPlace,
    limits: SessionLimits,
    witness: Witness,
}

/// A group's state on this node.
pub(crate) struct Applier<S>(Arc<Shared<S>>);

impl<S> Clone for Applier<S> {
    fn clone(&self) -> Self {
        Applier(self.0.clone())
    }
}

impl<S: StateMachine> Applier<S> {
    /// Loads the newest snapshot of the group, or begins with the default state.
    ///
    /// # Errors
    ///
    /// `InvalidData` when the snapshot is damaged.
    pub(crate) async fn load(place: SnapshotPlace, limits: SessionLimits) -> io::Result<Self> {
        let from = place.clone();
        let loaded = place.env.blocking(move || load_newest::<S>(&from)).await?;
        let (replica, current) = match loaded {
            Some((replica, meta, file)) => (replica, Some((meta, file))),
            None => (Replica::default(), None),
        };
        Ok(Applier(Arc::new(Shared {
            replica: RwLock::new(replica),
            current: Mutex::new(current),
            place,
            limits,
            witness: Witness::default(),
        })))
    }

    /// An O(1) clone of the state as it is now.
    pub(crate) fn state(&self) -> S {
        self.0.replica.read().machine.clone()
    }

    /// How far entries have been applied.
    pub(crate) fn applied(&self) -> LogIndex {
        LogIndex(self.0.replica.read().agreed.applied.map_or(0, |id| id.index))
    }

    /// The state together with the index it was reached at.
    pub(crate) fn state_at(&self) -> (LogIndex, S) {
        let replica = self.0.replica.read();
        let applied = replica.agreed.applied.map_or(0, |id| id.index);
        (LogIndex(applied), replica.machine.clone())
    }

    /// Waits for a panic of the state machine.
    pub(crate) async fn panicked(&self) {
        self.0.witness.panicked().await;
    }

    pub(crate) fn place(&self) -> &SnapshotPlace {
        &self.0.place
    }
}

fn load_newest<S: StateMachine>(
    place: &SnapshotPlace,
) -> io::Result<Option<(Replica<S>, SnapshotMeta, SnapshotFile)>> {
    let disk = place.env.disk();
    snapshot::remove_leftovers(&**disk, &place.dir, place.group)?;
    let Some(path) = snapshot::list(&**disk, &place.dir, place.group)?.into_iter().next() else {
        return Ok(None);
    };
    let file = SnapshotFile::open(&**disk, &path)?;
    let (meta, replica) = file.read_body(|body| Replica::load(body))?;
    Ok(Some((replica, meta, file)))
}

impl<S: StateMachine> Replica<S> {
    fn apply(&mut self, entry: Entry, limits: SessionLimits) -> Result<Answers, StateError> {
        self.agreed.applied = Some(entry.log_id);
        match entry.payload {
            EntryPayload::Blank => Ok(Answers::default()),
            EntryPayload::Membership(membership) => {
                self.agreed.membership = Membership::new(Some(entry.log_id), membership);
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
        match request.id.as_ref().map(|id| self.agreed.sessions.check(id)) {
            Some(Verdict::Duplicate(first)) => return Ok(Answer::Applied(first)),
            Some(Verdict::Evicted(horizon)) => return Ok(Answer::Evicted(horizon)),
            Some(Verdict::New) | None => {}
        }
        let command = frame::decode(&request.command).map_err(|error| StateError::Decode {
            what: "a command of the log",
            reason: error.to_string(),
        })?;
        let answer: Bytes = frame::encode(&self.machine.apply(position, command)?);
        if let Some(id) = &request.id {
            self.agreed.sessions.record(id, answer.clone(), position.index, limits);
        }
        Ok(Answer::Applied(answer))
    }

    fn save(&self, sink: &mut dyn Write) -> io::Result<()> {
        let agreed = frame::encode(&self.agreed);
        sink.write_all(&(agreed.len() as u64).to_le_bytes())?;
        sink.write_all(&agreed)?;
        self.machine.save(sink).map_err(state_to_io)
    }

    fn load(source: &mut dyn Read) -> io::Result<Self> {
        let mut length = [0; 8];
        source.read_exact(&mut length)?;
        // `take` bounds what a damaged length can make us read; the file's end does the rest.
        let mut agreed = Vec::new();
        source.take(u64::from_le_bytes(length)).read_to_end(&mut agreed)?;
        let agreed = frame::decode(&agreed)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
        Ok(Replica { machine: S::load(source).map_err(state_to_io)?, agreed })
    }
}

fn state_to_io(error: StateError) -> io::Error {
    match error {
        StateError::Snapshot { source, .. } => source,
        decode @ StateError::Decode { .. } => io::Error::new(io::ErrorKind::InvalidData, decode),
    }
}

impl<S: StateMachine> RaftStateMachine<Engine> for Applier<S> {
    type SnapshotBuilder = Applier<S>;

    async fn applied_state(&mut self) -> Result<(Option<LogId>, Membership), EngineError> {
        let replica = self.0.replica.read();
        Ok((replica.agreed.applied, replica.agreed.membership.clone()))
    }

    async fn apply<I>(&mut self, entries: I) -> Result<Vec<Answers>, EngineError>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let _guard = self.0.witness.guard();
        let mut replica = self.0.replica.write();
        let mut answers = Vec::new();
        for entry in entries {
            let log_id = entry.log_id;
            let answer = replica
                .apply(entry, self.0.limits)
                .map_err(|error| StorageIOError::apply(log_id, AnyError::new(&error)))?;
            answers.push(answer);
        }
        Ok(answers)
    }

    async fn get_snapshot_builder(&mut self) -> Applier<S> {
        self.clone()
    }

    async fn begin_receiving_snapshot(&mut self) -> Result<Box<SnapshotFile>, EngineError> {
        let unused = io::Error::other("snapshots arrive whole, through snapshot_transfer");
        Err(StorageIOError::write_snapshot(None, AnyError::new(&unused)).into())
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMeta,
        received: Box<SnapshotFile>,
    ) -> Result<(), EngineError> {
        let _guard = self.0.witness.guard();
        let place = self.0.place.clone();
        let index = meta.last_log_id.map_or(0, |id| id.index);
        let installed = place.env.blocking({
            let place = place.clone();
            move || -> io::Result<_> {
                let (_, replica) = received.read_body(|body| Replica::<S>::load(body))?;
                let disk = place.env.disk();
                let file = snapshot::publish(&**disk, &place.dir, place.group, index, &received)?;
                Ok((replica, file))
            }
        });
        let (replica, file) = installed.await.map_err(|error| {
            StorageIOError::write_snapshot(Some(meta.signature()), AnyError::new(&error))
        })?;
        *self.0.replica.write() = replica;
        *self.0.current.lock() = Some((meta.clone(), file));
        Ok(())
    }

    async fn get_current_snapshot(&mut self) -> Result<Option<Snapshot>, EngineError> {
        let current = self.0.current.lock().clone();
        Ok(current.map(|(meta, file)| Snapshot { meta, snapshot: Box::new(file) }))
    }
}

impl<S: StateMachine> RaftSnapshotBuilder<Engine> for Applier<S> {
    async fn build_snapshot(&mut self) -> Result<Snapshot, EngineError> {
        let _guard = self.0.witness.guard();
        let replica = self.0.replica.read().clone();
        let last_log_id = replica.agreed.applied;
        let index = last_log_id.map_or(0, |id| id.index);
        let meta = SnapshotMeta {
            last_log_id,
            last_membership: replica.agreed.membership.clone(),
            snapshot_id: format!("{}-{}", self.0.place.group.0, index),
        };
        let place = self.0.place.clone();
        let built = self.0.place.env.blocking({
            let meta = meta.clone();
            move || -> io::Result<SnapshotFile> {
                let disk = place.env.disk();
                let part = place.dir.join(format!("g{}-{index}.building.part", place.group.0));
                let file = snapshot::write(&**disk, &part, &meta, |sink| replica.save(sink))?;
                snapshot::publish(&**disk, &place.dir, place.group, index, &file)
            }
        });
        let file = built.await.map_err(|error| {
            StorageIOError::write_snapshot(Some(meta.signature()), AnyError::new(&error))
        })?;
        *self.0.current.lock() = Some((meta.clone(), file.clone()));
        Ok(Snapshot { meta, snapshot: Box::new(file) })
    }
}
