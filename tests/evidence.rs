//! Evidence folders: a stranger with the root file accepts the good one and refuses every other, by a code.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use memgate::auditor::export::{self, Options, ROOT_FILE};
use memgate::auditor::{AuditReport, stranger};
use memgate::firewall::{Actor, Redacted, VersionQuery};
use memgate::ledger::{LogKey, Namespace, SigningKey};

use crate::common::{at, dream, init, later, memories};

struct Made {
    _folder: tempfile::TempDir,
    data: PathBuf,
    evidence: PathBuf,
    root: Vec<u8>,
}

fn store(name: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join(name);
    let mut firewall = init(&data);
    dream(
        &mut firewall,
        Some(memories(&[("a.md", "# A\n\nTea is green.\n"), ("b.md", "# B\n\nRoses are red.\n")])),
        vec![],
    );
    let mut firewall = later(firewall, &data, 1);
    dream(
        &mut firewall,
        Some(memories(&[("a.md", "# A\n\nTea is black.\n"), ("b.md", "# B\n\nRoses are red.\n")])),
        vec![],
    );
    let mut firewall = later(firewall, &data, 2);
    // The text of version 1 is erased, and the evidence has to show that it was.
    let query = VersionQuery { limit: 100, ..VersionQuery::default() };
    let rows = firewall.memory_versions(&query).unwrap();
    let current: BTreeSet<String> =
        firewall.live_head().unwrap().memories().map(|row| row.version_id.clone()).collect();
    let old = rows.iter().find(|row| !current.contains(&row.id) && row.path.is_some()).unwrap();
    let done = firewall.redact_version(&old.id, Actor::User("ops".to_owned())).unwrap();
    assert!(matches!(done, Redacted::Done(_)), "{done:?}");
    let mut firewall = later(firewall, &data, 3);
    firewall.rollback(1, "test").unwrap();
    firewall.close().unwrap();
    (folder, data)
}

fn made(options: &Options) -> Made {
    let (folder, data) = store("data");
    let evidence = folder.path().join("evidence");
    export::export(&data, &evidence, options).unwrap();
    let root = export::root(&data).unwrap();
    Made { _folder: folder, data, evidence, root }
}

fn check(made: &Made) -> AuditReport {
    stranger::verify(&made.evidence, &made.root, None, at(9))
}

fn codes(report: &AuditReport) -> Vec<&str> {
    report.problems.iter().map(|problem| problem.code.as_str()).collect()
}

fn files(root: &Path) -> Vec<String> {
    let all = walkdir::WalkDir::new(root).sort_by_file_name().into_iter().map(Result::unwrap);
    let files = all.filter(|entry| entry.file_type().is_file());
    files.map(|entry| entry.path().strip_prefix(root).unwrap().to_string_lossy().into_owned()).collect()
}

#[test]
fn fresh_evidence_verifies_and_holds_no_private_key() {
    let made = made(&Options::default());
    let report = check(&made);
    assert!(report.is_good(), "{:?}", report.problems);
    assert!(report.witnesses.contains("unwitnessed"));
    let files = files(&made.evidence);
    assert!(files.iter().any(|name| name.starts_with("erasures/")), "{files:?}");
    assert!(files.iter().any(|name| name.starts_with("consistency/")), "{files:?}");
    for name in &files {
        let bytes = std::fs::read(made.evidence.join(name)).unwrap();
        assert!(!bytes.windows(11).any(|part| part == b"PRIVATE KEY"), "{name}");
        assert!(!String::from_utf8_lossy(&bytes).contains("Tea is green"), "{name} holds an erased text");
    }
}

#[test]
fn the_same_store_gives_the_same_bytes() {
    let made = made(&Options::default());
    let again = made.data.with_file_name("again");
    export::export(&made.data, &again, &Options::default()).unwrap();
    let one = files(&made.evidence);
    assert_eq!(one, files(&again));
    for name in one {
        let read = |root: &Path| std::fs::read(root.join(&name)).unwrap();
        assert_eq!(read(&made.evidence), read(&again), "{name}");
    }
}

