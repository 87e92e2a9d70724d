//! Adding and removing masters, and orders about workers.
//!
//! A master that is added runs already and waits; it learns the log, then gets its vote. One that
//! is removed loses its vote and its name is used up: should its old process come back it would
//! be another member of the same name, and might vote with what it has forgotten.
//!
//! Invariant: every step may be repeated, so a request that was answered late or not at all can be
//! sent again to whoever leads now.
//!
//! Left out: moving replicas (`mover`).

use std::collections::BTreeMap;
use std::time::Duration;

use super::Core;
use crate::env::Instant;
use crate::metadata::{Command, Metadata, Response};
use crate::raft::ProposeError;
use crate::types::{Address, Error, NodeId, Outcome, ShardId, validate_node_name};

/// How long the leader waits between two steps of a change of members.
const STEP_PAUSE: Duration = Duration::from_millis(50);

type Answer<T> = Result<T, ProposeError>;

impl Core {
    /// Makes the master called `name`, which waits at `address`, a member of the group.
    pub(super) async fn add_master(
        &self,
        metadata: &Metadata,
        name: &str,
        address: Address,
        timeout: Duration,
    ) -> Answer<()> {
        validate_node_name(name)?;
        let node = NodeId::from_name(name);
        if metadata.is_retired_master(node) {
            return Err(refused(format!(
                "master '{name}' was removed, and its name is used up; start it under a new name \
                 with an empty directory"
            )));
        }
        let before = self.group.status().voters;
        let mut members = before.clone();
        members.insert(node, address.clone());
        let deadline = self.env.instant() + timeout.mul_f64(0.8);
        if self.change_members(&members, deadline).await? {
            return Ok(());
        }
        // It would otherwise stay a learner that nobody hears of.
        let undo = self.env.instant() + timeout.mul_f64(0.2);
        self.change_members(&before, undo).await?;
        Err(ProposeError::Failed(Error::Unavailable {
            what: format!("master '{name}' at {address}"),
            reason: "it did not catch up in time; is it running, and reached there?".into(),
            outcome: Outcome::NotApplied,
        }))
    }

    /// Takes the master called `name` out of the group, for ever.
    pub(super) async fn remove_master(
        &self,
        metadata: &Metadata,
        name: &str,
        timeout: Duration,
    ) -> Answer<()> {
        let node = NodeId::from_name(name);
        let mut members = self.group.status().voters;
        if members.remove(&node).is_none() {
            if metadata.is_retired_master(node) {
                return Ok(());
            }
            return Err(Error::NodeNotFound { name: name.to_owned() }.into());
        }
        if members.is_empty() {
            return Err(refused("the last master cannot be removed; add another one first"));
        }
        // First, since a leader that has removed itself proposes nothing any more.
        self.propose(&Command::RetireMaster { master: node }, timeout).await?;
        let deadline = self.env.instant() + timeout;
        if self.change_members(&members, deadline).await? {
            return Ok(());
        }
        Err(ProposeError::Failed(Error::DeadlineExceeded {
            what: format!("removing master '{name}'"),
            after: timeout,
            outcome: Outcome::Unknown,
        }))
    }

    /// Goes step by step towards `members` until that is reached or the time is over.
    async fn change_members(
        &self,
        members: &BTreeMap<NodeId, Address>,
        deadline: Instant,
    ) -> Answer<bool> {
        loop {
            let left = deadline.elapsed_since(self.env.instant());
            if left.is_zero() {
                return Ok(false);
            }
            match self.group.reconfigure(members, left).await {
                Ok(step) if step.done => return Ok(true),
                Ok(_) => {}
                // A leader that has just removed itself knows that it was the last thing it did.
                Err(ProposeError::NotLeader(_))
                    if !members.contains_key(&self.group.node())
                        && self.group.status().voters == *members =>
                {
                    return Ok(true);
                }
                Err(ProposeError::Failed(error)) if error.is_retryable() => {}
                Err(error) => return Err(error),
            }
            self.env.sleep(STEP_PAUSE).await;
        }
    }

    /// Empties a worker, or lets it have replicas again.
    pub(super) async fn drain_worker(
        &self,
        name: &str,
        draining: bool,
        timeout: Duration,
    ) -> Answer<()> {
        let worker = NodeId::from_name(name);
        let command = Command::SetDraining { worker, draining };
        self.propose_naming(name, &command, timeout).await
    }

    pub(super) async fn remove_worker(&self, name: &str, timeout: Duration) -> Answer<()> {
        let command = Command::RemoveWorker { worker: NodeId::from_name(name) };
        self.propose_naming(name, &command, timeout).await
    }

    pub(super) async fn move_shard(
        &self,
        shard: ShardId,
        from: &str,
        to: &str,
        timeout: Duration,
    ) -> Answer<()> {
        let (from, to_node) = (NodeId::from_name(from), NodeId::from_name(to));
        let command = Command::BeginMove { shard, from, to: to_node };
        self.propose_naming(to, &command, timeout).await
    }

    /// Proposes, and speaks of the node by its name where the metadata knows only its number.
    async fn propose_naming(&self, name: &str, command: &Command, timeout: Duration) -> Answer<()> {
        match self.propose(command, timeout).await {
            Ok(Response::Done | Response::Map(_)) => Ok(()),
            Ok(_) => Err(super::service::mismatched()),
            Err(ProposeError::Failed(Error::NodeNotFound { .. })) => {
                Err(Error::NodeNotFound { name: name.to_owned() }.into())
            }
            Err(error) => Err(error),
        }
    }

    /// Where the masters are reached now.
    pub(super) fn master_addresses(&self) -> Vec<Address> {
        self.group.status().voters.into_values().collect()
    }
}

fn refused(reason: impl Into<String>) -> ProposeError {
    ProposeError::Failed(Error::InvalidRequest { reason: reason.into() })
}
