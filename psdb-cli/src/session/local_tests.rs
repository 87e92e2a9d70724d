//! Proves that an import whose worker dies in the middle of it loses nothing it was told is there.

use std::collections::BTreeSet;
use std::time::Duration;

use clap::Parser;

use super::{Backend, Find, open};
use crate::args::Arguments;
use crate::settings::{Settings, Terminal};

const BATCHES: usize = 40;
const BATCH_DOCUMENTS: usize = 50;

async fn dev() -> Box<dyn Backend> {
    let words = ["psdb", "dev", "--shards", "4"];
    let arguments = Arguments::try_parse_from(words).expect("valid arguments");
    let pipe = Terminal { stdin: false, stdout: false, stderr: false };
    let settings = Settings::resolve(arguments, |_| None, pipe).expect("valid settings");
    open(&settings).await.expect("the cluster starts")
}

async fn ids(backend: &dyn Backend) -> BTreeSet<String> {
    let mut cursor = backend.find("c", Find::default()).await.expect("found");
    let mut ids = BTreeSet::new();
    while let Some(document) = cursor.next().await.expect("read") {
        let document: serde_json::Value = serde_json::from_str(&document).expect("JSON");
        ids.insert(document["_id"].as_str().expect("an id").to_owned());
    }
    ids
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_dies_during_an_import_takes_nothing_with_it() {
    let backend = dev().await;
    backend.create_database("c", &[], Some(4), false).await.expect("created");
    let (told, mut heard) = tokio::sync::mpsc::unbounded_channel();
    let import = async {
        let mut acknowledged = BTreeSet::new();
        for batch in 0..BATCHES {
            let id = |n: usize| format!("{batch:02}-{n:02}");
            let line = |n: usize| format!("{{\"_id\": \"{}\"}}", id(n)).into_bytes();
            let lines: Vec<Vec<u8>> = (0..BATCH_DOCUMENTS).map(line).collect();
            let results = backend.import("c", &lines).await.expect("sent");
            for (n, result) in results.into_iter().enumerate() {
                // A retried insert must not meet itself as a duplicate either.
                result.unwrap_or_else(|error| panic!("{}: {error}", id(n)));
                acknowledged.insert(id(n));
            }
            told.send(batch).expect("somebody listens");
        }
        drop(told);
        acknowledged
    };
    let sabotage = async {
        let faults = backend.faults().expect("a dev cluster");
        while let Some(batch) = heard.recv().await {
            // The import goes on meanwhile: each fault hits writes that are under way.
            match batch {
                5 => faults.kill("worker-1").await.expect("killed"),
                15 => faults.restart("worker-1").await.expect("restarted"),
                20 => faults.kill("master-1").await.expect("killed"),
                25 => faults.kill("worker-2").await.expect("killed"),
                _ => {}
            }
        }
        faults.restart("worker-2").await.expect("restarted");
    };
    let both = async { tokio::join!(import, sabotage) };
    let (acknowledged, ()) =
        tokio::time::timeout(Duration::from_mins(1), both).await.expect("it gets through");
    assert_eq!(acknowledged.len(), BATCHES * BATCH_DOCUMENTS);
    assert_eq!(ids(&*backend).await, acknowledged);
    backend.close().await.expect("closed");
}
