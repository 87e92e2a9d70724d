//! Proves that no plan changes an answer: whatever the documents, the lambdas and the indexes, a query
//! through indexes gives what a scan gives, in the same order, page by page.

use proptest::prelude::*;

use super::executor::tests::Memory;
use super::{
    Aggregate, Among, Execution, Found, Grouping, Meter, Program, count, group, id_of, select,
};
use crate::types::{DocumentId, Value};

const FIELDS: [&str; 3] = ["a", "b", "c"];
const INDEXES: [&str; 8] = ["a", "b", "c.x", "a,b", "b,a", "c", "a,c.x,b", "c.x,a"];

fn scalar() -> impl Strategy<Value = String> {
    let fixed = [
        "null",
        "true",
        "false",
        "0",
        "1",
        "1.0",
        "2",
        "-1",
        "0.5",
        "-0.0",
        "\"\"",
        "\"a\"",
        "\"ab\"",
        "\"b\"",
        "9007199254740993",
        "9007199254740992.0",
        "18446744073709551615",
    ];
    // Two long ones that are cut to the same key.
    let long = |end: char| format!("\"{}{end}\"", "x".repeat(600));
    let mut all: Vec<String> = fixed.map(str::to_owned).to_vec();
    all.extend([long('p'), long('q')]);
    prop::sample::select(all)
}

fn value() -> impl Strategy<Value = String> {
    prop_oneof![
        6 => scalar(),
        2 => prop::collection::vec(scalar(), 0..4).prop_map(|items| format!("[{}]", items.join(","))),
        1 => Just("{}".to_owned()),
        2 => scalar().prop_map(|value| format!("{{\"x\": {value}}}")),
    ]
}

fn body() -> impl Strategy<Value = String> {
    prop::collection::vec(prop::option::weighted(0.8, value()), 3).prop_map(|values| {
        let fields = FIELDS.iter().zip(values);
        let fields = fields.filter_map(|(name, value)| Some(format!("\"{name}\": {}", value?)));
        fields.collect::<Vec<_>>().join(", ")
    })
}

/// A constant of Python.
fn constant() -> impl Strategy<Value = String> {
    scalar().prop_map(|json| match json.as_str() {
        "null" => "None".into(),
        "true" => "True".into(),
        "false" => "False".into(),
        _ => json,
    })
}

/// An expression that reads a field.
fn field() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(FIELDS.to_vec()).prop_map(|f| format!("d['{f}']")),
        4 => prop::sample::select(FIELDS.to_vec()).prop_map(|f| format!("d.get('{f}')")),
        1 => (prop::sample::select(FIELDS.to_vec()), constant())
            .prop_map(|(f, c)| format!("d.get('{f}', {c})")),
        1 => prop::sample::select(FIELDS.to_vec()).prop_map(|f| format!("d.{f}")),
        2 => prop::sample::select(vec![
            "d['c']['x']", "d.get('c', {}).get('x')", "d.c.x", "d['c'].get('x', 1)", "d.get('a', [])",
        ]).prop_map(str::to_owned),
        2 => (prop::sample::select(FIELDS.to_vec()), computed()).prop_map(|(f, c)| format!("d.get('{f}', {c})")),
    ]
}

/// A default that is no constant; some raise.
fn computed() -> impl Strategy<Value = String> {
    prop_oneof![
        Just("1 / 0".to_owned()),
        Just("d".to_owned()),
        Just("[*d.get('b', [])]".to_owned()),
        Just("{d.get('a'): 1}".to_owned()),
        prop::sample::select(FIELDS.to_vec()).prop_map(|f| format!("d['{f}']")),
        prop::sample::select(FIELDS.to_vec()).prop_map(|f| format!("d.get('{f}', 1)")),
        prop::sample::select(FIELDS.to_vec()).prop_map(|f| format!("d.{f} < 2")),
    ]
}

