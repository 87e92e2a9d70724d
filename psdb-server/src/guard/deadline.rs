//! The time a caller has given its request: the `grpc-timeout` header.
//!
//! Left out: the time a request may take without one, which the client decides.

use std::time::Duration;

use http::HeaderMap;

/// The most by which the server ends a request before its caller would give up.
const MARGIN: Duration = Duration::from_millis(20);

/// The time left for a request, less a margin so that the answer still arrives.
pub(crate) fn time_left(headers: &HeaderMap) -> Option<Duration> {
    let timeout = parse(headers.get("grpc-timeout")?.to_str().ok()?)?;
    Some(timeout.saturating_sub(MARGIN.min(timeout / 5)))
}

/// Reads 1 to 8 digits and a unit, as the protocol has it.
fn parse(text: &str) -> Option<Duration> {
    let unit = text.len().checked_sub(1).filter(|at| text.is_char_boundary(*at))?;
    let (digits, unit) = text.split_at(unit);
    if digits.is_empty() || digits.len() > 8 || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let amount: u64 = digits.parse().ok()?;
    match unit {
        "H" => Some(Duration::from_hours(amount)),
        "M" => Some(Duration::from_mins(amount)),
        "S" => Some(Duration::from_secs(amount)),
        "m" => Some(Duration::from_millis(amount)),
        "u" => Some(Duration::from_micros(amount)),
        "n" => Some(Duration::from_nanos(amount)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    //! Proves that deadlines are read as the protocol writes them, and nonsense is none.

    use super::*;

    #[test]
    fn every_unit_is_read_and_nonsense_is_not() {
        assert_eq!(parse("3S"), Some(Duration::from_secs(3)));
        assert_eq!(parse("99999999H"), Some(Duration::from_hours(99_999_999)));
        assert_eq!(parse("250m"), Some(Duration::from_millis(250)));
        for nonsense in ["", "S", "1", "-1S", "999999999S", "1x", "1\u{e9}"] {
            assert_eq!(parse(nonsense), None, "{nonsense}");
        }
        let mut headers = HeaderMap::new();
        assert_eq!(time_left(&headers), None);
        headers.insert("grpc-timeout", "100m".parse().expect("a header's value"));
        assert_eq!(time_left(&headers), Some(Duration::from_millis(80)));
    }
}
