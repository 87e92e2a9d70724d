//! Durable and ordered bytes: the write-ahead log, the B+ tree and the data directory.
//!
//! Storage knows streams, records, keys and values. It does not know documents, queries or Raft;
//! what a payload means is its writer's business.
//!
//! - `btree`: an ordered map in memory whose clone is a snapshot.
//! - `store`: several B+ trees in one page file, beyond memory; it stands on `page` (their form),
//!   `pager` (the cache), `freelist`, `superblock` and `checkpoint`.
//! - `wal`: one log for many streams, with group commit.
//! - `directory`: who a data directory belongs to. `headroom`: whether its disk has room.
//! - `error`: what can go wrong, for all of them.
//!
//! Invariants:
//! 1. What was acknowledged is durable, and is given back after any crash.
//! 2. After an I/O error nothing is retried: the log is poisoned and its owner reopens it.
//! 3. Damaged bytes are reported with file and offset. They are never guessed at, and never cut
//!    away unless they can only be the unacknowledged end of an unclean stop.
//!
//! Left out: encryption, compression.

pub mod btree;
pub mod error;
pub mod store;
pub mod wal;

mod checkpoint;
mod directory;
mod freelist;
mod headroom;
mod page;
mod pager;
mod superblock;

pub use btree::{BPlusTree, NotAscending};
pub use checkpoint::{Checkpoint, CheckpointStats};
pub use directory::{Directory, Identity};
pub use error::StorageError;
pub use page::{MAX_INLINE_BYTES, MAX_KEY_BYTES, PAGE_BYTES};
pub use pager::PageCache;
pub use store::{Direction, Draft, Range, Snapshot, Store, StoreReport, Tree};
pub use superblock::MAX_NOTE_BYTES;
pub(crate) use wal::lock_directory;
pub use wal::{Record, RecoveredStream, Wal, WalOptions, WalReport};

#[cfg(test)]
mod tests;
