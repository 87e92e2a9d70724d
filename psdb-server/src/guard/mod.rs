//! What stands before every service: it admits, limits the time, and catches panics.
//!
//! | what happens | without the guard | with it |
//! |---|---|---|
//! | a handler panics | CANCELLED | INTERNAL, outcome unknown |
//! | the caller's deadline passes | CANCELLED | DEADLINE_EXCEEDED, outcome unknown |
//! | a message is too large | OUT_OF_RANGE | INVALID_ARGUMENT, not applied |
//! | too many requests at once | they queue without bound | RESOURCE_EXHAUSTED, not applied |
//!
//! Invariant: *not applied* is said only of requests that no handler has seen.
//!
//! Left out: who may do what.

mod deadline;
mod service;

pub(crate) use deadline::time_left;
pub(crate) use service::GuardLayer;
