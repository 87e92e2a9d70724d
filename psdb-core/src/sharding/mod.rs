//! Which shard holds a document, and which workers hold a shard.
//!
//! A document's shard is where its `_id` falls on a consistent-hash ring of its database's shards;
//! nothing needs to be looked up but the database's few parameters. A shard's workers are found
//! on a ring of workers, with bounds on their loads.
//!
//! - `hash`: the 64-bit hash, specified for ever.
//! - `ring`: `HashRing`, with virtual nodes.
//! - `bounded`: the ring's variant with bounded loads.
//! - `shard_map`: who holds which shard, at one epoch.
//!
//! Layer 2: pure functions and plain data.
//!
//! Left out: deciding placements (`master::placement`) and sending requests (`client`).

mod bounded;
mod hash;
mod ring;
mod shard_map;

#[cfg(test)]
mod tests;

pub use bounded::bounded_capacity;
pub use hash::HashVersion;
pub(crate) use ring::shard_name;
pub use ring::{HashRing, RingSpec, Successors, document_ring};
pub use shard_map::{Move, Placement, ShardMap};
