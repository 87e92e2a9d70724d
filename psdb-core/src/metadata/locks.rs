//! Locks: leases with fencing tokens, given out in the order they were asked for.
//!
//! ```text
//! Acquire ──▶ free: granted          held: queued, if the claim would wait
//!             lease of the holder ── Renew ──▶ longer
//!                  │ Release, or its end
//!                  ▼
//!             the first claim in the queue ── none ──▶ free, and forgotten
//! ```
//! A lock exists while it is held. Time is that of the entry a command arrives in: a command first
//! ends what is over by then on the lock it names, so no answer depends on when the leader last
//! looked. The leader proposes [`LockCommand::Expire`] besides, or nobody who merely waits would
//! ever be granted anything (`master::locks`).
//!
//! A claim that waits loses its place when its wait is over, and when its client has not been
//! heard for [`PRESENCE_MILLIS`], so that one that went away is not granted a lease it cannot use.
//!
//! No safety comes from these clocks: a holder that was slow may believe in a lease that is over.
//! Whatever the lock protects must refuse a token below the highest it has seen.
//!
//! Invariants:
//! 1. Tokens grow for ever over all locks; none is given out twice.
//! 2. A lease is granted to the first claim whose wait is not over, and only when no lease of the
//!    lock is in force by the command's time.
//! 3. `by_due` holds each lock once, under the earliest moment at which something of it is over;
//!    `waiting` is the number of claims in all queues.
//!
//! Left out: whether names, holders and durations are sound, which is checked before the proposal.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::Metadata;
use super::lock_command::{LockAnswer, LockCommand};
use crate::storage::BPlusTree;
use crate::transport::message::{LockClaim, LockInfo, LockLease};
use crate::types::{Error, Limits, Timestamp};

/// How long a claim keeps its place without a sign of its client, in milliseconds.
pub(crate) const PRESENCE_MILLIS: u64 = 15_000;
/// How many locks one `Expire` looks at, so that no entry takes long to apply.
const EXPIRED_AT_ONCE: usize = 1_000;

/// A lock that is held, and who waits for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct LockRecord {
    pub(super) name: String,
    pub(super) token: u64,
    pub(super) claim: LockClaim,
    pub(super) holder: String,
    pub(super) granted_at: Timestamp,
    pub(super) expires_at: Timestamp,
    /// The claims that wait, the first first.
    pub(super) queue: Vec<Waiter>,
}

/// A claim in the queue.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Waiter {
    pub(super) claim: LockClaim,
    pub(super) holder: String,
    pub(super) ttl_millis: u64,
    /// The end of its wait.
    pub(super) until: Timestamp,
    /// When its place is lost unless its client is heard before.
    pub(super) keep_by: Timestamp,
}

/// Where a claim stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ClaimState {
    /// It holds the lock.
    Held(LockLease),
    /// It waits.
    Waiting {
        /// How many claims come before it.
        ahead: u64,
        /// Its place is lost unless its client is heard before.
        keep_by: Timestamp,
    },
}

/// All locks.
#[derive(Clone, Default)]
pub(super) struct Locks {
    /// The highest fencing token given out; tokens start at 1.
    pub(super) last_token: u64,
    pub(super) records: BPlusTree<Arc<str>, Arc<LockRecord>>,
    by_due: BPlusTree<(Timestamp, Arc<str>), ()>,
    waiting: usize,
}

impl Metadata {
    /// Every lock that is held, by name.
    pub fn locks(&self) -> impl Iterator<Item = LockInfo> {
        self.locks.records.iter().map(|(_, record)| record.info())
    }

    /// The lock called `name`, `None` while nobody holds it.
    pub fn lock(&self, name: &str) -> Option<LockInfo> {
        self.locks.records.get(name).map(|record| record.info())
    }

    /// Where a claim stands, `None` when its wait or its lease is over, or never began.
    pub fn lock_claim(&self, name: &str, claim: LockClaim) -> Option<ClaimState> {
        self.locks.records.get(name).and_then(|record| record.claim_state(claim))
    }

    /// The earliest moment at which a lease or a wait is over.
    pub fn next_lock_due(&self) -> Option<Timestamp> {
        self.locks.by_due.first().map(|((due, _), ())| *due)
    }
}

