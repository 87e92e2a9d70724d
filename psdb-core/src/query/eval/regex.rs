//! `re.search`, `re.match` and `re.fullmatch`, in time linear in the text.
//!
//! Patterns are those that Python and the regex crate read alike; what only one of them knows
//! (look-around, backreferences, possessive repetition, inline flags in the middle) is refused, and
//! so is a pattern that is too large when compiled.
//!
//! Left out: flags, `findall`, `sub`; positions of groups.

use std::rc::Rc;

use regex::{Regex, RegexBuilder};

use super::Context;
use super::arguments::Given;
use crate::query::object::integer::Integer;
use crate::query::object::{Builtin, Found, Object, Text};
use crate::query::raised::{Eval, raised, refused, type_error};

/// The largest compiled pattern, in bytes.
const PATTERN_BYTES: usize = 1 << 20;

thread_local! {
    /// Patterns compiled last on this thread; a query uses few, each for every document.
    static COMPILED: std::cell::RefCell<Vec<(String, Regex)>> =
        const { std::cell::RefCell::new(Vec::new()) };
}

/// How many compiled patterns are kept.
const KEPT: usize = 16;

impl<'a> Context<'a> {
    pub(super) fn regular_expression(
        &mut self,
        builtin: Builtin,
        given: Given<'a>,
    ) -> Eval<Object<'a>> {
        let name = builtin.name().trim_start_matches("re.");
        let [pattern, text] = given.named(name, ["pattern", "string"], 2)?;
        let (pattern, text) = match (pattern, text) {
            (Some(Object::Str(pattern)), Some(Object::Str(text))) => (pattern, text),
            (Some(Object::Str(_)), Some(other)) => {
                let kind = other.type_name();
                return Err(type_error(format!(
                    "expected string or bytes-like object, got '{kind}'"
                )));
            }
            _ => return Err(type_error("first argument must be string or compiled pattern")),
        };
        let whole = match builtin {
            Builtin::ReMatch => format!(r"\A(?:{})", &*pattern),
            Builtin::ReFullMatch => format!(r"\A(?:{})\z", &*pattern),
            _ => pattern.to_string(),
        };
        let (whole, ends) = translated(&whole);
        if ends && text.ends_with('\n') {
            return Err(refused("'$' and a text that ends with a newline; strip() the text"));
        }
        let regex = self.compiled(&pattern, whole)?;
        self.meter.charge(text.len() as u64 / 8)?;
        let Some(captures) = regex.captures(&text) else { return Ok(Object::None) };
        self.meter.allocate(text.len() as u64 + 64)?;
        let groups = captures.iter().map(|group| group.map(|g| (g.start(), g.end()))).collect();
        let names = regex.capture_names().map(|name| name.map(str::to_owned)).collect();
        Ok(Object::Match(Rc::new(Found { text: (*text).into(), groups, names })))
    }

    fn compiled(&mut self, pattern: &str, whole: String) -> Eval<Regex> {
        let known = COMPILED.with_borrow(|compiled| {
            compiled.iter().find(|(text, _)| *text == whole).map(|(_, regex)| regex.clone())
        });
        if let Some(regex) = known {
            return Ok(regex);
        }
        check(pattern)?;
        self.meter.charge(100 * whole.len() as u64)?;
        let regex = RegexBuilder::new(&whole).size_limit(PATTERN_BYTES).build();
        let regex = regex.map_err(|error| {
            let reason = error.to_string();
            let last = reason.lines().last().unwrap_or("").trim_start_matches("error: ");
            refused(format!("the pattern {pattern:?} is not supported: {last}"))
        })?;
        COMPILED.with_borrow_mut(|compiled| {
            if compiled.len() == KEPT {
                compiled.remove(0);
            }
            compiled.push((whole, regex.clone()));
        });
        Ok(regex)
    }
}

/// `match[group]`, by number or by name.
pub(super) fn group<'a>(found: &Object<'a>, group: &Object<'a>) -> Eval<Object<'a>> {
    let Object::Match(found) = found else { return Ok(Object::None) };
    let index = match group {
        Object::Str(name) => found.names.iter().position(|other| other.as_deref() == Some(&**name)),
        _ => Integer::of(group).and_then(|value| usize::try_from(value.clamped()).ok()),
    };
    let Some(group) = index.and_then(|index| found.groups.get(index)) else {
        return Err(raised("IndexError", "no such group"));
    };
    Ok(match group {
        Some((start, end)) => Object::Str(Text::Owned(found.text[*start..*end].into())),
        None => Object::None,
    })
}

/// Refuses what the two read differently.
fn check(pattern: &str) -> Eval<()> {
    let refuse = |what: &str| Err(refused(format!("the pattern {pattern:?}: {what}")));
    let chars: Vec<char> = pattern.chars().collect();
    let mut at = 0;
    let mut in_class = false;
    while at < chars.len() {
        match (chars[at], chars.get(at + 1).copied()) {
            ('\\', Some(c)) => {
                let shared = "dDwWsSbBAnrtfv";
                if c.is_ascii_alphanumeric() && !shared.contains(c) {
                    return refuse(&format!("\\{c} is not supported"));
                }
                at += 1;
            }
            ('[', _) if in_class => return refuse("'[' inside of brackets must be escaped"),
            ('[', _) => in_class = true,
            (']', _) => in_class = false,
            ('&' | '~' | '-', Some(next)) if in_class && next == chars[at] => {
                return refuse("set operations are not supported");
            }
            ('(', Some('?')) if !in_class => {
                let rest: String = chars[at + 2..].iter().take(2).collect();
                let group = rest.starts_with(':') || rest.starts_with("P<");
                if !group {
                    return refuse("of groups with ? only (?: and (?P< are supported");
                }
            }
            ('*' | '+' | '?' | '}', Some('+')) if !in_class => {
                return refuse("possessive repetition is not supported");
            }
            _ => {}
        }
        at += 1;
    }
    Ok(())
}

/// The pattern with `$` meaning the end alone, and whether there was one: before a newline at the
/// end Python's `$` matches too, which the regex crate cannot say.
fn translated(pattern: &str) -> (String, bool) {
    let mut out = String::with_capacity(pattern.len() + 8);
    let (mut escaped, mut in_class, mut ends) = (false, false, false);
    for c in pattern.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '[' => in_class = true,
            ']' => in_class = false,
            '$' if !in_class => {
                ends = true;
                out.push_str(r"\z");
                continue;
            }
            _ => {}
        }
        out.push(c);
    }
    (out, ends)
}
