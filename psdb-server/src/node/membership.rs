//! Keeps this node's address book free of nodes that were removed from the cluster.
//!
//! Only the masters know who is a member, so they are asked now and then, as any client would. When
//! they do not answer the book stays as it is.
//!
//! Left out: forgetting dead nodes, which may come back.

use std::convert::Infallible;
use std::time::Duration;

use psdb::Client;

use super::local::Local;

/// How often the masters are asked.
const EVERY: Duration = Duration::from_secs(30);

/// Follows who is in the cluster.
pub(super) async fn follow(local: &Local, client: &Client) -> Infallible {
    loop {
        tokio::time::sleep(EVERY).await;
        if let (Ok(masters), Ok(workers)) = (client.masters().await, client.workers().await) {
            let masters = masters.into_iter().map(|master| master.address);
            local.follow(masters.chain(workers.into_iter().map(|worker| worker.address)).collect());
        }
    }
}
