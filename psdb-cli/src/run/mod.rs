//! Carrying out commands.
//!
//! A [`Runner`] holds what outlives a command: the database in use, the backend and the output.
//! Each group of commands is a file with `impl Runner`; every command writes its answer itself and
//! returns a [`Failure`] for the caller to report, who alone knows where the command stood.
//!
//! ```text
//! parse -> Command -> Runner::run -> Backend (session) -> Output
//! ```
//!
//! Left out: asking before a deletion (`confirm`), which happens before a command gets here.

mod cluster;
mod databases;
mod dev;
mod documents;
mod export;
mod import;
mod indexes;
mod locks;
mod many;
mod orders;
mod queries;

use crate::command::{Command, Lambda};
use crate::failure::Failure;
use crate::help;
use crate::output::{Json, Output};
use crate::session::Backend;

type Done = Result<(), Failure>;

/// Carries out commands one after the other.
pub(crate) struct Runner {
    backend: Box<dyn Backend>,
    pub(crate) output: Output,
    database: Option<String>,
    /// Commands come from standard input, so `import -` cannot read it.
    stdin_taken: bool,
}

/// Whether another command follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Flow {
    Continue,
    Leave,
}

impl Runner {
    /// Starts as after `use database`; whether it exists shows when it is needed, so that a script
    /// can create it.
    pub(crate) fn new(
        backend: Box<dyn Backend>,
        output: Output,
        database: Option<String>,
        stdin_taken: bool,
    ) -> Runner {
        Runner { backend, output, database, stdin_taken }
    }

    /// The database in use.
    pub(crate) fn database(&self) -> Option<&str> {
        self.database.as_deref()
    }

    pub(crate) fn backend(&self) -> &dyn Backend {
        &*self.backend
    }

    /// Carries out one command.
    pub(crate) async fn run(&mut self, command: Command) -> Result<Flow, Failure> {
        match command {
            Command::Create { name, indexes, shards, deny_full_scan } => {
                self.create(&name, &indexes, shards, deny_full_scan).await
            }
            Command::Configure { deny_full_scan } => self.configure(deny_full_scan).await,
            Command::Index(index) => self.index(index).await,
            Command::Use { name } => self.use_database(name).await,
            Command::List => self.list().await,
            Command::Delete { name, .. } => self.delete(&name).await,
            Command::Clear { .. } => self.clear().await,
            Command::Insert { document } => self.insert(&document).await,
            Command::Read { id } => self.read(&id).await,
            Command::ReadAll { limit, page } => self.read_all(limit, page).await,
            Command::Query(query) => self.query(query).await,
            Command::Explain { query, analyze } => self.explain(&query, analyze).await,
            Command::Count { filter } => self.count(filter).await,
            Command::Distinct(group) => self.distinct(&group).await,
            Command::Group(group) => self.group(&group).await,
            Command::UpdateMany { filter, patch } => self.update_many(&filter, &patch).await,
            Command::DeleteMany { filter } => self.delete_many(&filter).await,
            Command::Update(change) => self.update(&change).await,
            Command::Replace(change) => self.replace(&change).await,
            Command::DeleteDocument { id, if_version } => {
                self.delete_document(&id, if_version).await
            }
            Command::Import { file } => self.import(&file).await,
            Command::Export { file } => self.export(&file).await,
            Command::Workers => self.workers().await,
            Command::Masters => self.masters().await,
            Command::Shards => self.shards().await,
            Command::Status => self.status().await,
            Command::Lock(lock) => self.lock(&lock).await,
            Command::Order(order) => self.order(order).await,
            Command::Fault(fault) => self.fault(fault).await,
            Command::Help { topic } => {
                let dev = self.backend.faults().is_some();
                help_answer(&mut self.output, topic.as_deref(), dev)
            }
            Command::Exit => {
                exit_answer(&mut self.output)?;
                return Ok(Flow::Leave);
            }
        }?;
        Ok(Flow::Continue)
    }

    /// The database in use, or what to do about it.
    fn current(&self) -> Result<String, Failure> {
        self.database.clone().ok_or_else(|| {
            Failure::usage("no database is in use: 'use NAME' first, or start with -d NAME")
        })
    }
}

/// Answers a command that needs no database; `None` if it needs one.
pub(crate) fn without_database(output: &mut Output, command: &Command, dev: bool) -> Option<Done> {
    match command {
        Command::Help { topic } => Some(help_answer(output, topic.as_deref(), dev)),
        Command::Exit => Some(exit_answer(output)),
        _ => None,
    }
}

fn exit_answer(output: &mut Output) -> Done {
    output.answer("exit", "", Vec::new())
}

fn help_answer(output: &mut Output, topic: Option<&str>, dev: bool) -> Done {
    let text = match topic {
        None => help::overview(dev),
        Some(name) => match help::topic_of(name) {
            Some(topic) => help::page(topic),
            None => {
                return Err(Failure::usage(format!(
                    "there is no command '{name}'; 'help' lists all commands"
                )));
            }
        },
    };
    output.answer("help", &text, vec![("text", Json::text(text.clone()))])
}

/// A failure with what the shell knows about the lambdas it may be about.
fn lambda_failure(error: psdb::Error, lambdas: &[&Lambda]) -> Failure {
    const OPTIONS: [&str; 14] = [
        " page ",
        " sort ",
        " skip ",
        " limit ",
        " desc",
        " select ",
        " strict",
        " where ",
        " count",
        " sum ",
        " avg ",
        " min ",
        " max ",
        " collect ",
    ];
    let is_query = matches!(error, psdb::Error::InvalidQuery { .. });
    let swallowed =
        |lambda: &&Lambda| lambda.bare && OPTIONS.iter().any(|option| lambda.text.contains(option));
    let hint = (is_query && lambdas.iter().any(swallowed))
        .then_some("put the lambda in quotes when something follows it");
    // With two lambdas the error does not say which one its column is in.
    let lambda = match lambdas {
        [lambda] if is_query => Some(lambda.text.clone()),
        _ => None,
    };
    Failure::Database { error, lambda, hint }
}

#[cfg(test)]
mod index_tests;
#[cfg(test)]
mod order_tests;
#[cfg(test)]
mod tests;
