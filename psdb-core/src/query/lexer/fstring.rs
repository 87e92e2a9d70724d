//! f-strings: text with fields `{expression = !conversion : format}`.
//!
//! As in Python 3.11 the whole is delimited first, like any string; so a field can hold neither
//! the quote around it nor a backslash. What is in a field is cut into words where it stands, so
//! that columns are right.
//!
//! Left out: formatting (`eval::format`).

use super::{Lexer, invalid};
use crate::query::token::{Field, Piece, TokenKind};
use crate::types::Result;

/// How deep a format may hold fields itself, as in Python.
const NESTED_FORMATS: usize = 2;

impl Lexer<'_> {
    /// Reads an f-string; its opening quote is next.
    pub(super) fn fstring(&mut self, raw: bool) -> Result<TokenKind> {
        let (start, end) = self.quoted()?;
        let mut inside = Lexer::new(self.chars, start, end);
        let pieces = inside.pieces(raw, 0)?;
        Ok(TokenKind::FString(pieces))
    }

    /// Reads pieces up to the end or, in a format, up to the brace that closes its field.
    fn pieces(&mut self, raw: bool, depth: usize) -> Result<Vec<Piece>> {
        let mut pieces = Vec::new();
        let mut text = String::new();
        while let Some(c) = self.peek(0) {
            match c {
                '{' if self.peek(1) == Some('{') && depth == 0 => {
                    text.push('{');
                    self.at += 2;
                }
                '{' => {
                    if !text.is_empty() {
                        pieces.push(Piece::Text(std::mem::take(&mut text)));
                    }
                    self.field(raw, depth, &mut pieces)?;
                }
                '}' if depth > 0 => break,
                '}' if self.peek(1) == Some('}') => {
                    text.push('}');
                    self.at += 2;
                }
                '}' => {
                    let hint = Some("write }} for a brace");
                    return Err(invalid("a single '}' in an f-string", self.column(), hint));
                }
                _ if raw => {
                    text.push(c);
                    self.at += 1;
                }
                _ => self.character(c, &mut text)?,
            }
        }
        if !text.is_empty() {
            pieces.push(Piece::Text(text));
        }
        Ok(pieces)
    }

    /// Reads a field; its opening brace is next.
    fn field(&mut self, raw: bool, depth: usize, pieces: &mut Vec<Piece>) -> Result<()> {
        let column = self.column();
        if depth >= NESTED_FORMATS {
            return Err(invalid("fields in formats nest too deeply", column, None));
        }
        self.at += 1;
        let start = self.at;
        self.expression_end()?;
        let mut inside = Lexer::new(self.chars, start, self.at);
        inside.in_field = true;
        let tokens = inside.all()?;
        if tokens.len() == 1 {
            let hint = Some("write {{ for a brace");
            return Err(invalid("a field of an f-string is empty", column, hint));
        }
        let shown = self.peek(0) == Some('=');
        if shown {
            self.at += 1;
            while self.peek(0).is_some_and(|c| c.is_ascii_whitespace()) {
                self.at += 1;
            }
            pieces.push(Piece::Text(self.newlines(start, self.at)));
        }
        let mut conversion = self.conversion()?;
        let mut spec = None;
        if self.peek(0) == Some(':') {
            self.at += 1;
            spec = Some(self.pieces(raw, depth + 1)?);
        }
        if self.peek(0) != Some('}') {
            return Err(invalid("'}' was expected in an f-string", self.column(), None));
        }
        self.at += 1;
        if shown && conversion.is_none() && spec.is_none() {
            conversion = Some('r');
        }
        let spec = spec.unwrap_or_default();
        pieces.push(Piece::Field(Field { tokens, conversion, spec }));
        Ok(())
    }

    fn conversion(&mut self) -> Result<Option<char>> {
        if self.peek(0) != Some('!') {
            return Ok(None);
        }
        let conversion = self.peek(1);
        if !matches!(conversion, Some('s' | 'r' | 'a')) {
            let message = "the conversion must be !s, !r or !a";
            return Err(invalid(message, self.column(), None));
        }
        self.at += 2;
        Ok(conversion)
    }

    /// Passes over the expression of a field, up to its `!`, `:`, `=` or `}`.
    fn expression_end(&mut self) -> Result<()> {
        let mut open = 0_usize;
        while let Some(c) = self.peek(0) {
            match c {
                '\\' => {
                    let message = "a backslash cannot stand in a field of an f-string";
                    return Err(invalid(message, self.column(), None));
                }
                '#' => {
                    let message = "'#' cannot stand in a field of an f-string";
                    return Err(invalid(message, self.column(), None));
                }
                '\'' | '"' => {
                    self.quoted()?;
                    continue;
                }
                '(' | '[' | '{' => open += 1,
                '}' if open == 0 => return Ok(()),
                ')' | ']' | '}' => open = open.saturating_sub(1),
                '!' | '=' | '<' | '>' if open == 0 && self.peek(1) == Some('=') => self.at += 1,
                '!' | ':' | '=' if open == 0 => return Ok(()),
                _ => {}
            }
            self.at += 1;
        }
        Err(invalid("'}' was expected in an f-string", self.column(), None))
    }
}
