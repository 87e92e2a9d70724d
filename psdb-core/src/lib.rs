//! PSDB: a document database that is a library.

#[cfg(test)]
mod golden;
mod types;

pub mod client;
pub mod cluster;
pub mod codec;
pub mod env;
pub mod master;
pub mod metadata;
pub mod query;
pub mod raft;
pub mod shard;
pub mod sharding;
pub mod storage;
pub mod transport;
pub mod worker;

pub use types::*;
