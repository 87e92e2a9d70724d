//! The six scenarios, one a file, each played on both libraries by the same code.
//!
//! A scenario starts from disks that a correct cluster can leave behind, and what its messages say
//! is what a correct leader or candidate would send. So whatever it sees that differs from
//! [`Scenario::EXPECTED`] is the fault of the library.
//!
//! Sections of *the paper* are those of the extended version of "In Search of an Understandable
//! Consensus Algorithm"; *the thesis* is "Consensus: Bridging Theory and Practice".

mod conflict_hint;
mod duplicate_append;
mod isolated_read;
mod leader_change;
mod split_logs;
mod stale_tail;

use anyhow::Result;

pub(crate) use self::conflict_hint::ConflictHint;
pub(crate) use self::duplicate_append::DuplicateAppend;
pub(crate) use self::isolated_read::IsolatedRead;
pub(crate) use self::leader_change::LeaderChange;
pub(crate) use self::split_logs::SplitLogs;
pub(crate) use self::stale_tail::StaleTail;
use crate::raft::{Engine, Entry};

/// One situation, what Raft requires in it, and what async-raft does instead.
pub(crate) trait Scenario {
    const NAME: &'static str;
    /// The situation in one line.
    const STORY: &'static str;
    /// What a correct library shows.
    const EXPECTED: &'static str;
    /// What async-raft 0.6.1 shows, by a reading of its source.
    const FAULT: &'static str;

    /// Plays the scenario and says what was seen. An error means that it could not be played.
    async fn play<E: Engine>() -> Result<String>;
}

/// The commands of a log, in order.
fn commands(log: &[Entry]) -> Vec<String> {
    log.iter().filter_map(Entry::as_command).map(str::to_owned).collect()
}
