//! The one public error of PSDB.
//!
//! It is plain data: the same value is raised in process, sent over a transport, and printed by
//! the shell. Every variant answers four questions: which canonical [`Code`] it has, whether
//! trying again may help, whether the write it belongs to is known not to have been applied, and
//! what the user can do (its message).
//!
//! Invariants:
//! 1. [`Outcome::NotApplied`] is said only where it is certain; whatever happened after a proposal
//!    entered a Raft log is [`Outcome::Unknown`].
//! 2. `code`, `outcome` and `is_retryable` match exhaustively, so that a new variant must decide.
//!
//! Left out: routing replies (not the leader, stale epoch), which the client follows itself.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Address, DatabaseId, DocumentId, LogIndex};

/// A result with the public [`enum@Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What is known about a failed write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Outcome {
    /// The write was not applied and never will be.
    NotApplied,
    /// The write may have been applied, or may still be. Retry under the same request id, or read.
    Unknown,
}

impl Outcome {
    /// The name used in scripts and on the wire: `not_applied` or `unknown`.
    pub fn as_str(self) -> &'static str {
        match self {
            Outcome::NotApplied => "not_applied",
            Outcome::Unknown => "unknown",
        }
    }
}

/// The canonical class of an error, named as gRPC names it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Code {
    /// The request itself is wrong; it fails the same way every time.
    InvalidArgument,
    /// The named thing does not exist.
    NotFound,
    /// The named thing exists already.
    AlreadyExists,
    /// The state is not what the request required, such as a document's version.
    FailedPrecondition,
    /// A limit was reached.
    ResourceExhausted,
    /// Nobody who could answer was reached.
    Unavailable,
    /// Time ran out.
    DeadlineExceeded,
    /// The caller is not allowed to do this.
    PermissionDenied,
    /// Stored data is damaged.
    DataLoss,
    /// A bug in PSDB or a failure of its machine.
    Internal,
}

impl Code {
    /// The name used in scripts, such as `NOT_FOUND`.
    pub fn as_str(self) -> &'static str {
        match self {
            Code::InvalidArgument => "INVALID_ARGUMENT",
            Code::NotFound => "NOT_FOUND",
            Code::AlreadyExists => "ALREADY_EXISTS",
            Code::FailedPrecondition => "FAILED_PRECONDITION",
            Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
            Code::Unavailable => "UNAVAILABLE",
            Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
            Code::PermissionDenied => "PERMISSION_DENIED",
            Code::DataLoss => "DATA_LOSS",
            Code::Internal => "INTERNAL",
        }
    }
}

