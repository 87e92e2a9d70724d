//! The dialling half of the core's transport, over gRPC.
//!
//! ```text
//! call(to, message) ─► Dialer ─► Link to an address, one for each lane
//!                                 ├─ small: shares the Exchange stream, sent in batches
//!                                 └─ large: a Call by itself, held back by HTTP/2's windows
//! ```
//! Between two nodes there are two lanes, each an HTTP/2 connection of its own: *control* carries
//! what must never wait (Raft's small messages, heartbeats, questions to masters), *data* all else
//! (documents, pages of queries, snapshots, large appends). So a snapshot fills the windows and
//! buffers of its own connection only. A client has the data lane alone.
//!
//! Everything of `psdb_core::transport` is here as well.
//!
//! Invariants:
//! 1. *Not sent* is said only of a message that never left this process, or that the receiver
//!    says it has not looked at. Whatever was handed to HTTP/2 is *no reply* when it fails.
//! 2. A link that cannot connect fails its callers at once between attempts; attempts go on, at
//!    most half a second apart, as long as somebody calls.
//!
//! Left out: encryption and authentication; run nodes in a network you trust.

mod address_book;
mod connection;
mod dialer;
mod exchange;
mod handshake;
mod link;

pub use address_book::{AddressBook, NodeEntry};
pub use dialer::{Dialer, Lanes};
pub use exchange::{LARGE_BYTES, MESSAGE_LIMIT_BYTES, QUEUE, in_batches};
pub use handshake::{Acquaintance, Hello, PROTOCOL, VERSION, check_protocol};
pub use psdb_core::transport::*;

pub(crate) use connection::Connection;
