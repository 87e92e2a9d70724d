//! Reads from any replica, with a bound on their age.
//!
//! A replica knows how old its state may be by asking: it asks the leader how far the group has
//! got, which the leader answers behind its read barrier, and waits until it has applied that
//! much. From then on its state is at most as old as the *asking*. As long as that was recent
//! enough for a reader, nobody is asked again:
//!
//! ```text
//! asked at t, answer 120 ──► applied ≥ 120: at time now the state is at most (now - t) old
//! ```
//! Only the replica's own monotonic clock is used, and only for differences, so neither slow
//! messages nor wrong clocks make a state look younger than it is.
//!
//! Invariant: an age is never understated.
//!
//! A query of several pages shows the state it began with; its cursor lives where it began.
//!
//! Left out: selections of documents to be changed, which must see the newest state.

use std::collections::BTreeMap;
use std::time::Duration;

use parking_lot::Mutex;

use super::Core;
use crate::codec::frame;
use crate::env::Instant;
use crate::raft::{Group, ProposeError};
use crate::shard::Shard;
use crate::transport::message::{Reply, ShardRequest, ShardResponse};
use crate::transport::{Message, Service};
use crate::types::{Error, LogIndex, Outcome, ShardId};

/// When each replica last asked how far its group was, and what it heard.
#[derive(Default)]
pub(super) struct Freshness(Mutex<BTreeMap<ShardId, Asked>>);

#[derive(Clone, Copy)]
struct Asked {
    at: Instant,
    reached: LogIndex,
}

type Answer<T> = Result<T, ProposeError>;

impl Core {
    /// Makes sure that the replica's state is at most `max_age` old; returns how old it may be.
    pub(super) async fn fresh_within(
        &self,
        shard: ShardId,
        replica: &Group<Shard>,
        max_age: Duration,
        timeout: Duration,
    ) -> Answer<Duration> {
        let known = self.freshness.0.lock().get(&shard).copied();
        if let Some(asked) = known {
            let age = self.env.instant().elapsed_since(asked.at);
            if age <= max_age && replica.applied() >= asked.reached {
                return Ok(age);
            }
        }
        let at = self.env.instant();
        let reached = self.ask_leader(shard, replica, timeout).await?;
        let mut status = replica.watch();
        let applied = status.until(|status| status.applied >= reached);
        if !matches!(self.env.timeout(timeout, applied).await, Ok(Some(_))) {
            return Err(unavailable(shard, "this replica has not caught up with its leader"));
        }
        self.freshness.0.lock().insert(shard, Asked { at, reached });
        Ok(self.env.instant().elapsed_since(at))
    }

    /// How far the group has got, as its leader confirms.
    async fn ask_leader(
        &self,
        shard: ShardId,
        replica: &Group<Shard>,
        timeout: Duration,
    ) -> Answer<LogIndex> {
        if replica.leads() {
            replica.read_barrier(timeout).await?;
            return Ok(replica.applied());
        }
        let Some((_, leader)) = replica.status().leader else {
            return Err(unavailable(shard, "this replica knows no leader"));
        };
        let body = frame::encode(&ShardRequest::ReadIndex);
        let message = Message { service: Service::Shard, group: replica.id(), timeout, body };
        let reply = self.transport.call(&leader, message).await;
        let reply = reply.map_err(|error| unavailable(shard, &error.to_string()))?;
        match frame::decode(&reply) {
            Ok(Reply::Done(ShardResponse::ReadIndex(reached))) => Ok(reached),
            Ok(Reply::Failed(error)) => Err(error.into()),
            _ => Err(unavailable(shard, "its leader could not say how far it is")),
        }
    }
}

fn unavailable(shard: ShardId, reason: &str) -> ProposeError {
    ProposeError::Failed(Error::Unavailable {
        what: format!("shard {shard}"),
        reason: reason.to_owned(),
        outcome: Outcome::NotApplied,
    })
}
