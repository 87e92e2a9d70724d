//! Bytes: how values become bytes and come back, for disks, networks and indexes.
//!
//! - `frame`: length, checksum and version around what only PSDB reads.
//! - `frames`: such frames one after the other in a stream.
//! - `document`: documents whose fields are found without decoding the rest.
//! - `json`: a strict reader straight into that form, and a writer out of it.
//! - `key`: bytes whose order is the order of values. `entry`: what indexes keep of a document.
//! - `sealed`: bytes that come back from strangers unchanged, or not at all.
//!
//! Invariant: bytes from outside are checked once, at the door ([`EncodedDocument::from_bytes`],
//! [`frame::decode`]); what has passed needs no further checks and cannot make a reader panic.
//!
//! Left out: what documents mean.

pub mod document;
pub mod entry;
pub mod frame;
pub mod frames;
mod json;
pub mod key;
mod sealed;

pub use document::{ArrayRef, EncodedDocument, Metadata, ObjectRef, RESERVED_FIELDS, ValueRef};
pub(crate) use document::{Place, touch_fields};
pub use sealed::PageKey;
