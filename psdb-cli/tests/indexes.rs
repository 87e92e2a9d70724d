//! Proves that `index`, `configure` and `page` answer in every form, that a denied scan says what would
//! help, and that pages add up.

mod support;

use serde_json::{Value, json};

use support::films::{COUNT, films};
use support::{Conversation, run};

const BEGIN: &str = r#"create c ["k"] shards=2
use c
insert {"_id": "a", "k": 1, "n": 1, "addr": {"city": "Bonn"}}
insert {"_id": "b", "k": 2, "n": 2}
"#;

#[test]
fn indexes_are_created_listed_and_dropped() {
    let script = format!(
        "{BEGIN}index create n\nindex create 'addr.city,n' name=towns\nindex list\nindex drop n\n\
         index drop n\nindex create k name=other\nindex create 'x,x'\n"
    );
    let ran = run(&["-o", "simple", "--keep-going"], &script);
    let told: Vec<&str> = ran.out.lines().skip(4).collect();
    let expected = [
        "Index 'n' is ready: 2 entries",
        "Index 'towns' is ready: 2 entries",
        "index  fields       state  entries",
        "k      k            ready        2",
        "n      n            ready        2",
        "towns  addr.city,n  ready        2",
        "Index 'n' dropped",
    ];
    assert_eq!(told, expected, "{}", ran.err);
    assert!(ran.err.contains("index 'n' does not exist"), "{}", ran.err);
    assert!(ran.err.contains("there is an index 'k' on k already"), "{}", ran.err);
    assert!(ran.err.contains("\"x\" stands twice"), "{}", ran.err);
    assert_eq!(ran.code, 3, "the first failure is that of an index which is not there");
    let ran = run(&["-o", "json", "--keep-going"], script);
    let answers = ran.objects();
    let names = |answer: &Value| -> Vec<String> {
        let indexes = answer["indexes"].as_array().unwrap_or_else(|| panic!("{answer}")).iter();
        indexes.map(|index| index["name"].as_str().expect("a name").to_owned()).collect()
    };
    assert_eq!(names(&answers[5]), ["k", "n", "towns"]);
    assert_eq!(
        (names(&answers[6]), names(&answers[7])),
        (names(&answers[5]), vec!["k".into(), "towns".into()])
    );
    let towns = &answers[6]["indexes"][2];
    assert_eq!(towns["fields"], json!(["addr.city", "n"]));
    assert_eq!((&towns["state"], &towns["entries"]), (&json!("ready"), &json!(2)));
    assert_eq!(answers[8]["error"]["code"], "NOT_FOUND", "{}", answers[8]);
    assert_eq!(answers[9]["error"]["code"], "ALREADY_EXISTS", "{}", answers[9]);
}

#[test]
fn an_index_on_films_that_are_there_is_used() {
    let (films, directory) = (films(), tempfile::tempdir().expect("a directory"));
    let path = directory.path().to_str().expect("a UTF-8 path");
    let mut shell = Conversation::start(&["-o", "json", "--data-dir", path]);
    for line in ["create films", "use films", &format!("import {}", films.path)] {
        shell.done(line);
    }
    let query = "count lambda d: d.get(\"Director\") == \"Steven Spielberg\"";
    let before = shell.done(query)["count"].clone();
    let built = shell.done("index create Director");
    assert_eq!(built["indexes"][0]["entries"], COUNT, "{built}");
    assert_eq!((shell.done(query)["count"].clone(), before.as_u64() > Some(0)), (before, true));
    let plan = shell.done("explain lambda d: d.get(\"Director\") == \"Steven Spielberg\"");
    assert!(plan["plan"].to_string().contains("\"index\":\"Director\""), "{plan}");
    shell.end();
    // It is there after a restart, too.
    let ran = run(&["-o", "json", "--data-dir", path, "-d", "films", "index", "list"], "");
    assert_eq!(ran.objects()[0]["indexes"][0]["state"], "ready", "{}", ran.err);
}

#[test]
fn a_denied_scan_says_what_would_help() {
    let script = format!(
        "{BEGIN}configure deny_full_scan=true\ncount lambda d: d[\"n\"] == 1\ncount\nreadall\n\
         count lambda d: d[\"k\"] == 1\nindex create n\ncount lambda d: d[\"n\"] == 1\n\
         configure deny_full_scan=false\nquery lambda d: d[\"addr\"][\"city\"] == \"Bonn\"\nlist\n"
    );
    let ran = run(&["-o", "json", "--keep-going"], script);
    let answers = ran.objects();
    assert_eq!(answers[4]["deny_full_scan"], true);
    let error = &answers[5]["error"];
    assert_eq!(error["code"], "FAILED_PRECONDITION", "{error}");
    assert!(error["message"].as_str().is_some_and(|m| m.contains("index create")), "{error}");
    assert_eq!((&answers[6]["count"], &answers[8]["count"]), (&json!(2), &json!(1)));
    assert_eq!(answers[7]["documents"].as_array().map(Vec::len), Some(2));
    assert_eq!(answers[10]["count"], 1, "{}", answers[10]);
    assert_eq!(answers[12]["documents"].as_array().map(Vec::len), Some(1), "{}", answers[12]);
    assert_eq!(answers[13]["databases"][0]["deny_full_scan"], Value::Null, "{}", answers[13]);
    let ran = run(&["-o", "json"], "create d deny_full_scan=true\nlist\n");
    assert_eq!(ran.objects()[1]["databases"][0]["deny_full_scan"], true);
}

#[test]
fn pages_add_up_and_tokens_belong_to_their_query() {
    let mut shell = Conversation::start(&["-o", "json"]);
    for line in BEGIN.lines() {
        shell.done(line);
    }
    for n in 3..8 {
        shell.done(&format!("insert {{\"_id\": \"d{n}\", \"n\": {n}}}"));
    }
    let (mut found, mut after) = (Vec::new(), String::new());
    loop {
        let page =
            shell.done(&format!("query 'lambda d: True' sort 'lambda d: -d[\"n\"]' page 3{after}"));
        let documents = page["documents"].as_array().expect("documents").iter();
        found.extend(documents.map(|document| document["n"].as_u64().expect("a number")));
        let Some(token) = page["next_page_token"].as_str() else { break };
        after = format!(" after {token}");
    }
    assert_eq!(found, [7, 6, 5, 4, 3, 2, 1]);
    let page = shell.done("readall page 3");
    let token = page["next_page_token"].as_str().expect("more follow").to_owned();
    let rest = shell.done(&format!("readall page 9 after {token}"));
    assert_eq!(rest["documents"].as_array().map(Vec::len), Some(4));
    assert_eq!(rest["next_page_token"], Value::Null);
    let refused = shell.ask(&format!("query 'lambda d: True' page 3 after {token}"));
    assert!(refused["error"]["message"].as_str().is_some_and(|m| m.contains("another query")));
    assert_eq!(refused["error"]["code"], "INVALID_ARGUMENT", "{refused}");
    shell.end();
    let ran = run(&["-o", "simple"], format!("{BEGIN}readall page 1\n"));
    assert!(ran.err.contains("note: more follow after "), "{}", ran.err);
}
