//! Changes who belongs to a group, and who leads it, one safe step at a time.
//!
//! A change of members takes many rounds: a new member learns the log without a vote, then one
//! joint configuration takes the place of the old one (Raft, section 6), then the final one of the
//! joint. [`Group::reconfigure`] takes the next step towards the members asked for and returns, so
//! whoever drives it may die between any two steps and another goes on.
//!
//! Handing over the lead has to outwait the engine's leader lease: members refuse to vote while
//! they have heard of a leader lately. So the leader falls silent, holding what is proposed back,
//! until the lease is over, and the target stands then.
//!
//! Invariants:
//! 1. A member gets a vote only when it has answered and lacks at most [`CATCH_UP_ENTRIES`].
//! 2. Only one change is under way; another is refused by the engine and reported as not done.
//!
//! Left out: which members a group should have.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::time::Duration;

use openraft::ChangeMembers;
use openraft::error::{ClientWriteError, RaftError};

use super::engine::{Member, Membership};
use super::group::Group;
use super::proposer::{ProposeError, group_name, known_leader};
use super::state_machine::StateMachine;
use crate::types::{Address, Error, LogIndex, NodeId, Outcome};

/// How many entries a new member may lack when it gets its vote.
const CATCH_UP_ENTRIES: u64 = 500;

/// How far a group has got towards the members asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reconfigured {
    /// Whether it has exactly those members, all voting, and that is committed.
    pub done: bool,
    /// How many entries the slowest of the new members lacks.
    pub behind: u64,
}

/// The next step towards the members asked for.
#[derive(Debug, PartialEq)]
enum Step {
    Done,
    /// A step was taken that has to be committed first.
    Wait,
    Learn(NodeId, Member),
    /// Give addresses to members that have moved.
    Readdress(BTreeMap<NodeId, Member>),
    Vote(BTreeSet<NodeId>),
    /// Take learners out that nobody asked for.
    Dismiss(BTreeSet<NodeId>),
}

/// What the decision is made on.
struct View<'a> {
    membership: &'a Membership,
    committed: bool,
    last_log: LogIndex,
    /// How far each member is known to have the log.
    matched: &'a BTreeMap<NodeId, LogIndex>,
}

fn next_step(view: &View<'_>, wanted: &BTreeMap<NodeId, Member>) -> (Step, u64) {
    let membership = view.membership.membership();
    if !view.committed {
        return (Step::Wait, 0);
    }
    let known: BTreeMap<NodeId, &Member> =
        membership.nodes().map(|(node, member)| (*node, member)).collect();
    if let Some((node, member)) = wanted.iter().find(|(node, _)| !known.contains_key(node)) {
        return (Step::Learn(*node, member.clone()), view.last_log.0);
    }
    let moved: BTreeMap<_, _> = wanted
        .iter()
        .filter(|(node, member)| known.get(node).is_some_and(|known| *known != *member))
        .map(|(node, member)| (*node, member.clone()))
        .collect();
    if !moved.is_empty() {
        return (Step::Readdress(moved), 0);
    }
    let voters: BTreeSet<NodeId> = membership.voter_ids().collect();
    // A node that has never answered may not exist at all.
    let lacks = |node: &NodeId| match view.matched.get(node) {
        Some(LogIndex(0)) | None => u64::MAX,
        Some(matched) => view.last_log.0.saturating_sub(matched.0),
    };
    let behind = wanted.keys().filter(|node| !voters.contains(node)).map(lacks).max().unwrap_or(0);
    let target: BTreeSet<NodeId> = wanted.keys().copied().collect();
    let uniform = membership.get_joint_config().len() == 1;
    let step = if voters != target || !uniform {
        if behind <= CATCH_UP_ENTRIES { Step::Vote(target) } else { Step::Wait }
    } else {
        let extra: BTreeSet<_> = known.into_keys().filter(|node| !target.contains(node)).collect();
        if extra.is_empty() { Step::Done } else { Step::Dismiss(extra) }
    };
    (step, behind)
}

