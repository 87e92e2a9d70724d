//! Golden scripts of the language's parts that are pure: words, refusals, printing, plans.

use std::fmt::Write as _;

use super::lexer::tokens;
use super::plan::Plan;
use super::planner::plan;
use super::token::{Piece, Token, TokenKind};
use super::{EvalError, Meter, Program, SourceIndex};
use crate::codec::EncodedDocument;
use crate::golden::run_scripts;
use crate::types::{Error, IndexName, Limits};

fn shown(kind: &TokenKind) -> String {
    match kind {
        TokenKind::Str(text) => format!("str {text:?}"),
        TokenKind::Int(value) => format!("int {value}"),
        TokenKind::Float(value) => format!("float {value:?}"),
        TokenKind::Name(name) => name.clone(),
        TokenKind::Op(op) => (*op).to_owned(),
        TokenKind::End => "end".to_owned(),
        TokenKind::FString(pieces) => format!("f[{}]", pieces_shown(pieces)),
    }
}

fn pieces_shown(pieces: &[Piece]) -> String {
    let shown = pieces.iter().map(|piece| match piece {
        Piece::Text(text) => format!("{text:?}"),
        Piece::Field(field) => {
            let conversion = field.conversion.map(|c| format!("!{c}")).unwrap_or_default();
            let spec = pieces_shown(&field.spec);
            format!("{{{}{conversion}:{spec}}}", words(&field.tokens))
        }
    });
    shown.collect::<Vec<_>>().join(" ")
}

fn words(tokens: &[Token]) -> String {
    let words = tokens.iter().map(|token| format!("{}@{}", shown(&token.kind), token.column));
    words.collect::<Vec<_>>().join(" ")
}

/// A refusal as the shell shows it: the text, a caret under the column, message and hint.
fn refusal(text: &str, error: &Error) -> String {
    let Error::InvalidQuery { message, column, hint } = error else {
        return format!("{error}\n");
    };
    let caret = " ".repeat(*column as usize - 1);
    let hint = hint.as_ref().map(|hint| format!("; {hint}")).unwrap_or_default();
    format!("{text}\n{caret}^ {message}{hint}\n")
}

#[test]
fn text_is_cut_into_words() {
    run_scripts("query/testscripts/lexer", |commands| {
        let line = |text: &&str| match tokens(text) {
            Ok(tokens) => format!("{}\n", words(&tokens)),
            Err(error) => refusal(text, &error),
        };
        commands.iter().map(line).collect()
    });
}

#[test]
fn what_is_refused_is_pointed_at() {
    run_scripts("query/testscripts/errors", |commands| {
        let line = |text: &&str| match Program::compile(text) {
            Ok(program) => format!("{}\n", program.text()),
            Err(error) => refusal(text, &error),
        };
        commands.iter().map(line).collect()
    });
}

#[test]
fn programs_print_as_python() {
    run_scripts("query/testscripts/printer", |commands| {
        let line = |text: &&str| match Program::compile(text) {
            Ok(program) => format!("{}\n", program.text()),
            Err(error) => refusal(text, &error),
        };
        commands.iter().map(line).collect()
    });
}

/// `index FIELD,FIELD` declares an index; any other line is a lambda to plan.
#[test]
fn plans_use_indexes() {
    run_scripts("query/testscripts/planner", |commands| {
        let mut indexes = Vec::new();
        let mut output = String::new();
        for command in commands {
            if let Some(fields) = command.strip_prefix("index ") {
                let names: Vec<String> = fields.split(',').map(str::to_owned).collect();
                let name = IndexName::from(fields);
                indexes.push(SourceIndex { name, fields: names, complete: true });
                continue;
            }
            let program = Program::compile(command).expect("a lambda of the language");
            let plan = plan(&program, &indexes);
            let plan = match plan {
                Plan::Index { ref low, ref high, .. } => {
                    format!("{plan}\n  from {low:02x?}\n  to   {high:02x?}")
                }
                other => other.to_string(),
            };
            let _ = writeln!(output, "{plan}");
        }
        output
    });
}

#[test]
fn limits_end_a_query_by_name() {
    let document = EncodedDocument::from_json(b"{}", &Limits::DEFAULT).expect("a document");
    for (text, limit) in [
        ("lambda d: sum(1 for x in range(10**9))", "more than 200000 steps"),
        ("lambda d: len('x' * 10**9)", "more than 67108864 bytes of memory"),
        ("lambda d: len([0] * 10**9)", "more than 67108864 bytes of memory"),
        ("lambda d: [list(range(10**6)) for x in range(10**6)]", "more than"),
        ("lambda d: (1 << d.get('n', 5000)) > 0", "more than 4096 bits"),
        ("lambda d: 10 ** 10 ** 10", "more than 4096 bits"),
        ("lambda d: (lambda f: f(f))(lambda f: f(f))", "deep"),
        ("lambda d: (lambda f: f(f))(lambda f: max([1], key=lambda x: f(f)))", "deep"),
        ("lambda d: (lambda f: f(f))(lambda f: sorted([1, 2], key=lambda x: f(f)))", "deep"),
        ("lambda d: (lambda f: f(f))(lambda f: list(map(lambda x: f(f), [1])))", "deep"),
        ("lambda d: (lambda f: f(f))(lambda f: [f(f) for x in [1] for y in [f(f)]])", "deep"),
        ("lambda d: (lambda f: f(f))(lambda f: f'{1:{f(f)}}' + str(f(f)))", "deep"),
        ("lambda d: (lambda f: f(f))(lambda f: '{0}'.format(any(f(f) for x in [1])))", "deep"),
        ("lambda d: f'{1:1000000000}'", "more than 67108864 bytes of memory"),
        ("lambda d: str({'a', 'b'})", "the order of a set is not defined"),
    ] {
        let program = Program::compile(text).expect("a lambda of the language");
        let meter = Meter::default().with_document_fuel(200_000);
        match program.matches_within(&document, &meter) {
            Err(EvalError::Limit(message)) => assert!(message.contains(limit), "{text}: {message}"),
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn hostile_nesting_is_refused() {
    for text in [
        format!("lambda d: {}1{}", "(".repeat(30_000), ")".repeat(30_000)),
        format!("lambda d: {}1", "[".repeat(60_000)),
        format!("lambda d: {}d", "not ".repeat(15_000)),
        format!("lambda d: {}d", "-".repeat(60_000)),
        format!("lambda d: d{}", ".a".repeat(30_000)),
        format!("lambda d: d{}", "[0]".repeat(20_000)),
        format!("lambda d: 1{}", " + 1".repeat(15_000)),
        format!("lambda d: 1{}", "**1".repeat(20_000)),
        format!("lambda d: {}1", "lambda x: ".repeat(6_000)),
        format!("lambda d: {}1", "1 if 1 else ".repeat(5_000)),
        format!("lambda d: [x for {}x in d]", "(".repeat(30_000)),
        format!("lambda d: f'{}'", "{".repeat(60_001)),
        format!("lambda d: f'{}'", "{1:".repeat(20_001)),
    ] {
        assert!(Program::compile(&text).is_err(), "{}", &text[..40]);
    }
}
