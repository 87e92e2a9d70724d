//! Ctrl-C while a command runs.
//!
//! A task listens from the first command on and keeps an interrupt until somebody takes it, so
//! that one which comes between two commands of a script is not lost. Before that, Ctrl-C ends the
//! process as usual. A command that is given up may still be carried out by the database, as the
//! failure's outcome says.
//!
//! Left out: Ctrl-C at the prompt, which the line editor reads as a key.

use std::future::Future;
use std::sync::Once;

use tokio::sync::Notify;

use crate::failure::Failure;

/// Keeps one interrupt that nobody has taken yet.
static PENDING: Notify = Notify::const_new();

/// Waits for `work`, but gives up at Ctrl-C.
pub(crate) async fn or_interrupted<T>(
    work: impl Future<Output = Result<T, Failure>>,
) -> Result<T, Failure> {
    listen();
    tokio::select! {
        biased;
        result = work => result,
        () = PENDING.notified() => Err(Failure::Interrupted),
    }
}

/// Forgets an interrupt that came when there was nothing left to interrupt.
pub(crate) async fn forget() {
    tokio::select! {
        biased;
        () = PENDING.notified() => {}
        () = std::future::ready(()) => {}
    }
}

fn listen() {
    static STARTED: Once = Once::new();
    STARTED.call_once(|| {
        tokio::spawn(async {
            // Without a handler there is nothing to wait for, and work goes on undisturbed.
            while tokio::signal::ctrl_c().await.is_ok() {
                PENDING.notify_one();
            }
        });
    });
}

#[cfg(test)]
mod tests {
    //! Proves that undisturbed work gives its own result, and that an interrupt is kept until it is
    //! taken or forgotten.

    use super::{PENDING, forget, or_interrupted};
    use crate::failure::Failure;

    #[tokio::test]
    async fn an_interrupt_waits_for_the_next_command() {
        let done = or_interrupted(async { Ok::<_, Failure>(7) }).await;
        assert_eq!(done.expect("no failure"), 7);
        PENDING.notify_one();
        let given_up = or_interrupted(std::future::pending::<Result<(), Failure>>()).await;
        assert!(matches!(given_up, Err(Failure::Interrupted)));
        PENDING.notify_one();
        forget().await;
        forget().await;
        let done = or_interrupted(async {
            tokio::task::yield_now().await;
            Ok::<_, Failure>(8)
        });
        assert_eq!(done.await.expect("the interrupt is forgotten"), 8);
    }
}
