//! Nodes as processes: started, killed, restarted, and gone at the end of the test.
//!
//! Ports are found by binding port 0 and letting go, since masters have to know each other's
//! addresses before they start.
//!
//! Left out: namespaces (`partition`).

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::Duration;

use super::deadline::eventually;

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_psdb-server");
/// How long a process may take to say that it is ready.
const READY_LIMIT: Duration = Duration::from_secs(30);

/// One node: how it is started, and its process while it runs.
pub(crate) struct Process {
    arguments: Vec<String>,
    errors: PathBuf,
    child: Option<Child>,
    /// What it said when it was ready.
    pub(crate) ready: String,
}

impl Process {
    /// Describes a process without starting it.
    pub(crate) fn new(arguments: Vec<String>, errors: PathBuf) -> Process {
        Process { arguments, errors, child: None, ready: String::new() }
    }

    /// Starts it and waits for its ready line.
    pub(crate) async fn start(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let errors = std::fs::OpenOptions::new().create(true).append(true).open(&self.errors);
        let mut child = Command::new(BINARY)
            .args(&self.arguments)
            .stdout(Stdio::piped())
            .stderr(errors.expect("the file for errors can be written"))
            .spawn()
            .expect("the binary starts");
        let output = child.stdout.take().expect("its output is piped");
        let line = tokio::task::spawn_blocking(move || {
            let mut line = String::new();
            let _closed = BufReader::new(output).read_line(&mut line);
            line
        });
        let line = tokio::time::timeout(READY_LIMIT, line).await;
        self.child = Some(child);
        match line {
            Ok(Ok(line)) if line.contains(" ready: ") => self.ready = line.trim_end().to_owned(),
            other => {
                let said = std::fs::read_to_string(&self.errors).unwrap_or_default();
                panic!("{:?} did not get ready: {other:?}\n{said}", self.arguments);
            }
        }
    }

    /// Kills it with SIGKILL.
    pub(crate) fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().expect("it can be killed");
            child.wait().expect("it ends");
        }
    }

    /// Asks it to stop with `signal` and waits for its end.
    pub(crate) async fn stop(&mut self, signal: &str) -> ExitStatus {
        let mut child = self.child.take().expect("it runs");
        let asked = Command::new("kill").arg(signal).arg(child.id().to_string()).status();
        assert!(asked.expect("kill can be run").success());
        eventually("the process ends", Duration::from_secs(20), || {
            let ended = child.try_wait().expect("it can be waited for");
            async move { ended.ok_or("it still runs") }
        })
        .await
    }

    /// The address after `what` in the ready line.
    pub(crate) fn address(&self, what: &str) -> String {
        let begin = self.ready.find(what).expect("the ready line names it") + what.len();
        let rest = self.ready[begin..].trim_start();
        rest.split(',').next().unwrap_or_default().trim().to_owned()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.kill();
    }
}

/// Ports nobody listens on now.
pub(crate) fn free_ports(count: usize) -> Vec<u16> {
    let listeners: Vec<_> =
        (0..count).map(|_| TcpListener::bind("127.0.0.1:0").expect("a port is free")).collect();
    let port = |listener: &TcpListener| listener.local_addr().expect("it is bound").port();
    listeners.iter().map(port).collect()
}

/// Masters and workers as processes.
pub(crate) struct Processes {
    pub(crate) nodes: BTreeMap<String, Process>,
    /// Where each node serves clients.
    pub(crate) clients: BTreeMap<String, String>,
    /// Where each node serves nodes.
    pub(crate) peers: BTreeMap<String, String>,
    _directory: tempfile::TempDir,
}

impl Processes {
    /// Starts so many masters (`m1`...) and workers (`w1`...) with fresh data.
    pub(crate) async fn start(masters: usize, workers: usize, shards: u32) -> Processes {
        let directory = tempfile::tempdir().expect("a directory for the test");
        let names: Vec<String> = (1..=masters)
            .map(|n| format!("m{n}"))
            .chain((1..=workers).map(|n| format!("w{n}")))
            .collect();
        let ports = free_ports(2 * names.len());
        let address = |port: &u16| format!("127.0.0.1:{port}");
        let clients: BTreeMap<String, String> =
            names.iter().cloned().zip(ports[..names.len()].iter().map(address)).collect();
        let peers: BTreeMap<String, String> =
            names.iter().cloned().zip(ports[names.len()..].iter().map(address)).collect();
        let replicas = workers.min(3);
        let mut nodes = BTreeMap::new();
        for name in &names {
            let node =
                Described { name, masters, shards, replicas, clients: &clients, peers: &peers };
            let errors = directory.path().join(format!("{name}.err"));
            nodes.insert(name.clone(), Process::new(node.arguments(directory.path()), errors));
        }
        let mut cluster = Processes { nodes, clients, peers, _directory: directory };
        cluster.start_all().await;
        cluster
    }

    /// Starts every node that does not run.
    pub(crate) async fn start_all(&mut self) {
        for process in self.nodes.values_mut().filter(|process| process.child.is_none()) {
            process.start().await;
        }
    }

    pub(crate) fn node(&mut self, name: &str) -> &mut Process {
        self.nodes.get_mut(name).expect("the node is in the cluster")
    }

    /// A client that is told of these nodes only.
    pub(crate) async fn client(&self, nodes: &[&str]) -> psdb::Client {
        let seeds: Vec<&str> = nodes.iter().map(|name| self.clients[*name].as_str()).collect();
        let url = format!("psdb://{}", seeds.join(","));
        psdb::connect(&url).await.expect("a node answers")
    }

    /// The node with this peer address.
    pub(crate) fn name_of(&self, peer: &str) -> String {
        let found = self.peers.iter().find(|(_, address)| *address == peer);
        found.map(|(name, _)| name.clone()).expect("the address is one of the cluster's")
    }
}

struct Described<'a> {
    name: &'a str,
    masters: usize,
    shards: u32,
    replicas: usize,
    clients: &'a BTreeMap<String, String>,
    peers: &'a BTreeMap<String, String>,
}

impl Described<'_> {
    fn arguments(&self, directory: &Path) -> Vec<String> {
        let (clients, peers) = (&self.clients[self.name], &self.peers[self.name]);
        let masters: Vec<String> = (1..=self.masters).map(|n| format!("m{n}")).collect();
        let data = directory.join(self.name).display().to_string();
        let mut arguments = vec![
            ("--node-id", self.name.to_owned()),
            ("--listen", clients.clone()),
            ("--peer-listen", peers.clone()),
            ("--data-dir", data),
        ];
        let role = if masters.contains(&self.name.to_owned()) {
            let named = masters.iter().map(|name| format!("{name}={}", self.peers[name]));
            arguments.push(("--peers", named.collect::<Vec<_>>().join(",")));
            arguments.push(("--shards", self.shards.to_string()));
            arguments.push(("--replicas", self.replicas.to_string()));
            "master"
        } else {
            let named: Vec<&str> = masters.iter().map(|name| self.peers[name].as_str()).collect();
            arguments.push(("--masters", named.join(",")));
            "worker"
        };
        let pairs = arguments.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]);
        std::iter::once(role.to_owned()).chain(pairs).collect()
    }
}
