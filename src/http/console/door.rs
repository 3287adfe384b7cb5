//! Who may come in, and which form is really ours.

use axum::extract::{FromRequest, FromRequestParts, Request, State};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse as _, Redirect, Response};

use crate::http::App;
use crate::http::extract::{Query, read};
use crate::service::{ServiceError, Visitor};

use super::view::{self, Login, Shell, shown};

/// Most bytes of a form.
const FORM: usize = 256 * 1024;

/// The name of a cookie. `__Host-` binds it to this host and to TLS; without TLS (loopback) a browser refuses that.
fn cookie_name(app: &App, name: &str) -> String {
    if app.secure { format!("__Host-memgate-{name}") } else { format!("memgate-{name}") }
}

pub(super) fn cookie(headers: &HeaderMap, name: &str) -> Option<String> {
    let mut found = None;
    for line in headers.get_all(header::COOKIE) {
        for pair in line.to_str().ok()?.split(';') {
            if let Some((key, value)) = pair.trim().split_once('=')
                && key == name
            {
                // Two of one name: somebody planted one of them.
                if found.is_some() {
                    return None;
                }
                found = Some(value.to_owned());
            }
        }
    }
    found
}

fn set_cookie(app: &App, name: &str, value: &str, seconds: i64) -> HeaderValue {
    let secure = if app.secure { "; Secure" } else { "" };
    let name = cookie_name(app, name);
    let text = format!("{name}={value}; Path=/; HttpOnly; SameSite=Strict; Max-Age={seconds}{secure}");
    HeaderValue::from_str(&text).unwrap_or_else(|_| HeaderValue::from_static(""))
}

/// Somebody who is logged in, and how they like the pages. In a handler's signature, it is the access check.
#[derive(Clone, Debug)]
pub(super) struct Desk {
    pub(super) visitor: Visitor,
    pub(super) theme: &'static str,
}

impl Desk {
    pub(super) fn caller(&self) -> crate::service::Caller {
        self.visitor.account.caller()
    }
}

fn theme_of(app: &App, headers: &HeaderMap) -> &'static str {
    match cookie(headers, &cookie_name(app, "theme")).as_deref() {
        Some("dark") => "dark",
        Some("light") => "light",
        _ => "auto",
    }
}

impl FromRequestParts<App> for Desk {
    type Rejection = Response;
    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Response> {
        let theme = theme_of(app, &parts.headers);
        let token = cookie(&parts.headers, &cookie_name(app, "login"));
        let visitor = match token {
            Some(token) => {
                app.run(move |service| service.visitor(&token)).await.map_err(|e| view::failed(&e.0, theme))?
            }
            None => None,
        };
        // Only where a link can lead: a post that lost its login starts at the front.
        let next = if parts.method == axum::http::Method::GET { parts.uri.path_and_query() } else { None };
        match visitor {
            Some(visitor) => Ok(Self { visitor, theme }),
            None => {
                let next = next.map(|next| format!("?next={}", view::encode(next.as_str()))).unwrap_or_default();
                Err(Redirect::to(&format!("/console/login{next}")).into_response())
            }
        }
    }
}

/// A form that was sent from one of our pages.
#[derive(Debug)]
pub(super) struct Form(pub(super) Query);

impl Form {
    pub(super) fn text(&self, name: &str) -> Result<String, ServiceError> {
        Ok(self.0.one(name)?.unwrap_or_default())
    }
}

/// Refused unless the browser says that the request comes from a page of this origin. Without its word, the address
/// of the page must be this host's; a request with neither is no form of ours.
fn same_origin(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    match text("sec-fetch-site") {
        Some("same-origin") => true,
        Some(_) => false,
        None => match (text("origin"), text("host")) {
            (Some(origin), Some(host)) => origin.split_once("://").is_some_and(|(_, at)| at == host),
            _ => false,
        },
    }
}

impl FromRequest<App> for Form {
    type Rejection = Response;
    async fn from_request(request: Request, app: &App) -> Result<Self, Response> {
        let theme = theme_of(app, request.headers());
        let refuse = |status, why: &str| view::refused(status, "This form was refused", why, theme);
        if !same_origin(request.headers()) {
            return Err(refuse(StatusCode::FORBIDDEN, "It did not come from a page of this console."));
        }
        let kind = request.headers().get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !kind.starts_with("application/x-www-form-urlencoded") {
            return Err(refuse(StatusCode::UNSUPPORTED_MEDIA_TYPE, "It is not a form."));
        }
        let token = cookie(request.headers(), &cookie_name(app, "login"));
        let before = cookie(request.headers(), &cookie_name(app, "door"));
        let is_login = request.uri().path() == "/console/login";
        let bytes = read(request.into_body(), FORM).await.map_err(|error| view::failed(&error, theme))?;
        let text = std::str::from_utf8(&bytes).unwrap_or("%");
        let form = Query::parse(text).map_err(|error| view::failed(&error, theme))?;
        let sent = form.one("token").ok().flatten().unwrap_or_default();
        let ours = if is_login {
            before.is_some_and(|door| door.len() >= 20 && view::door_token(&door) == sent)
        } else {
            let visitor = match token {
                Some(token) => app.run(move |service| service.visitor(&token)).await.ok().flatten(),
                None => None,
            };
            visitor.is_some_and(|visitor| visitor.is_form_token(&sent))
        };
        if ours {
            Ok(Self(form))
        } else {
            Err(refuse(StatusCode::FORBIDDEN, "Its page is from another login. Open it again."))
        }
    }
}

