//! A replica of one Raft group, of whatever kind.
//!
//! A [`Group`] ties the parts together: the engine, the log, the applier, the proposer, the read
//! barrier and the receiver of snapshots. The metadata group and every shard are groups that
//! differ in nothing but their state machine.
//!
//! Invariants:
//! 1. A response is returned only after its entry was applied here.
//! 2. After [`Group::read_barrier`] succeeds, [`Group::state`] shows every write acknowledged
//!    before the call.
//! 3. A replica that ends without having been shut down says so ([`Group::failed`]).
//! 4. A message to another replica of the group, such as an earlier one on this node, is refused.
//!
//! Left out: which members a group has, which its owner decides; changing them (`membership`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use openraft::SnapshotPolicy;
use openraft::error::{InitializeError, RaftError};
use tokio::sync::OwnedRwLockWriteGuard;

use super::applier::Applier;
use super::barrier::Barrier;
use super::config::RaftConfig;
use super::election::TieBreaker;
use super::engine::{Answer, Member, Raft};
use super::log_home::LogHome;
use super::log_store::{LogBounds, LogStore};
use super::message::{RaftMessage, RaftReply, RaftRequest};
use super::metronome::Heartbeats;
use super::network::Links;
use super::proposer::{Gate, ProposeError, Proposer, group_name, known_leader, leads};
use super::retention::Retention;
use super::sessions::SessionLimits;
use super::snapshot_transfer::Receiver;
use super::state_machine::StateMachine;
use super::status::{End, GroupStatus, StatusWatch};
use crate::codec::frame;
use crate::env::{Env, Task};
use crate::storage::Wal;
use crate::transport::Transport;
use crate::types::{Address, Error, GroupId, LogIndex, NodeId, Outcome, RequestId, Result, Term};

/// What a replica needs to know of itself.
#[derive(Clone, Debug)]
pub struct GroupOptions {
    /// Clock, randomness and disk.
    pub env: Env,
    /// Which group.
    pub group: GroupId,
    /// This replica's node.
    pub node: NodeId,
    /// Timers and bounds.
    pub config: RaftConfig,
}

/// A response together with its place in the group's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied<R> {
    /// The term of its entry.
    pub term: Term,
    /// The index of its entry.
    pub index: LogIndex,
    /// What the state machine answered.
    pub response: R,
}

/// A replica of one Raft group.
pub struct Group<S: StateMachine>(Arc<Parts<S>>);

struct Parts<S: StateMachine> {
    options: GroupOptions,
    raft: Raft,
    applier: Applier<S>,
    proposer: Proposer,
    barrier: Barrier,
    receiver: Receiver,
    gate: Gate,
    heartbeats: Heartbeats,
    wal: Wal,
    /// Whether it was asked to end.
    stopping: AtomicBool,
    _owned: (TieBreaker, Task<()>, Task<()>),
}

impl<S: StateMachine> Clone for Group<S> {
    fn clone(&self) -> Self {
        Group(self.0.clone())
    }
}

