//! Proves that the shell answers the same wherever its database is: one script, run on an embedded
//! database and on a cluster of processes, gives the same lines and the same exit code.
//!
//! The shell is another package's program, so it is looked for beside the server's; where it has
//! not been built the test is skipped and says so by name.

use std::path::Path;
use std::process::{Command, Output};

use super::processes::{BINARY, Processes};

/// One of each kind of command, mistakes included.
const SCRIPT: &str = r#"
create films ["Director"]
create films
use films
insert {"_id": "a", "Title": "Alien", "Director": "Scott", "Year": 1979}
insert {"_id": "b", "Title": "Brazil", "Director": "Gilliam", "Year": 1985}
insert {"_id": "c", "Title": 9, "Year": 18446744073709551615}
insert {"_id": "a"}
insert {"_id": "d", "n": 1e400}
read nobody
count
count lambda d: d["Director"] == "Scott"
query 'lambda d: d["Year"] > 1900' sort 'lambda d: d["Year"]' desc limit 2
query lambda d: d["Year"
explain lambda d: d["Director"] == "Scott"
index create Year
index create Year,Title name=both
index list
index drop Year
index drop Year
readall page 2
configure deny_full_scan=true
count lambda d: d["Title"] == "Alien"
configure deny_full_scan=false
update b {"Year": 1986} if_version=1
update b {"Year": 1987} if_version=1
replace c {"Title": "Cube"}
delete_doc a
delete_doc a
readall
list
clear films --yes
delete films --yes
delete films --yes
"#;

fn shell(arguments: &[&str]) -> Output {
    let directory = tempfile::tempdir().expect("a directory for the test");
    let script = directory.path().join("script");
    std::fs::write(&script, SCRIPT).expect("it can be written");
    let path = Path::new(BINARY).with_file_name("psdb");
    let mut command = Command::new(path);
    command.args(arguments).args(["-o", "json", "--keep-going", "--yes", "-f"]).arg(&script);
    for name in ["PSDB_MASTERS", "PSDB_DATA_DIR", "PSDB_DATABASE", "PSDB_OUTPUT"] {
        command.env_remove(name);
    }
    command.output().expect("the shell runs")
}

/// The answers without what differs by nature: times, and how large a slice of a cluster is.
fn comparable(output: &Output) -> Vec<serde_json::Value> {
    fn strip(value: &mut serde_json::Value) {
        match value {
            serde_json::Value::Object(fields) => {
                // A token says of which database and until when.
                for name in ["_created_at", "_updated_at", "shards", "bytes", "next_page_token"] {
                    fields.remove(name);
                }
                // So do lists of shards within a plan.
                if fields.get("step") == Some(&"shards".into()) {
                    fields.remove("text");
                }
                fields.values_mut().for_each(strip);
            }
            serde_json::Value::Array(items) => items.iter_mut().for_each(strip),
            _ => {}
        }
    }
    let text = String::from_utf8_lossy(&output.stdout);
    let parse = |line: &str| {
        let mut value = serde_json::from_str(line).expect("every answer is one object");
        strip(&mut value);
        value
    };
    text.lines().map(parse).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shell_answers_the_same_on_a_cluster_as_embedded() {
    let path = Path::new(BINARY).with_file_name("psdb");
    if !path.exists() {
        println!(
            "SKIPPED shell::the_shell_answers_the_same_on_a_cluster_as_embedded: {} is not built",
            path.display()
        );
        return;
    }
    let cluster = Processes::start(1, 3, 4).await;
    let client = cluster.serving(&["m1"], |client| client.create_database("ready")).await;
    client.delete_database("ready").await.expect("it is deleted");
    let directory = tempfile::tempdir().expect("a directory for the test");
    let data = directory.path().display().to_string();
    let masters = format!("{},{}", cluster.clients["m1"], cluster.clients["w3"]);
    let embedded = shell(&["--data-dir", &data]);
    let remote = shell(&["--masters", &masters]);
    let said = String::from_utf8_lossy(&remote.stderr);
    assert_eq!(remote.status.code(), embedded.status.code(), "{said}");
    let (embedded, remote) = (comparable(&embedded), comparable(&remote));
    assert!(embedded.len() >= 20, "{} answers", embedded.len());
    for (embedded, remote) in embedded.iter().zip(&remote) {
        assert_eq!(remote, embedded);
    }
    assert_eq!(remote.len(), embedded.len());
    let nobody = shell(&["--masters", "127.0.0.1:1", "--timeout", "300ms"]);
    assert_eq!(nobody.status.code(), Some(5), "{}", String::from_utf8_lossy(&nobody.stderr));
}
