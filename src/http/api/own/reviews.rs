//! Held items: listed, shown, decided.

use axum::Json as Answer;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::IntoResponse as _;

use crate::auth::Scope::{ReviewDecide, ReviewRead, ReviewSecond};
use crate::http::App;
use crate::http::api::GET;
use crate::http::api::doc::{Api, Once, Operation};
use crate::http::extract::{Auth, Json, Query};
use crate::http::fields::Fields;
use crate::service::{ReviewDecision, ServiceError};

use super::{Reply, ask, one, page, seen, verb};

pub(super) fn routes(api: Api) -> Api {
    let op = Operation::new;
    let (all, single) = ("/api/v1/stores/{store}/reviews", "/api/v1/stores/{store}/reviews/{review}");
    const QUEUE: &[(&str, &str)] =
        &[("state", "string"), ("limit", "integer"), ("cursor", "string"), ("fields", "string")];
    let decide = |id, summary| {
        op(id, summary, ReviewDecide, "Decided").also(ReviewSecond).body("Decision").once(Once::Needed).matches()
    };
    api.on(GET, all, op("list_reviews", "Held items of a store, worst first.", ReviewRead, "Listed").query(QUEUE), list)
        .on(GET, single, op("get_review", "One held item.", ReviewRead, "Review").query(super::ONE), get)
        .verbs(
            single,
            &[
                ("release", decide("release_review", "Let exactly what was shown into the store.")),
                ("destroy", decide("destroy_review", "Refuse it for good.")),
            ],
            decision,
        )
}

async fn list(State(app): State<App>, Auth(caller): Auth, Path(store): Path<String>, query: Query) -> Reply {
    let (wanted, state) = (ask(&query)?, query.one("state")?);
    let states = ["open", "awaits_second", "released", "destroyed", "expired"];
    if state.as_deref().is_some_and(|state| !states.contains(&state)) {
        return Err(ServiceError::invalid(format!("state: one of {}", states.join(", "))).into());
    }
    let listed = app.run(move |service| service.list_reviews(&caller, &store, state.as_deref(), &wanted)).await?;
    page(listed, &query)
}

async fn get(
    State(app): State<App>,
    Auth(caller): Auth,
    Path((store, review)): Path<(String, String)>,
    query: Query,
    headers: HeaderMap,
) -> Reply {
    let value = app.run(move |service| service.review(&caller, &store, &review)).await?;
    one(value, &query, &headers)
}

async fn decision(
    State(app): State<App>,
    Auth(caller): Auth,
    Path((store, review)): Path<(String, String)>,
    headers: HeaderMap,
    Json(body): Json,
) -> Reply {
    let (id, verb) = verb(&review)?;
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
    let tag = seen(&headers)?;
    let decided = app.run(move |service| service.decide_seen(&caller, &store, &id, decision, Some(tag))).await?;
    Ok(Answer(decided).into_response())
}
