//! A worker: holds replicas of shards and answers for those it leads.
//!
//! ```text
//! message ─► Worker::handle ─┬─ Raft  ─► the replica's engine
//!                            └─ Shard ─► service: propose, or barrier + read
//! heartbeat ─► the leading master ─► the shard map ─► replicas are started
//! ```
//! A worker knows nothing in advance but its name and some masters. Its heartbeat registers it;
//! the answer tells which shards it holds. From then on it serves them whether masters are there
//! or not. Replicas found in its log start when the masters have accepted this start of it.
//!
//! Invariants:
//! 1. A replica is founded (made to form its group) only by a worker whose directory the masters
//!    have accepted, from the placement they have decided.
//! 2. Whatever is refused before a proposal changes nothing.
//! 3. A directory that was wiped or restored from an old copy never votes: the masters refuse it.
//! 4. A worker one of whose replicas has failed or broken down says so ([`Worker::failed`]) and is to
//!    be stopped as a whole. Starting that one replica anew would leave the others with a log that
//!    refuses writes, or with whatever a panic has left half done in the memory they share; what is
//!    on disk is sound, and a start of the whole node reads nothing else.
//!
//! Left out: deciding which replicas a worker holds, which the masters do.

mod builder;
mod cursors;
mod heartbeat;
mod queries;
mod replicas;
mod service;
mod stale;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use tokio::sync::{Notify, watch};

use crate::env::{Env, Task};
use crate::raft::{Group, LogHome, RaftConfig};
use crate::shard::Shard;
use crate::storage::Directory;
use crate::transport::message::WorkerTraits;
use crate::transport::{BoxFuture, Handler, Message, Service, Transport};
use crate::types::{Address, Error, GroupId, NodeId, Result, ShardId};
use cursors::Cursors;
use heartbeat::Heartbeats;
use replicas::{Failure, Replicas};
use stale::Freshness;

/// What a worker needs to know.
#[derive(Clone, Debug)]
pub struct WorkerOptions {
    /// Its name, unique in the cluster.
    pub name: String,
    /// Where it is reached.
    pub address: Address,
    /// Where masters are reached; some of them suffice.
    pub masters: Vec<Address>,
    /// Where it stands and how much it can carry beside others.
    pub traits: WorkerTraits,
    /// Timers and bounds of its replicas.
    pub raft: RaftConfig,
    /// How often it shows that it lives; 500 ms.
    pub heartbeat: Duration,
}

impl WorkerOptions {
    /// The usual settings for a worker called `name`, reached at `address`.
    pub fn new(name: impl Into<String>, address: Address, masters: Vec<Address>) -> WorkerOptions {
        WorkerOptions {
            name: name.into(),
            address,
            masters,
            traits: WorkerTraits::default(),
            raft: RaftConfig::default(),
            heartbeat: Duration::from_millis(500),
        }
    }
}

/// A running worker. Bind it to a network as a [`Handler`]; dropping it stops its tasks.
pub struct Worker {
    core: Arc<Core>,
    tasks: Mutex<Vec<Task<()>>>,
}

/// What the parts of a worker share.
struct Core {
    options: WorkerOptions,
    env: Env,
    directory: Directory,
    transport: Arc<dyn Transport>,
    replicas: Replicas,
    cursors: Cursors,
    freshness: Freshness,
    /// Told when there may be an index to build.
    to_build: Notify,
    /// Drawn at this start, so that two starts that count alike are told apart.
    start: u64,
    /// Where the masters were reached by the last heartbeat's answer.
    masters: RwLock<Vec<Address>>,
    /// Why the masters refuse this worker for good, if they do.
    refusal: watch::Sender<Option<Error>>,
    /// Why a replica has failed, if one has.
    failure: Failure,
}

