//! Clients that write while things break, and note exactly what they were told.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use psdb_core::cluster::invariants::Ledger;
use psdb_core::env::Task;
use psdb_core::{Cluster, DocumentId, Outcome};
use serde_json::json;

/// Several clients inserting one document after the other until they are told to stop.
pub(crate) struct Writers {
    stop: Arc<AtomicBool>,
    acknowledged: Arc<AtomicUsize>,
    tasks: Vec<Task<Ledger>>,
}

impl Writers {
    /// Starts `count` clients, each with a session of its own.
    pub(crate) fn start(cluster: &Cluster, database: &str, count: usize) -> Writers {
        let (stop, acknowledged) =
            (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
        let tasks = (0..count).map(|writer| {
            let (stop, acknowledged) = (Arc::clone(&stop), Arc::clone(&acknowledged));
            let database = cluster.new_client().database(database);
            cluster.env().spawn(async move {
                let mut ledger = Ledger::default();
                let mut number = 0;
                while !stop.load(Ordering::Relaxed) {
                    number += 1;
                    let id = DocumentId::from(format!("writer-{writer}-{number}"));
                    let document = json!({"_id": id.as_str(), "writer": writer, "number": number});
                    match database.insert_one(&document).await {
                        Ok(inserted) => {
                            ledger.acknowledged(&id, inserted.version);
                            acknowledged.fetch_add(1, Ordering::Relaxed);
                        }
                        Err(error) if error.outcome() == Outcome::Unknown => ledger.uncertain(&id),
                        Err(_not_applied) => {}
                    }
                }
                ledger
            })
        });
        let tasks = tasks.collect();
        Writers { stop, acknowledged, tasks }
    }

    /// Waits until so many more documents were acknowledged than have been so far.
    pub(crate) async fn progress(&self, cluster: &Cluster, more: usize) {
        let goal = self.acknowledged.load(Ordering::Relaxed) + more;
        let acknowledged = &self.acknowledged;
        super::eventually(cluster, "progress of the writers", || async move {
            acknowledged.load(Ordering::Relaxed) >= goal
        })
        .await;
    }

    /// Lets every client finish what it is at; returns all they were told.
    pub(crate) async fn stop(self) -> Ledger {
        self.stop.store(true, Ordering::Relaxed);
        let mut all = Ledger::default();
        for task in self.tasks {
            all.merge(task.await.expect("a writer does not panic"));
        }
        all
    }
}

/// How long messages take where a test wants time to pass.
pub(crate) const DELAY: Duration = Duration::from_millis(2);
