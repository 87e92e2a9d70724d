//! Numbers in every format.
//!
//! Left out: locales; `n` formats as `d` or `g` do, as in the C locale.

use super::spec::{Spec, unknown_code};
use crate::query::object::float;
use crate::query::object::integer::Integer;
use crate::query::raised::{Eval, raised, value_error};

/// The largest precision; CPython has one too, far beyond what a format needs.
const PRECISION: usize = 10_000;

/// What a number is put together from.
#[derive(Default)]
struct Parts {
    negative: bool,
    /// `0x` and the like.
    base: &'static str,
    whole: String,
    /// Everything after the whole part: point, fraction, exponent, percent sign.
    rest: String,
}

/// Formats an integer.
pub(super) fn integer(value: &Integer<'_>, spec: &Spec, of: &str) -> Eval<String> {
    let kind = spec.kind.unwrap_or('d');
    if matches!(kind, 'e' | 'E' | 'f' | 'F' | 'g' | 'G' | '%') {
        return float(value.to_float()?, spec, of);
    }
    if !matches!(kind, 'b' | 'c' | 'd' | 'o' | 'x' | 'X' | 'n') {
        return Err(unknown_code(kind, of));
    }
    if spec.precision.is_some() {
        return Err(value_error("Precision not allowed in integer format specifier"));
    }
    if spec.coerce_zero {
        let message = "Negative zero coercion (z) not allowed in integer format specifier";
        return Err(value_error(message));
    }
    if kind == 'c' {
        return character(value, spec);
    }
    let big = value.big();
    let magnitude = big.magnitude();
    let (base, whole) = match kind {
        'b' => ("0b", magnitude.to_str_radix(2)),
        'o' => ("0o", magnitude.to_str_radix(8)),
        'x' => ("0x", magnitude.to_str_radix(16)),
        'X' => ("0X", magnitude.to_str_radix(16).to_uppercase()),
        _ => ("", magnitude.to_str_radix(10)),
    };
    let base = if spec.alternate { base } else { "" };
    let parts = Parts { negative: value.is_negative(), base, whole, rest: String::new() };
    let group = if matches!(kind, 'd' | 'n') { 3 } else { 4 };
    Ok(put_together(&parts, spec, group))
}

fn character(value: &Integer<'_>, spec: &Spec) -> Eval<String> {
    if spec.sign.is_some() {
        return Err(value_error("Sign not allowed with integer format specifier 'c'"));
    }
    if spec.alternate {
        let message = "Alternate form (#) not allowed with integer format specifier 'c'";
        return Err(value_error(message));
    }
    if i64::try_from(value.clamped()).is_err() {
        return Err(raised("OverflowError", "Python int too large to convert to C long"));
    }
    let code = u32::try_from(value.clamped()).ok().filter(|code| *code < 0x11_0000);
    let Some(code) = code else {
        return Err(raised("OverflowError", "%c arg not in range(0x110000)"));
    };
    match char::from_u32(code) {
        Some(c) => Ok(spec.padded("", &c.to_string(), '>')),
        None => Err(crate::query::raised::refused("half a surrogate pair is no character")),
    }
}

/// Formats a float, or an integer as one.
pub(super) fn float(value: f64, spec: &Spec, of: &str) -> Eval<String> {
    let kind = spec.kind.unwrap_or('\0');
    if !matches!(kind, '\0' | 'e' | 'E' | 'f' | 'F' | 'g' | 'G' | 'n' | '%') {
        return Err(unknown_code(kind, of));
    }
    if spec.precision.is_some_and(|precision| precision > PRECISION) {
        if spec.precision.is_some_and(|precision| precision > i32::MAX as usize) {
            return Err(value_error("precision too big"));
        }
        return Err(crate::query::raised::refused("a precision beyond 10000 is not supported"));
    }
    let mut parts = digits(value, kind, spec);
    parts.negative = value.is_sign_negative() && !value.is_nan();
    if spec.coerce_zero {
        let zero = |text: &str| !text.contains(|c: char| ('1'..='9').contains(&c));
        let finite = value.is_finite();
        let mantissa = parts.rest.split(['e', 'E']).next().unwrap_or("");
        if finite && zero(&parts.whole) && zero(mantissa) {
            parts.negative = false;
        }
    }
    Ok(put_together(&parts, spec, 3))
}

