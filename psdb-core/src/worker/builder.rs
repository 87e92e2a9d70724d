//! Builds indexes on the shards that this worker leads.
//!
//! ```text
//! for each shard led here:  an index that is not complete?  propose its next batch, wait, rest
//! ```
//! How far an index has been built is a part of the shard's state, so whoever leads goes on where the
//! last leader stopped, and a batch that is proposed twice counts once. A batch is one log entry that
//! names no documents: every replica takes the next ones of its own, equal, state.
//!
//! After every batch the builder rests as long as the batch took, so that writes get half of the
//! shard at least.
//!
//! Left out: which indexes there should be, which the masters say (`service`).

use std::sync::Arc;
use std::time::Duration;

use super::Core;
use crate::raft::Group;
use crate::shard::Shard;

/// How many documents one batch covers. The more, the more of their entries lie next to each other;
/// writes wait for the millisecond that it takes.
const BATCH_DOCUMENTS: u32 = 2_000;
/// How often the builder looks for something to do while nobody tells it of any.
const IDLE: Duration = Duration::from_millis(500);
/// How long a batch may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// The least rest between two batches.
const REST: Duration = Duration::from_millis(1);

/// Builds until the worker stops.
pub(super) async fn run(core: Arc<Core>) {
    loop {
        let mut built = false;
        for replica in core.replicas.all().into_values().filter(Group::leads) {
            built |= build_batch(&core, &replica).await;
        }
        if !built {
            // Elapsed or told, it looks again.
            let _told = core.env.timeout(IDLE, core.to_build.notified()).await;
        }
    }
}

/// Builds the next part of an index of one shard; says whether there was one.
async fn build_batch(core: &Core, replica: &Group<Shard>) -> bool {
    let (_, next) = replica.look(|shard| shard.next_build(BATCH_DOCUMENTS));
    let Some(command) = next else { return false };
    let began = core.env.instant();
    if let Err(error) = replica.propose(None, &command, TIMEOUT).await {
        tracing::debug!(group = %replica.id(), %error, "could not build a part of an index");
        return false;
    }
    core.env.sleep(core.env.instant().elapsed_since(began).max(REST)).await;
    true
}
