//! Proves what every command does to the metadata, by the golden scripts in `testscripts/`.
//!
//! A script is commands, `---`, and the output expected. `PSDB_UPDATE_SCRIPTS=1 cargo test` writes
//! what came out into the scripts instead; read the diff before you commit it.
//!
//! ```text
//! time MILLIS                        the time of the commands that follow
//! found CLUSTER SHARDS REPLICAS      create NAME SHARD,SHARD [FIELD+FIELD ...]
//! opened ID                          clear NAME              cleared ID TOKEN REMOVED
//! delete NAME                        deleted ID
//! index NAME FIELD+FIELD [INDEX]     unindex NAME INDEX      told ID VERSION
//! deny NAME yes|no                   whether full scans are refused
//! worker NAME ADDRESS INCARNATION    status NAME alive|suspect|dead
//! load NAME SHARD:DOCUMENTS/BYTES/TERM[/leads] ...
//! restored NAME ADDRESS INCARNATION  a start that counts like another one
//! move SHARD FROM TO                 moved SHARD GENERATION  cancel SHARD GENERATION
//! drain NAME                         undrain NAME            remove NAME
//! place SHARD=NAME,NAME ...          show settings|databases|unfinished|workers|shards|map
//! acquire NAME CLIENT/SEQUENCE TTL WAIT      keep NAME CLIENT/SEQUENCE
//! renew NAME TOKEN TTL                       release NAME TOKEN         expire
//! reload                             saves, loads, and goes on with what was loaded
//! ```

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use super::{Command, LockAnswer, LockCommand, Metadata, Registration, Response, Unfinished};
use crate::raft::Position;
use crate::sharding::{Placement, RingSpec};
use crate::transport::message::{
    DatabaseInfo, IndexDefinition, LockClaim, ShardLoad, WorkerStatus,
};
use crate::types::{
    Address, ClientId, DatabaseId, Epoch, LogIndex, NodeId, ShardId, Term, Timestamp,
};

#[test]
fn scripts_give_their_output() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/metadata/testscripts");
    let mut paths: Vec<_> =
        std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(!paths.is_empty());
    for path in paths {
        let text = std::fs::read_to_string(&path).unwrap();
        let (commands, expected) = text.split_once("---\n").expect("a script has a --- line");
        let output = Script::default().run(commands);
        if std::env::var_os("PSDB_UPDATE_SCRIPTS").is_some() {
            std::fs::write(&path, format!("{commands}---\n{output}")).unwrap();
        } else {
            let name = path.display();
            assert!(output == expected, "{name} gives\n{output}instead of\n{expected}");
        }
    }
}

#[derive(Default)]
struct Script {
    metadata: Metadata,
    index: u64,
    time: u64,
    output: String,
}

impl Script {
    fn run(mut self, commands: &str) -> String {
        for line in commands.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let words: Vec<&str> = line.split(' ').collect();
            match words[..] {
                ["time", millis] => self.time = number(millis),
                ["show", what] => self.show(what),
                ["reload"] => self.reload(),
                _ => self.apply(line, &words),
            }
        }
        self.output
    }

    fn apply(&mut self, line: &str, words: &[&str]) {
        self.index += 1;
        let position =
            Position { term: Term(1), index: LogIndex(self.index), time: Timestamp(self.time) };
        let before = self.metadata.hash();
        let response = self.metadata.apply(position, command(words)).unwrap();
        if matches!(response, Response::Refused(_)) {
            assert_eq!(self.metadata.hash(), before, "a refused command changes nothing: {line}");
        }
        let answer = describe(&response);
        writeln!(self.output, "{line} -> {answer}").unwrap();
    }

    fn reload(&mut self) {
        let mut bytes = Vec::new();
        self.metadata.save(&mut bytes).unwrap();
        let loaded = Metadata::load(&mut bytes.as_slice()).unwrap();
        assert_eq!(loaded.hash(), self.metadata.hash());
        self.metadata = loaded;
    }

    fn show(&mut self, what: &str) {
        let metadata = &self.metadata;
        let lines: Vec<String> = match what {
            "settings" => metadata.settings().iter().map(|s| format!("{s:?}")).collect(),
            "databases" => metadata
                .databases()
                .map(|record| {
                    format!(
                        "{} created_at={} pending={:?} last={:?}",
                        database(&record.info),
                        record.created_at.0,
                        record.pending_clear,
                        record.last_clear.map(|last| (last.token, last.removed)),
                    )
                })
                .collect(),
            "unfinished" => metadata
                .unfinished()
                .iter()
                .map(|work| match work {
                    Unfinished::Open(info) => format!("open {}", database(info)),
                    Unfinished::Clear(info, token) => format!("clear {token} {}", database(info)),
                    Unfinished::Delete(info) => format!("delete {}", database(info)),
                    Unfinished::Index(info, version) => {
                        format!("index {version} {}", database(info))
                    }
                })
                .collect(),
            "workers" => metadata
                .worker_infos()
                .iter()
                .map(|worker| {
                    let record = metadata.worker(worker.node).unwrap();
                    format!(
                        "{} {} incarnation={} {} since={} shards={} leaders={} documents={} bytes={}",
                        worker.name,
                        worker.address,
                        record.incarnation,
                        worker.status.as_str(),
                        record.since.0,
                        worker.shards,
                        worker.leaders,
                        worker.documents,
                        worker.bytes
                    )
                })
                .collect(),
            "shards" => metadata.shard_infos().iter().map(shard).collect(),
            "locks" => metadata.locks.records.iter().map(|(_, record)| lock(record)).collect(),
            "map" => {
                let map = metadata.map();
                let mut lines = vec![format!("epoch {}", map.epoch)];
                lines.extend(map.shards.iter().map(|(shard, p)| {
                    let moving = p.moving.as_ref().map_or(String::new(), |moving| {
                        let from = p.replicas[&moving.from].as_str();
                        format!(" moving {from} -> {} ({})", moving.address, moving.birth)
                    });
                    format!("{shard}: {}{moving}", joined(p.replicas.values().map(Address::as_str)))
                }));
                lines
            }
            other => panic!("show {other}?"),
        };
        for line in lines {
            writeln!(self.output, "  {line}").unwrap();
        }
    }
}

