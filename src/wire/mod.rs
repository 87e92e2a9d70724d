//! Protobuf and the core's types: the one place that knows both.
//!
//! - `status`: the core's errors as gRPC statuses with their details, and back.
//! - `database`, `document`, `cluster`, `lock`: answers of the public services.
//! - `node_entry`: nodes in handshakes.
//!
//! Left out: serving requests (`psdb-server`).

pub mod cluster;
pub mod database;
pub mod document;
pub mod lock;
pub mod node_entry;
pub mod status;
