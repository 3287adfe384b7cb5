//! The wire: axum handlers over the service.
//!
//! For: the hosted memory API under `/v1`, memgate's own under `/api/v1`, the admin listener.
//! In: HTTP requests. Out: JSON, event streams.
//! May touch: `domain`, `auth`, `report`, `witness`, `service`; the network.
//! Never: decides; echoes what the gate kept out; answers 5xx for what is merely not served.

mod admin;
mod api;
mod console;
mod error;
mod extract;
mod fields;
mod listen;
mod once;
mod outbound;
mod rates;
mod witness;

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::Router;
use axum::extract::{Request, State};
use axum::http::{HeaderName, HeaderValue, Method};
use axum::middleware::{self, Next};
use axum::response::Response;
use tokio::sync::Semaphore;

use crate::service::{Caller, Service, ServiceError};

pub use listen::{Bound, ListenOptions, Tls, bind};
pub use outbound::{BadNetwork, Network, Outbound, Plain};
pub use rates::{Bucket, Clock, Quotas, Subject};
pub use witness::{BoundWitness, WitnessClock, asker, bind_witness, router as witness_router};

use error::ApiError;
use extract::Auth;

/// What every request shares.
#[derive(Clone)]
pub struct App {
    service: Arc<Service>,
    limits: Arc<Limits>,
    rates: Arc<rates::Rates>,
    counters: Arc<Counters>,
    transport: Option<Arc<dyn crate::service::Deliver>>,
    /// True when browsers reach the console over TLS: its cookies then never travel without.
    secure: bool,
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
        let begun = tokio::time::Instant::now();
        // A clock that nobody sets: a jump of the wall clock neither locks anybody out nor lets a flood in.
        let clock: Clock = Arc::new(move || u64::try_from(begun.elapsed().as_nanos()).unwrap_or(u64::MAX));
        let rates = Arc::new(rates::Rates::new(Quotas::NONE, clock));
        Self { service, limits: Arc::new(limits), rates, counters: Arc::default(), transport: None, secure: false }
    }

    /// With limits on how many requests one credential, workspace or agent may send.
    #[must_use]
    pub fn with_quotas(self, quotas: Quotas, clock: Option<Clock>) -> Self {
        let clock = clock.unwrap_or_else(|| self.rates.clock());
        Self { rates: Arc::new(rates::Rates::new(quotas, clock)), ..self }
    }

    /// With a way out for `:test` of a webhook.
    #[must_use]
    pub fn with_transport(self, transport: Arc<dyn crate::service::Deliver>) -> Self {
        Self { transport: Some(transport), ..self }
    }

    /// The same behind TLS: the console's cookies are bound to it.
    #[must_use]
    pub fn secured(self, secure: bool) -> Self {
        Self { secure, ..self }
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

/// What an error's answer needs to know of its request.
#[derive(Clone, Debug, Default)]
struct Asked {
    /// Its id.
    id: String,
    /// True on memgate's own routes.
    own: bool,
    /// True when what is wrong may stand in the body.
    has_body: bool,
}

tokio::task_local! {
    /// The request that is being answered.
    static REQUEST: Asked;
}

/// The router of the data listener.
pub fn data_router(app: App) -> Router {
    api::routes()
        .merge(console::routes())
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
    let trace = request.headers().get("traceparent").and_then(|value| traced(value.to_str().ok()?, &id));
    let own = request.uri().path().strip_prefix("/api/v1").is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    let asked = Asked { id: id.clone(), own, has_body: !matches!(method, Method::GET | Method::HEAD | Method::DELETE) };
    let operation = api::operation(&method, &route, request.uri().path());
    let mut response = REQUEST
        .scope(asked, async {
            match app.limits.in_flight.try_acquire() {
                Ok(_permit) => guarded(&app, operation, request, next).await,
                // Not 429: nobody did anything wrong, and there is nothing to wait out.
                Err(_) => error::answer(&ServiceError::Unavailable { why: "too much is in flight" }),
            }
        })
        .await;
    let value = HeaderValue::from_str(&id).unwrap_or_else(|_| HeaderValue::from_static("req_unknown"));
    response.headers_mut().insert(HeaderName::from_static("request-id"), value);
    if let Some(trace) = trace.as_deref().and_then(|trace| HeaderValue::from_str(trace).ok()) {
        response.headers_mut().insert(HeaderName::from_static("traceparent"), trace);
    }
    let status = response.status();
    let class = usize::from(status.as_u16() / 100).clamp(2, 5) - 2;
    app.counters.answers[class].fetch_add(1, Ordering::Relaxed);
    let micros = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
    app.counters.micros.fetch_add(micros, Ordering::Relaxed);
    let trace = trace.as_deref().and_then(|trace| trace.get(3..35)).unwrap_or_default();
    tracing::info!(
        request = id,
        method = method.as_str(),
        route,
        status = status.as_u16(),
        micros,
        retry,
        trace,
        "answered"
    );
    response
}

/// Source: W3C Trace Context, version 00. The caller's trace goes on with a span of ours; anything else is no trace.
fn traced(value: &str, id: &str) -> Option<String> {
    let parts: Vec<&str> = value.split('-').collect();
    let [version, trace, parent, flags] = parts[..] else { return None };
    let hex = |text: &str, length: usize| {
        text.len() == length && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
    };
    let set = |text: &str| text.bytes().any(|b| b != b'0');
    let lawful = version == "00" && hex(trace, 32) && hex(parent, 16) && hex(flags, 2) && set(trace) && set(parent);
    let span = crate::domain::Digest::of(id).hex();
    lawful.then(|| format!("00-{trace}-{}-{flags}", span.get(..16).unwrap_or(&span)))
}

/// Who a request was counted for, for operations whose cost is in the body.
#[derive(Clone, Debug)]
struct Metered {
    bucket: Bucket,
    agent: Option<String>,
}

impl Metered {
    /// Counts more for a request that turned out to be many.
    fn also(&self, app: &App, caller: &Caller, cost: usize) -> Result<(), ServiceError> {
        let cost = u64::try_from(cost).unwrap_or(u64::MAX);
        let names = names(caller, self.agent.as_deref());
        let (_, taken) = app.rates.take(self.bucket, &names, cost);
        taken.map_err(|after_s| ServiceError::Limited { after_s })
    }
}

/// Everybody that a request is counted for.
fn names<'n>(caller: &'n Caller, agent: Option<&'n str>) -> Vec<(Subject, &'n str)> {
    let mut names = vec![(Subject::Credential, caller.id.as_str()), (Subject::Workspace, caller.workspace.as_str())];
    names.extend(agent.map(|agent| (Subject::Agent, agent)));
    names
}

