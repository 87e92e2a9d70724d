//! Proves that queries over gRPC select, group, list values, explain and are strict, each answer being
//! what the same question in Rust gives.

use psdb::proto::v1;
use psdb::proto::v1::AggregateFunction as Function;
use psdb::proto::v1::document_service_client::DocumentServiceClient;
use psdb::wire::status::reason_of;
use tonic::transport::Channel;
use tonic::{Status, Streaming};

use super::processes::{Processes, channel};

/// A cluster with the database `items`: `k` is 0, 1 or 2, `n` counts to 29, and one has neither.
async fn items() -> (Processes, DocumentServiceClient<Channel>) {
    let cluster = Processes::start(1, 1, 2).await;
    let client = cluster
        .serving(&["m1"], |client| client.create_database("items").index("k").shards(2))
        .await;
    let items = client.database("items");
    let document = |n: u32| serde_json::json!({"_id": format!("i{n:02}"), "k": n % 3, "n": n});
    let results = items.insert_many((0..30).map(document)).await.expect("it answers");
    assert!(results.iter().all(Result::is_ok));
    items.insert_json("{\"_id\": \"bare\"}").await.expect("it is inserted");
    let documents = DocumentServiceClient::new(channel(&cluster.clients["w1"]).await);
    (cluster, documents)
}

async fn all<T>(answer: Result<tonic::Response<Streaming<T>>, Status>) -> Result<Vec<T>, Status> {
    let (mut stream, mut messages) = (answer?.into_inner(), Vec::new());
    while let Some(message) = stream.message().await? {
        messages.push(message);
    }
    Ok(messages)
}

fn texts<'a>(parts: impl IntoIterator<Item = &'a bytes::Bytes>) -> Vec<String> {
    let text = |part: &bytes::Bytes| String::from_utf8(part.to_vec()).expect("it is UTF-8");
    parts.into_iter().map(text).collect()
}

fn query(filter: &str) -> v1::QueryDocumentsRequest {
    v1::QueryDocumentsRequest {
        database: "items".into(),
        filter: Some(filter.into()),
        ..v1::QueryDocumentsRequest::default()
    }
}

#[tokio::test]
async fn a_query_selects_and_is_strict() {
    let (_cluster, mut api) = items().await;
    let select = v1::QueryDocumentsRequest {
        select: Some("lambda d: {\"n\": d.n * 2}".into()),
        ..query("lambda d: d.n > 27")
    };
    let messages = all(api.query_documents(select.clone()).await).await.expect("it answers");
    let values = messages.iter().flat_map(|message| &message.values);
    assert_eq!(texts(values), ["{\"n\": 56}", "{\"n\": 58}"]);
    assert!(messages.iter().all(|message| message.documents.is_empty()));
    let skipped = messages.last().and_then(|message| message.skipped.clone()).expect("a count");
    assert_eq!((skipped.count, skipped.first_id.as_str()), (1, "bare"));
    let strict = v1::QueryDocumentsRequest { strict: true, ..select };
    let status = all(api.query_documents(strict).await).await.expect_err("one document raises");
    assert_eq!(reason_of(&status).as_deref(), Some("LAMBDA_RAISED"), "{status:?}");
    assert!(status.message().contains("'bare'"), "{status:?}");
}

#[tokio::test]
async fn groups_and_different_values_come_in_order() {
    let (_cluster, mut api) = items().await;
    let group = |function: Function, lambda: Option<&str>| v1::GroupDocumentsRequest {
        database: "items".into(),
        key: "lambda d: d.k".into(),
        aggregate: Some(v1::Aggregate {
            function: function.into(),
            lambda: lambda.map(str::to_owned),
        }),
        filter: Some("lambda d: d.n < 6".into()),
        strict: false,
    };
    let told = |messages: &[v1::GroupDocumentsResponse]| -> Vec<String> {
        let groups = messages.iter().flat_map(|message| &message.groups);
        groups.map(|group| texts([&group.key, &group.value]).join(": ")).collect()
    };
    for (function, lambda, expected) in [
        (Function::Unspecified, None, ["0: 2", "1: 2", "2: 2"]),
        (Function::Sum, Some("lambda d: d.n"), ["0: 3", "1: 5", "2: 7"]),
        (Function::Average, Some("lambda d: d.n"), ["0: 1.5", "1: 2.5", "2: 3.5"]),
        (Function::Max, Some("lambda d: d.n"), ["0: 3", "1: 4", "2: 5"]),
        (Function::Collect, Some("lambda d: d.n"), ["0: [0, 3]", "1: [1, 4]", "2: [2, 5]"]),
    ] {
        let answer = api.group_documents(group(function, lambda)).await;
        assert_eq!(told(&all(answer).await.expect("it answers")), expected, "{function:?}");
    }
    let status = all(api.group_documents(group(Function::Sum, None)).await).await;
    let status = status.expect_err("a sum of nothing");
    assert_eq!(reason_of(&status).as_deref(), Some("INVALID_REQUEST"), "{status:?}");
    let distinct = v1::ListDistinctValuesRequest {
        database: "items".into(),
        lambda: "lambda d: d.get('k')".into(),
        ..v1::ListDistinctValuesRequest::default()
    };
    let messages = all(api.list_distinct_values(distinct.clone()).await).await;
    let messages = messages.expect("it answers");
    let values = messages.iter().flat_map(|message| &message.values);
    assert_eq!(texts(values), ["null", "0", "1", "2"]);
    let strict =
        v1::ListDistinctValuesRequest { lambda: "lambda d: d.k".into(), strict: true, ..distinct };
    let status = all(api.list_distinct_values(strict).await).await.expect_err("one raises");
    assert_eq!(reason_of(&status).as_deref(), Some("LAMBDA_RAISED"), "{status:?}");
}

#[tokio::test]
async fn a_plan_is_told_as_text_and_as_json() {
    let (cluster, mut api) = items().await;
    // Enough others for the index to be worth using.
    let others = (0..400).map(|n| serde_json::json!({"k": 1_000 + n, "n": 0}));
    let items = cluster.client(&["m1"]).await.database("items");
    items.insert_many(others).await.expect("it answers");
    let ask = |filter: &str| v1::ExplainQueryRequest {
        query: Some(v1::QueryDocumentsRequest { limit: Some(5), ..query(filter) }),
        analyze: false,
    };
    let analyze = v1::ExplainQueryRequest { analyze: true, ..ask("lambda d: d.k == 1") };
    let ran = api.explain_query(analyze).await.expect("it answers").into_inner();
    assert!(ran.plan.contains("took ") && ran.plan.contains(" results)"), "{}", ran.plan);
    let plan = api.explain_query(ask("lambda d: d.k == 1 and d.n > 3")).await;
    let plan = plan.expect("it answers").into_inner();
    assert!(plan.plan.starts_with("first 5\n└─ merge by _id\n"), "{}", plan.plan);
    assert!(plan.plan.contains("└─ index k where k == 1"), "{}", plan.plan);
    let tree: serde_json::Value = serde_json::from_slice(&plan.tree).expect("it is JSON");
    assert_eq!((&tree["step"], &tree["results"]), (&"limit".into(), &5.into()));
    let status = api.explain_query(ask("lambda d: x")).await.expect_err("an unknown name");
    assert_eq!(reason_of(&status).as_deref(), Some("INVALID_QUERY"), "{status:?}");
}
