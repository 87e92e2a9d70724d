//! Proves that `kill -9` of `psdb --data-dir` loses nothing it had acknowledged, and that two
//! processes never work on one directory.

mod support;

use std::collections::BTreeSet;

use support::films::{COUNT, films};
use support::{Conversation, run};

/// A data directory that does not exist yet, below one that is removed at the end.
fn place() -> (tempfile::TempDir, String) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("data").to_str().expect("UTF-8").to_owned();
    (directory, path)
}

fn ids(path: &str) -> BTreeSet<String> {
    let ran = run(&["--data-dir", path, "-d", "c", "-o", "json", "readall"], "");
    assert_eq!(ran.code, 0, "{}{}", ran.out, ran.err);
    let objects = ran.objects();
    let documents = objects[0]["documents"].as_array().expect("documents");
    let id = |document: &serde_json::Value| document["_id"].as_str().expect("an id").to_owned();
    documents.iter().map(id).collect()
}

#[test]
fn kill_9_while_inserting_through_a_pipe() {
    let (_directory, path) = place();
    let mut acknowledged = BTreeSet::new();
    // Several rounds, so that a recovered directory is killed and recovered again.
    for round in 0..4 {
        let arguments = ["--data-dir", path.as_str(), "-o", "json", "--keep-going"];
        let mut shell = Conversation::start(&arguments);
        shell.ask("create c");
        shell.done("use c");
        for n in 0..30 {
            let answer = shell.done(&format!("insert {{\"round\": {round}, \"n\": {n}}}"));
            acknowledged.insert(answer["id"].as_str().expect("an id").to_owned());
        }
        // One more is under way when it dies; it may be there afterwards or not.
        shell.send(&format!("insert {{\"_id\": \"under way {round}\"}}"));
        let (answers, _) = shell.kill();
        if answers.iter().any(|answer| answer.contains("\"ok\":true")) {
            acknowledged.insert(format!("under way {round}"));
        }
        let found = ids(&path);
        let lost: Vec<_> = acknowledged.difference(&found).collect();
        assert!(lost.is_empty(), "round {round}: lost {lost:?}");
        let unexpected: Vec<_> = found
            .iter()
            .filter(|id| !acknowledged.contains(*id) && !id.starts_with("under way"))
            .collect();
        assert!(unexpected.is_empty(), "round {round}: {unexpected:?}");
    }
}

#[test]
fn kill_9_while_importing() {
    // `-v` says after each batch how many documents of the file are durable: a prefix of it.
    for acknowledged_batches in [1, 2, 3] {
        let (_directory, path) = place();
        let films = films();
        let start = ["--data-dir", path.as_str(), "-d", "c", "-o", "json"];
        assert_eq!(run(&[&start[..], &["create", "c"]].concat(), "").code, 0);
        let import = [&start[..], &["-v", "import", films.path.as_str()]].concat();
        let running = Conversation::start(&import);
        for _ in 0..acknowledged_batches {
            running.error_line();
        }
        let (_, told) = running.kill();
        let mut acknowledged = 1_000 * acknowledged_batches;
        for line in told {
            let count = line.strip_prefix("imported ").and_then(|count| count.parse().ok());
            acknowledged = count.unwrap_or(acknowledged);
        }
        let counted = run(&[&start[..], &["count"]].concat(), "");
        let count = counted.objects()[0]["count"].as_u64().expect("a count") as usize;
        assert!(count >= acknowledged, "{count} of {acknowledged} acknowledged documents");
        assert!(count <= COUNT, "{count}");
    }
}

#[test]
fn a_second_process_is_refused_and_the_first_is_not_disturbed() {
    let (_directory, path) = place();
    let mut first = Conversation::start(&["--data-dir", path.as_str(), "-o", "json"]);
    first.done("create c");
    first.done("use c");
    first.done("insert {\"_id\": \"a\"}");
    let second = run(&["--data-dir", &path, "-d", "c", "count"], "");
    assert_eq!((second.code, second.out.as_str()), (1, ""), "{}", second.err);
    assert!(second.err.contains(&path) && second.err.contains("another process"), "{}", second.err);
    assert_eq!(second.err.lines().count(), 1, "{}", second.err);
    let json = run(&["--data-dir", &path, "-o", "json", "-d", "c", "count"], "");
    let error = &json.objects()[0]["error"];
    assert_eq!(
        (&error["code"], &error["outcome"]),
        (&"FAILED_PRECONDITION".into(), &"not_applied".into())
    );
    first.done("insert {\"_id\": \"b\"}");
    assert_eq!(first.end().code, 0);
    // The lock ends with the process, however that ends.
    assert_eq!(ids(&path).len(), 2);
}
