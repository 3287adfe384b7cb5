//! `/v1/sessions`: the transcript part.

use std::convert::Infallible;
use std::time::Duration;

use axum::Json as Answer;
use axum::body::{Body, Bytes};
use axum::extract::{Path, State};
use axum::http::header;
use axum::response::{IntoResponse as _, Response};
use serde_json::{Value, json};

use crate::http::App;
use crate::http::error::ApiError;
use crate::http::extract::{Auth, Json, Query};
use crate::http::fields::Fields;
use crate::service::{EventList, ServiceError, SessionCreate, SessionList, SessionUpdate, Subscription};

use super::page;

type Reply = Result<Answer<Value>, ApiError>;

/// How often a quiet stream says that it is alive.
const PING: Duration = Duration::from_secs(15);
/// How often it looks whether the server stops.
const GLANCE: Duration = Duration::from_millis(500);

pub(super) async fn create(State(app): State<App>, Auth(caller): Auth, Json(body): Json) -> Reply {
    let known = ["agent", "environment_id", "title", "metadata", "resources", "vault_ids", "budget", "initial_events"];
    let mut fields = Fields::of(body, "", &known)?;
    let request = SessionCreate {
        agent: fields.some("agent").ok_or_else(|| ServiceError::invalid("agent: is needed"))?,
        environment_id: fields.need_text("environment_id")?,
        title: fields.text("title")?,
        metadata: fields.metadata("metadata")?,
        resources: fields.list("resources")?.unwrap_or_default(),
        vault_ids: fields.list("vault_ids")?.unwrap_or_default(),
        budget: fields.raw("budget").unwrap_or(Value::Null),
        initial_events: fields.list("initial_events")?.unwrap_or_default(),
    };
    app.run(move |service| service.create_session(&caller, &request)).await.map(Answer)
}

pub(super) async fn list(State(app): State<App>, Auth(caller): Auth, query: Query) -> Reply {
    let (from, to) = range(&query)?;
    let request = SessionList {
        agent_id: query.one("agent_id")?,
        agent_version: query.number("agent_version")?,
        deployment_id: query.one("deployment_id")?,
        memory_store_id: query.one("memory_store_id")?,
        statuses: query.many("statuses"),
        from,
        to,
        archived: query.flag("include_archived")?,
        ascending: !query.descending(true)?,
        limit: query.limit(20, 100)?,
        page: query.one("page")?,
    };
    let (found, previous) = app.run(move |service| service.list_sessions(&caller, &request)).await?;
    let mut value = page(found);
    value["prev_page"] = previous.into();
    Ok(Answer(value))
}

/// All four operators: `gt` and `lt` are a millisecond inside.
fn range(query: &Query) -> Result<(Option<crate::domain::Timestamp>, Option<crate::domain::Timestamp>), ServiceError> {
    let after = query.time("created_at", "gt")?.map(|at| at.plus_ms(1));
    let before = query.time("created_at", "lt")?.map(|at| at.plus_ms(-1));
    Ok((
        after.max(query.time("created_at", "gte")?),
        [before, query.time("created_at", "lte")?].into_iter().flatten().min(),
    ))
}

pub(super) async fn retrieve(State(app): State<App>, Auth(caller): Auth, Path(id): Path<String>) -> Reply {
    app.run(move |service| service.session(&caller, &id)).await.map(Answer)
}

pub(super) async fn update(
    State(app): State<App>,
    Auth(caller): Auth,
    Path(id): Path<String>,
    Json(body): Json,
) -> Reply {
    // Changes of the agent's tools are labels here: there is no agent to change.
    let mut fields = Fields::of(body, "", &["title", "metadata", "vault_ids", "budget", "agent"])?;
    let title = match fields.raw("title") {
        None => None,
        Some(Value::Null) => Some(None),
        Some(Value::String(title)) => Some(Some(title)),
        Some(_) => return Err(ServiceError::invalid("title: a text is expected").into()),
    };
    let change = SessionUpdate {
        title,
        metadata: fields.metadata_patch("metadata")?,
        vault_ids: fields.list("vault_ids")?,
        budget: fields.raw("budget"),
    };
    app.run(move |service| service.update_session(&caller, &id, &change)).await.map(Answer)
}

