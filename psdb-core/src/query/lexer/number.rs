//! Numbers as Python writes them: `1_000`, `0xff`, `0b1`, `0o7`, `1.5e-3`, `.5`, `5.`.
//!
//! Left out: a sign, which is an operator.

use num_bigint::BigInt;

use super::{Lexer, invalid};
use crate::query::limits::INTEGER_BITS;
use crate::query::token::TokenKind;
use crate::types::Result;

impl Lexer<'_> {
    pub(super) fn number(&mut self) -> Result<TokenKind> {
        let (start, column) = (self.at, self.column());
        let radix = match (self.peek(0), self.peek(1).map(|c| c.to_ascii_lowercase())) {
            (Some('0'), Some('x')) => 16,
            (Some('0'), Some('o')) => 8,
            (Some('0'), Some('b')) => 2,
            _ => 10,
        };
        if radix != 10 {
            self.at += 2;
            if self.peek(0) == Some('_') {
                self.at += 1;
            }
            return self.integer(radix, column);
        }
        if !self.fraction() {
            self.at = start;
            return self.integer(10, column);
        }
        self.ends_number(column)?;
        let text: String = self.chars[start..self.at].iter().collect();
        well_placed(&text, column)?;
        match text.replace('_', "").parse::<f64>() {
            Ok(value) => Ok(TokenKind::Float(value)),
            Err(_) => Err(invalid("a number was expected", column, None)),
        }
    }

    /// Passes over a decimal number and says whether it is a float.
    fn fraction(&mut self) -> bool {
        let mut float = false;
        self.digits();
        if self.peek(0) == Some('.') {
            float = true;
            self.at += 1;
            self.digits();
        }
        if matches!(self.peek(0), Some('e' | 'E')) {
            let sign = usize::from(matches!(self.peek(1), Some('+' | '-')));
            if self.peek(1 + sign).is_some_and(|c| c.is_ascii_digit()) {
                float = true;
                self.at += 1 + sign;
                self.digits();
            }
        }
        float
    }

    fn digits(&mut self) {
        while self.peek(0).is_some_and(|c| c.is_ascii_digit() || c == '_') {
            self.at += 1;
        }
    }

    fn integer(&mut self, radix: u32, column: u32) -> Result<TokenKind> {
        let start = self.at;
        while self.peek(0).is_some_and(|c| c.is_digit(radix) || c == '_') {
            self.at += 1;
        }
        self.ends_number(column)?;
        let text: String = self.chars[start..self.at].iter().collect();
        well_placed(&text, column)?;
        let digits = text.replace('_', "");
        if digits.is_empty() {
            return Err(invalid("a digit was expected", column, None));
        }
        if radix == 10 && digits.starts_with('0') && digits.chars().any(|c| c != '0') {
            let hint = Some("leave out the leading zeros");
            return Err(invalid("a number must not begin with 0", column, hint));
        }
        // A decimal digit holds more than three bits, so longer texts need not be converted.
        let large = digits.len() as u64 > INTEGER_BITS;
        let value = if large { None } else { BigInt::parse_bytes(digits.as_bytes(), radix) };
        match value.filter(|value| value.bits() <= INTEGER_BITS) {
            Some(value) => Ok(TokenKind::Int(value)),
            None => {
                let message = format!("the integer has more than {INTEGER_BITS} bits");
                Err(invalid(message, column, Some("write it as a float")))
            }
        }
    }

    /// Whether a keyword follows: `1if x else y` is Python, though Python advises against it.
    fn at_keyword(&self) -> bool {
        let word = (0..).map_while(|ahead| self.peek(ahead)).take_while(|c| c.is_alphanumeric());
        let word: String = word.take(5).collect();
        ["and", "else", "for", "if", "in", "is", "not", "or"].contains(&word.as_str())
    }

    fn ends_number(&self, column: u32) -> Result<()> {
        match self.peek(0) {
            Some('j' | 'J') => Err(invalid("complex numbers are not supported", column, None)),
            Some(c) if (c == '_' || c.is_alphanumeric()) && !self.at_keyword() => {
                let hint = Some("put a space after the number");
                Err(invalid(format!("{c:?} cannot follow a number"), self.column(), hint))
            }
            _ => Ok(()),
        }
    }
}

/// Underscores stand between digits only.
fn well_placed(text: &str, column: u32) -> Result<()> {
    let bytes = text.as_bytes();
    let digit = |at: usize| bytes.get(at).is_some_and(u8::is_ascii_hexdigit);
    let misplaced = (0..bytes.len())
        .any(|at| bytes[at] == b'_' && (at == 0 || !digit(at - 1) || !digit(at + 1)));
    if misplaced {
        return Err(invalid("'_' must stand between two digits", column, None));
    }
    Ok(())
}
