//! Classes and cases of characters as CPython 3.11 knows them, which is Unicode 14.
//!
//! Classes come from tables made with CPython (`scripts/regenerate-unicode-tables`). Cases come
//! from Rust, whose Unicode is newer; so a mapping counts only among characters that Unicode 14 had.
//!
//! Left out: normalization.

use super::unicode_tables::{
    ALPHABETIC, CASE_FOLD, CASE_IGNORABLE, CASED, DECIMAL, DIGIT, LOWER, NUMERIC, PRINTABLE, TITLE,
    UPPER,
};

type Ranges = [(u32, u32)];

fn within(c: char, ranges: &Ranges) -> bool {
    let code = c as u32;
    let at = ranges.partition_point(|(_, last)| *last < code);
    ranges.get(at).is_some_and(|(first, _)| *first <= code)
}

pub(in crate::query) fn is_printable(c: char) -> bool {
    within(c, &PRINTABLE)
}

pub(in crate::query) fn is_alpha(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_alphabetic() } else { within(c, &ALPHABETIC) }
}

/// Whether `c` is a decimal digit or one with a typographic twist, such as a superscript.
pub(in crate::query) fn is_digit(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_digit() } else { within(c, &DIGIT) }
}

pub(in crate::query) fn is_alnum(c: char) -> bool {
    is_alpha(c) || is_digit(c) || within(c, &NUMERIC)
}

pub(in crate::query) fn is_space(c: char) -> bool {
    matches!(c, '\t'..='\r' | '\x1c'..='\x20' | '\u{85}' | '\u{a0}' | '\u{1680}'
        | '\u{2000}'..='\u{200a}' | '\u{2028}' | '\u{2029}' | '\u{202f}' | '\u{205f}' | '\u{3000}')
}

pub(in crate::query) fn is_upper(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_uppercase() } else { within(c, &UPPER) }
}

pub(in crate::query) fn is_lower(c: char) -> bool {
    if c.is_ascii() { c.is_ascii_lowercase() } else { within(c, &LOWER) }
}

/// Whether `c` stands for both cases at once, such as `ǅ`.
pub(in crate::query) fn is_title(c: char) -> bool {
    matches!(c, '\u{1c5}' | '\u{1c8}' | '\u{1cb}' | '\u{1f2}' | '\u{1f88}'..='\u{1f8f}'
        | '\u{1f98}'..='\u{1f9f}' | '\u{1fa8}'..='\u{1faf}' | '\u{1fbc}' | '\u{1fcc}' | '\u{1ffc}')
}

/// Whether `c` has a case, in the sense of Unicode.
pub(in crate::query) fn is_cased(c: char) -> bool {
    within(c, &CASED)
}

/// The value of a decimal digit of any script.
pub(in crate::query) fn decimal(c: char) -> Option<u32> {
    if c.is_ascii() {
        return c.to_digit(10);
    }
    let code = c as u32;
    let at = DECIMAL.partition_point(|(_, last)| *last < code);
    let (first, last) = DECIMAL.get(at)?;
    (*first <= code && code <= *last).then(|| (code - first) % 10)
}

/// Appends a mapping, unless Unicode 14 did not know it.
fn map(c: char, mapped: impl Iterator<Item = char> + Clone, out: &mut String) {
    if mapped.clone().all(|m| m == c || is_printable(m)) && (c.is_ascii() || is_printable(c)) {
        out.extend(mapped);
    } else {
        out.push(c);
    }
}

pub(in crate::query) fn upper(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    text.chars().for_each(|c| map(c, c.to_uppercase(), &mut out));
    out
}

pub(in crate::query) fn lower(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        lower_at(text, at, c, &mut out);
    }
    out
}

/// Appends the lower case of the character at `at`; a sigma that ends a word has a form of its own.
fn lower_at(text: &str, at: usize, c: char, out: &mut String) {
    if c != 'Σ' {
        return map(c, c.to_lowercase(), out);
    }
    let ignored = |c: &char| within(*c, &CASE_IGNORABLE);
    let before = text[..at].chars().rev().find(|c| !ignored(c)).is_some_and(is_cased);
    let after = text[at + c.len_utf8()..].chars().find(|c| !ignored(c)).is_some_and(is_cased);
    out.push(if before && !after { 'ς' } else { 'σ' });
}

fn title_of(c: char, out: &mut String) {
    if c.is_ascii() {
        out.push(c.to_ascii_uppercase());
        return;
    }
    match TITLE.binary_search_by_key(&c, |(from, _)| *from) {
        Ok(at) => out.push_str(TITLE[at].1),
        Err(_) => map(c, c.to_uppercase(), out),
    }
}

/// `str.title`: the first letter of every run of letters in title case, the others in lower case.
pub(in crate::query) fn title(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut inside = false;
    for (at, c) in text.char_indices() {
        if inside {
            lower_at(text, at, c, &mut out);
        } else {
            title_of(c, &mut out);
        }
        inside = is_cased(c);
    }
    out
}

/// `str.capitalize`: the first character in title case, the others in lower case.
pub(in crate::query) fn capitalize(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for (at, c) in text.char_indices() {
        if at == 0 { title_of(c, &mut out) } else { lower_at(text, at, c, &mut out) }
    }
    out
}

/// `str.casefold`: lower case without the differences that remain between spellings.
pub(in crate::query) fn casefold(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        match CASE_FOLD.binary_search_by_key(&c, |(from, _)| *from) {
            Ok(at) => out.push_str(CASE_FOLD[at].1),
            Err(_) => map(c, c.to_lowercase(), &mut out),
        }
    }
    out
}
