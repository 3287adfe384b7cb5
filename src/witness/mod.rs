//! A witness: signs that it saw a log's checkpoint, once, and only if the log did nothing but grow since.
//!
//! For: other people's logs, so that no log can show two histories unseen. In: add-checkpoint requests as bytes.
//! Out: status, media type and body. May touch: `domain`, `ledger`, `store`; its own folder.
//! Never: answers before what it signed is on disk; signs two histories of one log.
#![expect(clippy::disallowed_methods, reason = "a witness keeps its records in a folder of its own")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use zeroize::Zeroizing;

use crate::domain::{Coded, Digest, Family, Timestamp};
use crate::ledger::cosign::{self, AddCheckpoint, Refusal};
use crate::ledger::{Checkpoint, LedgerError, LogKey, Note, SigningKey, TestKeys, TlogPolicy, VKey};
use crate::store::{StoreError, folder};

const KEY: &str = "key.pem";
const NAME: &str = "name";
const LOGS: &str = "logs";
const SEEN: &str = "seen";
const LOCK: &str = "lock";

/// Why a witness cannot work.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WitnessError {
    /// There is no witness's folder here.
    #[error("{folder} is not a witness's folder")]
    Missing {
        /// The folder.
        folder: PathBuf,
    },
    /// Another process is this witness.
    #[error("{folder} is in use by another memgate")]
    Busy {
        /// The folder.
        folder: PathBuf,
    },
    /// What it saw of a log does not read back: it must not sign for that log again.
    #[error("the record of a log does not read back: {file}")]
    Damaged {
        /// The record.
        file: PathBuf,
    },
    /// A key or a verifier key is refused.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The disk refuses.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Coded for WitnessError {
    fn code(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "witness-missing",
            Self::Busy { .. } => "witness-busy",
            Self::Damaged { .. } => "witness-damaged",
            Self::Ledger(error) => error.code(),
            Self::Store(error) => error.code(),
        }
    }
    fn family(&self) -> Family {
        match self {
            Self::Missing { .. } | Self::Damaged { .. } => Family::Refused,
            Self::Busy { .. } => Family::Unavailable,
            Self::Ledger(error) => error.family(),
            Self::Store(error) => error.family(),
        }
    }
    fn remedy(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "make one with `memgate witness init`, or name it with --dir",
            Self::Busy { .. } => "stop the other process: two witnesses of one key could sign two histories",
            Self::Damaged { .. } => "restore the record from a copy that is not older than the log's last cosignature",
            Self::Ledger(error) => error.remedy(),
            Self::Store(error) => error.remedy(),
        }
    }
}

/// What a request is answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    /// HTTP status.
    pub status: u16,
    /// Media type of the body.
    pub media: &'static str,
    /// The body.
    pub body: String,
}

impl Answer {
    fn of(refusal: Refusal) -> Self {
        let (media, body) = match refusal {
            Refusal::OtherSize(size) => ("text/x.tlog.size", format!("{size}\n")),
            Refusal::Malformed => ("text/plain; charset=utf-8", "not an add-checkpoint request\n".to_owned()),
            Refusal::UnknownLog => ("text/plain; charset=utf-8", "this log is not watched here\n".to_owned()),
            Refusal::BadSignature => ("text/plain; charset=utf-8", "the log has not signed this\n".to_owned()),
            Refusal::NotContinued => (
                "text/plain; charset=utf-8",
                "this does not continue what was seen: the log was rewritten\n".to_owned(),
            ),
        };
        Self { status: refusal.status(), media, body }
    }
    fn broken() -> Self {
        Self { status: 500, media: "text/plain; charset=utf-8", body: "nothing was signed\n".to_owned() }
    }
}

/// One witness, alone with its folder.
#[derive(Debug)]
pub struct Witness {
    folder: PathBuf,
    key: LogKey,
    // Held for its advisory lock.
    _lock: File,
    /// Checking what was seen and storing what is signed is one step.
    turn: Mutex<()>,
}

