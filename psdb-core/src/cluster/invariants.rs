//! What must hold in a cluster at every moment, checked from the outside.
//!
//! [`Invariants`] looks at every running replica of every group, and remembers what it saw, so
//! that a breach is found even if its two halves are seen minutes apart:
//!
//! 1. A term of a group has at most one leader.
//! 2. Two replicas of a group that have applied the same index have the same state.
//! 3. A shard's group never has fewer voters than the cluster keeps replicas, and has exactly as
//!    many when no move of it is under way.
//! 4. The trees of a shard are sound: indexes match documents, totals match both. Walking over
//!    them takes time, so [`check_trees`] is asked for by itself.
//!
//! [`Ledger`] holds a test's own half of the promise: what was acknowledged to it.
//!
//! Left out: liveness. [`Cluster::settle`] waits for it, with a deadline.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

pub use super::ledger::Ledger;
use super::node::NodeHandler;
use super::{Cluster, find};
use crate::master::Master;
use crate::raft::{GroupStatus, Role};
use crate::shard::Shard;
use crate::transport::in_process::Traffic;
use crate::types::{Error, GroupId, LogIndex, Outcome, Result, ShardId, Term};
use crate::worker::Worker;

/// How long [`Cluster::settle`] waits between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// One replica, as it was seen.
struct Seen {
    group: GroupId,
    node: String,
    status: GroupStatus,
    applied: LogIndex,
    hash: u64,
}

/// Checks a cluster and remembers what it saw; keep one for a whole test.
///
/// # Examples
///
/// ```
/// use psdb_core::Cluster;
/// use psdb_core::cluster::invariants::Invariants;
///
/// # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
/// let cluster = Cluster::builder().masters(1).workers(1).shards(1).start().await?;
/// let mut invariants = Invariants::default();
/// invariants.check(&cluster).await.expect("a new cluster is sound");
/// # Ok::<(), psdb_core::Error>(())
/// # })?;
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug, Default)]
pub struct Invariants {
    leaders: BTreeMap<(GroupId, Term), String>,
    states: BTreeMap<(GroupId, LogIndex), (String, u64)>,
}

impl Invariants {
    /// Looks at every running replica once.
    ///
    /// # Errors
    ///
    /// A description of the first breach.
    pub async fn check(&mut self, cluster: &Cluster) -> std::result::Result<(), String> {
        let (seen, moving) = cluster.look().await;
        for seen in &seen {
            self.note(seen)?;
            check_voters(seen, cluster.0.plan.replicas as usize, moving.as_ref())?;
        }
        Ok(())
    }

    fn note(&mut self, seen: &Seen) -> std::result::Result<(), String> {
        let Seen { group, node, status, applied, hash } = seen;
        if status.role == Role::Leader {
            let known = self.leaders.entry((*group, status.term)).or_insert_with(|| node.clone());
            if known != node {
                return Err(format!(
                    "group {group} has two leaders in term {}: {known} and {node}",
                    status.term
                ));
            }
        }
        let known = self.states.entry((*group, *applied)).or_insert_with(|| (node.clone(), *hash));
        if known.1 != *hash {
            return Err(format!(
                "group {group} at index {applied}: the state of {node} is {hash:016x}, that of {} \
                 was {:016x}",
                known.0, known.1
            ));
        }
        Ok(())
    }
}

/// Walks over all trees of every running replica.
///
/// # Errors
///
/// A description of the first that is not sound.
pub async fn check_trees(cluster: &Cluster) -> std::result::Result<(), String> {
    let nodes = cluster.0.nodes.lock().await;
    for (name, node) in nodes.iter() {
        let worker = node.handler().and_then(|handler| handler.worker.as_ref());
        let replicas = worker.into_iter().flat_map(|worker| {
            worker.shards().into_iter().filter_map(|shard| Some((shard, worker.replica(shard)?)))
        });
        for (shard, replica) in replicas {
            let sound = replica.state().check_invariants();
            sound.map_err(|reason| format!("shard {shard} on {name} is not sound: {reason}"))?;
        }
    }
    Ok(())
}

/// The shards whose replicas move, by what a leading master knows; `None` if none leads.
type Moving = BTreeSet<ShardId>;

fn check_voters(
    seen: &Seen,
    replicas: usize,
    moving: Option<&Moving>,
) -> std::result::Result<(), String> {
    let (status, voters) = (&seen.status, seen.status.voters.len());
    // A replica that was just started has not published its status yet, and one that is new or
    // behind shows what its group was once.
    let (Some(shard), Role::Leader) = (seen.group.shard(), status.role) else { return Ok(()) };
    let still = moving.is_some_and(|moving| !moving.contains(&shard));
    if voters < replicas || (still && voters != replicas) {
        let node = &seen.node;
        return Err(format!("shard {shard}, led by {node}, has {voters} voters, not {replicas}"));
    }
    Ok(())
}

impl Cluster {
    /// Waits until every group has a leader and all its replicas run and have applied what the
    /// leader's log held when this was called. Writes may go on meanwhile.
    ///
    /// # Errors
    ///
    /// [`Error::DeadlineExceeded`] naming what did not get there.
    pub async fn settle(&self, timeout: Duration) -> Result<()> {
        let deadline = self.0.env.instant() + timeout;
        let mut goals = BTreeMap::new();
        while let Some(behind) = self.unsettled(&mut goals).await {
            if self.0.env.instant() >= deadline {
                return Err(Error::DeadlineExceeded {
                    what: format!("settling of the cluster ({behind})"),
                    after: timeout,
                    outcome: Outcome::NotApplied,
                });
            }
            self.0.env.sleep(LOOK_AGAIN).await;
        }
        Ok(())
    }

