//! What can be checked: decisions, store versions, the log; and the audit trail.

use axum::Json as Answer;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse as _;

use crate::auth::Scope::{AuditRead, Recall, ReviewRead, StoreRead, StoreRollback};
use crate::http::App;
use crate::http::api::GET;
use crate::http::api::doc::{Api, Once, Operation};
use crate::http::extract::{Auth, Json, Query};
use crate::http::fields::Fields;
use crate::service::ServiceError;

use super::{LIST, ONE, Reply, ask, done, need_number, number, one, page, verb};

pub(super) fn routes(api: Api) -> Api {
    let op = Operation::new;
    const DIFF: &[(&str, &str)] = &[("old", "integer"), ("new", "integer")];
    const AUDIT: &[(&str, &str)] =
        &[("after", "integer"), ("limit", "integer"), ("cursor", "string"), ("fields", "string")];
    let decisions = "/api/v1/stores/{store}/decisions";
    let (versions, version) = ("/api/v1/stores/{store}/versions", "/api/v1/stores/{store}/versions/{version}");
    let api = api
        .on(
            GET,
            decisions,
            op("list_decisions", "Decisions on held items, oldest first.", ReviewRead, "Listed").query(LIST),
            list_decisions,
        )
        .on(
            GET,
            "/api/v1/stores/{store}/decisions/{decision}",
            op("get_decision", "One decision with evidence digest and proof of the log.", ReviewRead, "StoreDecision")
                .query(ONE),
            decision,
        )
        .on(
            GET,
            versions,
            op("list_store_versions", "Signed versions, oldest first.", StoreRead, "Listed").query(LIST),
            list_versions,
        )
        .on(
            GET,
            version,
            op("get_store_version", "One signed version with the proof of its statement.", StoreRead, "StoreVersion")
                .query(ONE),
            get_version,
        )
        .on(
            GET,
            "/api/v1/stores/{store}/versions:diff",
            op("diff_store_versions", "What changed between two versions, both verified.", Recall, "VersionDiff")
                .query(DIFF),
            diff,
        )
        .verbs(
            version,
            &[(
                "rollback",
                op("roll_back_store", "A new signed version with this one's content.", StoreRollback, "StoreVersion")
                    .body("Rollback")
                    .once(Once::Needed),
            )],
            rollback,
        );
    log_routes(api).on(
        GET,
        "/api/v1/audit-events",
        op("list_audit_events", "Who did what, oldest first.", AuditRead, "Listed").query(AUDIT),
        audit,
    )
}

fn log_routes(api: Api) -> Api {
    let op = Operation::new;
    const TEXT: &str = "text/plain; charset=utf-8";
    const BYTES: &str = "application/octet-stream";
    api.on(
        GET,
        "/api/v1/stores/{store}/ledger/checkpoint",
        op("get_checkpoint", "The last checkpoint of the store's log: a signed note.", AuditRead, "Text").media(TEXT),
        checkpoint,
    )
    .on(
        GET,
        "/api/v1/stores/{store}/ledger/entries/{index}",
        op("get_entry", "The exact bytes of one entry of the log.", AuditRead, "Bytes").media(BYTES),
        entry,
    )
    .on(
        GET,
        "/api/v1/stores/{store}/ledger/proof",
        op("get_inclusion_proof", "The proof that an entry is in the log (tlog-proof).", AuditRead, "Text")
            .query(&[("index", "integer")])
            .media(TEXT),
        proof,
    )
    .on(
        GET,
        "/api/v1/stores/{store}/ledger/consistency",
        op("get_consistency_proof", "The proof that the log continues its first entries.", AuditRead, "Consistency")
            .query(&[("old", "integer")]),
        consistency,
    )
    .on(
        GET,
        "/api/v1/stores/{store}/ledger/{*path}",
        op("get_tile", "A tile or a bundle of entries (tlog-tiles): tile/…", AuditRead, "Bytes").media(BYTES),
        tile,
    )
}

