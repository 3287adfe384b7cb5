//! One suite for every backend of the store contract.

use memgate::domain::{Authority, Digest, Kind, MemoryPath, Severity, Span, Timestamp};
use memgate::gate::decide::{HeldNote, Verdict};
use memgate::gate::{HeldRecord, HeldState, Place, Policy};
use memgate::store::records::held_body;
use memgate::store::{
    Access, DataFolder, Difference, ObjectRecord, SqliteStore, Store, StoreError, VersionRecord, VersionState,
};

fn backends(folder: &std::path::Path) -> Vec<Box<dyn Store>> {
    vec![Box::new(SqliteStore::open(&folder.join("contract.db")).unwrap())]
}

fn held(text: &str, severity: Severity) -> HeldRecord {
    let note = HeldNote {
        verdict: Verdict::Hold,
        text: text.to_owned(),
        span: Span::new(0, text.len()),
        kind: Kind::Directive,
        authority: Authority::External,
        severity,
        reasons: vec!["test".to_owned()],
        findings: Vec::new(),
        origins: Vec::new(),
    };
    let place = Place::Memory { path: MemoryPath::parse("/a.md").unwrap(), heading: None };
    HeldRecord::open(note, place, "mallory".into(), &Policy::builtin(), Digest::of("rules"), Timestamp(1_000))
}

fn version(sequence: u64) -> VersionRecord {
    VersionRecord {
        sequence,
        statement: Digest::of(sequence.to_be_bytes()),
        action: "advance".to_owned(),
        manifest: b"m /a.md".to_vec(),
        head: b"head".to_vec(),
        created: Timestamp(5),
        state: VersionState::Pending,
        summary: "{}".to_owned(),
    }
}

#[test]
fn raw_bytes_come_back_by_digest_and_unknown_digests_are_none() {
    let folder = tempfile::tempdir().unwrap();
    for mut store in backends(folder.path()) {
        let bytes = [0_u8, 255, 10, 13];
        let digest = store.put_raw("odd.bin", &bytes).unwrap();
        assert_eq!(digest, Digest::of(bytes));
        assert_eq!(store.put_raw("again.bin", &bytes).unwrap(), digest);
        assert_eq!(store.raw(&digest).unwrap().as_deref(), Some(bytes.as_slice()));
        assert_eq!(store.raw(&Digest::of("nothing")).unwrap(), None);
    }
}

#[test]
fn a_pending_version_is_dropped_or_logged_and_never_both() {
    let folder = tempfile::tempdir().unwrap();
    for mut store in backends(folder.path()) {
        let object = ObjectRecord {
            commit: Digest::of("commit"),
            path: MemoryPath::parse("/a.md").unwrap(),
            content: b"text".to_vec(),
            salt: [7; 32],
            provenance: "{}".to_owned(),
        };
        store.put_pending(&version(1), std::slice::from_ref(&object)).unwrap();
        assert_eq!(store.versions().unwrap(), [version(1)]);
        assert!(store.put_pending(&version(1), &[]).is_err(), "one sequence number, one version");
        store.drop_pending(1).unwrap();
        assert!(store.versions().unwrap().is_empty());
        store.put_pending(&version(1), &[]).unwrap();
        store.mark_logged(1).unwrap();
        store.drop_pending(1).unwrap();
        assert_eq!(store.versions().unwrap()[0].state, VersionState::Logged, "a logged version is never dropped");
        assert_eq!(store.object(&object.commit).unwrap(), Some(object));
    }
}

#[test]
fn held_items_are_ordered_by_severity_and_written_with_their_documents_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    for mut store in backends(folder.path()) {
        let (low, high) = (held("low", Severity::Low), held("high", Severity::Critical));
        let entry = ("quarantine", "1".to_owned(), "{}".to_owned());
        store.put_held(&[low.clone(), high.clone()], std::slice::from_ref(&entry)).unwrap();
        assert_eq!(store.document("quarantine", "1").unwrap().as_deref(), Some("{}"));
        assert_eq!(store.all_held().unwrap().iter().map(|r| r.text.as_str()).collect::<Vec<_>>(), ["high", "low"]);
        let mut destroyed = high.clone();
        destroyed.state = HeldState::Destroyed;
        store.put_held(std::slice::from_ref(&destroyed), &[]).unwrap();
        assert_eq!(store.held(&high.id).unwrap().unwrap().state, HeldState::Destroyed);
        let digests = store.held_digests().unwrap();
        assert_eq!(digests.len(), 2);
        assert!(digests.contains(&(high.id.clone(), Digest::of(held_body(&destroyed).unwrap()))));
    }
}

