//! The words of a lambda.
//!
//! Left out: cutting text into them (`lexer`).

use num_bigint::BigInt;

/// A word and where it stands.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    /// The character it begins at, from 1.
    pub(super) column: u32,
}

/// What a word is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum TokenKind {
    Int(BigInt),
    Float(f64),
    Str(String),
    FString(Vec<Piece>),
    /// A name or a keyword.
    Name(String),
    /// An operator or a bracket, as written.
    Op(&'static str),
    End,
}

/// A part of an f-string.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Piece {
    Text(String),
    Field(Field),
}

/// `{tokens!conversion:spec}` in an f-string.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Field {
    /// The expression, [`TokenKind::End`] last.
    pub(super) tokens: Vec<Token>,
    /// `s`, `r` or `a`.
    pub(super) conversion: Option<char>,
    pub(super) spec: Vec<Piece>,
}

impl TokenKind {
    /// The word as an error names it.
    pub(super) fn shown(&self) -> String {
        match self {
            TokenKind::Int(value) => value.to_string(),
            TokenKind::Float(value) => format!("{value:?}"),
            TokenKind::Str(_) => "a string".into(),
            TokenKind::FString(_) => "an f-string".into(),
            TokenKind::Name(name) => format!("'{name}'"),
            TokenKind::Op(op) => format!("'{op}'"),
            TokenKind::End => "the end".into(),
        }
    }
}
