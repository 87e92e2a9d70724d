//! Proves that a shard does what a plain map of JSON values does, whatever the commands; that
//! snapshots taken on the way stay as they were; that saving and loading at any point changes
//! nothing; that replicas that apply the same commands are equal; and that bytes which are no body
//! are refused or stored whole, but never break the shard.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;
use proptest::collection::vec;
use proptest::prelude::*;

use super::testing::TestShard;
use super::{Command, DatabaseView, Response, ShardView};
use crate::codec::document::{EncodedDocument, ValueRef};
use crate::query::{Direction, Source};
use crate::raft::Position;
use crate::transport::message::{IndexDefinition, IndexState, WriteOp, Written};
use crate::types::{DatabaseId, DocumentId, Error, LogIndex, Term, Timestamp, Value};

/// What a shard is meant to be: plain maps, whole values, no sharing.
#[derive(Clone, Default)]
struct Model {
    databases: BTreeMap<DatabaseId, ModelDatabase>,
    closed: Vec<DatabaseId>,
}

#[derive(Clone, Default)]
struct ModelDatabase {
    documents: BTreeMap<DocumentId, ModelDocument>,
    cleared: Option<(u64, u64)>,
}

#[derive(Clone, Debug, PartialEq)]
struct ModelDocument {
    fields: Vec<(String, Value)>,
    version: u64,
    created: u64,
    updated: u64,
}

impl Model {
    fn apply(&mut self, now: u64, command: &Command) -> Response {
        match command {
            Command::Open { database, .. } => self.open(*database),
            Command::Close { database } => {
                self.closed.push(*database);
                let removed = self.databases.remove(database).map_or(0, |d| d.documents.len());
                Response::Changed { removed: removed as u64 }
            }
            Command::Clear { database, token } => match self.databases.get_mut(database) {
                None => gone(*database),
                Some(database) => Response::Changed { removed: database.clear(*token) },
            },
            Command::SetIndexes { database, .. } | Command::FillIndex { database, .. } => {
                match self.databases.get(database) {
                    None => gone(*database),
                    Some(_) => Response::Changed { removed: 0 },
                }
            }
            Command::Write { database, operations } => match self.databases.get_mut(database) {
                None => gone(*database),
                Some(database) => {
                    let results = operations.iter().map(|op| database.write(now, op));
                    Response::Written(results.collect())
                }
            },
        }
    }

    fn open(&mut self, database: DatabaseId) -> Response {
        if self.closed.contains(&database) {
            return gone(database);
        }
        self.databases.entry(database).or_default();
        Response::Changed { removed: 0 }
    }
}

impl ModelDatabase {
    fn clear(&mut self, token: u64) -> u64 {
        match self.cleared {
            Some((last, removed)) if last == token => removed,
            Some((last, _)) if last > token => 0,
            _ => {
                let removed = self.documents.len() as u64;
                *self = ModelDatabase { cleared: Some((token, removed)), ..Self::default() };
                removed
            }
        }
    }

    fn write(&mut self, now: u64, operation: &WriteOp) -> Result<Written, Error> {
        match operation {
            WriteOp::Insert { id, body } => {
                if self.documents.contains_key(id) {
                    return Err(Error::DocumentExists { id: id.clone() });
                }
                let document =
                    ModelDocument { fields: fields(body), version: 1, created: now, updated: now };
                self.documents.insert(id.clone(), document);
                Ok(Written { version: 1 })
            }
            WriteOp::Update { id, patch, if_version } => {
                let document = self.expect(id, *if_version)?;
                for (name, value) in fields(patch) {
                    match document.fields.iter_mut().find(|(known, _)| *known == name) {
                        Some((_, known)) => *known = value,
                        None => document.fields.push((name, value)),
                    }
                }
                document.updated = now;
                document.version += 1;
                Ok(Written { version: document.version })
            }
            WriteOp::Replace { id, body, if_version } => {
                let document = self.expect(id, *if_version)?;
                document.fields = fields(body);
                document.updated = now;
                document.version += 1;
                Ok(Written { version: document.version })
            }
            WriteOp::Delete { id, if_version } => {
                let version = self.expect(id, *if_version)?.version;
                self.documents.remove(id);
                Ok(Written { version })
            }
        }
    }

    fn expect(
        &mut self,
        id: &DocumentId,
        if_version: Option<u64>,
    ) -> Result<&mut ModelDocument, Error> {
        let document =
            self.documents.get_mut(id).ok_or_else(|| Error::DocumentNotFound { id: id.clone() })?;
        match if_version {
            Some(expected) if expected != document.version => {
                Err(Error::VersionConflict { id: id.clone(), expected, actual: document.version })
            }
            _ => Ok(document),
        }
    }

