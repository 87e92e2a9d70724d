//! A master: one of the few nodes that agree on the cluster's metadata.
//!
//! ```text
//! start ─► introductions: do the others let us in? ─► our replica, and all below
//! message ─► Master::handle ─┬─ Raft   ─► the metadata group's engine
//!                            └─ Master ─► service: propose, or barrier + read
//! when a lease is over, on the leader ─► locks: who is next
//! every 250 ms, on the leader ─► health: who is alive
//!                             ├► reconciler: found the cluster, place shards, finish databases
//!                             └► mover: replicas on their way, leads to be handed over
//! ```
//! The service decides and proposes; the reconciler does what decided things need outside of the
//! metadata (opening, clearing and closing databases on their shards), again and again until it
//! is done, so a leader may die at any moment and the next one goes on.
//!
//! Invariants:
//! 1. Only the leader acts, and every act is safe to repeat, even by two who both believe to lead.
//! 2. What is told to a client was committed before.
//! 3. A directory that was wiped or restored from an old copy never votes: the other masters refuse
//!    it, and none runs its replica before enough of them were asked.
//!
//! Left out: what is decided purely (`placement`, `rebalance`).

mod definitions;
mod health;
mod introductions;
mod locks;
mod membership;
mod mover;
pub mod placement;
pub mod rebalance;
mod reconciler;
mod roll;
mod service;

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use tokio::sync::{Notify, watch};

use crate::codec::frame;
use crate::env::{Env, Task};
use crate::metadata::Metadata;
use crate::raft::{Group, GroupOptions, LogHome, RaftConfig};
use crate::storage::Directory;
use crate::transport::message::{MasterRequest, MasterResponse, Reply, ShardResponse};
use crate::transport::{BoxFuture, Handler, Message, Service, Transport};
use crate::types::{Address, Error, GroupId, NodeId, Result};
use health::Health;
use introductions::{Entry, Introductions};
use mover::Mover;
use reconciler::Reconciler;

/// What a master needs to know.
#[derive(Clone, Debug)]
pub struct MasterOptions {
    /// Its name, unique in the cluster.
    pub name: String,
    /// All masters by name, this one included, with the address where each is reached.
    pub masters: BTreeMap<String, Address>,
    /// How many shards a new cluster gets; 16.
    pub shards: u32,
    /// How many replicas each shard of a new cluster gets; 3.
    pub replicas: u32,
    /// How many workers a new cluster waits for before it places its shards; as many as replicas.
    pub initial_workers: u32,
    /// Timers and bounds of the metadata group.
    pub raft: RaftConfig,
    /// A worker is suspect after so long without a heartbeat; 3 s.
    pub suspect_after: Duration,
    /// A worker is dead after so long without a heartbeat; 10 s.
    pub dead_after: Duration,
    /// The replicas of a worker that is dead for so long are rebuilt elsewhere; 60 s.
    pub replace_after: Duration,
    /// Whether this master joins a cluster that exists: it founds nothing and waits to be added.
    pub join: bool,
    /// How often the leader looks after workers and unfinished work; 250 ms.
    pub tick: Duration,
}

impl MasterOptions {
    /// The usual settings for the master called `name` among `masters`.
    pub fn new(name: impl Into<String>, masters: BTreeMap<String, Address>) -> MasterOptions {
        MasterOptions {
            name: name.into(),
            masters,
            shards: 16,
            replicas: 3,
            initial_workers: 3,
            raft: RaftConfig::default(),
            suspect_after: Duration::from_secs(3),
            dead_after: Duration::from_secs(10),
            replace_after: Duration::from_mins(1),
            join: false,
            tick: Duration::from_millis(250),
        }
    }
}

/// A running master. Bind it to a network as a [`Handler`]; dropping it stops its tasks.
pub struct Master {
    shared: Arc<Shared>,
    /// All that goes on by itself.
    life: Mutex<Option<Task<()>>>,
}

/// What a master has from its start.
struct Shared {
    options: MasterOptions,
    env: Env,
    directory: Directory,
    home: LogHome,
    transport: Arc<dyn Transport>,
    introductions: Arc<Introductions>,
    /// Set when the others have let this master in.
    core: OnceLock<Arc<Core>>,
    /// Why it can be no master any more.
    failure: watch::Sender<Option<Error>>,
}