#[test]
fn a_flipped_bit_in_any_file_is_refused() {
    let made = made(&Options::default());
    for name in files(&made.evidence) {
        if name == "README.md" {
            continue;
        }
        let path = made.evidence.join(&name);
        let good = std::fs::read(&path).unwrap();
        for at in [0, good.len() / 2, good.len().saturating_sub(2)] {
            let mut bad = good.clone();
            if bad.is_empty() {
                bad.push(0);
            } else {
                bad[at] ^= 1;
            }
            assert_ne!(bad, good);
            std::fs::write(&path, &bad).unwrap();
            let report = check(&made);
            assert!(!report.is_good(), "{name}, byte {at}");
            assert!(report.problems.iter().all(|problem| !problem.place.is_empty()), "{name}");
        }
        std::fs::write(&path, &good).unwrap();
    }
    assert!(check(&made).is_good());
}

#[test]
fn every_missing_file_is_named() {
    let made = made(&Options::default());
    for name in files(&made.evidence) {
        // An old checkpoint or its proof may be left out: nothing else rests on it. So may the copy of the root.
        let optional = ["README.md", ROOT_FILE].contains(&name.as_str()) || name.starts_with("consistency/");
        let old = name.starts_with("checkpoints/");
        let (path, aside) = (made.evidence.join(&name), made.data.with_file_name("aside"));
        std::fs::rename(&path, &aside).unwrap();
        let report = check(&made);
        std::fs::rename(&aside, &path).unwrap();
        if optional {
            assert!(report.is_good(), "{name}: {:?}", report.problems);
        } else if old {
            assert_eq!(codes(&report).iter().filter(|code| **code != "E_FORMAT").count(), 0, "{name}");
        } else {
            assert!(!report.is_good(), "{name}");
        }
    }
}

#[test]
fn what_a_forger_would_try_has_a_code() {
    type Attack = fn(&Path);
    let attacks: [(&str, &str, Attack); 11] = [
        ("statements of two versions exchanged", "E_BINDING", |root| {
            swap(&root.join("versions/1/version.dsse.json"), &root.join("versions/2/version.dsse.json"));
        }),
        ("proofs of two statements exchanged", "ledger-proof", |root| {
            swap(&root.join("versions/1/version.tlog-proof"), &root.join("versions/1/proposal.tlog-proof"));
        }),
        ("manifests exchanged", "E_ROOT", |root| {
            swap(&root.join("versions/1/manifest"), &root.join("versions/2/manifest"));
        }),
        ("a tile that is too many", "log-damaged", |root| {
            std::fs::write(root.join("log/tile/0/001"), [0; 8192]).unwrap();
        }),
        ("an entry bundle cut short", "log-damaged", |root| {
            let path = bundle(root);
            let bytes = std::fs::read(&path).unwrap();
            std::fs::write(&path, &bytes[..bytes.len() - 7]).unwrap();
        }),
        ("a file among the evidence", "verify-extra-file", |root| {
            std::fs::write(root.join("versions/1/approval-9.dsse.json"), "{}").unwrap();
        }),
        ("a public key exchanged", "ledger-key", |root| {
            let key = SigningKey::from_seed(&[77; 32]).unwrap();
            std::fs::write(root.join("keys/log.pem"), key.public().to_pem()).unwrap();
        }),
        ("a policy with another threshold", "ledger-other-trust", |root| {
            let path = root.join("trust/policy.json");
            let text = std::fs::read_to_string(&path).unwrap();
            std::fs::write(path, text.replace("\"advance\":1", "\"advance\":0")).unwrap();
        }),
        ("the log's key exchanged in the log policy", "ledger-other-trust", |root| {
            let key = LogKey::log(&Namespace::product().log_origin("main"), SigningKey::from_seed(&[78; 32]).unwrap());
            std::fs::write(root.join("trust/tlog.policy"), format!("log {}\nquorum none\n", key.unwrap().vkey()))
                .unwrap();
        }),
        ("a memory's salt shortened", "E_COMMIT", |root| {
            let blobs = std::fs::read_dir(root.join("blobs")).unwrap().map(|entry| entry.unwrap().path());
            let salt = blobs.into_iter().find(|path| path.to_string_lossy().ends_with(".salt.hex")).unwrap();
            std::fs::write(salt, "00\n").unwrap();
        }),
        ("an erasure statement replaced by a version", "E_BINDING", |root| {
            let erasure = std::fs::read_dir(root.join("erasures")).unwrap().map(|entry| entry.unwrap().path());
            let erasure = erasure.into_iter().find(|path| path.to_string_lossy().ends_with(".json")).unwrap();
            std::fs::copy(root.join("versions/1/version.dsse.json"), erasure).unwrap();
        }),
    ];
    for (what, code, attack) in attacks {
        let made = made(&Options::default());
        attack(&made.evidence);
        let report = check(&made);
        assert!(codes(&report).contains(&code), "{what}: {:?}", report.problems);
    }
}

