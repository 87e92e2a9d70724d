//! Prints a tree as Python text that parses into the same tree.
//!
//! Brackets stand only where precedence needs them; strings are quoted as `repr` does.
//!
//! Left out: the layout of the text a tree was parsed from.

use std::fmt::Write as _;

use super::ast::{
    Argument, Binary, Clause, Comprehension, Kind, Literal, Made, Node, Parameter, Part, Target,
    Unary,
};
use super::object::float;
use super::object::repr::quoted;

/// How tightly constructs bind; what binds looser than its place needs brackets.
mod level {
    pub(super) const LAMBDA: u8 = 0;
    pub(super) const CONDITIONAL: u8 = 0;
    pub(super) const OR: u8 = 1;
    pub(super) const AND: u8 = 2;
    pub(super) const NOT: u8 = 3;
    pub(super) const COMPARE: u8 = 4;
    pub(super) const UNARY: u8 = 11;
    pub(super) const POSTFIX: u8 = 13;
    pub(super) const ATOM: u8 = 14;
}

/// `lambda parameter: body`.
pub(super) fn print_lambda(parameter: &str, body: &Node) -> String {
    let mut out = format!("lambda {parameter}: ");
    print(body, 0, &mut out);
    out
}

/// An expression alone.
pub(super) fn print_expression(node: &Node) -> String {
    let mut out = String::new();
    print(node, 0, &mut out);
    out
}

fn level_of(kind: &Kind) -> u8 {
    match kind {
        Kind::Lambda(..) => level::LAMBDA,
        Kind::Conditional(_) => level::CONDITIONAL,
        Kind::Or(_) => level::OR,
        Kind::And(_) => level::AND,
        Kind::Unary(Unary::Not, _) => level::NOT,
        Kind::Compare(..) => level::COMPARE,
        Kind::Binary(operator, ..) => operator.precedence(),
        Kind::Unary(..) => level::UNARY,
        Kind::Attribute(..) | Kind::Subscript(..) | Kind::Call(..) => level::POSTFIX,
        _ => level::ATOM,
    }
}

/// Prints `node` where only what binds at least as tightly as `least` may stand.
fn print(node: &Node, least: u8, out: &mut String) {
    let brackets = level_of(&node.kind) < least;
    if brackets {
        out.push('(');
    }
    print_kind(&node.kind, out);
    if brackets {
        out.push(')');
    }
}

fn print_kind(kind: &Kind, out: &mut String) {
    match kind {
        Kind::Constant(literal) => print_literal(literal, out),
        Kind::Name(name) => out.push_str(name),
        Kind::FString(parts) => print_fstring(parts, out),
        Kind::List(items) => print_items("[", items, "]", out),
        Kind::Tuple(items) if items.len() == 1 => print_items("(", items, ",)", out),
        Kind::Tuple(items) => print_items("(", items, ")", out),
        Kind::Set(items) => print_items("{", items, "}", out),
        Kind::Dict(entries) => print_dict(entries, out),
        Kind::Starred(more) => {
            out.push('*');
            print(more, 5, out);
        }
        Kind::Comprehension(parts) => print_comprehension(parts, out),
        Kind::Attribute(target, name) => {
            print_target(target, out);
            out.push('.');
            out.push_str(name);
        }
        Kind::Subscript(target, index) => {
            print(target, level::POSTFIX, out);
            out.push('[');
            print(index, 0, out);
            out.push(']');
        }
        Kind::Slice(parts) => print_slice(parts, out),
        Kind::Call(function, arguments) => {
            print(function, level::POSTFIX, out);
            print_arguments(arguments, out);
        }
        Kind::Unary(Unary::Not, operand) => {
            out.push_str("not ");
            print(operand, level::NOT, out);
        }
        Kind::Unary(operator, operand) => {
            out.push(match operator {
                Unary::Negative => '-',
                Unary::Invert => '~',
                _ => '+',
            });
            print(operand, level::UNARY, out);
        }
        Kind::Binary(operator, left, right) => print_binary(*operator, left, right, out),
        Kind::And(operands) => print_joined(" and ", operands, level::NOT, out),
        Kind::Or(operands) => print_joined(" or ", operands, level::AND, out),
        Kind::Compare(first, rest) => {
            print(first, level::COMPARE + 1, out);
            for (comparator, operand) in rest {
                let _ = write!(out, " {} ", comparator.symbol());
                print(operand, level::COMPARE + 1, out);
            }
        }
        Kind::Conditional(parts) => {
            print(&parts.then, level::OR, out);
            out.push_str(" if ");
            print(&parts.condition, level::OR, out);
            out.push_str(" else ");
            print(&parts.otherwise, level::CONDITIONAL, out);
        }
        Kind::Lambda(parameters, body) => print_inner_lambda(parameters, body, out),
    }
}

fn print_inner_lambda(parameters: &[Parameter], body: &Node, out: &mut String) {
    out.push_str("lambda");
    for (at, parameter) in parameters.iter().enumerate() {
        out.push_str(if at == 0 { " " } else { ", " });
        out.push_str(&parameter.name);
        if let Some(default) = &parameter.default {
            out.push('=');
            print(default, 0, out);
        }
    }
    out.push_str(": ");
    print(body, 0, out);
}

/// The target of `.`: a number there needs brackets, or the point would become its own.
fn print_target(target: &Node, out: &mut String) {
    let number = matches!(target.kind, Kind::Constant(Literal::Int(_) | Literal::Float(_)));
    print(target, if number { level::ATOM + 1 } else { level::POSTFIX }, out);
}

