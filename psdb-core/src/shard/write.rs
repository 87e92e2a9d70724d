//! What a write operation does to its document, and when it is refused.
//!
//! | operation | document missing | present, another version required | otherwise |
//! |---|---|---|---|
//! | insert | version 1, created and updated now | `DocumentExists` | `DocumentExists` |
//! | update | `DocumentNotFound` | `VersionConflict` | top-level fields merged, version + 1 |
//! | replace | `DocumentNotFound` | `VersionConflict` | fields replaced, version + 1, creation kept |
//! | delete | `DocumentNotFound` | `VersionConflict` | removed; answers the deleted version |
//!
//! "Now" is the time in the command's position, so all replicas store the same. A body is checked
//! before the document is looked at. It is not trusted although the worker has checked it before
//! proposing: it came through a network and a log, and a node of another version may be lax.
//!
//! Left out: JSON, which is read long before; lambdas, which never run here.

use bytes::Bytes;

use super::database::Database;
use super::entry_changes::EntryChanges;
use super::size::check_body_size;
use crate::codec::document::{EncodedDocument, Metadata, RESERVED_FIELDS};
use crate::raft::StateError;
use crate::storage::Store;
use crate::transport::message::{WriteOp, Written};
use crate::types::{DocumentId, Error, Result, Timestamp, validate_document_id};

/// What the operations of one command share.
struct Writing<'a> {
    now: Timestamp,
    trees: &'a mut Store,
    /// Of each index's entries.
    changes: Vec<EntryChanges>,
}

/// Why an operation did not happen.
enum Failure {
    /// The user's mistake: part of the answer, equal on all replicas.
    Refused(Error),
    /// This replica's documents are damaged: it must stop.
    Damaged(StateError),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Failure::Refused(error)
    }
}

impl From<StateError> for Failure {
    fn from(error: StateError) -> Self {
        Failure::Damaged(error)
    }
}

impl Database {
    /// Applies operations in order; a refused one changes nothing.
    pub(super) fn write(
        &mut self,
        trees: &mut Store,
        now: Timestamp,
        operations: Vec<WriteOp>,
    ) -> Result<Vec<Result<Written>>, StateError> {
        let mut results = Vec::with_capacity(operations.len());
        let mut writing = Writing { now, trees, changes: self.no_changes() };
        for operation in operations {
            results.push(match self.write_one(&mut writing, operation) {
                Ok(version) => Ok(Written { version }),
                Err(Failure::Refused(error)) => Err(error),
                Err(Failure::Damaged(error)) => return Err(error),
            });
            if writing.changes.iter().any(EntryChanges::is_full) {
                self.make(writing.trees, &mut writing.changes)?;
            }
        }
        self.make(writing.trees, &mut writing.changes)?;
        Ok(results)
    }

    /// Applies one operation; answers the document's version.
    fn write_one(&mut self, writing: &mut Writing<'_>, operation: WriteOp) -> Result<u64, Failure> {
        match operation {
            WriteOp::Insert { id, body } => self.insert(writing, &id, body),
            WriteOp::Update { id, patch, if_version } => {
                self.overwrite(writing, (&id, if_version), patch, |old, patch| {
                    old.without_metadata().merged(&patch)
                })
            }
            WriteOp::Replace { id, body, if_version } => {
                self.overwrite(writing, (&id, if_version), body, |_, body| body)
            }
            WriteOp::Delete { id, if_version } => self.delete(writing, &id, if_version),
        }
    }

    fn insert(
        &mut self,
        writing: &mut Writing<'_>,
        id: &DocumentId,
        body: Bytes,
    ) -> Result<u64, Failure> {
        validate_document_id(id.as_str())?;
        let body = checked_body(body)?;
        check_body_size(&body)?;
        let Writing { now, trees, changes } = writing;
        if self.contains(trees, id)? {
            return Err(Error::DocumentExists { id: id.clone() }.into());
        }
        let metadata = Metadata { id: id.clone(), version: 1, created_at: *now, updated_at: *now };
        self.put(trees, id, None, &body.with_metadata(&metadata), changes)?;
        Ok(metadata.version)
    }

    fn overwrite(
        &mut self,
        writing: &mut Writing<'_>,
        (id, if_version): (&DocumentId, Option<u64>),
        body: Bytes,
        combine: impl FnOnce(&EncodedDocument, EncodedDocument) -> EncodedDocument,
    ) -> Result<u64, Failure> {
        let body = checked_body(body)?;
        let Writing { now, trees, changes } = writing;
        let (document, old) = self.expect(trees, id, if_version)?;
        let body = combine(&document, body);
        check_body_size(&body)?;
        // 2^64 updates of one document do not happen; a forged snapshot must not panic here.
        let version = old.version.saturating_add(1);
        let metadata = Metadata { version, updated_at: *now, ..old };
        self.put(trees, id, Some(&document), &body.with_metadata(&metadata), changes)?;
        Ok(version)
    }

    fn delete(
        &mut self,
        writing: &mut Writing<'_>,
        id: &DocumentId,
        if_version: Option<u64>,
    ) -> Result<u64, Failure> {
        let (document, old) = self.expect(writing.trees, id, if_version)?;
        self.remove(writing.trees, id, &document, &mut writing.changes)?;
        Ok(old.version)
    }

    /// The document under `id` if it is there in the version required.
    fn expect(
        &self,
        trees: &Store,
        id: &DocumentId,
        if_version: Option<u64>,
    ) -> Result<(EncodedDocument, Metadata), Failure> {
        let document = self.get(trees, id)?;
        let document = document.ok_or_else(|| Error::DocumentNotFound { id: id.clone() })?;
        let metadata = document.metadata().map_err(|error| {
            let reason = format!("document '{id}': {error}");
            Failure::Damaged(StateError::Decode { what: "a stored document", reason })
        })?;
        match if_version {
            Some(expected) if expected != metadata.version => {
                let actual = metadata.version;
                Err(Error::VersionConflict { id: id.clone(), expected, actual }.into())
            }
            _ => Ok((document, metadata)),
        }
    }
}

/// A valid body without fields of PSDB's own.
fn checked_body(bytes: Bytes) -> Result<EncodedDocument> {
    let body = EncodedDocument::from_bytes(bytes)?;
    let mut reserved = std::iter::once("_id").chain(RESERVED_FIELDS);
    match reserved.find(|field| body.get(field).is_some()) {
        None => Ok(body),
        Some(field) => Err(Error::ReservedField { field: field.into() }),
    }
}