/// Whatever can go wrong in PSDB, as its users see it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Error {
    /// The bytes are not a document PSDB takes. Mend the document; nothing was changed.
    #[error("invalid document: {reason}")]
    InvalidDocument {
        /// What is wrong with it, and where.
        reason: String,
    },
    /// The document gives a top-level field that only PSDB sets. Leave the field out.
    #[error("field {field:?} is reserved: PSDB sets it itself; leave it out")]
    ReservedField {
        /// The field's name.
        field: String,
    },
    /// A name breaks the rules for its kind. Choose another.
    #[error("invalid {kind} {name:?}: {reason}")]
    InvalidName {
        /// What the name is for, such as `database name`.
        kind: String,
        /// The name as given.
        name: String,
        /// The rule it breaks.
        reason: String,
    },
    /// An option of a request makes no sense. See the message.
    #[error("invalid request: {reason}")]
    InvalidRequest {
        /// What is wrong.
        reason: String,
    },
    /// The lambda is not in PSDB's language. The column says where.
    #[error("invalid query: {message} (column {column}){}", hint.as_ref().map(|h| format!("; {h}")).unwrap_or_default())]
    InvalidQuery {
        /// What is wrong.
        message: String,
        /// The character it is wrong at, from 1.
        column: u32,
        /// What to write instead, if that is known.
        hint: Option<String>,
    },
    /// Evaluating a query went past a limit. Make it smaller or narrow it.
    #[error("query stopped: {limit}")]
    QueryLimit {
        /// Which limit, with its size.
        limit: String,
    },
    /// The database refuses queries that look at every document. Create an index, or narrow the
    /// query down by a field that has one.
    #[error(
        "the query would look at every document, which the database denies (deny_full_scan); {advice}"
    )]
    FullScanDenied {
        /// What would help, such as an index to create.
        advice: String,
    },
    /// A strict query met a document on which its lambda raises. Mend the lambda or the document.
    #[error("the lambda raised {raised} on document '{id}'")]
    LambdaRaised {
        /// The document.
        id: DocumentId,
        /// What was raised, such as `KeyError: 'age'`.
        raised: String,
    },
    /// Some documents were changed before the rest failed. See the cause; doing it again changes
    /// those that match by then.
    #[error("{changed} documents were changed, then: {cause}")]
    PartlyDone {
        /// How many were certainly changed.
        changed: u64,
        /// Why the rest was not, or not certainly.
        cause: Box<Error>,
    },
    /// There is no such database. Create it, or check its name.
    #[error("database '{name}' does not exist")]
    DatabaseNotFound {
        /// The name as given.
        name: String,
    },
    /// The shard does not have this database open, because it was deleted. Look its name up again.
    #[error("database with id {database} does not exist (any more)")]
    DatabaseGone {
        /// The id that is not open.
        database: DatabaseId,
    },
    /// There is a database of that name already.
    #[error("database '{name}' already exists")]
    DatabaseExists {
        /// The name as given.
        name: String,
    },
    /// There is no document with that id.
    #[error("document '{id}' does not exist")]
    DocumentNotFound {
        /// The id as given.
        id: DocumentId,
    },
    /// There is a document with that id already.
    #[error("document '{id}' already exists")]
    DocumentExists {
        /// The id as given.
        id: DocumentId,
    },
    /// There is no such index.
    #[error("index '{name}' does not exist")]
    IndexNotFound {
        /// The name as given.
        name: String,
    },
    /// There is another index of that name or on those fields. Use that one, or drop it first.
    #[error("there is an index '{name}' on {} already", fields.join(", "))]
    IndexExists {
        /// Its name.
        name: String,
        /// Its fields.
        fields: Vec<String>,
    },
    /// There is no such node.
    #[error("node '{name}' does not exist")]
    NodeNotFound {
        /// The name as given.
        name: String,
    },
    /// The document changed in between. Read it again and decide anew.
    #[error("document '{id}' has version {actual}, not {expected}")]
    VersionConflict {
        /// The document.
        id: DocumentId,
        /// The version the request required.
        expected: u64,
        /// The version it has.
        actual: u64,
    },
    /// Somebody else holds the lock, and did so until the wait was over. Wait longer, or try later.
    #[error(
        "lock '{name}' is held by '{holder}' with token {token}, whose lease ends in {left_millis} ms unless it is renewed"
    )]
    LockHeld {
        /// The lock.
        name: String,
        /// What its holder calls itself.
        holder: String,
        /// The holder's fencing token.
        token: u64,
        /// How long the holder's lease lasts if it is not renewed, in milliseconds.
        left_millis: u64,
    },
    /// The lease or the place in the queue is gone. Stop what it protected, and acquire it anew.
    #[error("{}: {reason}", lost_lock(name, *token))]
    LockNotHeld {
        /// The lock.
        name: String,
        /// The token as given or granted; `None` for a claim that never got one.
        token: Option<u64>,
        /// What became of it, and who holds the lock now.
        reason: String,
    },
    /// There are too many locks, or too many wait for them. Release some, or try later.
    #[error("too many {what}: the limit is {limit}")]
    LockLimit {
        /// Too many of what.
        what: String,
        /// How many there may be.
        limit: u64,
    },
    /// The cluster is not in a state that allows this. The reason says what has to come first.
    #[error("{what} is not possible now: {reason}")]
    NotReady {
        /// What was asked for.
        what: String,
        /// What stands in the way.
        reason: String,
    },
    /// Nobody who could serve the request was reached.
    #[error("{what} is unavailable: {reason}")]
    Unavailable {
        /// What was asked, such as `shard 3` or `the masters`.
        what: String,
        /// Why, as far as it is known.
        reason: String,
        /// Whether a write may have been applied.
        outcome: Outcome,
    },
    /// The time given for the request ran out.
    #[error("{what} did not answer within {} ms", after.as_millis())]
    DeadlineExceeded {
        /// What was asked.
        what: String,
        /// How long it was waited for.
        after: Duration,
        /// Whether a write may have been applied.
        outcome: Outcome,
    },
    /// Too many requests wait already. Slow down and try again.
    #[error("{what} is overloaded: {waiting} requests wait, the limit is {limit}")]
    Overloaded {
        /// What is overloaded.
        what: String,
        /// How many requests wait.
        waiting: u64,
        /// How many may.
        limit: u64,
    },
    /// A node's disk is nearly full, and takes nothing but deletions. Delete documents, make room on
    /// that disk, or enlarge it.
    #[error(
        "the disk of {path} is nearly full: {free_bytes} bytes are free, {reserve_bytes} are kept back for deleting; delete documents, make room on the disk or enlarge it"
    )]
    DiskFull {
        /// What is on that disk.
        path: String,
        /// How much is free.
        free_bytes: u64,
        /// How much has to be free for a write to be taken.
        reserve_bytes: u64,
    },
    /// A retry came after its session had been evicted, so whether the first try was applied is
    /// no longer known. Read before you write again.
    #[error(
        "{what} no longer remembers this request, so its outcome is unknown; read before writing again"
    )]
    SessionEvicted {
        /// Which group forgot it.
        what: String,
        /// The group's log index when it forgot; a request first sent after it is safe.
        horizon: LogIndex,
    },
    /// The cursor was not used for too long, or its node restarted. Run the query again.
    #[error("the query's cursor has expired on {what}; run the query again")]
    CursorExpired {
        /// Where it was.
        what: String,
    },
    /// The token does not ask for a page of this query. The reason says why, and what to do.
    #[error("the page token is refused: {reason}")]
    InvalidPageToken {
        /// Why.
        reason: String,
    },
    /// Stored data is damaged. Restore this node from its peers or from a backup.
    #[error("corrupt data in {path} at offset {offset}: {reason}")]
    Corrupt {
        /// The damaged file.
        path: String,
        /// Where in the file, in bytes.
        offset: u64,
        /// What is wrong there.
        reason: String,
    },
    /// The operating system refused an operation, or storage stopped after such a refusal.
    #[error("storage failed: {reason}")]
    Storage {
        /// What failed, on which file.
        reason: String,
    },
    /// Another process has the data directory open. Stop that process first.
    #[error("data directory {path} cannot be used: another process uses it; stop that one first")]
    DirectoryInUse {
        /// The directory.
        path: String,
    },
    /// The data directory belongs to another node or cluster, or was wiped or restored, so that it
    /// has forgotten what its node promised. The reason tells the way out.
    #[error("data directory {path} cannot be used: {reason}")]
    WrongIdentity {
        /// The directory, or whose it is.
        path: String,
        /// Why, and the way out.
        reason: String,
        /// Whether it is an older copy, which must not be used again whatever becomes of its node.
        stale: bool,
    },
    /// The node is stopping. Ask another one.
    #[error("{node} is shutting down")]
    ShuttingDown {
        /// Which node.
        node: Address,
    },
    /// PSDB broke a rule of its own. Please report it.
    #[error("internal error: {reason}")]
    Internal {
        /// What was broken.
        reason: String,
        /// Whether a write may have been applied.
        outcome: Outcome,
    },
}

