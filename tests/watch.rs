//! The monitor: what grew is verified, what was rewritten is proven, what is broken is an alarm.

use std::path::{Path, PathBuf};

use memgate::auditor::export::{self, Options};
use memgate::auditor::stranger;
use memgate::auditor::watch::{self, Look, Watcher};
use memgate::domain::Coded as _;
use memgate::firewall::{Env, Firewall};
use memgate::ledger::tree::{Tree, leaf_hash};
use memgate::ledger::{Checkpoint, LogKey, Namespace, SigningKey, read_entries};

use crate::common::{at, dream, init, memories};

fn store(folder: &Path) -> PathBuf {
    let data = folder.join("data");
    let mut firewall = init(&data);
    dream(&mut firewall, Some(memories(&[("a.md", "# A\n\nTea is green.\n")])), vec![]);
    firewall.close().unwrap();
    data
}

fn change(data: &Path, hours: i64, text: &str) {
    let mut firewall = Firewall::open(data, Env::dangerous_fixed(at(hours))).unwrap();
    let report =
        crate::common::try_dream(&mut firewall, Some(memories(&[("a.md", &format!("# A\n\n{text}\n"))])), vec![]);
    assert!(report.unwrap().version.is_some(), "{text}");
    firewall.close().unwrap();
}

fn fetch(folder: &Path) -> impl Fn(&str) -> Result<Option<Vec<u8>>, String> {
    let folder = folder.to_owned();
    move |name: &str| Ok(std::fs::read(folder.join(name)).ok())
}

fn look(state: &Path, source: &Path, root: &[u8]) -> Look {
    let fetch = fetch(source);
    Watcher::open(state, root, &fetch).unwrap().look(&fetch).unwrap()
}

fn codes(look: &Look) -> Vec<&str> {
    look.alarms.iter().map(|alarm| alarm.code.as_str()).collect()
}

#[test]
fn what_grew_is_verified_and_an_unchanged_log_is_quiet() {
    let folder = tempfile::tempdir().unwrap();
    let data = store(folder.path());
    let root = export::root(&data).unwrap();
    let state = folder.path().join("state");
    // The data folder itself can be watched, and an evidence folder is the same log.
    let first = look(&state, &data, &root);
    assert!(first.alarms.is_empty() && first.entries > 0, "{first:?}");
    assert_eq!((look(&state, &data, &root).entries, first.versions), (0, 1));
    change(&data, 1, "Tea is black.");
    let evidence = folder.path().join("evidence");
    export::export(&data, &evidence, &Options::default()).unwrap();
    let second = look(&state, &evidence, &root);
    assert!(second.alarms.is_empty(), "{second:?}");
    assert_eq!((second.versions, second.size), (2, first.size + second.entries));
    assert!(second.witnesses.starts_with("unwitnessed"));
    // An older copy that is served again is not a fork, but it is an alarm.
    let early = folder.path().join("early");
    std::fs::create_dir(&early).unwrap();
    std::fs::copy(evidence.join(format!("checkpoints/{}", first.size)), early.join("checkpoint")).unwrap();
    std::fs::create_dir(early.join("trust")).unwrap();
    for name in ["policy.json", "tlog.policy"] {
        std::fs::copy(evidence.join("trust").join(name), early.join("trust").join(name)).unwrap();
    }
    let stale = look(&state, &early, &root);
    assert_eq!((codes(&stale), &stale.evidence), (vec!["E_SHRINK"], &None));
}

#[test]
fn a_fork_by_hand_is_proven_to_the_monitor_and_to_two_clients() {
    // The other history is longer, of the same length, shorter.
    for (one, two) in [(1, 2), (1, 1), (2, 1)] {
        let folder = tempfile::tempdir().unwrap();
        let data = store(folder.path());
        let root = export::root(&data).unwrap();
        let copy = folder.path().join("copy");
        memgate::store::copy::data_folder(&data, &copy).unwrap();
        for n in 0..one {
            change(&data, 1 + n, &format!("Tea is black, cup {n}."));
        }
        for n in 0..two {
            change(&copy, 1 + n, &format!("Tea is white, cup {n}."));
        }
        let (honest, forked) = (folder.path().join("honest"), folder.path().join("forked"));
        export::export(&data, &honest, &Options::default()).unwrap();
        export::export(&copy, &forked, &Options::default()).unwrap();
        // Each by itself is without fault: only somebody who saw both can tell.
        assert!(stranger::verify(&honest, &root, None, at(9)).is_good());
        assert!(stranger::verify(&forked, &root, None, at(9)).is_good());
        let kept = std::fs::read(honest.join("log/checkpoint")).unwrap();
        let report = stranger::verify(&forked, &root, Some(&kept), at(9));
        let expected = if two < one { "E_SHRINK" } else { "E_FORK" };
        assert_eq!(report.problems[0].code, expected, "{one} {two}");
        let kept = std::fs::read(forked.join("log/checkpoint")).unwrap();
        assert!(!stranger::verify(&honest, &root, Some(&kept), at(9)).is_good());

        let state = folder.path().join("state");
        assert!(look(&state, &honest, &root).alarms.is_empty());
        let found = look(&state, &forked, &root);
        assert_eq!(codes(&found), ["E_FORK"], "{one} {two}");
        let text = std::fs::read_to_string(found.evidence.unwrap()).unwrap();
        assert_eq!(watch::check_fork(&text, &root, &fetch(&honest)).unwrap(), Namespace::product().log_origin("main"));
        // The monitor's own copy stays what it was.
        assert!(look(&state, &honest, &root).alarms.is_empty());
    }
}

