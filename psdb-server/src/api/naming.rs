//! The caller's names for writes.
//!
//! A document without an `_id` that is inserted under a name gets its `_id` from the name, since a
//! retry has to insert the same document, on the same shard.
//!
//! Left out: what the groups remember under a name (the core's sessions).

use psdb::client::NamedRequest;
use psdb::proto::v1;
use psdb::{Client, DocumentId, Result};

/// A client that writes under the caller's name, if there is one.
pub(super) fn named(client: Client, request: Option<&v1::RequestId>) -> Result<Client> {
    match request {
        Some(request) => Ok(client.named(NamedRequest::new(&request.id, request.retry)?)),
        None => Ok(client),
    }
}

/// The `_id` of a document that comes without one.
pub(super) fn default_id(request: Option<&v1::RequestId>) -> Option<DocumentId> {
    request.map(|request| DocumentId::from(request.id.as_str()))
}

/// The `_id` of the document at `position` of a message that come without one.
pub(super) fn default_id_at(
    request: Option<&v1::RequestId>,
    position: usize,
) -> Option<DocumentId> {
    request.map(|request| DocumentId::from(format!("{}-{position}", request.id)))
}
