//! Proves that an index is built to its end whatever happens to who builds it: the leader dies in the
//! middle, the shard moves, writes go on. Every replica ends with the index its documents make, and
//! what was built before a failure is not built again.

use std::time::Duration;

use psdb_core::cluster::ClusterBuilder;
use psdb_core::cluster::invariants::check_trees;
use psdb_core::raft::Role;
use psdb_core::transport::Service;
use psdb_core::transport::message::{
    IndexDefinition, IndexState, IndexStatus, ShardRequest, ShardResponse,
};
use psdb_core::transport::redirect::LeaderCaller;
use psdb_core::{Address, Cluster, Database, DatabaseId, GroupId, Result, ShardId};
use serde_json::json;

use crate::writers::Writers;
use crate::{PATIENCE, eventually, restart_everything};

const SHARD: ShardId = ShardId(0);
const DOCUMENTS: u64 = 9_000;
/// How long messages take at most, so that a build takes several looks at it.
const SLOW: Duration = Duration::from_millis(30);

fn one_shard(seed: u64) -> ClusterBuilder {
    Cluster::builder().masters(1).workers(4).replicas(3).shards(1).seed(seed)
}

/// Asks the only shard, as a master would.
struct Asker {
    caller: LeaderCaller,
    workers: Vec<Address>,
    database: DatabaseId,
}

impl Asker {
    async fn new(cluster: &Cluster, database: &str) -> Asker {
        let database = cluster.client().get_database(database).await.expect("it is there").id;
        let caller = LeaderCaller::new(cluster.env().clone(), cluster.transport("asker"));
        let workers = (1..=4).map(|n| Address::from(format!("worker-{n}").as_str())).collect();
        Asker { caller, workers, database }
    }

    async fn ask(&self, request: &ShardRequest) -> Result<Vec<IndexStatus>> {
        let (group, service) = (GroupId::of_shard(SHARD), Service::Shard);
        let answer = self.caller.call("shard 0", service, group, &self.workers, request, PATIENCE);
        match answer.await? {
            ShardResponse::Indexes(indexes) => Ok(indexes),
            other => panic!("{other:?}"),
        }
    }

    async fn ensure(&self, version: u64, fields: &[&[&str]]) {
        let definition = |fields: &&[&str]| IndexDefinition {
            name: fields.join("_").into(),
            fields: fields.iter().map(|field| (*field).to_owned()).collect(),
        };
        let definitions = fields.iter().map(definition).collect();
        // Above whatever version the masters' own definitions have.
        let version = version + 1_000_000;
        let request = ShardRequest::EnsureIndexes { database: self.database, version, definitions };
        self.ask(&request).await.expect("answers");
    }

    async fn status(&self) -> IndexStatus {
        let request = ShardRequest::Indexes { database: self.database };
        let mut indexes = self.ask(&request).await.expect("answers");
        assert_eq!(indexes.len(), 1, "{indexes:?}");
        indexes.remove(0)
    }

    /// Waits until a part, but not all, of the index is built.
    async fn in_the_middle(&self, cluster: &Cluster) -> u64 {
        eventually(cluster, "the first part of the index", || async {
            self.status().await.documents_done > 0
        })
        .await;
        let status = self.status().await;
        assert_eq!(status.state, IndexState::Building, "{status:?}");
        status.documents_done
    }

    async fn ready(&self, cluster: &Cluster) -> IndexStatus {
        eventually(cluster, "the end of the index", || async {
            self.status().await.state == IndexState::Ready
        })
        .await;
        self.status().await
    }
}

/// A database of documents whose fields have values of several kinds.
async fn filled(cluster: &Cluster) -> Database {
    let notes = cluster.client().create_database("notes").await.expect("creates");
    for part in 0..3 {
        let of_part = part * DOCUMENTS / 3..(part + 1) * DOCUMENTS / 3;
        let documents = of_part.map(|n| {
            json!({"_id": format!("doc-{n:05}"), "n": n % 50, "tags": [n % 3, "x"], "at": {"x": n}})
        });
        let inserted = notes.insert_many(documents).await.expect("inserts");
        assert!(inserted.iter().all(Result::is_ok));
    }
    notes
}

async fn leader(cluster: &Cluster) -> String {
    let statuses = cluster.shard_status(SHARD).await;
    let leader = statuses.into_iter().find(|(_, status)| status.role == Role::Leader);
    leader.expect("the shard has a leader").0
}

async fn check_answers(notes: &Database) {
    let counted = notes.count("lambda d: d['n'] == 7").await.expect("counts").count;
    assert_eq!(counted, DOCUMENTS / 50);
    let plan = notes.explain("lambda d: d['n'] == 7").await.expect("explains").to_string();
    assert!(plan.contains("index n"), "{plan}");
}

