//! The wire: axum handlers over the service.
//!
//! For: the hosted memory API under `/v1`, memgate's own under `/api/v1`, the admin listener.
//! In: HTTP requests. Out: JSON, event streams.
//! May touch: `domain`, `auth`, `witness`, `service`; the network.
//! Never: decides; echoes what the gate kept out; answers 5xx for what is merely not served.

mod admin;
mod api;
mod error;
mod extract;
mod fields;
mod listen;
mod outbound;
mod witness;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue};
use axum::middleware::{self, Next};
use axum::response::Response;
use tokio::sync::Semaphore;

use crate::service::{Service, ServiceError};

pub use listen::{Bound, ListenOptions, Tls, bind};
pub use outbound::{BadNetwork, Network, Outbound, Plain};
pub use witness::{BoundWitness, Clock, asker, bind_witness, router as witness_router};

use error::ApiError;

/// What every request shares.
#[derive(Clone)]
pub struct App {
    service: Arc<Service>,
    limits: Arc<Limits>,
    counters: Arc<Counters>,
}

/// What one request may cost, and how much may be in flight.
#[derive(Debug)]
pub struct Limits {
    /// Most bytes of a body.
    pub body_bytes: usize,
    /// Requests that are worked on at once; beyond it, 503 at once.
    pub in_flight: Semaphore,
}

/// Counted for `/metrics`.
#[derive(Debug, Default)]
pub struct Counters {
    /// Answers by class: 2xx, 3xx, 4xx, 5xx.
    answers: [AtomicU64; 4],
    held: AtomicU64,
    blocked: AtomicU64,
    micros: AtomicU64,
}

impl App {
    /// An app over a service. `in_flight` bounds the requests that are worked on at once.
    pub fn new(service: Arc<Service>, body_bytes: usize, in_flight: usize) -> Self {
        let limits = Limits { body_bytes, in_flight: Semaphore::new(in_flight) };
        Self { service, limits: Arc::new(limits), counters: Arc::default() }
    }

    /// Runs a blocking operation of the service.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Service) -> Result<T, ServiceError> + Send + 'static,
    ) -> Result<T, ApiError> {
        let service = Arc::clone(&self.service);
        let done = tokio::task::spawn_blocking(move || work(&service)).await;
        let outcome = done.unwrap_or(Err(ServiceError::Bug { what: "an operation panicked" }));
        match &outcome {
            Err(ServiceError::Held { .. }) => self.counters.held.fetch_add(1, Ordering::Relaxed),
            Err(ServiceError::Blocked { .. }) => self.counters.blocked.fetch_add(1, Ordering::Relaxed),
            _ => 0,
        };
        Ok(outcome?)
    }
}

tokio::task_local! {
    /// The id of the request that is being answered.
    static REQUEST: String;
}

/// The router of the data listener.
pub fn data_router(app: App) -> Router {
    api::routes()
        .fallback(api::not_served)
        .method_not_allowed_fallback(api::not_served)
        .layer(middleware::from_fn_with_state(app.clone(), around))
        .with_state(app)
}

/// The OpenAPI 3.1 document of the data listener, built from its routes.
pub fn openapi() -> serde_json::Value {
    api::document()
}

/// The router of the admin listener.
pub fn admin_router(app: App) -> Router {
    admin::routes().with_state(app)
}

static NUMBER: AtomicU64 = AtomicU64::new(0);

/// Around every request: an id, a bound on what is in flight, a log line without any text of the caller's.
async fn around(State(app): State<App>, request: Request, next: Next) -> Response {
    let started = tokio::time::Instant::now();
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let id = app.service.request_id(number);
    let (method, retry) = (request.method().clone(), request.headers().contains_key("x-stainless-retry-count"));
    let route = request
        .extensions()
        .get::<axum::extract::MatchedPath>()
        .map_or_else(|| "unmatched".to_owned(), |path| path.as_str().to_owned());
    let mut response = REQUEST
        .scope(id.clone(), async {
            match app.limits.in_flight.try_acquire() {
                Ok(_permit) => next.run(request).await,
                Err(_) => error::answer(&ServiceError::Limited { after_s: 1 }),
            }
        })
        .await;
    let value = HeaderValue::from_str(&id).unwrap_or_else(|_| HeaderValue::from_static("req_unknown"));
    response.headers_mut().insert(HeaderName::from_static("request-id"), value);
    let status = response.status();
    let class = usize::from(status.as_u16() / 100).clamp(2, 5) - 2;
    app.counters.answers[class].fetch_add(1, Ordering::Relaxed);
    let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    app.counters.micros.fetch_add(micros, Ordering::Relaxed);
    tracing::info!(request = id, method = method.as_str(), route, status = status.as_u16(), micros, retry, "answered");
    response
}
