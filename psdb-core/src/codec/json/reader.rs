//! A strict JSON reader that writes straight into the binary form.
//!
//! RFC 8259, read strictly: UTF-8 without a byte-order mark, no duplicate names, no lone
//! surrogates, nothing after the value. Integers from -2^63 to 2^64-1 keep every digit; a larger
//! one is refused instead of becoming a float, as is a number too large for a double. `-0` is
//! the double -0.0, since no integer can say it.
//!
//! Invariant: nesting is bounded by the limits, so no input exhausts the stack.
//!
//! Left out: relaxed dialects (comments, trailing commas, NaN).

use bytes::Bytes;

use crate::codec::document::{Builder, DuplicateName, EncodedDocument, ValueRef, duplicate};
use crate::types::{Error, Limits, Result, Value};

/// Reads one JSON object.
pub(crate) fn read_document(text: &[u8], limits: &Limits) -> Result<Bytes> {
    if text.len() > limits.document_bytes {
        return Err(Error::InvalidDocument {
            reason: format!("it has {} bytes, the limit is {}", text.len(), limits.document_bytes),
        });
    }
    let mut reader = Reader::new(text, limits.nesting);
    let bytes = reader.document().map_err(|reason| reader.error(&reason))?;
    if bytes.len() > 2 * limits.document_bytes {
        return Err(Error::InvalidDocument {
            reason: format!(
                "its encoding has {} bytes, the limit is {}",
                bytes.len(),
                2 * limits.document_bytes
            ),
        });
    }
    Ok(bytes)
}

/// Reads any JSON value, for constants in tests and tools.
///
/// # Errors
///
/// [`Error::InvalidDocument`] with line and column.
pub(crate) fn read_value(text: &str) -> Result<Value> {
    let wrapped = format!("{{\"\":{text}\n}}");
    let bytes = read_document(wrapped.as_bytes(), &Limits::DEFAULT)?;
    let document = EncodedDocument::from_bytes(bytes)?;
    Ok(document.get("").map_or(Value::Null, ValueRef::to_value))
}

type Read<T> = std::result::Result<T, String>;

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    nesting: usize,
    builder: Builder,
    scratch: Vec<u8>,
}

impl<'a> Reader<'a> {
    fn new(text: &'a [u8], nesting: usize) -> Reader<'a> {
        Reader { text, at: 0, nesting, builder: Builder::new(), scratch: Vec::new() }
    }

    fn document(&mut self) -> Read<Bytes> {
        self.space();
        if self.peek() != Some(b'{') {
            return Err(match self.peek() {
                None => "nothing is there; an object was expected".into(),
                Some(_) => "a document must be an object, in braces".into(),
            });
        }
        self.fields(1)?;
        self.space();
        if self.at < self.text.len() {
            return Err("something follows the object".into());
        }
        let builder = std::mem::replace(&mut self.builder, Builder::new());
        builder.finish().map_err(|DuplicateName(name)| duplicate(&name))
    }

    /// Reads `{ ... }` into the object that is open in the builder.
    fn fields(&mut self, depth: usize) -> Read<()> {
        self.enter(depth)?;
        if self.skip_if(b'}') {
            return Ok(());
        }
        loop {
            self.space();
            if self.peek() != Some(b'"') {
                return Err("a field's name was expected, in double quotes".into());
            }
            let name = self.string()?;
            self.builder.name(&name);
            self.space();
            self.expect(b':', "a ':' was expected after a field's name")?;
            self.value(depth)?;
            if self.ends(b'}', "a ',' or '}' was expected")? {
                return Ok(());
            }
        }
    }

    fn elements(&mut self, depth: usize) -> Read<()> {
        self.enter(depth)?;
        if self.skip_if(b']') {
            return Ok(());
        }
        loop {
            self.builder.element();
            self.value(depth)?;
            if self.ends(b']', "a ',' or ']' was expected")? {
                return Ok(());
            }
        }
    }

    /// Steps over an opening bracket.
    fn enter(&mut self, depth: usize) -> Read<()> {
        if depth > self.nesting {
            return Err(format!("it is nested deeper than {} levels", self.nesting));
        }
        self.at += 1;
        Ok(())
    }

    fn ends(&mut self, bracket: u8, expected: &str) -> Read<bool> {
        self.space();
        match self.peek() {
            Some(b',') => {
                self.at += 1;
                Ok(false)
            }
            Some(byte) if byte == bracket => {
                self.at += 1;
                Ok(true)
            }
            _ => Err(expected.into()),
        }
    }

    fn value(&mut self, depth: usize) -> Read<()> {
        self.space();
        match self.peek() {
            Some(b'{') => {
                self.builder.open_object();
                self.fields(depth + 1)?;
                self.builder.close_object().map_err(|DuplicateName(name)| duplicate(&name))
            }
            Some(b'[') => {
                self.builder.open_array();
                self.elements(depth + 1)?;
                self.builder.close_array();
                Ok(())
            }
            Some(b'"') => {
                let text = self.string()?;
                self.builder.string(&text);
                Ok(())
            }
            Some(b'-' | b'0'..=b'9') => self.number(),
            Some(_) => self.word(),
            None => Err("a value was expected, but the text ends".into()),
        }
    }

    fn word(&mut self) -> Read<()> {
        let rest = &self.text[self.at..];
        let length = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric()).count();
        match &rest[..length] {
            b"null" => self.builder.null(),
            b"true" => self.builder.bool(true),
            b"false" => self.builder.bool(false),
            b"NaN" | b"Infinity" | b"nan" | b"inf" => {
                return Err("NaN and infinities are not JSON".into());
            }
            _ => return Err("a value was expected".into()),
        }
        self.at += length;
        Ok(())
    }

