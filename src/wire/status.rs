//! Errors as gRPC statuses.
//!
//! A status of PSDB has the error's canonical code, its message, and details of `google.rpc`:
//! an `ErrorInfo` of the domain `psdb` whose reason names the variant and whose metadata says
//! `outcome` (and the numbers of the error), a `RetryInfo` where trying again may help, and a
//! `BadRequest` that names the field or the column that is wrong.
//!
//! Invariant: a failed write was not applied only if such an `ErrorInfo` says `not_applied`.
//! Whatever else reaches a client (a proxy's, the transport's own) is of unknown outcome.
//!
//! Left out: localized messages.

use std::collections::HashMap;
use std::time::Duration;

use psdb_core::{Code, Error, Outcome};
use tonic::Status;
use tonic_types::{ErrorDetails, StatusExt as _};

/// The domain of PSDB's `ErrorInfo`.
pub const DOMAIN: &str = "psdb";

/// How long a client should wait before it tries again.
const RETRY_AFTER: Duration = Duration::from_millis(100);

/// Turns an error into a status with its details.
///
/// # Examples
///
/// ```
/// use psdb::wire::status;
///
/// let error = psdb::Error::DatabaseNotFound { name: "users".into() };
/// let status = status::from_error(&error);
/// assert_eq!(status.code(), tonic::Code::NotFound);
/// assert_eq!(status::reason_of(&status).as_deref(), Some("DATABASE_NOT_FOUND"));
/// assert_eq!(status::outcome_of(&status), psdb::Outcome::NotApplied);
/// ```
pub fn from_error(error: &Error) -> Status {
    let mut details = ErrorDetails::new();
    let mut metadata = numbers(error);
    metadata.insert("outcome".to_owned(), error.outcome().as_str().to_owned());
    details.set_error_info(reason(error), DOMAIN, metadata);
    if error.is_retryable() {
        details.set_retry_info(Some(RETRY_AFTER));
    }
    if let Some((field, description)) = violation(error) {
        details.add_bad_request_violation(field, description);
    }
    Status::with_error_details(grpc_code(error.code()), error.to_string(), details)
}

/// What a client may conclude about the write that failed with `status`.
pub fn outcome_of(status: &Status) -> Outcome {
    let info = status.get_details_error_info().filter(|info| info.domain == DOMAIN);
    match info.and_then(|info| info.metadata.get("outcome").cloned()).as_deref() {
        Some("not_applied") => Outcome::NotApplied,
        _ => Outcome::Unknown,
    }
}

/// The reason PSDB gave, if the status is one of PSDB's.
pub fn reason_of(status: &Status) -> Option<String> {
    let info = status.get_details_error_info().filter(|info| info.domain == DOMAIN);
    info.map(|info| info.reason)
}

/// The canonical code as gRPC numbers it.
pub fn grpc_code(code: Code) -> tonic::Code {
    match code {
        Code::InvalidArgument => tonic::Code::InvalidArgument,
        Code::NotFound => tonic::Code::NotFound,
        Code::AlreadyExists => tonic::Code::AlreadyExists,
        Code::FailedPrecondition => tonic::Code::FailedPrecondition,
        Code::ResourceExhausted => tonic::Code::ResourceExhausted,
        Code::Unavailable => tonic::Code::Unavailable,
        Code::DeadlineExceeded => tonic::Code::DeadlineExceeded,
        Code::PermissionDenied => tonic::Code::PermissionDenied,
        Code::DataLoss => tonic::Code::DataLoss,
        // A code of a later core: nothing is known of it here.
        _ => tonic::Code::Internal,
    }
}

