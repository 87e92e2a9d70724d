//! Lambdas built by hand, of the same tree that text is parsed into.
//!
//! ```text
//! field("age").gt(30).and(field("role").equals("Dev"))
//! lambda d: d['age'] > 30 and d['role'] == 'Dev'
//! ```
//! What is built prints as Python text, and wherever a lambda is taken as text an expression can be
//! given too.
//!
//! Left out: lambdas inside, comprehensions and f-strings, which are better written as text
//! ([`Expr::parse`]).

use std::fmt;
use std::ops::{Add, Div, Mul, Neg, Not, Rem, Sub};

use num_bigint::BigInt;

use super::ast::{Argument, Binary, Comparator, Conditional, Kind, Literal, Node, Unary};
use super::{Program, parser, printer};
use crate::types::{Result, Value};

/// What the document is called in what is built.
const DOCUMENT: &str = "d";

/// An expression over a document.
///
/// # Examples
///
/// ```
/// use psdb_core::query::expr::{field, get};
///
/// let devs = field("age").gt(30).and(get("role").is_in(["Dev", "Lead"]));
/// assert_eq!(devs.to_string(), "lambda d: d['age'] > 30 and d.get('role') in ['Dev', 'Lead']");
/// assert!(devs.compile().is_ok());
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Expr {
    parameter: String,
    node: Node,
}

fn built(kind: Kind) -> Expr {
    Expr { parameter: DOCUMENT.to_owned(), node: Node::new(kind, 0) }
}

fn name(name: &str) -> Node {
    Node::new(Kind::Name(name.to_owned()), 0)
}

fn string(text: &str) -> Node {
    Node::new(Kind::Constant(Literal::Str(text.to_owned())), 0)
}

fn argument(value: Node) -> Argument {
    Argument { name: None, value }
}

/// The document itself.
pub fn document() -> Expr {
    built(Kind::Name(DOCUMENT.to_owned()))
}

/// A field of the document, `d["name"]`; evaluating it raises a `KeyError` where it is missing.
pub fn field(name: &str) -> Expr {
    document().field(name)
}

/// A field of the document, or `None` where it is missing: `d.get("name")`.
pub fn get(name: &str) -> Expr {
    document().call("get", [name])
}

/// A constant.
pub fn value(value: impl Into<Expr>) -> Expr {
    value.into()
}

/// A built-in function such as `len`, called with these arguments.
pub fn function<E: Into<Expr>>(called: &str, arguments: impl IntoIterator<Item = E>) -> Expr {
    let arguments = arguments.into_iter().map(|value| argument(value.into().node)).collect();
    built(Kind::Call(Box::new(name(called)), arguments))
}

impl Expr {
    /// Parses `lambda d: ...`.
    ///
    /// # Errors
    ///
    /// [`crate::Error::InvalidQuery`] with the column of what is no expression.
    pub fn parse(text: &str) -> Result<Expr> {
        let (parameter, node) = parser::parse(text)?;
        Ok(Expr { parameter, node })
    }

    /// Compiles this expression.
    ///
    /// # Errors
    ///
    /// [`crate::Error::InvalidQuery`] when it names what there is not, or nests too deeply.
    pub fn compile(&self) -> Result<Program> {
        Program::from_tree(&self.parameter, &self.node)
    }

    fn compare(self, comparator: Comparator, other: Expr) -> Expr {
        built(Kind::Compare(Box::new(self.node), vec![(comparator, other.node)]))
    }

    fn binary(self, operator: Binary, other: Expr) -> Expr {
        built(Kind::Binary(operator, Box::new(self.node), Box::new(other.node)))
    }

    /// `self == other`.
    #[must_use]
    pub fn equals(self, other: impl Into<Expr>) -> Expr {
        self.compare(Comparator::Equal, other.into())
    }

    /// `self != other`.
    #[must_use]
    pub fn differs(self, other: impl Into<Expr>) -> Expr {
        self.compare(Comparator::NotEqual, other.into())
    }

    /// `self < other`.
    #[must_use]
    pub fn lt(self, other: impl Into<Expr>) -> Expr {
        self.compare(Comparator::Less, other.into())
    }

    /// `self <= other`.
    #[must_use]
    pub fn le(self, other: impl Into<Expr>) -> Expr {
        self.compare(Comparator::LessEqual, other.into())
    }

    /// `self > other`.
    #[must_use]
    pub fn gt(self, other: impl Into<Expr>) -> Expr {
        self.compare(Comparator::Greater, other.into())
    }

    /// `self >= other`.
    #[must_use]
    pub fn ge(self, other: impl Into<Expr>) -> Expr {
        self.compare(Comparator::GreaterEqual, other.into())
    }

    /// `self in other`.
    #[must_use]
    pub fn is_in(self, other: impl Into<Expr>) -> Expr {
        self.compare(Comparator::In, other.into())
    }

    /// `other in self`.
    #[must_use]
    pub fn contains(self, other: impl Into<Expr>) -> Expr {
        other.into().compare(Comparator::In, self)
    }

    /// `self is None`.
    #[must_use]
    pub fn is_none(self) -> Expr {
        self.compare(Comparator::Is, built(Kind::Constant(Literal::None)))
    }

