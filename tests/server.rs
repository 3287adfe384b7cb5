//! The server over its router: every file under `tests/cases/server` is a conversation with expected answers, and a
//! few things that only a real socket shows.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::http::Request;
use memgate::auth::CredentialRole;
use memgate::domain::Timestamp;
use memgate::http::{App, ListenOptions, bind, data_router};
use memgate::service::{Options, Service};
use memgate::store::server::{ObjectRow, ServerDb, Table};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tower::ServiceExt as _;

mod api;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    /// What is shown, for whoever reads a failure.
    why: String,
    step: Vec<Step>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Step {
    /// Method and path; `$NAME` stands for a saved value.
    r#do: String,
    /// The role whose key is sent; `none` for no key.
    #[serde(default = "submitter")]
    r#as: String,
    #[serde(default)]
    header: BTreeMap<String, String>,
    body: Option<String>,
    /// A text this often, as the value `$LONG` in the body.
    long: Option<(String, usize)>,
    status: u16,
    /// JSON the answer must contain: objects by their keys, everything else equal.
    expect: Option<String>,
    /// Text the answer must not contain.
    absent: Option<String>,
    /// Values for later steps, by JSON pointer.
    #[serde(default)]
    save: BTreeMap<String, String>,
    /// Headers of the answer for later steps, by name.
    #[serde(default)]
    save_header: BTreeMap<String, String>,
    /// Headers that the answer must have; an empty text for one that it must not have.
    #[serde(default)]
    expect_header: BTreeMap<String, String>,
    /// Ask only when no dream waits or runs any more.
    #[serde(default)]
    after_dreams: bool,
}

fn submitter() -> String {
    "submitter".to_owned()
}

struct Server {
    service: Arc<Service>,
    app: App,
    keys: BTreeMap<String, String>,
    _folder: tempfile::TempDir,
}

impl Server {
    fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mut options = Options::new(&folder.path().join("server"));
        options.memories_per_store = 200;
        options.reviewers = vec!["owner".into(), "second-reviewer".into()];
        let service = Service::init(options).unwrap();
        let keys = CredentialRole::ALL.into_iter().map(|role| {
            // A reviewer decides under the name of the credential.
            let name = match role {
                CredentialRole::Reviewer => "owner",
                CredentialRole::SecondReviewer => "second-reviewer",
                _ => role.name(),
            };
            let made = service.create_key(None, name, role, None, None).unwrap();
            (role.name().to_owned(), made.key.expose().to_owned())
        });
        let keys = keys.collect();
        let app = App::new(Arc::clone(&service), 1 << 20, 256);
        Self { service, app, keys, _folder: folder }
    }

    async fn ask(&self, step: &Step, saved: &BTreeMap<String, String>) -> (u16, String, BTreeMap<String, String>) {
        let put_in = |text: &str| replaced(text, saved);
        let line = put_in(&step.r#do);
        let (method, path) = line.split_once(' ').unwrap();
        let mut request = Request::builder().method(method).uri(path);
        if step.r#as != "none" {
            request = request.header("x-api-key", &self.keys[&step.r#as]);
        }
        for (name, value) in &step.header {
            request = request.header(name, put_in(value));
        }
        let mut body = step.body.as_deref().map(put_in).unwrap_or_default();
        if let Some((text, times)) = &step.long {
            body = body.replace("$LONG", &text.repeat(*times));
        }
        let request = request.body(Body::from(body)).unwrap();
        let response = data_router(self.app.clone()).oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let headers = response.headers().iter().map(|(k, v)| (k.to_string(), v.to_str().unwrap().to_owned())).collect();
        let bytes = axum::body::to_bytes(response.into_body(), 1 << 24).await.unwrap();
        // Tiles are no text; what is JSON is checked by whoever parses it.
        (status, String::from_utf8_lossy(&bytes).into_owned(), headers)
    }
}

/// A text with saved values put in.
fn replaced(text: &str, saved: &BTreeMap<String, String>) -> String {
    // Longer names first, or `$S` would eat the beginning of `$S2`.
    saved.iter().rev().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("${name}"), value))
}

/// `None` when `found` contains `wanted`, else the first place where it does not.
fn lacks(found: &Value, wanted: &Value, at: &str) -> Option<String> {
    match (found, wanted) {
        (Value::Object(found), Value::Object(wanted)) => wanted.iter().find_map(|(key, value)| match found.get(key) {
            Some(there) => lacks(there, value, &format!("{at}/{key}")),
            None => Some(format!("{at}/{key} is missing")),
        }),
        (Value::Array(found), Value::Array(wanted)) if found.len() == wanted.len() => {
            let mut pairs = found.iter().zip(wanted).enumerate();
            pairs.find_map(|(number, (found, wanted))| lacks(found, wanted, &format!("{at}/{number}")))
        }
        (found, wanted) if found == wanted => None,
        (found, wanted) => Some(format!("{at} is {found}, not {wanted}")),
    }
}

