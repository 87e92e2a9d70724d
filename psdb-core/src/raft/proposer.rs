//! Turns concurrent proposals of a group into few log entries.
//!
//! One task per group takes whatever waits, up to a bound, puts it into one log entry, and waits
//! until that entry is applied; meanwhile the next batch gathers. One flush and one quorum round
//! thus serve every request that waited (the engine awaits each entry's flush by itself).
//!
//! Invariants:
//! 1. A refusal ([`ProposeError::NotLeader`], overload) is said before anything is proposed, so it
//!    is certain. After that, *every* error leaves the outcome unknown.
//! 2. No wait is without a limit: the engine's write can hang when a snapshot is installed under
//!    it.
//!
//! Left out: pipelining several entries of one group; shards are the unit of parallelism.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use openraft::ServerState;
use tokio::sync::{RwLock, mpsc, oneshot};

use super::config::RaftConfig;
use super::engine::{Answer, Batch, LogId, Raft, Request};
use crate::env::{Env, Task};
use crate::types::{Address, Error, GroupId, Outcome, RequestId};

/// Why a proposal did not come back with a response.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProposeError {
    /// This replica does not lead the group; nothing was proposed. Ask the leader, if it is known.
    #[error("this replica does not lead its group")]
    NotLeader(Option<Address>),
    /// The proposal failed; the error's outcome says what is known.
    #[error(transparent)]
    Failed(#[from] Error),
}

struct Waiting {
    request: Request,
    answer: oneshot::Sender<Result<(LogId, Answer), Error>>,
}

/// The queue in front of one group's log.
pub(crate) struct Proposer {
    queue: mpsc::Sender<Waiting>,
    env: Env,
    group: GroupId,
    limit: usize,
    _task: Task<()>,
}

/// Holds proposals and reads back while the lead is handed over: each batch and each round passes
/// the gate for reading, the hand-over takes it for writing.
pub(crate) type Gate = Arc<RwLock<()>>;

/// The name of a group in errors.
pub(crate) fn group_name(group: GroupId) -> String {
    group.shard().map_or_else(|| "the masters".to_owned(), |shard| format!("shard {shard}"))
}

/// The address of the leader this replica knows, if it is another one that it knows by address.
pub(crate) fn known_leader(raft: &Raft) -> Option<Address> {
    let metrics = raft.metrics();
    let metrics = metrics.borrow();
    let leader = metrics.current_leader?;
    let member = metrics.membership_config.membership().get_node(&leader)?;
    Some(member.address())
}

pub(crate) fn leads(raft: &Raft) -> bool {
    raft.metrics().borrow().state == ServerState::Leader
}

impl Proposer {
    pub(crate) fn start(
        env: &Env,
        group: GroupId,
        raft: Raft,
        config: &RaftConfig,
        gate: Gate,
    ) -> Proposer {
        let (queue, waiting) = mpsc::channel(config.waiting_requests);
        let worker =
            Worker { env: env.clone(), group, raft, waiting, config: config.clone(), gate };
        let task = env.spawn(worker.run());
        Proposer { queue, env: env.clone(), group, limit: config.waiting_requests, _task: task }
    }

    /// Proposes one framed command and waits for its answer.
    pub(crate) async fn propose(
        &self,
        id: Option<RequestId>,
        command: Bytes,
        timeout: Duration,
    ) -> Result<(LogId, Answer), Error> {
        let (answer, answered) = oneshot::channel();
        let waiting = Waiting { request: Request { id, command }, answer };
        self.queue.try_send(waiting).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => Error::Overloaded {
                what: group_name(self.group),
                waiting: self.limit as u64,
                limit: self.limit as u64,
            },
            mpsc::error::TrySendError::Closed(_) => stopped(self.group, Outcome::NotApplied),
        })?;
        match self.env.timeout(timeout, answered).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_dropped)) => Err(stopped(self.group, Outcome::Unknown)),
            Err(_elapsed) => Err(Error::DeadlineExceeded {
                what: group_name(self.group),
                after: timeout,
                outcome: Outcome::Unknown,
            }),
        }
    }
}

fn stopped(group: GroupId, outcome: Outcome) -> Error {
    Error::Unavailable {
        what: group_name(group),
        reason: "this replica has stopped".into(),
        outcome,
    }
}

struct Worker {
    env: Env,
    group: GroupId,
    raft: Raft,
    waiting: mpsc::Receiver<Waiting>,
    config: RaftConfig,
    gate: Gate,
}

impl Worker {
    async fn run(mut self) {
        let mut carried = None;
        loop {
            let first = match carried.take() {
                Some(first) => first,
                None => match self.waiting.recv().await {
                    Some(first) => first,
                    None => return,
                },
            };
            let gate = self.gate.clone();
            let _open = gate.read().await;
            let batch;
            (batch, carried) = self.gather(first);
            self.write(batch).await;
        }
    }

    /// Takes what waits, up to the bounds; also returns the one that no longer fitted.
    fn gather(&mut self, first: Waiting) -> (Vec<Waiting>, Option<Waiting>) {
        let mut bytes = first.request.command.len();
        let mut batch = vec![first];
        while batch.len() < self.config.batch_requests {
            // Whoever gave up waiting has closed its channel, but its request may still be
            // retried under the same id: proposing it now only spares the retry some work.
            let Ok(next) = self.waiting.try_recv() else { break };
            bytes += next.request.command.len();
            if bytes > self.config.batch_bytes {
                return (batch, Some(next));
            }
            batch.push(next);
        }
        (batch, None)
    }

    async fn write(&self, batch: Vec<Waiting>) {
        let (requests, waiting): (Vec<_>, Vec<_>) =
            batch.into_iter().map(|w| (w.request, w.answer)).unzip();
        let entry = Batch { time: self.env.now(), requests: Arc::from(requests) };
        let limit = self.config.election_max * 10;
        let written = self.env.timeout(limit, self.raft.client_write(entry)).await;
        let failed = match written {
            Ok(Ok(response)) if response.data.0.len() == waiting.len() => {
                for (answer, waiting) in response.data.0.into_iter().zip(waiting) {
                    let _gave_up = waiting.send(Ok((response.log_id, answer)));
                }
                return;
            }
            Ok(Ok(response)) => Error::Internal {
                reason: format!(
                    "{} answers came for {} requests of {}",
                    response.data.0.len(),
                    waiting.len(),
                    group_name(self.group)
                ),
                outcome: Outcome::Unknown,
            },
            Ok(Err(error)) => Error::Unavailable {
                what: group_name(self.group),
                reason: error.to_string(),
                outcome: Outcome::Unknown,
            },
            Err(_elapsed) => Error::DeadlineExceeded {
                what: group_name(self.group),
                after: limit,
                outcome: Outcome::Unknown,
            },
        };
        for waiting in waiting {
            let _gave_up = waiting.send(Err(failed.clone()));
        }
    }
}
