//! Predicates that compare fields with constants, decided without the general evaluation.
//!
//! Most filters are `d["role"] == "Dev"`, or several of these joined by `and`. Where a field has the
//! type of its constant, Python's answer is that of one machine comparison; everything else (a
//! field that is missing, another type, an integer beside a float) is left to the evaluation, which
//! knows what raises and what is equal.
//!
//! Invariant: what a shortcut answers is what the evaluation would answer.
//!
//! Left out: attributes, chains, `or`, `in`, arithmetic; the evaluation is fast enough for them.

use std::cmp::Ordering;

use super::ast::Comparator;
use super::predicate::{Code, FieldName, Key};
use crate::codec::{ObjectRef, ValueRef};

/// A conjunction of comparisons.
#[derive(Debug)]
pub(super) struct Shortcut(Box<[Test]>);

/// `d["a"]["b"] < constant`.
#[derive(Debug)]
struct Test {
    path: Box<[FieldName]>,
    comparator: Comparator,
    constant: Constant,
}

#[derive(Debug)]
enum Constant {
    Str(Box<str>),
    Int(i128),
    Float(f64),
}

impl Shortcut {
    /// The shortcut for `code`, if its shape has one.
    pub(super) fn of(code: &Code) -> Option<Shortcut> {
        let tests = match code {
            Code::And(operands) => operands.iter().map(Test::of).collect::<Option<_>>(),
            single => Test::of(single).map(|test| Box::from([test])),
        };
        tests.map(Shortcut)
    }

    /// How many comparisons one document takes at most.
    pub(super) fn tests(&self) -> u64 {
        self.0.len() as u64
    }

    /// Whether `document` matches; `None` if the evaluation must decide.
    pub(super) fn matches(&self, document: ObjectRef<'_>) -> Option<bool> {
        for test in &self.0 {
            if !test.holds(document)? {
                return Some(false);
            }
        }
        Some(true)
    }
}

impl Test {
    fn of(code: &Code) -> Option<Test> {
        let Code::Compare(first, rest) = code else { return None };
        let [(comparator, second)] = &**rest else { return None };
        let constant = match second {
            Code::Str(text) => Constant::Str(text.clone()),
            Code::Int(value) => Constant::Int(*value),
            Code::Float(value) => Constant::Float(*value),
            _ => return None,
        };
        let is_comparison = comparator.holds(Ordering::Equal).is_some();
        let path = path(first)?;
        is_comparison.then_some(Test { path, comparator: *comparator, constant })
    }

    fn holds(&self, document: ObjectRef<'_>) -> Option<bool> {
        let (last, outer) = self.path.split_last()?;
        let mut object = document;
        for field in outer {
            let ValueRef::Object(inner) = object.get_near(&field.name, &field.place)? else {
                return None;
            };
            object = inner;
        }
        let value = object.get_near(&last.name, &last.place)?;
        let order = match (value, &self.constant) {
            // Texts of different lengths are told apart without looking at them.
            (ValueRef::Str(value), Constant::Str(constant)) => match self.comparator {
                Comparator::Equal => return Some(value == &**constant),
                Comparator::NotEqual => return Some(value != &**constant),
                _ => value.cmp(constant),
            },
            (ValueRef::Int(value), Constant::Int(constant)) => value.cmp(constant),
            (ValueRef::Float(value), Constant::Float(constant)) => value.partial_cmp(constant)?,
            _ => return None,
        };
        self.comparator.holds(order)
    }
}

/// The names on the way from the document to `code`, if nothing but constant names leads there.
fn path(code: &Code) -> Option<Box<[FieldName]>> {
    let mut names = Vec::new();
    let mut code = code;
    loop {
        let (target, name) = match code {
            Code::Document if !names.is_empty() => break,
            Code::Field(target, name) => (&**target, name),
            // Without the field, `get` gives its default: the evaluation's business.
            Code::Get(parts) => match &parts.key {
                Key::Constant(name) if parts.default_never_raises() => (&parts.target, name),
                Key::Constant(_) | Key::Computed(_) => return None,
            },
            _ => return None,
        };
        names.push(name.clone());
        code = target;
    }
    names.reverse();
    Some(names.into())
}

/// The names of the document's own fields that `code` reads, each once.
pub(super) fn fields_read(shortcut: Option<&Shortcut>, code: &Code) -> Box<[FieldName]> {
    let first = |path: &[FieldName]| path.first().cloned();
    let mut names: Vec<FieldName> = match shortcut {
        Some(shortcut) => shortcut.0.iter().filter_map(|test| first(&test.path)).collect(),
        None => path(code).and_then(|path| first(&path)).into_iter().collect(),
    };
    names.sort_by(|a, b| a.name.cmp(&b.name));
    names.dedup();
    names.into()
}

