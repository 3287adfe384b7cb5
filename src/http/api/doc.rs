//! Routes and their description in one place: what is registered is what the OpenAPI document says.

use axum::Router;
use axum::routing::{MethodFilter, MethodRouter, on};
use serde_json::{Map, Value, json};

use crate::auth::Scope;
use crate::http::App;

/// Shapes of objects, hand-written JSON Schema; the routes refer to them by name.
const SCHEMAS: &str = include_str!("schemas.json");

/// The routes of the data listener with their description.
pub(super) struct Api {
    router: Router<App>,
    paths: Map<String, Value>,
}

/// What an operation takes and gives.
#[derive(Clone, Copy)]
pub(super) struct Operation {
    /// Unique name.
    pub(super) id: &'static str,
    /// One sentence.
    pub(super) summary: &'static str,
    /// The scope a credential needs; `None` where any credential will do.
    pub(super) scope: Option<Scope>,
    /// Query parameters: name and schema (`integer`, `boolean`, `string`, `time`, `list`).
    pub(super) query: &'static [(&'static str, &'static str)],
    /// Schema of the body, when there is one.
    pub(super) body: Option<&'static str>,
    /// Schema of the answer.
    pub(super) answer: &'static str,
}

impl Operation {
    /// An operation without query and body.
    pub(super) const fn new(id: &'static str, summary: &'static str, scope: Scope, answer: &'static str) -> Self {
        Self { id, summary, scope: Some(scope), query: &[], body: None, answer }
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
        Self { router: Router::new(), paths: Map::new() }
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
        let entry = self.paths.entry(path.to_owned()).or_insert_with(|| json!({ "parameters": in_path(path) }));
        entry[name] = describe(&operation);
        self
    }

    /// The router, and the document with everything in it.
    pub(super) fn finish(self) -> (Router<App>, Value) {
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
        (self.router, document)
    }
}

fn in_path(path: &str) -> Vec<Value> {
    path.split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect()
}

fn parameter((name, kind): &(&str, &str)) -> Value {
    let schema = match *kind {
        "integer" => json!({ "type": "integer" }),
        "boolean" => json!({ "type": "boolean" }),
        "time" => json!({ "type": "string", "format": "date-time" }),
        "list" => json!({ "type": "array", "items": { "type": "string" } }),
        _ => json!({ "type": "string" }),
    };
    json!({ "name": name, "in": "query", "required": false, "schema": schema })
}

fn describe(operation: &Operation) -> Value {
    let reference = |name: &str| json!({ "$ref": format!("#/components/schemas/{name}") });
    let content = |schema: Value| json!({ "application/json": { "schema": schema } });
    let mut responses = json!({ "200": { "description": "Done.", "content": content(reference(operation.answer)) } });
    let errors = [
        ("400", "Malformed, in a state that does not allow it, or kept out by the gate."),
        ("401", "No credential, or an invalid one."),
        ("403", "The credential's role does not allow it."),
        ("404", "Unknown here."),
        ("409", "Something is in the way."),
        ("413", "The body is too long."),
        ("429", "Too many requests."),
        ("503", "Not now."),
    ];
    for (status, text) in errors {
        responses[status] = json!({ "description": text, "content": content(reference("Error")) });
    }
    let mut value = json!({
        "operationId": operation.id, "summary": operation.summary, "responses": responses,
        "parameters": operation.query.iter().map(parameter).collect::<Vec<_>>(),
    });
    if let Some(scope) = operation.scope {
        value["x-scope"] = scope.name().into();
    }
    if let Some(body) = operation.body {
        value["requestBody"] = json!({ "required": true, "content": content(reference(body)) });
    }
    value
}
