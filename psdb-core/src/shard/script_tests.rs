//! Proves what every command does to a shard, by the golden scripts in `testscripts/`.
//!
//! A script is commands, `---`, and the output expected. `PSDB_UPDATE_SCRIPTS=1 cargo test` writes
//! what came out into the scripts instead; read the diff before you commit it.
//!
//! ```text
//! time MILLIS                        the time of the commands that follow
//! open DATABASE [FIELD+FIELD ...]    clear DATABASE TOKEN     close DATABASE
//! indexes DATABASE VERSION [FIELD+FIELD ...]                  fill DATABASE NAME MAX [after ID]
//! write DATABASE OP; OP ...          insert ID BODY | update ID BODY [if=N]
//!                                    replace ID BODY [if=N] | delete ID [if=N]
//! get DATABASE ID                    scan DATABASE [after ID]
//! index DATABASE NAME                the documents' ids in the order of an index
//! building DATABASE                  how the indexes stand
//! stats DATABASE | totals
//! reload                             sends the shard to another replica, and goes on there after
//!                                    a checkpoint and a restart
//! ```
//!
//! A body is JSON, or `hex:...` for bytes as they are. `~N` in JSON is a string of N letters; the
//! id `empty` is the empty one.

use std::fmt::Write as _;
use std::ops::Bound;
use std::path::Path;

use bytes::Bytes;

use super::testing::TestShard;
use super::{Command, Response};
use crate::codec::document::EncodedDocument;
use crate::query::Direction;
use crate::raft::Position;
use crate::transport::message::{IndexDefinition, IndexStatus, ShardStats, WriteOp};
use crate::types::{DatabaseId, DocumentId, Limits, LogIndex, Result, Term, Timestamp};

#[test]
fn scripts_give_their_output() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/shard/testscripts");
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
    shard: TestShard,
    index: u64,
    time: u64,
    output: String,
}

impl Script {
    fn run(mut self, commands: &str) -> String {
        for line in commands.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let (name, rest) = line.split_once(' ').unwrap_or((line, ""));
            match name {
                "time" => self.time = number(rest),
                "reload" => self.reload(),
                "open" | "clear" | "close" | "write" | "indexes" | "fill" => {
                    self.apply(line, command(name, rest));
                }
                _ => self.read(line, name, rest),
            }
            self.shard.check_invariants().unwrap();
        }
        self.output
    }

    fn apply(&mut self, line: &str, command: Command) {
        self.index += 1;
        let position =
            Position { term: Term(1), index: LogIndex(self.index), time: Timestamp(self.time) };
        let before = self.shard.hash();
        let response = self.shard.apply(position, command).unwrap();
        if matches!(response, Response::Refused(_)) {
            assert_eq!(self.shard.hash(), before, "a refused command changes nothing: {line}");
        }
        match response {
            Response::Changed { removed } => self.say(line, &format!("removed {removed}")),
            Response::Refused(error) => {
                self.say(line, &format!("{}: {error}", error.code().as_str()));
            }
            Response::Written(results) => {
                for (operation, result) in operations(line).zip(results) {
                    let answer = match result {
                        Ok(written) => format!("version {}", written.version),
                        Err(error) => format!("{}: {error}", error.code().as_str()),
                    };
                    self.say(operation, &answer);
                }
            }
        }
    }

    fn read(&mut self, line: &str, name: &str, rest: &str) {
        let (database, rest) = rest.split_once(' ').unwrap_or((rest, ""));
        if name == "totals" {
            return self.say(line, &sizes(self.shard.totals()));
        }
        let view = match self.shard.database(id(database)) {
            Ok(view) => view,
            Err(error) => return self.say(line, &error.to_string()),
        };
        match (name, rest) {
            ("get", document) => {
                let found = view.get(&document.into()).unwrap();
                let found = found.map_or("none".into(), |document| document.to_json());
                self.say(line, &found);
            }
            ("scan", after) => {
                let after = after.strip_prefix("after ").map(DocumentId::from);
                let found = view.documents(after.as_ref());
                let found: Vec<String> =
                    found.map(|document| document.unwrap().to_json()).collect();
                self.say(line, &format!("{} documents", found.len()));
                for json in found {
                    writeln!(self.output, "  {json}").unwrap();
                }
            }
            ("index", name) => {
                let (all, ascending) = (Bound::Unbounded, Direction::Ascending);
                let entries = view.index_entries(&name.into(), all, all, ascending);
                let ids = entries.map(|entries| {
                    let ids: Vec<String> =
                        entries.map(|entry| entry.unwrap().1.to_string()).collect();
                    ids.join(" ")
                });
                self.say(line, ids.as_deref().unwrap_or("no such index"));
            }
            ("building", "") => {
                for index in self.shard.indexes(id(database)).unwrap() {
                    let IndexStatus { name, state, entries, documents_done, documents, .. } = index;
                    let shown = format!(
                        "{state:?}, {documents_done} of {documents} documents, {entries} entries"
                    );
                    self.say(&format!("{line} {name}"), &shown);
                }
            }
            ("stats", "") => {
                let stats = sizes(view.stats());
                self.say(line, &stats);
            }
            other => panic!("{other:?}?"),
        }
    }

    fn reload(&mut self) {
        let loaded = self.shard.reloaded().reopen();
        assert_eq!(loaded.hash(), self.shard.hash());
        self.shard = loaded;
    }

    fn say(&mut self, line: &str, answer: &str) {
        writeln!(self.output, "{line} -> {answer}").unwrap();
    }
}

