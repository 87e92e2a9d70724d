//! How a replica stands in its group, in PSDB's own words.
//!
//! Left out: history. A watch shows the present; whoever is slow misses what lay between.

use std::collections::BTreeMap;

use openraft::error::Fatal;
use openraft::{RaftMetrics, ServerState};
use tokio::sync::watch;

use super::engine::Member;
use crate::types::{Address, LogIndex, NodeId, Term};

/// What a replica is in its group.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// It orders the group's writes.
    Leader,
    /// It follows a leader, or waits for one.
    Follower,
    /// It stands for election.
    Candidate,
    /// It receives the log without a vote.
    Learner,
    /// It has stopped.
    Stopped,
}

/// A replica's view of its group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupStatus {
    /// What this replica is.
    pub role: Role,
    /// The leader it knows.
    pub leader: Option<(NodeId, Address)>,
    /// Its term.
    pub term: Term,
    /// How far it has applied the log.
    pub applied: LogIndex,
    /// Its last log entry.
    pub last_log: LogIndex,
    /// Up to where its last snapshot reaches; 0 without one.
    pub snapshot: LogIndex,
    /// Up to where its log is purged; 0 for not at all.
    pub purged: LogIndex,
    /// The voters.
    pub voters: BTreeMap<NodeId, Address>,
    /// On the leader: how far each replica is known to have the log.
    pub matched: BTreeMap<NodeId, LogIndex>,
    /// Why the engine has stopped, if it has.
    pub failure: Option<String>,
}

type Metrics = RaftMetrics<NodeId, Member>;

impl GroupStatus {
    pub(crate) fn of(metrics: &Metrics) -> GroupStatus {
        let membership = metrics.membership_config.membership();
        let address = |node: &NodeId| membership.get_node(node).map(Member::address);
        let index = |id: &Option<super::engine::LogId>| LogIndex(id.map_or(0, |id| id.index));
        let matched = metrics.replication.iter().flatten();
        GroupStatus {
            role: match metrics.state {
                ServerState::Leader => Role::Leader,
                ServerState::Follower => Role::Follower,
                ServerState::Candidate => Role::Candidate,
                ServerState::Learner => Role::Learner,
                ServerState::Shutdown => Role::Stopped,
            },
            leader: metrics.current_leader.and_then(|node| Some((node, address(&node)?))),
            term: Term(metrics.current_term),
            applied: index(&metrics.last_applied),
            last_log: LogIndex(metrics.last_log_index.unwrap_or(0)),
            snapshot: index(&metrics.snapshot),
            purged: index(&metrics.purged),
            voters: membership
                .voter_ids()
                .filter_map(|node| Some((node, address(&node)?)))
                .collect(),
            matched: matched.map(|(node, id)| (*node, index(id))).collect(),
            failure: metrics.running_state.as_ref().err().map(ToString::to_string),
        }
    }
}

/// How an engine has come to an end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum End {
    /// Its storage failed.
    Storage(String),
    /// It stopped without a word, as it does when it was asked to, or when it has panicked.
    Silent,
}

/// Tells of changes of a replica's status.
#[derive(Clone, Debug)]
pub struct StatusWatch(watch::Receiver<Metrics>);

impl StatusWatch {
    pub(crate) fn new(metrics: watch::Receiver<Metrics>) -> StatusWatch {
        StatusWatch(metrics)
    }

    /// Waits for the next change and returns the status then; `None` once the replica is gone.
    pub async fn changed(&mut self) -> Option<GroupStatus> {
        self.0.changed().await.ok()?;
        Some(GroupStatus::of(&self.0.borrow_and_update()))
    }

    /// Waits until the engine has ended.
    pub(crate) async fn ended(mut self) -> End {
        loop {
            match &self.0.borrow_and_update().running_state {
                Err(Fatal::StorageError(error)) => return End::Storage(error.to_string()),
                Err(Fatal::Panicked | Fatal::Stopped) => return End::Silent,
                Ok(()) => {}
            }
            if self.0.changed().await.is_err() {
                return End::Silent;
            }
        }
    }

    /// Waits until the last checkpoint reaches further than `seen`; `None` once the replica is gone.
    pub(crate) async fn snapshot_after(&mut self, seen: LogIndex) -> Option<()> {
        let reached = |metrics: &Metrics| metrics.snapshot.map_or(0, |id| id.index);
        self.0.wait_for(|metrics| reached(metrics) > seen.0).await.ok().map(|_metrics| ())
    }

    /// Waits until the status satisfies `condition`; `None` if the replica is gone before.
    pub async fn until(
        &mut self,
        mut condition: impl FnMut(&GroupStatus) -> bool,
    ) -> Option<GroupStatus> {
        loop {
            let status = GroupStatus::of(&self.0.borrow_and_update());
            if condition(&status) {
                return Some(status);
            }
            self.0.changed().await.ok()?;
        }
    }
}
