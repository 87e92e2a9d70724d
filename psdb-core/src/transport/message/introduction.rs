//! What a master says of itself to the others, at every start, before it may vote.
//!
//! Left out: what the others make of it (`master::roll`).

use serde::{Deserialize, Serialize};

use crate::types::{Address, LogIndex};

/// A master's account of who it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Introduction {
    /// Its name, unique among the masters.
    pub name: String,
    /// Where the other masters reach it.
    pub address: Address,
    /// Names its data directory, so that one that was made anew is not taken for the old one.
    pub directory: u64,
    /// How often it has started there, so that an older copy of the directory is recognized.
    pub incarnation: u64,
    /// Drawn at this start, so that two starts that count alike are told apart.
    pub start: u64,
    /// The cluster it belongs to, if it knows one.
    pub cluster: Option<u64>,
    /// How far it has got.
    pub stage: Stage,
    /// Where its log ends.
    pub reached: LogIndex,
    /// How much of its log it has applied. That is committed, so its log never ends before.
    pub applied: LogIndex,
    /// Whether it waits to be added to masters that are there already, and founds nothing.
    pub joins: bool,
}

/// How far a master has got in becoming one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Stage {
    /// It has never had a replica of the metadata.
    New,
    /// Its replica may have voted; its log is empty.
    Entered,
    /// Its log has entries.
    Member,
}
