//! A query under way, which is stopped when nobody waits for it any more.
//!
//! Every query bears a number drawn by its client. A [`Handle`] knows the shards that may work
//! under it or keep a cursor; dropping it, with the future or the cursor that owns it, tells them to
//! stop. If that does not arrive, a shard stops when the request's time is over, and forgets the
//! cursor when it was idle for long.
//!
//! Left out: waiting for the shards to have stopped.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;

use super::router::Router;
use crate::transport::message::ShardRequest;
use crate::types::{Address, ShardId};

/// A query under way.
pub(super) struct Handle {
    router: Arc<Router>,
    timeout: Duration,
    number: u64,
    shards: Mutex<BTreeMap<ShardId, Answerer>>,
}

/// Who answers a query on a shard.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answerer {
    /// Its leader.
    Leader,
    /// One of its replicas.
    Anyone,
    /// This one.
    At(Address),
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
    pub(super) fn begun(&self, shard: ShardId, answerer: Answerer) {
        self.shards.lock().insert(shard, answerer);
    }

    /// Notes that a shard has nothing left of it.
    pub(super) fn ended(&self, shard: ShardId) {
        self.shards.lock().remove(&shard);
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        for (shard, answerer) in std::mem::take(self.shards.get_mut()) {
            let (router, timeout, handle) = (self.router.clone(), self.timeout, self.number);
            let stopping = async move {
                let (request, deadline) =
                    (ShardRequest::CloseCursor { handle }, router.deadline(timeout));
                let replicas = match answerer {
                    Answerer::Leader => {
                        let _unheard = router.ask_shard(shard, &request, deadline).await;
                        return;
                    }
                    Answerer::Anyone => router.replicas(shard),
                    Answerer::At(address) => vec![address],
                };
                for address in &replicas {
                    let _unheard = router.ask_at(shard, address, &request, deadline).await;
                }
            };
            if let Some(task) = self.router.env().try_spawn(stopping) {
                task.detach();
            }
        }
    }
}
