//! A server under load, on loopback: `cargo bench --bench serve`, with `-- CLIENTS SECONDS` for others than 64 and 5.
//!
//! Three servers, one after another, in this process: memgate with the gate on; the same without rules (only this
//! benchmark can ask for that); and a bare handler that inserts into SQLite, one durable transaction a request. Writes are new
//! memories of about 2 KiB over several stores; latencies are of whole requests, as a client sees them.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "a benchmark prints its figures"
)]

mod plain;

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::State;
use axum::routing::post;
use memgate::auth::CredentialRole;
use memgate::http::{App, ListenOptions, bind};
use memgate::service::{Options, Service, StoreCreate};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const STORES: usize = 16;

async fn ask(stream: &mut TcpStream, request: &[u8], buffer: &mut Vec<u8>) -> u16 {
    stream.write_all(request).await.unwrap();
    buffer.clear();
    loop {
        let read = stream.read_buf(buffer).await.unwrap();
        assert!(read > 0, "the server closed the connection");
        let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") else { continue };
        let head = String::from_utf8_lossy(&buffer[..end]).to_ascii_lowercase();
        let length = head.split("content-length: ").nth(1).and_then(|rest| rest.split("\r\n").next());
        let length: usize = length.map_or(0, |text| text.trim().parse().unwrap());
        if buffer.len() >= end + 4 + length {
            return head.split(' ').nth(1).unwrap().parse().unwrap();
        }
    }
}

/// Runs clients against an address and prints what they saw.
async fn load(
    name: &str,
    address: std::net::SocketAddr,
    clients: usize,
    seconds: u64,
    request: impl Fn(usize, usize) -> Vec<u8> + Send + Sync + 'static,
) -> f64 {
    let request = Arc::new(request);
    let stop = Arc::new(AtomicBool::new(false));
    let number = Arc::new(AtomicUsize::new(0));
    let start = Instant::now();
    let tasks: Vec<_> = (0..clients)
        .map(|client| {
            let (request, stop, number) = (Arc::clone(&request), Arc::clone(&stop), Arc::clone(&number));
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(address).await.unwrap();
                stream.set_nodelay(true).unwrap();
                let (mut times, mut refused, mut buffer) = (Vec::new(), 0_usize, Vec::new());
                while !stop.load(Ordering::Relaxed) {
                    let bytes = request(client, number.fetch_add(1, Ordering::Relaxed));
                    let start = Instant::now();
                    let status = ask(&mut stream, &bytes, &mut buffer).await;
                    times.push(start.elapsed());
                    if status != 200 {
                        if refused == 0 && client == 0 {
                            println!("  {status}: {}", String::from_utf8_lossy(&buffer[buffer.len().min(300)..]));
                        }
                        refused += 1;
                    }
                }
                (times, refused)
            })
        })
        .collect();
    tokio::time::sleep(Duration::from_secs(seconds)).await;
    stop.store(true, Ordering::Relaxed);
    let (mut times, mut refused) = (Vec::new(), 0);
    for task in tasks {
        let (mine, no) = task.await.unwrap();
        times.extend(mine);
        refused += no;
    }
    let elapsed = start.elapsed().as_secs_f64();
    times.sort_unstable();
    let at = |share: f64| times[((times.len() - 1) as f64 * share) as usize].as_secs_f64() * 1000.0;
    let rate = times.len() as f64 / elapsed;
    println!("{name:<34} {rate:>8.0}/s   p50 {:>7.2} ms   p99 {:>7.2} ms   not 200: {refused}", at(0.5), at(0.99));
    rate
}

fn listen() -> ListenOptions {
    let any = "127.0.0.1:0".parse().unwrap();
    ListenOptions { data: any, admin: any, tls: None, connections: 1024, patience: Duration::from_secs(10) }
}

