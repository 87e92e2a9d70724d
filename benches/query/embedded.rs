//! An embedded database in a folder, asked through its client like an application does.

use psdb_core::query::Aggregate;
use psdb_core::{Cluster, Database};
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// How many documents one write brings.
const BATCH: usize = 1_000;
/// Over how many shards they are spread: all that an embedded cluster has.
const SHARDS: u32 = 4;

pub struct Embedded {
    runtime: Runtime,
    people: Database,
    _cluster: Cluster,
    _folder: TempDir,
}

impl Embedded {
    /// A database of these documents.
    pub fn new(texts: &[String]) -> Embedded {
        let runtime = Runtime::new().expect("a runtime");
        let folder = TempDir::new().expect("a folder");
        let (cluster, people) = runtime.block_on(async {
            let cluster = Cluster::open(folder.path()).await.expect("an embedded database");
            let people = cluster.client().create_database("people").shards(SHARDS).await.expect("a database");
            for batch in texts.chunks(BATCH) {
                let documents: Vec<serde_json::Value> =
                    batch.iter().map(|text| serde_json::from_str(text).expect("JSON")).collect();
                let inserted = people.insert_many(&documents).await.expect("an answer");
                assert!(inserted.iter().all(Result::is_ok), "every document is new");
            }
            (cluster, people)
        });
        Embedded { runtime, people, _cluster: cluster, _folder: folder }
    }

    pub fn count(&self, lambda: &str) -> u64 {
        self.runtime.block_on(self.people.count(lambda)).expect("a count").count
    }

    /// How many groups there are, all of them being fetched.
    pub fn groups(&self, key: &str, aggregate: &Aggregate) -> u64 {
        let groups = self.people.group(key, aggregate.clone());
        let groups = self.runtime.block_on(async { groups.await?.try_collect::<Vec<_>>().await });
        groups.expect("groups").len() as u64
    }
}
