//! Errors on the wire: one table from what happened to status, type and code.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::domain::{Coded as _, Family, RuleId};
use crate::service::ServiceError;

use super::{Asked, REQUEST};

/// An operation's error on its way out.
#[derive(Debug)]
pub(super) struct ApiError(pub(super) ServiceError);

impl From<ServiceError> for ApiError {
    fn from(error: ServiceError) -> Self {
        Self(error)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        answer(&self.0)
    }
}

/// Status, `error.type` and `error.details.error_code`.
fn classify(error: &ServiceError) -> (StatusCode, &'static str, Option<&'static str>) {
    use ServiceError as E;
    const INVALID: &str = "invalid_request_error";
    match error {
        E::Invalid { .. } => (StatusCode::BAD_REQUEST, INVALID, None),
        E::NotServed { code, .. } => (StatusCode::BAD_REQUEST, INVALID, Some(code)),
        E::RouteNotServed => (StatusCode::NOT_FOUND, "not_found_error", Some("route_not_served")),
        E::Unauthenticated { .. } => (StatusCode::UNAUTHORIZED, "authentication_error", None),
        E::Forbidden { .. } => (StatusCode::FORBIDDEN, "permission_error", Some("scope_missing")),
        E::OtherWorkspace => (StatusCode::FORBIDDEN, "permission_error", Some("other_workspace")),
        E::Unknown { .. } => (StatusCode::NOT_FOUND, "not_found_error", None),
        E::PathConflict { .. } => (StatusCode::CONFLICT, "memory_path_conflict_error", None),
        E::Precondition => (StatusCode::CONFLICT, "memory_precondition_failed_error", None),
        E::Conflict { .. } => (StatusCode::CONFLICT, "conflict_error", None),
        E::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "request_too_large", None),
        E::Limited { .. } => (StatusCode::TOO_MANY_REQUESTS, "rate_limit_error", None),
        E::Stale => (StatusCode::PRECONDITION_FAILED, INVALID, Some(error.code())),
        E::MatchNeeded => (StatusCode::PRECONDITION_REQUIRED, INVALID, Some(error.code())),
        E::KeyReused => (StatusCode::UNPROCESSABLE_ENTITY, INVALID, Some(error.code())),
        E::KeyRunning => (StatusCode::CONFLICT, "conflict_error", Some(error.code())),
        E::Unavailable { .. } => (StatusCode::SERVICE_UNAVAILABLE, "overloaded_error", None),
        // Policy is never a 409 or 403: SDKs would try again, or take the remote side for newer.
        E::Blocked { .. } => (StatusCode::BAD_REQUEST, INVALID, Some("memory_write_blocked")),
        E::Held { .. } => (StatusCode::BAD_REQUEST, INVALID, Some("memory_write_held")),
        _ => match error.family() {
            Family::Refused => (StatusCode::BAD_REQUEST, INVALID, Some(error.code())),
            Family::Unavailable => (StatusCode::SERVICE_UNAVAILABLE, "overloaded_error", Some(error.code())),
            Family::Bug => (StatusCode::INTERNAL_SERVER_ERROR, "api_error", Some(error.code())),
        },
    }
}

/// What a caller may read: causes below the service may name files, so only their code goes out.
fn message(error: &ServiceError) -> String {
    match error {
        ServiceError::Firewall(_) | ServiceError::Store(_) => {
            format!("the server could not do this ({}): {}", error.code(), error.remedy())
        }
        other => other.to_string(),
    }
}

fn names(rules: &[RuleId]) -> Vec<&str> {
    rules.iter().map(RuleId::as_str).collect()
}

/// The answer for an error: a problem on memgate's own routes, the hosted API's envelope elsewhere.
pub(super) fn answer(error: &ServiceError) -> Response {
    let asked = REQUEST.try_with(Clone::clone).unwrap_or_default();
    if asked.own { problem(error, &asked) } else { wire(error, &asked.id) }
}

/// Status of a refusal on memgate's own routes, where nothing has to look like the hosted API.
fn own_status(error: &ServiceError) -> StatusCode {
    match error.code() {
        "review-not-open"
        | "review-expired"
        | "firewall-write-outdated"
        | "firewall-new-findings"
        | "firewall-nothing-changed" => StatusCode::CONFLICT,
        "firewall-unknown-version" | "firewall-no-item" | "firewall-no-version" => StatusCode::NOT_FOUND,
        "auth-not-allowed" | "review-same-person" => StatusCode::FORBIDDEN,
        _ => classify(error).0,
    }
}

/// A refusal as one row of several answers.
pub(super) fn row_of(error: &ServiceError) -> Value {
    json!({ "code": error.code(), "status": own_status(error).as_u16(), "detail": message(error),
        "retryable": error.family() == Family::Unavailable })
}

/// RFC 9457. `detail` is our own words; what was sent is named by its place only.
fn problem(error: &ServiceError, asked: &Asked) -> Response {
    let status = own_status(error);
    let mut body = json!({
        "type": format!("https://memgate.example/problems/{}", error.code()),
        "title": status.canonical_reason().unwrap_or("Refused"), "status": status.as_u16(), "detail": message(error),
        "instance": asked.id, "code": error.code(), "retryable": error.family() == Family::Unavailable,
    });
    if let Some(place) = error.place() {
        let wrong = if asked.has_body {
            // RFC 6901: `events[2].type` is /events/2/type.
            let pointer: String = place.replace(['.', '['], "/").replace(']', "");
            json!({ "detail": message(error), "pointer": format!("/{pointer}") })
        } else {
            json!({ "detail": message(error), "parameter": place })
        };
        body["errors"] = json!([wrong]);
    }
    if status.is_server_error() {
        tracing::error!(code = error.code(), "request failed: {error}");
    }
    let headers = [(header::CONTENT_TYPE, "application/problem+json")];
    let mut response = (status, headers, body.to_string()).into_response();
    say_when(&mut response, error);
    response
}

/// When it is worth asking again.
fn say_when(response: &mut Response, error: &ServiceError) {
    let after = match error {
        ServiceError::Limited { after_s } => Some(*after_s),
        ServiceError::KeyRunning => Some(1),
        _ if response.status() == StatusCode::SERVICE_UNAVAILABLE => Some(1),
        _ => None,
    };
    if let Some(after) = after {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(after));
    }
}

fn wire(error: &ServiceError, id: &str) -> Response {
    let (status, kind, code) = classify(error);
    let mut body = json!({ "type": kind, "message": message(error) });
    if let Some(code) = code {
        body["details"] = json!({ "error_code": code });
    }
    match error {
        ServiceError::PathConflict { memory, path } => {
            body["conflicting_memory_id"] = memory.as_str().into();
            body["conflicting_path"] = path.as_str().into();
        }
        ServiceError::Blocked { decision, rules } => {
            body["details"]["decision_id"] = decision.as_str().into();
            body["details"]["rules"] = json!(names(rules));
        }
        ServiceError::Held { review, rules } => {
            body["details"]["review_id"] = review.as_str().into();
            body["details"]["rules"] = json!(names(rules));
        }
        _ => {}
    }
    if status.is_server_error() {
        tracing::error!(code = error.code(), "request failed: {error}");
    }
    let whole = json!({ "type": "error", "error": body, "request_id": id });
    let mut response = (status, [(header::CONTENT_TYPE, "application/json")], whole.to_string()).into_response();
    let retry = if error.family() == Family::Refused { "false" } else { "true" };
    response.headers_mut().insert(HeaderName::from_static("x-should-retry"), HeaderValue::from_static(retry));
    say_when(&mut response, error);
    response
}
