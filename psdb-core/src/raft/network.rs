//! Carries the engine's messages over a [`Transport`].
//!
//! Making a link costs no I/O (the engine makes one per linearizable read). The engine sends
//! again at once after a failed call, so a link waits a while before it reports one: a dead
//! follower costs a few messages per second.
//!
//! Invariant: a failed call is always reported as a plain network error, never as *unreachable*,
//! whose back-off inside the engine draws from a generator that no seed reaches.
//!
//! Left out: retries (the engine's), connections (the transport's).

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use openraft::error::{
    Fatal, NetworkError, RPCError, RaftError, ReplicationClosed, StreamingError,
};
use openraft::network::RPCOption;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse,
};
use openraft::{OptionalSend, RaftNetwork, RaftNetworkFactory};

use super::engine::{Engine, Member, Snapshot, Vote};
use super::message::{RaftMessage, RaftReply, RaftRequest};
use super::replica::ReplicaPlace;
use super::retention::Retention;
use super::snapshot_transfer;
use crate::codec::frame;
use crate::env::Env;
use crate::transport::{Message, Service, Transport};
use crate::types::{Address, LogIndex, NodeId};

/// Makes links from this replica to the others.
#[derive(Clone)]
pub(crate) struct Links {
    pub(crate) env: Env,
    pub(crate) place: ReplicaPlace,
    pub(crate) transport: Arc<dyn Transport>,
    pub(crate) chunk_bytes: usize,
    pub(crate) pause: Duration,
    pub(crate) retention: Arc<Retention>,
}

/// The way to one other replica.
pub(crate) struct Link {
    links: Links,
    to: NodeId,
    address: Address,
}

impl RaftNetworkFactory<Engine> for Links {
    type Network = Link;

    async fn new_client(&mut self, target: NodeId, member: &Member) -> Link {
        Link { links: self.clone(), to: target, address: member.address() }
    }
}

type CallError = RPCError<NodeId, Member, RaftError<NodeId>>;

impl Link {
    pub(crate) fn env(&self) -> &Env {
        &self.links.env
    }

    /// Where this replica's files lie.
    pub(crate) fn place(&self) -> &ReplicaPlace {
        &self.links.place
    }

    /// Waits before a failed call is tried again: half to all of the pause.
    pub(crate) async fn pause(&self) {
        let pause = self.links.pause.mul_f64(0.5 + self.links.env.random_unit() / 2.0);
        self.links.env.sleep(pause).await;
    }

    /// Sends one request and reads its reply.
    pub(crate) async fn request(
        &self,
        request: RaftRequest,
        timeout: Duration,
    ) -> io::Result<RaftReply> {
        let message = Message {
            service: Service::Raft,
            group: self.links.place.group,
            timeout,
            body: frame::encode(&RaftMessage { to: self.to, request }),
        };
        let reply = self.links.transport.call(&self.address, message).await;
        let reply = reply.map_err(io::Error::other)?;
        frame::decode(&reply).map_err(io::Error::other)
    }

    async fn call(&self, request: RaftRequest, option: &RPCOption) -> Result<RaftReply, CallError> {
        let failed = match self.request(request, option.hard_ttl()).await {
            Ok(RaftReply::Refused(reason)) => io::Error::other(reason),
            Ok(reply) => return Ok(reply),
            Err(error) => error,
        };
        self.pause().await;
        Err(RPCError::Network(NetworkError::new(&failed)))
    }
}

fn unexpected(what: &'static str) -> CallError {
    RPCError::Network(NetworkError::new(&io::Error::other(what)))
}

impl RaftNetwork<Engine> for Link {
    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Engine>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<NodeId>, CallError> {
        match self.call(RaftRequest::Append(request), &option).await? {
            RaftReply::Append(response) => Ok(response),
            _ => Err(unexpected("the reply is not to an append")),
        }
    }

    async fn vote(
        &mut self,
        request: VoteRequest<NodeId>,
        option: RPCOption,
    ) -> Result<VoteResponse<NodeId>, CallError> {
        match self.call(RaftRequest::Vote(request), &option).await? {
            RaftReply::Vote(response) => Ok(response),
            _ => Err(unexpected("the reply is not to a vote request")),
        }
    }

    async fn full_snapshot(
        &mut self,
        vote: Vote,
        snapshot: Snapshot,
        cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<NodeId>, StreamingError<Engine, Fatal<NodeId>>> {
        let chunk_bytes = self.links.chunk_bytes;
        let reached = LogIndex(snapshot.meta.last_log_id.map_or(0, |id| id.index));
        let _sending = self.links.retention.sending(self.to, reached);
        let sent = snapshot_transfer::send(self, vote, snapshot, chunk_bytes, cancel).await;
        if sent.is_err() {
            self.pause().await;
        }
        sent
    }
}
