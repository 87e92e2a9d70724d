//! Finds the leader of a group and lets it answer.
//!
//! ```text
//! known leader ─► candidates in turn ─► pause ─► candidates again ... until the time is over
//!       ▲ a reply "not the leader, ask X" goes straight to X
//! ```
//! Clients use it towards masters and shards, workers towards masters, masters towards shards.
//!
//! Invariant: a failure is reported as *not applied* only if no attempt can have been: every one
//! was refused before a proposal or never left. A single attempt of unknown outcome makes the
//! whole call unknown.
//!
//! Left out: making a repeated write apply once, which is the request id's task.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::message::Reply;
use super::{Message, Service, Transport, TransportError};
use crate::codec::frame;
use crate::env::{Env, Instant};
use crate::types::{Address, Error, GroupId, Outcome, Result};

/// The first pause after all candidates were asked in vain.
const FIRST_PAUSE: Duration = Duration::from_millis(5);
/// The longest pause.
const LONGEST_PAUSE: Duration = Duration::from_millis(200);
/// How long one attempt may take unless the caller says otherwise.
pub const ATTEMPT: Duration = Duration::from_secs(3);
/// How many hints are followed in a row before candidates are asked in turn again.
const HINTS: u32 = 3;

/// Whom to ask, and how errors name it.
#[derive(Clone, Copy, Debug)]
pub struct Target<'a> {
    /// The name in errors, such as `shard 3`.
    pub what: &'a str,
    /// Which part of the node.
    pub service: Service,
    /// Which group.
    pub group: GroupId,
}

/// Why the candidates gave no answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CallError {
    /// A candidate does not hold the group: the caller's map may be old. Nothing was done there.
    NotHere,
    /// The call failed; the error's outcome covers every attempt.
    Failed(Error),
}

/// What is known so far about a request that is tried again and again.
#[derive(Clone, Debug, Default)]
pub struct Attempts {
    /// Whether some attempt may have been applied.
    pub uncertain: bool,
    reason: Option<String>,
    pauses: u32,
}

/// Calls leaders, remembering who they were. Clones share the memory.
#[derive(Clone, Debug)]
pub struct LeaderCaller {
    env: Env,
    transport: Arc<dyn Transport>,
    leaders: Arc<Mutex<BTreeMap<GroupId, Address>>>,
}

/// What one attempt led to.
enum Step<T> {
    Done(T),
    Hint(Address),
    Next,
    NotHere,
    Failed(Error),
}

impl LeaderCaller {
    /// A caller that knows no leader yet.
    pub fn new(env: Env, transport: Arc<dyn Transport>) -> LeaderCaller {
        LeaderCaller { env, transport, leaders: Arc::default() }
    }

    /// Asks the group's leader among `candidates`, for at most `timeout`.
    ///
    /// # Errors
    ///
    /// The error of the answer, or [`Error::Unavailable`] when nobody gave one in time.
    pub async fn call<Q: Serialize, A: DeserializeOwned>(
        &self,
        what: &str,
        service: Service,
        group: GroupId,
        candidates: &[Address],
        request: &Q,
        timeout: Duration,
    ) -> Result<A> {
        let target = Target { what, service, group };
        let deadline = self.env.instant() + timeout;
        let body = frame::encode(request);
        let mut attempts = Attempts::default();
        loop {
            let called =
                self.try_call(target, candidates, &body, deadline, ATTEMPT, &mut attempts).await;
            match called {
                Ok(answer) => return Ok(answer),
                Err(CallError::Failed(error)) => return Err(error),
                Err(CallError::NotHere) => self.pause(target, deadline, &mut attempts).await?,
            }
        }
    }

    /// As [`LeaderCaller::call`], but tells when a candidate does not hold the group.
    ///
    /// # Errors
    ///
    /// [`CallError`].
    pub async fn try_call<A: DeserializeOwned>(
        &self,
        target: Target<'_>,
        candidates: &[Address],
        body: &Bytes,
        deadline: Instant,
        attempt: Duration,
        attempts: &mut Attempts,
    ) -> Result<A, CallError> {
        loop {
            let mut queue = self.in_turn(target.group, candidates);
            let mut hints = 0;
            let mut not_here = candidates.is_empty();
            while let Some(next) = queue.pop() {
                let step = self.attempt(target, &next, body, deadline, attempt, attempts).await;
                match step {
                    Step::Done(answer) => {
                        self.leaders.lock().insert(target.group, next);
                        return Ok(answer);
                    }
                    Step::Hint(leader) if hints < HINTS && leader != next => {
                        hints += 1;
                        queue.retain(|address| *address != leader);
                        queue.push(leader);
                    }
                    Step::Hint(_) | Step::Next => {}
                    Step::NotHere => not_here = true,
                    Step::Failed(error) => return Err(CallError::Failed(error)),
                }
            }
            self.leaders.lock().remove(&target.group);
            if not_here {
                return Err(CallError::NotHere);
            }
            self.pause(target, deadline, attempts).await.map_err(CallError::Failed)?;
        }
    }