fn swap(one: &Path, other: &Path) {
    let (a, b) = (std::fs::read(one).unwrap(), std::fs::read(other).unwrap());
    assert_ne!(a, b);
    std::fs::write(one, b).unwrap();
    std::fs::write(other, a).unwrap();
}

fn bundle(root: &Path) -> PathBuf {
    let name = files(root).into_iter().find(|name| name.starts_with("log/tile/entries/")).unwrap();
    root.join(name)
}

#[test]
fn another_stores_root_or_checkpoint_is_refused() {
    let made = made(&Options::default());
    let (folder, other) = {
        let folder = tempfile::tempdir().unwrap();
        let data = folder.path().join("other");
        let request = memgate::firewall::InitRequest {
            store: "second".to_owned(),
            operator: "ops".into(),
            reviewers: vec!["ana".into()],
            policy: memgate::gate::policy::DEFAULT_POLICY.to_owned(),
        };
        let mut firewall =
            memgate::firewall::Firewall::init(&data, request, memgate::firewall::Env::dangerous_fixed(at(50))).unwrap();
        dream(&mut firewall, Some(memories(&[("a.md", "# A\n\nTea is white.\n")])), vec![]);
        firewall.close().unwrap();
        (folder, data)
    };
    let foreign = export::root(&other).unwrap();
    let report = stranger::verify(&made.evidence, &foreign, None, at(9));
    assert_eq!(codes(&report).last().copied(), Some("ledger-other-trust"), "{:?}", report.problems);
    let checkpoint = std::fs::read(other.join("ledger/log/checkpoint")).unwrap();
    let report = stranger::verify(&made.evidence, &made.root, Some(&checkpoint), at(9));
    assert_eq!(codes(&report), ["E_ORIGIN"]);
    std::fs::write(made.evidence.join("checkpoints/1"), &checkpoint).unwrap();
    assert_eq!(codes(&check(&made)), ["E_ORIGIN"]);
    drop(folder);
}

#[test]
fn a_kept_checkpoint_finds_a_log_that_was_put_back() {
    let (folder, data) = store("data");
    let early = folder.path().join("early");
    export::export(&data, &early, &Options::default()).unwrap();
    let root = export::root(&data).unwrap();
    let mut firewall =
        memgate::firewall::Firewall::open(&data, memgate::firewall::Env::dangerous_fixed(at(5))).unwrap();
    firewall.rollback(2, "again").unwrap();
    firewall.close().unwrap();
    let kept = std::fs::read(data.join("ledger/log/checkpoint")).unwrap();
    let first = std::fs::read(early.join("log/checkpoint")).unwrap();
    let late = folder.path().join("late");
    export::export(&data, &late, &Options { since: vec![first.clone()], without_contents: true }).unwrap();
    assert!(stranger::verify(&late, &root, Some(&first), at(9)).is_good());
    assert!(stranger::verify(&early, &root, Some(&first), at(9)).is_good());
    let report = stranger::verify(&early, &root, Some(&kept), at(9));
    assert_eq!(codes(&report), ["E_SHRINK"]);
    // The exporter does not hand out a history that contradicts a checkpoint either.
    let foreign = Options { since: vec![kept.clone(), b"no checkpoint".to_vec()], without_contents: true };
    assert!(export::export(&data, &folder.path().join("never"), &foreign).is_err());
    assert!(!folder.path().join("never").exists());
}

#[test]
fn without_contents_signatures_still_verify_and_the_report_says_so() {
    let made = made(&Options { without_contents: true, ..Options::default() });
    let report = check(&made);
    assert!(report.is_good(), "{:?}", report.problems);
    assert!(report.checks.iter().any(|check| check.detail.contains("not in this folder")));
    assert!(!made.evidence.join("blobs").exists());
}

#[cfg(unix)]
#[test]
fn links_and_pipes_and_giants_are_refused_before_anything_is_read() {
    for odd in ["link", "giant"] {
        let made = made(&Options::default());
        let path = made.evidence.join("log/checkpoint");
        std::fs::remove_file(&path).unwrap();
        match odd {
            "link" => std::os::unix::fs::symlink("/dev/zero", &path).unwrap(),
            _ => std::fs::File::create(&path).unwrap().set_len(1 << 40).unwrap(),
        }
        let report = check(&made);
        assert_eq!(codes(&report), ["verify-odd-file"], "{odd}");
    }
}
