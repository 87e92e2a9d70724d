//! Operators on objects of any type.
//!
//! Left out: numbers (`number`), comparisons (`object::compare`), `%` on strings, which is refused.

use std::rc::Rc;

use super::{Context, number};
use crate::query::ast::{Binary, Unary};
use crate::query::object::compare::{set_contains, set_like};
use crate::query::object::integer::{Integer, from_big};
use crate::query::object::{Dict, Object, Type};
use crate::query::raised::{Eval, refused, type_error};

/// `operator value`.
pub(super) fn unary<'a>(operator: Unary, value: &Object<'a>) -> Eval<Object<'a>> {
    if operator == Unary::Not {
        return Ok(Object::Bool(!value.truthy()));
    }
    let symbol = match (operator, value) {
        (Unary::Negative, Object::Float(value)) => return Ok(Object::Float(-value)),
        (Unary::Positive, Object::Float(value)) => return Ok(Object::Float(*value)),
        (Unary::Negative, _) => "-",
        (Unary::Positive, _) => "+",
        (Unary::Invert | Unary::Not, _) => "~",
    };
    let Some(integer) = Integer::of(value) else {
        let name = value.type_name();
        return Err(type_error(format!("bad operand type for unary {symbol}: '{name}'")));
    };
    match operator {
        Unary::Negative => from_big(-integer.big().into_owned()),
        Unary::Positive => from_big(integer.big().into_owned()),
        Unary::Invert | Unary::Not => from_big(!integer.big().into_owned()),
    }
}