/// Where somebody goes after the login: a page of the console, nowhere else.
fn next_page(next: &str) -> &str {
    let lawful = next.starts_with("/console/")
        && !next.starts_with("/console/login")
        && !next.contains("..")
        && next.bytes().all(|b| b.is_ascii_graphic() && b != b'\\');
    if lawful { next } else { "/console/queue" }
}

async fn login_page(app: &App, headers: &HeaderMap, next: &str, said: Option<(StatusCode, String)>) -> Response {
    let theme = theme_of(app, headers);
    // A value of its own for each page: a form from elsewhere cannot know it.
    let door = app.service.request_id(0);
    let (status, said) = said.unzip();
    let page = Login {
        shell: Shell::outside("Log in", theme),
        token: view::door_token(&door),
        next: next_page(next).to_owned(),
        problem: said.unwrap_or_default(),
    };
    let mut response = shown(status.unwrap_or(StatusCode::OK), &page);
    response.headers_mut().append(header::SET_COOKIE, set_cookie(app, "door", &door, 3600));
    response
}

/// The form.
pub(super) async fn form(State(app): State<App>, headers: HeaderMap, query: Query) -> Response {
    let next = query.one("next").ok().flatten().unwrap_or_default();
    login_page(&app, &headers, &next, None).await
}

/// A name and a password.
pub(super) async fn login(State(app): State<App>, headers: HeaderMap, form: Form) -> Response {
    let field = |name: &str| form.text(name).unwrap_or_default();
    let (name, password, next) = (field("name"), field("password"), field("next"));
    let old = cookie(&headers, &cookie_name(&app, "login"));
    let outcome = app.run(move |service| service.login(&name, &password, old.as_deref())).await;
    match outcome {
        Ok((token, visitor)) => {
            let seconds = (visitor.ends.0 - visitor.began().0) / 1000;
            let mut response = Redirect::to(next_page(&next)).into_response();
            response.headers_mut().append(header::SET_COOKIE, set_cookie(&app, "login", &token, seconds));
            response.headers_mut().append(header::SET_COOKIE, set_cookie(&app, "door", "", 0));
            response
        }
        Err(error) => {
            let (status, said) = match error.0 {
                ServiceError::Unauthenticated { .. } => {
                    (StatusCode::UNAUTHORIZED, "The name or the password is wrong.".to_owned())
                }
                ServiceError::Limited { after_s } => (
                    StatusCode::TOO_MANY_REQUESTS,
                    format!("Too many wrong passwords. Try again in {after_s} seconds."),
                ),
                _ => (StatusCode::SERVICE_UNAVAILABLE, "The server cannot do this now. Try again.".to_owned()),
            };
            login_page(&app, &headers, &next, Some((status, said))).await
        }
    }
}

/// Ends the login.
pub(super) async fn logout(State(app): State<App>, headers: HeaderMap, _form: Form) -> Response {
    if let Some(token) = cookie(&headers, &cookie_name(&app, "login")) {
        let _ = app.run(move |service| service.logout(&token)).await;
    }
    let mut response = Redirect::to("/console/login").into_response();
    response.headers_mut().append(header::SET_COOKIE, set_cookie(&app, "login", "", 0));
    // What a shared machine keeps of the pages goes, too.
    response.headers_mut().append("clear-site-data", HeaderValue::from_static("\"cache\", \"storage\""));
    response
}

/// Dark, light, or as the system says.
pub(super) async fn theme(State(app): State<App>, form: Form) -> Response {
    let wanted = form.text("theme").unwrap_or_default();
    let theme = if matches!(wanted.as_str(), "dark" | "light") { wanted.as_str() } else { "auto" };
    let back = form.text("back").unwrap_or_default();
    let mut response = Redirect::to(next_page(&back)).into_response();
    response.headers_mut().append(header::SET_COOKIE, set_cookie(&app, "theme", theme, 31_536_000));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_leads_to_a_page_of_the_console_only() {
        for (next, page) in [
            ("/console/items/a/b?view=bytes", "/console/items/a/b?view=bytes"),
            ("https://host.invalid/console/", "/console/queue"),
            ("//host.invalid/console/", "/console/queue"),
            ("/console/../v1", "/console/queue"),
            ("/console/\\host.invalid", "/console/queue"),
            ("/console/login?next=x", "/console/queue"),
            ("/console/a\r\nset-cookie: x", "/console/queue"),
            ("", "/console/queue"),
        ] {
            assert_eq!(next_page(next), page, "{next:?}");
        }
    }

    #[test]
    fn a_cookie_that_is_there_twice_counts_for_nothing() {
        let mut headers = HeaderMap::new();
        headers.append("cookie", "a=1; memgate-login=x; b=2".parse().unwrap());
        assert_eq!(cookie(&headers, "memgate-login").as_deref(), Some("x"));
        headers.append("cookie", "memgate-login=y".parse().unwrap());
        assert_eq!(cookie(&headers, "memgate-login"), None);
    }

    #[test]
    fn only_pages_of_this_origin_send_forms() {
        let asks = |pairs: &[(&'static str, &str)]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(*name, value.parse().unwrap());
            }
            same_origin(&headers)
        };
        assert!(asks(&[("sec-fetch-site", "same-origin"), ("origin", "null")]));
        assert!(asks(&[("origin", "http://127.0.0.1:7878"), ("host", "127.0.0.1:7878")]));
        for bad in [
            &[("sec-fetch-site", "cross-site")][..],
            &[("sec-fetch-site", "same-site")],
            &[("sec-fetch-site", "none")],
            &[("origin", "http://evil.invalid"), ("host", "127.0.0.1:7878")],
            &[("origin", "null"), ("host", "127.0.0.1:7878")],
            &[("host", "127.0.0.1:7878")],
            &[],
        ] {
            assert!(!asks(bad), "{bad:?}");
        }
    }
}
