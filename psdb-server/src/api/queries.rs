//! Queries, streamed in batches of documents or values.
//!
//! A batch is read from the shards when HTTP/2 has room for it, so a slow reader holds back the
//! query and nothing piles up here. The last message has the complete count of skipped documents.
//!
//! Left out: groups (`groups`), resuming a stream that broke.

use std::pin::Pin;

use futures_util::Stream;
use futures_util::stream::unfold;
use psdb::client::{Cursor, Find, SelectedCursor};
use psdb::proto::v1;
use psdb::transport::message::SkippedDocuments;
use psdb::wire::document;
use psdb::{Client, Document, Error};
use tonic::Status;

use super::failed;

/// How many results one message holds at most.
pub(super) const BATCH_RESULTS: usize = 256;
/// How many bytes of results one message holds, unless a single one is larger.
pub(super) const BATCH_BYTES: usize = 256 << 10;

/// The messages of one query.
pub(super) type Results =
    Pin<Box<dyn Stream<Item = Result<v1::QueryDocumentsResponse, Status>> + Send>>;

/// The results of a query, whatever they are.
enum Found {
    Documents(Cursor<Document>),
    Values(SelectedCursor),
}

impl Found {
    async fn next(&mut self) -> psdb::Result<Option<String>> {
        match self {
            Found::Documents(cursor) => {
                Ok(cursor.next().await.transpose()?.map(|document| document.to_json()))
            }
            Found::Values(cursor) => {
                Ok(cursor.next().await.transpose()?.map(|value| value.to_json()))
            }
        }
    }

    fn skipped(&self) -> SkippedDocuments {
        match self {
            Found::Documents(cursor) => cursor.skipped(),
            Found::Values(cursor) => cursor.skipped(),
        }
    }
}

/// The query of a request, but for what it selects.
fn described(client: &Client, request: &v1::QueryDocumentsRequest) -> Find<Document> {
    let database = client.database(&request.database);
    let mut find = match &request.filter {
        Some(filter) => database.find(filter),
        None => database.find_all(),
    };
    if let Some(order) = &request.order {
        find = find.sort(&order.key);
        if order.descending {
            find = find.descending();
        }
    }
    find = find.skip(request.skip);
    if let Some(limit) = request.limit {
        find = find.limit(limit);
    }
    if request.strict { find.strict() } else { find }
}

/// Starts a query.
pub(super) async fn find(
    client: &Client,
    request: v1::QueryDocumentsRequest,
) -> psdb::Result<Results> {
    if request.page_size > 0 {
        let page = page(client, request).await?;
        return Ok(Box::pin(futures_util::stream::iter(page.into_iter().map(Ok))));
    }
    if !request.page_token.is_empty() {
        let reason = "a page_token without a page_size; say how many results a page has".into();
        return Err(Error::InvalidRequest { reason });
    }
    let query = described(client, &request);
    let found = match request.select {
        Some(select) => Found::Values(query.select(select).await?),
        None => Found::Documents(query.await?),
    };
    let messages = unfold(Some(found), |found| async {
        let mut found = found?;
        match batch(&mut found).await {
            Ok((message, true)) => Some((Ok(message), None)),
            Ok((message, false)) => Some((Ok(message), Some(found))),
            Err(error) => Some((Err(failed(error)), None)),
        }
    });
    Ok(Box::pin(messages))
}

/// Reads one message's results, and whether they were the last.
async fn batch(found: &mut Found) -> psdb::Result<(v1::QueryDocumentsResponse, bool)> {
    let (mut results, mut bytes) = (Vec::new(), 0);
    let mut last = false;
    while results.len() < BATCH_RESULTS && bytes < BATCH_BYTES {
        let Some(json) = found.next().await? else {
            last = true;
            break;
        };
        bytes += json.len();
        results.push(json.into());
    }
    let (documents, values) = match found {
        Found::Documents(_) => (results, Vec::new()),
        Found::Values(_) => (Vec::new(), results),
    };
    let skipped = Some(document::from_skipped(&found.skipped()));
    let next_page_token = String::new();
    Ok((v1::QueryDocumentsResponse { documents, values, skipped, next_page_token }, last))
}

/// Reads one page, in as many messages as it takes.
async fn page(
    client: &Client,
    request: v1::QueryDocumentsRequest,
) -> psdb::Result<Vec<v1::QueryDocumentsResponse>> {
    let query = described(client, &request);
    let (size, token) = (u64::from(request.page_size), request.page_token);
    let token = (!token.is_empty()).then_some(token);
    let selects = request.select.is_some();
    let page = match request.select {
        Some(select) => {
            let page = query.select(select).page_size(size).after(token).await?;
            page.map(|value| value.to_json())
        }
        None => query.page_size(size).after(token).await?.map(|document| document.to_json()),
    };
    let mut messages = vec![v1::QueryDocumentsResponse::default()];
    let mut bytes = 0;
    for json in page.results {
        let last = messages.last().expect("there is one from the start");
        let count = last.documents.len() + last.values.len();
        if count >= BATCH_RESULTS || bytes >= BATCH_BYTES {
            messages.push(v1::QueryDocumentsResponse::default());
            bytes = 0;
        }
        bytes += json.len();
        let last = messages.last_mut().expect("there is one from the start");
        let list = if selects { &mut last.values } else { &mut last.documents };
        list.push(json.into());
    }
    let last = messages.last_mut().expect("there is one from the start");
    last.skipped = Some(document::from_skipped(&page.skipped));
    last.next_page_token = page.next_token.unwrap_or_default();
    Ok(messages)
}

/// Says how a query would be run, or what came of running it.
pub(super) async fn explain(
    client: &Client,
    request: v1::ExplainQueryRequest,
) -> psdb::Result<v1::ExplainQueryResponse> {
    let analyze = request.analyze;
    let request = request.query.unwrap_or_default();
    let query = described(client, &request);
    let tree = match (request.select, analyze) {
        (Some(select), false) => query.select(select).explain().await?,
        (Some(select), true) => query.select(select).analyze().await?,
        (None, false) => query.explain().await?,
        (None, true) => query.analyze().await?,
    };
    let plan = tree.to_string();
    Ok(v1::ExplainQueryResponse { plan, tree: tree.to_value().to_json().into() })
}