fn command(words: &[&str]) -> Command {
    match words {
        ["found", cluster, shards, replicas] => Command::Found {
            cluster: number(cluster),
            shards: number(shards) as u32,
            replicas: number(replicas) as u32,
        },
        ["create", name, shards, indexes @ ..] => Command::CreateDatabase {
            name: (*name).into(),
            indexes: indexes.iter().map(|fields| index(fields)).collect(),
            shards: list(shards).map(|shard| ShardId(number(shard) as u32)).collect(),
            ring: RingSpec::DEFAULT,
            deny_full_scan: false,
        },
        ["opened", id] => Command::DatabaseOpened { id: DatabaseId(number(id)) },
        ["clear", name] => Command::BeginClear { name: (*name).into() },
        ["cleared", id, token, removed] => Command::ClearDone {
            id: DatabaseId(number(id)),
            token: number(token),
            removed: number(removed),
        },
        ["delete", name] => Command::BeginDelete { name: (*name).into() },
        ["deleted", id] => Command::DeleteDone { id: DatabaseId(number(id)) },
        ["worker", name, address, incarnation] => {
            Command::RegisterWorker(Registration::of(name, address, number(incarnation)))
        }
        ["restored", name, address, incarnation] => {
            let registration = Registration::of(name, address, number(incarnation));
            Command::RegisterWorker(Registration { start: 99, ..registration })
        }
        ["move", shard, from, to] => Command::BeginMove {
            shard: ShardId(number(shard) as u32),
            from: NodeId::from_name(from),
            to: NodeId::from_name(to),
        },
        ["moved", shard, birth] => {
            Command::EndMove { shard: ShardId(number(shard) as u32), birth: Epoch(number(birth)) }
        }
        ["cancel", shard, birth] => Command::CancelMove {
            shard: ShardId(number(shard) as u32),
            birth: Epoch(number(birth)),
        },
        ["drain", name] => Command::SetDraining { worker: NodeId::from_name(name), draining: true },
        ["undrain", name] => {
            Command::SetDraining { worker: NodeId::from_name(name), draining: false }
        }
        ["remove", name] => Command::RemoveWorker { worker: NodeId::from_name(name) },
        ["status", name, status] => Command::SetWorkerStatus {
            worker: NodeId::from_name(name),
            status: match *status {
                "alive" => WorkerStatus::Alive,
                "suspect" => WorkerStatus::Suspect,
                "dead" => WorkerStatus::Dead,
                other => panic!("status {other}?"),
            },
        },
        ["load", name, loads @ ..] => Command::ReportLoad {
            worker: NodeId::from_name(name),
            shards: loads.iter().map(|text| load(text)).collect(),
        },
        ["place", placements @ ..] => Command::PlaceShards {
            placements: placements.iter().map(|text| placement(text)).collect(),
        },
        ["index" | "unindex" | "told" | "deny", ..] => index_command(words),
        other => Command::Lock(lock_command(other)),
    }
}

fn index_command(words: &[&str]) -> Command {
    match words {
        ["index", database, fields] => {
            Command::CreateIndex { database: (*database).into(), index: index(fields) }
        }
        ["index", database, fields, name] => Command::CreateIndex {
            database: (*database).into(),
            index: IndexDefinition { name: (*name).into(), ..index(fields) },
        },
        ["unindex", database, name] => {
            Command::DropIndex { database: (*database).into(), index: (*name).into() }
        }
        ["told", id, version] => {
            Command::IndexesTold { id: DatabaseId(number(id)), version: number(version) }
        }
        ["deny", name, deny] => {
            Command::ConfigureDatabase { name: (*name).into(), deny_full_scan: *deny == "yes" }
        }
        other => panic!("{other:?}?"),
    }
}

