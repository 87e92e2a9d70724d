//! A duplicate of an old AppendEntries deletes entries that the follower has acknowledged.
//!
//! A leader sends entry 2, then entry 3; the follower accepts both, so the leader may commit both
//! and tell its clients. Then the network delivers the first request again, as networks do. It
//! says nothing that the follower does not know, so it must change nothing.
//!
//! **In async-raft** `core/append_entries.rs`, `handle_append_entries_request` deletes everything
//! behind the entry before the request (`delete_logs_from`), whether it conflicts or not. Should
//! this follower stand now, it lacks an acknowledged entry and can still win.
//!
//! **Against** figure 2 of the paper, AppendEntries, step 3 (delete only what conflicts), and
//! section 5.5 (requests are idempotent: entries already present are ignored); it breaks Leader
//! Completeness, section 5.4. openraft lists its repair as 9540c904.

use std::sync::Arc;

use anyhow::{Result, ensure};

use super::{Scenario, commands};
use crate::raft::{Append, Disk, Elections, Engine, Entry, at};
use crate::wires::Wires;

/// See the module.
pub(crate) struct DuplicateAppend;

impl Scenario for DuplicateAppend {
    const NAME: &'static str = "duplicate-append";
    const STORY: &'static str = "the network delivers an old AppendEntries again";
    const EXPECTED: &'static str = "the log holds two three";
    const FAULT: &'static str = "the log holds two";

    async fn play<E: Engine>() -> Result<String> {
        let disk = Disk { term: 1, voted_for: 1, log: vec![Entry::members()] };
        let follower = E::start(2, disk, Elections::Never, &Arc::new(Wires::new())).await?;

        let send = |prev, entry| {
            let entries = vec![entry];
            Append { term: 1, leader: 1, prev, entries, commit: at(1, 1) }
        };
        let first = send(at(1, 1), Entry::command(at(1, 2), "two"));
        let second = send(at(1, 2), Entry::command(at(1, 3), "three"));
        ensure!(follower.append(first.clone()).await?, "entry 2 was refused");
        ensure!(follower.append(second).await?, "entry 3 was refused");
        ensure!(commands(&follower.log()) == ["two", "three"], "the log lacks what was accepted");

        ensure!(follower.append(first).await?, "the duplicate was refused");
        Ok(format!("the log holds {}", commands(&follower.log()).join(" ")))
    }
}
