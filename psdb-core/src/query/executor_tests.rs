//! Proves that a query gives the same documents whether an index is used or not, in any page size,
//! and that documents on which a lambda raises are counted.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;
use proptest::prelude::*;

use super::{Execution, count};
use crate::codec::entry::IndexedFields;
use crate::codec::{EncodedDocument, Metadata};
use crate::query::{Direction, Documents, Entries, Program, Source, SourceIndex};
use crate::types::{DocumentId, IndexName, Limits, Result, Timestamp};

/// Documents in memory, with indexes.
#[derive(Clone, Default)]
pub(in crate::query) struct Memory {
    documents: BTreeMap<DocumentId, EncodedDocument>,
    indexes: Vec<(SourceIndex, BTreeMap<Bytes, DocumentId>)>,
    /// Whether it says that it has many more documents, so that indexes always pay.
    boasting: bool,
}

impl Memory {
    /// The version that every document has.
    pub(in crate::query) const VERSION: u64 = 7;

    /// Stored documents of these fields, with indexes such as `age;role,age`.
    pub(in crate::query) fn new(bodies: &[String], indexed: Option<&str>) -> Memory {
        let document = |(at, body): (usize, &String)| {
            let id = DocumentId::from(format!("{at:03}").as_str());
            let json = format!("{{{body}}}");
            let document = EncodedDocument::from_json(json.as_bytes(), &Limits::DEFAULT);
            let document = document.unwrap_or_else(|error| panic!("{json}: {error}"));
            let (version, time) = (Memory::VERSION, Timestamp(1_767_225_600_000));
            let metadata = Metadata { id: id.clone(), version, created_at: time, updated_at: time };
            (id, document.with_metadata(&metadata))
        };
        let documents: BTreeMap<_, _> = bodies.iter().enumerate().map(document).collect();
        let indexes = indexed.into_iter().flat_map(|all| all.split(';'));
        let indexes = indexes.map(|fields| {
            let indexed = Arc::new(IndexedFields::new(fields.split(',')));
            let entry = |(id, document): (&DocumentId, &EncodedDocument)| {
                let entries = indexed.entries(id, document);
                entries.into_iter().map(|entry| (entry, id.clone())).collect::<Vec<_>>()
            };
            let entries: BTreeMap<_, _> = documents.iter().flat_map(entry).collect();
            let is_cut = |entry: &Bytes| indexed.values_end(entry).is_none_or(|(_, cut)| cut);
            let index = SourceIndex {
                name: IndexName::from(fields),
                complete: true,
                cut: entries.keys().any(is_cut),
                fields: indexed,
            };
            (index, entries)
        });
        let indexes = indexes.collect();
        Memory { documents, indexes, boasting: false }
    }

    /// The same documents, whose planner is told of many more.
    pub(in crate::query) fn boasting(self) -> Memory {
        Memory { boasting: true, ..self }
    }
}

impl Source for Memory {
    fn documents<'a>(&'a self, after: Option<&DocumentId>) -> Documents<'a> {
        let low = after.map_or(Bound::Unbounded, |id| Bound::Excluded(id.clone()));
        let documents = self.documents.range((low, Bound::Unbounded));
        Box::new(documents.map(|(_, document)| Ok(document.clone())))
    }

    fn index_entries<'a>(
        &'a self,
        index: &IndexName,
        low: Bound<&[u8]>,
        high: Bound<&[u8]>,
        direction: Direction,
    ) -> Option<Entries<'a>> {
        let (_, entries) = self.indexes.iter().find(|(known, _)| known.name == *index)?;
        if let (Bound::Included(low), Bound::Excluded(high)) = (low, high)
            && low >= high
        {
            return Some(Box::new(std::iter::empty()));
        }
        let entries = entries.range::<[u8], _>((low, high));
        let entries = entries.map(|(key, id)| Ok((key.clone(), id.clone())));
        Some(match direction {
            Direction::Ascending => Box::new(entries),
            Direction::Descending => Box::new(entries.rev()),
        })
    }

    fn document(&self, id: &DocumentId) -> Result<Option<EncodedDocument>> {
        Ok(self.documents.get(id).cloned())
    }

    fn indexes(&self) -> Vec<SourceIndex> {
        self.indexes.iter().map(|(index, _)| index.clone()).collect()
    }

    fn count(&self) -> u64 {
        self.documents.len() as u64 * if self.boasting { 1_000 } else { 1 }
    }
}

