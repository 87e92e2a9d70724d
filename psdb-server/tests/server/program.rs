//! Proves what scripts rely on: the ready line, draining, exit codes, printed settings.

use std::path::Path;
use std::process::{Command, Output};
use std::time::Duration;

use super::deadline::eventually;
use super::processes::{BINARY, Process, Processes};

fn run(arguments: &[&str]) -> Output {
    Command::new(BINARY).args(arguments).output().expect("the binary starts")
}

fn worker<'a>(id: &'a str, directory: &'a str) -> Vec<&'a str> {
    let start = ["worker", "--node-id", id, "--listen", "127.0.0.1:0", "--peer-listen"];
    let rest = ["127.0.0.1:0", "--masters", "127.0.0.1:1", "--data-dir", directory];
    start.into_iter().chain(rest).collect()
}

fn process(arguments: &[&str], directory: &Path) -> Process {
    let command = std::iter::once(&BINARY).chain(arguments);
    let command = command.map(|word| (*word).to_owned()).collect();
    Process::new(command, directory.join("stderr"))
}

fn code_of(output: &Output) -> Option<i32> {
    output.status.code()
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[tokio::test]
async fn a_node_says_where_it_serves_and_stops_with_0_on_both_signals() {
    let directory = tempfile::tempdir().expect("a directory for the test");
    let data = directory.path().join("w").display().to_string();
    for signal in ["-TERM", "-INT"] {
        let mut node = process(&worker("w7", &data), directory.path());
        node.start().await;
        assert!(node.ready.starts_with("psdb-server worker w7 ready: clients 127.0.0.1:"));
        for what in ["clients", "peers"] {
            let address = node.address(what);
            std::net::TcpStream::connect(&address).expect("somebody listens there");
        }
        assert_eq!(node.stop(signal).await.code(), Some(0), "{signal}");
    }
}

#[tokio::test]
async fn draining_ends_while_clients_hold_connections() {
    let mut cluster = Processes::start(1, 1, 2).await;
    let client = cluster.client(&["m1"]).await;
    client.masters().await.expect("the master answers");
    for node in ["w1", "m1"] {
        assert_eq!(cluster.node(node).stop("-TERM").await.code(), Some(0), "{node}");
    }
    cluster.start_all().await;
    client.masters().await.expect("the client finds the master again");
}

#[tokio::test]
async fn a_directory_in_use_is_75_and_anothers_is_78() {
    let directory = tempfile::tempdir().expect("a directory for the test");
    let data = directory.path().join("w").display().to_string();
    let mut node = process(&worker("w1", &data), directory.path());
    node.start().await;
    let second = run(&worker("w1", &data));
    assert_eq!(code_of(&second), Some(75), "{}", said(&second));
    node.kill();
    let other = run(&worker("w2", &data));
    assert_eq!(code_of(&other), Some(78), "{}", said(&other));
    assert!(said(&other).contains("belongs to node 'w1'"), "{}", said(&other));
}

#[tokio::test]
async fn a_worker_that_lost_its_directory_ends_with_78_and_the_way_out() {
    let mut cluster = Processes::start(1, 1, 2).await;
    cluster.serving(&["m1"], |client| client.create_database("notes")).await;
    cluster.node("w1").kill();
    std::fs::remove_dir_all(cluster.directory().join("w1")).expect("it can be removed");
    let worker = cluster.node("w1");
    worker.start().await;
    assert_eq!(worker.end().await.code(), Some(78));
    assert!(worker.errors().contains("start it under a new name"), "{}", worker.errors());
}

#[tokio::test]
async fn a_master_with_the_directory_of_another_cluster_ends_with_78() {
    let mut cluster = Processes::start(3, 1, 2).await;
    // It takes a founded cluster to have databases.
    cluster.serving(&["m1", "m2", "m3"], |client| client.create_database("notes")).await;
    for node in cluster.nodes.values_mut() {
        node.kill();
    }
    // All begin anew at the same addresses; then the third comes back with its old directory.
    let (place, aside) = (cluster.directory().join("m3"), cluster.directory().join("aside"));
    std::fs::rename(&place, &aside).expect("it can be moved");
    for name in ["m1", "m2"] {
        std::fs::remove_dir_all(cluster.directory().join(name)).expect("it can be removed");
    }
    for name in ["m1", "m2", "m3"] {
        cluster.node(name).start().await;
    }
    cluster.add("w2").await;
    cluster.serving(&["m1", "m2", "m3"], |client| client.create_database("anew")).await;
    cluster.node("m3").kill();
    std::fs::remove_dir_all(&place).expect("it can be removed");
    std::fs::rename(&aside, &place).expect("it can be moved");
    let left_over = "m3".to_owned();
    let stranger = cluster.node(&left_over);
    stranger.start().await;
    assert_eq!(stranger.end().await.code(), Some(78), "{}", stranger.errors());
    assert!(stranger.errors().contains("belongs to cluster"), "{}", stranger.errors());
    assert!(stranger.errors().contains("with an empty directory and --join"));
}

#[tokio::test]
async fn a_worker_with_the_directory_of_another_cluster_ends_with_78() {
    let mut cluster = Processes::start(1, 1, 2).await;
    cluster.serving(&["m1"], |client| client.create_database("notes")).await;
    for node in cluster.nodes.values_mut() {
        node.kill();
    }
    // The masters begin anew at the same address, with another worker.
    std::fs::remove_dir_all(cluster.directory().join("m1")).expect("it can be removed");
    cluster.node("m1").start().await;
    cluster.add("w2").await;
    let client = cluster.serving(&["m1"], |client| client.create_database("anew")).await;
    let stranger = cluster.node("w1");
    stranger.start().await;
    assert_eq!(stranger.end().await.code(), Some(78), "{}", stranger.errors());
    assert!(stranger.errors().contains("belongs to cluster"), "{}", stranger.errors());
    assert!(stranger.errors().contains("the masters in --masters are of cluster"));
    client.create_database("after").await.expect("the others go on");
}

/// Its vote could elect a leader that lacks what was acknowledged. The others must not suffer.
#[tokio::test]
async fn a_master_that_lost_its_directory_ends_with_78_and_the_others_go_on() {
    let mut cluster = Processes::start(3, 1, 2).await;
    let client =
        cluster.serving(&["m1", "m2", "m3"], |client| client.create_database("notes")).await;
    let masters = client.masters().await.expect("the masters answer");
    let leader = masters.iter().find(|master| master.leads).expect("one leads").name.clone();
    let wiped = ["m1", "m2", "m3"].into_iter().find(|name| *name != leader).expect("two others");
    cluster.node(wiped).kill();
    std::fs::remove_dir_all(cluster.directory().join(wiped)).expect("it can be removed");
    let master = cluster.node(wiped);
    master.start().await;
    assert_eq!(master.end().await.code(), Some(78), "{}", master.errors());
    assert!(master.errors().contains("its data was lost"), "{}", master.errors());
    assert!(master.errors().contains(&format!("`master remove {wiped}`")), "{}", master.errors());
    client.create_database("after").await.expect("the leader has not noticed anything");
    let masters = client.masters().await.expect("the masters answer");
    let leads = masters.iter().find(|master| master.leads).expect("one leads");
    assert_eq!(leads.name, leader);
}

#[tokio::test]
async fn a_master_restored_from_an_older_copy_ends_with_78_at_every_start() {
    let mut cluster = Processes::start(3, 1, 2).await;
    let client =
        cluster.serving(&["m1", "m2", "m3"], |client| client.create_database("notes")).await;
    assert_eq!(cluster.node("m2").stop("-TERM").await.code(), Some(0));
    let (place, copy) = (cluster.directory().join("m2"), cluster.directory().join("copy"));
    copy_directory(&place, &copy);
    cluster.node("m2").start().await;
    eventually("it votes again", Duration::from_secs(30), || async {
        let masters = client.masters().await.map_err(|error| error.to_string())?;
        let reached = masters.iter().map(|master| master.matched).max();
        let known = masters.iter().find(|master| master.name == "m2").map(|known| known.matched);
        if known == reached { Ok(()) } else { Err(format!("{masters:?}")) }
    })
    .await;
    cluster.node("m2").kill();
    std::fs::remove_dir_all(&place).expect("it can be removed");
    std::fs::rename(&copy, &place).expect("it can be moved");
    let master = cluster.node("m2");
    master.start().await;
    assert_eq!(master.end().await.code(), Some(78), "{}", master.errors());
    assert!(master.errors().contains("restored from an older copy"), "{}", master.errors());
    // It says so at once from now on, and never counts up to a start that nobody has seen.
    for _ in 0..3 {
        let again = master.run();
        assert_eq!(code_of(&again), Some(78), "{}", said(&again));
        assert!(said(&again).contains("restored from an older copy"), "{}", said(&again));
    }
    client.create_database("after").await.expect("two of three do it");
}

fn copy_directory(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("it can be made");
    for entry in std::fs::read_dir(from).expect("it can be read") {
        let entry = entry.expect("it can be read");
        let target = to.join(entry.file_name());
        if entry.file_type().expect("it has a type").is_dir() {
            copy_directory(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("it can be copied");
        }
    }
}

#[tokio::test]
async fn damage_is_65_with_file_and_offset() {
    let directory = tempfile::tempdir().expect("a directory for the test");
    let data = directory.path().join("m");
    let text = data.display().to_string();
    let start = ["master", "--node-id", "m1", "--listen", "127.0.0.1:0", "--peer-listen"];
    let rest = ["127.0.0.1:0", "--data-dir", text.as_str()];
    let arguments: Vec<&str> = start.into_iter().chain(rest).collect();
    let mut node = process(&arguments, directory.path());
    node.start().await;
    assert_eq!(node.stop("-TERM").await.code(), Some(0));
    let log = std::fs::read_dir(data.join("wal")).expect("there is a log");
    let log = log.map(|entry| entry.expect("it can be read").path()).min().expect("a segment");
    let mut bytes = std::fs::read(&log).expect("it can be read");
    let written = bytes.iter().rposition(|byte| *byte != 0).expect("something was written");
    bytes[written / 2] ^= 0x55;
    std::fs::write(&log, bytes).expect("it can be written");
    let damaged = run(&arguments);
    assert_eq!(code_of(&damaged), Some(65), "{}", said(&damaged));
    let file = log.file_name().map(|name| name.to_string_lossy().into_owned());
    assert!(said(&damaged).contains(&file.expect("a name")), "{}", said(&damaged));
    assert!(said(&damaged).contains("offset"), "{}", said(&damaged));
}

#[test]
fn a_port_in_use_is_74_and_a_wrong_command_line_2() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = taken.local_addr().expect("it is bound").to_string();
    let directory = tempfile::tempdir().expect("a directory for the test");
    let data = directory.path().display().to_string();
    let mut arguments = worker("w1", &data);
    arguments[4] = &address;
    let refused = run(&arguments);
    assert_eq!(code_of(&refused), Some(74), "{}", said(&refused));
    assert!(said(&refused).contains(&address), "{}", said(&refused));
    for wrong in [vec!["worker"], vec!["nonsense"], vec!["master", "--node-id", "a b"]] {
        let refused = run(&wrong);
        assert_eq!(code_of(&refused), Some(2), "{wrong:?}: {}", said(&refused));
    }
}

#[test]
fn settings_are_printed_as_a_file_that_gives_the_same_settings() {
    let directory = tempfile::tempdir().expect("a directory for the test");
    let file = directory.path().join("psdb.toml");
    let mut arguments = worker("w1", "data");
    arguments.extend(["--log-format", "json", "--print-config"]);
    let printed = run(&arguments);
    assert_eq!(code_of(&printed), Some(0), "{}", said(&printed));
    std::fs::write(&file, &printed.stdout).expect("it can be written");
    let path = file.display().to_string();
    let again = run(&["worker", "--config", &path, "--print-config"]);
    assert_eq!(String::from_utf8_lossy(&again.stdout), String::from_utf8_lossy(&printed.stdout));
    std::fs::write(&file, "no-such-setting = 1\n").expect("it can be written");
    let refused = run(&["worker", "--config", &path]);
    assert_eq!(code_of(&refused), Some(78), "{}", said(&refused));
    assert!(said(&refused).contains("no-such-setting"), "{}", said(&refused));
}

#[tokio::test]
async fn a_dev_cluster_is_one_process_to_its_clients() {
    let directory = tempfile::tempdir().expect("a directory for the test");
    let data = directory.path().join("d").display().to_string();
    let arguments = ["dev", "--listen", "127.0.0.1:0", "--data-dir", data.as_str()];
    let mut dev = process(&arguments, directory.path());
    for round in 1..=2_u64 {
        dev.start().await;
        let url = format!("psdb://{}", dev.address("clients"));
        let client = psdb::connect(&url).await.expect("it answers");
        assert_eq!(client.workers().await.expect("it lists workers").len(), 3);
        if round == 1 {
            client.create_database("notes").await.expect("it is created");
        }
        let notes = client.database("notes");
        notes.insert_json(r#"{"text": "kept"}"#).await.expect("it is inserted");
        assert_eq!(notes.count_all().await.expect("they are counted").count, round);
        assert_eq!(dev.stop("-TERM").await.code(), Some(0));
    }
}
