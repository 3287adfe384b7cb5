//! Witnesses and writers together: what is cosigned, what waits, what a witness finds out.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use memgate::auditor;
use memgate::domain::{Coded as _, Timestamp};
use memgate::firewall::{Asker, Env, Firewall, FirewallError, Outside, WitnessEntry};
use memgate::witness::{self, Witness};
use zeroize::Zeroizing;

use crate::common::{at, dream, init, memories};

/// Two witnesses that are asked without a network, each with a switch.
struct Witnesses {
    _folder: tempfile::TempDir,
    folders: Vec<PathBuf>,
    up: Arc<[AtomicBool; 2]>,
    asker: Asker,
    entries: Vec<WitnessEntry>,
}

fn witnesses(log: &str) -> Witnesses {
    let folder = tempfile::tempdir().unwrap();
    let (mut folders, mut entries, mut open) = (Vec::new(), Vec::new(), Vec::new());
    for n in 1..=2_u8 {
        let path = folder.path().join(n.to_string());
        let vkey = witness::init(&path, &format!("w{n}.example/w"), &Zeroizing::new([60 + n; 32])).unwrap();
        witness::watch(&path, log).unwrap();
        entries.push(WitnessEntry { name: format!("w{n}"), vkey, url: Some(format!("http://w{n}.example")) });
        open.push(Witness::open(&path).unwrap());
        folders.push(path);
    }
    let up = Arc::new([AtomicBool::new(true), AtomicBool::new(true)]);
    let switches = Arc::clone(&up);
    let asker = Asker(Arc::new(move |requests: &[(String, Vec<u8>)]| {
        let ask = |(url, body): &(String, Vec<u8>)| {
            let n = usize::from(url == "http://w2.example/add-checkpoint");
            assert!(n == 1 || url == "http://w1.example/add-checkpoint", "{url}");
            switches[n].load(Ordering::SeqCst).then(|| {
                let answer = open[n].add_checkpoint(body, Timestamp::from_seconds(1_790_100_000));
                (answer.status, answer.body.into_bytes())
            })
        };
        requests.iter().map(ask).collect()
    }));
    Witnesses { _folder: folder, folders, up, asker, entries }
}

fn env(asker: &Asker, hours: i64) -> Env {
    Env { outside: Outside { witnesses: Some(asker.clone()), ..Outside::default() }, ..Env::dangerous_fixed(at(hours)) }
}

fn store() -> (tempfile::TempDir, PathBuf, String) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data");
    let mut firewall = init(&data);
    dream(&mut firewall, Some(memories(&[("a.md", "# A\n\nTea is green.\n")])), vec![]);
    let log = firewall.witnessing().unwrap().log.remove(0);
    firewall.close().unwrap();
    (folder, data, log)
}

fn change(data: &Path, asker: &Asker, hours: i64, text: &str) -> Result<String, FirewallError> {
    let mut firewall = Firewall::open(data, env(asker, hours))?;
    let memories = memories(&[("a.md", &format!("# A\n\n{text}\n"))]);
    let report = crate::common::try_dream(&mut firewall, Some(memories), vec![]);
    let outcome = report.map(|_| firewall.head().unwrap().unwrap().witnesses);
    // A writer that failed cannot lay out its log either; what failed first is what counts.
    let closed = firewall.close();
    let outcome = outcome?;
    closed?;
    Ok(outcome)
}

fn good(data: &Path) -> String {
    let report = auditor::verify(data, None, at(99)).unwrap();
    assert!(report.is_good(), "{:?}", report.problems);
    report.witnesses
}

#[test]
fn with_a_quorum_versions_are_cosigned_and_verified_so() {
    let (_folder, data, log) = store();
    assert!(good(&data).starts_with("unwitnessed"));
    let two = witnesses(&log);
    let now = Firewall::set_witnesses(&data, &two.entries, 2, || env(&two.asker, 1)).unwrap();
    assert_eq!(now.quorum, Some(2));
    assert!(now.seen_by.starts_with("2 witnesses"), "{}", now.seen_by);
    assert!(good(&data).starts_with("2 witnesses"));
    assert_eq!(change(&data, &two.asker, 2, "Tea is black.").unwrap(), "2 witnesses");
    assert!(good(&data).starts_with("2 witnesses"));
    // Who takes a cosignature away, or changes one, is found out.
    let path = data.join("ledger/log/checkpoint");
    let whole = std::fs::read_to_string(&path).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    std::fs::write(&path, lines[..lines.len() - 1].join("\n") + "\n").unwrap();
    let report = auditor::verify(&data, None, at(99)).unwrap();
    assert!(report.problems.iter().any(|problem| problem.code == "E_QUORUM"), "{:?}", report.problems);
}

