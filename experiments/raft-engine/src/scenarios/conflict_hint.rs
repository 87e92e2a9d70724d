//! A leader counts an unverified conflict hint as a match, and acknowledges a write that only its
//! own log holds.
//!
//! ```text
//! node 1   1:members(t1)  2:a(t3)      3:b(t3)                              stands and wins
//! node 2   1:members(t1)  2:stale(t2)  3:stale(t2)  4:stale(t2)  5:stale(t2)
//! node 3   1:members(t1)  2:a(t3)      3:b(t3)                              votes, then hears nothing
//! ```
//! Node 2 led term 2 alone, and its tail reached nobody. Node 1 wins with node 3's vote, appends
//! its blank entry at 4 and a client's write at 5. Node 2 refuses them, since its entry 3 is
//! another one. Node 1 must go back until the logs match at 1 and overwrite the tail; only then
//! do two of three logs hold the write.
//!
//! **In async-raft** the refusal carries a hint, node 2's own last index, which is 5.
//! `replication/mod.rs`, `send_append_entries` takes it for the match index, with the term of the
//! *leader's* entry 5, and reports it by `UpdateMatchIndex`; `core/replication.rs`,
//! `handle_update_match_index` finds entry 5 on "two" nodes and commits it.
//!
//! **Against** figure 2 of the paper (`matchIndex` is the highest entry *known to be* replicated on
//! a server) and section 5.3 (committed once a majority has stored it). None of the 23 repairs that
//! openraft lists names it. openraft's refusals carry no hint; its leader searches for the match
//! between what surely matches and what surely does not (`progress/entry/mod.rs`).

use std::sync::Arc;

use anyhow::Result;

use super::{Scenario, commands};
use crate::raft::{Disk, Elections, Engine, Entry, at};
use crate::wires::{Cut, Wires};

/// See the module.
pub(crate) struct ConflictHint;

impl Scenario for ConflictHint {
    const NAME: &'static str = "conflict-hint";
    const STORY: &'static str = "a follower refuses with a hint that is no match";
    const EXPECTED: &'static str = "acknowledged with 2 of 3 copies";
    const FAULT: &'static str = "acknowledged with 1 of 3 copies";

    async fn play<E: Engine>() -> Result<String> {
        let agreed =
            [Entry::members(), Entry::command(at(3, 2), "a"), Entry::command(at(3, 3), "b")];
        let tail = (2..=5).map(|index| Entry::command(at(2, index), "stale"));
        let stale = [Entry::members()].into_iter().chain(tail).collect();

        let wires = Arc::new(Wires::new());
        wires.cut(Cut::AppendsTo(3));
        let disk = Disk { term: 3, voted_for: 1, log: agreed.to_vec() };
        let one = E::start(1, disk.clone(), Elections::Stands, &wires).await?;
        let three = E::start(3, disk, Elections::Never, &wires).await?;
        let disk = Disk { term: 2, voted_for: 2, log: stale };
        let two = E::start(2, disk, Elections::Never, &wires).await?;

        one.stand().await?;
        one.until("node 1 leads", |status| status.leads).await?;
        one.write("new").await?;

        let logs = [one.log(), two.log(), three.log()];
        let copies = logs.iter().filter(|log| commands(log).iter().any(|c| c == "new")).count();
        Ok(format!("acknowledged with {copies} of 3 copies"))
    }
}