    /// Asks the candidates in their order until one answers, and says which; `None` when none did.
    ///
    /// For requests that any replica may answer.
    pub async fn ask_each<A: DeserializeOwned>(
        &self,
        target: Target<'_>,
        candidates: &[Address],
        body: &Bytes,
        deadline: Instant,
        attempt: Duration,
        attempts: &mut Attempts,
    ) -> Option<(Address, Result<A>)> {
        for to in candidates {
            match self.attempt(target, to, body, deadline, attempt, attempts).await {
                Step::Done(answer) => return Some((to.clone(), Ok(answer))),
                Step::Failed(error) => return Some((to.clone(), Err(error))),
                Step::Hint(_) | Step::Next | Step::NotHere => {}
            }
        }
        None
    }

    /// The known leader first; in reverse, since they are popped.
    fn in_turn(&self, group: GroupId, candidates: &[Address]) -> Vec<Address> {
        let known = self.leaders.lock().get(&group).cloned();
        let others = candidates.iter().rev().filter(|address| Some(*address) != known.as_ref());
        others.cloned().chain(known.clone()).collect()
    }

    async fn attempt<A: DeserializeOwned>(
        &self,
        target: Target<'_>,
        to: &Address,
        body: &Bytes,
        deadline: Instant,
        attempt: Duration,
        attempts: &mut Attempts,
    ) -> Step<A> {
        let left = deadline.elapsed_since(self.env.instant());
        if left.is_zero() {
            return Step::Next;
        }
        let message = Message {
            service: target.service,
            group: target.group,
            timeout: left.min(attempt),
            body: body.clone(),
        };
        let reply = match self.transport.call(to, message).await {
            Ok(reply) => reply,
            Err(error) => {
                attempts.uncertain |= matches!(error, TransportError::NoReply { .. });
                attempts.reason = Some(error.to_string());
                return Step::Next;
            }
        };
        match frame::decode::<Reply<A>>(&reply) {
            Ok(Reply::Done(answer)) => Step::Done(answer),
            Ok(Reply::NotLeader(leader)) => {
                attempts.reason = Some(format!("{to} does not lead it"));
                leader.map_or(Step::Next, Step::Hint)
            }
            Ok(Reply::NotHere) => {
                attempts.reason = Some(format!("{to} does not hold it"));
                Step::NotHere
            }
            Ok(Reply::Failed(error)) if error.is_retryable() => {
                attempts.uncertain |= error.outcome() == Outcome::Unknown;
                attempts.reason = Some(error.to_string());
                Step::Next
            }
            Ok(Reply::Failed(error)) => Step::Failed(error),
            Err(error) => {
                attempts.uncertain = true;
                attempts.reason = Some(format!("the reply of {to} does not decode: {error}"));
                Step::Next
            }
        }
    }

    /// Waits a little before the next round.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] when the deadline is over.
    pub async fn pause(
        &self,
        target: Target<'_>,
        deadline: Instant,
        attempts: &mut Attempts,
    ) -> Result<()> {
        let left = deadline.elapsed_since(self.env.instant());
        let pause = (FIRST_PAUSE * 2_u32.pow(attempts.pauses.min(10))).min(LONGEST_PAUSE);
        let pause = pause.mul_f64(0.5 + self.env.random_unit() / 2.0);
        if left <= pause {
            return Err(attempts.give_up(target.what));
        }
        attempts.pauses += 1;
        self.env.sleep(pause).await;
        Ok(())
    }
}

impl Attempts {
    /// The error of a call that ran out of time.
    pub fn give_up(&self, what: &str) -> Error {
        let outcome = if self.uncertain { Outcome::Unknown } else { Outcome::NotApplied };
        let reason = self.reason.clone().unwrap_or_else(|| "no node is known to hold it".into());
        Error::Unavailable { what: what.to_owned(), reason, outcome }
    }
}
