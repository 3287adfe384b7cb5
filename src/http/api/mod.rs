//! The routes of the data listener.

mod doc;
mod dreams;
mod memories;
mod own;
mod sessions;
mod stores;

use std::sync::LazyLock;

use axum::Json as Answer;
use axum::Router;
use axum::http::Method;
use axum::response::Response;
use axum::routing::{MethodFilter, get};
use serde_json::{Value, json};

use crate::auth::Scope;
use crate::service::{Page, ServiceError};

use super::App;
use super::error::answer;

use doc::{Api, Operations};
pub(super) use doc::{Once, Operation};

const GET: MethodFilter = MethodFilter::GET;
const POST: MethodFilter = MethodFilter::POST;
const PUT: MethodFilter = MethodFilter::PUT;
const DELETE: MethodFilter = MethodFilter::DELETE;
/// `PATCH` does what `POST` does on objects that are updated: one official text lists it.
const UPDATE: MethodFilter = MethodFilter::POST.or(MethodFilter::PATCH);

/// Every route, and the document that describes them.
pub(super) fn routes() -> Router<App> {
    let (router, document, _) = described();
    router.route("/api/v1/openapi.json", get(|| async move { Answer(document) }))
}

/// The OpenAPI document, built from the routes.
pub(super) fn document() -> Value {
    described().1
}

/// The operation that a matched route stands for. A verb behind the id, `…/{id}:verb`, is part of the description's
/// path, not of the route.
pub(super) fn operation(method: &Method, route: &str, path: &str) -> Option<Operation> {
    static OPERATIONS: LazyLock<Operations> = LazyLock::new(|| described().2);
    let name = match *method {
        Method::GET | Method::HEAD => "get",
        Method::DELETE => "delete",
        Method::PUT => "put",
        _ => "post",
    };
    let find = |path: &str| {
        let methods = OPERATIONS.get(path)?;
        methods.iter().find(|(known, _)| *known == name).map(|(_, operation)| *operation)
    };
    let last = path.rsplit('/').next().unwrap_or_default().replace("%3A", ":").replace("%3a", ":");
    let verb = last.rsplit_once(':').map(|(_, verb)| verb).filter(|_| route.ends_with('}') && name == "post");
    match verb {
        Some(verb) => find(&format!("{route}:{verb}")).or_else(|| find(route)),
        None => find(route),
    }
}

fn described() -> (Router<App>, Value, Operations) {
    let api = own::routes(sessions_and_dreams(memory_stores(Api::new())));
    api.finish()
}

fn memory_stores(api: Api) -> Api {
    use Scope::{Recall, StoreRead, StoreWrite, Submit};
    let op = Operation::new;
    let (all, one) = ("/v1/memory_stores", "/v1/memory_stores/{store}");
    let (memories, memory) = ("/v1/memory_stores/{store}/memories", "/v1/memory_stores/{store}/memories/{memory}");
    let versions = "/v1/memory_stores/{store}/memory_versions";
    let version = "/v1/memory_stores/{store}/memory_versions/{version}";
    const PAGED: &[(&str, &str)] = &[
        ("created_at[gte]", "time"),
        ("created_at[lte]", "time"),
        ("include_archived", "boolean"),
        ("limit", "integer"),
        ("page", "string"),
    ];
    const MEMORIES: &[(&str, &str)] = &[
        ("path_prefix", "string"),
        ("depth", "integer"),
        ("view", "string"),
        ("limit", "integer"),
        ("page", "string"),
    ];
    const VERSIONS: &[(&str, &str)] = &[
        ("memory_id", "string"),
        ("operation", "string"),
        ("session_id", "string"),
        ("api_key_id", "string"),
        ("service_account_id", "string"),
        ("created_at[gte]", "time"),
        ("created_at[lte]", "time"),
        ("view", "string"),
        ("limit", "integer"),
        ("page", "string"),
    ];
    const VIEW: &[(&str, &str)] = &[("view", "string")];
    api.on(
        GET,
        all,
        op("list_memory_stores", "Stores, newest first.", StoreRead, "MemoryStorePage").query(PAGED),
        stores::list,
    )
    .on(
        POST,
        all,
        op("create_memory_store", "Make a store.", StoreWrite, "MemoryStore").body("MemoryStoreCreate"),
        stores::create,
    )
    .on(GET, one, op("get_memory_store", "One store.", StoreRead, "MemoryStore"), stores::retrieve)
    .on(
        UPDATE,
        one,
        op("update_memory_store", "Change name, description, metadata.", StoreWrite, "MemoryStore")
            .body("MemoryStoreUpdate"),
        stores::update,
    )
    .on(
        DELETE,
        one,
        op("delete_memory_store", "Delete a store with everything in it.", StoreWrite, "Deleted"),
        stores::delete,
    )
    .on(
        POST,
        "/v1/memory_stores/{store}/archive",
        op("archive_memory_store", "Archive a store for good.", StoreWrite, "MemoryStore"),
        stores::archive,
    )
    .on(GET, memories, op("list_memories", "Memories by path.", Recall, "MemoryPage").query(MEMORIES), memories::list)
    .on(
        POST,
        memories,
        op("create_memory", "Write a new memory through the gate.", Submit, "Memory").query(VIEW).body("MemoryCreate"),
        memories::create,
    )
    .on(
        GET,
        memory,
        op("get_memory", "One memory of the last signed version.", Recall, "Memory").query(VIEW),
        memories::retrieve,
    )
    .on(
        UPDATE,
        memory,
        op("update_memory", "Change a memory through the gate.", Submit, "Memory").query(VIEW).body("MemoryUpdate"),
        memories::update,
    )
    .on(
        DELETE,
        memory,
        op("delete_memory", "Delete a memory; its versions stay.", Submit, "Deleted")
            .query(&[("expected_content_sha256", "string")]),
        memories::delete,
    )
    .on(
        GET,
        versions,
        op("list_memory_versions", "Changes, newest first.", StoreRead, "MemoryVersionPage").query(VERSIONS),
        memories::list_versions,
    )
    .on(
        GET,
        version,
        op("get_memory_version", "One change.", StoreRead, "MemoryVersion").query(VIEW),
        memories::version,
    )
    .on(
        POST,
        "/v1/memory_stores/{store}/memory_versions/{version}/redact",
        op("redact_memory_version", "Wipe a version that is not current.", StoreWrite, "MemoryVersion"),
        memories::redact,
    )
    .on(
        POST,
        "/v1/memory_stores/{store}/memory_tool",
        op("memory_tool", "One command of the client-side memory tool.", Submit, "ToolAnswer").body("MemoryTool"),
        memories::tool,
    )
}