#[cfg(test)]
mod tests {
    //! That shortcuts are found where they should be, and answer what the evaluation answers.

    use proptest::prelude::*;

    use crate::codec::EncodedDocument;
    use crate::query::{Meter, Program};
    use crate::types::Limits;

    #[test]
    fn comparisons_of_fields_with_constants_have_one() {
        let cases = [
            ("d['a'] == 'x'", true),
            ("d['a']['b'] >= 1 and d.get('c') != 0.5", true),
            ("d.a < 3", false),
            ("1 < d['a'] < 3", false),
            ("d['a'] == d['b']", false),
            ("d['a'] == 1 or d['b'] == 2", false),
            ("d[d['a']] == 1", false),
            ("'a' in d", false),
            ("d == 1", false),
            ("d.get('a', [1, {'b': d.get('c')}]) == 1", true),
            ("d.get('a', d['b']) == 1", false),
            ("d.get('a', 1 / 0) == 1", false),
            ("d.get('a', {})['b'] == 1 and d.get('a', {[]: 1})['b'] == 1", false),
        ];
        for (text, expected) in cases {
            let program = Program::compile(&format!("lambda d: {text}")).unwrap();
            assert_eq!(program.has_shortcut(), expected, "{text}");
        }
    }

    fn document() -> impl Strategy<Value = String> {
        let value = prop_oneof![
            Just("null"),
            Just("true"),
            Just("false"),
            Just("0"),
            Just("1"),
            Just("-3"),
            Just("1.0"),
            Just("0.5"),
            Just("-0.0"),
            Just("18446744073709551615"),
            Just("9007199254740993"),
            Just("9007199254740992.0"),
            Just("\"x\""),
            Just("\"\""),
            Just("[1]"),
            Just("{\"b\": 1}"),
            Just("{\"b\": \"x\"}"),
            Just("{}"),
        ];
        proptest::collection::btree_map("[abc]", value, 0..4).prop_map(|fields| {
            let fields = fields.iter().map(|(name, value)| format!("\"{name}\": {value}"));
            format!("{{{}}}", fields.collect::<Vec<_>>().join(", "))
        })
    }

    fn lambda() -> impl Strategy<Value = String> {
        let field = prop_oneof![
            Just("d['a']"),
            Just("d['b']"),
            Just("d.get('a')"),
            Just("d.get('c', 1)"),
            Just("d['a']['b']"),
            Just("d.get('c', {})['b']"),
            Just("d.get('a', d)"),
            Just("d.get('a', d.get('b'))"),
            Just("d.get('a', d['b'])"),
            Just("d.get('b', 1 / 0)"),
            Just("d.get('c', [*d.get('a', [])])"),
            Just("d.get('c', {d.get('a'): 1})['b']"),
        ];
        let comparator =
            prop_oneof![Just("=="), Just("!="), Just("<"), Just("<="), Just(">"), Just(">=")];
        let constant = prop_oneof![
            Just("'x'"),
            Just("''"),
            Just("0"),
            Just("1"),
            Just("-3"),
            Just("1.0"),
            Just("0.5"),
            Just("9007199254740993"),
            Just("18446744073709551615"),
            Just("1e400"),
        ];
        let test = (field, comparator, constant).prop_map(|(a, b, c)| format!("{a} {b} {c}"));
        proptest::collection::vec(test, 1..4).prop_map(|t| format!("lambda d: {}", t.join(" and ")))
    }

    proptest! {
        #[test]
        fn answers_what_the_evaluation_answers(
            lambda in lambda(),
            documents in proptest::collection::vec(document(), 1..12),
        ) {
            let program = Program::compile(&lambda).unwrap();
            let may_raise = ["d['b'])", "1 / 0", "*d", "{d"];
            prop_assert!(
                program.has_shortcut() || may_raise.iter().any(|part| lambda.contains(part)),
                "{lambda}"
            );
            for text in documents {
                let document =
                    EncodedDocument::from_json(text.as_bytes(), &Limits::DEFAULT).unwrap();
                let short = program.matches(&document);
                let long = program.evaluated_truth(&document, &Meter::default());
                prop_assert_eq!(short, long, "{} on {}", lambda, text);
            }
        }
    }
}