impl Locks {
    pub(super) fn apply(&mut self, now: Timestamp, command: LockCommand) -> LockAnswer {
        let answer = match command {
            LockCommand::Acquire { name, claim, holder, ttl_millis, wait_millis } => {
                let until = after(now, wait_millis);
                let keep_by = after(now, PRESENCE_MILLIS);
                self.acquire(now, name, Waiter { claim, holder, ttl_millis, until, keep_by })
            }
            LockCommand::KeepPlace { name, claim } => Ok(self.keep_place(now, &name, claim)),
            LockCommand::Renew { name, token, ttl_millis } => {
                self.renew(now, &name, token, ttl_millis)
            }
            LockCommand::Release { name, token } => self.release(now, &name, token),
            LockCommand::Expire => {
                self.expire(now);
                Ok(LockAnswer::Done)
            }
        };
        answer.unwrap_or_else(LockAnswer::Failed)
    }

    fn acquire(&mut self, now: Timestamp, name: String, new: Waiter) -> Result<LockAnswer, Error> {
        self.settle(now, &name);
        let Some(mut record) = self.copy(&name) else {
            check_limit("locks", self.records.len(), Limits::LOCKS)?;
            let record = self.grant(now, name, new, Vec::new());
            let lease = record.lease();
            self.put(record);
            return Ok(LockAnswer::Granted(lease));
        };
        match record.claim_state(new.claim) {
            Some(ClaimState::Held(lease)) => return Ok(LockAnswer::Granted(lease)),
            Some(ClaimState::Waiting { ahead, .. }) => return Ok(LockAnswer::Queued { ahead }),
            None if new.until <= now => return Err(record.held_error(now)),
            None => {}
        }
        let queue = format!("claims in the queue of lock '{name}'");
        check_limit(&queue, record.queue.len(), Limits::LOCK_QUEUE)?;
        check_limit("claims waiting for locks", self.waiting, Limits::LOCK_CLAIMS)?;
        let ahead = record.queue.len() as u64;
        record.queue.push(new);
        self.put(record);
        Ok(LockAnswer::Queued { ahead })
    }

    fn keep_place(&mut self, now: Timestamp, name: &str, claim: LockClaim) -> LockAnswer {
        self.settle(now, name);
        if let Some(mut record) = self.copy(name)
            && let Some(waiter) = record.queue.iter_mut().find(|waiter| waiter.claim == claim)
        {
            waiter.keep_by = after(now, PRESENCE_MILLIS);
            self.put(record);
        }
        LockAnswer::Done
    }

    fn renew(
        &mut self,
        now: Timestamp,
        name: &str,
        token: u64,
        ttl_millis: u64,
    ) -> Result<LockAnswer, Error> {
        let mut record = self.held_with(now, name, token)?;
        record.expires_at = after(now, ttl_millis);
        let lease = record.lease();
        self.put(record);
        Ok(LockAnswer::Granted(lease))
    }

    fn release(&mut self, now: Timestamp, name: &str, token: u64) -> Result<LockAnswer, Error> {
        let record = self.held_with(now, name, token)?;
        self.pass_on(now, record);
        Ok(LockAnswer::Done)
    }

    fn expire(&mut self, now: Timestamp) {
        for _ in 0..EXPIRED_AT_ONCE {
            let Some(((due, name), ())) = self.by_due.first() else { return };
            if *due > now {
                return;
            }
            let name = name.clone();
            self.settle(now, &name);
        }
    }

    /// Ends what is over by `now` on one lock.
    fn settle(&mut self, now: Timestamp, name: &str) {
        let Some(mut record) = self.copy(name).filter(|record| record.due() <= now) else { return };
        record.queue.retain(|waiter| waiter.due() > now);
        if record.expires_at > now {
            self.put(record);
        } else {
            self.pass_on(now, record);
        }
    }

    /// Grants the lock to the first in its queue, or forgets it.
    fn pass_on(&mut self, now: Timestamp, mut record: LockRecord) {
        if record.queue.is_empty() {
            self.forget(&record.name);
        } else {
            let first = record.queue.remove(0);
            let granted = self.grant(now, record.name, first, record.queue);
            self.put(granted);
        }
    }

    /// The one place where tokens are given out.
    fn grant(
        &mut self,
        now: Timestamp,
        name: String,
        to: Waiter,
        queue: Vec<Waiter>,
    ) -> LockRecord {
        self.last_token += 1;
        LockRecord {
            name,
            token: self.last_token,
            claim: to.claim,
            holder: to.holder,
            granted_at: now,
            // A lease of no length would be over before its holder could learn of it.
            expires_at: after(now, to.ttl_millis.max(1)),
            queue,
        }
    }

