//! Errors on the wire: one table from what happened to status, type and code.

use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::{Value, json};

use crate::domain::{Coded as _, Family, RuleId};
use crate::service::ServiceError;

use super::REQUEST;

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

/// The answer for an error.
pub(super) fn answer(error: &ServiceError) -> Response {
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
    envelope(status, &body, error)
}

fn envelope(status: StatusCode, body: &Value, error: &ServiceError) -> Response {
    let id = REQUEST.try_with(Clone::clone).unwrap_or_default();
    let whole = json!({ "type": "error", "error": body, "request_id": id });
    let mut response = (status, [(header::CONTENT_TYPE, "application/json")], whole.to_string()).into_response();
    let retry = if error.family() == Family::Refused { "false" } else { "true" };
    let headers = response.headers_mut();
    headers.insert(HeaderName::from_static("x-should-retry"), HeaderValue::from_static(retry));
    let after = match error {
        ServiceError::Limited { after_s } => Some(*after_s),
        _ if status == StatusCode::SERVICE_UNAVAILABLE => Some(1),
        _ => None,
    };
    if let Some(after) = after {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(after));
    }
    response
}
