//! Proves that both halves of the transport agree: who is reached, what a failure says, and that
//! bulk never delays what must not wait.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use psdb::cluster::{Cluster, NodeRole};
use psdb::env::Env;
use psdb::transport::{
    Acquaintance, BoxFuture, Dialer, Hello, Lanes, Message, NodeEntry, Service, Transport as _,
    TransportError,
};
use psdb::{Address, GroupId};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::{Doors, Refusal, Serving, Target, bound};
use crate::api::Api;

/// A node that echoes; `b"panic"` makes it panic, `b"never"` gets no answer.
#[derive(Debug)]
struct Echo {
    entry: NodeEntry,
    handled: AtomicUsize,
}

impl Target for Echo {
    fn hello(&self) -> Hello {
        Hello { node: self.entry.clone(), cluster: Some(7), masters: Vec::new() }
    }

    fn nodes(&self) -> Vec<NodeEntry> {
        vec![self.entry.clone()]
    }

    fn answering(&self) -> Vec<Address> {
        vec![self.entry.peer.clone()]
    }

    fn introduced(&self, _node: NodeEntry) {}

    fn handle(
        self: Arc<Self>,
        _to: &Address,
        message: Message,
    ) -> Result<BoxFuture<'static, Result<Bytes, String>>, Refusal> {
        self.handled.fetch_add(1, Ordering::Relaxed);
        Ok(Box::pin(async move {
            assert_ne!(&message.body[..], b"panic", "as asked");
            if &message.body[..] == b"never" {
                std::future::pending::<()>().await;
            }
            Ok(message.body)
        }))
    }
}

/// Somebody who dials.
#[derive(Debug)]
struct Caller {
    cluster: u64,
}

impl Acquaintance for Caller {
    fn node(&self) -> Option<NodeEntry> {
        Some(entry("caller", "127.0.0.1:1"))
    }

    fn cluster(&self) -> Option<u64> {
        Some(self.cluster)
    }

    fn met(&self, hello: &Hello) {
        assert_eq!(hello.node.name, "echo");
    }
}

fn entry(name: &str, address: &str) -> NodeEntry {
    NodeEntry {
        name: name.into(),
        role: NodeRole::Worker,
        peer: address.into(),
        client: address.into(),
        incarnation: 1,
    }
}

fn dialer(cluster: u64, lanes: Lanes) -> Dialer {
    Dialer::new(Env::real(), Arc::new(Caller { cluster }), lanes)
}

fn message(service: Service, body: impl Into<Bytes>) -> Message {
    let (group, timeout) = (GroupId(1), Duration::from_secs(20));
    Message { service, group, timeout, body: body.into() }
}

/// A served echo that says it is `peer`, or where it listens.
struct Served {
    address: Address,
    target: Arc<Echo>,
    _stop: watch::Sender<bool>,
    _serving: Serving,
}

async fn serve(listen: &str, peer: Option<&str>) -> Served {
    let cluster = Cluster::memory().await.expect("an embedded database");
    let peers = super::bind(listen).await.expect("the port is free");
    let clients = super::bind("127.0.0.1:0").await.expect("a port is free");
    let address = bound(&peers).expect("it is bound");
    let target = Arc::new(Echo {
        entry: entry("echo", peer.unwrap_or(&address)),
        handled: AtomicUsize::new(0),
    });
    let (stop, stopping) = watch::channel(false);
    let doors = Doors { api: Api::new(cluster.client(), "echo"), target: target.clone(), stopping };
    let serving = super::start(&doors, clients, Some(peers));
    Served { address: Address::from(address), target, _stop: stop, _serving: serving }
}

#[tokio::test]
async fn small_and_large_messages_come_back_as_they_were() {
    let echo = serve("127.0.0.1:0", None).await;
    let dialer = Arc::new(dialer(7, Lanes::Two));
    let calls = (0..200_usize).map(|n| {
        let (dialer, to) = (dialer.clone(), echo.address.clone());
        tokio::spawn(async move {
            let body = vec![n as u8; if n % 20 == 0 { 300_000 } else { n }];
            let service = if n % 2 == 0 { Service::Raft } else { Service::Shard };
            let reply = dialer.call(&to, message(service, body.clone())).await;
            assert_eq!(reply.expect("it is answered"), body);
        })
    });
    for call in calls.collect::<Vec<_>>() {
        call.await.expect("it does not panic");
    }
    assert_eq!(echo.target.handled.load(Ordering::Relaxed), 200);
}

#[tokio::test]
async fn not_sent_is_said_only_where_it_is_certain() {
    let echo = serve("127.0.0.1:0", None).await;
    let dialer = dialer(7, Lanes::Two);
    let nobody = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let vacant = Address::from(bound(&nobody).expect("it is bound"));
    drop(nobody);
    let refused = dialer.call(&vacant, message(Service::Shard, "x")).await;
    assert!(matches!(refused, Err(TransportError::NotSent { .. })), "{refused:?}");
    let panicked = dialer.call(&echo.address, message(Service::Shard, "panic")).await;
    assert!(matches!(panicked, Err(TransportError::NoReply { .. })), "{panicked:?}");
    let mut hurried = message(Service::Shard, "never");
    hurried.timeout = Duration::from_millis(100);
    let late = dialer.call(&echo.address, hurried).await;
    assert!(matches!(late, Err(TransportError::NoReply { .. })), "{late:?}");
    let after = dialer.call(&echo.address, message(Service::Shard, "still there")).await;
    assert_eq!(after.expect("neither broke the stream"), "still there");
}

