//! Turns a parsed lambda into code: resolves names, recognizes shapes, computes constants.
//!
//! A name is the innermost variable of that name, else a built-in; anything else is refused, so a
//! misspelt name never matches silently. What Python knows and PSDB does not is refused here with a
//! hint, before any document is looked at.
//!
//! Left out: what depends on values (`eval`).

mod names;

use num_traits::ToPrimitive;

use super::ast::{self, Comparator, Kind, Literal, Made, Node};
use super::eval;
use super::lexer::invalid;
use super::object::{Builtin, Method, Type};
use super::predicate::{
    Arguments, Call, Clause, Code, Comprehension, Element, FieldName, Get, Key, Lambda, MethodCall,
    Part, Target,
};
use crate::types::Result;

/// Compiles the body of a lambda whose parameter is called `parameter`.
pub(super) fn compile(parameter: &str, body: &Node) -> Result<Code> {
    let mut compiler = Compiler { parameter, scopes: Vec::new() };
    compiler.node(body)
}

/// Compiles nodes; knows which names are bound around them.
struct Compiler<'t> {
    /// What the document is called.
    parameter: &'t str,
    /// The lambdas and comprehensions around, outermost first.
    scopes: Vec<Scope>,
}

/// The variables of one lambda or comprehension.
#[derive(Default)]
struct Scope {
    /// What Python calls it, such as `<listcomp>`.
    label: &'static str,
    names: Vec<String>,
    /// Whether a lambda or a generator inside may keep the frame.
    captured: bool,
}

type Nodes<'n> = &'n [Node];

