//! What changes a shard, and what each change answers.
//!
//! `Open`, `SetIndexes`, `Clear` and `Close` come from the masters, who repeat them until every shard
//! has answered; `FillIndex` comes from the shard's leader. Done twice, each of them changes nothing.
//! `Write` comes from clients; `raft` drops a retry of one that was applied.
//!
//! Left out: the requests these are made from (`transport::message`).

use serde::{Deserialize, Serialize};

use crate::transport::message::{IndexDefinition, WriteOp, Written};
use crate::types::{DatabaseId, DocumentId, Error, IndexName};

/// One change of a shard.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Command {
    /// Opens a database, unless it is open or was closed already.
    Open {
        /// Its id.
        database: DatabaseId,
        /// Its secondary indexes.
        indexes: Vec<IndexDefinition>,
    },
    /// Removes all documents of a database, once for each token.
    ///
    /// The masters' tokens grow. A token that is not above the last one is late: what it was meant
    /// to remove is gone, and what is there now was written since.
    Clear {
        /// Its id.
        database: DatabaseId,
        /// Names this clearing.
        token: u64,
    },
    /// Removes a database for ever, opened or not: it will not be opened any more.
    Close {
        /// Its id.
        database: DatabaseId,
    },
    /// Makes these the indexes of a database. What is new is built by [`Command::FillIndex`], unless
    /// there are no documents; what is not named any more is dropped.
    SetIndexes {
        /// Its id.
        database: DatabaseId,
        /// Grows with every change of the definitions; a lower one than the last is late.
        version: u64,
        /// All its indexes.
        definitions: Vec<IndexDefinition>,
    },
    /// Adds the entries of the next documents to an index that is being built.
    FillIndex {
        /// The database.
        database: DatabaseId,
        /// The index.
        index: IndexName,
        /// How far it has been built; if that is not so, nothing is done.
        after: Option<DocumentId>,
        /// How many documents at most.
        max_documents: u32,
    },
    /// Writes documents of one database, in order; each operation succeeds or fails by itself.
    Write {
        /// The database.
        database: DatabaseId,
        /// What to do.
        operations: Vec<WriteOp>,
    },
}

impl Command {
    /// Whether it makes the shard grow: anything that writes documents or index entries. Deleting,
    /// clearing and closing make room; opening a database takes next to none, and the masters insist
    /// on it.
    pub(super) fn grows(&self) -> bool {
        match self {
            Command::Write { operations, .. } => {
                operations.iter().any(|operation| !matches!(operation, WriteOp::Delete { .. }))
            }
            Command::FillIndex { .. } => true,
            Command::Open { .. }
            | Command::Clear { .. }
            | Command::Close { .. }
            | Command::SetIndexes { .. } => false,
        }
    }
}

/// What a [`Command`] answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Response {
    /// The database is open, cleared or closed.
    Changed {
        /// How many documents were removed. A clearing that is repeated answers what it removed
        /// the first time.
        removed: u64,
    },
    /// The result of each operation, in order.
    Written(Vec<Result<Written, Error>>),
    /// Refused as a whole; nothing has changed.
    Refused(Error),
}
