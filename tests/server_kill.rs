//! A server that is killed in the middle of its work: what it acknowledged is there, and every store verifies.
//!
//! `MEMGATE_KILLS=1000 cargo test --test main server_kill` is the long run; without it a handful of kills.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use memgate::domain::Digest;
use serde_json::{Value, json};

pub(crate) fn memgate(data: &Path) -> Command {
    let mut command = Command::new(assert_cmd::cargo::cargo_bin!("memgate"));
    command.args(["--data"]).arg(data);
    command
}

struct Running {
    child: Child,
    address: String,
}

impl Running {
    fn start(data: &Path) -> Self {
        let mut child = memgate(data)
            .args(["--format", "json", "serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"])
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap();
        // The line comes once it listens; an end without one is an empty read.
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let line: Value = serde_json::from_str(&line).expect("the server ended before it listened");
        let address = line["data"].as_str().unwrap().strip_prefix("http://").unwrap().to_owned();
        Self { child, address }
    }
}

/// One request on a connection of its own; `None` when the server went away.
pub(crate) fn ask(address: &str, key: &str, method: &str, path: &str, body: &str) -> Option<(u16, Value)> {
    let mut stream = TcpStream::connect(address).ok()?;
    let request = format!(
        "{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-api-key: {key}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    );
    stream.write_all(request.as_bytes()).ok()?;
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let status = line.split(' ').nth(1)?.parse().ok()?;
    let mut rest = String::new();
    reader.read_to_string(&mut rest).ok()?;
    let body = rest.split_once("\r\n\r\n")?.1;
    Some((status, serde_json::from_str(body).ok()?))
}

/// A sentence of its own for each number: look-alikes with one other value would be held.
pub(crate) fn note(number: usize) -> String {
    const WHO: [&str; 12] = [
        "printer", "garden", "archive", "library", "kitchen", "station", "harbour", "museum", "bakery", "theatre",
        "mill", "orchard",
    ];
    const HOW: [&str; 11] =
        ["quiet", "red", "narrow", "wooden", "modern", "bright", "round", "famous", "busy", "ancient", "coastal"];
    let mut at = number as u64 * 0x9e37_79b9 + 1;
    let mut pick = |list: &[&'static str]| {
        at ^= at << 13;
        at ^= at >> 7;
        at ^= at << 17;
        list[(at % list.len() as u64) as usize]
    };
    let words: Vec<String> = (0..5).map(|_| format!("the {} {}", pick(&HOW), pick(&WHO))).collect();
    format!("- Seen on the way: {}.\n", words.join(", "))
}

#[test]
fn what_was_acknowledged_survives_kills_at_any_point() {
    let kills: usize = std::env::var("MEMGATE_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(5);
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("server");
    let made = memgate(&data).args(["--format", "json", "serve", "init"]).output().unwrap();
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    let key = made["api_key"].as_str().unwrap().to_owned();
    let mut store = String::new();
    let acknowledged: Arc<Mutex<BTreeMap<String, String>>> = Arc::default();
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    for round in 0..kills {
        let mut server = Running::start(&data);
        if store.is_empty() {
            let (status, made) = ask(&server.address, &key, "POST", "/v1/memory_stores", r#"{"name":"busy"}"#).unwrap();
            assert_eq!(status, 200, "{made}");
            made["id"].as_str().unwrap().clone_into(&mut store);
        }
        // A dream runs beside the writes in every other round.
        if round % 2 == 1 {
            let body = json!({ "model": "m", "inputs": [{ "type": "memory_store", "memory_store_id": store }] });
            let _ = ask(&server.address, &key, "POST", "/v1/dreams", &body.to_string());
        }
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        let wanted = 1 + (seed % 24) as usize;
        let done = Arc::new(AtomicUsize::new(0));
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let (address, key, store) = (server.address.clone(), key.clone(), store.clone());
                let (acknowledged, done) = (Arc::clone(&acknowledged), Arc::clone(&done));
                std::thread::spawn(move || {
                    for number in 0.. {
                        let path = format!("/k{round}/w{writer}/{number}.md");
                        let text = note((round * 4 + writer) * 10_000 + number);
                        let body = json!({ "path": path, "content": text }).to_string();
                        let place = format!("/v1/memory_stores/{store}/memories");
                        let Some((status, answer)) = ask(&address, &key, "POST", &place, &body) else { return };
                        if status == 503 {
                            return;
                        }
                        assert_eq!(status, 200, "{answer}");
                        acknowledged.lock().unwrap().insert(path, Digest::of(&text).hex());
                        done.fetch_add(1, Ordering::SeqCst);
                    }
                })
            })
            .collect();
        let start = Instant::now();
        while done.load(Ordering::SeqCst) < wanted && start.elapsed() < Duration::from_secs(60) {
            std::thread::yield_now();
        }
        server.child.kill().unwrap();
        server.child.wait().unwrap();
        for writer in writers {
            writer.join().unwrap();
        }
    }
    let server = Running::start(&data);
    let mut found = BTreeMap::new();
    let mut page = String::new();
    loop {
        let place = format!("/v1/memory_stores/{store}/memories?limit=100{page}");
        let (status, list) = ask(&server.address, &key, "GET", &place, "").unwrap();
        assert_eq!(status, 200, "{list}");
        for memory in list["data"].as_array().unwrap() {
            let text = |name: &str| memory[name].as_str().unwrap().to_owned();
            found.insert(text("path"), text("content_sha256"));
        }
        match list["next_page"].as_str() {
            Some(next) => page = format!("&page={next}"),
            None => break,
        }
    }
    let acknowledged = acknowledged.lock().unwrap().clone();
    assert!(acknowledged.len() >= kills, "nothing was written");
    for (path, sha256) in &acknowledged {
        assert_eq!(found.get(path), Some(sha256), "{path} was acknowledged and is gone or another");
    }
    let mut child = server.child;
    // Asked to stop, it seals its stores and ends with the code of the table.
    let stopped = Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap();
    assert!(stopped.success());
    assert_eq!(child.wait().unwrap().code(), Some(143));
    for entry in std::fs::read_dir(data.join("stores")).unwrap() {
        let verified = memgate(&entry.unwrap().path()).arg("verify").output().unwrap();
        let text = String::from_utf8_lossy(&verified.stdout).into_owned();
        assert!(verified.status.success(), "{text}{}", String::from_utf8_lossy(&verified.stderr));
    }
}