async fn list_decisions(State(app): State<App>, Auth(caller): Auth, Path(store): Path<String>, query: Query) -> Reply {
    let wanted = ask(&query)?;
    page(app.run(move |service| service.decisions(&caller, &store, &wanted)).await?, &query)
}

async fn decision(
    State(app): State<App>,
    Auth(caller): Auth,
    Path((store, id)): Path<(String, String)>,
    query: Query,
    headers: HeaderMap,
) -> Reply {
    one(app.run(move |service| service.decision(&caller, &store, &id)).await?, &query, &headers)
}

async fn list_versions(State(app): State<App>, Auth(caller): Auth, Path(store): Path<String>, query: Query) -> Reply {
    let wanted = ask(&query)?;
    page(app.run(move |service| service.list_store_versions(&caller, &store, &wanted)).await?, &query)
}

async fn get_version(
    State(app): State<App>,
    Auth(caller): Auth,
    Path((store, version)): Path<(String, String)>,
    query: Query,
    headers: HeaderMap,
) -> Reply {
    let sequence = number(&version, "version");
    let value = app.run(move |service| service.store_version(&caller, &store, sequence?)).await?;
    one(value, &query, &headers)
}

async fn diff(State(app): State<App>, Auth(caller): Auth, Path(store): Path<String>, query: Query) -> Reply {
    let (old, new) = (need_number(&query, "old"), need_number(&query, "new"));
    let value = app.run(move |service| service.diff_versions(&caller, &store, old?, new?)).await?;
    Ok(Answer(value).into_response())
}

async fn rollback(
    State(app): State<App>,
    Auth(caller): Auth,
    Path((store, version)): Path<(String, String)>,
    Json(body): Json,
) -> Reply {
    let (text, verb) = verb(&version)?;
    if verb != "rollback" {
        return Err(ServiceError::RouteNotServed.into());
    }
    let target = number(text, "version");
    let mut fields = Fields::of(body, "", &["reason"])?;
    let reason = fields.need_text("reason")?;
    done(app.run(move |service| service.roll_back(&caller, &store, target?, &reason)).await?)
}

async fn checkpoint(State(app): State<App>, Auth(caller): Auth, Path(store): Path<String>) -> Reply {
    let note = app.run(move |service| service.ledger_checkpoint(&caller, &store)).await?;
    Ok(([(header::CACHE_CONTROL, "no-cache")], note).into_response())
}

async fn proof(State(app): State<App>, Auth(caller): Auth, Path(store): Path<String>, query: Query) -> Reply {
    let index = need_number(&query, "index");
    let text = app.run(move |service| service.ledger_proof(&caller, &store, index?)).await?;
    Ok(text.into_response())
}

async fn consistency(State(app): State<App>, Auth(caller): Auth, Path(store): Path<String>, query: Query) -> Reply {
    let old = need_number(&query, "old");
    let value = app.run(move |service| service.ledger_consistency(&caller, &store, old?)).await?;
    Ok(Answer(value).into_response())
}

async fn entry(State(app): State<App>, Auth(caller): Auth, Path((store, index)): Path<(String, String)>) -> Reply {
    let index = number(&index, "entry");
    let bytes = app.run(move |service| service.ledger_entry(&caller, &store, index?)).await?;
    Ok(immutable(bytes))
}

async fn tile(State(app): State<App>, Auth(caller): Auth, Path((store, path)): Path<(String, String)>) -> Reply {
    let bytes = app.run(move |service| service.ledger_file(&caller, &store, &path)).await?;
    Ok(immutable(bytes))
}

/// What never changes may be kept by whoever asked, but by nobody who did not.
fn immutable(bytes: Vec<u8>) -> axum::response::Response {
    let headers = [
        (header::CONTENT_TYPE, "application/octet-stream"),
        (header::CACHE_CONTROL, "private, max-age=31536000, immutable"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (headers, bytes).into_response()
}

async fn audit(State(app): State<App>, Auth(caller): Auth, query: Query) -> Reply {
    let (wanted, after) = (ask(&query)?, query.number("after")?.unwrap_or(0));
    let listed = app.run(move |service| service.audit_events(&caller, after, &wanted)).await?;
    page(listed, &query)
}
