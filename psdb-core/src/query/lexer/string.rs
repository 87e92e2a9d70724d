//! Strings in every quote form, raw or with escapes.
//!
//! Left out: f-strings (`fstring`); bytes; named characters (`\N{...}`).

use super::{Lexer, invalid};
use crate::types::Result;

impl Lexer<'_> {
    /// Reads a string; its opening quote is next.
    pub(super) fn string(&mut self, raw: bool) -> Result<String> {
        let (start, end) = self.quoted()?;
        if raw {
            return Ok(self.newlines(start, end));
        }
        let mut inside = Lexer::new(self.chars, start, end);
        let mut text = String::new();
        while let Some(c) = inside.peek(0) {
            inside.character(c, &mut text)?;
        }
        Ok(text)
    }

    /// Passes over a string and returns where its inside begins and ends.
    pub(super) fn quoted(&mut self) -> Result<(usize, usize)> {
        let (quote, column) = (self.peek(0).unwrap_or('"'), self.column());
        let triple = self.peek(1) == Some(quote) && self.peek(2) == Some(quote);
        let width = if triple { 3 } else { 1 };
        self.at += width;
        let start = self.at;
        loop {
            match self.peek(0) {
                None => return Err(invalid("a string is not closed", column, None)),
                Some('\n') if !triple => {
                    let hint = Some("write \\n for a line's end");
                    return Err(invalid("a string is not closed on its line", column, hint));
                }
                Some('\\') => self.at += 2,
                Some(c) if c == quote => {
                    if (0..width).all(|ahead| self.peek(ahead) == Some(quote)) {
                        let end = self.at;
                        self.at += width;
                        return Ok((start, end));
                    }
                    self.at += 1;
                }
                Some(_) => self.at += 1,
            }
        }
    }

    /// Characters as they are, but for ends of lines, which Python reads as `\n`.
    pub(super) fn newlines(&self, start: usize, end: usize) -> String {
        let text: String = self.chars[start..end].iter().collect();
        text.replace("\r\n", "\n").replace('\r', "\n")
    }

    /// Reads one character or one escape.
    pub(super) fn character(&mut self, c: char, text: &mut String) -> Result<()> {
        match c {
            '\\' => return self.escape(text),
            '\r' => {
                text.push('\n');
                if self.peek(1) == Some('\n') {
                    self.at += 1;
                }
            }
            _ => text.push(c),
        }
        self.at += 1;
        Ok(())
    }

    fn escape(&mut self, text: &mut String) -> Result<()> {
        let column = self.column();
        let next = self.peek(1);
        self.at += 2;
        let plain = match next {
            Some('\n') => return Ok(()),
            Some(c @ ('\\' | '\'' | '"')) => c,
            Some('a') => '\x07',
            Some('b') => '\x08',
            Some('f') => '\x0c',
            Some('n') => '\n',
            Some('r') => '\r',
            Some('t') => '\t',
            Some('v') => '\x0b',
            Some('x') => self.code(16, 2, 2, column)?,
            Some('u') => self.code(16, 4, 4, column)?,
            Some('U') => self.code(16, 8, 8, column)?,
            Some('0'..='7') => {
                self.at -= 1;
                self.code(8, 1, 3, column)?
            }
            Some('N') => {
                let hint = Some("write the character itself or \\u with four digits");
                return Err(invalid("named characters are not supported", column, hint));
            }
            Some(other) => {
                // Python keeps the backslash of an escape it does not know.
                text.push('\\');
                other
            }
            None => return Err(invalid("a string is not closed", column, None)),
        };
        text.push(plain);
        Ok(())
    }

    fn code(&mut self, radix: u32, least: usize, most: usize, column: u32) -> Result<char> {
        let mut code = 0;
        let mut digits = 0;
        while digits < most
            && let Some(digit) = self.peek(0).and_then(|c| c.to_digit(radix))
        {
            code = code * radix + digit;
            digits += 1;
            self.at += 1;
        }
        if (0xd800..0xe000).contains(&code) {
            let hint = Some("documents hold no lone surrogates; write the character itself");
            return Err(invalid("the escape is half a surrogate pair", column, hint));
        }
        let character = (digits >= least).then(|| char::from_u32(code)).flatten();
        character.ok_or_else(|| invalid("the escape is not a character", column, None))
    }
}