impl<S: StateMachine> Group<S> {
    /// Starts a replica from its page file and its log; a new one waits to be initialized or found.
    ///
    /// # Errors
    ///
    /// [`Error::Corrupt`] or [`Error::Storage`] when what is stored cannot be used,
    /// [`Error::InvalidRequest`] when the configuration makes no sense.
    pub async fn start(
        options: GroupOptions,
        home: &LogHome,
        transport: Arc<dyn Transport>,
    ) -> Result<Group<S>> {
        options.config.validate()?;
        let (env, group, config) = (&options.env, options.group, &options.config);
        let place = home.place(group);
        let limits =
            SessionLimits { clients: config.sessions, answers: config.answers_per_session };
        let recovered = home.take_recovered(group);
        let bounds = LogBounds { message: config.message_bytes, tail: config.tail_bytes };
        let log =
            LogStore::new(group, home.wal().clone(), &recovered, bounds).map_err(|error| {
                Error::Corrupt {
                    path: place.dir.with_file_name("wal").display().to_string(),
                    offset: 0,
                    reason: format!("the log of {} does not decode: {error}", group_name(group)),
                }
            })?;
        let applier = Applier::<S>::load(place.clone(), home.lock(), limits, log.clone()).await?;
        check_continuous(group, &applier, &recovered)?;
        let retention = Retention::new(env, (config.keep_entries, config.keep_bytes));
        let links = Links {
            env: env.clone(),
            place: place.clone(),
            transport,
            chunk_bytes: config.chunk_bytes,
            pause: config.heartbeat,
            retention: retention.clone(),
        };
        let engine = Arc::new(engine_config(group, config)?);
        let end = log.last_index();
        let raft = Raft::new(options.node, engine, links, log.clone(), applier.clone())
            .await
            .map_err(|fatal| internal(group, &fatal))?;
        let gate = Gate::default();
        let proposer = Proposer::start(env, group, raft.clone(), config, gate.clone());
        let limit = config.election_max;
        let barrier =
            Barrier::start(env, group, raft.clone(), (log.clone(), end), limit, gate.clone());
        let heartbeats = home.metronome().join(env, config.heartbeat, raft.clone());
        let receiver = Receiver::new(place);
        let tie_breaker = TieBreaker::start(env, raft.clone(), config);
        let purges = retention.start(raft.clone(), log);
        let checkpoints = env.spawn(checkpoint_when_due(applier.clone(), raft.clone()));
        if applier.behind() >= config.snapshot_after {
            // The engine counts from here on; without this, one crash after the other would leave
            // more and more to replay.
            raft.trigger().snapshot().await.map_err(|fatal| internal(group, &fatal))?;
        }
        let parts = Parts {
            options,
            raft,
            applier,
            proposer,
            barrier,
            receiver,
            gate,
            heartbeats,
            wal: home.wal().clone(),
            stopping: AtomicBool::new(false),
            _owned: (tie_breaker, checkpoints, purges),
        };
        Ok(Group(Arc::new(parts)))
    }

    /// Makes this pristine replica found its group with `members` as voters; no-op afterwards.
    ///
    /// Every member may do it, with the same members.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] when the members do not include this node or the engine has stopped.
    pub async fn initialize(&self, members: &BTreeMap<NodeId, Address>) -> Result<()> {
        let members: BTreeMap<_, _> =
            members.iter().map(|(node, address)| (*node, Member::new(address))).collect();
        match self.0.raft.initialize(members).await {
            Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => Ok(()),
            Err(error) => Err(internal(self.id(), &error)),
        }
    }

    /// Whether the group has ever had members, as far as this replica knows.
    pub fn is_initialized(&self) -> bool {
        let metrics = self.0.raft.metrics();
        let metrics = metrics.borrow();
        metrics.last_log_index.is_some() || metrics.last_applied.is_some()
    }

    /// Replicates `command`, applies it, and returns the state machine's response.
    ///
    /// Concurrent proposals share log entries. With a request id, a repeated proposal is applied
    /// once and gets the first response again.
    ///
    /// # Errors
    ///
    /// [`ProposeError::NotLeader`] when nothing was proposed; [`ProposeError::Failed`] otherwise,
    /// whose outcome is unknown unless the error says so. [`Error::DiskFull`] is one that is
    /// certain: what makes the state grow is refused before it is proposed.
    pub async fn propose(
        &self,
        request: Option<RequestId>,
        command: &S::Command,
        timeout: Duration,
    ) -> Result<Applied<S::Response>, ProposeError> {
        if !leads(&self.0.raft) {
            return Err(ProposeError::NotLeader(known_leader(&self.0.raft)));
        }
        if S::grows(command) {
            self.0.wal.check_room().map_err(Error::from)?;
        }
        let command = frame::encode(command);
        let (log_id, answer) = self.0.proposer.propose(request, command, timeout).await?;
        let response = match answer {
            Answer::Applied(response) => response,
            Answer::Evicted(horizon) => {
                return Err(Error::SessionEvicted { what: group_name(self.id()), horizon }.into());
            }
        };
        let response = frame::decode(&response).map_err(|error| Error::Internal {
            reason: format!("a response of {} does not decode: {error}", group_name(self.id())),
            outcome: Outcome::Unknown,
        })?;
        Ok(Applied { term: Term(log_id.leader_id.term), index: LogIndex(log_id.index), response })
    }

