//! What a Raft group replicates: a state that changes only by applying commands in log order.
//!
//! Invariants every implementation keeps:
//! 1. `apply` is a pure function of the state, the position and the command: no clock, no
//!    randomness, no iteration over unordered maps. Equal logs give equal states on all replicas.
//! 2. A user's mistake is part of the response. `Err` means that this *machine* can no longer be
//!    trusted, and stops the replica.
//! 3. `clone` is cheap (copy-on-write), since every read and every snapshot takes one.
//!
//! Left out: sessions and batching, which `Group` adds around the state.

use std::io::{Read, Write};

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::types::{LogIndex, Term, Timestamp};

/// Where and when in a group's history a command is applied.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The term of the entry.
    pub term: Term,
    /// The entry's index in the log.
    pub index: LogIndex,
    /// The proposer's clock at the proposal; never goes back within a group.
    pub time: Timestamp,
}

/// Why a replica cannot go on.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// Bytes of a command or a snapshot do not decode: a damaged log, or a foreign version.
    #[error("cannot decode {what}: {reason}")]
    Decode {
        /// What was being read.
        what: &'static str,
        /// Why it failed.
        reason: String,
    },
    /// Reading or writing a snapshot failed.
    #[error("cannot {action} a snapshot")]
    Snapshot {
        /// What was being done.
        action: &'static str,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
}

/// A replicated state.
pub trait StateMachine: Clone + Default + Send + Sync + 'static {
    /// What changes it.
    type Command: Serialize + DeserializeOwned + Send + Sync + 'static;
    /// What a change answers, equal on all replicas.
    type Response: Serialize + DeserializeOwned + Send + 'static;

    /// Whether `command` makes the state grow, so that it is refused while the disk is nearly full.
    /// Whatever makes room, or keeps the cluster going, does not count; nothing does unless said.
    fn grows(_command: &Self::Command) -> bool {
        false
    }

    /// Applies one command.
    ///
    /// # Errors
    ///
    /// [`StateError`] when this machine cannot be trusted any more; the replica stops.
    fn apply(
        &mut self,
        position: Position,
        command: Self::Command,
    ) -> Result<Self::Response, StateError>;

    /// Writes the whole state, so that [`StateMachine::load`] restores an equal one.
    ///
    /// # Errors
    ///
    /// [`StateError::Snapshot`] when `sink` refuses.
    fn save(&self, sink: &mut dyn Write) -> Result<(), StateError>;

    /// Reads a state written by [`StateMachine::save`]. The bytes are not trusted.
    ///
    /// # Errors
    ///
    /// [`StateError`] when the bytes are not such a state.
    fn load(source: &mut dyn Read) -> Result<Self, StateError>;
}