impl Compiler<'_> {
    fn boxed(&mut self, node: &Node) -> Result<Box<Code>> {
        Ok(Box::new(self.node(node)?))
    }

    fn nodes(&mut self, nodes: Nodes<'_>) -> Result<Box<[Code]>> {
        nodes.iter().map(|node| self.node(node)).collect()
    }

    fn optional(&mut self, node: Option<&Node>) -> Result<Option<Code>> {
        node.map(|node| self.node(node)).transpose()
    }

    fn elements(&mut self, nodes: Nodes<'_>) -> Result<Box<[Element]>> {
        nodes.iter().map(|node| self.element(node)).collect()
    }

    fn element(&mut self, node: &Node) -> Result<Element> {
        match &node.kind {
            Kind::Starred(more) => Ok(Element { spread: true, code: self.node(more)? }),
            _ => Ok(Element { spread: false, code: self.node(node)? }),
        }
    }

    fn node(&mut self, node: &Node) -> Result<Code> {
        let code = match &node.kind {
            Kind::Constant(literal) => constant(literal),
            Kind::Name(name) => self.name(name, node.column)?,
            Kind::FString(parts) => Code::FString(self.parts(parts)?),
            Kind::List(items) => Code::List(self.elements(items)?),
            Kind::Tuple(items) => Code::Tuple(self.elements(items)?),
            Kind::Set(items) => Code::Set(self.elements(items)?),
            Kind::Dict(entries) => {
                let entry = |(key, value): &(Option<Node>, Node)| {
                    Ok((self.optional(key.as_ref())?, self.node(value)?))
                };
                Code::Dict(entries.iter().map(entry).collect::<Result<_>>()?)
            }
            Kind::Starred(_) => {
                return Err(invalid("'*' is not expected here", node.column, None));
            }
            Kind::Comprehension(parts) => self.comprehension(parts)?,
            Kind::Attribute(target, name) => self.attribute(target, name, node.column)?,
            Kind::Subscript(target, index) => self.subscript(target, index)?,
            Kind::Slice(_) => {
                return Err(invalid("a slice stands in brackets only", node.column, None));
            }
            Kind::Call(function, arguments) => self.call(function, arguments, node.column)?,
            Kind::Unary(operator, operand) => fold(Code::Unary(*operator, self.boxed(operand)?)),
            Kind::Binary(operator, left, right) => {
                fold(Code::Binary(*operator, self.boxed(left)?, self.boxed(right)?))
            }
            Kind::And(operands) => Code::And(self.nodes(operands)?),
            Kind::Or(operands) => Code::Or(self.nodes(operands)?),
            Kind::Compare(first, rest) => self.compare(first, rest)?,
            Kind::Conditional(parts) => Code::Conditional(Box::new([
                self.node(&parts.condition)?,
                self.node(&parts.then)?,
                self.node(&parts.otherwise)?,
            ])),
            Kind::Lambda(parameters, body) => self.lambda(parameters, body)?,
        };
        Ok(code)
    }

    fn parts(&mut self, parts: &[ast::Part]) -> Result<Box<[Part]>> {
        let part = |part: &ast::Part| {
            Ok(match part {
                ast::Part::Text(text) => Part::Text(text.as_str().into()),
                ast::Part::Field { value, conversion, spec } => {
                    let (value, spec) = (self.node(value)?, self.parts(spec)?);
                    Part::Field { value, conversion: *conversion, spec }
                }
            })
        };
        parts.iter().map(part).collect()
    }

    fn subscript(&mut self, target: &Node, index: &Node) -> Result<Code> {
        let target = self.boxed(target)?;
        if let Kind::Slice(parts) = &index.kind {
            let [start, stop, step] = &**parts;
            let parts = [
                self.optional(start.as_ref())?,
                self.optional(stop.as_ref())?,
                self.optional(step.as_ref())?,
            ];
            return Ok(Code::Slice(target, Box::new(parts)));
        }
        Ok(match self.node(index)? {
            Code::Str(name) => Code::Field(target, FieldName::new(name)),
            index => Code::Subscript(target, Box::new(index)),
        })
    }

    fn compare(&mut self, first: &Node, rest: &[(Comparator, Node)]) -> Result<Code> {
        let mut sides = vec![first];
        sides.extend(rest.iter().map(|(_, node)| node));
        for (at, (comparator, node)) in rest.iter().enumerate() {
            if matches!(comparator, Comparator::Is | Comparator::IsNot) {
                self.check_identity(sides[at], node, node.column)?;
            }
        }
        if let [(comparator @ (Comparator::In | Comparator::NotIn), list)] = rest
            && let Some((items, set)) = display(list)
        {
            let items = self.elements(items)?;
            if items.iter().all(|item| !item.spread && item.code.is_constant()) {
                let constants = items.into_iter().map(|item| item.code).collect();
                let negated = *comparator == Comparator::NotIn;
                return Ok(Code::Among { value: self.boxed(first)?, constants, set, negated });
            }
        }
        let first = self.boxed(first)?;
        let rest = rest.iter().map(|(comparator, node)| Ok((*comparator, self.node(node)?)));
        Ok(fold(Code::Compare(first, rest.collect::<Result<_>>()?)))
    }

    /// Identity is defined for what there is only one of.
    fn check_identity(&mut self, a: &Node, b: &Node, column: u32) -> Result<()> {
        let unique = |node: &Node| match &node.kind {
            Kind::Constant(Literal::None | Literal::Bool(_)) => true,
            Kind::Name(name) => !self.is_bound(name) && names::type_named(name).is_some(),
            Kind::Call(function, _) => {
                matches!(&function.kind, Kind::Name(name) if name == "type" && !self.is_bound(name))
            }
            _ => false,
        };
        if unique(a) || unique(b) {
            return Ok(());
        }
        let hint = Some("write == to compare values; is takes None, True, False or a type");
        Err(invalid("'is' compares identity, which values do not have", column, hint))
    }

    fn comprehension(&mut self, parts: &ast::Comprehension) -> Result<Code> {
        let mut clauses = Vec::new();
        let Some((first, others)) = parts.clauses.split_first() else {
            return Err(invalid("'for' was expected", parts.element.column, None));
        };
        // The first source does not see the variables.
        let source = self.node(&first.source)?;
        if parts.made == Made::Generator {
            self.scopes.iter_mut().for_each(|scope| scope.captured = true);
        }
        let mut names = Vec::new();
        parts.clauses.iter().for_each(|clause| bound_names(&clause.target, &mut names));
        let label = match parts.made {
            Made::List => "<listcomp>",
            Made::Set => "<setcomp>",
            Made::Dict => "<dictcomp>",
            Made::Generator => "<genexpr>",
        };
        self.scopes.push(Scope { label, names, captured: false });
        clauses.push(self.clause(first, source)?);
        for clause in others {
            let source = self.node(&clause.source)?;
            clauses.push(self.clause(clause, source)?);
        }
        let element = self.node(&parts.element)?;
        let value = self.optional(parts.value.as_ref())?;
        let scope = self.scopes.pop().unwrap_or_default();
        Ok(Code::Comprehension(Box::new(Comprehension {
            made: parts.made,
            element,
            value,
            clauses: clauses.into(),
            slots: scope.names.len(),
            captured: scope.captured,
        })))
    }

    fn clause(&mut self, clause: &ast::Clause, source: Code) -> Result<Clause> {
        let target = self.target(&clause.target);
        Ok(Clause { target, source, conditions: self.nodes(&clause.conditions)? })
    }

    fn target(&self, target: &ast::Target) -> Target {
        match target {
            ast::Target::Name(name) => {
                let names = self.scopes.last().map_or(&[][..], |scope| &scope.names);
                Target::Slot(names.iter().position(|other| other == name).unwrap_or(0))
            }
            ast::Target::Many(targets) => {
                Target::Many(targets.iter().map(|target| self.target(target)).collect())
            }
        }
    }

    fn lambda(&mut self, parameters: &[ast::Parameter], body: &Node) -> Result<Code> {
        let defaults = parameters.iter().filter_map(|parameter| parameter.default.as_ref());
        let defaults = defaults.map(|node| self.node(node)).collect::<Result<_>>()?;
        self.scopes.iter_mut().for_each(|scope| scope.captured = true);
        let names: Vec<String> = parameters.iter().map(|p| p.name.clone()).collect();
        let name = self.qualified_name();
        self.scopes.push(Scope { label: "<lambda>", names, captured: false });
        let body = self.node(body)?;
        let scope = self.scopes.pop().unwrap_or_default();
        let parameters = scope.names.iter().map(|name| name.as_str().into()).collect();
        let captured = scope.captured;
        Ok(Code::Lambda(Box::new(Lambda {
            name: name.into(),
            parameters,
            defaults,
            body,
            captured,
        })))
    }

    /// What Python calls a lambda made here.
    fn qualified_name(&self) -> String {
        let mut name = "<lambda>".to_owned();
        let mut outer = "<lambda>";
        for label in self.scopes.iter().map(|scope| scope.label).chain(["<lambda>"]) {
            name.push_str(if outer == "<lambda>" { ".<locals>." } else { "." });
            name.push_str(label);
            outer = label;
        }
        name
    }

    fn call(&mut self, function: &Node, given: &[ast::Argument], column: u32) -> Result<Code> {
        let arguments = self.arguments(given)?;
        let Kind::Attribute(target, name) = &function.kind else {
            let function = self.node(function)?;
            return Ok(Code::Call(Box::new(Call { function, arguments })));
        };
        if self.module(target).is_some() || self.named_type(target).is_some() {
            let function = self.node(function)?;
            return Ok(Code::Call(Box::new(Call { function, arguments })));
        }
        let method = Method::named(name);
        if method.is_none() && names::is_python_method(name) {
            return Err(names::unsupported_method(name, function.column.max(column)));
        }
        let receiver = self.node(target)?;
        let plain = arguments.by_name.is_empty()
            && arguments.by_position.iter().all(|argument| !argument.spread);
        if method == Some(Method::Get) && plain {
            let mut codes = arguments.by_position.iter().map(|argument| argument.code.clone());
            if let (Some(key), default, None) = (codes.next(), codes.next(), codes.next()) {
                let key = match key {
                    Code::Str(name) => Key::Constant(FieldName::new(name)),
                    key => Key::Computed(key),
                };
                return Ok(Code::Get(Box::new(Get { target: receiver, key, default })));
            }
        }
        let name = name.as_str().into();
        Ok(Code::MethodCall(Box::new(MethodCall { receiver, name, method, arguments })))
    }

    fn arguments(&mut self, given: &[ast::Argument]) -> Result<Arguments> {
        let (mut by_position, mut by_name) = (Vec::new(), Vec::new());
        for argument in given {
            match &argument.name {
                None => by_position.push(self.element(&argument.value)?),
                Some(name) => by_name.push((name.as_str().into(), self.node(&argument.value)?)),
            }
        }
        Ok(Arguments { by_position: by_position.into(), by_name: by_name.into() })
    }

    fn attribute(&mut self, target: &Node, name: &str, column: u32) -> Result<Code> {
        if let Some(module) = self.module(target) {
            let full = format!("{module}.{name}");
            if let Some(builtin) = Builtin::named(&full) {
                return Ok(Code::Builtin(builtin));
            }
            let hint = Some("re has search, match and fullmatch; datetime has fromisoformat");
            return Err(invalid(format!("'{full}' is not supported"), column, hint));
        }
        if let Some(kind) = self.named_type(target)
            && kind != Type::DateTime
        {
            let method = Method::named(name).filter(|method| method.belongs_to(kind));
            if method.is_none() {
                let message = format!("'{}.{name}' is not supported", kind.name());
                return Err(invalid(message, column, None));
            }
        }
        Ok(Code::Attribute(self.boxed(target)?, name.into()))
    }

    /// `re` or `datetime`, unless a variable is called so.
    fn module<'n>(&self, node: &'n Node) -> Option<&'n str> {
        match &node.kind {
            Kind::Name(name) if !self.is_bound(name) => {
                ["re", "datetime"].contains(&name.as_str()).then_some(name)
            }
            _ => None,
        }
    }

    fn named_type(&self, node: &Node) -> Option<Type> {
        match &node.kind {
            Kind::Name(name) if !self.is_bound(name) => names::type_named(name),
            _ => None,
        }
    }

    fn is_bound(&self, name: &str) -> bool {
        name == self.parameter || self.scopes.iter().any(|s| s.names.iter().any(|n| n == name))
    }

    fn name(&mut self, name: &str, column: u32) -> Result<Code> {
        for (depth, scope) in self.scopes.iter().rev().enumerate() {
            if let Some(slot) = scope.names.iter().position(|other| other == name) {
                return Ok(Code::Variable { depth, slot, name: name.into() });
            }
        }
        if name == self.parameter {
            return Ok(Code::Document);
        }
        if let Some(kind) = names::type_named(name) {
            return Ok(Code::Type(kind));
        }
        match Builtin::named(name) {
            Some(builtin) => Ok(Code::Builtin(builtin)),
            None => Err(names::unknown(name, self.parameter, column)),
        }
    }
}

