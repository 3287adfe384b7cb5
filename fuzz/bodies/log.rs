//! A log through appends, crashes and tampering: what was acknowledged stays, and nothing else is ever served.
//!
//! One step a line: `append N` logs N entries as one batch; `crash N` lets the storage fail at the N-th write from
//! here; `reopen` starts the writer again; `tamper N BYTE` changes one byte of the N-th file, has it found, and puts
//! it back. Lines that are none of these end the run.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;
use std::sync::OnceLock;

use memgate::domain::{Digest, PrincipalId, StoreName};
use memgate::ledger::policy::Principal;
use memgate::ledger::statement::AuditEvent;
use memgate::ledger::{
    Age, Approvals, Body, Envelope, KeySet, LogKey, LogStorage, LogWriter, Namespace, OpenOptions, PolicyParts, Role,
    Signer, SigningKey, StorageError, TestKeys, TlogPolicy, Trust, TrustPolicy, fsck, read_log,
};

const STEPS: usize = 24;
const ENTRIES: usize = 300;

#[derive(Debug)]
enum Step {
    Append(usize),
    Crash(usize),
    Reopen,
    Tamper(usize, usize),
}

fn steps(text: &str) -> Vec<Step> {
    let step = |line: &str| {
        let mut words = line.split_whitespace();
        let name = words.next()?;
        let mut number = || words.next()?.parse::<usize>().ok();
        Some(match name {
            "append" => Step::Append(number()?.clamp(1, 40)),
            "crash" => Step::Crash(number()?),
            "reopen" => Step::Reopen,
            "tamper" => Step::Tamper(number()?, number()?),
            _ => return None,
        })
    };
    text.lines().take(STEPS).map_while(step).collect()
}

/// Runs the steps and checks it after every step.
pub fn body(data: &[u8]) {
    let Some(text) = super::text(data) else { return };
    let steps = steps(text);
    if steps.is_empty() {
        return;
    }
    let mut world = World::new();
    for step in &steps {
        match *step {
            Step::Append(count) => world.append(count),
            Step::Crash(after) => world.disk.0.borrow_mut().fails_in = Some(after % 12),
            Step::Reopen => world.reopen(),
            Step::Tamper(file, byte) => world.tamper(file, byte),
        }
    }
    world.disk.0.borrow_mut().fails_in = None;
    world.reopen();
    world.check();
}

/// A log, and what its user may rely on.
struct World {
    disk: Disk,
    writer: Option<LogWriter<Disk>>,
    /// Entries that were acknowledged, in order.
    acknowledged: Vec<Vec<u8>>,
    /// The batch that was under way when the storage failed: all of it may be there, or nothing.
    in_flight: Vec<Vec<u8>>,
    serial: u64,
}

impl World {
    fn new() -> Self {
        let disk = Disk::default();
        let mut world = Self { disk, writer: None, acknowledged: Vec::new(), in_flight: Vec::new(), serial: 0 };
        world.reopen();
        world
    }

    fn entries(&mut self, count: usize) -> Vec<Envelope> {
        let signer = signer();
        let event = |serial| {
            let store = signer.trust().policy().store().clone();
            let event = AuditEvent { store, kind: "fuzz".to_owned(), serial, digest: Digest::of(serial.to_be_bytes()) };
            signer.sign_event(&Body::AuditEvent(event)).expect("an event is signed")
        };
        let batch = (0..count as u64).map(|at| event(self.serial + at)).collect();
        self.serial += count as u64;
        batch
    }

    fn append(&mut self, count: usize) {
        if self.serial as usize + count > ENTRIES {
            return;
        }
        let batch = self.entries(count);
        let Some(writer) = &mut self.writer else { return };
        let bytes: Vec<Vec<u8>> = batch.iter().map(|envelope| envelope.bytes().to_vec()).collect();
        match writer.append(&batch) {
            Ok(receipt) => {
                assert_eq!(receipt.first as usize, self.acknowledged.len(), "a receipt names another place");
                for (proof, entry) in receipt.proofs.iter().zip(&bytes) {
                    proof.verify(entry, trust().tlog(), Age::Archive).expect("a receipt proves its entry");
                    assert!(proof.verify(b"another entry", trust().tlog(), Age::Archive).is_err());
                }
                assert_eq!(receipt.proofs.len(), bytes.len());
                self.acknowledged.extend(bytes);
                self.check();
            }
            Err(_) => {
                // Only a disk that fails makes an append fail here; the writer says no until it is opened again.
                assert!(self.disk.0.borrow().failed, "an append failed without a reason");
                assert!(writer.log().is_err() || self.in_flight.is_empty());
                if self.in_flight.is_empty() {
                    self.in_flight = bytes;
                }
                self.writer = None;
            }
        }
    }