fn condition() -> impl Strategy<Value = String> {
    let comparator = || prop::sample::select(vec!["==", "<", "<=", ">", ">=", "!="]);
    let prefix = || prop::sample::select(vec!["", "a", "ab", "x"]);
    prop_oneof![
        6 => (field(), comparator(), constant()).prop_map(|(f, c, v)| format!("{f} {c} {v}")),
        1 => (constant(), comparator(), field()).prop_map(|(v, c, f)| format!("{v} {c} {f}")),
        1 => (constant(), comparator(), field(), comparator(), constant())
            .prop_map(|(a, c, f, e, b)| format!("{a} {c} {f} {e} {b}")),
        1 => (field(), prop::collection::vec(constant(), 0..4))
            .prop_map(|(f, values)| format!("{f} in [{}]", values.join(", "))),
        1 => (field(), prop::collection::vec(constant(), 1..4))
            .prop_map(|(f, values)| format!("{f} in {{{}}}", values.join(", "))),
        2 => (constant(), field()).prop_map(|(v, f)| format!("{v} in {f}")),
        1 => (field(), prefix()).prop_map(|(f, p)| format!("{f}.startswith('{p}')")),
        1 => (field(), prefix()).prop_map(|(f, p)| format!("{f}.startswith(('{p}', 'b'))")),
        1 => field().prop_map(|f| format!("{f} is None")),
        1 => field().prop_map(|f| format!("{f} is True")),
        1 => field(),
        1 => field().prop_map(|f| format!("not {f}")),
        1 => prop::sample::select(FIELDS.to_vec()).prop_map(|f| format!("'{f}' in d")),
        1 => (field(), prop::collection::vec(constant(), 0..3))
            .prop_map(|(f, values)| format!("{f} == [{}]", values.join(", "))),
    ]
}

fn predicate() -> impl Strategy<Value = String> {
    condition().prop_recursive(3, 8, 3, |inner| {
        let many = prop::collection::vec(inner, 2..4);
        (many, any::<bool>()).prop_map(|(parts, and)| {
            let parts: Vec<String> = parts.into_iter().map(|part| format!("({part})")).collect();
            parts.join(if and { " and " } else { " or " })
        })
    })
}

/// What a query is asked for.
#[derive(Clone, Debug)]
struct Question {
    filter: String,
    order: Option<(String, bool)>,
    limit: Option<u64>,
    page: usize,
}

fn question() -> impl Strategy<Value = Question> {
    let order = prop::option::of((field(), any::<bool>()));
    let filter = prop_oneof![4 => predicate(), 1 => Just("True".to_owned())];
    (filter, order, prop::option::weighted(0.7, 0..9_u64), 1..9_usize)
        .prop_map(|(filter, order, limit, page)| Question { filter, order, limit, page })
}

fn compile(text: &str) -> Program {
    Program::compile(&format!("lambda d: {text}")).unwrap_or_else(|e| panic!("{text}: {e}"))
}

/// Ids and keys of all results, or what went wrong.
fn answer(source: &Memory, asked: &Question) -> Result<Vec<(String, Option<Value>)>, String> {
    let order = asked.order.as_ref().map(|(key, descending)| (compile(key), *descending));
    let filter = Some(compile(&asked.filter));
    let mut execution = Execution::new(source.clone(), filter, order, asked.limit);
    let mut all = Vec::new();
    loop {
        let page = execution.next_page(asked.page, usize::MAX).map_err(|e| e.to_string())?;
        let shown = |found: Found| (id_of(&found.document).to_owned(), found.key);
        all.extend(page.found.into_iter().map(shown));
        if page.finished {
            return Ok(all);
        }
    }
}

/// Ids and versions of all matches, or what went wrong.
fn selected(source: &Memory, filter: &Program) -> Result<Vec<(DocumentId, u64)>, String> {
    let selected = select(source, filter, &Among::After(None), 100, &Meter::default());
    selected.map(|selection| selection.versions).map_err(|error| error.to_string())
}