    /// `self and other`.
    #[must_use]
    pub fn and(self, other: impl Into<Expr>) -> Expr {
        let mut operands = match self.node.kind {
            Kind::And(operands) => operands,
            _ => vec![self.node],
        };
        operands.push(other.into().node);
        built(Kind::And(operands))
    }

    /// `self or other`.
    #[must_use]
    pub fn or(self, other: impl Into<Expr>) -> Expr {
        let mut operands = match self.node.kind {
            Kind::Or(operands) => operands,
            _ => vec![self.node],
        };
        operands.push(other.into().node);
        built(Kind::Or(operands))
    }

    /// `self if condition else otherwise`.
    #[must_use]
    pub fn when(self, condition: impl Into<Expr>, otherwise: impl Into<Expr>) -> Expr {
        built(Kind::Conditional(Box::new(Conditional {
            condition: condition.into().node,
            then: self.node,
            otherwise: otherwise.into().node,
        })))
    }

    /// `self["name"]`.
    #[must_use]
    pub fn field(self, name: &str) -> Expr {
        built(Kind::Subscript(Box::new(self.node), Box::new(string(name))))
    }

    /// `self[index]`.
    #[must_use]
    pub fn index(self, index: impl Into<Expr>) -> Expr {
        built(Kind::Subscript(Box::new(self.node), Box::new(index.into().node)))
    }

    /// `self.method(arguments)`.
    #[must_use]
    pub fn call<E: Into<Expr>>(self, method: &str, arguments: impl IntoIterator<Item = E>) -> Expr {
        let target = Node::new(Kind::Attribute(Box::new(self.node), method.to_owned()), 0);
        let arguments = arguments.into_iter().map(|value| argument(value.into().node)).collect();
        built(Kind::Call(Box::new(target), arguments))
    }

    /// `self.startswith(prefix)`.
    #[must_use]
    pub fn starts_with(self, prefix: &str) -> Expr {
        self.call("startswith", [prefix])
    }

    /// `self.lower()`.
    #[must_use]
    pub fn lower(self) -> Expr {
        self.call("lower", [""; 0])
    }

    /// `len(self)`.
    #[must_use]
    pub fn length(self) -> Expr {
        function("len", [self])
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&printer::print_lambda(&self.parameter, &self.node))
    }
}

impl From<Expr> for String {
    fn from(expr: Expr) -> String {
        expr.to_string()
    }
}

impl Not for Expr {
    type Output = Expr;

    /// `not self`.
    fn not(self) -> Expr {
        built(Kind::Unary(Unary::Not, Box::new(self.node)))
    }
}

impl Neg for Expr {
    type Output = Expr;

    fn neg(self) -> Expr {
        built(Kind::Unary(Unary::Negative, Box::new(self.node)))
    }
}

/// Implements operators between expressions and whatever turns into one.
macro_rules! operators {
    ($($operator:ident $method:ident $binary:ident),*) => {
        $(impl<E: Into<Expr>> $operator<E> for Expr {
            type Output = Expr;

            fn $method(self, other: E) -> Expr {
                self.binary(Binary::$binary, other.into())
            }
        })*
    };
}

operators!(Add add Add, Sub sub Subtract, Mul mul Multiply, Div div Divide, Rem rem Modulo);

impl From<Value> for Expr {
    fn from(value: Value) -> Expr {
        let constant = |literal| built(Kind::Constant(literal));
        match value {
            Value::Null => constant(Literal::None),
            Value::Bool(value) => constant(Literal::Bool(value)),
            // A minus is an operator in Python, also in front of a number.
            Value::Int(value) if value < 0 => -constant(Literal::Int(-BigInt::from(value))),
            Value::Int(value) => constant(Literal::Int(BigInt::from(value))),
            Value::Float(value) if value.is_nan() => function("float", ["nan"]),
            Value::Float(value) if value.is_sign_negative() => -constant(Literal::Float(-value)),
            Value::Float(value) => constant(Literal::Float(value)),
            Value::String(text) => constant(Literal::Str(text)),
            Value::Array(values) => {
                built(Kind::List(values.into_iter().map(|value| Expr::from(value).node).collect()))
            }
            Value::Object(fields) => {
                let entry =
                    |(name, value): (String, Value)| (Some(string(&name)), Expr::from(value).node);
                built(Kind::Dict(fields.into_iter().map(entry).collect()))
            }
        }
    }
}

/// Implements conversions of plain values.
macro_rules! constants {
    ($($from:ty => $variant:ident),*) => {
        $(impl From<$from> for Expr {
            fn from(value: $from) -> Expr {
                Value::$variant(value.into()).into()
            }
        })*
    };
}

constants!(bool => Bool, i32 => Int, i64 => Int, u32 => Int, u64 => Int, f64 => Float,
    &str => String, String => String);

impl<E: Into<Expr>> From<Option<E>> for Expr {
    fn from(value: Option<E>) -> Expr {
        value.map_or_else(|| Value::Null.into(), Into::into)
    }
}

impl<E: Into<Expr>> From<Vec<E>> for Expr {
    fn from(values: Vec<E>) -> Expr {
        built(Kind::List(values.into_iter().map(|value| value.into().node).collect()))
    }
}

impl<E: Into<Expr>, const N: usize> From<[E; N]> for Expr {
    fn from(values: [E; N]) -> Expr {
        Expr::from(Vec::from(values))
    }
}
