//! PSDB as a library: a document database that is embedded in a process, or a whole cluster with
//! injectable faults inside a test.
//!
//! ```text
//! 7  cluster     a whole PSDB in this process, and its faults
//! 6  master worker client     who decides, who holds documents, who asks
//! 5  metadata shard           the replicated states
//! 4  raft        groups that replicate a state
//! 3  transport   one call between two nodes
//! 2  storage query sharding   log and trees; lambdas; rings
//! 1  env         clock, randomness, disk
//! 0  types codec              values, documents, bytes
//! ```
//! A module imports only layers below its own; `tests/tidy.rs` holds it to that.
//!
//! # Examples
//!
//! ```
//! use psdb_core::Cluster;
//!
//! # tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(async {
//! let cluster = Cluster::memory().await?; // or Cluster::open("data")
//! let users = cluster.client().create_database("users").index("role").await?;
//! users.insert_json(r#"{"name": "Ada", "role": "Dev", "age": 36}"#).await?;
//! users.insert_json(r#"{"name": "Bob", "role": "Ops"}"#).await?;
//! let found = users.count("lambda d: d['role'] == 'Dev' and d['age'] > 30").await?;
//! assert_eq!(found.count, 1);
//! # Ok::<(), psdb_core::Error>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Left out: sockets and command lines, which other packages bring.

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

#[cfg(test)]
mod golden;
mod types;

pub use client::{Client, ClientOptions, Cursor, Database, Document, Lock, LockGuard};
pub use cluster::{Cluster, ClusterBuilder};
pub use master::Master;
pub use sharding::HashRing;
pub use storage::BPlusTree;
pub use types::*;
pub use worker::Worker;
