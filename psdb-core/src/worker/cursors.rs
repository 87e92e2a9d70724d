//! Cursors: queries that run, and queries whose next page is still to be fetched.
//!
//! ```text
//! begin ─► running ─► keep ─► held ─► resume ─► running ─► done
//!             └── close, or the time is over: stopped    └── close, or idle: forgotten
//! ```
//! A cursor owns an O(1) snapshot of its shard, so all pages of a query show one state and the
//! writer is never held up. A query that runs looks at its flag every few thousand steps; the flag
//! is raised when the client closes the cursor, when the request's time is over, and when the
//! answer is dropped.
//!
//! Invariants:
//! 1. A cursor is used by one request at a time: it is taken out and put back.
//! 2. At most [`LIMIT`] cursors are held; one more is refused.
//! 3. A cursor that was closed while it ran is not held afterwards.
//!
//! Left out: places in a query that survive a restart (`client`'s page tokens). Where blocking work
//! runs inline, on a runtime of one thread, nothing can stop a query under way but its fuel.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;

use crate::env::{Env, Instant, Task};
use crate::query::{Execution, Groups, Skipped};
use crate::shard::DatabaseView;
use crate::types::{Address, Error, Outcome, Result, ShardId};

/// How long an unused cursor lives.
const IDLE: Duration = Duration::from_mins(1);
/// How many cursors a worker keeps.
const LIMIT: usize = 1_024;

/// What further pages come from.
pub(super) enum Work {
    Query(Box<Execution<DatabaseView>>),
    Groups(Groups, Skipped),
}

struct Held {
    shard: ShardId,
    work: Work,
    stop: Arc<AtomicBool>,
    used: Instant,
}

/// The client's handle, and a number of this worker's: a request that arrives twice runs twice.
type Key = (u64, u64);

type Flags = Arc<Mutex<BTreeMap<Key, Arc<AtomicBool>>>>;

pub(super) struct Cursors {
    env: Env,
    node: Address,
    held: Mutex<BTreeMap<Key, Held>>,
    running: Flags,
}

/// A query while a request runs it. Dropped before it is done, it stops the query.
pub(super) struct Running {
    shard: ShardId,
    key: Key,
    stop: Arc<AtomicBool>,
    over: Arc<AtomicBool>,
    kept: bool,
    timeout: Duration,
    all: Flags,
    _alarm: Task<()>,
}

impl Cursors {
    pub(super) fn new(env: Env, node: Address) -> Cursors {
        Cursors { env, node, held: Mutex::default(), running: Arc::default() }
    }

    /// Begins a query that may take as long as `timeout`, under its client's handle.
    pub(super) fn begin(&self, handle: u64, shard: ShardId, timeout: Duration) -> Running {
        self.run((handle, self.env.random_u64()), shard, timeout, Arc::default())
    }

    /// Takes a cursor out; whoever has more pages puts it back.
    pub(super) fn resume(
        &self,
        key: (u64, u64),
        shard: ShardId,
        timeout: Duration,
    ) -> Result<(Work, Running)> {
        let taken = self.held.lock().remove(&key);
        match taken {
            Some(held) if held.shard == shard => {
                Ok((held.work, self.run(key, shard, timeout, held.stop)))
            }
            _ => Err(Error::CursorExpired { what: format!("shard {shard} on {}", self.node) }),
        }
    }

    fn run(&self, key: Key, shard: ShardId, timeout: Duration, stop: Arc<AtomicBool>) -> Running {
        self.running.lock().insert(key, stop.clone());
        let over = Arc::new(AtomicBool::new(false));
        let (env, late, raised) = (self.env.clone(), over.clone(), stop.clone());
        let alarm = self.env.spawn(async move {
            env.sleep(timeout).await;
            late.store(true, Ordering::Relaxed);
            raised.store(true, Ordering::Relaxed);
        });
        let all = self.running.clone();
        Running { shard, key, stop, over, kept: false, timeout, all, _alarm: alarm }
    }

    /// Keeps what further pages come from, and says its number.
    pub(super) fn keep(&self, mut running: Running, work: Work) -> Result<u64> {
        let mut held = self.held.lock();
        if held.len() >= LIMIT {
            return Err(Error::Overloaded {
                what: format!("{} (open cursors)", self.node),
                waiting: held.len() as u64,
                limit: LIMIT as u64,
            });
        }
        // Whoever closes looks among those that run before those that are held, so one that is
        // closed meanwhile is either seen here or found there.
        if !running.stop.load(Ordering::Relaxed) {
            let (shard, stop, used) = (running.shard, running.stop.clone(), self.env.instant());
            held.insert(running.key, Held { shard, work, stop, used });
        }
        running.kept = true;
        Ok(running.key.1)
    }

    /// Stops what runs under a client's handle, and forgets its cursors.
    pub(super) fn close(&self, handle: u64) {
        let all = (handle, 0)..=(handle, u64::MAX);
        for (_, stop) in self.running.lock().range(all.clone()) {
            stop.store(true, Ordering::Relaxed);
        }
        let mut held = self.held.lock();
        let keys: Vec<Key> = held.range(all).map(|(key, _)| *key).collect();
        let forgotten: Vec<_> = keys.iter().filter_map(|key| held.remove(key)).collect();
        drop(held);
        drop(forgotten);
    }

    /// How many queries run, and how many cursors wait for their clients.
    pub(super) fn counts(&self) -> (usize, usize) {
        (self.running.lock().len(), self.held.lock().len())
    }

    /// Forgets what nobody asks for any more.
    pub(super) fn sweep(&self) {
        let now = self.env.instant();
        self.held.lock().retain(|_, held| now.elapsed_since(held.used) < IDLE);
    }
}

impl Running {
    /// The flag that stops the query.
    pub(super) fn stop(&self) -> Arc<AtomicBool> {
        self.stop.clone()
    }

    /// The error of a query that has failed, which may be because its time was over.
    pub(super) fn failed(&self, error: Error) -> Error {
        if !self.over.load(Ordering::Relaxed) {
            return error;
        }
        Error::DeadlineExceeded {
            what: format!("shard {}", self.shard),
            after: self.timeout,
            outcome: Outcome::NotApplied,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.all.lock().remove(&self.key);
        if !self.kept {
            self.stop.store(true, Ordering::Relaxed);
        }
    }
}
