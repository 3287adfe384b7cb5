//! Operating a server: webhooks, configuration, backup and restore, schedules, what `doctor` says.

mod backup;
mod config;
mod doctor;
mod schedules;
mod webhooks;

use std::path::Path;
use std::sync::Arc;

use assert_cmd::Command;
use memgate::auth::CredentialRole;
use memgate::service::{Caller, Options, Service, StoreCreate};
use serde_json::Value;

/// Makes a server's folder and opens it.
fn init(root: &Path, change: impl FnOnce(&mut Options)) -> Arc<Service> {
    let mut options = Options::new(root);
    change(&mut options);
    Service::init(options).unwrap()
}

fn caller(service: &Service, role: CredentialRole, name: &str) -> Caller {
    service.create_key(None, name, role, None, None).unwrap().credential
}

fn store(service: &Service, caller: &Caller, name: &str) -> String {
    let request = StoreCreate { name: name.to_owned(), ..StoreCreate::default() };
    service.create_store(caller, &request).unwrap()["id"].as_str().unwrap().to_owned()
}

/// Runs the binary on a data folder: exit code, standard output, standard error.
fn memgate(data: &Path, args: &[&str]) -> (i32, String, String) {
    let mut command = Command::cargo_bin("memgate").unwrap();
    command.env_clear().env("NO_COLOR", "1").arg("--data").arg(data).args(args);
    let output = command.output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code().unwrap(), text(output.stdout), text(output.stderr))
}

/// The same, answered with JSON; must succeed.
fn memgate_json(data: &Path, args: &[&str]) -> Value {
    let (code, out, err) = memgate(data, &[&["--format", "json"], args].concat());
    assert_eq!(code, 0, "{args:?}: {err}");
    serde_json::from_str(&out).unwrap_or_else(|_| panic!("{args:?}: {out}"))
}

/// Asks again until there is an answer; gives up after a minute.
fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let begun = std::time::Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(begun.elapsed().as_secs() < 60, "no {what} within a minute");
        std::thread::yield_now();
    }
}
