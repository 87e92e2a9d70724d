//! Points in time, read from ISO 8601 text: `datetime.fromisoformat`.
//!
//! ```text
//! 2024-02-29            a day
//! 2024-02-29T12:30      any character may stand for the T
//! 2024-02-29T12:30:15.123456+01:00      Z for +00:00
//! ```
//! As in Python, times with an offset and times without are never equal and have no order.
//!
//! Left out: the basic format (`20240229`), weeks, arithmetic, clocks.

use std::cmp::Ordering;
use std::fmt::Write as _;

/// A point in time on a calendar, with or without an offset from UTC.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DateTime {
    pub(super) year: i64,
    pub(super) month: i64,
    pub(super) day: i64,
    pub(super) hour: i64,
    pub(super) minute: i64,
    pub(super) second: i64,
    pub(super) microsecond: i64,
    /// Seconds east of UTC.
    offset: Option<i64>,
}

/// Reads digits and separators one after the other.
struct Reader<'t> {
    text: &'t [u8],
}

impl Reader<'_> {
    fn number(&mut self, digits: usize) -> Option<i64> {
        let (head, rest) = self.text.split_at_checked(digits)?;
        if !head.iter().all(u8::is_ascii_digit) {
            return None;
        }
        self.text = rest;
        Some(head.iter().fold(0, |number, digit| 10 * number + i64::from(digit - b'0')))
    }

    fn skip(&mut self, byte: u8) -> Option<()> {
        let rest = self.text.strip_prefix(&[byte])?;
        self.text = rest;
        Some(())
    }

    /// Hours, then minutes, seconds and parts of a second as far as there are some.
    fn clock(&mut self) -> Option<[i64; 4]> {
        let mut clock = [self.number(2)?, 0, 0, 0];
        for part in 1..3 {
            if self.skip(b':').is_none() {
                return Some(clock);
            }
            clock[part] = self.number(2)?;
        }
        if self.skip(b'.').is_some() || self.skip(b',').is_some() {
            clock[3] = self.fraction()?;
        }
        Some(clock)
    }

    /// Digits of a second, as many as there are; microseconds count.
    fn fraction(&mut self) -> Option<i64> {
        let len = self.text.iter().take_while(|byte| byte.is_ascii_digit()).count();
        let kept = self.number(len.min(6)).filter(|_| len > 0)?;
        self.text = &self.text[len - len.min(6)..];
        Some(kept * 10_i64.pow(6 - len.min(6) as u32))
    }
}

fn days_in(year: i64, month: i64) -> i64 {
    let leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    match month {
        2 if leap => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

impl DateTime {
    /// Reads ISO 8601 text, whose parts may be out of range; `None` if it is none.
    pub(super) fn parse(text: &str) -> Option<DateTime> {
        let mut reader = Reader { text: text.as_bytes() };
        let year = reader.number(4)?;
        reader.skip(b'-')?;
        let month = reader.number(2)?;
        reader.skip(b'-')?;
        let day = reader.number(2)?;
        let date = DateTime {
            year,
            month,
            day,
            hour: 0,
            minute: 0,
            second: 0,
            microsecond: 0,
            offset: None,
        };
        if reader.text.is_empty() {
            return Some(date);
        }
        let rest = std::str::from_utf8(reader.text).ok()?;
        reader.text = &reader.text[rest.chars().next()?.len_utf8()..];
        date.with_clock(reader)
    }

    fn with_clock(mut self, mut reader: Reader<'_>) -> Option<DateTime> {
        [self.hour, self.minute, self.second, self.microsecond] = reader.clock()?;
        self.offset = match reader.text.first() {
            None => None,
            Some(b'Z') => {
                reader.skip(b'Z')?;
                Some(0)
            }
            Some(sign @ (b'+' | b'-')) => {
                reader.skip(*sign)?;
                let [hours, minutes, seconds, parts] = reader.clock()?;
                if hours > 23 || minutes > 59 || seconds > 59 || parts != 0 {
                    return None;
                }
                let east = 3_600 * hours + 60 * minutes + seconds;
                Some(if *sign == b'-' { -east } else { east })
            }
            Some(_) => return None,
        };
        reader.text.is_empty().then_some(self)
    }

    /// Which part is beyond its range.
    pub(super) fn out_of_range(&self) -> Option<&'static str> {
        Some(match self {
            _ if self.year < 1 => "year 0 is out of range",
            _ if !(1..=12).contains(&self.month) => "month must be in 1..12",
            _ if self.day < 1 || self.day > days_in(self.year, self.month) => {
                "day is out of range for month"
            }
            _ if self.hour > 23 => "hour must be in 0..23",
            _ if self.minute > 59 => "minute must be in 0..59",
            _ if self.second > 59 => "second must be in 0..59",
            _ => return None,
        })
    }

    /// Microseconds since year 0 on its own clock, less the offset.
    fn moment(&self) -> i64 {
        // Days by the civil calendar: a year begins in March, so that leap days come last.
        let (year, month) = if self.month > 2 {
            (self.year, self.month - 3)
        } else {
            (self.year - 1, self.month + 9)
        };
        let days = 365 * year + year.div_euclid(4) - year.div_euclid(100)
            + year.div_euclid(400)
            + (153 * month + 2) / 5
            + self.day;
        let seconds = 86_400 * days + 3_600 * self.hour + 60 * self.minute + self.second
            - self.offset.unwrap_or(0);
        1_000_000 * seconds + self.microsecond
    }

    /// The order in time; `None` when only one of them has an offset.
    pub(super) fn compare(&self, other: &DateTime) -> Option<Ordering> {
        (self.offset.is_some() == other.offset.is_some())
            .then(|| self.moment().cmp(&other.moment()))
    }

    /// What equal times share.
    pub(super) fn hash_key(&self) -> (bool, i64) {
        (self.offset.is_some(), self.moment())
    }

    /// The ISO 8601 text.
    pub(super) fn isoformat(&self) -> String {
        let mut text = format!(
            "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}",
            self.year, self.month, self.day, self.hour, self.minute, self.second
        );
        if self.microsecond != 0 {
            let _ = write!(text, ".{:06}", self.microsecond);
        }
        if let Some(offset) = self.offset {
            let sign = if offset < 0 { '-' } else { '+' };
            let east = offset.abs();
            let _ = write!(text, "{sign}{:02}:{:02}", east / 3_600, east / 60 % 60);
            if east % 60 != 0 {
                let _ = write!(text, ":{:02}", east % 60);
            }
        }
        text
    }

    /// The text that names the constructor.
    pub(super) fn repr(&self) -> String {
        format!("datetime.fromisoformat('{}')", self.isoformat())
    }

    /// The part called `name`.
    pub(super) fn part(&self, name: &str) -> Option<i64> {
        Some(match name {
            "year" => self.year,
            "month" => self.month,
            "day" => self.day,
            "hour" => self.hour,
            "minute" => self.minute,
            "second" => self.second,
            "microsecond" => self.microsecond,
            _ => return None,
        })
    }
}
