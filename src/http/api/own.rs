//! memgate's own API under `/api/v1`: reviews, store versions, the audit trail.

use axum::Json as Answer;
use axum::extract::{Path, State};
use serde_json::{Value, json};

use crate::auth::Scope;
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::extract::{Auth, Json, Query};
use crate::http::fields::Fields;
use crate::service::{ReviewDecision, ServiceError};

use super::doc::{Api, Operation};
use super::{DELETE, GET, POST, PUT};

type Reply = Result<Answer<Value>, ApiError>;

pub(super) fn routes(api: Api) -> Api {
    use Scope::{AuditRead, DreamRun, ReviewDecide, ReviewRead, StoreRead};
    let op = Operation::new;
    let (all, one) = ("/api/v1/stores/{store}/reviews", "/api/v1/stores/{store}/reviews/{review}");
    let plan = "/api/v1/stores/{store}/schedule";
    const AUDIT: &[(&str, &str)] = &[("after", "integer"), ("limit", "integer")];
    api.on(GET, all, op("list_reviews", "Held items of a store, worst first.", ReviewRead, "List"), reviews)
        .on(GET, one, op("get_review", "One held item.", ReviewRead, "Any"), review)
        .on(
            POST,
            one,
            op("decide_review", "Decide: the id is followed by :release or :destroy.", ReviewDecide, "Any")
                .body("Decision"),
            decide,
        )
        .on(
            GET,
            "/api/v1/stores/{store}/versions",
            op("list_store_versions", "Signed versions, oldest first.", StoreRead, "List"),
            versions,
        )
        .on(GET, plan, op("get_schedule", "When a store dreams by itself.", StoreRead, "Any"), schedule)
        .on(
            PUT,
            plan,
            op("put_schedule", "Let a store dream by itself.", DreamRun, "Any").body("Schedule"),
            put_schedule,
        )
        .on(DELETE, plan, op("delete_schedule", "Take a schedule away.", DreamRun, "Deleted"), delete_schedule)
        .on(
            GET,
            "/api/v1/audit-events",
            op("list_audit_events", "Who did what.", AuditRead, "List").query(AUDIT),
            audit,
        )
}

async fn reviews(State(app): State<App>, Auth(caller): Auth, Path(store): Path<String>) -> Reply {
    app.run(move |service| service.reviews(&caller, &store)).await.map(|data| Answer(json!({ "data": data })))
}

async fn review(State(app): State<App>, Auth(caller): Auth, Path((store, review)): Path<(String, String)>) -> Reply {
    app.run(move |service| service.review(&caller, &store, &review)).await.map(Answer)
}

/// `POST …/reviews/{id}:release` and `:destroy`: the verb stands behind the id.
async fn decide(
    State(app): State<App>,
    Auth(caller): Auth,
    Path((store, review)): Path<(String, String)>,
    Json(body): Json,
) -> Reply {
    let (id, verb) = review.split_once(':').ok_or(ServiceError::RouteNotServed)?;
    let mut fields = Fields::of(body, "", &["digest", "reason", "note"])?;
    let decision = ReviewDecision {
        release: match verb {
            "release" => true,
            "destroy" => false,
            _ => return Err(ServiceError::RouteNotServed.into()),
        },
        digest: fields.need_text("digest")?,
        reason: fields.need_text("reason")?,
        note: fields.text("note")?,
    };
    let id = id.to_owned();
    app.run(move |service| service.decide(&caller, &store, &id, decision)).await.map(Answer)
}

async fn versions(State(app): State<App>, Auth(caller): Auth, Path(store): Path<String>) -> Reply {
    app.run(move |service| service.store_versions(&caller, &store)).await.map(|data| Answer(json!({ "data": data })))
}

async fn schedule(State(app): State<App>, Auth(caller): Auth, Path(store): Path<String>) -> Reply {
    app.run(move |service| service.schedule(&caller, &store)).await.map(Answer)
}

async fn put_schedule(
    State(app): State<App>,
    Auth(caller): Auth,
    Path(store): Path<String>,
    Json(body): Json,
) -> Reply {
    app.run(move |service| service.put_schedule(&caller, &store, &body)).await.map(Answer)
}

async fn delete_schedule(State(app): State<App>, Auth(caller): Auth, Path(store): Path<String>) -> Reply {
    app.run(move |service| service.delete_schedule(&caller, &store)).await.map(Answer)
}

async fn audit(State(app): State<App>, Auth(caller): Auth, query: Query) -> Reply {
    let after = query.number("after")?.unwrap_or(0);
    let limit = query.limit(100, 1000)?;
    let lines = app.run(move |service| service.audit_trail(&caller, after, limit)).await?;
    let data: Vec<Value> = lines
        .into_iter()
        .map(|(number, at, body)| json!({ "number": number, "at": at, "event": body["event"], "about": body["about"] }))
        .collect();
    Ok(Answer(json!({ "data": data })))
}
