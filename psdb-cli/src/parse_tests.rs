//! Proves that every documented form of every command parses, from a line and from arguments, and
//! that every other form is a usage error which names its mistake.

use std::time::Duration;

use super::{arguments, first_word, line};
use crate::command::{Change, Command, Fault, Index, Lambda, Lock, Order, Page, Query};
use crate::failure::Failure;

fn parsed(text: &str) -> Command {
    line(text).unwrap_or_else(|error| panic!("{text}: {error:?}")).expect("a command")
}

fn from_arguments(words: &[&str]) -> Result<Command, Failure> {
    let words: Vec<String> = words.iter().map(ToString::to_string).collect();
    arguments(&words)
}

fn refusal(text: &str) -> String {
    match line(text) {
        Err(Failure::Usage { message, usage }) => {
            format!("{message}\nusage: {}", usage.unwrap_or(""))
        }
        other => panic!("{text:?} should be a usage error, not {other:?}"),
    }
}

fn bare(text: &str) -> Lambda {
    Lambda { text: text.into(), bare: true }
}

fn quoted(text: &str) -> Lambda {
    Lambda { text: text.into(), bare: false }
}

#[test]
fn empty_lines_and_comments_are_nothing() {
    for text in ["", "   ", "\t\r", "# create x", "   # indented"] {
        assert_eq!(line(text).expect("no mistake"), None, "{text:?}");
    }
}

