//! Moves replicas and hands leads over, a few at a time.
//!
//! On every tick of the leading master:
//!
//! ```text
//! shards whose group may not be as placed ─► Reconfigure, until the group says it is
//!     a move under way: the group with the new replica in the old one's place, then EndMove;
//!     if the new worker died: the group as it was, then CancelMove
//! plan_moves ─► BeginMove, while fewer than MOVES_AT_ONCE are under way
//! nothing moves, leads uneven for a while ─► HandOver, one at a time
//! ```
//! The map is the only memory a successor needs. What this one keeps besides is which placements
//! it has seen its groups confirm, so that an idle cluster is left alone.
//!
//! Invariants:
//! 1. A move ends only after the shard's group has confirmed that the new replica votes and the
//!    old one does not; it is cancelled only after the group has confirmed the opposite.
//! 2. Replicas on living workers go one by one from each shard; a shard never has fewer voters
//!    than the cluster keeps replicas.
//!
//! Left out: what should move (`rebalance`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::MasterOptions;
use super::rebalance::{self, Seat};
use crate::env::{Env, Instant, Task};
use crate::metadata::{Command, Metadata};
use crate::raft::{Group, ProposeError};
use crate::sharding::Placement;
use crate::transport::message::{ShardRequest, ShardResponse, WorkerStatus};
use crate::transport::redirect::LeaderCaller;
use crate::transport::{Service, Transport};
use crate::types::{Address, GroupId, NodeId, ShardId, Timestamp};

/// How many replicas move at the same time.
const MOVES_AT_ONCE: usize = 3;
/// How long one step of a group may take before it is asked for again.
const STEP_TIMEOUT: Duration = Duration::from_secs(2);
/// How long leads must have been uneven before one is handed over, and between two hand-overs.
const LEADS_PATIENCE: Duration = Duration::from_secs(10);
/// How long handing a lead over may take.
const HAND_OVER_TIMEOUT: Duration = Duration::from_secs(8);

pub(super) struct Mover {
    env: Env,
    shards: LeaderCaller,
    group: Group<Metadata>,
    state: Mutex<State>,
    /// The round under way.
    round: Mutex<Option<Task<()>>>,
}

#[derive(Default)]
struct State {
    /// The placements whose groups have confirmed them.
    confirmed: BTreeMap<ShardId, Placement>,
    /// Since when leads are spread unevenly and nothing moves.
    uneven_since: Option<Instant>,
}

/// What a shard's group is asked to be.
struct Goal {
    shard: ShardId,
    placement: Placement,
    members: BTreeMap<NodeId, Address>,
    /// Proposed when the group has confirmed.
    then: Option<Command>,
}

impl Goal {
    /// What `placement` asks of its group, the new worker of a move being usable or not.
    fn of(shard: ShardId, placement: &Placement, usable: impl Fn(&NodeId) -> bool) -> Goal {
        let placement = placement.clone();
        let (members, then) = match &placement.moving {
            None => (placement.members(), None),
            Some(moving) => {
                let birth = moving.birth;
                if usable(&moving.to) {
                    let then = Command::EndMove { shard, birth };
                    (placement.moved().members(), Some(then))
                } else {
                    (placement.members(), Some(Command::CancelMove { shard, birth }))
                }
            }
        };
        Goal { shard, placement, members, then }
    }
}

/// What the masters know of their workers, as far as holding replicas goes. A worker that is dead
/// for `replace_after` is given up.
pub(super) fn seats(
    metadata: &Metadata,
    now: Timestamp,
    replace_after: Duration,
) -> BTreeMap<NodeId, Seat> {
    let seat = |worker: &crate::metadata::WorkerRecord| {
        let dead_for = Duration::from_millis(now.0.saturating_sub(worker.since.0));
        let lost = worker.status == WorkerStatus::Dead && dead_for >= replace_after;
        Seat { traits: worker.traits.clone(), usable: !lost && !worker.draining }
    };
    metadata.workers().map(|worker| (worker.node, seat(worker))).collect()
}

impl Mover {
    pub(super) fn new(env: Env, transport: Arc<dyn Transport>, group: Group<Metadata>) -> Mover {
        let shards = LeaderCaller::new(env.clone(), transport);
        Mover { env, shards, group, state: Mutex::default(), round: Mutex::default() }
    }

    /// Forgets what was confirmed: another master leads now.
    pub(super) fn step_down(&self) {
        *self.round.lock() = None;
        *self.state.lock() = State::default();
    }

    /// Begins a round of steps unless one is under way: a group that does not answer must not hold
    /// up the rest of the leader's work.
    pub(super) fn kick(self: &Arc<Self>, options: &MasterOptions) {
        let mut round = self.round.lock();
        if round.as_ref().is_some_and(|round| !round.is_finished()) {
            return;
        }
        let (mover, replace_after) = (self.clone(), options.replace_after);
        *round = Some(self.env.spawn(async move {
            if let Err(error) = mover.advance(replace_after).await {
                tracing::debug!(%error, "a round of moves was not finished");
            }
        }));
    }

    /// Takes the next steps.
    async fn advance(&self, replace_after: Duration) -> Result<(), ProposeError> {
        let metadata = self.group.state();
        let seats = seats(&metadata, self.env.now(), replace_after);
        self.reconfigure(&metadata, &seats).await?;
        self.begin(&seats).await?;
        self.even_leads(&metadata, &seats);
        Ok(())
    }