fn digits(value: f64, kind: char, spec: &Spec) -> Parts {
    let upper = matches!(kind, 'E' | 'F' | 'G');
    let mut parts = Parts::default();
    // A hundred times a large number may be beyond all.
    let value = if kind == '%' { value * 100.0 } else { value };
    if !value.is_finite() {
        let name = if value.is_nan() { "nan" } else { "inf" };
        parts.whole = if upper { name.to_uppercase() } else { name.to_owned() };
        if kind == '%' {
            parts.rest.push('%');
        }
        return parts;
    }
    let magnitude = value.abs();
    let text = match kind {
        'f' | 'F' => fixed(magnitude, spec.precision.unwrap_or(6), spec.alternate),
        '%' => format!("{}%", fixed(magnitude, spec.precision.unwrap_or(6), spec.alternate)),
        'e' | 'E' => exponential(magnitude, spec.precision.unwrap_or(6), spec.alternate),
        'g' | 'G' | 'n' => general(magnitude, spec.precision.unwrap_or(6), spec.alternate, false),
        _ => match spec.precision {
            Some(precision) => general(magnitude, precision, spec.alternate, true),
            None if spec.alternate => pointed(float::repr(magnitude)),
            None => float::repr(magnitude),
        },
    };
    let text = if upper { text.to_uppercase() } else { text };
    let end = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    parts.whole.push_str(&text[..end]);
    parts.rest.push_str(&text[end..]);
    parts
}

/// With a point before the exponent.
fn pointed(text: String) -> String {
    if text.contains('.') { text } else { text.replacen('e', ".e", 1) }
}

fn fixed(value: f64, precision: usize, point: bool) -> String {
    let point = if point && precision == 0 { "." } else { "" };
    format!("{value:.precision$}{point}")
}

fn exponential(value: f64, precision: usize, point: bool) -> String {
    let text = format!("{value:.precision$e}");
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let point = if point && precision == 0 { "." } else { "" };
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{mantissa}{point}e{sign}{:02}", exponent.abs())
}

/// `g`: so many significant digits, with an exponent for large and small numbers, trailing zeros
/// cut. Without a type (`plain`) the exponent comes earlier, and one digit follows the point.
fn general(value: f64, precision: usize, alternate: bool, plain: bool) -> String {
    let precision = precision.max(1);
    let text = format!("{value:.*e}", precision - 1);
    let (mantissa, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let all = mantissa.replace('.', "");
    let cut = all.trim_end_matches('0');
    let digits = if alternate {
        &all[..]
    } else if cut.is_empty() {
        "0"
    } else {
        cut
    };
    let limit = precision as i32 - i32::from(plain);
    if exponent < -4 || exponent >= limit.max(i32::from(!plain)) {
        let mut text = float::scientific(digits, exponent, 'e');
        if alternate && digits.len() == 1 {
            text.insert(1, '.');
        }
        return text;
    }
    let mut text = float::plain(digits, exponent, plain);
    if alternate && !text.contains('.') {
        text.push('.');
    }
    text
}

/// Sign, base, digits in groups, and the rest, filled up.
fn put_together(parts: &Parts, spec: &Spec, group: usize) -> String {
    let sign = match (parts.negative, spec.sign) {
        (true, _) => "-",
        (false, Some('+')) => "+",
        (false, Some(' ')) => " ",
        _ => "",
    };
    let prefix = format!("{sign}{}", parts.base);
    let numeric = parts.whole.bytes().all(|byte| byte.is_ascii_hexdigit());
    let Some(separator) = spec.grouping.filter(|_| numeric && !parts.whole.starts_with('i')) else {
        return spec.padded(&prefix, &format!("{}{}", parts.whole, parts.rest), '>');
    };
    // Zeros that fill are grouped like digits.
    let fills = spec.fill == Some('0') && spec.align == Some('=');
    let taken = prefix.len() + parts.rest.len();
    let room = if fills { spec.width.saturating_sub(taken) } else { 0 };
    let whole = grouped(&parts.whole, separator, group, room);
    spec.padded(&prefix, &format!("{whole}{}", parts.rest), '>')
}

/// Digits in groups from the right, filled with zeros to at least `room` characters.
fn grouped(digits: &str, separator: char, group: usize, room: usize) -> String {
    let mut reversed = String::new();
    let mut source = digits.chars().rev();
    let mut count = 0;
    loop {
        let next = source.next();
        let digit = match next {
            Some(digit) => digit,
            None if reversed.len() < room => '0',
            None => break,
        };
        if count > 0 && count % group == 0 {
            reversed.push(separator);
        }
        reversed.push(digit);
        count += 1;
    }
    reversed.chars().rev().collect()
}