/// Groups with their sizes, or what went wrong: a key may be a dict whose keys are no strings.
fn groups(
    source: &Memory,
    key: &str,
    filter: Option<&Program>,
) -> Result<Vec<(Value, Value)>, String> {
    let aggregate = Aggregate::Count;
    let grouping = Grouping::compile(&format!("lambda d: {key}"), aggregate.clone());
    let grouping = grouping.expect("a lambda of the language");
    let groups = group(source, filter, &grouping, &Meter::default());
    groups.map(|(groups, _)| groups.finish(&aggregate)).map_err(|error| error.to_string())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_500, ..ProptestConfig::default() })]

    #[test]
    fn plans_change_no_answer(
        bodies in prop::collection::vec(body(), 0..30),
        indexes in prop::sample::subsequence(INDEXES.to_vec(), 1..4),
        asked in question(),
        key in field(),
    ) {
        let scanned = Memory::new(&bodies, None);
        let indexed = Memory::new(&bodies, Some(&indexes.join(";")));
        let expected = answer(&scanned, &asked);
        let filter = compile(&asked.filter);
        let counted = count(&scanned, Some(&filter)).map_err(|e| e.to_string());
        let selected = selected(&scanned, &filter);
        for source in [indexed.clone(), indexed.boasting()] {
            let found = answer(&source, &asked);
            prop_assert_eq!(&found, &expected, "{:?} with {:?}", &asked, &indexes);
            let recounted = count(&source, Some(&filter)).map_err(|e| e.to_string());
            prop_assert_eq!(
                recounted.map(|c| c.count), counted.clone().map(|c| c.count),
                "{} with {:?}", &asked.filter, &indexes
            );
            prop_assert_eq!(self::selected(&source, &filter), selected.clone(), "{}", &asked.filter);
            prop_assert_eq!(groups(&source, &key, None), groups(&scanned, &key, None), "{}", &key);
            prop_assert_eq!(
                groups(&source, &key, Some(&filter)), groups(&scanned, &key, Some(&filter))
            );
        }
    }
}

#[test]
fn a_missing_field_is_no_more_certain_than_what_it_reads_as() {
    // A missing field reads as 1 here, whose key is that of True; but 1 is not True.
    let bodies = ["\"a\": 3".to_owned(), "\"b\": true".to_owned()];
    for (filter, matching) in [("d.get('b', 1) is True", 1), ("d.get('b', 1) == True", 2)] {
        let filter = compile(filter);
        for indexes in ["b", "b,a"] {
            let indexed = Memory::new(&bodies, Some(indexes));
            for source in [indexed.clone(), indexed.boasting()] {
                let counted = count(&source, Some(&filter)).expect("no limit is met").count;
                assert_eq!(counted, matching, "{} with {indexes}", filter.text());
            }
        }
    }
}

#[test]
fn a_default_that_raises_does_so_where_the_field_is_there() {
    let bodies = ["\"a\": 1, \"b\": 1", "\"a\": 1", "\"b\": 1"].map(str::to_owned);
    for (filter, matching) in [
        ("d.get('a', d['b']) == 1", 2),
        ("d.get('a', 1 / 0) == 1", 0),
        ("d.get('a', d.get('b')) == 1", 3),
    ] {
        for indexes in [None, Some("a"), Some("a,b")] {
            let source = Memory::new(&bodies, indexes);
            for source in [source.clone(), source.boasting()] {
                let counted = count(&source, Some(&compile(filter))).expect("no limit is met");
                assert_eq!(counted.count, matching, "{filter} with {indexes:?}");
            }
        }
    }
    let source = Memory::new(&bodies, Some("a"));
    assert_eq!(groups(&source, "d.get('a', d['b'])", None).map(|groups| groups.len()), Ok(1));
}

#[test]
fn many_of_one_value_are_walked_in_the_order_of_their_ids() {
    let bodies: Vec<String> = (0..600).map(|n| format!("\"a\": {}", n % 3)).collect();
    let (scanned, indexed) = (Memory::new(&bodies, None), Memory::new(&bodies, Some("a")));
    for (limit, descending) in [(5, false), (5, true), (210, true), (450, true), (450, false)] {
        let order = Some(("d['a']".to_owned(), descending));
        let asked = Question { filter: "True".into(), order, limit: Some(limit), page: 1_000 };
        assert_eq!(answer(&indexed, &asked), answer(&scanned, &asked));
        assert_eq!(answer(&indexed.clone().boasting(), &asked), answer(&scanned, &asked));
    }
    assert_eq!(groups(&indexed, "d['a']", None), groups(&scanned, "d['a']", None));
    assert_eq!(groups(&indexed, "d['a']", None).map(|groups| groups.len()), Ok(3));
}

#[test]
fn a_range_and_a_value_that_are_cut_to_one_key_are_walked_once() {
    let long = |end: char| format!("{}{end}", "x".repeat(600));
    let bodies = [format!("\"a\": \"{}\", \"b\": 1", long('p'))];
    for indexes in ["a", "a,b"] {
        let source = Memory::new(&bodies, Some(indexes)).boasting();
        for filter in [
            format!("d['a'] <= '{}' or d['a'] == '{}'", long('p'), long('q')),
            format!("d['a'] in ('{}', '{}') and d['b'] == 1", long('p'), long('q')),
        ] {
            assert_eq!(count(&source, Some(&compile(&filter))).expect("counts").count, 1);
        }
    }
}
