//! Proves that a damaged snapshot of the metadata is an error, whatever the damage, and that one
//! snapshot can be followed by other bytes in the same stream.

use std::collections::BTreeMap;
use std::io::Read;

use proptest::prelude::*;

use super::{Command, LockCommand, Metadata, Registration};
use crate::raft::{Position, StateError};
use crate::sharding::{Placement, RingSpec};
use crate::transport::message::{IndexDefinition, LockClaim, ShardLoad};
use crate::types::{ClientId, DatabaseId, LogIndex, NodeId, ShardId, Term, Timestamp};

fn metadata() -> Metadata {
    let node = NodeId::from_name("w1");
    let replicas = BTreeMap::from([(node, "host:1".into())]);
    let create = |name: &str| Command::CreateDatabase {
        name: name.into(),
        indexes: vec![IndexDefinition { name: "a".into(), fields: vec!["a".into()] }],
        shards: vec![ShardId(0), ShardId(1)],
        ring: RingSpec::DEFAULT,
        deny_full_scan: false,
    };
    let acquire = |name: &str, sequence| {
        Command::Lock(LockCommand::Acquire {
            name: name.into(),
            claim: LockClaim { client: ClientId(1), sequence },
            holder: "somebody".into(),
            ttl_millis: 100_000,
            wait_millis: 5_000,
        })
    };
    let commands = [
        Command::Found { cluster: 7, shards: 2, replicas: 1 },
        Command::RegisterWorker(Registration::of("w1", "host:1", 3)),
        Command::RegisterWorker(Registration::of("w2", "host:2", 3)),
        Command::PlaceShards {
            placements: (0..2)
                .map(|shard| (ShardId(shard), Placement::founded(replicas.clone())))
                .collect(),
        },
        Command::BeginMove { shard: ShardId(1), from: node, to: NodeId::from_name("w2") },
        Command::RetireMaster { master: NodeId(5) },
        Command::ReportLoad {
            worker: node,
            shards: BTreeMap::from([(ShardId(1), ShardLoad::default())]),
        },
        create("films"),
        create("users"),
        create("people"),
        Command::DatabaseOpened { id: DatabaseId(1) },
        Command::BeginClear { name: "films".into() },
        Command::BeginDelete { name: "people".into() },
        acquire("a", 1),
        acquire("a", 2),
        acquire("b", 3),
    ];
    let mut metadata = Metadata::default();
    for (index, command) in (1..).zip(commands) {
        let position =
            Position { term: Term(1), index: LogIndex(index), time: Timestamp(1_000 * index) };
        metadata.apply(position, command).unwrap();
    }
    metadata
}

fn saved() -> Vec<u8> {
    let mut bytes = Vec::new();
    metadata().save(&mut bytes).unwrap();
    bytes
}

#[test]
fn what_follows_a_snapshot_is_left_in_the_stream() {
    let mut bytes = saved();
    bytes.extend_from_slice(b"and more");
    let mut stream = bytes.as_slice();
    let loaded = Metadata::load(&mut stream).unwrap();
    assert_eq!(loaded.hash(), metadata().hash());
    let mut rest = String::new();
    stream.read_to_string(&mut rest).unwrap();
    assert_eq!(rest, "and more");
}

#[test]
fn every_truncation_is_an_error() {
    let bytes = saved();
    for end in 0..bytes.len() {
        assert!(Metadata::load(&mut &bytes[..end]).is_err(), "cut at {end} of {}", bytes.len());
    }
}

#[test]
fn every_flipped_bit_is_an_error() {
    let bytes = saved();
    for position in 0..bytes.len() {
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[position] ^= 1 << bit;
            assert!(Metadata::load(&mut damaged.as_slice()).is_err(), "bit {bit} of {position}");
        }
    }
}

#[test]
fn a_sink_that_refuses_is_an_error() {
    let mut small = [0; 20];
    let refused = metadata().save(&mut small.as_mut_slice());
    assert!(matches!(refused, Err(StateError::Snapshot { action: "write", .. })));
}

/// Whole frames that contradict each other are caught by the invariants.
#[test]
fn a_state_that_cannot_be_is_an_error() {
    type Forge = fn(&mut Metadata);
    let forgeries: [(&str, Forge); 7] = [
        ("an id from the future", |state| state.last_database = 2),
        ("a token from the future", |state| state.last_token = 0),
        ("a shard too many", |state| {
            state.settings.as_mut().unwrap().shards = 1;
        }),
        ("a replica too few", |state| {
            state.settings.as_mut().unwrap().replicas = 2;
        }),
        ("a fencing token from the future", |state| state.locks.last_token = 1),
        ("a claim that waits for itself", |state| {
            let mut record = (**state.locks.records.get("a").unwrap()).clone();
            record.claim = record.queue[0].claim;
            state.locks.put(record);
        }),
        ("a map without its worker", |state| {
            state.workers.remove(&NodeId::from_name("w1"));
        }),
    ];
    for (what, forge) in forgeries {
        let mut state = metadata();
        forge(&mut state);
        let mut bytes = Vec::new();
        state.save(&mut bytes).unwrap();
        assert!(Metadata::load(&mut bytes.as_slice()).is_err(), "{what}");
    }
}

proptest! {
    #[test]
    fn arbitrary_bytes_are_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(Metadata::load(&mut bytes.as_slice()).is_err());
    }
}
