//! Bytes whose order is the order of values, for indexes.
//!
//! ```text
//! missing field   00
//! null            01
//! number          02 | sign: 0 if negative, else 1 | 16 bytes whole part | 8 bytes fraction |
//! string          03 | bytes, 00 written as 00 ff | 00 00 |
//! array           04 | elements ... | 00 |
//! object          05 | name, value, ... in the order of fields | 00 |
//! ```
//! The bytewise order of keys equals [`Value::total_cmp`]: null, then numbers (`False` and `True`
//! being 0 and 1), strings, arrays, objects. A number's magnitude is split into its whole part, as
//! a big-endian `u128`, and the rest, as the bits of a double below 1; of a negative number every
//! bit of both is flipped. Integers and doubles that are equal thus have equal keys, and both keep
//! every digit. Doubles of 2^127 and more get the largest whole part and are told apart by their
//! own bits.
//!
//! A value's key is cut at [`CUT_BYTES`], so equal keys do not mean equal values: whoever uses an
//! index still evaluates the predicate.
//!
//! Left out: decoding. An index entry names its document.

use crate::codec::document::ValueRef;
use crate::types::{DocumentId, Value};

/// How many bytes of one value's key are kept.
pub const CUT_BYTES: usize = 512;

const MISSING: u8 = 0;
const NULL: u8 = 1;
const NUMBER: u8 = 2;
const STRING: u8 = 3;
const ARRAY: u8 = 4;
const OBJECT: u8 = 5;
const END: u8 = 0;

/// Appends the key of `value`, cut.
pub fn encode_value(value: ValueRef<'_>, out: &mut Vec<u8>) {
    let start = out.len();
    encode_whole(value, out, start + CUT_BYTES);
    out.truncate(start + CUT_BYTES);
}

/// Appends the key of a decoded value, cut.
pub fn encode_constant(value: &Value, out: &mut Vec<u8>) {
    let start = out.len();
    encode_decoded(value, out, start + CUT_BYTES);
    out.truncate(start + CUT_BYTES);
}

