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

use psdb::client::CreateDatabase;
use tonic::transport::Channel;

use super::deadline::eventually;

pub(crate) const BINARY: &str = env!("CARGO_BIN_EXE_psdb-server");
/// How long a process may take to say that it is ready.
const READY_LIMIT: Duration = Duration::from_secs(30);

/// One node: how it is started, and its process while it runs.
pub(crate) struct Process {
    /// The program and its arguments.
    command: Vec<String>,
    errors: PathBuf,
    child: Option<Child>,
    /// What it said when it was ready.
    pub(crate) ready: String,
}

impl Process {
    /// Describes a process without starting it.
    pub(crate) fn new(command: Vec<String>, errors: PathBuf) -> Process {
        Process { command, errors, child: None, ready: String::new() }
    }

    /// Starts it and waits for its ready line.
    pub(crate) async fn start(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let errors = std::fs::OpenOptions::new().create(true).append(true).open(&self.errors);
        let mut child = Command::new(&self.command[0])
            .args(&self.command[1..])
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
            Ok(Ok(line)) if line.contains(" ready: ") => {
                line.trim_end().clone_into(&mut self.ready);
            }
            other => {
                let said = std::fs::read_to_string(&self.errors).unwrap_or_default();
                panic!("{:?} did not get ready: {other:?}\n{said}", self.command);
            }
        }
    }

    /// Runs it to its end, which must come by itself.
    pub(crate) fn run(&self) -> std::process::Output {
        let ran = Command::new(&self.command[0]).args(&self.command[1..]).output();
        ran.expect("the binary starts")
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
        let child = self.child.as_ref().expect("it runs");
        let asked = Command::new("kill").arg(signal).arg(child.id().to_string()).status();
        assert!(asked.expect("kill can be run").success());
        self.end().await
    }

    /// What it has said on standard error, all its lives together.
    pub(crate) fn errors(&self) -> String {
        std::fs::read_to_string(&self.errors).unwrap_or_default()
    }

    /// Waits for its end.
    pub(crate) async fn end(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("it runs");
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

/// A connection to whoever listens at `address`.
pub(crate) async fn channel(address: &str) -> Channel {
    let endpoint = Channel::from_shared(format!("http://{address}")).expect("it is an address");
    endpoint.connect().await.expect("somebody listens there")
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
    directory: tempfile::TempDir,
}

impl Processes {
    /// Starts so many masters (`m1`...) and workers (`w1`...) with fresh data on loopback.
    pub(crate) async fn start(masters: usize, workers: usize, shards: u32) -> Processes {
        let mut ports = free_ports(2 * (masters + workers)).into_iter();
        let mut address = || format!("127.0.0.1:{}", ports.next().expect("one for each"));
        let places = names(masters, workers).into_iter().map(|name| {
            let place = Place { command: Vec::new(), clients: address(), peers: address() };
            (name, place)
        });
        Processes::start_at(places.collect(), shards).await
    }

    /// Starts every node where `places` has it.
    pub(crate) async fn start_at(places: BTreeMap<String, Place>, shards: u32) -> Processes {
        let directory = tempfile::tempdir().expect("a directory for the test");
        let mut nodes = BTreeMap::new();
        for name in places.keys() {
            let command = command(name, &places, shards, directory.path());
            let errors = directory.path().join(format!("{name}.err"));
            nodes.insert(name.clone(), Process::new(command, errors));
        }
        let addresses = |of: fn(&Place) -> &String| {
            places.iter().map(|(name, place)| (name.clone(), of(place).clone())).collect()
        };
        let (clients, peers) = (addresses(|place| &place.clients), addresses(|place| &place.peers));
        let mut cluster = Processes { nodes, clients, peers, directory };
        cluster.start_all().await;
        cluster
    }

    /// Starts one more node: a worker, or a master that waits to be added.
    pub(crate) async fn add(&mut self, name: &str) {
        let mut ports = free_ports(2).into_iter();
        let mut address = || format!("127.0.0.1:{}", ports.next().expect("one for each"));
        let (clients, peers) = (address(), address());
        let place = |(name, clients): (&String, &String)| {
            let peers = self.peers[name].clone();
            (name.clone(), Place { command: Vec::new(), clients: clients.clone(), peers })
        };
        let mut places: BTreeMap<String, Place> = self.clients.iter().map(place).collect();
        self.clients.insert(name.to_owned(), clients.clone());
        self.peers.insert(name.to_owned(), peers.clone());
        places.insert(name.to_owned(), Place { command: Vec::new(), clients, peers });
        let mut command = command(name, &places, 1, self.directory.path());
        if name.starts_with('m') {
            command.push("--join".to_owned());
        }
        let errors = self.directory.path().join(format!("{name}.err"));
        let mut process = Process::new(command, errors);
        process.start().await;
        self.nodes.insert(name.to_owned(), process);
    }

    /// Starts every node that does not run.
    pub(crate) async fn start_all(&mut self) {
        for process in self.nodes.values_mut().filter(|process| process.child.is_none()) {
            process.start().await;
        }
    }

    /// Below which every node has its own directory.
    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
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

    /// As [`Processes::client`], once the cluster serves: a database can be created.
    pub(crate) async fn serving(
        &self,
        nodes: &[&str],
        create: impl Fn(&psdb::Client) -> CreateDatabase,
    ) -> psdb::Client {
        let client = self.client(nodes).await;
        eventually("the cluster serves", READY_LIMIT, || create(&client).into_future()).await;
        client
    }

    /// The master that leads.
    pub(crate) async fn leading_master(&self, client: &psdb::Client) -> String {
        let masters = eventually("the masters answer", 2 * READY_LIMIT, || client.masters()).await;
        let leader = masters.iter().find(|master| master.leads).expect("one of them leads");
        self.name_of(leader.address.as_str())
    }

    /// The node with this peer address.
    pub(crate) fn name_of(&self, peer: &str) -> String {
        let found = self.peers.iter().find(|(_, address)| *address == peer);
        found.map(|(name, _)| name.clone()).expect("the address is one of the cluster's")
    }
}

/// Where a node runs.
pub(crate) struct Place {
    /// What the binary is run by; empty for nothing.
    pub(crate) command: Vec<String>,
    /// Where it serves clients.
    pub(crate) clients: String,
    /// Where it serves nodes.
    pub(crate) peers: String,
}

/// `m1`, `m2`... and `w1`, `w2`...
pub(crate) fn names(masters: usize, workers: usize) -> Vec<String> {
    let masters = (1..=masters).map(|n| format!("m{n}"));
    masters.chain((1..=workers).map(|n| format!("w{n}"))).collect()
}

fn command(
    name: &str,
    places: &BTreeMap<String, Place>,
    shards: u32,
    directory: &Path,
) -> Vec<String> {
    let place = &places[name];
    let (masters, workers): (Vec<_>, Vec<_>) =
        places.iter().partition(|(name, _)| name.starts_with('m'));
    let data = directory.join(name).display().to_string();
    let mut flags = vec![
        ("--node-id", name.to_owned()),
        ("--listen", place.clients.clone()),
        ("--peer-listen", place.peers.clone()),
        ("--data-dir", data),
    ];
    let role = if name.starts_with('m') {
        let named = masters.iter().map(|(name, place)| format!("{name}={}", place.peers));
        flags.push(("--peers", named.collect::<Vec<_>>().join(",")));
        flags.push(("--shards", shards.to_string()));
        flags.push(("--replicas", workers.len().min(3).to_string()));
        "master"
    } else {
        let named = masters.iter().map(|(_, place)| place.peers.clone());
        flags.push(("--masters", named.collect::<Vec<_>>().join(",")));
        "worker"
    };
    let flags = flags.into_iter().flat_map(|(flag, value)| [flag.to_owned(), value]);
    let program = [BINARY.to_owned(), role.to_owned()];
    place.command.iter().cloned().chain(program).chain(flags).collect()
}
