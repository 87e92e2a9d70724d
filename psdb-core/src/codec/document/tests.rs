//! Proves that documents survive every way in and out, that damaged bytes are refused without a
//! panic, and that every kind of bad JSON gets one clear message.

use std::path::Path;

use bytes::Bytes;
use proptest::prelude::*;
use serde::{Deserialize, Serialize};

use super::{EncodedDocument, Metadata, ValueRef};
use crate::types::{DocumentId, Error, Limits, Timestamp, Value};

fn read(json: &str) -> EncodedDocument {
    EncodedDocument::from_json(json.as_bytes(), &Limits::DEFAULT).expect("valid JSON")
}

fn refusal(json: &[u8]) -> String {
    EncodedDocument::from_json(json, &Limits::DEFAULT).expect_err("invalid").to_string()
}

fn values() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::Bool),
        any::<i64>().prop_map(|n| Value::Int(i128::from(n))),
        any::<u64>().prop_map(|n| Value::Int(i128::from(n))),
        any::<f64>().prop_filter("finite", |f| f.is_finite()).prop_map(Value::Float),
        any::<String>().prop_map(Value::String),
    ];
    leaf.prop_recursive(4, 40, 12, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..12).prop_map(Value::Array),
            fields(inner).prop_map(Value::Object),
        ]
    })
}

fn fields(value: impl Strategy<Value = Value>) -> impl Strategy<Value = Vec<(String, Value)>> {
    prop::collection::vec((".{0,6}", value), 0..14).prop_map(|mut fields| {
        let mut seen = std::collections::BTreeSet::new();
        fields.retain(|(name, _)| seen.insert(name.clone()));
        fields
    })
}

proptest! {
    #[test]
    fn every_way_in_and_out_agrees(fields in fields(values())) {
        let value = Value::Object(fields.clone());
        let encoded = EncodedDocument::from_value(&value).expect("storable");
        prop_assert_eq!(&encoded.to_value(), &value);
        prop_assert_eq!(&read(&encoded.to_json()), &encoded);
        prop_assert_eq!(EncodedDocument::from_bytes(encoded.bytes().clone()), Ok(encoded.clone()));
        for (name, field) in &fields {
            let found = encoded.get(name).map(ValueRef::to_value);
            prop_assert_eq!(found.as_ref(), Some(field));
        }
        prop_assert_eq!(encoded.get("no such field"), None);
        let theirs: serde_json::Value = serde_json::from_str(&encoded.to_json()).expect("JSON");
        prop_assert_eq!(EncodedDocument::from_serialize(&theirs).expect("storable"), encoded);
    }

    #[test]
    fn foreign_bytes_never_panic(
        fields in fields(values()), at in any::<prop::sample::Index>(), byte in any::<u8>(),
    ) {
        let encoded = EncodedDocument::from_value(&Value::Object(fields)).expect("storable");
        let mut bytes = encoded.bytes().to_vec();
        let at = at.index(bytes.len());
        bytes[at] = byte;
        if let Ok(read) = EncodedDocument::from_bytes(Bytes::from(bytes)) {
            // What passes is a document: reading all of it works, and it has one encoding.
            let again = EncodedDocument::from_value(&read.to_value()).expect("storable");
            prop_assert_eq!(again, read);
        }
    }
}

#[test]
fn every_flip_and_cut_of_a_document_is_survived() {
    let document = read(
        r#"{"a": [1, "x", null, {"deep": 2.5}], "b": "text", "c": 18446744073709551615,
            "1": 1, "2": 2, "3": 3, "4": 4, "5": 5, "6": 6, "7": 7}"#,
    );
    let bytes = document.bytes().to_vec();
    for at in 0..bytes.len() {
        assert!(EncodedDocument::from_bytes(Bytes::copy_from_slice(&bytes[..at])).is_err());
        for bit in 0..8 {
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << bit;
            if let Ok(read) = EncodedDocument::from_bytes(Bytes::from(damaged)) {
                assert_ne!(read, document, "byte {at}, bit {bit} means nothing");
                let _decoded = read.to_json();
            }
        }
    }
}

#[test]
fn bad_json_gets_one_clear_message() {
    for (json, message) in [
        ("", "nothing is there; an object was expected (line 1, column 1)"),
        ("[1]", "a document must be an object, in braces (line 1, column 1)"),
        ("{\"a\": 1", "a ',' or '}' was expected (line 1, column 8)"),
        ("{\"a\": 1}x", "something follows the object (line 1, column 9)"),
        ("{\"a\": 1,}", "a field's name was expected, in double quotes (line 1, column 9)"),
        ("{\"a\" 1}", "a ':' was expected after a field's name (line 1, column 6)"),
        ("{\"a\": }", "a value was expected (line 1, column 7)"),
        ("{\"a\":\n tru}", "a value was expected (line 2, column 2)"),
        ("{\"a\": NaN}", "NaN and infinities are not JSON (line 1, column 7)"),
        ("{\"a\": 1e400}", "number 1e400 is too large for a double (line 1, column 7)"),
        (
            "{\"a\": 18446744073709551616}",
            "integer 18446744073709551616 is not within -2^63 to 2^64-1 (line 1, column 7)",
        ),
        (
            "{\"a\": -9223372036854775809}",
            "integer -9223372036854775809 is not within -2^63 to 2^64-1 (line 1, column 7)",
        ),
        ("{\"a\": 01}", "a number must not begin with 0 (line 1, column 7)"),
        ("{\"a\": 1.}", "a digit was expected (line 1, column 9)"),
        ("{\"a\": \"x}", "a string is not closed (line 1, column 7)"),
        ("{\"a\": \"\\ud800\"}", "a lone surrogate is not a character (line 1, column 8)"),
        ("{\"a\": \"\\q\"}", "an unknown escape (line 1, column 8)"),
        (
            "{\"a\": \"\u{1}\"}",
            "a control character must be written as an escape (line 1, column 8)",
        ),
        ("{\"a\": 1, \"a\": 2}", "field \"a\" is given twice in one object (line 1, column 17)"),
    ] {
        assert_eq!(refusal(json.as_bytes()), format!("invalid document: {message}"), "{json}");
    }
    assert!(refusal(b"{\"a\": \"\xff\"}").contains("a string is not UTF-8"));
}

