//! One HTTP/2 connection to a node: dialled, introduced, and with its exchange stream open.
//!
//! Keep-alive finds out within [`ALIVE_EVERY`] and [`ALIVE_WITHIN`] that the other side is cut
//! off, also while nothing is said; otherwise a connection would hang in TCP's retransmission long
//! after a partition has healed.
//!
//! Left out: dialling again (`link`).

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use psdb_core::env::{Env, Task};
use psdb_core::transport::{Message, Service, TransportError};
use psdb_core::{Address, GroupId};
use tokio::sync::mpsc;
use tonic::transport::{Channel, Endpoint};

use super::exchange::{Answer, LARGE_BYTES, MESSAGE_LIMIT_BYTES, Pending, QUEUE, in_batches};
use super::handshake::{self, Acquaintance, Hello};
use crate::proto::internal as proto;
use crate::proto::internal::transport_service_client::TransportServiceClient;

/// How long a connection may take to stand, the handshake included.
const DIAL_TIMEOUT: Duration = Duration::from_secs(1);
/// How often a connection is asked whether it lives.
const ALIVE_EVERY: Duration = Duration::from_millis(500);
/// How long it may take to say so.
const ALIVE_WITHIN: Duration = Duration::from_secs(2);
/// How much of one stream may be under way, in bytes.
const STREAM_WINDOW_BYTES: u32 = 2 << 20;
/// How much of all streams of a connection may be under way, in bytes.
const CONNECTION_WINDOW_BYTES: u32 = 8 << 20;

/// A connection that stands. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Connection(Arc<Shared>);

struct Shared {
    env: Env,
    client: TransportServiceClient<Channel>,
    queue: mpsc::Sender<proto::Message>,
    pending: Arc<Pending>,
}

/// Connects to `address`; returns the connection and a task that ends with it.
pub(super) async fn dial(
    env: &Env,
    own: &dyn Acquaintance,
    address: &Address,
    wanted: &str,
) -> Result<(Connection, Hello, Task<String>), String> {
    let dialled = env.timeout(DIAL_TIMEOUT, open(env, own, address, wanted)).await;
    dialled.unwrap_or_else(|_elapsed| {
        Err(format!("no connection within {} ms", DIAL_TIMEOUT.as_millis()))
    })
}

async fn open(
    env: &Env,
    own: &dyn Acquaintance,
    address: &Address,
    wanted: &str,
) -> Result<(Connection, Hello, Task<String>), String> {
    let endpoint = Endpoint::from_shared(format!("http://{address}"))
        .map_err(|error| format!("{address} is no host:port: {error}"))?
        .connect_timeout(DIAL_TIMEOUT)
        .http2_keep_alive_interval(ALIVE_EVERY)
        .keep_alive_timeout(ALIVE_WITHIN)
        .keep_alive_while_idle(true)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES);
    let channel = endpoint.connect().await.map_err(|error| with_sources(&error))?;
    let mut client = TransportServiceClient::new(channel)
        .max_decoding_message_size(MESSAGE_LIMIT_BYTES)
        .max_encoding_message_size(MESSAGE_LIMIT_BYTES);
    let answer = client.handshake(handshake::request(own, wanted)).await;
    let answer = answer.map_err(|status| status.message().to_owned())?.into_inner();
    let hello = handshake::understand(own, address, answer)?;
    let (queue, outgoing) = mpsc::channel(QUEUE);
    let size = |message: &proto::Message| message.body.len();
    let outgoing = in_batches(outgoing, size, |messages| proto::ExchangeRequest { messages });
    let incoming = client.exchange(outgoing).await;
    let incoming = incoming.map_err(|status| status.message().to_owned())?.into_inner();
    let pending = Arc::new(Pending::default());
    let reader = env.spawn(read(incoming, pending.clone()));
    let connection = Connection(Arc::new(Shared { env: env.clone(), client, queue, pending }));
    Ok((connection, hello, reader))
}

