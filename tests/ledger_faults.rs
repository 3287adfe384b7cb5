//! The log's folder under failures: every step before and after, flipped bits, two writers, full recompute.

use std::cell::Cell;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use data_encoding::HEXLOWER;
use memgate::domain::Coded as _;
use memgate::ledger::tree::{Tile, Tree, leaf_hash};
use memgate::ledger::{
    Age, Envelope, LedgerError, LogKey, LogStorage, LogWriter, Manifest, Namespace, OpenOptions, Record, SigningKey,
    StorageError, TestKeys, TlogPolicy, Trust, TrustPolicy, fsck, read_entries, read_log, read_log_with,
};
use memgate::store::logdir::LogDir;

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/signing/golden").join(name)
}
fn log_key() -> LogKey {
    let keys: serde_json::Value = serde_json::from_slice(&std::fs::read(golden("keys.json")).unwrap()).unwrap();
    let seed = HEXLOWER.decode(keys["log"]["seed"].as_str().unwrap().as_bytes()).unwrap();
    let key = SigningKey::dangerous_from_test_seed(&seed.try_into().unwrap()).unwrap();
    LogKey::log("memfw.example/logs/demo", key).unwrap()
}
/// The golden trust without witnesses.
fn trust() -> Trust {
    let namespace = Namespace::of_host("memfw.example");
    let bytes = std::fs::read(golden("policy.json")).unwrap();
    let policy = TrustPolicy::parse(&bytes, &namespace, TestKeys::DangerouslyAllow).unwrap();
    Trust::new(namespace, policy, Vec::new(), TlogPolicy::unwitnessed(log_key().vkey().clone())).unwrap()
}
fn entries() -> Vec<Envelope> {
    let mut all = Vec::new();
    for file in ["log/tile/entries/000", "log/tile/entries/001.p/44"] {
        let bytes = std::fs::read(golden(file)).unwrap();
        all.extend(read_entries(&bytes).unwrap().into_iter().map(|entry| Envelope::parse(entry).unwrap()));
    }
    all
}
fn options() -> OpenOptions {
    let leaves = |n: u8| {
        Manifest::parse(&std::fs::read(golden(&format!("versions/{n}/manifest"))).unwrap()).unwrap().leaf_hashes()
    };
    OpenOptions { floor: None, leaves: (1..=4).map(leaves).collect(), ..OpenOptions::default() }
}
fn open<S: LogStorage>(storage: S) -> Result<LogWriter<S>, LedgerError> {
    LogWriter::open(storage, log_key(), trust(), options())
}

/// Everything recomputed from the entries: tiles, root, statements; nothing missing, nothing left over.
fn assert_equals_a_rebuild(folder: &Path, expected: &[Envelope]) {
    let dir = LogDir::read_only(folder);
    assert_eq!(fsck(&dir, &trust(), options().leaves).unwrap(), []);
    let log = read_log(&dir, &trust(), Age::Archive, options().leaves).unwrap();
    assert_eq!(log.history().len(), expected.len() as u64);
    let mut tree = Tree::default();
    expected.iter().for_each(|entry| tree.push(leaf_hash(entry.bytes())));
    if let Some(checkpoint) = log.checkpoint() {
        assert_eq!(checkpoint.body().root, tree.root(), "other entries, or another order");
    }
    for tile in Tile::grown(0, tree.size()) {
        assert_eq!(dir.read(&tile.path()).unwrap(), tree.tile(tile), "{}", tile.path());
    }
    assert_eq!(dir.head().unwrap(), dir.published().unwrap());
}

/// Fails one persisting step, before or after it is done.
struct Faulty {
    inner: LogDir,
    /// Steps until the failure; none left means no failure.
    fuse: Rc<Cell<Option<usize>>>,
    persists: bool,
}

impl Faulty {
    fn step<T>(&mut self, act: impl FnOnce(&mut LogDir) -> Result<T, StorageError>) -> Result<T, StorageError> {
        let fail = match self.fuse.get() {
            Some(0) => {
                self.fuse.set(None);
                true
            }
            Some(left) => {
                self.fuse.set(Some(left - 1));
                false
            }
            None => false,
        };
        if fail {
            if self.persists {
                let _ = act(&mut self.inner);
            }
            return Err(StorageError { step: "test", file: "fault".to_owned(), source: "injected".into() });
        }
        act(&mut self.inner)
    }
}

