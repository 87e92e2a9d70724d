//! `workers`, `masters`, `shards` and `status`: what the cluster says of itself.
//!
//! `status` also works while the cluster does not: in `psdb dev` it lists the nodes of this process
//! whatever the masters answer, and says what is wrong. It waits a few seconds at most.

use std::time::Duration;

use psdb::Address;
use psdb::transport::message::{MasterInfo, ShardInfo, WorkerInfo, WorkerStatus};

use super::{Done, Runner};
use crate::output::Json;
use crate::output::simple::{bytes, table};
use crate::session::{Backend, DatabaseSummary, Node, Reply};

impl Runner {
    pub(super) async fn workers(&mut self) -> Done {
        let workers = self.backend.workers().await?;
        let rows: Vec<Vec<String>> = workers
            .iter()
            .map(|worker| {
                vec![
                    worker.name.clone(),
                    worker.address.to_string(),
                    standing(worker),
                    worker.zone.clone().unwrap_or("-".to_string()),
                    worker.shards.to_string(),
                    worker.leaders.to_string(),
                    worker.documents.to_string(),
                    bytes(worker.bytes),
                ]
            })
            .collect();
        let head =
            ["worker", "address", "status", "zone", "shards", "leaders", "documents", "size"];
        let objects = workers.iter().map(worker_object).collect();
        self.output.answer("workers", &table(&head, &rows), vec![("workers", Json::List(objects))])
    }

    pub(super) async fn masters(&mut self) -> Done {
        let mut masters = self.backend.masters().await?;
        masters.sort_by(|one, other| one.name.cmp(&other.name));
        let rows: Vec<Vec<String>> = masters
            .iter()
            .map(|master| {
                vec![
                    master.name.clone(),
                    master.address.to_string(),
                    role(master).to_string(),
                    master.term.to_string(),
                    master.matched.to_string(),
                ]
            })
            .collect();
        let head = ["master", "address", "role", "term", "log"];
        let objects = masters.iter().map(master_object).collect();
        self.output.answer("masters", &table(&head, &rows), vec![("masters", Json::List(objects))])
    }

    pub(super) async fn shards(&mut self) -> Done {
        let shards = self.backend.shards().await?;
        let rows: Vec<Vec<String>> = shards
            .iter()
            .map(|shard| {
                let replicas: Vec<&str> = replicas(shard);
                vec![
                    shard.shard.to_string(),
                    shard.leader.as_ref().map_or("-".to_string(), ToString::to_string),
                    replicas.join(","),
                    shard
                        .moving
                        .as_ref()
                        .map_or("-".to_string(), |(from, to)| format!("{from}>{to}")),
                    shard.term.to_string(),
                    shard.databases.to_string(),
                    shard.documents.to_string(),
                    bytes(shard.bytes),
                ]
            })
            .collect();
        let head =
            ["shard", "leader", "replicas", "moving", "term", "databases", "documents", "size"];
        let objects = shards.iter().map(shard_object).collect();
        self.output.answer("shards", &table(&head, &rows), vec![("shards", Json::List(objects))])
    }

    pub(super) async fn status(&mut self) -> Done {
        let nodes = match self.backend.faults() {
            Some(faults) => Some(faults.nodes().await?),
            None => None,
        };
        let stopped = nodes.iter().flatten().filter(|node| !node.running).count();
        let summary = match (Summary::gather(&*self.backend, stopped).await, &nodes) {
            (Ok(summary), _) => Ok(summary),
            (Err(error), Some(_)) => Err(error),
            (Err(error), None) => return Err(error.into()),
        };
        let (mut text, mut fields) = match &summary {
            Ok(summary) => (summary.text(), summary.fields()),
            Err(error) => {
                let fields = vec![
                    ("healthy", Json::Bool(false)),
                    ("problem", Json::text(error.to_string())),
                ];
                (format!("unhealthy: {error}"), fields)
            }
        };
        if let Some(nodes) = nodes {
            text.push_str("\n\n");
            text.push_str(&table(
                &["node", "role", "state"],
                &nodes.iter().map(node_row).collect::<Vec<_>>(),
            ));
            fields.push(("nodes", Json::List(nodes.iter().map(node_object).collect())));
        }
        self.output.answer("status", &text, vec![("status", Json::Object(fields))])
    }
}

