//! The exit codes of `psdb`, the same for one-shot commands, scripts and the shell.
//!
//! ```text
//! 0 done · 1 failed · 2 usage · 3 not found · 4 conflict · 5 unavailable · 6 not allowed · 65 damaged data · 130 interrupted
//! ```
//!
//! An error of the database is mapped by its canonical code: whatever is `INVALID_ARGUMENT` (a command,
//! a document, a name or a lambda that is wrong whatever is stored) is a matter of usage. Codes that
//! cover more than scripts want to tell apart are told apart by the error: what conflicts with the
//! state of a document or of the cluster leaves with 4, whatever code it bears.
//!
//! Left out: deciding which of several failures counts, which is the script's business.

use psdb::{Code, Error};

/// How the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Exit(pub(crate) u8);

impl Exit {
    pub(crate) const DONE: Exit = Exit(0);
    pub(crate) const FAILED: Exit = Exit(1);
    pub(crate) const USAGE: Exit = Exit(2);
    pub(crate) const NOT_FOUND: Exit = Exit(3);
    pub(crate) const CONFLICT: Exit = Exit(4);
    pub(crate) const UNAVAILABLE: Exit = Exit(5);
    pub(crate) const NOT_ALLOWED: Exit = Exit(6);
    pub(crate) const DAMAGED: Exit = Exit(65);
    pub(crate) const INTERRUPTED: Exit = Exit(130);

    /// The exit code that stands for `error`.
    pub(crate) fn of(error: &Error) -> Exit {
        // What is not ready is in conflict with the state the cluster is in.
        if error.is_conflict() || matches!(error, Error::NotReady { .. }) {
            return Exit::CONFLICT;
        }
        match error.code() {
            Code::InvalidArgument => Exit::USAGE,
            Code::NotFound => Exit::NOT_FOUND,
            Code::AlreadyExists => Exit::CONFLICT,
            Code::Unavailable | Code::DeadlineExceeded => Exit::UNAVAILABLE,
            Code::PermissionDenied => Exit::NOT_ALLOWED,
            Code::DataLoss => Exit::DAMAGED,
            // `Code` may grow; a class this version does not know is a plain failure.
            _ => Exit::FAILED,
        }
    }
}

impl From<Exit> for std::process::ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit.0)
    }
}

#[cfg(test)]
mod tests {
    //! Proves that every class of error leaves with its documented code.

    use psdb::{Error, Outcome};

    use super::Exit;

    #[test]
    fn each_class_has_its_documented_code() {
        let unavailable = Error::Unavailable {
            what: "shard 3".into(),
            reason: "no leader".into(),
            outcome: Outcome::Unknown,
        };
        let conflict = Error::VersionConflict { id: "a".into(), expected: 1, actual: 2 };
        for (error, code) in [
            (Error::InvalidDocument { reason: "not an object".into() }, 2),
            (Error::DatabaseNotFound { name: "x".into() }, 3),
            (Error::DocumentNotFound { id: "x".into() }, 3),
            (Error::DocumentExists { id: "x".into() }, 4),
            (conflict, 4),
            (Error::NotReady { what: "removing worker 'w1'".into(), reason: "full".into() }, 4),
            (Error::NodeNotFound { name: "w9".into() }, 3),
            (unavailable, 5),
            (Error::Storage { reason: "disk full".into() }, 1),
            (Error::Corrupt { path: "f".into(), offset: 9, reason: "r".into() }, 65),
            (Error::DirectoryInUse { path: "d".into() }, 1),
        ] {
            assert_eq!(Exit::of(&error).0, code, "{error}");
        }
    }
}
