//! Parses a lambda by recursive descent, with Python's precedences.
//!
//! ```text
//! lambda       'lambda' name ':' expression
//! expression   lambda | or-test ['if' or-test 'else' expression]
//! or-test      and-test {'or' and-test}
//! and-test     not-test {'and' not-test}
//! not-test     'not' not-test | comparison
//! comparison   binary {operator binary}
//! binary       unary {operator binary}       | ^ & << >> + - * / // % by precedence
//! unary        ('-' | '+' | '~') unary | power
//! power        postfix ['**' unary]
//! postfix      atom {'(' arguments ')' | '[' subscript ']' | '.' name}
//! ```
//! - here: down to `power`.
//! - `atom`: constants, names, displays and comprehensions.
//! - `postfix`: calls, subscripts, attributes.
//! - `fstring`: f-strings.
//! - `hint`: what to say where Python, or another language, was meant.
//!
//! Invariant: neither the parser's own recursion nor the tree it makes is deeper than a small
//! multiple of [`NESTING`], so hostile text cannot exhaust the stack.
//!
//! Left out: what names mean (`compiler`).

mod atom;
mod fstring;
mod hint;
mod postfix;

use super::ast::{Binary, Comparator, Conditional, Kind, Node, Parameter, Unary};
use super::lexer::{invalid, tokens};
use super::limits::NESTING;
use super::token::{Token, TokenKind};
use crate::types::{Error, Result};

/// How high a tree may be: chains of operators nest in it without any bracket.
const HEIGHT: usize = 2 * NESTING;

/// Parses `lambda name: expression`; returns the parameter's name and the body.
pub(super) fn parse(text: &str) -> Result<(String, Node)> {
    let tokens = tokens(text)?;
    let mut parser = Parser { tokens: &tokens, at: 0, depth: 0 };
    if !parser.skip_name("lambda") {
        let hint = Some("write lambda d: ...");
        return Err(parser.unexpected_with("'lambda' was expected", hint));
    }
    let column = parser.column();
    let mut parameters = parser.parameters()?;
    let (Some(parameter), true) = (parameters.pop(), parameters.is_empty()) else {
        let hint = Some("write lambda d: ...; d is the document");
        return Err(invalid("the lambda must have one parameter", column, hint));
    };
    if parameter.default.is_some() {
        return Err(invalid("the lambda's parameter cannot have a default", column, None));
    }
    parser.expect(":")?;
    let body = parser.expression()?;
    parser.ended(&[])?;
    Ok((parameter.name, body))
}

/// Reads words one after the other.
struct Parser<'t> {
    /// The words; the last is [`TokenKind::End`].
    tokens: &'t [Token],
    at: usize,
    depth: usize,
}

/// A node, unless the tree grew too high.
fn node(kind: Kind, column: u32) -> Result<Node> {
    let node = Node::new(kind, column);
    check_height(&node)?;
    Ok(node)
}

/// Refuses a tree that is too high to be walked.
pub(super) fn check_height(node: &Node) -> Result<()> {
    if node.height > HEIGHT {
        let message = format!("the lambda chains more than {HEIGHT} operators");
        return Err(invalid(message, node.column, Some("group them with brackets")));
    }
    Ok(())
}