    /// Waits until this replica's state shows every write acknowledged before this call.
    ///
    /// # Errors
    ///
    /// [`ProposeError::NotLeader`] on any replica but the leader, [`ProposeError::Failed`] when no
    /// quorum confirms within `timeout`.
    pub async fn read_barrier(&self, timeout: Duration) -> Result<(), ProposeError> {
        self.0.barrier.wait(timeout).await
    }

    /// An O(1) snapshot of the state as applied here; linearizable only behind a barrier.
    pub fn state(&self) -> S::View {
        self.0.applier.view()
    }

    /// As [`Group::state`], with the log index at which that state was reached.
    pub fn state_at(&self) -> (LogIndex, S::View) {
        self.0.applier.view_at()
    }

    /// What `look` sees of the state machine as it is now, and the log index at which. Nothing is
    /// applied meanwhile, so `look` must be short.
    pub fn look<R>(&self, look: impl FnOnce(&S) -> R) -> (LogIndex, R) {
        self.0.applier.look(look)
    }

    /// Whether looking something up in [`Group::state`] may have to wait for the disk.
    pub fn reads_may_wait(&self) -> bool {
        self.0.applier.place().cache.was_full()
    }

    /// Why this replica has stopped, if it is its storage that has failed.
    pub fn failure(&self) -> Option<Error> {
        self.0.applier.failure()
    }

    /// How this replica stands in its group.
    pub fn status(&self) -> GroupStatus {
        GroupStatus::of(&self.0.raft.metrics().borrow())
    }

    /// Tells of every change of [`Group::status`].
    pub fn watch(&self) -> StatusWatch {
        StatusWatch::new(self.0.raft.metrics())
    }

    /// Answers a message of another replica.
    pub async fn handle(&self, body: &[u8]) -> Bytes {
        let reply = match frame::decode::<RaftMessage>(body) {
            Ok(message) if message.to != self.node() => RaftReply::Refused(format!(
                "replica {} of {} is not here; this is {}",
                message.to,
                group_name(self.id()),
                self.node()
            )),
            Ok(message) => self.answer(message.request).await,
            Err(error) => RaftReply::Refused(format!("the message does not decode: {error}")),
        };
        frame::encode(&reply)
    }

    async fn answer(&self, request: RaftRequest) -> RaftReply {
        let raft = &self.0.raft;
        let refused = |error: &dyn std::error::Error| RaftReply::Refused(error.to_string());
        match request {
            RaftRequest::Append(request) => match raft.append_entries(request).await {
                Ok(response) => RaftReply::Append(response),
                Err(error) => refused(&error),
            },
            RaftRequest::Vote(request) => match raft.vote(request).await {
                Ok(response) => RaftReply::Vote(response),
                Err(error) => refused(&error),
            },
            RaftRequest::Chunk(chunk) => RaftReply::Chunk(self.0.receiver.take(chunk, raft).await),
        }
    }

    /// Takes a checkpoint now; the log before the checkpoint before it can be dropped then.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] when the engine has stopped.
    pub async fn snapshot(&self) -> Result<()> {
        self.0.raft.trigger().snapshot().await.map_err(|fatal| internal(self.id(), &fatal))
    }

    /// Stands for election now instead of after a timeout.
    ///
    /// # Errors
    ///
    /// [`Error::Internal`] when the engine has stopped.
    pub async fn elect(&self) -> Result<()> {
        self.0.raft.trigger().elect().await.map_err(|fatal| internal(self.id(), &fatal))
    }

    /// Waits until this replica has ended without having been shut down, and returns why.
    ///
    /// [`Error::Storage`] or [`Error::Corrupt`] when its storage failed it, [`Error::Internal`]
    /// when the engine broke down. Either way nothing in memory can be trusted any more; what is on disk can, after
    /// a new start.
    pub async fn failed(&self) -> Error {
        let end = tokio::select! {
            biased;
            () = self.0.applier.panicked() => End::Silent,
            end = self.watch().ended() => end,
        };
        if self.0.stopping.load(Ordering::Acquire) {
            return std::future::pending().await;
        }
        let name = group_name(self.id());
        match end {
            End::Storage(reason) => self
                .failure()
                .unwrap_or_else(|| Error::Storage { reason: format!("{name}: {reason}") }),
            End::Silent => Error::Internal {
                reason: format!("the Raft replica of {name} has broken down here"),
                outcome: Outcome::Unknown,
            },
        }
    }

