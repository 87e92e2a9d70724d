//! Proves that orders reach the cluster, that waiting ends when it should, and what is answered.

use psdb::transport::message::{ShardInfo, WorkerInfo, WorkerStatus};
use psdb::{Address, Error, Outcome};

use super::tests::{films, run, state};
use crate::session::double::Double;
use crate::session::double::samples;

fn worker(name: &str, shards: u64, draining: bool) -> WorkerInfo {
    let (zone, status) = (Some("rack-2".to_owned()), WorkerStatus::Alive);
    let sample = samples::worker();
    WorkerInfo { name: name.into(), address: name.into(), shards, draining, zone, status, ..sample }
}

fn shard(replicas: &[&str], moving: Option<(&str, &str)>) -> ShardInfo {
    let replicas = replicas.iter().map(|name| Address::from(*name)).collect();
    let moving = moving.map(|(from, to)| (from.into(), to.into()));
    ShardInfo { replicas, moving, ..samples::shard() }
}

/// A cluster of two workers, the first of which holds as many replicas as `left` says, one answer
/// after the other.
fn draining(left: &[u64]) -> Double {
    let double = films();
    let answer = |left: &u64| vec![worker("w1", *left, true), worker("w2", 9, false)];
    state(&double).workers = left.iter().map(answer).collect();
    state(&double).shards = [vec![shard(&["w1"], None)]].into();
    double
}

#[tokio::test]
async fn a_drain_waits_until_the_worker_is_empty() {
    let ran = run(&draining(&[2, 1, 0]), &["-o", "simple", "-v"], "worker drain w1").await;
    assert_eq!(ran.out, "Worker 'w1' holds no replicas; it is safe to stop\n");
    let told = "worker 'w1': 2 of 2 replicas left\nworker 'w1': 1 of 2 replicas left\n";
    assert_eq!((ran.err.as_str(), ran.exit), (told, 0));
    for (options, out) in [
        (
            "json",
            "{\"ok\":true,\"command\":\"worker\",\"worker\":\"w1\",\"shards\":0,\"safe_to_stop\":true}\n",
        ),
        (
            "ndjson",
            "{\"ok\":true,\"command\":\"worker\",\"worker\":\"w1\",\"shards\":0,\"safe_to_stop\":true}\n",
        ),
        ("table", "Worker 'w1' holds no replicas; it is safe to stop\n"),
        ("csv", "Worker 'w1' holds no replicas; it is safe to stop\n"),
    ] {
        let ran = run(&draining(&[0]), &["-o", options], "worker drain w1").await;
        assert_eq!((ran.out.as_str(), ran.err.as_str(), ran.exit), (out, "", 0), "{options}");
    }
}

#[tokio::test]
async fn a_replica_on_its_way_to_a_draining_worker_is_waited_for() {
    let double = draining(&[0]);
    let coming = vec![shard(&["w2"], Some(("w2", "w1")))];
    state(&double).shards = [coming, vec![shard(&["w2"], None)]].into();
    let ran = run(&double, &["-o", "simple"], "worker drain w1").await;
    assert_eq!(ran.out, "Worker 'w1' holds no replicas; it is safe to stop\n");
    let asked = state(&double).calls.iter().filter(|call| *call == "shards").count();
    assert_eq!(asked, 2);
}

#[tokio::test]
async fn a_drain_may_not_wait_be_taken_back_or_be_hopeless() {
    let ran = run(&draining(&[2]), &["-o", "simple"], "worker drain w1 --no-wait").await;
    assert_eq!((ran.out.as_str(), ran.exit), ("Worker 'w1' is draining, 2 replicas left\n", 0));

    let taken_back = draining(&[2]);
    state(&taken_back).workers.push_back(vec![worker("w1", 2, false)]);
    let ran = run(&taken_back, &["-o", "simple"], "worker drain w1").await;
    assert_eq!((ran.out.as_str(), ran.exit), ("", 4));
    assert!(ran.err.contains("taken back by 'undrain'"), "{}", ran.err);

    let hopeless = draining(&[2, 0]);
    state(&hopeless).shards = [vec![shard(&["w1", "w2"], None)]].into();
    let ran = run(&hopeless, &["-o", "simple"], "worker drain w1").await;
    assert!(ran.err.starts_with("note: 2 replicas of a shard need 2 workers"), "{}", ran.err);
    assert!(ran.err.contains("there are 1"), "{}", ran.err);
}

#[tokio::test]
async fn an_order_stands_when_the_masters_fall_silent() {
    let double = draining(&[2]);
    let silent = Error::Unavailable {
        what: "the masters".into(),
        reason: "no leader".into(),
        outcome: Outcome::NotApplied,
    };
    state(&double).failures = [None, None, None, Some(silent)].into();
    let ran = run(&double, &["-o", "simple"], "worker drain w1").await;
    assert_eq!(ran.exit, 5);
    assert!(ran.err.contains("the order stands"), "{}", ran.err);
}

