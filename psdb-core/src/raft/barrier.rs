//! The read barrier: one quorum round confirms leadership for every read that waits.
//!
//! A linearizable read must see every write acknowledged before it began. The leader notes its
//! commit index, confirms with a quorum that it still leads, and waits until it has applied that
//! index (ReadIndex; Raft thesis, section 6.4). Reads that arrive while a round is under way wait
//! for the *next* round, since the current one may have begun before them.
//!
//! Invariant: a read is released only by a round that began after the read arrived.
//!
//! Left out: leases. No safety comes from clocks.

use std::time::Duration;

use openraft::error::{CheckIsLeaderError, RaftError};
use tokio::sync::{mpsc, oneshot};

use super::engine::Raft;
use super::proposer::{Gate, ProposeError, group_name};
use crate::env::{Env, Task};
use crate::types::{Error, GroupId, Outcome};

type Released = oneshot::Sender<Result<(), ProposeError>>;

/// The queue of reads in front of one group.
pub(crate) struct Barrier {
    queue: mpsc::UnboundedSender<Released>,
    env: Env,
    group: GroupId,
    _task: Task<()>,
}

impl Barrier {
    pub(crate) fn start(
        env: &Env,
        group: GroupId,
        raft: Raft,
        round_limit: Duration,
        gate: Gate,
    ) -> Barrier {
        let (queue, reads) = mpsc::unbounded_channel();
        let rounds = Rounds { env: env.clone(), group, raft, reads, round_limit, gate };
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

    async fn round(&self) -> Result<(), ProposeError> {
        let confirmed = self.env.timeout(self.round_limit, self.raft.ensure_linearizable()).await;
        let reason = match confirmed {
            Ok(Ok(_read_index)) => return Ok(()),
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
}
