//! Proves what the log promises, each promise in a file of its own:
//!
//! - `basics`: what is written comes back; refusals change nothing; lazy records; closing.
//! - `group_commit`: many waiters share few syncs, and are answered in order.
//! - `segments`: rolling, removal, and a crash in the middle of either.
//! - `crash`: power loss at every sync, and any other operation, against a model.
//! - `damage`: byte flips, missing segments, forged batches.
//! - `failure`: I/O errors at every operation poison the log and lose nothing.
//! - `reading`: entries read back while the log is written on, and written once more.
//! - `golden`: scripts of recovery, to be read.
//!
//! Left out: real power loss. The simulated disk is harsher than any medium.

mod basics;
mod crash;
mod damage;
mod failure;
mod golden;
mod group_commit;
mod model;
mod reading;
mod segments;

use std::collections::BTreeMap;
use std::future::Future;
use std::path::Path;

use bytes::Bytes;

use super::batch::{BatchReader, Found};
use super::segment::{HEADER_BYTES, SegmentHeader, file_name, number_of};
use super::{Record, RecoveredStream, Wal, WalOptions};
use crate::env::{Disk, Env, OpenMode, SimDisk};
use crate::storage::StorageError;

type Streams = BTreeMap<u64, RecoveredStream>;

/// Segments so small that a few batches fill one.
const SMALL: WalOptions =
    WalOptions { segment_bytes: 600, batch_bytes: 4 << 20, log_bytes: 128 << 20 };

fn dir() -> &'static Path {
    Path::new("/wal")
}

/// Runs a test's future in paused time, on this thread.
fn run<T>(future: impl Future<Output = T>) -> T {
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    runtime.enable_time().start_paused(true).build().unwrap().block_on(future)
}

fn env_on(disk: &SimDisk) -> Env {
    Env::simulated(1, disk.clone())
}

async fn open(disk: &SimDisk, options: WalOptions) -> Result<(Wal, Streams), StorageError> {
    Wal::open(&env_on(disk), dir(), options).await
}

/// What a log holds, found by opening it and dropping it again.
async fn contents(disk: &SimDisk) -> Streams {
    open(disk, SMALL).await.unwrap().1
}

/// Where the batches of a segment end; what follows is room.
fn used_bytes(disk: &SimDisk, number: u64) -> u64 {
    let file = disk.open(&dir().join(file_name(number)), OpenMode::Read).unwrap();
    let mut header = [0; HEADER_BYTES];
    file.read_exact_at(&mut header, 0).unwrap();
    let salt = SegmentHeader::decode(&header).unwrap().salt;
    let (mut reader, mut at) = (BatchReader::new(&*file, salt).unwrap(), HEADER_BYTES as u64);
    while let Found::Batch(batch) = reader.read(at).unwrap() {
        at += batch.bytes.len() as u64;
    }
    at
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn append(stream: u64, index: u64, payload: &str) -> Record {
    Record::Append { stream, index, payload: bytes(payload) }
}

fn slot(stream: u64, slot: u8, payload: &str) -> Record {
    Record::Slot { stream, slot, payload: bytes(payload) }
}

fn purge(stream: u64, through: u64, note: &str) -> Record {
    Record::Purge { stream, through, note: bytes(note) }
}