/// How long `status` waits for one part of its answer: it is asked when something is wrong, and
/// must not take as long as whatever is wrong.
const PATIENCE: Duration = Duration::from_secs(3);

/// What `asked` answers within [`PATIENCE`].
async fn soon<T>(what: &str, asked: Reply<'_, T>) -> psdb::Result<T> {
    tokio::time::timeout(PATIENCE, asked).await.unwrap_or_else(|_elapsed| {
        Err(psdb::Error::DeadlineExceeded {
            what: what.to_owned(),
            after: PATIENCE,
            outcome: psdb::Outcome::NotApplied,
        })
    })
}

/// The cluster in a few numbers.
struct Summary {
    masters: Vec<MasterInfo>,
    workers: Vec<WorkerInfo>,
    shards: Vec<ShardInfo>,
    /// Counted by the shards, all of which must answer for it.
    databases: psdb::Result<Vec<DatabaseSummary>>,
    /// Nodes of this process that do not run, which the masters notice after some seconds only.
    stopped: usize,
}

impl Summary {
    async fn gather(backend: &dyn Backend, stopped: usize) -> psdb::Result<Summary> {
        Ok(Summary {
            masters: soon("the masters", backend.masters()).await?,
            workers: soon("the masters", backend.workers()).await?,
            shards: soon("the masters", backend.shards()).await?,
            databases: soon("the shards", backend.list_databases()).await,
            stopped,
        })
    }

    fn leader(&self) -> Option<&MasterInfo> {
        self.masters.iter().find(|master| master.leads)
    }

    fn alive(&self) -> u64 {
        self.workers.iter().filter(|worker| worker.status == WorkerStatus::Alive).count() as u64
    }

    fn draining(&self) -> u64 {
        self.workers.iter().filter(|worker| worker.draining).count() as u64
    }

    fn moving(&self) -> u64 {
        self.shards.iter().filter(|shard| shard.moving.is_some()).count() as u64
    }

    fn led(&self) -> u64 {
        self.shards.iter().filter(|shard| shard.leader.is_some()).count() as u64
    }

    fn is_healthy(&self) -> bool {
        self.leader().is_some()
            && self.alive() == self.workers.len() as u64
            && self.led() == self.shards.len() as u64
            && self.databases.is_ok()
            && self.stopped == 0
    }

    fn text(&self) -> String {
        let leader = self.leader().map_or("none".to_string(), |master| master.address.to_string());
        let (draining, moving) =
            (ongoing("draining", self.draining()), ongoing("moving", self.moving()));
        let mut lines = vec![
            if self.is_healthy() { "healthy" } else { "unhealthy" }.to_string(),
            format!("masters    {}, leader {leader}", self.masters.len()),
            format!("workers    {}, alive {}{draining}", self.workers.len(), self.alive()),
            format!("shards     {}, with a leader {}{moving}", self.shards.len(), self.led()),
        ];
        match &self.databases {
            Ok(databases) => {
                let (documents, size) = totals(databases);
                lines.push(format!("databases  {}", databases.len()));
                lines.push(format!("documents  {documents}, {}", bytes(size)));
            }
            Err(error) => lines.push(format!("databases  not counted: {error}")),
        }
        lines.join("\n")
    }

