//! The listening half: two listeners, and what each of them serves.
//!
//! | listener | services |
//! |---|---|
//! | clients | `psdb.v1`, health, reflection, and the transport without Raft's messages |
//! | peers | the transport |
//!
//! Left out: what the services do (`api`, and the core behind [`Target`]).

mod exchange;
mod target;
#[cfg(test)]
mod tests;
mod transport_service;

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use psdb::proto::internal::transport_service_server::TransportServiceServer;
use psdb::proto::v1;
use psdb::transport::MESSAGE_LIMIT_BYTES;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tonic::service::Routes;
use tonic::transport::Server;
use tonic::transport::server::TcpIncoming;
use tonic_health::server::HealthReporter;

use crate::api::Api;
use crate::exit::Failure;
use crate::guard::GuardLayer;
use crate::signals::stopped;
pub(crate) use target::{Refusal, Target};
use transport_service::{Door, TransportDoor};

/// How long requests under way may take once the process is stopping.
const DRAIN_LIMIT: Duration = Duration::from_secs(5);
/// How many requests one connection may have under way.
const STREAMS_PER_CONNECTION: u32 = 1_024;
/// How much of one stream may be under way, in bytes.
const STREAM_WINDOW_BYTES: u32 = 2 << 20;
/// How much of all streams of a connection may be under way, in bytes.
const CONNECTION_WINDOW_BYTES: u32 = 8 << 20;
/// How often a silent connection is asked whether it lives.
const ALIVE_EVERY: Duration = Duration::from_secs(5);
/// How long it may take to say so.
const ALIVE_WITHIN: Duration = Duration::from_secs(10);

/// What is behind the listeners.
pub(crate) struct Doors {
    pub(crate) api: Api,
    pub(crate) target: Arc<dyn Target>,
    pub(crate) stopping: watch::Receiver<bool>,
}

/// The running listeners.
pub(crate) struct Serving {
    tasks: Vec<JoinHandle<()>>,
    health: HealthReporter,
}

/// Binds a listener.
pub(crate) async fn bind(address: &str) -> Result<TcpListener, Failure> {
    let bound = TcpListener::bind(address).await;
    bound.map_err(|error| Failure::io(format!("could not listen on {address}: {error}")))
}

/// Where a listener is bound.
pub(crate) fn bound(listener: &TcpListener) -> Result<String, Failure> {
    let address = listener.local_addr().map(|address| address.to_string());
    address.map_err(|error| Failure::io(format!("a listener has no address: {error}")))
}

/// Starts serving clients on one listener and nodes on the other.
pub(crate) fn start(doors: &Doors, clients: TcpListener, peers: Option<TcpListener>) -> Serving {
    let health = HealthReporter::new();
    let stopping = || stopped(doors.stopping.clone());
    let public = public_routes(doors, &health);
    let mut tasks =
        vec![tokio::spawn(serve(public, GuardLayer::for_clients(), clients, stopping()))];
    if let Some(peers) = peers {
        let routes = Routes::new(transport(doors, Door::Peers));
        tasks.push(tokio::spawn(serve(routes, GuardLayer::for_peers(), peers, stopping())));
    }
    Serving { tasks, health }
}

impl Serving {
    /// Waits for requests under way, but not for ever.
    pub(crate) async fn drain(self) {
        self.health.set_service_status("", tonic_health::ServingStatus::NotServing).await;
        for mut task in self.tasks {
            if tokio::time::timeout(DRAIN_LIMIT, &mut task).await.is_err() {
                tracing::warn!(
                    "some requests were still under way when the time to drain was over"
                );
                task.abort();
            }
        }
    }
}

fn transport(doors: &Doors, door: Door) -> TransportServiceServer<TransportDoor> {
    let service = TransportDoor::new(doors.target.clone(), door, doors.stopping.clone());
    TransportServiceServer::new(service)
        .max_decoding_message_size(MESSAGE_LIMIT_BYTES)
        .max_encoding_message_size(MESSAGE_LIMIT_BYTES)
}

fn public_routes(doors: &Doors, health: &HealthReporter) -> Routes {
    let api = &doors.api;
    let health = tonic_health::server::HealthService::from_health_reporter(health.clone());
    let mut routes = Routes::builder();
    routes
        .add_service(api.database_service())
        .add_service(api.document_service())
        .add_service(api.cluster_service())
        .add_service(api.lock_service())
        .add_service(tonic_health::pb::health_server::HealthServer::new(health))
        .add_service(transport(doors, Door::Clients));
    let descriptors = || {
        tonic_reflection::server::Builder::configure()
            .register_encoded_file_descriptor_set(v1::DESCRIPTORS)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
    };
    match (descriptors().build_v1(), descriptors().build_v1alpha()) {
        (Ok(v1), Ok(v1alpha)) => {
            routes.add_service(v1).add_service(v1alpha);
        }
        (v1, v1alpha) => {
            let errors = [v1.err(), v1alpha.err()];
            tracing::error!(?errors, "the descriptors are damaged; reflection is not served");
        }
    }
    routes.routes()
}

async fn serve(
    routes: Routes,
    guard: GuardLayer,
    listener: TcpListener,
    stopping: impl Future<Output = ()>,
) {
    let incoming = TcpIncoming::from(listener).with_nodelay(Some(true));
    let served = Server::builder()
        .max_concurrent_streams(STREAMS_PER_CONNECTION)
        .initial_stream_window_size(STREAM_WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .http2_keepalive_interval(Some(ALIVE_EVERY))
        .http2_keepalive_timeout(Some(ALIVE_WITHIN))
        .layer(guard)
        .add_routes(routes)
        .serve_with_incoming_shutdown(incoming, stopping)
        .await;
    if let Err(error) = served {
        tracing::error!(%error, "a listener has failed");
    }
}
