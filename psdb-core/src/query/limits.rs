//! The bounds of a lambda, so that no query can run for ever or eat all memory.
//!
//! Left out: bounds of results (`executor` pages them).

/// The longest lambda, in bytes.
pub(crate) const TEXT_BYTES: usize = 64 << 10;
/// How deep brackets, operators of one chain and calls of lambdas may nest in the text.
pub(crate) const NESTING: usize = 64;
/// How deep evaluating may nest, calls of lambdas included.
pub(crate) const EVALUATION_DEPTH: u32 = 192;
/// How many steps evaluating one document may take.
pub(crate) const DOCUMENT_FUEL: u64 = 10_000_000;
/// How many steps evaluating all documents of one query may take on one shard.
pub(crate) const QUERY_FUEL: u64 = 5_000_000_000;
/// How many bytes a query may keep on one shard and allocate for the document it looks at.
pub(crate) const MEMORY_BYTES: u64 = 64 << 20;
/// The largest integer, in bits.
pub(crate) const INTEGER_BITS: u64 = 4_096;
/// After how many steps an evaluation asks whether its query was cancelled.
pub(crate) const CANCEL_EVERY: u64 = 1 << 12;