fn sessions_and_dreams(api: Api) -> Api {
    use Scope::{DreamRun, StoreRead, StoreWrite, Submit};
    let op = Operation::new;
    let (sessions, session) = ("/v1/sessions", "/v1/sessions/{session}");
    let events = "/v1/sessions/{session}/events";
    const DREAMS: &[(&str, &str)] = &[
        ("statuses[]", "list"),
        ("created_at[gt]", "time"),
        ("created_at[lt]", "time"),
        ("include_archived", "boolean"),
        ("limit", "integer"),
        ("page", "string"),
    ];
    const SESSIONS: &[(&str, &str)] = &[
        ("agent_id", "string"),
        ("memory_store_id", "string"),
        ("statuses[]", "list"),
        ("created_at[gte]", "time"),
        ("created_at[lte]", "time"),
        ("include_archived", "boolean"),
        ("order", "string"),
        ("limit", "integer"),
        ("page", "string"),
    ];
    const EVENTS: &[(&str, &str)] = &[
        ("types[]", "list"),
        ("created_at[gte]", "time"),
        ("created_at[lte]", "time"),
        ("order", "string"),
        ("limit", "integer"),
        ("page", "string"),
    ];
    api.on(
        GET,
        "/v1/dreams",
        op("list_dreams", "Dreams, newest first.", StoreRead, "DreamPage").query(DREAMS),
        dreams::list,
    )
    .on(
        POST,
        "/v1/dreams",
        op("create_dream", "Put a dream into the queue.", DreamRun, "Dream").body("DreamCreate"),
        dreams::create,
    )
    .on(GET, "/v1/dreams/{dream}", op("get_dream", "One dream.", StoreRead, "Dream"), dreams::retrieve)
    .on(
        POST,
        "/v1/dreams/{dream}/cancel",
        op("cancel_dream", "Cancel a dream that has not ended.", DreamRun, "Dream"),
        dreams::cancel,
    )
    .on(
        POST,
        "/v1/dreams/{dream}/archive",
        op("archive_dream", "Archive a dream that has ended.", DreamRun, "Dream"),
        dreams::archive,
    )
    .on(GET, sessions, op("list_sessions", "Sessions.", StoreRead, "SessionPage").query(SESSIONS), sessions::list)
    .on(
        POST,
        sessions,
        op("create_session", "Make a session.", StoreWrite, "Session").body("SessionCreate"),
        sessions::create,
    )
    .on(GET, session, op("get_session", "One session.", StoreRead, "Session"), sessions::retrieve)
    .on(
        UPDATE,
        session,
        op("update_session", "Change title, metadata, labels.", StoreWrite, "Session").body("SessionUpdate"),
        sessions::update,
    )
    .on(
        DELETE,
        session,
        op("delete_session", "Delete a session with its events.", StoreWrite, "Deleted"),
        sessions::delete,
    )
    .on(
        POST,
        "/v1/sessions/{session}/archive",
        op("archive_session", "Archive a session.", StoreWrite, "Session"),
        sessions::archive,
    )
    .on(GET, events, op("list_events", "A session's events.", StoreRead, "EventPage").query(EVENTS), sessions::events)
    .on(POST, events, op("send_events", "Send events to a session.", Submit, "Sent").body("Events"), sessions::send)
    .on(
        GET,
        "/v1/sessions/{session}/events/stream",
        op("stream_events", "New events, as server-sent events.", StoreRead, "Any"),
        sessions::stream,
    )
    .on(
        GET,
        "/v1/sessions/{session}/resources",
        op("list_resources", "Attached stores.", StoreRead, "List"),
        sessions::resources,
    )
    .on(
        POST,
        "/v1/sessions/{session}/resources",
        op("add_resource", "Refused: stores are attached when the session is made.", StoreWrite, "Any"),
        sessions::add_resource,
    )
}

/// Anything else: a clear 404, since SDKs try 5xx again.
pub(super) async fn not_served() -> Response {
    answer(&ServiceError::RouteNotServed)
}

/// A page as the wire shows it.
fn page(page: Page<Value>) -> Value {
    json!({ "data": page.data, "next_page": page.next })
}