    fn number(&mut self) -> Read<()> {
        let start = self.at;
        let negative = self.skip_if(b'-');
        let digits = self.digits()?;
        if digits > 1 && self.text[self.at - digits] == b'0' {
            self.at = start;
            return Err("a number must not begin with 0".into());
        }
        let mut integer = true;
        if self.skip_if(b'.') {
            integer = false;
            self.digits()?;
        }
        if matches!(self.peek(), Some(b'e' | b'E')) {
            integer = false;
            self.at += 1;
            if matches!(self.peek(), Some(b'+' | b'-')) {
                self.at += 1;
            }
            self.digits()?;
        }
        let text = std::str::from_utf8(&self.text[start..self.at]).map_err(|e| e.to_string())?;
        let stored = if integer && !(negative && text == "-0") {
            text.parse::<i128>().is_ok_and(|value| self.builder.int(value))
        } else {
            let value: f64 = text.parse().map_err(|_| "a number was expected".to_owned())?;
            value.is_finite() && {
                self.builder.float(value);
                true
            }
        };
        if stored {
            return Ok(());
        }
        let shown: String = text.chars().take(40).collect();
        self.at = start;
        Err(if integer {
            format!("integer {shown} is not within -2^63 to 2^64-1")
        } else {
            format!("number {shown} is too large for a double")
        })
    }

    fn digits(&mut self) -> Read<usize> {
        let rest = &self.text[self.at..];
        let length = rest.iter().take_while(|byte| byte.is_ascii_digit()).count();
        if length == 0 {
            return Err("a digit was expected".into());
        }
        self.at += length;
        Ok(length)
    }

    /// Reads a string, its opening quote being next.
    fn string(&mut self) -> Read<String> {
        let opened = self.at;
        self.at += 1;
        self.scratch.clear();
        loop {
            let rest = &self.text[self.at..];
            let plain = rest.iter().take_while(|b| **b >= 0x20 && **b != b'"' && **b != b'\\');
            let length = plain.count();
            self.scratch.extend_from_slice(&rest[..length]);
            self.at += length;
            match self.peek() {
                Some(b'"') => break,
                Some(b'\\') => self.escape()?,
                Some(_) => return Err("a control character must be written as an escape".into()),
                None => {
                    self.at = opened;
                    return Err("a string is not closed".into());
                }
            }
        }
        self.at += 1;
        String::from_utf8(self.scratch.clone()).map_err(|_| {
            self.at = opened;
            "a string is not UTF-8".to_owned()
        })
    }

    fn escape(&mut self) -> Read<()> {
        let byte = self.text.get(self.at + 1).copied();
        let plain = match byte {
            Some(b'"' | b'\\' | b'/') => byte.unwrap_or_default(),
            Some(b'b') => 0x08,
            Some(b'f') => 0x0c,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') => return self.unicode_escape(),
            _ => return Err("an unknown escape".into()),
        };
        self.scratch.push(plain);
        self.at += 2;
        Ok(())
    }

    fn unicode_escape(&mut self) -> Read<()> {
        let first = self.four_hex(self.at + 2)?;
        let lone = || "a lone surrogate is not a character".to_owned();
        let (code, length) = match first {
            0xd800..=0xdbff => {
                if self.text.get(self.at + 6..self.at + 8) != Some(b"\\u") {
                    return Err(lone());
                }
                let second = self.four_hex(self.at + 8)?;
                if !(0xdc00..=0xdfff).contains(&second) {
                    return Err(lone());
                }
                (0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00), 12)
            }
            _ => (first, 6),
        };
        let character = char::from_u32(code).ok_or_else(lone)?;
        self.scratch.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        self.at += length;
        Ok(())
    }

    fn four_hex(&self, at: usize) -> Read<u32> {
        let digits = self.text.get(at..at + 4).and_then(|hex| {
            hex.iter().try_fold(0, |code, byte| Some(code * 16 + char::from(*byte).to_digit(16)?))
        });
        digits.ok_or_else(|| "four hexadecimal digits were expected after \\u".to_owned())
    }

    fn space(&mut self) {
        while matches!(self.peek(), Some(b' ' | b'\t' | b'\n' | b'\r')) {
            self.at += 1;
        }
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip_if(&mut self, byte: u8) -> bool {
        if !matches!(byte, b'-' | b'.') {
            self.space();
        }
        let found = self.peek() == Some(byte);
        self.at += usize::from(found);
        found
    }

    fn expect(&mut self, byte: u8, otherwise: &str) -> Read<()> {
        if self.skip_if(byte) { Ok(()) } else { Err(otherwise.into()) }
    }

    fn error(&self, reason: &str) -> Error {
        let before = &self.text[..self.at.min(self.text.len())];
        let line = before.split(|byte| *byte == b'\n').count();
        let start = before.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        let column = String::from_utf8_lossy(&before[start..]).chars().count() + 1;
        Error::InvalidDocument { reason: format!("{reason} (line {line}, column {column})") }
    }
}