/// Hands out replies until the stream ends; says why it did.
async fn read(
    mut incoming: tonic::Streaming<proto::ExchangeResponse>,
    pending: Arc<Pending>,
) -> String {
    let why = loop {
        match incoming.message().await {
            Ok(Some(batch)) => batch.replies.into_iter().for_each(|reply| pending.settle(reply)),
            Ok(None) => break "the node closed the connection".to_owned(),
            Err(status) => break status.message().to_owned(),
        }
    };
    pending.end();
    why
}

impl Connection {
    /// Sends `message` for the node at `to` and waits for its reply, at most its time.
    pub(super) async fn call(
        &self,
        to: &Address,
        message: Message,
    ) -> Result<Bytes, TransportError> {
        if message.body.len() > LARGE_BYTES {
            self.call_alone(to, message).await
        } else {
            self.call_in_batch(to, message).await
        }
    }

    async fn call_in_batch(&self, to: &Address, message: Message) -> Result<Bytes, TransportError> {
        let not_sent =
            |reason: &str| TransportError::NotSent { to: to.clone(), reason: reason.to_owned() };
        let timeout = message.timeout;
        let begin = self.0.env.instant();
        let mut place =
            self.0.pending.wait().ok_or_else(|| not_sent("the connection has just ended"))?;
        let message = encode(place.id, to, message);
        match self.0.env.timeout(timeout, self.0.queue.send(message)).await {
            Ok(Ok(())) => {}
            Ok(Err(_closed)) => return Err(not_sent("the connection has just ended")),
            Err(_elapsed) => return Err(not_sent("too many messages wait for this connection")),
        }
        let left = timeout.saturating_sub(self.0.env.instant().elapsed_since(begin));
        match self.0.env.timeout(left, &mut place.answer).await {
            Ok(Ok(answer)) => settled(to, answer),
            Ok(Err(_ended)) => Err(no_reply(to, "the connection was lost")),
            Err(_elapsed) => Err(no_reply(to, &format!("{} ms have passed", timeout.as_millis()))),
        }
    }

    async fn call_alone(&self, to: &Address, message: Message) -> Result<Bytes, TransportError> {
        let timeout = message.timeout;
        let mut client = self.0.client.clone();
        let request = proto::CallRequest { message: Some(encode(0, to, message)) };
        match self.0.env.timeout(timeout, client.call(request)).await {
            Ok(Ok(response)) => {
                let reply = response.into_inner().reply.and_then(|reply| reply.result);
                settled(to, Answer::of(reply))
            }
            Ok(Err(status)) => Err(no_reply(to, status.message())),
            Err(_elapsed) => Err(no_reply(to, &format!("{} ms have passed", timeout.as_millis()))),
        }
    }

    /// Asks the node whom it knows.
    pub(crate) async fn list_nodes(&self) -> Result<proto::ListNodesResponse, String> {
        let mut client = self.0.client.clone();
        let listed = client.list_nodes(proto::ListNodesRequest {});
        match self.0.env.timeout(DIAL_TIMEOUT, listed).await {
            Ok(Ok(response)) => Ok(response.into_inner()),
            Ok(Err(status)) => Err(status.message().to_owned()),
            Err(_elapsed) => Err("it does not answer".into()),
        }
    }
}

fn encode(id: u64, to: &Address, message: Message) -> proto::Message {
    let service = match message.service {
        Service::Raft => proto::Service::Raft,
        Service::Master => proto::Service::Master,
        Service::Shard => proto::Service::Shard,
    };
    let GroupId(group) = message.group;
    proto::Message {
        id,
        service: service.into(),
        group,
        timeout_millis: u32::try_from(message.timeout.as_millis()).unwrap_or(u32::MAX),
        body: message.body,
        to: to.as_str().to_owned(),
    }
}

fn settled(to: &Address, answer: Answer) -> Result<Bytes, TransportError> {
    match answer {
        Answer::Body(body) => Ok(body),
        Answer::Refused(reason) => Err(TransportError::NotSent { to: to.clone(), reason }),
        Answer::Failed(reason) => Err(no_reply(to, &reason)),
    }
}

fn no_reply(to: &Address, reason: &str) -> TransportError {
    TransportError::NoReply { to: to.clone(), reason: reason.to_owned() }
}

/// An error of the transport says little; its sources say what happened.
fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.ends_with(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}
