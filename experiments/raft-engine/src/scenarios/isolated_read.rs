//! An isolated leader of three serves a linearizable read, with stale data.
//!
//! Node 1 leads and acknowledges `x=1`. Then no message reaches or leaves it any more; the other
//! two elect a leader, which acknowledges `x=2`. Node 1 cannot know, and therefore must not answer
//! a read: nobody confirms that it still leads.
//!
//! **In async-raft** `core/client.rs`, `handle_client_read_request` asks for `members / 2`
//! confirmations, which is 1 of three, and counts the leader itself as the first. So `client_read`
//! of three nodes never sends a message.
//!
//! **Against** section 8 of the paper and section 6.4 of the thesis (exchange heartbeats with a
//! majority of the cluster before answering). openraft lists its repair as d60f1e85.

use std::sync::Arc;

use anyhow::Result;

use super::Scenario;
use crate::raft::{Disk, Elections, Engine, Entry, Status};
use crate::wires::{Cut, Wires};

/// See the module.
pub(crate) struct IsolatedRead;

async fn start<E: Engine>(id: u64, wires: &Arc<Wires<E>>) -> Result<E> {
    let disk = Disk { term: 1, voted_for: 1, log: vec![Entry::members()] };
    E::start(id, disk, Elections::Stands, wires).await
}

impl Scenario for IsolatedRead {
    const NAME: &'static str = "isolated-read";
    const STORY: &'static str = "a leader that nobody hears is asked for a linearizable read";
    const EXPECTED: &'static str = "x=2 acknowledged elsewhere, read refused";
    const FAULT: &'static str = "x=2 acknowledged elsewhere, read served from x=1";

    async fn play<E: Engine>() -> Result<String> {
        let wires = Arc::new(Wires::new());
        let one = start::<E>(1, &wires).await?;
        let two = start::<E>(2, &wires).await?;
        let three = start::<E>(3, &wires).await?;
        one.stand().await?;
        let old = one.until("node 1 leads", |status| status.leads).await?;
        one.write("x=1").await?;

        wires.cut(Cut::Node(1));
        let newer = |status: &Status| status.leads && status.term > old.term;
        let new = tokio::select! {
            biased;
            led = two.until("node 2 leads", newer) => led.map(|_| &two),
            led = three.until("node 3 leads", newer) => led.map(|_| &three),
        }?;
        new.write("x=2").await?;

        let read = if one.may_read().await? {
            format!("served from {}", one.machine().applied().join(" "))
        } else {
            "refused".to_owned()
        };
        Ok(format!("x=2 acknowledged elsewhere, read {read}"))
    }
}
