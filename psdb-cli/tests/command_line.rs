//! Proves what the binary answers before it needs a database: help, versions, and mistakes in the
//! command line, each with its documented exit code and nothing on the wrong stream.

mod support;

use support::{psdb, run};

#[test]
fn help_and_version_go_to_stdout() {
    let help = run(&["--help"], "");
    assert_eq!((help.code, help.err.as_str()), (0, ""));
    for part in ["--data-dir", "--keep-going", "create NAME", "130 interrupted"] {
        assert!(help.out.contains(part), "{part} is missing in {}", help.out);
    }
    let version = run(&["--version"], "");
    assert_eq!(version.out, concat!("psdb ", env!("CARGO_PKG_VERSION"), "\n"));
    let command = run(&["-o", "simple", "help", "update"], "");
    assert!(command.out.starts_with("update ID JSON [if_version=N]\n"), "{}", command.out);
}

#[test]
fn mistakes_leave_with_2_and_one_message_on_stderr() {
    for (arguments, part) in [
        (&["--nonsense"][..], "--nonsense"),
        (&["frobnicate"], "unknown command 'frobnicate'"),
        (&["-o", "xml", "list"], "simple, table, json, ndjson and csv"),
        (&["--timeout", "soon", "list"], "no duration"),
        (&["--masters", "localhost:50050", "--data-dir", "d", "list"], "cannot be used with"),
        (&["-f", "x", "list"], "not both"),
        (&["create"], "needs a name"),
        (&["query"], "a lambda is missing"),
        (&["dev", "--workers", "0"], "--workers"),
    ] {
        let ran = run(arguments, "");
        assert_eq!((ran.code, ran.out.as_str()), (2, ""), "{arguments:?}: {}", ran.err);
        assert!(ran.err.contains(part), "{arguments:?}: {}", ran.err);
        assert!(ran.err.starts_with("error: "), "{arguments:?}: {}", ran.err);
    }
}

#[test]
fn with_json_a_mistake_is_one_object_on_stdout() {
    let ran = run(&["-o", "json", "list", "all"], "");
    let expected = "{\"ok\":false,\"command\":\"list\",\"error\":{\"code\":\"INVALID_ARGUMENT\",\
                    \"message\":\"unexpected 'all'\",\"retryable\":false,\
                    \"outcome\":\"not_applied\"}}\n";
    assert_eq!((ran.code, ran.out.as_str(), ran.err.as_str()), (2, expected, ""));
}

#[test]
fn a_script_that_is_not_there_is_not_found() {
    let ran = run(&["-f", "/nonexistent/script"], "");
    assert_eq!((ran.code, ran.out.as_str()), (3, ""));
    assert!(ran.err.contains("could not read /nonexistent/script"), "{}", ran.err);
}

#[test]
fn the_environment_is_read_and_an_empty_variable_is_none() {
    let output = psdb().env("PSDB_OUTPUT", "xml").arg("list").output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(2));
    let output = psdb().env("PSDB_OUTPUT", "").arg("exit").output().expect("the binary runs");
    assert_eq!(output.stdout, b"{\"ok\":true,\"command\":\"exit\"}\n");
    // Nobody listens at port 1, which only who reads the variable finds out.
    let mut command = psdb();
    command.env("PSDB_MASTERS", "127.0.0.1:1").args(["--timeout", "1s", "list"]);
    let output = command.output().expect("the binary runs");
    assert_eq!(output.status.code(), Some(5));
}
