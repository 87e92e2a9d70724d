//! The words every layer shares: identities, values, documents' metadata and the public error.
//!
//! Layer 0. Nothing here does I/O, waits, or knows how anything is stored or sent.
//!
//! - `ids`: newtypes for whatever has an identity, so that a shard is never taken for a group.
//! - `timestamp`: milliseconds since 1970 and their RFC 3339 form.
//! - `value`: the JSON model with Python's equality and ordering.
//! - `field_path`: where in a document an index finds its values.
//! - `limits`: the bounds a document or a name must keep.
//! - `error`: the one public error.
//!
//! Left out: encodings, which live in `codec`.

mod error;
mod field_path;
mod ids;
mod limits;
mod timestamp;
mod value;

pub use error::{Code, Error, Outcome, Result};
pub use field_path::FieldPath;
pub use ids::{
    Address, ClientId, DatabaseId, DocumentId, Epoch, GroupId, IndexName, LogIndex, NodeId,
    RequestId, ShardId, Term,
};
pub use limits::{
    Limits, validate_database_name, validate_document_id, validate_field_path, validate_index_name,
    validate_lock_holder, validate_lock_name, validate_lock_ttl, validate_lock_wait,
    validate_node_name,
};
pub use timestamp::Timestamp;
pub(crate) use value::compare_int_float;
pub use value::{PyError, Value};
