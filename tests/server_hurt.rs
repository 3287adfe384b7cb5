//! What hurts a server from outside: too many connections, a disk that is full, a port that is taken, a clock that
//! jumps. Each is answered, and nobody loses anything.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use memgate::auditor;
use memgate::domain::{Digest, Timestamp};
use memgate::firewall::{Actor, Judged};
use serde_json::{Value, json};

use crate::server_kill::{ask, memgate, note};

struct Running {
    child: Child,
    data: String,
    admin: String,
}

impl Running {
    /// Serves on free ports.
    fn start(mut command: Command, flags: &[&str]) -> Self {
        let always = ["--format", "json", "serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"];
        let command = command.args(always).args(flags).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
        let line: Value = serde_json::from_str(&line).expect("the server ended before it listened");
        let address = |name: &str| line[name].as_str().unwrap().strip_prefix("http://").unwrap().to_owned();
        Self { child, data: address("data"), admin: address("admin") }
    }

    /// Status of the readiness question.
    fn ready(&self) -> u16 {
        let mut stream = TcpStream::connect(&self.admin).unwrap();
        stream.write_all(b"GET /readyz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n").unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer.split(' ').nth(1).unwrap().parse().unwrap()
    }
}

impl Running {
    /// Asks it to stop and waits until it has: the stores are sealed then.
    fn stop(mut self) {
        let asked = Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        assert!(asked.success());
        assert_eq!(self.child.wait().unwrap().code(), Some(143));
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A server's folder and the key of its first credential.
fn made(data: &Path) -> String {
    let made = memgate(data).args(["--format", "json", "serve", "init"]).output().unwrap();
    let made: Value = serde_json::from_slice(&made.stdout).unwrap();
    made["api_key"].as_str().unwrap().to_owned()
}

fn new_store(address: &str, key: &str) -> String {
    let (status, store) = ask(address, key, "POST", "/v1/memory_stores", r#"{"name":"notes"}"#).unwrap();
    assert_eq!(status, 200, "{store}");
    store["id"].as_str().unwrap().to_owned()
}

/// How many files this process may have open.
fn file_limit() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find(|line| line.starts_with("Max open files")).unwrap_or_default();
    line.split_whitespace().nth(3).and_then(|soft| soft.parse().ok()).unwrap_or(1024)
}

#[test]
fn ten_thousand_connections_at_once_leave_room_for_whoever_asks_something() {
    // Fewer where the system allows fewer; the test says how many it were.
    let many = 10_000.min(file_limit().saturating_sub(300));
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("server");
    let key = made(&data);
    let server = Running::start(memgate(&data), &["--connections", "11000"]);
    let mut open: Vec<TcpStream> = (0..many).map(|_| TcpStream::connect(&server.data).unwrap()).collect();
    let (status, _) = ask(&server.data, &key, "GET", "/v1/memory_stores", "").unwrap();
    assert_eq!(status, 200, "nobody else is served beside {many} connections");
    for stream in open.iter_mut().step_by(many / 20) {
        let request = "GET /v1/memory_stores HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n";
        stream.set_read_timeout(Some(Duration::from_secs(60))).unwrap();
        // One that said nothing for too long may be closed by now; it is never answered wrongly.
        let mut answer = String::new();
        if stream.write_all(request.as_bytes()).is_ok() && stream.read_to_string(&mut answer).is_ok() {
            assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 401 "), "{answer}");
        }
    }
    drop(open);
    assert_eq!(server.ready(), 200);
    assert_eq!(ask(&server.data, &key, "GET", "/v1/memory_stores", "").unwrap().0, 200);
    eprintln!("{many} connections at once");
}

#[cfg(unix)]
#[test]
fn a_disk_that_is_full_is_said_and_nothing_acknowledged_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("server");
    let key = made(&data);
    // No file may grow beyond this many half kilobytes: what a full disk does to the files that grow. The signal that
    // would end the process is ignored, so that the write itself fails.
    let program = assert_cmd::cargo::cargo_bin!("memgate");
    let mut command = Command::new("sh");
    command.args(["-c", "trap '' XFSZ; ulimit -f 1200; exec \"$0\" \"$@\""]).arg(program).arg("--data").arg(&data);
    let server = Running::start(command, &[]);
    assert_eq!(server.ready(), 200);
    let store = new_store(&server.data, &key);
    let memories = format!("/v1/memory_stores/{store}/memories");
    let mut kept: BTreeMap<String, String> = BTreeMap::new();
    let mut refused = None;
    for number in 0..200 {
        let text: String = (0..120).map(|line| note(number * 1_000 + line)).collect();
        let path = format!("/seen/{number}.md");
        let body = json!({ "path": path, "content": text }).to_string();
        let (status, answer) = ask(&server.data, &key, "POST", &memories, &body).expect("the server went away");
        match status {
            200 => {
                kept.insert(path, Digest::of(&text).hex());
            }
            400 => {}
            503 => {
                refused = Some(answer);
                break;
            }
            other => panic!("{other}: {answer}"),
        }
    }
    let refused = refused.expect("the disk never became full");
    assert_eq!(refused["error"]["type"], "overloaded_error", "{refused}");
    assert!(!refused.to_string().contains("/seen") && !refused.to_string().contains("stores/"), "{refused}");
    assert!(!kept.is_empty(), "nothing was written before");
    assert_eq!(server.ready(), 503, "readiness does not turn");
    // It is still there, and says the same to the next one.
    let (status, answer) = ask(&server.data, &key, "GET", "/v1/memory_stores", "").unwrap();
    assert!(status == 200 || status == 503, "{status}: {answer}");
    drop(server);

    // With room again, everything that was acknowledged is there and verifies.
    let server = Running::start(memgate(&data), &[]);
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    let mut page = String::new();
    loop {
        let path = format!("{memories}?limit=100{page}");
        let (status, answer) = ask(&server.data, &key, "GET", &path, "").unwrap();
        assert_eq!(status, 200, "{answer}");
        for memory in answer["data"].as_array().unwrap() {
            let text = |name: &str| memory[name].as_str().unwrap().to_owned();
            found.insert(text("path"), text("content_sha256"));
        }
        match answer["next_page"].as_str() {
            Some(next) => page = format!("&page={next}"),
            None => break,
        }
    }
    let lost: Vec<&String> = kept.iter().filter(|(path, sha)| found.get(*path) != Some(sha)).map(|(p, _)| p).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    let body = json!({ "path": "/after.md", "content": "- Room again.\n" }).to_string();
    assert_eq!(ask(&server.data, &key, "POST", &memories, &body).unwrap().0, 200);
    assert_eq!(server.ready(), 200);
    server.stop();
    let output = memgate(&data.join("stores").join(&store)).arg("verify").output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
}

#[test]
fn a_port_that_is_taken_is_said_and_the_folder_is_free_afterwards() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("server");
    made(&data);
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    for (flag, other) in [("--listen", "--admin"), ("--admin", "--listen")] {
        let output = memgate(&data).args(["serve", flag, &address, other, "127.0.0.1:0"]).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(5), "{said}");
        assert!(said.contains("cli-listen"), "{said}");
    }
    assert_eq!(Running::start(memgate(&data), &[]).ready(), 200);
}

