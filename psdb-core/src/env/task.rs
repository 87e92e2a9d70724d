//! Tasks: tokio's, with an owner.
//!
//! Dropping a [`Task`] aborts it, so that a component that is dropped leaves nothing running
//! behind. [`Task::detach`] and [`Task::keep_running`] say otherwise where that is meant.
//!
//! Left out: choosing a runtime. Tasks run on the caller's.

use std::any::Any;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::task::{JoinError, JoinHandle};

/// A running task. Awaiting it gives what it returned.
#[must_use = "a task is aborted when its handle is dropped; detach it if that is not meant"]
pub struct Task<T> {
    handle: JoinHandle<T>,
    aborts_on_drop: bool,
}

/// Starts a task on the current runtime.
///
/// # Panics
///
/// When called outside a tokio runtime.
pub fn spawn<F>(future: F) -> Task<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    Task { handle: tokio::spawn(future), aborts_on_drop: true }
}

/// Whether a task can be started here.
pub(super) fn has_runtime() -> bool {
    tokio::runtime::Handle::try_current().is_ok()
}

/// Lets every other task that is ready to run have its turn.
pub async fn yield_now() {
    tokio::task::yield_now().await;
}

/// Whether what runs is being unwound by a panic.
pub fn is_panicking() -> bool {
    std::thread::panicking()
}

/// Runs `work` on tokio's blocking threads and waits for it.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(value) => value,
        Err(error) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
        // The runtime is shutting down: the caller is about to be dropped at this very await.
        Err(_) => std::future::pending().await,
    }
}

impl<T> Task<T> {
    /// Stops the task at its next await.
    pub fn abort(&self) {
        self.handle.abort();
    }

    /// Whether the task has ended, in whatever way.
    pub fn is_finished(&self) -> bool {
        self.handle.is_finished()
    }

    /// Lets the task run to its end without an owner.
    pub fn detach(self) {
        drop(self.keep_running());
    }

    /// Lets the task go on when this handle is dropped; it can still be awaited or aborted.
    pub fn keep_running(mut self) -> Task<T> {
        self.aborts_on_drop = false;
        self
    }
}

impl<T> Future for Task<T> {
    type Output = Result<T, TaskError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.handle).poll(context).map_err(TaskError)
    }
}

impl<T> Drop for Task<T> {
    fn drop(&mut self) {
        if self.aborts_on_drop {
            self.handle.abort();
        }
    }
}

impl<T> fmt::Debug for Task<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Task").field("finished", &self.is_finished()).finish_non_exhaustive()
    }
}

/// Why a task gave no value: it panicked, or it was aborted.
#[derive(Debug, thiserror::Error)]
#[error("{}", if self.is_panic() { "the task panicked" } else { "the task was aborted" })]
pub struct TaskError(JoinError);

impl TaskError {
    /// Whether the task panicked; otherwise it was aborted.
    pub fn is_panic(&self) -> bool {
        self.0.is_panic()
    }

    /// What the task panicked with, or `None` when it was aborted.
    pub fn into_panic(self) -> Option<Box<dyn Any + Send>> {
        self.0.try_into_panic().ok()
    }
}
