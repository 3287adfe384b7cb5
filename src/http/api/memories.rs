//! `/v1/memory_stores/{store}/memories`, `…/memory_versions`, `…/memory_tool`.

use axum::Json as Answer;
use axum::extract::{Path, State};
use serde_json::{Value, json};

use crate::domain::Digest;
use crate::http::App;
use crate::http::error::ApiError;
use crate::http::extract::{Auth, Json, Query};
use crate::http::fields::Fields;
use crate::service::{Command, MemoryList, MemoryUpdate, ServiceError, VersionList};

use super::page;

type Reply = Result<Answer<Value>, ApiError>;

fn sha256(text: &str, place: &str) -> Result<Digest, ServiceError> {
    let bad = || ServiceError::invalid(format!("{place}: 64 lower-case hex digits"));
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        return Err(bad());
    }
    text.parse().map_err(|_| bad())
}

pub(super) async fn create(
    State(app): State<App>,
    Auth(caller): Auth,
    Path(store): Path<String>,
    query: Query,
    Json(body): Json,
) -> Reply {
    let full = query.full(false)?;
    let mut fields = Fields::of(body, "", &["path", "content"])?;
    let (path, content) = (fields.need_text("path")?, fields.need_text("content")?);
    app.run(move |service| service.create_memory(&caller, &store, &path, content, full)).await.map(Answer)
}

pub(super) async fn update(
    State(app): State<App>,
    Auth(caller): Auth,
    Path((store, memory)): Path<(String, String)>,
    query: Query,
    Json(body): Json,
) -> Reply {
    let full = query.full(false)?;
    let mut fields = Fields::of(body, "", &["content", "path", "precondition"])?;
    let mut change = MemoryUpdate { content: fields.text("content")?, path: fields.text("path")?, expected: None };
    if let Some(precondition) = fields.some("precondition") {
        let mut fields = Fields::of(precondition, "precondition", &["type", "content_sha256"])?;
        if fields.need_text("type")? != "content_sha256" {
            return Err(ServiceError::invalid("precondition.type: content_sha256").into());
        }
        if let Some(text) = fields.text("content_sha256")? {
            change.expected = Some(sha256(&text, "precondition.content_sha256")?);
        }
    }
    app.run(move |service| service.update_memory(&caller, &store, &memory, change, full)).await.map(Answer)
}

pub(super) async fn list(State(app): State<App>, Auth(caller): Auth, Path(store): Path<String>, query: Query) -> Reply {
    let full = query.full(false)?;
    let shallow = match query.number("depth")? {
        None | Some(0) => false,
        Some(1) => true,
        Some(_) => return Err(ServiceError::invalid("depth: 0 or 1").into()),
    };
    let request = MemoryList {
        prefix: query.one("path_prefix")?.filter(|prefix| !prefix.is_empty()),
        shallow,
        full,
        limit: query.limit_viewed(full)?,
        page: query.one("page")?,
    };
    app.run(move |service| service.list_memories(&caller, &store, &request)).await.map(|found| Answer(page(found)))
}

pub(super) async fn retrieve(
    State(app): State<App>,
    Auth(caller): Auth,
    Path((store, memory)): Path<(String, String)>,
    query: Query,
) -> Reply {
    let full = query.full(true)?;
    // Served from the last signed version in memory: nothing here waits for a disk.
    Ok(Answer(app.service.memory(&caller, &store, &memory, full)?))
}

pub(super) async fn delete(
    State(app): State<App>,
    Auth(caller): Auth,
    Path((store, memory)): Path<(String, String)>,
    query: Query,
) -> Reply {
    let expected = query.one("expected_content_sha256")?;
    let expected = expected.map(|text| sha256(&text, "expected_content_sha256")).transpose()?;
    app.run(move |service| service.delete_memory(&caller, &store, &memory, expected)).await.map(Answer)
}

pub(super) async fn list_versions(
    State(app): State<App>,
    Auth(caller): Auth,
    Path(store): Path<String>,
    query: Query,
) -> Reply {
    let full = query.full(false)?;
    let request = VersionList {
        memory: query.one("memory_id")?,
        operation: query.one("operation")?,
        session: query.one("session_id")?,
        api_key: query.one("api_key_id")?,
        service_account: query.one("service_account_id")?,
        from: query.time("created_at", "gte")?,
        to: query.time("created_at", "lte")?,
        full,
        limit: query.limit_viewed(full)?,
        page: query.one("page")?,
    };
    app.run(move |service| service.list_versions(&caller, &store, &request)).await.map(|found| Answer(page(found)))
}

pub(super) async fn version(
    State(app): State<App>,
    Auth(caller): Auth,
    Path((store, version)): Path<(String, String)>,
    query: Query,
) -> Reply {
    let full = query.full(true)?;
    app.run(move |service| service.version(&caller, &store, &version, full)).await.map(Answer)
}

pub(super) async fn redact(
    State(app): State<App>,
    Auth(caller): Auth,
    Path((store, version)): Path<(String, String)>,
) -> Reply {
    app.run(move |service| service.redact_version(&caller, &store, &version)).await.map(Answer)
}

/// One command of the memory tool; the answer is what goes into the tool result.
pub(super) async fn tool(
    State(app): State<App>,
    Auth(caller): Auth,
    Path(store): Path<String>,
    Json(body): Json,
) -> Reply {
    let command = command(body)?;
    let answer = app.run(move |service| service.memory_tool(&caller, &store, &command)).await?;
    Ok(Answer(json!({ "content": answer.content, "is_error": answer.is_error })))
}

fn command(body: Value) -> Result<Command, ServiceError> {
    let name = body.get("command").and_then(Value::as_str).unwrap_or_default().to_owned();
    let keys: &[&str] = match name.as_str() {
        "view" => &["command", "path", "view_range"],
        "create" => &["command", "path", "file_text"],
        "str_replace" => &["command", "path", "old_str", "new_str"],
        "insert" => &["command", "path", "insert_line", "insert_text"],
        "delete" => &["command", "path"],
        "rename" => &["command", "old_path", "new_path"],
        _ => return Err(ServiceError::invalid("command: view, create, str_replace, insert, delete or rename")),
    };
    let mut fields = Fields::of(body, "", keys)?;
    Ok(match name.as_str() {
        "view" => {
            let range = fields.list("view_range")?;
            let bad = || ServiceError::invalid("view_range: first and last line");
            let range = match range.as_deref() {
                None => None,
                Some([first, last]) => Some((first.as_i64().ok_or_else(bad)?, last.as_i64().ok_or_else(bad)?)),
                Some(_) => return Err(bad()),
            };
            Command::View { path: fields.need_text("path")?, range }
        }
        "create" => Command::Create { path: fields.need_text("path")?, text: fields.need_text("file_text")? },
        "str_replace" => Command::StrReplace {
            path: fields.need_text("path")?,
            old: fields.need_text("old_str")?,
            new: fields.text("new_str")?.unwrap_or_default(),
        },
        "insert" => Command::Insert {
            path: fields.need_text("path")?,
            line: fields.number("insert_line")?.ok_or_else(|| ServiceError::invalid("insert_line: is needed"))?,
            text: fields.need_text("insert_text")?,
        },
        "delete" => Command::Delete { path: fields.need_text("path")? },
        _ => Command::Rename { from: fields.need_text("old_path")?, to: fields.need_text("new_path")? },
    })
}
