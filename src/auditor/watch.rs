//! The monitor: follows a log, holds every new checkpoint against what it saw before, and verifies each new statement.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::Problem;
use crate::domain::{Coded, Digest};
use crate::ledger::tree::{TILE_WIDTH, Tree, entries_path, grown_bundles, leaf_hash};
use crate::ledger::{
    Age, ForkEvidence, LedgerError, Manifest, Namespace, Note, Trust, TrustRoot, VerifiedLog, read_entries, read_log,
};
use crate::store::logdir::LogDir;
use crate::store::{StoreError, folder};

/// Reads one file of what is watched, by its path: `None` when it is not there, an error in words when it cannot be told.
pub type Fetch<'a> = &'a dyn Fn(&str) -> Result<Option<Vec<u8>>, String>;

/// Where a log may lie below what was named: a log's own folder, an evidence folder, a data folder.
const PLACES: [&str; 3] = ["", "log/", "ledger/log/"];

/// What one look found.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Look {
    /// Entries of the log.
    pub size: u64,
    /// Entries that are new and verified.
    pub entries: u64,
    /// Signed versions in the log.
    pub versions: usize,
    /// Who else has seen the newest checkpoint.
    pub witnesses: String,
    /// What is wrong.
    pub alarms: Vec<Problem>,
    /// The file that proves a fork.
    pub evidence: Option<PathBuf>,
}

/// Why a look could not be had. It is no alarm: nothing was seen.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum WatchError {
    /// Nothing answers, or there is no log.
    #[error("the log cannot be read: {why}")]
    Unreachable {
        /// Why.
        why: String,
    },
    /// Root and trust files do not fit.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The monitor's own folder.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Coded for WatchError {
    fn code(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "audit-unreachable",
            Self::Ledger(error) => error.code(),
            Self::Store(error) => error.code(),
        }
    }
    fn family(&self) -> crate::domain::Family {
        match self {
            Self::Unreachable { .. } => crate::domain::Family::Unavailable,
            Self::Ledger(error) => error.family(),
            Self::Store(error) => error.family(),
        }
    }
    fn remedy(&self) -> &'static str {
        match self {
            Self::Unreachable { .. } => "check the folder or address; a log that stays away for long should worry you",
            Self::Ledger(error) => error.remedy(),
            Self::Store(error) => error.remedy(),
        }
    }
}

/// A monitor of one log, with its own copy of what it saw.
#[derive(Debug)]
pub struct Watcher {
    state: PathBuf,
    trust: Trust,
    log: Option<VerifiedLog>,
}

impl Watcher {
    /// Opens or begins a monitor's folder. `root` is the trust root the caller has by other means; the trust files are
    /// fetched, and must be those that it names.
    ///
    /// # Errors
    /// Refused trust, or an own record that does not verify any more; unavailable disk or source.
    pub fn open(state: &Path, root: &[u8], fetch: Fetch<'_>) -> Result<Self, WatchError> {
        let trust = admit(root, fetch)?;
        folder::create_private_dir(&state.join("log"))?;
        let mut watcher = Self { state: state.to_owned(), trust, log: None };
        if watcher.checkpoint().exists() {
            let storage = LogDir::public_only(&state.join("log"));
            watcher.log = Some(read_log(&storage, &watcher.trust, Age::Archive, watcher.leaves(fetch))?);
        }
        Ok(watcher)
    }

    fn checkpoint(&self) -> PathBuf {
        self.state.join("log/checkpoint")
    }

    /// Leaf hashes of manifests, where the source has them: a rollback over an erasure cannot be checked without.
    fn leaves(&self, fetch: Fetch<'_>) -> Vec<Vec<Digest>> {
        let mut all = Vec::new();
        for sequence in 1.. {
            let Ok(Some(bytes)) = fetch(&format!("versions/{sequence}/manifest")) else { break };
            let Ok(manifest) = Manifest::parse(&bytes) else { break };
            all.push(manifest.leaf_hashes());
        }
        all
    }

