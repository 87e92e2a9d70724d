//! Nodes as handshakes and address books speak of them.
//!
//! Left out: how they are found (`client`, `transport`).

use psdb_core::cluster::NodeRole;

use crate::proto::internal as proto;
use crate::transport::NodeEntry;

/// Encodes a node.
pub fn to_proto(node: &NodeEntry) -> proto::Node {
    let role = match node.role {
        NodeRole::Master => proto::Role::Master,
        NodeRole::Worker => proto::Role::Worker,
        NodeRole::Both => proto::Role::Both,
    };
    proto::Node {
        name: node.name.clone(),
        role: role.into(),
        peer_address: node.peer.as_str().to_owned(),
        client_address: node.client.as_str().to_owned(),
        incarnation: node.incarnation,
    }
}

/// Decodes a node.
///
/// # Errors
///
/// A sentence that says what is missing.
pub fn from_proto(node: proto::Node) -> Result<NodeEntry, String> {
    let role = match node.role() {
        proto::Role::Master => NodeRole::Master,
        proto::Role::Worker => NodeRole::Worker,
        proto::Role::Both => NodeRole::Both,
        proto::Role::Unspecified => {
            return Err(format!("node '{}' has a role this release does not know", node.name));
        }
    };
    if node.name.is_empty() || node.peer_address.is_empty() || node.client_address.is_empty() {
        return Err(format!("node '{}' lacks a name or an address", node.name));
    }
    Ok(NodeEntry {
        name: node.name,
        role,
        peer: node.peer_address.into(),
        client: node.client_address.into(),
        incarnation: node.incarnation,
    })
}