    /// The lock, if the lease with this token is in force.
    fn held_with(&mut self, now: Timestamp, name: &str, token: u64) -> Result<LockRecord, Error> {
        let ended = self.copy(name).filter(|record| record.token == token);
        let ended = ended.map(|record| record.expires_at).filter(|expires| *expires <= now);
        self.settle(now, name);
        let record = self.copy(name);
        if let Some(record) = &record
            && record.token == token
        {
            return Ok(record.clone());
        }
        let ended = match ended {
            Some(at) => format!("its lease ended {} ms ago", now.0 - at.0),
            None if token == 0 || token > self.last_token => "no such token was given yet".into(),
            None => "its lease has expired or was released".into(),
        };
        let reason = match record {
            None => format!("{ended}, and nobody holds the lock now; acquire it anew"),
            Some(current) => format!(
                "{ended}; '{}' has held the lock with token {} for {} ms",
                current.holder,
                current.token,
                now.0.saturating_sub(current.granted_at.0)
            ),
        };
        Err(Error::LockNotHeld { name: name.into(), token: Some(token), reason })
    }

    fn copy(&self, name: &str) -> Option<LockRecord> {
        self.records.get(name).map(|record| record.as_ref().clone())
    }

    pub(super) fn put(&mut self, record: LockRecord) {
        self.forget(&record.name);
        let name: Arc<str> = record.name.as_str().into();
        self.waiting += record.queue.len();
        self.by_due.insert((record.due(), name.clone()), ());
        self.records.insert(name, Arc::new(record));
    }

    fn forget(&mut self, name: &str) {
        if let Some(known) = self.records.remove(name) {
            self.waiting -= known.queue.len();
            self.by_due.remove(&(known.due(), Arc::from(name)));
        }
    }

    /// What must hold at every moment; says what does not.
    #[cfg(test)]
    pub(super) fn check_invariants(&self) -> Result<(), String> {
        let mut due: Vec<_> =
            self.records.iter().map(|(name, record)| (record.due(), name.clone())).collect();
        due.sort();
        let by_due: Vec<_> = self.by_due.iter().map(|(key, ())| key.clone()).collect();
        if due != by_due {
            return Err(format!("due are {due:?}, not {by_due:?}"));
        }
        let waiting: usize = self.records.iter().map(|(_, record)| record.queue.len()).sum();
        if waiting != self.waiting {
            return Err(format!("{waiting} claims wait, not {}", self.waiting));
        }
        self.records.iter().try_for_each(|(name, record)| {
            if **name != *record.name {
                return Err(format!("lock '{}' stands under '{name}'", record.name));
            }
            check_record(record, self.last_token)
        })
    }
}

impl LockRecord {
    fn lease(&self) -> LockLease {
        LockLease { token: self.token, expires_at: self.expires_at }
    }

    fn info(&self) -> LockInfo {
        LockInfo {
            name: self.name.clone(),
            token: self.token,
            holder: self.holder.clone(),
            granted_at: self.granted_at,
            expires_at: self.expires_at,
            waiting: self.queue.len() as u64,
        }
    }

    pub(super) fn claim_state(&self, claim: LockClaim) -> Option<ClaimState> {
        if self.claim == claim {
            return Some(ClaimState::Held(self.lease()));
        }
        let place = self.queue.iter().position(|waiter| waiter.claim == claim)?;
        let keep_by = self.queue[place].keep_by;
        Some(ClaimState::Waiting { ahead: place as u64, keep_by })
    }

    /// The earliest moment at which something of this lock is over.
    fn due(&self) -> Timestamp {
        self.queue.iter().map(Waiter::due).fold(self.expires_at, Timestamp::min)
    }

    fn held_error(&self, now: Timestamp) -> Error {
        Error::LockHeld {
            name: self.name.clone(),
            holder: self.holder.clone(),
            token: self.token,
            left_millis: self.expires_at.0.saturating_sub(now.0),
        }
    }
}

impl Waiter {
    fn due(&self) -> Timestamp {
        self.until.min(self.keep_by)
    }
}

/// Checks one lock by itself, as it was read from a snapshot; says what is wrong with it.
pub(super) fn check_record(record: &LockRecord, last_token: u64) -> Result<(), String> {
    let name = &record.name;
    if record.token == 0 || record.token > last_token {
        return Err(format!("lock '{name}' has token {}, the last is {last_token}", record.token));
    }
    let mut claims: Vec<_> = record.queue.iter().map(|waiter| waiter.claim).collect();
    claims.push(record.claim);
    claims.sort_unstable();
    if claims.windows(2).any(|pair| pair[0] == pair[1]) {
        return Err(format!("a claim stands twice at lock '{name}'"));
    }
    Ok(())
}

fn check_limit(what: &str, present: usize, limit: usize) -> Result<(), Error> {
    if present < limit {
        return Ok(());
    }
    Err(Error::LockLimit { what: what.into(), limit: limit as u64 })
}

fn after(now: Timestamp, millis: u64) -> Timestamp {
    Timestamp(now.0.saturating_add(millis))
}