    /// Looks once.
    ///
    /// # Errors
    /// Only when nothing could be seen; everything that is wrong with what was seen is an alarm.
    pub fn look(&mut self, fetch: Fetch<'_>) -> Result<Look, WatchError> {
        let mut found = None;
        for place in PLACES {
            if let Some(bytes) = fetch(&format!("{place}checkpoint")).map_err(|why| WatchError::Unreachable { why })? {
                found = Some((place, bytes));
                break;
            }
        }
        let (place, bytes) = found.ok_or(WatchError::Unreachable { why: "no checkpoint is there".to_owned() })?;
        let mut look = Look::default();
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let verified = Note::parse(&bytes).and_then(|note| note.verify(self.trust.tlog(), Age::Archive));
        let seen = match verified {
            Ok(seen) => seen,
            Err(error) => {
                alarm(&mut look, &error, "checkpoint");
                return Ok(self.finish(look));
            }
        };
        let new = seen.body().clone();
        if let Some(old) = &self.log
            && let Some(last) = old.checkpoint()
        {
            let last = last.body();
            if new.size <= last.size {
                let before = old.root_at(new.size);
                if before != Some(new.root) {
                    // Both are signed: whatever the log says now, one of them was a lie.
                    let proof = old.consistency_proof(new.size).unwrap_or_default();
                    let fork = ForkEvidence::new(&text, old.note(), before.unwrap_or(last.root), proof);
                    self.keep(&mut look, &fork, new.size, last.size)?;
                } else if new.size < last.size {
                    alarm(&mut look, &LedgerError::Shrink { old: last.size, new: new.size }, "checkpoint");
                } else if text != old.note() {
                    // The same, with other cosignatures.
                    folder::write_atomic(&self.checkpoint(), text.as_bytes())?;
                }
                return Ok(self.finish(look));
            }
        }
        let from = self.log.as_ref().and_then(|log| log.checkpoint()).map_or(0, |last| last.body().size);
        let bundles = match self.bundles(fetch, place, from / TILE_WIDTH * TILE_WIDTH, new.size) {
            Ok(bundles) => bundles,
            Err(file) => {
                say(&mut look, "log-damaged", &file, "is missing, or not what its name says");
                return Ok(self.finish(look));
            }
        };
        let leaves = self.leaves(fetch);
        let log = self.log.take().unwrap_or_else(|| VerifiedLog::nothing(self.trust.clone()));
        let skip = usize::try_from(from % TILE_WIDTH).unwrap_or(0);
        let same = bundles.first().is_none_or(|first| {
            let old = first.entries().into_iter().take(skip).zip(from - skip as u64..);
            old.into_iter().all(|(entry, at)| log.leaf(at) == Some(leaf_hash(entry)))
        });
        let mut log = log;
        let entries: Vec<&[u8]> = bundles.iter().flat_map(Bundle::entries).skip(skip).collect();
        let extended = if same { log.extend(&entries, &text, leaves) } else { Err(LedgerError::Fork { size: from }) };
        match extended {
            Ok(()) => {
                look.entries = new.size - from;
                self.store(&bundles, &text)?;
            }
            Err(error @ LedgerError::Fork { .. }) => match self.whole(fetch, place, new.size) {
                Some(other) if other.root() == new.root && from > 0 => {
                    let (root, proof) = (other.root_at(from), other.consistency_proof(from, new.size));
                    let fork =
                        ForkEvidence::new(log.note(), &text, root.unwrap_or(new.root), proof.unwrap_or_default());
                    self.keep(&mut look, &fork, from, new.size)?;
                }
                _ => {
                    alarm(&mut look, &error, "checkpoint");
                    say(
                        &mut look,
                        "log-damaged",
                        "tile/entries",
                        "the entries that are served are not those that were signed",
                    );
                }
            },
            Err(error) => alarm(&mut look, &error, "log"),
        }
        if log.checkpoint().is_some() {
            self.log = Some(log);
        }
        Ok(self.finish(look))
    }

    fn finish(&self, mut look: Look) -> Look {
        if let Some(log) = &self.log {
            look.size = log.checkpoint().map_or(0, |seen| seen.body().size);
            look.versions = log.history().versions().len();
            look.witnesses = log.checkpoint().map(|seen| seen.seen_by()).unwrap_or_default();
        }
        look
    }

