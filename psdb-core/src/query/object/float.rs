//! Floats as text: the shortest digits that read back as the same float, laid out as Python does.
//!
//! Left out: formats with a precision (`eval::format`).

/// The decimal digits of a finite float, the first not 0 unless it is zero, and the power of ten
/// of the first digit.
pub(in crate::query) fn shortest_digits(value: f64) -> (String, i32) {
    let text = format!("{:e}", value.abs());
    let (digits, exponent) = text.split_once('e').unwrap_or((&text, "0"));
    (digits.replace('.', ""), exponent.parse().unwrap_or(0))
}

/// Python's `repr` of a float.
pub(in crate::query) fn repr(value: f64) -> String {
    if value.is_nan() {
        return "nan".into();
    }
    let sign = if value.is_sign_negative() { "-" } else { "" };
    if value.is_infinite() {
        return format!("{sign}inf");
    }
    let (digits, exponent) = shortest_digits(value);
    if (-4..16).contains(&exponent) {
        return format!("{sign}{}", plain(&digits, exponent, true));
    }
    format!("{sign}{}", scientific(&digits, exponent, 'e'))
}

/// Digits without an exponent; `.0` is added to whole numbers if asked for.
pub(in crate::query) fn plain(digits: &str, exponent: i32, point: bool) -> String {
    let len = digits.len() as i32;
    if exponent < 0 {
        return format!("0.{}{digits}", "0".repeat((-exponent - 1) as usize));
    }
    if exponent + 1 >= len {
        let zeros = "0".repeat((exponent + 1 - len) as usize);
        return format!("{digits}{zeros}{}", if point { ".0" } else { "" });
    }
    let (whole, fraction) = digits.split_at((exponent + 1) as usize);
    format!("{whole}.{fraction}")
}

/// Digits with an exponent of at least two digits.
pub(in crate::query) fn scientific(digits: &str, exponent: i32, e: char) -> String {
    let (first, rest) = digits.split_at(1);
    let point = if rest.is_empty() { "" } else { "." };
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{first}{point}{rest}{e}{sign}{:02}", exponent.abs())
}