impl Worker {
    /// Starts a worker whose identity lies in `directory` and whose groups lie in `home`.
    ///
    /// The two are given, so that a process that is master and worker shares one log. Joining the
    /// cluster, and starting what the log holds, goes on by itself.
    ///
    /// # Errors
    ///
    /// [`crate::Error::InvalidRequest`] when the options make no sense.
    // Like `Master::start`, so that the two are started alike.
    #[allow(clippy::unused_async)]
    pub async fn start(
        options: WorkerOptions,
        env: Env,
        directory: Directory,
        home: LogHome,
        transport: Arc<dyn Transport>,
    ) -> Result<Worker> {
        options.raft.validate()?;
        let node = NodeId::from_name(&options.name);
        let failure = Failure::new(watch::channel(None).0);
        let raft = options.raft.clone();
        let replicas =
            Replicas::new(env.clone(), node, raft, home, transport.clone(), failure.clone());
        let cursors = Cursors::new(env.clone(), options.address.clone());
        let (start, masters) = (env.random_u64(), RwLock::new(options.masters.clone()));
        let (refusal, _) = watch::channel(None);
        let core = Arc::new(Core {
            options,
            env,
            directory,
            transport,
            replicas,
            cursors,
            freshness: Freshness::default(),
            to_build: Notify::new(),
            start,
            masters,
            refusal,
            failure,
        });
        let heartbeats = core.env.spawn(Heartbeats::new(core.clone()).run());
        let builder = core.env.spawn(builder::run(core.clone()));
        Ok(Worker { core, tasks: Mutex::new(vec![heartbeats, builder]) })
    }

    /// The worker's name.
    pub fn name(&self) -> &str {
        &self.core.options.name
    }

    /// The replica of `shard` on this worker, if it holds one.
    pub fn replica(&self, shard: ShardId) -> Option<Group<Shard>> {
        self.core.replicas.get(shard)
    }

    /// The shards this worker holds replicas of.
    pub fn shards(&self) -> Vec<ShardId> {
        self.core.replicas.all().into_keys().collect()
    }

    /// How many queries run here, and how many cursors wait for their clients to ask on.
    pub fn queries(&self) -> (usize, usize) {
        self.core.cursors.counts()
    }

    /// Why the masters refuse this worker for good, if they do.
    pub fn refusal(&self) -> Option<Error> {
        self.core.refusal.borrow().clone()
    }

    /// Waits until the masters refuse this worker for good, and returns why: its directory was
    /// wiped, restored or belongs to another cluster. The message tells the way out.
    pub async fn refused(&self) -> Error {
        let mut refusal = self.core.refusal.subscribe();
        match refusal.wait_for(Option::is_some).await.map(|error| error.clone()) {
            Ok(Some(error)) => error,
            // The sender lives in `core`, which this worker holds.
            Ok(None) | Err(_) => std::future::pending().await,
        }
    }

    /// Why this can be no worker any more, if so.
    pub fn failure(&self) -> Option<Error> {
        self.core.failure.borrow().clone().or_else(|| self.refusal())
    }

    /// Waits until this can be no worker any more, and returns why: the masters refuse it, as
    /// [`Worker::refused`] says, or one of its replicas has failed ([`Error::Storage`]) or broken
    /// down ([`Error::Internal`]). Shut it down then.
    pub async fn failed(&self) -> Error {
        let mut failure = self.core.failure.subscribe();
        let broken = async {
            match failure.wait_for(Option::is_some).await.map(|error| error.clone()) {
                Ok(Some(error)) => error,
                Ok(None) | Err(_) => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            error = broken => error,
            refusal = self.refused() => refusal,
        }
    }

    /// Stops the worker. Requests under way fail with an unknown outcome.
    pub async fn shutdown(&self) {
        self.tasks.lock().clear();
        self.core.replicas.shutdown().await;
    }
}

impl Handler for Worker {
    fn handle(&self, message: Message) -> BoxFuture<'_, Bytes> {
        Box::pin(async move {
            match message.service {
                Service::Raft => self.core.raft_message(message.group, &message.body).await,
                Service::Shard => self.core.shard_message(&message).await,
                Service::Master => self.core.not_a_master(),
            }
        })
    }
}

impl Core {
    async fn raft_message(&self, group: GroupId, body: &[u8]) -> Bytes {
        match group.shard().and_then(|shard| self.replicas.get(shard)) {
            Some(replica) => replica.handle(body).await,
            None => crate::raft::refuse("this worker does not hold that group"),
        }
    }
}