    /// What a crash leaves is completed or dropped; what was acknowledged is there.
    fn reopen(&mut self) {
        self.writer = None;
        self.disk.0.borrow_mut().failed = false;
        let opened = LogWriter::open(self.disk.clone(), log_key(), trust().clone(), OpenOptions::default());
        let writer = match opened {
            Ok(writer) => writer,
            Err(error) => {
                assert!(self.disk.0.borrow().failed, "the log does not open after a crash: {error}");
                return;
            }
        };
        let size = writer.log().expect("a fresh writer is not poisoned").history().len() as usize;
        let whole = self.acknowledged.len() + self.in_flight.len();
        assert!(size == self.acknowledged.len() || size == whole, "{size} entries: half a batch");
        if size == whole {
            self.acknowledged.append(&mut self.in_flight);
        }
        self.in_flight.clear();
        self.writer = Some(writer);
        self.check();
    }

    /// A stranger reads exactly what was acknowledged.
    fn check(&self) {
        if self.writer.is_none() {
            return;
        }
        let log = read_log(&self.disk, trust(), Age::Archive, Vec::new()).expect("the log verifies");
        assert_eq!(log.history().len() as usize, self.acknowledged.len());
        for (index, entry) in self.acknowledged.iter().enumerate() {
            assert_eq!(log.history().index_of_entry(entry), Some(index as u64), "entry {index} is elsewhere or gone");
        }
        assert_eq!(fsck(&self.disk, trust(), Vec::new()).expect("the disk can be read"), Vec::new());
    }

    /// One changed byte: found, named, and nothing that was not logged is read.
    fn tamper(&mut self, file: usize, byte: usize) {
        if self.writer.is_none() {
            return;
        }
        let Some((name, original)) = self.disk.pick(file) else { return };
        if original.is_empty() {
            return;
        }
        let mut changed = original.clone();
        changed[byte % original.len()] ^= 1 << (byte % 7);
        self.disk.put(&name, changed);
        let damage = fsck(&self.disk, trust(), Vec::new()).expect("the disk can be read");
        assert!(!damage.is_empty(), "a changed byte of {name} was not found");
        if let Ok(log) = read_log(&self.disk, trust(), Age::Archive, Vec::new()) {
            // A damaged tile or head does not hide the entries; but it adds none either.
            let known: BTreeSet<&Vec<u8>> = self.acknowledged.iter().collect();
            assert!(log.history().len() as usize <= known.len(), "more entries than were ever logged");
        }
        self.disk.put(&name, original);
        self.check();
    }
}

/// One log in memory, whose writes can be made to fail.
#[derive(Clone, Default, Debug)]
struct Disk(Rc<RefCell<Files>>);

#[derive(Default, Debug)]
struct Files {
    wal: Vec<u8>,
    files: BTreeMap<String, Vec<u8>>,
    head: Option<Vec<u8>>,
    published: Option<Vec<u8>>,
    /// Writes until the disk fails.
    fails_in: Option<usize>,
    failed: bool,
}

impl Disk {
    /// Counts one write; true when it must fail. A failing append leaves half of its bytes behind.
    fn fails(&self) -> bool {
        let mut disk = self.0.borrow_mut();
        match disk.fails_in {
            Some(0) => {
                disk.fails_in = None;
                disk.failed = true;
                true
            }
            Some(left) => {
                disk.fails_in = Some(left - 1);
                false
            }
            None => false,
        }
    }

    fn pick(&self, number: usize) -> Option<(String, Vec<u8>)> {
        let disk = self.0.borrow();
        let mut all: Vec<(String, Vec<u8>)> = disk.files.iter().map(|(n, b)| (n.clone(), b.clone())).collect();
        all.extend(disk.head.clone().map(|bytes| ("head".to_owned(), bytes)));
        all.extend(disk.published.clone().map(|bytes| ("checkpoint".to_owned(), bytes)));
        let count = all.len();
        (count > 0).then(|| all.swap_remove(number % count))
    }

    fn put(&self, name: &str, bytes: Vec<u8>) {
        let mut disk = self.0.borrow_mut();
        match name {
            "head" => disk.head = Some(bytes),
            "checkpoint" => disk.published = Some(bytes),
            _ => {
                disk.files.insert(name.to_owned(), bytes);
            }
        }
    }
}

