//! What a handler asks of a request: the caller, a strict body, a query with brackets.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{FromRequest, FromRequestParts, Request};
use axum::http::HeaderMap;
use axum::http::request::Parts;
use serde_json::Value;

use crate::domain::Timestamp;
use crate::domain::json::parse_strict;
use crate::service::{Caller, ServiceError};

use super::App;
use super::error::ApiError;

/// The authenticated caller. In a handler's signature, it is the access check.
#[derive(Clone, Debug)]
pub(super) struct Auth(pub(super) Arc<Caller>);

fn header<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, ServiceError> {
    let mut values = headers.get_all(name).iter();
    let first = values.next();
    if values.next().is_some() {
        return Err(ServiceError::Unauthenticated { message: "a credential header is given twice" });
    }
    let unreadable = ServiceError::Unauthenticated { message: "a credential header is not plain text" };
    first.map(|value| value.to_str().map_err(|_| unreadable)).transpose()
}

fn credential(headers: &HeaderMap) -> Result<String, ServiceError> {
    let bearer = header(headers, "authorization")?;
    let bearer = bearer
        .map(|value| match value.split_once(' ') {
            Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => Ok(key.trim()),
            _ => Err(ServiceError::Unauthenticated { message: "authorization: the scheme Bearer is expected" }),
        })
        .transpose()?;
    match (bearer, header(headers, "x-api-key")?) {
        (Some(a), Some(b)) if a != b => {
            Err(ServiceError::Unauthenticated { message: "authorization and x-api-key name different keys" })
        }
        (Some(key), _) | (None, Some(key)) => Ok(key.to_owned()),
        (None, None) => {
            Err(ServiceError::Unauthenticated { message: "an API key is needed: authorization or x-api-key" })
        }
    }
}

impl FromRequestParts<App> for Auth {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, ApiError> {
        // What goes around the handlers has asked already.
        match parts.extensions.get::<Self>() {
            Some(known) => Ok(known.clone()),
            None => Ok(Self::of(&parts.headers, app)?),
        }
    }
}

impl Auth {
    /// The caller that a request's headers name.
    pub(super) fn of(headers: &HeaderMap, app: &App) -> Result<Self, ServiceError> {
        let key = credential(headers)?;
        let caller = app.service.authenticate(&key)?;
        let named = header(headers, "anthropic-workspace-id")?;
        if named.is_some_and(|workspace| workspace != caller.workspace) {
            return Err(ServiceError::OtherWorkspace);
        }
        Ok(Self(caller))
    }
}

/// A header that may stand once: visible ASCII of at most so many characters.
pub(super) fn once<'h>(
    headers: &'h HeaderMap,
    name: &'static str,
    most: usize,
) -> Result<Option<&'h str>, ServiceError> {
    let mut values = headers.get_all(name).iter();
    let Some(first) = values.next() else { return Ok(None) };
    let text = first
        .to_str()
        .ok()
        .filter(|text| (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_graphic()));
    match text {
        Some(text) if values.next().is_none() => Ok(Some(text)),
        _ => Err(ServiceError::invalid(format!("{name}: once, 1 to {most} visible ASCII characters"))),
    }
}

/// A request's body as one strict JSON value.
#[derive(Debug)]
pub(super) struct Json(pub(super) Value);

/// Reads a whole body, bounded in size.
pub(super) async fn read(body: Body, limit: usize) -> Result<Vec<u8>, ServiceError> {
    match axum::body::to_bytes(body, limit).await {
        Ok(bytes) => Ok(bytes.to_vec()),
        Err(error) => {
            let mut cause: Option<&dyn std::error::Error> = Some(&error);
            while let Some(one) = cause {
                if one.to_string().contains("length limit") {
                    return Err(ServiceError::TooLarge { limit });
                }
                cause = one.source();
            }
            Err(ServiceError::invalid("the body ended early or came too slowly"))
        }
    }
}

impl FromRequest<App> for Json {
    type Rejection = ApiError;
    async fn from_request(request: Request, app: &App) -> Result<Self, ApiError> {
        let limit = app.limits.body_bytes;
        let declared = request.headers().get("content-length").and_then(|value| value.to_str().ok());
        if declared.and_then(|text| text.parse::<usize>().ok()).is_some_and(|length| length > limit) {
            return Err(ServiceError::TooLarge { limit }.into());
        }
        let bytes = read(request.into_body(), limit).await?;
        let text = std::str::from_utf8(&bytes).map_err(|e| {
            ServiceError::invalid(format!("the body is not UTF-8: byte {} begins no character", e.valid_up_to()))
        })?;
        // The parser's own words name a place, never the text.
        let value = parse_strict(text).map_err(|e| {
            ServiceError::invalid(format!(
                "the body is not one JSON value with unique keys: line {}, column {}",
                e.line(),
                e.column()
            ))
        })?;
        Ok(Self(value))
    }
}

/// The query, percent-decoded, in order.
#[derive(Clone, Debug, Default)]
pub(super) struct Query(Vec<(String, String)>);

