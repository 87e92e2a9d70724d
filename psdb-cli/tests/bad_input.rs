//! Proves that every kind of bad input gives one clear message and the documented exit code,
//! changes nothing, and never makes `psdb` panic.

mod support;

use support::{Ran, run};

/// A database with one document, the input, and what is there afterwards.
fn try_input(line: &[u8]) -> Ran {
    let mut script = b"create c\nuse c\ninsert {\"_id\": \"a\", \"n\": 1}\nreadall\n".to_vec();
    script.extend_from_slice(line);
    script.extend_from_slice(b"\nreadall\nlist\n");
    run(&["-o", "json", "--keep-going"], script)
}

fn assert_refused(line: &[u8], code: i32, class: &str, parts: &[&str]) {
    let shown = String::from_utf8_lossy(&line[..line.len().min(80)]).into_owned();
    let ran = try_input(line);
    assert_eq!(ran.code, code, "{shown}: {}{}", ran.out, ran.err);
    let objects = ran.objects();
    assert_eq!(objects.len(), 7, "{shown}: {}", ran.out);
    let (before, refused, after, list) = (&objects[3], &objects[4], &objects[5], &objects[6]);
    assert_eq!(refused["ok"], false, "{shown}");
    let error = &refused["error"];
    assert_eq!((&error["code"], &error["outcome"]), (&class.into(), &"not_applied".into()));
    let message = error["message"].as_str().expect("a message");
    for part in parts {
        assert!(message.contains(part), "{shown}: {message}");
    }
    assert!(!message.contains(|c: char| c.is_control()), "{shown}: {message:?}");
    assert_eq!(message.lines().count(), 1, "{shown}: {message}");
    assert!(message.len() < 500, "{shown}: {message}");
    assert_eq!(before["documents"].as_array().expect("documents").len(), 1);
    assert_eq!(before, after, "{shown}: something changed");
    assert_eq!(list["databases"].as_array().expect("databases").len(), 1, "{shown}");
    assert!(!ran.err.contains("panicked"), "{shown}: {}", ran.err);
}