fn compile(text: &str) -> Program {
    Program::compile(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

/// The ids of all results, in their order, read in pages of `page` documents.
fn ids(source: &Memory, filter: &str, order: Option<(&str, bool)>, page: usize) -> Vec<String> {
    let order = order.map(|(key, descending)| (compile(key), descending));
    let mut execution = Execution::new(source.clone(), Some(compile(filter)), order, None);
    let mut ids = Vec::new();
    loop {
        let results = execution.next_page(page, usize::MAX).expect("no limit is passed");
        let id = |document: &EncodedDocument| document.get("_id").map(|id| format!("{id:?}"));
        ids.extend(results.found.iter().filter_map(|found| id(&found.document)));
        if results.finished {
            return ids;
        }
    }
}

fn values() -> impl Strategy<Value = String> {
    let long = "x".repeat(520);
    prop_oneof![
        Just("null".to_owned()),
        Just("true".to_owned()),
        Just("false".to_owned()),
        (-3..4_i64).prop_map(|n| n.to_string()),
        (-6..7_i64).prop_map(|n| format!("{:?}", n as f64 / 2.0)),
        Just("9007199254740993".to_owned()),
        Just("9007199254740992.0".to_owned()),
        Just("1e300".to_owned()),
        "[ab]{0,2}".prop_map(|text| format!("{text:?}")),
        Just("\"a\\u0000\"".to_owned()),
        (0..3_u8).prop_map(move |n| format!("\"{long}{n}\"")),
        Just("[1]".to_owned()),
        Just("{\"a\": 1}".to_owned()),
    ]
}

fn constants() -> impl Strategy<Value = String> {
    let long = "x".repeat(520);
    prop_oneof![
        prop::sample::select(vec![
            "None",
            "True",
            "False",
            "2**60",
            "2**200",
            "-2**127",
            "1e400",
            "9007199254740992",
            "9007199254740993.0",
            "''",
            "'a\\0'",
            "'b'",
            "[1]",
            "(1,)",
            "-0.0",
            "1 - 1",
        ])
        .prop_map(str::to_owned),
        (-3..4_i64).prop_map(|n| n.to_string()),
        (-6..7_i64).prop_map(|n| format!("{:?}", n as f64 / 2.0)),
        (0..3_u8).prop_map(move |n| format!("'{long}{n}'")),
    ]
}

fn conditions() -> impl Strategy<Value = String> {
    let field = prop::sample::select(vec!["d['f']", "d.f", "d.get('f')", "d.get('f', 1)"]);
    let operator = prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">=", "in", "is"]);
    let condition = (field, operator, constants(), constants(), 0..5_u8);
    condition.prop_map(|(field, operator, a, b, shape)| match (operator, shape) {
        ("in", _) => format!("{field} in ({a}, {b})"),
        ("is", _) => format!("{field} is None"),
        (_, 0) => format!("{a} {operator} {field}"),
        (_, 1) => format!("{a} {operator} {field} < {b}"),
        (_, 2) => format!("({field} {operator} {a} and {field} >= {b})"),
        (_, 3) => format!("({field} {operator} {a} or {field} == {b})"),
        _ => format!("{field} {operator} {a}"),
    })
}

proptest! {
    #[test]
    fn an_index_changes_nothing(
        bodies in prop::collection::vec(prop::option::of(values()), 0..12),
        conditions in prop::collection::vec(conditions(), 1..3),
        page in 1..5_usize,
    ) {
        let body = |value: &Option<String>| {
            value.as_ref().map(|value| format!("\"f\": {value}")).unwrap_or_default()
        };
        let bodies: Vec<String> = bodies.iter().map(body).collect();
        let filter = format!("lambda d: {}", conditions.join(" and "));
        let (plain, indexed) = (Memory::new(&bodies, None), Memory::new(&bodies, Some("f")));
        let expected = ids(&plain, &filter, None, 100);
        prop_assert_eq!(&ids(&indexed, &filter, None, page), &expected, "{}", &filter);
        prop_assert_eq!(&ids(&plain, &filter, None, page), &expected, "{}", &filter);
        let program = compile(&filter);
        for source in [&plain, &indexed] {
            let counted = count(source, Some(&program)).expect("no limit is passed");
            prop_assert_eq!(counted.count, expected.len() as u64, "{}", &filter);
        }
    }
}

