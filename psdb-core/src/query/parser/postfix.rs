//! Calls, subscripts and attributes.
//!
//! Left out: which functions and attributes there are (`compiler`).

use super::{Parser, hint, node};
use crate::query::ast::{Argument, Kind, Made, Node};
use crate::query::lexer::invalid;
use crate::query::token::TokenKind;
use crate::types::Result;

impl Parser<'_> {
    pub(super) fn postfix(&mut self) -> Result<Node> {
        let column = self.column();
        let mut tree = self.atom()?;
        loop {
            let kind = match self.peek() {
                TokenKind::Op(".") => {
                    self.advance();
                    Kind::Attribute(Box::new(tree), self.attribute()?)
                }
                TokenKind::Op("[") => {
                    self.advance();
                    let index = self.deeper(Parser::subscript)?;
                    Kind::Subscript(Box::new(tree), Box::new(index))
                }
                TokenKind::Op("(") => {
                    self.advance();
                    let arguments = self.deeper(Parser::arguments)?;
                    Kind::Call(Box::new(tree), arguments)
                }
                _ => return Ok(tree),
            };
            tree = node(kind, column)?;
        }
    }

    fn attribute(&mut self) -> Result<String> {
        let column = self.column();
        let TokenKind::Name(name) = self.peek() else {
            return Err(self.unexpected("a field's or a method's name was expected"));
        };
        hint::refuse_dunder(name, column)?;
        if hint::is_keyword(name) {
            let hint = format!("write [\"{name}\"] for a field");
            return Err(invalid(format!("'{name}' cannot follow '.'"), column, Some(&hint)));
        }
        self.advance();
        Ok(name.clone())
    }

    /// `[` is read.
    fn subscript(&mut self) -> Result<Node> {
        let column = self.column();
        let first = self.slice()?;
        if !self.at_op(",") {
            self.expect("]")?;
            return Ok(first);
        }
        let mut items = vec![first];
        while self.skip(",") {
            if self.at_op("]") {
                break;
            }
            items.push(self.slice()?);
        }
        self.expect("]")?;
        if items.iter().any(|item| matches!(item.kind, Kind::Slice(_))) {
            return Err(invalid("a slice cannot be part of a tuple", column, None));
        }
        node(Kind::Tuple(items), column)
    }

    fn slice(&mut self) -> Result<Node> {
        let column = self.column();
        let part = |parser: &mut Self| {
            if parser.at_op(":") || parser.at_op("]") || parser.at_op(",") {
                Ok(None)
            } else {
                parser.expression().map(Some)
            }
        };
        if self.at_op("]") {
            return Err(self.unexpected("an index was expected"));
        }
        let start = part(self)?;
        if !self.skip(":") {
            return start.ok_or_else(|| self.unexpected("an index was expected"));
        }
        let stop = part(self)?;
        let step = if self.skip(":") { part(self)? } else { None };
        node(Kind::Slice(Box::new([start, stop, step])), column)
    }

    /// `(` is read.
    fn arguments(&mut self) -> Result<Vec<Argument>> {
        let open = self.tokens[self.at.saturating_sub(1)].column;
        let mut arguments: Vec<Argument> = Vec::new();
        while !self.skip(")") {
            let column = self.column();
            if self.skip("**") {
                let hint = Some("name the arguments");
                return Err(invalid("'**' is not supported in a call", column, hint));
            }
            let argument = self.argument()?;
            if self.at_name("for") {
                let alone = arguments.is_empty() && argument.name.is_none();
                let made = Made::Generator;
                let value = self.comprehension(made, argument.value, None, ")", open)?;
                if !alone {
                    let hint = Some("put brackets around it");
                    return Err(invalid("a generator must be the only argument", column, hint));
                }
                return Ok(vec![Argument { name: None, value }]);
            }
            let named = arguments.iter().any(|other| other.name.is_some());
            if argument.name.is_none() && named {
                let message = "an argument without a name follows one with a name";
                return Err(invalid(message, column, None));
            }
            if argument.name.is_some() && arguments.iter().any(|a| a.name == argument.name) {
                return Err(invalid("an argument is given twice", column, None));
            }
            arguments.push(argument);
            if !self.at_op(")") && !self.skip(",") {
                return Err(self.out_of_place(&[",", ")"]));
            }
        }
        Ok(arguments)
    }

    fn argument(&mut self) -> Result<Argument> {
        let column = self.column();
        if self.skip("*") {
            let more = self.expression()?;
            let value = node(Kind::Starred(Box::new(more)), column)?;
            return Ok(Argument { name: None, value });
        }
        let name = match (self.peek(), self.peek_after()) {
            (TokenKind::Name(_), TokenKind::Op("=")) => {
                let name = self.identifier("an argument's name was expected")?;
                self.advance();
                Some(name)
            }
            _ => None,
        };
        Ok(Argument { name, value: self.expression()? })
    }
}
