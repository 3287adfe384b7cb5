//! `/v1/dreams`.

use axum::Json as Answer;
use axum::extract::{Path, State};
use serde_json::Value;

use crate::http::App;
use crate::http::error::ApiError;
use crate::http::extract::{Auth, Json, Query};
use crate::http::fields::Fields;
use crate::service::{DreamCreate, DreamList, Output, ServiceError};

use super::page;

type Reply = Result<Answer<Value>, ApiError>;

fn read(body: Value) -> Result<DreamCreate, ServiceError> {
    let mut fields = Fields::of(body, "", &["inputs", "model", "instructions", "output_behavior"])?;
    let mut request = DreamCreate { instructions: fields.text("instructions")?, ..DreamCreate::default() };
    let mut stores = 0;
    let mut lists = 0;
    let inputs = fields.list("inputs")?.ok_or_else(|| ServiceError::invalid("inputs: is needed"))?;
    for input in inputs {
        match input.get("type").and_then(Value::as_str) {
            Some("memory_store") => {
                let mut fields = Fields::of(input, "inputs", &["type", "memory_store_id"])?;
                request.store = fields.need_text("memory_store_id")?;
                stores += 1;
            }
            Some("sessions") => {
                let mut fields = Fields::of(input, "inputs", &["type", "session_ids"])?;
                let ids = fields.texts("session_ids")?.unwrap_or_default();
                if ids.is_empty() {
                    return Err(ServiceError::invalid("inputs.session_ids: 1 to 100 ids; leave the entry out to tidy"));
                }
                request.sessions = ids;
                lists += 1;
            }
            _ => return Err(ServiceError::invalid("inputs: entries of the types memory_store and sessions")),
        }
    }
    if stores != 1 || lists > 1 {
        return Err(ServiceError::invalid("inputs: exactly one memory_store and at most one sessions entry"));
    }
    match fields.raw("model") {
        Some(Value::String(model)) => request.model = model,
        Some(model @ Value::Object(_)) => {
            let mut fields = Fields::of(model, "model", &["id", "speed"])?;
            request.model = fields.need_text("id")?;
            if fields.text("speed")?.is_some_and(|speed| speed != "standard") {
                return Err(ServiceError::invalid("model.speed: only standard is served"));
            }
        }
        _ => return Err(ServiceError::invalid("model: a name, or an object with id")),
    }
    if let Some(behavior) = fields.some("output_behavior") {
        let mut fields = Fields::of(behavior, "output_behavior", &["type", "memory_store_id"])?;
        match fields.need_text("type")?.as_str() {
            "create_new" => {}
            "update_existing" => {
                request.output = Output::UpdateExisting;
                request.target = Some(fields.need_text("memory_store_id")?);
            }
            _ => return Err(ServiceError::invalid("output_behavior.type: create_new or update_existing")),
        }
    }
    Ok(request)
}

pub(super) async fn create(State(app): State<App>, Auth(caller): Auth, Json(body): Json) -> Reply {
    let request = read(body)?;
    app.run(move |service| service.create_dream(&caller, &request)).await.map(Answer)
}

pub(super) async fn list(State(app): State<App>, Auth(caller): Auth, query: Query) -> Reply {
    let request = DreamList {
        statuses: query.many("statuses"),
        after: query.time("created_at", "gt")?,
        before: query.time("created_at", "lt")?,
        archived: query.flag("include_archived")?,
        limit: query.limit(20, 100)?,
        page: query.one("page")?,
    };
    app.run(move |service| service.list_dreams(&caller, &request)).await.map(|found| Answer(page(found)))
}

pub(super) async fn retrieve(State(app): State<App>, Auth(caller): Auth, Path(id): Path<String>) -> Reply {
    app.run(move |service| service.dream(&caller, &id)).await.map(Answer)
}

pub(super) async fn cancel(State(app): State<App>, Auth(caller): Auth, Path(id): Path<String>) -> Reply {
    app.run(move |service| service.cancel_dream(&caller, &id)).await.map(Answer)
}

pub(super) async fn archive(State(app): State<App>, Auth(caller): Auth, Path(id): Path<String>) -> Reply {
    app.run(move |service| service.archive_dream(&caller, &id)).await.map(Answer)
}