    /// Writes the proof of a fork, once it is one by the rules that others check it by.
    fn keep(&self, look: &mut Look, fork: &ForkEvidence, old: u64, new: u64) -> Result<(), WatchError> {
        alarm(look, &LedgerError::Fork { size: old }, "checkpoint");
        if fork.verify(self.trust.tlog()).is_ok() {
            let path = self.state.join(format!("fork-{old}-{new}.txt"));
            folder::write_atomic(&path, fork.to_text().as_bytes())?;
            look.evidence = Some(path);
        }
        Ok(())
    }

    fn bundles(&self, fetch: Fetch<'_>, place: &str, start: u64, size: u64) -> Result<Vec<Bundle>, String> {
        let mut all = Vec::new();
        for (index, width) in grown_bundles(start, size) {
            let path = entries_path(index, width);
            let full = entries_path(index, TILE_WIDTH as u16);
            let get = |path: &str| fetch(&format!("{place}{path}")).ok().flatten();
            let bytes = get(&path).or_else(|| get(&full)).ok_or_else(|| path.clone())?;
            let entries = read_entries(&bytes).filter(|entries| entries.len() >= usize::from(width));
            let lengths: usize =
                entries.ok_or_else(|| path.clone())?[..usize::from(width)].iter().map(|e| e.len() + 2).sum();
            all.push(Bundle { path, bytes: bytes[..lengths].to_vec() });
        }
        Ok(all)
    }

    /// The tree over all entries as they are served now.
    fn whole(&self, fetch: Fetch<'_>, place: &str, size: u64) -> Option<Tree> {
        let bundles = self.bundles(fetch, place, 0, size).ok()?;
        let mut tree = Tree::default();
        bundles.iter().flat_map(Bundle::entries).for_each(|entry| tree.push(leaf_hash(entry)));
        Some(tree)
    }

    /// Keeps what was verified; the checkpoint comes last, and what only the one before needs goes after it.
    fn store(&self, bundles: &[Bundle], note: &str) -> Result<(), WatchError> {
        let log = self.state.join("log");
        for bundle in bundles {
            let path = log.join(&bundle.path);
            folder::create_private_dir(path.parent().unwrap_or(&log))?;
            folder::write_atomic(&path, &bundle.bytes)?;
        }
        folder::write_atomic(&self.checkpoint(), note.as_bytes())?;
        for bundle in bundles {
            let path = log.join(&bundle.path);
            let partial = path.parent().filter(|parent| parent.to_string_lossy().ends_with(".p"));
            for other in partial.and_then(|parent| fs::read_dir(parent).ok()).into_iter().flatten().flatten() {
                if other.path() != path {
                    let _ = fs::remove_file(other.path());
                }
            }
        }
        Ok(())
    }
}

/// Checks a file that is said to prove a fork, and gives the name of the log.
///
/// # Errors
/// Refused trust, or a file that does not prove it; unavailable trust files.
pub fn check_fork(text: &str, root: &[u8], fetch: Fetch<'_>) -> Result<String, WatchError> {
    let trust = admit(root, fetch)?;
    ForkEvidence::parse(text)?.verify(trust.tlog())?;
    Ok(trust.tlog().origin().to_owned())
}

fn admit(root: &[u8], fetch: Fetch<'_>) -> Result<Trust, WatchError> {
    let namespace = Namespace::product();
    let file = |name: &str| match fetch(name) {
        Ok(Some(bytes)) => Ok(bytes),
        Ok(None) => Err(WatchError::Unreachable { why: format!("{name} is not there") }),
        Err(why) => Err(WatchError::Unreachable { why }),
    };
    let root = TrustRoot::parse(root, &namespace)?;
    Ok(root.admit(&file("trust/policy.json")?, &file("trust/tlog.policy")?, &namespace)?)
}

/// Entries as they were fetched, cut to the width that their path says.
struct Bundle {
    path: String,
    bytes: Vec<u8>,
}

impl Bundle {
    fn entries(&self) -> Vec<&[u8]> {
        read_entries(&self.bytes).unwrap_or_default()
    }
}

fn say(look: &mut Look, code: &str, place: &str, what: &str) {
    look.alarms.push(Problem { code: code.to_owned(), place: place.to_owned(), what: what.to_owned() });
}

fn alarm(look: &mut Look, error: &LedgerError, place: &str) {
    let mut what = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(one) = cause {
        what = format!("{what}: {one}");
        cause = one.source();
    }
    say(look, error.vector_code().unwrap_or(error.code()), place, &what);
}
