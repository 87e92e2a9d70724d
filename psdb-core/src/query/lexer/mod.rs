//! Cuts the text of a lambda into words, as Python's tokenizer does.
//!
//! - here: blanks, comments, names and operators.
//! - `number`: integers of any size and floats.
//! - `string`: strings in every quote form, and their escapes.
//! - `fstring`: f-strings, whose fields hold words again.
//!
//! A lambda is one logical line: a line may end inside brackets only. What Python knows and PSDB
//! refuses (bytes, complex numbers, `:=`) is refused with its column and a hint.
//!
//! Left out: what words mean together (`parser`).

mod fstring;
mod number;
mod string;

use super::limits::TEXT_BYTES;
use super::token::{Token, TokenKind};
use crate::types::{Error, Result};

/// Longer ones first, so that `**` is not taken for two `*`.
const OPERATORS: [&str; 48] = [
    "**=", "//=", "<<=", ">>=", "...", ":=", "**", "//", "==", "!=", "<=", ">=", "<<", ">>", "->",
    "+=", "-=", "*=", "/=", "%=", "&=", "|=", "^=", "@=", "+", "-", "*", "/", "%", "<", ">", "(",
    ")", "[", "]", "{", "}", ",", ":", ".", "=", "&", "|", "^", "~", "@", ";", "!",
];

/// The error of a lambda at a column.
pub(super) fn invalid(message: impl Into<String>, column: u32, hint: Option<&str>) -> Error {
    Error::InvalidQuery { message: message.into(), column, hint: hint.map(str::to_owned) }
}

/// Cuts `text` into words; the last is [`TokenKind::End`].
pub(super) fn tokens(text: &str) -> Result<Vec<Token>> {
    if text.len() > TEXT_BYTES {
        let message = format!("the lambda has {} bytes, the limit is {TEXT_BYTES}", text.len());
        return Err(invalid(message, 1, None));
    }
    let chars: Vec<char> = text.chars().collect();
    Lexer::new(&chars, 0, chars.len()).all()
}

/// Cuts the characters from `at` to `end` into words.
struct Lexer<'t> {
    chars: &'t [char],
    at: usize,
    end: usize,
    /// How many brackets are open.
    brackets: usize,
    /// Whether this is the inside of a field, which may go over lines and holds no comments.
    in_field: bool,
}

impl<'t> Lexer<'t> {
    fn new(chars: &'t [char], at: usize, end: usize) -> Lexer<'t> {
        Lexer { chars, at, end, brackets: 0, in_field: false }
    }

    fn all(mut self) -> Result<Vec<Token>> {
        let mut tokens = Vec::new();
        loop {
            let token = self.next()?;
            let ended = token.kind == TokenKind::End;
            tokens.push(token);
            if ended {
                return Ok(tokens);
            }
        }
    }

    fn peek(&self, ahead: usize) -> Option<char> {
        let at = self.at + ahead;
        if at < self.end { self.chars.get(at).copied() } else { None }
    }

    fn column(&self) -> u32 {
        self.at as u32 + 1
    }

    fn blanks(&mut self) -> Result<()> {
        loop {
            match self.peek(0) {
                Some(' ' | '\t' | '\x0c') => self.at += 1,
                Some('\n' | '\r') => {
                    let rest = &self.chars[self.at..self.end];
                    let ends = rest.iter().all(|c| matches!(c, ' ' | '\t' | '\x0c' | '\n' | '\r'));
                    if self.brackets == 0 && !self.in_field && !ends {
                        let hint = Some("write it on one line, or in brackets");
                        return Err(invalid("a line ends here", self.column(), hint));
                    }
                    self.at += 1;
                }
                Some('\\') if matches!(self.peek(1), Some('\n')) => self.at += 2,
                Some('#') if !self.in_field => {
                    while self.peek(0).is_some_and(|c| c != '\n') {
                        self.at += 1;
                    }
                }
                _ => return Ok(()),
            }
        }
    }

    fn next(&mut self) -> Result<Token> {
        self.blanks()?;
        let column = self.column();
        let kind = match self.peek(0) {
            None => TokenKind::End,
            Some('"' | '\'') => TokenKind::Str(self.string(false)?),
            Some(c) if c.is_ascii_digit() => self.number()?,
            Some('.') if self.peek(1).is_some_and(|c| c.is_ascii_digit()) => self.number()?,
            Some(c) if c == '_' || c.is_alphabetic() => self.name()?,
            Some(c) => self.operator(c)?,
        };
        Ok(Token { kind, column })
    }

    fn operator(&mut self, first: char) -> Result<TokenKind> {
        let found = OPERATORS
            .iter()
            .find(|op| op.chars().enumerate().all(|(ahead, c)| self.peek(ahead) == Some(c)));
        let Some(operator) = found else {
            return Err(invalid(format!("unexpected character {first:?}"), self.column(), None));
        };
        match *operator {
            "(" | "[" | "{" => self.brackets += 1,
            ")" | "]" | "}" => self.brackets = self.brackets.saturating_sub(1),
            _ => {}
        }
        self.at += operator.len();
        Ok(TokenKind::Op(operator))
    }

    fn name(&mut self) -> Result<TokenKind> {
        let (start, column) = (self.at, self.column());
        while self.peek(0).is_some_and(|c| c == '_' || c.is_alphanumeric()) {
            self.at += 1;
        }
        let name: String = self.chars[start..self.at].iter().collect();
        if !matches!(self.peek(0), Some('"' | '\'')) {
            return Ok(TokenKind::Name(name));
        }
        match name.to_ascii_lowercase().as_str() {
            "r" => Ok(TokenKind::Str(self.string(true)?)),
            "u" => Ok(TokenKind::Str(self.string(false)?)),
            "f" => self.fstring(false),
            "rf" | "fr" => self.fstring(true),
            "b" | "rb" | "br" => {
                Err(invalid("bytes are not JSON", column, Some("leave out the b prefix")))
            }
            _ => Ok(TokenKind::Name(name)),
        }
    }
}
