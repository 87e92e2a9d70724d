//! Proves that groups are those of Python's equality, that sums do not depend on how documents are
//! spread over shards, and that merging in any order gives the same.

use proptest::prelude::*;

use super::{Aggregate, Grouping, Groups, Sum, group};
use crate::query::executor::tests::Memory;
use crate::query::{Meter, Program};
use crate::types::{Error, Value};

fn groups(bodies: &[String], key: &str, aggregate: &Aggregate) -> Groups {
    let source = Memory::new(bodies, None);
    let grouping = Grouping::compile(key, aggregate.clone()).expect("lambdas of the language");
    group(&source, None, &grouping, &Meter::default()).expect("no limit is passed").0
}

fn shown(bodies: &[&str], key: &str, aggregate: &Aggregate) -> String {
    let bodies: Vec<String> = bodies.iter().map(|body| (*body).to_owned()).collect();
    let finished = groups(&bodies, key, aggregate).finish(aggregate);
    let shown =
        finished.iter().map(|(key, value)| format!("{}={}", key.to_json(), value.to_json()));
    shown.collect::<Vec<_>>().join(" ")
}

const BODIES: [&str; 6] = [
    "\"k\": 1, \"v\": 3",
    "\"k\": true, \"v\": 0.5",
    "\"k\": \"a\", \"v\": null",
    "\"k\": null, \"v\": 9007199254740993",
    "\"v\": 5",
    "\"k\": 1.0, \"v\": -1",
];

#[test]
fn equal_keys_are_one_group() {
    let by = "lambda d: d['k']";
    let value = || "lambda d: d['v']".to_owned();
    for (aggregate, expected) in [
        (Aggregate::Count, "null=1 1=3 \"a\"=1"),
        (Aggregate::Sum(value()), "null=9007199254740993 1=2.5"),
        (Aggregate::Average(value()), "null=9007199254740992.0 1=0.8333333333333334"),
        (Aggregate::Min(value()), "null=9007199254740993 1=-1 \"a\"=null"),
        (Aggregate::Max(value()), "null=9007199254740993 1=3 \"a\"=null"),
        (Aggregate::Collect(value()), "null=[9007199254740993] 1=[3, 0.5, -1] \"a\"=[null]"),
    ] {
        assert_eq!(shown(&BODIES, by, &aggregate), expected, "{aggregate:?}");
    }
}

#[test]
fn documents_that_raise_are_in_no_group_and_counted() {
    let bodies: Vec<String> = BODIES.iter().map(|body| (*body).to_owned()).collect();
    let source = Memory::new(&bodies, None);
    let sum = Aggregate::Sum("lambda d: d['v']".to_owned());
    let grouping = Grouping::compile("lambda d: d['k']", sum).expect("lambdas of the language");
    let filter = Program::compile("lambda d: d.get('v') != 3").expect("a lambda of the language");
    let meter = Meter::default();
    let (found, skipped) = group(&source, Some(&filter), &grouping, &meter).expect("groups");
    assert_eq!((found.len(), skipped.count), (2, 2));
    let (id, raised) = skipped.first.expect("there is one");
    assert_eq!(id.as_str(), "002");
    assert_eq!(raised, "TypeError: unsupported operand type(s) for +: 'int' and 'NoneType'");
}

#[test]
fn too_many_groups_are_refused() {
    let body = format!("\"k\": [{}]", vec!["\"a long string, many times\""; 400].join(","));
    let bodies = vec![body; 200];
    let source = Memory::new(&bodies, None);
    let key = "lambda d: [d['_id'], d['k'] * 20]";
    let grouping = Grouping::compile(key, Aggregate::Count).expect("lambdas of the language");
    let refused = group(&source, None, &grouping, &Meter::default()).expect_err("too much");
    // By its groups alone, or with what the next document needs beside them.
    assert!(matches!(refused, Error::QueryLimit { .. }), "{refused}");
    assert!(refused.to_string().contains("more than 67108864 bytes"), "{refused}");
}

fn numbers() -> impl Strategy<Value = Value> {
    prop_oneof![
        any::<i64>().prop_map(|n| Value::Int(i128::from(n))),
        any::<bool>().prop_map(Value::Bool),
        any::<f64>().prop_filter("finite", |f| f.abs() < 1e290).prop_map(Value::Float),
        (-100..100_i32).prop_map(|n| Value::Float(f64::from(n) / 10.0)),
    ]
}

proptest! {
    #[test]
    fn sums_do_not_depend_on_their_order(
        values in prop::collection::vec(numbers(), 0..12), cut in 0..12_usize,
    ) {
        let total = |values: &[Value]| {
            let mut sum = Sum::default();
            values.iter().filter_map(Sum::of).for_each(|value| sum.join(&value));
            sum
        };
        let cut = cut.min(values.len());
        let mut parts = total(&values[cut..]);
        parts.join(&total(&values[..cut]));
        let mut turned = values.clone();
        turned.reverse();
        let whole = total(&values).total();
        prop_assert_eq!(&parts.total(), &whole);
        prop_assert_eq!(&total(&turned).total(), &whole);
    }

    #[test]
    fn shards_merge_in_any_order(
        keys in prop::collection::vec(0..4_u8, 0..12), shards in 1..4_usize, turn in 0..4_usize,
    ) {
        let body = |(at, key): (usize, &u8)| format!("\"k\": {key}, \"v\": {at}");
        let bodies: Vec<String> = keys.iter().enumerate().map(body).collect();
        for aggregate in [
            Aggregate::Count,
            Aggregate::Sum("lambda d: d['v']".into()),
            Aggregate::Max("lambda d: d['v']".into()),
            Aggregate::Collect("lambda d: d['v']".into()),
        ] {
            let expected = groups(&bodies, "lambda d: d['k']", &aggregate).finish(&aggregate);
            let mut parts: Vec<Groups> = (0..shards)
                .map(|shard| {
                    let key = format!(
                        "lambda d: d['k'] if int(d['_id']) % {shards} == {shard} else d['none']"
                    );
                    groups(&bodies, &key, &aggregate)
                })
                .collect();
            parts.rotate_left(turn % shards);
            let mut merged = Groups::default();
            for part in parts {
                merged.merge(part, &aggregate).expect("no limit is passed");
            }
            prop_assert_eq!(merged.finish(&aggregate), expected);
        }
    }
}
