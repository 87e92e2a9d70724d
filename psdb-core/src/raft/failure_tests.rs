//! Proves that a replica that ends by itself says so, whatever ended it, and one that was shut down
//! does not.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::{Group, GroupOptions, LogHome, Position, RaftConfig, StateError, StateMachine};
use crate::env::{Env, Fault, SimDisk};
use crate::storage::{Snapshot, Store, WalOptions};
use crate::transport::in_process::Network;
use crate::types::{Address, Error, GroupId, NodeId, Outcome};

const TIMEOUT: Duration = Duration::from_secs(20);

/// A state that breaks when it is told to.
struct Fragile;

impl StateMachine for Fragile {
    type Command = String;
    type Response = ();
    type View = ();
    type Inspector = ();

    fn open(_trees: &Snapshot) -> Result<Fragile, StateError> {
        Ok(Fragile)
    }

    fn apply(
        &mut self,
        _trees: &mut Store,
        _position: Position,
        command: String,
    ) -> Result<(), StateError> {
        match command.as_str() {
            "panic" => panic!("the state machine was told to panic"),
            "fail" => Err(StateError::Decode { what: "a command", reason: command }),
            _ => Ok(()),
        }
    }

    fn flush(&mut self, _trees: &mut Store) -> Result<(), StateError> {
        Ok(())
    }

    fn view(&self, _trees: &Store) {}
}

async fn single(disk: &SimDisk) -> (Env, Group<Fragile>) {
    let env = Env::memory().with_disk(Arc::new(disk.clone()));
    let home = LogHome::open(&env, Path::new("/data"), WalOptions::default()).await.expect("opens");
    let (group, node, config) = (GroupId::METADATA, NodeId(1), RaftConfig::default());
    let options = GroupOptions { env: env.clone(), group, node, config };
    let transport = Network::new(env.clone()).transport("alone".into());
    let group: Group<Fragile> = Group::start(options, &home, transport).await.expect("starts");
    let members = BTreeMap::from([(node, Address::from("alone"))]);
    group.initialize(&members).await.expect("founds");
    let mut status = group.watch();
    let leads = status.until(|status| status.leader.is_some());
    env.timeout(TIMEOUT, leads).await.expect("elects itself").expect("runs");
    group.propose(None, &"fine".to_owned(), TIMEOUT).await.expect("works");
    (env, group)
}

async fn failure_after(command: &str, disk: SimDisk, fault: Option<Fault>) -> Error {
    let (env, group) = single(&disk).await;
    if let Some(fault) = fault {
        disk.fail_at(1, fault);
    }
    let proposed = group.propose(None, &command.to_owned(), TIMEOUT).await;
    assert!(proposed.is_err(), "{command} was answered");
    env.timeout(TIMEOUT, group.failed()).await.expect("it is noticed")
}

#[tokio::test(start_paused = true)]
async fn a_panic_is_noticed() {
    let error = failure_after("panic", SimDisk::new(), None).await;
    assert!(matches!(error, Error::Internal { outcome: Outcome::Unknown, .. }), "{error}");
    assert!(error.to_string().contains("has broken down here"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_error_of_the_state_machine_or_the_disk_is_noticed() {
    let error = failure_after("fail", SimDisk::new(), None).await;
    assert!(matches!(error, Error::Corrupt { .. }), "{error}");
    for fault in [Fault::WriteError, Fault::SyncError] {
        let error = failure_after("fine", SimDisk::new(), Some(fault)).await;
        assert!(matches!(error, Error::Storage { .. }), "{fault:?}: {error}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_shutdown_is_no_failure() {
    let (env, group) = single(&SimDisk::new()).await;
    let failed = {
        let group = group.clone();
        env.spawn(async move { group.failed().await })
    };
    group.shutdown().await;
    assert!(env.timeout(TIMEOUT, failed).await.is_err(), "it was asked to end");
}
