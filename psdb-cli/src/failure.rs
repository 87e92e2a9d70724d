//! Whatever makes a command fail, as the shell reports it.
//!
//! A [`Failure`] is either the user's mistake (`Usage`), an error of the database, a file that
//! could not be read or written, or the user's own decision to stop. Each knows its exit code and
//! the four facts that a JSON answer bears: code, message, retryable, outcome.
//!
//! Invariant: messages hold no control characters but line feeds, whatever a user typed or a file
//! contained, so that printing one cannot drive the terminal.
//!
//! Left out: how a failure is printed (`output`).

use std::borrow::Cow;
use std::fmt::Write as _;
use std::io;

use psdb::{Error, Outcome};

use crate::exit::Exit;

/// Why a command failed.
#[derive(Debug)]
pub(crate) enum Failure {
    /// The command line, a command or an option is wrong.
    Usage {
        message: String,
        /// How the command is written.
        usage: Option<&'static str>,
    },
    /// The database refused or could not answer.
    Database {
        /// What it said.
        error: Error,
        /// The lambda a column in `error` refers to, if there was exactly one.
        lambda: Option<String>,
        /// Something to try, known to the shell only.
        hint: Option<&'static str>,
    },
    /// A file could not be read or written.
    File {
        /// What was tried, such as `read`.
        action: &'static str,
        /// The file as the user named it.
        path: String,
        /// Why it failed.
        error: io::Error,
    },
    /// Already reported line by line; only the exit code is left to say.
    Reported(Exit),
    /// Asked whether to go on, the user said no.
    Declined,
    /// Ctrl-C.
    Interrupted,
    /// Whoever read standard output stopped reading, as `head` does.
    OutputClosed,
}

impl Failure {
    pub(crate) fn usage(message: impl Into<String>) -> Failure {
        Failure::Usage { message: message.into(), usage: None }
    }

    pub(crate) fn file(action: &'static str, file: &str, error: io::Error) -> Failure {
        Failure::File { action, path: file.to_owned(), error }
    }

    /// Documents were to go where one object has to stand.
    pub(crate) fn documents_as_json() -> Failure {
        Failure::usage(
            "'export -' writes documents to standard output, where -o json promises one object: \
             name a file, or use -o ndjson",
        )
    }

    /// The exit code that stands for this failure.
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Failure::Usage { .. } => Exit::USAGE,
            Failure::Database { error, .. } => Exit::of(error),
            Failure::File { error, .. } => match error.kind() {
                io::ErrorKind::NotFound => Exit::NOT_FOUND,
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                    Exit::NOT_ALLOWED
                }
                _ => Exit::FAILED,
            },
            Failure::Reported(exit) => *exit,
            Failure::Declined => Exit::FAILED,
            Failure::Interrupted => Exit::INTERRUPTED,
            // The reader has what it wanted: `psdb readall | head` is no failure.
            Failure::OutputClosed => Exit::DONE,
        }
    }

    /// The class in a JSON answer.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            Failure::Usage { .. } => "INVALID_ARGUMENT",
            Failure::Database { error, .. } => error.code().as_str(),
            Failure::File { error, .. } => match error.kind() {
                io::ErrorKind::NotFound => "NOT_FOUND",
                io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
                    "PERMISSION_DENIED"
                }
                _ => "INTERNAL",
            },
            Failure::Declined | Failure::Interrupted => "CANCELLED",
            Failure::Reported(_) | Failure::OutputClosed => "INTERNAL",
        }
    }

    /// The message, without control characters.
    pub(crate) fn message(&self) -> String {
        let text = match self {
            Failure::Usage { message, .. } => message.clone(),
            Failure::Database { error, hint: None, .. } => error.to_string(),
            Failure::Database { error, hint: Some(hint), .. } => format!("{error}; {hint}"),
            Failure::File { action, path, error } => format!("could not {action} {path}: {error}"),
            Failure::Reported(_) => "some lines failed".to_string(),
            Failure::Declined => "not confirmed; nothing was changed".to_string(),
            Failure::Interrupted => "interrupted".to_string(),
            Failure::OutputClosed => "standard output was closed".to_string(),
        };
        printable(&text).into_owned()
    }

    /// Whether the same command may succeed when it is tried again.
    pub(crate) fn is_retryable(&self) -> bool {
        matches!(self, Failure::Database { error, .. } if error.is_retryable())
    }

    /// What is known about the write that failed.
    pub(crate) fn outcome(&self) -> Outcome {
        match self {
            Failure::Database { error, .. } => error.outcome(),
            Failure::Interrupted => Outcome::Unknown,
            Failure::Usage { .. }
            | Failure::File { .. }
            | Failure::Reported(_)
            | Failure::Declined
            | Failure::OutputClosed => Outcome::NotApplied,
        }
    }

    /// What helps a person beside the message: how the command is written, or the lambda with a
    /// caret under the column the error names.
    pub(crate) fn help(&self) -> Option<String> {
        match self {
            Failure::Usage { usage: Some(usage), .. } => Some(format!("usage: {usage}")),
            Failure::Database {
                error: Error::InvalidQuery { column, .. },
                lambda: Some(text),
                ..
            } => Some(caret(text, *column)),
            _ => None,
        }
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Failure {
        Failure::Database { error, lambda: None, hint: None }
    }
}

