//! Shows what PSDB adds to Python, on one document.

use super::{EvalError, Program};
use crate::codec::EncodedDocument;
use crate::types::{Limits, Value};

const DOCUMENT: &str = r#"{"name": "Ada", "born": "1815-12-10", "address": {"city": "London"},
    "tags": ["x", "y"], "keys": 1, "count": 3, "title": "Countess", "age": null,
    "seen": "2024-02-29T12:30:15.250+01:00"}"#;

fn run(body: &str) -> Result<Value, EvalError> {
    let document = EncodedDocument::from_json(DOCUMENT.as_bytes(), &Limits::DEFAULT);
    let program = Program::compile(&format!("lambda d: {body}"));
    let program = program.unwrap_or_else(|error| panic!("{body}: {error}"));
    program.evaluate(&document.expect("a document"))
}

#[test]
fn extensions_give_values() {
    for (body, json) in [
        ("d.name", "\"Ada\""),
        ("d.address.city.upper()", "\"LONDON\""),
        ("d.count + 1", "4"),
        ("d.title", "\"Countess\""),
        ("d.title.lower()", "\"countess\""),
        ("len(d.keys())", "9"),
        ("d['keys']", "1"),
        ("[t for t in d.tags]", "[\"x\", \"y\"]"),
        ("(d.name, {'n': d.address})", "[\"Ada\", {\"n\": {\"city\": \"London\"}}]"),
        ("bool(re.search('^A.a$', d.name))", "true"),
        ("re.match('(?P<a>.)(.)', d.name)['a']", "\"A\""),
        ("re.fullmatch('A', d.name)", "null"),
        ("datetime.fromisoformat(d.born) < datetime.fromisoformat('1900-01-01')", "true"),
        ("datetime.fromisoformat(d.seen).year", "2024"),
        (
            "datetime.fromisoformat(d.seen) == datetime.fromisoformat('2024-02-29T11:30:15.25Z')",
            "true",
        ),
        ("datetime.fromisoformat(d.seen)", "\"2024-02-29T12:30:15.250000+01:00\""),
        ("sorted({'b', 'a'})", "[\"a\", \"b\"]"),
    ] {
        assert_eq!(run(body).map(|value| value.to_json()), Ok(json.to_owned()), "{body}");
    }
}

#[test]
fn extensions_raise_as_python_would() {
    for (body, raised) in [
        ("d.missing", "KeyError: 'missing'"),
        ("d.age.x", "AttributeError: 'NoneType' object has no attribute 'x'"),
        ("d.name.size", "AttributeError: 'str' object has no attribute 'size'"),
        ("d.upper()", "AttributeError: 'dict' object has no attribute 'upper'"),
        ("d.count()", "TypeError: 'int' object is not callable"),
        ("datetime.fromisoformat('x')", "ValueError: Invalid isoformat string: 'x'"),
        (
            "datetime.fromisoformat(d.seen) < datetime.fromisoformat(d.born)",
            "TypeError: can't compare offset-naive and offset-aware datetimes",
        ),
        (
            "re.search('a', d.age)",
            "TypeError: expected string or bytes-like object, got 'NoneType'",
        ),
    ] {
        match run(body) {
            Err(EvalError::Raised(found)) => assert_eq!(found.to_string(), raised, "{body}"),
            other => panic!("{body}: {other:?}"),
        }
    }
}

#[test]
fn what_has_no_defined_answer_ends_the_query() {
    for (body, reason) in [
        ("[x for x in {'a', 'b'}]", "the order of a set is not defined"),
        ("'%s' % d.name", "use an f-string"),
        ("(-8) ** 0.5", "complex"),
        ("re.search('(?=a)', d.name)", "only (?: and (?P< are supported"),
        (r"re.search('(a)\\1', d.name)", r"\1 is not supported"),
        ("re.search('a*+', d.name)", "possessive"),
        ("re.search('a{1000}{1000}{9}', d.name)", "is not supported"),
        ("{1}", "put list() or sorted() around it"),
        ("{1: 2}", "JSON has strings only"),
        ("lambda x: x", "is not JSON"),
        ("2 ** 200", "beyond 2^127"),
        ("[float('nan')] == [float('nan')]", "NaN"),
        ("str(len) + str(lambda: 1)", "the text of a function is not defined"),
        ("'{0.x}'.format(1)", "attributes in format strings"),
    ] {
        match run(body) {
            Err(EvalError::Limit(found)) => assert!(found.contains(reason), "{body}: {found}"),
            other => panic!("{body}: {other:?}"),
        }
    }
}
