//! Built-in functions that are no types.
//!
//! Left out: `sorted`, `min` and `max` (`order`); types as functions (`construct`).

use super::arguments::{Given, index_of};
use super::{Context, format, number};
use crate::query::ast::Binary;
use crate::query::datetime::DateTime;
use crate::query::object::integer::{Integer, from_big};
use crate::query::object::repr::{quoted, unordered};
use crate::query::object::{Builtin, Object, Type};
use crate::query::raised::{Eval, type_error, value_error};

impl<'a> Context<'a> {
    pub(super) fn builtin(&mut self, builtin: Builtin, given: Given<'a>) -> Eval<Object<'a>> {
        match builtin {
            Builtin::Len => {
                let argument = given.one("len")?;
                if let Object::Str(text) = &argument {
                    self.meter.charge(text.len() as u64 / 64)?;
                }
                match argument.length() {
                    Some(length) => Ok(Object::Int(length)),
                    None => {
                        let name = argument.type_name();
                        Err(type_error(format!("object of type '{name}' has no len()")))
                    }
                }
            }
            Builtin::Min | Builtin::Max => self.extreme(builtin, given),
            Builtin::Sorted => self.sorted(given),
            Builtin::Sum => self.sum(given),
            Builtin::Any => self.quantify(&given.one("any")?, true),
            Builtin::All => self.quantify(&given.one("all")?, false),
            Builtin::Abs => absolute(&given.one("abs")?),
            Builtin::Round => round(given),
            Builtin::IsInstance => {
                let [object, kinds] = given.up_to("isinstance", 2)?;
                let (object, kinds) =
                    (object.unwrap_or(Object::None), kinds.unwrap_or(Object::None));
                self.is_instance(&object, &kinds).map(Object::Bool)
            }
            Builtin::ReSearch | Builtin::ReMatch | Builtin::ReFullMatch => {
                self.regular_expression(builtin, given)
            }
            Builtin::FromIsoFormat => {
                let argument = given.one("datetime.fromisoformat")?;
                let Object::Str(text) = &argument else {
                    return Err(type_error("fromisoformat: argument must be str"));
                };
                let Some(time) = DateTime::parse(text) else {
                    let mut message = "Invalid isoformat string: ".to_owned();
                    quoted(text, &mut message);
                    return Err(value_error(message));
                };
                match time.out_of_range() {
                    None => Ok(Object::DateTime(time.into())),
                    Some(message) => Err(value_error(message)),
                }
            }
        }
    }

    /// `any` looks for truth, `all` for its absence.
    fn quantify(&mut self, source: &Object<'a>, wanted: bool) -> Eval<Object<'a>> {
        if let Object::Set(_) = source {
            let items = self.collect_unordered(source)?;
            let found = items.iter().any(|item| item.truthy() == wanted);
            return Ok(Object::Bool(found == wanted));
        }
        let iterator = self.iterator(source)?;
        while let Some(item) = self.next(&iterator)? {
            if item.truthy() == wanted {
                return Ok(Object::Bool(wanted));
            }
        }
        Ok(Object::Bool(!wanted))
    }

    fn sum(&mut self, given: Given<'a>) -> Eval<Object<'a>> {
        if given.by_position.is_empty() {
            return Err(type_error("sum() takes at least 1 positional argument (0 given)"));
        }
        let [source, start] = given.named("sum", ["", "start"], 0)?;
        let source = source.unwrap_or(Object::None);
        let items = if let Object::Set(_) = &source {
            let items = self.collect_unordered(&source)?;
            let exact = items.iter().all(|item| Integer::of(item).is_some());
            if items.len() > 1 && !exact {
                return Err(unordered());
            }
            Object::list(items)
        } else {
            source
        };
        let iterator = self.iterator(&items)?;
        if let Some(Object::Str(_)) = start {
            return Err(type_error("sum() can't sum strings [use ''.join(seq) instead]"));
        }
        let mut total = start.unwrap_or(Object::Int(0));
        while let Some(item) = self.next(&iterator)? {
            total = self.binary(Binary::Add, &total, &item)?;
        }
        Ok(total)
    }

    fn is_instance(&mut self, object: &Object<'a>, kinds: &Object<'a>) -> Eval<bool> {
        match kinds {
            Object::Type(kind) => Ok(object.kind().is(*kind)),
            Object::Tuple(kinds) => {
                for kind in kinds.iter() {
                    self.meter.step()?;
                    if self.is_instance(object, kind)? {
                        return Ok(true);
                    }
                }
                Ok(false)
            }
            _ => Err(type_error("isinstance() arg 2 must be a type, a tuple of types, or a union")),
        }
    }
}

fn absolute<'a>(value: &Object<'a>) -> Eval<Object<'a>> {
    if let Object::Float(value) = value {
        return Ok(Object::Float(value.abs()));
    }
    match Integer::of(value) {
        Some(integer) if integer.is_negative() => from_big(-integer.big().into_owned()),
        Some(integer) => from_big(integer.big().into_owned()),
        None => {
            let name = value.type_name();
            Err(type_error(format!("bad operand type for abs(): '{name}'")))
        }
    }
}

fn round(given: Given<'_>) -> Eval<Object<'_>> {
    let [value, digits] = given.named("round", ["number", "ndigits"], 1)?;
    let value = value.unwrap_or(Object::None);
    let digits = digits.filter(|digits| !matches!(digits, Object::None));
    if let Object::Float(value) = value {
        return match digits {
            None => number::whole(value.round_ties_even()),
            Some(digits) => {
                format::rounding::round_float(value, index_of(&digits)?).map(Object::Float)
            }
        };
    }
    let Some(integer) = Integer::of(&value) else {
        let name = match value.kind() {
            Type::NoneType => "NoneType",
            kind => kind.name(),
        };
        return Err(type_error(format!("type {name} doesn't define __round__ method")));
    };
    let digits = match digits {
        None => 0,
        Some(digits) => index_of(&digits)?,
    };
    format::rounding::round_integer(&integer, digits)
}
