//! The routes of the data listener.

mod dreams;
mod memories;
mod own;
mod sessions;
mod stores;

use axum::Router;
use axum::response::Response;
use axum::routing::{get, post};
use serde_json::{Value, json};

use crate::service::{Page, ServiceError};

use super::App;
use super::error::answer;

/// Every route. `PATCH` does what `POST` does on objects that are updated: one official text lists it.
pub(super) fn routes() -> Router<App> {
    let v1 = Router::new()
        .route("/memory_stores", get(stores::list).post(stores::create))
        .route(
            "/memory_stores/{store}",
            get(stores::retrieve).post(stores::update).patch(stores::update).delete(stores::delete),
        )
        .route("/memory_stores/{store}/archive", post(stores::archive))
        .route("/memory_stores/{store}/memories", get(memories::list).post(memories::create))
        .route(
            "/memory_stores/{store}/memories/{memory}",
            get(memories::retrieve).post(memories::update).patch(memories::update).delete(memories::delete),
        )
        .route("/memory_stores/{store}/memory_versions", get(memories::list_versions))
        .route("/memory_stores/{store}/memory_versions/{version}", get(memories::version))
        .route("/memory_stores/{store}/memory_versions/{version}/redact", post(memories::redact))
        .route("/memory_stores/{store}/memory_tool", post(memories::tool))
        .route("/dreams", get(dreams::list).post(dreams::create))
        .route("/dreams/{dream}", get(dreams::retrieve))
        .route("/dreams/{dream}/cancel", post(dreams::cancel))
        .route("/dreams/{dream}/archive", post(dreams::archive))
        .route("/sessions", get(sessions::list).post(sessions::create))
        .route(
            "/sessions/{session}",
            get(sessions::retrieve).post(sessions::update).patch(sessions::update).delete(sessions::delete),
        )
        .route("/sessions/{session}/archive", post(sessions::archive))
        .route("/sessions/{session}/events", get(sessions::events).post(sessions::send))
        .route("/sessions/{session}/events/stream", get(sessions::stream))
        .route("/sessions/{session}/resources", get(sessions::resources).post(sessions::add_resource));
    Router::new().nest("/v1", v1).nest("/api/v1", own::routes())
}

/// Anything else: a clear 404, since SDKs try 5xx again.
pub(super) async fn not_served() -> Response {
    answer(&ServiceError::RouteNotServed)
}

/// A page as the wire shows it.
fn page(page: Page<Value>) -> Value {
    json!({ "data": page.data, "next_page": page.next })
}
