//! The worker's sign of life, and how it learns its duties.
//!
//! Every 500 ms the worker tells the leading master what its replicas carry and which map it obeys;
//! the answer brings a newer map, if there is one. While the worker has no map yet it asks more
//! often, so that a new cluster is ready soon.
//!
//! Invariant: a map is obeyed only after the cluster it belongs to is noted in the directory, so a
//! worker never serves two clusters.
//!
//! Left out: what the masters make of silence (`master::health`).

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::Core;
use crate::raft::Group;
use crate::shard::Shard;
use crate::transport::Service;
use crate::transport::message::{
    Heartbeat, HeartbeatReply, MasterRequest, MasterResponse, ShardLoad,
};
use crate::transport::redirect::LeaderCaller;
use crate::types::{Address, Error, GroupId, Outcome, Result, ShardId};

/// How often a worker without a map asks for one.
const EAGER: Duration = Duration::from_millis(25);
/// How long one heartbeat may look for the leading master.
const TIMEOUT: Duration = Duration::from_secs(2);

pub(super) struct Heartbeats {
    core: Arc<Core>,
    masters: LeaderCaller,
    addresses: Vec<Address>,
    refused: bool,
}

impl Heartbeats {
    pub(super) fn new(core: Arc<Core>) -> Heartbeats {
        let masters = LeaderCaller::new(core.env.clone(), core.transport.clone());
        let addresses = core.options.masters.clone();
        Heartbeats { core, masters, addresses, refused: false }
    }

    pub(super) async fn run(mut self) {
        loop {
            match self.beat().await {
                Ok(()) => self.refused = false,
                Err(error) => self.report(&error),
            }
            self.core.cursors.sweep();
            self.core.replicas.free_log().await;
            let placed = self.core.replicas.epoch().0 > 0;
            let pause = if placed { self.core.options.heartbeat } else { EAGER };
            self.core.env.sleep(pause).await;
        }
    }

    async fn beat(&self) -> Result<()> {
        let identity = self.core.directory.identity();
        let heartbeat = Heartbeat {
            name: self.core.options.name.clone(),
            address: self.core.options.address.clone(),
            directory: identity.directory,
            incarnation: identity.incarnation,
            epoch: self.core.replicas.epoch(),
            shards: loads(&self.core.replicas.all()),
        };
        let reply = self.send(heartbeat).await?;
        self.core.directory.join(reply.cluster).await?;
        match reply.map {
            Some(map) => self.core.replicas.obey(map).await,
            None => Ok(()),
        }
    }

    async fn send(&self, heartbeat: Heartbeat) -> Result<HeartbeatReply> {
        let request = MasterRequest::Heartbeat(heartbeat);
        let (group, masters) = (GroupId::METADATA, &self.addresses);
        let answer =
            self.masters.call("the masters", Service::Master, group, masters, &request, TIMEOUT);
        match answer.await? {
            MasterResponse::Heartbeat(reply) => Ok(reply),
            _ => Err(Error::Internal {
                reason: "the masters answered another question".into(),
                outcome: Outcome::Unknown,
            }),
        }
    }

    /// A refusal is said once and loud, since somebody has to act; silence is an ordinary thing.
    fn report(&mut self, error: &Error) {
        let worker = &self.core.options.name;
        if error.is_retryable() {
            tracing::debug!(%worker, %error, "no master took the heartbeat");
        } else if !std::mem::replace(&mut self.refused, true) {
            tracing::error!(%worker, %error, "the masters refuse this worker");
        }
    }
}

fn loads(replicas: &BTreeMap<ShardId, Group<Shard>>) -> BTreeMap<ShardId, ShardLoad> {
    let load = |replica: &Group<Shard>| {
        let (status, totals) = (replica.status(), replica.state().totals());
        ShardLoad {
            documents: totals.documents,
            bytes: totals.bytes,
            leads: replica.leads(),
            term: status.term,
            applied: replica.applied(),
        }
    };
    replicas.iter().map(|(shard, replica)| (*shard, load(replica))).collect()
}