impl LogStorage for Faulty {
    fn read_wal(&self) -> Result<Vec<u8>, StorageError> {
        self.inner.read_wal()
    }
    fn append_wal(&mut self, record: &[u8]) -> Result<(), StorageError> {
        self.step(|dir| dir.append_wal(record))
    }
    fn clear_wal(&mut self) -> Result<(), StorageError> {
        self.step(LogStorage::clear_wal)
    }
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StorageError> {
        self.inner.read(path)
    }
    fn write_new(&mut self, path: &str, bytes: &[u8]) -> Result<(), StorageError> {
        self.step(|dir| dir.write_new(path, bytes))
    }
    fn remove_partial(&mut self, path: &str) -> Result<(), StorageError> {
        self.step(|dir| dir.remove_partial(path))
    }
    fn list(&self) -> Result<Vec<String>, StorageError> {
        self.inner.list()
    }
    fn head(&self) -> Result<Option<Vec<u8>>, StorageError> {
        self.inner.head()
    }
    fn swap_head(&mut self, expected: Option<&[u8]>, new: &[u8]) -> Result<bool, StorageError> {
        self.step(|dir| dir.swap_head(expected, new))
    }
    fn publish(&mut self, checkpoint: &[u8]) -> Result<(), StorageError> {
        self.step(|dir| dir.publish(checkpoint))
    }
    fn published(&self) -> Result<Option<Vec<u8>>, StorageError> {
        self.inner.published()
    }
}

/// Appends `second` on top of `first` with a failure at every step; recovery may fail once more itself.
fn survive_every_fault(first: usize, second: usize, persists: bool) -> usize {
    let all = entries();
    let mut faults = 0;
    for at in 0..200 {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = open(LogDir::create(folder.path()).unwrap()).unwrap();
        writer.append(&all[..first]).unwrap();
        drop(writer);

        let fuse = Rc::new(Cell::new(None));
        let faulty =
            |persists| Faulty { inner: LogDir::create(folder.path()).unwrap(), fuse: Rc::clone(&fuse), persists };
        let mut writer = open(faulty(persists)).unwrap();
        fuse.set(Some(at));
        let result = writer.append(&all[first..first + second]);
        let failed = result.is_err();
        if failed {
            assert_eq!(result.unwrap_err().family(), memgate::domain::Family::Unavailable);
            assert!(writer.log().is_err(), "a writer that failed answers nothing until it is opened again");
        }
        drop(writer);

        // A crash during recovery, then recovery of that.
        fuse.set(Some(at % 7));
        let _ = open(faulty(!persists));
        fuse.set(None);
        let mut writer = open(faulty(false)).unwrap();
        let len = writer.log().unwrap().history().len() as usize;
        assert!(len == first || len == first + second, "a batch is whole or not there: {len}");
        if len == first {
            writer.append(&all[first..first + second]).unwrap();
        }
        // And on.
        writer.append(&all[first + second..first + second + 3]).unwrap();
        drop(writer);
        assert_equals_a_rebuild(folder.path(), &all[..first + second + 3]);
        if !failed {
            break;
        }
        faults += 1;
    }
    faults
}

#[test]
fn a_failure_before_any_step_loses_nothing_and_forks_nothing() {
    assert!(survive_every_fault(5, 5, false) >= 6);
    assert!(survive_every_fault(250, 20, false) >= 8);
}

#[test]
fn a_failure_after_any_step_loses_nothing_and_forks_nothing() {
    assert!(survive_every_fault(0, 5, true) >= 6);
    assert!(survive_every_fault(250, 6, true) >= 6);
}

fn open_with<S: LogStorage>(storage: S, records: &[Vec<u8>]) -> Result<LogWriter<S>, LedgerError> {
    LogWriter::open(storage, log_key(), trust(), OpenOptions { intake: records.to_vec(), ..options() })
}

