//! `worker`, `master` and `shard`: changing what the cluster consists of.
//!
//! The masters carry an order out by themselves once they have it. `worker drain` and `shard move`
//! ask every half second how far that is, until it is done:
//!
//! ```text
//! order ─► the masters remember it ─► ask, show progress, wait ─► done
//!                                      └─ Ctrl-C or a failure: the order stands all the same
//! ```
//! Left out: asking before a node is removed (`confirm`).

use std::time::Duration;

use psdb::transport::message::{ShardInfo, WorkerInfo, WorkerStatus};
use psdb::{Address, Error, ShardId};

use super::{Done, Runner};
use crate::command::Order;
use crate::failure::Failure;
use crate::output::Json;
use crate::session::Backend;

/// Between two questions how far an order is.
const PAUSE: Duration = Duration::from_millis(500);

impl Runner {
    pub(super) async fn order(&mut self, order: Order) -> Done {
        match order {
            Order::DrainWorker { worker, wait } => self.drain(&worker, wait).await,
            Order::UndrainWorker { worker } => {
                self.backend.drain_worker(&worker, false).await?;
                let text = format!("Worker '{worker}' may hold replicas again");
                self.output.answer("worker", &text, member("worker", &worker))
            }
            Order::RemoveWorker { worker, .. } => {
                self.backend.remove_worker(&worker).await?;
                let text = format!("Worker '{worker}' removed");
                self.output.answer("worker", &text, member("worker", &worker))
            }
            Order::AddMaster { master, address } => {
                self.backend.add_master(&master, &address).await?;
                let text = format!("Master '{master}' added");
                let mut fields = member("master", &master);
                fields.push(("address", Json::text(address)));
                self.output.answer("master", &text, fields)
            }
            Order::RemoveMaster { master, .. } => {
                self.backend.remove_master(&master).await?;
                let text = format!("Master '{master}' removed; its name is used up");
                self.output.answer("master", &text, member("master", &master))
            }
            Order::MoveShard { shard, from, to, wait } => {
                self.move_shard(ShardId(shard), &from, &to, wait).await
            }
        }
    }

    async fn drain(&mut self, worker: &str, wait: bool) -> Done {
        self.backend.drain_worker(worker, true).await?;
        let mut left = Drain::gather(&*self.backend, worker).await.map_err(standing)?;
        let (total, mut told) = (left.replicas, None);
        while wait && !left.is_empty() {
            if told.is_none()
                && let Some(obstacle) = &left.obstacle
            {
                self.output.note(obstacle);
            }
            if told != Some(left.replicas) {
                told = Some(left.replicas);
                let so_far =
                    format!("worker '{worker}': {} of {total} replicas left", left.replicas);
                self.output.detail(&so_far);
                self.output.progress(&format!("{so_far}; Ctrl-C ends the waiting only"));
            }
            tokio::time::sleep(PAUSE).await;
            left = Drain::gather(&*self.backend, worker).await.map_err(standing)?;
        }
        self.output.clear_progress();
        let text = if left.is_empty() {
            format!("Worker '{worker}' holds no replicas; it is safe to stop")
        } else {
            format!("Worker '{worker}' is draining, {} replicas left", left.replicas)
        };
        let mut fields = member("worker", worker);
        fields.push(("shards", left.replicas.into()));
        fields.push(("safe_to_stop", Json::Bool(left.is_empty())));
        self.output.answer("worker", &text, fields)
    }

    async fn move_shard(&mut self, shard: ShardId, from: &str, to: &str, wait: bool) -> Done {
        // A name that nobody bears is told before anything begins.
        let workers = self.backend.workers().await?;
        for name in [from, to] {
            named(&workers, name)?;
        }
        self.backend.move_shard(shard, from, to).await?;
        self.output.progress(&format!(
            "shard {shard} moves from '{from}' to '{to}'; Ctrl-C ends the waiting only"
        ));
        while wait && is_moving(&*self.backend, shard, from, to).await.map_err(standing)? {
            tokio::time::sleep(PAUSE).await;
        }
        self.output.clear_progress();
        let done = if wait { "moved" } else { "is moving" };
        let text = format!("Shard {shard} {done} from '{from}' to '{to}'");
        let fields = vec![
            ("shard", u64::from(shard.0).into()),
            ("from", Json::text(from)),
            ("to", Json::text(to)),
            ("moved", Json::Bool(wait)),
        ];
        self.output.answer("shard", &text, fields)
    }
}