async fn play(server: &Server, case: &Case, name: &str) {
    let mut saved: BTreeMap<String, String> = BTreeMap::new();
    for (number, step) in case.step.iter().enumerate() {
        let place = format!("{name}, step {} ({}): {}", number + 1, step.r#do, case.why);
        let wanted: Option<Value> = step.expect.as_deref().map(|text| {
            // Values with quotes of their own, such as entity tags, never stand in an expectation.
            serde_json::from_str(&replaced(text, &saved)).unwrap_or_else(|e| panic!("{place}: {e}"))
        });
        if step.after_dreams {
            let service = Arc::clone(&server.service);
            tokio::task::spawn_blocking(move || service.wait_for_dreams()).await.unwrap().unwrap();
        }
        let (status, text, headers) = server.ask(step, &saved).await;
        assert_eq!(status, step.status, "{place}\n{text}");
        assert!(headers.get("request-id").is_some_and(|id| id.starts_with("req_")), "{place}: no request id");
        for (name, value) in &step.expect_header {
            let found = headers.get(name).map_or("", String::as_str);
            assert_eq!(found, replaced(value, &saved), "{place}: {name}");
        }
        for (name, header) in &step.save_header {
            let value = headers.get(header).unwrap_or_else(|| panic!("{place}: no {header}"));
            saved.insert(name.clone(), value.clone());
        }
        let is_json = headers.get("content-type").is_some_and(|kind| kind.contains("json"));
        let found: Value = match is_json {
            true => serde_json::from_str(&text).unwrap_or_else(|e| panic!("{place}: {e}\n{text}")),
            false => Value::String(text.clone()),
        };
        if status >= 400 && step.r#do.contains(" /api/v1/") {
            assert_eq!(headers["content-type"], "application/problem+json", "{place}");
            assert_eq!(
                (found["status"].as_u64(), found["instance"].as_str()),
                (Some(status.into()), headers.get("request-id").map(String::as_str)),
                "{place}"
            );
            let code = found["code"].as_str().unwrap();
            assert_eq!(found["type"], format!("https://memgate.example/problems/{code}"), "{place}");
            assert!(memgate::cli::codes::find(code).is_some(), "{place}: nobody explains {code}");
            assert_eq!(found["retryable"].as_bool(), Some(headers.contains_key("retry-after")), "{place}");
        } else if status >= 400 {
            assert_eq!(found["type"], "error", "{place}");
            assert_eq!(found["request_id"].as_str(), headers.get("request-id").map(String::as_str), "{place}");
            // What fails the same way every time is not tried again.
            let retry = if status < 500 && status != 429 { "false" } else { "true" };
            assert_eq!(headers.get("x-should-retry").map(String::as_str), Some(retry), "{place}");
        }
        if let Some(problem) = wanted.and_then(|wanted| lacks(&found, &wanted, "")) {
            panic!("{place}: {problem}\n{text}");
        }
        if let Some(absent) = &step.absent {
            assert!(!text.contains(absent), "{place}: the answer holds {absent:?}\n{text}");
        }
        for (name, pointer) in &step.save {
            let value = found.pointer(pointer).and_then(Value::as_str);
            let value = value.unwrap_or_else(|| panic!("{place}: nothing at {pointer}\n{text}"));
            saved.insert(name.clone(), value.to_owned());
        }
    }
}

#[test]
fn every_conversation_goes_as_its_file_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/server");
    let mut files: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() >= 8, "the cases are gone");
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    for file in files {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let case: Case =
            toml::from_str(&std::fs::read_to_string(&file).unwrap()).unwrap_or_else(|e| panic!("{name}: {e}"));
        let server = Server::start();
        runtime.block_on(play(&server, &case, &name));
        server.service.stop();
    }
}

/// A served router on a free port, and its address.
async fn listening(server: &Server, patience: Duration) -> (std::net::SocketAddr, tokio::sync::oneshot::Sender<()>) {
    let any: std::net::SocketAddr = "127.0.0.1:0".parse().unwrap();
    let options = ListenOptions { data: any, admin: any, tls: None, connections: 64, patience };
    let bound = bind(options).await.unwrap();
    let address = bound.data_address().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let app = server.app.clone();
    tokio::spawn(async move {
        bound.serve(app, async { stopped.await.unwrap_or(()) }).await;
    });
    (address, stop)
}