    /// Stops this replica, and makes its state durable, so that the next start replays nothing.
    /// What waits fails with an unknown outcome.
    pub async fn shutdown(&self) {
        self.stop(true).await;
    }

    /// Stops this replica, which is not wanted any more.
    pub async fn abandon(&self) {
        self.stop(false).await;
    }

    async fn stop(&self, with_checkpoint: bool) {
        self.0.stopping.store(true, Ordering::Release);
        if let Err(error) = self.0.raft.shutdown().await {
            tracing::error!(group = %self.id(), %error, "a Raft engine did not stop cleanly");
        }
        if let Err(error) = self.0.applier.close(with_checkpoint).await {
            tracing::warn!(group = %self.id(), %error, "the last checkpoint was not taken; the next start replays the log");
        }
    }

    /// Whether this replica leads, as far as it knows.
    pub fn leads(&self) -> bool {
        leads(&self.0.raft)
    }

    /// How far this replica has applied its log.
    pub fn applied(&self) -> LogIndex {
        self.0.applier.applied()
    }

    /// This replica's number in its group.
    pub fn node(&self) -> NodeId {
        self.0.options.node
    }

    pub(super) fn raft(&self) -> &Raft {
        &self.0.raft
    }

    pub(super) fn env(&self) -> &Env {
        &self.0.options.env
    }

    pub(super) fn config(&self) -> &RaftConfig {
        &self.0.options.config
    }

    /// Lets this replica send no heartbeats for a while, or again.
    pub(super) fn silence(&self, silent: bool) {
        self.0.heartbeats.silence(silent);
    }

    /// Holds proposals and reads back for as long as the answer lives.
    pub(super) async fn pause_requests(&self) -> OwnedRwLockWriteGuard<()> {
        self.0.gate.clone().write_owned().await
    }

    /// Which group this is a replica of.
    pub fn id(&self) -> GroupId {
        self.0.options.group
    }
}

fn internal(group: GroupId, error: &dyn std::error::Error) -> Error {
    Error::Internal { reason: format!("{}: {error}", group_name(group)), outcome: Outcome::Unknown }
}

/// Takes checkpoints when the log or the changed pages have grown enough.
async fn checkpoint_when_due<S: StateMachine>(applier: Applier<S>, raft: Raft) {
    loop {
        applier.due().await;
        if raft.trigger().snapshot().await.is_err() {
            return;
        }
    }
}

/// Refuses to start over a hole between the page file and the log: entries would be skipped.
fn check_continuous<S: StateMachine>(
    group: GroupId,
    applier: &Applier<S>,
    recovered: &crate::storage::RecoveredStream,
) -> Result<()> {
    let applied = applier.applied().0;
    let first = recovered.entries.first_key_value().map(|(index, _)| *index);
    let floor = recovered.floor.as_ref().map_or(0, |(index, _)| *index);
    let missing_from = applied + 1;
    if floor > applied || first.is_some_and(|first| first > missing_from) {
        return Err(Error::Corrupt {
            path: applier.place().path().display().to_string(),
            offset: 0,
            reason: format!(
                "{} is stored up to {applied}, but its log begins after {}",
                group_name(group),
                floor.max(first.unwrap_or(0).saturating_sub(1)),
            ),
        });
    }
    Ok(())
}

fn engine_config(group: GroupId, config: &RaftConfig) -> Result<openraft::Config> {
    let millis = |duration: Duration| duration.as_millis() as u64;
    let engine = openraft::Config {
        cluster_name: format!("group {group}"),
        heartbeat_interval: millis(config.heartbeat),
        // The process's metronome asks for them.
        enable_heartbeat: false,
        election_timeout_min: millis(config.election_min),
        election_timeout_max: millis(config.election_max),
        snapshot_policy: SnapshotPolicy::LogsSinceLast(config.snapshot_after),
        // What stays is decided by `retention`.
        max_in_snapshot_log_to_keep: u64::MAX,
        replication_lag_threshold: config.snapshot_after + config.keep_entries,
        ..openraft::Config::default()
    };
    engine
        .validate()
        .map_err(|error| Error::InvalidRequest { reason: format!("Raft settings: {error}") })
}