impl<S: StateMachine> Group<S> {
    /// Takes the next step towards having exactly `members`, all with a vote.
    ///
    /// Only the leader can; ask again until the answer says it is done. A member that is the leader
    /// itself and is not among `members` steps down when the change is committed.
    ///
    /// # Errors
    ///
    /// [`ProposeError::NotLeader`] on any other replica, [`ProposeError::Failed`] with unknown
    /// outcome when a step does not get through within `timeout`; asking again is safe.
    pub async fn reconfigure(
        &self,
        members: &BTreeMap<NodeId, Address>,
        timeout: Duration,
    ) -> Result<Reconfigured, ProposeError> {
        let wanted = members.iter().map(|(node, at)| (*node, Member::new(at))).collect();
        let (step, behind) = self.plan_step(&wanted).await?;
        let raft = self.raft();
        let done = step == Step::Done;
        match step {
            Step::Done | Step::Wait => {}
            Step::Learn(node, member) => {
                self.within(timeout, raft.add_learner(node, member, false)).await?;
            }
            Step::Readdress(moved) => {
                let change = ChangeMembers::SetNodes(moved);
                self.within(timeout, raft.change_membership(change, false)).await?;
            }
            Step::Vote(voters) => {
                self.within(timeout, raft.change_membership(voters, false)).await?;
            }
            Step::Dismiss(extra) => {
                let change = ChangeMembers::RemoveNodes(extra);
                self.within(timeout, raft.change_membership(change, false)).await?;
            }
        }
        Ok(Reconfigured { done, behind })
    }

    async fn plan_step(
        &self,
        wanted: &BTreeMap<NodeId, Member>,
    ) -> Result<(Step, u64), ProposeError> {
        if !self.leads() {
            return Err(ProposeError::NotLeader(known_leader(self.raft())));
        }
        let state = self.raft().with_raft_state(|state| {
            let membership = &state.membership_state;
            let committed = membership.committed().log_id() == membership.effective().log_id();
            let effective = membership.effective();
            (Membership::new(*effective.log_id(), effective.membership().clone()), committed)
        });
        let (membership, committed) = state.await.map_err(|fatal| self.unknown(&fatal))?;
        let status = self.status();
        let view = View {
            membership: &membership,
            committed,
            last_log: status.last_log,
            matched: &status.matched,
        };
        Ok(next_step(&view, wanted))
    }

    /// Waits for one step of the engine, which may hang when a snapshot is installed under it.
    async fn within<T>(
        &self,
        timeout: Duration,
        step: impl Future<Output = Result<T, RaftError<NodeId, ClientWriteError<NodeId, Member>>>>,
    ) -> Result<(), ProposeError> {
        match self.env().timeout(timeout, step).await {
            // Another change is under way: that is the step to wait for.
            Ok(Ok(_) | Err(RaftError::APIError(ClientWriteError::ChangeMembershipError(_)))) => {
                Ok(())
            }
            Ok(Err(RaftError::APIError(ClientWriteError::ForwardToLeader(forward)))) => {
                let leader = forward.leader_node.map(|member| member.address());
                Err(ProposeError::NotLeader(leader))
            }
            Ok(Err(error)) => Err(self.unknown(&error)),
            Err(_elapsed) => Err(ProposeError::Failed(Error::DeadlineExceeded {
                what: group_name(self.id()),
                after: timeout,
                outcome: Outcome::Unknown,
            })),
        }
    }

    fn unknown(&self, error: &dyn std::error::Error) -> ProposeError {
        ProposeError::Failed(Error::Unavailable {
            what: group_name(self.id()),
            reason: error.to_string(),
            outcome: Outcome::Unknown,
        })
    }

    /// Falls silent so that another member can be elected, and calls `take_over` when it can.
    ///
    /// Proposals and reads that come meanwhile wait, for a little more than the longest election
    /// timeout. If `take_over` does not lead to another leader in as long, this one goes on.
    ///
    /// # Errors
    ///
    /// [`ProposeError::NotLeader`] on any replica but the leader; [`ProposeError::Failed`] when the
    /// target lacks entries.
    pub async fn hand_over<F: Future<Output = ()>>(
        &self,
        to: NodeId,
        take_over: impl FnOnce() -> F,
    ) -> Result<(), ProposeError> {
        if !self.leads() {
            return Err(ProposeError::NotLeader(known_leader(self.raft())));
        }
        let lease = self.config().election_max;
        let pause = self.pause_requests().await;
        self.silence(true);
        let mut status = self.watch();
        let caught_up = status.until(|status| {
            status.matched.get(&to).is_some_and(|matched| *matched >= status.last_log)
        });
        let caught_up = self.env().timeout(lease, caught_up).await;
        if matches!(caught_up, Ok(Some(_))) {
            self.env().sleep(lease + self.config().heartbeat).await;
            take_over().await;
            let deposed = status.until(|status| status.role != super::Role::Leader);
            // If nobody took over, the next heartbeat makes everybody follow again.
            let _outcome = self.env().timeout(lease, deposed).await;
        }
        self.silence(false);
        drop(pause);
        match caught_up {
            Ok(_) => Ok(()),
            Err(_elapsed) => Err(ProposeError::Failed(Error::NotReady {
                what: format!("handing over {}", group_name(self.id())),
                reason: format!("{to} lacks entries of its log"),
            })),
        }
    }
}

