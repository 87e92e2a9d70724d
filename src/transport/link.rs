//! The way to one address: a connection that is dialled when wanted, and again when it is lost.
//!
//! ```text
//!          wanted            connected
//!  Idle ───────────► Dialing ─────────► Open
//!   ▲                  │ ▲                │ lost
//!   │           failed ▼ │ wanted, after  │
//!   │               Failed  a pause       │
//!   └─────────────────────────────────────┘
//! ```
//! Callers wait while it dials and fail at once while it pauses, so that they can turn to another
//! node. One task dials, whoever asks; a caller that gives up stops nothing.
//!
//! Left out: which addresses there are (`dialer`).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use psdb_core::Address;
use psdb_core::env::{Env, Task};
use psdb_core::transport::{Message, TransportError};
use tokio::sync::{Notify, watch};

use super::connection::{self, Connection};
use super::handshake::Acquaintance;

/// The pause after the first failed attempt; it doubles from there.
const FIRST_PAUSE: Duration = Duration::from_millis(25);
/// The longest pause between two attempts.
const LONGEST_PAUSE: Duration = Duration::from_millis(500);

#[derive(Clone)]
enum State {
    Idle,
    Dialing,
    Open(Connection),
    Failed(Arc<str>),
}

/// The way to one address.
pub(super) struct Link {
    env: Env,
    wanted: Arc<Notify>,
    state: watch::Receiver<State>,
    _driver: Task<()>,
}

/// What the task that dials needs.
struct Driver {
    env: Env,
    own: Arc<dyn Acquaintance>,
    address: Address,
    /// The peer address that must answer there; empty for whichever does.
    expected: String,
    wanted: Arc<Notify>,
    state: watch::Sender<State>,
}

impl Link {
    /// A link to `address` that is not connected yet.
    pub(super) fn new(
        env: &Env,
        own: &Arc<dyn Acquaintance>,
        address: &Address,
        expected: &str,
    ) -> Link {
        let wanted = Arc::new(Notify::new());
        let (sender, state) = watch::channel(State::Idle);
        let driver = Driver {
            env: env.clone(),
            own: own.clone(),
            address: address.clone(),
            expected: expected.to_owned(),
            wanted: wanted.clone(),
            state: sender,
        };
        Link { env: env.clone(), wanted, state, _driver: env.spawn(driver.run()) }
    }

    /// Sends `message` for the node at `to`.
    pub(super) async fn call(
        &self,
        to: &Address,
        mut message: Message,
    ) -> Result<Bytes, TransportError> {
        let begin = self.env.instant();
        let reason = match self.env.timeout(message.timeout, self.connection()).await {
            Ok(Ok(connection)) => {
                let passed = self.env.instant().elapsed_since(begin);
                message.timeout = message.timeout.saturating_sub(passed);
                return connection.call(to, message).await;
            }
            Ok(Err(reason)) => reason.to_string(),
            Err(_elapsed) => {
                format!("no connection within {} ms", message.timeout.as_millis())
            }
        };
        Err(TransportError::NotSent { to: to.clone(), reason })
    }

    /// The connection, once it stands.
    pub(super) async fn connection(&self) -> Result<Connection, Arc<str>> {
        let mut state = self.state.clone();
        self.wanted.notify_one();
        loop {
            match &*state.borrow_and_update() {
                State::Open(connection) => return Ok(connection.clone()),
                State::Failed(reason) => return Err(reason.clone()),
                State::Idle | State::Dialing => {}
            }
            if state.changed().await.is_err() {
                return Err("the process is stopping".into());
            }
        }
    }
}

impl Driver {
    async fn run(self) {
        let mut failures = 0_u32;
        loop {
            self.wanted.notified().await;
            self.state.send_replace(State::Dialing);
            let dialled =
                connection::dial(&self.env, &*self.own, &self.address, &self.expected).await;
            match dialled {
                Ok((connection, hello, reader)) => {
                    failures = 0;
                    self.own.met(&hello);
                    self.state.send_replace(State::Open(connection));
                    let why = reader.await.unwrap_or_else(|stopped| stopped.to_string());
                    tracing::debug!(address = %self.address, why, "a connection has ended");
                    self.state.send_replace(State::Idle);
                    self.env.sleep(FIRST_PAUSE).await;
                }
                Err(reason) => {
                    tracing::debug!(address = %self.address, reason, "could not connect");
                    self.state.send_replace(State::Failed(reason.into()));
                    let pause = (FIRST_PAUSE * 2_u32.pow(failures.min(10))).min(LONGEST_PAUSE);
                    failures = failures.saturating_add(1);
                    self.env.sleep(pause.mul_f64(0.5 + self.env.random_unit() / 2.0)).await;
                }
            }
        }
    }
}