/// Logs batches by records, lays them out now and then, and fails at every step; what was kept is in the log afterwards.
fn records_survive_every_fault(first: usize, batches: &[usize], persists: bool) -> usize {
    let all = entries();
    let mut faults = 0;
    for at in 0..200 {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = open(LogDir::create(folder.path()).unwrap()).unwrap();
        writer.append(&all[..first]).unwrap();
        drop(writer);

        let fuse = Rc::new(Cell::new(None));
        let faulty =
            |persists| Faulty { inner: LogDir::create(folder.path()).unwrap(), fuse: Rc::clone(&fuse), persists };
        let mut writer = open(faulty(persists)).unwrap();
        fuse.set(Some(at));
        // What the caller keeps: its own write may fail, too, before or after it was done.
        let mut records: Vec<Vec<u8>> = Vec::new();
        let mut end = first;
        let mut run = || -> Result<(), LedgerError> {
            for (number, size) in batches.iter().enumerate() {
                let batch = &all[end..end + size];
                writer.append_kept(batch, |record: &Record| {
                    assert_eq!(record.first, end as u64);
                    let fails = fuse.get() == Some(0);
                    fuse.set(fuse.get().and_then(|left| left.checked_sub(1)));
                    if !fails || persists {
                        records.push(record.bytes.clone());
                        end += size;
                    }
                    if fails { Err(LedgerError::CannotSign { why: "injected" }) } else { Ok(()) }
                })?;
                assert_eq!(writer.log()?.history().len(), end as u64);
                if number % 2 == 1 {
                    writer.lay_out()?;
                    assert_eq!(writer.laid_out(), end as u64);
                }
            }
            Ok(())
        };
        let failed = run().is_err();
        assert!(!failed || writer.log().is_err(), "a writer that failed answers nothing until it is opened again");
        drop(writer);

        // Whoever reads now, reads it all.
        let dir = LogDir::read_only(folder.path());
        let read = read_log_with(&dir, &trust(), Age::Archive, options().leaves, &records).unwrap();
        assert_eq!(read.history().len(), end as u64, "fault {at}");
        // A crash during recovery, then recovery of that.
        fuse.set(Some(at % 7));
        let _ = open_with(faulty(!persists), &records);
        fuse.set(None);
        let mut writer = open_with(faulty(false), &records).unwrap();
        assert_eq!(writer.log().unwrap().history().len(), end as u64);
        assert_eq!(writer.laid_out(), end as u64, "opening lays out");
        writer.append(&all[end..end + 3]).unwrap();
        drop(writer);
        assert_equals_a_rebuild(folder.path(), &all[..end + 3]);
        // Records that were not forgotten are no harm.
        drop(open_with(LogDir::create(folder.path()).unwrap(), &records).unwrap());
        assert_equals_a_rebuild(folder.path(), &all[..end + 3]);
        if !failed {
            break;
        }
        faults += 1;
    }
    faults
}

#[test]
fn what_was_kept_as_a_record_is_in_the_log_whatever_fails() {
    for persists in [false, true] {
        assert!(records_survive_every_fault(0, &[5, 5, 5], persists) >= 7);
    }
    // Over the end of a bundle, where partial files go.
    assert!(records_survive_every_fault(250, &[3, 5], true) >= 10);
}

#[test]
fn a_record_that_was_changed_or_left_out_is_refused() {
    let all = entries();
    let folder = tempfile::tempdir().unwrap();
    let mut writer = open(LogDir::create(folder.path()).unwrap()).unwrap();
    writer.append(&all[..5]).unwrap();
    let mut records: Vec<Vec<u8>> = Vec::new();
    for at in [5, 9, 12] {
        let keep = |record: &Record| {
            records.push(record.bytes.clone());
            Ok::<(), LedgerError>(())
        };
        writer.append_kept(&all[at..if at == 9 { 12 } else { at + 4 }], keep).unwrap();
    }
    drop(writer);
    let read = |records: &[Vec<u8>]| {
        let dir = LogDir::read_only(folder.path());
        read_log_with(&dir, &trust(), Age::Archive, options().leaves, records).map(|log| log.history().len())
    };
    let refused = |records: &[Vec<u8>], what: &str| {
        assert!(matches!(read(records), Err(LedgerError::ReadOnly { file, .. }) if file == "intake"), "{what}");
        let opened = open_with(LogDir::create(folder.path()).unwrap(), records);
        assert!(matches!(opened, Err(LedgerError::ReadOnly { file, .. }) if file == "intake"), "{what}");
    };
    assert_eq!(read(&records).unwrap(), 16);
    assert_eq!(read(&records[..2]).unwrap(), 12, "whatever was not kept was not logged");
    refused(&records[1..], "the first one is gone");
    refused(&[records[0].clone(), records[2].clone()], "one in between is gone");
    for at in (0..records[1].len()).step_by(97).chain([0, 7, 8, 15]) {
        let mut changed = records.clone();
        changed[1][at] ^= 0x10;
        assert!(read(&changed).is_err(), "byte {at}");
        assert!(open_with(LogDir::create(folder.path()).unwrap(), &changed).is_err(), "byte {at}");
    }
    let mut cut = records.clone();
    cut[2].truncate(40);
    refused(&cut, "cut short");
    // Another history under the same key: entries of a record that the files have already.
    let mut other = records[0].clone();
    other[7] = 1;
    refused(&[other], "it says other entries at indices that are taken");
    drop(open_with(LogDir::create(folder.path()).unwrap(), &records).unwrap());
    assert_equals_a_rebuild(folder.path(), &all[..16]);
}

