//! Routes and their description in one place: what is registered is what the OpenAPI document says.

use std::collections::BTreeMap;

use axum::Router;
use axum::routing::{MethodFilter, MethodRouter, on};
use serde_json::{Map, Value, json};

use crate::auth::{CredentialRole, Scope};
use crate::http::App;

/// Shapes of objects, hand-written JSON Schema; the routes refer to them by name.
const SCHEMAS: &str = include_str!("schemas.json");

/// The routes of the data listener with their description.
pub(super) struct Api {
    router: Router<App>,
    paths: Map<String, Value>,
    operations: Operations,
}

/// Every operation by path and method, as they are described.
pub(super) type Operations = BTreeMap<String, Vec<(&'static str, Operation)>>;

/// Whether an operation is done once for all attempts with one key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::http) enum Once {
    /// It changes nothing, or belongs to the hosted API.
    No,
    /// When the request has a key.
    Asked,
    /// Always: a request without a key is refused.
    Needed,
}

/// What an operation takes and gives.
#[derive(Clone, Copy, Debug)]
pub(in crate::http) struct Operation {
    /// Unique name.
    pub(super) id: &'static str,
    /// One sentence.
    pub(super) summary: &'static str,
    /// The scope a credential needs; `None` where any credential will do.
    pub(in crate::http) scope: Option<Scope>,
    /// Query parameters: name and schema (`integer`, `boolean`, `string`, `time`, `list`).
    pub(super) query: &'static [(&'static str, &'static str)],
    /// Schema of the body, when there is one.
    pub(super) body: Option<&'static str>,
    /// Schema of the answer.
    pub(super) answer: &'static str,
    /// Whether it takes an `Idempotency-Key`.
    pub(in crate::http) once: Once,
    /// True when `If-Match` is needed.
    pub(super) matches: bool,
    /// Media type of the answer.
    pub(super) media: &'static str,
    /// Another scope that part of it is for; the operation looks closer.
    pub(super) also: Option<Scope>,
}

impl Operation {
    /// An operation without query and body.
    pub(super) const fn new(id: &'static str, summary: &'static str, scope: Scope, answer: &'static str) -> Self {
        Self {
            id,
            summary,
            scope: Some(scope),
            query: &[],
            body: None,
            answer,
            once: Once::No,
            matches: false,
            media: "application/json",
            also: None,
        }
    }
    /// Done once for all attempts with one `Idempotency-Key`.
    pub(super) const fn once(mut self, once: Once) -> Self {
        self.once = once;
        self
    }
    /// With another scope that part of it is for.
    pub(super) const fn also(mut self, scope: Scope) -> Self {
        self.also = Some(scope);
        self
    }
    /// True when a role may ask at all.
    pub(in crate::http) fn is_for(&self, role: CredentialRole) -> bool {
        self.scope.into_iter().chain(self.also).any(|scope| role.may(scope))
    }
    /// With `If-Match`.
    pub(super) const fn matches(mut self) -> Self {
        self.matches = true;
        self
    }
    /// Answered in another form than JSON.
    pub(super) const fn media(mut self, media: &'static str) -> Self {
        self.media = media;
        self
    }
    /// With query parameters.
    pub(super) const fn query(mut self, query: &'static [(&'static str, &'static str)]) -> Self {
        self.query = query;
        self
    }
    /// With a body.
    pub(super) const fn body(mut self, schema: &'static str) -> Self {
        self.body = Some(schema);
        self
    }
}

impl Api {
    pub(super) fn new() -> Self {
        Self { router: Router::new(), paths: Map::new(), operations: Operations::new() }
    }

    /// Registers a handler and describes it. `PATCH` on top of `POST` is registered, not described twice.
    pub(super) fn on<H, T>(mut self, method: MethodFilter, path: &str, operation: Operation, handler: H) -> Self
    where
        H: axum::handler::Handler<T, App>,
        T: 'static,
    {
        let name = if method == MethodFilter::GET {
            "get"
        } else if method == MethodFilter::DELETE {
            "delete"
        } else if method == MethodFilter::PUT {
            "put"
        } else {
            "post"
        };
        let route: MethodRouter<App> = on(method, handler);
        self.router = self.router.route(path, route);
        self.describe(name, path, operation)
    }

    /// Registers one handler for `POST path:verb` with several verbs: the handler finds the verb behind the id.
    pub(super) fn verbs<H, T>(mut self, path: &str, verbs: &[(&str, Operation)], handler: H) -> Self
    where
        H: axum::handler::Handler<T, App>,
        T: 'static,
    {
        let route: MethodRouter<App> = on(MethodFilter::POST, handler);
        self.router = self.router.route(path, route);
        verbs.iter().fold(self, |api, (verb, operation)| api.describe("post", &format!("{path}:{verb}"), *operation))
    }