#[tokio::test(start_paused = true)]
async fn the_next_leader_goes_on_where_the_last_one_died() {
    let cluster = one_shard(91).start().await.expect("starts");
    let notes = filled(&cluster).await;
    let asker = Asker::new(&cluster, "notes").await;
    cluster.delay(SLOW);
    asker.ensure(1, &[&["n", "at.x"]]).await;
    let before = asker.in_the_middle(&cluster).await;
    cluster.crash(&leader(&cluster).await).await.expect("crashes");
    let after = asker.status().await;
    assert!(after.documents_done >= before, "{after:?} after {before} documents");
    let ready = asker.ready(&cluster).await;
    assert_eq!((ready.documents_done, ready.entries), (DOCUMENTS, DOCUMENTS));
    let counted = notes.count("lambda d: d['n'] == 7 and d['at']['x'] >= 0").await.expect("counts");
    assert_eq!(counted.count, DOCUMENTS / 50);
    check_trees(&cluster).await.expect("every index is the one its documents make");
}

#[tokio::test(start_paused = true)]
async fn an_index_outlives_the_death_of_everything_in_the_middle() {
    let cluster = one_shard(92).start().await.expect("starts");
    let notes = filled(&cluster).await;
    let asker = Asker::new(&cluster, "notes").await;
    cluster.delay(SLOW);
    asker.ensure(1, &[&["n"]]).await;
    let before = asker.in_the_middle(&cluster).await;
    restart_everything(&cluster).await;
    let after = asker.status().await;
    assert!(after.documents_done >= before, "{after:?} after {before} documents");
    asker.ready(&cluster).await;
    cluster.settle(PATIENCE).await.expect("settles");
    check_trees(&cluster).await.expect("every index is the one its documents make");
    check_answers(&notes).await;
}

#[tokio::test(start_paused = true)]
async fn writes_go_on_while_an_index_of_elements_is_built() {
    let cluster = one_shard(93).start().await.expect("starts");
    let notes = filled(&cluster).await;
    let asker = Asker::new(&cluster, "notes").await;
    cluster.delay(SLOW);
    let writers = Writers::start(&cluster, "notes", 4);
    asker.ensure(1, &[&["tags"]]).await;
    asker.in_the_middle(&cluster).await;
    let merged = notes.update_many("lambda d: d.get('n') == 7", &json!({"tags": ["new"]})).await;
    assert_eq!(merged.expect("updates").modified, DOCUMENTS / 50);
    let deleted = notes.delete_many("lambda d: d.get('n') == 8").await.expect("deletes");
    assert_eq!(deleted.deleted, DOCUMENTS / 50);
    asker.ready(&cluster).await;
    writers.progress(&cluster, 20).await;
    let ledger = writers.stop().await;
    cluster.settle(PATIENCE).await.expect("settles");
    check_trees(&cluster).await.expect("every index is the one its documents make");
    let new = notes.count("lambda d: 'new' in d['tags']").await.expect("counts").count;
    assert_eq!(new, DOCUMENTS / 50);
    let count = notes.count_all().await.expect("counts").count;
    assert!(count >= DOCUMENTS - DOCUMENTS / 50 + ledger.len() as u64, "{count} documents");
}

#[tokio::test(start_paused = true)]
async fn a_shard_moves_while_its_index_is_built() {
    let cluster = one_shard(94).start().await.expect("starts");
    let notes = filled(&cluster).await;
    let asker = Asker::new(&cluster, "notes").await;
    cluster.delay(SLOW);
    let from = leader(&cluster).await;
    let holders = cluster.shard_status(SHARD).await;
    let free = (1..=4).map(|n| format!("worker-{n}")).find(|name| !holders.contains_key(name));
    let to = free.expect("one of four workers holds no replica");
    asker.ensure(1, &[&["n"]]).await;
    asker.in_the_middle(&cluster).await;
    cluster.client().move_shard(SHARD, &from, &to).await.expect("begins to move");
    eventually(&cluster, "the end of the move", || async {
        let holders = cluster.shard_status(SHARD).await;
        holders.contains_key(&to) && !holders.contains_key(&from)
    })
    .await;
    asker.ready(&cluster).await;
    cluster.settle(Duration::from_mins(2)).await.expect("settles");
    check_trees(&cluster).await.expect("every index is the one its documents make");
    check_answers(&notes).await;
}

#[tokio::test(start_paused = true)]
async fn definitions_that_come_late_change_nothing() {
    let cluster = one_shard(95).start().await.expect("starts");
    filled(&cluster).await;
    let asker = Asker::new(&cluster, "notes").await;
    asker.ensure(5, &[&["n"]]).await;
    asker.ready(&cluster).await;
    asker.ensure(4, &[&["tags"]]).await;
    assert_eq!(asker.status().await.name.as_str(), "n");
    asker.ensure(6, &[&["tags"]]).await;
    let ready = asker.ready(&cluster).await;
    // One entry for each document, and one for each of its two tags.
    assert_eq!((ready.name.as_str(), ready.entries), ("tags", 3 * DOCUMENTS));
    check_trees(&cluster).await.expect("every index is the one its documents make");
}
