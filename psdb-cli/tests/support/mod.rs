//! Running the real binary in tests: no variable of the developer's shell reaches it.

#![allow(dead_code)] // Every test program uses another part of this.

pub(crate) mod films;

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

/// How long anything may take before a test gives up on it.
const PATIENCE: Duration = Duration::from_mins(1);

/// What a run of `psdb` came to.
#[derive(Debug)]
pub(crate) struct Ran {
    /// Its exit code.
    pub(crate) code: i32,
    /// Standard output.
    pub(crate) out: String,
    /// Standard error.
    pub(crate) err: String,
}

impl Ran {
    /// The lines of standard output as JSON.
    pub(crate) fn objects(&self) -> Vec<serde_json::Value> {
        let parse = |line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{line}: {e}"));
        self.out.lines().map(parse).collect()
    }
}

/// The binary, with a clean environment.
pub(crate) fn psdb() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_psdb"));
    for name in ["PSDB_MASTERS", "PSDB_DATA_DIR", "PSDB_DATABASE", "PSDB_OUTPUT", "NO_COLOR"] {
        command.env_remove(name);
    }
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// Runs `psdb ARGUMENTS` to its end with `input` on a pipe.
pub(crate) fn run(arguments: &[&str], input: impl AsRef<[u8]>) -> Ran {
    let mut child =
        psdb().args(arguments).stdin(Stdio::piped()).spawn().expect("the binary starts");
    let mut stdin = child.stdin.take().expect("stdin is a pipe");
    let input = input.as_ref().to_vec();
    // A thread of its own, since the child may stop reading, or wait for us to read, at any point.
    let writer = std::thread::spawn(move || {
        // A child that ends before it has read everything closes the pipe, which is its right.
        let _ = stdin.write_all(&input);
    });
    let output = child.wait_with_output().expect("the binary ends");
    writer.join().expect("the writer does not panic");
    Ran {
        code: output.status.code().expect("psdb was not killed"),
        out: String::from_utf8(output.stdout).expect("text"),
        err: String::from_utf8(output.stderr).expect("text"),
    }
}

/// A `psdb` that is spoken to line by line.
pub(crate) struct Conversation {
    child: Child,
    stdin: Option<ChildStdin>,
    out: Receiver<String>,
    err: Receiver<String>,
}

impl Conversation {
    pub(crate) fn start(arguments: &[&str]) -> Conversation {
        let mut child =
            psdb().args(arguments).stdin(Stdio::piped()).spawn().expect("the binary starts");
        let stdin = child.stdin.take();
        let out = lines(child.stdout.take().expect("stdout is a pipe"));
        let err = lines(child.stderr.take().expect("stderr is a pipe"));
        Conversation { child, stdin, out, err }
    }

    /// Sends one command.
    pub(crate) fn send(&mut self, line: &str) {
        let stdin = self.stdin.as_mut().expect("the pipe is open");
        writeln!(stdin, "{line}").and_then(|()| stdin.flush()).expect("psdb reads");
    }

    /// The next line of standard output.
    pub(crate) fn line(&self) -> String {
        self.out.recv_timeout(PATIENCE).expect("psdb answers")
    }

    /// The next line of standard error.
    pub(crate) fn error_line(&self) -> String {
        self.err.recv_timeout(PATIENCE).expect("psdb says something")
    }

    /// Sends one command and reads its answer, with `-o json`.
    pub(crate) fn ask(&mut self, line: &str) -> serde_json::Value {
        self.send(line);
        let answer = self.line();
        serde_json::from_str(&answer).unwrap_or_else(|error| panic!("{answer}: {error}"))
    }

    /// As [`Conversation::ask`], and the answer says that it went well.
    pub(crate) fn done(&mut self, line: &str) -> serde_json::Value {
        let answer = self.ask(line);
        assert_eq!(answer["ok"], true, "{line}: {answer}");
        answer
    }

    /// Kills the process with SIGKILL and returns what it had written by then.
    pub(crate) fn kill(mut self) -> (Vec<String>, Vec<String>) {
        self.child.kill().expect("the process is ours");
        self.child.wait().expect("the process ends");
        (self.out.iter().collect(), self.err.iter().collect())
    }

    /// Sends SIGINT, as Ctrl-C does.
    #[cfg(unix)]
    pub(crate) fn interrupt(&self) {
        let kill = format!("kill -INT {}", self.child.id());
        let status = Command::new("sh").args(["-c", &kill]).status().expect("a shell");
        assert!(status.success(), "{kill}");
    }

    /// Presses Ctrl-C and waits for the end. The pipe stays open, since its end is a reason to leave
    /// as well, and may be seen first.
    #[cfg(unix)]
    pub(crate) fn interrupt_to_the_end(mut self) -> Ran {
        let held = self.stdin.take();
        self.interrupt();
        let ran = self.end();
        drop(held);
        ran
    }

    /// Closes the pipe and waits for the end: the exit code and what else was written.
    pub(crate) fn end(mut self) -> Ran {
        self.stdin = None;
        let code = self.child.wait().expect("the process ends").code();
        let all = |lines: &Receiver<String>| lines.iter().map(|line| line + "\n").collect();
        let (out, err) = (all(&self.out), all(&self.err));
        Ran { code: code.expect("psdb was not killed"), out, err }
    }
}

/// The lines of a stream, read by a thread of their own.
fn lines(stream: impl std::io::Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines() {
            // Nobody listens any more when a test has seen enough.
            if line.is_ok_and(|line| sender.send(line).is_err()) {
                return;
            }
        }
    });
    receiver
}