fn people() -> Vec<String> {
    ["\"age\": 36", "\"age\": null", "", "\"age\": 7", "\"age\": 36"].map(str::to_owned).to_vec()
}

#[test]
fn documents_that_raise_are_counted_and_the_first_is_named() {
    let source = Memory::new(&people(), None);
    let counted = count(&source, Some(&compile("lambda d: d['age'] > 10"))).expect("counts");
    assert_eq!((counted.count, counted.skipped.count), (2, 2));
    let (id, raised) = counted.skipped.first.expect("there is one");
    assert_eq!(id, DocumentId::from("001"));
    assert_eq!(raised, "TypeError: '>' not supported between instances of 'NoneType' and 'int'");
    let counted = count(&source, Some(&compile("lambda d: d['age']"))).expect("counts");
    let (id, raised) = counted.skipped.first.expect("there is one");
    assert_eq!((id.as_str(), raised.as_str()), ("002", "KeyError: 'age'"));
}

#[test]
fn orders_break_ties_by_id() {
    let source = Memory::new(&people(), None);
    let all = "lambda d: 'age' in d and d['age']";
    let by_age = Some(("lambda d: d.age", false));
    let named = |ids: Vec<String>| ids.join(" ").replace(['(', ')', '"'], "").replace("Str", "");
    assert_eq!(named(ids(&source, all, by_age, 2)), "003 000 004");
    assert_eq!(named(ids(&source, all, Some(("lambda d: d.age", true)), 1)), "000 004 003");
}

#[test]
fn what_is_not_kept_takes_no_memory_from_the_others() {
    // Every key has 100,000 bytes, and selecting takes nearly all memory before it raises.
    let bodies = vec![format!("\"a\": \"{}\"", "x".repeat(100_000)); 20];
    for source in [Memory::new(&bodies, None), Memory::new(&bodies, Some("a")).boasting()] {
        let order = Some((compile("lambda d: d['a']"), false));
        let execution = Execution::new(source, None, order, Some(1));
        let select = compile("lambda d: len(d['a'] * 660) / 0");
        let page = execution.selecting(Some(select)).next_page(10, usize::MAX);
        let page = page.expect("each document takes less than the limit");
        assert_eq!((page.found.len(), page.skipped.count), (0, 20));
    }
}

#[test]
fn a_query_under_way_can_be_cancelled() {
    let source = Memory::new(&people(), None);
    let slow = compile("lambda d: sum(1 for x in range(10**7)) < 0");
    let cancelled = Arc::new(AtomicBool::new(false));
    let mut execution =
        Execution::new(source, Some(slow), None, None).cancelled_by(Arc::clone(&cancelled));
    let (begun, begins) = std::sync::mpsc::channel();
    let runner = std::thread::spawn(move || {
        begun.send(()).expect("the test waits");
        execution.next_page(10, usize::MAX)
    });
    begins.recv().expect("the query begins");
    cancelled.store(true, std::sync::atomic::Ordering::Relaxed);
    let error = runner.join().expect("it does not panic").expect_err("it was cancelled");
    assert!(error.to_string().contains("cancelled"), "{error}");
}

#[test]
fn a_cancelled_query_ends() {
    let source = Memory::new(&people(), None);
    let slow = compile("lambda d: sum(1 for x in range(10**5)) < 0");
    let cancelled = Arc::new(AtomicBool::new(true));
    let mut execution = Execution::new(source, Some(slow), None, None).cancelled_by(cancelled);
    let error = execution.next_page(10, usize::MAX).expect_err("it was cancelled");
    assert!(error.to_string().contains("cancelled"), "{error}");
}
