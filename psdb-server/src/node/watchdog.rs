//! Stops a node that can be none any more: its storage has failed, or the masters refuse it.
//!
//! After a failed write or sync nothing is known of the disk, so a group stops for good (it is
//! never retried). A node that went on without some of its groups would look alive and be none;
//! it ends, says why, and whoever started it decides. So does a worker whose directory was wiped or
//! restored from an old copy: it must not vote with what it has forgotten. A master whose group has
//! broken down without a word, which a panic of the engine is, ends too.
//!
//! Left out: judging disks before they fail; replicas that break down so, which look like those
//! that moved away.

use std::time::Duration;

use psdb::cluster::NodeHandler;
use psdb::metadata::Metadata;
use psdb::raft::{Group, GroupStatus, StateMachine};

use crate::exit::Failure;

/// How often the groups are looked at.
const EVERY: Duration = Duration::from_millis(500);

/// Returns when this node has to end.
pub(super) async fn watch(handler: &NodeHandler) -> Failure {
    let refused = async {
        match &handler.worker {
            Some(worker) => worker.refused().await,
            None => std::future::pending().await,
        }
    };
    let broken = async {
        match &handler.master {
            Some(master) => broken_down(master.group()).await,
            None => std::future::pending().await,
        }
    };
    tokio::select! {
        biased;
        refusal = refused => Failure::from(refusal),
        failure = broken => failure,
        failure = failed(handler) => failure,
    }
}

/// Returns when the masters' group has come to an end that nobody asked for.
async fn broken_down(group: &Group<Metadata>) -> Failure {
    let (mut watch, mut last) = (group.watch(), None);
    while let Some(status) = watch.changed().await {
        last = failure(group, status);
    }
    match last {
        Some(failure) => failure,
        None => Failure {
            code: 70,
            message:
                "the masters' Raft group has broken down here; the log says where. If another \
                      master was started with an empty directory under its old name, that is why: \
                      remove it, and add one under a new name"
                    .to_owned(),
        },
    }
}

/// Returns when a group of this node has failed.
async fn failed(handler: &NodeHandler) -> Failure {
    loop {
        tokio::time::sleep(EVERY).await;
        let masters = handler.master.iter().filter_map(|master| {
            let group = master.group();
            failure(group, group.status())
        });
        let replicas = handler.worker.iter().flat_map(|worker| {
            let shards = worker.shards().into_iter();
            let replicas = shards.filter_map(|shard| worker.replica(shard));
            replicas.filter_map(|replica| failure(&replica, replica.status()))
        });
        if let Some(failure) = masters.chain(replicas).next() {
            return failure;
        }
    }
}

/// Why a group has stopped, if it has failed: with file and offset, if damage is why.
fn failure<S: StateMachine>(group: &Group<S>, status: GroupStatus) -> Option<Failure> {
    let reason = status.failure?;
    match group.failure() {
        Some(error) => Some(Failure::from(error)),
        None => Some(Failure::io(format!("a Raft group has failed: {reason}"))),
    }
}