    fn fields(&self) -> Vec<(&'static str, Json)> {
        let leader = self.leader().map_or(Json::Null, |m| Json::text(m.address.as_str()));
        let count = |count: usize| Json::Number(count as u64);
        let masters = vec![("total", count(self.masters.len())), ("leader", leader)];
        let workers = vec![
            ("total", count(self.workers.len())),
            ("alive", self.alive().into()),
            ("draining", self.draining().into()),
        ];
        let shards = vec![
            ("total", count(self.shards.len())),
            ("led", self.led().into()),
            ("moving", self.moving().into()),
        ];
        let mut fields = vec![
            ("healthy", Json::Bool(self.is_healthy())),
            ("masters", Json::Object(masters)),
            ("workers", Json::Object(workers)),
            ("shards", Json::Object(shards)),
        ];
        match &self.databases {
            Ok(databases) => {
                let (documents, bytes) = totals(databases);
                fields.push(("databases", count(databases.len())));
                fields.push(("documents", documents.into()));
                fields.push(("bytes", bytes.into()));
            }
            Err(error) => fields.push(("problem", Json::text(error.to_string()))),
        }
        fields
    }
}

/// The end of a line about something that most of the time does not go on.
fn ongoing(what: &str, count: u64) -> String {
    if count == 0 { String::new() } else { format!(", {what} {count}") }
}

/// Documents and bytes of all databases.
fn totals(databases: &[DatabaseSummary]) -> (u64, u64) {
    databases.iter().fold((0, 0), |(documents, bytes), database| {
        (documents + database.documents, bytes + database.bytes)
    })
}

fn role(master: &MasterInfo) -> &'static str {
    if master.leads { "leader" } else { "follower" }
}

fn state(node: &Node) -> &'static str {
    if node.running { "running" } else { "stopped" }
}

/// Where a shard's replicas are, by name.
fn replicas(shard: &ShardInfo) -> Vec<&str> {
    let mut replicas: Vec<&str> = shard.replicas.iter().map(Address::as_str).collect();
    replicas.sort_unstable();
    replicas
}

/// A worker's health, and whether it is being emptied.
fn standing(worker: &WorkerInfo) -> String {
    let draining = if worker.draining { ",draining" } else { "" };
    format!("{}{draining}", worker.status.as_str())
}

fn worker_object(worker: &WorkerInfo) -> Json {
    Json::Object(vec![
        ("id", Json::text(&worker.name)),
        ("address", Json::text(worker.address.as_str())),
        ("status", Json::text(worker.status.as_str())),
        ("draining", Json::Bool(worker.draining)),
        ("zone", worker.zone.as_ref().map_or(Json::Null, Json::text)),
        ("shards", worker.shards.into()),
        ("leaders", worker.leaders.into()),
        ("documents", worker.documents.into()),
        ("bytes", worker.bytes.into()),
    ])
}

fn master_object(master: &MasterInfo) -> Json {
    Json::Object(vec![
        ("id", Json::text(&master.name)),
        ("address", Json::text(master.address.as_str())),
        ("role", Json::text(role(master))),
        ("term", master.term.0.into()),
        ("matched", master.matched.0.into()),
    ])
}

fn shard_object(shard: &ShardInfo) -> Json {
    let leader = shard.leader.as_ref().map_or(Json::Null, |leader| Json::text(leader.as_str()));
    let replicas = replicas(shard).into_iter().map(Json::text).collect();
    let moving = shard.moving.as_ref().map_or(Json::Null, |(from, to)| {
        Json::Object(vec![("from", Json::text(from.as_str())), ("to", Json::text(to.as_str()))])
    });
    Json::Object(vec![
        ("id", u64::from(shard.shard.0).into()),
        ("leader", leader),
        ("replicas", Json::List(replicas)),
        ("moving", moving),
        ("term", shard.term.0.into()),
        ("applied", shard.applied.0.into()),
        ("databases", shard.databases.into()),
        ("documents", shard.documents.into()),
        ("bytes", shard.bytes.into()),
    ])
}

fn node_row(node: &Node) -> Vec<String> {
    vec![node.name.clone(), node.role.to_string(), state(node).to_string()]
}

fn node_object(node: &Node) -> Json {
    Json::Object(vec![
        ("name", Json::text(&node.name)),
        ("role", Json::text(node.role)),
        ("running", Json::Bool(node.running)),
    ])
}
