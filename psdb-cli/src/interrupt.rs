//! Ctrl-C while a command runs.
//!
//! The first call registers the handler; before it, and so while a script waits for its first
//! line, Ctrl-C ends the process as usual. A command that is given up may still be carried out by
//! the database, as the failure's outcome says.
//!
//! Left out: Ctrl-C at the prompt, which the line editor reads as a key.

use std::future::Future;

use crate::failure::Failure;

/// Waits for `work`, but gives up at Ctrl-C.
pub(crate) async fn or_interrupted<T>(
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    tokio::select! {
        biased;
        result = work => result,
        // Without a handler there is nothing to wait for, and the work goes on undisturbed.
        Ok(()) = tokio::signal::ctrl_c() => Err(Failure::Interrupted),
    }
}

#[cfg(test)]
mod tests {
    //! Proves that undisturbed work gives its own result.

    use super::or_interrupted;
    use crate::failure::Failure;

    #[tokio::test]
    async fn work_that_ends_is_returned() {
        let done = or_interrupted(async { Ok::<_, Failure>(7) }).await;
        assert_eq!(done.expect("no failure"), 7);
    }
}
