//! Writes JSON on one line, with `", "` and `": "` between items, as Python's `json.dumps` does.
//!
//! Text is written as it is, except for quotes, backslashes and control characters. A double is
//! written with the fewest digits that read back as the same double, and always as a double.
//!
//! Left out: indentation.

use std::fmt::Write;

use crate::codec::document::ValueRef;
use crate::types::Value;

/// Appends `value` to `out`.
pub(crate) fn write(value: ValueRef<'_>, out: &mut String) {
    match value {
        ValueRef::Null => out.push_str("null"),
        ValueRef::Bool(value) => out.push_str(if value { "true" } else { "false" }),
        ValueRef::Int(value) => number(value, out),
        ValueRef::Float(value) => float(value, out),
        ValueRef::Str(text) => string(text, out),
        ValueRef::Array(array) => list(array.iter(), out, ('[', ']'), |item, out| write(item, out)),
        ValueRef::Object(object) => list(object.iter(), out, ('{', '}'), |(name, value), out| {
            string(name, out);
            out.push_str(": ");
            write(value, out);
        }),
    }
}

/// Appends a decoded value to `out`. A float that JSON cannot say becomes `null`.
pub(crate) fn write_value(value: &Value, out: &mut String) {
    match value {
        Value::Bool(value) => out.push_str(if *value { "true" } else { "false" }),
        Value::Int(value) => number(*value, out),
        Value::Float(value) if value.is_finite() => float(*value, out),
        Value::Null | Value::Float(_) => out.push_str("null"),
        Value::String(text) => string(text, out),
        Value::Array(values) => list(values.iter(), out, ('[', ']'), write_value),
        Value::Object(fields) => list(fields.iter(), out, ('{', '}'), |(name, value), out| {
            string(name, out);
            out.push_str(": ");
            write_value(value, out);
        }),
    }
}

fn list<T>(
    items: impl Iterator<Item = T>,
    out: &mut String,
    (open, close): (char, char),
    mut item: impl FnMut(T, &mut String),
) {
    out.push(open);
    for (index, next) in items.enumerate() {
        if index > 0 {
            out.push_str(", ");
        }
        item(next, out);
    }
    out.push(close);
}

fn number(value: i128, out: &mut String) {
    write!(out, "{value}").expect("a String takes every write");
}

fn float(value: f64, out: &mut String) {
    // `{:?}` is the shortest text that reads back as the same double, and always has '.' or 'e'.
    write!(out, "{value:?}").expect("a String takes every write");
}

fn string(text: &str, out: &mut String) {
    out.push('"');
    let mut plain = 0;
    for (at, byte) in
        text.bytes().enumerate().filter(|(_, b)| *b < 0x20 || matches!(b, b'"' | b'\\'))
    {
        out.push_str(&text[plain..at]);
        plain = at + 1;
        match byte {
            b'"' => out.push_str("\\\""),
            b'\\' => out.push_str("\\\\"),
            b'\n' => out.push_str("\\n"),
            b'\r' => out.push_str("\\r"),
            b'\t' => out.push_str("\\t"),
            0x08 => out.push_str("\\b"),
            0x0c => out.push_str("\\f"),
            control => write!(out, "\\u{control:04x}").expect("a String takes every write"),
        }
    }
    out.push_str(&text[plain..]);
    out.push('"');
}
