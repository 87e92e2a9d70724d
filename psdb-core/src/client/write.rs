//! Writing one document: what is asked and what is answered.
//!
//! Left out: writing many (`database`).

use std::future::{Future, IntoFuture};
use std::pin::Pin;

use super::database::Database;
use crate::codec::EncodedDocument;
use crate::transport::message::WriteOp;
use crate::types::{DocumentId, Error, LogIndex, Result, ShardId, Term};

/// A document that was inserted, and where that stands in its shard's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Inserted {
    /// The document's id, given or generated.
    pub id: DocumentId,
    /// Its version, which is 1.
    pub version: u64,
    /// The shard that holds it.
    pub shard: ShardId,
    /// The term of the write.
    pub term: Term,
    /// The index of the write in the shard's log.
    pub index: LogIndex,
}

/// A document that was changed, and where that stands in its shard's history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Updated {
    /// The document's version now; of a deleted one, its last.
    pub version: u64,
    /// The shard that holds it.
    pub shard: ShardId,
    /// The term of the write.
    pub term: Term,
    /// The index of the write in the shard's log.
    pub index: LogIndex,
}

pub(super) enum Change {
    Update(Result<EncodedDocument>),
    Replace(Result<EncodedDocument>),
    Delete,
}

/// A change of one document; await it.
#[must_use = "a document is changed when this is awaited"]
pub struct WriteOne {
    pub(super) database: Database,
    pub(super) id: DocumentId,
    pub(super) change: Change,
    pub(super) if_version: Option<u64>,
}

impl WriteOne {
    /// Changes the document only if it has this version.
    pub fn if_version(mut self, version: u64) -> Self {
        self.if_version = Some(version);
        self
    }

    async fn run(self) -> Result<Updated> {
        let (id, if_version) = (self.id.clone(), self.if_version);
        let operation = match self.change {
            Change::Update(patch) => {
                let patch = body_of(&patch?, &id)?.bytes().clone();
                WriteOp::Update { id, patch, if_version }
            }
            Change::Replace(body) => {
                let body = body_of(&body?, &id)?.bytes().clone();
                WriteOp::Replace { id, body, if_version }
            }
            Change::Delete => WriteOp::Delete { id, if_version },
        };
        self.database.write_one(&self.id, operation).await
    }
}

impl IntoFuture for WriteOne {
    type Output = Result<Updated>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.run())
    }
}

/// The fields of a patch or replacement; an `_id` among them must be the document's own.
fn body_of(document: &EncodedDocument, id: &DocumentId) -> Result<EncodedDocument> {
    match document.split_id()? {
        (Some(given), _) if given != *id => Err(Error::InvalidDocument {
            reason: format!("_id {given:?} cannot be changed; it is {id:?}"),
        }),
        (_, body) => Ok(body),
    }
}
