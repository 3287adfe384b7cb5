//! Rules, policies and schedules.

use axum::Json as Answer;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::IntoResponse as _;

use crate::auth::Scope::{DreamRun, PolicyWrite, ReviewRead, StoreRead};
use crate::http::App;
use crate::http::api::doc::{Api, Operation};
use crate::http::api::{DELETE, GET, POST, PUT};
use crate::http::extract::{Auth, Json, Query};
use crate::http::fields::Fields;

use super::{LIST, ONE, Reply, ask, done, one, page};

pub(super) fn routes(api: Api) -> Api {
    let op = Operation::new;
    let plan = "/api/v1/stores/{store}/schedule";
    api.on(GET, "/api/v1/rules", op("list_rules", "The rules, by id.", ReviewRead, "Listed").query(LIST), list)
        .on(GET, "/api/v1/rules/{rule}", op("get_rule", "One rule.", ReviewRead, "Rule").query(ONE), rule)
        .on(
            GET,
            "/api/v1/stores/{store}/policy",
            op("get_policy", "The policy of a store, and who reviews.", ReviewRead, "Policy").query(ONE),
            policy,
        )
        .on(
            POST,
            "/api/v1/policies:check",
            op("check_policy", "Whether a text is a policy; nothing changes.", PolicyWrite, "PolicyCheck")
                .body("PolicyText"),
            check,
        )
        .on(GET, plan, op("get_schedule", "When a store dreams by itself.", StoreRead, "Any").query(ONE), schedule)
        .on(
            PUT,
            plan,
            op("put_schedule", "Let a store dream by itself.", DreamRun, "Any").body("Schedule"),
            put_schedule,
        )
        .on(DELETE, plan, op("delete_schedule", "Take a schedule away.", DreamRun, "Deleted"), delete_schedule)
}

async fn list(State(app): State<App>, Auth(caller): Auth, query: Query) -> Reply {
    let wanted = ask(&query)?;
    page(app.run(move |service| service.list_rules(&caller, &wanted)).await?, &query)
}

async fn rule(
    State(app): State<App>,
    Auth(caller): Auth,
    Path(id): Path<String>,
    query: Query,
    headers: HeaderMap,
) -> Reply {
    one(app.run(move |service| service.rule(&caller, &id)).await?, &query, &headers)
}

async fn policy(
    State(app): State<App>,
    Auth(caller): Auth,
    Path(store): Path<String>,
    query: Query,
    headers: HeaderMap,
) -> Reply {
    one(app.run(move |service| service.policy(&caller, &store)).await?, &query, &headers)
}

async fn check(State(app): State<App>, Auth(caller): Auth, Json(body): Json) -> Reply {
    let mut fields = Fields::of(body, "", &["policy"])?;
    let text = fields.need_text("policy")?;
    let value = app.run(move |service| service.check_policy(&caller, &text)).await?;
    Ok(Answer(value).into_response())
}

async fn schedule(
    State(app): State<App>,
    Auth(caller): Auth,
    Path(store): Path<String>,
    query: Query,
    headers: HeaderMap,
) -> Reply {
    one(app.run(move |service| service.schedule(&caller, &store)).await?, &query, &headers)
}

async fn put_schedule(
    State(app): State<App>,
    Auth(caller): Auth,
    Path(store): Path<String>,
    Json(body): Json,
) -> Reply {
    done(app.run(move |service| service.put_schedule(&caller, &store, &body)).await?)
}

async fn delete_schedule(State(app): State<App>, Auth(caller): Auth, Path(store): Path<String>) -> Reply {
    Ok(Answer(app.run(move |service| service.delete_schedule(&caller, &store)).await?).into_response())
}
