//! The command line.
//!
//! Left out: what follows from it together with the environment and the file (`settings`).

use std::path::PathBuf;

use clap::{Args, Parser, Subcommand, ValueEnum};
use serde::{Deserialize, Serialize};

/// PSDB's nodes as processes.
#[derive(Debug, Parser)]
#[command(name = "psdb-server", version, about)]
pub(crate) struct Arguments {
    #[command(subcommand)]
    pub(crate) role: RoleArguments,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RoleArguments {
    /// Runs a master: it keeps the cluster's metadata together with its peers.
    Master(NodeArguments),
    /// Runs a worker: it holds documents.
    Worker(NodeArguments),
    /// Runs a whole cluster in this process, for development.
    Dev(NodeArguments),
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum LogFormat {
    #[default]
    Text,
    Json,
}

#[derive(Debug, Args)]
pub(crate) struct NodeArguments {
    /// Reads settings from this file; flags and environment win over it.
    #[arg(long, value_name = "FILE", env = "PSDB_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    /// Prints the settings in force, as such a file, and exits.
    #[arg(long)]
    pub(crate) print_config: bool,
    #[command(flatten)]
    pub(crate) values: Values,
}

/// Every setting; absent ones come from elsewhere.
#[derive(Args, Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Values {
    /// The node's name, unique in the cluster and never changed.
    #[arg(long, value_name = "ID", env = "PSDB_NODE_ID")]
    pub(crate) node_id: Option<String>,
    /// Where clients are served; port 0 picks one.
    #[arg(long, value_name = "HOST:PORT", env = "PSDB_LISTEN")]
    pub(crate) listen: Option<String>,
    /// Where other nodes are served; port 0 picks one.
    #[arg(long, value_name = "HOST:PORT", env = "PSDB_PEER_LISTEN")]
    pub(crate) peer_listen: Option<String>,
    /// What clients are told to connect to, where it differs from --listen.
    #[arg(long, value_name = "HOST:PORT", env = "PSDB_ADVERTISE")]
    pub(crate) advertise: Option<String>,
    /// What nodes are told to connect to, where it differs from --peer-listen.
    #[arg(long, value_name = "HOST:PORT", env = "PSDB_PEER_ADVERTISE")]
    pub(crate) peer_advertise: Option<String>,
    /// All masters, this one included, by name and peer address (master).
    #[arg(long, value_name = "ID=HOST:PORT,...", value_delimiter = ',', env = "PSDB_PEERS")]
    pub(crate) peers: Option<Vec<String>>,
    /// Joins a cluster that exists and waits to be added to it (master).
    #[arg(long, num_args = 0, default_missing_value = "true")]
    pub(crate) join: Option<bool>,
    /// Peer addresses of masters (worker), or how many there are (dev).
    #[arg(long, value_name = "HOST:PORT,...|N", value_delimiter = ',', env = "PSDB_MASTER_PEERS")]
    pub(crate) masters: Option<Vec<String>>,
    /// What this node shares the fate of, such as a rack; replicas of a shard avoid one zone (worker).
    #[arg(long, value_name = "NAME", env = "PSDB_ZONE")]
    pub(crate) zone: Option<String>,
    /// Its share beside other workers: one of 2 carries twice as much as one of 1 (worker); 1.
    #[arg(long, value_name = "N")]
    pub(crate) capacity: Option<u32>,
    /// How many workers there are (dev).
    #[arg(long, value_name = "N")]
    pub(crate) workers: Option<u32>,
    /// The directory that holds all of this node's data.
    #[arg(long, value_name = "DIR", env = "PSDB_DATA_DIR")]
    pub(crate) data_dir: Option<PathBuf>,
    /// How many bytes of pages are kept in memory; a quarter of the memory that the process may use.
    #[arg(long, value_name = "BYTES", env = "PSDB_CACHE_BYTES")]
    pub(crate) cache_bytes: Option<u64>,
    /// How many shards a new cluster gets, for ever (master, dev); 16.
    #[arg(long, value_name = "N")]
    pub(crate) shards: Option<u32>,
    /// How many replicas each shard of a new cluster gets (master, dev); 3.
    #[arg(long, value_name = "N")]
    pub(crate) replicas: Option<u32>,
    /// A worker dead for so long is given up: its replicas are rebuilt elsewhere (master, dev); 60s.
    #[arg(long, value_name = "DURATION", env = "PSDB_REPLACE_AFTER")]
    pub(crate) replace_after: Option<String>,
    /// How log lines look.
    #[arg(long, value_enum, env = "PSDB_LOG_FORMAT")]
    pub(crate) log_format: Option<LogFormat>,
}

impl Values {
    /// These values, completed from `file` where they are absent.
    pub(crate) fn over(self, file: Values) -> Values {
        Values {
            node_id: self.node_id.or(file.node_id),
            listen: self.listen.or(file.listen),
            peer_listen: self.peer_listen.or(file.peer_listen),
            advertise: self.advertise.or(file.advertise),
            peer_advertise: self.peer_advertise.or(file.peer_advertise),
            peers: self.peers.or(file.peers),
            join: self.join.or(file.join),
            masters: self.masters.or(file.masters),
            zone: self.zone.or(file.zone),
            capacity: self.capacity.or(file.capacity),
            workers: self.workers.or(file.workers),
            data_dir: self.data_dir.or(file.data_dir),
            cache_bytes: self.cache_bytes.or(file.cache_bytes),
            shards: self.shards.or(file.shards),
            replicas: self.replicas.or(file.replicas),
            replace_after: self.replace_after.or(file.replace_after),
            log_format: self.log_format.or(file.log_format),
        }
    }
}
