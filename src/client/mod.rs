//! Connecting to a running cluster: `psdb://host:port,...` becomes the core's [`Client`].
//!
//! ```text
//! connect ─► seeds: whoever answers says who it is, whom it knows, where the masters are
//!         └► Client over a Routed transport: peer address ─► client address ─► connection
//! ```
//! The client is the very one of an embedded database: it routes by the shard map, follows hints,
//! and retries. What is added here is the way: the map names nodes by their peer addresses, and
//! the nodes' own books say where each of them listens for clients.
//!
//! Everything of `psdb_core::client` is here as well.
//!
//! Left out: encryption and authentication.

mod routed;
mod url;

use std::sync::Arc;
use std::time::Duration;

use psdb_core::env::Env;
use psdb_core::{Error, Outcome, Result};

pub use psdb_core::client::*;
pub use url::parse_url;

use routed::Routed;

/// How a client connects and behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectOptions {
    /// How long to look for a node that answers; 10 s.
    pub connect_timeout: Duration,
    /// How requests behave afterwards.
    pub client: ClientOptions,
}

impl Default for ConnectOptions {
    fn default() -> Self {
        ConnectOptions {
            connect_timeout: Duration::from_secs(10),
            client: ClientOptions::default(),
        }
    }
}

/// Connects to the cluster that the nodes in `url` belong to; any of its nodes will do.
///
/// `url` is `psdb://host:port,host:port`; the scheme may be left out.
///
/// # Errors
///
/// [`Error::InvalidRequest`] when `url` is none, [`Error::Unavailable`] when none of its nodes
/// answers within 10 s, with what each attempt met: a difference of versions is named here.
pub async fn connect(url: &str) -> Result<Client> {
    connect_with(url, ConnectOptions::default()).await
}

/// Connects as [`connect`] does, with other time limits.
///
/// # Errors
///
/// As [`connect`].
pub async fn connect_with(url: &str, options: ConnectOptions) -> Result<Client> {
    let seeds = parse_url(url)?;
    let env = Env::real();
    let transport = Arc::new(Routed::new(env.clone(), seeds));
    let found = env.timeout(options.connect_timeout, transport.find_masters()).await;
    let masters = found.map_err(|_elapsed| Error::Unavailable {
        what: "the cluster".into(),
        reason: transport.why_not(),
        outcome: Outcome::NotApplied,
    })?;
    Ok(Client::new(env, transport, masters, options.client))
}
