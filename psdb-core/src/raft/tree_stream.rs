//! The trees of a replica as a stream of checksummed frames, for a replica that is far behind.
//!
//! ```text
//! Tree { name, entries }              one for each, in the order of their names
//!   Entries [(key, value)]            as many as it takes, in the order of keys
//! End { trees }
//! ```
//! The trees are those of one moment, shown by a storage snapshot, so writes go on meanwhile.
//! Neither side needs memory for more than one frame: [`CHUNK_BYTES`], or one larger entry. The
//! receiver fills a new page file, whose pages are full since keys arrive in order.
//!
//! Nothing that is read is trusted: frames bear checksums, order and numbers must come out as
//! announced, and an [`Inspector`] looks at every entry.
//!
//! Invariants:
//! 1. Equal trees give equal bytes.
//! 2. `load` reads exactly what `save` wrote, so more may follow in the same stream.
//!
//! Left out: transport in pieces (`snapshot_transfer`), checksumming the whole (`snapshot`).

use std::io::{Read, Write};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::state_machine::{Inspector, StateError};
use crate::codec::frames::{self, ReadError};
use crate::storage::{Snapshot, Store};

/// Entries are gathered until a frame has this many bytes.
const CHUNK_BYTES: usize = 256 << 10;

/// One frame.
#[derive(Serialize, Deserialize)]
enum Record {
    Tree { name: Bytes, entries: u64 },
    Entries(Vec<(Bytes, Bytes)>),
    End { trees: u64 },
}

/// Writes all trees.
pub(crate) fn save(trees: &Snapshot, sink: &mut dyn Write) -> Result<(), StateError> {
    let mut count = 0;
    for name in trees.trees().filter(|name| trees.entries(name) > 0) {
        count += 1;
        write(sink, &Record::Tree { name: name.clone(), entries: trees.entries(name) })?;
        let (mut chunk, mut size) = (Vec::new(), 0);
        for entry in trees.iter(name) {
            let (key, value) = entry?;
            if !chunk.is_empty() && size + key.len() + value.len() > CHUNK_BYTES {
                write(sink, &Record::Entries(std::mem::take(&mut chunk)))?;
                size = 0;
            }
            size += key.len() + value.len();
            chunk.push((key, value));
        }
        write(sink, &Record::Entries(chunk))?;
    }
    write(sink, &Record::End { trees: count })
}

/// Reads trees into a store that has none.
pub(crate) fn load<S, I: Inspector<S>>(
    source: &mut dyn Read,
    store: &mut Store,
    inspector: &mut I,
) -> Result<(), StateError> {
    let (mut count, mut last) = (0, None);
    loop {
        match read(source)? {
            Record::Tree { name, entries } => {
                if entries == 0 || last.as_ref().is_some_and(|last| *last >= name) {
                    return Err(damaged("trees are empty or out of order"));
                }
                load_tree(source, (&name, entries), store, inspector)?;
                last = Some(name);
                count += 1;
            }
            Record::End { trees } if trees == count => return Ok(()),
            Record::End { .. } | Record::Entries(_) => {
                return Err(damaged("a tree is missing"));
            }
        }
    }
}

fn load_tree<S, I: Inspector<S>>(
    source: &mut dyn Read,
    (name, entries): (&[u8], u64),
    store: &mut Store,
    inspector: &mut I,
) -> Result<(), StateError> {
    let (mut missing, mut last): (u64, Option<Bytes>) = (entries, None);
    while missing > 0 {
        let Record::Entries(chunk) = read(source)? else {
            return Err(damaged("entries are missing"));
        };
        if chunk.is_empty() || chunk.len() as u64 > missing {
            return Err(damaged("a frame has no entries, or too many"));
        }
        missing -= chunk.len() as u64;
        for (key, value) in chunk {
            if last.as_ref().is_some_and(|last| *last >= key) {
                return Err(damaged("entries are out of order"));
            }
            inspector.entry(name, &key, &value)?;
            store.insert(name, &key, &value)?;
            last = Some(key);
        }
    }
    Ok(())
}

fn write(sink: &mut dyn Write, record: &Record) -> Result<(), StateError> {
    frames::write(sink, record).map_err(|source| StateError::Snapshot { action: "write", source })
}

fn read(source: &mut dyn Read) -> Result<Record, StateError> {
    frames::read(source).map_err(|error| match error {
        ReadError::Io(source) => StateError::Snapshot { action: "read", source },
        ReadError::Frame(error) => damaged(error.to_string()),
    })
}

fn damaged(reason: impl Into<String>) -> StateError {
    StateError::Decode { what: "the trees of another replica", reason: reason.into() }
}
