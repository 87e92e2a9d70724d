//! Carries async-raft's messages over the wires of a scenario.

use std::sync::Arc;

use anyhow::{Result, bail};
use async_raft::RaftNetwork;
use async_raft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse,
    VoteRequest, VoteResponse,
};
use async_trait::async_trait;

use super::AsyncRaftNode;
use crate::raft::Command;
use crate::wires::{Kind, Wires};

/// The ways from one node to the others.
pub(super) struct Network {
    from: u64,
    wires: Arc<Wires<AsyncRaftNode>>,
}

impl Network {
    pub(super) fn new(from: u64, wires: Arc<Wires<AsyncRaftNode>>) -> Network {
        Network { from, wires }
    }
}

#[async_trait]
impl RaftNetwork<Command> for Network {
    async fn append_entries(
        &self,
        target: u64,
        request: AppendEntriesRequest<Command>,
    ) -> Result<AppendEntriesResponse> {
        let call = |node: AsyncRaftNode| async move { node.raft.append_entries(request).await };
        Ok(self.wires.deliver(self.from, target, Kind::Append, call).await?)
    }

    async fn install_snapshot(
        &self,
        _target: u64,
        _request: InstallSnapshotRequest,
    ) -> Result<InstallSnapshotResponse> {
        bail!("no scenario needs a snapshot")
    }

    async fn vote(&self, target: u64, request: VoteRequest) -> Result<VoteResponse> {
        let call = |node: AsyncRaftNode| async move { node.raft.vote(request).await };
        Ok(self.wires.deliver(self.from, target, Kind::Vote, call).await?)
    }
}
