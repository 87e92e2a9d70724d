//! A change of leader makes a replica skip committed entries, silently and for ever.
//!
//! The leader of term 1 replicates entries 2 and 3 to a follower; before they are committed, a new
//! leader of term 2 takes over. It has both entries as well, appends entry 4 behind them and
//! commits all three. The follower has them all in its log and must apply them all, in order.
//!
//! **In async-raft** `core/mod.rs`, `update_current_leader` clears `entries_cache`, and
//! `core/append_entries.rs`, `replicate_to_state_machine_if_needed` applies only from that cache,
//! beginning with whatever index the cache happens to begin with. `last_applied` jumps over the
//! gap, so nothing ever comes back for it.
//!
//! **Against** figure 2 of the paper, rules for all servers (while `commitIndex > lastApplied`,
//! apply the entry at `lastApplied + 1`), and section 5.3 (apply in log order). openraft lists its
//! repair as 8cd24ba0: the cache is gone.

use std::sync::Arc;

use anyhow::{Result, ensure};

use super::Scenario;
use crate::raft::{Append, Disk, Elections, Engine, Entry, at};
use crate::wires::Wires;

/// See the module.
pub(crate) struct LeaderChange;

impl Scenario for LeaderChange {
    const NAME: &'static str = "leader-change";
    const STORY: &'static str = "the leader changes between replicating and committing";
    const EXPECTED: &'static str = "applied two three four";
    const FAULT: &'static str = "applied four";

    async fn play<E: Engine>() -> Result<String> {
        let disk = Disk { term: 1, voted_for: 1, log: vec![Entry::members()] };
        let follower = E::start(2, disk, Elections::Never, &Arc::new(Wires::new())).await?;

        let two = Entry::command(at(1, 2), "two");
        let three = Entry::command(at(1, 3), "three");
        let entries = vec![two, three];
        let first = Append { term: 1, leader: 1, prev: at(1, 1), entries, commit: at(1, 1) };
        ensure!(follower.append(first).await?, "the first leader's entries were refused");
        follower.until("the membership applied", |status| status.applied >= 1).await?;

        let entries = vec![Entry::command(at(2, 4), "four")];
        let second = Append { term: 2, leader: 3, prev: at(1, 3), entries, commit: at(1, 1) };
        ensure!(follower.append(second).await?, "the second leader's entry was refused");
        let heartbeat =
            Append { term: 2, leader: 3, prev: at(2, 4), entries: Vec::new(), commit: at(2, 4) };
        ensure!(follower.append(heartbeat).await?, "a heartbeat that matches was refused");

        let four = |all: &[String]| all.last().is_some_and(|last| last == "four");
        let applied = follower.machine().until("entry 4 applied", four).await?;
        Ok(format!("applied {}", applied.join(" ")))
    }
}
