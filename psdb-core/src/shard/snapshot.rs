//! A shard as a stream of checksummed frames.
//!
//! ```text
//! Header { databases, closed ids }
//! Database { id, indexes, last clearing, documents, bytes, digest }    one for each, by id
//!   Documents [stored documents in _id order]                          as many as it takes
//! End { hash of the shard }
//! ```
//!
//! Indexes are not written but rebuilt on load. They follow from the documents, so a snapshot that
//! leaves them out is smaller on disk and on its way to a replica that catches up, and cannot bring
//! an index that disagrees with its documents; the price is sorting their keys once per load. A
//! frame holds [`CHUNK_BYTES`] of documents or one larger document, so neither side needs memory
//! for more than that besides the state itself.
//!
//! Nothing that is read is trusted. Every frame bears a checksum, every document is validated and
//! stands in strict order, counts and digests must come out as announced, and the stream must end
//! with `End`: damage and truncation are errors, never another state.
//!
//! Invariants:
//! 1. Equal shards give equal bytes.
//! 2. `load` reads exactly what `save` wrote, so more may follow in the same stream.
//!
//! Left out: compression, and transport in pieces (`raft`).

use std::io::{Read, Write};

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::Shard;
use super::closed::ClosedIds;
use super::database::{Cleared, Database};
use super::index::Coverage;
use crate::codec::document::EncodedDocument;
use crate::codec::frames::{self, ReadError};
use crate::raft::StateError;
use crate::storage::btree::Builder;
use crate::transport::message::IndexDefinition;
use crate::types::{DatabaseId, DocumentId};

/// Documents are gathered until a frame has this many bytes.
const CHUNK_BYTES: usize = 256 << 10;

/// How full the pages of a restored tree are.
const FILL_PERCENT: u8 = 80;

/// One frame.
#[derive(Serialize, Deserialize)]
enum Record {
    Header { databases: u64, floor: DatabaseId, closed: Vec<DatabaseId> },
    Database(Header),
    Documents(Vec<Bytes>),
    End { hash: u64 },
}

/// What precedes a database's documents.
#[derive(Serialize, Deserialize)]
struct Header {
    id: DatabaseId,
    indexes_version: u64,
    indexes: Vec<(IndexDefinition, Coverage)>,
    cleared: Option<Cleared>,
    documents: u64,
    bytes: u64,
    digest: u64,
}

pub(super) fn save(shard: &Shard, sink: &mut dyn Write) -> Result<(), StateError> {
    let (floor, closed) = shard.closed.to_parts();
    write(sink, &Record::Header { databases: shard.databases.len() as u64, floor, closed })?;
    for (id, database) in &shard.databases {
        save_database(*id, database, sink)?;
    }
    write(sink, &Record::End { hash: shard.hash() })
}

fn save_database(id: DatabaseId, from: &Database, sink: &mut dyn Write) -> Result<(), StateError> {
    let stats = from.stats();
    let header = Header {
        id,
        indexes_version: from.indexes_version,
        indexes: from.coverages(),
        cleared: from.cleared,
        documents: stats.documents,
        bytes: stats.bytes,
        digest: from.digest(),
    };
    write(sink, &Record::Database(header))?;
    let (mut chunk, mut size) = (Vec::new(), 0);
    for (_, document) in &from.documents {
        let bytes = document.bytes();
        if !chunk.is_empty() && size + bytes.len() > CHUNK_BYTES {
            write(sink, &Record::Documents(std::mem::take(&mut chunk)))?;
            size = 0;
        }
        size += bytes.len();
        chunk.push(bytes.clone());
    }
    if chunk.is_empty() { Ok(()) } else { write(sink, &Record::Documents(chunk)) }
}

pub(super) fn load(source: &mut dyn Read) -> Result<Shard, StateError> {
    let Record::Header { databases, floor, closed } = read(source)? else {
        return Err(damaged("it does not begin with a header"));
    };
    let mut shard = Shard::default();
    for _ in 0..databases {
        let Record::Database(header) = read(source)? else {
            return Err(damaged("a database is missing"));
        };
        let id = header.id;
        if shard.databases.last().is_some_and(|(last, _)| *last >= id) {
            return Err(damaged("databases are out of order"));
        }
        shard.databases.insert(id, load_database(header, source)?.into());
    }
    shard.closed = ClosedIds::from_parts(floor, &closed).map_err(damaged)?;
    if closed.iter().any(|id| shard.databases.contains_key(id)) {
        return Err(damaged("a database is both open and closed"));
    }
    match read(source)? {
        Record::End { hash } if hash == shard.hash() => Ok(shard),
        Record::End { .. } => Err(damaged("its hash is not that of its contents")),
        _ => Err(damaged("it goes on after its last database")),
    }
}

fn load_database(header: Header, source: &mut dyn Read) -> Result<Database, StateError> {
    let empty = Database::covering(header.indexes_version, header.indexes)
        .map_err(|error| damaged(error.to_string()))?;
    // Room in every page spares the inserts that follow from splitting all of them.
    let mut documents = Builder::new(empty.documents.order()).fill_percent(FILL_PERCENT);
    let mut missing = header.documents;
    while missing > 0 {
        let Record::Documents(chunk) = read(source)? else {
            return Err(damaged("documents are missing"));
        };
        if chunk.is_empty() || chunk.len() as u64 > missing {
            return Err(damaged("a frame has no documents, or too many"));
        }
        missing -= chunk.len() as u64;
        for bytes in chunk {
            let (id, document) = load_document(bytes)?;
            documents.push(id, document).map_err(|error| damaged(error.to_string()))?;
        }
    }
    let database = empty
        .restore(documents.finish(), header.cleared)
        .map_err(|error| damaged(error.to_string()))?;
    let stats = database.stats();
    if (stats.bytes, database.digest()) != (header.bytes, header.digest) {
        return Err(damaged("a database is not the one its header announces"));
    }
    Ok(database)
}

fn load_document(bytes: Bytes) -> Result<(DocumentId, EncodedDocument), StateError> {
    let document =
        EncodedDocument::from_bytes(bytes).map_err(|error| damaged(error.to_string()))?;
    let metadata = document.metadata().map_err(|error| damaged(error.to_string()))?;
    Ok((metadata.id, document))
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
    StateError::Decode { what: "a shard's snapshot", reason: reason.into() }
}
