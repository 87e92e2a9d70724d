//! What must be true of a document's fields for a lambda to be true of it.
//!
//! ```text
//! lambda d: 18 <= d["age"] < 30 and (d["role"] == "Dev" or "rust" in d.get("tags", []))
//!
//!      All ─┬─ age  in [18, 30)
//!           └─ Any ─┬─ role in {"Dev"}
//!                   └─ tags holding "rust"
//! ```
//! Each part is a field and the set of its values (`spans`). What is not understood is left out of an
//! `All` and makes an `Any` say nothing. Equal values have equal keys (`True`, 1 and 1.0 too), values
//! of one kind have keys in the order Python gives them, and comparing values of two kinds is false or
//! raises, so the sets hold every document that matches.
//!
//! Invariants:
//! 1. Whatever makes the lambda true satisfies the condition.
//! 2. If the condition is `whole` and all its spans are exact, the lambda is true of whatever satisfies
//!    it, and raises on none of that.
//!
//! Left out: indexes (`ranges`), choosing (`planner`).

use std::sync::Arc;

use super::ast::{Comparator, Unary};
use super::field::{Field, Missing};
use super::object::repr::quoted;
use super::object::{Method, float};
use super::predicate::{Code, Element};
use super::spans::Spans;
use crate::types::{FieldPath, Value};

/// What must be true of a document's fields.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Condition {
    Field(FieldCondition),
    All(Vec<Condition>),
    Any(Vec<Condition>),
}

/// What must be true of one field.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FieldCondition {
    pub(super) path: FieldPath,
    pub(super) values: Spans,
    /// As text.
    pub(super) text: Arc<str>,
    /// Whether asking never raises where the field is there.
    never_raises: bool,
    /// What a missing field reads as.
    missing: Missing,
}

/// What is known of a lambda.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Known {
    pub(super) condition: Condition,
    /// Whether there is nothing more to it.
    pub(super) whole: bool,
}

impl Known {
    /// The conditions that must all be true.
    pub(super) fn conditions(&self) -> &[Condition] {
        match &self.condition {
            Condition::All(conditions) => conditions,
            single => std::slice::from_ref(single),
        }
    }
}

/// What must be true of a document for `code` to be true of it, as far as that is known.
pub(super) fn of(code: &Code) -> Option<Known> {
    match code {
        Code::And(operands) => all(operands.iter().map(of)),
        Code::Or(operands) => any(operands.iter().map(of)),
        Code::Compare(first, rest) => {
            let lefts = std::iter::once(&**first).chain(rest.iter().map(|(_, right)| right));
            let pairs = lefts.zip(rest.iter());
            all(pairs.map(|(left, (comparator, right))| {
                compared(left, *comparator, right).map(Known::from)
            }))
        }
        Code::Among { value, constants, set, negated: false } => {
            let field = Field::of(value)?;
            let values = constants.iter().map(|code| Some(Spans::value(&constant(code)?)));
            let values = values.collect::<Option<Vec<Spans>>>()?;
            let values = values.into_iter().reduce(Spans::union).unwrap_or_default();
            let shown: Vec<String> = constants.iter().map(text).collect();
            let text = format!("{} in ({})", field.path, shown.join(", "));
            // A set wants to hash what it is asked about.
            Some(field.condition(values, text, !*set).into())
        }
        Code::MethodCall(call) if call.method == Some(Method::StartsWith) => {
            let field = Field::of(&call.receiver)?;
            let [Element { spread: false, code }] = &*call.arguments.by_position else {
                return None;
            };
            if !call.arguments.by_name.is_empty() {
                return None;
            }
            let values = prefixes(code)?;
            let text = format!("{} starts with {}", field.path, text(code));
            Some(field.condition(values, text, false).into())
        }
        Code::Unary(Unary::Not, operand) => {
            let field = Field::of(operand)?;
            let text = format!("not {}", field.path);
            Some(field.condition(Spans::falsy(), text, true).into())
        }
        _ => {
            let field = Field::of(code)?;
            let text = format!("{} is true", field.path);
            Some(field.condition(Spans::truthy(), text, true).into())
        }
    }
}

impl From<FieldCondition> for Known {
    fn from(condition: FieldCondition) -> Known {
        Known { condition: Condition::Field(condition), whole: true }
    }
}

/// All that is known of operands that must all be true.
fn all(operands: impl Iterator<Item = Option<Known>>) -> Option<Known> {
    let (mut conditions, mut whole) = (Vec::new(), true);
    for operand in operands {
        whole &= operand.as_ref().is_some_and(|operand| operand.whole);
        match operand.map(|operand| operand.condition) {
            Some(Condition::All(inner)) => conditions.extend(inner),
            Some(condition) => conditions.push(condition),
            None => {}
        }
    }
    match conditions.len() {
        0 => None,
        1 => conditions.pop().map(|condition| Known { condition, whole }),
        _ => Some(Known { condition: Condition::All(conditions), whole }),
    }
}

