//! Carries openraft's messages over the wires of a scenario.

use std::io;
use std::sync::Arc;

use openraft::error::{
    Fatal, NetworkError, RPCError, RaftError, ReplicationClosed, StreamingError,
};
use openraft::network::RPCOption;
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, SnapshotResponse, VoteRequest, VoteResponse,
};
use openraft::{EmptyNode, OptionalSend, RaftNetwork, RaftNetworkFactory, Snapshot, Vote};

use super::OpenraftNode;
use super::types::Types;
use crate::wires::{Kind, Wires};

type CallError = RPCError<u64, EmptyNode, RaftError<u64>>;

/// The ways from one node to the others.
pub(super) struct Network {
    from: u64,
    wires: Arc<Wires<OpenraftNode>>,
}

impl Network {
    pub(super) fn new(from: u64, wires: Arc<Wires<OpenraftNode>>) -> Network {
        Network { from, wires }
    }
}

/// The way to one other node.
pub(super) struct Link {
    from: u64,
    to: u64,
    wires: Arc<Wires<OpenraftNode>>,
}

impl RaftNetworkFactory<Types> for Network {
    type Network = Link;

    async fn new_client(&mut self, target: u64, _node: &EmptyNode) -> Link {
        Link { from: self.from, to: target, wires: self.wires.clone() }
    }
}

fn call_error(error: &RaftError<u64>) -> CallError {
    RPCError::Network(NetworkError::new(error))
}

impl RaftNetwork<Types> for Link {
    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<Types>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<u64>, CallError> {
        let call = |node: OpenraftNode| async move { node.raft.append_entries(request).await };
        let answer = self.wires.deliver(self.from, self.to, Kind::Append, call).await;
        answer.map_err(|error| call_error(&error))
    }

    async fn vote(
        &mut self,
        request: VoteRequest<u64>,
        _option: RPCOption,
    ) -> Result<VoteResponse<u64>, CallError> {
        let call = |node: OpenraftNode| async move { node.raft.vote(request).await };
        let answer = self.wires.deliver(self.from, self.to, Kind::Vote, call).await;
        answer.map_err(|error| call_error(&error))
    }

    async fn full_snapshot(
        &mut self,
        _vote: Vote<u64>,
        _snapshot: Snapshot<Types>,
        _cancel: impl Future<Output = ReplicationClosed> + OptionalSend + 'static,
        _option: RPCOption,
    ) -> Result<SnapshotResponse<u64>, StreamingError<Types, Fatal<u64>>> {
        let error = io::Error::other("no scenario needs a snapshot");
        Err(StreamingError::Network(NetworkError::new(&error)))
    }
}
