//! Webhook endpoints of a workspace.

use std::sync::Arc;

use axum::Json as Answer;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::IntoResponse as _;
use serde_json::json;

use crate::auth::Scope::Admin;
use crate::http::App;
use crate::http::api::doc::{Api, Once, Operation};
use crate::http::api::{DELETE, GET, POST, PUT};
use crate::http::extract::{Auth, Json, Query};
use crate::http::fields::Fields;
use crate::service::{ServiceError, WebhookChange, WebhookCreate};

use super::{LIST, ONE, Reply, ask, done, one, page, verb};

pub(super) fn routes(api: Api) -> Api {
    let op = Operation::new;
    let (all, single) = ("/api/v1/webhooks", "/api/v1/webhooks/{webhook}");
    let act = |id, summary, answer| op(id, summary, Admin, answer).once(Once::Asked);
    api.on(GET, all, op("list_webhooks", "Endpoints, oldest first.", Admin, "Listed").query(LIST), list)
        .on(
            POST,
            all,
            act("create_webhook", "Make an endpoint; its secret is shown this once.", "Webhook").body("WebhookCreate"),
            create,
        )
        .on(GET, single, op("get_webhook", "One endpoint, without secrets.", Admin, "Webhook").query(ONE), get)
        .on(
            PUT,
            single,
            op("change_webhook", "Change address, events, or whether it is on.", Admin, "Webhook")
                .body("WebhookChange"),
            change,
        )
        .on(DELETE, single, op("delete_webhook", "Remove an endpoint.", Admin, "Deleted"), delete)
        .on(
            GET,
            "/api/v1/webhooks/{webhook}/deliveries",
            op("list_deliveries", "The newest deliveries.", Admin, "List").query(&[("limit", "integer")]),
            deliveries,
        )
        .verbs(
            single,
            &[
                ("test", act("test_webhook", "Send one event now; how it was answered.", "Any")),
                ("replay", act("replay_webhook", "Send again what was given up.", "Any")),
                ("rotate", act("rotate_webhook", "A new secret, shown this once.", "Webhook")),
            ],
            verbs,
        )
}

async fn list(State(app): State<App>, Auth(caller): Auth, query: Query) -> Reply {
    let wanted = ask(&query)?;
    page(app.run(move |service| service.list_own_webhooks(&caller, &wanted)).await?, &query)
}

async fn create(State(app): State<App>, Auth(caller): Auth, Json(body): Json) -> Reply {
    let mut fields = Fields::of(body, "", &["name", "url", "events", "secret"])?;
    let request = WebhookCreate {
        name: fields.need_text("name")?,
        url: fields.need_text("url")?,
        events: fields.texts("events")?.unwrap_or_else(|| vec!["*".to_owned()]),
        workspace: None,
        secret: fields.text("secret")?,
    };
    done(app.run(move |service| service.make_own_webhook(&caller, request)).await?)
}

async fn get(
    State(app): State<App>,
    Auth(caller): Auth,
    Path(id): Path<String>,
    query: Query,
    headers: HeaderMap,
) -> Reply {
    one(app.run(move |service| service.get_own_webhook(&caller, &id)).await?, &query, &headers)
}

async fn change(State(app): State<App>, Auth(caller): Auth, Path(id): Path<String>, Json(body): Json) -> Reply {
    let mut fields = Fields::of(body, "", &["url", "events", "enabled"])?;
    let enabled = match fields.some("enabled") {
        None => None,
        Some(value) => {
            Some(value.as_bool().ok_or_else(|| ServiceError::invalid("enabled: true or false is expected"))?)
        }
    };
    let change = WebhookChange { url: fields.text("url")?, events: fields.texts("events")?, enabled };
    done(app.run(move |service| service.change_own_webhook(&caller, &id, change)).await?)
}

async fn delete(State(app): State<App>, Auth(caller): Auth, Path(id): Path<String>) -> Reply {
    Ok(Answer(app.run(move |service| service.remove_own_webhook(&caller, &id)).await?).into_response())
}

async fn deliveries(State(app): State<App>, Auth(caller): Auth, Path(id): Path<String>, query: Query) -> Reply {
    let limit = query.limit(50, 500)?;
    let data = app.run(move |service| service.own_deliveries(&caller, &id, limit)).await?;
    Ok(Answer(json!({ "data": data })).into_response())
}

async fn verbs(State(app): State<App>, Auth(caller): Auth, Path(text): Path<String>) -> Reply {
    let (id, verb) = verb(&text)?;
    let (id, way) = (id.to_owned(), app.transport.as_ref().map(Arc::clone));
    let value = match verb {
        "rotate" => app.run(move |service| service.rotate_own_webhook(&caller, &id)).await?,
        "replay" => app.run(move |service| service.replay_own_webhook(&caller, &id)).await?,
        "test" => {
            app.run(move |service| match way {
                Some(way) => service.test_own_webhook(&caller, &id, way.as_ref()),
                None => service
                    .get_own_webhook(&caller, &id)
                    .and(Err(ServiceError::Unavailable { why: "this server sends no webhooks" })),
            })
            .await?
        }
        _ => return Err(ServiceError::RouteNotServed.into()),
    };
    Ok(Answer(value).into_response())
}
