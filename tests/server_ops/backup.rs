//! Backups of a server that runs, and what comes back.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use memgate::auth::CredentialRole;
use memgate::service::{MemoryList, Options, Service, backup};

use super::{caller, init, memgate, memgate_json, store};

#[test]
fn a_backup_of_a_server_that_writes_comes_back_verified_with_everything_acknowledged_before() {
    let folder = tempfile::tempdir().unwrap();
    let (root, copy, again) = (folder.path().join("server"), folder.path().join("copy"), folder.path().join("again"));
    let service = init(&root, |_| ());
    let agent = caller(&service, CredentialRole::Submitter, "agent");
    let (busy, quiet) = (store(&service, &agent, "busy"), store(&service, &agent, "quiet"));
    for number in 0..5 {
        service.create_memory(&agent, &quiet, &format!("/q{number}.md"), format!("Note {number}."), false).unwrap();
        service.create_memory(&agent, &busy, &format!("/before{number}.md"), format!("Note {number}."), false).unwrap();
    }
    let stop = Arc::new(AtomicBool::new(false));
    let writer = {
        let (service, agent, busy, stop) = (Arc::clone(&service), agent.clone(), busy.clone(), Arc::clone(&stop));
        std::thread::spawn(move || {
            let mut written = 0;
            while !stop.load(Ordering::SeqCst) {
                let path = format!("/during{written}.md");
                service.create_memory(&agent, &busy, &path, "The bus is late.".to_owned(), false).unwrap();
                written += 1;
            }
            written
        })
    };
    // Written to without a pause, it is copied all the same.
    let copies = 4;
    for number in 0..copies {
        let made = backup::backup(&root, &folder.path().join(format!("copy{number}"))).unwrap();
        assert!(made.server && made.stores.len() == 2);
    }
    stop.store(true, Ordering::SeqCst);
    let during = writer.join().unwrap();
    assert!(during > 0);
    // The server still runs and holds its stores.
    backup::backup(&root, &copy).unwrap();
    // Nobody who wrote meanwhile was turned away, and the server is as it was.
    service.stop();
    drop(service);
    assert_eq!(memgate(&root, &["verify"]).0, 0);

    for number in 0..copies {
        let from = folder.path().join(format!("copy{number}"));
        let (code, out, err) =
            memgate(&folder.path().join(format!("again{number}")), &["restore", "--from", from.to_str().unwrap()]);
        assert_eq!(code, 0, "{out}{err}");
        assert_eq!(memgate(&folder.path().join(format!("again{number}")), &["verify"]).0, 0);
    }
    let report = memgate_json(&again, &["restore", "--from", copy.to_str().unwrap()]);
    assert!(report["good"] == true && report["stores"].as_array().unwrap().len() == 2, "{report}");
    assert_eq!(memgate(&again, &["verify"]).0, 0);

    let service = Service::open(Options::new(&again)).unwrap();
    let list = |store: &str| {
        let request = MemoryList { limit: 100, ..MemoryList::default() };
        service.list_memories(&agent, store, &request).unwrap().data.len()
    };
    assert_eq!(list(&quiet), 5);
    assert!(list(&busy) >= 5);
    // It goes on from there.
    service.create_memory(&agent, &quiet, "/after.md", "And on it goes.".to_owned(), false).unwrap();
    service.stop();
}

#[test]
fn a_restore_refuses_what_is_damaged_and_overwrites_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (root, copy) = (folder.path().join("server"), folder.path().join("copy"));
    let service = init(&root, |_| ());
    let agent = caller(&service, CredentialRole::Submitter, "agent");
    let id = store(&service, &agent, "notes");
    service.create_memory(&agent, &id, "/a.md", "Tea is at four.".to_owned(), false).unwrap();
    service.stop();
    drop(service);
    let from = copy.to_str().unwrap();
    assert_eq!(memgate(&root, &["backup", "--to", from]).0, 0);
    let (code, _, err) = memgate(&root, &["backup", "--to", from]);
    assert!(code == 2 && err.contains("store-exists"), "{code} {err}");
    let (code, _, err) = memgate(&root, &["restore", "--from", from]);
    assert!(code == 2 && err.contains("store-exists"), "{code} {err}");
    let (code, _, err) = memgate(&folder.path().join("nothing"), &["backup", "--to", "x"]);
    assert!(code == 3 && err.contains("store-missing"), "{code} {err}");

    let target = folder.path().join("again");
    let list = copy.join("backup.json");
    let whole = fs::read(&list).unwrap();
    for damage in ["policy", "added", "gone", "list", "outside"] {
        let file = copy.join("stores").join(&id).join("policy.toml");
        let before = fs::read(&file).unwrap();
        match damage {
            "policy" => fs::write(&file, [before.as_slice(), b"# looser\n"].concat()).unwrap(),
            "added" => fs::write(copy.join("extra"), "x").unwrap(),
            "gone" => fs::remove_file(&file).unwrap(),
            "list" => fs::write(&list, b"{}").unwrap(),
            _ => {
                let text = String::from_utf8(whole.clone()).unwrap();
                fs::write(&list, text.replace(&format!("\"{id}\""), "\"../../elsewhere\"")).unwrap();
            }
        }
        let (code, _, err) = memgate(&target, &["restore", "--from", from]);
        assert!(code != 0 && err.contains("backup"), "{damage}: {code} {err}");
        assert!(!target.exists(), "{damage}");
        fs::write(&file, before).unwrap();
        fs::write(&list, &whole).unwrap();
        let _ = fs::remove_file(copy.join("extra"));
    }
    assert_eq!(memgate(&target, &["restore", "--from", from]).0, 0);

    // One data folder of a server is a data folder: it can be copied by itself.
    let one = folder.path().join("one");
    assert_eq!(memgate(&root.join("stores").join(&id), &["backup", "--to", one.to_str().unwrap()]).0, 0);
    let (code, out, err) = memgate(&folder.path().join("one-again"), &["restore", "--from", one.to_str().unwrap()]);
    assert_eq!(code, 0, "{out}{err}");
    // A changed byte in a store of a server is found by verifying the server.
    let policy = target.join("stores").join(&id).join("policy.toml");
    fs::write(&policy, [fs::read(&policy).unwrap().as_slice(), b"# x\n"].concat()).unwrap();
    assert_eq!(memgate(&target, &["verify"]).0, 6);
}
