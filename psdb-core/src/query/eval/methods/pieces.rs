//! Taking strings apart, finding in them, putting them together.
//!
//! Left out: everything that looks at one string as a whole (`strings`).

use std::ops::Range;

use super::super::Context;
use super::super::arguments::{Given, argument_kind, c_int, index_of, machine_index};
use crate::query::object::integer::Integer;
use crate::query::object::{Method, Object, Text, unicode};
use crate::query::raised::{Eval, type_error, value_error};

/// The bytes between two character positions, given as Python's slices give them; `None` when the
/// first lies behind the last or beyond the end, where not even an empty string is found.
pub(super) fn within(
    text: &Text<'_>,
    start: Option<Object<'_>>,
    stop: Option<Object<'_>>,
) -> Eval<Option<Range<usize>>> {
    if start.is_none() && stop.is_none() {
        return Ok(Some(0..text.len()));
    }
    let len = text.chars_count() as i64;
    let place = |bound: Option<Object<'_>>, default: i64| match bound {
        None | Some(Object::None) => Ok(default),
        Some(value) if Integer::of(&value).is_none() => {
            Err(type_error("slice indices must be integers or None or have an __index__ method"))
        }
        Some(value) => {
            let index = index_of(&value)?;
            Ok(if index < 0 { (index + len).max(0) } else { index })
        }
    };
    let start = place(start, 0)?;
    let stop = place(stop, len)?.min(len);
    if start > stop {
        return Ok(None);
    }
    Ok(Some(text.byte_of(start as usize)..text.byte_of(stop as usize)))
}

/// Refuses a call of a method that takes what to find and, perhaps, where.
pub(super) fn one_to_three(name: &str, count: usize) -> Eval<()> {
    let (how, most) = match count {
        1..=3 => return Ok(()),
        0 => ("at least", "1 argument"),
        _ => ("at most", "3 arguments"),
    };
    Err(type_error(format!("{name}() takes {how} {most} ({count} given)")))
}

impl<'a> Context<'a> {
    fn texts(&mut self, texts: Vec<Text<'a>>) -> Eval<Object<'a>> {
        self.meter.allocate(48 * texts.len() as u64)?;
        Ok(Object::list(texts.into_iter().map(Object::Str).collect()))
    }

    /// `split` and `rsplit`.
    pub(super) fn split(
        &mut self,
        text: &Text<'a>,
        method: Method,
        given: Given<'a>,
    ) -> Eval<Object<'a>> {
        let [separator, limit] = given.named(method.name(), ["sep", "maxsplit"], 0)?;
        let limit = match limit {
            None => usize::MAX,
            Some(limit) => usize::try_from(machine_index(&limit)?).unwrap_or(usize::MAX),
        };
        self.meter.allocate(text.len() as u64)?;
        let from_left = method == Method::Split;
        let pieces = match separator {
            None | Some(Object::None) if from_left => split_blanks(text, limit),
            None | Some(Object::None) => rsplit_blanks(text, limit),
            Some(Object::Str(separator)) => {
                if separator.is_empty() {
                    return Err(value_error("empty separator"));
                }
                let pieces = limit.saturating_add(1);
                if from_left {
                    text.splitn(pieces, &*separator).map(|piece| text.part(piece)).collect()
                } else {
                    let pieces = text.rsplitn(pieces, &*separator);
                    let mut pieces: Vec<_> = pieces.map(|piece| text.part(piece)).collect();
                    pieces.reverse();
                    pieces
                }
            }
            Some(other) => {
                let kind = other.type_name();
                return Err(type_error(format!("must be str or None, not {kind}")));
            }
        };
        self.texts(pieces)
    }

