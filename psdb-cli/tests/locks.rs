//! Proves that a lock outlives the process that acquired it, on the real database: the next process
//! finds it held, renews and releases it by its token, and tokens go on growing.

mod support;

use support::{Conversation, run};

#[test]
fn a_lock_outlives_its_process() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("data");
    let place = ["--data-dir", path.to_str().expect("UTF-8"), "-o", "json"];
    let shot = |words: &[&str], code: i32| {
        let ran = run(&[&place[..], &["lock"], words].concat(), "");
        assert_eq!(ran.code, code, "{words:?}: {} {}", ran.out, ran.err);
        ran.objects().remove(0)
    };
    let first = shot(&["acquire", "jobs/nightly", "ttl=1h"], 0);
    let token = first["token"].as_u64().expect("a token");
    assert!(first["expires_at"].as_str().expect("a time").ends_with('Z'), "{first}");
    let held = shot(&["acquire", "jobs/nightly"], 4);
    assert_eq!(held["error"]["code"], "FAILED_PRECONDITION", "{held}");
    assert_eq!(held["error"]["outcome"], "not_applied", "{held}");
    let listed = shot(&["list"], 0);
    assert_eq!(listed["locks"][0]["token"], token, "{listed}");
    let number = token.to_string();
    let renewed = shot(&["renew", "jobs/nightly", &number, "ttl=2h"], 0);
    assert!(renewed["expires_at"].as_str() > first["expires_at"].as_str(), "{renewed}");
    shot(&["release", "jobs/nightly", &number], 0);
    let gone = shot(&["release", "jobs/nightly", &number], 4);
    let message = gone["error"]["message"].as_str().expect("a message");
    assert!(message.contains("has expired or was released"), "{gone}");
    let next = shot(&["acquire", "jobs/nightly", "ttl=1s"], 0);
    assert!(next["token"].as_u64() > Some(token), "{next}");
    let waited = shot(&["acquire", "jobs/nightly", "wait=30s"], 0);
    assert!(waited["token"].as_u64() > next["token"].as_u64(), "{waited}");
    let invalid = shot(&["acquire", "two words"], 2);
    assert_eq!(invalid["error"]["code"], "INVALID_ARGUMENT", "{invalid}");
    let short = shot(&["acquire", "a", "ttl=99ms"], 2);
    assert!(
        short["error"]["message"].as_str().expect("a message").contains("100 ms to"),
        "{short}"
    );
}

#[test]
fn a_lock_outlives_the_leading_master() {
    let mut shell = Conversation::start(&["-o", "json", "--keep-going", "dev", "--shards", "1"]);
    let token = shell.done("lock acquire jobs ttl=1h")["token"].clone();
    let masters = shell.done("masters");
    let masters = masters["masters"].as_array().expect("a list");
    let leader = masters.iter().find(|m| m["role"] == "leader" || m["leads"] == true);
    let leader = leader.expect("a leader")["address"].as_str().expect("an address").to_owned();
    shell.done(&format!("kill {leader}"));
    assert_eq!(shell.done("lock list")["locks"][0]["token"], token);
    let held = shell.ask("lock acquire jobs");
    assert_eq!(held["error"]["code"], "FAILED_PRECONDITION", "{held}");
    shell.done(&format!("lock release jobs {token}"));
    assert!(shell.done("lock acquire jobs")["token"].as_u64() > token.as_u64());
    shell.end();
}
