//! Bytes whose order is the order of values, for indexes.
//!
//! ```text
//! missing field   00
//! null            01
//! number          02 | 8 bytes: the double at or below it, ordered | 2 bytes: what it has above that |
//! string          03 | bytes, 00 written as 00 ff | 00 00 |
//! array           04 | elements ... | 00 |
//! object          05 | name as a string, value, ... in the order of fields | 00 |
//! ```
//! The bytewise order of keys equals [`Value::total_cmp`]: null, then numbers (`False` and `True`
//! being 0 and 1), strings, arrays, objects. A double is ordered by its bits, all of them flipped if
//! it is negative, else the sign alone. An integer up to 2^53 is a double; a larger one is the
//! largest double that does not exceed it and the rest, which is below 2,048 for what a document can
//! hold. Numbers that Python takes for equal thus have equal keys, whatever their types.
//!
//! No key begins with another. A key longer than it may be is cut and then has [`CUT`] for its last
//! byte: it stands for all values whose keys begin like it, so whoever finds it looks at the document.
//! [`part_end`] tells where a key ends and whether it was cut.
//!
//! Left out: decoding, since an entry names its document; entries of several values (`entry`).

use crate::codec::document::ValueRef;
use crate::types::Value;

/// The most bytes of values that an entry keeps.
pub const CUT_BYTES: usize = 512;

/// The last byte of a key that was cut.
pub const CUT: u8 = 0xff;

/// The first byte of the key of a field that is not there.
pub const MISSING: u8 = 0;
/// The first byte of the key of null.
pub const NULL: u8 = 1;
/// The first byte of the keys of numbers.
pub const NUMBER: u8 = 2;
/// The first byte of the keys of strings.
pub const STRING: u8 = 3;
/// The first byte of the keys of arrays.
pub const ARRAY: u8 = 4;
/// The first byte of the keys of objects.
pub const OBJECT: u8 = 5;
/// What ends the elements of an array, and the fields of an object.
const END: u8 = 0;
/// How many bytes a number takes.
const NUMBER_BYTES: usize = 11;

/// Appends the key of `value`, cut after `cut` bytes; says whether it was.
pub fn encode_value(value: ValueRef<'_>, cut: usize, out: &mut Vec<u8>) -> bool {
    let start = out.len();
    encode_whole(value, start + cut, out);
    finish(start, cut, out)
}

/// Appends the key of a decoded value, cut after `cut` bytes.
pub fn encode_constant(value: &Value, cut: usize, out: &mut Vec<u8>) {
    let start = out.len();
    encode_decoded(value, start + cut, out);
    finish(start, cut, out);
}

/// Appends what the whole keys of those strings begin with that begin with `prefix`, and of no others.
pub fn encode_prefix(prefix: &str, out: &mut Vec<u8>) {
    out.push(STRING);
    escaped(prefix, usize::MAX - 1, out);
}

fn finish(start: usize, cut: usize, out: &mut Vec<u8>) -> bool {
    let is_cut = out.len() - start > cut;
    if is_cut {
        out.truncate(start + cut);
        out.push(CUT);
    }
    is_cut
}

/// Where the key that `bytes` begin with ends, and whether it was cut after `cut` bytes; `None` if
/// they begin with no key.
pub fn part_end(bytes: &[u8], cut: usize) -> Option<(usize, bool)> {
    match whole_end(&bytes[..bytes.len().min(cut)]) {
        Some(end) => Some((end, false)),
        None => (*bytes.get(cut)? == CUT).then_some((cut + 1, true)),
    }
}

fn whole_end(bytes: &[u8]) -> Option<usize> {
    let (mut at, mut depth) = (0, 0_u32);
    loop {
        match *bytes.get(at)? {
            END if depth > 0 => {
                depth -= 1;
                at += 1;
            }
            MISSING | NULL => at += 1,
            NUMBER => at += NUMBER_BYTES,
            STRING => at += 1 + text_end(bytes.get(at + 1..)?)?,
            ARRAY | OBJECT => {
                depth += 1;
                at += 1;
            }
            _ => return None,
        }
        if depth == 0 {
            return (at <= bytes.len()).then_some(at);
        }
    }
}

