//! Proves that a cluster of processes changes under its users: a worker joins, another is drained and
//! removed, a master is added, the one that led is removed, and every document stays readable.

use std::time::Duration;

use psdb::proto::v1;
use psdb::proto::v1::cluster_service_client::ClusterServiceClient;

use super::deadline::eventually;
use super::processes::{Processes, channel};

/// How long a change of members may take.
const LIMIT: Duration = Duration::from_secs(90);
const DOCUMENTS: usize = 200;

#[tokio::test(flavor = "multi_thread")]
async fn workers_and_masters_come_and_go() {
    let mut cluster = Processes::start(3, 2, 4).await;
    let client =
        cluster.serving(&["m1", "m2", "m3"], |client| client.create_database("notes")).await;
    let notes = client.database("notes");
    let documents = (0..DOCUMENTS).map(|n| serde_json::json!({"_id": format!("n{n}"), "n": n}));
    let results = notes.insert_many(documents).await.expect("it answers");
    assert!(results.iter().all(Result::is_ok));

    cluster.add("w3").await;
    let mut members = ClusterServiceClient::new(channel(&cluster.clients["w2"]).await);
    eventually("the new worker is known", LIMIT, || async {
        let workers = client.workers().await.map_err(|error| error.to_string())?;
        if workers.len() == 3 { Ok(()) } else { Err(format!("{workers:?}")) }
    })
    .await;
    let drain = v1::DrainWorkerRequest { name: "w1".into(), cancel: false };
    members.drain_worker(drain).await.expect("the order is taken");
    eventually("the worker is empty and forgotten", LIMIT, || {
        let mut members = members.clone();
        async move {
            let remove = v1::RemoveWorkerRequest { name: "w1".into() };
            members.remove_worker(remove).await.map_err(|status| status.message().to_owned())
        }
    })
    .await;
    cluster.node("w1").kill();

    cluster.add("m4").await;
    let add = v1::AddMasterRequest { name: "m4".into(), address: cluster.peers["m4"].clone() };
    eventually("the new master votes", LIMIT, || {
        let (mut members, add) = (members.clone(), add.clone());
        async move { members.add_master(add).await.map_err(|status| status.message().to_owned()) }
    })
    .await;
    let masters = client.masters().await.expect("the masters answer");
    assert_eq!(masters.len(), 4);
    let leader = masters.iter().find(|master| master.leads).expect("one leads");
    let leader = cluster.name_of(leader.address.as_str());
    eventually("the leader is removed", LIMIT, || {
        let (mut members, name) = (members.clone(), leader.clone());
        async move {
            let remove = v1::RemoveMasterRequest { name };
            members.remove_master(remove).await.map_err(|status| status.message().to_owned())
        }
    })
    .await;
    cluster.node(&leader).kill();
    let counted = eventually("every shard answers", LIMIT, || notes.count_all()).await;
    assert_eq!(counted.count, DOCUMENTS as u64);
    let left = eventually("the masters answer", LIMIT, || client.masters()).await;
    assert_eq!(left.len(), 3);
    client.create_database("after").await.expect("the masters take changes");
}