async fn raw(address: std::net::SocketAddr, bytes: &[u8]) -> String {
    let mut stream = tokio::net::TcpStream::connect(address).await.unwrap();
    stream.write_all(bytes).await.unwrap();
    let mut answer = Vec::new();
    // The server closes what it refuses.
    let _ = tokio::time::timeout(Duration::from_secs(20), stream.read_to_end(&mut answer)).await.expect("it closes");
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn a_socket_that_says_nothing_or_too_much_is_closed_and_others_are_served() {
    let server = Server::start();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let (address, stop) = listening(&server, Duration::from_millis(300)).await;
        // Half a header, and then nothing: closed, whoever waits.
        let silent = raw(address, b"GET /v1/memory_stores HTTP/1.1\r\nhost: x\r\nx-a").await;
        assert!(silent.is_empty() || silent.starts_with("HTTP/1.1 4"), "{silent}");
        let mut large = b"GET /v1/memory_stores HTTP/1.1\r\nhost: x\r\nx-large: ".to_vec();
        large.extend(vec![b'a'; 80 * 1024]);
        large.extend(b"\r\n\r\n");
        let large = raw(address, &large).await;
        assert!(large.is_empty() || large.starts_with("HTTP/1.1 4"), "{large}");
        for path in
            ["/v1/%2e%2e/%2e%2e/etc/passwd", "/v1/../v1/memory_stores", "//v1//memory_stores", "/V1/memory_stores"]
        {
            let request = format!("GET {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n");
            let answer = raw(address, request.as_bytes()).await;
            assert!(answer.starts_with("HTTP/1.1 404") && answer.contains("route_not_served"), "{path}: {answer}");
        }
        let answer = raw(address, b"GET /v1/dreams HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").await;
        assert!(answer.starts_with("HTTP/1.1 401"), "{answer}");
        // An idle connection does not hold up a stop.
        let idle = tokio::net::TcpStream::connect(address).await.unwrap();
        stop.send(()).unwrap();
        drop(idle);
    });
    server.service.stop();
}

#[test]
fn writes_at_once_share_versions_and_every_one_that_was_answered_is_there() {
    let server = Server::start();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let caller = server.service.authenticate(&server.keys["submitter"]).unwrap();
    let request = memgate::service::StoreCreate { name: "busy".to_owned(), ..Default::default() };
    let store = server.service.create_store(&caller, &request).unwrap();
    let store = store["id"].as_str().unwrap().to_owned();
    let mut answers = runtime.block_on(async {
        let mut tasks = Vec::new();
        for number in 0..40 {
            let (service, caller, store) = (Arc::clone(&server.service), Arc::clone(&caller), store.clone());
            tasks.push(tokio::task::spawn_blocking(move || {
                let text = format!("- Service number {number} listens on port {}.\n", 8000 + number);
                service.create_memory(&caller, &store, &format!("/ports/{number}.md"), text, false).unwrap()
            }));
        }
        let mut answers = Vec::new();
        for task in tasks {
            answers.push(task.await.unwrap());
        }
        answers
    });
    answers.sort_by_key(|answer| answer["path"].as_str().unwrap().to_owned());
    let versions = server.service.store_versions(&caller, &store).unwrap();
    assert!(versions.len() < 40, "each of {} writes had a version of its own", versions.len());
    for answer in &answers {
        let id = answer["id"].as_str().unwrap();
        let read = server.service.memory(&caller, &store, id, true).unwrap();
        assert_eq!(read["content_sha256"], answer["content_sha256"]);
    }
    server.service.stop();
}

#[test]
fn what_was_acknowledged_is_there_after_a_restart_and_a_dream_that_was_cut_off_runs_again() {
    let server = Server::start();
    let caller = server.service.authenticate(&server.keys["submitter"]).unwrap();
    let request = memgate::service::StoreCreate { name: "kept".to_owned(), ..Default::default() };
    let store = server.service.create_store(&caller, &request).unwrap()["id"].as_str().unwrap().to_owned();
    let text = "- The build runs on port 8080.\n- The build runs on port 8080.\n".to_owned();
    let written = server.service.create_memory(&caller, &store, "/a.md", text, true).unwrap();
    let Server { service, app, keys, _folder: folder } = server;
    service.stop();
    drop((service, app));
    let service = Service::open(Options::new(&folder.path().join("server"))).unwrap();
    assert!(Service::open(Options::new(&folder.path().join("server"))).is_err(), "a second server was let in");
    let caller = service.authenticate(&keys["submitter"]).unwrap();
    let read = service.memory(&caller, &store, written["id"].as_str().unwrap(), true).unwrap();
    assert_eq!(read["content"], written["content"]);
    assert_eq!(read["memory_version_id"], written["memory_version_id"]);
    service.stop();
}