fn command(name: &str, rest: &str) -> Command {
    let (database, rest) = rest.split_once(' ').unwrap_or((rest, ""));
    let database = id(database);
    match name {
        "open" => {
            Command::Open { database, indexes: rest.split_terminator(' ').map(index).collect() }
        }
        "indexes" => {
            let (version, fields) = rest.split_once(' ').unwrap_or((rest, ""));
            let definitions = fields.split_terminator(' ').map(index).collect();
            Command::SetIndexes { database, version: number(version), definitions }
        }
        "fill" => {
            let words: Vec<&str> = rest.split(' ').collect();
            Command::FillIndex {
                database,
                index: words[0].into(),
                max_documents: number(words[1]) as u32,
                after: words.get(3).map(|id| DocumentId::from(*id)),
            }
        }
        "clear" => Command::Clear { database, token: number(rest) },
        "close" => Command::Close { database },
        _ => Command::Write { database, operations: rest.split("; ").map(operation).collect() },
    }
}

fn index(fields: &str) -> IndexDefinition {
    IndexDefinition {
        name: fields.replace('+', "_").into(),
        fields: fields.split('+').filter(|field| !field.is_empty()).map(str::to_owned).collect(),
    }
}

/// The operations of a line `write DATABASE OP; OP`, as they are written there.
fn operations(line: &str) -> impl Iterator<Item = &str> {
    line.splitn(3, ' ').nth(2).unwrap().split("; ")
}

fn operation(text: &str) -> WriteOp {
    let (text, if_version) = match text.rsplit_once(" if=") {
        Some((text, version)) => (text, Some(number(version))),
        None => (text, None),
    };
    let mut words = text.splitn(3, ' ');
    let (name, id) = (words.next().unwrap(), words.next().unwrap());
    let id = if id == "empty" { DocumentId::from("") } else { DocumentId::from(id) };
    let body = words.next().map(body);
    match (name, body) {
        ("insert", Some(body)) => WriteOp::Insert { id, body },
        ("update", Some(patch)) => WriteOp::Update { id, patch, if_version },
        ("replace", Some(body)) => WriteOp::Replace { id, body, if_version },
        ("delete", None) => WriteOp::Delete { id, if_version },
        other => panic!("{other:?}?"),
    }
}

fn body(text: &str) -> Bytes {
    if let Some(hex) = text.strip_prefix("hex:") {
        let digits: Vec<u8> =
            hex.bytes().map(|b| char::from(b).to_digit(16).unwrap() as u8).collect();
        return digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect();
    }
    let mut json = String::new();
    for (position, part) in text.split('~').enumerate() {
        let digits =
            if position == 0 { 0 } else { part.find(|c: char| !c.is_ascii_digit()).unwrap() };
        if position > 0 {
            write!(json, "\"{}\"", "x".repeat(number(&part[..digits]) as usize)).unwrap();
        }
        json.push_str(&part[digits..]);
    }
    let limits = Limits { document_bytes: 64 << 20, ..Limits::DEFAULT };
    encode(&json, &limits).unwrap()
}

fn encode(json: &str, limits: &Limits) -> Result<Bytes> {
    Ok(EncodedDocument::from_json(json.as_bytes(), limits)?.bytes().clone())
}

/// Bytes depend on the encoding, so a script only says whether there are any.
fn sizes(stats: ShardStats) -> String {
    let bytes = if stats.bytes == 0 { "no bytes" } else { "some bytes" };
    format!("{} documents, {bytes}", stats.documents)
}

fn id(text: &str) -> DatabaseId {
    DatabaseId(number(text))
}

fn number(text: &str) -> u64 {
    text.parse().unwrap_or_else(|_| panic!("{text} is not a number"))
}
