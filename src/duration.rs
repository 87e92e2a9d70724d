//! Durations as they are written on the command line and in files: `500ms`, `60s`, `2m`, `1h`.
//!
//! Left out: sums of units (`1h30m`) and fractions, which 90m and 1500ms say as well.

use std::time::Duration;

/// The longest that is taken: a year. Longer is a slip of the finger.
const LONGEST: Duration = Duration::from_hours(365 * 24);

/// Reads a duration of more than nothing.
///
/// # Errors
///
/// What is wrong with the text, and how a duration is written.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// assert_eq!(psdb::duration::parse("2m"), Ok(Duration::from_secs(120)));
/// assert!(psdb::duration::parse("soon").is_err());
/// ```
pub fn parse(text: &str) -> Result<Duration, String> {
    let wrong = || format!("'{text}' is no duration; write 500ms, 60s, 2m or 1h, more than 0");
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(digits);
    let millis_per_unit = match unit {
        "ms" => 1,
        "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(wrong()),
    };
    let number: u64 = number.parse().map_err(|_| wrong())?;
    let millis = number.checked_mul(millis_per_unit).ok_or_else(wrong)?;
    let duration = Duration::from_millis(millis);
    if duration.is_zero() || duration > LONGEST {
        return Err(wrong());
    }
    Ok(duration)
}

#[cfg(test)]
mod tests {
    //! Proves what is a duration and what is not.

    use super::*;

    #[test]
    fn a_number_and_a_unit() {
        for (text, millis) in [("500ms", 500), ("60s", 60_000), ("2m", 120_000), ("1h", 3_600_000)]
        {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for wrong in ["", "60", "s", "0s", "-1s", "+1s", "1.5s", "1 s", "1d", "99999999999999h"] {
            let message = parse(wrong).expect_err(wrong);
            assert!(message.contains("is no duration"), "{message}");
        }
        assert!(parse("8760h").is_ok() && parse("8761h").is_err());
    }
}