#[test]
fn a_version_waits_for_its_quorum_and_is_published_once_it_has_it() {
    let (_folder, data, log) = store();
    let two = witnesses(&log);
    Firewall::set_witnesses(&data, &two.entries, 2, || env(&two.asker, 1)).unwrap();
    let before = std::fs::read(data.join("ledger/log/checkpoint")).unwrap();
    two.up[1].store(false, Ordering::SeqCst);
    let waits = change(&data, &two.asker, 2, "Tea is black.").unwrap_err();
    assert_eq!(waits.code(), "ledger-waiting");
    assert_eq!(std::fs::read(data.join("ledger/log/checkpoint")).unwrap(), before, "nothing is published");
    // Readers keep what is published; writers wait.
    let firewall = Firewall::open_read(&data, env(&two.asker, 3)).unwrap();
    assert_eq!(firewall.versions().unwrap().len(), 1);
    drop(firewall);
    assert_eq!(Firewall::open(&data, env(&two.asker, 3)).map(drop).unwrap_err().code(), "ledger-waiting");
    two.up[1].store(true, Ordering::SeqCst);
    let firewall = Firewall::open(&data, env(&two.asker, 4)).unwrap();
    firewall.close().unwrap();
    assert_ne!(std::fs::read(data.join("ledger/log/checkpoint")).unwrap(), before);
    assert!(good(&data).starts_with("2 witnesses"));
}

#[test]
fn without_a_quorum_versions_go_on_and_say_how_many_signed() {
    let (_folder, data, log) = store();
    let two = witnesses(&log);
    Firewall::set_witnesses(&data, &two.entries, 0, || env(&two.asker, 1)).unwrap();
    two.up[0].store(false, Ordering::SeqCst);
    assert_eq!(change(&data, &two.asker, 2, "Tea is black.").unwrap(), "1 witness");
    two.up[1].store(false, Ordering::SeqCst);
    assert_eq!(change(&data, &two.asker, 3, "Tea is red.").unwrap(), "unwitnessed");
    assert!(good(&data).starts_with("unwitnessed"));
    two.up[0].store(true, Ordering::SeqCst);
    two.up[1].store(true, Ordering::SeqCst);
    Firewall::open(&data, env(&two.asker, 4)).unwrap().close().unwrap();
    assert!(good(&data).starts_with("2 witnesses"), "the next run asks again");
}

#[test]
fn a_quorum_that_cannot_be_had_changes_nothing() {
    let (_folder, data, log) = store();
    let two = witnesses(&log);
    two.up[0].store(false, Ordering::SeqCst);
    let tlog = std::fs::read(data.join("trust/tlog.policy")).unwrap();
    let refused = Firewall::set_witnesses(&data, &two.entries, 2, || env(&two.asker, 1)).unwrap_err();
    assert_eq!(refused.code(), "ledger-waiting");
    assert_eq!(std::fs::read(data.join("trust/tlog.policy")).unwrap(), tlog);
    good(&data);
    let bad = [WitnessEntry { url: Some("file:///etc".to_owned()), ..two.entries[0].clone() }];
    assert_eq!(Firewall::set_witnesses(&data, &bad, 0, || env(&two.asker, 2)).unwrap_err().code(), "ledger-format");
    let log_as_witness = [WitnessEntry { vkey: log, ..two.entries[0].clone() }];
    assert!(Firewall::set_witnesses(&data, &log_as_witness, 0, || env(&two.asker, 2)).is_err());
    good(&data);
}

#[test]
fn a_copy_that_was_put_back_is_refused_by_its_witness() {
    let (folder, data, log) = store();
    let two = witnesses(&log);
    Firewall::set_witnesses(&data, &two.entries, 0, || env(&two.asker, 1)).unwrap();
    let copy = folder.path().join("copy");
    memgate::store::copy::data_folder(&data, &copy).unwrap();
    change(&data, &two.asker, 2, "Tea is black.").unwrap();
    // The old copy goes on where it was: a second history under one key.
    let refused = change(&copy, &two.asker, 3, "Tea is white.").unwrap_err();
    assert_eq!(refused.code(), "ledger-witness-refuses", "{refused}");
    // The witness holds what proves it: the checkpoint of the other history, under its own and the log's signature.
    let seen = std::fs::read_dir(two.folders[0].join("seen")).unwrap().next().unwrap().unwrap().path();
    let kept = std::fs::read_to_string(seen).unwrap();
    let published = std::fs::read_to_string(data.join("ledger/log/checkpoint")).unwrap();
    assert_eq!(kept.lines().take(5).collect::<Vec<_>>(), published.lines().take(5).collect::<Vec<_>>());
    assert!(change(&data, &two.asker, 4, "Tea is blue.").is_ok(), "the true history goes on");
}