#[test]
fn what_is_broken_is_an_alarm_and_what_is_away_is_none() {
    let folder = tempfile::tempdir().unwrap();
    let data = store(folder.path());
    let root = export::root(&data).unwrap();
    let evidence = folder.path().join("evidence");
    export::export(&data, &evidence, &Options::default()).unwrap();
    let bundle = walkdir::WalkDir::new(evidence.join("log/tile/entries")).into_iter().map(Result::unwrap);
    let bundle = bundle.into_iter().find(|entry| entry.file_type().is_file()).unwrap().into_path();
    let good = std::fs::read(&bundle).unwrap();
    let state = |n: u8| folder.path().join(format!("state-{n}"));
    let mut flipped = good.clone();
    flipped[good.len() / 2] ^= 1;
    for (n, bad) in [flipped, good[..good.len() - 3].to_vec(), Vec::new()].into_iter().enumerate() {
        std::fs::write(&bundle, bad).unwrap();
        let found = look(&state(n as u8), &evidence, &root);
        assert!(codes(&found).contains(&"log-damaged"), "{found:?}");
        assert_eq!((found.size, found.evidence), (0, None));
    }
    std::fs::remove_file(&bundle).unwrap();
    assert_eq!(codes(&look(&state(3), &evidence, &root)), ["log-damaged"]);
    std::fs::write(&bundle, &good).unwrap();
    let checkpoint = evidence.join("log/checkpoint");
    let note = std::fs::read_to_string(&checkpoint).unwrap();
    std::fs::write(&checkpoint, note.replace("\n\n", "\n1\n\n")).unwrap();
    assert_eq!(codes(&look(&state(4), &evidence, &root)), ["E_FORMAT"]);
    std::fs::remove_file(&checkpoint).unwrap();
    let fetch = fetch(&evidence);
    let away = Watcher::open(&state(5), &root, &fetch).unwrap().look(&fetch).unwrap_err();
    assert_eq!(away.code(), "audit-unreachable");
    assert_eq!(Watcher::open(&state(6), b"{}", &fetch).unwrap_err().code(), "ledger-format");
}

#[test]
fn an_entry_that_the_log_signed_but_nobody_may_say_is_an_alarm() {
    let folder = tempfile::tempdir().unwrap();
    let data = store(folder.path());
    let root = export::root(&data).unwrap();
    let evidence = folder.path().join("evidence");
    export::export(&data, &evidence, &Options::default()).unwrap();
    let state = folder.path().join("state");
    let before = look(&state, &evidence, &root);
    // The operator of the log holds its key and logs what no statement is.
    let pem = std::fs::read_to_string(data.join("keys/log.pem")).unwrap();
    let origin = Namespace::product().log_origin("main");
    let key = LogKey::log(&origin, SigningKey::from_pkcs8_pem(&pem).unwrap()).unwrap();
    let path = evidence.join(format!("log/tile/entries/000.p/{}", before.size));
    let mut bytes = std::fs::read(&path).unwrap();
    let mut tree = Tree::default();
    read_entries(&bytes).unwrap().iter().for_each(|entry| tree.push(leaf_hash(entry)));
    bytes.extend_from_slice(b"\0\x02{}");
    tree.push(leaf_hash(b"{}"));
    std::fs::write(evidence.join(format!("log/tile/entries/000.p/{}", tree.size())), bytes).unwrap();
    let note = Checkpoint { origin, size: tree.size(), root: tree.root() }.sign(&key).unwrap();
    std::fs::write(evidence.join("log/checkpoint"), note).unwrap();
    let found = look(&state, &evidence, &root);
    assert_eq!(codes(&found), ["E_ENVELOPE"], "{found:?}");
    assert_eq!(found.size, before.size, "nothing of it is taken over");
}
