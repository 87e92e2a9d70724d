//! Proves that `psdb dev` is a whole cluster which the shell can break and mend, and that it loses
//! nothing it acknowledged while that happens.

mod support;

use std::time::{Duration, Instant};

use serde_json::Value;

use support::films::{COUNT, films};
use support::{Conversation, run};

/// How long the cluster may take to notice or to mend something.
const PATIENCE: Duration = Duration::from_mins(1);

/// Asks for the status until `is_so`, and returns the one that is.
fn wait_for(shell: &mut Conversation, what: &str, is_so: impl Fn(&Value) -> bool) -> Value {
    let begun = Instant::now();
    loop {
        let answer = shell.done("status");
        let status = &answer["status"];
        if is_so(status) {
            return status.clone();
        }
        assert!(begun.elapsed() < PATIENCE, "{what} has not come: {status}");
    }
}

fn node<'a>(status: &'a Value, name: &str) -> &'a Value {
    let nodes = status["nodes"].as_array().expect("nodes");
    nodes.iter().find(|node| node["name"] == name).expect("the node")
}

#[test]
fn workers_and_masters_die_and_come_back_and_nothing_is_lost() {
    let films = films();
    let mut shell = Conversation::start(&["-o", "json", "dev"]);
    let import = format!("import {}", films.path);
    let healthy = wait_for(&mut shell, "health", |status| status["healthy"] == true);
    assert_eq!(
        (&healthy["masters"]["total"], &healthy["workers"]["total"]),
        (&3.into(), &3.into())
    );
    assert_eq!(healthy["nodes"].as_array().expect("nodes").len(), 6);
    shell.done("create c shards=16");
    shell.done("use c");
    assert_eq!(shell.done(&import)["imported"], COUNT);

    // The masters do not know yet that a worker is gone when the next import finds out.
    shell.done("kill worker-1");
    assert_eq!(shell.done(&import)["imported"], COUNT);
    let broken = wait_for(&mut shell, "a sick cluster", |status| status["healthy"] == false);
    assert_eq!(node(&broken, "worker-1")["running"], false);
    assert_eq!(shell.done("count")["count"], 2 * COUNT);

    // The restarted one catches up under load, and is needed at once: the next one is killed.
    shell.done("restart worker-1");
    wait_for(&mut shell, "a mended cluster", |status| status["healthy"] == true);
    shell.done("kill worker-2");
    let leader = shell.done("masters")["masters"].as_array().expect("masters").clone();
    let leader = leader.iter().find(|master| master["role"] == "leader").expect("a leader");
    shell.done(&format!("kill {}", leader["address"].as_str().expect("an address")));
    assert_eq!(shell.done(&import)["imported"], COUNT);
    assert_eq!(shell.done("count")["count"], 3 * COUNT);

    shell.done("restart worker-2");
    shell.done(&format!("restart {}", leader["address"].as_str().expect("an address")));
    let mended = wait_for(&mut shell, "a mended cluster", |status| status["healthy"] == true);
    assert_eq!(mended["documents"], 3 * COUNT);

    // All of them at once, like a power cut of the whole room.
    let nodes = ["master-1", "master-2", "master-3", "worker-1", "worker-2", "worker-3"];
    for node in nodes {
        shell.done(&format!("kill {node}"));
    }
    let dark = shell.done("status");
    assert_eq!(dark["status"]["healthy"], false, "{dark}");
    for node in nodes {
        shell.done(&format!("restart {node}"));
    }
    wait_for(&mut shell, "a cluster after the power cut", |status| status["healthy"] == true);
    assert_eq!(shell.done("count")["count"], 3 * COUNT);
    assert_eq!(shell.end().code, 0);
}

