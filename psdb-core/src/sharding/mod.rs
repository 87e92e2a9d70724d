//! Which shard holds a document, and which workers hold a shard.
//!
//! Layer 2: pure functions and plain data.
mod ring;
mod shard_map;
pub use ring::RingSpec;
pub use shard_map::{Placement, ShardMap};