pub(super) async fn delete(State(app): State<App>, Auth(caller): Auth, Path(id): Path<String>) -> Reply {
    app.run(move |service| service.delete_session(&caller, &id)).await.map(Answer)
}

pub(super) async fn archive(State(app): State<App>, Auth(caller): Auth, Path(id): Path<String>) -> Reply {
    app.run(move |service| service.archive_session(&caller, &id)).await.map(Answer)
}

pub(super) async fn resources(State(app): State<App>, Auth(caller): Auth, Path(id): Path<String>) -> Reply {
    let session = app.run(move |service| service.session(&caller, &id)).await?;
    Ok(Answer(json!({ "data": session["resources"], "next_page": null })))
}

pub(super) async fn add_resource(State(app): State<App>, Auth(caller): Auth, Path(id): Path<String>) -> Reply {
    app.run(move |service| service.add_resource(&caller, &id)).await.map(Answer)
}

pub(super) async fn events(State(app): State<App>, Auth(caller): Auth, Path(id): Path<String>, query: Query) -> Reply {
    let (from, to) = range(&query)?;
    let request = EventList {
        types: query.many("types"),
        from,
        to,
        descending: query.descending(false)?,
        limit: query.limit(1000, 1000)?,
        page: query.one("page")?,
    };
    app.run(move |service| service.list_events(&caller, &id, &request)).await.map(|found| Answer(page(found)))
}

pub(super) async fn send(
    State(app): State<App>,
    Auth(caller): Auth,
    Path(id): Path<String>,
    Json(body): Json,
) -> Reply {
    let mut fields = Fields::of(body, "", &["events"])?;
    let events = fields.list("events")?.ok_or_else(|| ServiceError::invalid("events: is needed"))?;
    let echo = app.run(move |service| service.send_events(&caller, &id, &events)).await?;
    Ok(Answer(json!({ "data": echo })))
}

pub(super) async fn stream(
    State(app): State<App>,
    Auth(caller): Auth,
    Path(id): Path<String>,
    query: Query,
) -> Result<Response, ApiError> {
    if query.many("event_deltas").iter().any(|kind| !matches!(kind.as_str(), "agent.message" | "agent.thinking")) {
        return Err(ServiceError::invalid("event_deltas: agent.message or agent.thinking").into());
    }
    let subscription = app.run(move |service| service.subscribe(&caller, &id)).await?;
    let headers = [(header::CONTENT_TYPE, "text/event-stream"), (header::CACHE_CONTROL, "no-store")];
    Ok((headers, Body::from_stream(lines(app, subscription))).into_response())
}

/// The stream's bytes: each event with its name, a ping when nothing happens, an end when the server stops.
fn lines(app: App, mut subscription: Subscription) -> Received {
    let (sender, receiver) = tokio::sync::mpsc::channel::<Bytes>(16);
    tokio::spawn(async move {
        let mut quiet = Duration::ZERO;
        loop {
            let bytes = match tokio::time::timeout(GLANCE, subscription.next()).await {
                Ok(None) => return,
                Ok(Some(event)) => {
                    quiet = Duration::ZERO;
                    let kind = event["type"].as_str().unwrap_or("message");
                    Bytes::from(format!("event: {kind}\ndata: {event}\n\n"))
                }
                Err(_) if app.service.is_stopping() => return,
                Err(_) => {
                    quiet += GLANCE;
                    if quiet < PING {
                        continue;
                    }
                    quiet = Duration::ZERO;
                    Bytes::from_static(b"event: ping\ndata: {\"type\":\"ping\"}\n\n")
                }
            };
            // Nobody reads any more.
            if sender.send(bytes).await.is_err() {
                return;
            }
        }
    });
    Received { receiver }
}

/// Bytes as they are sent from a task.
struct Received {
    receiver: tokio::sync::mpsc::Receiver<Bytes>,
}

impl futures_core::Stream for Received {
    type Item = Result<Bytes, Infallible>;
    fn poll_next(
        mut self: std::pin::Pin<&mut Self>,
        context: &mut std::task::Context<'_>,
    ) -> std::task::Poll<Option<Self::Item>> {
        self.receiver.poll_recv(context).map(|item| item.map(Ok))
    }
}
