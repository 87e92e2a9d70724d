//! Constants, names, displays and comprehensions.
//!
//! Left out: what follows them (`postfix`).

use super::{Parser, hint, node};
use crate::query::ast::{Clause, Comprehension, Kind, Literal, Made, Node, Target};
use crate::query::lexer::invalid;
use crate::query::token::TokenKind;
use crate::types::Result;

impl Parser<'_> {
    pub(super) fn atom(&mut self) -> Result<Node> {
        let column = self.column();
        let constant = |literal| Ok(Node::new(Kind::Constant(literal), column));
        match self.peek() {
            TokenKind::Int(value) => {
                self.advance();
                constant(Literal::Int(value.clone()))
            }
            TokenKind::Float(value) => {
                self.advance();
                constant(Literal::Float(*value))
            }
            TokenKind::Str(_) | TokenKind::FString(_) => self.strings(),
            TokenKind::Name(name) => self.name(name, column),
            TokenKind::Op("(") => {
                self.advance();
                self.deeper(|parser| parser.parenthesized(column))
            }
            TokenKind::Op("[") => {
                self.advance();
                self.deeper(|parser| parser.list(column))
            }
            TokenKind::Op("{") => {
                self.advance();
                self.deeper(|parser| parser.braces(column))
            }
            _ => Err(self.no_expression()),
        }
    }

    fn name(&mut self, name: &str, column: u32) -> Result<Node> {
        let literal = match name {
            "True" => Literal::Bool(true),
            "False" => Literal::Bool(false),
            "None" => Literal::None,
            _ if hint::is_keyword(name) => return Err(self.no_expression()),
            _ => {
                hint::refuse_dunder(name, column)?;
                self.advance();
                return Ok(Node::new(Kind::Name(name.to_owned()), column));
            }
        };
        self.advance();
        Ok(Node::new(Kind::Constant(literal), column))
    }

    /// An element of a display, which may be `*more`.
    fn element(&mut self) -> Result<Node> {
        let column = self.column();
        if self.skip("**") {
            return Err(invalid("'**' belongs into a dict", column, None));
        }
        if !self.skip("*") {
            return self.expression();
        }
        let more = self.deeper(|parser| parser.binary(0))?;
        node(Kind::Starred(Box::new(more)), column)
    }

    /// Elements up to `close`, the first being read; says whether a comma followed the last.
    fn elements(&mut self, first: Node, close: &str) -> Result<(Vec<Node>, bool)> {
        let mut elements = vec![first];
        loop {
            if self.skip(close) {
                return Ok((elements, false));
            }
            if !self.skip(",") {
                return Err(self.out_of_place(&[",", close]));
            }
            if self.skip(close) {
                return Ok((elements, true));
            }
            elements.push(self.element()?);
        }
    }

    /// `(` is read: a value in brackets, a tuple or a generator.
    fn parenthesized(&mut self, column: u32) -> Result<Node> {
        if self.skip(")") {
            return node(Kind::Tuple(Vec::new()), column);
        }
        let first = self.element()?;
        if self.at_name("for") {
            return self.comprehension(Made::Generator, first, None, ")", column);
        }
        let starred = matches!(first.kind, Kind::Starred(_));
        let (mut elements, comma) = self.elements(first, ")")?;
        if elements.len() == 1 && !comma && !starred {
            return elements.pop().ok_or_else(|| self.unexpected("an expression was expected"));
        }
        if elements.len() == 1 && !comma {
            return Err(invalid("'*' belongs into a list, a tuple or a set", column, None));
        }
        node(Kind::Tuple(elements), column)
    }

    /// `[` is read.
    fn list(&mut self, column: u32) -> Result<Node> {
        if self.skip("]") {
            return node(Kind::List(Vec::new()), column);
        }
        let first = self.element()?;
        if self.at_name("for") {
            return self.comprehension(Made::List, first, None, "]", column);
        }
        let elements = self.elements(first, "]")?.0;
        node(Kind::List(elements), column)
    }

    /// `{` is read: a dict or a set.
    fn braces(&mut self, column: u32) -> Result<Node> {
        if self.skip("}") {
            return node(Kind::Dict(Vec::new()), column);
        }
        if self.at_op("**") {
            return self.dict(Vec::new(), column);
        }
        let first = self.element()?;
        if self.skip(":") {
            let value = self.expression()?;
            if self.at_name("for") {
                return self.comprehension(Made::Dict, first, Some(value), "}", column);
            }
            let entries = vec![(Some(first), value)];
            if self.skip("}") {
                return node(Kind::Dict(entries), column);
            }
            self.expect(",")?;
            return self.dict(entries, column);
        }
        if self.at_name("for") {
            return self.comprehension(Made::Set, first, None, "}", column);
        }
        let elements = self.elements(first, "}")?.0;
        node(Kind::Set(elements), column)
    }

    /// Goes on with a dict, an entry or the end being next.
    fn dict(&mut self, mut entries: Vec<(Option<Node>, Node)>, column: u32) -> Result<Node> {
        while !self.skip("}") {
            if self.skip("**") {
                let more = self.deeper(|parser| parser.binary(0))?;
                entries.push((None, more));
            } else {
                let key = self.expression()?;
                self.expect(":")?;
                entries.push((Some(key), self.expression()?));
            }
            if !self.at_op("}") && !self.skip(",") {
                return Err(self.out_of_place(&[",", "}"]));
            }
        }
        node(Kind::Dict(entries), column)
    }

    /// Goes on with a comprehension whose element is read, up to and with `close`.
    pub(super) fn comprehension(
        &mut self,
        made: Made,
        element: Node,
        value: Option<Node>,
        close: &str,
        column: u32,
    ) -> Result<Node> {
        if matches!(element.kind, Kind::Starred(_)) {
            return Err(invalid("'*' cannot stand in a comprehension", element.column, None));
        }
        let mut clauses = Vec::new();
        while self.skip_name("for") {
            let target = self.targets("in")?;
            if !self.skip_name("in") {
                return Err(self.unexpected("'in' was expected"));
            }
            let source = self.deeper(Parser::or_test)?;
            let mut conditions = Vec::new();
            while self.skip_name("if") {
                conditions.push(self.deeper(Parser::or_test)?);
            }
            clauses.push(Clause { target, source, conditions });
        }
        if self.at_name("async") {
            return Err(self.no_expression());
        }
        self.expect(close)?;
        let parts = Comprehension { made, element, value, clauses };
        node(Kind::Comprehension(Box::new(parts)), column)
    }

    /// One target or, with a comma, several, up to `end`, a name or a bracket.
    fn targets(&mut self, end: &str) -> Result<Target> {
        let first = self.deeper(Parser::target)?;
        if !self.at_op(",") {
            return Ok(first);
        }
        let mut targets = vec![first];
        while self.skip(",") {
            if self.at_name(end) || self.at_op(end) {
                break;
            }
            targets.push(self.deeper(Parser::target)?);
        }
        Ok(Target::Many(targets))
    }

    fn target(&mut self) -> Result<Target> {
        let column = self.column();
        let close = match self.peek() {
            TokenKind::Op("(") => ")",
            TokenKind::Op("[") => "]",
            TokenKind::Op("*") => {
                let hint = Some("bind the whole and take a slice of it");
                return Err(invalid("'*' cannot stand after 'for'", column, hint));
            }
            _ => {
                let name = self.identifier("a name was expected after 'for'")?;
                return Ok(Target::Name(name));
            }
        };
        self.advance();
        if self.skip(close) {
            return Ok(Target::Many(Vec::new()));
        }
        let target = self.targets(close)?;
        self.expect(close)?;
        // `[x]` unpacks one element; `(x)` is x itself.
        match target {
            Target::Name(_) if close == "]" => Ok(Target::Many(vec![target])),
            _ => Ok(target),
        }
    }
}
