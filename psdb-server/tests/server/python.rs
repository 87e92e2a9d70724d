//! Proves that the server describes itself: a Python client with no code of ours but a script
//! inserts, reads, queries and sees the details of errors, all by reflection.
//!
//! The test makes an environment of its own for Python's packages. Where there is no `python3`, no
//! `pip`, or no way to the packages, it is skipped and says so by name.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::processes::Processes;

const PACKAGES: [&str; 3] = ["grpcio", "grpcio-reflection", "grpcio-status"];

/// Runs a command; says what it said when it fails.
fn run(command: &mut Command) -> Result<String, String> {
    let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
    let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
    if output.status.success() {
        return Ok(said(&output.stdout));
    }
    Err(format!("{command:?}: {}\n{}", said(&output.stdout), said(&output.stderr)))
}

/// A Python with gRPC: the system's, if it has it, or one in an environment of our own, which is
/// kept beside the test's binary for the next time.
fn python() -> Result<PathBuf, String> {
    let knows_grpc = |python: &Path| {
        run(Command::new(python).args(["-c", "import grpc, grpc_reflection, grpc_status"]))
    };
    let system = PathBuf::from("python3");
    run(Command::new(&system).arg("--version"))?;
    if knows_grpc(&system).is_ok() {
        return Ok(system);
    }
    let home = Path::new(env!("CARGO_TARGET_TMPDIR")).join("python");
    let python = home.join("bin/python");
    if knows_grpc(&python).is_err() {
        run(Command::new(&system).args(["-m", "venv"]).arg(&home))?;
        let install = ["-m", "pip", "install", "--quiet", "--retries", "1", "--timeout", "10"];
        run(Command::new(&python).args(install).args(PACKAGES))?;
        knows_grpc(&python)?;
    }
    Ok(python)
}

#[tokio::test]
async fn a_python_client_by_reflection_alone() {
    let python = match python() {
        Ok(python) => python,
        Err(reason) => {
            println!("SKIPPED python::a_python_client_by_reflection_alone: {reason}");
            return;
        }
    };
    let cluster = Processes::start(1, 2, 4).await;
    cluster.serving(&["m1"], |client| client.create_database("ready")).await;
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/reflection.py");
    let address = cluster.clients["w1"].clone();
    let ran =
        tokio::task::spawn_blocking(move || run(Command::new(python).arg(script).arg(address)));
    match ran.await.expect("it runs") {
        Ok(said) => assert_eq!(said, "all is well"),
        Err(said) => panic!("{said}"),
    }
}
