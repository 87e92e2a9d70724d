//! What asks the process to stop: SIGTERM and SIGINT.
//!
//! Left out: a second signal. Draining has a limit of its own.

use tokio::sync::watch;

/// Tells everybody who watches that the process is stopping.
pub(crate) fn stopping() -> std::io::Result<watch::Receiver<bool>> {
    let (sender, receiver) = watch::channel(false);
    let mut asked = Asked::new()?;
    tokio::spawn(async move {
        asked.wait().await;
        sender.send_replace(true);
        // Receivers still look at the value after this task; keep it alive until they are gone.
        sender.closed().await;
    });
    Ok(receiver)
}

/// Waits until `stopping` says so.
pub(crate) async fn stopped(mut stopping: watch::Receiver<bool>) {
    // An error means that nobody can ask any more, and so does the end.
    let _gone = stopping.wait_for(|stopping| *stopping).await;
}

#[cfg(unix)]
struct Asked {
    terminate: tokio::signal::unix::Signal,
    interrupt: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Asked {
    fn new() -> std::io::Result<Asked> {
        use tokio::signal::unix::{SignalKind, signal};
        let terminate = signal(SignalKind::terminate())?;
        Ok(Asked { terminate, interrupt: signal(SignalKind::interrupt())? })
    }

    async fn wait(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

#[cfg(not(unix))]
struct Asked;

#[cfg(not(unix))]
impl Asked {
    fn new() -> std::io::Result<Asked> {
        Ok(Asked)
    }

    async fn wait(&mut self) {
        // Without a handler for the interrupt the process only ends by being ended.
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}
