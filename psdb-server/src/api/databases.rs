//! `DatabaseService`.
//!
//! Left out: building indexes, which shards do by themselves.

use psdb::proto::v1;
use psdb::proto::v1::database_service_server::DatabaseService;
use psdb::wire::database;
use tonic::{Request, Response, Status};

use super::{Api, failed, naming};

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl DatabaseService for Api {
    async fn create_database(
        &self,
        request: Request<v1::CreateDatabaseRequest>,
    ) -> Answer<v1::CreateDatabaseResponse> {
        let client = self.client(&request);
        let request = request.into_inner();
        let client = naming::named(client, request.request_id.as_ref()).map_err(failed)?;
        let mut creation = client.create_database(&request.name);
        for index in request.indexes {
            creation = creation.index_on(index.fields);
        }
        if let Some(shards) = request.shards {
            creation = creation.shards(shards);
        }
        if request.deny_full_scan {
            creation = creation.deny_full_scan();
        }
        creation.await.map_err(failed)?;
        let info = client.get_database(&request.name).await.map_err(failed)?;
        let database =
            Some(database::from_info(&info, psdb::transport::message::ShardStats::default()));
        Ok(Response::new(v1::CreateDatabaseResponse { database }))
    }

    async fn get_database(
        &self,
        request: Request<v1::GetDatabaseRequest>,
    ) -> Answer<v1::GetDatabaseResponse> {
        let client = self.client(&request);
        let name = request.into_inner().name;
        let info = client.get_database(&name).await.map_err(failed)?;
        let size = client.database(&name).stats().await.map_err(failed)?;
        let database = Some(database::from_info(&info, size));
        Ok(Response::new(v1::GetDatabaseResponse { database }))
    }

    async fn list_databases(
        &self,
        request: Request<v1::ListDatabasesRequest>,
    ) -> Answer<v1::ListDatabasesResponse> {
        let found = self.client(&request).list_databases().await.map_err(failed)?;
        let databases = found.iter().map(database::from_summary).collect();
        Ok(Response::new(v1::ListDatabasesResponse { databases }))
    }

    async fn clear_database(
        &self,
        request: Request<v1::ClearDatabaseRequest>,
    ) -> Answer<v1::ClearDatabaseResponse> {
        let client = self.client(&request);
        let request = request.into_inner();
        let client = naming::named(client, request.request_id.as_ref()).map_err(failed)?;
        let deleted = client.clear_database(&request.name).await.map_err(failed)?;
        Ok(Response::new(v1::ClearDatabaseResponse { deleted }))
    }

    async fn delete_database(
        &self,
        request: Request<v1::DeleteDatabaseRequest>,
    ) -> Answer<v1::DeleteDatabaseResponse> {
        let client = self.client(&request);
        let request = request.into_inner();
        let client = naming::named(client, request.request_id.as_ref()).map_err(failed)?;
        client.delete_database(&request.name).await.map_err(failed)?;
        Ok(Response::new(v1::DeleteDatabaseResponse {}))
    }

    async fn update_database(
        &self,
        request: Request<v1::UpdateDatabaseRequest>,
    ) -> Answer<v1::UpdateDatabaseResponse> {
        let client = self.client(&request);
        let request = request.into_inner();
        let client = naming::named(client, request.request_id.as_ref()).map_err(failed)?;
        let named = client.database(&request.name);
        if let Some(deny) = request.deny_full_scan {
            named.set_deny_full_scan(deny).await.map_err(failed)?;
        }
        let info = client.get_database(&request.name).await.map_err(failed)?;
        let size = named.stats().await.map_err(failed)?;
        let database = Some(database::from_info(&info, size));
        Ok(Response::new(v1::UpdateDatabaseResponse { database }))
    }

    async fn create_index(
        &self,
        request: Request<v1::CreateIndexRequest>,
    ) -> Answer<v1::CreateIndexResponse> {
        let client = self.client(&request);
        let request = request.into_inner();
        let client = naming::named(client, request.request_id.as_ref()).map_err(failed)?;
        let fields = request.index.unwrap_or_default().fields;
        let mut creation = client.database(&request.database).create_index_on(fields);
        if !request.name.is_empty() {
            creation = creation.name(request.name);
        }
        if request.background {
            creation = creation.background();
        }
        let index = Some(database::from_index_info(&creation.await.map_err(failed)?));
        Ok(Response::new(v1::CreateIndexResponse { index }))
    }

    async fn list_indexes(
        &self,
        request: Request<v1::ListIndexesRequest>,
    ) -> Answer<v1::ListIndexesResponse> {
        let client = self.client(&request);
        let named = client.database(&request.into_inner().database);
        let indexes = named.list_indexes().await.map_err(failed)?;
        let indexes = indexes.iter().map(database::from_index_info).collect();
        Ok(Response::new(v1::ListIndexesResponse { indexes }))
    }

    async fn delete_index(
        &self,
        request: Request<v1::DeleteIndexRequest>,
    ) -> Answer<v1::DeleteIndexResponse> {
        let client = self.client(&request);
        let request = request.into_inner();
        let client = naming::named(client, request.request_id.as_ref()).map_err(failed)?;
        client.database(&request.database).drop_index(&request.name).await.map_err(failed)?;
        Ok(Response::new(v1::DeleteIndexResponse {}))
    }
}
