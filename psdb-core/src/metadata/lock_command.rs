//! What changes the locks, and what each change answers.
//!
//! Left out: what follows from them (`locks`).

use serde::{Deserialize, Serialize};

use crate::transport::message::{LockClaim, LockLease};
use crate::types::Error;

/// One change of the locks. Each is judged by the time of the entry it arrives in.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum LockCommand {
    /// Claims a lock. A claim that holds it or waits for it already learns so again.
    Acquire {
        /// The lock, its name checked before.
        name: String,
        /// Which claim.
        claim: LockClaim,
        /// What the holder calls itself, checked before.
        holder: String,
        /// How long the lease lasts from the moment it is granted, in milliseconds.
        ttl_millis: u64,
        /// How long the claim waits, in milliseconds; 0 not to wait.
        wait_millis: u64,
    },
    /// The claim's client has been heard: it keeps its place for a while longer. Repeatable.
    KeepPlace {
        /// The lock.
        name: String,
        /// Which claim.
        claim: LockClaim,
    },
    /// Lets the lease with this token end so long from now.
    Renew {
        /// The lock.
        name: String,
        /// The lease's token.
        token: u64,
        /// How long it lasts from now, in milliseconds.
        ttl_millis: u64,
    },
    /// Ends the lease with this token.
    Release {
        /// The lock.
        name: String,
        /// The lease's token.
        token: u64,
    },
    /// Ends every lease and every wait that is over. Repeatable.
    Expire,
}

/// What a [`LockCommand`] answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum LockAnswer {
    /// The lease in force.
    Granted(LockLease),
    /// The claim waits.
    Queued {
        /// How many claims come before it.
        ahead: u64,
    },
    /// Done, with nothing to tell.
    Done,
    /// What was asked did not come about. Leases and waits that were over have ended all the same,
    /// which is what sets this apart from a refusal.
    Failed(Error),
}
