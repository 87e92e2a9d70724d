//! Proves that every documented exit code is left with when it should be: 0 done, 1 failed, 2
//! usage, 3 not found, 4 conflict, 5 unavailable, 6 not allowed, 130 interrupted.

mod support;

use support::{Conversation, run};

#[test]
fn done_usage_not_found_and_conflict() {
    for (script, code) in [
        ("create c\nuse c\ninsert {}\ncount\n", 0),
        ("", 0),
        ("# only a comment\n\n", 0),
        ("exit\nnonsense\n", 0),
        ("nonsense\n", 2),
        ("create c\nuse c\ninsert 7\n", 2),
        ("use nowhere\n", 3),
        ("create c\ncreate c\n", 4),
    ] {
        let ran = run(&["-o", "simple"], script);
        assert_eq!(ran.code, code, "{script}: {}", ran.err);
    }
}

#[test]
fn a_script_ends_at_its_first_failure_and_keep_going_goes_on_with_its_code() {
    let script = "create c\nuse nowhere\ncreate c\ncreate d\n";
    let stopped = run(&["-o", "simple"], script);
    assert_eq!((stopped.code, stopped.out.as_str()), (3, "Database 'c' created\n"));
    let kept = run(&["-o", "simple", "--keep-going"], script);
    let expected = "Database 'c' created\nDatabase 'd' created\n";
    assert_eq!((kept.code, kept.out.as_str()), (3, expected));
    assert!(kept.err.contains("error: line 2: ") && kept.err.contains("error: line 3: "));
}

#[test]
fn a_directory_that_cannot_be_used_has_failed() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let file = directory.path().join("file");
    std::fs::write(&file, "not a directory").expect("a file");
    let ran = run(&["--data-dir", file.to_str().expect("UTF-8"), "list"], "");
    assert_eq!((ran.code, ran.out.as_str()), (1, ""), "{}", ran.err);
    assert!(ran.err.starts_with("error: "), "{}", ran.err);
    assert!(ran.err.contains(file.to_str().expect("UTF-8")), "{}", ran.err);
}

#[test]
fn without_a_quorum_it_is_unavailable_within_the_time_limit() {
    let mut shell = Conversation::start(&["-o", "json", "--timeout", "3s", "dev", "--shards", "1"]);
    shell.done("create c");
    shell.done("use c");
    shell.done("insert {\"_id\": \"a\"}");
    shell.done("kill worker-1");
    shell.done("kill worker-2");
    let refused = shell.ask("insert {\"_id\": \"b\"}");
    assert_eq!(refused["ok"], false, "{refused}");
    let code = refused["error"]["code"].as_str().expect("a code");
    assert!(matches!(code, "UNAVAILABLE" | "DEADLINE_EXCEEDED"), "{refused}");
    assert_eq!(refused["error"]["retryable"], true, "{refused}");
    assert_eq!(shell.end().code, 5);
}

#[cfg(unix)]
#[test]
fn a_file_that_may_not_be_read_is_not_allowed() {
    use std::os::unix::fs::PermissionsExt;
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("secret.ndjson");
    std::fs::write(&path, "{}\n").expect("a file");
    std::fs::set_permissions(&path, PermissionsExt::from_mode(0o000)).expect("ours to change");
    // Whom permissions do not bind (root) nothing is refused; then a file that the kernel lets
    // nobody write stands in.
    let bound = std::fs::File::open(&path).is_err();
    let command = if bound {
        format!("import {}", path.display())
    } else {
        "export /sys/psdb-cannot-write-here".to_owned()
    };
    let ran = run(&["-o", "json"], format!("create c\nuse c\n{command}\n"));
    assert_eq!(ran.code, 6, "{command}: {}", ran.out);
    assert_eq!(ran.objects()[2]["error"]["code"], "PERMISSION_DENIED", "{command}");
}

#[cfg(unix)]
#[test]
fn ctrl_c_interrupts_a_command_and_the_wait_for_one() {
    // While a command runs: an import that has begun and waits for more.
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("data");
    let place = ["--data-dir", path.to_str().expect("UTF-8"), "-d", "c", "-o", "json"];
    assert_eq!(run(&[&place[..], &["create", "c"]].concat(), "").code, 0);
    let mut import = Conversation::start(&[&place[..], &["-v", "import", "-"]].concat());
    for n in 0..1_000 {
        import.send(&format!("{{\"n\": {n}}}"));
    }
    assert_eq!(import.error_line(), "imported 1000");
    import.interrupt();
    let answer: serde_json::Value = serde_json::from_str(&import.line()).expect("an object");
    assert_eq!((&answer["ok"], &answer["command"]), (&false.into(), &"import".into()));
    assert_eq!(answer["error"]["code"], "CANCELLED");
    assert_eq!(answer["error"]["outcome"], "unknown");
    assert_eq!(import.end().code, 130);
    let counted = run(&[&place[..], &["count"]].concat(), "");
    assert_eq!(counted.objects()[0]["count"], 1_000, "{}", counted.err);

    // While it waits for the next line.
    let mut shell = Conversation::start(&["-o", "json"]);
    shell.done("create c");
    let ran = shell.interrupt_to_the_end();
    assert_eq!((ran.code, ran.out.as_str()), (130, ""));
}

#[test]
fn a_reader_that_leaves_is_no_failure() {
    let mut shell = Conversation::start(&["-o", "ndjson"]);
    shell.send("create c");
    shell.line();
    assert_eq!(shell.end().code, 0);
    let sh = "create c\\nuse c\\ninsert {}\\nreadall\\n";
    let pipe = format!("printf '{sh}' | {} -o simple | true", env!("CARGO_BIN_EXE_psdb"));
    let output = std::process::Command::new("sh").args(["-c", &pipe]).output().expect("a shell");
    let errors = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!errors.contains("error") && !errors.contains("panicked"), "{errors}");
}
