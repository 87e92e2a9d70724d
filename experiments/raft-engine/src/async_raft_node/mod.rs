//! async-raft 0.6.1, as published, behind [`Engine`].
//!
//! The library offers no way to start an election, so `stand` uses what the library itself does: a
//! RequestVote of a higher term, from a candidate whose log is empty, is refused but renews the
//! receiver's election time-out, which is otherwise 30 s after a start.
//!
//! Invariant: requests reach the library unchanged; only names are translated.

mod network;
mod storage;

use std::sync::Arc;

use anyhow::{Result, anyhow, bail};
use async_raft::error::{ClientReadError, RaftError};
use async_raft::raft::{AppendEntriesRequest, ClientWriteRequest, VoteRequest};
use async_raft::{AppData, AppDataResponse, Config, Raft, RaftMetrics, State};

use self::network::Network;
use self::storage::{Storage, to_library};
use crate::machine::Machine;
use crate::raft::{
    Append, Applied, Ballot, Command, Disk, ELECTION_MAX_MS, ELECTION_MIN_MS, Elections, Engine,
    Entry, HEARTBEAT_MS, Status,
};
use crate::waiting::{until, within};
use crate::wires::Wires;

/// An election time-out that no scenario lives to see.
const NEVER_MS: u64 = 3_600_000;

impl AppData for Command {}
impl AppDataResponse for Applied {}

/// A running node.
#[derive(Clone)]
pub(crate) struct AsyncRaftNode {
    raft: Raft<Command, Applied, Network, Storage>,
    storage: Arc<Storage>,
}

fn config(elections: Elections) -> Result<Config> {
    let (min, max) = match elections {
        Elections::Stands => (ELECTION_MIN_MS, ELECTION_MAX_MS),
        Elections::Never => (NEVER_MS, NEVER_MS + 1),
    };
    let config = Config::build("scenario".to_owned())
        .heartbeat_interval(HEARTBEAT_MS)
        .election_timeout_min(min)
        .election_timeout_max(max);
    Ok(config.validate()?)
}

fn status(metrics: &RaftMetrics) -> Status {
    Status {
        term: metrics.current_term,
        leads: metrics.state == State::Leader,
        applied: metrics.last_applied,
    }
}

impl Engine for AsyncRaftNode {
    const NAME: &'static str = "async-raft 0.6.1";

    async fn start(
        id: u64,
        disk: Disk,
        elections: Elections,
        wires: &Arc<Wires<Self>>,
    ) -> Result<Self> {
        let storage = Arc::new(Storage::new(id, &disk));
        let network = Arc::new(Network::new(id, wires.clone()));
        let raft = Raft::new(id, Arc::new(config(elections)?), network, storage.clone());
        let node = AsyncRaftNode { raft, storage };
        wires.attach(id, node.clone());
        Ok(node)
    }

    async fn append(&self, request: Append) -> Result<bool> {
        let request = AppendEntriesRequest {
            term: request.term,
            leader_id: request.leader,
            prev_log_index: request.prev.index,
            prev_log_term: request.prev.term,
            entries: request.entries.iter().map(to_library).collect(),
            leader_commit: request.commit.index,
        };
        Ok(within("an answer to AppendEntries", self.raft.append_entries(request)).await??.success)
    }

    async fn vote(&self, ballot: Ballot) -> Result<bool> {
        let request =
            VoteRequest::new(ballot.term, ballot.candidate, ballot.last.index, ballot.last.term);
        Ok(within("an answer to RequestVote", self.raft.vote(request)).await??.vote_granted)
    }

    async fn stand(&self) -> Result<()> {
        // The sender must be no member that may later ask for this vote in earnest.
        const STRANGER: u64 = 0;
        let term = self.raft.metrics().borrow().current_term.max(self.storage.term()) + 1;
        let request = VoteRequest::new(term, STRANGER, 0, 0);
        let answer = within("an answer to RequestVote", self.raft.vote(request)).await??;
        if answer.vote_granted {
            bail!("a candidate with an empty log got a vote");
        }
        Ok(())
    }

    async fn write(&self, command: &str) -> Result<()> {
        let request = ClientWriteRequest::new(Command(command.to_owned()));
        let answer = within("a write's acknowledgement", self.raft.client_write(request)).await?;
        answer.map(|_| ()).map_err(|error| anyhow!("the write of {command} failed: {error}"))
    }

    async fn may_read(&self) -> Result<bool> {
        match within("an answer to a read", self.raft.client_read()).await? {
            Ok(()) => Ok(true),
            Err(
                ClientReadError::ForwardToLeader(_)
                | ClientReadError::RaftError(RaftError::RaftNetwork(_)),
            ) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    async fn until(&self, what: &str, met: impl Fn(&Status) -> bool) -> Result<Status> {
        until(self.raft.metrics(), what, |metrics| Some(status(metrics)).filter(&met)).await
    }

    fn log(&self) -> Vec<Entry> {
        self.storage.log()
    }

    fn machine(&self) -> &Machine {
        self.storage.machine()
    }
}