/// Makes a witness's folder with a fresh key, whose seed is passed in, and returns its verifier key.
///
/// # Errors
/// Refused when there is one, or for a name that cannot stand in a note; unavailable when the disk refuses.
pub fn init(folder: &Path, name: &str, seed: &Zeroizing<[u8; 32]>) -> Result<String, WitnessError> {
    if folder.join(KEY).exists() {
        return Err(StoreError::Exists { folder: folder.to_owned() }.into());
    }
    let key = SigningKey::from_seed(seed)?;
    let pem = key.to_pkcs8_pem();
    let key = LogKey::witness(name, key)?;
    folder::create_private_dir(folder)?;
    folder::create_private_dir(&folder.join(SEEN))?;
    folder::create_private_file(&folder.join(LOCK))?;
    folder::write_atomic(&folder.join(LOGS), b"")?;
    folder::write_atomic(&folder.join(NAME), format!("{name}\n").as_bytes())?;
    // The key comes last: a folder that has one is whole.
    folder::write_atomic(&folder.join(KEY), pem.as_bytes())?;
    Ok(key.vkey().to_string())
}

/// Watches one more log, or a further key of one, also while the witness serves.
///
/// # Errors
/// Refused for a text that is not a log's verifier key; unavailable when the disk refuses.
pub fn watch(folder: &Path, vkey: &str) -> Result<(), WitnessError> {
    if !folder.join(KEY).exists() {
        return Err(WitnessError::Missing { folder: folder.to_owned() });
    }
    // A policy of it alone checks that it is a log's key and not a witness's.
    TlogPolicy::parse(&format!("log {vkey}\nquorum none\n"), TestKeys::Refuse)?;
    let mut text = read(&folder.join(LOGS))?;
    if !text.lines().any(|line| line == vkey) {
        text.push_str(vkey);
        text.push('\n');
        folder::write_atomic(&folder.join(LOGS), text.as_bytes())?;
    }
    Ok(())
}

fn read(path: &Path) -> Result<String, WitnessError> {
    Ok(fs::read_to_string(path).map_err(StoreError::io("read", path))?)
}

