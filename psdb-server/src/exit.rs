//! What the process says to whoever started it: its exit code.
//!
//! | code | meaning |
//! |---|---|
//! | 0 | stopped as asked |
//! | 2 | the command line makes no sense |
//! | 65 | stored data is corrupt; the message names file and offset |
//! | 70 | a bug |
//! | 74 | the operating system refused: disk, socket |
//! | 75 | another process uses the data directory |
//! | 78 | wrong identity or configuration |
//!
//! Left out: codes for single requests, which clients have.

use std::process::ExitCode;

use psdb::Error;

/// Why the process ends, and with which code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Failure {
    pub(crate) code: u8,
    pub(crate) message: String,
}

impl Failure {
    pub(crate) fn usage(message: impl Into<String>) -> Failure {
        Failure { code: 2, message: message.into() }
    }

    pub(crate) fn configuration(message: impl Into<String>) -> Failure {
        Failure { code: 78, message: message.into() }
    }

    pub(crate) fn io(message: impl Into<String>) -> Failure {
        Failure { code: 74, message: message.into() }
    }

    pub(crate) fn exit_code(&self) -> ExitCode {
        ExitCode::from(self.code)
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        let code = match &error {
            Error::Corrupt { .. } => 65,
            Error::Storage { .. } => 74,
            Error::DirectoryInUse { .. } => 75,
            Error::WrongIdentity { .. }
            | Error::InvalidRequest { .. }
            | Error::InvalidName { .. } => 78,
            _ => 70,
        };
        Failure { code, message: error.to_string() }
    }
}

#[cfg(test)]
mod tests {
    //! Proves that the codes are those that scripts rely on.

    use super::*;

    #[test]
    fn a_failure_has_the_code_of_its_kind() {
        let another = Error::WrongIdentity { path: "d".into(), reason: "r".into(), stale: false };
        let corrupt = Error::Corrupt { path: "f".into(), offset: 9, reason: "r".into() };
        for (error, code) in [
            (corrupt, 65),
            (Error::Storage { reason: "r".into() }, 74),
            (Error::DirectoryInUse { path: "d".into() }, 75),
            (another, 78),
        ] {
            assert_eq!(Failure::from(error.clone()).code, code, "{error}");
        }
    }
}
