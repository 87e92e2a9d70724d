//! `LockService`, which the core does not do yet.
//!
//! Left out: all of it; every call is answered UNIMPLEMENTED.

use psdb::proto::v1;
use psdb::proto::v1::lock_service_server::LockService;
use psdb::wire::status;
use tonic::{Request, Response, Status};

use super::Api;

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl LockService for Api {
    async fn acquire_lock(
        &self,
        _request: Request<v1::AcquireLockRequest>,
    ) -> Answer<v1::AcquireLockResponse> {
        Err(status::unimplemented("acquiring a lock"))
    }

    async fn renew_lock(
        &self,
        _request: Request<v1::RenewLockRequest>,
    ) -> Answer<v1::RenewLockResponse> {
        Err(status::unimplemented("renewing a lock"))
    }

    async fn release_lock(
        &self,
        _request: Request<v1::ReleaseLockRequest>,
    ) -> Answer<v1::ReleaseLockResponse> {
        Err(status::unimplemented("releasing a lock"))
    }

    async fn list_locks(
        &self,
        _request: Request<v1::ListLocksRequest>,
    ) -> Answer<v1::ListLocksResponse> {
        Err(status::unimplemented("listing locks"))
    }
}