#[cfg(test)]
mod tests {
    //! Proves that every step is the safe one.

    use openraft::Membership as Config;

    use super::*;

    fn member(node: u64) -> Member {
        Member::new(&Address::from(format!("host-{node}")))
    }

    fn nodes(ids: &[u64]) -> BTreeMap<NodeId, Member> {
        ids.iter().map(|id| (NodeId(*id), member(*id))).collect()
    }

    fn ids(ids: &[u64]) -> BTreeSet<NodeId> {
        ids.iter().copied().map(NodeId).collect()
    }

    /// The step from these voters and learners towards `wanted`, the log ending at 1,000.
    fn step(configs: &[&[u64]], all: &[u64], matched: &[(u64, u64)], wanted: &[u64]) -> Step {
        let config = Config::new(configs.iter().map(|config| ids(config)).collect(), nodes(all));
        let membership = Membership::new(None, config);
        let matched = matched.iter().map(|(node, at)| (NodeId(*node), LogIndex(*at))).collect();
        let view = View {
            membership: &membership,
            committed: true,
            last_log: LogIndex(1_000),
            matched: &matched,
        };
        next_step(&view, &nodes(wanted)).0
    }

    #[test]
    fn a_new_member_learns_before_it_votes() {
        let voters: &[&[u64]] = &[&[1, 2, 3]];
        assert_eq!(step(voters, &[1, 2, 3], &[], &[1, 2, 4]), Step::Learn(NodeId(4), member(4)));
        let lacking = step(voters, &[1, 2, 3, 4], &[(4, 499)], &[1, 2, 4]);
        assert_eq!(lacking, Step::Wait);
        let unheard = step(voters, &[1, 2, 3, 4], &[], &[1, 2, 4]);
        assert_eq!(unheard, Step::Wait);
        let learned = step(voters, &[1, 2, 3, 4], &[(4, 500)], &[1, 2, 4]);
        assert_eq!(learned, Step::Vote(ids(&[1, 2, 4])));
    }

    #[test]
    fn a_joint_configuration_is_finished() {
        let joint: &[&[u64]] = &[&[1, 2, 3], &[1, 2, 4]];
        let next = step(joint, &[1, 2, 3, 4], &[(4, 1_000)], &[1, 2, 4]);
        assert_eq!(next, Step::Vote(ids(&[1, 2, 4])));
    }

    #[test]
    fn a_learner_nobody_asked_for_is_dismissed() {
        let voters: &[&[u64]] = &[&[1, 2, 3]];
        assert_eq!(step(voters, &[1, 2, 3, 4], &[], &[1, 2, 3]), Step::Dismiss(ids(&[4])));
        assert_eq!(step(voters, &[1, 2, 3], &[], &[1, 2, 3]), Step::Done);
    }

    #[test]
    fn a_member_that_moved_gets_its_new_address() {
        let config = Config::new(vec![ids(&[1])], nodes(&[1]));
        let membership = Membership::new(None, config);
        let matched = BTreeMap::new();
        let view = View {
            membership: &membership,
            committed: true,
            last_log: LogIndex(5),
            matched: &matched,
        };
        let wanted = BTreeMap::from([(NodeId(1), member(9))]);
        assert_eq!(next_step(&view, &wanted).0, Step::Readdress(wanted.clone()));
        let uncommitted = View { committed: false, ..view };
        assert_eq!(next_step(&uncommitted, &wanted).0, Step::Wait);
    }
}
