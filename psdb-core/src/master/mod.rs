//! Being written.

pub mod placement;
