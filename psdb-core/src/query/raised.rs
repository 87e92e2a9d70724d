//! What ends an evaluation before its value: a Python exception, or a limit of PSDB.
//!
//! An exception is data about one document, which then does not match. A limit, and whatever PSDB
//! refuses to answer because Python does not define it, ends the whole query.
//!
//! Left out: errors of the text, which [`crate::Error::InvalidQuery`] reports.

use crate::types::PyError;

/// Why evaluating a lambda on a document gave no value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EvalError {
    /// The lambda raised an exception, as Python would.
    Raised(PyError),
    /// A limit was passed, or the lambda asked for what PSDB refuses; the query cannot go on.
    Limit(String),
}

/// The result of evaluating.
pub(super) type Eval<T> = Result<T, EvalError>;

/// An exception of class `kind`.
pub(super) fn raised(kind: &'static str, message: impl Into<String>) -> EvalError {
    EvalError::Raised(PyError { kind, message: message.into() })
}

pub(super) fn type_error(message: impl Into<String>) -> EvalError {
    raised("TypeError", message)
}

pub(super) fn value_error(message: impl Into<String>) -> EvalError {
    raised("ValueError", message)
}

/// What PSDB does not answer, with what to do instead.
pub(super) fn refused(message: impl Into<String>) -> EvalError {
    EvalError::Limit(message.into())
}
