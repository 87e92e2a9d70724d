//! Durable and ordered bytes. (Being written.)

pub mod btree;

pub use btree::{BPlusTree, NotAscending};