    /// What keeps the cluster from being settled. The first look at a group's leader sets its goal.
    async fn unsettled(&self, goals: &mut BTreeMap<GroupId, LogIndex>) -> Option<String> {
        let mut groups: BTreeMap<GroupId, Vec<Seen>> = BTreeMap::new();
        for seen in self.look().await.0 {
            groups.entry(seen.group).or_default().push(seen);
        }
        if groups.len() <= self.0.plan.shards as usize {
            return Some(format!("{} groups run", groups.len()));
        }
        groups.into_iter().find_map(|(group, replicas)| {
            let Some(leader) = leader_of(&replicas) else {
                return Some(format!("group {group} has no leader"));
            };
            let voters = leader.voters.len();
            if replicas.len() < voters {
                let running = replicas.len();
                return Some(format!("group {group}: {running} of {voters} replicas run"));
            }
            // A leader may have been replaced since, and with it the end of its log cut off.
            let goal = *goals.entry(group).or_insert(leader.last_log);
            let goal = goal.min(leader.last_log);
            let behind = replicas
                .iter()
                .find(|seen| seen.applied < goal || seen.status.term < leader.term)?;
            let (node, applied) = (&behind.node, behind.applied);
            Some(format!("group {group}: {node} has applied {applied} of {goal}"))
        })
    }

    /// How each running replica of `shard` stands, by the name of its node.
    pub async fn shard_status(&self, shard: ShardId) -> BTreeMap<String, GroupStatus> {
        self.statuses(GroupId::of_shard(shard)).await
    }

    /// How each running master stands in their group, by name.
    pub async fn master_status(&self) -> BTreeMap<String, GroupStatus> {
        self.statuses(GroupId::METADATA).await
    }

    async fn statuses(&self, group: GroupId) -> BTreeMap<String, GroupStatus> {
        let nodes = self.0.nodes.lock().await;
        let mut statuses = BTreeMap::new();
        for (name, node) in nodes.iter() {
            let Some(handler) = node.handler() else { continue };
            let status = match group.shard() {
                None => handler.master.as_ref().and_then(|master| Some(master.group()?.status())),
                Some(shard) => {
                    handler.worker.as_ref().and_then(|worker| Some(worker.replica(shard)?.status()))
                }
            };
            statuses.extend(status.map(|status| (name.clone(), status)));
        }
        statuses
    }

    async fn look(&self) -> (Vec<Seen>, Option<Moving>) {
        let nodes = self.0.nodes.lock().await;
        let running = nodes.iter().filter_map(|(name, node)| Some((name, node.handler()?)));
        let running: Vec<_> = running.collect();
        let seen = running.iter().flat_map(|(name, handler)| look_at(name, handler)).collect();
        let masters = running.iter().filter_map(|(_, handler)| handler.master.as_ref()?.group());
        let leaders = masters.filter(|group| group.leads());
        let newest = leaders.max_by_key(|group| group.status().term);
        let moving = newest.map(|group| {
            let map = group.state().map().clone();
            let moving = map.shards.iter().filter(|(_, placement)| placement.moving.is_some());
            moving.map(|(shard, _)| *shard).collect()
        });
        (seen, moving)
    }

    /// What groups have said to each other so far, and in how many bundles.
    pub fn raft_traffic(&self) -> Traffic {
        self.0.network.traffic()
    }

    /// How many queries run on a worker, and how many cursors wait there for their clients.
    ///
    /// # Errors
    ///
    /// [`Error::NodeNotFound`].
    pub async fn queries(&self, node: &str) -> Result<(usize, usize)> {
        let nodes = self.0.nodes.lock().await;
        let handler = find(&nodes, node)?.handler();
        let worker = handler.and_then(|handler| handler.worker.as_ref());
        Ok(worker.map(Worker::queries).unwrap_or_default())
    }

    /// Why a node has come to an end by itself, if it has: the masters refuse it
    /// ([`Error::WrongIdentity`]), its disk has failed, or a replica of it has broken down.
    ///
    /// # Errors
    ///
    /// [`Error::NodeNotFound`].
    pub async fn failure(&self, node: &str) -> Result<Option<Error>> {
        let nodes = self.0.nodes.lock().await;
        Ok(find(&nodes, node)?.failure())
    }
}

/// The status of the leader of the newest term seen, if that term has one.
fn leader_of(replicas: &[Seen]) -> Option<&GroupStatus> {
    let newest = replicas.iter().map(|seen| seen.status.term).max()?;
    let statuses = replicas.iter().map(|seen| &seen.status);
    statuses.into_iter().find(|status| status.role == Role::Leader && status.term == newest)
}

fn look_at(node: &str, handler: &NodeHandler) -> Vec<Seen> {
    let mut seen = Vec::new();
    if let Some(group) = handler.master.as_ref().and_then(Master::group) {
        let (applied, metadata) = group.state_at();
        seen.push(Seen {
            group: GroupId::METADATA,
            node: node.to_owned(),
            status: group.status(),
            applied,
            hash: metadata.hash(),
        });
    }
    let Some(worker) = &handler.worker else { return seen };
    for shard in worker.shards() {
        let Some(replica) = worker.replica(shard) else { continue };
        let (applied, hash) = replica.look(Shard::hash);
        seen.push(Seen {
            group: GroupId::of_shard(shard),
            node: node.to_owned(),
            status: replica.status(),
            applied,
            hash,
        });
    }
    seen
}