/// How far a worker is from being empty.
struct Drain {
    /// What it holds.
    replicas: u64,
    /// Whether a replica was on its way to it when the order came.
    awaited: bool,
    /// Why it cannot become empty as things are.
    obstacle: Option<String>,
}

impl Drain {
    async fn gather(backend: &dyn Backend, name: &str) -> psdb::Result<Drain> {
        let workers = backend.workers().await?;
        let shards = backend.shards().await?;
        let worker = named(&workers, name)?;
        if !worker.draining {
            return Err(Error::NotReady {
                what: format!("draining worker '{name}'"),
                reason: "the order was taken back by 'undrain'".to_owned(),
            });
        }
        let to_it =
            |shard: &ShardInfo| shard.moving.as_ref().is_some_and(|m| m.1 == worker.address);
        Ok(Drain {
            replicas: worker.shards,
            awaited: shards.iter().any(to_it),
            obstacle: obstacle(&workers, &shards, name),
        })
    }

    fn is_empty(&self) -> bool {
        self.replicas == 0 && !self.awaited
    }
}

/// Replicas of one shard are on as many workers, so there must be that many others.
fn obstacle(workers: &[WorkerInfo], shards: &[ShardInfo], leaving: &str) -> Option<String> {
    let takes = |worker: &&WorkerInfo| {
        worker.name != leaving && !worker.draining && worker.status != WorkerStatus::Dead
    };
    let others = workers.iter().filter(takes).count();
    let needed = shards.iter().map(|shard| shard.replicas.len()).max().unwrap_or(0);
    (others < needed).then(|| {
        format!(
            "note: {needed} replicas of a shard need {needed} workers, and without '{leaving}' \
             there are {others}: add one, or end this with 'worker undrain {leaving}'"
        )
    })
}

/// Whether the move is under way still.
///
/// # Errors
///
/// [`Error::NotReady`] if it has ended without the replica having moved.
async fn is_moving(
    backend: &dyn Backend,
    shard: ShardId,
    from: &str,
    to: &str,
) -> psdb::Result<bool> {
    // Asked anew each time, since a worker may return at another address meanwhile.
    let workers = backend.workers().await?;
    let shards = backend.shards().await?;
    let address = |name| named(&workers, name).map(|worker| worker.address.clone());
    let (left, reached): (Address, Address) = (address(from)?, address(to)?);
    let missing = || Error::InvalidRequest { reason: format!("there is no shard {shard}") };
    let found = shards.iter().find(|info| info.shard == shard).ok_or_else(missing)?;
    if found.moving.as_ref().is_some_and(|(from, to)| *from == left && *to == reached) {
        return Ok(true);
    }
    if found.replicas.contains(&reached) && !found.replicas.contains(&left) {
        return Ok(false);
    }
    Err(Error::NotReady {
        what: format!("moving a replica of shard {shard} from '{from}' to '{to}'"),
        reason: format!("the masters gave it up; is '{to}' alive and not draining?"),
    })
}

fn named<'a>(workers: &'a [WorkerInfo], name: &str) -> psdb::Result<&'a WorkerInfo> {
    let missing = || Error::NodeNotFound { name: name.to_owned() };
    workers.iter().find(|worker| worker.name == name).ok_or_else(missing)
}

/// A failure to learn how far an order is, which does not take it back.
fn standing(error: Error) -> Failure {
    let hint = error.is_retryable().then_some("the order stands; ask again how far it is");
    Failure::Database { error, lambda: None, hint }
}

fn member(role: &'static str, name: &str) -> Vec<(&'static str, Json)> {
    vec![(role, Json::text(name))]
}