/// Around every operation: who asks, whether they ask too often, whether they asked the same before.
async fn guarded(app: &App, operation: Option<api::Operation>, mut request: Request, next: Next) -> Response {
    let Some((operation, scope)) = operation.and_then(|operation| Some((operation, operation.scope?))) else {
        return next.run(request).await;
    };
    let auth = match Auth::of(request.headers(), app) {
        Ok(auth) => auth,
        Err(error) => return error::answer(&error),
    };
    // On memgate's own routes before anything is parsed: who may not ask learns nothing from how it was asked.
    let own = REQUEST.try_with(|asked| asked.own).unwrap_or_default();
    if own && !operation.is_for(auth.0.role) {
        return error::answer(&ServiceError::Forbidden { scope: scope.name() });
    }
    request.extensions_mut().insert(auth.clone());
    let bucket = Bucket::of(scope);
    let agent = match extract::once(request.headers(), "memgate-agent", 128) {
        Ok(agent) => agent.map(|agent| format!("{} {agent}", auth.0.workspace)),
        Err(error) => return error::answer(&error),
    };
    let (standings, taken) = app.rates.take(bucket, &names(&auth.0, agent.as_deref()), 1);
    request.extensions_mut().insert(Metered { bucket, agent });
    let mut response = match taken {
        Err(after_s) => error::answer(&ServiceError::Limited { after_s }),
        Ok(()) if operation.once == api::Once::No => next.run(request).await,
        Ok(()) => once::run(app, &auth, operation.once == api::Once::Needed, request, next).await,
    };
    if let Some((policy, limit)) = standings.headers() {
        for (name, value) in [("ratelimit-policy", policy), ("ratelimit", limit)] {
            if let Ok(value) = HeaderValue::from_str(&value) {
                response.headers_mut().insert(HeaderName::from_static(name), value);
            }
        }
    }
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_goes_on_and_what_is_none_is_left_out() {
        let (trace, parent) = ("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7");
        let next = traced(&format!("00-{trace}-{parent}-01"), "req_1").unwrap();
        assert!(next.starts_with(&format!("00-{trace}-")) && next.ends_with("-01") && !next.contains(parent), "{next}");
        let zero = "0".repeat(32);
        for bad in [
            String::new(),
            format!("01-{trace}-{parent}-01"),
            format!("00-{zero}-{parent}-01"),
            format!("00-{trace}-{parent}-01-x"),
            format!("00-{}-{parent}-01", trace.to_uppercase()),
            format!("00-{trace}-{parent}-0\u{661}"),
        ] {
            assert_eq!(traced(&bad, "req_1"), None, "{bad}");
        }
    }
}