#[test]
fn databases() {
    let create = |indexes: &[&[&str]], shards| Command::Create {
        name: "films".into(),
        indexes: indexes.iter().map(|i| i.iter().map(ToString::to_string).collect()).collect(),
        shards,
        deny_full_scan: false,
    };
    assert_eq!(parsed("create films"), create(&[], None));
    assert_eq!(parsed("create films []"), create(&[], None));
    assert_eq!(parsed(r#"create films ["Director"]"#), create(&[&["Director"]], None));
    assert_eq!(
        parsed(r#"create films ["Major Genre", ["a", "b"]] shards=4"#),
        create(&[&["Major Genre"], &["a", "b"]], Some(4))
    );
    assert_eq!(parsed("create films shards=2"), create(&[], Some(2)));
    assert_eq!(
        from_arguments(&["create", "films", "[\"Major Genre\"]", "shards=4"]).expect("valid"),
        create(&[&["Major Genre"]], Some(4))
    );
    assert_eq!(parsed("use films"), Command::Use { name: "films".into() });
    assert_eq!(
        parsed("create ''"),
        Command::Create {
            name: String::new(),
            indexes: vec![],
            shards: None,
            deny_full_scan: false
        }
    );
    assert_eq!(parsed("list"), Command::List);
    assert_eq!(parsed("delete films"), Command::Delete { name: "films".into(), yes: false });
    assert_eq!(parsed("delete films --yes"), Command::Delete { name: "films".into(), yes: true });
    assert_eq!(parsed("delete --yes films"), Command::Delete { name: "films".into(), yes: true });
    assert_eq!(parsed("clear"), Command::Clear { yes: false });
    assert_eq!(parsed("clear --yes"), Command::Clear { yes: true });
}

#[test]
fn documents_keep_their_spaces() {
    assert_eq!(
        parsed("  insert   {\"a\":  \"x   y\"}  \r"),
        Command::Insert { document: "{\"a\":  \"x   y\"}".into() }
    );
    assert_eq!(
        from_arguments(&["insert", " {\"a\":  1} "]).expect("valid"),
        Command::Insert { document: " {\"a\":  1} ".into() }
    );
    assert_eq!(parsed("insert not json"), Command::Insert { document: "not json".into() });
    assert_eq!(parsed("read 'a  b'"), Command::Read { id: "a  b".into() });
    assert_eq!(from_arguments(&["read", ""]).expect("valid"), Command::Read { id: String::new() });
}

#[test]
fn changes() {
    let change = |if_version| Change {
        id: "a1".into(),
        document: "{\"x\":  \"y if_version=9\"}".into(),
        if_version,
    };
    let text = "{\"x\":  \"y if_version=9\"}";
    assert_eq!(parsed(&format!("update a1 {text}")), Command::Update(change(None)));
    assert_eq!(parsed(&format!("update a1 {text} if_version=3")), Command::Update(change(Some(3))));
    assert_eq!(
        from_arguments(&["replace", "a1", text, "if_version=3"]).expect("valid"),
        Command::Replace(change(Some(3)))
    );
    assert_eq!(
        parsed("delete_doc a1 if_version=2"),
        Command::DeleteDocument { id: "a1".into(), if_version: Some(2) }
    );
    assert_eq!(
        from_arguments(&["delete_doc", "a 1"]).expect("valid"),
        Command::DeleteDocument { id: "a 1".into(), if_version: None }
    );
}

#[test]
fn a_bare_lambda_goes_to_the_end_of_the_line() {
    let text = "lambda d: d[\"x\"]  ==  'a  b' limit 3";
    let query = Query {
        filter: bare(text),
        sort: None,
        descending: false,
        skip: 0,
        limit: None,
        select: None,
        strict: false,
        page: None,
    };
    assert_eq!(parsed(&format!("query {text}")), Command::Query(query));
    assert_eq!(parsed("count"), Command::Count { filter: None });
    assert_eq!(
        parsed("count lambda d: d[\"IMDB Rating\"] > 8.5"),
        Command::Count { filter: Some(bare("lambda d: d[\"IMDB Rating\"] > 8.5")) }
    );
}

#[test]
fn a_quoted_lambda_may_be_followed() {
    let query = Query {
        filter: quoted("lambda d: d[\"x\"] > 1"),
        sort: Some(quoted("lambda d: d['x']")),
        descending: true,
        skip: 5,
        limit: Some(10),
        select: None,
        strict: false,
        page: None,
    };
    assert_eq!(
        parsed("query 'lambda d: d[\"x\"] > 1' sort \"lambda d: d['x']\" desc skip 5 limit 10"),
        Command::Query(query.clone())
    );
    let words = [
        "query",
        "lambda d: d[\"x\"] > 1",
        "sort",
        "lambda d: d['x']",
        "desc",
        "skip",
        "5",
        "limit",
        "10",
    ];
    assert_eq!(from_arguments(&words).expect("valid"), Command::Query(query));
    assert_eq!(
        parsed("query 'lambda d: True' sort lambda d: d[\"x\"]"),
        Command::Query(Query {
            filter: quoted("lambda d: True"),
            sort: Some(bare("lambda d: d[\"x\"]")),
            descending: false,
            skip: 0,
            limit: None,
            select: None,
            strict: false,
            page: None,
        })
    );
}

#[test]
fn indexes_policies_and_pages() {
    let create = |fields: &[&str], name: Option<&str>, wait| {
        let fields = fields.iter().map(ToString::to_string).collect();
        Command::Index(Index::Create { fields, name: name.map(str::to_string), wait })
    };
    assert_eq!(parsed("index create role"), create(&["role"], None, true));
    assert_eq!(
        parsed("index create 'Major Genre,addr.city' name=genre --no-wait"),
        create(&["Major Genre", "addr.city"], Some("genre"), false)
    );
    assert_eq!(parsed("index list"), Command::Index(Index::List));
    assert_eq!(parsed("index drop a,b"), Command::Index(Index::Drop { name: "a,b".into() }));
    for (text, deny_full_scan) in [("true", true), ("false", false)] {
        let configured = parsed(&format!("configure deny_full_scan={text}"));
        assert_eq!(configured, Command::Configure { deny_full_scan });
    }
    match parsed("create films [\"a\"] deny_full_scan=true shards=2") {
        Command::Create { deny_full_scan: true, shards: Some(2), .. } => {}
        other => panic!("{other:?}"),
    }
    for (text, wanted) in [("explain lambda d: d", false), ("explain analyze lambda d: d", true)] {
        match parsed(text) {
            Command::Explain { query, analyze } => {
                assert_eq!((query.filter, analyze), (bare("lambda d: d"), wanted));
            }
            other => panic!("{other:?}"),
        }
    }
    let page = |size, token: Option<&str>| Some(Page { size, token: token.map(str::to_string) });
    assert_eq!(parsed("readall page 3"), Command::ReadAll { limit: None, page: page(3, None) });
    assert_eq!(
        parsed("readall limit 9 page 3 after T-_1"),
        Command::ReadAll { limit: Some(9), page: page(3, Some("T-_1")) }
    );
    match parsed("query 'lambda d: True' page 2 after T sort 'lambda d: d'") {
        Command::Query(Query { page: found, sort: Some(_), .. }) => {
            assert_eq!(found, page(2, Some("T")));
        }
        other => panic!("{other:?}"),
    }
    are_refused(&[
        ("index", "needs create, list or drop"),
        ("index make a", "unexpected 'make'"),
        ("index create", "needs a field"),
        ("index create a b", "fields have commas"),
        ("index create a name=x name=y", "'name' is given twice"),
        ("index drop", "needs the index's name"),
        ("configure", "needs deny_full_scan"),
        ("configure fast=true", "no setting 'fast=true'"),
        ("configure deny_full_scan=yes", "is true or false, not 'yes'"),
        ("create a deny_full_scan=1", "is true or false, not '1'"),
        ("readall page", "'page' needs a number"),
        ("readall page 2 after", "needs a token"),
        ("query 'lambda d: True' page 1 page 2", "'page' is given twice"),
        ("explain 'lambda d: True' page 1", "a plan has no pages"),
    ]);
}

#[test]
fn the_rest_of_the_commands() {
    assert_eq!(parsed("readall"), Command::ReadAll { limit: None, page: None });
    assert_eq!(parsed("readall limit 0"), Command::ReadAll { limit: Some(0), page: None });
    assert_eq!(
        parsed("import ../my films.ndjson"),
        Command::Import { file: "../my films.ndjson".into() }
    );
    assert_eq!(parsed("export -"), Command::Export { file: "-".into() });
    for (text, command) in [
        ("workers", Command::Workers),
        ("masters", Command::Masters),
        ("shards", Command::Shards),
        ("status", Command::Status),
        ("help", Command::Help { topic: None }),
        ("help query", Command::Help { topic: Some("query".into()) }),
        ("exit", Command::Exit),
        ("quit", Command::Exit),
    ] {
        assert_eq!(parsed(text), command, "{text}");
    }
}

#[test]
fn faults() {
    let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
    for (text, fault) in [
        ("kill worker-1", Fault::Kill("worker-1".into())),
        ("restart worker-1", Fault::Restart("worker-1".into())),
        ("pause master-1", Fault::Pause("master-1".into())),
        ("heal", Fault::Heal),
        ("drop 20", Fault::Drop(20)),
        ("drop 5%", Fault::Drop(5)),
        (
            "partition master-1 | master-2, master-3",
            Fault::Partition(names(&["master-1"]), names(&["master-2", "master-3"])),
        ),
    ] {
        assert_eq!(parsed(text), Command::Fault(fault), "{text}");
    }
}

#[test]
fn locks_take_their_durations_in_any_order() {
    let seconds = |n| Some(Duration::from_secs(n));
    let name = || "jobs/a".to_string();
    for (text, lock) in [
        ("lock acquire jobs/a", Lock::Acquire { name: name(), ttl: None, wait: None }),
        (
            "lock acquire jobs/a wait=5s ttl=2m",
            Lock::Acquire { name: name(), ttl: seconds(120), wait: seconds(5) },
        ),
        (
            "lock acquire jobs/a ttl=1s wait=0s",
            Lock::Acquire { name: name(), ttl: seconds(1), wait: seconds(0) },
        ),
        ("lock renew jobs/a 17", Lock::Renew { name: name(), token: 17, ttl: None }),
        ("lock renew jobs/a 17 ttl=9s", Lock::Renew { name: name(), token: 17, ttl: seconds(9) }),
        ("lock release jobs/a 17", Lock::Release { name: name(), token: 17 }),
        ("lock list", Lock::List),
    ] {
        assert_eq!(parsed(text), Command::Lock(lock), "{text}");
    }
}

#[test]
fn orders_name_nodes_and_take_their_flag_before_or_after() {
    let worker = || "w1".to_string();
    let moved = |wait| Order::MoveShard { shard: 7, from: "w1".into(), to: "w4".into(), wait };
    for (text, order) in [
        ("worker drain w1", Order::DrainWorker { worker: worker(), wait: true }),
        ("worker drain w1 --no-wait", Order::DrainWorker { worker: worker(), wait: false }),
        ("worker drain --no-wait w1", Order::DrainWorker { worker: worker(), wait: false }),
        ("worker undrain w1", Order::UndrainWorker { worker: worker() }),
        ("worker remove w1", Order::RemoveWorker { worker: worker(), yes: false }),
        ("worker remove w1 --yes", Order::RemoveWorker { worker: worker(), yes: true }),
        (
            "master add m4=[::1]:50060",
            Order::AddMaster { master: "m4".into(), address: "[::1]:50060".into() },
        ),
        ("master remove --yes m1", Order::RemoveMaster { master: "m1".into(), yes: true }),
        ("shard move 7 w1 w4", moved(true)),
        ("shard move 7 w1 w4 --no-wait", moved(false)),
    ] {
        assert_eq!(parsed(text), Command::Order(order), "{text}");
    }
}

fn are_refused(mistakes: &[(&str, &str)]) {
    for (text, part) in mistakes {
        let message = refusal(text);
        assert!(message.contains(part), "{text}: {message}");
    }
}

#[test]
fn mistakes_are_named_and_the_usage_is_shown() {
    are_refused(&[
        ("frobnicate", "unknown command 'frobnicate'; 'help' lists all commands"),
        ("create", "'create' needs a name"),
        ("create a [1]", "not 1"),
        ("create a [[]]", "at least one field"),
        ("create a [\"x\"", "not valid JSON"),
        ("create a [\"x\"] [\"y\"]", "given twice"),
        ("create a shards=x", "'shards' needs a whole number, not 'x'"),
        ("create a shards=99999999999", "too many"),
        ("create a b", "unexpected 'b'"),
        ("use", "usage: use NAME"),
        ("list all", "unexpected 'all'"),
        ("delete a b", "unexpected 'b'"),
        ("insert", "needs a document"),
        ("read", "needs a document's id"),
        ("read a b", "unexpected 'b'"),
        ("readall 5", "unexpected '5'"),
        ("readall limit -5", "'limit' needs a whole number, not '-5'"),
        ("readall limit 99999999999999999999999", "too large"),
        ("query", "a lambda is missing"),
        ("query 'lambda d: True' limit", "'limit' needs a number"),
        ("query 'lambda d: True' limit 1 limit 2", "given twice"),
        ("query 'lambda d: True' select", "a lambda is missing"),
        ("query 'lambda d: True' select 'lambda d: 1' select 'lambda d: 2'", "given twice"),
        ("group 'lambda d: 1' sum", "a lambda is missing"),
        ("group 'lambda d: 1' count count", "given twice"),
        ("group 'lambda d: 1' by x", "after the lambda come count"),
        ("distinct 'lambda d: 1' count", "after the lambda come where"),
        ("update_many", "a lambda is missing"),
        ("update_many 'lambda d: True'", "needs a document"),
        ("update_many lambda d: True", "needs a document"),
        ("delete_many", "a lambda is missing"),
        ("query 'lambda d: True' by x", "unexpected 'by'"),
        ("query 'lambda d: d['x']'", "without a space"),
        ("query 'lambda d: True", "not closed"),
        ("update a {} if_version=x", "'if_version' needs a whole number, not 'x'"),
        ("update a", "needs a document"),
        ("delete_doc a 3", "unexpected '3'"),
        ("import", "needs a file"),
        ("import --keep-metadata x", "not available yet"),
        ("partition a", "two sides"),
        ("partition a|b|c", "two sides"),
        ("partition a|", "both sides"),
        ("drop 101", "0 to 100"),
    ]);
}

#[test]
fn mistakes_about_locks_and_members_are_named() {
    are_refused(&[
        ("lock", "needs acquire, renew, release or list"),
        ("lock take jobs", "unexpected 'take'"),
        ("lock acquire", "needs the lock's name"),
        ("lock acquire jobs 7", "unexpected '7'"),
        ("lock acquire jobs ttl", "'' is no duration"),
        ("lock acquire jobs ttl=soon", "'soon' is no duration"),
        ("lock acquire jobs ttl=0s", "'0s' is no duration"),
        ("lock acquire jobs ttl=1s ttl=2s", "'ttl' is given twice"),
        ("lock renew jobs", "needs the token"),
        ("lock renew jobs seven", "'token' needs a whole number, not 'seven'"),
        ("lock renew jobs 7 wait=1s", "unexpected 'wait=1s'"),
        ("lock release jobs 7 ttl=1s", "unexpected 'ttl=1s'"),
        ("lock list jobs", "unexpected 'jobs'"),
        ("worker", "needs drain, undrain or remove"),
        ("worker stop w1", "unexpected 'stop'"),
        ("worker drain", "needs the worker's name"),
        ("worker drain w1 w2", "unexpected 'w2'"),
        ("worker undrain w1 --no-wait", "unexpected '--no-wait'"),
        ("master", "needs add or remove"),
        ("master add m4", "'m4' is no master; write ID=HOST:PORT"),
        ("master add =h:1", "write ID=HOST:PORT"),
        ("master drain m1", "unexpected 'drain'"),
        ("shard", "needs move"),
        ("shard split 1", "unexpected 'split'"),
        ("shard move one w1 w2", "needs a whole number, not 'one'"),
        ("shard move 99999999999 w1 w2", "there is no shard 99999999999"),
        ("shard move 1 w1", "needs the worker it goes to"),
    ]);
}

#[test]
fn too_many_arguments_are_a_mistake() {
    for words in
        [&["count", "lambda", "d:", "True"][..], &["insert", "{}", "{}"], &["read", "a", "-o"]]
    {
        assert!(matches!(from_arguments(words), Err(Failure::Usage { .. })), "{words:?}");
    }
}

#[test]
fn an_option_after_the_command_is_told_its_place() {
    let failure = from_arguments(&["list", "-o"]).expect_err("out of place");
    assert_eq!(failure.message(), "unexpected '-o'; options stand before the command");
}

#[test]
fn the_first_word_names_a_command_that_does_not_parse() {
    assert_eq!(first_word("  create [ "), "create");
    assert_eq!(first_word(""), "");
}

#[test]
fn no_line_makes_the_parser_panic() {
    // Every sequence of up to three of these, and of four after two commands of many parts, as a
    // line and as arguments: brackets and quotes that do not close, options in the wrong place,
    // characters of several bytes, controls.
    const PARTS: [&str; 22] = [
        "create",
        "query",
        "update",
        "import",
        "partition",
        "drop",
        "x",
        "'",
        "\"",
        "[",
        "{",
        "[\"a\"]",
        "{}",
        "if_version=",
        "shards=99999999999",
        "sort",
        "limit",
        "-1",
        "é\u{1f600}",
        "\0",
        "|",
        " ",
    ];
    let mut lines: Vec<Vec<&str>> = vec![Vec::new()];
    for length in 1..=4 {
        let mut longer = Vec::new();
        for line in &lines {
            if length == 4 && !matches!(line[0], "query" | "update") {
                continue;
            }
            for part in PARTS {
                let line: Vec<&str> = line.iter().copied().chain([part]).collect();
                for text in [line.join(" "), line.concat()] {
                    let _parsed_or_refused = super::line(&text);
                }
                let _parsed_or_refused = from_arguments(&line);
                longer.push(line);
            }
        }
        lines = longer;
    }
    assert_eq!(lines.len(), 2 * PARTS.len().pow(3));
}
