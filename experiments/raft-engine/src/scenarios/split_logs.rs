//! Two up-to-date nodes of three never elect a leader.
//!
//! ```text
//! node 1   1:members(t1)  2:a(t2)      3:b(t2)                               ends at (t2, 3)
//! node 2   1:members(t1)  2:stale(t1)  3:stale(t1)  4:stale(t1)  5:stale(t1) ends at (t1, 5)
//! node 3   down
//! ```
//! Node 2 led term 1 alone; node 1 led term 2 with node 3, which is down now. Two of three are
//! enough, and node 1's log is the more up-to-date one: its last term is later. Node 2 must vote
//! for it.
//!
//! The scenario asks node 2 for that vote in node 1's name, then lets both run until one leads or
//! ten more terms have passed without a leader.
//!
//! **In async-raft** `core/vote.rs`, `handle_vote_request` compares term and index each for itself
//! (`>=` and `>=`). To it neither log is as up-to-date as the other, so each node refuses the
//! other, in every term to come.
//!
//! **Against** section 5.4.1 of the paper, section 3.6.1 of the thesis (the later last term wins;
//! lengths count only between equal terms). openraft lists its repair as a48a3282.

use std::sync::Arc;

use anyhow::Result;

use super::Scenario;
use crate::raft::{Ballot, Disk, Elections, Engine, Entry, Status, at};
use crate::wires::Wires;

/// How many terms without a leader count as never.
const TERMS: u64 = 10;

/// See the module.
pub(crate) struct SplitLogs;

impl Scenario for SplitLogs {
    const NAME: &'static str = "split-logs";
    const STORY: &'static str = "two nodes of three are up, their logs end at (t2,3) and (t1,5)";
    const EXPECTED: &'static str = "vote granted, node 1 leads";
    const FAULT: &'static str = "vote refused, no leader in 10 terms";

    async fn play<E: Engine>() -> Result<String> {
        let later =
            [Entry::members(), Entry::command(at(2, 2), "a"), Entry::command(at(2, 3), "b")];
        let tail = (2..=5).map(|index| Entry::command(at(1, index), "stale"));
        let longer = [Entry::members()].into_iter().chain(tail).collect();

        let wires = Arc::new(Wires::new());
        let disk = Disk { term: 2, voted_for: 1, log: later.to_vec() };
        let one = E::start(1, disk, Elections::Stands, &wires).await?;
        let disk = Disk { term: 1, voted_for: 2, log: longer };
        let two = E::start(2, disk, Elections::Stands, &wires).await?;

        let ballot = Ballot { term: 3, candidate: 1, last: at(2, 3) };
        let vote = if two.vote(ballot).await? { "granted" } else { "refused" };

        one.stand().await?;
        let end = end(&one, &two, ballot.term + TERMS).await?;
        Ok(format!("vote {vote}, {end}"))
    }
}

/// Lets both nodes run until one leads or `last_term` has passed.
async fn end<E: Engine>(one: &E, two: &E, last_term: u64) -> Result<String> {
    let ended = |status: &Status| status.leads || status.term > last_term;
    let leader = tokio::select! {
        biased;
        met = one.until("node 1 leads, or ten terms pass", ended) => met?.leads.then_some(1),
        met = two.until("node 2 leads", |status| status.leads) => met?.leads.then_some(2),
    };
    Ok(match leader {
        Some(id) => format!("node {id} leads"),
        None => format!("no leader in {TERMS} terms"),
    })
}