#[test]
fn a_store_whose_making_a_crash_cut_off_is_gone_after_the_next_start() {
    let Server { service, app, keys, _folder: folder } = Server::start();
    let workspace = service.authenticate(&keys["submitter"]).unwrap().workspace.clone();
    service.stop();
    drop((service, app));
    let root = folder.path().join("server");
    // What `kill -9` leaves: the row that says so, and part of a folder.
    let half = root.join("stores/memstore_half");
    std::fs::create_dir_all(half.join("ledger")).unwrap();
    let row = ObjectRow {
        workspace,
        id: "memstore_half".to_owned(),
        created: Timestamp(1),
        archived: None,
        state: "hidden".to_owned(),
        body: json!({ "name": "half" }),
    };
    ServerDb::open(&root.join("server.db")).unwrap().put(Table::MemoryStore, &row).unwrap();
    let service = Service::open(Options::new(&root)).unwrap();
    assert!(!half.exists(), "the folder is still there");
    service.stop();
    assert!(ServerDb::open(&root.join("server.db")).unwrap().all(Table::MemoryStore).unwrap().is_empty());
}

/// A body that each operation accepts as far as its shape goes.
fn sample(schema: &str) -> &'static str {
    match schema {
        "MemoryStoreCreate" => r#"{"name":"n"}"#,
        "MemoryCreate" => r#"{"path":"/a.md","content":"- Port 8080.\n"}"#,
        "MemoryUpdate" => r#"{"content":"- Port 8080.\n"}"#,
        "MemoryTool" => r#"{"command":"view","path":"/memories"}"#,
        "DreamCreate" => r#"{"inputs":[{"type":"memory_store","memory_store_id":"s"}],"model":"m"}"#,
        "SessionCreate" => r#"{"agent":"a","environment_id":"e"}"#,
        "Events" => r#"{"events":[{"type":"user.message","content":"x"}]}"#,
        "Decision" => r#"{"digest":"0","reason":"other"}"#,
        "SubmissionCreate" => r#"{"store":"s","path":"/a.md","content":"- Port 8080.\n"}"#,
        "SubmissionBatch" => r#"{"submissions":[{"store":"s","path":"/a.md","content":"- Port 8080.\n"}]}"#,
        "Recall" => r#"{"store":"s"}"#,
        _ => "{}",
    }
}

#[test]
fn every_operation_asks_for_a_credential_and_for_its_scope_and_nothing_else() {
    let server = Server::start();
    let document = memgate::http::openapi();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let mut table = String::new();
    for (path, entry) in document["paths"].as_object().unwrap() {
        for method in ["get", "post", "delete", "put"] {
            let Some(operation) = entry.get(method) else { continue };
            let scope = operation["x-scope"].as_str().unwrap();
            let schema = operation.pointer("/requestBody/content/application~1json/schema/$ref");
            let schema = schema.and_then(Value::as_str).and_then(|name| name.rsplit('/').next()).unwrap_or_default();
            let mut place = path.clone();
            while let (Some(open), Some(close)) = (place.find('{'), place.find('}')) {
                place.replace_range(open..=close, "x");
            }
            let mut step = Step {
                r#do: format!("{} {place}", method.to_uppercase()),
                r#as: "none".to_owned(),
                header: [("if-match", "\"x\""), ("idempotency-key", path)]
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .into(),
                body: Some(sample(schema).to_owned()),
                long: None,
                status: 401,
                expect: None,
                absent: None,
                save: BTreeMap::new(),
                save_header: BTreeMap::new(),
                expect_header: BTreeMap::new(),
                after_dreams: false,
            };
            let ask = |step: &Step| runtime.block_on(server.ask(step, &BTreeMap::new()));
            assert_eq!(ask(&step).0, 401, "{} without a credential", step.r#do);
            let mut may = Vec::new();
            for role in CredentialRole::ALL {
                role.name().clone_into(&mut step.r#as);
                let (status, text, _) = ask(&step);
                assert!(status < 500, "{} as {}: {text}", step.r#do, role.name());
                if status != 403 {
                    may.push(role.name());
                }
            }
            table.push_str(&format!("{} {path} [{scope}]: {}\n", method.to_uppercase(), may.join(" ")));
            let second = scope == "review:decide";
            let by_table = CredentialRole::ALL.into_iter().filter(|role| {
                role.scopes().iter().any(|held| held.name() == scope || (second && held.name() == "review:second"))
            });
            assert_eq!(may, by_table.map(CredentialRole::name).collect::<Vec<_>>(), "{}", step.r#do);
        }
    }
    server.service.stop();
    golden("server-access.txt", &table);
}

#[test]
fn the_description_of_the_routes_is_what_was_reviewed() {
    let text = serde_json::to_string_pretty(&memgate::http::openapi()).unwrap() + "\n";
    golden("openapi.json", &text);
}

/// Compares with a committed file; `MEMGATE_BLESS=1` writes it.
fn golden(name: &str, found: &str) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("MEMGATE_BLESS").is_some() {
        std::fs::write(&path, found).unwrap();
    }
    let known = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(known == found, "{name} differs from the committed one; look at it and bless it with MEMGATE_BLESS=1");
}
