//! Diagnostics on standard error: text for people, JSON for machines.
//!
//! `PSDB_LOG` chooses what is said, as in `PSDB_LOG=info,psdb_core::raft=debug`; without it,
//! warnings and errors, and what this program itself has to tell. The Raft library is silent by
//! default: it calls every message that a starting neighbour does not take an error.
//!
//! Left out: files and rotation, which whoever starts the process can do better.

use tracing_subscriber::EnvFilter;

use crate::args::LogFormat;

const DEFAULT: &str = "warn,psdb_server=info,openraft=off";

pub(crate) fn start(format: LogFormat) {
    let filter = EnvFilter::try_from_env("PSDB_LOG").unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => lines.with_ansi(false).init(),
        LogFormat::Json => lines.json().init(),
    }
}
