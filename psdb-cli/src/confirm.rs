//! Asking before something is gone for ever: documents, or a node's place in the cluster.
//!
//! Only a person is asked: the shell and a one-shot command on a terminal, unless `--yes` is
//! given. Scripts mean what they say. The question comes before anything else happens.
//!
//! Left out: the prompt of the shell, which is its line editor's.

use std::io::{self, BufRead, Write};

use crate::command::{Command, Order};
use crate::failure::{Failure, printable};
use crate::interrupt::or_interrupted;

/// What to ask before `command`, if it is one to ask about.
pub(crate) fn question(command: &Command, database: Option<&str>) -> Option<String> {
    match (command, database) {
        (Command::Delete { name, yes: false }, _) => {
            Some(format!("Delete database '{name}' with all its documents for ever? [y/N] "))
        }
        (Command::Clear { yes: false }, Some(name)) => {
            Some(format!("Delete all documents of database '{name}' for ever? [y/N] "))
        }
        (Command::Order(Order::RemoveWorker { worker, yes: false }), _) => {
            Some(format!("Remove worker '{worker}' from the cluster for ever? [y/N] "))
        }
        (Command::Order(Order::RemoveMaster { master, yes: false }), _) => {
            Some(format!("Remove master '{master}' for ever? Its name is used up then. [y/N] "))
        }
        _ => None,
    }
}

/// Whether an answer to a question is a yes.
pub(crate) fn is_yes(answer: &str) -> bool {
    matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes")
}

/// Asks on the terminal of a one-shot command; an answer that cannot be read is a no.
///
/// # Errors
///
/// [`Failure::Declined`], or [`Failure::Interrupted`] after Ctrl-C.
pub(crate) async fn ask(question: String) -> Result<(), Failure> {
    // On a thread of its own, which a Ctrl-C leaves behind for the end of the process.
    let answer = tokio::task::spawn_blocking(move || {
        let mut stderr = io::stderr();
        write!(stderr, "{}", printable(&question))?;
        stderr.flush()?;
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        io::Result::Ok(is_yes(&answer))
    });
    match or_interrupted(async { Ok(answer.await) }).await? {
        Ok(Ok(true)) => Ok(()),
        _ => Err(Failure::Declined),
    }
}

#[cfg(test)]
mod tests {
    //! Proves which commands are asked about and what counts as consent.

    use super::{is_yes, question};
    use crate::parse;

    #[test]
    fn only_what_cannot_be_undone_is_asked_about() {
        let asked = |line: &str, database| {
            let command = parse::line(line).expect("valid").expect("a command");
            question(&command, database).is_some()
        };
        assert!(asked("delete films", None));
        assert!(!asked("delete films --yes", None));
        assert!(asked("clear", Some("films")));
        assert!(!asked("clear --yes", Some("films")));
        assert!(!asked("clear", None), "there is nothing to clear");
        assert!(!asked("delete_doc a", Some("films")));
        assert!(asked("worker remove w1", None) && asked("master remove m1", None));
        assert!(!asked("worker remove --yes w1", None) && !asked("master remove m1 --yes", None));
        assert!(!asked("worker drain w1", None) && !asked("master add m4=h:1", None));
    }

    #[test]
    fn silence_is_no() {
        assert!(is_yes("y\n") && is_yes(" YES "));
        for answer in ["", "\n", "n", "yeah", "delete"] {
            assert!(!is_yes(answer), "{answer:?}");
        }
    }
}
