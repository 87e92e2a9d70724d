//! The first words on every connection: who speaks to whom, in which version.
//!
//! Two releases that do not speak the same protocol find out here, and say so in words that name
//! both, instead of failing to decode each other's frames later. So do nodes of two clusters, and
//! a caller whose address now belongs to another node.
//!
//! Left out: proving an identity. Whoever reaches the peer port is believed.

use std::fmt::Debug;

use psdb_core::Address;

use super::address_book::NodeEntry;
use crate::proto::internal as proto;
use crate::wire::node_entry;

/// The number of the internal protocol; it grows with every change that an older release would
/// misunderstand, the core's frames included.
pub const PROTOCOL: u32 = 1;

/// The release, as a handshake names it.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");

/// What the other side of a connection said of itself.
#[derive(Clone, Debug)]
pub struct Hello {
    /// Which node it is.
    pub node: NodeEntry,
    /// The cluster it belongs to, if it has joined one.
    pub cluster: Option<u64>,
    /// Where it knows masters.
    pub masters: Vec<Address>,
}

/// What a dialler says of its own side, and who is told whom it has met.
pub trait Acquaintance: Debug + Send + Sync + 'static {
    /// This node; `None` for a client.
    fn node(&self) -> Option<NodeEntry>;

    /// The cluster this node belongs to, if it has joined one.
    fn cluster(&self) -> Option<u64>;

    /// A connection stands.
    fn met(&self, hello: &Hello);
}

/// Compares the protocol of two sides.
///
/// # Errors
///
/// A sentence that names both releases and what to do.
pub fn check_protocol(other: &str, protocol: u32, version: &str) -> Result<(), String> {
    if protocol == PROTOCOL {
        return Ok(());
    }
    let older = if protocol < PROTOCOL { other } else { "this side" };
    Err(format!(
        "{other} runs psdb {version}, which speaks protocol {protocol}; this side runs psdb \
         {VERSION}, which speaks protocol {PROTOCOL}: upgrade {older}"
    ))
}

pub(super) fn request(own: &dyn Acquaintance, wanted: &str) -> proto::HandshakeRequest {
    proto::HandshakeRequest {
        protocol: PROTOCOL,
        version: VERSION.to_owned(),
        node: own.node().map(|node| node_entry::to_proto(&node)),
        cluster: own.cluster(),
        wanted: wanted.to_owned(),
    }
}

/// Reads the answer to [`request`].
pub(super) fn understand(
    own: &dyn Acquaintance,
    at: &Address,
    response: proto::HandshakeResponse,
) -> Result<Hello, String> {
    let name = response.node.as_ref().map_or("", |node| node.name.as_str());
    check_protocol(&format!("node '{name}' at {at}"), response.protocol, &response.version)?;
    let node = response.node.ok_or_else(|| format!("{at} does not say which node it is"))?;
    let node = node_entry::from_proto(node).map_err(|reason| format!("{at}: {reason}"))?;
    check_cluster(own.cluster(), response.cluster, &node.name)?;
    let masters = response.masters.into_iter().map(Address::from).collect();
    Ok(Hello { node, cluster: response.cluster, masters })
}

fn check_cluster(own: Option<u64>, other: Option<u64>, name: &str) -> Result<(), String> {
    match (own, other) {
        (Some(own), Some(other)) if own != other => Err(format!(
            "node '{name}' belongs to cluster {other:016x}, this one to cluster {own:016x}"
        )),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    //! Proves that a difference of versions is told in words, with both versions and what to do.

    use super::*;

    #[test]
    fn two_releases_say_who_has_to_be_upgraded() {
        assert_eq!(check_protocol("node 'w1'", PROTOCOL, "9.9.9"), Ok(()));
        let newer = check_protocol("node 'w1'", PROTOCOL + 1, "9.9.9").expect_err("they differ");
        assert!(newer.contains("psdb 9.9.9") && newer.ends_with("upgrade this side"), "{newer}");
        let older = check_protocol("node 'w1'", PROTOCOL - 1, "0.0.1").expect_err("they differ");
        assert!(older.ends_with("upgrade node 'w1'"), "{older}");
    }
}
