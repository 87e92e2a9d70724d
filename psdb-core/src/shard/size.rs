//! How large a document is, as the limit on documents counts it.
//!
//! The limit (16 MiB) is promised for a document's JSON text, but a shard sees only its encoded
//! form, and an update makes a document that no text was ever written of. So the size of a body,
//! which is a document without the four fields PSDB adds, is defined as a lower bound on the
//! length of every JSON text for it:
//!
//! - `null` and `true` count 4, `false` 5;
//! - an integer counts its digits and its sign, any other number 3 (`1.5`, `1e9`);
//! - a string, and a field's name, counts its UTF-8 bytes and 2 quotes;
//! - an array counts 2 brackets and a comma between elements;
//! - an object counts 2 braces, a comma between fields and a colon in each.
//!
//! So every text within the limit is accepted, whatever its spaces and escapes, and what updates
//! add up to keeps the same bound. The size depends on the values alone: not on how the codec
//! encodes them or writes them as text, which may change from version to version while all
//! replicas have to agree.
//!
//! Left out: the bound on nesting, which the codec checks, and merging cannot exceed.

use crate::codec::document::{EncodedDocument, ValueRef};
use crate::types::{Error, Limits, Result};

/// No encoded form needs fewer than one byte for this much size: an integer of 20 characters takes
/// at least 3 bytes, and a literal of 5 with its comma at least 1.
const MOST_SIZE_PER_ENCODED_BYTE: usize = 8;

/// Checks that a body keeps the limit on documents.
///
/// # Errors
///
/// [`Error::InvalidDocument`] with the size and the limit.
pub fn check_body_size(body: &EncodedDocument) -> Result<()> {
    let limit = Limits::DEFAULT.document_bytes;
    if body.bytes().len() <= limit / MOST_SIZE_PER_ENCODED_BYTE {
        return Ok(());
    }
    let size = body_size(body);
    if size <= limit {
        return Ok(());
    }
    Err(Error::InvalidDocument {
        reason: format!("it has {size} bytes as JSON without spaces, the limit is {limit}"),
    })
}

/// The size of a body: no JSON text for it is shorter.
pub fn body_size(body: &EncodedDocument) -> usize {
    size(ValueRef::Object(body.root()))
}

/// Recursion is bounded by the nesting that the codec lets into an encoded document.
fn size(value: ValueRef<'_>) -> usize {
    match value {
        ValueRef::Null | ValueRef::Bool(true) => 4,
        ValueRef::Bool(false) => 5,
        ValueRef::Int(number) => {
            let digits = number.unsigned_abs().checked_ilog10().unwrap_or(0) as usize + 1;
            digits + usize::from(number < 0)
        }
        ValueRef::Float(_) => 3,
        ValueRef::Str(text) => text.len() + 2,
        ValueRef::Array(array) => {
            let elements: usize = array.iter().map(size).sum();
            2 + elements + array.len().saturating_sub(1)
        }
        ValueRef::Object(object) => {
            let fields: usize = object.iter().map(|(name, v)| name.len() + 3 + size(v)).sum();
            2 + fields + object.len().saturating_sub(1)
        }
    }
}

#[cfg(test)]
mod tests {
    //! Proves that no JSON text of a document is shorter than its size, that the size is that of
    //! the shortest text, and that small encoded forms need not be measured.

    use proptest::prelude::*;

    use super::{MOST_SIZE_PER_ENCODED_BYTE, body_size};
    use crate::codec::document::EncodedDocument;
    use crate::types::Limits;

    fn size_of(text: &str) -> usize {
        body_size(&EncodedDocument::from_json(text.as_bytes(), &Limits::DEFAULT).unwrap())
    }

    #[test]
    fn is_the_length_of_the_shortest_text() {
        for text in [
            "{}",
            r#"{"a":null,"b":true,"c":false}"#,
            r#"{"n":0,"m":-1,"k":10,"j":99,"max":18446744073709551615,"min":-9223372036854775808}"#,
            r#"{"f":1.5,"g":1e9}"#,
            r#"{"s":"","t":"é😀","":[]}"#,
            r#"{"a":[1,[2],[],[3,4]],"o":{"x":{"y":1}}}"#,
        ] {
            assert_eq!(size_of(text), text.len(), "{text}");
        }
        assert_eq!(
            size_of(r#"{ "a" : "\u0041\n" , "f" : 1.25000 }"#),
            r#"{"a":"A?","f":1.5}"#.len()
        );
    }

    fn json() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            (-9..9_i64).prop_map(Into::into),
            any::<f64>().prop_filter("JSON has no NaN", |f| f.is_finite()).prop_map(Into::into),
            ".{0,8}".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 32, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
                prop::collection::btree_map(".{0,3}", inner, 0..6)
                    .prop_map(|fields| serde_json::Value::Object(fields.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn no_text_is_shorter(value in json()) {
            let text = format!("{{\"value\":{value}}}");
            let document = EncodedDocument::from_json(text.as_bytes(), &Limits::DEFAULT).unwrap();
            let size = body_size(&document);
            prop_assert!(size <= text.len());
            prop_assert!(size <= MOST_SIZE_PER_ENCODED_BYTE * document.bytes().len());
        }
    }
}
