//! The layer itself.
//!
//! Left out: reading deadlines (`deadline`).

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::FutureExt as _;
use http::{Request, Response};
use psdb::wire::status;
use psdb::{Error, Outcome};
use tokio::sync::Semaphore;
use tonic::Status;
use tonic::body::Body;
use tower::{Layer, Service};

use super::deadline::time_left;

/// How many requests of clients are served at once; more are refused.
const REQUESTS: usize = 4_096;

/// Puts a [`Guard`] before a service.
#[derive(Clone)]
pub(crate) struct GuardLayer {
    /// `None` where nobody is ever refused.
    admission: Option<Arc<Semaphore>>,
}

impl GuardLayer {
    /// Admits a bounded number of requests at once.
    pub(crate) fn for_clients() -> GuardLayer {
        GuardLayer { admission: Some(Arc::new(Semaphore::new(REQUESTS))) }
    }

    /// Admits everything: a heartbeat must not wait for anybody.
    pub(crate) fn for_peers() -> GuardLayer {
        GuardLayer { admission: None }
    }
}

impl<S> Layer<S> for GuardLayer {
    type Service = Guard<S>;

    fn layer(&self, inner: S) -> Guard<S> {
        Guard { inner, admission: self.admission.clone() }
    }
}

/// A service with its guard.
#[derive(Clone)]
pub(crate) struct Guard<S> {
    inner: S,
    admission: Option<Arc<Semaphore>>,
}

type Answer<E> = Pin<Box<dyn Future<Output = Result<Response<Body>, E>> + Send>>;

impl<S> Service<Request<Body>> for Guard<S>
where
    S: Service<Request<Body>, Response = Response<Body>> + Clone + Send + 'static,
    S::Future: Send,
{
    type Response = Response<Body>;
    type Error = S::Error;
    type Future = Answer<S::Error>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let permit = match self.admission.clone().map(Semaphore::try_acquire_owned).transpose() {
            Ok(permit) => permit,
            Err(_full) => return Box::pin(async { Ok(overloaded().into_http()) }),
        };
        let path = request.uri().path().to_owned();
        let left = time_left(request.headers());
        // The clone that was polled ready is the one to call.
        let clone = self.inner.clone();
        let mut inner = std::mem::replace(&mut self.inner, clone);
        Box::pin(async move {
            let _admitted = permit;
            let served = AssertUnwindSafe(async move { inner.call(request).await }).catch_unwind();
            let served = match left {
                Some(left) => match tokio::time::timeout(left, served).await {
                    Ok(served) => served,
                    Err(_elapsed) => return Ok(too_late(&path, left).into_http()),
                },
                None => served.await,
            };
            match served {
                Ok(answer) => answer.map(refine),
                Err(_panic) => {
                    tracing::error!(path, "a request has met a bug and panicked");
                    Ok(panicked(&path).into_http())
                }
            }
        })
    }
}

/// Gives a status of the transport its meaning.
fn refine(response: Response<Body>) -> Response<Body> {
    match Status::from_header_map(response.headers()) {
        // Nothing of ours says this; it is said of a message over the limit before it is read.
        Some(status) if status.code() == tonic::Code::OutOfRange => {
            let reason = status.message().to_owned();
            status::from_error(&Error::InvalidRequest { reason }).into_http()
        }
        _ => response,
    }
}

fn overloaded() -> Status {
    status::from_error(&Error::Overloaded {
        what: "this node".into(),
        waiting: REQUESTS as u64,
        limit: REQUESTS as u64,
    })
}

fn too_late(path: &str, after: std::time::Duration) -> Status {
    let what = path.trim_start_matches('/').to_owned();
    status::from_error(&Error::DeadlineExceeded { what, after, outcome: Outcome::Unknown })
}

fn panicked(path: &str) -> Status {
    status::from_error(&Error::Internal {
        reason: format!(
            "{} panicked; the log of the node says where",
            path.trim_start_matches('/')
        ),
        outcome: Outcome::Unknown,
    })
}

#[cfg(test)]
mod tests {
    //! Proves that what goes wrong around a handler reaches the caller as what it is.

    use std::convert::Infallible;

    use tower::service_fn;

    use super::*;

    async fn through<F>(
        layer: &GuardLayer,
        timeout: Option<&str>,
        handler: impl Fn() -> F + Clone + Send + 'static,
    ) -> Status
    where
        F: Future<Output = Response<Body>> + Send + 'static,
    {
        let service = service_fn(move |_request: Request<Body>| {
            let answer = handler();
            async move { Ok::<_, Infallible>(answer.await) }
        });
        let mut request = Request::builder().uri("/psdb.v1.DocumentService/GetDocument");
        if let Some(timeout) = timeout {
            request = request.header("grpc-timeout", timeout);
        }
        let request = request.body(Body::empty()).expect("the request is complete");
        let response = layer.layer(service).call(request).await.expect("it cannot fail");
        Status::from_header_map(response.headers()).expect("the response has a status")
    }

    #[tokio::test]
    async fn a_panic_is_internal_and_of_unknown_outcome() {
        let boom = || async { panic!("a bug") };
        let status = through(&GuardLayer::for_clients(), None, boom).await;
        assert_eq!(status.code(), tonic::Code::Internal);
        assert_eq!(status::outcome_of(&status), Outcome::Unknown);
    }

    #[tokio::test]
    async fn a_passed_deadline_is_said_as_such() {
        let never = || std::future::pending();
        let status = through(&GuardLayer::for_clients(), Some("10m"), never).await;
        assert_eq!(status.code(), tonic::Code::DeadlineExceeded);
        assert_eq!(status::outcome_of(&status), Outcome::Unknown);
    }

    #[tokio::test]
    async fn an_oversize_message_is_the_callers_mistake_and_not_applied() {
        let large = || async { Status::out_of_range("message too large").into_http() };
        let status = through(&GuardLayer::for_clients(), None, large).await;
        assert_eq!(status.code(), tonic::Code::InvalidArgument);
        assert_eq!(status::outcome_of(&status), Outcome::NotApplied);
    }

    #[tokio::test]
    async fn more_requests_than_admitted_are_refused_unseen() {
        let layer = GuardLayer { admission: Some(Arc::new(Semaphore::new(1))) };
        let held = layer.admission.clone().expect("it admits one").acquire_owned().await;
        let unseen = || async { unreachable!("no handler sees it") };
        let status = through(&layer, Some("1S"), unseen).await;
        assert_eq!(status.code(), tonic::Code::ResourceExhausted);
        assert_eq!(status::outcome_of(&status), Outcome::NotApplied);
        drop(held);
        let late = || async { Status::not_found("seen").into_http() };
        assert_eq!(through(&layer, None, late).await.code(), tonic::Code::NotFound);
    }
}
