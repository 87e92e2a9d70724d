//! One question to every shard of a database, at once.
//!
//! ```text
//! without an age   the leader of each shard          ─► the answer, of age zero
//! with one         any replica that is young enough  ─► the answer, its age, and who gave it
//! ```
//! Invariants:
//! 1. There is an answer of each shard, in their order, or the first failure by shard.
//! 2. What the masters say of the database is at most some seconds old, if they can be asked.
//!
//! Left out: joining the answers, which is the asker's.

use std::time::Duration;

use super::database::Database;
use super::document::FromDocument;
use super::handle::{Answerer, Handle};
use crate::transport::message::{DatabaseInfo, ShardRequest, ShardResponse};
use crate::types::{Address, Error, Outcome, Result, ShardId, validate_database_name};

/// One shard's answer to a question that all shards were asked.
pub(super) struct Answered {
    pub(super) shard: ShardId,
    pub(super) response: ShardResponse,
    /// How old it may be.
    pub(super) age: Duration,
    /// The replica that gave it, unless that was the leader.
    pub(super) at: Option<Address>,
}

impl<T: FromDocument> Database<T> {
    /// Asks every shard of the database at once: its leader, or any replica that knows to be at
    /// most `max_age` old; the first failure, by shard, fails all.
    ///
    /// `handle`, if it is a query, notes the shards that work for it.
    pub(super) async fn ask_all(
        &self,
        max_age: Option<Duration>,
        handle: Option<&Handle>,
        request: impl Fn(&DatabaseInfo) -> ShardRequest,
    ) -> Result<Vec<Answered>> {
        validate_database_name(self.name())?;
        let deadline = self.router().deadline(self.timeout());
        self.router().fresh_route(self.name(), deadline).await?;
        let asked = self.router().with_route(self.name(), deadline, |route| {
            let request = request(&route.info);
            async move {
                let ask = |shard: &ShardId| {
                    let (router, request, shard) = (self.router().clone(), request.clone(), *shard);
                    if let Some(handle) = handle {
                        let anyone = max_age.map_or(Answerer::Leader, |_| Answerer::Anyone);
                        handle.begun(shard, anyone);
                    }
                    let task = async move {
                        let Some(max_age) = max_age else {
                            let response = router.ask_shard(shard, &request, deadline).await?;
                            return Ok((response, Duration::ZERO, None));
                        };
                        let answer = router.ask_any(shard, request, max_age, deadline).await?;
                        let (response, age, at) = answer;
                        Ok((response, age, Some(at)))
                    };
                    (shard, self.router().env().spawn(task))
                };
                let tasks: Vec<_> = route.info.shards.iter().map(ask).collect();
                let mut answers = Vec::with_capacity(tasks.len());
                for (shard, task) in tasks {
                    let answer: Result<_> = task.await.map_err(|stopped| Error::Internal {
                        reason: format!("a request to shard {shard} was stopped: {stopped}"),
                        outcome: Outcome::NotApplied,
                    })?;
                    let (response, age, at) = answer?;
                    if let (Some(handle), Some(at)) = (handle, &at) {
                        handle.begun(shard, Answerer::At(at.clone()));
                    }
                    answers.push(Answered { shard, response, age, at });
                }
                Ok(answers)
            }
        });
        asked.await
    }
}
