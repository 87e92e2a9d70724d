//! Proves that every rule finds its breaches, at the right line, and nothing else.

use crate::mask::mask;
use crate::paths::named_paths;
use crate::source::{Breach, Source, mark_test_files};
use crate::{layers, sizes, words};

/// What `rule` finds in `text`: lines and rules, excused ones left out.
fn found(rule: impl Fn(&Source) -> Vec<Breach>, path: &str, text: &str) -> Vec<String> {
    let source = Source::new(path, text);
    rule(&source)
        .into_iter()
        .filter(|breach| !source.excuses(breach))
        .map(|breach| format!("{} {}", source.line(breach.offset), breach.rule))
        .collect()
}

const NOTHING: [&str; 0] = [];

#[test]
fn comments_and_literals_are_masked() {
    for (text, code) in [
        ("a // b\nc", "a     \nc"),
        ("a /* b /* c */ d */ e", "a                   e"),
        (r#"f("a\"b // c")"#, r#"f("~~~~~~~~~")"#),
        (r##"f(r#"a"b\"#)"##, r##"f(r#"~~~~"#)"##),
        (r#"f(br"a\")"#, r#"f(br"~~")"#),
        (r"f('\'', '{', 'é')", r"f('~~', '~', '~~')"),
        ("fn f<'a>(x: &'a str)", "fn f<'a>(x: &'a str)"),
        ("for r in 'a'..='z'", "for r in '~'..='~'"),
        ("\"a\nb\"", "\"~\n~\""),
        ("/// it's\nfn f() {}", "        \nfn f() {}"),
        ("let \u{3b1} = 1;", "let ~~ = 1;"),
    ] {
        assert_eq!(mask(text).code, code, "{text}");
    }
    assert_eq!(mask("a // b\n// c").comments, [(2, "// b".into()), (7, "// c".into())]);
}

#[test]
fn paths_are_found_and_imports_expanded() {
    let paths = |code: &str| -> Vec<String> {
        named_paths(code).iter().map(crate::paths::NamedPath::text).collect()
    };
    assert_eq!(
        paths("use a::{b::{self, c}, d as e, f::*}; g::h(i)"),
        ["a::b::self", "a::b::c", "a::d", "a::f::*", "g::h", "i"]
    );
    assert_eq!(paths("use ::a::b; use c;"), ["a::b", "c"]);
    assert_eq!(paths("x.y::<z>(1_u8, &'a w) + use<'b, c>"), ["x", "y", "z", "w", "use", "c"]);
    // What cannot be read does not stop the reader.
    assert_eq!(paths("use {; } fn a::b; use ( {").last().map(String::as_str), Some("a::b"));
}

#[test]
fn code_for_tests_is_recognized() {
    let text = "fn a() { x.unwrap() }\n\
                #[cfg(test)]\n#[allow(dead_code)]\nmod tests {\n fn b() { x.unwrap() }\n}\n\
                fn c() { x.unwrap() }\n\
                #[cfg(any(test, fuzzing))]\nfn d() { x.unwrap() }\n\
                struct S {\n #[cfg(test)]\n a: A,\n b: B,\n}\n\
                #[cfg(not(test))]\nfn e() { x.unwrap() }\n";
    let lines = ["1 unwrap", "7 unwrap", "16 unwrap"];
    assert_eq!(found(words::unwraps, "psdb-core/src/env/a.rs", text), lines);
    assert_eq!(found(words::unwraps, "psdb-core/tests/a.rs", text), NOTHING);
    let whole = format!("//! A.\n#![cfg(test)]\n{text}");
    assert_eq!(found(words::unwraps, "psdb-core/src/env/a.rs", &whole), NOTHING);
}

#[test]
fn files_of_test_modules_are_recognized() {
    let mut sources = [
        ("src/a/mod.rs", "#[cfg(test)]\nmod tests;\nmod b;"),
        ("src/a/tests/mod.rs", "mod c;"),
        ("src/a/tests/c.rs", ""),
        ("src/a/b.rs", "#[cfg(test)]\n#[path = \"b_tests.rs\"]\nmod tests;"),
        ("src/a/b_tests.rs", ""),
        ("src/d.rs", "#[cfg(test)] mod e;"),
        ("src/d/e.rs", ""),
        ("src/tests.rs", ""),
    ]
    .map(|(path, text)| Source::new(path, text));
    mark_test_files(&mut sources);
    let tests: Vec<_> =
        sources.iter().filter(|source| source.is_test).map(|source| &*source.path).collect();
    let expected = ["src/a/tests/mod.rs", "src/a/tests/c.rs", "src/a/b_tests.rs", "src/d/e.rs"];
    assert_eq!(tests, expected);
}

#[test]
fn layers_are_kept() {
    for (path, text, breaches) in [
        ("storage/a.rs", "use crate::raft::Group;", 1),
        ("storage/a.rs", "use crate::{env::Env, raft::Group, types::Term};", 1),
        ("storage/a.rs", "fn f() { crate::query::run() }", 1),
        ("storage/a.rs", "use crate::codec::document::EncodedDocument;", 1),
        ("storage/a.rs", "use crate::codec::{frame, key};", 0),
        ("storage/a.rs", "// crate::raft\nconst A: &str = \"crate::raft\";", 0),
        ("storage/wal/a.rs", "use super::super::error::StorageError;", 0),
        ("storage/wal/a.rs", "use super::super::super::raft::Group;", 1),
        ("query/a.rs", "use crate::storage::BPlusTree;", 1),
        ("types/a.rs", "use crate::codec::frame;", 1),
        ("codec/a.rs", "use crate::types::Value;", 0),
        ("codec/a.rs", "use crate::Value;", 1),
        ("shard/a.rs", "use crate::transport::message::WriteOp;", 0),
        ("shard/a.rs", "use crate::transport::{Transport, message::WriteOp};", 1),
        ("worker/a.rs", "use crate::transport::Transport;", 0),
        ("worker/a.rs", "use crate::master::placement;", 1),
        ("client/a.rs", "use crate::worker::Worker;", 1),
        ("master/a.rs", "use crate::cluster::Cluster;", 1),
        ("cluster/a.rs", "use crate::{client::Client, master::Master, worker::Worker};", 0),
        ("novelty/a.rs", "", 1),
        ("master/a.rs", "use crate::golden::run_scripts;", 1),
        ("master/a.rs", "#[cfg(test)]\nmod tests { use crate::golden::run_scripts; }", 0),
        ("lib.rs", "pub use crate::cluster::Cluster;", 0),
    ] {
        let path = format!("psdb-core/src/{path}");
        assert_eq!(found(layers::imports, &path, text).len(), breaches, "{path}: {text}");
    }
}

#[test]
fn the_raft_library_and_the_environment_are_kept_in() {
    for (path, text, breaches) in [
        ("raft/a.rs", "use openraft::Raft;", 0),
        ("env/a.rs", "use openraft::AsyncRuntime;", 1),
        ("worker/a.rs", "fn f(x: openraft::Raft) {}", 1),
    ] {
        let path = format!("psdb-core/src/{path}");
        assert_eq!(found(layers::raft_library, &path, text).len(), breaches, "{path}: {text}");
    }
    for (text, breaches) in [
        ("use std::fs;", 1),
        ("use std::{fs::File, io};", 1),
        ("use std::time::{Duration, Instant};", 1),
        ("use std::time::Duration;", 0),
        ("fn f() { Instant::now(); }", 1),
        ("fn f() { std::time::SystemTime::now(); }", 1),
        ("fn f() { rand::random() }", 1),
        ("fn f(rand: u8) { rand + 1 }", 0),
        ("fn f() { tokio::spawn(g()) }", 1),
        ("use tokio::{sync::mpsc, time};", 1),
        ("use tokio::sync::mpsc;", 0),
        ("#[cfg(test)]\nmod tests { use std::fs; }", 0),
    ] {
        let path = "psdb-core/src/worker/a.rs";
        assert_eq!(found(layers::environment, path, text).len(), breaches, "{text}");
        for free in ["psdb-core/src/env/a.rs", "psdb-cli/src/a.rs", "psdb-core/tests/a.rs"] {
            assert_eq!(found(layers::environment, free, text), NOTHING, "{free}: {text}");
        }
    }
}

#[test]
fn state_machines_are_kept_pure() {
    for (text, breaches) in [
        ("use crate::env::Env;", 1),
        ("use tokio::sync::mpsc;", 1),
        ("use std::collections::{BTreeMap, HashMap};", 1),
        ("fn f() { let m = HashMap::new(); }", 1),
        ("use std::collections::BTreeMap;", 0),
    ] {
        for path in ["psdb-core/src/shard/a.rs", "psdb-core/src/metadata/a.rs"] {
            assert_eq!(found(layers::state_machines, path, text).len(), breaches, "{text}");
        }
        assert_eq!(found(layers::state_machines, "psdb-core/src/worker/a.rs", text), NOTHING);
    }
}

#[test]
fn lengths_count_code_only() {
    let function = |name: &str, lines: usize| {
        format!("fn {name}(a: [u8; 2]) {{\n{}}}\n", "  // why\n\n  a();\n".repeat(lines - 2))
    };
    let text = format!("trait T {{\n fn z();\n}}\n{}{}", function("a", 70), function("b", 71));
    assert_eq!(found(sizes::functions, "src/a.rs", &text), ["210 fn-length"]);
    let excused = text.replace("fn b", "// tidy-allow(fn-length): a table\nfn b");
    assert_eq!(found(sizes::functions, "src/a.rs", &excused), NOTHING);
    let unexcused = text.replace("fn b", "// tidy-allow(fn-length): \nfn b");
    assert_eq!(found(sizes::functions, "src/a.rs", &unexcused).len(), 1);
    assert_eq!(found(sizes::functions, "src/a.rs", "type F = fn (u8) -> u8;"), NOTHING);

    let tests = format!("#[cfg(test)]\nmod tests {{\n{}}}\n", "a!();\n".repeat(900));
    let text = format!("//! A.\n{}{tests}", "a!();\n\n".repeat(600));
    assert_eq!(found(sizes::files, "src/a.rs", &text), NOTHING);
    assert_eq!(found(sizes::files, "src/a.rs", &format!("{text}a!();")), ["1 file-length"]);
    // A literal of several lines is code.
    let literal = format!("const A: &str = \"{}\";", "a\n".repeat(600));
    assert_eq!(found(sizes::files, "src/a.rs", &literal), ["1 file-length"]);
}

#[test]
fn headers_and_names_are_required() {
    assert_eq!(found(words::headers, "src/a.rs", "//! A.\nfn a() {}"), NOTHING);
    for text in ["", "fn a() {}", "// A.", "\n//! A.", "/// A.\nfn a() {}"] {
        assert_eq!(found(words::headers, "src/a.rs", text), ["1 header"], "{text:?}");
    }
    for path in ["src/utils.rs", "src/a/helpers/mod.rs", "tests/common.rs"] {
        assert_eq!(found(words::file_names, path, ""), ["1 file-name"], "{path}");
    }
    assert_eq!(found(words::file_names, "src/commonplace.rs", ""), NOTHING);
}

#[test]
fn prints_are_for_programs() {
    let text = "fn a() {\n println!();\n}\nfn b() { dbg!(print) }\n// println!\n";
    assert_eq!(found(words::prints, "psdb-core/src/a.rs", text), ["2 print", "4 print"]);
    assert_eq!(found(words::prints, "psdb-cli/src/a.rs", text), NOTHING);
    assert_eq!(found(words::prints, "psdb-core/tests/a.rs", text), NOTHING);
}

#[test]
fn selects_must_be_biased() {
    let path = "psdb-core/src/worker/a.rs";
    assert_eq!(found(words::selects, path, "tokio::select! {\n a = b() => {} }"), ["1 select"]);
    let biased = "tokio::select! {\n // In this order.\n biased;\n a = b() => {} }";
    assert_eq!(found(words::selects, path, biased), NOTHING);
}

#[test]
fn open_tasks_need_an_issue() {
    let text =
        "// TODO: later\n// TODO(#12): later\n/* a\n FIXME b */\nlet a = \"TODO\";\n// TODO #7";
    assert_eq!(found(words::open_tasks, "src/a.rs", text), ["1 open-task", "4 open-task"]);
}

#[test]
fn tests_must_not_sleep() {
    let text = "fn a() { std::thread::sleep(b); }\nuse tokio::time::{sleep, timeout};";
    assert_eq!(found(words::sleeps, "psdb-core/tests/a.rs", text), ["1 sleep", "2 sleep"]);
    assert_eq!(found(words::sleeps, "psdb-core/src/env/a.rs", text), NOTHING);
}
