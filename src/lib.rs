//! PSDB over a network: the gRPC protocol and the client of a running cluster.
//!
//! Everything of `psdb_core` is here as well, so one dependency serves a program that embeds a
//! database today and connects to a cluster tomorrow: the [`Client`] is the same type.
//!
//! ```no_run
//! # async fn example() -> Result<(), psdb::Error> {
//! let client = psdb::connect("psdb://127.0.0.1:50050,127.0.0.1:50051").await?;
//! let users = client.create_database("users").index("role").await?;
//! let ada = users.insert_json(r#"{"name": "Ada", "role": "Dev"}"#).await?;
//! assert!(users.get(&ada.id).await?.is_some());
//! # Ok(())
//! # }
//! ```
//!
//! - `client`: connecting, and finding the nodes behind a few addresses.
//! - `transport`: the dialling half of the core's transport.
//! - `wire`: protobuf and the core's types; errors and statuses.
//! - `proto`: the generated protocol.
//! - `duration`: durations as people write them.
//!
//! Left out: serving, which is `psdb-server`'s.

pub mod client;
pub mod duration;
pub mod proto;
pub mod transport;
pub mod wire;

pub use client::{ConnectOptions, connect, connect_with};
pub use psdb_core::*;

/// The README's examples are tests too.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
