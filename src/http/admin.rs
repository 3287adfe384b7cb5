//! The admin listener: health and metrics, loopback by default, without content.

use std::sync::atomic::Ordering;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;

use super::App;

pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/livez", get(|| async { "ok\n" }))
        .route("/healthz", get(ready))
        .route("/readyz", get(ready))
        .route("/version", get(|| async { concat!(env!("CARGO_PKG_VERSION"), "\n") }))
        .route("/metrics", get(metrics))
}

async fn ready(State(app): State<App>) -> Response {
    let service = app.service;
    let ready = tokio::task::spawn_blocking(move || service.is_ready()).await.unwrap_or(false);
    match ready {
        true => (StatusCode::OK, "ready\n").into_response(),
        false => {
            (StatusCode::SERVICE_UNAVAILABLE, "not ready: stopping, or the database takes no writes\n").into_response()
        }
    }
}

/// Prometheus text format 0.0.4.
async fn metrics(State(app): State<App>) -> Response {
    let mut text = String::new();
    let mut line = |name: &str, kind: &str, help: &str, values: &[(String, u64)]| {
        text.push_str(&format!("# HELP {name} {help}\n# TYPE {name} {kind}\n"));
        for (labels, value) in values {
            text.push_str(&format!("{name}{labels} {value}\n"));
        }
    };
    let counters = &app.counters;
    let answers: Vec<(String, u64)> = counters
        .answers
        .iter()
        .zip(2..)
        .map(|(count, class)| (format!("{{class=\"{class}xx\"}}"), count.load(Ordering::Relaxed)))
        .collect();
    line("memgate_http_responses_total", "counter", "Answers by class.", &answers);
    let one = |value: u64| vec![(String::new(), value)];
    line(
        "memgate_writes_held_total",
        "counter",
        "Writes held for a person.",
        &one(counters.held.load(Ordering::Relaxed)),
    );
    line(
        "memgate_writes_blocked_total",
        "counter",
        "Writes refused by policy.",
        &one(counters.blocked.load(Ordering::Relaxed)),
    );
    let micros = counters.micros.load(Ordering::Relaxed);
    line("memgate_http_busy_microseconds_total", "counter", "Time spent on requests.", &one(micros));
    let open = u64::try_from(app.service.open_stores()).unwrap_or(u64::MAX);
    line("memgate_stores_open", "gauge", "Stores that are open.", &one(open));
    ([(header::CONTENT_TYPE, "text/plain; version=0.0.4")], text).into_response()
}
