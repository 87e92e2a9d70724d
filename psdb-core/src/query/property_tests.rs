//! Proves, on CPython's cases, on random words and on random text, that nothing panics and that
//! what is printed parses into the same tree.

use proptest::prelude::*;

use super::expr::{Expr, document, field, function, get, value};
use super::{Meter, Program};
use crate::codec::EncodedDocument;
use crate::types::{Error, Limits, Value};

fn sample() -> EncodedDocument {
    let json = br#"{"a": 3, "s": "Hello", "l": [1, "x", null], "m": {"x": 1.5}, "n": null}"#;
    EncodedDocument::from_json(json, &Limits::DEFAULT).expect("a document")
}

/// Parses, prints, parses again; `None` for what does not parse.
fn stable(text: &str) -> Option<Expr> {
    let tree = Expr::parse(text).ok()?;
    let printed = tree.to_string();
    let again = Expr::parse(&printed).unwrap_or_else(|error| panic!("{text}\n{printed}\n{error}"));
    assert_eq!(again, tree, "{text}\n{printed}");
    assert_eq!(again.to_string(), printed, "{text}");
    Some(tree)
}

#[test]
fn cases_print_as_they_parse() {
    let cases = include_str!("../../tests/data/python_cases.ndjson");
    let mut count = 0;
    for line in cases.lines().step_by(7) {
        let line: serde_json::Value = serde_json::from_str(line).expect("a case is JSON");
        if let Some(body) = line[0].as_str() {
            count += usize::from(stable(&format!("lambda d: {body}")).is_some());
        }
    }
    assert!(count > 3_000, "only {count} cases parse");
}

const WORDS: [&str; 64] = [
    "d",
    "x",
    "d",
    "x",
    "1",
    "2.5",
    "'a'",
    "'s'",
    "True",
    "None",
    "(",
    ")",
    "(",
    ")",
    "[",
    "]",
    "[",
    "]",
    "{",
    "}",
    ",",
    ",",
    ":",
    ".",
    ".",
    "+",
    "-",
    "*",
    "**",
    "/",
    "//",
    "%",
    "<",
    "==",
    "!=",
    "in",
    "not",
    "is",
    "and",
    "or",
    "if",
    "else",
    "for",
    "for x in",
    "lambda x:",
    "lambda",
    "len",
    "sorted",
    "str",
    "int",
    "sum",
    "any",
    "max",
    "lower()",
    "get('a')",
    "items()",
    "split()",
    "f'{d}'",
    "f'{x!r:>5}'",
    "range(3)",
    "key=",
    "=",
    "~",
    "&",
];

fn words() -> impl Strategy<Value = String> {
    let word = prop::sample::select(WORDS.to_vec());
    prop::collection::vec(word, 0..24).prop_map(|words| words.join(" "))
}

/// What random trees end in, and how they join and wrap what is below.
const LEAVES: [&str; 31] = [
    "d",
    "d['a']",
    "d.s",
    "d['l']",
    "d['m']",
    "d.n",
    "0",
    "1",
    "-1",
    "2.5",
    "1e300",
    "10**30",
    "True",
    "None",
    "''",
    "'a'",
    "'é'",
    "[]",
    "{}",
    "set()",
    "()",
    "range(3)",
    "str",
    "len",
    "[1, 2, 'x']",
    "{'a': 1}",
    "{1, 2}",
    "(x for x in d)",
    "lambda x: x",
    "d['q']",
    "'{!r}'",
];

const OPERATORS: [&str; 19] = [
    "+", "-", "*", "/", "//", "%", "**", "&", "|", "^", "<<", ">>", "==", "<", ">=", "in",
    "not in", "and", "or",
];

const SHAPES: [&str; 49] = [
    "len({})",
    "sorted({})",
    "str({})",
    "int({})",
    "float({})",
    "list({})",
    "set({})",
    "max({})",
    "min({})",
    "sum({})",
    "any({})",
    "abs({})",
    "round({})",
    "tuple({})",
    "not {}",
    "-{}",
    "~{}",
    "{}.lower()",
    "{}.split()",
    "{}.title()",
    "{}.items()",
    "{}.get('a')",
    "{}[0]",
    "{}[::-1]",
    "{}[1:]",
    "{}['a']",
    "[x for x in {}]",
    "{{x: 1 for x in {}}}",
    "{{*{}}}",
    "[*{}]",
    "f'{{{}!r:>9}}'",
    "list(map(str, {}))",
    "sorted({}, key=str)",
    "dict({})",
    "list(zip({}, 'ab'))",
    "list(reversed({}))",
    "(lambda x: x)({})",
    "'{{}}'.format({})",
    "isinstance({}, (int, str))",
    "type({})",
    "{}.count('a')",
    "{}.isdigit()",
    "{}.format(1)",
    "'-'.join({})",
    "list(enumerate({}))",
    "re.search({}, 'abc')",
    "datetime.fromisoformat({})",
    "range({})",
    "bool({})",
];