impl Witness {
    /// Opens a witness's folder, alone.
    ///
    /// # Errors
    /// Refused when there is none; unavailable when another process has it.
    pub fn open(folder: &Path) -> Result<Self, WitnessError> {
        if !folder.join(KEY).exists() {
            return Err(WitnessError::Missing { folder: folder.to_owned() });
        }
        let path = folder.join(LOCK);
        let lock = File::options().read(true).write(true).open(&path).map_err(StoreError::io("open", &path))?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(WitnessError::Busy { folder: folder.to_owned() }),
            Err(fs::TryLockError::Error(error)) => return Err(StoreError::io("lock", &path)(error).into()),
        }
        let pem = Zeroizing::new(read(&folder.join(KEY))?);
        let name = read(&folder.join(NAME))?;
        let key = LogKey::witness(name.trim_end_matches('\n'), SigningKey::from_pkcs8_pem(&pem)?)?;
        Ok(Self { folder: folder.to_owned(), key, _lock: lock, turn: Mutex::new(()) })
    }
    /// The verifier key that logs and readers put into their policies.
    pub fn vkey(&self) -> String {
        self.key.vkey().to_string()
    }
    /// Names of the logs it watches, with the size it signed last.
    ///
    /// # Errors
    /// Unavailable files, damaged records.
    pub fn logs(&self) -> Result<Vec<(String, u64)>, WitnessError> {
        let mut out: Vec<(String, u64)> = Vec::new();
        for vkey in self.watched()? {
            if !out.iter().any(|(name, _)| name == vkey.name()) {
                let size = self.last(vkey.name())?.map_or(0, |last| last.size);
                out.push((vkey.name().to_owned(), size));
            }
        }
        Ok(out)
    }

    fn watched(&self) -> Result<Vec<VKey>, WitnessError> {
        let text = read(&self.folder.join(LOGS))?;
        let lines = text.lines().filter(|line| !line.is_empty());
        Ok(lines.map(|line| VKey::parse(line, TestKeys::Refuse)).collect::<Result<_, _>>()?)
    }

    fn record(&self, origin: &str) -> PathBuf {
        self.folder.join(SEEN).join(Digest::of(origin).hex())
    }

    /// What was cosigned last. A record that does not read back is no record: then nothing may be signed.
    fn last(&self, origin: &str) -> Result<Option<Checkpoint>, WitnessError> {
        let file = self.record(origin);
        let bytes = match fs::read(&file) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(StoreError::io("read", &file)(error).into()),
        };
        let own = TlogPolicy::parse(
            &format!("log {}\nwitness w {}\nquorum w\n", self.own_log(origin)?, self.key.vkey()),
            TestKeys::Refuse,
        )?;
        // Under its own cosignature: a record that somebody edited does not count.
        let note = Note::parse(&bytes).ok().filter(|note| note.verify(&own, crate::ledger::Age::Archive).is_ok());
        let body = note.map(|note| note.dangerous_unverified_body().clone()).filter(|body| body.origin == origin);
        body.map(Some).ok_or(WitnessError::Damaged { file })
    }

    fn own_log(&self, origin: &str) -> Result<VKey, WitnessError> {
        let found = self.watched()?.into_iter().find(|vkey| vkey.name() == origin);
        Ok(found.ok_or(LedgerError::Origin)?)
    }

    /// Answers an add-checkpoint request. What is signed is on disk before this returns.
    pub fn add_checkpoint(&self, body: &[u8], now: Timestamp) -> Answer {
        let Ok(request) = AddCheckpoint::parse(body) else { return Answer::of(Refusal::Malformed) };
        let Ok(note) = Note::parse(request.note.as_bytes()) else { return Answer::of(Refusal::Malformed) };
        let origin = note.dangerous_unverified_body().origin.clone();
        let _turn = self.turn.lock().unwrap_or_else(PoisonError::into_inner);
        let Ok(watched) = self.watched() else { return Answer::broken() };
        if !watched.iter().any(|vkey| vkey.name() == origin) {
            return Answer::of(Refusal::UnknownLog);
        }
        let Ok(last) = self.last(&origin) else { return Answer::broken() };
        let at = u64::try_from(now.seconds()).unwrap_or(0);
        match cosign::decide(&request, &watched, last.as_ref(), &self.key, at) {
            Err(refusal) => Answer::of(refusal),
            Ok((_, line)) => {
                let kept = format!("{}{line}", request.note);
                match folder::write_atomic(&self.record(&origin), kept.as_bytes()) {
                    Ok(()) => Answer { status: 200, media: "text/plain; charset=utf-8", body: line },
                    Err(_) => Answer::broken(),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::tree::{Tree, leaf_hash};

    const NOW: Timestamp = Timestamp(1_800_000_000_000);

    fn log() -> LogKey {
        LogKey::log("log.example/a", SigningKey::from_seed(&[51; 32]).unwrap()).unwrap()
    }
    fn made() -> (tempfile::TempDir, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("w");
        init(&path, "witness.example/w", &Zeroizing::new([52; 32])).unwrap();
        watch(&path, &log().vkey().to_string()).unwrap();
        (folder, path)
    }
    fn tree(size: u64, of: u8) -> Tree {
        let mut tree = Tree::default();
        (0..size).for_each(|n| tree.push(leaf_hash(&[of, n as u8])));
        tree
    }
    fn request(old: u64, size: u64, of: u8) -> Vec<u8> {
        let tree = tree(size, of);
        let body = Checkpoint { origin: "log.example/a".to_owned(), size, root: tree.root() };
        let proof = tree.consistency_proof(old, size).unwrap_or_default();
        AddCheckpoint { old, proof, note: body.sign(&log()).unwrap() }.to_text().into_bytes()
    }

    #[test]
    fn what_was_signed_is_remembered_over_a_restart_and_no_second_history_is() {
        let (_folder, path) = made();
        let witness = Witness::open(&path).unwrap();
        assert_eq!(witness.add_checkpoint(&request(0, 5, 1), NOW).status, 200);
        assert_eq!(witness.add_checkpoint(&request(5, 9, 1), NOW).status, 200);
        drop(witness);
        let witness = Witness::open(&path).unwrap();
        assert_eq!(witness.logs().unwrap(), [("log.example/a".to_owned(), 9)]);
        let answer = witness.add_checkpoint(&request(5, 12, 1), NOW);
        assert_eq!((answer.status, answer.media, answer.body.as_str()), (409, "text/x.tlog.size", "9\n"));
        assert_eq!(witness.add_checkpoint(&request(9, 12, 2), NOW).status, 422);
        assert_eq!(witness.add_checkpoint(&request(9, 9, 2), NOW).status, 422);
        assert_eq!(witness.add_checkpoint(&request(9, 12, 1), NOW).status, 200);
        assert_eq!(witness.add_checkpoint(b"old 1\n", NOW).status, 400);
    }

    #[test]
    fn an_edited_or_cut_record_keeps_the_witness_from_signing() {
        let (_folder, path) = made();
        let witness = Witness::open(&path).unwrap();
        assert_eq!(witness.add_checkpoint(&request(0, 5, 1), NOW).status, 200);
        let record = witness.record("log.example/a");
        let good = fs::read(&record).unwrap();
        for bad in [good[..good.len() / 2].to_vec(), request(0, 3, 1), Vec::new()] {
            fs::write(&record, &bad).unwrap();
            assert_eq!(witness.add_checkpoint(&request(0, 7, 2), NOW).status, 500);
            assert_eq!(fs::read(&record).unwrap(), bad, "nothing is written over it");
        }
        fs::write(&record, &good).unwrap();
        assert_eq!(witness.add_checkpoint(&request(5, 7, 1), NOW).status, 200);
    }

    #[test]
    fn nothing_is_answered_that_could_not_be_stored() {
        let (_folder, path) = made();
        let witness = Witness::open(&path).unwrap();
        fs::remove_dir(path.join(SEEN)).unwrap();
        assert_eq!(witness.add_checkpoint(&request(0, 5, 1), NOW).status, 500);
        fs::create_dir(path.join(SEEN)).unwrap();
        assert_eq!(witness.add_checkpoint(&request(0, 4, 2), NOW).status, 200, "it never signed the other");
    }

    #[test]
    fn one_folder_has_one_witness_and_only_logs_are_watched() {
        let (_folder, path) = made();
        let first = Witness::open(&path).unwrap();
        assert!(matches!(Witness::open(&path), Err(WitnessError::Busy { .. })));
        assert!(watch(&path, &first.vkey()).is_err(), "a witness is no log");
        assert!(init(&path, "other.example/w", &Zeroizing::new([53; 32])).is_err());
        assert!(matches!(Witness::open(&path.join("none")), Err(WitnessError::Missing { .. })));
    }

    #[test]
    fn requests_at_once_sign_one_history() {
        let (_folder, path) = made();
        let witness = Witness::open(&path).unwrap();
        let both: Vec<u16> = std::thread::scope(|scope| {
            let ask = |of: u8| {
                let witness = &witness;
                scope.spawn(move || witness.add_checkpoint(&request(0, 5, of), NOW).status)
            };
            let handles: Vec<_> = (1..=4).map(ask).collect();
            handles.into_iter().map(|handle| handle.join().unwrap()).collect()
        });
        assert_eq!(both.iter().filter(|status| **status == 200).count(), 1, "{both:?}");
    }
}
