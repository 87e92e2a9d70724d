//! `LockService`.
//!
//! Left out: renewing by itself. Whoever holds a lock shows that it lives.

use std::time::Duration;

use psdb::client::Lock;
use psdb::proto::v1;
use psdb::proto::v1::lock_service_server::LockService;
use psdb::wire::lock;
use tonic::{Request, Response, Status};

use super::{Api, failed, naming};
use crate::guard::time_left;

type Answer<T> = Result<Response<T>, Status>;

#[tonic::async_trait]
impl LockService for Api {
    async fn acquire_lock(
        &self,
        request: Request<v1::AcquireLockRequest>,
    ) -> Answer<v1::AcquireLockResponse> {
        let client = self.client(&request);
        let left = time_left(request.metadata().as_ref()).unwrap_or(Duration::MAX);
        let request = request.into_inner();
        let client = naming::named(client, request.request_id.as_ref()).map_err(failed)?;
        let mut wanted = with_ttl(client.lock(&request.name), request.ttl_millis);
        if !request.holder.is_empty() {
            wanted = wanted.holder(request.holder);
        }
        // A claim that outlived its caller might be granted to nobody.
        let wanted = wanted.wait(Duration::from_millis(request.wait_millis).min(left));
        let guard = wanted.acquire().await.map_err(failed)?;
        let lock = lock::granted(&request.name, guard.token(), guard.expires_at());
        Ok(Response::new(v1::AcquireLockResponse { lock: Some(lock) }))
    }

    async fn renew_lock(
        &self,
        request: Request<v1::RenewLockRequest>,
    ) -> Answer<v1::RenewLockResponse> {
        let client = self.client(&request);
        let request = request.into_inner();
        let client = naming::named(client, request.request_id.as_ref()).map_err(failed)?;
        let held = with_ttl(client.lock(&request.name), request.ttl_millis);
        let lease = held.renew(request.token).await.map_err(failed)?;
        let lock = lock::granted(&request.name, lease.token, lease.expires_at);
        Ok(Response::new(v1::RenewLockResponse { lock: Some(lock) }))
    }

    async fn release_lock(
        &self,
        request: Request<v1::ReleaseLockRequest>,
    ) -> Answer<v1::ReleaseLockResponse> {
        let client = self.client(&request);
        let request = request.into_inner();
        let client = naming::named(client, request.request_id.as_ref()).map_err(failed)?;
        client.lock(&request.name).release(request.token).await.map_err(failed)?;
        Ok(Response::new(v1::ReleaseLockResponse {}))
    }

    async fn list_locks(
        &self,
        request: Request<v1::ListLocksRequest>,
    ) -> Answer<v1::ListLocksResponse> {
        let locks = self.client(&request).locks().await.map_err(failed)?;
        let locks = locks.iter().map(lock::from_info).collect();
        Ok(Response::new(v1::ListLocksResponse { locks }))
    }
}

/// The lock with the lease asked for, or the usual one for 0.
fn with_ttl(lock: Lock, millis: u64) -> Lock {
    match millis {
        0 => lock,
        millis => lock.ttl(Duration::from_millis(millis)),
    }
}