/// What the parts of a master share.
struct Core {
    options: MasterOptions,
    env: Env,
    directory: Directory,
    introductions: Arc<Introductions>,
    group: Group<Metadata>,
    health: Health,
    reconciler: Reconciler,
    mover: Arc<Mover>,
    joined: Notify,
}

impl Master {
    /// Starts a master whose identity lies in `directory` and whose group lies in `home`.
    ///
    /// The two are given, so that a process that is master and worker shares one log. All masters
    /// of a new cluster found it together, so all have to be told the same `masters`. Its replica
    /// starts by itself, when the other masters let it in; a single master has nobody to ask.
    ///
    /// # Errors
    ///
    /// [`Error::WrongIdentity`] when its log is gone; whatever [`Group::start`] says, if it is
    /// the only master. What comes later is told by [`Master::failed`].
    pub async fn start(
        options: MasterOptions,
        env: Env,
        directory: Directory,
        home: LogHome,
        transport: Arc<dyn Transport>,
    ) -> Result<Master> {
        options.raft.validate()?;
        let introductions =
            Introductions::open(&options, &env, &directory, &home, &transport).await?;
        let introductions = Arc::new(introductions);
        let (core, (failure, _)) = (OnceLock::new(), watch::channel(None));
        let shared = Arc::new(Shared {
            options,
            env: env.clone(),
            directory,
            home,
            transport,
            introductions,
            core,
            failure,
        });
        if let Some(entry) = shared.introductions.alone() {
            shared.enter(entry).await?;
        }
        let life = env.spawn(live(shared.clone()));
        Ok(Master { shared, life: Mutex::new(Some(life)) })
    }

    /// The master's name.
    pub fn name(&self) -> &str {
        &self.shared.options.name
    }

    /// This master's replica of the metadata; `None` until the other masters have let it in.
    pub fn group(&self) -> Option<&Group<Metadata>> {
        self.shared.core.get().map(|core| &core.group)
    }

    /// Why this can be no master any more, if so.
    pub fn failure(&self) -> Option<Error> {
        self.shared.failure.borrow().clone()
    }

    /// Waits until this can be no master any more, and returns why.
    ///
    /// [`Error::WrongIdentity`]: its directory was wiped or restored, and the others refuse it;
    /// the message tells the way out. [`Error::Storage`] or [`Error::Corrupt`]: its disk failed it.
    /// [`Error::Internal`]: its replica broke down, which is a bug. Shut it down then.
    pub async fn failed(&self) -> Error {
        let mut failure = self.shared.failure.subscribe();
        match failure.wait_for(Option::is_some).await.map(|error| error.clone()) {
            Ok(Some(error)) => error,
            // The sender lives in `shared`, which this master holds.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    /// Stops the master. Requests under way fail with an unknown outcome.
    pub async fn shutdown(&self) {
        drop(self.life.lock().take());
        if let Some(core) = self.shared.core.get() {
            core.group.shutdown().await;
        }
    }
}

impl Handler for Master {
    fn handle(&self, message: Message) -> BoxFuture<'_, Bytes> {
        Box::pin(async move {
            match message.service {
                Service::Raft => match self.shared.core.get() {
                    Some(core) => core.group.handle(&message.body).await,
                    None => crate::raft::refuse("this master has not been let in yet"),
                },
                Service::Master => self.shared.master_message(&message).await,
                Service::Shard => frame::encode(&Reply::<ShardResponse>::NotHere),
            }
        })
    }
}

impl Shared {
    async fn master_message(&self, message: &Message) -> Bytes {
        let request = frame::decode::<MasterRequest>(&message.body);
        match (request, self.core.get()) {
            (Ok(MasterRequest::Introduce(who)), _) => self.introductions.answer(&who).await,
            (request, Some(core)) => core.master_message(request, message.timeout).await,
            (_, None) => frame::encode(&Reply::<MasterResponse>::NotLeader(None)),
        }
    }

