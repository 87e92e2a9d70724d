//! A cluster composed by hand: one master and two workers over a transport of our own.
//!
//! `Cluster` does all of this for you. What it uses is public, so that a program can put the parts
//! together in its own way: here every message goes through a switchboard that counts them.
//!
//! ```text
//! cargo run -p psdb-core --example by_hand
//! ```

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};

use psdb_core::client::ClientOptions;
use psdb_core::env::Env;
use psdb_core::master::MasterOptions;
use psdb_core::raft::LogHome;
use psdb_core::storage::{Directory, WalOptions};
use psdb_core::transport::{BoxFuture, Handler, Message, Transport, TransportError};
use psdb_core::worker::WorkerOptions;
use psdb_core::{Address, Client, Master, Worker};

/// Connects whoever is plugged in. It holds handlers weakly, since they hold it.
#[derive(Default)]
struct Switchboard {
    nodes: Mutex<BTreeMap<Address, Weak<dyn Handler>>>,
    messages: AtomicU64,
}

impl std::fmt::Debug for Switchboard {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Switchboard({} messages)", self.messages.load(Ordering::Relaxed))
    }
}

impl Switchboard {
    fn plug_in(&self, address: Address, node: &Arc<impl Handler>) {
        let node: Arc<dyn Handler> = node.clone();
        self.nodes.lock().expect("no panic inside").insert(address, Arc::downgrade(&node));
    }

    fn node(&self, at: &Address) -> Option<Arc<dyn Handler>> {
        self.nodes.lock().expect("no panic inside").get(at)?.upgrade()
    }
}

impl Transport for Switchboard {
    fn call(
        &self,
        to: &Address,
        message: Message,
    ) -> BoxFuture<'_, Result<bytes::Bytes, TransportError>> {
        let to = to.clone();
        Box::pin(async move {
            self.messages.fetch_add(1, Ordering::Relaxed);
            let Some(node) = self.node(&to) else {
                let reason = "nobody is plugged in there".to_owned();
                return Err(TransportError::NotSent { to, reason });
            };
            let timeout = message.timeout;
            // In a task of its own: a caller that gives up must not stop what the node does.
            let answer = tokio::spawn(async move { node.handle(message).await });
            match tokio::time::timeout(timeout, answer).await {
                Ok(Ok(reply)) => Ok(reply),
                Ok(Err(stopped)) => {
                    Err(TransportError::NoReply { to, reason: stopped.to_string() })
                }
                Err(elapsed) => Err(TransportError::NoReply { to, reason: elapsed.to_string() }),
            }
        })
    }
}

/// A data directory and the log in it.
async fn home_of(env: &Env, name: &str) -> Result<(Directory, LogHome), psdb_core::Error> {
    let path = Path::new("/by-hand").join(name);
    let directory = Directory::open(env, &path, name).await?;
    let home = LogHome::open(env, &path, WalOptions::default()).await?;
    Ok((directory, home))
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), psdb_core::Error> {
    let env = Env::memory();
    let switchboard = Arc::new(Switchboard::default());
    let masters = BTreeMap::from([("master".to_owned(), Address::from("master"))]);

    let (directory, home) = home_of(&env, "master").await?;
    let options = MasterOptions {
        shards: 4,
        replicas: 2,
        initial_workers: 2,
        ..MasterOptions::new("master", masters.clone())
    };
    let master = Master::start(options, env.clone(), directory, home, switchboard.clone()).await?;
    let master = Arc::new(master);
    switchboard.plug_in(Address::from("master"), &master);

    let mut workers = Vec::new();
    for name in ["left", "right"] {
        let (directory, home) = home_of(&env, name).await?;
        let masters = masters.values().cloned().collect();
        let options = WorkerOptions::new(name, Address::from(name), masters);
        let worker =
            Worker::start(options, env.clone(), directory, home, switchboard.clone()).await?;
        let worker = Arc::new(worker);
        switchboard.plug_in(Address::from(name), &worker);
        workers.push(worker);
    }

    let options = ClientOptions::default();
    let masters = masters.into_values().collect();
    let client = Client::new(env.clone(), switchboard.clone(), masters, options);
    while client.shards().await?.is_empty() {
        env.sleep(std::time::Duration::from_millis(20)).await;
    }
    let notes = client.create_database("notes").await?;
    let note = notes.insert_json(r#"{"text": "put together by hand"}"#).await?;
    let found = notes.get(&note.id).await?.expect("it was acknowledged");
    println!("{found}");
    assert_eq!(found.version(), 1);
    for worker in &workers {
        assert_eq!(worker.shards().len(), 4, "two replicas on two workers");
    }
    println!("{} messages", switchboard.messages.load(Ordering::Relaxed));

    for worker in workers {
        worker.shutdown().await;
    }
    master.shutdown().await;
    Ok(())
}
