//! The tree a lambda is parsed into, printed from, and built as by hand.
//!
//! Names are names still; the compiler resolves them. Every part knows the column it began at, and
//! equality does not look at columns, so that a printed and parsed tree equals the first.
//!
//! Left out: text (`parser`, `printer`), building by hand (`expr`), meaning (`compiler`).

use std::cmp::Ordering;

use num_bigint::BigInt;

/// An expression and where it stands.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) kind: Kind,
    /// The character it begins at, from 1; 0 when it was built by hand.
    pub(super) column: u32,
    /// How many levels of expressions it has, itself counted.
    pub(super) height: usize,
}

impl PartialEq for Node {
    fn eq(&self, other: &Self) -> bool {
        self.kind == other.kind
    }
}

/// What an expression is.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Kind {
    Constant(Literal),
    Name(String),
    FString(Vec<Part>),
    List(Vec<Node>),
    Tuple(Vec<Node>),
    Set(Vec<Node>),
    /// Keys and values; without a key, `**value`.
    Dict(Vec<(Option<Node>, Node)>),
    /// `*value` in a display or a call.
    Starred(Box<Node>),
    Comprehension(Box<Comprehension>),
    Attribute(Box<Node>, String),
    Subscript(Box<Node>, Box<Node>),
    Slice(Box<[Option<Node>; 3]>),
    Call(Box<Node>, Vec<Argument>),
    Unary(Unary, Box<Node>),
    Binary(Binary, Box<Node>, Box<Node>),
    And(Vec<Node>),
    Or(Vec<Node>),
    /// `first op next op next ...`; every operand is evaluated at most once.
    Compare(Box<Node>, Vec<(Comparator, Node)>),
    Conditional(Box<Conditional>),
    Lambda(Vec<Parameter>, Box<Node>),
}

/// A value written in the text.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Literal {
    None,
    Bool(bool),
    Int(BigInt),
    Float(f64),
    Str(String),
}

/// A part of an f-string.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Part {
    Text(String),
    Field { value: Node, conversion: Option<char>, spec: Vec<Part> },
}

/// `element for target in source if condition ...`, in brackets of some kind.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Comprehension {
    pub(super) made: Made,
    /// What is collected; of a dict, its key.
    pub(super) element: Node,
    /// Of a dict, the value.
    pub(super) value: Option<Node>,
    pub(super) clauses: Vec<Clause>,
}

/// What a comprehension makes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Made {
    List,
    Set,
    Dict,
    Generator,
}

/// `for target in source if conditions`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Clause {
    pub(super) target: Target,
    pub(super) source: Node,
    pub(super) conditions: Vec<Node>,
}

/// What `for` binds.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Target {
    Name(String),
    Many(Vec<Target>),
}

/// `then if condition else otherwise`.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Conditional {
    pub(super) condition: Node,
    pub(super) then: Node,
    pub(super) otherwise: Node,
}

/// An argument of a call, by position or by name.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Argument {
    pub(super) name: Option<String>,
    pub(super) value: Node,
}

