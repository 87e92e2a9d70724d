//! Queries, streamed in batches of documents.
//!
//! A batch is read from the shards when HTTP/2 has room for it, so a slow reader holds back the
//! query and nothing piles up here. The last message has the complete count of skipped documents.
//!
//! Left out: resuming a stream that broke.

use std::pin::Pin;

use futures_util::Stream;
use futures_util::stream::unfold;
use psdb::client::Cursor;
use psdb::proto::v1;
use psdb::wire::document;
use psdb::{Client, Document};
use tonic::Status;

use super::failed;

/// How many documents one message holds at most.
const BATCH_DOCUMENTS: usize = 256;
/// How many bytes of documents one message holds, unless a single document is larger.
const BATCH_BYTES: usize = 256 << 10;

/// The messages of one query.
pub(super) type Results =
    Pin<Box<dyn Stream<Item = Result<v1::QueryDocumentsResponse, Status>> + Send>>;

/// Starts a query.
pub(super) async fn find(
    client: &Client,
    request: v1::QueryDocumentsRequest,
) -> psdb::Result<Results> {
    let database = client.database(&request.database);
    let mut find = match request.filter {
        Some(filter) => database.find(filter),
        None => database.find_all(),
    };
    if let Some(order) = request.order {
        find = find.sort(order.key);
        if order.descending {
            find = find.descending();
        }
    }
    find = find.skip(request.skip);
    if let Some(limit) = request.limit {
        find = find.limit(limit);
    }
    let cursor = find.await?;
    let messages = unfold(Some(cursor), |cursor| async {
        let mut cursor = cursor?;
        match batch(&mut cursor).await {
            Ok((message, true)) => Some((Ok(message), None)),
            Ok((message, false)) => Some((Ok(message), Some(cursor))),
            Err(error) => Some((Err(failed(error)), None)),
        }
    });
    Ok(Box::pin(messages))
}

/// Reads one message's documents, and whether they were the last.
async fn batch(cursor: &mut Cursor<Document>) -> psdb::Result<(v1::QueryDocumentsResponse, bool)> {
    let (mut documents, mut bytes) = (Vec::new(), 0);
    let mut last = false;
    while documents.len() < BATCH_DOCUMENTS && bytes < BATCH_BYTES {
        let Some(document) = cursor.next().await.transpose()? else {
            last = true;
            break;
        };
        let json = document.to_json();
        bytes += json.len();
        documents.push(json.into());
    }
    let skipped = Some(document::from_skipped(&cursor.skipped()));
    Ok((v1::QueryDocumentsResponse { documents, skipped }, last))
}
