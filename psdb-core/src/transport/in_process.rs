//! A network inside one process: handlers by address, and faults on the way.
//!
//! A call runs the receiver's handler in a task of its own, so a sender that gives up does not stop
//! what the receiver does, as on a real network. Requests and replies are judged by the `fault`
//! rules separately: a request may arrive and its reply be lost. What groups say to each other between
//! the same two nodes in one moment is one bundle (`lane`) with one fate, as in one packet.
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
use tokio::sync::oneshot;

use super::fault::{Fate, Faults};
use super::lane::Lanes;
use super::{BoxFuture, Handler, Message, Service, Transport, TransportError};
use crate::env::{Env, task};
use crate::types::Address;

/// A network of nodes in this process; cheap to clone.
#[derive(Clone)]
pub struct Network(Arc<Shared>);

struct Shared {
    env: Env,
    state: Mutex<State>,
    requests: Lanes<Request>,
    replies: Lanes<(Bytes, oneshot::Sender<Answered>)>,
    traffic: Mutex<Traffic>,
}

type Answered = Result<Bytes, TransportError>;

/// A message of a group, and who waits for its reply.
struct Request {
    message: Message,
    answer: oneshot::Sender<Answered>,
}

/// What groups have said to each other since the network was made.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Traffic {
    /// How many requests were sent.
    pub messages: u64,
    /// In how many bundles they travelled.
    pub bundles: u64,
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
        let (state, traffic) = (Mutex::default(), Mutex::default());
        let (requests, replies) = (Lanes::default(), Lanes::default());
        Network(Arc::new(Shared { env, state, requests, replies, traffic }))
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

    /// What groups have said to each other so far.
    pub fn traffic(&self) -> Traffic {
        *self.0.traffic.lock()
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
    async fn exchange(&self, to: &Address, message: Message) -> Answered {
        match message.service {
            Service::Raft => self.exchange_together(to, message).await,
            Service::Master | Service::Shard => self.exchange_alone(to, message).await,
        }
    }

    /// Puts the message to whatever else groups of this node say to the same one now.
    async fn exchange_together(&self, to: &Address, message: Message) -> Answered {
        let (answer, answered) = oneshot::channel();
        let (network, from) = (&self.network, &self.from);
        if network.0.requests.put(from, to, Request { message, answer }) {
            let sent = carry_requests(network.clone(), from.clone(), to.clone());
            network.0.env.spawn(sent).detach();
        }
        match answered.await {
            Ok(answer) => answer,
            // Nobody tells a sender that its message was lost: it waits its time out.
            Err(_lost) => std::future::pending().await,
        }
    }

    async fn exchange_alone(&self, to: &Address, message: Message) -> Answered {
        let env = &self.network.0.env;
        let copies = match self.network.fate(&self.from, to) {
            Fate::Lost => std::future::pending().await,
            Fate::Delivered { delay, twice } => {
                pass(env, delay).await;
                1 + u8::from(twice)
            }
        };
        let Some(handler) = self.network.handler(to) else { return Err(nobody_at(to)) };
        if copies > 1 {
            self.network.deliver(&self.from, to, &handler, message.clone()).detach();
        }
        let delivered = self.network.deliver(&self.from, to, &handler, message);
        let reply = delivered.keep_running().await;
        if !self.network.still_bound(to, &handler) {
            return Err(stopped_at(to));
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
}

impl Network {
    fn deliver(
        &self,
        from: &Address,
        to: &Address,
        handler: &Arc<dyn Handler>,
        message: Message,
    ) -> crate::env::Task<Bytes> {
        let env = &self.0.env;
        env.trace(|| {
            let (body, crc) = (message.body.len(), crc32fast::hash(&message.body));
            let (service, group) = (message.service, message.group);
            format!("{from} -> {to} {service:?} {group} {body} {crc:08x}")
        });
        let handler = handler.clone();
        env.spawn(async move { handler.handle(message).await })
    }
}

/// Sends off what one node says to another now.
async fn carry_requests(network: Network, from: Address, to: Address) {
    task::yield_now().await;
    let bundle = network.0.requests.take(&from, &to);
    {
        let mut traffic = network.0.traffic.lock();
        traffic.messages += bundle.len() as u64;
        traffic.bundles += 1;
    }
    let copies = match network.fate(&from, &to) {
        Fate::Lost => return,
        Fate::Delivered { delay, twice } => {
            pass(&network.0.env, delay).await;
            1 + u8::from(twice)
        }
    };
    let Some(handler) = network.handler(&to) else {
        for request in bundle {
            let _gave_up = request.answer.send(Err(nobody_at(&to)));
        }
        return;
    };
    for Request { message, answer } in bundle {
        if copies > 1 {
            network.deliver(&from, &to, &handler, message.clone()).detach();
        }
        let reply = network.deliver(&from, &to, &handler, message).keep_running();
        let (network, handler) = (network.clone(), handler.clone());
        let (from, to) = (from.clone(), to.clone());
        let env = network.0.env.clone();
        let answered = async move {
            let reply = reply.await;
            if !network.still_bound(&to, &handler) {
                let _gave_up = answer.send(Err(stopped_at(&to)));
            } else if let Ok(reply) = reply
                && network.0.replies.put(&to, &from, (reply, answer))
            {
                carry_replies(&network, &from, &to).await;
            }
        };
        env.spawn(answered).detach();
    }
}

/// Sends back what has been answered by now.
async fn carry_replies(network: &Network, from: &Address, to: &Address) {
    task::yield_now().await;
    let bundle = network.0.replies.take(to, from);
    match network.fate(to, from) {
        Fate::Lost => return,
        Fate::Delivered { delay, .. } => pass(&network.0.env, delay).await,
    }
    for (reply, answer) in bundle {
        let _gave_up = answer.send(Ok(reply));
    }
}

fn nobody_at(to: &Address) -> TransportError {
    TransportError::NotSent { to: to.clone(), reason: "nobody listens there".to_owned() }
}

fn stopped_at(to: &Address) -> TransportError {
    TransportError::NoReply { to: to.clone(), reason: "the node has stopped".to_owned() }
}

/// Lets the delay of a message pass.
async fn pass(env: &Env, delay: Duration) {
    if !delay.is_zero() {
        env.sleep(delay).await;
    }
}
