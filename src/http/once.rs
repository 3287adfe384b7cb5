//! `Idempotency-Key`: the first request with a key is carried out, every other one gets its answer.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::Response;

use crate::domain::Digest;
use crate::service::{Begun, KeptAnswer, ServiceError};

use super::error::answer;
use super::extract::{self, Auth};
use super::{App, REQUEST};

/// Most bytes of an answer that is kept; ours are far below.
const ANSWER_BYTES: usize = 4 << 20;
/// Headers of an answer that come again with it.
const KEPT_HEADERS: [&str; 3] = ["content-type", "etag", "location"];

/// Carries a request out, or answers what the first one with its key was answered.
pub(super) async fn run(app: &App, auth: &Auth, needed: bool, request: Request, next: Next) -> Response {
    let key = match extract::once(request.headers(), "idempotency-key", 255) {
        Ok(Some(key)) => key.to_owned(),
        Ok(None) if needed => return answer(&ServiceError::KeyNeeded),
        Ok(None) => return next.run(request).await,
        Err(_) => return answer(&ServiceError::KeyNeeded),
    };
    let (parts, body) = request.into_parts();
    let bytes = match extract::read(body, app.limits.body_bytes).await {
        Ok(bytes) => bytes,
        Err(error) => return answer(&error),
    };
    let path = parts.uri.path_and_query().map_or_else(String::new, ToString::to_string);
    let condition = parts.headers.get(header::IF_MATCH).map(HeaderValue::as_bytes).unwrap_or_default();
    let digest = fingerprint(&[parts.method.as_str().as_bytes(), path.as_bytes(), condition, &bytes]);
    let request = Request::from_parts(parts, Body::from(bytes));
    let (app, caller) = (app.clone(), std::sync::Arc::clone(&auth.0));
    let asked = REQUEST.try_with(Clone::clone).unwrap_or_default();
    // On a task of its own: a client that goes away does not leave a key behind that is for ever being worked on, and
    // what was done is kept with its answer.
    let work = REQUEST.scope(asked, async move {
        let begun = app.run(move |service| service.begin_once(&caller, &key, digest)).await;
        let running = match begun {
            Ok(Begun::Run(running)) => running,
            Ok(Begun::Answered(kept)) => return replay(kept),
            Err(error) => return answer(&error.0),
        };
        let response = next.run(request).await;
        if !is_final(response.status()) {
            return response;
        }
        let (parts, body) = response.into_parts();
        let Ok(bytes) = axum::body::to_bytes(body, ANSWER_BYTES).await else {
            return answer(&ServiceError::Bug { what: "an answer is larger than what is kept" });
        };
        let headers = KEPT_HEADERS
            .iter()
            .filter_map(|name| Some(((*name).to_owned(), parts.headers.get(*name)?.to_str().ok()?.to_owned())))
            .collect();
        let kept = KeptAnswer { status: parts.status.as_u16(), headers, body: bytes.to_vec() };
        let kept = app.run(move |service| service.end_once(running, &kept)).await;
        if let Err(error) = kept {
            // It was done, and that is what the client must hear; trying again meets the operation's own checks.
            tracing::error!("an answer could not be kept for its key: {}", error.0);
        }
        Response::from_parts(parts, Body::from(bytes))
    });
    match tokio::spawn(work).await {
        Ok(response) => response,
        Err(_) => answer(&ServiceError::Bug { what: "an operation panicked" }),
    }
}

/// The digest of a request's parts, each with its length: no two requests read alike.
fn fingerprint(parts: &[&[u8]]) -> Digest {
    let mut all = Vec::new();
    for part in parts {
        all.extend_from_slice(&(part.len() as u64).to_be_bytes());
        all.extend_from_slice(part);
    }
    Digest::of(all)
}

/// True for answers of the operation itself. Others may be another one next time, and nothing was done.
fn is_final(status: StatusCode) -> bool {
    status.is_success() || matches!(status, StatusCode::BAD_REQUEST | StatusCode::NOT_FOUND | StatusCode::CONFLICT)
}

fn replay(kept: KeptAnswer) -> Response {
    let mut headers = HeaderMap::new();
    for (name, value) in &kept.headers {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::from_str(value)) {
            headers.insert(name, value);
        }
    }
    headers.insert(HeaderName::from_static("idempotency-replayed"), HeaderValue::from_static("true"));
    let mut response = Response::new(Body::from(kept.body));
    *response.status_mut() = StatusCode::from_u16(kept.status).unwrap_or(StatusCode::OK);
    *response.headers_mut() = headers;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_requests_read_alike() {
        assert_ne!(fingerprint(&[b"ab", b"c"]), fingerprint(&[b"a", b"bc"]));
        assert_ne!(fingerprint(&[b"a", b""]), fingerprint(&[b"a"]));
    }
}
