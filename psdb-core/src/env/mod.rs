//! The outside world: time, randomness, files and tasks, all behind one [`Env`].
//!
//! Nothing above this layer reads a clock, draws a random number or touches a file by itself.
//! That is what makes a run repeatable: [`Env::simulated`] hands out tokio's paused time, seeded
//! randomness and a [`SimDisk`], and one seed gives one run.
//!
//! ```text
//! Env -- clock    wall time (Timestamp) and monotonic time (Instant)
//!     -- random   one generator; document ids (UUIDv7) come from it
//!     -- disk     trait Disk: RealDisk or SimDisk; one per node, see Env::with_disk
//!     -- task     spawn, and blocking work off the async threads
//!     -- trace    what happened when, in a simulation
//! ```
//!
//! Invariants:
//! 1. Every clone of an `Env`, and every [`Env::with_disk`] of it, shares clock, randomness, ids
//!    and trace.
//! 2. In memory and in simulation, [`Env::blocking`] runs inline, so that no thread's timing can
//!    change a run.
//!
//! Left out: networks (`transport`), and the generator inside the Raft library, which is seeded
//! per thread through [`random::seed_thread`].

pub mod clock;
pub mod disk;
pub mod random;
pub mod real_disk;
pub mod sim_disk;
pub mod task;

mod instant;
mod memory;
mod trace;
mod uuid;

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

pub use disk::{Disk, DiskStats, File, OpenMode, Space};
pub use instant::{Elapsed, Instant, Sleep, Timeout, sleep, sleep_until, timeout, timeout_at};
pub use real_disk::RealDisk;
pub use sim_disk::{Fault, SimDisk};
pub use task::{Task, TaskError};

use crate::types::{DocumentId, Timestamp};
use clock::Clock;
use random::SharedRandom;
use trace::Trace;
use uuid::UuidSource;

/// Time, randomness, disk and tasks of one process, or of one simulation.
///
/// Cloning is cheap and shares everything.
///
/// # Examples
///
/// ```
/// use psdb_core::env::{Disk, Env, OpenMode};
/// use std::path::Path;
///
/// let env = Env::memory();
/// let file = env.disk().open(Path::new("/greeting"), OpenMode::Create)?;
/// file.write_at(b"hello", 0)?;
/// file.sync()?;
/// assert_eq!(file.len()?, 5);
/// assert!(env.document_id() < env.document_id());
/// # Ok::<(), std::io::Error>(())
/// ```
#[derive(Clone)]
pub struct Env {
    shared: Arc<Shared>,
    disk: Arc<dyn Disk>,
}

/// What all clones of an `Env` have in common.
struct Shared {
    clock: Clock,
    random: SharedRandom,
    ids: UuidSource,
    trace: Trace,
    /// Whether `blocking` runs its closure on the calling thread.
    blocks_inline: bool,
}

impl Env {
    /// The real world: the system's clock and randomness, real files, blocking work on threads.
    pub fn real() -> Env {
        Env::assemble(Clock::system(), SharedRandom::from_os(), Trace::off(), false)
            .with_disk(Arc::new(RealDisk::new()))
    }

    /// The system's clock and randomness, and files that live in memory and end with the process.
    pub fn memory() -> Env {
        Env::assemble(Clock::system(), SharedRandom::from_os(), Trace::off(), true)
    }

    /// A world that is a function of `seed`, with a trace of what happened in it.
    ///
    /// The wall clock starts at 2026-01-01T00:00:00Z and goes with tokio's time, so create it
    /// *inside* a current-thread runtime built with `start_paused(true)`. Call
    /// [`random::seed_thread`] as well, since the Raft library draws from a per-thread generator.
    pub fn simulated(seed: u64, disk: SimDisk) -> Env {
        Env::assemble(Clock::simulated(), SharedRandom::seeded(seed), Trace::on(), true)
            .with_disk(Arc::new(disk))
    }

