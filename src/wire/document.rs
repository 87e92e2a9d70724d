//! Answers about documents on the wire.
//!
//! Left out: documents themselves, which travel as JSON text.

use psdb_core::client::{Inserted, Updated};
use psdb_core::transport::message::SkippedDocuments;
use psdb_core::{Error, Result};

use super::status;
use crate::proto::v1;

/// Encodes an insertion.
pub fn from_inserted(inserted: &Inserted) -> v1::InsertDocumentResponse {
    v1::InsertDocumentResponse {
        id: inserted.id.as_str().to_owned(),
        receipt: Some(v1::WriteReceipt {
            shard: inserted.shard.0,
            term: inserted.term.0,
            index: inserted.index.0,
            version: inserted.version,
        }),
    }
}

/// Encodes where a change stands.
pub fn from_updated(updated: &Updated) -> v1::WriteReceipt {
    v1::WriteReceipt {
        shard: updated.shard.0,
        term: updated.term.0,
        index: updated.index.0,
        version: updated.version,
    }
}

/// Encodes what became of one of many insertions.
pub fn from_result(result: &Result<Inserted>) -> v1::InsertDocumentsResult {
    use v1::insert_documents_result::Result as Outcome;
    let result = match result {
        Ok(inserted) => Outcome::Inserted(from_inserted(inserted)),
        Err(error) => Outcome::Error(from_error(error)),
    };
    v1::InsertDocumentsResult { result: Some(result) }
}

/// Encodes why one of many documents was refused.
pub fn from_error(error: &Error) -> v1::DocumentError {
    v1::DocumentError {
        code: error.code().as_str().to_owned(),
        reason: status::reason(error).to_owned(),
        message: error.to_string(),
        outcome: error.outcome().as_str().to_owned(),
    }
}

/// Encodes which documents a lambda raised on.
pub fn from_skipped(skipped: &SkippedDocuments) -> v1::SkippedDocuments {
    let (first_id, first_error) = match &skipped.first {
        Some((id, error)) => (id.as_str().to_owned(), error.clone()),
        None => (String::new(), String::new()),
    };
    v1::SkippedDocuments { count: skipped.count, first_id, first_error }
}
