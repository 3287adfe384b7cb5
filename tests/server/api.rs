//! memgate's own API where a conversation is not enough: time, restarts, clients that go away, strangers who verify.

use std::sync::atomic::{AtomicU64, Ordering};

use memgate::domain::Digest;
use memgate::http::{Bucket, Quotas, Subject};
use memgate::ledger::{Age, LogProof, TestKeys, TlogPolicy};
use memgate::service::{Begun, Caller, KeptAnswer};
use memgate::store::server::AnswerRow;

use super::*;

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap()
}

fn step(what: &str, role: &str, headers: &[(&str, &str)], body: &str) -> Step {
    Step {
        r#do: what.to_owned(),
        r#as: role.to_owned(),
        header: headers.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect(),
        body: Some(body.to_owned()),
        long: None,
        status: 0,
        expect: None,
        absent: None,
        save: BTreeMap::new(),
        save_header: BTreeMap::new(),
        expect_header: BTreeMap::new(),
        after_dreams: false,
    }
}

/// One request; status, body, headers.
fn ask(
    runtime: &tokio::runtime::Runtime,
    server: &Server,
    what: &str,
    role: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (u16, Value, BTreeMap<String, String>) {
    let (status, text, headers) = runtime.block_on(server.ask(&step(what, role, headers, body), &BTreeMap::new()));
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)), headers)
}

fn made(server: &Server) -> (Arc<Caller>, String) {
    let caller = server.service.authenticate(&server.keys["submitter"]).unwrap();
    let request = memgate::service::StoreCreate { name: "notes".to_owned(), ..Default::default() };
    let store = server.service.create_store(&caller, &request).unwrap()["id"].as_str().unwrap().to_owned();
    (caller, store)
}

fn submission(store: &str, path: &str) -> String {
    json!({ "store": store, "path": path, "content": "- The build runs on port 8080.\n" }).to_string()
}

