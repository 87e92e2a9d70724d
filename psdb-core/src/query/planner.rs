//! Chooses an index for a predicate.
//!
//! Of the conditions that must all hold, those that compare one field with a constant give a range
//! of that field's keys; the ranges of one field are intersected, and the index whose first field
//! is bounded best is taken.
//!
//! ```text
//! d["age"] == 30                 the keys that begin with the key of 30
//! 18 <= d["age"] < 30            from the key of 18 up to the key of 30
//! d["age"] > 30                  from the key of 30 up to the end of the numbers
//! d["role"] in ("a", "b")        from the key of "a" to that of "b"
//! d.get("role") is None          missing fields and nulls
//! ```
//! Why the documents outside of the range cannot match: equal values have equal keys (`True`, 1 and
//! 1.0 too), values of one kind have keys in the order Python gives them, and comparing values of
//! two kinds is false or raises. Keys are cut at [`CUT_BYTES`]; a cut key bounds a range of keys
//! that begin with it, never less. What is not certain to keep all this (integers beyond 128 bits,
//! NaN, dicts and lists) gives no range.
//!
//! Invariant: the range holds every document for which the predicate is true.
//!
//! Left out: several indexes at once, orders, dotted paths.

use std::ops::Bound;

use super::Program;
use super::ast::Comparator;
use super::object::repr::quoted;
use super::object::{Method, Type, float};
use super::plan::Plan;
use super::predicate::{Code, Get, Key};
use super::source::SourceIndex;
use crate::codec::key::{CUT_BYTES, encode_constant};
use crate::types::Value;

/// The first byte of the keys of one kind of value, as [`crate::codec::key`] writes them.
const MISSING: u8 = 0;
const NULL: u8 = 1;

/// Keys from the first, included, up to the second, excluded.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Range {
    low: Vec<u8>,
    high: Vec<u8>,
    /// Whether these are the keys of one value.
    one_value: bool,
    /// Whether both ends were given.
    closed: bool,
    /// What gave this range, as text.
    conditions: Vec<String>,
}

/// Chooses how to find the documents for which `program` is true.
pub(super) fn plan(program: &Program, indexes: &[SourceIndex]) -> Plan {
    let mut ranges: Vec<(&str, Range)> = Vec::new();
    conjuncts(program.code(), &mut |field, range| match ranges
        .iter_mut()
        .find(|(other, _)| *other == field)
    {
        Some((_, known)) => known.intersect(range),
        None => ranges.push((field, range)),
    });
    let complete = indexes.iter().filter(|index| index.complete);
    let bounded = complete.filter_map(|index| {
        let first = index.fields.first()?;
        let (_, range) = ranges.iter().find(|(field, _)| field == first)?;
        Some((&index.name, range))
    });
    // The first of equally good ones, so that plans do not depend on chance.
    let best = bounded.reduce(|best, next| if next.1.rank() > best.1.rank() { next } else { best });
    match best {
        None => Plan::Scan,
        Some((_, range)) if range.low >= range.high => Plan::Nothing,
        Some((name, range)) => Plan::Index {
            name: name.clone(),
            low: Bound::Included(range.low.clone()),
            high: Bound::Excluded(range.high.clone()),
            conditions: range.conditions.clone(),
        },
    }
}

/// Tells `found` the range of every condition that must hold for `code` to be true.
fn conjuncts<'c>(code: &'c Code, found: &mut impl FnMut(&'c str, Range)) {
    match code {
        Code::And(operands) => operands.iter().for_each(|operand| conjuncts(operand, found)),
        Code::Compare(first, rest) => {
            let mut left = &**first;
            for (comparator, right) in rest {
                comparison(left, *comparator, right, found);
                left = right;
            }
        }
        Code::Among { value, constants, negated: false, .. } => {
            let range = field(value)
                .and_then(|(name, missing)| Some((name, among(name, constants, missing)?)));
            if let Some((name, range)) = range {
                found(name, range);
            }
        }
        _ => {}
    }
}

fn comparison<'c>(
    left: &'c Code,
    comparator: Comparator,
    right: &'c Code,
    found: &mut impl FnMut(&'c str, Range),
) {
    let sides = match (field(left), field(right)) {
        (Some(field), None) => Some((field, comparator, right)),
        (None, Some(field)) if comparator != Comparator::In => {
            Some((field, comparator.mirrored(), left))
        }
        _ => None,
    };
    if let Some(((name, missing), comparator, constant)) = sides
        && let Some(range) = range(name, comparator, constant, missing)
    {
        found(name, range);
    }
}

