//! A heartbeat makes a follower with a stale tail apply entries that were never committed.
//!
//! ```text
//! follower   1:members(t1)  2:stale-2(t1)  3:stale-3(t1)    the tail reached nobody else
//! leader     1:members(t1)  2:new-2(t2)    3:new-3(t2)      committed up to 3
//! ```
//! The leader's heartbeat names its last entry, (t2, 3), as the one before it, and 3 as committed.
//! The follower has another entry there, so it must refuse; then the leader goes back and sends
//! its own entries 2 and 3.
//!
//! **In async-raft** `core/append_entries.rs`, `handle_append_entries_request` answers a request
//! without entries by `success: true` before it has compared anything, and
//! `initial_replicate_to_state_machine` applies whatever its own log holds up to the leader's
//! commit index.
//!
//! **Against** figure 2 of the paper, AppendEntries, steps 2 and 5 (refuse without a match; commit
//! no further than the last entry known to match), and so State Machine Safety, section 5.4.3.
//! openraft lists its repair as 6202138f.

use std::sync::Arc;

use anyhow::{Result, ensure};

use super::Scenario;
use crate::raft::{Append, Disk, Elections, Engine, Entry, at};
use crate::wires::Wires;

/// See the module.
pub(crate) struct StaleTail;

impl Scenario for StaleTail {
    const NAME: &'static str = "stale-tail";
    const STORY: &'static str = "a heartbeat reaches a follower with a stale tail";
    const EXPECTED: &'static str = "applied new-2 new-3";
    const FAULT: &'static str = "applied stale-2 stale-3";

    async fn play<E: Engine>() -> Result<String> {
        let stale = [at(1, 2), at(1, 3)].map(|p| Entry::command(p, &format!("stale-{}", p.index)));
        let fresh = [at(2, 2), at(2, 3)].map(|p| Entry::command(p, &format!("new-{}", p.index)));
        let log = [Entry::members()].into_iter().chain(stale).collect();
        let disk = Disk { term: 1, voted_for: 2, log };
        let follower = E::start(2, disk, Elections::Never, &Arc::new(Wires::new())).await?;

        let from_leader =
            |prev, entries| Append { term: 2, leader: 1, prev, entries, commit: at(2, 3) };
        let heartbeat = from_leader(at(2, 3), Vec::new());
        if !follower.append(heartbeat).await? {
            let repaired = follower.append(from_leader(at(1, 1), fresh.to_vec())).await?;
            ensure!(repaired, "entries after a shared entry were refused");
        }
        let applied = follower.machine().until("two applied commands", |all| all.len() >= 2);
        Ok(format!("applied {}", applied.await?.join(" ")))
    }
}
