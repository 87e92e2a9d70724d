//! Serves locks: claims, renewals and releases, and the end of leases.
//!
//! ```text
//! Acquire ─► its claim known? ── no ──► propose it, under its request id
//!                │ yes                     │
//!                ▼                         ▼
//!           look ─► held: Granted · gone: error · waits: until the state changes, then look again
//!                                                 until the sender gives up soon: Queued
//! ```
//! A claim that waits is asked for again and again under one request id (a long poll). The leader
//! keeps nothing of it but the open request; the place in the queue is in the metadata. So a claim
//! keeps its place when a leader dies, and its client asks the next one.
//!
//! Invariants:
//! 1. Whatever is said of a claim was committed before.
//! 2. A claim is looked up before it is proposed, and proposed under its request id only, so a late
//!    message cannot queue it a second time.
//!
//! Left out: what locks are (`metadata::locks`).

use std::sync::Arc;
use std::time::Duration;

use super::Core;
use super::service::{Answer, mismatched};
use crate::env::Instant;
use crate::metadata::{
    ClaimState, Command, LockAnswer, LockCommand, Metadata, PRESENCE_MILLIS, Response,
};
use crate::raft::ProposeError;
use crate::transport::message::{LockClaim, LockLease, LockRequest, LockResponse};
use crate::types::{
    Error, RequestId, validate_lock_holder, validate_lock_name, validate_lock_ttl,
    validate_lock_wait,
};

/// How long one proposal that nobody waits for may take.
const EXPIRE_TIMEOUT: Duration = Duration::from_secs(5);

/// Proposes the end of leases and waits as they fall due. Nothing is lost when it comes late or
/// twice: every command about a lock ends by itself what is over on that lock.
pub(super) async fn expire_when_due(core: Arc<Core>) {
    loop {
        let pause = if core.group.leads() { core.expire_due().await } else { core.options.tick };
        core.env.sleep(pause).await;
    }
}

impl Core {
    /// Ends what is over now; returns how long to wait before the next look.
    async fn expire_due(&self) -> Duration {
        let tick = self.options.tick;
        let Some(due) = self.group.state().next_lock_due() else { return tick };
        let left = due.0.saturating_sub(self.env.now().0);
        if left > 0 {
            return Duration::from_millis(left).min(tick);
        }
        match self.change_locks(None, LockCommand::Expire, EXPIRE_TIMEOUT).await {
            Ok(_done) => Duration::from_millis(1),
            Err(error) => {
                tracing::debug!(master = %self.options.name, %error, "leases were not ended");
                tick
            }
        }
    }

    /// Answers one request about locks. The read barrier was passed before.
    pub(super) async fn lock(
        &self,
        metadata: &Metadata,
        request: LockRequest,
        timeout: Duration,
    ) -> Answer<LockResponse> {
        match request {
            LockRequest::Acquire { request, name, holder, ttl, wait } => {
                validate_lock_name(&name)?;
                validate_lock_holder(&holder)?;
                validate_lock_ttl(ttl)?;
                validate_lock_wait(wait)?;
                let until = self.env.instant() + timeout / 3 * 2;
                let claim = LockClaim::from(&request);
                let mut first = None;
                if metadata.lock_claim(&name, claim).is_none() {
                    let (ttl_millis, wait_millis) = (millis(ttl), millis(wait));
                    let name = name.clone();
                    let command =
                        LockCommand::Acquire { name, claim, holder, ttl_millis, wait_millis };
                    first = Some(self.change_locks(Some(request), command, timeout).await?);
                }
                self.keep_place(&name, claim, timeout).await?;
                self.await_claim(&name, claim, first, until).await
            }
            LockRequest::Renew { request, name, token, ttl } => {
                validate_lock_name(&name)?;
                validate_lock_ttl(ttl)?;
                let command = LockCommand::Renew { name, token, ttl_millis: millis(ttl) };
                match self.change_locks(Some(request), command, timeout).await? {
                    LockAnswer::Granted(lease) => Ok(LockResponse::Granted(lease)),
                    _ => Err(mismatched()),
                }
            }
            LockRequest::Release { request, name, token } => {
                validate_lock_name(&name)?;
                let command = LockCommand::Release { name, token };
                self.change_locks(Some(request), command, timeout).await?;
                Ok(LockResponse::Released)
            }
            LockRequest::List => Ok(LockResponse::Locks(metadata.locks().collect())),
        }
    }

    /// Waits until a claim that was made is granted or gone, but not so long that the answer comes
    /// too late for its sender.
    async fn await_claim(
        &self,
        name: &str,
        claim: LockClaim,
        first: Option<LockAnswer>,
        until: Instant,
    ) -> Answer<LockResponse> {
        // Before the first look, so that no change falls between the two.
        let mut changes = self.group.watch();
        loop {
            if !self.group.leads() {
                let leader = self.group.status().leader.map(|(_, address)| address);
                return Err(ProposeError::NotLeader(leader));
            }
            let metadata = self.group.state();
            let ahead = match metadata.lock_claim(name, claim) {
                Some(ClaimState::Held(lease)) => return Ok(LockResponse::Granted(lease)),
                Some(ClaimState::Waiting { ahead, .. }) => ahead,
                None => return Err(self.gone(&metadata, name, first.as_ref()).into()),
            };
            let left = until.elapsed_since(self.env.instant());
            match self.env.timeout(left, changes.changed()).await {
                Ok(Some(_status)) => {}
                Ok(None) | Err(_) => return Ok(LockResponse::Queued { ahead }),
            }
        }
    }

    /// Notes in the metadata that the claim's client was heard, if that was not done lately.
    async fn keep_place(&self, name: &str, claim: LockClaim, timeout: Duration) -> Answer<()> {
        let known = self.group.state().lock_claim(name, claim);
        let Some(ClaimState::Waiting { keep_by, .. }) = known else { return Ok(()) };
        if keep_by.0.saturating_sub(self.env.now().0) < PRESENCE_MILLIS / 2 {
            let command = LockCommand::KeepPlace { name: name.into(), claim };
            self.change_locks(None, command, timeout).await?;
        }
        Ok(())
    }

    /// Why a claim that was made neither waits nor holds the lock.
    fn gone(&self, metadata: &Metadata, name: &str, first: Option<&LockAnswer>) -> Error {
        if let Some(LockAnswer::Granted(LockLease { token, expires_at })) = first {
            let reason = format!(
                "it was granted, but its lease ended at {expires_at}, before the answer could be \
                 fetched; acquire it anew, with a longer ttl"
            );
            return Error::LockNotHeld { name: name.into(), token: Some(*token), reason };
        }
        match metadata.lock(name) {
            Some(lock) => Error::LockHeld {
                name: lock.name,
                holder: lock.holder,
                token: lock.token,
                left_millis: lock.expires_at.0.saturating_sub(self.env.now().0),
            },
            None => Error::LockNotHeld {
                name: name.into(),
                token: None,
                reason: format!(
                    "its wait ended, its lease did, or its client was not heard for \
                     {PRESENCE_MILLIS} ms; nobody holds the lock now, so acquire it anew"
                ),
            },
        }
    }

    async fn change_locks(
        &self,
        request: Option<RequestId>,
        command: LockCommand,
        timeout: Duration,
    ) -> Answer<LockAnswer> {
        match self.group.propose(request, &Command::Lock(command), timeout).await?.response {
            Response::Lock(LockAnswer::Failed(error)) => Err(error.into()),
            Response::Lock(answer) => Ok(answer),
            _ => Err(mismatched()),
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

#[cfg(test)]
#[path = "locks_tests.rs"]
mod tests;
