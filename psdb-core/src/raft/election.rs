//! Breaks ties between candidates.
//!
//! The engine draws each replica's election timeout once, when it starts. Two replicas whose
//! timeouts end in the same tick then stand at the same moment, split the vote, and do so again
//! after equal waits, for ever. Replicas that are founded together (in one process, or by one
//! message of the masters) meet like that often.
//!
//! So a replica that has become a candidate and is still one after a wait drawn anew stands again.
//! Waits double while elections fail, so that a replica that is cut off does not raise its term
//! many times a second. This is the randomization of the Raft thesis, section 3.4, which redraws
//! for every election.
//!
//! Invariant: only a candidate is ever made to stand; a follower's patience is the engine's.
//!
//! Left out: pre-vote, which the engine does not have.

use std::time::Duration;

use super::config::RaftConfig;
use super::engine::Raft;
use super::status::{Role, StatusWatch};
use crate::env::{Env, Task};

/// How often waits double while no election succeeds.
const DOUBLINGS: u32 = 4;

/// Watches one replica until it is dropped.
pub(crate) struct TieBreaker {
    _task: Task<()>,
}

impl TieBreaker {
    pub(crate) fn start(env: &Env, raft: Raft, config: &RaftConfig) -> TieBreaker {
        let wait = config.heartbeat..config.election_min;
        let status = StatusWatch::new(raft.metrics());
        let task = env.spawn(watch(env.clone(), raft, status, wait));
        TieBreaker { _task: task }
    }
}

async fn watch(env: Env, raft: Raft, mut status: StatusWatch, wait: std::ops::Range<Duration>) {
    let mut failed = 0;
    loop {
        let is_candidate = |role: Role| role == Role::Candidate;
        let Some(candidate) = status.until(|status| is_candidate(status.role)).await else {
            return;
        };
        let span = wait.end.saturating_sub(wait.start).mul_f64(env.random_unit());
        let patience = (wait.start + span) * 2_u32.pow(failed);
        let term = candidate.term;
        let moved = status.until(|status| !is_candidate(status.role) || status.term != term);
        match env.timeout(patience, moved).await {
            Ok(Some(status)) if is_candidate(status.role) => {}
            Ok(Some(_elected_or_following)) => failed = 0,
            Ok(None) => return,
            Err(_elapsed) => {
                failed = (failed + 1).min(DOUBLINGS);
                if raft.trigger().elect().await.is_err() {
                    return;
                }
            }
        }
    }
}