async fn memgate(unscanned: bool, clients: usize, seconds: u64) -> (f64, f64) {
    let folder = tempfile::tempdir_in(place()).unwrap();
    let mut options = Options::new(&folder.path().join("server"));
    options.memories_per_store = 1_000_000;
    options.dangerous_unscanned = unscanned;
    let service = Service::init(options).unwrap();
    let key = service.create_key(None, "load", CredentialRole::Submitter, None, None).unwrap().key.expose().to_owned();
    let caller = service.authenticate(&key).unwrap();
    let stores: Vec<String> = (0..STORES)
        .map(|number| {
            let request = StoreCreate { name: format!("store {number}"), ..Default::default() };
            service.create_store(&caller, &request).unwrap()["id"].as_str().unwrap().to_owned()
        })
        .collect();
    let first = service.create_memory(&caller, &stores[0], "/first.md", "- Port 8080.\n".to_owned(), false).unwrap();
    let id = first["id"].as_str().unwrap().to_owned();
    let bound = bind(listen()).await.unwrap();
    let address = bound.data_address().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let app = App::new(Arc::clone(&service), 1 << 20, 4096);
    let serving = tokio::spawn(bound.serve(app, async { stopped.await.unwrap_or(()) }));
    let (token, all) = (key.clone(), stores.clone());
    let name = if unscanned { "memgate, no rules: writes" } else { "memgate: gated writes" };
    let writes = load(name, address, clients, seconds, move |client, number| {
        let store = &all[client % all.len()];
        let body = serde_json::json!({ "path": format!("/n/{number}.md"), "content": plain::note(number) }).to_string();
        format!(
            "POST /v1/memory_stores/{store}/memories HTTP/1.1\r\nhost: x\r\nx-api-key: {token}\r\ncontent-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
            body.len()
        )
        .into_bytes()
    })
    .await;
    let (token, store) = (key, stores[0].clone());
    let reads = if unscanned {
        0.0
    } else {
        load("memgate: reads of one memory", address, clients, seconds, move |_, _| {
            format!("GET /v1/memory_stores/{store}/memories/{id} HTTP/1.1\r\nhost: x\r\nx-api-key: {token}\r\n\r\n")
                .into_bytes()
        })
        .await
    };
    stop.send(()).unwrap();
    let _ = serving.await;
    service.stop();
    (writes, reads)
}

#[derive(Clone)]
struct Bare(Arc<Mutex<rusqlite::Connection>>);

async fn insert(State(bare): State<Bare>, body: String) -> &'static str {
    tokio::task::spawn_blocking(move || {
        let value: serde_json::Value = serde_json::from_str(&body).unwrap();
        let row = (value["path"].as_str().unwrap(), value["content"].as_str().unwrap());
        bare.0.lock().unwrap().execute("INSERT INTO memory (path, content) VALUES (?1, ?2)", row).unwrap();
    })
    .await
    .unwrap();
    "{}"
}

async fn bare(clients: usize, seconds: u64) -> f64 {
    let folder = tempfile::tempdir_in(place()).unwrap();
    let connection = rusqlite::Connection::open(folder.path().join("bare.db")).unwrap();
    connection.pragma_update(None, "journal_mode", "WAL").unwrap();
    connection.pragma_update(None, "synchronous", "FULL").unwrap();
    connection.execute("CREATE TABLE memory (path TEXT PRIMARY KEY, content TEXT NOT NULL)", ()).unwrap();
    let app = Router::new().route("/memories", post(insert)).with_state(Bare(Arc::new(Mutex::new(connection))));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let server = tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            let service = hyper_util::service::TowerToHyperService::new(app.clone());
            tokio::spawn(async move {
                let io = hyper_util::rt::TokioIo::new(stream);
                let _ = hyper::server::conn::http1::Builder::new().serve_connection(io, service).await;
            });
        }
    });
    let rate = load("bare axum + SQLite: inserts", address, clients, seconds, |_, number| {
        let body = serde_json::json!({ "path": format!("/n/{number}.md"), "content": plain::note(number) }).to_string();
        format!("POST /memories HTTP/1.1\r\nhost: x\r\ncontent-length: {}\r\n\r\n{body}", body.len()).into_bytes()
    })
    .await;
    server.abort();
    rate
}

/// Where the databases lie: `MEMGATE_BENCH_DIR`, or the system's folder for temporary files.
fn place() -> std::path::PathBuf {
    std::env::var_os("MEMGATE_BENCH_DIR").map_or_else(std::env::temp_dir, Into::into)
}

fn main() {
    let numbers: Vec<u64> = std::env::args().skip(1).filter_map(|argument| argument.parse().ok()).collect();
    let clients = usize::try_from(numbers.first().copied().unwrap_or(64)).unwrap();
    let seconds = numbers.get(1).copied().unwrap_or(5);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        println!("{clients} clients, {seconds} s each, {STORES} stores, notes of {} bytes", plain::BYTES);
        let bare = bare(clients, seconds).await;
        let (unscanned, _) = memgate(true, clients, seconds).await;
        let (gated, _reads) = memgate(false, clients, seconds).await;
        println!(
            "gated against no rules: {:.2} times the time; against the bare handler: {:.2}",
            unscanned / gated,
            bare / gated
        );
    });
}
