//! The way out of a node: to others over the network, to itself by a function call.
//!
//! A node that leads a shard is its own client's most frequent partner.
//!
//! Left out: everything else, which is the dialler's.

use std::sync::Arc;

use bytes::Bytes;
use psdb::Address;
use psdb::env::Env;
use psdb::transport::{BoxFuture, Dialer, Message, Transport, TransportError};

use super::local::Local;
use crate::serve::Target as _;

#[derive(Debug)]
pub(super) struct Loopback {
    env: Env,
    local: Arc<Local>,
    dialer: Dialer,
}

impl Loopback {
    pub(super) fn new(env: Env, local: Arc<Local>, dialer: Dialer) -> Loopback {
        Loopback { env, local, dialer }
    }

    async fn call_self(&self, to: Address, message: Message) -> Result<Bytes, TransportError> {
        let timeout = message.timeout;
        let answer = match self.local.clone().handle(&to, message) {
            Ok(answer) => answer,
            Err(reason) => return Err(TransportError::NotSent { to, reason }),
        };
        // In a task, since a sender that gives up must not stop what the receiver does.
        let answer = self.env.spawn(answer).keep_running();
        let reason = match self.env.timeout(timeout, answer).await {
            Ok(Ok(Ok(body))) => return Ok(body),
            Ok(Ok(Err(reason))) => reason,
            Ok(Err(stopped)) => stopped.to_string(),
            Err(_elapsed) => format!("{} ms have passed", timeout.as_millis()),
        };
        Err(TransportError::NoReply { to, reason })
    }
}

impl Transport for Loopback {
    fn call(&self, to: &Address, message: Message) -> BoxFuture<'_, Result<Bytes, TransportError>> {
        if *to == self.local.entry().peer {
            Box::pin(self.call_self(to.clone(), message))
        } else {
            self.dialer.call(to, message)
        }
    }
}