#[test]
fn a_clock_that_jumps_signs_nothing_that_does_not_verify_and_comes_right_again() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut firewall = crate::common::init(&data);
    let year = 365 * 86_400_000;
    let start = crate::common::at(0).0;
    let mut admitted = Vec::new();
    for (number, jump) in [0, 10 * year, -10 * year, 1, -1, 0, year, 2].into_iter().enumerate() {
        firewall.set_now(Timestamp(start + jump));
        let path = format!("/{number}.md");
        let scanned = crate::live::write(&firewall, &path, &note(number));
        let mut batch = firewall.batch().unwrap();
        let judged = batch.put(&crate::live::agent(), Actor::ApiKey("k".to_owned()), scanned, None).unwrap();
        // Signed, or refused with a reason: never signed and broken.
        if batch.commit().is_ok() && matches!(judged, Judged::Admitted { .. }) {
            admitted.push(path);
        }
    }
    firewall.set_now(Timestamp(start + 11 * year));
    let head = firewall.live_head().unwrap();
    let held: Vec<String> = head.memories().map(|row| row.path.to_string()).collect();
    assert!(admitted.iter().all(|path| held.contains(path)), "{admitted:?} {held:?}");
    assert!(!admitted.is_empty(), "nothing was written at all");
    drop(head);
    firewall.close().unwrap();
    let report = auditor::verify(&data, None, Timestamp(start + 12 * year)).unwrap();
    assert!(report.is_good(), "{:#?}", report.problems);
}
