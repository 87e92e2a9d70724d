//! Proves that trees arrive at another replica as they were sent, that damage on the way is an
//! error, whatever the damage, and that other bytes may follow in the same stream.

use std::sync::LazyLock;

use proptest::prelude::*;

use super::Command;
use super::testing::TestShard;
use crate::codec::document::EncodedDocument;
use crate::raft::{Position, StateError};
use crate::transport::message::{IndexDefinition, WriteOp};
use crate::types::{DatabaseId, LogIndex, Term, Timestamp, Value};

/// Two databases with a hundred documents, one cleared, one closed; several frames of documents.
fn shard() -> TestShard {
    let mut shard = TestShard::default();
    let index = |name: &str| IndexDefinition { name: name.into(), fields: vec![name.into()] };
    let open = |id, names: &[&str]| Command::Open {
        database: DatabaseId(id),
        indexes: names.iter().map(|name| index(name)).collect(),
    };
    let insert = |n: usize| {
        let fields = vec![
            ("name".into(), Value::String(format!("document {n}"))),
            ("n".into(), Value::Int(n as i128 % 7)),
            ("filling".into(), Value::String("x".repeat(if n < 4 { 100_000 } else { 10 }))),
        ];
        let body = EncodedDocument::from_value(&Value::Object(fields)).unwrap().bytes().clone();
        WriteOp::Insert { id: format!("id-{n:03}").into(), body }
    };
    let write = |id, count| Command::Write {
        database: DatabaseId(id),
        operations: (0..count).map(insert).collect(),
    };
    let commands = [
        open(1, &["name", "n"]),
        open(2, &[]),
        open(5, &["n"]),
        write(2, 10),
        Command::Clear { database: DatabaseId(2), token: 3 },
        write(1, 100),
        write(5, 4),
        Command::Close { database: DatabaseId(5) },
        Command::Close { database: DatabaseId(4) },
    ];
    for (index, command) in (1..).zip(commands) {
        let position =
            Position { term: Term(1), index: LogIndex(index), time: Timestamp(1_000 * index) };
        shard.apply(position, command).unwrap();
    }
    shard
}

static SAVED: LazyLock<Vec<u8>> = LazyLock::new(|| shard().saved());

fn saved() -> Vec<u8> {
    SAVED.clone()
}

#[test]
fn what_follows_is_left_in_the_stream() {
    let mut bytes = saved();
    bytes.extend_from_slice(b"and more");
    let (mut loaded, rest) = TestShard::load(&bytes).unwrap();
    loaded.check_invariants().unwrap();
    assert_eq!(loaded.hash(), shard().hash());
    assert_eq!(loaded.saved(), saved(), "it can be sent on");
    assert_eq!(rest, b"and more");
    let reopened = loaded.reopen();
    reopened.check_invariants().unwrap();
    assert_eq!(reopened.hash(), shard().hash());
}

#[test]
fn an_empty_stream_is_no_shard() {
    assert!(matches!(TestShard::load(&[]), Err(StateError::Snapshot { .. })));
}

/// Frames that are whole but do not belong together are caught by counts, order and hash.
#[test]
fn frames_out_of_place_are_an_error() {
    let frames = frames(&saved());
    assert!(frames.len() > 5, "there are several frames of documents");
    for position in 0..frames.len() {
        let mut without = frames.clone();
        without.remove(position);
        assert!(TestShard::load(&without.concat()).is_err(), "without {position}");
        let mut twice = frames.clone();
        twice.insert(position, frames[position].clone());
        assert!(
            TestShard::load(&twice.concat()).is_err() || position + 1 == frames.len(),
            "{position} twice: only what follows the end is not looked at"
        );
        if position > 0 {
            let mut swapped = frames.clone();
            swapped.swap(position - 1, position);
            assert!(TestShard::load(&swapped.concat()).is_err(), "swapped {position}");
        }
    }
}

/// Splits a stream at the lengths its frames begin with.
fn frames(mut bytes: &[u8]) -> Vec<Vec<u8>> {
    let mut frames = Vec::new();
    while !bytes.is_empty() {
        let (frame, rest) =
            bytes.split_at(8 + u32::from_le_bytes(*bytes.first_chunk().unwrap()) as usize);
        frames.push(frame.to_vec());
        bytes = rest;
    }
    frames
}

proptest! {
    #[test]
    fn a_flipped_bit_is_an_error(position: prop::sample::Index, bit in 0..8_u8) {
        let mut bytes = saved();
        let position = position.index(bytes.len());
        bytes[position] ^= 1 << bit;
        prop_assert!(TestShard::load(&bytes).is_err());
    }

    #[test]
    fn a_truncated_stream_is_an_error(end: prop::sample::Index) {
        let bytes = saved();
        let end = end.index(bytes.len());
        prop_assert!(TestShard::load(&bytes[..end]).is_err());
    }

    #[test]
    fn arbitrary_bytes_are_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        prop_assert!(TestShard::load(&bytes).is_err());
    }
}