#[tokio::test]
async fn another_node_or_cluster_at_the_address_is_told_in_words() {
    let moved = serve("127.0.0.1:0", Some("127.0.0.1:9")).await;
    let reason = |called| match called {
        Err(TransportError::NotSent { reason, .. }) => reason,
        other => panic!("{other:?}"),
    };
    let called = dialer(7, Lanes::Two).call(&moved.address, message(Service::Raft, "x")).await;
    let said = reason(called);
    assert!(said.contains("but this is node 'echo' at 127.0.0.1:9"), "{said}");
    let echo = serve("127.0.0.1:0", None).await;
    let called = dialer(8, Lanes::Two).call(&echo.address, message(Service::Raft, "x")).await;
    let said = reason(called);
    assert!(said.contains("belongs to cluster 0000000000000008"), "{said}");
    assert_eq!(moved.target.handled.load(Ordering::Relaxed), 0);
}

#[tokio::test]
async fn a_node_that_died_and_came_back_is_reached_again() {
    // A runtime of its own, which takes every connection with it when it ends.
    let mut process = tokio::runtime::Builder::new_multi_thread();
    let process = process.worker_threads(1).enable_all().build().expect("a runtime for the node");
    let first = process.spawn(serve("127.0.0.1:0", None)).await.expect("it serves");
    let dialer = Arc::new(dialer(7, Lanes::Two));
    let to = first.address.clone();
    dialer.call(&to, message(Service::Raft, "x")).await.expect("it is answered");
    let waiting = tokio::spawn({
        let (dialer, to) = (dialer.clone(), to.clone());
        async move { dialer.call(&to, message(Service::Raft, "never")).await }
    });
    while first.target.handled.load(Ordering::Relaxed) < 2 {
        tokio::task::yield_now().await;
    }
    process.shutdown_background();
    let second = serve(to.as_str(), None).await;
    let begin = Instant::now();
    while let Err(error) = dialer.call(&to, message(Service::Raft, "x")).await {
        assert!(begin.elapsed() < Duration::from_secs(5), "{error}");
        tokio::task::yield_now().await;
    }
    assert!(second.target.handled.load(Ordering::Relaxed) > 0);
    let lost = tokio::time::timeout(Duration::from_secs(5), waiting).await;
    let lost = lost.expect("the loss is noticed").expect("it does not panic");
    assert!(matches!(lost, Err(TransportError::NoReply { .. })), "{lost:?}");
}

/// How fast the slow road is, in bytes per tick of 10 ms.
const BYTES_PER_TICK: usize = 20_000;

/// Carries one direction of a connection at the speed of a slow road.
async fn carry(mut from: tokio::net::tcp::OwnedReadHalf, mut to: tokio::net::tcp::OwnedWriteHalf) {
    let mut ticks = tokio::time::interval(Duration::from_millis(10));
    let mut buffer = vec![0; BYTES_PER_TICK];
    loop {
        ticks.tick().await;
        match from.read(&mut buffer).await {
            Ok(read) if read > 0 => {
                if to.write_all(&buffer[..read]).await.is_err() {
                    return;
                }
            }
            _ => return,
        }
    }
}

/// A road to `address` on which every connection has 2 MB a second.
async fn slow_road(listener: TcpListener, address: Address) {
    while let Ok((near, _)) = listener.accept().await {
        let far = TcpStream::connect(address.as_str()).await.expect("the echo listens");
        let ((near_in, near_out), (far_in, far_out)) = (near.into_split(), far.into_split());
        tokio::spawn(carry(near_in, far_out));
        tokio::spawn(carry(far_in, near_out));
    }
}

/// The slowest of some heartbeats while a snapshot is on its way over a slow road.
async fn slowest_heartbeat(lanes: Lanes) -> Duration {
    let road = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
    let address = bound(&road).expect("it is bound");
    let echo = serve("127.0.0.1:0", Some(&address)).await;
    tokio::spawn(slow_road(road, echo.address.clone()));
    let (dialer, to) = (Arc::new(dialer(7, lanes)), Address::from(address));
    dialer.call(&to, message(Service::Raft, "x")).await.expect("the road is open");
    let chunks: Vec<_> = (0..16)
        .map(|_| {
            let (dialer, to) = (dialer.clone(), to.clone());
            let chunk = message(Service::Raft, vec![1; 256 << 10]);
            tokio::spawn(async move { dialer.call(&to, chunk).await })
        })
        .collect();
    let mut slowest = Duration::ZERO;
    while !chunks.iter().all(tokio::task::JoinHandle::is_finished) {
        let begin = Instant::now();
        dialer.call(&to, message(Service::Raft, "heartbeat")).await.expect("it is answered");
        slowest = slowest.max(begin.elapsed());
    }
    for chunk in chunks {
        let reply = chunk.await.expect("it does not panic");
        assert_eq!(reply.expect("it arrives").len(), 256 << 10);
    }
    slowest
}

#[tokio::test]
async fn a_snapshot_on_a_slow_road_delays_no_heartbeat() {
    let alone = slowest_heartbeat(Lanes::Two).await;
    let shared = slowest_heartbeat(Lanes::One).await;
    println!("slowest heartbeat: {alone:?} on a lane of its own, {shared:?} on a shared one");
    assert!(alone < Duration::from_millis(500), "{alone:?}");
    assert!(shared > 2 * alone, "the road is not slow enough to prove anything: {shared:?}");
}
