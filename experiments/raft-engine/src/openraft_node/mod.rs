//! openraft 0.9.25, as published and with PSDB's features, behind [`Engine`].
//!
//! openraft's logs begin at index 0 with the membership that `initialize` writes in term 0; the
//! scenarios' logs begin at 1. So every disk here carries that entry below the scenario's own, and
//! `log` leaves it out.
//!
//! Invariant: requests reach the library unchanged; only names are translated.

mod log;
mod network;
mod state_machine;
mod types;

use std::sync::Arc;

use anyhow::{Result, anyhow, bail};
use openraft::error::{CheckIsLeaderError, RaftError};
use openraft::raft::{AppendEntriesRequest, AppendEntriesResponse, VoteRequest};
use openraft::{Config, EmptyNode, Raft, RaftMetrics, ServerState, SnapshotPolicy, Vote};

use self::log::LogStore;
use self::network::Network;
use self::state_machine::StateMachine;
use self::types::{Types, log_id, to_library};
use crate::machine::Machine;
use crate::raft::{
    Append, Ballot, Command, Disk, ELECTION_MAX_MS, ELECTION_MIN_MS, Elections, Engine, Entry,
    HEARTBEAT_MS, Status,
};
use crate::waiting::{until, within};
use crate::wires::Wires;

/// A running node.
#[derive(Clone)]
pub(crate) struct OpenraftNode {
    raft: Raft<Types>,
    log: LogStore,
    machine: Machine,
}

fn config(elections: Elections) -> Result<Config> {
    let config = Config {
        heartbeat_interval: HEARTBEAT_MS,
        election_timeout_min: ELECTION_MIN_MS,
        election_timeout_max: ELECTION_MAX_MS,
        enable_elect: elections == Elections::Stands,
        snapshot_policy: SnapshotPolicy::Never,
        ..Config::default()
    };
    Ok(config.validate()?)
}

fn status(metrics: &RaftMetrics<u64, EmptyNode>) -> Status {
    Status {
        term: metrics.current_term,
        leads: metrics.state == ServerState::Leader,
        applied: metrics.last_applied.map_or(0, |id| id.index),
    }
}

impl Engine for OpenraftNode {
    const NAME: &'static str = "openraft 0.9.25";

    async fn start(
        id: u64,
        disk: Disk,
        elections: Elections,
        wires: &Arc<Wires<Self>>,
    ) -> Result<Self> {
        let log = LogStore::new(&disk);
        let machine = Machine::new();
        let network = Network::new(id, wires.clone());
        let state_machine = StateMachine::new(machine.clone());
        let config = Arc::new(config(elections)?);
        let raft = Raft::new(id, config, network, log.clone(), state_machine).await?;
        let node = OpenraftNode { raft, log, machine };
        wires.attach(id, node.clone());
        Ok(node)
    }

    async fn append(&self, request: Append) -> Result<bool> {
        let request = AppendEntriesRequest {
            vote: Vote::new_committed(request.term, request.leader),
            prev_log_id: Some(log_id(request.prev)),
            entries: request.entries.iter().map(to_library).collect(),
            leader_commit: Some(log_id(request.commit)),
        };
        match within("an answer to AppendEntries", self.raft.append_entries(request)).await?? {
            AppendEntriesResponse::Success => Ok(true),
            AppendEntriesResponse::Conflict => Ok(false),
            other => bail!("AppendEntries was answered with {other}"),
        }
    }

    async fn vote(&self, ballot: Ballot) -> Result<bool> {
        let vote = Vote::new(ballot.term, ballot.candidate);
        let request = VoteRequest::new(vote, Some(log_id(ballot.last)));
        let answer = within("an answer to RequestVote", self.raft.vote(request)).await??;
        Ok(answer.is_granted_to(&vote))
    }

    async fn stand(&self) -> Result<()> {
        Ok(within("an election", self.raft.trigger().elect()).await??)
    }

    async fn write(&self, command: &str) -> Result<()> {
        let command = Command(command.to_owned());
        let answer = within("a write's acknowledgement", self.raft.client_write(command)).await?;
        answer.map(|_| ()).map_err(|error| anyhow!("the write failed: {error}"))
    }

    async fn may_read(&self) -> Result<bool> {
        match within("an answer to a read", self.raft.ensure_linearizable()).await? {
            Ok(_) => Ok(true),
            Err(RaftError::APIError(
                CheckIsLeaderError::ForwardToLeader(_) | CheckIsLeaderError::QuorumNotEnough(_),
            )) => Ok(false),
            Err(error @ RaftError::Fatal(_)) => Err(error.into()),
        }
    }

    async fn until(&self, what: &str, met: impl Fn(&Status) -> bool) -> Result<Status> {
        until(self.raft.metrics(), what, |metrics| Some(status(metrics)).filter(&met)).await
    }

    fn log(&self) -> Vec<Entry> {
        self.log.entries()
    }

    fn machine(&self) -> &Machine {
        &self.machine
    }
}
