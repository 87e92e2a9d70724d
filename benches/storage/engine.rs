//! What every engine under test can do, and the entries it does it with.

use std::path::Path;

/// A key and its value.
pub type Entry = (Vec<u8>, Vec<u8>);

pub const KEY_BYTES: usize = 24;
pub const VALUE_BYTES: usize = 150;

/// One engine with its files in a directory of its own.
pub trait Engine: Send + Sync {
    /// Stores one entry and returns when it is durable.
    fn put(&self, key: &[u8], value: &[u8]);

    /// Stores entries together and returns when they are durable.
    fn put_batch(&self, entries: &[Entry]);

    /// Stores many entries in the order given, and returns when all are durable; how often it
    /// syncs in between is its own business.
    fn load(&self, entries: &mut dyn Iterator<Item = Entry>);

    /// Reads as of now, with whatever the engine reuses between reads.
    fn reader(&self) -> Box<dyn Reader + '_>;

    /// Puts on disk what it would put there by itself some time, before its size is taken.
    fn settle(&self) {}
}

/// Reads of one thread.
pub trait Reader {
    /// The length of the value of `key`.
    fn get(&mut self, key: &[u8]) -> Option<usize>;

    /// The bytes of `count` entries from `key` on.
    fn scan(&mut self, key: &[u8], count: usize) -> usize;
}

/// Makes an engine in an empty directory.
pub struct Maker {
    pub name: &'static str,
    pub open: fn(&Path) -> Box<dyn Engine>,
}

/// The `n`-th key of a set whose order is that of the numbers.
pub fn key(n: u64) -> Vec<u8> {
    format!("{n:0width$x}", width = KEY_BYTES).into_bytes()
}

/// Values that do not compress away, equal for equal numbers.
pub fn value(n: u64) -> Vec<u8> {
    let mut state = n.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(VALUE_BYTES + 8);
    while bytes.len() < VALUE_BYTES {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend_from_slice(&state.to_le_bytes());
    }
    bytes.truncate(VALUE_BYTES);
    bytes
}

/// A fixed sequence of numbers below `limit` that looks random.
pub struct Numbers {
    state: u64,
    limit: u64,
}

impl Numbers {
    pub fn new(seed: u64, limit: u64) -> Numbers {
        Numbers { state: seed.wrapping_mul(0xd134_2543_de82_ef95) | 1, limit }
    }

    pub fn next(&mut self) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state % self.limit
    }
}
