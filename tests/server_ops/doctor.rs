//! What `doctor` sees: a sound server, and one thing wrong at a time.

use std::fs;
use std::net::TcpListener;

use serde_json::Value;

use super::{caller, init, memgate, store};

fn checks(data: &std::path::Path) -> (i32, Vec<(String, bool)>) {
    let (code, out, err) = memgate(data, &["doctor", "--format", "json"]);
    let report: Value = serde_json::from_str(&out).unwrap_or_else(|_| panic!("{out}{err}"));
    let line = |one: &Value| (one["check"].as_str().unwrap().to_owned(), one["good"] == true);
    let all: Vec<(String, bool)> = report["checks"].as_array().unwrap().iter().map(line).collect();
    // How full the disk is that tests run on is not theirs to say.
    let full = all.iter().any(|(what, good)| what == "disk" && !good);
    let others = all.iter().all(|(what, good)| *good || what == "disk");
    let all = all.into_iter().filter(|(what, _)| what != "disk").collect();
    (if full && others && code == 1 { 0 } else { code }, all)
}

fn bad(data: &std::path::Path) -> (i32, Vec<String>) {
    let (code, all) = checks(data);
    (code, all.into_iter().filter(|(_, good)| !good).map(|(what, _)| what).collect())
}

#[test]
fn a_sound_server_is_sound_and_each_problem_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("server");
    assert_eq!(bad(&root), (1, vec!["folder".to_owned()]));
    let service = init(&root, |_| ());
    let agent = caller(&service, memgate::auth::CredentialRole::Submitter, "agent");
    let id = store(&service, &agent, "notes");
    // A running server's store is in use: said so, and no problem.
    let (_, out, _) = memgate(&root, &["doctor"]);
    assert!(out.contains("1 in use by a running server"), "{out}");
    service.stop();
    drop(service);
    // Other programs of this machine may hold the usual ports.
    let holder = TcpListener::bind("127.0.0.1:0").unwrap();
    let held = holder.local_addr().unwrap();
    fs::write(root.join("server.toml"), "[server]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n").unwrap();
    let (code, all) = checks(&root);
    assert!(code == 0 && all.len() >= 7, "{code} {all:?}");

    fs::write(root.join("server.toml"), format!("[server]\nlisten = \"{held}\"\nadmin = \"127.0.0.1:0\"\n")).unwrap();
    assert_eq!(bad(&root), (1, vec!["port".to_owned()]));
    fs::write(root.join("server.toml"), "[server]\nlistn = 1\n").unwrap();
    assert_eq!(bad(&root), (1, vec!["config".to_owned()]));
    fs::write(root.join("server.toml"), "[server]\nlisten = \"127.0.0.1:0\"\nadmin = \"127.0.0.1:0\"\n").unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(root.join("server.db"), fs::Permissions::from_mode(0o644)).unwrap();
        assert_eq!(bad(&root), (1, vec!["permissions".to_owned()]));
        fs::set_permissions(root.join("server.db"), fs::Permissions::from_mode(0o600)).unwrap();
    }
    let settings = root.join("stores").join(&id).join("memgate.toml");
    let before = fs::read(&settings).unwrap();
    fs::write(&settings, [before.as_slice(), b"# changed\n"].concat()).unwrap();
    assert_eq!(bad(&root), (6, vec!["stores".to_owned()]));
    fs::write(&settings, before).unwrap();
    assert_eq!(bad(&root), (0, vec![]));
}