fn print_literal(literal: &Literal, out: &mut String) {
    match literal {
        Literal::None => out.push_str("None"),
        Literal::Bool(value) => out.push_str(if *value { "True" } else { "False" }),
        Literal::Int(value) => out.push_str(&value.to_string()),
        Literal::Float(value) if value.is_infinite() => out.push_str("1e999"),
        Literal::Float(value) => out.push_str(&float::repr(*value)),
        Literal::Str(text) => quoted(text, out),
    }
}

fn print_joined(word: &str, operands: &[Node], least: u8, out: &mut String) {
    for (at, operand) in operands.iter().enumerate() {
        if at > 0 {
            out.push_str(word);
        }
        print(operand, least, out);
    }
}

fn print_items(open: &str, items: &[Node], close: &str, out: &mut String) {
    out.push_str(open);
    print_joined(", ", items, 0, out);
    out.push_str(close);
}

fn print_dict(entries: &[(Option<Node>, Node)], out: &mut String) {
    out.push('{');
    for (at, (key, value)) in entries.iter().enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        match key {
            Some(key) => {
                print(key, 0, out);
                out.push_str(": ");
                print(value, 0, out);
            }
            None => {
                out.push_str("**");
                print(value, 5, out);
            }
        }
    }
    out.push('}');
}

fn print_binary(operator: Binary, left: &Node, right: &Node, out: &mut String) {
    let own = operator.precedence();
    // Powers group to the right, and their right side may have a sign.
    let (least_left, least_right) =
        if operator == Binary::Power { (own + 1, level::UNARY) } else { (own, own + 1) };
    print(left, least_left, out);
    let _ = write!(out, " {} ", operator.symbol());
    print(right, least_right, out);
}

fn print_slice(parts: &[Option<Node>; 3], out: &mut String) {
    let [start, stop, step] = parts;
    if let Some(start) = start {
        print(start, 0, out);
    }
    out.push(':');
    if let Some(stop) = stop {
        print(stop, 0, out);
    }
    if let Some(step) = step {
        out.push(':');
        print(step, 0, out);
    }
}

fn print_arguments(arguments: &[Argument], out: &mut String) {
    // A generator alone brings its own brackets.
    if let [Argument { name: None, value }] = arguments
        && matches!(&value.kind, Kind::Comprehension(parts) if parts.made == Made::Generator)
    {
        return print(value, 0, out);
    }
    out.push('(');
    for (at, argument) in arguments.iter().enumerate() {
        if at > 0 {
            out.push_str(", ");
        }
        if let Some(name) = &argument.name {
            out.push_str(name);
            out.push('=');
        }
        print(&argument.value, 0, out);
    }
    out.push(')');
}

fn print_comprehension(parts: &Comprehension, out: &mut String) {
    let (open, close) = match parts.made {
        Made::List => ('[', ']'),
        Made::Set | Made::Dict => ('{', '}'),
        Made::Generator => ('(', ')'),
    };
    out.push(open);
    print(&parts.element, 0, out);
    if let Some(value) = &parts.value {
        out.push_str(": ");
        print(value, 0, out);
    }
    for Clause { target, source, conditions } in &parts.clauses {
        out.push_str(" for ");
        print_targets(target, out, false);
        out.push_str(" in ");
        print(source, level::OR, out);
        for condition in conditions {
            out.push_str(" if ");
            print(condition, level::OR, out);
        }
    }
    out.push(close);
}

fn print_targets(target: &Target, out: &mut String, inner: bool) {
    match target {
        Target::Name(name) => out.push_str(name),
        Target::Many(targets) => {
            let brackets = inner || targets.is_empty();
            out.push_str(if brackets { "(" } else { "" });
            for (at, target) in targets.iter().enumerate() {
                if at > 0 {
                    out.push_str(", ");
                }
                print_targets(target, out, true);
            }
            out.push_str(if targets.len() == 1 { "," } else { "" });
            out.push_str(if brackets { ")" } else { "" });
        }
    }
}

fn print_fstring(parts: &[Part], out: &mut String) {
    // Python 3.11 has no backslash and no surrounding quote inside of fields; so what needs them
    // goes over to an f-string in triple quotes, whose fields may hold both other quotes.
    let mut inside = String::new();
    print_parts(parts, &mut inside, 0);
    let quote = ["\"", "'", "\"\"\"", "'''"].into_iter().find(|quote| !inside.contains(quote));
    let quote = quote.unwrap_or("\"");
    out.push('f');
    out.push_str(quote);
    out.push_str(&inside);
    out.push_str(quote);
}

fn print_parts(parts: &[Part], out: &mut String, depth: usize) {
    for part in parts {
        match part {
            Part::Text(text) => {
                for c in text.chars() {
                    match c {
                        '{' | '}' if depth == 0 => {
                            let _ = write!(out, "{c}{c}");
                        }
                        '\'' => out.push_str("\\x27"),
                        '"' => out.push_str("\\x22"),
                        '\\' => out.push_str("\\\\"),
                        '{' | '}' | '\x00'..='\x1f' | '\x7f' => {
                            let _ = write!(out, "\\x{:02x}", c as u32);
                        }
                        _ => out.push(c),
                    }
                }
            }
            Part::Field { value, conversion, spec } => {
                let mut text = String::new();
                print(value, 1, &mut text);
                out.push_str(if text.starts_with('{') { "{ " } else { "{" });
                out.push_str(&text);
                if let Some(conversion) = conversion {
                    out.push('!');
                    out.push(*conversion);
                }
                if !spec.is_empty() {
                    out.push(':');
                    print_parts(spec, out, depth + 1);
                }
                out.push('}');
            }
        }
    }
}
