//! CSV in and out (RFC 4180): the first record names the fields, every other is a document.
//!
//! | CSV | JSON |
//! |---|---|
//! | nothing | the field is left out |
//! | `36`, `1.5`, `true`, `null` | a number, a boolean, null |
//! | `Ada` | a string |
//! | `"36"`, `"Ada"`, `""` | a string: quoted is text |
//! | `"[1,2]"`, `"{...}"` | an array or an object, if it is one |
//!
//! What is written by these rules reads back as it was, but for strings that are themselves the
//! text of an array or an object. A record of another length than the first is an error, not a
//! guess.
//!
//! Left out: other separators, and dates and types beyond JSON's.

use std::io::{self, BufRead, Write};

use psdb::Error;
use serde_json::Value;

use crate::output::Json;
use crate::records::{Bounded, Bytes, Record, invalid};

/// A reader of documents.
pub(crate) struct CsvDocuments<R> {
    bytes: Bytes<R>,
    /// The names of the fields, once they are read.
    names: Option<Vec<String>>,
    ended: bool,
}

/// One value of a record.
struct Cell {
    text: String,
    quoted: bool,
}

impl<R: BufRead> CsvDocuments<R> {
    pub(crate) fn new(reader: R) -> CsvDocuments<R> {
        CsvDocuments { bytes: Bytes::new(reader), names: None, ended: false }
    }

    /// The next document as JSON text; `None` at the end.
    pub(crate) fn next_record(&mut self) -> io::Result<Option<Record>> {
        loop {
            if self.ended {
                return Ok(None);
            }
            if self.names.is_none() {
                self.bytes.skip_mark()?;
            }
            let line = self.bytes.line();
            let Some(cells) = self.cells()? else { return Ok(None) };
            let document = match (cells, &self.names) {
                // An empty line.
                (Ok(cells), _) if cells.len() == 1 && cells[0].is_nothing() => continue,
                (Ok(cells), None) => {
                    self.names = Some(cells.into_iter().map(|cell| cell.text).collect());
                    continue;
                }
                (Ok(cells), Some(names)) => document(names, &cells),
                (Err(error), names) => {
                    // Without names nothing that follows means anything.
                    self.ended = names.is_none();
                    Err(error)
                }
            };
            return Ok(Some(Record { line, document }));
        }
    }

    /// The cells of the next record; `None` at the end.
    fn cells(&mut self) -> io::Result<Option<Result<Vec<Cell>, Error>>> {
        if self.bytes.peek()?.is_none() {
            return Ok(None);
        }
        let mut cells = Vec::new();
        let mut wrong = None;
        loop {
            let (cell, last) = self.cell()?;
            match cell {
                Ok(cell) => cells.push(cell),
                Err(error) => wrong = wrong.or(Some(error)),
            }
            if last {
                return Ok(Some(wrong.map_or(Ok(cells), Err)));
            }
        }
    }

    /// The next cell, and whether the record ends with it.
    fn cell(&mut self) -> io::Result<(Result<Cell, Error>, bool)> {
        let quoted = self.bytes.peek()? == Some(b'"');
        let mut text = Bounded::default();
        let mut inside = quoted;
        let mut after_quote = false;
        let mut wrong = None;
        if quoted {
            self.bytes.take()?;
        }
        let last = loop {
            let Some(byte) = self.bytes.take()? else {
                if inside {
                    wrong = Some("a quoted value is not closed");
                    self.ended = true;
                }
                break true;
            };
            match byte {
                b'"' if inside && self.bytes.peek()? == Some(b'"') => {
                    self.bytes.take()?;
                    text.push(b'"');
                }
                b'"' if inside => (inside, after_quote) = (false, true),
                _ if inside => text.push(byte),
                b',' => break false,
                b'\n' => break true,
                b'\r' if matches!(self.bytes.peek()?, Some(b'\n') | None) => {}
                _ if after_quote => wrong = Some("something follows the closing quote of a value"),
                _ => text.push(byte),
            }
        };
        let cell = match (wrong, text.finish()) {
            (Some(reason), _) => Err(invalid(reason)),
            (None, Err(error)) => Err(error),
            (None, Ok(text)) => String::from_utf8(text)
                .map(|text| Cell { text, quoted })
                .map_err(|_| invalid("a value is not UTF-8")),
        };
        Ok((cell, last))
    }
}

impl Cell {
    fn is_nothing(&self) -> bool {
        self.text.is_empty() && !self.quoted
    }

    /// The value as JSON; `None` if the field is left out.
    fn json(&self) -> Option<Json> {
        let text = self.text.as_str();
        let as_written = if self.quoted {
            text.starts_with(['{', '[']) && serde_json::from_str::<Value>(text).is_ok()
        } else {
            is_bare_json(text)
        };
        if self.is_nothing() {
            None
        } else if as_written {
            Some(Json::Raw(text.to_owned()))
        } else {
            Some(Json::text(text))
        }
    }
}

/// Whether unquoted `text` is a number, a boolean or null.
fn is_bare_json(text: &str) -> bool {
    matches!(text, "true" | "false" | "null") || is_number(text)
}

/// Whether `text` is written as JSON writes numbers; whether it is within range is another matter.
fn is_number(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, Some(exponent)),
        None => (unsigned, None),
    };
    let (integer, fraction) = match mantissa.split_once('.') {
        Some((integer, fraction)) => (integer, Some(fraction)),
        None => (mantissa, None),
    };
    let exponent = exponent.map(|exponent| exponent.strip_prefix(['+', '-']).unwrap_or(exponent));
    digits(integer)
        && (integer == "0" || !integer.starts_with('0'))
        && fraction.is_none_or(digits)
        && exponent.is_none_or(digits)
}