#[test]
fn partitions_pauses_and_drops_are_survived_and_healed() {
    let mut shell = Conversation::start(&["-o", "json", "dev", "--shards", "4"]);
    shell.done("create c");
    shell.done("use c");
    let mut documents = 0;
    let mut insert = |shell: &mut Conversation| {
        for _ in 0..20 {
            shell.done(&format!("insert {{\"n\": {documents}}}"));
            documents += 1;
        }
        assert_eq!(shell.done("count")["count"], documents);
    };
    insert(&mut shell);
    shell.done("partition worker-1,master-1|worker-2,worker-3,master-2,master-3");
    insert(&mut shell);
    shell.done("heal");
    shell.done("pause worker-2");
    insert(&mut shell);
    shell.done("heal");
    shell.done("drop 5");
    insert(&mut shell);
    shell.done("heal");
    wait_for(&mut shell, "health", |status| status["healthy"] == true);
    assert_eq!(shell.done("count")["count"], 80);
}

#[test]
fn faults_that_make_no_sense_are_refused() {
    let script = "kill nobody\nrestart nobody\npause nobody\npartition worker-1|nobody\n\
                  partition worker-1|worker-1\npartition worker-1\ndrop 101\ndrop many\nkill\n";
    let ran = run(&["-o", "json", "--keep-going", "dev", "--shards", "1"], script);
    let codes: Vec<String> = ran.objects().iter().map(|o| o["error"]["code"].to_string()).collect();
    let (missing, wrong) = ("\"NOT_FOUND\"", "\"INVALID_ARGUMENT\"");
    assert_eq!(codes, [&[missing; 4][..], &[wrong; 5]].concat(), "{}", ran.out);
    assert_eq!(ran.code, 3);
    for (arguments, part) in [
        (&["dev", "--replicas", "4", "status"][..], "replicas"),
        (&["dev", "--seed", "1", "--data-dir", "/nonexistent", "status"], "seed"),
    ] {
        let ran = run(arguments, "");
        assert_eq!(ran.code, 2, "{}", ran.err);
        assert!(ran.err.contains(part), "{}", ran.err);
    }
}

#[test]
fn a_cluster_may_be_small_seeded_or_kept() {
    let small = run(&["-o", "json", "dev", "--masters", "1", "--workers", "1", "list"], "");
    assert_eq!(small.code, 0, "{}", small.out);
    let seeded = run(&["-o", "json", "dev", "--seed", "7"], "create c\nuse c\ninsert {}\ncount\n");
    assert_eq!((seeded.code, &seeded.objects()[3]["count"]), (0, &1.into()), "{}", seeded.out);

    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("cluster");
    let kept = ["-o", "json", "dev", "--shards", "4", "--data-dir", path.to_str().expect("UTF-8")];
    let first = run(&kept, "create c\nuse c\ninsert {\"_id\": \"a\"}\n");
    assert_eq!(first.code, 0, "{}", first.out);
    let second = run(&kept, "use c\nread a\n");
    assert_eq!(second.code, 0, "{}{}", second.out, second.err);
    let refused = {
        let mut holder = Conversation::start(&kept);
        holder.done("list");
        let refused = run(&kept, "list\n");
        assert_eq!(holder.end().code, 0);
        refused
    };
    assert_eq!(refused.code, 1, "{}", refused.out);
    assert!(refused.out.contains("another process"), "{}", refused.out);
}

#[test]
fn the_cluster_shows_itself() {
    let mut shell = Conversation::start(&["-o", "json", "dev", "--shards", "4"]);
    wait_for(&mut shell, "health", |status| status["healthy"] == true);
    let workers = shell.done("workers");
    let names: Vec<_> = workers["workers"].as_array().expect("a list").iter().collect();
    assert_eq!(names.len(), 3);
    for worker in names {
        assert_eq!(
            (&worker["status"], &worker["shards"]),
            (&"alive".into(), &4.into()),
            "{worker}"
        );
    }
    let masters = shell.done("masters");
    let leads = |master: &&Value| master["role"] == "leader";
    assert_eq!(masters["masters"].as_array().expect("a list").iter().filter(leads).count(), 1);
    let shards = shell.done("shards");
    let shards = shards["shards"].as_array().expect("a list");
    assert_eq!(shards.len(), 4);
    for shard in shards {
        assert_eq!(shard["replicas"].as_array().expect("a list").len(), 3, "{shard}");
    }
}
