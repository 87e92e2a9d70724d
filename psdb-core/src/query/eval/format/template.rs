//! `str.format`: text with fields `{name[index]!conversion:format}`.
//!
//! Left out: attributes in fields (`{0.name}`), which would reach into objects.

use super::super::Context;
use super::super::arguments::Given;
use crate::query::object::repr::quoted;
use crate::query::object::{Object, Text};
use crate::query::raised::{Eval, raised, refused, value_error};

/// Which fields take their arguments in turn.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Numbering {
    Open,
    Automatic(usize),
    Manual,
}

struct Template<'c, 'a> {
    context: &'c mut Context<'a>,
    given: &'c Given<'a>,
    numbering: Numbering,
}

/// `text.format(...)`.
pub(in crate::query::eval) fn format<'a>(
    context: &mut Context<'a>,
    text: &Text<'a>,
    given: &Given<'a>,
) -> Eval<Object<'a>> {
    let mut template = Template { context, given, numbering: Numbering::Open };
    let chars: Vec<char> = text.chars().collect();
    template.context.meter.allocate(chars.len() as u64 * 4)?;
    Ok(Object::str(template.expand(&chars, 2)?))
}

impl<'a> Template<'_, 'a> {
    fn expand(&mut self, text: &[char], depth: usize) -> Eval<String> {
        if depth == 0 {
            return Err(value_error("Max string recursion exceeded"));
        }
        let mut out = String::new();
        let mut at = 0;
        while let Some(c) = text.get(at) {
            at += 1;
            let twice = text.get(at) == Some(c);
            match c {
                '{' | '}' if twice => {
                    out.push(*c);
                    at += 1;
                }
                '}' => return Err(value_error("Single '}' encountered in format string")),
                '{' => {
                    if at == text.len() {
                        return Err(value_error("Single '{' encountered in format string"));
                    }
                    let end = field_end(text, at)?;
                    out.push_str(&self.field(&text[at..end], depth)?);
                    at = end + 1;
                }
                _ => out.push(*c),
            }
        }
        self.context.meter.allocate(out.len() as u64)?;
        Ok(out)
    }

    fn field(&mut self, field: &[char], depth: usize) -> Eval<String> {
        let mut open = false;
        let stop = field.iter().position(|c| {
            match c {
                '[' => open = true,
                ']' => open = false,
                _ => {}
            }
            !open && matches!(c, '!' | ':')
        });
        let stop = stop.unwrap_or(field.len());
        let (name, rest) = field.split_at(stop);
        let (conversion, spec) = conversion(rest)?;
        let value = self.value(name)?;
        if let Some(other) = conversion.filter(|c| !matches!(c, 's' | 'r' | 'a')) {
            let message = if (' '..='\x7f').contains(&other) {
                format!("Unknown conversion specifier {other}")
            } else {
                format!("Unknown conversion specifier \\x{:x}", other as u32)
            };
            return Err(value_error(message));
        }
        let value = self.context.converted(&value, conversion)?;
        let spec = if spec.contains(&'{') || spec.contains(&'}') {
            self.expand(spec, depth - 1)?
        } else {
            spec.iter().collect()
        };
        self.context.format(&value, &spec)
    }

    fn value(&mut self, field: &[char]) -> Eval<Object<'a>> {
        let end = field.iter().position(|c| matches!(c, '.' | '['));
        let (name, mut path) = field.split_at(end.unwrap_or(field.len()));
        let name: String = name.iter().collect();
        let mut value = self.argument(&name)?;
        while let Some(open) = path.first() {
            if *open == '.' {
                return Err(refused("attributes in format strings are not supported"));
            }
            if *open != '[' {
                let message = "Only '.' or '[' may follow ']' in format field specifier";
                return Err(value_error(message));
            }
            let Some(close) = path.iter().position(|c| *c == ']') else {
                return Err(value_error("Missing ']' in format string"));
            };
            let key: String = path[1..close].iter().collect();
            if key.is_empty() {
                return Err(value_error("Empty attribute in format string"));
            }
            let index = if key.bytes().all(|byte| byte.is_ascii_digit()) {
                let index = key.parse::<i64>();
                let index =
                    index.map_err(|_| value_error("Too many decimal digits in format string"))?;
                Object::Int(i128::from(index))
            } else {
                Object::str(key)
            };
            value = self.context.subscript(&value, &index)?;
            path = &path[close + 1..];
        }
        Ok(value)
    }

    fn argument(&mut self, name: &str) -> Eval<Object<'a>> {
        let index = if name.is_empty() {
            let next = match self.numbering {
                Numbering::Open => 0,
                Numbering::Automatic(last) => last + 1,
                Numbering::Manual => {
                    return Err(value_error(
                        "cannot switch from manual field specification to automatic field \
                         numbering",
                    ));
                }
            };
            self.numbering = Numbering::Automatic(next);
            next
        } else if name.bytes().all(|byte| byte.is_ascii_digit()) {
            if let Numbering::Automatic(_) = self.numbering {
                return Err(value_error(
                    "cannot switch from automatic field numbering to manual field specification",
                ));
            }
            self.numbering = Numbering::Manual;
            match name.parse::<usize>().ok().filter(|index| i64::try_from(*index).is_ok()) {
                Some(index) => index,
                None => return Err(value_error("Too many decimal digits in format string")),
            }
        } else {
            let found = self.given.by_name.iter().find(|(other, _)| *other == name);
            return found.map(|(_, value)| value.clone()).ok_or_else(|| {
                let mut key = String::new();
                quoted(name, &mut key);
                raised("KeyError", key)
            });
        };
        self.given.by_position.get(index).cloned().ok_or_else(|| {
            let message =
                format!("Replacement index {index} out of range for positional args tuple");
            raised("IndexError", message)
        })
    }
}

/// Where the field that begins at `start` is closed.
fn field_end(text: &[char], start: usize) -> Eval<usize> {
    let mut open = 1;
    let mut bracket = false;
    for (at, c) in text.iter().enumerate().skip(start) {
        match c {
            '[' => bracket = true,
            ']' => bracket = false,
            '{' if !bracket => open += 1,
            '}' if !bracket => {
                open -= 1;
                if open == 0 {
                    return Ok(at);
                }
            }
            _ => {}
        }
    }
    if text[start..].iter().any(|c| matches!(c, ':' | '{')) && !text[start..].contains(&'[') {
        return Err(value_error("unmatched '{' in format spec"));
    }
    Err(value_error("expected '}' before end of string"))
}

/// What stands after the name: a conversion and a format.
fn conversion(rest: &[char]) -> Eval<(Option<char>, &[char])> {
    match rest {
        [] => Ok((None, rest)),
        [':', spec @ ..] => Ok((None, spec)),
        ['!'] => Err(value_error("unmatched '{' in format spec")),
        ['!', conversion] => Ok((Some(*conversion), &[])),
        ['!', conversion, ':', spec @ ..] => Ok((Some(*conversion), spec)),
        _ => Err(value_error("expected ':' after conversion specifier")),
    }
}