/// The top-level field that `code` reads, and whether a missing one reads as `None`.
fn field(code: &Code) -> Option<(&str, bool)> {
    match code {
        Code::Field(target, field) if matches!(**target, Code::Document) => {
            Some((&field.name, false))
        }
        Code::Attribute(target, name) if matches!(**target, Code::Document) => {
            // A method of dicts is not a field.
            let method = Method::named(name).is_some_and(|method| method.belongs_to(Type::Dict));
            (!method).then_some((name, false))
        }
        Code::Get(parts) => match &**parts {
            Get {
                target: Code::Document,
                key: Key::Constant(field),
                default: None | Some(Code::None),
            } => Some((&field.name, true)),
            _ => None,
        },
        _ => None,
    }
}

/// The constant as a document could hold it or compare with it.
fn constant(code: &Code) -> Option<Value> {
    Some(match code {
        Code::None => Value::Null,
        Code::Bool(value) => Value::Bool(*value),
        Code::Int(value) => Value::Int(*value),
        Code::Float(value) if !value.is_nan() => Value::Float(*value),
        Code::Str(text) => Value::String(text.to_string()),
        _ => return None,
    })
}

fn key(value: &Value) -> Vec<u8> {
    let mut key = Vec::new();
    encode_constant(value, CUT_BYTES, &mut key);
    key
}

/// The first key after all that begin with `prefix`.
fn after(mut prefix: Vec<u8>) -> Vec<u8> {
    while let Some(last) = prefix.pop() {
        if let Some(next) = last.checked_add(1) {
            prefix.push(next);
            return prefix;
        }
    }
    // No key begins with 512 bytes of ff; the tag alone is smaller.
    vec![u8::MAX; CUT_BYTES + 1]
}

fn range(name: &str, comparator: Comparator, code: &Code, missing: bool) -> Option<Range> {
    let value = constant(code)?;
    let key = key(&value);
    let kind = key.first().copied()?;
    let conditions = vec![format!("{name} {} {}", comparator.symbol(), text(code))];
    match comparator {
        Comparator::Equal | Comparator::Is => {
            // Identity is known for None, True and False, of which each equals one value more.
            let low = if missing && kind == NULL { vec![MISSING] } else { key.clone() };
            Some(Range { low, high: after(key), one_value: true, closed: true, conditions })
        }
        _ if kind == NULL => None,
        Comparator::Less | Comparator::LessEqual => {
            let (low, high) = (vec![kind], after(key));
            Some(Range { low, high, one_value: false, closed: false, conditions })
        }
        Comparator::Greater | Comparator::GreaterEqual => {
            let (low, high) = (key, vec![kind + 1]);
            Some(Range { low, high, one_value: false, closed: false, conditions })
        }
        Comparator::NotEqual | Comparator::In | Comparator::NotIn | Comparator::IsNot => None,
    }
}

/// The range from the smallest constant to the largest.
fn among(name: &str, constants: &[Code], missing: bool) -> Option<Range> {
    let ranges = constants.iter().map(|code| range(name, Comparator::Equal, code, missing));
    let ranges = ranges.collect::<Option<Vec<Range>>>()?;
    let shown: Vec<String> = constants.iter().map(text).collect();
    let whole = ranges.into_iter().reduce(|a, b| Range {
        low: a.low.min(b.low),
        high: a.high.max(b.high),
        one_value: false,
        ..a
    });
    Some(Range { conditions: vec![format!("{name} in ({})", shown.join(", "))], ..whole? })
}

/// A constant as Python text.
fn text(code: &Code) -> String {
    match code {
        Code::Int(value) => value.to_string(),
        Code::Float(value) => float::repr(*value),
        Code::Bool(true) => "True".into(),
        Code::Bool(false) => "False".into(),
        Code::Str(value) => {
            let mut text = String::new();
            quoted(value, &mut text);
            text
        }
        _ => "None".into(),
    }
}

impl Range {
    fn intersect(&mut self, other: Range) {
        self.closed |= other.closed || (self.low < other.low) != (self.high < other.high);
        self.one_value |= other.one_value;
        self.conditions.extend(other.conditions);
        self.low = std::mem::take(&mut self.low).max(other.low);
        self.high = std::mem::take(&mut self.high).min(other.high);
    }

    fn rank(&self) -> u8 {
        match (self.one_value, self.closed) {
            (true, _) => 2,
            (false, true) => 1,
            (false, false) => 0,
        }
    }
}
