//! What the scenarios say to a Raft node, in words that belong to neither engine.
//!
//! A scenario seeds disks, starts nodes, sends them messages as a peer would, and looks at logs and
//! state machines. [`Engine`] is the translation of that for one library, so both libraries play
//! the very same scenario.
//!
//! The log begins at index 1, as in the Raft paper; index 1 is always the membership {1, 2, 3}.
//!
//! Invariant: nothing here decides anything; a wrong answer is the library's own.
//!
//! Left out: snapshots and changes of membership, which no scenario needs.

use std::fmt;
use std::sync::Arc;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use crate::machine::Machine;
use crate::wires::Wires;

/// The members of every cluster here.
pub(crate) const MEMBERS: [u64; 3] = [1, 2, 3];

/// How often a leader shows that it lives.
pub(crate) const HEARTBEAT_MS: u64 = 100;
/// The shortest time without a leader after which a node stands.
pub(crate) const ELECTION_MIN_MS: u64 = 500;
/// The longest such time.
pub(crate) const ELECTION_MAX_MS: u64 = 1_000;

/// The place of an entry in a log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Position {
    pub(crate) term: u64,
    pub(crate) index: u64,
}

/// `at(2, 3)` is the place of the entry with index 3, written in term 2.
pub(crate) const fn at(term: u64, index: u64) -> Position {
    Position { term, index }
}

/// What a client asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Command(pub(crate) String);

/// What a client hears once its command is applied.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Applied;

/// What an entry says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Payload {
    /// The membership {1, 2, 3}.
    Members,
    /// A new leader's first entry.
    Blank,
    /// A client's command.
    Command(Command),
}

/// One entry of a log.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    pub(crate) position: Position,
    pub(crate) payload: Payload,
}

impl Entry {
    /// The membership, as the first leader wrote it in term 1.
    pub(crate) fn members() -> Entry {
        Entry { position: at(1, 1), payload: Payload::Members }
    }

    /// An entry with a client's command.
    pub(crate) fn command(position: Position, command: &str) -> Entry {
        Entry { position, payload: Payload::Command(Command(command.to_owned())) }
    }

    /// The command of this entry, if it has one.
    pub(crate) fn as_command(&self) -> Option<&str> {
        match &self.payload {
            Payload::Command(Command(command)) => Some(command),
            Payload::Members | Payload::Blank => None,
        }
    }
}

/// What a node finds on its disk when it starts.
#[derive(Clone, Debug)]
pub(crate) struct Disk {
    /// The node's current term.
    pub(crate) term: u64,
    /// Whom it voted for in that term.
    pub(crate) voted_for: u64,
    /// Its log, from index 1 on without a gap.
    pub(crate) log: Vec<Entry>,
}

/// Whether a node stands for election when it misses its leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Elections {
    /// It does, after the time-outs above.
    Stands,
    /// It never does, so that a scenario has only the leaders it names.
    Never,
}

/// An AppendEntries request.
#[derive(Clone, Debug)]
pub(crate) struct Append {
    pub(crate) term: u64,
    pub(crate) leader: u64,
    /// The entry before the first of `entries`.
    pub(crate) prev: Position,
    /// Empty in a heartbeat.
    pub(crate) entries: Vec<Entry>,
    /// The last entry that the leader knows to be committed.
    pub(crate) commit: Position,
}

/// A RequestVote request.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Ballot {
    pub(crate) term: u64,
    pub(crate) candidate: u64,
    /// The last entry of the candidate's log.
    pub(crate) last: Position,
}

/// What a node says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Status {
    pub(crate) term: u64,
    pub(crate) leads: bool,
    /// The index up to which it says it has applied.
    pub(crate) applied: u64,
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let role = if self.leads { "leads" } else { "does not lead" };
        write!(f, "term {}, {role}, applied {}", self.term, self.applied)
    }
}

/// A running node of one library.
///
/// Errors mean that the scenario could not be played; what a library answers, right or wrong, is
/// never an error.
pub(crate) trait Engine: Clone + Send + Sync + Sized + 'static {
    /// The published crate and its version.
    const NAME: &'static str;

    /// Starts node `id` on `disk` and attaches it to `wires`.
    async fn start(
        id: u64,
        disk: Disk,
        elections: Elections,
        wires: &Arc<Wires<Self>>,
    ) -> Result<Self>;

    /// Delivers an AppendEntries request; returns whether the node accepted it.
    async fn append(&self, request: Append) -> Result<bool>;

    /// Delivers a RequestVote request; returns whether the node granted its vote.
    async fn vote(&self, ballot: Ballot) -> Result<bool>;

    /// Makes the node stand for election soon.
    async fn stand(&self) -> Result<()>;

    /// Writes through this node, which must lead, and returns once it acknowledges.
    async fn write(&self, command: &str) -> Result<()>;

    /// Asks for a linearizable read; returns whether the node allows it.
    async fn may_read(&self) -> Result<bool>;

    /// Waits until the node's status meets a condition.
    async fn until(&self, what: &str, met: impl Fn(&Status) -> bool) -> Result<Status>;

    /// The node's log as it is stored.
    fn log(&self) -> Vec<Entry>;

    /// The node's state machine.
    fn machine(&self) -> &Machine;
}
