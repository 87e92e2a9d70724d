//! Proves that nothing acknowledged is lost: six processes, several clients that import real data
//! at once, crashes of a leader and a worker in the middle, then of everybody.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use psdb::codec::EncodedDocument;
use psdb::{Client, Document, DocumentId, Limits};

use super::deadline::eventually;
use super::processes::Processes;

/// How many documents one request carries.
const BATCH: usize = 25;

struct Source {
    database: &'static str,
    documents: Vec<(DocumentId, EncodedDocument)>,
}

/// The real data beside the repository, or generated documents where it is absent.
fn source(database: &'static str) -> Source {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let path = root.join(format!("../../shared/data/{database}.ndjson"));
    let lines: Vec<String> = match std::fs::read_to_string(&path) {
        Ok(text) => text.lines().map(str::to_owned).collect(),
        Err(error) => {
            println!("{}: {error}; generated documents stand in for it", path.display());
            (0..2_000)
                .map(|n| {
                    format!(r#"{{"Title":"Film {n}","n":{n},"nested":{{"deep":[{n},null]}}}}"#)
                })
                .collect()
        }
    };
    let encode = |(n, line): (usize, &String)| {
        let document = EncodedDocument::from_json(line.as_bytes(), &Limits::DEFAULT);
        let (id, body) = document.and_then(|d| d.split_id()).expect("the data is good");
        (id.unwrap_or_else(|| DocumentId::from(format!("{database}-{n}"))), body)
    };
    let documents = lines.iter().enumerate().map(encode).collect();
    Source { database, documents }
}

/// Writes every `step`th batch from `first` on; returns what was acknowledged.
async fn import(
    client: Client,
    source: Arc<Source>,
    (first, step): (usize, usize),
    acknowledged: Arc<AtomicUsize>,
) -> Vec<usize> {
    let database = client.database(source.database);
    let mut written = Vec::new();
    let batches: Vec<usize> = (0..source.documents.len()).collect();
    for positions in batches.chunks(BATCH).skip(first).step_by(step) {
        let documents = positions.iter().map(|position| {
            let (id, body) = &source.documents[*position];
            (Some(id.clone()), body.clone())
        });
        let results = match database.insert_encoded(documents.collect()).await {
            Ok(results) => results,
            Err(error) => panic!("{} is gone: {error}", source.database),
        };
        for (position, result) in positions.iter().zip(results) {
            match result {
                Ok(_) => written.push(*position),
                // Nobody acknowledged it, so nobody may rely on it; all else is a lie.
                Err(error) => assert!(error.is_unavailable(), "{error}"),
            }
        }
        acknowledged
            .store(acknowledged.load(Ordering::Relaxed).max(written.len()), Ordering::Relaxed);
    }
    written
}

/// Reads everything back and compares it with what was acknowledged.
async fn verify(client: &Client, source: &Source, acknowledged: &[usize]) {
    let database = client.database(source.database);
    let found: Vec<Document> = eventually("all shards answer", Duration::from_mins(1), || async {
        database.find_all().await?.try_collect().await
    })
    .await;
    let stored: std::collections::BTreeMap<&DocumentId, &Document> =
        found.iter().map(|document| (document.id(), document)).collect();
    assert_eq!(stored.len(), found.len(), "an id is there twice");
    let mut lost = Vec::new();
    for position in acknowledged {
        let (id, body) = &source.documents[*position];
        match stored.get(id) {
            Some(document) => {
                let fields = document.encoded().without_metadata();
                assert_eq!(fields.bytes(), body.bytes(), "{id} is not as it was written");
                assert_eq!(document.version(), 1, "{id} was written twice");
            }
            None => lost.push(id),
        }
    }
    assert!(lost.is_empty(), "{} of {} lost: {lost:?}", lost.len(), acknowledged.len());
    let known: std::collections::BTreeSet<&DocumentId> =
        source.documents.iter().map(|(id, _)| id).collect();
    assert!(stored.keys().all(|id| known.contains(id)), "there is a document nobody wrote");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_acknowledged_document_survives_crashes_of_a_whole_cluster() {
    let mut cluster = Processes::start(3, 3, 8).await;
    let admin = cluster.client(&["m1", "w2"]).await;
    let sources = [Arc::new(source("movies")), Arc::new(source("earthquakes"))];
    for source in &sources {
        eventually("the cluster has placed its shards", Duration::from_secs(30), || async {
            match admin.create_database(source.database).shards(4).await {
                Err(error) if error.is_conflict() => Ok(()),
                created => created.map(|_| ()),
            }
        })
        .await;
    }
    let acknowledged = Arc::new(AtomicUsize::new(0));
    let mut imports = Vec::new();
    for source in &sources {
        for (turn, seeds) in [["m1", "m2"], ["w1", "m3"]].iter().enumerate() {
            let client = cluster.client(seeds).await;
            let (source, acknowledged) = (source.clone(), acknowledged.clone());
            let task = tokio::spawn(import(client, source.clone(), (turn, 2), acknowledged));
            imports.push((source, task));
        }
    }
    eventually("the imports are under way", Duration::from_mins(1), || async {
        let so_far = acknowledged.load(Ordering::Relaxed);
        if so_far >= 4 * BATCH { Ok(()) } else { Err(so_far) }
    })
    .await;
    let leader = cluster.leading_master(&admin).await;
    cluster.node(&leader).kill();
    cluster.node("w2").kill();
    assert!(imports.iter().any(|(_, task)| !task.is_finished()), "the crash came too late");
    cluster.start_all().await;
    let mut written = Vec::new();
    for (source, task) in imports {
        written.push((source, task.await.expect("the import ends")));
    }
    let sum: usize = written.iter().map(|(_, positions)| positions.len()).sum();
    let all: usize = sources.iter().map(|source| source.documents.len()).sum();
    println!("{sum} of {all} documents were acknowledged; {leader} and w2 were killed meanwhile");
    assert!(sum > all / 2, "only {sum} of {all} documents were acknowledged");
    for node in cluster.nodes.values_mut() {
        node.kill();
    }
    cluster.start_all().await;
    let client = cluster.client(&["w3"]).await;
    for (source, positions) in &written {
        verify(&client, source, positions).await;
    }
}
