//! Candidates in, entries out.

use axum::Extension;
use axum::Json as Answer;
use axum::extract::{Path, State};
use axum::http::HeaderMap;
use axum::response::IntoResponse as _;
use serde_json::{Value, json};

use crate::auth::Scope::{Recall as RecallScope, ReviewRead, StoreRead, Submit};
use crate::domain::Digest;
use crate::http::api::doc::{Api, Once, Operation};
use crate::http::api::{GET, POST};
use crate::http::error::row_of;
use crate::http::extract::{Auth, Json, Query};
use crate::http::fields::Fields;
use crate::http::{App, Metered};
use crate::service::{Recall, ServiceError, Submission, SubmitMode};

use super::{ONE, Reply, ask, done, one, page};

/// Most candidates of one request.
const BATCH: usize = 1_000;
/// Most entries of one recall.
const ENTRIES: i64 = 200;

pub(super) fn routes(api: Api) -> Api {
    let op = Operation::new;
    const BY_STORE: &[(&str, &str)] =
        &[("store", "string"), ("limit", "integer"), ("cursor", "string"), ("fields", "string")];
    let all = "/api/v1/submissions";
    api.on(
        POST,
        all,
        op("submit", "Propose the whole new text of one memory; the gate's answer.", Submit, "Submission")
            .also(ReviewRead)
            .body("SubmissionCreate")
            .once(Once::Needed),
        submit,
    )
    .on(
        POST,
        "/api/v1/submissions:batch",
        op("submit_batch", "Propose up to 1,000 texts: exactly one row for each, in order.", Submit, "SubmissionRows")
            .also(ReviewRead)
            .body("SubmissionBatch")
            .once(Once::Needed),
        batch,
    )
    .on(GET, all, op("list_submissions", "Submissions, newest first.", StoreRead, "Listed").query(BY_STORE), list)
    .on(
        GET,
        "/api/v1/submissions/{submission}",
        op("get_submission", "One submission, without its text.", StoreRead, "Submission").query(ONE),
        get,
    )
    .on(
        POST,
        "/api/v1/recall",
        op("recall", "Verified entries, and the exposure that says who was shown them.", RecallScope, "Recalled")
            .body("Recall")
            .once(Once::Asked),
        recall,
    )
    .on(
        GET,
        "/api/v1/stores/{store}/lineage/{memory}",
        op("get_lineage", "Sources of a memory, its changes, and sessions that were shown it.", StoreRead, "Lineage")
            .query(ONE),
        lineage,
    )
}

fn submission(value: Value, place: &str) -> Result<Submission, ServiceError> {
    let mut fields = Fields::of(value, place, &["store", "path", "content", "expected_sha256", "mode"])?;
    let named = |key: &str| if place.is_empty() { key.to_owned() } else { format!("{place}.{key}") };
    let mode = match fields.text("mode")? {
        None => SubmitMode::Enforce,
        Some(name) => SubmitMode::from_name(&name)
            .ok_or_else(|| ServiceError::invalid(format!("{}: enforce, shadow or explain", named("mode"))))?,
    };
    let expected = fields.text("expected_sha256")?.map(|text| text.parse::<Digest>()).transpose();
    let expected =
        expected.map_err(|_| ServiceError::invalid(format!("{}: 64 hexadecimal digits", named("expected_sha256"))))?;
    Ok(Submission {
        store: fields.need_text("store")?,
        path: fields.need_text("path")?,
        content: fields.need_text("content")?,
        expected,
        mode,
    })
}

async fn submit(State(app): State<App>, Auth(caller): Auth, Json(body): Json) -> Reply {
    let submission = submission(body, "")?;
    done(app.run(move |service| service.submit(&caller, submission)).await?)
}

async fn batch(
    State(app): State<App>,
    Auth(caller): Auth,
    Extension(metered): Extension<Metered>,
    Json(body): Json,
) -> Reply {
    let mut fields = Fields::of(body, "", &["submissions"])?;
    let items = fields.list("submissions")?.unwrap_or_default();
    if !(1..=BATCH).contains(&items.len()) {
        return Err(ServiceError::invalid(format!("submissions: 1 to {BATCH} of them")).into());
    }
    // A batch costs what its items would cost one by one.
    metered.also(&app, &caller, items.len() - 1)?;
    let parsed: Vec<Result<Submission, ServiceError>> = items
        .into_iter()
        .enumerate()
        .map(|(number, item)| submission(item, &format!("submissions[{number}]")))
        .collect();
    let good: Vec<Submission> = parsed.iter().filter_map(|one| one.as_ref().ok().cloned()).collect();
    let mut answers = app.run(move |service| service.submit_all(&caller, good)).await?.into_iter();
    let rows: Vec<Value> = parsed
        .into_iter()
        .enumerate()
        .map(|(index, one)| {
            let answer = one
                .and_then(|_| answers.next().unwrap_or(Err(ServiceError::Bug { what: "a submission has no answer" })));
            match answer {
                Ok(submission) => json!({ "index": index, "submission": submission, "error": null }),
                Err(error) => json!({ "index": index, "submission": null, "error": row_of(&error) }),
            }
        })
        .collect();
    Ok(Answer(json!({ "data": rows })).into_response())
}

async fn list(State(app): State<App>, Auth(caller): Auth, query: Query) -> Reply {
    let (wanted, store) = (ask(&query)?, query.one("store")?);
    let listed = app.run(move |service| service.submissions(&caller, store.as_deref(), &wanted)).await?;
    page(listed, &query)
}

async fn get(
    State(app): State<App>,
    Auth(caller): Auth,
    Path(id): Path<String>,
    query: Query,
    headers: HeaderMap,
) -> Reply {
    one(app.run(move |service| service.submission(&caller, &id)).await?, &query, &headers)
}

async fn recall(State(app): State<App>, Auth(caller): Auth, Json(body): Json) -> Reply {
    let mut fields = Fields::of(body, "", &["store", "paths", "prefix", "query", "session", "limit"])?;
    let limit = fields.number("limit")?.unwrap_or(50);
    if !(1..=ENTRIES).contains(&limit) {
        return Err(ServiceError::invalid(format!("limit: 1 to {ENTRIES}")).into());
    }
    let paths = fields.texts("paths")?.unwrap_or_default();
    if paths.len() > 200 {
        return Err(ServiceError::invalid("paths: at most 200 of them").into());
    }
    let request = Recall {
        store: fields.need_text("store")?,
        paths,
        prefix: fields.text("prefix")?,
        query: fields.text("query")?,
        session: fields.text("session")?,
        limit: usize::try_from(limit).unwrap_or(1),
    };
    let value = app.run(move |service| service.recall(&caller, &request)).await?;
    Ok(Answer(value).into_response())
}

async fn lineage(
    State(app): State<App>,
    Auth(caller): Auth,
    Path((store, memory)): Path<(String, String)>,
    query: Query,
    headers: HeaderMap,
) -> Reply {
    one(app.run(move |service| service.lineage(&caller, &store, &memory)).await?, &query, &headers)
}
