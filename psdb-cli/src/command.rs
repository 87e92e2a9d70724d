//! The commands of the shell, as data.
//!
//! `parse` makes a [`Command`] from a line or from arguments, `run` carries it out. Texts are kept
//! exactly as written: whether a document, a name or a lambda is valid is for the database to say,
//! so that one place decides and every client hears the same words.
//!
//! Left out: work on a directory that no node has open (`offline`).

use std::time::Duration;

/// One thing to do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    Create {
        name: String,
        /// The fields of each index.
        indexes: Vec<Vec<String>>,
        shards: Option<u32>,
        deny_full_scan: bool,
    },
    /// How the database may be read from here on.
    Configure {
        deny_full_scan: bool,
    },
    Index(Index),
    Use {
        name: String,
    },
    List,
    Delete {
        name: String,
        /// Do not ask.
        yes: bool,
    },
    Clear {
        /// Do not ask.
        yes: bool,
    },
    Insert {
        document: String,
    },
    Read {
        id: String,
    },
    ReadAll {
        limit: Option<u64>,
        page: Option<Page>,
    },
    Query(Query),
    /// Says how a query would be run, or what came of running it.
    Explain {
        query: Query,
        analyze: bool,
    },
    Count {
        filter: Option<Lambda>,
    },
    Distinct(Group),
    Group(Group),
    UpdateMany {
        filter: Lambda,
        patch: String,
    },
    DeleteMany {
        filter: Lambda,
    },
    Update(Change),
    Replace(Change),
    DeleteDocument {
        id: String,
        if_version: Option<u64>,
    },
    /// From a file, or from standard input if it is `-`.
    Import {
        file: String,
    },
    /// To a file, or to standard output if it is `-`.
    Export {
        file: String,
    },
    Workers,
    Masters,
    Shards,
    Status,
    Lock(Lock),
    Order(Order),
    Fault(Fault),
    Help {
        topic: Option<String>,
    },
    Exit,
}

/// A lambda as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Lambda {
    pub(crate) text: String,
    /// It stood without quotes, so everything to the end of the line belongs to it.
    pub(crate) bare: bool,
}

/// What to find.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Query {
    pub(crate) filter: Lambda,
    pub(crate) sort: Option<Lambda>,
    /// The largest key comes first.
    pub(crate) descending: bool,
    pub(crate) skip: u64,
    pub(crate) limit: Option<u64>,
    /// What to show of each document.
    pub(crate) select: Option<Lambda>,
    /// A lambda that raises is an error.
    pub(crate) strict: bool,
    pub(crate) page: Option<Page>,
}

/// One page of results instead of all.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Page {
    /// How many results it has at most.
    pub(crate) size: u64,
    /// The token that the page before ended with.
    pub(crate) token: Option<String>,
}

/// What to do with the indexes of the database in use.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Index {
    /// Creates one, and waits until it is built unless told not to.
    Create {
        fields: Vec<String>,
        name: Option<String>,
        wait: bool,
    },
    List,
    Drop {
        name: String,
    },
}

/// What to group, or of what to show the different values.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Group {
    pub(crate) key: Lambda,
    /// What to compute of each group, and of what; `None` counts.
    pub(crate) aggregate: Option<(Aggregate, Lambda)>,
    pub(crate) filter: Option<Lambda>,
    /// A lambda that raises is an error.
    pub(crate) strict: bool,
}

/// What is computed of a lambda's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Aggregate {
    Sum,
    Average,
    Min,
    Max,
    Collect,
}

/// A change of one document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub(crate) id: String,
    pub(crate) document: String,
    pub(crate) if_version: Option<u64>,
}

/// What to do with locks. A duration that is not given is the database's to choose.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Lock {
    Acquire { name: String, ttl: Option<Duration>, wait: Option<Duration> },
    Renew { name: String, token: u64, ttl: Option<Duration> },
    Release { name: String, token: u64 },
    List,
}

/// A change of what the cluster consists of, and of where replicas are. Nodes go by their names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Order {
    /// Moves all replicas off a worker, and waits for that unless told not to.
    DrainWorker { worker: String, wait: bool },
    /// Lets a worker have replicas again.
    UndrainWorker { worker: String },
    /// Forgets a worker; asks first unless `yes`.
    RemoveWorker { worker: String, yes: bool },
    /// Adds a master that runs and waits to be added.
    AddMaster { master: String, address: String },
    /// Takes a master out of the group for ever; asks first unless `yes`.
    RemoveMaster { master: String, yes: bool },
    /// Moves one replica of a shard, and waits for that unless told not to.
    MoveShard { shard: u32, from: String, to: String, wait: bool },
}

/// What `psdb dev` does to its cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// Stops a node as a crash does.
    Kill(String),
    /// Starts a killed node again.
    Restart(String),
    /// Freezes a node until `heal` or `restart`.
    Pause(String),
    /// Cuts the network between two sets of nodes.
    Partition(Vec<String>, Vec<String>),
    /// Ends all partitions, pauses and drops.
    Heal,
    /// Loses so many of a hundred messages.
    Drop(u8),
}

impl Command {
    /// Whether it changes what databases there are, which completion wants to know.
    pub(crate) fn changes_databases(&self) -> bool {
        matches!(self, Command::Create { .. } | Command::Delete { .. })
    }
}

impl Fault {
    /// The word the command starts with.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Fault::Kill(_) => "kill",
            Fault::Restart(_) => "restart",
            Fault::Pause(_) => "pause",
            Fault::Partition(..) => "partition",
            Fault::Heal => "heal",
            Fault::Drop(_) => "drop",
        }
    }
}
