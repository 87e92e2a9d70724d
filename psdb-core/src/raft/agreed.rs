//! What every group agrees on beside its state: how far it has got, its members, its sessions.
//!
//! ```text
//! tree raft/agreed     "agreed" ─▶ frame: applied, membership, time, horizon of the sessions
//! tree raft/sessions   client, 8 bytes big-endian ─▶ frame: its session
//! note of a checkpoint             frame: applied
//! ```
//! It is written into the trees when a checkpoint is taken, sessions only as far as they changed.
//! The note says the same as the tree, so that the log can be purged without reading trees.
//!
//! Left out: what the state machine keeps.

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use super::engine::{LogId, Membership};
use super::sessions::{Session, Sessions};
use super::state_machine::StateError;
use crate::codec::frame;
use crate::storage::{Snapshot, Store};
use crate::types::{ClientId, LogIndex, Timestamp};

const AGREED: &[u8] = b"raft/agreed";
const SESSIONS: &[u8] = b"raft/sessions";
const KEY: &[u8] = b"agreed";

/// The part of a replica that every kind of group has.
#[derive(Clone, Debug, Default)]
pub(crate) struct Agreed {
    pub(crate) sessions: Sessions,
    pub(crate) applied: Option<LogId>,
    pub(crate) membership: Membership,
    pub(crate) time: Timestamp,
}

/// As it is stored.
#[derive(Default, Serialize, Deserialize)]
struct Stored {
    applied: Option<LogId>,
    membership: Membership,
    time: Timestamp,
    horizon: LogIndex,
}

impl Agreed {
    /// Reads what the trees hold.
    pub(crate) fn open(trees: &Snapshot) -> Result<Agreed, StateError> {
        let stored = trees.get(AGREED, KEY)?;
        let stored: Stored = stored.map_or(Ok(Stored::default()), |bytes| {
            frame::decode(&bytes).map_err(|error| damaged(error.to_string()))
        })?;
        let mut clients = Vec::new();
        for entry in trees.iter(SESSIONS) {
            let (key, value) = entry?;
            let client = key[..].try_into().map(u64::from_be_bytes);
            let client = client.map_err(|_| damaged(format!("a client of {} bytes", key.len())))?;
            let session: Session =
                frame::decode(&value).map_err(|error| damaged(error.to_string()))?;
            clients.push((ClientId(client), session));
        }
        Ok(Agreed {
            sessions: Sessions::from_parts(stored.horizon, clients),
            applied: stored.applied,
            membership: stored.membership,
            time: stored.time,
        })
    }

    /// Writes into the trees what has changed since it was written there.
    pub(crate) fn flush(&mut self, trees: &mut Store) -> Result<(), StateError> {
        let (horizon, changed) = self.sessions.take_changed();
        for (client, session) in changed {
            let key = client.0.to_be_bytes();
            match session {
                Some(session) => trees.insert(SESSIONS, &key, &frame::encode(&session))?,
                None => trees.remove(SESSIONS, &key)?,
            };
        }
        let stored = Stored {
            applied: self.applied,
            membership: self.membership.clone(),
            time: self.time,
            horizon,
        };
        trees.insert(AGREED, KEY, &frame::encode(&stored))?;
        Ok(())
    }

    /// What goes with a checkpoint.
    pub(crate) fn note(&self) -> Bytes {
        frame::encode(&self.applied)
    }
}

/// How far the checkpoint with this note reaches; not at all, that of a file without checkpoints.
pub(crate) fn applied_of(note: &[u8]) -> Result<Option<LogId>, StateError> {
    if note.is_empty() {
        return Ok(None);
    }
    frame::decode(note).map_err(|error| damaged(error.to_string()))
}

fn damaged(reason: String) -> StateError {
    StateError::Decode { what: "what a group agrees on", reason }
}
