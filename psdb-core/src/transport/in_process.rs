//! A network inside one process: handlers by address, and faults on the way.
//!
//! A call runs the receiver's handler in a task of its own, so a sender that gives up does not stop
//! what the receiver does, as on a real network. Requests and replies are judged by the `fault`
//! rules separately: a request may arrive and its reply be lost.
//!
//! Invariants:
//! 1. A node that was unbound neither receives nor sends; what it still answers is lost.
//! 2. Every delivery is traced with the checksum of its body, so two runs can be compared.
//!
//! Left out: bandwidth. A message takes the same time whatever its size.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;

use super::fault::{Fate, Faults};
use super::{BoxFuture, Handler, Message, Transport, TransportError};
use crate::env::Env;
use crate::types::Address;

/// A network of nodes in this process; cheap to clone.
#[derive(Clone)]
pub struct Network(Arc<Shared>);

struct Shared {
    env: Env,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    handlers: BTreeMap<Address, Arc<dyn Handler>>,
    /// Addresses that were bound and are not any more: their nodes are gone and send nothing.
    silent: BTreeSet<Address>,
    faults: Faults,
}

impl Network {
    /// An empty network without faults.
    pub fn new(env: Env) -> Network {
        Network(Arc::new(Shared { env, state: Mutex::default() }))
    }

    /// Lets `handler` answer at `address`, in place of whoever did.
    pub fn bind(&self, address: Address, handler: Arc<dyn Handler>) {
        let mut state = self.0.state.lock();
        state.silent.remove(&address);
        state.handlers.insert(address, handler);
    }

    /// Takes the node at `address` off the network.
    pub fn unbind(&self, address: &Address) {
        let mut state = self.0.state.lock();
        state.handlers.remove(address);
        state.silent.insert(address.clone());
    }

    /// Takes every node off the network. Handlers hold the network they send through, so this is
    /// what ends them when their owner is gone.
    pub fn unbind_all(&self) {
        let handlers = {
            let mut state = self.0.state.lock();
            let handlers = std::mem::take(&mut state.handlers);
            state.silent.extend(handlers.keys().cloned());
            handlers
        };
        // Dropped outside the lock: what they own may send a last message.
        drop(handlers);
    }

    /// The sending half for the node or client at `from`.
    pub fn transport(&self, from: Address) -> Arc<dyn Transport> {
        Arc::new(InProcess { network: self.clone(), from })
    }

    /// Cuts everybody in `one` off from everybody in `other`, both ways.
    pub fn partition(&self, one: &[Address], other: &[Address]) {
        self.cut(one, other);
        self.cut(other, one);
    }

    /// Loses every message from a node in `from` to a node in `to`; the other way stays open.
    pub fn cut(&self, from: &[Address], to: &[Address]) {
        self.0.state.lock().faults.cut(from, to);
    }

    /// Loses this share of all messages, from 0 to 100.
    pub fn drop_percent(&self, percent: u8) {
        self.0.state.lock().faults.drop_percent = percent.min(100);
    }

    /// Delivers this share of all requests twice, from 0 to 100.
    pub fn duplicate_percent(&self, percent: u8) {
        self.0.state.lock().faults.duplicate_percent = percent.min(100);
    }

    /// Delays every message by a random time between the two.
    pub fn delay(&self, shortest: Duration, longest: Duration) {
        self.0.state.lock().faults.delay = (shortest, longest.max(shortest));
    }

    /// Loses every message to and from `address`.
    pub fn pause(&self, address: &Address) {
        self.0.state.lock().faults.paused.insert(address.clone());
    }

    /// Ends a pause.
    pub fn resume(&self, address: &Address) {
        self.0.state.lock().faults.paused.remove(address);
    }

    /// Ends every fault.
    pub fn heal(&self) {
        self.0.state.lock().faults = Faults::default();
    }

    fn fate(&self, from: &Address, to: &Address) -> Fate {
        let state = self.0.state.lock();
        if state.silent.contains(from) {
            return Fate::Lost;
        }
        state.faults.fate(&self.0.env, from, to)
    }

    fn handler(&self, to: &Address) -> Option<Arc<dyn Handler>> {
        self.0.state.lock().handlers.get(to).cloned()
    }

    fn still_bound(&self, to: &Address, handler: &Arc<dyn Handler>) -> bool {
        self.handler(to).is_some_and(|bound| Arc::ptr_eq(&bound, handler))
    }
}

impl fmt::Debug for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let state = self.0.state.lock();
        f.debug_struct("Network").field("nodes", &state.handlers.keys()).finish_non_exhaustive()
    }
}

#[derive(Debug)]
struct InProcess {
    network: Network,
    from: Address,
}

impl Transport for InProcess {
    fn call(&self, to: &Address, message: Message) -> BoxFuture<'_, Result<Bytes, TransportError>> {
        let to = to.clone();
        Box::pin(async move {
            let env = &self.network.0.env;
            let timeout = message.timeout;
            let called = env.timeout(timeout, self.exchange(&to, message)).await;
            called.unwrap_or_else(|_elapsed| {
                let reason = format!("{} ms have passed", timeout.as_millis());
                Err(TransportError::NoReply { to: to.clone(), reason })
            })
        })
    }
}

impl InProcess {
    async fn exchange(&self, to: &Address, message: Message) -> Result<Bytes, TransportError> {
        let env = &self.network.0.env;
        let copies = match self.network.fate(&self.from, to) {
            // Nobody tells a sender that its message was lost: it waits its time out.
            Fate::Lost => std::future::pending().await,
            Fate::Delivered { delay, twice } => {
                pass(env, delay).await;
                1 + u8::from(twice)
            }
        };
        let Some(handler) = self.network.handler(to) else {
            let reason = "nobody listens there".to_owned();
            return Err(TransportError::NotSent { to: to.clone(), reason });
        };
        if copies > 1 {
            self.deliver(to, &handler, message.clone()).detach();
        }
        let reply = self.deliver(to, &handler, message).keep_running().await;
        if !self.network.still_bound(to, &handler) {
            let reason = "the node has stopped".to_owned();
            return Err(TransportError::NoReply { to: to.clone(), reason });
        }
        match self.network.fate(to, &self.from) {
            Fate::Lost => std::future::pending().await,
            Fate::Delivered { delay, .. } => pass(env, delay).await,
        }
        reply.map_err(|stopped| TransportError::NoReply {
            to: to.clone(),
            reason: stopped.to_string(),
        })
    }

    fn deliver(
        &self,
        to: &Address,
        handler: &Arc<dyn Handler>,
        message: Message,
    ) -> crate::env::Task<Bytes> {
        let env = &self.network.0.env;
        env.trace(|| {
            let (body, crc) = (message.body.len(), crc32fast::hash(&message.body));
            let (service, group) = (message.service, message.group);
            format!("{} -> {to} {service:?} {group} {body} {crc:08x}", self.from)
        });
        let handler = handler.clone();
        env.spawn(async move { handler.handle(message).await })
    }
}

/// Lets the delay of a message pass.
async fn pass(env: &Env, delay: Duration) {
    if !delay.is_zero() {
        env.sleep(delay).await;
    }
}
