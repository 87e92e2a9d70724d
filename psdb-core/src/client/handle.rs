//! A query under way, which is stopped when nobody waits for it any more.
//!
//! Every query bears a number drawn by its client. A [`Handle`] knows the shards that may work
//! under it or keep a cursor; dropping it, with the future or the cursor that owns it, tells them to
//! stop. If that does not arrive, a shard stops when the request's time is over, and forgets the
//! cursor when it was idle for long.
//!
//! Left out: waiting for the shards to have stopped.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::router::Router;
use crate::transport::message::ShardRequest;
use crate::types::ShardId;

/// A query under way.
pub(super) struct Handle {
    router: Arc<Router>,
    timeout: Duration,
    number: u64,
    shards: Mutex<BTreeSet<ShardId>>,
}

impl Handle {
    /// A new query of whose requests each may take as long as `timeout`.
    pub(super) fn new(router: Arc<Router>, timeout: Duration) -> Handle {
        let number = router.env().random_u64();
        Handle { router, timeout, number, shards: Mutex::default() }
    }

    /// The number shards know the query by.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// Notes that a shard is about to work for the query.
    pub(super) fn begun(&self, shard: ShardId) {
        self.shards.lock().insert(shard);
    }

    /// Notes that a shard has nothing left of it.
    pub(super) fn ended(&self, shard: ShardId) {
        self.shards.lock().remove(&shard);
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        for shard in std::mem::take(self.shards.get_mut()) {
            let (router, timeout, handle) = (self.router.clone(), self.timeout, self.number);
            let stopping = async move {
                let (request, deadline) =
                    (ShardRequest::CloseCursor { handle }, router.deadline(timeout));
                let _unheard = router.ask_shard(shard, &request, deadline).await;
            };
            if let Some(task) = self.router.env().try_spawn(stopping) {
                task.detach();
            }
        }
    }
}