/// The error's variant in the form of an `ErrorInfo`'s reason.
pub fn reason(error: &Error) -> &'static str {
    match error {
        Error::InvalidDocument { .. } => "INVALID_DOCUMENT",
        Error::ReservedField { .. } => "RESERVED_FIELD",
        Error::InvalidName { .. } => "INVALID_NAME",
        Error::InvalidRequest { .. } => "INVALID_REQUEST",
        Error::InvalidQuery { .. } => "INVALID_QUERY",
        Error::QueryLimit { .. } => "QUERY_LIMIT",
        Error::FullScanDenied { .. } => "FULL_SCAN_DENIED",
        Error::LambdaRaised { .. } => "LAMBDA_RAISED",
        Error::PartlyDone { .. } => "PARTLY_DONE",
        Error::DatabaseNotFound { .. } => "DATABASE_NOT_FOUND",
        Error::DatabaseGone { .. } => "DATABASE_GONE",
        Error::DatabaseExists { .. } => "DATABASE_EXISTS",
        Error::DocumentNotFound { .. } => "DOCUMENT_NOT_FOUND",
        Error::DocumentExists { .. } => "DOCUMENT_EXISTS",
        Error::IndexNotFound { .. } => "INDEX_NOT_FOUND",
        Error::IndexExists { .. } => "INDEX_EXISTS",
        Error::NodeNotFound { .. } => "NODE_NOT_FOUND",
        Error::VersionConflict { .. } => "VERSION_CONFLICT",
        Error::LockHeld { .. } => "LOCK_HELD",
        Error::LockNotHeld { .. } => "LOCK_NOT_HELD",
        Error::LockLimit { .. } => "LOCK_LIMIT",
        Error::NotReady { .. } => "NOT_READY",
        Error::Unavailable { .. } => "UNAVAILABLE",
        Error::DeadlineExceeded { .. } => "DEADLINE_EXCEEDED",
        Error::Overloaded { .. } => "OVERLOADED",
        Error::DiskFull { .. } => "DISK_FULL",
        Error::SessionEvicted { .. } => "SESSION_EVICTED",
        Error::CursorExpired { .. } => "CURSOR_EXPIRED",
        Error::InvalidPageToken { .. } => "INVALID_PAGE_TOKEN",
        Error::Corrupt { .. } => "CORRUPT",
        Error::Storage { .. } => "STORAGE",
        Error::DirectoryInUse { .. } => "DIRECTORY_IN_USE",
        Error::WrongIdentity { .. } => "WRONG_IDENTITY",
        Error::ShuttingDown { .. } => "SHUTTING_DOWN",
        Error::Internal { .. } => "INTERNAL",
        // A variant of a later core.
        _ => "UNKNOWN",
    }
}

/// What a program may want to read without parsing the message.
fn numbers(error: &Error) -> HashMap<String, String> {
    let pairs: &[(&str, String)] = match error {
        Error::InvalidQuery { column, .. } => &[("column", column.to_string())],
        Error::VersionConflict { expected, actual, .. } => {
            &[("expected", expected.to_string()), ("actual", actual.to_string())]
        }
        Error::Overloaded { waiting, limit, .. } => {
            &[("waiting", waiting.to_string()), ("limit", limit.to_string())]
        }
        Error::DiskFull { free_bytes, reserve_bytes, .. } => {
            &[("free_bytes", free_bytes.to_string()), ("reserve_bytes", reserve_bytes.to_string())]
        }
        Error::Corrupt { path, offset, .. } => {
            &[("path", path.clone()), ("offset", offset.to_string())]
        }
        _ => &[],
    };
    pairs.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect()
}

/// Which part of the request is wrong, and how.
fn violation(error: &Error) -> Option<(&'static str, String)> {
    match error {
        Error::InvalidDocument { reason } => Some(("document", reason.clone())),
        Error::ReservedField { .. } => Some(("document", error.to_string())),
        Error::InvalidPageToken { reason } => Some(("page_token", reason.clone())),
        Error::InvalidName { kind, reason, .. } => Some(("name", format!("{kind}: {reason}"))),
        Error::InvalidQuery { message, column, hint } => {
            let hint = hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
            Some(("filter", format!("column {column}: {message}{hint}")))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    //! Proves that a status carries what a program needs, and that a bare one promises nothing.

    use super::*;

    #[test]
    fn a_query_error_carries_its_column() {
        let error = Error::InvalidQuery { message: "m".into(), column: 7, hint: Some("h".into()) };
        let status = from_error(&error);
        let details = status.get_error_details();
        let info = details.error_info().expect("it has an ErrorInfo");
        assert_eq!((info.domain.as_str(), info.reason.as_str()), ("psdb", "INVALID_QUERY"));
        assert_eq!(info.metadata.get("column").map(String::as_str), Some("7"));
        let bad = details.bad_request().expect("it has a BadRequest");
        assert_eq!(bad.field_violations[0].description, "column 7: m; h");
    }

    #[test]
    fn a_bare_status_is_of_unknown_outcome() {
        for code in [tonic::Code::ResourceExhausted, tonic::Code::OutOfRange] {
            assert_eq!(outcome_of(&Status::new(code, "of the transport")), Outcome::Unknown);
        }
        let error = Error::Unavailable {
            what: "shard 3".into(),
            reason: "r".into(),
            outcome: Outcome::NotApplied,
        };
        let status = from_error(&error);
        assert_eq!(outcome_of(&status), Outcome::NotApplied);
        assert!(status.get_details_retry_info().is_some());
    }
}
