//! Stops a node that can be none any more: its storage has failed, or the masters refuse it.
//!
//! After a failed write or sync nothing is known of the disk, so a group stops for good (it is
//! never retried). A node that went on without some of its groups would look alive and be none;
//! it ends, says why, and whoever started it decides. So does a worker whose directory was wiped or
//! restored from an old copy: it must not vote with what it has forgotten.
//!
//! Left out: judging disks before they fail.

use std::time::Duration;

use psdb::cluster::NodeHandler;
use psdb::raft::GroupStatus;

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
    tokio::select! {
        biased;
        refusal = refused => Failure::from(refusal),
        failure = failed(handler) => failure,
    }
}

/// Returns when a group of this node has failed.
async fn failed(handler: &NodeHandler) -> Failure {
    loop {
        tokio::time::sleep(EVERY).await;
        let masters = handler.master.iter().map(|master| master.group().status());
        let replicas = handler.worker.iter().flat_map(|worker| {
            let shards = worker.shards().into_iter();
            shards.filter_map(|shard| worker.replica(shard)).map(|replica| replica.status())
        });
        if let Some(reason) = masters.chain(replicas).find_map(failure) {
            return Failure::io(format!("a Raft group has failed: {reason}"));
        }
    }
}

fn failure(status: GroupStatus) -> Option<String> {
    status.failure
}