fn bound_names(target: &ast::Target, names: &mut Vec<String>) {
    match target {
        ast::Target::Name(name) => {
            if !names.contains(name) {
                names.push(name.clone());
            }
        }
        ast::Target::Many(targets) => {
            for target in targets {
                bound_names(target, names);
            }
        }
    }
}

/// The elements of a display, and whether it is a set's.
fn display(node: &Node) -> Option<(Nodes<'_>, bool)> {
    match &node.kind {
        Kind::List(items) | Kind::Tuple(items) => Some((items, false)),
        Kind::Set(items) => Some((items, true)),
        _ => None,
    }
}

fn constant(literal: &Literal) -> Code {
    match literal {
        Literal::None => Code::None,
        Literal::Bool(value) => Code::Bool(*value),
        Literal::Int(value) => match value.to_i128() {
            Some(value) => Code::Int(value),
            None => Code::Big(value.clone()),
        },
        Literal::Float(value) => Code::Float(*value),
        Literal::Str(text) => Code::Str(text.as_str().into()),
    }
}

/// Computes what holds constants only. What raises is left to raise on every document.
fn fold(code: Code) -> Code {
    let constants = match &code {
        Code::Unary(_, operand) => operand.is_constant(),
        Code::Binary(_, left, right) => left.is_constant() && right.is_constant(),
        Code::Compare(first, rest) => {
            first.is_constant() && rest.iter().all(|(_, operand)| operand.is_constant())
        }
        _ => false,
    };
    if !constants {
        return code;
    }
    eval::constant(&code).unwrap_or(code)
}