    /// Asks every group that may not be as placed for its next step, all at once.
    async fn reconfigure(
        &self,
        metadata: &Metadata,
        seats: &BTreeMap<NodeId, Seat>,
    ) -> Result<(), ProposeError> {
        let goals: Vec<Goal> = {
            let state = self.state.lock();
            let shards = metadata.map().shards.iter();
            let open = shards.filter(|(shard, p)| state.confirmed.get(*shard) != Some(*p));
            let alive = |node: &NodeId| seats.get(node).is_some_and(|seat| seat.usable);
            open.map(|(shard, placement)| Goal::of(*shard, placement, alive)).collect()
        };
        let tasks: Vec<_> = goals
            .into_iter()
            .map(|goal| {
                let caller = self.shards.clone();
                self.env.spawn(async move { (is_reached(&caller, &goal).await, goal) })
            })
            .collect();
        for task in tasks {
            let Ok((true, goal)) = task.await else { continue };
            match goal.then {
                None => {
                    self.state.lock().confirmed.insert(goal.shard, goal.placement);
                }
                Some(command) => {
                    self.group.propose(None, &command, STEP_TIMEOUT).await?;
                }
            }
        }
        Ok(())
    }

    /// Begins moves while there is room for more.
    async fn begin(&self, seats: &BTreeMap<NodeId, Seat>) -> Result<(), ProposeError> {
        let metadata = self.group.state();
        let shards = &metadata.map().shards;
        let under_way = shards.values().filter(|p| p.moving.is_some()).count();
        let planned = rebalance::plan_moves(seats, shards);
        let free = |planned: &rebalance::PlannedMove| shards[&planned.shard].moving.is_none();
        // A worker that is silent may be back soon; nothing is sent to it until it is heard.
        let heard = |planned: &rebalance::PlannedMove| {
            let worker = metadata.worker(planned.to);
            worker.is_some_and(|worker| worker.status == WorkerStatus::Alive)
        };
        let begun = planned.into_iter().filter(|planned| free(planned) && heard(planned));
        let mut taken = std::collections::BTreeSet::new();
        let begun = begun.filter(|planned| taken.insert(planned.shard));
        for planned in begun.take(MOVES_AT_ONCE.saturating_sub(under_way)) {
            tracing::info!(
                shard = %planned.shard, from = %planned.from, to = %planned.to,
                reason = ?planned.reason, "a replica moves"
            );
            let (shard, from, to) = (planned.shard, planned.from, planned.to);
            self.group.propose(None, &Command::BeginMove { shard, from, to }, STEP_TIMEOUT).await?;
        }
        Ok(())
    }

    /// Hands one lead over if leads have been uneven for long and nothing else is going on.
    fn even_leads(&self, metadata: &Metadata, seats: &BTreeMap<NodeId, Seat>) {
        let shards = &metadata.map().shards;
        let quiet = shards.values().all(|placement| placement.moving.is_none())
            && metadata.workers().all(|worker| worker.status == WorkerStatus::Alive);
        let leaders =
            metadata.leaders().into_iter().map(|(shard, (_, node))| (shard, node)).collect();
        let next = rebalance::next_hand_over(&leaders, shards, seats).filter(|_| quiet);
        let Some((shard, _, to)) = next else {
            self.state.lock().uneven_since = None;
            return;
        };
        let now = self.env.instant();
        let since = *self.state.lock().uneven_since.get_or_insert(now);
        if now.elapsed_since(since) < LEADS_PATIENCE {
            return;
        }
        self.state.lock().uneven_since = Some(now);
        let placement = shards[&shard].clone();
        let Some(to) = placement.replica_of(to) else { return };
        let caller = self.shards.clone();
        // It takes a second or two; the tick goes on meanwhile.
        let handing = async move {
            let (group, what) = (GroupId::of_shard(shard), format!("shard {shard}"));
            let replicas: Vec<Address> = placement.replicas.into_values().collect();
            let request = ShardRequest::HandOver { to };
            let answer = caller.call::<_, ShardResponse>(
                &what,
                Service::Shard,
                group,
                &replicas,
                &request,
                HAND_OVER_TIMEOUT,
            );
            if let Err(error) = answer.await {
                tracing::debug!(%shard, %error, "a lead was not handed over");
            }
        };
        self.env.spawn(handing).detach();
    }
}

/// Asks the shard's group for its next step; says whether it has nothing left to do.
async fn is_reached(caller: &LeaderCaller, goal: &Goal) -> bool {
    let (shard, placement) = (goal.shard, &goal.placement);
    let mut replicas: Vec<Address> = placement.replicas.values().cloned().collect();
    replicas.extend(placement.moving.as_ref().map(|moving| moving.address.clone()));
    let request = ShardRequest::Reconfigure { members: goal.members.clone() };
    let (group, what) = (GroupId::of_shard(shard), format!("shard {shard}"));
    let asked = caller.call(&what, Service::Shard, group, &replicas, &request, STEP_TIMEOUT);
    match asked.await {
        Ok(ShardResponse::Reconfigured { done, .. }) => done,
        Ok(_) => false,
        Err(error) => {
            tracing::debug!(%shard, %error, "a group could not be asked for its members");
            false
        }
    }
}
