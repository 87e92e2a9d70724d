//! Writes whose callers name them, so that they can be sent again through any client.
//!
//! A name stands for a session of its own with one write in it (one for each batch, where a write
//! is cut into several). The groups remember it as they remember any session; whoever sends it
//! again says so, since a group that has forgotten cannot tell a retry from a new write.
//!
//! Invariant: a retry is never applied as a new write. If the group has forgotten the name, the
//! answer is [`Error::SessionEvicted`], of unknown outcome.
//!
//! Left out: telling two different writes under one name apart. The second gets the answer of the
//! first.

use crate::sharding::HashVersion;
use crate::types::{ClientId, Error, LogIndex, RequestId, Result};

/// The longest name, in bytes.
const NAME_BYTES: usize = 64;

/// A write by its caller's name for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NamedRequest {
    session: ClientId,
    retry: bool,
}

impl NamedRequest {
    /// Names a write: 1 to 64 of `A-Z a-z 0-9 _ -`, such as a UUID, used for no other write.
    ///
    /// `retry` says that it may have been sent before.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidName`] with the rule that is broken.
    pub fn new(name: &str, retry: bool) -> Result<NamedRequest> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if name.is_empty() || name.len() > NAME_BYTES || !name.chars().all(allowed) {
            return Err(Error::InvalidName {
                kind: "request id".into(),
                name: name.chars().take(NAME_BYTES).collect(),
                reason: format!("1 to {NAME_BYTES} of A-Z, a-z, 0-9, '_' and '-' are allowed"),
            });
        }
        // A ring's hash; the prefix keeps names apart from whatever else is hashed by it.
        let session = HashVersion::V1.hash(&[b"request/", name.as_bytes()]);
        Ok(NamedRequest { session: ClientId(session), retry })
    }

    /// Whether it may have been sent before.
    pub(super) fn is_retry(self) -> bool {
        self.retry
    }

    /// The request id of its write number `sequence` to one group.
    pub(super) fn request(self, sequence: u64, observed: LogIndex) -> RequestId {
        RequestId { client: self.session, sequence, settled_below: 1, observed }
    }
}
