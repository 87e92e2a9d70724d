//! Proves what happens when the network is cut: the majority goes on, who is cut off serves no
//! read, and a healed node is usable within two seconds.
//!
//! Every node runs in a network namespace of its own, all of them joined by a bridge; this process
//! is the client and stays connected to all. A node is cut off from the others by rules of its own
//! firewall: what it sends is lost, or what it is sent, or both. Without root, `ip` or `nft` the
//! tests are skipped and say so by name.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use psdb::codec::frame;
use psdb::proto::internal as proto;
use psdb::proto::internal::transport_service_client::TransportServiceClient;
use psdb::proto::v1;
use psdb::proto::v1::database_service_client::DatabaseServiceClient;
use psdb::proto::v1::document_service_client::DocumentServiceClient;
use psdb::transport::message::{MasterRequest, MasterResponse, Reply, ShardRequest, ShardResponse};
use psdb::{Client, GroupId, ShardId};

use super::deadline::eventually;
use super::processes::{Place, Processes, channel, names};

/// How soon after a cut somebody else must take writes.
const TAKE_OVER: Duration = Duration::from_secs(15);
/// How soon after healing the node that was cut off must be usable.
const USABLE_AGAIN: Duration = Duration::from_secs(2);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    Incoming,
    Outgoing,
    BothWays,
}

fn run(line: &str) -> Result<(), String> {
    let mut words = line.split_whitespace();
    let program = words.next().expect("a program is named");
    let output = Command::new(program).args(words).output();
    let output = output.map_err(|error| format!("{program}: {error}"))?;
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    if output.status.success() { Ok(()) } else { Err(format!("{line}: {said}")) }
}

/// A bridge and a namespace for each node; gone when it is dropped.
struct Namespaces {
    tag: String,
    subnet: String,
    nodes: Vec<String>,
}

impl Namespaces {
    fn new(number: u8, nodes: Vec<String>) -> Result<Namespaces, String> {
        let process = std::process::id();
        let tag = format!("psdb{}{number}", process % 100_000);
        let subnet = format!("10.{}.{}", 200 + number, process % 250);
        let space = Namespaces { tag, subnet, nodes };
        run("nft --version")?;
        run(&format!("ip link add {}b type bridge", space.tag))?;
        run(&format!("ip addr add {}.254/24 dev {}b", space.subnet, space.tag))?;
        run(&format!("ip link set {}b up", space.tag))?;
        for (at, node) in space.nodes.iter().enumerate() {
            space.add(at + 1, node)?;
        }
        Ok(space)
    }

    fn add(&self, at: usize, node: &str) -> Result<(), String> {
        let (tag, name) = (&self.tag, self.name(node));
        let inside = format!("ip netns exec {name}");
        run(&format!("ip netns add {name}"))?;
        run(&format!("ip link add {tag}{at} type veth peer name eth0 netns {name}"))?;
        run(&format!("ip link set {tag}{at} master {tag}b"))?;
        run(&format!("ip link set {tag}{at} up"))?;
        run(&format!("{inside} ip addr add {}/24 dev eth0", self.host(at)))?;
        run(&format!("{inside} ip link set eth0 up"))?;
        run(&format!("{inside} ip link set lo up"))
    }

    fn name(&self, node: &str) -> String {
        format!("{}{node}", self.tag)
    }

    fn host(&self, at: usize) -> String {
        format!("{}.{at}", self.subnet)
    }

    fn places(&self) -> BTreeMap<String, Place> {
        let place = |(at, node): (usize, &String)| {
            let host = self.host(at + 1);
            let command = ["ip", "netns", "exec", &self.name(node)].map(str::to_owned).to_vec();
            let (clients, peers) = (format!("{host}:50050"), format!("{host}:50060"));
            (node.clone(), Place { command, clients, peers })
        };
        self.nodes.iter().enumerate().map(place).collect()
    }

