//! The receiving half of the core's transport.
//!
//! Every message is answered in a task of its own, so a sender that gives up does not stop what
//! the receiver does, and a slow answer holds up no other.
//!
//! Invariant: through the clients' door no message of Raft comes in.
//!
//! Left out: the stream itself (`exchange`).

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::Stream;
use psdb::proto::internal as proto;
use psdb::proto::internal::transport_service_server::TransportService;
use psdb::transport::{Message, PROTOCOL, Service, VERSION, check_protocol};
use psdb::wire::node_entry;
use psdb::{Address, GroupId};
use tokio::sync::watch;
use tonic::{Request, Response, Status, Streaming};

use super::exchange;
use super::target::{Refusal, Target};

/// Which listener a message came through.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Door {
    Clients,
    Peers,
}

/// One listener's transport service. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct TransportDoor {
    target: Arc<dyn Target>,
    door: Door,
    stopping: watch::Receiver<bool>,
}

impl TransportDoor {
    pub(super) fn new(
        target: Arc<dyn Target>,
        door: Door,
        stopping: watch::Receiver<bool>,
    ) -> TransportDoor {
        TransportDoor { target, door, stopping }
    }

    /// Answers one message.
    pub(super) async fn answer(self, message: proto::Message) -> proto::Reply {
        let id = message.id;
        let result = match self.begin(message) {
            Ok(answer) => match tokio::spawn(answer).await {
                Ok(Ok(body)) => proto::reply::Result::Body(body),
                Ok(Err(reason)) => proto::reply::Result::Failed(reason),
                Err(stopped) if stopped.is_panic() => proto::reply::Result::Failed(
                    "the node has met a bug: its answer panicked".into(),
                ),
                Err(stopped) => proto::reply::Result::Failed(stopped.to_string()),
            },
            Err(reason) => proto::reply::Result::Refused(reason),
        };
        proto::Reply { id, result: Some(result) }
    }

    fn begin(
        self,
        message: proto::Message,
    ) -> Result<psdb::transport::BoxFuture<'static, Result<bytes::Bytes, String>>, Refusal> {
        let service = match message.service() {
            proto::Service::Raft if self.door == Door::Peers => Service::Raft,
            proto::Service::Raft => return Err("Raft's messages are for nodes only".into()),
            proto::Service::Master => Service::Master,
            proto::Service::Shard => Service::Shard,
            proto::Service::Unspecified => {
                return Err(format!("this release knows no service {}", message.service));
            }
        };
        let to = Address::from(message.to);
        let message = Message {
            service,
            group: GroupId(message.group),
            timeout: Duration::from_millis(message.timeout_millis.into()),
            body: message.body,
        };
        self.target.handle(&to, message)
    }

    /// Refuses who cannot be understood, or looks for somebody else.
    fn check(&self, request: &proto::HandshakeRequest) -> Result<(), String> {
        let who = match &request.node {
            Some(node) => format!("node '{}' at {}", node.name, node.peer_address),
            None => "the client".to_owned(),
        };
        check_protocol(&who, request.protocol, &request.version)?;
        let hello = self.target.hello();
        let sought = Address::from(request.wanted.as_str());
        if !request.wanted.is_empty() && !self.target.answering().contains(&sought) {
            let (name, peer) = (hello.node.name, hello.node.peer);
            return Err(format!("{who} looks for {sought}, but this is node '{name}' at {peer}"));
        }
        match (request.cluster, hello.cluster) {
            (Some(theirs), Some(ours)) if theirs != ours => Err(format!(
                "{who} belongs to cluster {theirs:016x}, node '{}' to cluster {ours:016x}",
                hello.node.name
            )),
            _ => Ok(()),
        }
    }
}

#[tonic::async_trait]
impl TransportService for TransportDoor {
    async fn handshake(
        &self,
        request: Request<proto::HandshakeRequest>,
    ) -> Result<Response<proto::HandshakeResponse>, Status> {
        let request = request.into_inner();
        if let Err(reason) = self.check(&request) {
            tracing::warn!(reason, "a connection was refused");
            return Err(Status::failed_precondition(reason));
        }
        if let (Some(node), Door::Peers) = (request.node, self.door) {
            let node = node_entry::from_proto(node).map_err(Status::invalid_argument)?;
            self.target.introduced(node);
        }
        let hello = self.target.hello();
        Ok(Response::new(proto::HandshakeResponse {
            protocol: PROTOCOL,
            version: VERSION.to_owned(),
            node: Some(node_entry::to_proto(&hello.node)),
            cluster: hello.cluster,
            masters: hello.masters.iter().map(|master| master.as_str().to_owned()).collect(),
        }))
    }

    type ExchangeStream =
        Pin<Box<dyn Stream<Item = Result<proto::ExchangeResponse, Status>> + Send>>;

    async fn exchange(
        &self,
        request: Request<Streaming<proto::ExchangeRequest>>,
    ) -> Result<Response<Self::ExchangeStream>, Status> {
        let replies = exchange::start(self.clone(), request.into_inner(), self.stopping.clone());
        Ok(Response::new(Box::pin(replies)))
    }

    async fn call(
        &self,
        request: Request<proto::CallRequest>,
    ) -> Result<Response<proto::CallResponse>, Status> {
        let message = request.into_inner().message;
        let message = message.ok_or_else(|| Status::invalid_argument("there is no message"))?;
        let reply = self.clone().answer(message).await;
        Ok(Response::new(proto::CallResponse { reply: Some(reply) }))
    }

    async fn list_nodes(
        &self,
        _request: Request<proto::ListNodesRequest>,
    ) -> Result<Response<proto::ListNodesResponse>, Status> {
        let text = |address: Address| address.as_str().to_owned();
        let nodes = self.target.nodes();
        Ok(Response::new(proto::ListNodesResponse {
            nodes: nodes.iter().map(node_entry::to_proto).collect(),
            masters: self.target.hello().masters.into_iter().map(text).collect(),
            answering: self.target.answering().into_iter().map(text).collect(),
        }))
    }
}
