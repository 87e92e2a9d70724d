//! Golden scripts of compiled code, written with brackets: `(operator operands)`.

use super::predicate::{Arguments, Code, Element, Get, Key, Target};
use super::{Program, expr};
use crate::golden::run_scripts;
use crate::types::Result;

fn all<'c>(codes: impl IntoIterator<Item = &'c Code>) -> String {
    codes.into_iter().flat_map(|code| [" ".to_owned(), shown(code)]).collect()
}

fn elements(elements: &[Element]) -> String {
    let element = |e: &Element| format!(" {}{}", if e.spread { "*" } else { "" }, shown(&e.code));
    elements.iter().map(element).collect()
}

fn arguments(arguments: &Arguments) -> String {
    let named = arguments.by_name.iter().map(|(name, code)| format!(" {name}={}", shown(code)));
    elements(&arguments.by_position) + &named.collect::<String>()
}

fn target(target: &Target) -> String {
    match target {
        Target::Slot(slot) => format!("${slot}"),
        Target::Many(targets) => {
            format!("({})", targets.iter().map(self::target).collect::<Vec<_>>().join(" "))
        }
    }
}

fn comprehension(parts: &super::predicate::Comprehension) -> String {
    let value = parts.value.as_ref().map(|value| format!(":{}", shown(value)));
    let mut text = format!("({:?} {}", parts.made, shown(&parts.element));
    text.push_str(&value.unwrap_or_default());
    for clause in &parts.clauses {
        let conditions = clause.conditions.iter().map(|code| format!(" if {}", shown(code)));
        let (target, source) = (target(&clause.target), shown(&clause.source));
        text.extend([" for ", &target, " in ", &source, &conditions.collect::<String>()]);
    }
    text + if parts.captured { " captured)" } else { ")" }
}

fn shown(code: &Code) -> String {
    match code {
        Code::None => "None".into(),
        Code::Bool(value) => if *value { "True" } else { "False" }.into(),
        Code::Int(value) => value.to_string(),
        Code::Big(value) => format!("big:{value}"),
        Code::Float(value) => format!("{value:?}"),
        Code::Str(text) => format!("{text:?}"),
        Code::Document => "doc".into(),
        Code::Variable { depth, slot, .. } => format!("{}${slot}", "^".repeat(*depth)),
        Code::Builtin(builtin) => builtin.name().into(),
        Code::Type(kind) => kind.name().into(),
        Code::FString(parts) => format!("(fstring {})", parts.len()),
        Code::List(items) => format!("[{}]", elements(items).trim_start()),
        Code::Tuple(items) => format!("(tuple{})", elements(items)),
        Code::Set(items) => format!("(set{})", elements(items)),
        Code::Dict(entries) => format!("(dict {})", entries.len()),
        Code::Comprehension(parts) => comprehension(parts),
        Code::Field(target, field) => format!("{}[{:?}]", shown(target), field.name),
        Code::Attribute(target, name) => format!("{}.{name}", shown(target)),
        Code::Subscript(target, index) => format!("{}[{}]", shown(target), shown(index)),
        Code::Slice(target, parts) => {
            let parts = parts.iter().map(|part| part.as_ref().map_or("-".into(), shown));
            format!("(slice {} {})", shown(target), parts.collect::<Vec<String>>().join(" "))
        }
        Code::Call(call) => format!("({}{})", shown(&call.function), arguments(&call.arguments)),
        Code::MethodCall(call) => {
            let known = if call.method.is_some() { "" } else { "?" };
            format!(
                "({}.{}{known}{})",
                shown(&call.receiver),
                call.name,
                arguments(&call.arguments)
            )
        }
        Code::Get(parts) => {
            let Get { target, key, default } = &**parts;
            let key = match key {
                Key::Constant(field) => format!("{:?}", field.name),
                Key::Computed(key) => shown(key),
            };
            format!("(get {} {key}{})", shown(target), all(default))
        }
        Code::Unary(operator, operand) => format!("({operator:?} {})", shown(operand)),
        Code::Binary(operator, a, b) => {
            format!("({} {} {})", operator.symbol(), shown(a), shown(b))
        }
        Code::And(operands) => format!("(and{})", all(operands)),
        Code::Or(operands) => format!("(or{})", all(operands)),
        Code::Compare(first, rest) => {
            let rest = rest.iter().map(|(op, code)| format!(" {} {}", op.symbol(), shown(code)));
            format!("({}{})", shown(first), rest.collect::<String>())
        }
        Code::Among { value, constants, set, negated } => {
            let name = if *set { "among-set" } else { "among" };
            let not = if *negated { "not-" } else { "" };
            format!("({not}{name} {} :{})", shown(value), all(constants))
        }
        Code::Conditional(parts) => format!("(if{})", all(parts.iter())),
        Code::Lambda(lambda) => format!(
            "(lambda {}{} {}{})",
            lambda.parameters.join(","),
            all(&lambda.defaults),
            shown(&lambda.body),
            if lambda.captured { " captured" } else { "" }
        ),
    }
}

#[test]
fn lambdas_compile_to_code() {
    run_scripts("query/testscripts/compiler", |commands| {
        let line = |text: &&str| match Program::compile(text) {
            Ok(program) => format!("{}\n", shown(program.code())),
            Err(error) => format!("{error}\n"),
        };
        commands.iter().map(line).collect()
    });
}

#[test]
fn text_and_builder_compile_to_the_same_code() {
    let text = Program::compile("lambda doc: doc['age'] > 30 and doc.get('role') == 'Dev'");
    let built = expr::field("age").gt(30).and(expr::get("role").equals("Dev")).compile();
    let code = |program: Result<Program>| program.expect("it compiles").code().clone();
    assert_eq!(code(text), code(built));
}