    /// Cuts `node` off from all other nodes; this process still reaches it.
    fn cut(&self, node: &str, cut: Cut) {
        let others = self.nodes.iter().enumerate().filter(|(_, other)| *other != node);
        let others: Vec<String> = others.map(|(at, _)| self.host(at + 1)).collect();
        let others = others.join(",");
        let nft = format!("ip netns exec {} nft", self.name(node));
        let mut rules = vec![format!("{nft} add table ip cut")];
        for (hook, side, when) in
            [("input", "saddr", Cut::Incoming), ("output", "daddr", Cut::Outgoing)]
        {
            if cut == when || cut == Cut::BothWays {
                let chain = format!("{nft} add chain ip cut {hook}");
                rules.push(format!("{chain} {{ type filter hook {hook} priority 0 ; }}"));
                let rule = format!("{nft} add rule ip cut {hook}");
                rules.push(format!("{rule} ip {side} {{ {others} }} drop"));
            }
        }
        for rule in rules {
            run(&rule).expect("the network can be cut");
        }
    }

    fn heal(&self, node: &str) {
        let nft = format!("ip netns exec {} nft", self.name(node));
        run(&format!("{nft} delete table ip cut")).expect("the network can be healed");
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for (at, node) in self.nodes.iter().enumerate() {
            // By itself a link would stay until the last socket of its dead process is forgotten.
            let _never_made = run(&format!("ip link del {}{}", self.tag, at + 1));
            let _never_made = run(&format!("ip netns del {}", self.name(node)));
        }
        let _never_made = run(&format!("ip link del {}b", self.tag));
    }
}

/// Six nodes in namespaces, or `None` after saying why not.
async fn six(test: &str, number: u8) -> Option<(Namespaces, Processes)> {
    match Namespaces::new(number, names(3, 3)) {
        Ok(space) => {
            let cluster = Processes::start_at(space.places(), 2).await;
            Some((space, cluster))
        }
        Err(reason) => {
            println!("SKIPPED partition::{test}: {reason}");
            None
        }
    }
}

/// Asks one node through its clients' door, as the smart client does.
async fn ask(
    cluster: &Processes,
    node: &str,
    service: proto::Service,
    group: GroupId,
    body: bytes::Bytes,
) -> Option<bytes::Bytes> {
    let message = proto::Message {
        id: 0,
        service: service.into(),
        group: group.0,
        timeout_millis: 3_000,
        body,
        to: cluster.peers[node].clone(),
    };
    let mut client = TransportServiceClient::new(channel(&cluster.clients[node]).await);
    let call = client.call(proto::CallRequest { message: Some(message) });
    let answer = tokio::time::timeout(Duration::from_secs(6), call).await.ok()?;
    match answer.expect("it is reachable").into_inner().reply?.result? {
        proto::reply::Result::Body(body) => Some(body),
        proto::reply::Result::Refused(_) | proto::reply::Result::Failed(_) => None,
    }
}

/// The worker that leads the only shard of `database`.
async fn shard_leader(client: &Client, cluster: &Processes, database: &str) -> (ShardId, String) {
    let shard = client.get_database(database).await.expect("it is there").shards[0];
    let leader = eventually("a leader is reported", TAKE_OVER, || async {
        let shards = client.shards().await.map_err(|error| error.to_string())?;
        let info = shards.into_iter().find(|info| info.shard == shard);
        info.and_then(|info| info.leader).ok_or_else(|| "nobody leads".to_owned())
    });
    (shard, cluster.name_of(leader.await.as_str()))
}

/// Whether the node answers for the document from what it holds itself.
async fn serves_read(
    cluster: &Processes,
    node: &str,
    request: &ShardRequest,
    shard: ShardId,
) -> bool {
    let (service, group) = (proto::Service::Shard, GroupId::of_shard(shard));
    let Some(body) = ask(cluster, node, service, group, frame::encode(request)).await else {
        return false;
    };
    let reply: Reply<ShardResponse> = frame::decode(&body).expect("it is a reply");
    matches!(reply, Reply::Done(_))
}

