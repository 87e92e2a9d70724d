//! Strings that stand side by side, which are one, and f-strings.
//!
//! Left out: cutting them into pieces (`lexer`).

use super::{Parser, node};
use crate::query::ast::{Kind, Literal, Node, Part};
use crate::query::lexer::invalid;
use crate::query::printer;
use crate::query::token::{Piece, TokenKind};
use crate::types::Result;

impl Parser<'_> {
    pub(super) fn strings(&mut self) -> Result<Node> {
        let column = self.column();
        let mut parts = Vec::new();
        let mut plain = true;
        loop {
            match self.peek() {
                TokenKind::Str(text) => push_text(&mut parts, text),
                TokenKind::FString(pieces) => {
                    plain = false;
                    self.parts(pieces, &mut parts)?;
                }
                _ => break,
            }
            self.advance();
        }
        if plain {
            let text = match parts.pop() {
                Some(Part::Text(text)) => text,
                _ => String::new(),
            };
            return Ok(Node::new(Kind::Constant(Literal::Str(text)), column));
        }
        node(Kind::FString(parts), column)
    }

    fn parts(&self, pieces: &[Piece], parts: &mut Vec<Part>) -> Result<()> {
        for piece in pieces {
            let field = match piece {
                Piece::Text(text) => {
                    push_text(parts, text);
                    continue;
                }
                Piece::Field(field) => field,
            };
            let mut inside = Parser { tokens: &field.tokens, at: 0, depth: self.depth };
            let column = inside.column();
            let value = inside.deeper(Parser::field)?;
            if printer::print_expression(&value).contains('\\') {
                let message = "a string in a field of an f-string needs an escape";
                return Err(invalid(message, column, Some("join strings with +")));
            }
            let mut spec = Vec::new();
            self.parts(&field.spec, &mut spec)?;
            parts.push(Part::Field { value, conversion: field.conversion, spec });
        }
        Ok(())
    }

    /// The expression of a field; a tuple needs no brackets there.
    fn field(&mut self) -> Result<Node> {
        let column = self.column();
        let first = self.expression()?;
        if !self.at_op(",") {
            self.ended(&[])?;
            return Ok(first);
        }
        let mut items = vec![first];
        while self.skip(",") {
            if self.peek() == &TokenKind::End {
                break;
            }
            items.push(self.expression()?);
        }
        self.ended(&[])?;
        if items.is_empty() {
            return Err(invalid("an expression was expected", column, None));
        }
        node(Kind::Tuple(items), column)
    }
}

fn push_text(parts: &mut Vec<Part>, text: &str) {
    match parts.last_mut() {
        Some(Part::Text(before)) => before.push_str(text),
        _ => parts.push(Part::Text(text.to_owned())),
    }
}
