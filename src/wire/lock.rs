//! Locks on the wire.
//!
//! Left out: acquiring them (`psdb-server`).

use psdb_core::Timestamp;
use psdb_core::transport::message::LockInfo;

use crate::proto::v1;

/// Encodes a lock that was just granted or renewed.
pub fn granted(name: &str, token: u64, expires_at: Timestamp) -> v1::Lock {
    v1::Lock {
        name: name.to_owned(),
        token,
        expires_at: expires_at.to_string(),
        holder: String::new(),
        waiting: 0,
    }
}

/// Encodes a lock of a list.
pub fn from_info(info: &LockInfo) -> v1::Lock {
    v1::Lock {
        holder: info.holder.clone(),
        waiting: info.waiting,
        ..granted(&info.name, info.token, info.expires_at)
    }
}
