//! memgate's own API under `/api/v1`: submissions, recall, reviews, decisions, versions, the log, rules, webhooks.

mod evidence;
mod reviews;
mod rules;
mod submissions;
mod webhooks;

use axum::Json as Answer;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Response};
use serde_json::{Map, Value};

use crate::http::error::ApiError;
use crate::http::extract::Query;
use crate::service::{Ask, Listed, ServiceError, etag_of};

use super::doc::Api;

type Reply = Result<Response, ApiError>;

/// Query parameters of every list.
const LIST: &[(&str, &str)] = &[("limit", "integer"), ("cursor", "string"), ("fields", "string")];
/// And of every single object.
const ONE: &[(&str, &str)] = &[("fields", "string")];

pub(super) fn routes(api: Api) -> Api {
    let api = submissions::routes(api);
    let api = reviews::routes(api);
    let api = evidence::routes(api);
    webhooks::routes(rules::routes(api))
}

/// What a list is asked for.
fn ask(query: &Query) -> Result<Ask, ServiceError> {
    Ok(Ask { limit: query.limit(50, 500)?, cursor: query.one("cursor")? })
}

/// The members that `fields=a,b` names; all of them without it.
fn wanted(query: &Query) -> Result<Option<Vec<String>>, ServiceError> {
    let Some(text) = query.one("fields")? else { return Ok(None) };
    let names: Vec<String> = text.split(',').map(str::to_owned).collect();
    let lawful = |name: &String| {
        (1..=64).contains(&name.len())
            && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    if names.len() > 32 || !names.iter().all(lawful) {
        return Err(ServiceError::invalid("fields: up to 32 names of members, with commas between them"));
    }
    Ok(Some(names))
}

fn only(value: Value, names: Option<&[String]>) -> Value {
    match (value, names) {
        (Value::Object(members), Some(names)) => {
            Value::Object(members.into_iter().filter(|(name, _)| names.contains(name)).collect::<Map<_, _>>())
        }
        (value, _) => value,
    }
}

/// A page of a list.
fn page(mut listed: Listed, query: &Query) -> Reply {
    let names = wanted(query)?;
    listed.data = listed.data.into_iter().map(|value| only(value, names.as_deref())).collect();
    Ok(Answer(listed.shown()).into_response())
}

/// One object with its entity tag; 304 when the caller has it already. The tag is of the whole object, whatever
/// members are asked for: a decision that names it was made on all of it.
fn one(value: Value, query: &Query, headers: &HeaderMap) -> Reply {
    let tag = etag_of(&value);
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let has = known.flat_map(|value| value.split(',')).any(|one| one.trim().trim_start_matches("W/") == tag);
    let names = wanted(query)?;
    let mut response = match has {
        true => StatusCode::NOT_MODIFIED.into_response(),
        false => Answer(only(value, names.as_deref())).into_response(),
    };
    if let Ok(tag) = HeaderValue::from_str(&tag) {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response)
}

/// An object that was made or changed.
fn done(value: Value) -> Reply {
    let tag = HeaderValue::from_str(&etag_of(&value));
    let mut response = Answer(value).into_response();
    if let Ok(tag) = tag {
        response.headers_mut().insert(header::ETAG, tag);
    }
    Ok(response)
}

/// The entity tag in `If-Match`. `*` names nothing that was seen, so it is none.
fn seen(headers: &HeaderMap) -> Result<String, ServiceError> {
    let mut values = headers.get_all(header::IF_MATCH).iter();
    let first = values.next().and_then(|value| value.to_str().ok()).map(str::trim);
    match first {
        Some(tag) if values.next().is_none() && tag.len() > 2 && tag.starts_with('"') && tag.ends_with('"') => {
            Ok(tag.to_owned())
        }
        _ => Err(ServiceError::MatchNeeded),
    }
}

/// The id and the verb behind it.
fn verb(text: &str) -> Result<(&str, &str), ServiceError> {
    text.rsplit_once(':').ok_or(ServiceError::RouteNotServed)
}

/// A number in a path.
fn number(text: &str, what: &'static str) -> Result<u64, ServiceError> {
    let plain = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.parse().ok().filter(|_| plain).ok_or(ServiceError::Unknown { what })
}

/// A number of the query that must be there.
fn need_number(query: &Query, name: &'static str) -> Result<u64, ServiceError> {
    let number = query.number(name)?.and_then(|number| u64::try_from(number).ok());
    number.ok_or_else(|| ServiceError::invalid(format!("{name}: a whole number is needed")))
}
