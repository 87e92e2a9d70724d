//! Scripts: a command a line, from a file or a pipe.
//!
//! A thread of its own reads the lines, one ahead of the command that runs, so that Ctrl-C works
//! while a pipe is silent. Each answer is flushed before the next command starts, so a program can
//! hold a conversation: write a line, read an answer.
//!
//! The script ends at its first failure, or goes on with `--keep-going`; its exit code is the first
//! failure's either way.
//!
//! Left out: variables, conditions, loops: that is what the other end of the pipe is for.

use std::io::{self, BufRead};

use tokio::sync::mpsc;

use crate::exit::Exit;
use crate::failure::Failure;
use crate::interrupt::or_interrupted;
use crate::lines::{Line, Lines, MAX_LINE_BYTES};
use crate::parse;
use crate::run::{Flow, Runner};

/// Runs all commands of `source`; `name` is the file's, for messages.
pub(crate) async fn run(
    runner: &mut Runner,
    source: Box<dyn BufRead + Send>,
    name: Option<&str>,
    keep_going: bool,
) -> Exit {
    let mut lines = lines(source);
    let mut first_failure = None;
    loop {
        let next = or_interrupted(async { Ok(lines.recv().await) }).await;
        let (command, place, result) = match next {
            Ok(None) => break,
            Ok(Some(Ok(line))) => {
                let place = match name {
                    Some(name) => format!("{name}:{}", line.number),
                    None => format!("line {}", line.number),
                };
                let (command, result) = run_line(runner, line).await;
                (command, place, result)
            }
            Ok(Some(Err(error))) => {
                let path = name.unwrap_or("standard input").to_string();
                let failure = Failure::File { action: "read", path, error };
                runner.output.failure("", None, &failure);
                first_failure.get_or_insert(failure.exit());
                break;
            }
            Err(failure) => (String::new(), String::new(), Err(failure)),
        };
        match result {
            Ok(Flow::Continue) => {}
            Ok(Flow::Leave) => break,
            Err(failure @ (Failure::Interrupted | Failure::OutputClosed)) => {
                // A command that was given up has its answer too; waiting for one has none.
                if !command.is_empty() {
                    runner.output.failure(&command, Some(&place), &failure);
                }
                return failure.exit();
            }
            Err(failure) => {
                runner.output.failure(&command, Some(&place), &failure);
                first_failure.get_or_insert(failure.exit());
                if !keep_going {
                    break;
                }
            }
        }
    }
    first_failure.unwrap_or(Exit::DONE)
}

/// Runs one line, and says which command it was.
async fn run_line(runner: &mut Runner, line: Line) -> (String, Result<Flow, Failure>) {
    let Some(bytes) = line.bytes else {
        let message = format!("the line is longer than {MAX_LINE_BYTES} bytes");
        return (String::new(), Err(Failure::usage(message)));
    };
    let text = match String::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) => {
            let valid =
                String::from_utf8_lossy(&error.as_bytes()[..error.utf8_error().valid_up_to()])
                    .into_owned();
            let column = valid.chars().count() + 1;
            let failure = Failure::usage(format!("the line is not UTF-8 at column {column}"));
            return (parse::first_word(&valid).to_string(), Err(failure));
        }
    };
    let name = parse::first_word(&text).to_string();
    let result = match parse::line(&text) {
        Ok(None) => Ok(Flow::Continue),
        Ok(Some(command)) => or_interrupted(runner.run(command)).await,
        Err(failure) => Err(failure),
    };
    (name, result)
}

fn lines(source: Box<dyn BufRead + Send>) -> mpsc::Receiver<io::Result<Line>> {
    let (sender, receiver) = mpsc::channel(1);
    std::thread::spawn(move || {
        let mut lines = Lines::new(source);
        loop {
            let line = lines.next_line();
            let last = line.is_err();
            let Some(line) = line.transpose() else { return };
            if sender.blocking_send(line).is_err() || last {
                return;
            }
        }
    });
    receiver
}