    fn describe(mut self, method: &'static str, path: &str, operation: Operation) -> Self {
        // What takes the rest of a path has a star that OpenAPI does not know.
        let entry = self.paths.entry(path.replace("{*", "{")).or_insert_with(|| json!({ "parameters": in_path(path) }));
        entry[method] = describe(method, &operation, path.starts_with("/api/v1"));
        self.operations.entry(path.to_owned()).or_default().push((method, operation));
        self
    }

    /// The router, and the document with everything in it.
    pub(super) fn finish(self) -> (Router<App>, Value, Operations) {
        let schemas: Value = serde_json::from_str(SCHEMAS).unwrap_or_default();
        let document = json!({
            "openapi": "3.1.0",
            "info": {
                "title": "memgate", "version": env!("CARGO_PKG_VERSION"), "license": { "name": "Apache-2.0", "identifier": "Apache-2.0" },
                "description": "A memory firewall for AI agents. Paths under /v1 are those of the hosted memory API.",
            },
            "servers": [{ "url": "/" }],
            "security": [{ "bearer": [] }, { "key": [] }],
            "paths": self.paths,
            "components": {
                "securitySchemes": {
                    "bearer": { "type": "http", "scheme": "bearer" },
                    "key": { "type": "apiKey", "in": "header", "name": "x-api-key" },
                },
                "schemas": schemas,
            },
        });
        (self.router, document, self.operations)
    }
}

fn in_path(path: &str) -> Vec<Value> {
    path.split('/')
        .filter_map(|part| Some(part.strip_prefix('{')?.split_once('}')?.0.trim_start_matches('*')))
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect()
}

fn parameter((name, kind): &(&str, &str)) -> Value {
    let schema = match *kind {
        "integer" if *name == "limit" => json!({ "type": "integer", "minimum": 1 }),
        "integer" => json!({ "type": "integer" }),
        "string" if *name == "view" => json!({ "enum": ["basic", "full"] }),
        "string" if *name == "order" => json!({ "enum": ["asc", "desc"] }),
        "boolean" => json!({ "type": "boolean" }),
        "time" => json!({ "type": "string", "format": "date-time" }),
        "list" => json!({ "type": "array", "items": { "type": "string" } }),
        _ => json!({ "type": "string" }),
    };
    json!({ "name": name, "in": "query", "required": false, "schema": schema })
}

fn in_header(name: &str, required: bool, text: &str) -> Value {
    json!({ "name": name, "in": "header", "required": required, "description": text, "schema": { "type": "string" } })
}

const ERRORS: [(&str, &str); 8] = [
    ("400", "Malformed, in a state that does not allow it, or kept out by the gate."),
    ("401", "No credential, or an invalid one."),
    ("403", "The credential's role does not allow it."),
    ("404", "Unknown here."),
    ("409", "Something is in the way."),
    ("413", "The body is too long."),
    ("429", "Too many requests: retry-after says when it is worth asking again."),
    ("503", "Not now: retry-after says when it is worth asking again."),
];

fn describe(method: &str, operation: &Operation, own: bool) -> Value {
    let reference = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
    let content = |media: &str, schema: Value| json!({ media: { "schema": schema } });
    let mut responses =
        json!({ "200": { "description": "Done.", "content": content(operation.media, reference(operation.answer)) } });
    if own && method == "get" && operation.media == "application/json" && operation.answer != "Listed" {
        responses["304"] = json!({ "description": "The caller has it already: If-None-Match named its ETag." });
    }
    let (media, schema) = if own { ("application/problem+json", "Problem") } else { ("application/json", "Error") };
    let mut refuse = |status: &str, text: &str| {
        responses[status] = json!({ "description": text, "content": content(media, reference(schema)) });
    };
    ERRORS.iter().for_each(|(status, text)| refuse(status, text));
    let mut parameters: Vec<Value> = operation.query.iter().map(parameter).collect();
    if operation.once != Once::No {
        refuse("422", "The Idempotency-Key came with another request.");
        let text = "One key for all attempts at one thing; kept for 24 hours. The answer of the first attempt comes \
                    again, with Idempotency-Replayed: true.";
        parameters.push(in_header("Idempotency-Key", operation.once == Once::Needed, text));
    }
    if operation.matches {
        refuse("412", "The object is not what If-Match names any more.");
        refuse("428", "If-Match is needed.");
        parameters.push(in_header("If-Match", true, "The ETag of the object as it was seen."));
    }
    let mut value = json!({
        "operationId": operation.id, "summary": operation.summary, "responses": responses, "parameters": parameters,
    });
    if let Some(scope) = operation.scope {
        value["x-scope"] = scope.name().into();
    }
    if let Some(also) = operation.also {
        value["x-scope-also"] = also.name().into();
    }
    if let Some(body) = operation.body {
        value["requestBody"] = json!({ "required": true, "content": content("application/json", reference(body)) });
    }
    value
}
