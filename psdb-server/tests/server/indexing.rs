//! Proves that indexes, policies and pages are there over gRPC, through whichever node.

use std::time::Duration;

use psdb::proto::v1;
use psdb::proto::v1::database_service_client::DatabaseServiceClient;
use psdb::proto::v1::document_service_client::DocumentServiceClient;
use psdb::wire::status::{outcome_of, reason_of};
use psdb::{Client, Outcome};
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::StatusExt as _;

use super::deadline::eventually;
use super::processes::{Processes, channel};

async fn items(cluster: &Processes) -> Client {
    let client = cluster.serving(&["m1"], |client| client.create_database("items").shards(2)).await;
    let document = |n: u32| serde_json::json!({"_id": format!("i{n:03}"), "k": n % 3, "n": n});
    let results = client.database("items").insert_many((0..300).map(document)).await;
    assert!(results.expect("it answers").iter().all(Result::is_ok));
    client
}

fn refused<T: std::fmt::Debug>(answer: Result<T, Status>, reason: &str) -> Status {
    let status = answer.expect_err("it has to be refused");
    assert_eq!(reason_of(&status).as_deref(), Some(reason), "{status:?}");
    assert_eq!(outcome_of(&status), Outcome::NotApplied, "{status:?}");
    status
}

fn index_on(fields: &[&str], name: &str) -> v1::CreateIndexRequest {
    let fields = fields.iter().map(ToString::to_string).collect();
    v1::CreateIndexRequest {
        database: "items".into(),
        index: Some(v1::IndexFields { fields }),
        name: name.into(),
        ..v1::CreateIndexRequest::default()
    }
}

#[tokio::test]
async fn indexes_come_and_go_and_a_policy_holds_everywhere() {
    let cluster = Processes::start(1, 2, 2).await;
    let _client = items(&cluster).await;
    let mut databases = DatabaseServiceClient::new(channel(&cluster.clients["w1"]).await);
    let mut documents = DocumentServiceClient::new(channel(&cluster.clients["w2"]).await);
    let update = |deny| v1::UpdateDatabaseRequest {
        name: "items".into(),
        deny_full_scan: Some(deny),
        request_id: None,
    };
    let updated = databases.update_database(update(true)).await.expect("it is changed");
    let database = updated.into_inner().database.expect("it says which");
    assert!(database.deny_full_scan && database.documents == 300, "{database:?}");
    let count = || v1::CountDocumentsRequest {
        database: "items".into(),
        filter: Some("lambda d: d['k'] == 1 and d['n'] > 3".into()),
    };
    // The other node has not used the database before, so it knows at once.
    let status = refused(documents.count_documents(count()).await, "FULL_SCAN_DENIED");
    assert_eq!(status.code(), Code::FailedPrecondition);

    let created = databases.create_index(index_on(&["k"], "")).await.expect("it is built");
    let index = created.into_inner().index.expect("it says which");
    assert_eq!((index.name.as_str(), index.entries, index.documents), ("k", 300, 300));
    assert_eq!(index.state(), v1::IndexState::Ready);
    let counted = documents.count_documents(count()).await.expect("an index narrows it down");
    assert_eq!(counted.into_inner().count, 99);
    let background = v1::CreateIndexRequest { background: true, ..index_on(&["n", "k"], "by n") };
    databases.create_index(background).await.expect("it is wanted");
    let list = v1::ListIndexesRequest { database: "items".into() };
    eventually("the index is built", Duration::from_secs(30), || {
        let (mut databases, list) = (databases.clone(), list.clone());
        async move {
            let indexes = databases.list_indexes(list).await.expect("they are listed");
            let indexes = indexes.into_inner().indexes;
            let names: Vec<_> = indexes.iter().map(|index| index.name.clone()).collect();
            assert_eq!(names, ["k", "by n"]);
            let ready = |index: &v1::Index| index.state() == v1::IndexState::Ready;
            if indexes.iter().all(ready) { Ok(()) } else { Err(indexes) }
        }
    })
    .await;
    let other = databases.create_index(index_on(&["k"], "other")).await;
    assert_eq!(refused(other, "INDEX_EXISTS").code(), Code::AlreadyExists);
    let none = databases.create_index(index_on(&[], "")).await;
    assert!(refused(none, "INVALID_REQUEST").message().contains("0 fields; 1 to 16"));
    let delete = |name: &str| v1::DeleteIndexRequest {
        database: "items".into(),
        name: name.into(),
        request_id: None,
    };
    databases.delete_index(delete("by n")).await.expect("it is dropped");
    refused(databases.delete_index(delete("by n")).await, "INDEX_NOT_FOUND");
    let indexes = databases.list_indexes(list).await.expect("they are listed").into_inner().indexes;
    assert_eq!(indexes.len(), 1);
}

async fn page(
    api: &mut DocumentServiceClient<Channel>,
    request: v1::QueryDocumentsRequest,
) -> Result<(Vec<String>, String), Status> {
    let mut stream = api.query_documents(request).await?.into_inner();
    let (mut documents, mut token) = (Vec::new(), String::new());
    while let Some(message) = stream.message().await? {
        for document in message.documents.iter().chain(&message.values) {
            documents.push(String::from_utf8(document.to_vec()).expect("it is UTF-8"));
        }
        token = message.next_page_token;
    }
    Ok((documents, token))
}

#[tokio::test]
async fn pages_go_on_through_any_node() {
    let cluster = Processes::start(1, 2, 2).await;
    let _client = items(&cluster).await;
    let mut nodes = Vec::new();
    for node in ["m1", "w1", "w2"] {
        nodes.push(DocumentServiceClient::new(channel(&cluster.clients[node]).await));
    }
    let request = v1::QueryDocumentsRequest {
        database: "items".into(),
        filter: Some("lambda d: d['k'] != 1".into()),
        order: Some(v1::SortOrder { key: "lambda d: -d['n']".into(), descending: false }),
        select: Some("lambda d: d['n']".into()),
        page_size: 33,
        ..v1::QueryDocumentsRequest::default()
    };
    let (mut found, mut token, mut pages) = (Vec::new(), String::new(), 0);
    loop {
        let next = v1::QueryDocumentsRequest { page_token: token, ..request.clone() };
        let api = &mut nodes[pages % 3];
        let (values, after) = page(api, next).await.expect("a page comes");
        found.extend(values);
        (token, pages) = (after, pages + 1);
        if token.is_empty() {
            break;
        }
    }
    let expected: Vec<String> =
        (0..300).rev().filter(|n| n % 3 != 1).map(|n: u32| n.to_string()).collect();
    assert_eq!((found, pages), (expected, 7));
    let (_, token) = page(&mut nodes[0], request.clone()).await.expect("a page comes");
    let refusals = [
        (v1::QueryDocumentsRequest { strict: true, ..request.clone() }, token.clone()),
        (v1::QueryDocumentsRequest { filter: None, ..request.clone() }, token.clone()),
        (request.clone(), format!("A{}", &token[1..])),
        (request.clone(), "nonsense".into()),
    ];
    for (request, page_token) in refusals {
        let answer = page(&mut nodes[1], v1::QueryDocumentsRequest { page_token, ..request }).await;
        let status = refused(answer, "INVALID_PAGE_TOKEN");
        assert_eq!(status.code(), Code::InvalidArgument);
        let bad = status.get_details_bad_request().expect("it has a BadRequest");
        assert_eq!(bad.field_violations[0].field, "page_token");
    }
    let sizeless = v1::QueryDocumentsRequest { page_size: 0, page_token: token, ..request };
    refused(page(&mut nodes[2], sizeless).await, "INVALID_REQUEST");
}
