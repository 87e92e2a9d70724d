//! What clients ask of the masters about locks.
//!
//! A claim is one request for one lock, from its first sending to the end of its wait or of its
//! lease. It is named by the client and sequence of the request that made it, so that a retry finds
//! its place in the queue, or its grant, again.
//!
//! Left out: what a lock is (`metadata::locks`).

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::types::{ClientId, RequestId, Timestamp};

/// Names one claim to a lock for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct LockClaim {
    /// Who claims.
    pub client: ClientId,
    /// Which of the client's requests to the masters.
    pub sequence: u64,
}

impl From<&RequestId> for LockClaim {
    fn from(request: &RequestId) -> LockClaim {
        LockClaim { client: request.client, sequence: request.sequence }
    }
}

/// A lock that was granted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockLease {
    /// The fencing token: larger than every token given for any lock before.
    pub token: u64,
    /// When the lease ends by the masters' time, unless it is renewed.
    pub expires_at: Timestamp,
}

/// One lock, as `lock list` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LockInfo {
    /// Its name.
    pub name: String,
    /// The fencing token of the lease in force.
    pub token: u64,
    /// What the holder calls itself.
    pub holder: String,
    /// When the lease was granted, by the masters' time.
    pub granted_at: Timestamp,
    /// When it ends, unless it is renewed.
    pub expires_at: Timestamp,
    /// How many claims wait for it.
    pub waiting: u64,
}

/// A request about locks.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LockRequest {
    /// Claims a lock, or asks again what became of the claim that `request` names.
    Acquire {
        /// Names the claim, so that a retry makes no second one.
        request: RequestId,
        /// The lock.
        name: String,
        /// What the holder calls itself, for people.
        holder: String,
        /// How long the lease lasts from the moment it is granted.
        ttl: Duration,
        /// How long the claim waits in the queue; zero not to wait.
        wait: Duration,
    },
    /// Lets the lease end `ttl` from now.
    Renew {
        /// Makes a retry apply once.
        request: RequestId,
        /// The lock.
        name: String,
        /// The lease's token.
        token: u64,
        /// How long it lasts from now.
        ttl: Duration,
    },
    /// Ends the lease now.
    Release {
        /// Makes a retry apply once.
        request: RequestId,
        /// The lock.
        name: String,
        /// The lease's token.
        token: u64,
    },
    /// Returns every lock that is held.
    List,
}

/// The answer to a [`LockRequest`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum LockResponse {
    /// The lock is the claim's, or the lease was renewed.
    Granted(LockLease),
    /// The claim waits: ask again under the same request id.
    Queued {
        /// How many claims come before it.
        ahead: u64,
    },
    /// The lease has ended.
    Released,
    /// Every lock that is held, by name.
    Locks(Vec<LockInfo>),
}
