//! `DocumentService`: single documents here, many in `insertions`, `queries` and `groups`.
//!
//! Left out: what a request means, which the core's client knows.

use psdb::client::WriteOne;
use psdb::proto::v1;
use psdb::proto::v1::document_service_server::DocumentService;
use psdb::wire::document;
use psdb::{DocumentId, Error};
use tonic::{Request, Response, Status, Streaming};

use super::{Api, failed, groups, insertions, naming, queries};

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl DocumentService for Api {
    async fn insert_document(
        &self,
        request: Request<v1::InsertDocumentRequest>,
    ) -> Answer<v1::InsertDocumentResponse> {
        let client = self.client(&request);
        let inserted = insertions::one(&client, request.into_inner()).await.map_err(failed)?;
        Ok(Response::new(document::from_inserted(&inserted)))
    }

    async fn insert_documents(
        &self,
        request: Request<Streaming<v1::InsertDocumentsRequest>>,
    ) -> Answer<v1::InsertDocumentsResponse> {
        let client = self.client(&request);
        let results = insertions::many(&client, request.into_inner()).await?;
        Ok(Response::new(v1::InsertDocumentsResponse { results }))
    }

    async fn get_document(
        &self,
        request: Request<v1::GetDocumentRequest>,
    ) -> Answer<v1::GetDocumentResponse> {
        let client = self.client(&request);
        let request = request.into_inner();
        let id = DocumentId::from(request.id);
        let found = client.database(&request.database).get(&id).await.map_err(failed)?;
        let found = found.ok_or_else(|| failed(Error::DocumentNotFound { id }))?;
        Ok(Response::new(v1::GetDocumentResponse { document: found.to_json().into() }))
    }

    async fn update_document(
        &self,
        request: Request<v1::UpdateDocumentRequest>,
    ) -> Answer<v1::UpdateDocumentResponse> {
        let client = self.client(&request);
        let request = request.into_inner();
        let client = naming::named(client, request.request_id.as_ref()).map_err(failed)?;
        let patch = text(&request.patch).map_err(failed)?;
        let write = client.database(&request.database).update_one_json(&request.id.into(), patch);
        let receipt = Some(change(write, request.if_version).await?);
        Ok(Response::new(v1::UpdateDocumentResponse { receipt }))
    }

    async fn replace_document(
        &self,
        request: Request<v1::ReplaceDocumentRequest>,
    ) -> Answer<v1::ReplaceDocumentResponse> {
        let client = self.client(&request);
        let request = request.into_inner();
        let client = naming::named(client, request.request_id.as_ref()).map_err(failed)?;
        let body = text(&request.document).map_err(failed)?;
        let write = client.database(&request.database).replace_one_json(&request.id.into(), body);
        let receipt = Some(change(write, request.if_version).await?);
        Ok(Response::new(v1::ReplaceDocumentResponse { receipt }))
    }

    async fn delete_document(
        &self,
        request: Request<v1::DeleteDocumentRequest>,
    ) -> Answer<v1::DeleteDocumentResponse> {
        let client = self.client(&request);
        let request = request.into_inner();
        let client = naming::named(client, request.request_id.as_ref()).map_err(failed)?;
        let write = client.database(&request.database).delete_one(&request.id.into());
        let receipt = Some(change(write, request.if_version).await?);
        Ok(Response::new(v1::DeleteDocumentResponse { receipt }))
    }

    type QueryDocumentsStream = queries::Results;

    async fn query_documents(
        &self,
        request: Request<v1::QueryDocumentsRequest>,
    ) -> Answer<queries::Results> {
        let client = self.client(&request);
        let results = queries::find(&client, request.into_inner()).await.map_err(failed)?;
        Ok(Response::new(results))
    }

    async fn count_documents(
        &self,
        request: Request<v1::CountDocumentsRequest>,
    ) -> Answer<v1::CountDocumentsResponse> {
        let client = self.client(&request);
        let request = request.into_inner();
        let database = client.database(&request.database);
        let counted = match &request.filter {
            Some(filter) => database.count(filter.as_str()).await,
            None => database.count_all().await,
        };
        let counted = counted.map_err(failed)?;
        let skipped = Some(document::from_skipped(&counted.skipped));
        Ok(Response::new(v1::CountDocumentsResponse { count: counted.count, skipped }))
    }

    async fn update_documents(
        &self,
        request: Request<v1::UpdateDocumentsRequest>,
    ) -> Answer<v1::UpdateDocumentsResponse> {
        let client = self.client(&request);
        let request = request.into_inner();
        let client = naming::named(client, request.request_id.as_ref()).map_err(failed)?;
        let patch = text(&request.patch).map_err(failed)?;
        let database = client.database(&request.database);
        let done = database.update_many_json(&request.filter, patch).await.map_err(failed)?;
        let skipped = Some(document::from_skipped(&done.skipped));
        let (matched, modified) = (done.matched, done.modified);
        Ok(Response::new(v1::UpdateDocumentsResponse { matched, modified, skipped }))
    }

    async fn delete_documents(
        &self,
        request: Request<v1::DeleteDocumentsRequest>,
    ) -> Answer<v1::DeleteDocumentsResponse> {
        let client = self.client(&request);
        let request = request.into_inner();
        let client = naming::named(client, request.request_id.as_ref()).map_err(failed)?;
        let database = client.database(&request.database);
        let done = database.delete_many(&request.filter).await.map_err(failed)?;
        let skipped = Some(document::from_skipped(&done.skipped));
        let (matched, deleted) = (done.matched, done.deleted);
        Ok(Response::new(v1::DeleteDocumentsResponse { matched, deleted, skipped }))
    }

    type GroupDocumentsStream = groups::Groups;

    async fn group_documents(
        &self,
        request: Request<v1::GroupDocumentsRequest>,
    ) -> Answer<groups::Groups> {
        let client = self.client(&request);
        let groups = groups::group(&client, request.into_inner()).await.map_err(failed)?;
        Ok(Response::new(groups))
    }

    type ListDistinctValuesStream = groups::Values;

    async fn list_distinct_values(
        &self,
        request: Request<v1::ListDistinctValuesRequest>,
    ) -> Answer<groups::Values> {
        let client = self.client(&request);
        let values = groups::distinct(&client, request.into_inner()).await.map_err(failed)?;
        Ok(Response::new(values))
    }

    async fn explain_query(
        &self,
        request: Request<v1::ExplainQueryRequest>,
    ) -> Answer<v1::ExplainQueryResponse> {
        let client = self.client(&request);
        let plan = queries::explain(&client, request.into_inner()).await.map_err(failed)?;
        Ok(Response::new(plan))
    }
}

async fn change(write: WriteOne, if_version: Option<u64>) -> Result<v1::WriteReceipt, Status> {
    let write = match if_version {
        Some(version) => write.if_version(version),
        None => write,
    };
    write.await.map(|updated| document::from_updated(&updated)).map_err(failed)
}

/// JSON text is UTF-8.
fn text(bytes: &[u8]) -> psdb::Result<&str> {
    std::str::from_utf8(bytes).map_err(|error| Error::InvalidDocument {
        reason: format!("it is not UTF-8 at byte {}", error.valid_up_to()),
    })
}