/// Expressions that parse, of random shape.
fn trees() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(LEAVES.to_vec()).prop_map(str::to_owned);
    leaf.prop_recursive(4, 24, 3, |inner| {
        let binary = prop::sample::select(OPERATORS.to_vec());
        let one = prop::sample::select(SHAPES.to_vec());
        prop_oneof![
            (binary, inner.clone(), inner.clone())
                .prop_map(|(operator, a, b)| format!("({a}) {operator} ({b})")),
            (one, inner.clone()).prop_map(|(shape, a)| {
                shape
                    .replace("{{", "\u{1}")
                    .replace("}}", "\u{2}")
                    .replace("{}", &format!("({a})"))
                    .replace('\u{1}', "{")
                    .replace('\u{2}', "}")
            }),
            (inner.clone(), inner.clone(), inner)
                .prop_map(|(a, b, c)| format!("({a}) if ({b}) else [{c}, ({a})]")),
        ]
    })
}

fn run(text: &str) {
    stable(text);
    match Program::compile(text) {
        Ok(program) => {
            let meter = Meter::default();
            let _ = program.evaluate_within(&sample(), &meter);
            let again = Program::compile(program.text()).expect("printed programs compile");
            assert_eq!(again.code(), program.code(), "{text}");
        }
        Err(Error::InvalidQuery { column, .. }) => {
            let length = text.chars().count() as u32;
            assert!((1..=length + 1).contains(&column), "{text}: column {column}");
        }
        Err(other) => panic!("{text}: {other}"),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1_500))]

    #[test]
    fn random_words_never_panic(words in words()) {
        run(&format!("lambda d: {words}"));
    }

    #[test]
    fn random_text_never_panics(text in "\\PC{0,40}") {
        let _ = Program::compile(&text);
        run(&format!("lambda d: {text}"));
        run(&format!("lambda d: f'{text}'"));
        run(&format!("lambda d: '{text}'"));
    }

    #[test]
    fn random_trees_never_panic(tree in trees()) {
        run(&format!("lambda d: {tree}"));
    }
}

#[test]
fn built_expressions_are_python() {
    for (built, text) in [
        (
            field("age").gt(30).and(field("role").equals("Dev")).and(true),
            "d['age'] > 30 and d['role'] == 'Dev' and True",
        ),
        (
            get("x").is_none().or(!field("y").contains("z")),
            "d.get('x') is None or not 'z' in d['y']",
        ),
        ((field("a") + 1) * -2 - 0.5, "(d['a'] + 1) * -2 - 0.5"),
        (field("a") / 2 % field("b"), "d['a'] / 2 % d['b']"),
        (field("m").field("x").index(-1).ge(value(None::<i64>)), "d['m']['x'][-1] >= None"),
        (field("s").lower().starts_with("it's"), "d['s'].lower().startswith(\"it's\")"),
        (document().length().lt(-1_i64), "len(d) < -1"),
        (
            field("t").is_in(["a", "b"]).when(field("c"), f64::NAN),
            "d['t'] in ['a', 'b'] if d['c'] else float('nan')",
        ),
        (value(Value::from_json(r#"{"a": [1, -2.5]}"#).expect("JSON")), "{'a': [1, -2.5]}"),
        (function("max", [field("a"), value(u64::MAX)]), "max(d['a'], 18446744073709551615)"),
    ] {
        let text = format!("lambda d: {text}");
        assert_eq!(built.to_string(), text);
        assert_eq!(Expr::parse(&text), Ok(built.clone()), "{text}");
        built.compile().expect("it compiles");
    }
}

#[test]
fn what_is_built_too_deep_is_refused() {
    let mut deep = field("a");
    for _ in 0..1_000 {
        deep = deep + 1;
    }
    assert!(deep.compile().is_err());
}