/// A parameter of a lambda.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Parameter {
    pub(super) name: String,
    pub(super) default: Option<Node>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unary {
    Not,
    Negative,
    Positive,
    Invert,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Binary {
    Add,
    Subtract,
    Multiply,
    Divide,
    FloorDivide,
    Modulo,
    Power,
    ShiftLeft,
    ShiftRight,
    BitAnd,
    BitOr,
    BitXor,
}

impl Binary {
    pub(super) const ALL: [Binary; 12] = [
        Binary::Add,
        Binary::Subtract,
        Binary::Multiply,
        Binary::Divide,
        Binary::FloorDivide,
        Binary::Modulo,
        Binary::Power,
        Binary::ShiftLeft,
        Binary::ShiftRight,
        Binary::BitAnd,
        Binary::BitOr,
        Binary::BitXor,
    ];

    /// The operator as it is written.
    pub(super) fn symbol(self) -> &'static str {
        match self {
            Binary::Add => "+",
            Binary::Subtract => "-",
            Binary::Multiply => "*",
            Binary::Divide => "/",
            Binary::FloorDivide => "//",
            Binary::Modulo => "%",
            Binary::Power => "**",
            Binary::ShiftLeft => "<<",
            Binary::ShiftRight => ">>",
            Binary::BitAnd => "&",
            Binary::BitOr => "|",
            Binary::BitXor => "^",
        }
    }

    /// How tightly it binds; comparisons bind at 4.
    pub(super) fn precedence(self) -> u8 {
        match self {
            Binary::BitOr => 5,
            Binary::BitXor => 6,
            Binary::BitAnd => 7,
            Binary::ShiftLeft | Binary::ShiftRight => 8,
            Binary::Add | Binary::Subtract => 9,
            Binary::Multiply | Binary::Divide | Binary::FloorDivide | Binary::Modulo => 10,
            Binary::Power => 12,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Comparator {
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    In,
    NotIn,
    Is,
    IsNot,
}

impl Comparator {
    /// The operator as it is written.
    pub(super) fn symbol(self) -> &'static str {
        match self {
            Comparator::Equal => "==",
            Comparator::NotEqual => "!=",
            Comparator::Less => "<",
            Comparator::LessEqual => "<=",
            Comparator::Greater => ">",
            Comparator::GreaterEqual => ">=",
            Comparator::In => "in",
            Comparator::NotIn => "not in",
            Comparator::Is => "is",
            Comparator::IsNot => "is not",
        }
    }

    /// Whether it holds between two values of this order; `None` if it does not ask for one.
    pub(super) fn holds(self, order: Ordering) -> Option<bool> {
        match self {
            Comparator::Equal => Some(order.is_eq()),
            Comparator::NotEqual => Some(order.is_ne()),
            Comparator::Less => Some(order.is_lt()),
            Comparator::LessEqual => Some(order.is_le()),
            Comparator::Greater => Some(order.is_gt()),
            Comparator::GreaterEqual => Some(order.is_ge()),
            Comparator::In | Comparator::NotIn | Comparator::Is | Comparator::IsNot => None,
        }
    }

    /// The operator that says the same with its sides exchanged, of those that order.
    pub(super) fn mirrored(self) -> Comparator {
        match self {
            Comparator::Less => Comparator::Greater,
            Comparator::LessEqual => Comparator::GreaterEqual,
            Comparator::Greater => Comparator::Less,
            Comparator::GreaterEqual => Comparator::LessEqual,
            other => other,
        }
    }
}

impl Node {
    pub(super) fn new(kind: Kind, column: u32) -> Node {
        let height = 1 + kind.children_height();
        Node { kind, column, height }
    }
}

impl Kind {
    fn children_height(&self) -> usize {
        fn of<'a>(nodes: impl IntoIterator<Item = &'a Node>) -> usize {
            nodes.into_iter().map(|node| node.height).max().unwrap_or(0)
        }
        match self {
            Kind::Constant(_) | Kind::Name(_) => 0,
            Kind::FString(parts) => parts.iter().map(Part::height).max().unwrap_or(0),
            Kind::List(nodes)
            | Kind::Tuple(nodes)
            | Kind::Set(nodes)
            | Kind::And(nodes)
            | Kind::Or(nodes) => of(nodes),
            Kind::Dict(entries) => {
                of(entries.iter().flat_map(|(key, value)| key.iter().chain(Some(value))))
            }
            Kind::Starred(node) | Kind::Attribute(node, _) | Kind::Unary(_, node) => node.height,
            Kind::Comprehension(parts) => {
                let clauses = parts.clauses.iter();
                let clauses =
                    clauses.flat_map(|clause| clause.conditions.iter().chain([&clause.source]));
                of(clauses.chain([&parts.element]).chain(&parts.value))
            }
            Kind::Subscript(a, b) | Kind::Binary(_, a, b) => a.height.max(b.height),
            Kind::Slice(parts) => of(parts.iter().flatten()),
            Kind::Call(function, arguments) => {
                function.height.max(of(arguments.iter().map(|argument| &argument.value)))
            }
            Kind::Compare(first, rest) => first.height.max(of(rest.iter().map(|(_, node)| node))),
            Kind::Conditional(parts) => of([&parts.condition, &parts.then, &parts.otherwise]),
            Kind::Lambda(parameters, body) => {
                body.height.max(of(parameters.iter().filter_map(|p| p.default.as_ref())))
            }
        }
    }
}

impl Part {
    fn height(&self) -> usize {
        match self {
            Part::Text(_) => 0,
            Part::Field { value, spec, .. } => {
                value.height.max(spec.iter().map(Part::height).max().unwrap_or(0))
            }
        }
    }
}
