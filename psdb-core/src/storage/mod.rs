//! Durable and ordered bytes: the write-ahead log, the B+ tree and the data directory.
//!
//! Storage knows streams, records, keys and values. It does not know documents, queries or Raft;
//! what a payload means is its writer's business.
//!
//! - `btree`: an ordered map whose clone is a snapshot.
//! - `wal`: one log for many streams, with group commit.
//! - `directory`: who a data directory belongs to.
//! - `error`: what can go wrong, for all of them.
//!
//! Invariants:
//! 1. What was acknowledged is durable, and is given back after any crash.
//! 2. After an I/O error nothing is retried: the log is poisoned and its owner reopens it.
//! 3. Damaged bytes are reported with file and offset. They are never guessed at, and never cut
//!    away unless they can only be the unacknowledged end of an unclean stop.
//!
//! Left out: pages on disk, which come behind the tree's present interface.

pub mod btree;
pub mod error;
pub mod wal;

mod directory;

pub use btree::{BPlusTree, NotAscending};
pub use directory::{Directory, Identity};
pub use error::StorageError;
pub use wal::{Record, RecoveredStream, Wal, WalOptions};
