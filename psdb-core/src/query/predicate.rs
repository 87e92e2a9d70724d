//! A compiled lambda: names resolved to places, functions and methods known, constants computed.
//!
//! `Code` is a tree that the evaluation walks. Common shapes have forms of their own, so that they
//! run without allocating: a field with a constant name, `get`, membership in constants.
//!
//! Left out: making it (`compiler`), running it (`eval`).

use num_bigint::BigInt;

use super::ast::{Binary, Comparator, Made, Unary};
use super::object::{Builtin, Method, Type};
use crate::codec::Place;

/// A compiled expression.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Code {
    None,
    Bool(bool),
    Int(i128),
    Big(BigInt),
    Float(f64),
    Str(Box<str>),
    /// The document itself.
    Document,
    /// Variable `slot` of the frame `depth` levels out.
    Variable {
        depth: usize,
        slot: usize,
        name: Box<str>,
    },
    Builtin(Builtin),
    Type(Type),
    FString(Box<[Part]>),
    List(Box<[Element]>),
    Tuple(Box<[Element]>),
    Set(Box<[Element]>),
    Dict(Box<[(Option<Code>, Code)]>),
    Comprehension(Box<Comprehension>),
    /// `target["name"]`.
    Field(Box<Code>, FieldName),
    /// `target.name`.
    Attribute(Box<Code>, Box<str>),
    Subscript(Box<Code>, Box<Code>),
    Slice(Box<Code>, Box<[Option<Code>; 3]>),
    Call(Box<Call>),
    MethodCall(Box<MethodCall>),
    /// `target.get(key, default)`.
    Get(Box<Get>),
    Unary(Unary, Box<Code>),
    Binary(Binary, Box<Code>, Box<Code>),
    And(Box<[Code]>),
    Or(Box<[Code]>),
    Compare(Box<Code>, Box<[(Comparator, Code)]>),
    /// Whether a value is one of constants, and whether those are a set.
    Among {
        value: Box<Code>,
        constants: Box<[Code]>,
        set: bool,
        negated: bool,
    },
    Conditional(Box<[Code; 3]>),
    Lambda(Box<Lambda>),
}

/// A constant name of a field, with the place where it was found last.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct FieldName {
    pub(super) name: Box<str>,
    pub(super) place: Place,
}

impl FieldName {
    pub(super) fn new(name: Box<str>) -> FieldName {
        FieldName { name, place: Place::default() }
    }
}

/// `target.get(key, default)`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Get {
    pub(super) target: Code,
    pub(super) key: Key,
    pub(super) default: Option<Code>,
}

impl Get {
    /// Whether its default, which Python evaluates even where it is not needed, raises on no document.
    pub(super) fn default_never_raises(&self) -> bool {
        self.default.as_ref().is_none_or(Code::never_raises)
    }
}

/// What `get` looks for.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Key {
    Constant(FieldName),
    Computed(Code),
}

/// A part of an f-string.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Part {
    Text(Box<str>),
    Field { value: Code, conversion: Option<char>, spec: Box<[Part]> },
}

/// An element of a display or an argument; spread, it stands for all its own elements.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Element {
    pub(super) spread: bool,
    pub(super) code: Code,
}

/// A comprehension; its variables have a frame of their own.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Comprehension {
    pub(super) made: Made,
    pub(super) element: Code,
    pub(super) value: Option<Code>,
    /// The first clause's source is evaluated outside of the frame.
    pub(super) clauses: Box<[Clause]>,
    pub(super) slots: usize,
    /// Whether something made inside may refer to the frame.
    pub(super) captured: bool,
}

/// `for target in source if conditions`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Clause {
    pub(super) target: Target,
    pub(super) source: Code,
    pub(super) conditions: Box<[Code]>,
}

/// What `for` binds.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Target {
    Slot(usize),
    Many(Box<[Target]>),
}

/// A call of any object.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Call {
    pub(super) function: Code,
    pub(super) arguments: Arguments,
}

/// A call of an attribute.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct MethodCall {
    pub(super) receiver: Code,
    pub(super) name: Box<str>,
    pub(super) method: Option<Method>,
    pub(super) arguments: Arguments,
}

/// The arguments of a call.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Arguments {
    pub(super) by_position: Box<[Element]>,
    pub(super) by_name: Box<[(Box<str>, Code)]>,
}

/// A lambda inside the lambda.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Lambda {
    /// What messages call it, such as `<lambda>.<locals>.<lambda>`.
    pub(super) name: Box<str>,
    pub(super) parameters: Box<[Box<str>]>,
    /// The defaults of the last parameters.
    pub(super) defaults: Box<[Code]>,
    pub(super) body: Code,
    /// Whether something made inside may refer to the frame.
    pub(super) captured: bool,
}

impl Code {
    /// Whether this is a scalar that is known.
    pub(super) fn is_constant(&self) -> bool {
        matches!(
            self,
            Code::None
                | Code::Bool(_)
                | Code::Int(_)
                | Code::Big(_)
                | Code::Float(_)
                | Code::Str(_)
        )
    }

    /// Whether it is certain that evaluating this raises on no document.
    pub(super) fn never_raises(&self) -> bool {
        match self {
            Code::Document => true,
            Code::List(items) | Code::Tuple(items) => {
                items.iter().all(|item| !item.spread && item.code.never_raises())
            }
            Code::Dict(entries) => entries.iter().all(|(key, value)| {
                key.as_ref().is_some_and(Code::is_constant) && value.never_raises()
            }),
            Code::Get(parts) => {
                let of_document = matches!(parts.target, Code::Document);
                of_document && matches!(parts.key, Key::Constant(_)) && parts.default_never_raises()
            }
            other => other.is_constant(),
        }
    }
}