/// All that is known of operands of which one must be true. Conditions on one field become one.
fn any(operands: impl Iterator<Item = Option<Known>>) -> Option<Known> {
    let mut conditions: Vec<Condition> = Vec::new();
    let mut whole = true;
    for operand in operands {
        let operand = operand?;
        whole &= operand.whole;
        let next = match operand.condition {
            Condition::Any(inner) => inner,
            other => vec![other],
        };
        for condition in next {
            let same = |other: &&mut Condition| match (&**other, &condition) {
                (Condition::Field(a), Condition::Field(b)) => a.path == b.path,
                _ => false,
            };
            match (conditions.iter_mut().find(same), condition) {
                (Some(Condition::Field(known)), Condition::Field(field)) => known.or(field),
                (_, condition) => conditions.push(condition),
            }
        }
    }
    match conditions.len() {
        0 => None,
        1 => conditions.pop().map(|condition| Known { condition, whole }),
        // One of the others may raise on what this one is true of.
        _ => Some(Known { condition: Condition::Any(conditions), whole: false }),
    }
}

impl FieldCondition {
    fn or(&mut self, other: FieldCondition) {
        let values = std::mem::take(&mut self.values).union(other.values);
        // What the one would raise on, the other must not be certain about.
        let harmless = self.never_raises && other.never_raises && self.missing == other.missing;
        self.values = if harmless { values } else { values.inexact() };
        self.never_raises = harmless;
        self.text = format!("{} or {}", self.text, other.text).into();
    }
}

impl Field {
    /// The condition that the field's value is one of these.
    fn condition(self, values: Spans, text: String, never_raises: bool) -> FieldCondition {
        let missing = match &self.missing {
            Missing::Raises => None,
            Missing::Unknown => Some(false),
            // Deeper down something else may be missing, on which the lambda raises.
            Missing::Reads(value) => {
                values.certain_of(value).map(|certain| certain && self.path.names().len() == 1)
            }
        };
        let values = match missing {
            None => values,
            Some(true) => values.union(Spans::missing()),
            Some(false) => values.union(Spans::missing().inexact()),
        };
        let (path, text, missing) = (self.path, text.into(), self.missing);
        FieldCondition { path, values, text, never_raises, missing }
    }
}

fn compared(left: &Code, comparator: Comparator, right: &Code) -> Option<FieldCondition> {
    if comparator == Comparator::In {
        return held(left, right);
    }
    let (field, comparator, other) = match (Field::of(left), Field::of(right)) {
        (Some(field), None) => (field, comparator, right),
        (None, Some(field)) => (field, comparator.mirrored(), left),
        _ => return None,
    };
    let value = constant(other)?;
    let text = format!("{} {} {}", field.path, comparator.symbol(), text(other));
    let (values, never_raises) = match comparator {
        // Of what equals True only one is True.
        Comparator::Is if value != Value::Null => (Spans::value(&value).inexact(), true),
        Comparator::Equal | Comparator::Is => (Spans::value(&value), true),
        Comparator::Less => (Spans::below(&value, false)?, false),
        Comparator::LessEqual => (Spans::below(&value, true)?, false),
        Comparator::Greater => (Spans::above(&value, false)?, false),
        Comparator::GreaterEqual => (Spans::above(&value, true)?, false),
        Comparator::NotEqual | Comparator::In | Comparator::NotIn | Comparator::IsNot => {
            return None;
        }
    };
    Some(field.condition(values, text, never_raises))
}

/// The condition of `left in right`.
fn held(left: &Code, right: &Code) -> Option<FieldCondition> {
    if let (Code::Str(name), Code::Document) = (left, right) {
        let field = Field::there(name);
        let text = format!("{} is there", field.path);
        return Some(field.condition(Spans::present(), text, true));
    }
    let (value, field) = (constant(left)?, Field::of(right)?);
    if matches!(value, Value::Array(_)) {
        return None;
    }
    let text = format!("{} in {}", text(left), field.path);
    Some(field.condition(Spans::holding(&value), text, false))
}

fn prefixes(code: &Code) -> Option<Spans> {
    let of_one = |code: &Code| match code {
        Code::Str(prefix) => Some(Spans::prefix(prefix)),
        _ => None,
    };
    let Code::Tuple(items) = code else { return of_one(code) };
    let spans = items.iter().map(|item| if item.spread { None } else { of_one(&item.code) });
    spans.collect::<Option<Vec<_>>>()?.into_iter().reduce(Spans::union)
}

/// The constant as a document could hold it or compare with it.
pub(super) fn constant(code: &Code) -> Option<Value> {
    /// No document holds integers beyond 64 bits; keys do not tell those apart.
    const LARGE: i128 = 1 << 64;
    Some(match code {
        Code::None => Value::Null,
        Code::Bool(value) => Value::Bool(*value),
        Code::Int(value) if (-LARGE..=LARGE).contains(value) => Value::Int(*value),
        Code::Float(value) if !value.is_nan() => Value::Float(*value),
        Code::Str(text) => Value::String(text.to_string()),
        Code::List(items) => {
            let item = |item: &Element| if item.spread { None } else { constant(&item.code) };
            Value::Array(items.iter().map(item).collect::<Option<_>>()?)
        }
        _ => return None,
    })
}

/// A constant as Python text.
fn text(code: &Code) -> String {
    let listed = |items: &[Element]| {
        items.iter().map(|item| text(&item.code)).collect::<Vec<_>>().join(", ")
    };
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
        Code::List(items) => format!("[{}]", listed(items)),
        Code::Tuple(items) => format!("({})", listed(items)),
        _ => "None".into(),
    }
}
