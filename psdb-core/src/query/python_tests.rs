//! Proves that lambdas give what CPython 3.11 gives, on cases that CPython has answered
//! (`scripts/regenerate-python-cases`), or are refused for a reason that is documented.

use std::collections::BTreeMap;

use super::object::{Object, repr, unicode};
use super::{EvalError, Meter, Program, eval};
use crate::codec::EncodedDocument;
use crate::types::Limits;

const CASES: &str = include_str!("../../tests/data/python_cases.ndjson");

/// What may be refused, as `docs/query-language.md` lists it.
const REFUSED: [&str; 8] = [
    "the order of a set is not defined",
    "the power of a negative number to a fraction is complex",
    "formatting with % is not supported",
    "a range beyond 2^100 is not supported",
    "' is not supported (column",
    "unknown name",
    "NaN inside lists, dicts and sets has no defined equality",
    "unions of types are not supported",
];

fn represent(object: &Object<'_>, meter: &Meter) -> Result<String, EvalError> {
    match object {
        Object::Set(set) if set.len() > 1 => {
            let elements = set.keys().map(|element| repr::repr(element, meter));
            let mut elements = elements.collect::<Result<Vec<_>, _>>()?;
            elements.sort();
            Ok(format!("set: {}", elements.join(", ")))
        }
        _ => repr::repr(object, meter),
    }
}

/// The outcome as the cases write it, or why it is refused.
fn outcome(body: &str, document: &EncodedDocument) -> Result<String, String> {
    let program =
        Program::compile(&format!("lambda d: {body}")).map_err(|error| error.to_string())?;
    let meter = Meter::default();
    let run = |object: Object<'_>| represent(&object, &meter);
    match eval::evaluate(program.code(), document.root(), &meter, run) {
        Ok(text) => Ok(text),
        Err(EvalError::Raised(raised)) => Ok(format!("!{raised}")),
        Err(EvalError::Limit(reason)) => Err(reason),
    }
}

#[test]
fn lambdas_agree_with_cpython() {
    let mut document = EncodedDocument::from_json(b"{}", &Limits::DEFAULT).expect("a document");
    let (mut agreed, mut disagreed, mut refused) = (0, Vec::new(), BTreeMap::new());
    for line in CASES.lines() {
        let line: serde_json::Value = serde_json::from_str(line).expect("a case is JSON");
        if let Some(new) = line.get("document") {
            document = EncodedDocument::from_serialize(new).expect("a document");
            continue;
        }
        let (body, expected) = (line[0].as_str().expect("text"), line[1].as_str().expect("text"));
        match outcome(body, &document) {
            // What is no Python must be refused, but in words of our own.
            Err(_) if expected == "!SyntaxError" => agreed += 1,
            Ok(found) if found == expected => agreed += 1,
            Ok(found) => disagreed.push(format!("{body}\n  CPython {expected}\n  PSDB    {found}")),
            Err(reason) => {
                let (count, _) = refused.entry(reason).or_insert((0, body.to_owned()));
                *count += 1;
            }
        }
    }
    let listed = |reason: &String| REFUSED.iter().any(|listed| reason.contains(listed));
    let unlisted: Vec<_> = refused.iter().filter(|(reason, _)| !listed(reason)).collect();
    let total: usize = refused.values().map(|(count, _)| *count).sum();
    let shown: Vec<_> = disagreed.iter().take(200).cloned().collect();
    assert!(
        disagreed.is_empty(),
        "{} disagree:\n{}\n{unlisted:#?}",
        disagreed.len(),
        shown.join("\n")
    );
    assert!(unlisted.is_empty(), "{unlisted:#?}");
    assert!(agreed >= 10_000, "only {agreed} cases agree");
    assert!(total * 20 < agreed, "{total} cases are refused");
}

#[test]
fn every_character_is_classed_as_by_cpython() {
    let expected = include_str!("../../tests/data/unicode_digests.txt");
    // Beyond the second plane there is little; every 16th block of it shows as much.
    let blocks = expected.lines().enumerate();
    for (block, expected) in blocks.filter(|(block, _)| *block < 32 || block % 16 == 0) {
        let start = block as u32 * 4_096;
        let mut hasher = crc32fast::Hasher::new();
        for c in (start..start + 4_096).filter_map(char::from_u32) {
            hasher.update(described(c).as_bytes());
        }
        let found = format!("{:08x}", hasher.finalize());
        assert_eq!(found, expected, "characters {start:#x} to {:#x}", start + 4_095);
    }
}

/// What the digests are of: classes and cases, alone and within a word.
fn described(c: char) -> String {
    let text = c.to_string();
    let word = format!("aΣ{c}Σa{c}");
    let cased = |text: &str| {
        let any = text.chars().any(unicode::is_upper);
        any && !text.chars().any(|c| unicode::is_lower(c) || unicode::is_title(c))
    };
    let bits = [
        unicode::is_alpha(c),
        unicode::is_digit(c),
        unicode::is_alnum(c),
        unicode::is_space(c),
        unicode::is_upper(c),
        unicode::is_lower(c),
        cased(&word),
    ];
    let mut shown = String::new();
    repr::quoted(&text, &mut shown);
    let cases = [
        unicode::lower(&text),
        unicode::upper(&text),
        unicode::title(&text),
        unicode::capitalize(&text),
        unicode::casefold(&text),
        unicode::lower(&word),
        unicode::title(&word),
        unicode::upper(&word),
        shown,
    ];
    let bits: String = bits.iter().map(|bit| if *bit { '1' } else { '0' }).collect();
    bits + &cases.join("|")
}
