//! The elements of a JSON array, cut apart without reading the whole.
//!
//! Only brackets and strings are followed, to find where an element ends; what stands between is
//! passed on as written. So one element that is no document spoils no other, unless its brackets
//! do not close.
//!
//! Left out: judging the elements, which the database does.

use std::io::{self, BufRead};

use crate::records::{Bounded, Bytes, Record, invalid};

/// A reader of one array.
pub(crate) struct JsonArray<R> {
    bytes: Bytes<R>,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    /// The next element follows.
    Element,
    /// The array is closed; only spaces may follow.
    Closed,
    End,
}

impl<R: BufRead> JsonArray<R> {
    pub(crate) fn new(reader: R) -> JsonArray<R> {
        JsonArray { bytes: Bytes::new(reader), state: State::Start }
    }

    /// The next element; `None` after the last.
    pub(crate) fn next_record(&mut self) -> io::Result<Option<Record>> {
        if self.state == State::Start {
            self.bytes.skip_mark()?;
            self.skip_spaces()?;
            if self.bytes.take()? != Some(b'[') {
                return Ok(Some(self.broken("an array was expected")));
            }
            self.state = State::Element;
            self.skip_spaces()?;
            if self.bytes.peek()? == Some(b']') {
                self.bytes.take()?;
                self.state = State::Closed;
            }
        }
        match self.state {
            State::Element => self.element().map(Some),
            State::Closed => {
                self.skip_spaces()?;
                let more = self.bytes.peek()?.is_some();
                self.state = State::End;
                Ok(more.then(|| self.broken("something follows the array")))
            }
            State::Start | State::End => Ok(None),
        }
    }

    fn element(&mut self) -> io::Result<Record> {
        self.skip_spaces()?;
        let line = self.bytes.line();
        let mut text = Bounded::default();
        let (mut depth, mut in_string, mut escaped) = (0_u64, false, false);
        loop {
            let Some(byte) = self.bytes.take()? else {
                return Ok(self.broken("the array is not closed"));
            };
            match byte {
                _ if escaped => escaped = false,
                b'\\' if in_string => escaped = true,
                b'"' => in_string = !in_string,
                b',' | b']' if depth == 0 && !in_string => {
                    if byte == b']' {
                        self.state = State::Closed;
                    }
                    break;
                }
                b'{' | b'[' if !in_string => depth += 1,
                b'}' | b']' if !in_string => depth = depth.saturating_sub(1),
                _ => {}
            }
            text.push(byte);
        }
        Ok(Record { line, document: text.finish() })
    }

    /// The end of what can be read, with its reason.
    fn broken(&mut self, reason: &str) -> Record {
        self.state = State::End;
        Record { line: self.bytes.line(), document: Err(invalid(reason)) }
    }

    fn skip_spaces(&mut self) -> io::Result<()> {
        while matches!(self.bytes.peek()?, Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.bytes.take()?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    //! Proves that elements are cut where they end, whatever they contain.

    use super::JsonArray;

    fn read(text: &str) -> Vec<(u64, Result<String, String>)> {
        // A small buffer, so that elements lie across its borders.
        let reader = std::io::BufReader::with_capacity(3, text.as_bytes());
        let mut array = JsonArray::new(reader);
        let mut all = Vec::new();
        while let Some(record) = array.next_record().expect("no I/O error") {
            let document = record.document.map(|text| String::from_utf8(text).expect("text"));
            all.push((record.line, document.map_err(|error| error.to_string())));
        }
        all
    }

    fn texts(text: &str) -> Vec<String> {
        read(text).into_iter().map(|(_, text)| text.expect("an element")).collect()
    }

    #[test]
    fn elements_are_cut_at_their_commas() {
        assert!(read(" [ ] \n").is_empty());
        assert_eq!(texts("[1]"), ["1"]);
        assert_eq!(
            texts(r#"[{"a": [1, {"b": "],}\""}]}, "x,]", {}]"#),
            [r#"{"a": [1, {"b": "],}\""}]}"#, r#""x,]""#, "{}"]
        );
        let lines: Vec<u64> = read("\u{feff}[\n{},\n\n{\n}, {}]").iter().map(|r| r.0).collect();
        assert_eq!(lines, [2, 4, 5]);
        assert_eq!(texts("[{},]"), ["{}", ""], "the database refuses what is empty");
    }

    #[test]
    fn what_is_no_array_is_an_error_and_the_end() {
        for (text, reason) in [
            ("", "an array was expected"),
            ("{}", "an array was expected"),
            ("[{}, {", "the array is not closed"),
            ("[{}] x", "something follows the array"),
        ] {
            let read = read(text);
            let (_, last) = read.last().expect("an error");
            assert!(last.as_ref().expect_err(text).contains(reason), "{text}: {last:?}");
        }
    }
}
