//! Replication. (Being written.)
mod state_machine;
pub use state_machine::{Position, StateError, StateMachine};
