//! The text Python shows of an object: `repr()` and `str()`.
//!
//! Left out: objects whose text holds an address (functions, iterators), and sets of several
//! elements, whose order Python does not define. Those are refused.

use std::fmt::Write as _;

use super::types::Type;
use super::{Object, Shows, Text, float, unicode};
use crate::query::meter::Meter;
use crate::query::raised::{Eval, refused};

/// `str(object)`.
pub(in crate::query) fn str<'a>(object: &Object<'a>, meter: &Meter) -> Eval<Text<'a>> {
    match object {
        Object::Str(text) => Ok(text.clone()),
        Object::DateTime(time) => Ok(Text::Owned(time.isoformat().replacen('T', " ", 1).into())),
        _ => Ok(Text::Owned(repr(object, meter)?.into())),
    }
}

/// `repr(object)`.
///
/// # Errors
///
/// A limit, or a refusal of what has no defined text.
pub(in crate::query) fn repr(object: &Object<'_>, meter: &Meter) -> Eval<String> {
    let mut out = String::new();
    write(object, &mut out, meter)?;
    Ok(out)
}

fn write(object: &Object<'_>, out: &mut String, meter: &Meter) -> Eval<()> {
    meter.allocate(16)?;
    match object {
        Object::None => out.push_str("None"),
        Object::Bool(value) => out.push_str(if *value { "True" } else { "False" }),
        Object::Int(value) => out.push_str(&value.to_string()),
        Object::Big(value) => out.push_str(&value.to_string()),
        Object::Float(value) => out.push_str(&float::repr(*value)),
        Object::Str(text) => quote(text, out, meter)?,
        Object::List(items) => write_items(items.iter().cloned(), "[", "]", out, meter)?,
        Object::Array(array) => write_items(array.iter().map(Object::of), "[", "]", out, meter)?,
        Object::Tuple(items) => {
            let close = if items.len() == 1 { ",)" } else { ")" };
            write_items(items.iter().cloned(), "(", close, out, meter)?;
        }
        Object::Dict(_) | Object::Fields(_) => write_dict(object, out, meter)?,
        Object::Set(set) => match set.len() {
            0 => out.push_str("set()"),
            1 => write_items(set.keys().cloned(), "{", "}", out, meter)?,
            _ => return Err(unordered()),
        },
        Object::Range(range) => {
            let _ = write!(out, "range({}, {}", range.start, range.stop);
            if range.step != 1 {
                let _ = write!(out, ", {}", range.step);
            }
            out.push(')');
        }
        Object::View(view) => {
            let open = match view.shows {
                Shows::Keys => "dict_keys([",
                Shows::Values => "dict_values([",
                Shows::Items => "dict_items([",
            };
            let items = super::compare::view_items(view);
            write_items(items.into_iter(), open, "])", out, meter)?;
        }
        Object::Type(Type::DateTime) => out.push_str("<class 'datetime.datetime'>"),
        Object::Type(kind) => {
            let _ = write!(out, "<class '{}'>", kind.name());
        }
        Object::Builtin(builtin) if !builtin.name().contains('.') => {
            let _ = write!(out, "<built-in function {}>", builtin.name());
        }
        Object::DateTime(time) => out.push_str(&time.repr()),
        _ => {
            let name = object.type_name();
            return Err(refused(format!("the text of a {name} is not defined")));
        }
    }
    Ok(())
}

/// The refusal of whatever depends on the order of a set.
pub(in crate::query) fn unordered() -> crate::query::EvalError {
    refused("the order of a set is not defined; put sorted() around it")
}

fn write_items<'a>(
    items: impl Iterator<Item = Object<'a>>,
    open: &str,
    close: &str,
    out: &mut String,
    meter: &Meter,
) -> Eval<()> {
    out.push_str(open);
    for (at, item) in items.enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        write(&item, out, meter)?;
    }
    out.push_str(close);
    Ok(())
}

fn write_dict(dict: &Object<'_>, out: &mut String, meter: &Meter) -> Eval<()> {
    let view = super::View { shows: Shows::Items, dict: dict.clone() };
    out.push('{');
    for (at, item) in super::compare::view_items(&view).into_iter().enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        if let Object::Tuple(pair) = item {
            write(&pair[0], out, meter)?;
            out.push_str(": ");
            write(&pair[1], out, meter)?;
        }
    }
    out.push('}');
    Ok(())
}

fn quote(text: &str, out: &mut String, meter: &Meter) -> Eval<()> {
    meter.allocate(2 * text.len() as u64)?;
    quoted(text, out);
    Ok(())
}

/// Writes a string as Python shows it: in single quotes unless it holds some and no double ones.
pub(in crate::query) fn quoted(text: &str, out: &mut String) {
    let quote = if text.contains('\'') && !text.contains('"') { '"' } else { '\'' };
    out.push(quote);
    for c in text.chars() {
        match c {
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            _ if c == quote => {
                out.push('\\');
                out.push(c);
            }
            ' '..='~' => out.push(c),
            _ if unicode::is_printable(c) => out.push(c),
            _ => escape(c, out),
        }
    }
    out.push(quote);
}

fn escape(c: char, out: &mut String) {
    let code = c as u32;
    let _ = match code {
        0..=0xff => write!(out, "\\x{code:02x}"),
        0x100..=0xffff => write!(out, "\\u{code:04x}"),
        _ => write!(out, "\\U{code:08x}"),
    };
}

/// `ascii(object)`, for `!a`: everything beyond ASCII is escaped.
pub(in crate::query) fn ascii(object: &Object<'_>, meter: &Meter) -> Eval<String> {
    let text = repr(object, meter)?;
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_ascii() { out.push(c) } else { escape(c, &mut out) }
    }
    Ok(out)
}