impl<'a> Context<'a> {
    pub(super) fn binary(
        &mut self,
        operator: Binary,
        a: &Object<'a>,
        b: &Object<'a>,
    ) -> Eval<Object<'a>> {
        let (left, right) = (Integer::of(a), Integer::of(b));
        if let (Some(left), Some(right)) = (&left, &right) {
            return match (operator, a, b) {
                (Binary::BitAnd, Object::Bool(a), Object::Bool(b)) => Ok(Object::Bool(a & b)),
                (Binary::BitOr, Object::Bool(a), Object::Bool(b)) => Ok(Object::Bool(a | b)),
                (Binary::BitXor, Object::Bool(a), Object::Bool(b)) => Ok(Object::Bool(a ^ b)),
                _ => number::integers(operator, left, right),
            };
        }
        let bits = matches!(
            operator,
            Binary::BitAnd
                | Binary::BitOr
                | Binary::BitXor
                | Binary::ShiftLeft
                | Binary::ShiftRight
        );
        if !bits && let (Some(left), Some(right)) = (number::to_float(a), number::to_float(b)) {
            return number::floats(operator, left?, right?);
        }
        self.other_binary(operator, a, b)
    }

    fn other_binary(
        &mut self,
        operator: Binary,
        a: &Object<'a>,
        b: &Object<'a>,
    ) -> Eval<Object<'a>> {
        match (operator, a) {
            (Binary::Modulo, Object::Str(_)) => {
                return Err(refused("formatting with % is not supported; use an f-string"));
            }
            (Binary::Add, Object::Str(_) | Object::List(_) | Object::Array(_)) => {
                return self.concatenate(a, b);
            }
            (Binary::Add, Object::Tuple(_)) => return self.concatenate(a, b),
            (Binary::Multiply, _) if is_sequence(a) => return self.repeat(a, b),
            (Binary::Multiply, _) if is_sequence(b) => return self.repeat(b, a),
            (Binary::BitOr, Object::Dict(_) | Object::Fields(_))
                if matches!(b, Object::Dict(_) | Object::Fields(_)) =>
            {
                let mut dict = Dict::default();
                self.add_entries(&mut dict, a)?;
                self.add_entries(&mut dict, b)?;
                return Ok(Object::Dict(Rc::new(dict)));
            }
            (Binary::BitOr, Object::Type(_) | Object::None)
                if matches!(b, Object::Type(_) | Object::None)
                    && (matches!(a, Object::Type(_)) || matches!(b, Object::Type(_))) =>
            {
                return Err(refused("unions of types are not supported; use a tuple"));
            }
            (Binary::Subtract | Binary::Add, Object::DateTime(_)) => {
                return Err(refused("times can be compared, not computed with"));
            }
            _ => {}
        }
        if let Some(set) = self.set_operator(operator, a, b)? {
            return Ok(set);
        }
        let symbol = match operator {
            Binary::Power => "** or pow()",
            _ => operator.symbol(),
        };
        Err(type_error(format!(
            "unsupported operand type(s) for {symbol}: '{}' and '{}'",
            a.type_name(),
            b.type_name()
        )))
    }

    fn concatenate(&mut self, a: &Object<'a>, b: &Object<'a>) -> Eval<Object<'a>> {
        match (a, b) {
            (Object::Str(a), Object::Str(b)) => {
                self.meter.allocate((a.len() + b.len()) as u64)?;
                Ok(Object::str([&**a, &**b].concat()))
            }
            (Object::List(_) | Object::Array(_), Object::List(_) | Object::Array(_))
            | (Object::Tuple(_), Object::Tuple(_)) => {
                let mut items = self.collect(a)?;
                items.extend(self.collect(b)?);
                let tuple = matches!(a, Object::Tuple(_));
                Ok(if tuple { Object::tuple(items) } else { Object::list(items) })
            }
            _ => {
                let (a, b) = (a.type_name(), b.type_name());
                Err(type_error(format!("can only concatenate {a} (not \"{b}\") to {a}")))
            }
        }
    }

    fn repeat(&mut self, sequence: &Object<'a>, count: &Object<'a>) -> Eval<Object<'a>> {
        let Some(count) = Integer::of(count) else {
            let name = count.type_name();
            let message = format!("can't multiply sequence by non-int of type '{name}'");
            return Err(type_error(message));
        };
        let count = number::index(&count).max(0) as u64;
        if count == i64::MAX as u64 {
            let message = "cannot fit 'int' into an index-sized integer";
            return Err(crate::query::raised::raised("OverflowError", message));
        }
        if let Object::Str(text) = sequence {
            self.meter.allocate(count.saturating_mul(text.len() as u64))?;
            return Ok(Object::str(text.repeat(if text.is_empty() { 0 } else { count as usize })));
        }
        let items = self.collect(sequence)?;
        self.meter.allocate(count.saturating_mul(32 * items.len() as u64))?;
        let count = if items.is_empty() { 0 } else { count as usize };
        let mut repeated = Vec::with_capacity(items.len() * count);
        (0..count).for_each(|_| repeated.extend(items.iter().cloned()));
        let tuple = matches!(sequence, Object::Tuple(_));
        Ok(if tuple { Object::tuple(repeated) } else { Object::list(repeated) })
    }

    /// Adds what a dict of either kind holds to `dict`.
    pub(super) fn add_entries(&mut self, dict: &mut Dict<'a>, more: &Object<'a>) -> Eval<()> {
        let shows = crate::query::object::Shows::Items;
        let view = crate::query::object::View { shows, dict: more.clone() };
        for item in crate::query::object::compare::view_items(&view) {
            if let Object::Tuple(pair) = item {
                dict.insert(pair[0].clone(), pair[1].clone(), self.meter)?;
            }
        }
        Ok(())
    }

    /// `- & | ^` on sets and on views of keys and items.
    fn set_operator(
        &mut self,
        operator: Binary,
        a: &Object<'a>,
        b: &Object<'a>,
    ) -> Eval<Option<Object<'a>>> {
        let known =
            matches!(operator, Binary::Subtract | Binary::BitAnd | Binary::BitOr | Binary::BitXor);
        if !known || !set_like(a) && !set_like(b) {
            return Ok(None);
        }
        if !set_like(a) || !set_like(b) {
            // A view takes any iterable, a set does not.
            let view = |side| matches!(side, &Object::View(_)) && set_like(side);
            let view = view(a) || view(b);
            let other = if set_like(a) { b } else { a };
            if !view || other.kind() == Type::Set {
                return Ok(None);
            }
            if self.is_not_iterable(other) {
                return Err(super::not_iterable(other));
            }
        }
        let (a, b) = (self.set_of(a)?, self.set_of(b)?);
        self.combine(operator, &a, &b).map(Some)
    }

    /// A set of the elements of anything.
    pub(super) fn set_of(&mut self, object: &Object<'a>) -> Eval<Object<'a>> {
        if let Object::Set(_) = object {
            return Ok(object.clone());
        }
        let mut set = Dict::default();
        for item in self.collect_unordered(object)? {
            set.add(item, self.meter)?;
        }
        Ok(Object::Set(Rc::new(set)))
    }

    /// Combines two sets.
    pub(super) fn combine(
        &mut self,
        operator: Binary,
        a: &Object<'a>,
        b: &Object<'a>,
    ) -> Eval<Object<'a>> {
        let (Object::Set(left), Object::Set(right)) = (a, b) else { return Ok(a.clone()) };
        let mut set = Dict::default();
        if operator == Binary::BitAnd {
            // Of equal elements those of the right side stay, unless it is the longer one.
            let (from, other) = if right.len() > left.len() { (left, b) } else { (right, a) };
            for key in from.keys() {
                if set_contains(other, key, self.meter)? {
                    set.add(key.clone(), self.meter)?;
                }
            }
            return Ok(Object::Set(Rc::new(set)));
        }
        for key in left.keys() {
            if operator == Binary::BitOr || !set_contains(b, key, self.meter)? {
                set.add(key.clone(), self.meter)?;
            }
        }
        if matches!(operator, Binary::BitOr | Binary::BitXor) {
            for key in right.keys() {
                if !set_contains(a, key, self.meter)? {
                    set.add(key.clone(), self.meter)?;
                }
            }
        }
        Ok(Object::Set(Rc::new(set)))
    }
}

fn is_sequence(object: &Object<'_>) -> bool {
    matches!(object, Object::Str(_) | Object::List(_) | Object::Array(_) | Object::Tuple(_))
}
