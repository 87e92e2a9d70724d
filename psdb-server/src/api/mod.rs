//! The public services, answered over a client of the node's own.
//!
//! Every node holds a client of its cluster, so a master answers for documents and a worker for
//! databases: the client finds who has the answer, retries within the caller's deadline, and says
//! what became of a write.
//!
//! Left out: what requests mean, which the core knows.

mod clusters;
mod databases;
mod documents;
mod groups;
mod insertions;
mod locks;
mod naming;
mod queries;

use std::sync::Arc;
use std::time::Duration;

use psdb::proto::v1::cluster_service_server::ClusterServiceServer;
use psdb::proto::v1::database_service_server::DatabaseServiceServer;
use psdb::proto::v1::document_service_server::DocumentServiceServer;
use psdb::proto::v1::lock_service_server::LockServiceServer;
use psdb::wire::status;
use psdb::{Client, Limits};
use tonic::{Request, Status};

use crate::guard::time_left;

/// How long a request may take whose caller has set no deadline.
const TIMEOUT: Duration = Duration::from_secs(30);
/// The largest message to and from clients, in bytes: a document of the largest size, and room
/// for what surrounds it.
const MESSAGE_LIMIT_BYTES: usize = Limits::DEFAULT.document_bytes + (1 << 20);

/// What the services share. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Api {
    client: Client,
    node: Arc<str>,
}

impl Api {
    pub(crate) fn new(client: Client, node: &str) -> Api {
        Api { client, node: node.into() }
    }

    pub(crate) fn database_service(&self) -> DatabaseServiceServer<Api> {
        DatabaseServiceServer::new(self.clone()).max_decoding_message_size(MESSAGE_LIMIT_BYTES)
    }

    pub(crate) fn document_service(&self) -> DocumentServiceServer<Api> {
        DocumentServiceServer::new(self.clone()).max_decoding_message_size(MESSAGE_LIMIT_BYTES)
    }

    pub(crate) fn cluster_service(&self) -> ClusterServiceServer<Api> {
        ClusterServiceServer::new(self.clone()).max_decoding_message_size(MESSAGE_LIMIT_BYTES)
    }

    pub(crate) fn lock_service(&self) -> LockServiceServer<Api> {
        LockServiceServer::new(self.clone()).max_decoding_message_size(MESSAGE_LIMIT_BYTES)
    }

    /// A client that gives up before the caller does.
    fn client<T>(&self, request: &Request<T>) -> Client {
        let left = time_left(request.metadata().as_ref()).unwrap_or(TIMEOUT);
        self.client.with_timeout(left.min(TIMEOUT))
    }
}

/// Turns the core's error into a status.
#[allow(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn failed(error: psdb::Error) -> Status {
    status::from_error(&error)
}