#[test]
fn random_batches_equal_a_rebuild() {
    let all = entries();
    let folder = tempfile::tempdir().unwrap();
    let mut at = 0;
    for size in [1, 4, 17, 100, 133, 1, 1, 43] {
        // A new process each time.
        let mut writer = open(LogDir::create(folder.path()).unwrap()).unwrap();
        let receipt = writer.append(&all[at..at + size]).unwrap();
        assert_eq!((receipt.first, receipt.proofs.len()), (at as u64, size));
        at += size;
        drop(writer);
        assert_equals_a_rebuild(folder.path(), &all[..at]);
    }
    assert_eq!(at, 300);
    // The same log as the published one, byte for byte: entries, tiles, and the log's own signature line.
    let dir = LogDir::read_only(folder.path());
    for file in ["tile/0/000", "tile/0/001.p/44", "tile/1/000.p/1", "tile/entries/000", "tile/entries/001.p/44"] {
        assert_eq!(dir.read(file).unwrap().unwrap(), std::fs::read(golden("log").join(file)).unwrap(), "{file}");
    }
    let note = String::from_utf8(dir.published().unwrap().unwrap()).unwrap();
    assert!(std::fs::read_to_string(golden("log/checkpoint")).unwrap().starts_with(&note));
    // Partial tiles that a full one replaced are gone.
    assert!(dir.list().unwrap().iter().all(|file| !file.contains("000.p/") || file.starts_with("tile/1/")));
}

#[test]
fn the_damaged_file_is_named_whatever_byte_flips() {
    let all = entries();
    let folder = tempfile::tempdir().unwrap();
    let mut writer = open(LogDir::create(folder.path()).unwrap()).unwrap();
    writer.append(&all[..270]).unwrap();
    drop(writer);
    let dir = LogDir::read_only(folder.path());
    let mut files: Vec<(String, PathBuf)> =
        dir.list().unwrap().into_iter().map(|file| (file.clone(), folder.path().join("log").join(file))).collect();
    files.push(("checkpoint".to_owned(), folder.path().join("log/checkpoint")));
    files.push(("head".to_owned(), folder.path().join("state/head")));
    assert_eq!(files.len(), 7);
    for (name, path) in files {
        let good = std::fs::read(&path).unwrap();
        for part in 0..5 {
            let mut bad = good.clone();
            let at = (bad.len() - 1) * part / 4;
            bad[at] ^= 0x10;
            std::fs::write(&path, &bad).unwrap();
            let damage = fsck(&dir, &trust(), options().leaves).unwrap();
            assert!(damage.iter().any(|d| d.file == name), "{name} byte {at}: {damage:?}");
            assert!(damage.len() <= 2, "{name} byte {at}: {damage:?}");
            // A writer never continues over it, and says which file it is.
            match open(LogDir::create(folder.path()).unwrap()) {
                Err(LedgerError::ReadOnly { file, .. }) => assert_eq!(file, name, "byte {at}"),
                Err(error) => panic!("{name} byte {at}: {error}"),
                Ok(_) => panic!("{name} byte {at} was accepted"),
            }
        }
        // Cut short, and gone.
        std::fs::write(&path, &good[..good.len() / 2]).unwrap();
        assert!(fsck(&dir, &trust(), options().leaves).unwrap().iter().any(|d| d.file == name), "{name} cut");
        std::fs::remove_file(&path).unwrap();
        let damage = fsck(&dir, &trust(), options().leaves).unwrap();
        assert!(damage.iter().any(|d| d.file == name), "{name} gone: {damage:?}");
        std::fs::write(&path, &good).unwrap();
        assert_eq!(fsck(&dir, &trust(), options().leaves).unwrap(), [], "{name} back");
    }
    // A file that belongs to nothing.
    let stray = folder.path().join("log/tile/0/007");
    std::fs::write(&stray, b"x").unwrap();
    assert_eq!(fsck(&dir, &trust(), options().leaves).unwrap()[0].file, "tile/0/007");
}

