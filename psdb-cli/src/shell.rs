//! The shell for a person at a terminal.
//!
//! It reads with a line editor (history, completion, pasted documents of several lines), runs each
//! command and reports its failure, and goes on whatever failed. Ctrl-C clears the line or gives up
//! the command that runs; twice in a row at an empty prompt it leaves with 130. Ctrl-D leaves
//! with 0.
//!
//! The history is kept in the file that `PSDB_HISTORY` names, by default `~/.psdb_history`.
//!
//! Left out: everything a script cannot do: the shell has no commands of its own.

use std::path::PathBuf;
use std::time::Duration;

use rustyline::error::ReadlineError;
use rustyline::history::FileHistory;
use rustyline::{CompletionType, Config, Editor};

use crate::complete::Editing;
use crate::confirm;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::{self, or_interrupted};
use crate::parse;
use crate::run::{Flow, Runner};
use crate::statement;

/// How long completion may ask for the names of databases.
const NAMES_TIMEOUT: Duration = Duration::from_millis(500);
const HISTORY_ENTRIES: usize = 10_000;

/// A conversation with a person.
pub(crate) struct Shell<'a> {
    runner: &'a mut Runner,
    editor: Editor<Editing, FileHistory>,
    history: Option<PathBuf>,
    dev: bool,
    /// `--yes`: never ask.
    yes: bool,
}

impl<'a> Shell<'a> {
    /// Prepares the line editor.
    ///
    /// # Errors
    ///
    /// [`Failure::File`] if the terminal cannot be used.
    pub(crate) fn new(runner: &'a mut Runner, yes: bool) -> Result<Shell<'a>, Failure> {
        let dev = runner.backend().faults().is_some();
        let config = Config::builder()
            .max_history_size(HISTORY_ENTRIES)
            .and_then(|builder| builder.history_ignore_dups(true))
            .map_err(|error| terminal_failure(&error))?
            .history_ignore_space(true)
            .completion_type(CompletionType::List)
            .auto_add_history(false)
            .build();
        let mut editor = Editor::with_config(config).map_err(|error| terminal_failure(&error))?;
        editor.set_helper(Some(Editing::new(dev)));
        let history = history_file();
        if let Some(path) = &history {
            // The first start finds no file, and a shell without a history still works.
            let _ = editor.load_history(path);
        }
        Ok(Shell { runner, editor, history, dev, yes })
    }

    /// Converses until the person leaves.
    pub(crate) async fn run(&mut self) -> Exit {
        self.runner.output.note(&format!(
            "PSDB {}. 'help' lists the commands, 'exit' leaves.",
            env!("CARGO_PKG_VERSION")
        ));
        self.refresh_names().await;
        let mut interrupted = false;
        let exit = loop {
            let prompt = self.prompt();
            match tokio::task::block_in_place(|| self.editor.readline(&prompt)) {
                Ok(text) => {
                    interrupted = false;
                    if self.run_text(&text).await == Flow::Leave {
                        break Exit::DONE;
                    }
                }
                Err(ReadlineError::Interrupted) if interrupted => break Exit::INTERRUPTED,
                Err(ReadlineError::Interrupted) => {
                    interrupted = true;
                    self.runner.output.note("Ctrl-C again or Ctrl-D to leave");
                }
                Err(ReadlineError::Eof) => break Exit::DONE,
                Err(error) => {
                    let failure = terminal_failure(&error);
                    self.runner.output.failure("", None, &failure);
                    break failure.exit();
                }
            }
        };
        self.save_history();
        exit
    }

    /// Runs all commands of one input, which is several after a paste.
    async fn run_text(&mut self, text: &str) -> Flow {
        for command in statement::split(text) {
            // Only a failure to keep it in memory is possible, and it costs nothing but comfort.
            let _ = self.editor.add_history_entry(&command);
            match self.run_command(&command).await {
                Ok(Flow::Continue) => {}
                Ok(Flow::Leave) => return Flow::Leave,
                Err(failure) => {
                    let name = parse::first_word(&command);
                    self.runner.output.failure(name, None, &failure);
                    if matches!(failure, Failure::OutputClosed) {
                        return Flow::Leave;
                    }
                    // What was pasted after a failure was meant for what the failure prevented.
                    break;
                }
            }
        }
        Flow::Continue
    }

    async fn run_command(&mut self, text: &str) -> Result<Flow, Failure> {
        let Some(command) = parse::line(text)? else { return Ok(Flow::Continue) };
        if !self.yes
            && let Some(question) = confirm::question(&command, self.runner.database())
        {
            let answer = tokio::task::block_in_place(|| self.editor.readline(&question));
            if !answer.is_ok_and(|answer| confirm::is_yes(&answer)) {
                return Err(Failure::Declined);
            }
        }
        let changes_databases = command.changes_databases();
        interrupt::forget().await;
        let flow = or_interrupted(self.runner.run(command)).await?;
        if changes_databases {
            self.refresh_names().await;
        }
        Ok(flow)
    }

    fn prompt(&self) -> String {
        let dev = if self.dev { " dev" } else { "" };
        let database = self.runner.database().map(|name| format!(" {name}")).unwrap_or_default();
        format!("psdb{dev}{database}> ")
    }

    /// Asks for the names of databases, for completion.
    async fn refresh_names(&mut self) {
        let asked = tokio::time::timeout(NAMES_TIMEOUT, self.runner.backend().list_databases());
        if let (Ok(Ok(databases)), Some(helper)) = (asked.await, self.editor.helper_mut()) {
            helper.databases = databases.into_iter().map(|database| database.name).collect();
        }
    }

    fn save_history(&mut self) {
        if let Some(path) = &self.history
            && let Err(error) = self.editor.save_history(path)
        {
            self.runner.output.detail(&format!("the history was not kept: {error}"));
        }
    }
}

fn history_file() -> Option<PathBuf> {
    if let Some(path) = std::env::var_os("PSDB_HISTORY") {
        return (!path.is_empty()).then(|| PathBuf::from(path));
    }
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty())?;
    Some(PathBuf::from(home).join(".psdb_history"))
}

fn terminal_failure(error: &ReadlineError) -> Failure {
    let error = std::io::Error::other(error.to_string());
    Failure::File { action: "use", path: "the terminal".into(), error }
}