#[tokio::test]
async fn a_move_waits_until_the_replica_has_moved() {
    let workers = vec![worker("w1", 2, false), worker("w4", 0, false)];
    let double = films();
    state(&double).workers = [workers.clone()].into();
    let under_way = vec![shard(&["w1"], Some(("w1", "w4")))];
    state(&double).shards = [under_way.clone(), under_way, vec![shard(&["w4"], None)]].into();
    let ran = run(&double, &["-o", "json"], "shard move 0 w1 w4").await;
    let expected = r#"{"ok":true,"command":"shard","shard":0,"from":"w1","to":"w4","moved":true}"#;
    assert_eq!((ran.out.trim_end(), ran.exit), (expected, 0), "{}", ran.err);
    let calls = state(&double).calls.clone();
    assert!(calls.contains(&"move 0 w1 w4".to_owned()), "{calls:?}");
    assert_eq!(calls.iter().filter(|call| *call == "shards").count(), 3);

    // It ends where it began: the masters gave it up.
    state(&double).shards = [vec![shard(&["w1"], None)]].into();
    let ran = run(&double, &["-o", "simple"], "shard move 0 w1 w4").await;
    assert_eq!(ran.exit, 4);
    assert!(ran.err.contains("gave it up; is 'w4' alive"), "{}", ran.err);
    let ran = run(&double, &["-o", "simple"], "shard move 0 w1 w4 --no-wait").await;
    assert_eq!(ran.out, "Shard 0 is moving from 'w1' to 'w4'\n");
    let ran = run(&double, &["-o", "simple"], "shard move 0 w1 w9").await;
    assert_eq!(ran.exit, 3, "{}", ran.err);
}

#[tokio::test]
async fn other_orders_are_answered_at_once() {
    let script = "worker undrain w1\nworker remove w1\nmaster add m4=h:1\nmaster remove m1\n";
    let double = films();
    let ran = run(&double, &["-o", "simple"], script).await;
    let expected = "\
Worker 'w1' may hold replicas again
Worker 'w1' removed
Master 'm4' added
Master 'm1' removed; its name is used up
";
    assert_eq!((ran.out.as_str(), ran.err.as_str(), ran.exit), (expected, "", 0));
    let calls = ["drain w1 false", "remove worker w1", "add master m4 h:1", "remove master m1"];
    assert_eq!(state(&double).calls, calls);
    let ran = run(&double, &["-o", "json"], "master add m4=h:1").await;
    let expected = r#"{"ok":true,"command":"master","master":"m4","address":"h:1"}"#;
    assert_eq!(ran.out.trim_end(), expected);

    let full = Error::NotReady { what: "removing worker 'w1'".into(), reason: "full".into() };
    let nobody = Error::NodeNotFound { name: "w9".into() };
    for (error, exit) in [(full, 4), (nobody, 3)] {
        state(&double).failures = [Some(error)].into();
        let ran = run(&double, &["-o", "simple"], "worker remove w1 --yes").await;
        assert_eq!(ran.exit, exit, "{}", ran.err);
    }
}

#[tokio::test]
async fn lists_show_zones_drains_and_moves() {
    let double = draining(&[1]);
    state(&double).shards = [vec![shard(&["w1", "w2"], Some(("w1", "w3")))]].into();
    let ran = run(&double, &["-o", "simple"], "workers\nshards\nstatus").await;
    for part in [
        "w1      w1       alive,draining  rack-2",
        "    0  -       w1,w2     w1>w3",
        "workers    2, alive 2, draining 1\n",
        "shards     1, with a leader 0, moving 1\n",
    ] {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
    let ran = run(&double, &["-o", "json"], "workers\nshards\nstatus").await;
    for part in [
        r#""status":"alive","draining":true,"zone":"rack-2","#,
        r#""replicas":["w1","w2"],"moving":{"from":"w1","to":"w3"},"#,
        r#""workers":{"total":2,"alive":2,"draining":1},"shards":{"total":1,"led":0,"moving":1}"#,
    ] {
        assert!(ran.out.contains(part), "{part}: {}", ran.out);
    }
    let ran = run(&double, &["-o", "csv"], "workers").await;
    assert!(ran.out.starts_with("id,address,status,draining,zone,"), "{}", ran.out);
    assert!(ran.out.contains("w1,w1,alive,true,rack-2,1"), "{}", ran.out);
    let ran = run(&double, &["-o", "table"], "workers").await;
    assert!(ran.out.lines().next().is_some_and(|head| head.contains("draining  zone")));
}
