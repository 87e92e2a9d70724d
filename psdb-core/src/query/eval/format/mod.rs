//! Formatting: f-strings, `str.format` and rounding.
//!
//! - here: f-strings and which type takes which format. `spec`: reading a format.
//! - `numeric`: numbers. `template`: `str.format`. `rounding`: `round()`.
//!
//! Left out: formats of times (`strftime`) and `%` on strings, which are refused.

mod numeric;
pub(super) mod rounding;
mod spec;
pub(super) mod template;

use super::{Context, Env};
use crate::query::object::integer::Integer;
use crate::query::object::{Object, repr};
use crate::query::predicate::Part;
use crate::query::raised::{Eval, refused, type_error, value_error};
use spec::Spec;

impl<'a> Context<'a> {
    pub(super) fn fstring(&mut self, parts: &'a [Part], env: &Env<'a>) -> Eval<Object<'a>> {
        Ok(Object::str(self.formatted_parts(parts, env)?))
    }

    fn formatted_parts(&mut self, parts: &'a [Part], env: &Env<'a>) -> Eval<String> {
        let mut out = String::new();
        for part in parts {
            match part {
                Part::Text(text) => {
                    self.meter.allocate(text.len() as u64)?;
                    out.push_str(text);
                }
                Part::Field { value, conversion, spec } => {
                    let value = self.eval(value, env)?;
                    let value = self.converted(&value, *conversion)?;
                    let spec = self.formatted_parts(spec, env)?;
                    out.push_str(&self.format(&value, &spec)?);
                }
            }
        }
        Ok(out)
    }

    /// What `!s`, `!r` and `!a` make of a value.
    fn converted(&mut self, value: &Object<'a>, conversion: Option<char>) -> Eval<Object<'a>> {
        Ok(match conversion {
            Some('s') => Object::Str(repr::str(value, self.meter)?),
            Some('r') => Object::str(repr::repr(value, self.meter)?),
            Some('a') => Object::str(repr::ascii(value, self.meter)?),
            _ => value.clone(),
        })
    }

    /// `format(value, spec)`.
    pub(super) fn format(&mut self, value: &Object<'a>, spec: &str) -> Eval<String> {
        if spec.is_empty() {
            let text = repr::str(value, self.meter)?;
            self.meter.allocate(text.len() as u64)?;
            return Ok(text.to_string());
        }
        let name = value.type_name();
        match value {
            Object::Str(text) => {
                let spec = Spec::read(spec, "str")?;
                self.meter.allocate(spec.width as u64 + text.len() as u64)?;
                text_formatted(text, &spec)
            }
            Object::Float(number) => {
                let spec = Spec::read(spec, "float")?;
                self.meter.allocate((spec.width + spec.precision.unwrap_or(0)) as u64 + 400)?;
                numeric::float(*number, &spec, "float")
            }
            Object::DateTime(_) => Err(refused("formats of times are not supported")),
            _ => match Integer::of(value) {
                Some(integer) => {
                    let spec = Spec::read(spec, "int")?;
                    let room = spec.width + spec.precision.unwrap_or(0);
                    self.meter.allocate(room as u64 + 2_000)?;
                    numeric::integer(&integer, &spec, name)
                }
                None => Err(type_error(format!(
                    "unsupported format string passed to {name}.__format__"
                ))),
            },
        }
    }
}

fn text_formatted(text: &str, spec: &Spec) -> Eval<String> {
    if let Some(kind) = spec.kind.filter(|kind| *kind != 's') {
        return Err(spec::unknown_code(kind, "str"));
    }
    if let Some(sign) = spec.sign {
        let what = if sign == ' ' { "Space" } else { "Sign" };
        return Err(value_error(format!("{what} not allowed in string format specifier")));
    }
    if spec.coerce_zero {
        let message = "Negative zero coercion (z) not allowed in string format specifier";
        return Err(value_error(message));
    }
    if spec.alternate {
        return Err(value_error("Alternate form (#) not allowed in string format specifier"));
    }
    if spec.align == Some('=') {
        return Err(value_error("'=' alignment not allowed in string format specifier"));
    }
    let kept: String = match spec.precision {
        Some(precision) => text.chars().take(precision).collect(),
        None => text.to_owned(),
    };
    Ok(spec.padded("", &kept, '<'))
}
