//! `psdb check`, `psdb check --repair` and `psdb export --offline`: work on a data directory that no
//! node has open, and that may not start any more.
//!
//! - `check` finds damage and changes nothing; repairing makes again what follows from something else,
//!   and says of the rest what cannot be made again.
//! - `export` reads what can be read, page by page, and applies the log on top of it where that is
//!   possible.
//!
//! Left out: directories of several nodes at once; each is looked at by itself.

mod check;
mod export;

use std::path::Path;

use psdb::Error;
use psdb::env::Env;
use psdb::raft::Offline;
use psdb::storage::StorageError;
use psdb::storage::store;

use crate::failure::Failure;
use crate::output::{Json, Output};
use crate::settings::Format;

/// What is to be done with a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Find damage, and mend it if asked to.
    Check { directory: String, repair: bool },
    /// Write the documents of a database into a file, or to standard output.
    Export { directory: String, file: String },
}

const CHECK: &str = "check [--repair] DIR";
const EXPORT: &str = "export --offline DIR [FILE]";

impl Task {
    /// The work that these words ask for; `None` if they are another command.
    pub(crate) fn of(words: &[String]) -> Option<Result<Task, Failure>> {
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match &words[..] {
            ["check", rest @ ..] => {
                let names: Vec<&str> =
                    rest.iter().copied().filter(|word| *word != "--repair").collect();
                let repair = names.len() < rest.len();
                let checked = match names[..] {
                    [directory] => Ok(Task::Check { directory: directory.into(), repair }),
                    _ => Err(wrong(&names, 1, CHECK)),
                };
                Some(checked)
            }
            ["export", "--offline", names @ ..] => {
                let exported = match *names {
                    [directory] => Ok((directory, "-")),
                    [directory, file] => Ok((directory, file)),
                    _ => Err(wrong(names, 2, EXPORT)),
                };
                Some(exported.map(|(directory, file)| Task::Export {
                    directory: directory.into(),
                    file: file.into(),
                }))
            }
            _ => None,
        }
    }

    /// Does it.
    ///
    /// # Errors
    ///
    /// The first damage that is left, and whatever the system refuses.
    pub(crate) fn run(&self, output: &mut Output, database: Option<&str>) -> Result<(), Failure> {
        match self {
            Task::Check { directory, repair } => {
                check::check(output, Path::new(directory), *repair)
            }
            Task::Export { directory, file } => {
                export::export(output, Path::new(directory), file, database)
            }
        }
    }
}

/// What is wrong with words of which up to `most` may stand there.
fn wrong(names: &[&str], most: usize, usage: &'static str) -> Failure {
    let message = match names.get(most) {
        Some(surplus) => format!("unexpected '{surplus}'"),
        None => "a directory is missing".to_owned(),
    };
    Failure::Usage { message, usage: Some(usage) }
}

fn open(directory: &Path) -> Result<Offline, Failure> {
    if !directory.is_dir() {
        let error = std::io::ErrorKind::NotFound.into();
        let path = directory.display().to_string();
        return Err(Failure::File { action: "open", path, error });
    }
    Ok(Offline::open(&Env::real(), directory).map_err(Error::from)?)
}

/// Something that is wrong, and where.
struct Damage {
    file: String,
    offset: u64,
    reason: String,
}

impl Damage {
    fn new(file: &str, offset: u64, reason: String) -> Damage {
        Damage { file: file.to_owned(), offset, reason }
    }

    /// What was found page by page in a file.
    fn of_pages(file: &str, found: Vec<store::Damage>) -> impl Iterator<Item = Damage> {
        found.into_iter().map(move |damage| Damage::new(file, damage.offset, damage.reason))
    }

    fn line(&self) -> String {
        format!("{} is damaged at offset {}: {}", self.file, self.offset, self.reason)
    }

    fn json(&self) -> Json {
        Json::Object(vec![
            ("file", Json::text(&*self.file)),
            ("offset", self.offset.into()),
            ("reason", Json::text(&*self.reason)),
        ])
    }

    fn failure(&self) -> Failure {
        let (path, reason) = (self.file.clone(), self.reason.clone());
        Error::Corrupt { path, offset: self.offset, reason }.into()
    }
}

/// Lists damage; passes other errors on.
fn admit<T>(
    found: Result<T, StorageError>,
    damages: &mut Vec<Damage>,
) -> Result<Option<T>, Failure> {
    match found {
        Ok(found) => Ok(Some(found)),
        Err(StorageError::Corrupt { path, offset, reason }) => {
            damages.push(Damage::new(&path.display().to_string(), offset, reason));
            Ok(None)
        }
        Err(error) => Err(Error::from(error).into()),
    }
}

/// Answers a command; with damage, as a failure.
fn answer(
    output: &mut Output,
    command: &'static str,
    mut lines: Vec<String>,
    mut fields: Vec<(&'static str, Json)>,
    damages: &[Damage],
) -> Result<(), Failure> {
    fields.push(("damages", Json::List(damages.iter().map(Damage::json).collect())));
    let Some(first) = damages.first() else {
        return output.answer(command, &lines.join("\n"), fields);
    };
    lines.extend(damages.iter().map(Damage::line));
    let failure = first.failure();
    output.failed_answer(command, &lines.join("\n"), &failure, fields)?;
    if output.format() != Format::Json {
        output.error_text(None, &failure);
    }
    Err(Failure::Reported(failure.exit()))
}