#[test]
fn a_changed_record_is_refused_not_repaired() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("contract.db");
    let record = held("original", Severity::High);
    {
        let mut store = SqliteStore::open(&path).unwrap();
        store.put_held(std::slice::from_ref(&record), &[]).unwrap();
        store.put_raw("a", b"raw").unwrap();
    }
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute("UPDATE held SET body = replace(body, 'original', 'tampered')", []).unwrap();
    connection.execute("UPDATE raw SET bytes = x'00'", []).unwrap();
    drop(connection);
    let store = SqliteStore::open(&path).unwrap();
    assert!(matches!(store.held(&record.id), Err(StoreError::Damaged { table: "held", .. })));
    assert!(matches!(store.all_held(), Err(StoreError::Damaged { .. })));
    assert!(matches!(store.raw(&Digest::of(b"raw")), Err(StoreError::Damaged { table: "raw", .. })));
}

#[test]
fn a_file_that_is_no_database_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("contract.db");
    std::fs::write(&path, b"this is not a database, it is a long enough text to be read as a header").unwrap();
    assert!(SqliteStore::open(&path).is_err());
}

fn unsigned_seal(folder: &DataFolder) {
    folder.seal::<StoreError>(|text| Ok(text.as_bytes().to_vec())).unwrap();
}

fn compare(root: &std::path::Path) -> Vec<Difference> {
    let folder = DataFolder::open(root, Access::Read).unwrap();
    folder.compare(|bytes| String::from_utf8(bytes.to_vec()).map_err(|_| "is not text")).unwrap()
}

#[test]
fn the_seal_names_every_changed_added_and_missing_file() {
    let parent = tempfile::tempdir().unwrap();
    let root = parent.path().join("data");
    let folder = DataFolder::create(&root).unwrap();
    for name in ["a", "b", "c"] {
        std::fs::write(root.join(name), name.repeat(100)).unwrap();
    }
    unsigned_seal(&folder);
    drop(folder);
    assert_eq!(compare(&root), []);
    for at in 0..100 {
        let mut bytes = std::fs::read(root.join("b")).unwrap();
        bytes[at] ^= 1;
        std::fs::write(root.join("b"), &bytes).unwrap();
        assert_eq!(compare(&root), [Difference::Changed("b".to_owned())]);
        bytes[at] ^= 1;
        std::fs::write(root.join("b"), &bytes).unwrap();
    }
    std::fs::remove_file(root.join("c")).unwrap();
    std::fs::write(root.join("d"), "new").unwrap();
    assert_eq!(compare(&root), [Difference::Gone("c".to_owned()), Difference::Added("d".to_owned())]);
    std::fs::remove_file(root.join("seal")).unwrap();
    assert_eq!(compare(&root), [Difference::Seal("is missing")]);
}

#[test]
fn a_second_writer_waits_and_a_run_that_died_is_seen() {
    let parent = tempfile::tempdir().unwrap();
    let root = parent.path().join("data");
    let folder = DataFolder::create(&root).unwrap();
    assert!(matches!(DataFolder::open(&root, Access::Write), Err(StoreError::Busy { .. })));
    assert!(matches!(DataFolder::open(&root, Access::Read), Err(StoreError::Busy { .. })));
    unsigned_seal(&folder);
    drop(folder);
    let died = DataFolder::open(&root, Access::Write).unwrap();
    drop(died); // no seal: as after kill -9
    assert_eq!(compare(&root), [Difference::Unfinished]);
    assert!(DataFolder::open(&root, Access::Write).unwrap().was_unfinished());
    assert!(matches!(DataFolder::create(&root), Err(StoreError::Exists { .. })));
    assert!(matches!(DataFolder::open(&parent.path().join("no"), Access::Read), Err(StoreError::Missing { .. })));
}
