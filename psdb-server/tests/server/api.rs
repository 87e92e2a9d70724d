//! Proves the edges of the protocol: details of errors, limits, retries by name, versions, doors.

use std::time::Duration;

use psdb::proto::internal;
use psdb::proto::internal::transport_service_client::TransportServiceClient;
use psdb::proto::v1;
use psdb::proto::v1::cluster_service_client::ClusterServiceClient;
use psdb::proto::v1::document_service_client::DocumentServiceClient;
use psdb::proto::v1::lock_service_client::LockServiceClient;
use psdb::wire::status::{outcome_of, reason_of};
use psdb::{Limits, Outcome};
use tonic::transport::Channel;
use tonic::{Code, Request, Status};
use tonic_types::StatusExt as _;

use super::deadline::eventually;
use super::processes::{Processes, channel};

/// A master and a worker, and a database called `notes`.
async fn small_cluster() -> Processes {
    let cluster = Processes::start(1, 1, 2).await;
    cluster.serving(&["m1"], |client| client.create_database("notes")).await;
    cluster
}

async fn documents(cluster: &Processes, node: &str) -> DocumentServiceClient<Channel> {
    DocumentServiceClient::new(channel(&cluster.clients[node]).await)
        .max_encoding_message_size(usize::MAX)
}

fn insert(document: &str, request_id: Option<v1::RequestId>) -> v1::InsertDocumentRequest {
    let document = document.to_owned().into();
    v1::InsertDocumentRequest { database: "notes".into(), document, request_id }
}

fn refused<T: std::fmt::Debug>(answer: Result<T, Status>) -> Status {
    answer.expect_err("it has to be refused")
}