    pub(super) fn split_lines(&mut self, text: &Text<'a>, given: Given<'a>) -> Eval<Object<'a>> {
        let [keep] = given.named("splitlines", ["keepends"], 0)?;
        let keep = match keep {
            None => false,
            Some(keep) => c_int(&keep)? != 0,
        };
        let ends = |c: char| {
            matches!(
                c,
                '\n' | '\r' | '\x0b' | '\x0c' | '\x1c'
                    ..='\x1e' | '\u{85}' | '\u{2028}' | '\u{2029}'
            )
        };
        let mut lines = Vec::new();
        let mut start = 0;
        while start < text.len() {
            let rest = &text[start..];
            let len = rest.find(ends).unwrap_or(rest.len());
            let end = match rest[len..].chars().next() {
                Some('\r') if rest[len..].starts_with("\r\n") => len + 2,
                Some(c) => len + c.len_utf8(),
                None => len,
            };
            lines.push(text.part(&rest[..if keep { end } else { len }]));
            start += end;
        }
        self.texts(lines)
    }

    pub(super) fn join(&mut self, separator: &str, source: &Object<'a>) -> Eval<Object<'a>> {
        if self.is_not_iterable(source) {
            return Err(type_error("can only join an iterable"));
        }
        let items = self.collect(source)?;
        let mut joined = String::new();
        for (at, item) in items.iter().enumerate() {
            let Object::Str(text) = item else {
                let kind = item.type_name();
                return Err(type_error(format!(
                    "sequence item {at}: expected str instance, {kind} found"
                )));
            };
            self.meter.allocate((text.len() + separator.len()) as u64)?;
            if at > 0 {
                joined.push_str(separator);
            }
            joined.push_str(text);
        }
        Ok(Object::str(joined))
    }

    pub(super) fn replace(&mut self, text: &Text<'a>, given: Given<'a>) -> Eval<Object<'a>> {
        given.no_names("str.replace")?;
        let [from, to, limit] = given.up_to("replace", 2)?;
        let string = |argument: Option<Object<'a>>, at: usize| match argument {
            Some(Object::Str(text)) => Ok(text),
            other => {
                let kind = other.as_ref().map_or("None", argument_kind);
                Err(type_error(format!("replace() argument {at} must be str, not {kind}")))
            }
        };
        let (from, to) = (string(from, 1)?, string(to, 2)?);
        let limit = match limit {
            None => usize::MAX,
            Some(limit) => usize::try_from(machine_index(&limit)?).unwrap_or(usize::MAX),
        };
        let most = if from.is_empty() { text.chars_count() + 1 } else { text.len() / from.len() };
        let grown = most.min(limit).saturating_mul(to.len());
        self.meter.allocate((text.len() as u64).saturating_add(grown as u64))?;
        Ok(Object::str(text.replacen(&*from, &to, limit)))
    }

    pub(super) fn partition(
        &mut self,
        text: &Text<'a>,
        separator: &Object<'a>,
    ) -> Eval<Object<'a>> {
        let Object::Str(separator) = separator else {
            let kind = separator.type_name();
            return Err(type_error(format!("must be str, not {kind}")));
        };
        if separator.is_empty() {
            return Err(value_error("empty separator"));
        }
        self.meter.allocate(160)?;
        let empty = || Text::Borrowed("");
        let parts = match text.split_once(&**separator) {
            Some((before, after)) => [text.part(before), separator.clone(), text.part(after)],
            None => [text.clone(), empty(), empty()],
        };
        Ok(Object::tuple(parts.into_iter().map(Object::Str).collect()))
    }
}

/// `find`, `rfind`, `index` and `count`.
pub(super) fn search<'a>(text: &Text<'a>, method: Method, given: Given<'a>) -> Eval<Object<'a>> {
    let name = method.name();
    given.no_names(&format!("str.{name}"))?;
    one_to_three(name, given.by_position.len())?;
    let [part, start, stop] = given.up_to(name, 1)?;
    let range = within(text, start, stop)?;
    let part = match part {
        Some(Object::Str(part)) => part,
        other => {
            let kind = other.map_or("NoneType", |other| other.type_name());
            return Err(type_error(format!("must be str, not {kind}")));
        }
    };
    let first = range.as_ref().map_or(0, |range| range.start);
    let inside = range.map(|range| &text[range]);
    if method == Method::Count {
        let count = inside.map_or(0, |inside| {
            if part.is_empty() {
                inside.chars().count() + 1
            } else {
                inside.matches(&*part).count()
            }
        });
        return Ok(Object::Int(count as i128));
    }
    let found = inside.and_then(|inside| match method {
        Method::RFind => inside.rfind(&*part),
        _ => inside.find(&*part),
    });
    match found {
        Some(at) => Ok(Object::Int(text[..first + at].chars().count() as i128)),
        None if method == Method::Index => Err(value_error("substring not found")),
        None => Ok(Object::Int(-1)),
    }
}

fn split_blanks<'a>(text: &Text<'a>, limit: usize) -> Vec<Text<'a>> {
    let mut pieces = Vec::new();
    let mut rest = text.trim_start_matches(unicode::is_space);
    while !rest.is_empty() {
        if pieces.len() == limit {
            pieces.push(text.part(rest));
            break;
        }
        let end = rest.find(unicode::is_space).unwrap_or(rest.len());
        pieces.push(text.part(&rest[..end]));
        rest = rest[end..].trim_start_matches(unicode::is_space);
    }
    pieces
}

fn rsplit_blanks<'a>(text: &Text<'a>, limit: usize) -> Vec<Text<'a>> {
    let mut pieces = Vec::new();
    let mut rest = text.trim_end_matches(unicode::is_space);
    while !rest.is_empty() {
        if pieces.len() == limit {
            pieces.push(text.part(rest));
            break;
        }
        let blank = rest.char_indices().rev().find(|(_, c)| unicode::is_space(*c));
        let start = blank.map_or(0, |(at, c)| at + c.len_utf8());
        pieces.push(text.part(&rest[start..]));
        rest = rest[..start].trim_end_matches(unicode::is_space);
    }
    pieces.reverse();
    pieces
}
