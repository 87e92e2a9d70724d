//! Groups and different values, streamed in batches.
//!
//! Left out: how groups of several shards become one (the core's client).

use std::pin::Pin;

use bytes::Bytes;
use futures_util::Stream;
use futures_util::stream::unfold;
use psdb::client::{GroupBy, GroupCursor};
use psdb::proto::v1;
use psdb::query::Aggregate;
use psdb::transport::message::SkippedDocuments;
use psdb::wire::document;
use psdb::{Client, Error};
use tonic::Status;

use super::failed;
use super::queries::{BATCH_BYTES, BATCH_RESULTS};

type Messages<T> = Pin<Box<dyn Stream<Item = Result<T, Status>> + Send>>;
/// The messages of groups.
pub(super) type Groups = Messages<v1::GroupDocumentsResponse>;
/// The messages of different values.
pub(super) type Values = Messages<v1::ListDistinctValuesResponse>;

/// Key and value of a group, as JSON.
type Texts = (Bytes, Bytes);

/// Starts to group.
pub(super) async fn group(
    client: &Client,
    request: v1::GroupDocumentsRequest,
) -> psdb::Result<Groups> {
    let aggregate = aggregate(request.aggregate.unwrap_or_default())?;
    let groups = client.database(&request.database).group(request.key, aggregate);
    let cursor = narrowed(groups, request.filter, request.strict).await?;
    Ok(stream(cursor, |groups, skipped| {
        let groups = groups.into_iter().map(|(key, value)| v1::Group { key, value });
        v1::GroupDocumentsResponse { groups: groups.collect(), skipped }
    }))
}

/// Starts to list different values.
pub(super) async fn distinct(
    client: &Client,
    request: v1::ListDistinctValuesRequest,
) -> psdb::Result<Values> {
    let groups = client.database(&request.database).distinct(request.lambda);
    let cursor = narrowed(groups, request.filter, request.strict).await?;
    Ok(stream(cursor, |groups, skipped| {
        let values = groups.into_iter().map(|(key, _count)| key);
        v1::ListDistinctValuesResponse { values: values.collect(), skipped }
    }))
}

fn narrowed(groups: GroupBy, filter: Option<String>, strict: bool) -> GroupBy {
    let groups = match filter {
        Some(filter) => groups.filter(filter),
        None => groups,
    };
    if strict { groups.strict() } else { groups }
}

fn aggregate(wanted: v1::Aggregate) -> psdb::Result<Aggregate> {
    use v1::AggregateFunction as Function;
    let refuse = |reason: String| Err(Error::InvalidRequest { reason });
    let function = Function::try_from(wanted.function);
    let make: fn(String) -> Aggregate = match function {
        Ok(Function::Unspecified | Function::Count) => {
            return match wanted.lambda {
                None => Ok(Aggregate::Count),
                Some(_) => refuse("a count takes no lambda".into()),
            };
        }
        Ok(Function::Sum) => Aggregate::Sum,
        Ok(Function::Average) => Aggregate::Average,
        Ok(Function::Min) => Aggregate::Min,
        Ok(Function::Max) => Aggregate::Max,
        Ok(Function::Collect) => Aggregate::Collect,
        Err(_) => {
            return refuse(format!("there is no aggregate function {}", wanted.function));
        }
    };
    match wanted.lambda {
        Some(lambda) => Ok(make(lambda)),
        None => refuse("an aggregate other than a count needs a lambda".into()),
    }
}

/// Messages made of batches of groups.
fn stream<T: Send + 'static>(
    cursor: GroupCursor,
    message: fn(Vec<Texts>, Option<v1::SkippedDocuments>) -> T,
) -> Messages<T> {
    let messages = unfold(Some(cursor), move |cursor| async move {
        let mut cursor = cursor?;
        match batch(&mut cursor).await {
            Ok((groups, skipped, last)) => {
                let skipped = Some(document::from_skipped(&skipped));
                Some((Ok(message(groups, skipped)), (!last).then_some(cursor)))
            }
            Err(error) => Some((Err(failed(error)), None)),
        }
    });
    Box::pin(messages)
}

/// Reads one message's groups, and whether they were the last.
async fn batch(cursor: &mut GroupCursor) -> psdb::Result<(Vec<Texts>, SkippedDocuments, bool)> {
    let (mut groups, mut bytes) = (Vec::new(), 0);
    while groups.len() < BATCH_RESULTS && bytes < BATCH_BYTES {
        let Some(group) = cursor.next().await.transpose()? else {
            return Ok((groups, cursor.skipped(), true));
        };
        let (key, value) = (Bytes::from(group.key.to_json()), Bytes::from(group.value.to_json()));
        bytes += key.len() + value.len();
        groups.push((key, value));
    }
    Ok((groups, cursor.skipped(), false))
}