fn lock_command(words: &[&str]) -> LockCommand {
    match words {
        ["acquire", name, claimed, ttl, wait] => LockCommand::Acquire {
            name: (*name).into(),
            claim: claim(claimed),
            holder: format!("holder-{claimed}"),
            ttl_millis: number(ttl),
            wait_millis: number(wait),
        },
        ["keep", name, claimed] => {
            LockCommand::KeepPlace { name: (*name).into(), claim: claim(claimed) }
        }
        ["renew", name, token, ttl] => LockCommand::Renew {
            name: (*name).into(),
            token: number(token),
            ttl_millis: number(ttl),
        },
        ["release", name, token] => {
            LockCommand::Release { name: (*name).into(), token: number(token) }
        }
        ["expire"] => LockCommand::Expire,
        other => panic!("{other:?}?"),
    }
}

fn claim(text: &str) -> LockClaim {
    let (client, sequence) = text.split_once('/').unwrap();
    LockClaim { client: ClientId(number(client)), sequence: number(sequence) }
}

fn lock(record: &super::locks::LockRecord) -> String {
    let queue = record.queue.iter().map(|waiter| {
        let (client, sequence) = (waiter.claim.client, waiter.claim.sequence);
        format!("{client}/{sequence} until={} keep_by={}", waiter.until.0, waiter.keep_by.0)
    });
    format!(
        "{} token={} {} from={} to={} queue=[{}]",
        record.name,
        record.token,
        record.holder,
        record.granted_at.0,
        record.expires_at.0,
        queue.collect::<Vec<_>>().join(", ")
    )
}

fn index(fields: &str) -> IndexDefinition {
    IndexDefinition {
        name: fields.replace('+', "_").into(),
        fields: fields.split('+').filter(|f| !f.is_empty()).map(str::to_owned).collect(),
    }
}

fn load(text: &str) -> (ShardId, ShardLoad) {
    let (shard, rest) = text.split_once(':').unwrap();
    let parts: Vec<&str> = rest.split('/').collect();
    let term = number(parts[2]);
    let load = ShardLoad {
        documents: number(parts[0]),
        bytes: number(parts[1]),
        leads: parts.get(3) == Some(&"leads"),
        term: Term(term),
        applied: LogIndex(10 * term),
        hash: 0,
    };
    (ShardId(number(shard) as u32), load)
}

/// The replicas stand at addresses that are out of date, which the metadata corrects.
fn placement(text: &str) -> (ShardId, Placement) {
    let (shard, names) = text.split_once('=').unwrap();
    let replicas: BTreeMap<NodeId, Address> =
        list(names).map(|name| (NodeId::from_name(name), "old".into())).collect();
    (ShardId(number(shard) as u32), Placement::founded(replicas))
}

fn describe(response: &Response) -> String {
    match response {
        Response::Settings(settings) => format!("{settings:?}"),
        Response::Database(info) => database(info),
        Response::Clearing { database: info, token } => {
            format!("token {token}, {}", database(info))
        }
        Response::Worker(worker) => format!("{} {}", worker.address, worker.status.as_str()),
        Response::Map(map) => format!("epoch {}, {} shards", map.epoch, map.shards.len()),
        Response::Done | Response::Lock(LockAnswer::Done) => "done".into(),
        Response::Lock(LockAnswer::Granted(lease)) => {
            format!("token {} to {}", lease.token, lease.expires_at.0)
        }
        Response::Lock(LockAnswer::Queued { ahead }) => format!("queued, {ahead} ahead"),
        Response::Lock(LockAnswer::Failed(error)) | Response::Refused(error) => {
            format!("{}: {error}", error.code().as_str())
        }
    }
}

fn database(info: &DatabaseInfo) -> String {
    let shards: Vec<String> = info.shards.iter().map(ToString::to_string).collect();
    let indexes: Vec<&str> = info.indexes.iter().map(|index| index.name.as_str()).collect();
    let deny = if info.deny_full_scan { " deny_full_scan" } else { "" };
    let (name, id, state) = (&info.name, info.id, info.state);
    format!("{name}#{id} {state:?} shards={shards:?} indexes={indexes:?}{deny}").replace('"', "")
}

fn shard(info: &crate::transport::message::ShardInfo) -> String {
    format!(
        "{}: leader={} replicas={} term={} applied={} databases={} documents={} bytes={}",
        info.shard,
        info.leader.as_ref().map_or("none", Address::as_str),
        joined(info.replicas.iter().map(Address::as_str)),
        info.term,
        info.applied,
        info.databases,
        info.documents,
        info.bytes,
    )
}

fn joined<'a>(words: impl Iterator<Item = &'a str>) -> String {
    words.collect::<Vec<_>>().join(",")
}

fn list(text: &str) -> impl Iterator<Item = &str> {
    text.split(',').filter(|part| *part != "none")
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or_else(|_| panic!("{text} is not a number"))
}
