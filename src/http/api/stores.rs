//! `/v1/memory_stores`.

use axum::Json as Answer;
use axum::extract::{Path, State};
use serde_json::Value;

use crate::http::App;
use crate::http::error::ApiError;
use crate::http::extract::{Auth, Json, Query};
use crate::http::fields::Fields;
use crate::service::{StoreCreate, StoreList, StoreUpdate};

use super::page;

type Reply = Result<Answer<Value>, ApiError>;

pub(super) async fn create(State(app): State<App>, Auth(caller): Auth, Json(body): Json) -> Reply {
    let mut fields = Fields::of(body, "", &["name", "description", "metadata"])?;
    let request = StoreCreate {
        name: fields.need_text("name")?,
        description: fields.text("description")?.unwrap_or_default(),
        metadata: fields.metadata("metadata")?,
    };
    app.run(move |service| service.create_store(&caller, &request)).await.map(Answer)
}

pub(super) async fn list(State(app): State<App>, Auth(caller): Auth, query: Query) -> Reply {
    let request = StoreList {
        from: query.time("created_at", "gte")?,
        to: query.time("created_at", "lte")?,
        archived: query.flag("include_archived")?,
        limit: query.limit(20, 100)?,
        page: query.one("page")?,
    };
    app.run(move |service| service.list_stores(&caller, &request)).await.map(|found| Answer(page(found)))
}

pub(super) async fn retrieve(State(app): State<App>, Auth(caller): Auth, Path(id): Path<String>) -> Reply {
    app.run(move |service| service.store(&caller, &id)).await.map(Answer)
}

pub(super) async fn update(
    State(app): State<App>,
    Auth(caller): Auth,
    Path(id): Path<String>,
    Json(body): Json,
) -> Reply {
    let mut fields = Fields::of(body, "", &["name", "description", "metadata"])?;
    let change = StoreUpdate {
        name: fields.text("name")?,
        description: fields.text("description")?,
        metadata: fields.metadata_patch("metadata")?,
    };
    app.run(move |service| service.update_store(&caller, &id, &change)).await.map(Answer)
}

pub(super) async fn delete(State(app): State<App>, Auth(caller): Auth, Path(id): Path<String>) -> Reply {
    app.run(move |service| service.delete_store(&caller, &id)).await.map(Answer)
}

pub(super) async fn archive(State(app): State<App>, Auth(caller): Auth, Path(id): Path<String>) -> Reply {
    app.run(move |service| service.archive_store(&caller, &id)).await.map(Answer)
}
