//! `psdb`: the shell and one-shot client of PSDB.
//!
//! ```text
//! args, settings      what to do, decided once
//! parse, tokens       a line or arguments -> Command        (statement: where a pasted one ends)
//! run/                Command -> session::Backend -> output
//! script, shell       where commands come from              (complete, confirm: the person's side)
//! offline              a data directory that no node has open
//! import, records      reading files and pipes           (lines, json_array, csv: their forms)
//! target, shape        writing files                     (columns: the columns of CSV)
//! failure, exit       what went wrong, and the code to leave with
//! ```
//!
//! Invariants:
//! 1. Results go to standard output, messages to standard error.
//! 2. Nothing a user types or a file contains makes it panic.
//!
//! Left out: routing to the nodes of a running cluster, which is the client's (`psdb::connect`).

mod args;
mod columns;
mod command;
mod complete;
mod confirm;
mod csv;
mod exit;
mod failure;
mod help;
mod import;
mod interrupt;
mod json_array;
mod lines;
mod offline;
mod output;
mod parse;
mod records;
mod run;
mod script;
mod session;
mod settings;
mod shape;
mod shell;
mod statement;
mod target;
mod tokens;

use std::fs::File;
use std::io::{BufReader, IsTerminal};
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use psdb::env::DiskStats;

use crate::args::Arguments;
use crate::command::Command;
use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::or_interrupted;
use crate::output::Output;
use crate::run::Runner;
use crate::settings::{Input, Place, Settings, Terminal};
use crate::shell::Shell;

/// How long stopping may take; everything acknowledged is durable before that.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    let terminal = Terminal {
        stdin: std::io::stdin().is_terminal(),
        stdout: std::io::stdout().is_terminal(),
        stderr: std::io::stderr().is_terminal(),
    };
    let settings = match Settings::resolve(arguments, |name| std::env::var(name).ok(), terminal) {
        Ok(settings) => settings,
        Err(failure) => {
            eprintln!("error: {}", failure.message());
            return failure.exit().into();
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            eprintln!("error: could not start: {error}");
            return Exit::FAILED.into();
        }
    };
    let exit = runtime.block_on(start(&settings));
    // A thread may still wait for a line of standard input; it must not hold the process up.
    runtime.shutdown_background();
    exit.into()
}

/// What is left to do once a command is known to parse.
enum Work<'a> {
    /// One command, and the word it was given by.
    Command(Command, &'a str),
    /// An open script and its name.
    Script(File, String),
    Pipe,
    Terminal,
}

impl Work<'_> {
    /// How a failure to open the database names the command it prevented.
    fn name(&self) -> &str {
        match self {
            Work::Command(_, name) => name,
            Work::Script(..) | Work::Pipe | Work::Terminal => "",
        }
    }
}

/// Does what the settings say, with the database opened only if it is needed.
async fn start(settings: &Settings) -> Exit {
    let mut output = Output::standard(settings);
    let words = match &settings.input {
        Input::Command(words) => words,
        Input::File(path) => return script_file(settings, output, path).await,
        Input::Pipe => return with_database(settings, output, Work::Pipe).await,
        Input::Terminal => return with_database(settings, output, Work::Terminal).await,
    };
    let name = words.first().map_or("", String::as_str);
    if let Some(task) = offline::Task::of(words) {
        let done = task.and_then(|task| task.run(&mut output, settings.database.as_deref()));
        return done.map_or_else(|failure| report(&mut output, name, &failure), |()| Exit::DONE);
    }
    let command = match parse::arguments(words) {
        Ok(command) => command,
        Err(failure) => return report(&mut output, name, &failure),
    };
    let dev = matches!(settings.place, Place::Dev(_));
    match run::without_database(&mut output, &command, dev) {
        Some(Ok(())) => return Exit::DONE,
        Some(Err(failure)) => return report(&mut output, name, &failure),
        None => {}
    }
    if settings.ask
        && !settings.yes
        && let Some(question) = confirm::question(&command, settings.database.as_deref())
        && let Err(failure) = confirm::ask(question).await
    {
        return report(&mut output, name, &failure);
    }
    with_database(settings, output, Work::Command(command, name)).await
}

/// Opens the database, works with it and closes it.
async fn with_database(settings: &Settings, mut output: Output, work: Work<'_>) -> Exit {
    let opened = or_interrupted(async {
        if let Some(database) = &settings.database {
            psdb::validate_database_name(database)?;
        }
        session::open(settings).await
    });
    let backend = match opened.await {
        Ok(backend) => backend,
        Err(failure) => return report(&mut output, work.name(), &failure),
    };
    if let Some(notice) = notice(settings) {
        output.note(notice);
    }
    let stdin_taken = matches!(work, Work::Pipe | Work::Terminal);
    let mut runner = Runner::new(backend, output, settings.database.clone(), stdin_taken);
    let exit = carry_out(settings, &mut runner, work).await;
    let closed = tokio::time::timeout(CLOSE_TIMEOUT, runner.backend().close()).await;
    if let Some(DiskStats { writes, syncs, bytes_written }) = runner.backend().disk_stats() {
        let cost = format!("disk: {syncs} syncs, {writes} writes, {bytes_written} bytes written");
        runner.output.detail(&cost);
    }
    match closed {
        Ok(Err(error)) if exit == Exit::DONE => report(&mut runner.output, "", &error.into()),
        Ok(_) | Err(_) => exit,
    }
}

async fn carry_out(settings: &Settings, runner: &mut Runner, work: Work<'_>) -> Exit {
    match work {
        Work::Command(command, name) => match or_interrupted(runner.run(command)).await {
            Ok(_) => Exit::DONE,
            Err(failure) => report(&mut runner.output, name, &failure),
        },
        Work::Script(file, name) => {
            let source = Box::new(BufReader::new(file));
            script::run(runner, source, Some(&name), settings.keep_going).await
        }
        Work::Pipe => {
            let source = Box::new(BufReader::new(std::io::stdin()));
            script::run(runner, source, None, settings.keep_going).await
        }
        Work::Terminal => match Shell::new(runner, settings.yes) {
            Ok(mut shell) => shell.run().await,
            Err(failure) => report(&mut runner.output, "", &failure),
        },
    }
}

/// Opens a script before the database, so that a slip in its name costs nothing.
async fn script_file(settings: &Settings, mut output: Output, path: &Path) -> Exit {
    let name = path.display().to_string();
    match File::open(path) {
        Ok(file) => with_database(settings, output, Work::Script(file, name)).await,
        Err(error) => report(&mut output, "", &Failure::File { action: "read", path: name, error }),
    }
}

/// What a person must know about where the documents go.
fn notice(settings: &Settings) -> Option<&'static str> {
    match &settings.place {
        Place::Memory => Some(
            "note: this database is in memory and gone at the end; keep one with --data-dir DIR",
        ),
        Place::Dev(cluster) if cluster.data_dir.is_none() => Some(
            "note: this cluster is in memory and gone at the end; keep one with \
             'psdb dev --data-dir DIR'",
        ),
        Place::Directory(_) | Place::Dev(_) | Place::Remote(_) => None,
    }
}

fn report(output: &mut Output, command: &str, failure: &Failure) -> Exit {
    output.failure(command, None, failure);
    failure.exit()
}