    fn assemble(clock: Clock, random: SharedRandom, trace: Trace, blocks_inline: bool) -> Env {
        let ids = UuidSource::default();
        Env {
            shared: Arc::new(Shared { clock, random, ids, trace, blocks_inline }),
            disk: Arc::new(SimDisk::volatile()),
        }
    }

    /// The same world with another disk: a cluster in one process gives each node its own.
    pub fn with_disk(&self, disk: Arc<dyn Disk>) -> Env {
        Env { shared: self.shared.clone(), disk }
    }

    /// The disk that files of this `Env` live on.
    pub fn disk(&self) -> &Arc<dyn Disk> {
        &self.disk
    }

    /// The bytes of memory this process may use: the machine's, or what its control group allows,
    /// whichever is less. `None` where the system does not say, in memory and in simulation.
    pub fn memory_bytes(&self) -> Option<u64> {
        if self.shared.blocks_inline { None } else { memory::limit_bytes() }
    }

    /// The wall clock. It may go back when an operator sets it; order nothing by it.
    pub fn now(&self) -> Timestamp {
        self.shared.clock.now()
    }

    /// The monotonic clock.
    pub fn instant(&self) -> Instant {
        Instant::now()
    }

    /// Waits for `duration`.
    pub async fn sleep(&self, duration: Duration) {
        sleep(duration).await;
    }

    /// Waits for `future`, but no longer than `duration`.
    ///
    /// # Errors
    ///
    /// [`Elapsed`] when the time ran out; the future is dropped then.
    pub async fn timeout<F: Future>(
        &self,
        duration: Duration,
        future: F,
    ) -> Result<F::Output, Elapsed> {
        timeout(duration, future).await
    }

    /// A random number, every value being equally likely.
    pub fn random_u64(&self) -> u64 {
        self.shared.random.next()
    }

    /// A random number from 0 to `n - 1`, every one being equally likely.
    ///
    /// # Panics
    ///
    /// When `n` is 0, since there is no such number.
    pub fn random_below(&self, n: u64) -> u64 {
        assert!(n > 0, "there is no number below 0");
        self.shared.random.below(n)
    }

    /// A random number from 0 (inclusive) to 1 (exclusive).
    pub fn random_unit(&self) -> f64 {
        self.shared.random.unit()
    }

    /// A new document id: a UUIDv7, greater than every id this `Env` gave before.
    pub fn document_id(&self) -> DocumentId {
        DocumentId::from(self.shared.ids.next(self.now(), &self.shared.random))
    }

    /// Runs blocking work, such as a sync, without holding up the async threads.
    ///
    /// In memory and in simulation it runs inline. In the real world it runs on tokio's blocking
    /// threads, and goes on there when the returned future is dropped. A panic of `work` reaches
    /// the caller.
    pub async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> T {
        if self.shared.blocks_inline { work() } else { task::blocking(work).await }
    }

    /// Whether [`Env::blocking`] runs its work on the calling thread, so that work which waits for
    /// other tasks would wait for ever.
    pub fn blocks_inline(&self) -> bool {
        self.shared.blocks_inline
    }

    /// Starts a task. It is aborted when the returned [`Task`] is dropped, unless it is detached.
    pub fn spawn<F>(&self, future: F) -> Task<F::Output>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        task::spawn(future)
    }

    /// As [`Env::spawn`], where there may be no runtime (any more), as when something is dropped;
    /// `None` then, and nothing runs.
    pub fn try_spawn<F>(&self, future: F) -> Option<Task<F::Output>>
    where
        F: Future + Send + 'static,
        F::Output: Send + 'static,
    {
        task::has_runtime().then(|| task::spawn(future))
    }

    /// Records a line with the virtual time when tracing is on; otherwise `line` is not called.
    pub fn trace(&self, line: impl FnOnce() -> String) {
        self.shared.trace.record(line);
    }

    /// Takes the lines recorded so far.
    pub fn take_trace(&self) -> Vec<String> {
        self.shared.trace.take()
    }
}

impl fmt::Debug for Env {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Env").field("clock", &self.shared.clock).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
