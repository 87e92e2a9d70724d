//! Running the real binary in tests: no variable of the developer's shell reaches it.

use std::io::Write;
use std::process::{Command, Stdio};

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
pub(crate) fn run(arguments: &[&str], input: &str) -> Ran {
    let mut child =
        psdb().args(arguments).stdin(Stdio::piped()).spawn().expect("the binary starts");
    let mut stdin = child.stdin.take().expect("stdin is a pipe");
    let input = input.to_string();
    // A thread of its own, since the child may stop reading, or wait for us to read, at any point.
    let writer = std::thread::spawn(move || {
        // A child that ends before it has read everything closes the pipe, which is its right.
        let _ = stdin.write_all(input.as_bytes());
    });
    let output = child.wait_with_output().expect("the binary ends");
    writer.join().expect("the writer does not panic");
    Ran {
        code: output.status.code().expect("psdb was not killed"),
        out: String::from_utf8(output.stdout).expect("text"),
        err: String::from_utf8(output.stderr).expect("text"),
    }
}