    /// Starts this master's replica and all that builds on it.
    async fn enter(&self, entry: Entry) -> Result<Arc<Core>> {
        if self.introductions.alone().is_none() {
            self.introductions.enter(&self.home).await?;
        }
        let (options, env) = (self.options.clone(), self.env.clone());
        let group_options = GroupOptions {
            env: env.clone(),
            group: GroupId::METADATA,
            node: NodeId::from_name(&options.name),
            config: options.raft.clone(),
        };
        let group: Group<Metadata> =
            Group::start(group_options, &self.home, self.transport.clone()).await?;
        if entry == Entry::Found && !group.is_initialized() {
            let masters = options.masters.iter();
            let members = masters.map(|(name, at)| (NodeId::from_name(name), at.clone())).collect();
            group.initialize(&members).await?;
        }
        let health = Health::new(env.clone(), &options);
        let mover = Arc::new(Mover::new(env.clone(), self.transport.clone(), group.clone()));
        let reconciler = Reconciler::new(env.clone(), self.transport.clone(), group.clone());
        let core = Arc::new(Core {
            options,
            env,
            directory: self.directory.clone(),
            introductions: self.introductions.clone(),
            group,
            health,
            reconciler,
            mover,
            joined: Notify::new(),
        });
        Ok(self.core.get_or_init(|| core).clone())
    }

    /// Does all that a master does by itself, until it can be none any more.
    async fn run(&self) -> Result<Infallible> {
        let core = match self.core.get() {
            Some(core) => core.clone(),
            None => self.enter(self.introductions.until_let_in().await?).await?,
        };
        let acting = async {
            tokio::join!(tick(core.clone()), locks::expire_when_due(core.clone()));
            std::future::pending().await
        };
        let ended = tokio::select! {
            biased;
            failure = core.group.failed() => failure,
            Err(refusal) = self.introductions.go_on(&core.group) => refusal,
            never = acting => match never {},
        };
        Err(ended)
    }
}

/// Runs a master and tells why it ended.
async fn live(shared: Arc<Shared>) {
    let Err(error) = tokio::select! {
        biased;
        failure = shared.introductions.failed() => Err(failure),
        ended = shared.run() => ended,
    };
    if let Some(core) = shared.core.get() {
        core.group.shutdown().await;
    }
    tracing::error!(master = %shared.options.name, %error, "this can be no master any more");
    if let Err(error) = shared.directory.discard(&error).await {
        tracing::error!(%error, "the directory could not be marked as an older copy");
    }
    shared.failure.send_replace(Some(error));
}

/// What the leader does again and again.
async fn tick(core: Arc<Core>) {
    loop {
        if core.group.leads() {
            core.lead().await;
        } else {
            core.health.step_down();
            core.mover.step_down();
            core.note_cluster().await;
        }
        // Woken early when a worker has joined, since the cluster may be waiting for it.
        let _elapsed = core.env.timeout(core.options.tick, core.joined.notified()).await;
    }
}

impl Core {
    /// Notes in the directory which cluster this is, so that a master of another one is told from
    /// its peers before they exchange anything. A follower learns it from the log.
    async fn note_cluster(&self) {
        let state = self.group.state();
        let Some(settings) = state.settings() else { return };
        if let Err(error) = self.directory.join(settings.cluster).await {
            tracing::warn!(master = %self.options.name, %error, "the cluster was not noted");
        }
    }

    async fn lead(&self) {
        // Everything below is decided on this state; without the barrier a deposed leader would
        // go on deciding on an old one (harmless, but noise).
        if self.group.read_barrier(self.options.raft.election_max).await.is_err() {
            return;
        }
        let work = async {
            let cluster = self.reconciler.found(&self.options).await?;
            self.directory.join(cluster).await?;
            self.reconciler.draw_page_key().await?;
            self.health.judge(&self.group).await?;
            self.reconciler.place(&self.options).await?;
            self.mover.kick(&self.options);
            self.reconciler.finish_databases().await
        };
        if let Err(error) = work.await {
            tracing::warn!(master = %self.options.name, %error, "a tick of the leader failed");
        }
    }
}