async fn reads_through(
    cluster: &Processes,
    node: &str,
    id: &str,
    limit: Duration,
) -> Result<(), String> {
    let mut api = DocumentServiceClient::new(channel(&cluster.clients[node]).await);
    let get = v1::GetDocumentRequest { database: "notes".into(), id: id.into() };
    let mut request = tonic::Request::new(get);
    request.set_timeout(limit);
    let answer = tokio::time::timeout(limit, api.get_document(request)).await;
    match answer {
        Ok(Ok(_)) => Ok(()),
        Ok(Err(status)) => Err(status.message().to_owned()),
        Err(elapsed) => Err(elapsed.to_string()),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_leader_of_a_shard_is_cut_off() {
    let Some((space, cluster)) = six("the_leader_of_a_shard_is_cut_off", 1).await else { return };
    let client = cluster.client(&["m1", "w1"]).await.with_timeout(TAKE_OVER);
    eventually("the cluster serves", Duration::from_secs(30), || async {
        client.create_database("notes").shards(1).await
    })
    .await;
    let notes = client.database("notes");
    for cut in [Cut::Incoming, Cut::Outgoing, Cut::BothWays] {
        let id = format!("before-{cut:?}");
        notes.insert_json(&format!(r#"{{"_id":"{id}"}}"#)).await.expect("it is inserted");
        let (shard, leader) = shard_leader(&client, &cluster, "notes").await;
        let database = client.get_database("notes").await.expect("it is there").id;
        let request = ShardRequest::Get { database, ids: vec![id.as_str().into()] };
        assert!(serves_read(&cluster, &leader, &request, shard).await, "{leader} leads");
        space.cut(&leader, cut);
        let begin = Instant::now();
        let id = format!("during-{cut:?}");
        let inserted = notes.insert_json(&format!(r#"{{"_id":"{id}"}}"#)).await;
        inserted.expect("the majority takes writes");
        let took_over = begin.elapsed();
        assert!(!serves_read(&cluster, &leader, &request, shard).await, "{leader} served a read");
        let read = reads_through(&cluster, &leader, &id, Duration::from_secs(2)).await;
        assert!(read.is_err(), "{leader} is cut off {cut:?} and answered");
        space.heal(&leader);
        let begin = Instant::now();
        let what = format!("{leader}, healed of {cut:?}, answers");
        eventually(&what, USABLE_AGAIN, || reads_through(&cluster, &leader, &id, USABLE_AGAIN))
            .await;
        println!(
            "{cut:?}: {leader} replaced in {took_over:?}, usable {:?} after healing",
            begin.elapsed()
        );
    }
    assert_eq!(notes.count_all().await.expect("it counts").count, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_leading_master_is_cut_off() {
    let Some((space, cluster)) = six("the_leading_master_is_cut_off", 2).await else { return };
    let client = cluster.client(&["m1", "w1"]).await.with_timeout(TAKE_OVER);
    eventually("the cluster serves", Duration::from_secs(30), || async {
        client.create_database("first").await
    })
    .await;
    for cut in [Cut::Incoming, Cut::Outgoing, Cut::BothWays] {
        let masters = client.masters().await.expect("the masters answer");
        let leader = masters.iter().find(|master| master.leads).expect("one leads");
        let leader = cluster.name_of(leader.address.as_str());
        space.cut(&leader, cut);
        let begin = Instant::now();
        let name = format!("during-{cut:?}");
        client.create_database(&name).await.expect("the majority takes changes");
        let took_over = begin.elapsed();
        let documents = client.database(&name);
        documents.insert_json("{}").await.expect("documents are written, too");
        let list = frame::encode(&MasterRequest::ListDatabases);
        let answer = ask(&cluster, &leader, proto::Service::Master, GroupId::METADATA, list).await;
        if let Some(body) = answer {
            let reply: Reply<MasterResponse> = frame::decode(&body).expect("it is a reply");
            assert!(!matches!(reply, Reply::Done(_)), "{leader} is cut off and answered");
        }
        space.heal(&leader);
        let begin = Instant::now();
        let what = format!("{leader}, healed of {cut:?}, answers");
        let listed = eventually(&what, USABLE_AGAIN, || async {
            let mut api = DatabaseServiceClient::new(channel(&cluster.clients[&leader]).await);
            let mut request = tonic::Request::new(v1::GetDatabaseRequest { name: name.clone() });
            request.set_timeout(USABLE_AGAIN);
            api.get_database(request).await.map_err(|status| status.message().to_owned())
        })
        .await;
        assert_eq!(listed.into_inner().database.map(|database| database.documents), Some(1));
        println!(
            "{cut:?}: {leader} replaced in {took_over:?}, usable {:?} after healing",
            begin.elapsed()
        );
    }
}