impl<'t> Parser<'t> {
    fn peek(&self) -> &'t TokenKind {
        &self.tokens[self.at].kind
    }

    fn peek_after(&self) -> &'t TokenKind {
        &self.tokens[(self.at + 1).min(self.tokens.len() - 1)].kind
    }

    fn column(&self) -> u32 {
        self.tokens[self.at].column
    }

    fn advance(&mut self) {
        if self.at + 1 < self.tokens.len() {
            self.at += 1;
        }
    }

    fn at_op(&self, op: &str) -> bool {
        matches!(self.peek(), TokenKind::Op(found) if *found == op)
    }

    fn at_name(&self, name: &str) -> bool {
        matches!(self.peek(), TokenKind::Name(found) if found == name)
    }

    fn skip(&mut self, op: &str) -> bool {
        let found = self.at_op(op);
        if found {
            self.advance();
        }
        found
    }

    fn skip_name(&mut self, name: &str) -> bool {
        let found = self.at_name(name);
        if found {
            self.advance();
        }
        found
    }

    fn expect(&mut self, op: &str) -> Result<()> {
        if self.skip(op) { Ok(()) } else { self.ended(&[op]) }
    }

    /// Refuses whatever stands here, unless it is the end and nothing else is due.
    fn ended(&self, due: &[&str]) -> Result<()> {
        if due.is_empty() && self.peek() == &TokenKind::End {
            return Ok(());
        }
        Err(self.out_of_place(due))
    }

    fn unexpected(&self, expected: &str) -> Error {
        self.unexpected_with(expected, None)
    }

    fn unexpected_with(&self, expected: &str, hint: Option<&str>) -> Error {
        let message = format!("{expected}, not {}", self.peek().shown());
        invalid(message, self.column(), hint)
    }

    /// Runs `parse` one level deeper.
    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        if self.depth >= NESTING {
            let message = format!("the lambda nests deeper than {NESTING} levels");
            return Err(invalid(message, self.column(), None));
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    fn expression(&mut self) -> Result<Node> {
        self.deeper(Parser::conditional)
    }

    fn conditional(&mut self) -> Result<Node> {
        let column = self.column();
        if self.skip_name("lambda") {
            return self.lambda(column);
        }
        let then = self.or_test()?;
        if !self.skip_name("if") {
            return Ok(then);
        }
        let condition = self.or_test()?;
        if !self.skip_name("else") {
            return Err(self.unexpected("'else' was expected"));
        }
        let otherwise = self.expression()?;
        let parts = Conditional { condition, then, otherwise };
        node(Kind::Conditional(Box::new(parts)), column)
    }

    fn lambda(&mut self, column: u32) -> Result<Node> {
        let parameters = self.parameters()?;
        self.expect(":")?;
        let body = self.expression()?;
        node(Kind::Lambda(parameters, Box::new(body)), column)
    }

    fn parameters(&mut self) -> Result<Vec<Parameter>> {
        let mut parameters: Vec<Parameter> = Vec::new();
        while !self.at_op(":") {
            let column = self.column();
            if self.at_op("*") || self.at_op("**") || self.at_op("/") {
                let hint = Some("name every parameter");
                return Err(invalid("such parameters are not supported", column, hint));
            }
            let name = self.identifier("a parameter's name was expected")?;
            if parameters.iter().any(|other| other.name == name) {
                return Err(invalid(format!("'{name}' is a parameter twice"), column, None));
            }
            let default = if self.skip("=") { Some(self.expression()?) } else { None };
            if default.is_none() && parameters.iter().any(|other| other.default.is_some()) {
                let message = "a parameter without a default follows one with a default";
                return Err(invalid(message, column, None));
            }
            parameters.push(Parameter { name, default });
            if !self.skip(",") {
                break;
            }
        }
        Ok(parameters)
    }

    /// A name that is no keyword and not one of Python's own.
    fn identifier(&mut self, expected: &str) -> Result<String> {
        let TokenKind::Name(name) = self.peek() else { return Err(self.unexpected(expected)) };
        if hint::is_keyword(name) {
            return Err(self.unexpected(expected));
        }
        hint::refuse_dunder(name, self.column())?;
        self.advance();
        Ok(name.clone())
    }

    fn or_test(&mut self) -> Result<Node> {
        let column = self.column();
        let first = self.and_test()?;
        if !self.at_name("or") {
            return Ok(first);
        }
        let mut operands = vec![first];
        while self.skip_name("or") {
            operands.push(self.and_test()?);
        }
        node(Kind::Or(operands), column)
    }

    fn and_test(&mut self) -> Result<Node> {
        let column = self.column();
        let first = self.not_test()?;
        if !self.at_name("and") {
            return Ok(first);
        }
        let mut operands = vec![first];
        while self.skip_name("and") {
            operands.push(self.not_test()?);
        }
        node(Kind::And(operands), column)
    }

    fn not_test(&mut self) -> Result<Node> {
        let column = self.column();
        if !self.skip_name("not") {
            return self.comparison();
        }
        let operand = self.deeper(Parser::not_test)?;
        node(Kind::Unary(Unary::Not, Box::new(operand)), column)
    }

    fn comparison(&mut self) -> Result<Node> {
        let column = self.column();
        let first = self.binary(0)?;
        let mut rest = Vec::new();
        while let Some(comparator) = self.comparator()? {
            rest.push((comparator, self.binary(0)?));
        }
        if rest.is_empty() {
            return Ok(first);
        }
        node(Kind::Compare(Box::new(first), rest), column)
    }

    fn comparator(&mut self) -> Result<Option<Comparator>> {
        let comparator = match self.peek() {
            TokenKind::Op("==") => Comparator::Equal,
            TokenKind::Op("!=") => Comparator::NotEqual,
            TokenKind::Op("<") => Comparator::Less,
            TokenKind::Op("<=") => Comparator::LessEqual,
            TokenKind::Op(">") => Comparator::Greater,
            TokenKind::Op(">=") => Comparator::GreaterEqual,
            TokenKind::Name(name) if name == "in" => Comparator::In,
            TokenKind::Name(name) if name == "is" => {
                self.advance();
                let not = self.skip_name("not");
                return Ok(Some(if not { Comparator::IsNot } else { Comparator::Is }));
            }
            TokenKind::Name(name) if name == "not" => {
                self.advance();
                if !self.skip_name("in") {
                    return Err(self.unexpected("'in' was expected after 'not'"));
                }
                return Ok(Some(Comparator::NotIn));
            }
            _ => return Ok(None),
        };
        self.advance();
        Ok(Some(comparator))
    }

    /// Operators that bind tighter than `above`, by precedence climbing.
    fn binary(&mut self, above: u8) -> Result<Node> {
        let column = self.column();
        let mut left = self.unary()?;
        while let TokenKind::Op(op) = self.peek() {
            let operator = Binary::ALL.into_iter().find(|operator| operator.symbol() == *op);
            let Some(operator) = operator.filter(|o| o.precedence() > above) else { break };
            self.advance();
            let right = self.binary(operator.precedence())?;
            let kind = Kind::Binary(operator, Box::new(left), Box::new(right));
            left = node(kind, column)?;
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Node> {
        let column = self.column();
        let operator = match self.peek() {
            TokenKind::Op("-") => Unary::Negative,
            TokenKind::Op("+") => Unary::Positive,
            TokenKind::Op("~") => Unary::Invert,
            _ => return self.power(),
        };
        self.advance();
        let operand = self.deeper(Parser::unary)?;
        node(Kind::Unary(operator, Box::new(operand)), column)
    }

    fn power(&mut self) -> Result<Node> {
        let column = self.column();
        let base = self.postfix()?;
        if !self.skip("**") {
            return Ok(base);
        }
        let exponent = self.deeper(Parser::unary)?;
        node(Kind::Binary(Binary::Power, Box::new(base), Box::new(exponent)), column)
    }
}
