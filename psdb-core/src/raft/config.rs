//! The knobs of a Raft group, each with its unit and its default.
//!
//! Invariant: the election timeout's lower end is more than twice the heartbeat interval, so that
//! one lost heartbeat starts no election ([`RaftConfig::validate`]).
//!
//! Left out: sizes of the write-ahead log, which every group of a process shares.

use std::time::Duration;

use crate::types::{Error, Result};

/// Timers and bounds of a Raft group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RaftConfig {
    /// How often a leader shows that it lives; 150 ms.
    pub heartbeat: Duration,
    /// The shortest time without a leader after which a follower stands; 500 ms.
    pub election_min: Duration,
    /// The longest such time; each wait is drawn between the two; 1,000 ms.
    pub election_max: Duration,
    /// A snapshot is taken after so many entries since the last one; 10,000.
    pub snapshot_after: u64,
    /// How many entries a snapshot covers are kept for followers that lag a little; 1,000.
    pub keep_entries: u64,
    /// How many bytes these may have together; 64 MiB. Fewer entries are kept if they are large.
    pub keep_bytes: u64,
    /// How many requests one log entry may carry; 1,024.
    pub batch_requests: usize,
    /// How many bytes of commands one log entry may carry, unless one command is larger; 4 MiB.
    pub batch_bytes: usize,
    /// How many requests may wait for a place in a batch before more are refused; 16,384.
    pub waiting_requests: usize,
    /// How many bytes of log entries one message to a follower carries; 1 MiB.
    pub message_bytes: usize,
    /// How many bytes of its newest log entries a replica keeps in memory; 4 MiB. Older ones are
    /// read from the write-ahead log when a follower lags.
    pub tail_bytes: usize,
    /// The size of a snapshot's chunks, in bytes; 256 KiB.
    pub chunk_bytes: usize,
    /// How many clients' sessions are remembered; 10,000.
    pub sessions: usize,
    /// How many unsettled answers are remembered per session; 1,024.
    pub answers_per_session: usize,
}

impl Default for RaftConfig {
    fn default() -> Self {
        RaftConfig {
            heartbeat: Duration::from_millis(150),
            election_min: Duration::from_millis(500),
            election_max: Duration::from_secs(1),
            snapshot_after: 10_000,
            keep_entries: 1_000,
            keep_bytes: 64 << 20,
            batch_requests: 1_024,
            batch_bytes: 4 << 20,
            waiting_requests: 16_384,
            message_bytes: 1 << 20,
            tail_bytes: 4 << 20,
            chunk_bytes: 256 << 10,
            sessions: 10_000,
            answers_per_session: 1_024,
        }
    }
}

impl RaftConfig {
    /// Checks that the timers fit each other and no bound is zero.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidRequest`] naming the setting.
    pub fn validate(&self) -> Result<()> {
        let refuse = |reason: String| Err(Error::InvalidRequest { reason });
        if self.election_min <= 2 * self.heartbeat {
            return refuse(format!(
                "election_min ({:?}) must be more than twice the heartbeat ({:?})",
                self.election_min, self.heartbeat
            ));
        }
        if self.election_max <= self.election_min {
            return refuse(format!(
                "election_max ({:?}) must be more than election_min ({:?})",
                self.election_max, self.election_min
            ));
        }
        let bounds = [
            ("batch_requests", self.batch_requests),
            ("waiting_requests", self.waiting_requests),
            ("message_bytes", self.message_bytes),
            ("chunk_bytes", self.chunk_bytes),
            ("sessions", self.sessions),
            ("answers_per_session", self.answers_per_session),
        ];
        match bounds.iter().find(|(_, bound)| *bound == 0) {
            Some((name, _)) => refuse(format!("{name} must be at least 1")),
            None => Ok(()),
        }
    }
}