    /// The documents as the shard stores them.
    fn values(&self) -> Vec<Value> {
        let value = |(id, document): (&DocumentId, &ModelDocument)| {
            let text = |text: String| Value::String(text);
            let mut fields = vec![("_id".into(), text(id.to_string()))];
            fields.extend(document.fields.iter().cloned());
            fields.push(("_version".into(), Value::Int(document.version.into())));
            fields.push(("_created_at".into(), text(Timestamp(document.created).to_string())));
            fields.push(("_updated_at".into(), text(Timestamp(document.updated).to_string())));
            Value::Object(fields)
        };
        self.documents.iter().map(value).collect()
    }
}

fn gone(database: DatabaseId) -> Response {
    Response::Refused(Error::DatabaseGone { database })
}

fn fields(body: &Bytes) -> Vec<(String, Value)> {
    match EncodedDocument::from_bytes(body.clone()).unwrap().to_value() {
        Value::Object(fields) => fields,
        other => panic!("{other:?} is no document"),
    }
}

fn values(view: &DatabaseView) -> Vec<Value> {
    let values: Vec<Value> =
        view.documents(None).map(|document| document.unwrap().to_value()).collect();
    let mut visited = Vec::new();
    view.visit(&mut |documents| {
        let documents = documents.iter().map(|document| ValueRef::Object(*document).to_value());
        visited.extend(documents);
        Ok(())
    })
    .unwrap();
    assert_eq!(visited, values, "a visit shows what a walk shows");
    values
}

fn indexes() -> Vec<IndexDefinition> {
    let index = |name: &str, fields: &[&str]| IndexDefinition {
        name: name.into(),
        fields: fields.iter().map(ToString::to_string).collect(),
    };
    vec![index("a", &["a"]), index("b_a", &["b", "a"])]
}

/// Few ids, names and values, so that commands meet each other.
fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        (-2..3_i128).prop_map(Value::Int),
        (-2..3_i32).prop_map(|n| Value::Float(f64::from(n) / 2.0)),
        "[a-c]{0,2}".prop_map(Value::String),
        "x{600}".prop_map(Value::String),
    ];
    leaf.prop_recursive(2, 4, 3, |inner| vec(inner, 0..3).prop_map(Value::Array))
}

fn body() -> impl Strategy<Value = Bytes> {
    proptest::collection::btree_map("[abc]", value(), 0..3).prop_map(|fields| {
        let object = Value::Object(fields.into_iter().collect());
        EncodedDocument::from_value(&object).unwrap().bytes().clone()
    })
}

fn operation() -> impl Strategy<Value = WriteOp> {
    let id = || "[a-h]".prop_map(DocumentId::from);
    let if_version = || proptest::option::weighted(0.3, 1..3_u64);
    prop_oneof![
        4 => (id(), body()).prop_map(|(id, body)| WriteOp::Insert { id, body }),
        2 => (id(), body(), if_version())
            .prop_map(|(id, patch, if_version)| WriteOp::Update { id, patch, if_version }),
        2 => (id(), body(), if_version())
            .prop_map(|(id, body, if_version)| WriteOp::Replace { id, body, if_version }),
        2 => (id(), if_version()).prop_map(|(id, if_version)| WriteOp::Delete { id, if_version }),
    ]
}

fn command() -> impl Strategy<Value = Command> {
    let database = || (1..4_u64).prop_map(DatabaseId);
    prop_oneof![
        3 => database().prop_map(|database| Command::Open { database, indexes: indexes() }),
        1 => (database(), 1..5_u64)
            .prop_map(|(database, token)| Command::Clear { database, token }),
        1 => (3..5_u64).prop_map(|id| Command::Close { database: DatabaseId(id) }),
        2 => (database(), 1..9_u64, proptest::sample::subsequence(indexes(), 0..=2))
            .prop_map(|(database, version, definitions)| {
                Command::SetIndexes { database, version, definitions }
            }),
        12 => (database(), vec(operation(), 0..6))
            .prop_map(|(database, operations)| Command::Write { database, operations }),
    ]
}

/// What happens to a shard besides commands.
#[derive(Clone, Debug)]
enum Step {
    Apply(Command),
    /// The next part of an index is built, if there is one to build.
    Build(u32),
    /// The shard goes on as another replica, to which it was sent.
    Reload,
    /// The shard goes on after a checkpoint and a restart.
    Reopen,
    /// A reader takes a snapshot and holds it to the end, or to the next restart.
    Hold,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        10 => command().prop_map(Step::Apply),
        2 => (1..4_u32).prop_map(Step::Build),
        1 => Just(Step::Reload),
        1 => Just(Step::Reopen),
        1 => Just(Step::Hold),
    ]
}

fn position(index: u64) -> Position {
    Position { term: Term(1), index: LogIndex(index), time: Timestamp(1_000 * index) }
}