fn full() -> StorageError {
    StorageError { step: "write", file: "disk".to_owned(), source: "the disk is full".into() }
}

impl LogStorage for Disk {
    fn read_wal(&self) -> Result<Vec<u8>, StorageError> {
        Ok(self.0.borrow().wal.clone())
    }
    fn append_wal(&mut self, record: &[u8]) -> Result<(), StorageError> {
        let fails = self.fails();
        let kept = if fails { record.len() / 2 } else { record.len() };
        self.0.borrow_mut().wal.extend_from_slice(&record[..kept]);
        if fails { Err(full()) } else { Ok(()) }
    }
    fn clear_wal(&mut self) -> Result<(), StorageError> {
        if self.fails() {
            return Err(full());
        }
        self.0.borrow_mut().wal.clear();
        Ok(())
    }
    fn read(&self, path: &str) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.0.borrow().files.get(path).cloned())
    }
    fn write_new(&mut self, path: &str, bytes: &[u8]) -> Result<(), StorageError> {
        if self.fails() {
            return Err(full());
        }
        let mut disk = self.0.borrow_mut();
        let known = disk.files.entry(path.to_owned()).or_insert_with(|| bytes.to_vec());
        assert_eq!(known, bytes, "an immutable file would change: {path}");
        Ok(())
    }
    fn remove_partial(&mut self, path: &str) -> Result<(), StorageError> {
        if self.fails() {
            return Err(full());
        }
        self.0.borrow_mut().files.remove(path);
        Ok(())
    }
    fn list(&self) -> Result<Vec<String>, StorageError> {
        Ok(self.0.borrow().files.keys().filter(|path| path.starts_with("tile/")).cloned().collect())
    }
    fn head(&self) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.0.borrow().head.clone())
    }
    fn swap_head(&mut self, expected: Option<&[u8]>, new: &[u8]) -> Result<bool, StorageError> {
        if self.fails() {
            return Err(full());
        }
        let mut disk = self.0.borrow_mut();
        let same = disk.head.as_deref() == expected;
        if same {
            disk.head = Some(new.to_vec());
        }
        Ok(same)
    }
    fn publish(&mut self, checkpoint: &[u8]) -> Result<(), StorageError> {
        if self.fails() {
            return Err(full());
        }
        self.0.borrow_mut().published = Some(checkpoint.to_vec());
        Ok(())
    }
    fn published(&self) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.0.borrow().published.clone())
    }
}

fn key(seed: u8) -> SigningKey {
    SigningKey::from_seed(&[seed; 32]).expect("any seed is a key")
}

fn log_key() -> LogKey {
    LogKey::log(&Namespace::product().log_origin("fuzz"), key(43)).expect("a lawful name")
}

fn trust() -> &'static Trust {
    static TRUST: OnceLock<Trust> = OnceLock::new();
    TRUST.get_or_init(|| {
        let namespace = Namespace::product();
        let (person, gate, version) = (key(40), key(41), key(42));
        let store: StoreName = namespace.store("fuzz");
        let owner = Principal { keys: vec![person.public().id()], roles: vec![Role::Proposer, Role::Reviewer] };
        let other = key(44);
        let second = Principal { keys: vec![other.public().id()], roles: vec![Role::Reviewer] };
        let parts = PolicyParts {
            store,
            keys: [&person, &gate, &version, &other].map(|key| key.public().clone()).to_vec(),
            principals: [(PrincipalId::new("owner"), owner), (PrincipalId::new("second"), second)].into(),
            gates: vec![gate.public().id()],
            version_signers: (vec![version.public().id()], 1),
            approvals: Approvals { genesis: 1, advance: 1, rollback: 1, erase: 1 },
            retired: BTreeMap::new(),
            history: Vec::new(),
        };
        let bytes = parts.to_bytes(&namespace, TestKeys::Refuse).expect("a lawful policy");
        let policy = TrustPolicy::parse(&bytes, &namespace, TestKeys::Refuse).expect("a lawful policy");
        let tlog = TlogPolicy::unwitnessed(log_key().vkey().clone());
        Trust::new(namespace, policy, Vec::new(), tlog).expect("the files agree")
    })
}

fn signer() -> &'static Signer {
    static SIGNER: OnceLock<Signer> = OnceLock::new();
    SIGNER.get_or_init(|| {
        let people = BTreeMap::from([(PrincipalId::new("owner"), key(40)), (PrincipalId::new("second"), key(44))]);
        let keys = KeySet { people, gate: key(41), version_signers: vec![key(42)] };
        Signer::new(trust().clone(), keys).expect("the keys are those of the policy")
    })
}