/// The key of an index entry: each field's value or its absence, then the document's id.
pub fn index_key(values: &[Option<ValueRef<'_>>], id: &DocumentId) -> Vec<u8> {
    let mut key = Vec::with_capacity(32 * values.len() + id.as_str().len());
    for value in values {
        match value {
            Some(value) => encode_value(*value, &mut key),
            None => key.push(MISSING),
        }
    }
    key.extend_from_slice(id.as_str().as_bytes());
    key
}

/// Whether enough is written; the rest would be cut anyway.
fn full(out: &[u8], end: usize) -> bool {
    out.len() >= end
}

fn encode_whole(value: ValueRef<'_>, out: &mut Vec<u8>, end: usize) {
    if full(out, end) {
        return;
    }
    match value {
        ValueRef::Null => out.push(NULL),
        ValueRef::Bool(value) => int(i128::from(value), out),
        ValueRef::Int(value) => int(value, out),
        ValueRef::Float(value) => float(value, out),
        ValueRef::Str(text) => string(STRING, text, out, end),
        ValueRef::Array(array) => {
            out.push(ARRAY);
            array.iter().for_each(|item| encode_whole(item, out, end));
            out.push(END);
        }
        ValueRef::Object(object) => {
            out.push(OBJECT);
            for (name, value) in object.iter() {
                string(STRING, name, out, end);
                encode_whole(value, out, end);
            }
            out.push(END);
        }
    }
}

fn encode_decoded(value: &Value, out: &mut Vec<u8>, end: usize) {
    if full(out, end) {
        return;
    }
    match value {
        Value::Null => out.push(NULL),
        Value::Bool(value) => int(i128::from(*value), out),
        Value::Int(value) => int(*value, out),
        Value::Float(value) => float(*value, out),
        Value::String(text) => string(STRING, text, out, end),
        Value::Array(values) => {
            out.push(ARRAY);
            for item in values {
                encode_decoded(item, out, end);
            }
            out.push(END);
        }
        Value::Object(fields) => {
            out.push(OBJECT);
            for (name, value) in fields {
                string(STRING, name, out, end);
                encode_decoded(value, out, end);
            }
            out.push(END);
        }
    }
}

fn int(value: i128, out: &mut Vec<u8>) {
    number(value < 0, value.unsigned_abs(), 0, out);
}

fn float(value: f64, out: &mut Vec<u8>) {
    /// 2^127: whole numbers from here on are told apart by their bits.
    const LARGE: f64 = 170_141_183_460_469_231_731_687_303_715_884_105_728.0;
    let magnitude = value.abs();
    let (whole, fraction) = if magnitude >= LARGE {
        (u128::MAX, magnitude.to_bits())
    } else {
        // Exact, both of them: a double's whole part and what is left of it are doubles.
        (magnitude.trunc() as u128, (magnitude - magnitude.trunc()).to_bits())
    };
    number(value < 0.0, whole, fraction, out);
}

fn number(negative: bool, whole: u128, fraction: u64, out: &mut Vec<u8>) {
    out.push(NUMBER);
    out.push(u8::from(!negative));
    let flip = if negative { u64::MAX } else { 0 };
    let wide_flip = (u128::from(flip) << 64) | u128::from(flip);
    out.extend_from_slice(&(whole ^ wide_flip).to_be_bytes());
    out.extend_from_slice(&(fraction ^ flip).to_be_bytes());
}

fn string(tag: u8, text: &str, out: &mut Vec<u8>, end: usize) {
    out.push(tag);
    for byte in text.bytes() {
        if full(out, end) {
            return;
        }
        out.push(byte);
        if byte == 0 {
            out.push(0xff);
        }
    }
    out.extend_from_slice(&[0, 0]);
}

#[cfg(test)]
mod tests {
    //! Proves that the order of keys is the order of values, and that equal numbers of different
    //! types have equal keys.

    use proptest::prelude::*;

    use super::{CUT_BYTES, encode_constant};
    use crate::types::Value;

    fn key(value: &Value) -> Vec<u8> {
        let mut key = Vec::new();
        encode_constant(value, &mut key);
        key
    }

    fn values() -> impl Strategy<Value = Value> {
        let numbers = prop_oneof![
            any::<i8>().prop_map(|n| Value::Int(i128::from(n))),
            any::<i64>().prop_map(|n| Value::Int(i128::from(n))),
            any::<u64>().prop_map(|n| Value::Int(i128::from(n))),
            any::<i8>().prop_map(|n| Value::Float(f64::from(n) / 4.0)),
            any::<f64>().prop_filter("finite", |f| f.is_finite()).prop_map(Value::Float),
            any::<i64>().prop_map(|n| Value::Float(n as f64)),
        ];
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            numbers,
            "[a\u{0}b]{0,4}".prop_map(Value::String),
        ];
        leaf.prop_recursive(2, 8, 3, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
                prop::collection::vec(inner, 0..3).prop_map(|values| {
                    let named = values.into_iter().enumerate();
                    Value::Object(named.map(|(at, value)| (at.to_string(), value)).collect())
                }),
            ]
        })
    }

    proptest! {
        #[test]
        fn keys_order_as_values(a in values(), b in values()) {
            let (ka, kb) = (key(&a), key(&b));
            prop_assume!(ka.len() < CUT_BYTES && kb.len() < CUT_BYTES);
            prop_assert_eq!(ka.cmp(&kb), a.total_cmp(&b), "{:?} and {:?}", a, b);
        }
    }

    #[test]
    fn equal_numbers_have_equal_keys() {
        assert_eq!(key(&Value::Bool(true)), key(&Value::Int(1)));
        assert_eq!(key(&Value::Int(1)), key(&Value::Float(1.0)));
        assert_eq!(key(&Value::Float(-0.0)), key(&Value::Int(0)));
        assert_ne!(key(&Value::Int((1 << 53) + 1)), key(&Value::Float(9_007_199_254_740_992.0)));
    }

    #[test]
    fn long_strings_are_cut() {
        assert_eq!(key(&Value::String("x".repeat(2_000))).len(), CUT_BYTES);
    }
}
