//! What to say where something else than PSDB's language was meant.
//!
//! Left out: unknown names (`compiler`).

use super::Parser;
use crate::query::lexer::invalid;
use crate::query::token::TokenKind;
use crate::types::{Error, Result};

const KEYWORDS: [&str; 35] = [
    "False", "None", "True", "and", "as", "assert", "async", "await", "break", "class", "continue",
    "def", "del", "elif", "else", "except", "finally", "for", "from", "global", "if", "import",
    "in", "is", "lambda", "nonlocal", "not", "or", "pass", "raise", "return", "try", "while",
    "with", "yield",
];

/// Whether Python keeps this word for itself.
pub(in crate::query) fn is_keyword(name: &str) -> bool {
    KEYWORDS.contains(&name)
}

/// Refuses names such as `__class__`, through which Python shows its insides.
pub(super) fn refuse_dunder(name: &str, column: u32) -> Result<()> {
    if name.starts_with("__") {
        let message = format!("'{name}': names with two underscores are refused");
        return Err(invalid(message, column, Some("write d[\"...\"] for such a field")));
    }
    Ok(())
}

impl Parser<'_> {
    /// The error for the word that stands here, where one of `due` would be right.
    pub(super) fn out_of_place(&self, due: &[&str]) -> Error {
        let column = self.column();
        let (message, hint) = match self.peek() {
            TokenKind::Op(":=") => ("':=' is not supported", "write the value where it is used"),
            TokenKind::Op("=") => ("'=' assigns, which a lambda cannot", "write == to compare"),
            TokenKind::Op("!") => ("'!' is not an operator", "write not"),
            TokenKind::Op("@") => ("'@' is not supported", ""),
            TokenKind::Op(";") => ("a lambda is one expression", "leave out the ';'"),
            TokenKind::Op("&") if self.peek_after() == &TokenKind::Op("&") => {
                ("'&&' is not an operator", "write and")
            }
            TokenKind::Op("|") if self.peek_after() == &TokenKind::Op("|") => {
                ("'||' is not an operator", "write or")
            }
            TokenKind::Op(
                "**=" | "//=" | "<<=" | ">>=" | "+=" | "-=" | "*=" | "/=" | "%=" | "&=" | "|="
                | "^=" | "@=",
            ) => ("a lambda cannot assign", "write == to compare"),
            TokenKind::Name(name) if name == "for" => {
                ("'for' is not expected here", "put brackets around: [x for x in ...]")
            }
            TokenKind::Op(",") => ("',' is not expected here", "put brackets around a tuple"),
            _ => return self.plainly(due),
        };
        invalid(message, column, (!hint.is_empty()).then_some(hint))
    }

    fn plainly(&self, due: &[&str]) -> Error {
        let found = self.peek().shown();
        let message = match due {
            [] => format!("{found} is not expected here"),
            _ => {
                let due: Vec<String> = due.iter().map(|op| format!("'{op}'")).collect();
                format!("{} was expected, not {found}", due.join(" or "))
            }
        };
        invalid(message, self.column(), None)
    }

    /// The error for a word that begins no expression.
    pub(super) fn no_expression(&self) -> Error {
        let column = self.column();
        let TokenKind::Name(name) = self.peek() else {
            let before = self.at.checked_sub(1).map(|at| &self.tokens[at].kind);
            let hint = match (before, self.peek()) {
                (Some(TokenKind::Op("&")), TokenKind::Op("&")) => Some("write and for &&"),
                (Some(TokenKind::Op("|")), TokenKind::Op("|")) => Some("write or for ||"),
                (_, TokenKind::Op("!")) => Some("write not for !"),
                (_, TokenKind::Op("...")) => Some("... is not supported"),
                _ => None,
            };
            return self.unexpected_with("an expression was expected", hint);
        };
        let hint = match name.as_str() {
            "import" | "from" => "nothing can be imported; re and datetime are there",
            "def" | "class" | "return" | "while" | "for" | "try" | "with" => {
                "a lambda is one expression; a comprehension can loop"
            }
            "await" | "async" | "yield" => "a lambda cannot wait",
            _ => return invalid(format!("'{name}' is not expected here"), column, None),
        };
        invalid(format!("'{name}' is not supported"), column, Some(hint))
    }
}
