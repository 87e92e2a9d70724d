//! The bounds that documents, names and paths must keep, and their checks.
//!
//! A limit is checked where a user's bytes enter, before anything is proposed, so that a refusal
//! is certain; every error says the limit and the size that broke it.
//!
//! Left out: limits of queries (`query`), queues and batches (`config` of each layer).

use std::time::Duration;

use super::{Error, Result};

/// The bounds of one document.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest JSON text of a document, in bytes; 16 MiB by default.
    pub document_bytes: usize,
    /// The deepest nesting of arrays and objects, the document itself counted; 100 by default.
    pub nesting: usize,
}

impl Limits {
    /// The limits every PSDB keeps unless told otherwise.
    pub const DEFAULT: Limits = Limits { document_bytes: 16 << 20, nesting: 100 };
    /// The longest `_id`, in bytes.
    pub const ID_BYTES: usize = 512;
    /// The longest database name, in bytes.
    pub const DATABASE_NAME_BYTES: usize = 64;
    /// How many indexes a database may have.
    pub const INDEXES: usize = 64;
    /// How many fields an index may have.
    pub const INDEX_FIELDS: usize = 16;
    /// The longest name of an index, in bytes.
    pub const INDEX_NAME_BYTES: usize = 256;
    /// The longest name of a lock, in bytes.
    pub const LOCK_NAME_BYTES: usize = 256;
    /// The longest name a lock's holder gives itself, in bytes.
    pub const LOCK_HOLDER_BYTES: usize = 256;
    /// The shortest lease of a lock.
    pub const LOCK_TTL_MIN: Duration = Duration::from_millis(100);
    /// The longest lease of a lock, and the longest wait for one.
    pub const LOCK_TIME_MAX: Duration = Duration::from_hours(24);
    /// How many locks may be held at a time.
    pub const LOCKS: usize = 10_000;
    /// How many claims may wait for one lock.
    pub const LOCK_QUEUE: usize = 256;
    /// How many claims may wait for all locks together.
    pub const LOCK_CLAIMS: usize = 10_000;
}

impl Default for Limits {
    fn default() -> Self {
        Limits::DEFAULT
    }
}

/// Checks that `name` is 1 to 64 of `A-Z a-z 0-9 _ -`.
///
/// # Errors
///
/// [`Error::InvalidName`] with the rule that is broken.
///
/// # Examples
///
/// ```
/// assert!(psdb_core::validate_database_name("users-2").is_ok());
/// assert!(psdb_core::validate_database_name("../users").is_err());
/// ```
pub fn validate_database_name(name: &str) -> Result<()> {
    let refuse = |reason: String| {
        Err(Error::InvalidName { kind: "database name".into(), name: name.into(), reason })
    };
    if name.is_empty() {
        return refuse("it is empty".into());
    }
    if name.len() > Limits::DATABASE_NAME_BYTES {
        return refuse(format!("it has {} bytes, the limit is 64", name.len()));
    }
    match name.chars().find(|c| !c.is_ascii_alphanumeric() && *c != '_' && *c != '-') {
        Some(c) => refuse(format!("{c:?} is not allowed; use A-Z, a-z, 0-9, '_' and '-'")),
        None => Ok(()),
    }
}

/// Checks that `name` is 1 to 256 of `A-Z a-z 0-9 _ - / . :`.
///
/// # Errors
///
/// [`Error::InvalidName`] with the rule that is broken.
///
/// # Examples
///
/// ```
/// assert!(psdb_core::validate_lock_name("jobs/nightly:report.pdf").is_ok());
/// assert!(psdb_core::validate_lock_name("two words").is_err());
/// ```
pub fn validate_lock_name(name: &str) -> Result<()> {
    let refuse = |reason: String| {
        let name = name.chars().take(Limits::LOCK_NAME_BYTES).collect();
        Err(Error::InvalidName { kind: "lock name".into(), name, reason })
    };
    if name.is_empty() {
        return refuse("it is empty".into());
    }
    if name.len() > Limits::LOCK_NAME_BYTES {
        return refuse(format!(
            "it has {} bytes, the limit is {}",
            name.len(),
            Limits::LOCK_NAME_BYTES
        ));
    }
    match name.chars().find(|c| !c.is_ascii_alphanumeric() && !"_-/.:".contains(*c)) {
        Some(c) => {
            refuse(format!("{c:?} is not allowed; use A-Z, a-z, 0-9, '_', '-', '/', '.' and ':'"))
        }
        None => Ok(()),
    }
}

