//! The protocol as generated code: messages, clients and service traits.
//!
//! `v1` is what everybody may speak, `internal` what nodes and clients of this release speak among
//! themselves. The descriptors serve reflection.
//!
//! Left out: comments of single items, which stand in the `.proto` files.

#![allow(
    missing_docs,
    unreachable_pub,
    unused_qualifications,
    clippy::pedantic,
    clippy::unwrap_used
)]

/// `psdb.v1`: databases, documents, the cluster, locks.
pub mod v1 {
    tonic::include_proto!("psdb.v1");

    /// The descriptors of all files of this package, encoded.
    pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/psdb.v1.bin"));
}

/// `psdb.internal.v1`: how nodes and routing clients carry the core's messages.
pub mod internal {
    tonic::include_proto!("psdb.internal.v1");
}