#[test]
fn limits_are_kept_and_said() {
    let deep =
        |levels: usize| format!("{{\"a\": {}{}}}", "[".repeat(levels - 1), "]".repeat(levels - 1));
    read(&deep(100));
    assert!(refusal(deep(101).as_bytes()).contains("nested deeper than 100 levels"));
    assert!(refusal(deep(200_000).as_bytes()).contains("nested deeper than 100 levels"));
    let large = format!("{{\"a\": \"{}\"}}", "x".repeat(Limits::DEFAULT.document_bytes));
    assert!(refusal(large.as_bytes()).contains("the limit is 16777216"));
}

#[test]
fn text_is_kept_as_written() {
    let json = r#"{"a  b": "two  spaces ", "c": "é\n\"\\", "d": 1.5, "e": -0.0, "f": 1e+300}"#;
    let kept = r#"{"a  b": "two  spaces ", "c": "é\n\"\\", "d": 1.5, "e": -0.0, "f": 1e300}"#;
    assert_eq!(read(json).to_json(), kept);
    assert_eq!(read(r#"{"a": "\ud83d\ude00"}"#).get("a"), Some(ValueRef::Str("😀")));
}

#[test]
fn metadata_goes_in_and_comes_out() {
    let (id, body) = read(r#"{"x": 1, "_id": "ada"}"#).split_id().expect("valid");
    assert_eq!(id, Some(DocumentId::from("ada")));
    let metadata = Metadata {
        id: DocumentId::from("ada"),
        version: 2,
        created_at: Timestamp(1_000),
        updated_at: Timestamp(2_000),
    };
    let stored = body.with_metadata(&metadata);
    assert_eq!(
        stored.to_json(),
        concat!(
            r#"{"_id": "ada", "x": 1, "_version": 2, "#,
            r#""_created_at": "1970-01-01T00:00:01.000Z", "_updated_at": "1970-01-01T00:00:02.000Z"}"#
        )
    );
    assert_eq!(stored.metadata(), Ok(metadata));
    assert_eq!(stored.without_metadata(), body);
    let merged = body.merged(&read(r#"{"y": [2], "x": null}"#));
    assert_eq!(merged.to_json(), r#"{"x": null, "y": [2]}"#);
}

#[test]
fn reserved_fields_and_bad_ids_are_refused() {
    let reserved = read(r#"{"_version": 1}"#).split_id();
    assert_eq!(reserved, Err(Error::ReservedField { field: "_version".into() }));
    for (json, reason) in [
        (r#"{"_id": 7}"#, "_id must be a string, not int"),
        (r#"{"_id": ""}"#, "it has 0 bytes; 1 to 512 are allowed"),
    ] {
        let error = read(json).split_id().expect_err("invalid").to_string();
        assert!(error.contains(reason), "{error}");
    }
}

#[test]
fn serde_types_round_trip() {
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    enum Role {
        Dev,
        Lead { since: u16 },
        Both(u8, String),
    }
    #[derive(Debug, PartialEq, Serialize, Deserialize)]
    struct Person {
        name: String,
        age: Option<u8>,
        roles: Vec<Role>,
        score: f64,
        large: u64,
    }
    let ada = Person {
        name: "Ada".into(),
        age: None,
        roles: vec![Role::Dev, Role::Lead { since: 1843 }, Role::Both(1, "x".into())],
        score: 0.1,
        large: u64::MAX,
    };
    let encoded = EncodedDocument::from_serialize(&ada).expect("storable");
    assert_eq!(encoded.deserialize::<Person>(), Ok(ada));
    assert!(EncodedDocument::from_serialize(&7).is_err());
    assert!(
        EncodedDocument::from_serialize(
            &[("a", f64::NAN)].into_iter().collect::<std::collections::BTreeMap<_, _>>()
        )
        .is_err()
    );
}

#[test]
fn the_real_documents_round_trip() {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    let Some(data) = here.ancestors().map(|dir| dir.join("shared/data")).find(|dir| dir.exists())
    else {
        eprintln!("skipped: the_real_documents_round_trip needs shared/data");
        return;
    };
    for file in ["movies.ndjson", "earthquakes.ndjson"] {
        let text = std::fs::read_to_string(data.join(file)).expect("readable");
        for line in text.lines() {
            let ours = read(line);
            let theirs: serde_json::Value = serde_json::from_str(line).expect("JSON");
            assert_eq!(EncodedDocument::from_serialize(&theirs), Ok(ours.clone()));
            assert_eq!(EncodedDocument::from_bytes(ours.bytes().clone()), Ok(ours));
        }
    }
}
