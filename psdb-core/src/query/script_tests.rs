//! Golden scripts of the language's parts that are pure: words, refusals, printing, plans.

use std::fmt::Write as _;
use std::sync::Arc;

use super::condition::constant;
use super::lexer::tokens;
use super::plan::{Access, Plan};
use super::planner::{Statistics, Wanted, helpful, plan};
use super::ranges::KeyRange;
use super::spans::whole_key;
use super::token::{Piece, Token, TokenKind};
use super::{EvalError, Meter, Program, SourceIndex};
use crate::codec::EncodedDocument;
use crate::codec::entry::IndexedFields;
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

/// What a script says about its data.
#[derive(Default)]
struct Told {
    indexes: Vec<SourceIndex>,
    documents: u64,
    /// How many entries have keys that begin like this, for each index.
    entries: Vec<(String, String, u64)>,
}

impl Statistics for Told {
    fn documents(&self) -> u64 {
        self.documents
    }

    fn entries(&self, index: &IndexName, low: &[u8], high: &[u8]) -> crate::types::Result<u64> {
        let of_index = self.entries.iter().filter(|(name, _, _)| name == index.as_str());
        let within = of_index.filter(|(_, value, _)| {
            let (_, key) = Program::compile(&format!("lambda d: {value}")).map_or_else(
                |error| panic!("{value}: {error}"),
                |program| (0, constant(program.code()).map(|value| whole_key(&value))),
            );
            key.is_some_and(|key| low <= &key[..] && &key[..] < high)
        });
        Ok(within.map(|(_, _, count)| count).sum())
    }
}

/// `index FIELD,FIELD` declares an index, `documents N` how many there are, `entries INDEX VALUE N` how
/// many entries have a value; any other line is a lambda to plan, with `sort LAMBDA [desc]` and `limit N`
/// behind it if it is so.
#[test]
fn plans_use_indexes() {
    run_scripts("query/testscripts/planner", |commands| {
        let mut told = Told { documents: 1_000, ..Told::default() };
        let mut output = String::new();
        for command in commands {
            let words: Vec<&str> = command.split(' ').collect();
            match &words[..] {
                ["index", fields] => {
                    let indexed = Arc::new(IndexedFields::new(fields.split(',')));
                    let name = IndexName::from(*fields);
                    told.indexes.push(SourceIndex {
                        name,
                        fields: indexed,
                        complete: true,
                        cut: false,
                    });
                }
                ["documents", number] => told.documents = number.parse().expect("a number"),
                ["entries", index, value, number] => {
                    let number = number.parse().expect("a number");
                    told.entries.push(((*index).into(), (*value).into(), number));
                }
                _ => output.push_str(&planned(&told, command)),
            }
        }
        output
    });
}

fn planned(told: &Told, command: &str) -> String {
    let (command, limit) = match command.rsplit_once(" limit ") {
        Some((command, limit)) => (command, Some(limit.parse().expect("a number"))),
        None => (command, None),
    };
    let (filter, order) = match command.split_once(" sort ") {
        Some((filter, order)) => (filter, Some(order)),
        None => (command, None),
    };
    let descending = order.is_some_and(|order| order.ends_with(" desc"));
    let compile = |text: &str| Program::compile(text).expect("a lambda of the language");
    let (filter, order) =
        (compile(filter), order.map(|text| compile(text.trim_end_matches(" desc"))));
    let order = order.as_ref().map(|key| (key, descending));
    let wanted = Wanted { filter: Some(&filter), order, limit, ..Wanted::default() };
    let chosen = plan(wanted, &told.indexes, told).expect("counting does not fail");
    let mut output = format!("{}", chosen.plan.tree());
    for ranges in ranges_of(&chosen.plan) {
        for KeyRange { low, high, exact } in ranges {
            let hex = super::plan::hex;
            let exact = if *exact { "" } else { "  to be looked at" };
            let _ = writeln!(output, "  {} .. {}{exact}", hex(low), hex(high));
        }
    }
    let helpful = match chosen.plan {
        Plan::Scan => helpful(wanted, &told.indexes),
        Plan::Find(_) | Plan::InOrder { .. } => None,
    };
    let helpful = helpful.map(|field| format!(", index on {field} would help"));
    let whole = if chosen.whole { ", every condition used" } else { "" };
    let _ = writeln!(
        output,
        "  about {} documents{whole}{}",
        chosen.documents,
        helpful.unwrap_or_default()
    );
    output
}

fn ranges_of(plan: &Plan) -> Vec<&[KeyRange]> {
    fn of_access(access: &Access) -> Vec<&[KeyRange]> {
        match access {
            Access::Nothing(_) => Vec::new(),
            Access::Index(ranges) => vec![&ranges.ranges],
            Access::Either(parts) | Access::Both(parts) => {
                parts.iter().flat_map(of_access).collect()
            }
        }
    }
    match plan {
        Plan::Scan => Vec::new(),
        Plan::Find(access) => of_access(access),
        Plan::InOrder { ranges, .. } => vec![&ranges.ranges],
    }
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
