//! Any text either is a lambda or is refused with a column in it; what is printed parses into the same
//! tree; and a lambda evaluates to a value, an exception or a limit.
//!
//! Run it with `cargo +nightly fuzz run query_parse`.
#![no_main]

use libfuzzer_sys::fuzz_target;
use psdb_core::codec::EncodedDocument;
use psdb_core::query::Program;
use psdb_core::query::expr::Expr;
use psdb_core::{Error, Limits};

fuzz_target!(|text: &str| {
    match Expr::parse(text) {
        Ok(tree) => {
            let printed = tree.to_string();
            assert_eq!(Expr::parse(&printed).as_ref(), Ok(&tree), "{printed}");
        }
        Err(Error::InvalidQuery { column, .. }) => {
            assert!(column as usize <= text.chars().count() + 1, "column {column}");
        }
        Err(other) => panic!("{other}"),
    }
    let json = br#"{"a": 3, "s": "Hello", "l": [1, "x", null], "m": {"x": 1.5}}"#;
    if let (Ok(program), Ok(document)) =
        (Program::compile(text), EncodedDocument::from_json(json, &Limits::DEFAULT))
    {
        let _ = program.evaluate(&document);
    }
});