/// Errors of standard output: a closed pipe ends quietly, all others are reported.
impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        match error.kind() {
            io::ErrorKind::BrokenPipe => Failure::OutputClosed,
            _ => Failure::File { action: "write to", path: "standard output".into(), error },
        }
    }
}

/// `text` with its control characters, line feeds excepted, shown as escapes.
pub(crate) fn printable(text: &str) -> Cow<'_, str> {
    let harmful = |c: char| c.is_control() && c != '\n';
    if !text.contains(harmful) {
        return Cow::Borrowed(text);
    }
    let mut shown = String::with_capacity(text.len() + 16);
    for c in text.chars() {
        if harmful(c) {
            // Writing to a String cannot fail.
            let _ = write!(shown, "{}", c.escape_default());
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

/// Two lines: the part of `lambda` around `column`, and a caret under that column.
fn caret(lambda: &str, column: u32) -> String {
    const BEFORE: usize = 50;
    const WIDTH: usize = 76;
    let at = (column as usize).saturating_sub(1);
    let skipped = at.saturating_sub(BEFORE);
    // One character stays one column: whatever would print wider or not at all becomes a blank.
    let part: String = lambda
        .chars()
        .skip(skipped)
        .take(WIDTH)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    let before = if skipped > 0 { "..." } else { "" };
    let indent = " ".repeat(before.len() + at - skipped);
    format!("  {before}{part}\n  {indent}^")
}

#[cfg(test)]
mod tests {
    //! Proves that messages cannot drive a terminal and that the caret stands under its column.

    use super::{Failure, caret, printable};

    #[test]
    fn control_characters_are_escaped() {
        assert_eq!(printable("plain é"), "plain é");
        assert_eq!(printable("a\u{1b}[31mb\0\n"), "a\\u{1b}[31mb\\u{0}\n");
        let failure = Failure::usage("bad name \u{7}");
        assert_eq!(failure.message(), "bad name \\u{7}");
    }

    #[test]
    fn the_caret_stands_under_the_column() {
        assert_eq!(caret("lambda d: d[", 13), "  lambda d: d[\n              ^");
        assert_eq!(caret("x", 1), "  x\n  ^");
        let long = format!("{}?{}", "a".repeat(100), "b".repeat(100));
        let shown = caret(&long, 101);
        let lines: Vec<&str> = shown.lines().collect();
        assert_eq!(lines[0].find('?'), lines[1].find('^'));
        assert!(lines[0].starts_with("  ...a"), "{shown}");
    }

    #[test]
    fn a_column_past_the_end_is_no_panic() {
        assert_eq!(caret("", 5), "  \n      ^");
    }
}
