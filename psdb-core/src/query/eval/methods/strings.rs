//! Methods of strings that give strings or truth values.
//!
//! Left out: those that give lists, positions and counts (`pieces`).

use super::super::arguments::{Given, argument_kind, machine_index};
use super::super::{Context, format};
use crate::query::object::{Method, Object, Text, unicode};
use crate::query::raised::{Eval, type_error};

impl<'a> Context<'a> {
    pub(super) fn text_method(
        &mut self,
        text: &Text<'a>,
        method: Method,
        given: Given<'a>,
    ) -> Eval<Object<'a>> {
        self.meter.charge(text.len() as u64 / 16)?;
        let name = method.name();
        match method {
            Method::Strip | Method::LStrip | Method::RStrip => strip(text, method, given),
            Method::StartsWith | Method::EndsWith => self.affix(text, method, given),
            Method::Split | Method::RSplit => self.split(text, method, given),
            Method::SplitLines => self.split_lines(text, given),
            Method::Join => self.join(text, &given.one("str.join")?),
            Method::Replace => self.replace(text, given),
            Method::Find | Method::RFind | Method::Index | Method::Count => {
                super::pieces::search(text, method, given)
            }
            Method::ZFill => self.zfill(text, &given.one("str.zfill")?),
            Method::RemovePrefix | Method::RemoveSuffix => {
                let argument = given.one(&format!("str.{name}"))?;
                let Object::Str(affix) = &argument else {
                    let kind = argument_kind(&argument);
                    return Err(type_error(format!("{name}() argument must be str, not {kind}")));
                };
                let cut = match method {
                    Method::RemovePrefix => text.strip_prefix(&**affix),
                    _ => text.strip_suffix(&**affix),
                };
                Ok(Object::Str(cut.map_or_else(|| text.clone(), |cut| text.part(cut))))
            }
            Method::Partition => self.partition(text, &given.one("str.partition")?),
            Method::Format => format::template::format(self, text, &given),
            _ => self.plain(text, method, &given),
        }
    }

    /// Methods without arguments.
    fn plain(&mut self, text: &Text<'a>, method: Method, given: &Given<'a>) -> Eval<Object<'a>> {
        let name = method.name();
        given.no_names(&format!("str.{name}"))?;
        let count = given.by_position.len();
        if count > 0 {
            return Err(type_error(format!("str.{name}() takes no arguments ({count} given)")));
        }
        let all =
            |holds: fn(char) -> bool| Object::Bool(!text.is_empty() && text.chars().all(holds));
        if text.is_ascii()
            && let Some(changed) = ascii_case(text, method)
        {
            self.meter.allocate(text.len() as u64)?;
            return Ok(Object::Str(changed));
        }
        let changed = match method {
            Method::IsDigit => return Ok(all(unicode::is_digit)),
            Method::IsAlpha => return Ok(all(unicode::is_alpha)),
            Method::IsAlnum => return Ok(all(unicode::is_alnum)),
            Method::IsSpace => return Ok(all(unicode::is_space)),
            Method::IsUpper => return Ok(cased(text, unicode::is_upper, unicode::is_lower)),
            Method::IsLower => return Ok(cased(text, unicode::is_lower, unicode::is_upper)),
            Method::Lower => unicode::lower(text),
            Method::Upper => unicode::upper(text),
            Method::Title => unicode::title(text),
            Method::Capitalize => unicode::capitalize(text),
            _ => unicode::casefold(text),
        };
        self.meter.allocate(changed.len() as u64)?;
        Ok(Object::str(changed))
    }

    fn affix(&mut self, text: &Text<'a>, method: Method, given: Given<'a>) -> Eval<Object<'a>> {
        let name = method.name();
        given.no_names(&format!("str.{name}"))?;
        super::pieces::one_to_three(name, given.by_position.len())?;
        let [affix, start, stop] = given.up_to(name, 1)?;
        let affix = affix.unwrap_or(Object::None);
        let range = super::pieces::within(text, start, stop)?;
        let matches = |affix: &str| {
            let Some(range) = range.clone() else { return false };
            match method {
                Method::StartsWith => text[range].starts_with(affix),
                _ => text[range].ends_with(affix),
            }
        };
        match &affix {
            Object::Str(affix) => Ok(Object::Bool(matches(affix))),
            Object::Tuple(affixes) => {
                for affix in affixes.iter() {
                    let Object::Str(affix) = affix else {
                        let kind = affix.type_name();
                        return Err(type_error(format!(
                            "tuple for {name} must only contain str, not {kind}"
                        )));
                    };
                    self.meter.step()?;
                    if matches(affix) {
                        return Ok(Object::Bool(true));
                    }
                }
                Ok(Object::Bool(false))
            }
            other => {
                let kind = other.type_name();
                Err(type_error(format!(
                    "{name} first arg must be str or a tuple of str, not {kind}"
                )))
            }
        }
    }

    fn zfill(&mut self, text: &Text<'a>, width: &Object<'a>) -> Eval<Object<'a>> {
        let width = machine_index(width)?;
        let len = text.chars_count() as i64;
        if width <= len {
            return Ok(Object::Str(text.clone()));
        }
        self.meter.allocate(width as u64)?;
        let zeros = "0".repeat((width - len) as usize);
        let signed = text.starts_with(['+', '-']);
        let (sign, digits) = text.split_at(usize::from(signed));
        Ok(Object::str(format!("{sign}{zeros}{digits}")))
    }
}

/// `lower`, `casefold` and `upper` of ASCII; a text that is so already stays where it lies.
fn ascii_case<'a>(text: &Text<'a>, method: Method) -> Option<Text<'a>> {
    let lower = match method {
        Method::Lower | Method::CaseFold => true,
        Method::Upper => false,
        _ => return None,
    };
    let changes =
        |byte: u8| if lower { byte.is_ascii_uppercase() } else { byte.is_ascii_lowercase() };
    if !text.bytes().any(changes) {
        return Some(text.clone());
    }
    let changed = if lower { text.to_ascii_lowercase() } else { text.to_ascii_uppercase() };
    Some(Text::Owned(changed.into()))
}

/// Whether there is a character of the right case and none of the wrong one.
fn cased<'a>(text: &str, right: fn(char) -> bool, wrong: fn(char) -> bool) -> Object<'a> {
    let mut found = false;
    for c in text.chars() {
        if wrong(c) || unicode::is_title(c) {
            return Object::Bool(false);
        }
        found |= right(c);
    }
    Object::Bool(found)
}

fn strip<'a>(text: &Text<'a>, method: Method, given: Given<'a>) -> Eval<Object<'a>> {
    let name = method.name();
    given.no_names(&format!("str.{name}"))?;
    let [chars] = given.up_to(name, 0)?;
    let set: Option<Text<'_>> = match chars {
        None | Some(Object::None) => None,
        Some(Object::Str(chars)) => Some(chars),
        Some(_) => return Err(type_error(format!("{name} arg must be None or str"))),
    };
    let goes = |c: char| match &set {
        None => unicode::is_space(c),
        Some(set) => set.contains(c),
    };
    let kept = match method {
        Method::Strip => text.trim_matches(goes),
        Method::LStrip => text.trim_start_matches(goes),
        _ => text.trim_end_matches(goes),
    };
    Ok(Object::Str(text.part(kept)))
}