#[test]
fn documents_that_are_none() {
    for (json, part) in [
        ("{\"a\": }", "a value was expected"),
        ("{\"a\": 1", "',' or '}'"),
        ("{\"a\": 1} x", "follows the object"),
        ("{a: 1}", "in double quotes"),
        ("{\"a\": 1,}", "name was expected"),
        ("{\"a\": 1, \"a\": 2}", "\"a\""),
        ("[1, 2]", "must be an object"),
        ("7", "must be an object"),
        ("null", "must be an object"),
        ("\"text\"", "must be an object"),
        ("{\"n\": 1e400}", "too large for a double"),
        ("{\"n\": -1e400}", "too large for a double"),
        ("{\"n\": 18446744073709551616}", "18446744073709551616"),
        ("{\"n\": -9223372036854775809}", "-9223372036854775809"),
        ("{\"n\": NaN}", "NaN"),
        ("{\"n\": Infinity}", "infinities"),
        ("{\"n\": -Infinity}", "a digit was expected"),
        ("{\"n\": 01}", "begin with 0"),
        (r#"{"s": "\ud800"}"#, "lone surrogate"),
        (r#"{"s": "\udc00 x"}"#, "lone surrogate"),
        (r#"{"s": "\ud83dx"}"#, "lone surrogate"),
        ("{\"s\": \"\u{1}\"}", "control character"),
        ("{\"_id\": 7}", "_id must be a string"),
        ("{\"_id\": \"\"}", "_id"),
    ] {
        for command in ["insert", "replace a", "update a"] {
            let line = format!("{command} {json}");
            assert_refused(line.as_bytes(), 2, "INVALID_ARGUMENT", &[part]);
        }
    }
}

#[test]
fn numbers_at_the_edge_are_taken_and_keep_their_digits() {
    let json = r#"{"_id": "a", "min": -9223372036854775808, "max": 18446744073709551615, "f": 1e308, "t": 0.1}"#;
    let script = format!("create c\nuse c\ninsert {json}\nread a\n");
    let ran = run(&["-o", "simple"], script);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let read = ran.out.lines().nth(3).expect("the document");
    for part in ["\"min\": -9223372036854775808", "\"max\": 18446744073709551615", "\"t\": 0.1"] {
        assert!(read.contains(part), "{read}");
    }
}

#[test]
fn bytes_that_are_not_text() {
    assert_refused(
        b"insert {\"s\": \"\xff\xfe\"}",
        2,
        "INVALID_ARGUMENT",
        &["not UTF-8", "column 15"],
    );
    assert_refused(b"\xff", 2, "INVALID_ARGUMENT", &["not UTF-8 at column 1"]);
}

#[test]
fn documents_too_deep_or_too_large() {
    let nested = |depth: usize| {
        // The document itself is the first level.
        format!("{{\"_id\": \"deep\", \"a\": {}{}}}", "[".repeat(depth - 1), "]".repeat(depth - 1))
    };
    assert_refused(
        format!("insert {}", nested(101)).as_bytes(),
        2,
        "INVALID_ARGUMENT",
        &["deeper than 100"],
    );
    let deepest = run(&[], format!("create c\nuse c\ninsert {}\n", nested(100)));
    assert_eq!(deepest.code, 0, "100 levels are allowed: {}", deepest.err);
    // Far deeper must neither be taken nor exhaust the stack.
    let line = format!("insert {{\"a\": {}", "[".repeat(1 << 20));
    assert_refused(line.as_bytes(), 2, "INVALID_ARGUMENT", &["deeper than 100"]);

    let sized = |bytes: usize| {
        let around = "{\"_id\": \"b\", \"s\": \"\"}".len();
        format!("{{\"_id\": \"b\", \"s\": \"{}\"}}", "x".repeat(bytes - around))
    };
    let limit = 16 << 20;
    let line = format!("insert {}", sized(limit + 1));
    assert_refused(line.as_bytes(), 2, "INVALID_ARGUMENT", &["16777217 bytes", "16777216"]);
    // A line longer than any document can be is not even kept.
    let line = format!("insert {}", sized(limit + (1 << 20)));
    assert_refused(line.as_bytes(), 2, "INVALID_ARGUMENT", &["the line is longer than"]);
    let largest = run(&[], format!("create c\nuse c\ninsert {}\ncount\n", sized(limit)));
    assert_eq!(largest.code, 0, "16 MiB are allowed: {}", largest.err);
}

#[test]
fn names_of_databases() {
    let long = "x".repeat(65);
    for (line, part) in [
        (b"create ../x".as_slice(), "../x"),
        (b"create a\0b", "a\\0b"),
        (b"create \"\"", "\"\""),
        (b"create 'two words'", "two words"),
        (format!("create {long}").as_bytes(), "64"),
        ("create caf\u{e9}".as_bytes(), "caf\u{e9}"),
        (b"use ../x", "../x"),
        (b"delete ../x --yes", "../x"),
        (b"create c2 shards=0", "shards=0"),
        (b"create c2 shards=5", "1 to 4"),
        (b"create c2 [7]", "strings, not 7"),
        (b"create c2 [\"\"]", "field"),
        (b"create c2 [\"a\"", "not valid JSON"),
    ] {
        assert_refused(line, 2, "INVALID_ARGUMENT", &[part]);
    }
    let longest = run(&[], format!("create {}\n", "x".repeat(64)));
    assert_eq!(longest.code, 0, "64 characters are allowed: {}", longest.err);
}

#[test]
fn things_that_are_not_there_or_there_already() {
    for (line, code, class, part) in [
        ("use nowhere", 3, "NOT_FOUND", "database 'nowhere' does not exist"),
        ("delete nowhere --yes", 3, "NOT_FOUND", "database 'nowhere' does not exist"),
        ("read nobody", 3, "NOT_FOUND", "document 'nobody' does not exist"),
        ("update nobody {}", 3, "NOT_FOUND", "document 'nobody' does not exist"),
        ("replace nobody {}", 3, "NOT_FOUND", "document 'nobody' does not exist"),
        ("delete_doc nobody", 3, "NOT_FOUND", "document 'nobody' does not exist"),
        ("import /nonexistent/file", 3, "NOT_FOUND", "could not read /nonexistent/file"),
        ("create c", 4, "ALREADY_EXISTS", "database 'c' already exists"),
        ("insert {\"_id\": \"a\"}", 4, "ALREADY_EXISTS", "document 'a' already exists"),
        ("update a {\"n\": 2} if_version=7", 4, "FAILED_PRECONDITION", "version 1, not 7"),
        ("replace a {\"n\": 2} if_version=7", 4, "FAILED_PRECONDITION", "version 1, not 7"),
        ("delete_doc a if_version=7", 4, "FAILED_PRECONDITION", "version 1, not 7"),
    ] {
        assert_refused(line.as_bytes(), code, class, &[part]);
    }
}

#[test]
fn reserved_fields_and_ids() {
    for field in ["_version", "_created_at", "_updated_at"] {
        for command in ["insert", "replace a", "update a"] {
            let line = format!("{command} {{\"{field}\": 1}}");
            assert_refused(line.as_bytes(), 2, "INVALID_ARGUMENT", &[field, "reserved"]);
        }
    }
    for command in ["update a", "replace a"] {
        let line = format!("{command} {{\"_id\": \"b\"}}");
        assert_refused(line.as_bytes(), 2, "INVALID_ARGUMENT", &["_id"]);
    }
    let line = format!("insert {{\"_id\": \"{}\"}}", "i".repeat(513));
    assert_refused(line.as_bytes(), 2, "INVALID_ARGUMENT", &["512"]);
    // Below the top level the names are anybody's.
    let nested = run(&[], "create c\nuse c\ninsert {\"a\": {\"_version\": \"mine\"}}\n");
    assert_eq!(nested.code, 0, "{}", nested.err);
}

#[test]
fn commands_that_are_none() {
    for (line, part) in [
        ("frobnicate", "unknown command 'frobnicate'"),
        ("insert", "needs a document"),
        ("count 'lambda d: True", "not closed"),
        ("readall limit many", "whole number"),
        ("kill worker-1", "'psdb dev' only"),
        ("import -", "the commands come from it"),
    ] {
        assert_refused(line.as_bytes(), 2, "INVALID_ARGUMENT", &[part]);
    }
}

#[test]
fn runs_of_spaces_are_kept() {
    let script =
        "create c\nuse c\ninsert   {\"_id\":  \"a  b\",  \"s\": \"x   y\\t z  \"}  \nread 'a  b'\n";
    let ran = run(&["-o", "json"], script);
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    let document = &ran.objects()[3]["document"];
    assert_eq!((&document["_id"], &document["s"]), (&"a  b".into(), &"x   y\t z  ".into()));
}

#[test]
fn one_shot_commands_refuse_as_scripts_do() {
    for (arguments, code, part) in [
        (&["create", "../x"][..], 2, "invalid database name"),
        (&["create", ""], 2, "invalid database name"),
        (&["-d", "../x", "count"], 2, "invalid database name"),
        (&["-d", "nowhere", "count"], 3, "'nowhere' does not exist"),
        (&["-d", "nowhere", "insert", "{"], 2, "invalid document"),
        (&["count"], 2, "no database is in use"),
    ] {
        let ran = run(arguments, "");
        assert_eq!((ran.code, ran.out.as_str()), (code, ""), "{arguments:?}: {}", ran.err);
        assert!(ran.err.contains(part), "{arguments:?}: {}", ran.err);
        let errors = ran.err.lines().filter(|line| line.starts_with("error: ")).count();
        assert_eq!(errors, 1, "{arguments:?}: {}", ran.err);
    }
}
