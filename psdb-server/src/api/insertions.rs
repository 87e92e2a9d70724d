//! Inserting: one document, or a stream of them.
//!
//! A stream is written message by message: each message's documents travel together, and the next
//! message is read when they are written, so HTTP/2 holds back a sender that is faster than the
//! disks.
//!
//! Left out: undoing what was inserted before a stream broke; each document stands for itself.

use psdb::client::Inserted;
use psdb::codec::EncodedDocument;
use psdb::proto::v1;
use psdb::wire::document;
use psdb::{Client, DocumentId, Error, Limits, Outcome, Result};
use tonic::{Status, Streaming};

use super::{failed, naming};

/// Inserts one document.
pub(super) async fn one(client: &Client, request: v1::InsertDocumentRequest) -> Result<Inserted> {
    let name = request.request_id.as_ref();
    let client = naming::named(client.clone(), name)?;
    let (id, body) = encode(&request.document)?;
    let id = id.or_else(|| naming::default_id(name));
    let database = client.database(&request.database);
    let mut results = database.insert_encoded(vec![(id, body)]).await?;
    results.pop().unwrap_or_else(|| Err(missing()))
}

/// Inserts every document of a stream.
pub(super) async fn many(
    client: &Client,
    mut requests: Streaming<v1::InsertDocumentsRequest>,
) -> std::result::Result<Vec<v1::InsertDocumentsResult>, Status> {
    let mut results = Vec::new();
    let mut database = String::new();
    while let Some(request) = requests.message().await? {
        if database.is_empty() {
            database.clone_from(&request.database);
        } else if !request.database.is_empty() && request.database != database {
            let reason = format!(
                "one stream inserts into one database: '{database}', then '{}'",
                request.database
            );
            return Err(failed(Error::InvalidRequest { reason }));
        }
        let written = message(client, &database, &request).await.map_err(failed)?;
        results.extend(written.iter().map(document::from_result));
    }
    Ok(results)
}

/// Inserts the documents of one message; what is none fails by itself.
async fn message(
    client: &Client,
    database: &str,
    request: &v1::InsertDocumentsRequest,
) -> Result<Vec<Result<Inserted>>> {
    let name = request.request_id.as_ref();
    let client = naming::named(client.clone(), name)?;
    let documents = &request.documents;
    let mut results: Vec<Result<Inserted>> = Vec::with_capacity(documents.len());
    let (mut bodies, mut positions) = (Vec::new(), Vec::new());
    for (position, document) in documents.iter().enumerate() {
        match encode(document) {
            Ok((id, body)) => {
                bodies.push((id.or_else(|| naming::default_id_at(name, position)), body));
                positions.push(position);
                results.push(Err(missing()));
            }
            Err(error) => results.push(Err(error)),
        }
    }
    let written = client.database(database).insert_encoded(bodies).await?;
    for (position, result) in positions.into_iter().zip(written) {
        results[position] = result;
    }
    Ok(results)
}

fn encode(document: &[u8]) -> Result<(Option<DocumentId>, EncodedDocument)> {
    EncodedDocument::from_json(document, &Limits::DEFAULT)?.split_id()
}

fn missing() -> Error {
    Error::Internal {
        reason: "a document of a write has no result".into(),
        outcome: Outcome::Unknown,
    }
}