/// Where an escaped text ends, its end included.
fn text_end(bytes: &[u8]) -> Option<usize> {
    let mut at = 0;
    loop {
        at += bytes.get(at..)?.iter().position(|byte| *byte == 0)?;
        match *bytes.get(at + 1)? {
            0 => return Some(at + 2),
            _ => at += 2,
        }
    }
}

fn encode_whole(value: ValueRef<'_>, end: usize, out: &mut Vec<u8>) {
    // The rest would be cut anyway.
    if out.len() > end {
        return;
    }
    match value {
        ValueRef::Null => out.push(NULL),
        ValueRef::Bool(value) => int(i128::from(value), out),
        ValueRef::Int(value) => int(value, out),
        ValueRef::Float(value) => number(value, 0, out),
        ValueRef::Str(text) => string(text, end, out),
        ValueRef::Array(array) => {
            out.push(ARRAY);
            array.iter().for_each(|item| encode_whole(item, end, out));
            out.push(END);
        }
        ValueRef::Object(object) => {
            out.push(OBJECT);
            for (name, value) in object.iter() {
                string(name, end, out);
                encode_whole(value, end, out);
            }
            out.push(END);
        }
    }
}

fn encode_decoded(value: &Value, end: usize, out: &mut Vec<u8>) {
    if out.len() > end {
        return;
    }
    match value {
        Value::Null => out.push(NULL),
        Value::Bool(value) => int(i128::from(*value), out),
        Value::Int(value) => int(*value, out),
        Value::Float(value) => number(*value, 0, out),
        Value::String(text) => string(text, end, out),
        Value::Array(values) => {
            out.push(ARRAY);
            for item in values {
                encode_decoded(item, end, out);
            }
            out.push(END);
        }
        Value::Object(fields) => {
            out.push(OBJECT);
            for (name, value) in fields {
                string(name, end, out);
                encode_decoded(value, end, out);
            }
            out.push(END);
        }
    }
}

fn int(value: i128, out: &mut Vec<u8>) {
    /// Integers up to here are doubles.
    const EXACT: i128 = 1 << 53;
    if (-EXACT..=EXACT).contains(&value) {
        return number(value as f64, 0, out);
    }
    let nearest = value as f64;
    let below = if nearest as i128 > value { nearest.next_down() } else { nearest };
    // Beyond what a document can hold the rest may be larger. Then only its being there matters.
    let rest = value.wrapping_sub(below as i128);
    number(below, u16::try_from(rest).unwrap_or(u16::MAX), out);
}

fn number(double: f64, above: u16, out: &mut Vec<u8>) {
    // Adding zero turns -0.0 into 0.0.
    let bits = (double + 0.0).to_bits();
    let ordered = if bits >> 63 == 1 { !bits } else { bits | (1 << 63) };
    let mut bytes = [NUMBER; NUMBER_BYTES];
    bytes[1..9].copy_from_slice(&ordered.to_be_bytes());
    bytes[9..].copy_from_slice(&above.to_be_bytes());
    out.extend_from_slice(&bytes);
}

fn string(text: &str, end: usize, out: &mut Vec<u8>) {
    out.push(STRING);
    escaped(text, end, out);
    out.extend_from_slice(&[0, 0]);
}

/// Appends text up to `end`, or a little more.
fn escaped(text: &str, end: usize, out: &mut Vec<u8>) {
    let kept = text.len().min((end + 1).saturating_sub(out.len()));
    let mut pieces = text.as_bytes()[..kept].split(|byte| *byte == 0);
    out.extend_from_slice(pieces.next().unwrap_or_default());
    for piece in pieces {
        out.extend_from_slice(&[0, 0xff]);
        out.extend_from_slice(piece);
    }
}

#[cfg(test)]
mod tests {
    //! Proves that the order of keys is the order of values, that equal numbers of different types
    //! have equal keys, and that keys end where they say.

    use proptest::prelude::*;

    use super::{CUT_BYTES, encode_constant, encode_prefix, part_end};
    use crate::types::Value;

