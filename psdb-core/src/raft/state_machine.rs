//! What a Raft group replicates: a state that changes only by applying commands in log order.
//!
//! What the state consists of lies in the trees of a [`Store`], which `Group` owns and hands to
//! each call. A machine may keep a part of it in its own memory and write that into the trees when
//! a checkpoint is about to be taken ([`StateMachine::flush`]).
//!
//! Invariants every implementation keeps:
//! 1. `apply` is a function of the state, the position and the command alone: no clock, no
//!    randomness, no iteration over unordered maps. Equal logs give equal states on all replicas,
//!    however their pages lie.
//! 2. A user's mistake is part of the response. `Err` means that this *machine* can no longer be
//!    trusted, and stops the replica.
//! 3. `view` is cheap, since every read takes one.
//! 4. After `flush` the trees hold everything that `open` needs to make an equal machine.
//!
//! Left out: sessions and batching, which `Group` adds around the state.

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::storage::{Snapshot, StorageError, Store};
use crate::types::{Error, LogIndex, Term, Timestamp};

/// What the names of the trees begin with that `Group` keeps beside the machine's.
pub const RESERVED_TREES: &str = "raft/";

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
    /// Bytes of a command or a state do not decode: a damaged log, or a foreign version.
    #[error("cannot decode {what}: {reason}")]
    Decode {
        /// What was being read.
        what: &'static str,
        /// Why it failed.
        reason: String,
    },
    /// Reading or writing a snapshot failed.
    #[error("cannot {action} a snapshot: {source}")]
    Snapshot {
        /// What was being done.
        action: &'static str,
        /// The cause.
        #[source]
        source: std::io::Error,
    },
    /// The trees cannot be read or written. See the error for file and offset.
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl StateError {
    /// What clients and operators are told.
    pub(crate) fn to_public(&self) -> Error {
        match self {
            StateError::Storage(error) => Error::from(error.clone()),
            StateError::Decode { .. } | StateError::Snapshot { .. } => {
                Error::Storage { reason: self.to_string() }
            }
        }
    }
}

/// A replicated state.
pub trait StateMachine: Sized + Send + Sync + 'static {
    /// What changes it.
    type Command: Serialize + DeserializeOwned + Send + Sync + 'static;
    /// What a change answers, equal on all replicas.
    type Response: Serialize + DeserializeOwned + Send + 'static;
    /// The state at one moment, for readers.
    type View: Clone + Send + Sync + 'static;
    /// What checks the trees of another replica.
    type Inspector: Inspector<Self>;

    /// Reads the state that the trees hold; from none, the state every group begins with.
    ///
    /// # Errors
    ///
    /// [`StateError`] when the trees hold no such state.
    fn open(trees: &Snapshot) -> Result<Self, StateError>;

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
        trees: &mut Store,
        position: Position,
        command: Self::Command,
    ) -> Result<Self::Response, StateError>;

    /// Writes into the trees what is not there yet.
    ///
    /// # Errors
    ///
    /// As for [`StateMachine::apply`].
    fn flush(&mut self, trees: &mut Store) -> Result<(), StateError>;

    /// Makes again, from the trees that are whole, those that follow from them.
    ///
    /// # Errors
    ///
    /// [`StateError`] when something else is missing.
    fn rebuild(trees: &mut Store) -> Result<(), StateError> {
        // Nothing follows from anything else, unless a machine says so.
        let _: &mut Store = trees;
        Ok(())
    }

    /// The state as it is now, in O(1).
    fn view(&self, trees: &Store) -> Self::View;
}

/// Looks at the trees that come from another replica, entry by entry in their order, before
/// anything relies on them. Their names, order and numbers are checked already.
pub trait Inspector<S>: Default + Send {
    /// Looks at one entry.
    ///
    /// # Errors
    ///
    /// [`StateError::Decode`] when no replica would have such an entry.
    fn entry(&mut self, tree: &[u8], key: &[u8], value: &bytes::Bytes) -> Result<(), StateError>;

    /// Compares the entries with the state that was opened from them.
    ///
    /// # Errors
    ///
    /// [`StateError::Decode`] when they do not fit each other.
    fn finish(self, machine: &S) -> Result<(), StateError>;
}

impl<S> Inspector<S> for () {
    fn entry(&mut self, _: &[u8], _: &[u8], _: &bytes::Bytes) -> Result<(), StateError> {
        Ok(())
    }

    fn finish(self, _: &S) -> Result<(), StateError> {
        Ok(())
    }
}
