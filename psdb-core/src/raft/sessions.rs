//! Sessions: how a retried request is applied once.
//!
//! Every replica keeps, as part of the replicated state, the answers of requests that their
//! clients may still retry. A request that is known gets its first answer again. Memory is
//! bounded: a client says which requests it has settled, at most so many answers are kept per
//! client, and at most so many clients; the least recently used one is evicted.
//!
//! A request carries `observed`, a log index its client had seen when it first sent it. Evicting
//! a session raises the *horizon* to the index of the eviction. A request of an unknown client
//! whose `observed` lies below the horizon may have been applied and forgotten, so it is refused;
//! one at or above it cannot have been, since it was first sent after the last eviction.
//!
//! Invariants:
//! 1. No request is applied twice, however often and however late its messages arrive.
//! 2. All replicas decide alike: only log positions and the requests themselves are used.
//! 3. A session remembers the horizon of its birth (`base`), so that a message from a forgotten
//!    earlier session of the same client is not taken for a new request.
//!
//! The idea follows the Raft thesis, section 6.3; the horizon takes the place of an explicit
//! registration, which would cost every new client a round trip to every shard.
//!
//! Left out: expiry by time. An idle client costs its few unsettled answers.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::types::{ClientId, LogIndex, RequestId};

/// What the sessions know of a request.
#[derive(Debug, PartialEq)]
pub(crate) enum Verdict {
    /// It was never applied: apply it, then [`Sessions::record`] its answer.
    New,
    /// It was applied, with this answer.
    Duplicate(Bytes),
    /// It may have been applied; the sessions forgot. Holds the index to retry above.
    Evicted(LogIndex),
}

/// The answers one client may still ask for.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Session {
    /// The horizon when this session began.
    base: LogIndex,
    /// The index at which it was last used; its place in the order of eviction.
    used: LogIndex,
    /// Requests below this are settled or forgotten.
    floor: u64,
    /// The highest index at which an unsettled answer was forgotten.
    forgotten: LogIndex,
    answers: BTreeMap<u64, Bytes>,
}

/// The sessions of one group.
#[derive(Clone, Debug, Default)]
pub(crate) struct Sessions {
    horizon: LogIndex,
    clients: BTreeMap<ClientId, Session>,
    by_use: BTreeSet<(LogIndex, ClientId)>,
    /// The clients whose sessions are not stored as they are.
    changed: BTreeSet<ClientId>,
}

/// How much the sessions may remember.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SessionLimits {
    pub(crate) clients: usize,
    pub(crate) answers: usize,
}

impl Sessions {
    /// The sessions as they were stored.
    pub(crate) fn from_parts(
        horizon: LogIndex,
        clients: impl IntoIterator<Item = (ClientId, Session)>,
    ) -> Sessions {
        let clients: BTreeMap<_, _> = clients.into_iter().collect();
        let by_use = clients.iter().map(|(client, session)| (session.used, *client)).collect();
        Sessions { horizon, clients, by_use, changed: BTreeSet::new() }
    }

    /// What is to be stored: the horizon, and every session that changed since the last time;
    /// none for a client that was forgotten.
    pub(crate) fn take_changed(&mut self) -> (LogIndex, Vec<(ClientId, Option<Session>)>) {
        let changed = std::mem::take(&mut self.changed).into_iter();
        let session = |client| (client, self.clients.get(&client).cloned());
        (self.horizon, changed.map(session).collect())
    }

    /// Decides whether `request` is new.
    pub(crate) fn check(&mut self, request: &RequestId) -> Verdict {
        let Some(session) = self.clients.get_mut(&request.client) else {
            return if request.observed < self.horizon {
                Verdict::Evicted(self.horizon)
            } else {
                Verdict::New
            };
        };
        // Before anything else: a number names one request for ever, so what is remembered under
        // it is this request's answer, whatever its sender had observed.
        if let Some(answer) = session.answers.get(&request.sequence) {
            return Verdict::Duplicate(answer.clone());
        }
        if request.observed < session.base {
            return Verdict::Evicted(session.base);
        }
        if request.sequence < session.floor {
            return Verdict::Evicted(session.forgotten);
        }
        Verdict::New
    }

    /// Remembers the answer of a new request applied at `index`.
    pub(crate) fn record(
        &mut self,
        request: &RequestId,
        answer: Bytes,
        index: LogIndex,
        limits: SessionLimits,
    ) {
        let horizon = self.horizon;
        let session = self
            .clients
            .entry(request.client)
            .or_insert_with(|| Session { base: horizon, ..Session::default() });
        self.by_use.remove(&(session.used, request.client));
        session.used = index;
        self.by_use.insert((index, request.client));
        self.changed.insert(request.client);
        session.settle(request.settled_below.min(request.sequence));
        session.answers.insert(request.sequence, answer);
        session.bound(limits.answers, index);
        while self.clients.len() > limits.clients {
            self.evict_oldest(index);
        }
    }

    fn evict_oldest(&mut self, index: LogIndex) {
        if let Some((_, client)) = self.by_use.pop_first() {
            self.clients.remove(&client);
            self.changed.insert(client);
            self.horizon = index;
        }
    }
}

impl Session {
    fn settle(&mut self, below: u64) {
        if below > self.floor {
            self.floor = below;
            self.answers = self.answers.split_off(&below);
        }
    }

    fn bound(&mut self, limit: usize, index: LogIndex) {
        while self.answers.len() > limit {
            if let Some((sequence, _)) = self.answers.pop_first() {
                self.floor = sequence + 1;
                self.forgotten = index;
            }
        }
    }
}

#[cfg(test)]
#[path = "sessions_tests.rs"]
mod tests;