/// How an error names a lease, or a place in a queue, that is gone.
fn lost_lock(name: &str, token: Option<u64>) -> String {
    token.map_or_else(
        || format!("the claim to lock '{name}' is lost"),
        |token| format!("lock '{name}' is not held with token {token}"),
    )
}

impl Error {
    /// The canonical class of this error.
    pub fn code(&self) -> Code {
        match self {
            Error::InvalidDocument { .. }
            | Error::ReservedField { .. }
            | Error::InvalidName { .. }
            | Error::InvalidRequest { .. }
            | Error::InvalidPageToken { .. }
            | Error::InvalidQuery { .. } => Code::InvalidArgument,
            Error::QueryLimit { .. }
            | Error::Overloaded { .. }
            | Error::DiskFull { .. }
            | Error::LockLimit { .. } => Code::ResourceExhausted,
            Error::DatabaseNotFound { .. }
            | Error::DatabaseGone { .. }
            | Error::DocumentNotFound { .. }
            | Error::IndexNotFound { .. }
            | Error::NodeNotFound { .. } => Code::NotFound,
            Error::DatabaseExists { .. }
            | Error::DocumentExists { .. }
            | Error::IndexExists { .. } => Code::AlreadyExists,
            Error::PartlyDone { cause, .. } => cause.code(),
            Error::LambdaRaised { .. }
            | Error::FullScanDenied { .. }
            | Error::VersionConflict { .. }
            | Error::LockHeld { .. }
            | Error::LockNotHeld { .. }
            | Error::NotReady { .. }
            | Error::CursorExpired { .. }
            | Error::DirectoryInUse { .. }
            | Error::WrongIdentity { .. } => Code::FailedPrecondition,
            Error::Unavailable { .. }
            | Error::SessionEvicted { .. }
            | Error::ShuttingDown { .. } => Code::Unavailable,
            Error::DeadlineExceeded { .. } => Code::DeadlineExceeded,
            Error::Corrupt { .. } => Code::DataLoss,
            Error::Storage { .. } | Error::Internal { .. } => Code::Internal,
        }
    }