#[tokio::test]
async fn every_node_answers_and_errors_say_what_became_of_the_write() {
    let cluster = small_cluster().await;
    for node in ["m1", "w1"] {
        let mut api = documents(&cluster, node).await;
        let document = format!(r#"{{"_id":"{node}","n":18446744073709551615}}"#);
        let inserted = api.insert_document(insert(&document, None)).await;
        let inserted = inserted.expect("it is inserted").into_inner();
        assert_eq!(inserted.id, node);
        let receipt = inserted.receipt.expect("it says where the write stands");
        assert_eq!(receipt.version, 1);
        assert!(receipt.term > 0 && receipt.index > 0, "{receipt:?}");
        let status = refused(api.insert_document(insert(&document, None)).await);
        assert_eq!(status.code(), Code::AlreadyExists);
        assert_eq!(reason_of(&status).as_deref(), Some("DOCUMENT_EXISTS"));
        assert_eq!(outcome_of(&status), Outcome::NotApplied);
        let get = v1::GetDocumentRequest { database: "notes".into(), id: node.into() };
        let found = api.get_document(get).await.expect("it is there").into_inner();
        let json = String::from_utf8(found.document.to_vec()).expect("it is UTF-8");
        assert!(json.contains(r#""n": 18446744073709551615"#), "{json}");
        let conflict = v1::UpdateDocumentRequest {
            database: "notes".into(),
            id: node.into(),
            patch: "{\"n\":1}".into(),
            if_version: Some(7),
            request_id: None,
        };
        let status = refused(api.update_document(conflict).await);
        assert_eq!(status.code(), Code::FailedPrecondition);
        let info = status.get_details_error_info().expect("it has an ErrorInfo");
        assert_eq!(info.metadata.get("actual").map(String::as_str), Some("1"));
    }
}

#[tokio::test]
async fn wrong_documents_are_refused_with_the_field_that_is_wrong() {
    let cluster = small_cluster().await;
    let mut api = documents(&cluster, "w1").await;
    let deep = format!("{}1{}", "[".repeat(200), "]".repeat(200));
    let large = format!(r#"{{"text":"{}"}}"#, "x".repeat(Limits::DEFAULT.document_bytes));
    for (document, reason) in [
        ("not json".to_owned(), "INVALID_DOCUMENT"),
        ("[1]".to_owned(), "INVALID_DOCUMENT"),
        (r#"{"n":1e400}"#.to_owned(), "INVALID_DOCUMENT"),
        (format!(r#"{{"deep":{deep}}}"#), "INVALID_DOCUMENT"),
        (r#"{"_version":1}"#.to_owned(), "RESERVED_FIELD"),
        (large, "INVALID_DOCUMENT"),
    ] {
        let status = refused(api.insert_document(insert(&document, None)).await);
        assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
        assert_eq!(reason_of(&status).as_deref(), Some(reason), "{}", status.message());
        assert_eq!(outcome_of(&status), Outcome::NotApplied);
        let bad = status.get_details_bad_request().expect("it has a BadRequest");
        assert_eq!(bad.field_violations[0].field, "document");
    }
    let oversize = "x".repeat(Limits::DEFAULT.document_bytes + (2 << 20));
    let status = refused(api.insert_document(insert(&oversize, None)).await);
    assert_eq!(status.code(), Code::InvalidArgument, "{status:?}");
    assert_eq!(outcome_of(&status), Outcome::NotApplied);
    let largest = format!(r#"{{"text":"{}"}}"#, "x".repeat(Limits::DEFAULT.document_bytes - 4_096));
    api.insert_document(insert(&largest, None)).await.expect("the largest fits everywhere");
}

#[tokio::test]
async fn a_named_write_is_applied_once_through_whichever_node() {
    let cluster = small_cluster().await;
    let name = |retry| Some(v1::RequestId { id: "write-1".into(), retry });
    let mut first = documents(&cluster, "m1").await;
    let sent = first.insert_document(insert(r#"{"n":1}"#, name(false))).await;
    let sent = sent.expect("it is inserted").into_inner();
    assert_eq!(sent.id, "write-1");
    let mut other = documents(&cluster, "w1").await;
    let again = other.insert_document(insert(r#"{"n":1}"#, name(true))).await;
    let again = again.expect("the first answer comes again").into_inner();
    let told = |receipt: &Option<v1::WriteReceipt>| {
        receipt.as_ref().map(|receipt| (receipt.shard, receipt.version))
    };
    assert_eq!((&again.id, told(&again.receipt)), (&sent.id, told(&sent.receipt)));
    let update = |retry| v1::UpdateDocumentRequest {
        database: "notes".into(),
        id: "write-1".into(),
        patch: "{\"n\":2}".into(),
        if_version: None,
        request_id: Some(v1::RequestId { id: "write-2".into(), retry }),
    };
    let updated = first.update_document(update(false)).await.expect("it is updated").into_inner();
    assert_eq!(updated.receipt.as_ref().map(|receipt| receipt.version), Some(2));
    let again = other.update_document(update(true)).await.expect("the answer comes again");
    assert_eq!(told(&again.into_inner().receipt), told(&updated.receipt));
    let get = v1::GetDocumentRequest { database: "notes".into(), id: "write-1".into() };
    let found = first.get_document(get).await.expect("it is there").into_inner().document;
    let found = String::from_utf8(found.to_vec()).expect("it is UTF-8");
    assert!(found.contains(r#""_version": 2"#), "{found}");
    let mark = |retry| v1::UpdateDocumentsRequest {
        database: "notes".into(),
        filter: "lambda d: d['n'] == 2".into(),
        patch: "{\"seen\":true}".into(),
        request_id: Some(v1::RequestId { id: "write-3".into(), retry }),
    };
    for (client, retry) in [(&mut first, false), (&mut other, true)] {
        let marked = client.update_documents(mark(retry)).await.expect("it is updated");
        let marked = marked.into_inner();
        assert_eq!((marked.matched, marked.modified), (1, 1), "retry {retry}");
    }
    let gone = v1::DeleteDocumentsRequest {
        database: "notes".into(),
        filter: "lambda d: d['_version'] == 3".into(),
        request_id: None,
    };
    let gone = first.delete_documents(gone).await.expect("it is deleted").into_inner();
    assert_eq!((gone.deleted, gone.matched), (1, 1), "the update was applied once");
    let wrong = Some(v1::RequestId { id: "no spaces".into(), retry: false });
    let status = refused(first.insert_document(insert("{}", wrong)).await);
    assert_eq!(reason_of(&status).as_deref(), Some("INVALID_NAME"));
}

#[tokio::test]
async fn the_status_tells_of_every_node_and_shard() {
    let cluster = small_cluster().await;
    let mut members = ClusterServiceClient::new(channel(&cluster.clients["m1"]).await);
    let status = members.get_status(v1::GetStatusRequest {}).await.expect("it answers");
    let status = status.into_inner();
    assert_eq!((status.masters.len(), status.workers.len(), status.shards.len()), (1, 1, 2));
    eventually("every shard's leader reports its state", Duration::from_secs(10), || {
        let mut members = members.clone();
        async move {
            let status = members.get_status(v1::GetStatusRequest {}).await.expect("it answers");
            let shards = status.into_inner().shards;
            let told = |shard: &v1::Shard| {
                shard.leader.is_some()
                    && shard.term > 0
                    && shard.applied > 0
                    && shard.state_hash != 0
            };
            if shards.iter().all(told) { Ok(()) } else { Err(shards) }
        }
    })
    .await;
}

#[tokio::test]
async fn a_lock_is_granted_once_and_its_token_fences() {
    let cluster = small_cluster().await;
    let mut locks = LockServiceClient::new(channel(&cluster.clients["w1"]).await);
    let acquire = |id: &str, retry| v1::AcquireLockRequest {
        name: "jobs".into(),
        ttl_millis: 60_000,
        request_id: Some(v1::RequestId { id: id.into(), retry }),
        holder: id.into(),
        ..v1::AcquireLockRequest::default()
    };
    let granted = locks.acquire_lock(acquire("first", false)).await.expect("it is free");
    let first = granted.into_inner().lock.expect("it says which").token;
    let mut other = LockServiceClient::new(channel(&cluster.clients["m1"]).await);
    let again = other.acquire_lock(acquire("first", true)).await.expect("it is one claim");
    assert_eq!(again.into_inner().lock.expect("it says which").token, first);
    let status = refused(other.acquire_lock(acquire("second", false)).await);
    assert_eq!(reason_of(&status).as_deref(), Some("LOCK_HELD"), "{status:?}");
    let listed = other.list_locks(v1::ListLocksRequest {}).await.expect("they are listed");
    let listed = listed.into_inner().locks;
    assert_eq!((listed.len(), listed[0].holder.as_str()), (1, "first"));
    let renew = v1::RenewLockRequest { name: "jobs".into(), token: first, ..Default::default() };
    let renewed = locks.renew_lock(renew).await.expect("it is held").into_inner().lock;
    assert_eq!(renewed.expect("it says which").token, first);
    let release =
        v1::ReleaseLockRequest { name: "jobs".into(), token: first, ..Default::default() };
    locks.release_lock(release.clone()).await.expect("it is held");
    let status = refused(locks.release_lock(release).await);
    assert_eq!(reason_of(&status).as_deref(), Some("LOCK_NOT_HELD"), "{status:?}");
    let next = other.acquire_lock(acquire("third", false)).await.expect("it is free");
    assert!(next.into_inner().lock.expect("it says which").token > first);
}

#[tokio::test]
async fn a_passed_deadline_is_said_in_time_while_nobody_can_answer() {
    let mut cluster = small_cluster().await;
    cluster.node("w1").kill();
    let mut api = documents(&cluster, "m1").await;
    let mut request = Request::new(insert("{}", None));
    request.set_timeout(Duration::from_millis(700));
    let begin = std::time::Instant::now();
    let status = refused(api.insert_document(request).await);
    assert!(begin.elapsed() < Duration::from_secs(5), "{:?}", begin.elapsed());
    assert!(matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded), "{status:?}");
}

#[tokio::test]
async fn a_stream_of_insertions_answers_for_each_document() {
    let cluster = small_cluster().await;
    let mut api = documents(&cluster, "w1").await;
    let message = |database: &str, documents: &[&str]| v1::InsertDocumentsRequest {
        database: database.into(),
        documents: documents.iter().map(|document| (*document).to_owned().into()).collect(),
        request_id: None,
    };
    let messages = vec![
        message("notes", &[r#"{"_id":"a"}"#, "nonsense", r#"{"_id":"b"}"#]),
        message("", &[r#"{"_id":"a"}"#]),
    ];
    let answer = api.insert_documents(futures_util::stream::iter(messages)).await;
    let results = answer.expect("the stream is answered").into_inner().results;
    let told: Vec<String> = results
        .into_iter()
        .map(|result| match result.result.expect("it says one of two") {
            v1::insert_documents_result::Result::Inserted(inserted) => inserted.id,
            v1::insert_documents_result::Result::Error(error) => error.reason,
        })
        .collect();
    assert_eq!(told, ["a", "INVALID_DOCUMENT", "b", "DOCUMENT_EXISTS"]);
}

#[tokio::test]
async fn another_version_is_told_in_words_and_raft_stays_inside() {
    let cluster = small_cluster().await;
    let mut clients = TransportServiceClient::new(channel(&cluster.clients["w1"]).await);
    let hello = |protocol: u32| internal::HandshakeRequest {
        protocol,
        version: "9.9.9".into(),
        node: None,
        cluster: None,
        wanted: String::new(),
    };
    let answer = clients.handshake(hello(psdb::transport::PROTOCOL)).await.expect("we agree");
    assert_eq!(answer.into_inner().node.map(|node| node.name).as_deref(), Some("w1"));
    let status = refused(clients.handshake(hello(77)).await);
    assert_eq!(status.code(), Code::FailedPrecondition);
    let message = status.message();
    assert!(message.contains("psdb 9.9.9, which speaks protocol 77"), "{message}");
    assert!(message.contains("upgrade this side"), "{message}");
    let raft = internal::Message {
        service: internal::Service::Raft.into(),
        to: cluster.peers["w1"].clone(),
        timeout_millis: 1_000,
        ..internal::Message::default()
    };
    let call = internal::CallRequest { message: Some(raft) };
    let reply = clients.call(call).await.expect("it is answered").into_inner().reply;
    let result = reply.and_then(|reply| reply.result).expect("it says one of three");
    assert_eq!(
        result,
        internal::reply::Result::Refused("Raft's messages are for nodes only".into())
    );
    let stranger = internal::HandshakeRequest {
        cluster: Some(1),
        wanted: cluster.peers["w1"].clone(),
        node: Some(internal::Node { name: "x".into(), ..internal::Node::default() }),
        ..hello(psdb::transport::PROTOCOL)
    };
    let mut peers = TransportServiceClient::new(channel(&cluster.peers["w1"]).await);
    let status = refused(peers.handshake(stranger).await);
    assert!(status.message().contains("belongs to cluster 0000000000000001"), "{status:?}");
}
