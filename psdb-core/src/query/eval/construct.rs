//! Types as functions: `int("7")`, `list(xs)`, `range(3)`, `map(f, xs)`.
//!
//! Left out: types that a lambda cannot name.

use std::rc::Rc;

use num_bigint::BigInt;

use super::arguments::{Given, argument_kind, index_of};
use super::{Context, number};
use crate::query::limits::INTEGER_BITS;
use crate::query::object::integer::{Integer, from_big, too_large};
use crate::query::object::repr::quoted;
use crate::query::object::{Dict, Iter, Object, Range, Type, repr, unicode};
use crate::query::raised::{Eval, refused, type_error, value_error};

impl<'a> Context<'a> {
    pub(super) fn construct(&mut self, kind: Type, given: Given<'a>) -> Eval<Object<'a>> {
        match kind {
            Type::Bool => {
                let [value] = given.up_to("bool", 0)?;
                Ok(Object::Bool(value.is_some_and(|value| value.truthy())))
            }
            Type::Int => self.int(given),
            Type::Float => self.float(given),
            Type::Str => self.str(given),
            Type::List | Type::Tuple => {
                let [source] = given.up_to(kind.name(), 0)?;
                let items = match source {
                    Some(source) => self.collect(&source)?,
                    None => Vec::new(),
                };
                Ok(if kind == Type::List { Object::list(items) } else { Object::tuple(items) })
            }
            Type::Set => {
                let [source] = given.up_to("set", 0)?;
                match source {
                    Some(source) => self.set_of(&source),
                    None => Ok(Object::Set(Rc::default())),
                }
            }
            Type::Dict => self.dict(given),
            Type::Range => range(&given),
            Type::Type => {
                let [value] = given.up_to("type", 1)?;
                Ok(Object::Type(value.map_or(Type::NoneType, |value| value.kind())))
            }
            Type::Map => self.map(given),
            Type::Filter => {
                let [function, source] = given.up_to("filter", 2)?;
                let source = self.iterator(&source.unwrap_or(Object::None))?;
                let function = function.unwrap_or(Object::None);
                Ok(Object::iterator(Iter::Filter(function, source)))
            }
            Type::Zip => self.zip(&given),
            Type::Enumerate => {
                let [source, start] = given.named("enumerate", ["iterable", "start"], 1)?;
                let start = match start {
                    Some(Object::Bool(start)) => Object::Int(i128::from(start)),
                    Some(start) => {
                        index_of(&start)?;
                        start
                    }
                    None => Object::Int(0),
                };
                let source = self.iterator(&source.unwrap_or(Object::None))?;
                Ok(Object::iterator(Iter::Enumerate(source, start)))
            }
            Type::Reversed => {
                let [source] = given.up_to("reversed", 1)?;
                self.reversed(&source.unwrap_or(Object::None))
            }
            _ => Err(refused(format!("making a {} is not supported", kind.name()))),
        }
    }

    fn str(&mut self, given: Given<'a>) -> Eval<Object<'a>> {
        let names = ["object", "encoding", "errors"];
        let [value, encoding, errors] = given.named("str", names, 0)?;
        for (name, argument) in [("encoding", &encoding), ("errors", &errors)] {
            if let Some(other) = argument.as_ref().filter(|a| !matches!(a, Object::Str(_))) {
                let kind = argument_kind(other);
                let message = format!("str() argument '{name}' must be str, not {kind}");
                return Err(type_error(message));
            }
        }
        let decodes = encoding.is_some() || errors.is_some();
        match value {
            Some(Object::Str(_)) if decodes => Err(type_error("decoding str is not supported")),
            Some(value) if decodes => Err(type_error(format!(
                "decoding to str: need a bytes-like object, {} found",
                value.type_name()
            ))),
            Some(value) => Ok(Object::Str(repr::str(&value, self.meter)?)),
            None => Ok(Object::str("")),
        }
    }

    fn int(&mut self, given: Given<'a>) -> Eval<Object<'a>> {
        let [value, base] = given.named("int", ["", "base"], 0)?;
        let Some(value) = value else {
            return match base {
                Some(_) => Err(type_error("int() missing string argument")),
                None => Ok(Object::Int(0)),
            };
        };
        if let Some(base) = base {
            let base = index_of(&base)?;
            if base != 0 && !(2..=36).contains(&base) {
                return Err(value_error("int() base must be >= 2 and <= 36, or 0"));
            }
            let Object::Str(text) = &value else {
                return Err(type_error("int() can't convert non-string with explicit base"));
            };
            return self.parse_int(text, base as u32);
        }
        match &value {
            Object::Str(text) => self.parse_int(text, 10),
            Object::Float(value) => number::whole(*value),
            _ => match Integer::of(&value) {
                Some(integer) => from_big(integer.big().into_owned()),
                None => Err(type_error(format!(
                    "int() argument must be a string, a bytes-like object or a real number, \
                     not '{}'",
                    value.type_name()
                ))),
            },
        }
    }

    fn parse_int(&mut self, text: &str, base: u32) -> Eval<Object<'a>> {
        self.meter.charge(text.len() as u64 / 16)?;
        let invalid = || {
            let mut message = format!("invalid literal for int() with base {base}: ");
            let mut shown = String::new();
            quoted(text, &mut shown);
            // CPython cuts what it shows here.
            message.extend(shown.chars().take(200));
            value_error(message)
        };
        let ascii = ascii_digits(text);
        let trimmed = ascii.trim_matches(unicode::is_space);
        let (negative, digits) = match trimmed.as_bytes().first() {
            Some(b'-') => (true, &trimmed[1..]),
            Some(b'+') => (false, &trimmed[1..]),
            _ => (false, trimmed),
        };
        let (base, digits) = radix(digits, base).ok_or_else(invalid)?;
        let bytes = digits.as_bytes();
        let digit = |at: usize| bytes.get(at).is_some_and(|b| (*b as char).is_digit(base));
        let well_formed = (0..bytes.len())
            .all(|at| digit(at) || bytes[at] == b'_' && at > 0 && digit(at - 1) && digit(at + 1));
        if bytes.is_empty() || !well_formed {
            return Err(invalid());
        }
        let digits = digits.replace('_', "");
        let significant = digits.trim_start_matches('0');
        if significant.len() as u64 > INTEGER_BITS {
            return Err(too_large());
        }
        let value = BigInt::parse_bytes(digits.as_bytes(), base).ok_or_else(invalid)?;
        from_big(if negative { -value } else { value })
    }

    fn float(&mut self, given: Given<'a>) -> Eval<Object<'a>> {
        let [value] = given.up_to("float", 0)?;
        let Some(value) = value else { return Ok(Object::Float(0.0)) };
        if let Object::Str(text) = &value {
            self.meter.charge(text.len() as u64 / 16)?;
            return match parse_float(text) {
                Some(value) => Ok(Object::Float(value)),
                None => {
                    let mut message = "could not convert string to float: ".to_owned();
                    quoted(text, &mut message);
                    Err(value_error(message))
                }
            };
        }
        match number::to_float(&value) {
            Some(value) => value.map(Object::Float),
            None => Err(type_error(format!(
                "float() argument must be a string or a real number, not '{}'",
                value.type_name()
            ))),
        }
    }

    fn dict(&mut self, given: Given<'a>) -> Eval<Object<'a>> {
        let mut dict = Dict::default();
        let count = given.by_position.len();
        if count > 1 {
            let message = format!("dict expected at most 1 argument, got {count}");
            return Err(type_error(message));
        }
        if let Some(source) = given.by_position.first() {
            if matches!(source, Object::Dict(_) | Object::Fields(_)) {
                self.add_entries(&mut dict, source)?;
            } else {
                self.add_pairs(&mut dict, source)?;
            }
        }
        for (name, value) in given.by_name {
            dict.insert(Object::Str(super::Text::Borrowed(name)), value, self.meter)?;
        }
        Ok(Object::Dict(Rc::new(dict)))
    }

    fn add_pairs(&mut self, dict: &mut Dict<'a>, source: &Object<'a>) -> Eval<()> {
        let iterator = self.iterator(source)?;
        let mut at = 0;
        while let Some(pair) = self.next(&iterator)? {
            if self.is_not_iterable(&pair) {
                return Err(type_error(format!(
                    "cannot convert dictionary update sequence element #{at} to a sequence"
                )));
            }
            let pair = self.collect(&pair)?;
            let [key, value] = &pair[..] else {
                return Err(value_error(format!(
                    "dictionary update sequence element #{at} has length {}; 2 is required",
                    pair.len()
                )));
            };
            dict.insert(key.clone(), value.clone(), self.meter)?;
            at += 1;
        }
        Ok(())
    }

    fn map(&mut self, given: Given<'a>) -> Eval<Object<'a>> {
        given.no_names("map")?;
        if given.by_position.len() < 2 {
            return Err(type_error("map() must have at least two arguments."));
        }
        let mut sources = given.by_position;
        let function = sources.remove(0);
        let sources = self.all_iterators(&sources)?;
        Ok(Object::iterator(Iter::Map(function, sources)))
    }

    fn zip(&mut self, given: &Given<'a>) -> Eval<Object<'a>> {
        let mut strict = false;
        for (name, value) in &given.by_name {
            if *name != "strict" {
                let message = format!("'{name}' is an invalid keyword argument for zip()");
                return Err(type_error(message));
            }
            strict = value.truthy();
        }
        let mut sources = Vec::with_capacity(given.by_position.len());
        for source in &given.by_position {
            if self.is_not_iterable(source) {
                return Err(type_error(format!("'{}' object is not iterable", source.type_name())));
            }
            sources.push(self.iterator(source)?);
        }
        Ok(Object::iterator(Iter::Zip(sources, strict)))
    }
}

/// Digits of any script as those of ASCII.
fn ascii_digits(text: &str) -> String {
    let digit = |c: char| match unicode::decimal(c) {
        Some(digit) if !c.is_ascii() => char::from_digit(digit, 10).unwrap_or(c),
        _ => c,
    };
    text.chars().map(digit).collect()
}

/// The base a prefix asks for, and the digits after it.
fn radix(digits: &str, base: u32) -> Option<(u32, &str)> {
    let prefix = digits.get(..2).map(str::to_ascii_lowercase);
    let prefixed = match prefix.as_deref() {
        Some("0x") => 16,
        Some("0o") => 8,
        Some("0b") => 2,
        _ => 0,
    };
    if prefixed != 0 && (base == 0 || base == prefixed) {
        let rest = &digits[2..];
        return Some((prefixed, rest.strip_prefix('_').unwrap_or(rest)));
    }
    if base != 0 {
        return Some((base, digits));
    }
    // Without a prefix a leading 0 would be ambiguous.
    let zeros = digits.bytes().all(|byte| byte == b'0' || byte == b'_');
    (zeros || !digits.starts_with('0')).then_some((10, digits))
}

/// Reads a float as Python does: blanks around, underscores between digits, `inf` and `nan`.
fn parse_float(text: &str) -> Option<f64> {
    let ascii = ascii_digits(text);
    let text = ascii.trim_matches(unicode::is_space);
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_digit);
    let underscores =
        (0..bytes.len()).all(|at| bytes[at] != b'_' || at > 0 && digit(at - 1) && digit(at + 1));
    if !underscores || !text.is_ascii() {
        return None;
    }
    let plain = text.replace('_', "").to_ascii_lowercase();
    let unsigned = plain.strip_prefix(['+', '-']).unwrap_or(&plain);
    let named = matches!(unsigned, "inf" | "infinity" | "nan");
    let numeric = unsigned.starts_with(|c: char| c.is_ascii_digit() || c == '.')
        && unsigned.bytes().all(|b| b.is_ascii_digit() || b".e+-".contains(&b));
    if !named && !numeric {
        return None;
    }
    plain.parse().ok()
}

fn range<'a>(given: &Given<'a>) -> Eval<Object<'a>> {
    given.no_names("range")?;
    let count = given.by_position.len();
    if count == 0 {
        return Err(type_error("range expected at least 1 argument, got 0"));
    }
    if count > 3 {
        return Err(type_error(format!("range expected at most 3 arguments, got {count}")));
    }
    let mut bounds = Vec::with_capacity(3);
    for value in &given.by_position {
        index_of(value)?;
        let value = Integer::of(value).map_or(0, |value| value.clamped());
        if value.unsigned_abs() > Range::BOUND as u128 {
            return Err(refused("a range beyond 2^100 is not supported"));
        }
        bounds.push(value);
    }
    let (start, stop, step) = match bounds[..] {
        [stop] => (0, stop, 1),
        [start, stop] => (start, stop, 1),
        _ => (bounds[0], bounds[1], bounds[2]),
    };
    if step == 0 {
        return Err(value_error("range() arg 3 must not be zero"));
    }
    Ok(Object::Range(Rc::new(Range { start, stop, step })))
}