impl FromRequestParts<App> for Query {
    type Rejection = ApiError;
    async fn from_request_parts(parts: &mut Parts, _: &App) -> Result<Self, ApiError> {
        Ok(Self::parse(parts.uri.query().unwrap_or_default())?)
    }
}

fn decode(text: &str) -> Result<String, ServiceError> {
    let bad = || ServiceError::invalid("the query is not percent-encoded UTF-8");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digit = |b: Option<u8>| b.and_then(|b| char::from(b).to_digit(16)).ok_or_else(bad);
                let (high, low) = (digit(rest.next())?, digit(rest.next())?);
                bytes.push(u8::try_from(high * 16 + low).map_err(|_| bad())?);
            }
            byte => bytes.push(byte),
        }
    }
    String::from_utf8(bytes).map_err(|_| bad())
}

impl Query {
    pub(super) fn parse(text: &str) -> Result<Self, ServiceError> {
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            Ok((decode(key)?, decode(value)?))
        });
        Ok(Self(pairs.collect::<Result<_, ServiceError>>()?))
    }

    /// The one value of a key; twice is refused, since two readers could each take another.
    pub(super) fn one(&self, key: &str) -> Result<Option<String>, ServiceError> {
        let mut values = self.0.iter().filter(|(name, _)| name == key).map(|(_, value)| value);
        let first = values.next();
        if values.next().is_some() {
            return Err(ServiceError::invalid(format!("{key}: given twice")));
        }
        Ok(first.cloned())
    }

    /// All values of a list: `key[]=a&key[]=b`, or the bare name.
    pub(super) fn many(&self, key: &str) -> Vec<String> {
        let bracketed = format!("{key}[]");
        self.0.iter().filter(|(name, _)| *name == key || *name == bracketed).map(|(_, value)| value.clone()).collect()
    }

    pub(super) fn flag(&self, key: &str) -> Result<bool, ServiceError> {
        match self.one(key)?.as_deref() {
            None | Some("false" | "") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(ServiceError::invalid(format!("{key}: true or false"))),
        }
    }

    pub(super) fn number(&self, key: &str) -> Result<Option<i64>, ServiceError> {
        let text = self.one(key)?;
        text.map(|text| text.parse().map_err(|_| ServiceError::invalid(format!("{key}: a whole number")))).transpose()
    }

    /// A bound of a range, e.g. `created_at[gte]`.
    pub(super) fn time(&self, key: &str, bound: &str) -> Result<Option<Timestamp>, ServiceError> {
        let name = format!("{key}[{bound}]");
        let text = self.one(&name)?;
        text.map(|text| text.parse().map_err(|_| ServiceError::invalid(format!("{name}: an RFC 3339 time"))))
            .transpose()
    }

    pub(super) fn limit(&self, default: usize, most: usize) -> Result<usize, ServiceError> {
        match self.number("limit")? {
            None => Ok(default.min(most)),
            Some(number) => usize::try_from(number)
                .ok()
                .filter(|number| (1..=most).contains(number))
                .ok_or_else(|| ServiceError::invalid(format!("limit: 1 to {most}"))),
        }
    }

    /// `view=full`, or the default of the route.
    pub(super) fn full(&self, default: bool) -> Result<bool, ServiceError> {
        match self.one("view")?.as_deref() {
            None => Ok(default),
            Some("full") => Ok(true),
            Some("basic") => Ok(false),
            Some(_) => Err(ServiceError::invalid("view: basic or full")),
        }
    }

    /// Page sizes of lists with a view: with texts at most 20, larger ones are clamped.
    pub(super) fn limit_viewed(&self, full: bool) -> Result<usize, ServiceError> {
        let limit = self.limit(20, 100)?;
        Ok(if full { limit.min(20) } else { limit })
    }

    pub(super) fn descending(&self, default: bool) -> Result<bool, ServiceError> {
        match self.one("order")?.as_deref() {
            None => Ok(default),
            Some("desc") => Ok(true),
            Some("asc") => Ok(false),
            Some(_) => Err(ServiceError::invalid("order: asc or desc")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn brackets_arrive_encoded_or_bare() {
        let query =
            Query::parse("statuses%5B%5D=pending&statuses[]=running&created_at%5Bgte%5D=2026-01-02T03:04:05%2B00:00")
                .unwrap();
        assert_eq!(query.many("statuses"), ["pending", "running"]);
        assert_eq!(query.time("created_at", "gte").unwrap().unwrap().to_string(), "2026-01-02T03:04:05Z");
        assert!(Query::parse("a=1&a=2").unwrap().one("a").is_err());
        assert!(Query::parse("a=%zz").is_err());
        assert!(Query::parse("a=%ff").is_err());
    }

    #[test]
    fn two_different_keys_are_refused() {
        let mut headers = HeaderMap::new();
        headers.insert("authorization", "Bearer a".parse().unwrap());
        assert_eq!(credential(&headers).unwrap(), "a");
        headers.insert("x-api-key", "b".parse().unwrap());
        assert!(credential(&headers).is_err());
        headers.insert("x-api-key", "a".parse().unwrap());
        assert_eq!(credential(&headers).unwrap(), "a");
    }
}