    /// What is known about the write that failed with this error.
    pub fn outcome(&self) -> Outcome {
        match self {
            Error::Unavailable { outcome, .. }
            | Error::DeadlineExceeded { outcome, .. }
            | Error::Internal { outcome, .. } => *outcome,
            Error::PartlyDone { .. }
            | Error::SessionEvicted { .. }
            | Error::Storage { .. }
            | Error::Corrupt { .. }
            | Error::ShuttingDown { .. } => Outcome::Unknown,
            Error::InvalidDocument { .. }
            | Error::ReservedField { .. }
            | Error::InvalidName { .. }
            | Error::InvalidRequest { .. }
            | Error::InvalidQuery { .. }
            | Error::QueryLimit { .. }
            | Error::FullScanDenied { .. }
            | Error::LambdaRaised { .. }
            | Error::Overloaded { .. }
            | Error::DiskFull { .. }
            | Error::DatabaseNotFound { .. }
            | Error::DatabaseGone { .. }
            | Error::DocumentNotFound { .. }
            | Error::IndexNotFound { .. }
            | Error::NodeNotFound { .. }
            | Error::DatabaseExists { .. }
            | Error::DocumentExists { .. }
            | Error::IndexExists { .. }
            | Error::VersionConflict { .. }
            | Error::LockHeld { .. }
            | Error::LockNotHeld { .. }
            | Error::LockLimit { .. }
            | Error::NotReady { .. }
            | Error::CursorExpired { .. }
            | Error::InvalidPageToken { .. }
            | Error::DirectoryInUse { .. }
            | Error::WrongIdentity { .. } => Outcome::NotApplied,
        }
    }

    /// Whether the same request may succeed when it is simply tried again.
    pub fn is_retryable(&self) -> bool {
        match self {
            Error::Unavailable { .. }
            | Error::DeadlineExceeded { .. }
            | Error::Overloaded { .. }
            | Error::ShuttingDown { .. } => true,
            Error::InvalidDocument { .. }
            | Error::ReservedField { .. }
            | Error::InvalidName { .. }
            | Error::InvalidRequest { .. }
            | Error::InvalidQuery { .. }
            | Error::QueryLimit { .. }
            | Error::FullScanDenied { .. }
            | Error::LambdaRaised { .. }
            | Error::PartlyDone { .. }
            | Error::DiskFull { .. }
            | Error::DatabaseNotFound { .. }
            | Error::DatabaseGone { .. }
            | Error::DocumentNotFound { .. }
            | Error::IndexNotFound { .. }
            | Error::NodeNotFound { .. }
            | Error::DatabaseExists { .. }
            | Error::DocumentExists { .. }
            | Error::IndexExists { .. }
            | Error::VersionConflict { .. }
            | Error::LockHeld { .. }
            | Error::LockNotHeld { .. }
            | Error::LockLimit { .. }
            | Error::NotReady { .. }
            | Error::SessionEvicted { .. }
            | Error::CursorExpired { .. }
            | Error::InvalidPageToken { .. }
            | Error::Corrupt { .. }
            | Error::Storage { .. }
            | Error::DirectoryInUse { .. }
            | Error::WrongIdentity { .. }
            | Error::Internal { .. } => false,
        }
    }

    /// Whether the named database, document, index or node does not exist.
    pub fn is_not_found(&self) -> bool {
        self.code() == Code::NotFound
    }

    /// Whether a database, document or index of that name exists already, a document has another
    /// version, or a lock is somebody else's.
    pub fn is_conflict(&self) -> bool {
        matches!(
            self,
            Error::DatabaseExists { .. }
                | Error::DocumentExists { .. }
                | Error::IndexExists { .. }
                | Error::VersionConflict { .. }
                | Error::LockHeld { .. }
                | Error::LockNotHeld { .. }
        )
    }

    /// Whether nobody who could answer was reached in time.
    pub fn is_unavailable(&self) -> bool {
        matches!(self.code(), Code::Unavailable | Code::DeadlineExceeded)
    }
}
