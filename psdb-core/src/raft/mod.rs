//! Replication: the one user of the Raft library.
//!
//! Everything replicated in PSDB is a [`Group`] over a [`StateMachine`]: the masters' metadata is
//! one group, every shard is one. A proposal goes down the left side, a committed entry comes up
//! the right side:
//!
//! ```text
//!   propose ─► proposer ─► engine ─► log_store ─► the process's WAL (one for all groups)
//!                            │  ▲
//!              network ◄─────┘  └──► applier ─► replica ─► StateMachine::apply
//!                 │                     │          │
//!                 │                checkpoints   trees of a page file
//!              Transport                │
//!                 └─ snapshot_transfer ◄┘ tree_stream, snapshot
//! ```
//!
//! Reads pass the `barrier` and look at an O(1) view of the state.
//!
//! Invariants: those of each part; above all, nothing is acknowledged before it is durable on a
//! quorum and applied here, and nothing is applied twice for one request id.
//!
//! Left out: leases.

mod agreed;
mod applier;
mod barrier;
mod config;
mod election;
mod engine;
#[cfg(test)]
mod failure_tests;
mod group;
mod log_home;
mod log_store;
mod membership;
mod message;
mod metronome;
mod network;
mod offline;
mod proposer;
mod replica;
mod retention;
mod runtime;
mod sessions;
mod snapshot;
mod snapshot_transfer;
mod state_machine;
mod status;
pub(crate) mod tree_stream;
mod witness;

pub use config::RaftConfig;
pub use group::{Applied, Group, GroupOptions};
pub use log_home::LogHome;
pub use membership::Reconfigured;
pub use message::refuse;
pub use offline::{Findings, Mended, Offline, Salvaged};
pub use proposer::ProposeError;
pub use state_machine::{Inspector, Position, RESERVED_TREES, StateError, StateMachine};
pub use status::{GroupStatus, Role, StatusWatch};
