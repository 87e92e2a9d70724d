//! Proves what each command answers in each form, that failures leave with their documented codes,
//! and that an import reports exactly the lines that failed.

use std::io::{Cursor, Write};
use std::sync::{Arc, Mutex};

use clap::Parser;
use psdb::transport::message::SkippedDocuments;
use psdb::{Error, Outcome};

use super::Runner;
use crate::args::Arguments;
use crate::output::Output;
use crate::script;
use crate::session::double::{Double, State};
use crate::settings::{Settings, Terminal};

/// A stream that a test can read back.
#[derive(Clone, Default)]
struct Captured(Arc<Mutex<Vec<u8>>>);

impl Write for Captured {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("not poisoned").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Captured {
    fn text(&self) -> String {
        String::from_utf8(self.0.lock().expect("not poisoned").clone()).expect("text")
    }
}

/// What a script came to.
pub(super) struct Ran {
    pub(super) exit: u8,
    pub(super) out: String,
    pub(super) err: String,
}

/// Runs a script against `double`, with `options` before it.
pub(super) async fn run(double: &Double, options: &[&str], script: &str) -> Ran {
    let words = std::iter::once("psdb").chain(options.iter().copied());
    let arguments = Arguments::try_parse_from(words).expect("valid options");
    let pipe = Terminal { stdin: false, stdout: false, stderr: false };
    let settings = Settings::resolve(arguments, |_| None, pipe).expect("valid settings");
    let (out, err) = (Captured::default(), Captured::default());
    let output = Output::new(&settings, Box::new(out.clone()), Box::new(err.clone()));
    let backend = Box::new(double.clone());
    let mut runner = Runner::new(backend, output, settings.database.clone(), true);
    let source = Box::new(Cursor::new(script.to_string()));
    let exit = script::run(&mut runner, source, None, settings.keep_going).await;
    Ran { exit: exit.0, out: out.text(), err: err.text() }
}

/// A double with a database `films` that holds two documents.
pub(super) fn films() -> Double {
    let double = Double::default();
    let documents = [("a", r#"{"_id": "a", "x":  1}"#), ("b", r#"{"_id": "b"}"#)];
    state(&double)
        .databases
        .insert("films".into(), documents.map(|(id, text)| (id.into(), text.into())).into());
    double
}

pub(super) fn state(double: &Double) -> std::sync::MutexGuard<'_, State> {
    double.state.lock().expect("not poisoned")
}

fn unavailable(outcome: Outcome) -> Error {
    Error::Unavailable { what: "shard 3".into(), reason: "no leader".into(), outcome }
}

const TOUR: &str = r#"# A tour of every command on documents.
create users ["name", ["a", "b"]] shards=2
list
use users
insert {"_id": "u1", "name":  "Ada  L"}
read u1
readall
query 'lambda d: True' limit 1
count
count lambda d: True
update u1 {"x": 1} if_version=1
replace u1 {"y": 2}
delete_doc u1
clear
delete users --yes
exit
never reached
"#;

#[tokio::test]
async fn simple_answers_are_as_documented() {
    let double = Double::default();
    let ran = run(&double, &["-o", "simple"], TOUR).await;
    let expected = r#"Database 'users' created
users
Using database 'users'
Created document with ID: u1
{"_id": "u1", "name":  "Ada  L"}
{"_id": "u1", "name":  "Ada  L"}
{"_id": "u1", "name":  "Ada  L"}
1
1
Updated document u1 (version 2)
Replaced document u1 (version 2)
Document deleted successfully
Database 'users' cleared: 0 documents
Database 'users' deleted
"#;
    assert_eq!((ran.out.as_str(), ran.err.as_str(), ran.exit), (expected, "", 0));
    let calls = state(&double).calls.clone();
    assert_eq!(calls[0], r#"create users [["name"], ["a", "b"]] Some(2)"#);
    assert!(calls.contains(&"delete u1 None".to_string()), "{calls:?}");
}

#[tokio::test]
async fn json_answers_are_one_object_a_line() {
    let ran = run(&Double::default(), &["-o", "json"], TOUR).await;
    let expected = r#"{"ok":true,"command":"create","database":"users"}
{"ok":true,"command":"list","databases":[{"name":"users","shards":1,"documents":0,"bytes":10,"indexes":[]}]}
{"ok":true,"command":"use","database":"users"}
{"ok":true,"command":"insert","id":"u1","version":1}
{"ok":true,"command":"read","document":{"_id": "u1", "name":  "Ada  L"}}
{"ok":true,"command":"readall","documents":[{"_id": "u1", "name":  "Ada  L"}]}
{"ok":true,"command":"query","documents":[{"_id": "u1", "name":  "Ada  L"}],"skipped":0}
{"ok":true,"command":"count","count":1}
{"ok":true,"command":"count","count":1,"skipped":0}
{"ok":true,"command":"update","id":"u1","version":2}
{"ok":true,"command":"replace","id":"u1","version":2}
{"ok":true,"command":"delete_doc","id":"u1"}
{"ok":true,"command":"clear","deleted":0}
{"ok":true,"command":"delete","database":"users"}
{"ok":true,"command":"exit"}
"#;
    assert_eq!((ran.out.as_str(), ran.err.as_str(), ran.exit), (expected, "", 0));
}

#[tokio::test]
async fn locks_are_answered_as_documented() {
    let script =
        "lock acquire jobs wait=5s\nlock renew jobs 17 ttl=1m\nlock list\nlock release jobs 17\n";
    let double = Double::default();
    let ran = run(&double, &["-o", "simple"], script).await;
    let expected = "\
Lock 'jobs' acquired, token 17
Lock 'jobs' renewed, token 17
lock  token  holder        expires_at                waiting
jobs     17  the importer  2026-11-23T08:15:30.250Z        2
Lock 'jobs' released
";
    assert_eq!((ran.out.as_str(), ran.err.as_str(), ran.exit), (expected, "", 0));
    let calls =
        ["acquire jobs None Some(5s)", "renew jobs 17 Some(60s)", "locks", "release jobs 17"];
    assert_eq!(state(&double).calls, calls);
    let ran = run(&Double::default(), &["-o", "json"], script).await;
    let expected = r#"{"ok":true,"command":"lock","lock":"jobs","token":17,"expires_at":"2026-11-23T08:15:30.250Z"}
{"ok":true,"command":"lock","lock":"jobs","token":17,"expires_at":"2026-11-23T08:15:30.250Z"}
{"ok":true,"command":"lock","locks":[{"name":"jobs","token":17,"holder":"the importer","granted_at":"2026-11-23T08:15:00.250Z","expires_at":"2026-11-23T08:15:30.250Z","waiting":2}]}
{"ok":true,"command":"lock","lock":"jobs"}
"#;
    assert_eq!((ran.out.as_str(), ran.err.as_str(), ran.exit), (expected, "", 0));
}

#[tokio::test]
async fn ndjson_puts_documents_on_lines_of_their_own() {
    let ran = run(&films(), &["-d", "films"], "readall\nread a\ncount\nread nobody").await;
    let expected = r#"{"_id": "a", "x":  1}
{"_id": "b"}
{"_id": "a", "x":  1}
{"ok":true,"command":"count","count":2}
"#;
    assert_eq!((ran.out.as_str(), ran.exit), (expected, 3));
    assert_eq!(ran.err, "error: line 4: document 'nobody' does not exist\n");
}

#[tokio::test]
async fn a_failure_is_an_object_with_json() {
    let double = films();
    state(&double).failures = [None, Some(unavailable(Outcome::Unknown))].into_iter().collect();
    let script = "use films\ninsert {}\nread a\n";
    let ran = run(&double, &["-o", "json", "--keep-going"], script).await;
    let expected = r#"{"ok":true,"command":"use","database":"films"}
{"ok":false,"command":"insert","error":{"code":"UNAVAILABLE","message":"shard 3 is unavailable: no leader","retryable":true,"outcome":"unknown"}}
{"ok":true,"command":"read","document":{"_id": "a", "x":  1}}
"#;
    assert_eq!((ran.out.as_str(), ran.err.as_str(), ran.exit), (expected, "", 5));
}

#[tokio::test]
async fn a_script_ends_at_its_first_failure_unless_told_otherwise() {
    let script = "read nobody\nuse nowhere!\ncount\n";
    let stopped = run(&films(), &["-d", "films", "-o", "simple"], script).await;
    assert_eq!((stopped.out.as_str(), stopped.exit), ("", 3));
    let kept = run(&films(), &["-d", "films", "-o", "simple", "--keep-going"], script).await;
    assert_eq!((kept.out.as_str(), kept.exit), ("2\n", 3), "the first failure's code");
    assert_eq!(kept.err.lines().count(), 2, "{}", kept.err);
}

#[tokio::test]
async fn exit_codes_are_as_documented() {
    for (script, exit, part) in [
        ("frobnicate", 2, "unknown command"),
        ("count", 2, "no database is in use"),
        ("use films\ninsert {\"a\"", 2, "invalid document"),
        ("create films", 4, "already exists"),
        ("create ../x", 2, "invalid database name"),
        ("use nowhere", 3, "'nowhere' does not exist"),
        ("use films\ninsert {\"_id\": \"a\"}", 4, "'a' already exists"),
        ("use films\nimport /nonexistent/file", 3, "could not read /nonexistent/file"),
        ("use films\nimport -", 2, "the commands come from it"),
        ("kill worker-1", 2, "'psdb dev' only"),
        ("help nonsense", 2, "no command 'nonsense'"),
        ("use films\nread \u{1b}[31m", 3, "\\u{1b}[31m"),
    ] {
        let ran = run(&films(), &["-o", "simple"], script).await;
        assert_eq!(ran.exit, exit, "{script}: {}", ran.err);
        assert!(ran.err.contains(part), "{script}: {}", ran.err);
        assert!(!ran.err.contains('\u{1b}'), "{script}: {}", ran.err);
    }
}

#[tokio::test]
async fn a_line_that_is_not_text_is_refused() {
    let double = films();
    let words = ["psdb", "-o", "simple"];
    let arguments = Arguments::try_parse_from(words).expect("valid");
    let pipe = Terminal { stdin: false, stdout: false, stderr: false };
    let settings = Settings::resolve(arguments, |_| None, pipe).expect("valid");
    let (out, err) = (Captured::default(), Captured::default());
    let output = Output::new(&settings, Box::new(out), Box::new(err.clone()));
    let mut runner = Runner::new(Box::new(double), output, None, true);
    let source = Box::new(Cursor::new(b"list\ninsert \xff\n".to_vec()));
    let exit = script::run(&mut runner, source, None, false).await;
    assert_eq!(
        (exit.0, err.text().as_str()),
        (2, "error: line 2: the line is not UTF-8 at column 8\n")
    );
}

#[tokio::test]
async fn skipped_documents_are_told() {
    let double = films();
    let first = Some(("b".into(), "KeyError: 'x'".to_string()));
    state(&double).skipped = SkippedDocuments { count: 3, first };
    let script =
        "query lambda d: d[\"x\"] > 1\ncount lambda d: d[\"x\"] > 1\nreadall limit 0\ncount";
    let simple = run(&double, &["-d", "films", "-o", "simple"], "count lambda d: d[\"x\"]").await;
    assert_eq!(simple.out, "2\n");
    assert!(
        simple.err.contains("skipped 3 documents") && simple.err.contains("'b': KeyError: 'x'")
    );
    let json = run(&double, &["-d", "films", "-o", "json"], script).await;
    let lines: Vec<&str> = json.out.lines().collect();
    let told = r#""skipped":3,"first_error":{"id":"b","message":"KeyError: 'x'"}}"#;
    assert!(lines[0].ends_with(told) && lines[1].ends_with(told), "{}", json.out);
    assert_eq!(lines[3], r#"{"ok":true,"command":"count","count":2}"#);
    assert_eq!(json.err, "");
    let quiet =
        run(&double, &["-d", "films", "-o", "simple", "-q"], "count lambda d: d[\"x\"]").await;
    assert_eq!(quiet.err, "");
}

#[tokio::test]
async fn a_wrong_lambda_is_shown_with_a_caret() {
    let double = films();
    let wrong =
        || Error::InvalidQuery { message: "unexpected name".into(), column: 16, hint: None };
    state(&double).failures = [Some(wrong())].into_iter().collect();
    let ran = run(&double, &["-d", "films"], "query lambda d: True limit 3").await;
    let expected = "error: line 1: invalid query: unexpected name (column 16); put the lambda in \
                    quotes when something follows it\n  lambda d: True limit 3\n                 ^\n";
    assert_eq!((ran.err.as_str(), ran.exit), (expected, 2));
    state(&double).failures = [Some(wrong())].into_iter().collect();
    let two = run(&double, &["-d", "films"], "query 'lambda d: d' sort 'lambda d: e'").await;
    assert_eq!(two.err.lines().count(), 1, "with two lambdas the caret could lie: {}", two.err);
}

/// Writes `text` to a file that lives as long as the returned directory.
fn file(text: &str) -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("in.ndjson");
    std::fs::write(&path, text).expect("a file");
    let path = path.to_str().expect("a UTF-8 path").to_string();
    (directory, path)
}

#[tokio::test]
async fn an_import_reports_the_lines_that_failed_and_goes_on() {
    let (_directory, path) =
        file("{\"_id\": \"c\"}\n\nnot json\n{\"_id\": \"a\"}\n{\"_id\": \"d\"}\n");
    let double = films();
    let ran =
        run(&double, &["-d", "films", "-o", "simple"], &format!("import {path}\ncount")).await;
    assert_eq!((ran.out.as_str(), ran.exit), ("Imported 2 documents, 2 failed\n", 2));
    let errors: Vec<&str> = ran.err.lines().collect();
    assert!(errors[0].starts_with(&format!("error: {path}:3: invalid document")), "{}", ran.err);
    assert_eq!(errors[1], format!("error: {path}:4: document 'a' already exists"));
    assert_eq!(state(&double).databases["films"].len(), 4);

    let json = run(&films(), &["-d", "films", "-o", "json"], &format!("import {path}")).await;
    let object: serde_json::Value = serde_json::from_str(&json.out).expect("one object");
    assert_eq!(
        (&object["ok"], &object["imported"], &object["failed"]),
        (&false.into(), &2.into(), &2.into())
    );
    assert_eq!(object["failures"][1]["line"], 4);
    assert_eq!(object["error"]["code"], "INVALID_ARGUMENT");
}

#[tokio::test]
async fn an_import_tells_each_acknowledged_batch_and_stops_when_nobody_answers() {
    let lines: Vec<String> = (0..2_500).map(|n| format!("{{\"_id\": \"n{n}\"}}")).collect();
    let (_directory, path) = file(&lines.join("\n"));
    let good =
        run(&films(), &["-d", "films", "-o", "simple", "-v"], &format!("import {path}")).await;
    assert_eq!((good.out.as_str(), good.exit), ("Imported 2500 documents\n", 0));
    assert_eq!(good.err, "imported 1000\nimported 2000\nimported 2500\n");

    let double = films();
    // The first call checks that the database exists, the second is the first batch.
    state(&double).failures =
        [None, None, Some(unavailable(Outcome::Unknown))].into_iter().collect();
    let bad = run(&double, &["-d", "films", "-o", "simple"], &format!("import {path}")).await;
    assert_eq!(
        (bad.out.as_str(), bad.exit),
        ("Imported 1000 documents, 1000 failed; stopped there\n", 5)
    );
    assert!(
        bad.err.starts_with(&format!("error: {path}:1001: shard 3 is unavailable")),
        "{}",
        bad.err
    );
    assert_eq!(state(&double).calls.iter().filter(|call| call.starts_with("import")).count(), 2);
}

#[tokio::test]
async fn an_import_into_nothing_fails_even_if_empty() {
    let (_directory, path) = file("");
    let ran = run(&films(), &["-d", "nowhere"], &format!("import {path}")).await;
    assert_eq!(ran.exit, 3);
    let ran = run(&films(), &["-d", "films", "-o", "json"], &format!("import {path}")).await;
    assert_eq!(ran.out, "{\"ok\":true,\"command\":\"import\",\"imported\":0,\"failed\":0}\n");
}

#[tokio::test]
async fn an_export_can_be_read_back_and_failing_leaves_the_old_file() {
    let (directory, path) = file("old\n");
    let ran = run(&films(), &["-d", "films", "-o", "simple"], &format!("export {path}")).await;
    assert_eq!((ran.out.as_str(), ran.exit), ("Exported 2 documents\n", 0));
    let exported = "{\"_id\": \"a\", \"x\":  1}\n{\"_id\": \"b\"}\n";
    assert_eq!(std::fs::read_to_string(&path).expect("the export"), exported);

    let double = films();
    state(&double).failures = [Some(unavailable(Outcome::NotApplied))].into_iter().collect();
    let failed = run(&double, &["-d", "films"], &format!("export {path}")).await;
    assert_eq!(failed.exit, 5);
    assert_eq!(std::fs::read_to_string(&path).expect("the export"), exported);
    assert_eq!(std::fs::read_dir(directory.path()).expect("a directory").count(), 1);

    let piped = run(&films(), &["-d", "films"], "export -").await;
    assert_eq!((piped.out.as_str(), piped.err.as_str()), (exported, "Exported 2 documents\n"));
    let refused = run(&films(), &["-d", "films", "-o", "json"], "export -").await;
    assert_eq!(refused.exit, 2);
    let nowhere = run(&films(), &["-d", "films"], "export /nonexistent/out").await;
    assert_eq!(nowhere.exit, 3);
}

#[tokio::test]
async fn the_cluster_shows_itself() {
    let script = "workers\nmasters\nshards\nstatus";
    let simple = run(&films(), &["-o", "simple"], script).await;
    let expected = "\
worker    address   status   zone  shards  leaders  documents  size
worker-1  worker-1  suspect  -          4        2          7  2.0 KiB
master    address   role    term  log
master-1  master-1  leader     3    9
shard  leader  replicas           moving  term  databases  documents  size
    0  -       worker-1,worker-2  -          1          1          7  2.0 KiB
unhealthy
masters    1, leader master-1
workers    1, alive 0
shards     1, with a leader 0
databases  1
documents  2, 10 B
";
    assert_eq!((simple.out.as_str(), simple.exit), (expected, 0));
    let json = run(&films(), &["-o", "json"], script).await;
    let first = json.out.lines().next().expect("a line");
    assert_eq!(
        first,
        r#"{"ok":true,"command":"workers","workers":[{"id":"worker-1","address":"worker-1","status":"suspect","draining":false,"zone":null,"shards":4,"leaders":2,"documents":7,"bytes":2048}]}"#
    );
    for line in json.out.lines() {
        let object: serde_json::Value = serde_json::from_str(line).expect("an object");
        assert_eq!(object["ok"], true);
    }
}

#[tokio::test]
async fn dev_commands_reach_the_cluster() {
    let double = Double { dev: true, ..films() };
    let script =
        "kill worker-1\nrestart worker-1\npause worker-1\npartition a,b|c\nheal\ndrop 20\nstatus";
    let ran = run(&double, &["-o", "simple"], script).await;
    assert_eq!(ran.exit, 0, "{}", ran.err);
    let calls = state(&double).calls[..6].to_vec();
    let expected = [
        "kill worker-1",
        "restart worker-1",
        "pause worker-1",
        "partition [\"a\", \"b\"] [\"c\"]",
        "heal",
        "drop 20",
    ];
    assert_eq!(calls, expected);
    assert!(
        ran.out.ends_with("node      role    state\nworker-1  worker  stopped\n"),
        "{}",
        ran.out
    );

    state(&double).failures = [Some(unavailable(Outcome::NotApplied))].into_iter().collect();
    let ran = run(&double, &["-o", "json"], "status").await;
    assert!(ran.out.contains(r#""healthy":false,"problem":"shard 3 is unavailable: no leader","nodes":[{"name":"worker-1""#), "{}", ran.out);
}

#[tokio::test]
async fn help_shows_the_commands() {
    let plain = run(&films(), &["-o", "simple"], "help\nhelp query").await;
    assert!(plain.out.contains("create NAME") && plain.out.contains("IMDB Rating"));
    assert!(!plain.out.contains("partition"));
    let dev = run(&Double { dev: true, ..films() }, &["-o", "simple"], "help").await;
    assert!(dev.out.contains("partition"));
}
