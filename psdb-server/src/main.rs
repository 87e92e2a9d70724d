//! `psdb-server`: PSDB's nodes as processes.
//!
//! ```text
//! args ─► settings ─► node (or dev): data directory, log, master or worker
//!                 └─► serve: two listeners ─► guard ─┬─ api: psdb.v1, over a client of its own
//!                                                    └─ transport: the core's own messages
//! ```
//! A node is the core's master or worker with a network around it. It answers the whole public
//! API, whatever its role, by asking the cluster as any client would.
//!
//! Left out: metrics; encryption and authentication.

mod api;
mod args;
mod dev;
mod exit;
mod guard;
mod log;
mod node;
mod serve;
mod settings;
mod signals;

use std::process::ExitCode;

use clap::Parser as _;

use exit::Failure;
use settings::{Role, Settings};

fn main() -> ExitCode {
    let arguments = args::Arguments::parse();
    let ended = Settings::resolve(arguments.role).and_then(|settings| match &settings.print {
        Some(text) => {
            print!("{text}");
            Ok(())
        }
        None => run(&settings),
    });
    match ended {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("psdb-server: {}", failure.message);
            failure.exit_code()
        }
    }
}

fn run(settings: &Settings) -> Result<(), Failure> {
    log::start(settings.log_format);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| Failure::io(format!("could not start: {error}")))?;
    let ended = runtime.block_on(async {
        match settings.role {
            Role::Dev { .. } => dev::run(settings).await,
            Role::Master { .. } | Role::Worker { .. } => node::run(settings).await,
        }
    });
    // Blocking work that nobody waits for any more must not hold the process up.
    runtime.shutdown_background();
    ended
}
