//! Golden scripts of explanations: what each plan looks like, before and after it was run.

use super::{Asked, analyze, explain};
use crate::golden::run_scripts;
use crate::query::Program;
use crate::query::executor::tests::Memory;

/// `indexes FIELD,FIELD;FIELD` declares indexes; `explain` and `analyze` stand before a lambda, with
/// `sort LAMBDA [desc]` and `limit N` behind it if it is so. There are 200 documents: `n` counts them,
/// `k` is `n` modulo 10, `tags` holds `k`.
#[test]
fn plans_are_explained() {
    run_scripts("query/testscripts/explain", |commands| {
        let bodies: Vec<String> = (0..200)
            .map(|n| format!("\"n\": {n}, \"k\": {}, \"tags\": [{}]", n % 10, n % 10))
            .collect();
        let mut source = Memory::new(&bodies, None);
        let mut output = String::new();
        for command in commands {
            let (verb, rest) = command.split_once(' ').expect("a verb");
            match verb {
                "indexes" => source = Memory::new(&bodies, Some(rest)),
                _ => output.push_str(&explained(&source, verb, rest)),
            }
        }
        output
    });
}

fn explained(source: &Memory, verb: &str, text: &str) -> String {
    let (text, limit) = match text.rsplit_once(" limit ") {
        Some((text, limit)) => (text, Some(limit.parse().expect("a number"))),
        None => (text, None),
    };
    let (filter, order) = match text.split_once(" sort ") {
        Some((filter, order)) => (filter, Some(order)),
        None => (text, None),
    };
    let descending = order.is_some_and(|order| order.ends_with(" desc"));
    let compile = |text: &str| Program::compile(text).expect("a lambda of the language");
    let order = order.map(|text| compile(text.trim_end_matches(" desc")));
    let filter = compile(filter);
    let asked = Asked {
        filter: Some(&filter),
        order: order.as_ref().map(|key| (key, descending)),
        limit,
        ..Asked::default()
    };
    let tree = match verb {
        "analyze" => analyze(source.clone(), &asked, None),
        _ => explain(source, &asked),
    };
    let tree = tree.expect("nothing fails here");
    format!("{tree}{}\n", tree.to_value().to_json())
}
