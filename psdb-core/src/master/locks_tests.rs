//! Proves, message by message, that a claim is served once: a message that comes late finds what
//! became of its claim and makes no other, and a poll is answered before its sender gives up.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;

use crate::codec::frame;
use crate::env::Env;
use crate::master::{Master, MasterOptions};
use crate::raft::LogHome;
use crate::storage::{Directory, WalOptions};
use crate::transport::in_process::Network;
use crate::transport::message::{
    LockLease, LockRequest, LockResponse, MasterRequest, MasterResponse, Reply,
};
use crate::transport::{Handler, Message, Service};
use crate::types::{Address, ClientId, Error, GroupId, LogIndex, RequestId};

const TIMEOUT: Duration = Duration::from_secs(3);
const HOUR: Duration = Duration::from_hours(1);

async fn lonely_master() -> (Env, Master) {
    let env = Env::memory();
    let masters = BTreeMap::from([("m".to_owned(), Address::from("m"))]);
    let directory = Directory::open(&env, Path::new("/m"), "m").await.unwrap();
    let home = LogHome::open(&env, Path::new("/m"), WalOptions::default()).await.unwrap();
    let transport = Network::new(env.clone()).transport(Address::from("m"));
    let options = MasterOptions::new("m", masters);
    let master = Master::start(options, env.clone(), directory, home, transport).await.unwrap();
    let mut changes = master.group().expect("a single master asks nobody").watch();
    let leads = changes.until(|status| status.leader.is_some());
    env.timeout(TIMEOUT * 10, leads).await.expect("a group of one elects itself").unwrap();
    (env, master)
}

fn id(client: u64, sequence: u64, settled_below: u64) -> RequestId {
    RequestId { client: ClientId(client), sequence, settled_below, observed: LogIndex(0) }
}

fn acquire(request: RequestId, ttl: Duration, wait: Duration) -> LockRequest {
    LockRequest::Acquire { request, name: "jobs".into(), holder: "somebody".into(), ttl, wait }
}

fn release(request: RequestId, token: u64) -> LockRequest {
    LockRequest::Release { request, name: "jobs".into(), token }
}

async fn ask(master: &Master, request: &LockRequest) -> Result<LockResponse, Error> {
    let body = frame::encode(&MasterRequest::Lock(request.clone()));
    let (service, group) = (Service::Master, GroupId::METADATA);
    let reply: Bytes = master.handle(Message { service, group, timeout: TIMEOUT, body }).await;
    match frame::decode(&reply).unwrap() {
        Reply::Done(MasterResponse::Lock(response)) => Ok(response),
        Reply::Failed(error) => Err(error),
        other => panic!("{other:?}"),
    }
}

async fn granted(master: &Master, request: &LockRequest) -> LockLease {
    match ask(master, request).await {
        Ok(LockResponse::Granted(lease)) => lease,
        other => panic!("{request:?}: {other:?}"),
    }
}

#[tokio::test(start_paused = true)]
async fn a_late_message_makes_no_second_claim() {
    let (_env, master) = lonely_master().await;
    let first = acquire(id(1, 1, 1), HOUR, Duration::ZERO);
    let lease = granted(&master, &first).await;
    assert_eq!(granted(&master, &first).await, lease, "a retry finds the grant again");
    let released = release(id(1, 2, 1), lease.token);
    assert_eq!(ask(&master, &released).await, Ok(LockResponse::Released));
    assert_eq!(ask(&master, &released).await, Ok(LockResponse::Released), "told again");

    let late = ask(&master, &first).await.expect_err("its lease is over");
    assert!(matches!(late, Error::LockNotHeld { token: Some(1), .. }), "{late}");
    // The client has settled its first requests: what became of them is forgotten.
    let second = granted(&master, &acquire(id(1, 3, 3), HOUR, Duration::ZERO)).await;
    assert_eq!(second.token, 2);
    ask(&master, &release(id(1, 4, 3), 2)).await.unwrap();
    let later = ask(&master, &first).await.expect_err("it is forgotten");
    assert!(matches!(later, Error::SessionEvicted { .. }), "{later}");
    assert_eq!(ask(&master, &LockRequest::List).await, Ok(LockResponse::Locks(Vec::new())));
}

#[tokio::test(start_paused = true)]
async fn a_poll_is_answered_before_its_sender_gives_up_and_at_once_when_granted() {
    let (env, master) = lonely_master().await;
    let master = Arc::new(master);
    let held = granted(&master, &acquire(id(1, 1, 1), HOUR, Duration::ZERO)).await;
    let waits = acquire(id(2, 1, 1), HOUR, HOUR);
    for poll in 0..3 {
        let begun = env.instant();
        let queued = ask(&master, &waits).await;
        assert_eq!(queued, Ok(LockResponse::Queued { ahead: 0 }), "poll {poll}");
        let took = env.instant().elapsed_since(begun);
        assert!(took >= TIMEOUT / 2 && took < TIMEOUT, "poll {poll} took {took:?}");
    }
    let poll = {
        let (master, waits) = (master.clone(), waits.clone());
        env.spawn(async move { granted(&master, &waits).await })
    };
    tokio::task::yield_now().await;
    let begun = env.instant();
    ask(&master, &release(id(1, 2, 1), held.token)).await.unwrap();
    let lease = poll.await.unwrap();
    assert_eq!(lease.token, 2);
    let took = env.instant().elapsed_since(begun);
    assert!(took < TIMEOUT / 10, "it took {took:?}");
    assert_eq!(granted(&master, &waits).await, lease, "a retry finds the grant again");
}
