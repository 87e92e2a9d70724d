//! `Field`: an expression that reads one field of the document, and what it gives where there is none.
//!
//! ```text
//! d["addr"]["city"]   d.addr.city           addr.city, raises where something is missing
//! d["addr"].get("city")                     addr.city, None where city is missing
//! d.get("addr", {}).get("city", "?")        addr.city, "?" where anything is missing
//! ```
//! Invariant: where the path leads to a value, the expression gives that value.
//!
//! Left out: positions in arrays.

use super::condition::constant;
use super::object::{Method, Type};
use super::predicate::{Code, Get, Key};
use crate::types::{FieldPath, Value};

/// What an expression gives where its field is missing.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Missing {
    /// It always raises.
    Raises,
    /// It gives this, or raises.
    Reads(Value),
    /// It may give anything.
    Unknown,
}

/// An expression that reads one field.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Field {
    pub(super) path: FieldPath,
    pub(super) missing: Missing,
}

impl Field {
    /// The field that `code` reads, if that is all it does.
    pub(super) fn of(code: &Code) -> Option<Field> {
        let mut names = Vec::new();
        let missing = read(code, &mut names)?;
        let path = FieldPath::of(names);
        Some(Field { path, missing })
    }

    /// The field called `name`, asked whether it is there.
    pub(super) fn there(name: &str) -> Field {
        Field { path: FieldPath::of([name]), missing: Missing::Raises }
    }
}

/// Adds the names that lead to what `code` reads; says what it gives where there is nothing.
fn read<'c>(code: &'c Code, names: &mut Vec<&'c str>) -> Option<Missing> {
    let (target, name, missing) = match code {
        Code::Field(target, field) => (&**target, &*field.name, Missing::Raises),
        Code::Attribute(target, name) => {
            // Methods are no fields, and numbers and strings have methods of their own.
            let is_method = match **target {
                Code::Document => Method::named(name).is_some_and(|m| m.belongs_to(Type::Dict)),
                _ => Method::named(name).is_some() || ATTRIBUTES.contains(&&**name),
            };
            if is_method {
                return None;
            }
            (&**target, &**name, Missing::Raises)
        }
        // A default that raises does so where the field is there, too.
        Code::Get(parts) if parts.default_never_raises() => {
            let Get { target, key: Key::Constant(field), default } = &**parts else { return None };
            (target, &*field.name, default.as_ref().map_or(Missing::Reads(Value::Null), default_of))
        }
        _ => return None,
    };
    if !matches!(target, Code::Document) {
        // Going on from a default must raise, or come to the same as going on from nothing.
        match read(target, names)? {
            Missing::Unknown => return None,
            Missing::Raises | Missing::Reads(_) => {}
        }
    }
    names.push(name);
    Some(missing)
}

/// Attributes that numbers have in Python; asking for them is refused.
const ATTRIBUTES: [&str; 7] = ["real", "imag", "numerator", "denominator", "start", "stop", "step"];

fn default_of(code: &Code) -> Missing {
    match code {
        Code::Dict(entries) if entries.is_empty() => Missing::Reads(Value::Object(Vec::new())),
        other => constant(other).map_or(Missing::Unknown, Missing::Reads),
    }
}