fn document(names: &[String], cells: &[Cell]) -> Result<Vec<u8>, Error> {
    if cells.len() != names.len() {
        let (has, wants) = (cells.len(), names.len());
        return Err(invalid(format!("the record has {has} values, the first has {wants} names")));
    }
    let mut text = String::from("{");
    for (name, value) in names.iter().zip(cells).filter_map(|(n, c)| Some((n, c.json()?))) {
        if text.len() > 1 {
            text.push(',');
        }
        text.push_str(&Json::text(name).to_string());
        text.push(':');
        text.push_str(&value.to_string());
    }
    text.push('}');
    Ok(text.into_bytes())
}

/// Writes one record.
pub(crate) fn write_record<'a>(
    out: &mut (dyn Write + Send),
    cells: impl Iterator<Item = Option<&'a Value>>,
) -> io::Result<()> {
    for (position, value) in cells.enumerate() {
        let comma = if position > 0 { "," } else { "" };
        write!(out, "{comma}{}", value.map(cell).unwrap_or_default())?;
    }
    writeln!(out)
}

/// Writes the record that names the fields.
pub(crate) fn write_names(out: &mut (dyn Write + Send), names: &[String]) -> io::Result<()> {
    let names: Vec<String> = names.iter().map(|name| text_cell(name)).collect();
    writeln!(out, "{}", names.join(","))
}

fn cell(value: &Value) -> String {
    match value {
        Value::String(text) => text_cell(text),
        Value::Array(_) | Value::Object(_) => quote(&value.to_string()),
        Value::Null | Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// Text as it is, unless it would read back as something else.
fn text_cell(text: &str) -> String {
    let special = |c| matches!(c, ',' | '"' | '\n' | '\r');
    let plain = !text.is_empty()
        && !text.contains(special)
        && !is_bare_json(text)
        // A byte order mark, which readers drop at the start of a file.
        && !text.starts_with('\u{feff}');
    if plain { text.to_owned() } else { quote(text) }
}

fn quote(text: &str) -> String {
    format!("\"{}\"", text.replace('"', "\"\""))
}

#[cfg(test)]
mod tests {
    //! Proves that values keep their types both ways and that broken records are told.

    use serde_json::{Value, json};

    use super::{CsvDocuments, is_number, write_names, write_record};

    fn read(text: &[u8]) -> Vec<(u64, Result<Value, String>)> {
        let mut csv = CsvDocuments::new(std::io::BufReader::with_capacity(3, text));
        let mut all = Vec::new();
        while let Some(record) = csv.next_record().expect("no I/O error") {
            let parsed = record.document.map(|text| serde_json::from_slice(&text).expect("JSON"));
            all.push((record.line, parsed.map_err(|error| error.to_string())));
        }
        all
    }

    #[test]
    fn values_have_types() {
        let text = "\u{feff}a,\"b c\",d\r\n1,x y,\n\n\"1\",\"say \"\"hi\"\",\nbye\",true\r\n-0.5e3,007,null\n,\"\",\"[1, 2]\"";
        let expected = [
            (2, json!({"a": 1, "b c": "x y"})),
            (4, json!({"a": "1", "b c": "say \"hi\",\nbye", "d": true})),
            (6, json!({"a": -500.0, "b c": "007", "d": null})),
            (7, json!({"b c": "", "d": [1, 2]})),
        ];
        let read = read(text.as_bytes());
        assert_eq!(read, expected.map(|(line, value)| (line, Ok(value))));
    }

    #[test]
    fn numbers_are_written_as_json_writes_them() {
        for text in ["0", "-1", "10", "1.50", "-0.5e3", "1E+9", "1e400", "18446744073709551616"] {
            assert!(is_number(text), "{text}");
        }
        for text in ["", "-", "01", "1.", ".5", "+1", "1e", "0x1", "1 ", "NaN", "1_000", "1.2.3"] {
            assert!(!is_number(text), "{text}");
        }
    }

    #[test]
    fn broken_records_are_told_and_do_not_spoil_the_next() {
        let read = read(b"a,b\n1\n1,2,3\n\"x\"y,2\n\xff,1\n1,2\n\"open,1\n");
        let reasons: Vec<_> = read.iter().map(|(line, r)| (*line, r.clone().err())).collect();
        let part = |at: usize, text: &str| {
            let (_, reason) = &reasons[at];
            assert!(reason.as_ref().is_some_and(|r| r.contains(text)), "{reasons:?}");
        };
        part(0, "has 1 values, the first has 2");
        part(1, "has 3 values");
        part(2, "follows the closing quote");
        part(3, "not UTF-8");
        assert_eq!(reasons[4], (6, None));
        part(5, "not closed");
        assert_eq!(reasons.len(), 6);
    }

    #[test]
    fn what_is_written_reads_back() {
        let names: Vec<String> = ["a", "b,c", "d"].map(String::from).into();
        let rows = [
            [json!(1), json!("plain"), json!(null)],
            [json!("1"), json!(""), json!("true")],
            [json!("a\"b\r\nc"), json!([1, "x,y"]), json!({"k": -1.5})],
            [json!(u64::MAX), json!(i64::MIN), json!("null")],
            [json!(" spaces  "), json!("-"), json!("\u{feff}é")],
        ];
        let mut text = Vec::new();
        write_names(&mut text, &names).expect("memory");
        for row in &rows {
            write_record(&mut text, row.iter().map(Some)).expect("memory");
        }
        for ((_, document), row) in read(&text).iter().zip(&rows) {
            let document = document.as_ref().expect("valid");
            for (name, value) in names.iter().zip(row) {
                assert_eq!(&document[name], value);
            }
        }
    }
}