    fn key(value: &Value) -> Vec<u8> {
        let mut key = Vec::new();
        encode_constant(value, CUT_BYTES, &mut key);
        key
    }

    fn values() -> impl Strategy<Value = Value> {
        let close = |n: i64| {
            prop_oneof![
                (-3_i128..4).prop_map(move |d| Value::Int(i128::from(n) + d)),
                Just(Value::Float(n as f64)),
            ]
        };
        let numbers = prop_oneof![
            any::<i8>().prop_map(|n| Value::Int(i128::from(n))),
            any::<i64>().prop_map(|n| Value::Int(i128::from(n))),
            any::<u64>().prop_map(|n| Value::Int(i128::from(n))),
            any::<i8>().prop_map(|n| Value::Float(f64::from(n) / 4.0)),
            any::<f64>().prop_filter("finite", |f| f.is_finite()).prop_map(Value::Float),
            any::<i64>().prop_map(|n| Value::Float(n as f64)),
            close(1 << 53),
            close(-(1 << 53)),
            close(1 << 62),
            close(i64::MIN),
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
        fn keys_order_as_values(a in values(), b in values(), cut in 16_usize..80) {
            let (ka, kb) = (key(&a), key(&b));
            prop_assume!(ka.len() < CUT_BYTES && kb.len() < CUT_BYTES);
            prop_assert_eq!(ka.cmp(&kb), a.total_cmp(&b), "{:?} and {:?}", a, b);
            let order = |a: &Value, b: &Value| {
                let (mut short_a, mut short_b) = (Vec::new(), Vec::new());
                encode_constant(a, cut, &mut short_a);
                encode_constant(b, cut, &mut short_b);
                short_a.cmp(&short_b)
            };
            // Cutting never turns an order round.
            prop_assert!(order(&a, &b).is_eq() || order(&a, &b) == a.total_cmp(&b));
        }

        #[test]
        fn keys_end_where_they_say(a in values(), after: Vec<u8>, cut in 16_usize..80) {
            let mut bytes = Vec::new();
            encode_constant(&a, cut, &mut bytes);
            let (len, whole) = (bytes.len(), key(&a).len());
            bytes.extend_from_slice(&after);
            prop_assert_eq!(part_end(&bytes, cut), Some((len, whole > cut)));
        }

        #[test]
        fn no_bytes_make_looking_for_the_end_panic(bytes: Vec<u8>, cut in 1_usize..40) {
            prop_assert!(part_end(&bytes, cut).is_none_or(|(end, _)| end <= bytes.len()));
        }

        #[test]
        fn prefixes_are_what_keys_begin_with(a in "[a\u{0}b]{0,9}", b in "[a\u{0}b]{0,4}") {
            let (mut prefix, text) = (Vec::new(), format!("{b}{a}"));
            encode_prefix(&b, &mut prefix);
            prop_assert!(key(&Value::String(text)).starts_with(&prefix));
            let starts = key(&Value::String(a.clone())).starts_with(&prefix);
            // A NUL is written as two bytes, of which the first alone is the end of a text.
            prop_assert_eq!(starts, a.starts_with(&b), "{:?} {:?}", a, b);
        }
    }

    #[test]
    fn equal_numbers_have_equal_keys() {
        assert_eq!(key(&Value::Bool(true)), key(&Value::Int(1)));
        assert_eq!(key(&Value::Int(1)), key(&Value::Float(1.0)));
        assert_eq!(key(&Value::Float(-0.0)), key(&Value::Int(0)));
        assert_ne!(key(&Value::Int((1 << 53) + 1)), key(&Value::Float(9_007_199_254_740_992.0)));
        assert!(key(&Value::Int(i128::MAX)) < key(&Value::Float(1e39)));
        assert!(key(&Value::Int(i128::MIN)) > key(&Value::Float(-1e39)));
    }

    #[test]
    fn long_strings_are_cut() {
        let (whole, cut) = ("x".repeat(509), "x".repeat(2_000));
        assert_eq!(part_end(&key(&Value::String(whole)), CUT_BYTES), Some((512, false)));
        assert_eq!(part_end(&key(&Value::String(cut)), CUT_BYTES), Some((513, true)));
    }
}
