//! PSDB: the umbrella of the workspace.
pub use psdb_core::*;
