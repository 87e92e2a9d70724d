//! Why PSDB runs on openraft: six directed scenarios, each on async-raft 0.6.1 and on openraft
//! 0.9.25, both unmodified from crates.io.
//!
//! - `scenarios` says what happens, what Raft requires, and where async-raft goes wrong.
//! - `raft` is the vocabulary of a scenario; `async_raft_node` and `openraft_node` translate it.
//! - `wires` is the network, `machine` the state machine, `waiting` the deadlines.
//! - `report` judges and prints.
//!
//! ```text
//! cargo run --manifest-path experiments/raft-engine/Cargo.toml             # all scenarios
//! cargo run --manifest-path experiments/raft-engine/Cargo.toml stale-tail  # some
//! ```
//! Exit code 0: async-raft showed the fault and openraft did not, in every scenario; 1: anything
//! else; 2: an unknown scenario.
//!
//! Left out: random faults. A directed scenario shows one fault every time; it cannot show that
//! there are no others.

mod async_raft_node;
mod machine;
mod openraft_node;
mod raft;
mod report;
mod scenarios;
mod waiting;
mod wires;

use std::process::ExitCode;

use anyhow::{Context, Result};
use tokio::runtime::Builder;
use tokio::time::timeout;

use crate::async_raft_node::AsyncRaftNode;
use crate::openraft_node::OpenraftNode;
use crate::raft::Engine;
use crate::report::{Row, Seen, summarize};
use crate::scenarios::{
    ConflictHint, DuplicateAppend, IsolatedRead, LeaderChange, Scenario, SplitLogs, StaleTail,
};

/// Plays a scenario on both libraries and prints what was seen.
type Show = fn() -> Row;

const ALL: [(&str, Show); 6] = [
    (StaleTail::NAME, show::<StaleTail>),
    (LeaderChange::NAME, show::<LeaderChange>),
    (DuplicateAppend::NAME, show::<DuplicateAppend>),
    (IsolatedRead::NAME, show::<IsolatedRead>),
    (ConflictHint::NAME, show::<ConflictHint>),
    (SplitLogs::NAME, show::<SplitLogs>),
];

/// Plays one scenario on one library, in a runtime of its own: whatever the library leaves running
/// cannot disturb the next one.
fn play<S: Scenario, E: Engine>() -> Result<String> {
    let runtime = Builder::new_multi_thread().worker_threads(2).enable_time().build()?;
    let limit = waiting::DEADLINE * 4;
    let played = runtime.block_on(async { timeout(limit, S::play::<E>()).await });
    runtime.shutdown_background();
    played.with_context(|| format!("the scenario took more than {limit:?}"))?
}

fn show<S: Scenario>() -> Row {
    let judge = |engine, played| Seen::judge(engine, played, S::EXPECTED, S::FAULT);
    let row = Row {
        name: S::NAME,
        story: S::STORY,
        expected: S::EXPECTED,
        async_raft: judge(AsyncRaftNode::NAME, play::<S, AsyncRaftNode>()),
        openraft: judge(OpenraftNode::NAME, play::<S, OpenraftNode>()),
    };
    println!("{row}");
    row
}

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let unknown = wanted.iter().find(|name| ALL.iter().all(|(known, _)| known != name));
    if let Some(name) = unknown {
        let known = ALL.map(|(known, _)| known).join(", ");
        eprintln!("no scenario is called '{name}'; there are {known}");
        return ExitCode::from(2);
    }
    let chosen =
        ALL.iter().filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|w| w == name));
    let rows: Vec<Row> = chosen.map(|(_, show)| show()).collect();
    if summarize(&rows) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

#[cfg(test)]
mod tests {
    /// Proves that the libraries under test are the published crates, and of the versions named.
    #[test]
    fn the_engines_are_the_published_crates() {
        let lock = include_str!("../Cargo.lock");
        for (name, version) in [("async-raft", "0.6.1"), ("openraft", "0.9.25")] {
            let package = format!(
                "name = \"{name}\"\nversion = \"{version}\"\n\
                 source = \"registry+https://github.com/rust-lang/crates.io-index\"\n"
            );
            assert!(lock.contains(&package), "{name} {version} is not from crates.io");
        }
    }
}
