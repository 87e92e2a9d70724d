//! The worker's sign of life, and how it learns its duties.
//!
//! Every 500 ms the worker tells the leading master what its replicas carry and which map it obeys;
//! the answer brings a newer map, if there is one. While the worker has no map yet it asks more
//! often, so that a new cluster is ready soon.
//!
//! Invariants:
//! 1. A map is obeyed only after the cluster it belongs to is noted in the directory, so a worker
//!    never serves two clusters.
//! 2. No replica runs before the masters have accepted this start of the worker. A refusal that
//!    trying again cannot mend is kept for whoever runs the worker ([`super::Worker::refused`]).
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
    /// The masters as configured, until the masters themselves tell who they are.
    addresses: Vec<Address>,
}

impl Heartbeats {
    pub(super) fn new(core: Arc<Core>) -> Heartbeats {
        let masters = LeaderCaller::new(core.env.clone(), core.transport.clone());
        let addresses = core.options.masters.clone();
        Heartbeats { core, masters, addresses }
    }

    pub(super) async fn run(mut self) {
        loop {
            if let Err(error) = self.beat().await {
                self.report(error).await;
            }
            self.core.cursors.sweep();
            self.core.replicas.free_log().await;
            let placed = self.core.replicas.epoch().0 > 0;
            let pause = if placed { self.core.options.heartbeat } else { EAGER };
            self.core.env.sleep(pause).await;
        }
    }

    async fn beat(&mut self) -> Result<()> {
        let identity = self.core.directory.identity();
        let heartbeat = Heartbeat {
            name: self.core.options.name.clone(),
            address: self.core.options.address.clone(),
            directory: identity.directory,
            incarnation: identity.incarnation,
            start: self.core.start,
            traits: self.core.options.traits.clone(),
            epoch: self.core.replicas.epoch(),
            shards: loads(&self.core.replicas.all()),
        };
        let reply = self.send(heartbeat).await?;
        self.core.directory.join(reply.cluster).await?;
        self.learn_masters(reply.masters);
        self.core.replicas.restart_known().await?;
        match reply.map {
            Some(map) => self.core.replicas.obey(map).await,
            None => self.core.replicas.found_groups().await,
        }
    }

    /// The masters of now come first; those configured stay, in case all others have gone.
    fn learn_masters(&mut self, masters: Vec<Address>) {
        let configured = self.core.options.masters.iter();
        let others = configured.filter(|address| !masters.contains(address)).cloned();
        self.addresses = masters.iter().cloned().chain(others).collect();
        *self.core.masters.write() = masters;
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
    async fn report(&self, error: Error) {
        let worker = &self.core.options.name;
        if error.is_retryable() {
            tracing::debug!(%worker, %error, "no master took the heartbeat");
            return;
        }
        if self.core.refusal.borrow().as_ref() == Some(&error) {
            return;
        }
        tracing::error!(%worker, %error, "the masters refuse this worker");
        if let Err(error) = self.core.directory.discard(&error).await {
            tracing::error!(%error, "the directory could not be marked as an older copy");
        }
        self.core.refusal.send_replace(Some(error));
    }
}

fn loads(replicas: &BTreeMap<ShardId, Group<Shard>>) -> BTreeMap<ShardId, ShardLoad> {
    let load = |replica: &Group<Shard>| {
        let (applied, (totals, hash)) = replica.look(|shard| (shard.totals(), shard.hash()));
        let status = replica.status();
        ShardLoad {
            documents: totals.documents,
            bytes: totals.bytes,
            leads: replica.leads(),
            term: status.term,
            applied,
            hash,
        }
    };
    replicas.iter().map(|(shard, replica)| (*shard, load(replica))).collect()
}
