//! Proves what a whole tour of commands prints in each form, on the real database, and that a
//! program can hold a conversation through a pipe.

mod support;

use support::{Conversation, run};

const TOUR: &str = r#"create users ["role"]
list
use users
insert {"_id": "u1", "name": "Ada", "role": "Dev"}
insert {"_id": "u2", "name": "Bob"}
read u1
readall
readall limit 1
count
update u1 {"role": "Lead"} if_version=1
replace u2 {"name":  "Bob  B"}
read u2
delete_doc u2
clear
delete users --yes
list
"#;

/// `text` with every time of a document replaced, since no two runs have the same.
fn timeless(text: &str) -> String {
    let mut shown = String::new();
    let mut rest = text;
    while let Some(at) = rest.find("_at\": \"") {
        let (before, after) = rest.split_at(at + "_at\": \"".len());
        let (time, following) = after.split_at("2026-01-01T00:00:00.000Z".len());
        assert!(time.ends_with('Z') && time.as_bytes()[10] == b'T', "{time}");
        shown.push_str(before);
        shown.push_str("TIME");
        rest = following;
    }
    shown + rest
}

const META: &str = r#", "_version": 1, "_created_at": "TIME", "_updated_at": "TIME"}"#;
const META_2: &str = r#", "_version": 2, "_created_at": "TIME", "_updated_at": "TIME"}"#;

