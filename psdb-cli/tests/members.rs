//! Proves that an operator can empty and remove a worker, move a replica and remove a master with
//! the real binary on a whole cluster, while its documents stay, and that refusals have their codes.

mod support;

use std::time::{Duration, Instant};

use serde_json::Value;

use support::{Conversation, run};

/// How long the cluster may take to notice something.
const PATIENCE: Duration = Duration::from_mins(1);

fn list<'a>(answer: &'a Value, name: &str) -> &'a Vec<Value> {
    answer[name].as_array().unwrap_or_else(|| panic!("no list of {name}: {answer}"))
}

fn worker(shell: &mut Conversation, name: &str) -> Value {
    let answer = shell.done("workers");
    let found = list(&answer, "workers").iter().find(|worker| worker["id"] == name);
    found.unwrap_or_else(|| panic!("no {name}: {answer}")).clone()
}

/// A shard with a replica on the fullest worker and none on the emptiest, and these two.
fn movable(shell: &mut Conversation) -> (u64, String, String) {
    let workers = shell.done("workers");
    let mut workers = list(&workers, "workers").clone();
    workers.sort_by_key(|worker| worker["shards"].as_u64());
    let name =
        |worker: Option<&Value>| worker.expect("some")["id"].as_str().expect("a name").to_owned();
    let (to, from) = (name(workers.first()), name(workers.last()));
    let shards = shell.done("shards");
    let fits = |shard: &&Value| {
        let replicas = list(shard, "replicas");
        replicas.contains(&from.as_str().into()) && !replicas.contains(&to.as_str().into())
    };
    let shard = list(&shards, "shards").iter().find(fits).expect("the fullest has one more");
    (shard["id"].as_u64().expect("a number"), from, to)
}

fn wait_until_healthy(shell: &mut Conversation) {
    let begun = Instant::now();
    loop {
        let answer = shell.done("status");
        let status = &answer["status"];
        if status["healthy"] == true && status["shards"]["moving"] == 0 {
            return;
        }
        assert!(begun.elapsed() < PATIENCE, "it has not become healthy: {status}");
    }
}

#[test]
fn a_worker_is_emptied_and_removed_and_a_replica_moved() {
    let start = ["-o", "json", "--keep-going", "dev", "--workers", "4", "--shards", "6"];
    let mut shell = Conversation::start(&start);
    wait_until_healthy(&mut shell);
    shell.done("create c shards=6");
    shell.done("use c");
    for n in 0..60 {
        shell.done(&format!("insert {{\"_id\": \"d{n}\"}}"));
    }
    let (shard, from, to) = movable(&mut shell);
    let moved = shell.done(&format!("shard move {shard} {from} {to}"));
    assert_eq!(moved["moved"], true, "{moved}");
    let shards = shell.done("shards");
    let shown = list(&shards, "shards").iter().find(|shown| shown["id"] == shard).expect("it");
    let replicas = list(shown, "replicas");
    assert!(replicas.contains(&to.as_str().into()), "{shown}");
    assert!(!replicas.contains(&from.as_str().into()), "{shown}");
    assert_eq!(shown["moving"], Value::Null, "{shown}");

    assert!(worker(&mut shell, "worker-1")["shards"].as_u64() > Some(0));
    let full = shell.ask("worker remove worker-1");
    assert_eq!(full["error"]["code"], "FAILED_PRECONDITION", "{full}");
    let drained = shell.done("worker drain worker-1");
    assert_eq!((&drained["safe_to_stop"], &drained["shards"]), (&true.into(), &0.into()));
    let empty = worker(&mut shell, "worker-1");
    assert_eq!((&empty["draining"], &empty["shards"]), (&true.into(), &0.into()), "{empty}");
    shell.done("kill worker-1");
    assert_eq!(shell.done("count")["count"], 60);
    shell.done("worker remove worker-1 --yes");
    assert_eq!(list(&shell.done("workers"), "workers").len(), 3);

    shell.done("master remove master-3");
    assert_eq!(list(&shell.done("masters"), "masters").len(), 2);
    shell.done("create after");
    assert_eq!(shell.done("count")["count"], 60);
    assert_eq!(shell.end().code, 4, "the one refusal");
}

#[test]
fn orders_that_make_no_sense_are_refused() {
    let place = ["dev", "--workers", "3", "--masters", "1", "--shards", "2"];
    for (order, code, part) in [
        ("worker drain nobody", 3, "'nobody'"),
        ("worker undrain nobody", 3, "'nobody'"),
        ("worker remove nobody", 3, "'nobody'"),
        ("master remove nobody", 3, "'nobody'"),
        ("shard move 0 worker-1 nobody", 3, "'nobody'"),
        ("shard move 99 worker-1 worker-2", 2, "no shard 99"),
        ("shard move 0 worker-1 worker-2", 2, "worker 'worker-2' holds a replica"),
        ("master remove master-1", 2, "the last master"),
        ("worker remove worker-1", 4, "it still holds 2 replicas"),
        ("worker drain", 2, "usage: worker drain ID"),
    ] {
        let ran = run(&[&["-o", "simple"], &place[..]].concat(), order);
        assert_eq!(ran.code, code, "{order}: {}", ran.err);
        assert!(ran.err.contains(part), "{order}: {}", ran.err);
    }
}

#[test]
fn a_master_that_does_not_run_is_not_added() {
    let place = ["-o", "json", "--timeout", "3s", "dev", "--masters", "1", "--shards", "1"];
    let ran = run(&place, "master add m9=nowhere\nmasters\n");
    assert_eq!(ran.code, 5, "{}", ran.out);
    let code = ran.objects()[0]["error"]["code"].clone();
    assert!(code == "UNAVAILABLE" || code == "DEADLINE_EXCEEDED", "{}", ran.out);
}

#[cfg(unix)]
#[test]
fn ctrl_c_ends_the_waiting_and_the_order_stands() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("cluster");
    let path = path.to_str().expect("UTF-8");
    let place = ["-o", "json", "dev", "--masters", "1", "--shards", "2", "--data-dir", path];
    let mut shell = Conversation::start(&place);
    wait_until_healthy(&mut shell);
    // With three workers for three replicas it cannot become empty, and says so.
    shell.send("worker drain worker-2");
    let note = shell.error_line();
    assert!(note.starts_with("note: 3 replicas of a shard need 3 workers"), "{note}");
    shell.interrupt();
    let answer: Value = serde_json::from_str(&shell.line()).expect("an object");
    assert_eq!(answer["error"]["code"], "CANCELLED", "{answer}");
    assert_eq!(shell.end().code, 130);

    let mut shell = Conversation::start(&place);
    assert_eq!(worker(&mut shell, "worker-2")["draining"], true);
    let asked = shell.done("worker drain worker-2 --no-wait");
    assert_eq!((&asked["safe_to_stop"], &asked["shards"]), (&false.into(), &2.into()), "{asked}");
    shell.done("worker undrain worker-2");
    assert_eq!(worker(&mut shell, "worker-2")["draining"], false);
    assert_eq!(shell.end().code, 0);
}