fn check_equal(shard: &ShardView, model: &Model) {
    for id in (0..6).map(DatabaseId).filter(|id| !model.databases.contains_key(id)) {
        assert!(shard.database(id).is_err());
    }
    for (id, expected) in &model.databases {
        let view = shard.database(*id).unwrap();
        assert_eq!(values(&view), expected.values());
        assert_eq!(view.stats().documents, expected.documents.len() as u64);
        for index in view.definitions() {
            let walked = |direction| {
                let all = Bound::Unbounded;
                let found = view.index_entries(&index.name, all, all, direction).unwrap();
                found.map(Result::unwrap).collect::<Vec<_>>()
            };
            let mut found = walked(Direction::Ascending);
            found.reverse();
            assert_eq!(found, walked(Direction::Descending));
        }
    }
}

fn check_statuses(shard: &TestShard, model: &Model) {
    for (id, expected) in &model.databases {
        for index in shard.indexes(*id).unwrap() {
            let complete = index.state == IndexState::Ready;
            assert_eq!(index.documents, expected.documents.len() as u64);
            assert!(index.documents_done == index.documents || !complete);
        }
    }
}

/// Readers see what they saw, and go.
fn check_held(held: &mut Vec<(ShardView, Model)>) {
    for (snapshot, model) in held.drain(..) {
        snapshot.check_invariants().unwrap();
        check_equal(&snapshot, &model);
    }
}

fn documents(model: &Model) -> u64 {
    model.databases.values().map(|database| database.documents.len() as u64).sum()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 128, ..ProptestConfig::default() })]

    #[test]
    fn a_shard_is_what_the_model_is(steps in vec(step(), 1..50)) {
        let (mut shard, mut replica, mut model) =
            (TestShard::default(), TestShard::default(), Model::default());
        let mut held = Vec::new();
        for (index, step) in (1..).zip(&steps) {
            match step {
                Step::Apply(command) => {
                    let expected = model.apply(1_000 * index, command);
                    let answer = shard.apply(position(index), command.clone()).unwrap();
                    let second = replica.apply(position(index), command.clone()).unwrap();
                    prop_assert_eq!(&answer, &expected);
                    prop_assert_eq!(&second, &expected);
                }
                Step::Build(documents) => {
                    if let Some(command) = shard.next_build(*documents) {
                        prop_assert_eq!(replica.next_build(*documents), Some(command.clone()));
                        for shard in [&mut shard, &mut replica] {
                            shard.apply(position(index), command.clone()).unwrap();
                        }
                    }
                }
                Step::Reload => shard = shard.reloaded(),
                Step::Reopen => {
                    check_held(&mut held);
                    shard = shard.reopen();
                }
                Step::Hold => held.push((shard.view(), model.clone())),
            }
            shard.check_invariants().unwrap();
            prop_assert_eq!(shard.hash(), replica.hash());
            check_equal(&shard.view(), &model);
            check_statuses(&shard, &model);
            prop_assert!(shard.databases().eq(model.databases.keys().copied()));
            prop_assert_eq!(shard.totals().documents, documents(&model));
        }
        check_held(&mut held);
    }

    #[test]
    fn hashes_tell_states_apart(commands in vec(command(), 1..30)) {
        let mut shard = TestShard::default();
        for (index, command) in (1..).zip(commands) {
            let (before, hash) = (shard.saved(), shard.hash());
            shard.apply(position(index), command).unwrap();
            prop_assert_eq!(shard.saved() == before, shard.hash() == hash);
        }
    }
}

/// Bytes that are, were once, or never have been a document.
fn hostile_body() -> impl Strategy<Value = Bytes> {
    let damaged =
        (body(), any::<prop::sample::Index>(), any::<u8>()).prop_map(|(body, at, new)| {
            let mut bytes = body.to_vec();
            let at = at.index(bytes.len());
            bytes[at] = new;
            Bytes::from(bytes)
        });
    prop_oneof![body(), damaged, vec(any::<u8>(), 0..40).prop_map(Bytes::from)]
}

proptest! {
    #[test]
    fn hostile_bodies_break_nothing(bodies in vec((hostile_body(), 0..3_u8), 1..20)) {
        let mut shard = TestShard::default();
        let database = DatabaseId(1);
        let open = Command::Open { database, indexes: indexes() };
        shard.apply(position(1), open).unwrap();
        for (index, (body, kind)) in (2..).zip(bodies) {
            let (id, if_version) = (DocumentId::from("a"), None);
            let operation = match kind {
                0 => WriteOp::Insert { id, body: body.clone() },
                1 => WriteOp::Update { id, patch: body.clone(), if_version },
                _ => WriteOp::Replace { id, body: body.clone(), if_version },
            };
            let write = Command::Write { database, operations: vec![operation] };
            let Response::Written(results) = shard.apply(position(index), write).unwrap() else {
                panic!("the database is open");
            };
            let valid = EncodedDocument::from_bytes(body).is_ok();
            let invalid = matches!(
                results[0],
                Err(Error::InvalidDocument { .. } | Error::ReservedField { .. })
            );
            prop_assert!(valid || invalid);
            shard.check_invariants().unwrap();
        }
        prop_assert_eq!(shard.reloaded().hash(), shard.hash());
    }
}