#[test]
fn simple() {
    let ran = run(&["-o", "simple"], TOUR);
    let ada = format!(r#"{{"_id": "u1", "name": "Ada", "role": "Dev"{META}"#);
    let bob = format!(r#"{{"_id": "u2", "name": "Bob"{META}"#);
    let new = format!(r#"{{"_id": "u2", "name": "Bob  B"{META_2}"#);
    let expected = format!(
        "Database 'users' created\nusers\nUsing database 'users'\n\
         Created document with ID: u1\nCreated document with ID: u2\n\
         {ada}\n{ada}\n{bob}\n{ada}\n2\n\
         Updated document u1 (version 2)\nReplaced document u2 (version 2)\n{new}\n\
         Document deleted successfully\nDatabase 'users' cleared: 1 documents\n\
         Database 'users' deleted\n"
    );
    assert_eq!((timeless(&ran.out), ran.code), (expected, 0), "{}", ran.err);
}

#[test]
fn json() {
    let ran = run(&["-o", "json"], TOUR);
    assert_eq!((ran.code, ran.err.lines().count()), (0, 1), "{}", ran.err);
    let ada = format!(r#"{{"_id": "u1", "name": "Ada", "role": "Dev"{META}"#);
    let bob = format!(r#"{{"_id": "u2", "name": "Bob"{META}"#);
    let new = format!(r#"{{"_id": "u2", "name": "Bob  B"{META_2}"#);
    let expected = [
        r#"{"ok":true,"command":"create","database":"users"}"#.to_owned(),
        r#"{"ok":true,"command":"list","databases":[{"name":"users","shards":1,"documents":0,"bytes":0,"indexes":["role"]}]}"#.to_owned(),
        r#"{"ok":true,"command":"use","database":"users"}"#.to_owned(),
        r#"{"ok":true,"command":"insert","id":"u1","version":1}"#.to_owned(),
        r#"{"ok":true,"command":"insert","id":"u2","version":1}"#.to_owned(),
        format!(r#"{{"ok":true,"command":"read","document":{ada}}}"#),
        format!(r#"{{"ok":true,"command":"readall","documents":[{ada},{bob}]}}"#),
        format!(r#"{{"ok":true,"command":"readall","documents":[{ada}]}}"#),
        r#"{"ok":true,"command":"count","count":2}"#.to_owned(),
        r#"{"ok":true,"command":"update","id":"u1","version":2}"#.to_owned(),
        r#"{"ok":true,"command":"replace","id":"u2","version":2}"#.to_owned(),
        format!(r#"{{"ok":true,"command":"read","document":{new}}}"#),
        r#"{"ok":true,"command":"delete_doc","id":"u2"}"#.to_owned(),
        r#"{"ok":true,"command":"clear","deleted":1}"#.to_owned(),
        r#"{"ok":true,"command":"delete","database":"users"}"#.to_owned(),
        r#"{"ok":true,"command":"list","databases":[]}"#.to_owned(),
    ];
    let out = timeless(&ran.out);
    assert_eq!(out.lines().collect::<Vec<_>>(), expected);
}

#[test]
fn ndjson_is_the_default_on_a_pipe() {
    let ran = run(&[], TOUR);
    let out = timeless(&ran.out);
    let lines: Vec<&str> = out.lines().collect();
    assert_eq!(ran.code, 0, "{}", ran.err);
    let ada = format!(r#"{{"_id": "u1", "name": "Ada", "role": "Dev"{META}"#);
    assert_eq!(&lines[5..7], [ada.as_str(), ada.as_str()]);
    assert_eq!(lines[9], r#"{"ok":true,"command":"count","count":2}"#);
    // 16 commands, of which one shows two documents.
    assert_eq!(lines.len(), 17, "{out}");
    let failed = run(&[], "use nowhere\n");
    assert_eq!((failed.code, failed.out.as_str()), (3, ""));
    assert!(failed.err.contains("error: line 1: database 'nowhere' does not exist"));
}

#[test]
fn one_shot_commands_share_a_directory() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("data");
    let place = ["--data-dir", path.to_str().expect("UTF-8"), "-d", "c", "-o", "simple"];
    let shot = |words: &[&str]| {
        let ran = run(&[&place, words].concat(), "");
        assert_eq!((ran.code, ran.err.as_str()), (0, ""), "{words:?}: {}", ran.out);
        ran.out
    };
    assert_eq!(shot(&["create", "c"]), "Database 'c' created\n");
    assert_eq!(shot(&["insert", r#"{"_id": "a  b"}"#]), "Created document with ID: a  b\n");
    assert!(shot(&["read", "a  b"]).starts_with(r#"{"_id": "a  b", "_version": 1"#));
    assert_eq!(shot(&["delete", "c"]), "Database 'c' deleted\n");
    assert_eq!(shot(&["list"]), "");
}

#[test]
fn a_conversation_through_a_pipe() {
    let mut shell = Conversation::start(&["-o", "json"]);
    // Each answer is read before the next command is written, so nothing may wait for the end.
    shell.done("create c");
    shell.done("use c");
    let mut ids = Vec::new();
    for n in 0..50 {
        let answer = shell.done(&format!("insert {{\"n\": {n}}}"));
        assert_eq!((&answer["command"], &answer["version"]), (&"insert".into(), &1.into()));
        ids.push(answer["id"].as_str().expect("an id").to_owned());
    }
    let failed = shell.ask(&format!("insert {{\"_id\": \"{}\"}}", ids[0]));
    assert_eq!(
        (&failed["ok"], &failed["error"]["code"]),
        (&false.into(), &"ALREADY_EXISTS".into())
    );
    // Without --keep-going a failure ends the conversation, with its code.
    let ran = shell.end();
    assert_eq!((ran.code, ran.out.as_str()), (4, ""));

    let mut shell = Conversation::start(&["-o", "json", "--keep-going"]);
    assert_eq!(shell.ask("frobnicate")["command"], "frobnicate");
    assert_eq!(shell.ask("use nowhere")["error"]["code"], "NOT_FOUND");
    shell.done("create c");
    shell.send("");
    shell.send("# a comment answers nothing");
    shell.done("use c");
    assert_eq!(shell.done("count")["count"], 0);
    shell.done("exit");
    assert_eq!(shell.end().code, 2);
}

#[test]
fn documents_stream_without_waiting_for_the_end() {
    // Far more than the output's buffer and than one page of a shard, in order and complete.
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("in.ndjson");
    let line = |n: usize| format!("{{\"_id\": \"{n:06}\", \"s\": \"{}\"}}\n", "x".repeat(500));
    std::fs::write(&path, (0..5_000).map(line).collect::<String>()).expect("a file");
    let script = format!("create c\nuse c\nimport {}\nreadall\n", path.display());
    let ran = run(&["-o", "simple"], script);
    assert_eq!(ran.code, 0, "{}", ran.err);
    let ids: Vec<&str> = ran.out.lines().skip(3).map(|line| &line[9..15]).collect();
    assert_eq!(ids.len(), 5_000);
    assert!(ids.is_sorted(), "documents come in the order of their ids");
}

#[test]
fn tables_and_csv() {
    let documents = "create c [\"n\"]\nuse c\ninsert {\"_id\": \"a\", \"n\": 7}\n\
                     insert {\"_id\": \"b\", \"s\": \"x,  y\"}\n";
    let script = format!("{documents}readall\nread b\ncount\nlist\n");
    let shown = |form: &str| {
        let ran = run(&["-o", form], &script);
        assert_eq!(ran.code, 0, "{form}: {}", ran.err);
        // What follows the answers of the first four commands, and without the times.
        let lines = ran.out.lines().skip(4).map(|line| line.split("  2").next().unwrap_or(line));
        lines.map(|line| line.split(",2").next().unwrap_or(line).to_owned()).collect::<Vec<_>>()
    };
    let table = shown("table");
    assert!(table[0].starts_with("_id  n  s      _version  _created_at"), "{table:?}");
    assert_eq!(table[1..3], ["a    7                1", "b       x,  y         1"]);
    assert!(table[3].starts_with("_id  s      _version"), "{table:?}");
    assert_eq!(table[5], "2");
    assert_eq!(table[6], "name  shards  documents  bytes  indexes");
    let csv = shown("csv");
    assert_eq!(csv[..3], ["_id,n,s,_version,_created_at,_updated_at", "a,7,,1", "b,,\"x,  y\",1"]);
    assert_eq!(csv[5..7], ["2", "name,shards,documents,bytes,indexes"]);
    assert!(csv[7].starts_with("c,1"), "{csv:?}");
    for form in ["table", "csv"] {
        let failed = run(&["-o", form], "use nowhere\n");
        assert_eq!((failed.code, failed.out.as_str()), (3, ""), "{form}");
        let empty = run(&["-o", form], "create c\nuse c\nreadall\ndelete c --yes\nlist\n");
        assert_eq!((empty.code, empty.out.lines().count()), (0, 3), "{form}: {}", empty.out);
    }
}