#[test]
fn a_torn_write_ahead_record_is_dropped_and_a_flipped_one_is_not_replayed() {
    let all = entries();
    for cut in [1, 8, 20, 700] {
        let folder = tempfile::tempdir().unwrap();
        let mut writer = open(LogDir::create(folder.path()).unwrap()).unwrap();
        writer.append(&all[..5]).unwrap();
        let mut dir = writer.into_storage();
        // A complete record, as a crash right after step 2 leaves it, cut short by the disk.
        let donor = tempfile::tempdir().unwrap();
        let mut other = open(Faulty {
            inner: LogDir::create(donor.path()).unwrap(),
            fuse: Rc::new(Cell::new(None)),
            persists: false,
        })
        .unwrap();
        other.append(&all[..5]).unwrap();
        let mut faulty = other.into_storage();
        faulty.fuse = Rc::new(Cell::new(Some(3)));
        let mut other = open(faulty).unwrap_or_else(|error| panic!("{error}"));
        let _ = other.append(&all[5..10]);
        let record = other.into_storage().read_wal().unwrap();
        assert!(record.len() > 700, "a record was written");
        dir.append_wal(&record[..record.len() - cut]).unwrap();
        drop(dir);
        let mut writer = open(LogDir::create(folder.path()).unwrap()).unwrap();
        assert_eq!(writer.log().unwrap().history().len(), 5);
        writer.append(&all[5..10]).unwrap();
        drop(writer);
        assert_equals_a_rebuild(folder.path(), &all[..10]);
    }
}

#[test]
fn two_writers_cannot_hold_one_log() {
    let folder = tempfile::tempdir().unwrap();
    let first = LogDir::create(folder.path()).unwrap();
    assert!(LogDir::create(folder.path()).is_err());
    let mut reader = LogDir::read_only(folder.path());
    assert!(reader.append_wal(b"x").is_err() && reader.publish(b"x").is_err() && reader.clear_wal().is_err());
    assert!(reader.write_new("tile/0/000", b"x").is_err() && reader.swap_head(None, b"x").is_err());
    drop(first);
    LogDir::create(folder.path()).unwrap();
}

#[test]
fn a_path_is_never_rewritten_with_other_bytes() {
    let folder = tempfile::tempdir().unwrap();
    let mut dir = LogDir::create(folder.path()).unwrap();
    dir.write_new("tile/0/000", b"one").unwrap();
    dir.write_new("tile/0/000", b"one").unwrap();
    assert!(dir.write_new("tile/0/000", b"two").is_err());
    assert!(dir.remove_partial("tile/0/000").is_err());
    assert_eq!(dir.read("tile/0/000").unwrap().unwrap(), b"one");
    assert!(dir.swap_head(None, b"a").unwrap());
    assert!(!dir.swap_head(None, b"b").unwrap());
    assert!(dir.swap_head(Some(b"a"), b"b").unwrap());
}

#[test]
fn an_unfinished_temporary_file_is_not_part_of_the_log() {
    let all = entries();
    let folder = tempfile::tempdir().unwrap();
    let mut writer = open(LogDir::create(folder.path()).unwrap()).unwrap();
    writer.append(&all[..5]).unwrap();
    drop(writer);
    std::fs::write(folder.path().join("log/tile/0/.new-crash"), b"half a tile").unwrap();
    let mut writer = open(LogDir::create(folder.path()).unwrap()).unwrap();
    writer.append(&all[5..10]).unwrap();
    drop(writer);
    assert_equals_a_rebuild(folder.path(), &all[..10]);
}

#[cfg(unix)]
#[test]
fn a_log_without_its_head_record_or_under_another_key_is_not_continued() {
    let all = entries();
    let folder = tempfile::tempdir().unwrap();
    let mut writer = open(LogDir::create(folder.path()).unwrap()).unwrap();
    writer.append(&all[..5]).unwrap();
    drop(writer);
    let head = folder.path().join("state/head");
    let good = std::fs::read(&head).unwrap();
    std::fs::remove_file(&head).unwrap();
    assert!(matches!(open(LogDir::create(folder.path()).unwrap()), Err(LedgerError::ReadOnly { .. })));
    std::fs::remove_file(folder.path().join("log/checkpoint")).unwrap();
    assert!(matches!(open(LogDir::create(folder.path()).unwrap()), Err(LedgerError::ReadOnly { .. })));
    std::fs::write(&head, good).unwrap();
    open(LogDir::create(folder.path()).unwrap()).unwrap();
    let other = LogKey::log("memfw.example/logs/demo", SigningKey::from_seed(&[3; 32]).unwrap()).unwrap();
    let dir = LogDir::create(folder.path()).unwrap();
    assert!(matches!(LogWriter::open(dir, other, trust(), options()), Err(LedgerError::CannotSign { .. })));
}
