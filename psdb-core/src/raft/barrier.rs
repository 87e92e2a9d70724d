//! The read barrier: one quorum round confirms leadership for every read that waits.
//!
//! A linearizable read must see every write acknowledged before it began. The leader notes its
//! commit index, confirms with a quorum that it still leads, and waits until it has applied that
//! index (ReadIndex; Raft thesis, section 6.4). Reads that arrive while a round is under way wait
//! for the *next* round, since the current one may have begun before them.
//!
//! A replica that led when its process ended leads again as soon as it restarts, in the same term,
//! while its stored commit index may be old (it is stored lazily). Until it has applied the log it
//! came back with, its commit index says too little, so a read waits for that log as well. As far
//! as the log was not cut since, a leader always gets it committed.
//!
//! Invariants:
//! 1. A read is released only by a round that began after the read arrived.
//! 2. No read is released before the log that the replica started with is applied.
//!
//! Left out: leases. No safety comes from clocks.

use std::time::Duration;

use openraft::error::{CheckIsLeaderError, Fatal, RaftError};
use tokio::sync::{mpsc, oneshot};

use super::engine::Raft;
use super::log_store::LogStore;
use super::proposer::{Gate, ProposeError, group_name};
use crate::env::{Env, Task};
use crate::types::{Error, GroupId, NodeId, Outcome};

type Released = oneshot::Sender<Result<(), ProposeError>>;

/// The queue of reads in front of one group.
pub(crate) struct Barrier {
    queue: mpsc::UnboundedSender<Released>,
    env: Env,
    group: GroupId,
    _task: Task<()>,
}

impl Barrier {
    /// Puts a barrier before the reads of a replica with this log, which ended at the given index
    /// when the replica started.
    pub(crate) fn start(
        env: &Env,
        group: GroupId,
        raft: Raft,
        (log, recovered): (LogStore, Option<u64>),
        round_limit: Duration,
        gate: Gate,
    ) -> Barrier {
        let (queue, reads) = mpsc::unbounded_channel();
        let rounds =
            Rounds { env: env.clone(), group, raft, log, recovered, reads, round_limit, gate };
        let task = env.spawn(rounds.run());
        Barrier { queue, env: env.clone(), group, _task: task }
    }

    /// Waits for a round that begins after this call.
    pub(crate) async fn wait(&self, timeout: Duration) -> Result<(), ProposeError> {
        let (release, released) = oneshot::channel();
        let unavailable = || {
            ProposeError::Failed(Error::Unavailable {
                what: group_name(self.group),
                reason: "this replica has stopped".into(),
                outcome: Outcome::NotApplied,
            })
        };
        self.queue.send(release).map_err(|_| unavailable())?;
        match self.env.timeout(timeout, released).await {
            Ok(Ok(result)) => result,
            Ok(Err(_dropped)) => Err(unavailable()),
            Err(_elapsed) => Err(ProposeError::Failed(Error::DeadlineExceeded {
                what: group_name(self.group),
                after: timeout,
                outcome: Outcome::NotApplied,
            })),
        }
    }
}

struct Rounds {
    env: Env,
    group: GroupId,
    raft: Raft,
    log: LogStore,
    /// Where the log ended when the replica started; `None` when that has been applied.
    recovered: Option<u64>,
    reads: mpsc::UnboundedReceiver<Released>,
    round_limit: Duration,
    gate: Gate,
}

impl Rounds {
    async fn run(mut self) {
        while let Some(first) = self.reads.recv().await {
            let _open = self.gate.clone().read_owned().await;
            let mut waiting = vec![first];
            while let Ok(next) = self.reads.try_recv() {
                waiting.push(next);
            }
            let result = self.round().await;
            for read in waiting {
                let _gave_up = read.send(result.clone());
            }
        }
    }

    async fn round(&mut self) -> Result<(), ProposeError> {
        let confirmed = self.env.timeout(self.round_limit, async {
            self.raft.ensure_linearizable().await?;
            self.apply_recovered().await.map_err(RaftError::Fatal)
        });
        let reason = match confirmed.await {
            Ok(Ok(())) => {
                self.recovered = None;
                return Ok(());
            }
            Ok(Err(RaftError::APIError(CheckIsLeaderError::ForwardToLeader(forward)))) => {
                let leader = forward.leader_node.map(|member| member.address());
                return Err(ProposeError::NotLeader(leader));
            }
            Ok(Err(error)) => error.to_string(),
            Err(_elapsed) => format!("no quorum answered within {:?}", self.round_limit),
        };
        Err(ProposeError::Failed(Error::Unavailable {
            what: group_name(self.group),
            reason,
            outcome: Outcome::NotApplied,
        }))
    }

    /// Waits until the log that the replica started with is applied, as far as it was not cut.
    async fn apply_recovered(&self) -> Result<(), Fatal<NodeId>> {
        let Some(index) = self.recovered.min(self.log.last_index()) else { return Ok(()) };
        let wait = self.raft.wait(None);
        let applied = wait.applied_index_at_least(Some(index), "the recovered log");
        applied.await.map(|_metrics| ()).map_err(|_stopped| Fatal::Stopped)
    }
}
