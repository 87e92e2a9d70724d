//! Ends a node that can be none any more: its storage has failed, a replica has broken down, or it is
//! refused.
//!
//! After a failed write or sync nothing is known of the disk, so a group stops for good (it is
//! never retried). A node that went on without some of its groups would look alive and be none;
//! it ends, says why, and whoever started it decides. So does a node whose directory was wiped or
//! restored from an old copy: it must not vote with what it has forgotten. A panic of the engine,
//! which says nothing, ends it too.
//!
//! Left out: noticing it, which the core does ([`NodeHandler::failed`]).

use psdb::cluster::NodeHandler;

use crate::exit::Failure;

/// Returns when this node has to end.
pub(super) async fn watch(handler: &NodeHandler) -> Failure {
    Failure::from(handler.failed().await)
}
