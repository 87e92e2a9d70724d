//! `ClusterService`: what the cluster consists of, and orders to change that.
//!
//! Left out: waiting for what an order begins; the lists show how far it is.

use psdb::proto::v1;
use psdb::proto::v1::cluster_service_server::ClusterService;
use psdb::transport::VERSION;
use psdb::wire::cluster;
use psdb::{Address, ShardId};
use tonic::{Request, Response, Status};

use super::{Api, failed};

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl ClusterService for Api {
    async fn get_status(
        &self,
        request: Request<v1::GetStatusRequest>,
    ) -> Answer<v1::GetStatusResponse> {
        let client = self.client(&request);
        let masters = client.masters().await.map_err(failed)?;
        let workers = client.workers().await.map_err(failed)?;
        let shards = client.shards().await.map_err(failed)?;
        Ok(Response::new(v1::GetStatusResponse {
            masters: masters.iter().map(cluster::from_master).collect(),
            workers: workers.iter().map(cluster::from_worker).collect(),
            shards: shards.iter().map(cluster::from_shard).collect(),
            node: self.node.to_string(),
            version: VERSION.to_owned(),
        }))
    }

    async fn list_masters(
        &self,
        request: Request<v1::ListMastersRequest>,
    ) -> Answer<v1::ListMastersResponse> {
        let masters = self.client(&request).masters().await.map_err(failed)?;
        let masters = masters.iter().map(cluster::from_master).collect();
        Ok(Response::new(v1::ListMastersResponse { masters }))
    }

    async fn list_workers(
        &self,
        request: Request<v1::ListWorkersRequest>,
    ) -> Answer<v1::ListWorkersResponse> {
        let workers = self.client(&request).workers().await.map_err(failed)?;
        let workers = workers.iter().map(cluster::from_worker).collect();
        Ok(Response::new(v1::ListWorkersResponse { workers }))
    }

    async fn list_shards(
        &self,
        request: Request<v1::ListShardsRequest>,
    ) -> Answer<v1::ListShardsResponse> {
        let shards = self.client(&request).shards().await.map_err(failed)?;
        let shards = shards.iter().map(cluster::from_shard).collect();
        Ok(Response::new(v1::ListShardsResponse { shards }))
    }

    async fn add_master(
        &self,
        request: Request<v1::AddMasterRequest>,
    ) -> Answer<v1::AddMasterResponse> {
        let client = self.client(&request);
        let request = request.into_inner();
        let address = Address::from(request.address);
        client.add_master(&request.name, address).await.map_err(failed)?;
        Ok(Response::new(v1::AddMasterResponse {}))
    }

    async fn remove_master(
        &self,
        request: Request<v1::RemoveMasterRequest>,
    ) -> Answer<v1::RemoveMasterResponse> {
        let client = self.client(&request);
        client.remove_master(&request.into_inner().name).await.map_err(failed)?;
        Ok(Response::new(v1::RemoveMasterResponse {}))
    }

    async fn drain_worker(
        &self,
        request: Request<v1::DrainWorkerRequest>,
    ) -> Answer<v1::DrainWorkerResponse> {
        let client = self.client(&request);
        let request = request.into_inner();
        client.drain_worker(&request.name, !request.cancel).await.map_err(failed)?;
        Ok(Response::new(v1::DrainWorkerResponse {}))
    }

    async fn remove_worker(
        &self,
        request: Request<v1::RemoveWorkerRequest>,
    ) -> Answer<v1::RemoveWorkerResponse> {
        let client = self.client(&request);
        client.remove_worker(&request.into_inner().name).await.map_err(failed)?;
        Ok(Response::new(v1::RemoveWorkerResponse {}))
    }

    async fn move_shard(
        &self,
        request: Request<v1::MoveShardRequest>,
    ) -> Answer<v1::MoveShardResponse> {
        let client = self.client(&request);
        let request = request.into_inner();
        let shard = ShardId(request.shard);
        client.move_shard(shard, &request.from, &request.to).await.map_err(failed)?;
        Ok(Response::new(v1::MoveShardResponse {}))
    }
}
