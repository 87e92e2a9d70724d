//! Lines of a script or an import, with their numbers and a bound on their length.
//!
//! A line longer than the largest document can be is not kept: it is reported with its number,
//! skipped to its end, and reading goes on. `\r\n` ends a line as `\n` does, and a byte order mark
//! at the start is dropped.
//!
//! Left out: what a line means.

use std::io::{self, BufRead};

use psdb::Limits;

/// The longest line, in bytes: the largest document and room for the command before it.
pub(crate) const MAX_LINE_BYTES: usize = Limits::DEFAULT.document_bytes + (64 << 10);

/// One line without its end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Line {
    /// From 1.
    pub(crate) number: u64,
    /// Its bytes; `None` if it was too long.
    pub(crate) bytes: Option<Vec<u8>>,
}

/// Reads lines one by one.
pub(crate) struct Lines<R> {
    reader: R,
    number: u64,
    max_bytes: usize,
}

impl<R: BufRead> Lines<R> {
    pub(crate) fn new(reader: R) -> Lines<R> {
        Lines { reader, number: 0, max_bytes: MAX_LINE_BYTES }
    }

    /// Reads the next line; `None` at the end of the input.
    pub(crate) fn next_line(&mut self) -> io::Result<Option<Line>> {
        let mut bytes = Vec::new();
        let (mut any, mut too_long) = (false, false);
        loop {
            let available = match self.reader.fill_buf() {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                other => other?,
            };
            if available.is_empty() {
                break;
            }
            any = true;
            let end = available.iter().position(|byte| *byte == b'\n');
            let part = &available[..end.unwrap_or(available.len())];
            if bytes.len() + part.len() > self.max_bytes {
                too_long = true;
                bytes = Vec::new();
            }
            if !too_long {
                bytes.extend_from_slice(part);
            }
            let consumed = end.map_or(available.len(), |end| end + 1);
            self.reader.consume(consumed);
            if end.is_some() {
                break;
            }
        }
        if !any {
            return Ok(None);
        }
        self.number += 1;
        if bytes.last() == Some(&b'\r') {
            bytes.pop();
        }
        if self.number == 1 && bytes.starts_with(b"\xef\xbb\xbf") {
            bytes.drain(..3);
        }
        Ok(Some(Line { number: self.number, bytes: (!too_long).then_some(bytes) }))
    }
}

#[cfg(test)]
mod tests {
    //! Proves that lines are cut right however the reader delivers them, and that none is too long.

    use std::io::{BufReader, Cursor};

    use super::Lines;

    fn read(text: &[u8], buffer: usize, max_bytes: usize) -> Vec<(u64, Option<String>)> {
        let reader = BufReader::with_capacity(buffer, Cursor::new(text.to_vec()));
        let mut lines = Lines { reader, number: 0, max_bytes };
        let mut all = Vec::new();
        while let Some(line) = lines.next_line().expect("no I/O error") {
            let text = line.bytes.map(|b| String::from_utf8(b).expect("text"));
            all.push((line.number, text));
        }
        all
    }

    #[test]
    fn lines_are_cut_at_line_feeds() {
        for buffer in 1..12 {
            let lines = read(b"\xef\xbb\xbfone\r\n\ntwo\nlast", buffer, 100);
            let texts: Vec<_> = lines.into_iter().map(|(n, t)| (n, t.expect("short"))).collect();
            let expected = [(1, "one"), (2, ""), (3, "two"), (4, "last")];
            assert_eq!(texts, expected.map(|(n, t)| (n, t.to_string())), "buffer {buffer}");
        }
        assert!(read(b"", 4, 100).is_empty());
    }

    #[test]
    fn a_long_line_is_skipped_and_the_next_is_read() {
        for buffer in 1..12 {
            let lines = read(b"ab\nabcdefghij\ncd\nabcde", buffer, 4);
            let expected = [(1, Some("ab")), (2, None), (3, Some("cd")), (4, None)];
            assert_eq!(lines, expected.map(|(n, t)| (n, t.map(str::to_string))), "buffer {buffer}");
        }
    }
}