/// Checks what a lock's holder calls itself: 1 to 256 bytes without control characters.
///
/// # Errors
///
/// [`Error::InvalidName`] with the rule that is broken.
pub fn validate_lock_holder(holder: &str) -> Result<()> {
    let refuse = |reason: String| {
        let name = holder.chars().take(40).collect();
        Err(Error::InvalidName { kind: "lock holder".into(), name, reason })
    };
    if holder.is_empty() || holder.len() > Limits::LOCK_HOLDER_BYTES {
        return refuse(format!(
            "it has {} bytes; 1 to {} are allowed",
            holder.len(),
            Limits::LOCK_HOLDER_BYTES
        ));
    }
    match holder.chars().find(|c| c.is_control()) {
        Some(c) => refuse(format!("{c:?} is not allowed")),
        None => Ok(()),
    }
}

/// Checks how long a lock's lease is to last: 100 ms to 24 h.
///
/// # Errors
///
/// [`Error::InvalidRequest`] with the limit that is broken.
pub fn validate_lock_ttl(ttl: Duration) -> Result<()> {
    if ttl < Limits::LOCK_TTL_MIN || ttl > Limits::LOCK_TIME_MAX {
        return Err(Error::InvalidRequest {
            reason: format!(
                "a lock's ttl of {} ms; {} ms to {} ms are allowed",
                ttl.as_millis(),
                Limits::LOCK_TTL_MIN.as_millis(),
                Limits::LOCK_TIME_MAX.as_millis()
            ),
        });
    }
    Ok(())
}

/// Checks how long a claim is to wait for a lock: at most 24 h.
///
/// # Errors
///
/// [`Error::InvalidRequest`] with the limit that is broken.
pub fn validate_lock_wait(wait: Duration) -> Result<()> {
    if wait > Limits::LOCK_TIME_MAX {
        return Err(Error::InvalidRequest {
            reason: format!(
                "a wait of {} ms for a lock; at most {} ms are allowed",
                wait.as_millis(),
                Limits::LOCK_TIME_MAX.as_millis()
            ),
        });
    }
    Ok(())
}

/// Checks that a node's `name` is 1 to 64 of `A-Z a-z 0-9 _ - .`.
///
/// # Errors
///
/// [`Error::InvalidName`] with the rule.
pub fn validate_node_name(name: &str) -> Result<()> {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
    if (1..=64).contains(&name.len()) && name.bytes().all(allowed) {
        return Ok(());
    }
    Err(Error::InvalidName {
        kind: "node name".into(),
        name: name.to_owned(),
        reason: "1 to 64 letters, digits, '_', '-' or '.' are allowed".into(),
    })
}

/// Checks that `id` has 1 to 512 bytes.
///
/// # Errors
///
/// [`Error::InvalidName`] with the id's length.
pub fn validate_document_id(id: &str) -> Result<()> {
    if id.is_empty() || id.len() > Limits::ID_BYTES {
        let shown: String = id.chars().take(40).collect();
        return Err(Error::InvalidName {
            kind: "_id".into(),
            name: shown,
            reason: format!("it has {} bytes; 1 to {} are allowed", id.len(), Limits::ID_BYTES),
        });
    }
    Ok(())
}

/// Checks that `name` has 1 to 256 bytes and no control characters.
///
/// # Errors
///
/// [`Error::InvalidName`] with the rule that is broken.
pub fn validate_index_name(name: &str) -> Result<()> {
    let refuse = |reason: String| {
        let name = name.chars().take(40).collect();
        Err(Error::InvalidName { kind: "index name".into(), name, reason })
    };
    if name.is_empty() || name.len() > Limits::INDEX_NAME_BYTES {
        return refuse(format!(
            "it has {} bytes; 1 to {} are allowed, so give the index a name",
            name.len(),
            Limits::INDEX_NAME_BYTES
        ));
    }
    match name.chars().find(|c| c.is_control()) {
        Some(c) => refuse(format!("{c:?} is not allowed")),
        None => Ok(()),
    }
}

/// Checks that `path` names a field to index: 1 to 256 bytes without NUL.
///
/// # Errors
///
/// [`Error::InvalidName`] with the rule that is broken.
pub fn validate_field_path(path: &str) -> Result<()> {
    let refuse = |reason: String| {
        Err(Error::InvalidName { kind: "index field".into(), name: path.into(), reason })
    };
    if path.is_empty() || path.len() > 256 {
        return refuse(format!("it has {} bytes; 1 to 256 are allowed", path.len()));
    }
    if path.contains('\0') {
        return refuse("NUL is not allowed".into());
    }
    Ok(())
}
