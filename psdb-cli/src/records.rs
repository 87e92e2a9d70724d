//! The documents of a file, one by one, whatever form the file has.
//!
//! | file | form |
//! |---|---|
//! | `*.csv` | CSV, a document a record ([`crate::csv`]) |
//! | `*.json` | a JSON array of documents if it begins with `[`, else NDJSON |
//! | any other, and a pipe | NDJSON, a document a line |
//!
//! Every document comes as JSON text with the line it begins at; whether it is valid is for the
//! database to say. What cannot even be cut into documents is an error of its line.
//!
//! Left out: batches (`import`).

use std::io::{self, BufRead};
use std::path::Path;

use psdb::{Error, Limits};

use crate::csv::CsvDocuments;
use crate::json_array::JsonArray;
use crate::lines::{Lines, MAX_LINE_BYTES};

/// How documents stand in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Form {
    Ndjson,
    JsonArray,
    Csv,
}

impl Form {
    /// The form that a file's ending promises.
    pub(crate) fn of(file: &str) -> Form {
        let ends_in = |ending| {
            Path::new(file).extension().is_some_and(|found| found.eq_ignore_ascii_case(ending))
        };
        if ends_in("csv") {
            Form::Csv
        } else if ends_in("json") {
            Form::JsonArray
        } else {
            Form::Ndjson
        }
    }
}

/// One document of a file.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Record {
    /// The line it begins at, from 1.
    pub(crate) line: u64,
    /// Its JSON text, or why there is none.
    pub(crate) document: Result<Vec<u8>, Error>,
}

/// The documents of one file.
pub(crate) enum Records<R> {
    Lines(Lines<R>),
    Array(JsonArray<R>),
    Csv(CsvDocuments<R>),
}

impl<R: BufRead> Records<R> {
    /// Prepares to read `reader`; of a `*.json` file the first byte decides.
    pub(crate) fn new(form: Form, mut reader: R) -> io::Result<Records<R>> {
        Ok(match form {
            Form::JsonArray if begins_array(&mut reader)? => Records::Array(JsonArray::new(reader)),
            Form::Csv => Records::Csv(CsvDocuments::new(reader)),
            Form::JsonArray | Form::Ndjson => Records::Lines(Lines::new(reader)),
        })
    }

    /// The next document; `None` at the end.
    pub(crate) fn next_record(&mut self) -> io::Result<Option<Record>> {
        match self {
            Records::Lines(lines) => next_line(lines),
            Records::Array(array) => array.next_record(),
            Records::Csv(csv) => csv.next_record(),
        }
    }
}

fn next_line<R: BufRead>(lines: &mut Lines<R>) -> io::Result<Option<Record>> {
    while let Some(line) = lines.next_line()? {
        let document = match line.bytes {
            Some(text) if text.trim_ascii().is_empty() => continue,
            Some(text) => Ok(text),
            None => Err(too_large()),
        };
        return Ok(Some(Record { line: line.number, document }));
    }
    Ok(None)
}

/// Whether the first byte that is not a space opens an array. Nothing is consumed.
fn begins_array<R: BufRead>(reader: &mut R) -> io::Result<bool> {
    let start = reader.fill_buf()?;
    let start = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start);
    Ok(start.trim_ascii_start().first() == Some(&b'['))
}

/// The error of a document that is not even kept to be looked at.
pub(crate) fn too_large() -> Error {
    let limit = Limits::DEFAULT.document_bytes;
    invalid(format!("it is larger than the limit of {limit} bytes"))
}

pub(crate) fn invalid(reason: impl Into<String>) -> Error {
    Error::InvalidDocument { reason: reason.into() }
}

/// Bytes one by one, with the line they stand in.
pub(crate) struct Bytes<R> {
    reader: R,
    line: u64,
}

impl<R: BufRead> Bytes<R> {
    pub(crate) fn new(reader: R) -> Bytes<R> {
        Bytes { reader, line: 1 }
    }

    /// The line of the next byte, from 1.
    pub(crate) fn line(&self) -> u64 {
        self.line
    }

    /// The next byte, which stays; `None` at the end.
    pub(crate) fn peek(&mut self) -> io::Result<Option<u8>> {
        loop {
            match self.reader.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                available => return Ok(available?.first().copied()),
            }
        }
    }

    /// Takes the next byte; `None` at the end.
    pub(crate) fn take(&mut self) -> io::Result<Option<u8>> {
        let next = self.peek()?;
        if let Some(byte) = next {
            self.reader.consume(1);
            self.line += u64::from(byte == b'\n');
        }
        Ok(next)
    }

    /// Steps over a byte order mark, which may stand at the very start.
    pub(crate) fn skip_mark(&mut self) -> io::Result<()> {
        if self.peek()? == Some(0xef) {
            for _ in 0..3 {
                self.take()?;
            }
        }
        Ok(())
    }
}

/// Text that grows up to the size of the largest line, and is dropped beyond.
#[derive(Default)]
pub(crate) struct Bounded {
    bytes: Vec<u8>,
    too_long: bool,
}

impl Bounded {
    pub(crate) fn push(&mut self, byte: u8) {
        if self.bytes.len() >= MAX_LINE_BYTES {
            self.too_long = true;
            self.bytes = Vec::new();
        }
        if !self.too_long {
            self.bytes.push(byte);
        }
    }

    /// What was pushed, or the error of a document that is too large.
    pub(crate) fn finish(self) -> Result<Vec<u8>, Error> {
        if self.too_long { Err(too_large()) } else { Ok(self.bytes) }
    }
}

#[cfg(test)]
mod tests {
    //! Proves which form a file is read in and that lines keep their numbers.

    use super::{Form, Records};

    fn read(file: &str, text: &str) -> Vec<(u64, Result<String, String>)> {
        let mut records = Records::new(Form::of(file), text.as_bytes()).expect("no I/O error");
        let mut all = Vec::new();
        while let Some(record) = records.next_record().expect("no I/O error") {
            let document = record.document.map(|text| String::from_utf8(text).expect("text"));
            all.push((record.line, document.map_err(|error| error.to_string())));
        }
        all
    }

    #[test]
    fn the_ending_decides_and_json_is_looked_at() {
        let lines = [(1, Ok("{}".to_owned())), (3, Ok("{\"a\": 1}".to_owned()))];
        for file in ["x.ndjson", "x.jsonl", "x", "-", "x.json", "X.JSON"] {
            assert_eq!(read(file, "{}\n\n{\"a\": 1}\n"), lines, "{file}");
        }
        let array = [(1, Ok("{}".to_owned())), (2, Ok("{\"a\": 1}".to_owned()))];
        assert_eq!(read("x.json", "[{},\n{\"a\": 1}]"), array);
        assert_eq!(read("x.csv", "a,b\n1,x\n"), [(2, Ok("{\"a\":1,\"b\":\"x\"}".to_owned()))]);
        assert!(read("x.json", "").is_empty() && read("x.csv", "").is_empty());
    }
}