#[test]
fn each_credential_and_each_agent_has_its_own_measure_and_time_gives_it_back() {
    let mut server = Server::start();
    let time = Arc::new(AtomicU64::new(0));
    let clock = Arc::clone(&time);
    let quotas = Quotas::NONE
        .with(Subject::Credential, Bucket::Submit, 4)
        .with(Subject::Agent, Bucket::Submit, 2)
        .with(Subject::Workspace, Bucket::Review, 1);
    server.app = server.app.clone().with_quotas(quotas, Some(Arc::new(move || clock.load(Ordering::Relaxed))));
    let runtime = runtime();
    let (_, store) = made(&server);
    let submit = |key: &str, agent: &str, role: &str| {
        let headers = [("idempotency-key", key), ("memgate-agent", agent)];
        let body = submission(&store, &format!("/{key}.md"));
        ask(&runtime, &server, "POST /api/v1/submissions", role, &headers, &body)
    };
    let (status, _, headers) = submit("a", "noisy", "submitter");
    assert_eq!(status, 200);
    assert_eq!(headers["ratelimit-policy"], "\"submit-credential\";q=4;w=60, \"submit-agent\";q=2;w=60");
    assert_eq!(headers["ratelimit"], "\"submit-credential\";r=3;t=15, \"submit-agent\";r=1;t=30");
    assert_eq!(submit("b", "noisy", "submitter").0, 200);
    let (status, problem, headers) = submit("c", "noisy", "submitter");
    assert_eq!((status, &problem["code"], &problem["retryable"]), (429, &json!("service-limited"), &json!(true)));
    assert_eq!(headers["retry-after"], "30");
    // The same agent behind another credential is the same agent; another agent is not hindered.
    assert_eq!(submit("d", "noisy", "agent").0, 429);
    assert_eq!(submit("e", "quiet", "submitter").0, 200);
    // The wire's writes are counted with them, and answered as its SDKs expect.
    let memories = format!("POST /v1/memory_stores/{store}/memories");
    let body = r#"{"path":"/w.md","content":"- Port 8080.\n"}"#;
    assert_eq!(ask(&runtime, &server, &memories, "submitter", &[], body).0, 200);
    let (status, answer, headers) = ask(&runtime, &server, &memories, "submitter", &[], body);
    assert_eq!((status, &answer["error"]["type"]), (429, &json!("rate_limit_error")));
    assert!(headers["x-should-retry"] == "true" && headers["retry-after"] == "15", "{headers:?}");
    // Reading is another measure. A batch costs what its items would.
    assert_eq!(ask(&runtime, &server, "GET /v1/memory_stores", "submitter", &[], "").0, 200);
    let item = submission(&store, "/x.md");
    let batch = format!(r#"{{"submissions":[{item},{item},{item},{item}]}}"#);
    let headers = [("idempotency-key", "batch")];
    assert_eq!(ask(&runtime, &server, "POST /api/v1/submissions:batch", "agent", &headers, &batch).0, 200);
    assert_eq!(submit("f", "other", "agent").0, 429);
    // Reviewers of one workspace share what is theirs.
    let reviews = format!("GET /api/v1/stores/{store}/reviews");
    assert_eq!(ask(&runtime, &server, &reviews, "reviewer", &[], "").0, 200);
    assert_eq!(ask(&runtime, &server, &reviews, "auditor", &[], "").0, 429);
    time.fetch_add(60_000_000_000, Ordering::Relaxed);
    assert_eq!(submit("c", "noisy", "submitter").0, 200);
    assert_eq!(ask(&runtime, &server, &reviews, "auditor", &[], "").0, 200);
    let long = "x".repeat(129);
    for agent in ["", "two words", long.as_str()] {
        assert_eq!(submit("g", agent, "submitter").0, 400, "{agent:?}");
    }
    server.service.stop();
}

#[test]
fn beyond_what_may_be_in_flight_the_answer_is_not_now() {
    let mut server = Server::start();
    server.app = App::new(Arc::clone(&server.service), 1 << 20, 0);
    let runtime = runtime();
    for (path, kind) in [("/v1/memory_stores", "/error/type"), ("/api/v1/rules", "/code")] {
        let (status, answer, headers) = ask(&runtime, &server, &format!("GET {path}"), "reviewer", &[], "");
        assert_eq!((status, headers["retry-after"].as_str()), (503, "1"), "{answer}");
        let kind = answer.pointer(kind).and_then(Value::as_str).unwrap();
        assert!(["overloaded_error", "service-unavailable"].contains(&kind), "{answer}");
    }
    server.service.stop();
}

#[test]
fn an_answer_comes_again_after_a_restart_for_a_day_and_no_longer() {
    let server = Server::start();
    let runtime = runtime();
    let (caller, store) = made(&server);
    let headers = [("idempotency-key", "once")];
    let body = submission(&store, "/a.md");
    let (_, first, _) = ask(&runtime, &server, "POST /api/v1/submissions", "submitter", &headers, &body);
    let Server { service, app, keys, _folder: folder } = server;
    service.stop();
    drop((service, app));
    let root = folder.path().join("server");
    // A key whose day is over, in the same table.
    let old = AnswerRow {
        credential: caller.id.clone(),
        key: "old".to_owned(),
        request: Digest::of("another request"),
        at: Timestamp(1),
        status: 200,
        headers: Vec::new(),
        body: b"{}".to_vec(),
    };
    ServerDb::open(&root.join("server.db")).unwrap().put_answer(&old).unwrap();
    let service = Service::open(Options::new(&root)).unwrap();
    let app = App::new(Arc::clone(&service), 1 << 20, 256);
    let server = Server { service, app, keys, _folder: folder };
    let (status, again, headers) = ask(&runtime, &server, "POST /api/v1/submissions", "submitter", &headers, &body);
    assert_eq!((status, &again, headers["idempotency-replayed"].as_str()), (200, &first, "true"));
    let headers = [("idempotency-key", "old")];
    let (status, _, headers) = ask(&runtime, &server, "POST /api/v1/submissions", "submitter", &headers, &body);
    assert!(status == 200 && !headers.contains_key("idempotency-replayed"), "{status}");
    server.service.stop();
}

#[test]
fn while_the_first_request_runs_the_second_waits_or_is_refused() {
    let server = Server::start();
    let runtime = runtime();
    let (caller, store) = made(&server);
    let Begun::Run(running) = server.service.begin_once(&caller, "k", Digest::of("first")).unwrap() else {
        panic!("a new key is known");
    };
    let again = server.service.begin_once(&caller, "k", Digest::of("first")).unwrap_err();
    assert_eq!(memgate::domain::Coded::code(&again), "service-key-running");
    let headers = [("idempotency-key", "k")];
    let body = submission(&store, "/a.md");
    let other = ask(&runtime, &server, "POST /api/v1/submissions", "submitter", &headers, &body);
    assert_eq!((other.0, &other.1["code"]), (422, &json!("service-key-reused")));
    // Another credential's key of the same name is another key.
    assert_eq!(ask(&runtime, &server, "POST /api/v1/submissions", "agent", &headers, &body).0, 200);
    // Given up without an answer: as if it had never been.
    drop(running);
    let Begun::Run(running) = server.service.begin_once(&caller, "k", Digest::of("second")).unwrap() else {
        panic!("a key that was given up is known");
    };
    let kept = KeptAnswer { status: 200, headers: Vec::new(), body: b"{}".to_vec() };
    server.service.end_once(running, &kept).unwrap();
    assert!(matches!(
        server.service.begin_once(&caller, "k", Digest::of("second")).unwrap(),
        Begun::Answered(answer) if answer == kept
    ));
    server.service.stop();
}

#[test]
fn many_with_one_key_at_once_are_done_once() {
    let server = Server::start();
    let runtime = runtime();
    let (caller, store) = made(&server);
    let body = submission(&store, "/a.md");
    let answers: Vec<u16> = runtime.block_on(async {
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..32 {
            let request = Request::post("/api/v1/submissions")
                .header("x-api-key", &server.keys["submitter"])
                .header("idempotency-key", "same")
                .body(Body::from(body.clone()))
                .unwrap();
            tasks.spawn(data_router(server.app.clone()).oneshot(request));
        }
        tasks.join_all().await.into_iter().map(|answer| answer.unwrap().status().as_u16()).collect()
    });
    assert!(answers.iter().all(|status| [200, 409].contains(status)) && answers.contains(&200), "{answers:?}");
    assert_eq!(server.service.store_versions(&caller, &store).unwrap().len(), 1);
    let all = memgate::service::Ask { limit: 100, cursor: None };
    assert_eq!(server.service.submissions(&caller, None, &all).unwrap().data.len(), 1);
    server.service.stop();
}

#[test]
fn a_client_that_goes_away_leaves_what_it_asked_for_done_and_its_key_answered() {
    let server = Server::start();
    let runtime = runtime();
    let (_, store) = made(&server);
    let body = submission(&store, "/a.md");
    let request = || {
        Request::post("/api/v1/submissions")
            .header("x-api-key", &server.keys["submitter"])
            .header("idempotency-key", "gone")
            .body(Body::from(body.clone()))
            .unwrap()
    };
    let replayed = runtime.block_on(async {
        let first = data_router(server.app.clone()).oneshot(request());
        tokio::select! {
            biased;
            _ = first => panic!("answered at once"),
            () = std::future::ready(()) => {}
        }
        // Its future is gone. Whoever asks again hears 409 until the work has ended, then its answer.
        loop {
            let answer = data_router(server.app.clone()).oneshot(request()).await.unwrap();
            match answer.status().as_u16() {
                409 => tokio::task::yield_now().await,
                200 => return answer.headers().contains_key("idempotency-replayed"),
                other => panic!("{other}"),
            }
        }
    });
    assert!(replayed, "it was done twice");
    server.service.stop();
}

#[test]
fn a_stranger_verifies_an_entry_with_what_the_api_gives() {
    let server = Server::start();
    let runtime = runtime();
    let (_, store) = made(&server);
    let headers = [("idempotency-key", "one")];
    ask(&runtime, &server, "POST /api/v1/submissions", "submitter", &headers, &submission(&store, "/a.md"));
    let get = |path: &str| {
        let what = format!("GET /api/v1/stores/{store}/{path}");
        let (status, text, _) = runtime.block_on(server.ask(&step(&what, "auditor", &[], ""), &BTreeMap::new()));
        assert_eq!(status, 200, "{path}: {text}");
        text
    };
    let folder = server._folder.path().join("server/stores").join(&store);
    let policy = std::fs::read_to_string(folder.join("trust/tlog.policy")).unwrap();
    let policy = TlogPolicy::parse(&policy, TestKeys::Refuse).unwrap();
    let version: Value = serde_json::from_str(&get("versions/1")).unwrap();
    let index = version["log_index"].as_u64().unwrap();
    let (entry, proof) = (get(&format!("ledger/entries/{index}")), get(&format!("ledger/proof?index={index}")));
    LogProof::parse(&proof).unwrap().verify(entry.as_bytes(), &policy, Age::Archive).unwrap();
    assert_eq!(version["proof"].as_str(), Some(proof.as_str()));
    let other = get(&format!("ledger/entries/{}", index - 1));
    assert!(LogProof::parse(&proof).unwrap().verify(other.as_bytes(), &policy, Age::Archive).is_err());
    assert!(proof.ends_with(&get("ledger/checkpoint")));
    // The same entries as the tiles have them, as any client of the tiles reads them.
    let size: Value = serde_json::from_str(&get("ledger/consistency?old=1")).unwrap();
    let tile = get(&format!("ledger/tile/entries/000.p/{}", size["new"]));
    assert!(tile.contains(&entry));
    server.service.stop();
}

#[test]
fn the_examples_of_the_description_are_answered_with_success() {
    let server = Server::start();
    let runtime = runtime();
    let (_, store) = made(&server);
    let headers = [("idempotency-key", "seed")];
    for (key, text) in [("seed", "- The build runs on port 8080.\n"), ("more", "- The build runs on port 8081.\n")] {
        let body = json!({ "store": store, "path": "/build.md", "content": text }).to_string();
        let seeded =
            ask(&runtime, &server, "POST /api/v1/submissions", "submitter", &[("idempotency-key", key)], &body);
        assert_eq!(seeded.0, 200, "{headers:?}");
    }
    let document = memgate::http::openapi();
    let mut ran = 0;
    for (path, entry) in document["paths"].as_object().unwrap() {
        for method in ["post", "put"] {
            let name = entry.pointer(&format!("/{method}/requestBody/content/application~1json/schema/$ref"));
            let Some(name) = name.and_then(Value::as_str).filter(|_| path.starts_with("/api/v1")) else { continue };
            let schema = document.pointer(name.trim_start_matches('#')).unwrap();
            let role = match entry[method]["x-scope"].as_str().unwrap() {
                "admin" => "tenant_admin",
                "policy:write" => "policy_author",
                "store:rollback" => "grader_operator",
                _ => "submitter",
            };
            for example in schema["examples"].as_array().into_iter().flatten() {
                let hook = server.service.webhooks().unwrap().first().map(|hook| hook.id.clone());
                let place = path
                    .replace("{store}", &store)
                    .replace("{version}", "1")
                    .replace("{webhook}", &hook.unwrap_or_default());
                let body = example.to_string().replace("memstore_EXAMPLE", &store);
                let what = format!("{} {place}", method.to_uppercase());
                let (status, answer, _) = ask(&runtime, &server, &what, role, &[("idempotency-key", path)], &body);
                assert_eq!(status, 200, "{what} {body}: {answer}");
                ran += 1;
            }
        }
    }
    assert!(ran >= 7, "only {ran} examples ran");
    server.service.stop();
}
