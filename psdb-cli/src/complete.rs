//! What the line editor knows of the shell: completion and where a command ends.
//!
//! The first word completes to commands, the word after `use` and `delete` to databases, after
//! `help` to commands, after `index`, `lock`, `worker`, `master` and `shard` to what is done with them, after
//! `import` and `export` to files, after the quoted lambda of `query`, `group` and `distinct` to what
//! may follow it. Names of databases are those seen last, so that a key press never waits for the
//! cluster.
//!
//! Left out: completion of fields, ids and nodes.

use rustyline::completion::{Completer, FilenameCompleter, Pair};
use rustyline::highlight::Highlighter;
use rustyline::hint::Hinter;
use rustyline::validate::{ValidationContext, ValidationResult, Validator};
use rustyline::{Context, Helper};

use crate::help::TOPICS;
use crate::statement;

/// Helps the line editor.
pub(crate) struct Editing {
    /// Whether the commands of `psdb dev` are there.
    pub(crate) dev: bool,
    /// The databases seen last.
    pub(crate) databases: Vec<String>,
    files: FilenameCompleter,
}

impl Editing {
    pub(crate) fn new(dev: bool) -> Editing {
        Editing { dev, databases: Vec::new(), files: FilenameCompleter::new() }
    }

    /// The start of the word at `before`'s end and what it may become; `None` for a file.
    fn words(&self, before: &str) -> Option<(usize, Vec<String>)> {
        let start = before.rfind(|c: char| c.is_ascii_whitespace()).map_or(0, |at| at + 1);
        let word = &before[start..];
        let mut earlier = before[..start].split_ascii_whitespace();
        let commands =
            || TOPICS.iter().filter(|t| self.dev || !t.dev).map(|t| t.name.to_string()).collect();
        let candidates: Vec<String> = match (earlier.next(), earlier.next()) {
            (None, _) | (Some("help"), None) => commands(),
            (Some("use" | "delete"), None) => self.databases.clone(),
            (Some("index"), None) => ["create", "drop", "list"].map(str::to_string).to_vec(),
            (Some("configure"), None) => {
                ["false", "true"].map(|value| format!("deny_full_scan={value}")).to_vec()
            }
            (Some("lock"), None) => {
                ["acquire", "list", "release", "renew"].map(str::to_string).to_vec()
            }
            (Some("worker"), None) => ["drain", "remove", "undrain"].map(str::to_string).to_vec(),
            (Some("master"), None) => ["add", "remove"].map(str::to_string).to_vec(),
            (Some("shard"), None) => vec!["move".to_string()],
            (Some("import" | "export"), _) => return None,
            (Some(command), Some(_)) => after_lambda(command, before[..start].trim_ascii()),
            _ => Vec::new(),
        };
        let matching = candidates.into_iter().filter(|name| name.starts_with(word)).collect();
        Some((start, matching))
    }
}

/// What may follow a quoted lambda; nothing inside of one.
fn after_lambda(command: &str, before: &str) -> Vec<String> {
    let words: &[&str] = match command {
        "query" => &["desc", "limit", "page", "select", "skip", "sort", "strict"],
        "explain" => &["desc", "limit", "select", "skip", "sort", "strict"],
        "group" => &["avg", "collect", "count", "max", "min", "strict", "sum", "where"],
        "distinct" => &["strict", "where"],
        _ => &[],
    };
    let (mut open, mut quotes) = (None, 0);
    for c in before.chars().filter(|c| matches!(c, '\'' | '"')) {
        match open {
            None => (open, quotes) = (Some(c), quotes + 1),
            Some(quote) if quote == c => open = None,
            Some(_) => {}
        }
    }
    let rest = before[command.len()..].trim_ascii_start();
    let is_quoted = rest.starts_with(['\'', '"']) && open.is_none() && quotes > 0;
    if is_quoted { words.iter().map(ToString::to_string).collect() } else { Vec::new() }
}

impl Completer for Editing {
    type Candidate = Pair;

    fn complete(
        &self,
        line: &str,
        pos: usize,
        _: &Context<'_>,
    ) -> rustyline::Result<(usize, Vec<Pair>)> {
        match self.words(&line[..pos]) {
            None => self.files.complete_path(line, pos),
            Some((start, words)) => {
                let pair = |word: String| Pair { display: word.clone(), replacement: word + " " };
                Ok((start, words.into_iter().map(pair).collect()))
            }
        }
    }
}

impl Validator for Editing {
    fn validate(&self, context: &mut ValidationContext<'_>) -> rustyline::Result<ValidationResult> {
        // A paste may hold several commands; only its last can be unfinished.
        let open =
            statement::split(context.input()).last().is_some_and(|last| statement::is_open(last));
        Ok(if open { ValidationResult::Incomplete } else { ValidationResult::Valid(None) })
    }
}

impl Hinter for Editing {
    type Hint = String;
}

impl Highlighter for Editing {}

impl Helper for Editing {}

#[cfg(test)]
mod tests {
    //! Proves what each position completes to.

    use super::Editing;

    fn words(dev: bool, before: &str) -> Vec<String> {
        let mut editing = Editing::new(dev);
        editing.databases = vec!["films".into(), "flights".into(), "users".into()];
        editing.words(before).expect("no file").1
    }

    #[test]
    fn the_first_word_is_a_command() {
        assert_eq!(words(false, "rea"), ["read", "readall"]);
        assert_eq!(words(false, "  quer"), ["query"]);
        assert!(words(false, "part").is_empty());
        assert_eq!(words(true, "part"), ["partition"]);
        assert_eq!(words(false, "help cou"), ["count"]);
    }

    #[test]
    fn databases_follow_use_and_delete() {
        assert_eq!(words(false, "use fl"), ["flights"]);
        assert_eq!(words(false, "delete "), ["films", "flights", "users"]);
        assert!(words(false, "delete films ").is_empty());
        assert!(words(false, "read fi").is_empty());
    }

    #[test]
    fn options_follow_a_quoted_lambda() {
        assert_eq!(
            words(false, "query 'lambda d: d[\"x\"]' s"),
            ["select", "skip", "sort", "strict"]
        );
        assert_eq!(words(false, "group 'lambda d: 1' sum 'lambda d: 2' wh"), ["where"]);
        assert!(words(false, "query 'lambda d: s").is_empty());
        assert!(words(false, "query lambda d: s").is_empty());
        assert!(words(false, "count 'lambda d: 1' s").is_empty());
    }

    #[test]
    fn what_is_done_follows_members_of_the_cluster() {
        assert_eq!(words(false, "worker "), ["drain", "remove", "undrain"]);
        assert_eq!(words(false, "master a"), ["add"]);
        assert_eq!(words(false, "shard "), ["move"]);
        assert!(words(false, "worker drain ").is_empty());
    }

    #[test]
    fn files_follow_import_and_export() {
        assert!(Editing::new(false).words("import ../da").is_none());
    }
}
