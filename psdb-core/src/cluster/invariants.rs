//! What must hold in a cluster at every moment, checked from the outside.
//!
//! [`Invariants`] looks at every running replica of every group, and remembers what it saw, so
//! that a breach is found even if its two halves are seen minutes apart:
//!
//! 1. A term of a group has at most one leader.
//! 2. Two replicas of a group that have applied the same index have the same state.
//! 3. A shard's group has exactly as many voters as the cluster keeps replicas.
//! 4. The trees of a shard are sound: indexes match documents, totals match both.
//!
//! [`Ledger`] holds a test's own half of the promise: what was acknowledged to it.
//!
//! Left out: liveness. [`Cluster::settle`] waits for it, with a deadline.

use std::collections::BTreeMap;
use std::time::Duration;

use super::Cluster;
pub use super::ledger::Ledger;
use super::node::NodeHandler;
use crate::raft::{GroupStatus, Role};
use crate::types::{Error, GroupId, LogIndex, Outcome, Result, ShardId, Term};

/// How long [`Cluster::settle`] waits between two looks.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// One replica, as it was seen.
struct Seen {
    group: GroupId,
    node: String,
    status: GroupStatus,
    applied: LogIndex,
    hash: u64,
    /// What is wrong with its trees, if anything.
    unsound: Option<String>,
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
        let replicas = cluster.0.plan.replicas as usize;
        for seen in cluster.look().await {
            self.note(&seen, replicas)?;
        }
        Ok(())
    }

    fn note(&mut self, seen: &Seen, replicas: usize) -> std::result::Result<(), String> {
        let Seen { group, node, status, applied, hash, unsound } = seen;
        if let Some(reason) = unsound {
            return Err(format!("group {group} on {node} is not sound: {reason}"));
        }
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
        // A replica that was just started has not published its status yet.
        let published = status.last_log > LogIndex(0);
        if group.shard().is_some() && published && status.voters.len() != replicas {
            return Err(format!(
                "group {group} on {node} has {} voters instead of {replicas}",
                status.voters.len()
            ));
        }
        Ok(())
    }
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
        for seen in self.look().await {
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
                None => handler.master.as_ref().map(|master| master.group().status()),
                Some(shard) => {
                    handler.worker.as_ref().and_then(|worker| Some(worker.replica(shard)?.status()))
                }
            };
            statuses.extend(status.map(|status| (name.clone(), status)));
        }
        statuses
    }

    async fn look(&self) -> Vec<Seen> {
        let nodes = self.0.nodes.lock().await;
        let running = nodes.iter().filter_map(|(name, node)| Some((name, node.handler()?)));
        running.flat_map(|(name, handler)| look_at(name, handler)).collect()
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
    if let Some(master) = &handler.master {
        let (applied, metadata) = master.group().state_at();
        seen.push(Seen {
            group: GroupId::METADATA,
            node: node.to_owned(),
            status: master.group().status(),
            applied,
            hash: metadata.hash(),
            unsound: None,
        });
    }
    let Some(worker) = &handler.worker else { return seen };
    for shard in worker.shards() {
        let Some(replica) = worker.replica(shard) else { continue };
        let (applied, state) = replica.state_at();
        seen.push(Seen {
            group: GroupId::of_shard(shard),
            node: node.to_owned(),
            status: replica.status(),
            applied,
            hash: state.hash(),
            unsound: state.check_invariants().err(),
        });
    }
    seen
}
