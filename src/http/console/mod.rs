//! The review console at `/console`: pages from the same binary, every page a link and every action a form.
//!
//! What an attacker may send is text in every field; what may not happen is that it acts. Pages take untrusted text as
//! [`Html`](crate::report::show::Html) only, nothing is inline, and the policy below lets nothing else run.

mod door;
mod pages;
mod review;
mod view;

use axum::Router;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, header};
use axum::middleware::{self, Next};
use axum::response::{IntoResponse as _, Redirect, Response};
use axum::routing::{get, post};

use super::App;

/// Every route below `/console`.
pub(super) fn routes() -> Router<App> {
    Router::new()
        .route("/console", get(|| async { Redirect::to("/console/queue") }))
        .route("/console/", get(|| async { Redirect::to("/console/queue") }))
        .route("/console/login", get(door::form).post(door::login))
        .route("/console/logout", post(door::logout))
        .route("/console/theme", post(door::theme))
        .route("/console/queue", get(review::queue))
        .route("/console/queue/bulk", post(review::bulk))
        .route("/console/items/{store}/{id}", get(review::item).post(review::decide))
        .route("/console/stores", get(pages::stores))
        .route("/console/stores/{store}", get(pages::store))
        .route("/console/stores/{store}/diff", get(pages::diff))
        .route("/console/stores/{store}/rollback", get(pages::rollback).post(pages::roll_back))
        .route("/console/stores/{store}/memories/{memory}", get(pages::memory))
        .route("/console/dreams", get(pages::dreams))
        .route("/console/dreams/{dream}", get(pages::dream))
        .route("/console/transcripts/{session}", get(pages::transcript))
        .route("/console/rules", get(pages::rules))
        .route("/console/rules/{rule}", get(pages::rule))
        .route("/console/audit", get(pages::audit))
        .route("/console/health", get(pages::health))
        .route("/console/help", get(pages::help))
        .route("/console/assets/console.css", get(style))
        .route("/console/assets/console.js", get(script))
        .route("/console/{*rest}", get(pages::nowhere))
        .layer(middleware::from_fn(headers))
}

const STYLE: &str = include_str!("assets/console.css");
const SCRIPT: &str = include_str!("assets/console.js");

async fn style() -> Response {
    ([(header::CONTENT_TYPE, "text/css; charset=utf-8")], STYLE).into_response()
}

async fn script() -> Response {
    ([(header::CONTENT_TYPE, "text/javascript; charset=utf-8")], SCRIPT).into_response()
}

/// What every answer below `/console` carries. Nothing is inline, so there is no nonce and no hash.
const HEADERS: [(&str, &str); 9] = [
    (
        "content-security-policy",
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         form-action 'self'; base-uri 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; \
         trusted-types 'none'",
    ),
    ("x-content-type-options", "nosniff"),
    ("referrer-policy", "no-referrer"),
    ("cross-origin-opener-policy", "same-origin"),
    ("cross-origin-resource-policy", "same-origin"),
    ("x-frame-options", "DENY"),
    ("x-robots-tag", "noindex, nofollow"),
    (
        "permissions-policy",
        "accelerometer=(), camera=(), clipboard-read=(), display-capture=(), geolocation=(), gyroscope=(), \
         microphone=(), payment=(), usb=()",
    ),
    ("cache-control", "no-store"),
];

async fn headers(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    for (name, value) in HEADERS {
        response.headers_mut().insert(HeaderName::from_static(name), HeaderValue::from_static(value));
    }
    response
}
