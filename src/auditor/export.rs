//! The evidence folder: what somebody who trusts nothing but one root file needs, as plain files in public formats.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use crate::domain::Digest;
use crate::ledger::proof::consistency_text;
use crate::ledger::{
    self, Age, Body, Checkpoint, LedgerError, Line, Namespace, Note, TrustRoot, VerifiedLog, read_entries,
};
use crate::store::{Access, DATABASE, DataFolder, SqliteStore, Store as _, StoreError, VersionState, evidence, folder};

/// What explains the folder to whoever gets it.
const README: &str = include_str!("evidence.md");
/// Name of the file that is to be handed over by other means.
pub const ROOT_FILE: &str = "trust-root.json";

/// What goes into the folder beside statements, proofs and keys.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Earlier signed checkpoints of this log: the folder then proves that nothing of them was taken out.
    pub since: Vec<Vec<u8>>,
    /// Leaves out texts, provenance and salts of the memories: signatures and order can still be checked.
    pub without_contents: bool,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Exported {
    /// Signed versions.
    pub versions: usize,
    /// Entries of the log.
    pub entries: u64,
    /// Different memories whose content is in it.
    pub memories: usize,
    /// Files.
    pub files: usize,
    /// SHA-256 of the root file.
    pub root: Digest,
    /// Who else saw the log.
    pub witnesses: String,
}

struct Out<'a> {
    root: &'a Path,
    files: usize,
}

impl Out<'_> {
    fn put(&mut self, name: &str, bytes: &[u8]) -> Result<(), StoreError> {
        let path = self.root.join(name);
        if let Some(parent) = path.parent() {
            folder::create_private_dir(parent)?;
        }
        fs::write(&path, bytes).map_err(StoreError::io("write", &path))?;
        self.files += 1;
        Ok(())
    }
}

/// The trust root of a data folder: the file that a verifier gets by other means than the evidence.
///
/// # Errors
/// Unavailable files, refused trust.
pub fn root(data: &Path) -> Result<Vec<u8>, StoreError> {
    let (policy, tlog) = trust_files(data)?;
    let namespace = Namespace::product();
    Ok(TrustRoot::of(&policy, &tlog, &namespace)?.to_bytes(&namespace)?)
}

fn trust_files(data: &Path) -> Result<(Vec<u8>, Vec<u8>), StoreError> {
    let read = |name: &str| {
        let path = data.join(evidence::TRUST).join(name);
        fs::read(&path).map_err(StoreError::io("read", path))
    };
    Ok((read("policy.json")?, read("tlog.policy")?))
}

/// True when versions are logged that the log's files do not hold yet: whoever opens the folder to write lays them out.
///
/// # Errors
/// Unavailable when another process writes the store, or the database.
pub fn is_behind(data: &Path) -> Result<bool, StoreError> {
    let _alone = DataFolder::open(data, Access::Read)?;
    Ok(!SqliteStore::open_read(&data.join(DATABASE))?.intake()?.is_empty())
}

/// Writes the evidence of a data folder into a new folder. Everything is verified on the way: what does not verify is
/// not handed out as evidence.
///
/// Cost: one bundle of the log and one version in memory at a time, beside the index over the log.
///
/// # Errors
/// Refused when anything does not verify or the folder is there; unavailable when another process writes the store or
/// the disk refuses. A folder that was begun is removed.
pub fn export(data: &Path, out: &Path, options: &Options) -> Result<Exported, StoreError> {
    let _alone = DataFolder::open(data, Access::Read)?;
    if out.exists() {
        let source = std::io::Error::from(std::io::ErrorKind::AlreadyExists);
        return Err(StoreError::Io { verb: "make", path: out.to_owned(), source });
    }
    let parent = match out.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    folder::create_private_dir(parent)?;
    let staging = tempfile::Builder::new().prefix(".memgate-evidence-").tempdir_in(parent);
    let staging = staging.map_err(StoreError::io("create a folder in", parent))?;
    let exported = fill(data, &mut Out { root: staging.path(), files: 0 }, options)?;
    fs::rename(staging.path(), out).map_err(StoreError::io("move into place", out))?;
    drop(staging.keep());
    folder::sync_dir(parent)?;
    Ok(exported)
}

fn fill(data: &Path, out: &mut Out<'_>, options: &Options) -> Result<Exported, StoreError> {
    let trust = evidence::read_trust(data)?;
    let store = SqliteStore::open_read(&data.join(DATABASE))?;
    let storage = evidence::log_folder(data);
    let log = ledger::read_log(&storage, &trust, Age::Archive, evidence::leaves(&store)?)?;
    let (policy, tlog) = trust_files(data)?;
    let root = root(data)?;
    out.put(ROOT_FILE, &root)?;
    out.put("trust/policy.json", &policy)?;
    out.put("trust/tlog.policy", &tlog)?;
    keys(&log, out)?;
    checkpoints(data, &log, options, out)?;
    statements(&storage, &log, out)?;
    let (versions, memories) = versions(&store, &log, options, out)?;
    let last = versions.to_string();
    let origin = trust.tlog().origin();
    out.put("README.md", README.replace("{LAST}", &last).replace("{ORIGIN}", origin).as_bytes())?;
    let witnesses = log.checkpoint().map(|checkpoint| checkpoint.seen_by());
    Ok(Exported {
        versions,
        entries: log.history().len(),
        memories,
        files: out.files,
        root: Digest::of(&root),
        witnesses: witnesses.unwrap_or_else(|| "nothing is signed yet".to_owned()),
    })
}

/// Every public key as OpenSSL reads it, and the verifier keys of log and witnesses.
fn keys(log: &VerifiedLog, out: &mut Out<'_>) -> Result<(), StoreError> {
    for (name, text) in key_files(log) {
        out.put(&name, text.as_bytes())?;
    }
    Ok(())
}

/// Name and text of every file below `keys/`.
pub(super) fn key_files(log: &VerifiedLog) -> BTreeMap<String, String> {
    let trust = log.history().trust();
    let mut files = BTreeMap::new();
    for key in trust.policy().keys() {
        files.insert(format!("keys/{}.pem", key.id()), key.to_pem());
    }
    for (at, vkey) in trust.tlog().logs().iter().enumerate() {
        let name = if at == 0 { "log".to_owned() } else { format!("log-{}", at + 1) };
        files.insert(format!("keys/{name}.pem"), vkey.key().to_pem());
        files.insert(format!("keys/{name}.vkey"), format!("{vkey}\n"));
    }
    for (at, (_, vkey)) in trust.tlog().witnesses().enumerate() {
        files.insert(format!("keys/witness-{}.pem", at + 1), vkey.key().to_pem());
        files.insert(format!("keys/witness-{}.vkey", at + 1), format!("{vkey}\n"));
    }
    files
}

/// Every checkpoint that is at hand, and how the log grew from each to the newest.
fn checkpoints(data: &Path, log: &VerifiedLog, options: &Options, out: &mut Out<'_>) -> Result<(), StoreError> {
    let Some(newest) = log.checkpoint() else { return Ok(()) };
    let size = newest.body().size;
    let mut notes = options.since.clone();
    let kept = data.join(evidence::LEDGER).join("log").join(ledger::writer::CHECKPOINTS);
    if kept.is_dir() {
        for entry in fs::read_dir(&kept).map_err(StoreError::io("list", &kept))? {
            let path = entry.map_err(StoreError::io("list", &kept))?.path();
            notes.push(fs::read(&path).map_err(StoreError::io("read", &path))?);
        }
    }
    let mut known: BTreeMap<u64, (Checkpoint, Vec<u8>)> = BTreeMap::new();
    for note in notes {
        let old = Note::parse(&note)?.verify_log(log.history().trust().tlog())?;
        log.continues(&old)?;
        known.entry(old.size).or_insert((old, note));
    }
    known.insert(size, (newest.body().clone(), log.note().as_bytes().to_vec()));
    for (old, (_, note)) in &known {
        out.put(&format!("checkpoints/{old}"), note)?;
        if *old < size {
            let proof =
                log.consistency_proof(*old).ok_or(LedgerError::Proof { why: "no proof between checkpoints" })?;
            out.put(&format!("consistency/{old}-{size}.proof"), consistency_text(&proof).as_bytes())?;
        }
    }
    Ok(())
}

/// File names below the folder, without their endings, of the statements at each index that a stranger looks for.
pub(super) fn places(log: &VerifiedLog) -> BTreeMap<u64, Vec<String>> {
    let mut places: BTreeMap<u64, Vec<String>> = BTreeMap::new();
    let history = log.history();
    for index in 0..history.len() {
        let Some(statement) = history.statement(index) else { continue };
        match &statement.body {
            Body::Version(version) => {
                let at = format!("versions/{}", version.common.sequence);
                let mut add = |id: &Digest, name: String| {
                    if let Some(found) = history.index_of(id) {
                        places.entry(found).or_default().push(format!("{at}/{name}"));
                    }
                };
                add(&version.proposal, "proposal".to_owned());
                add(&version.verdict, "verdict".to_owned());
                for (number, id) in version.approvals.iter().enumerate() {
                    add(id, format!("approval-{number}"));
                }
                places.entry(index).or_default().push(format!("{at}/version"));
            }
            Body::Erasure(_) => places.entry(index).or_default().push(format!("erasures/{index}")),
            _ => {}
        }
    }
    places
}

/// The log's own files, and beside each version its statements with a proof each.
fn statements(storage: &crate::store::logdir::LogDir, log: &VerifiedLog, out: &mut Out<'_>) -> Result<(), StoreError> {
    if log.checkpoint().is_none() {
        return Ok(());
    }
    out.put("log/checkpoint", log.note().as_bytes())?;
    let places = places(log);
    let mut index = 0_u64;
    ledger::each_public_file(storage, log, |path, bytes| -> Result<(), StoreError> {
        out.put(&format!("log/{path}"), bytes)?;
        if !path.starts_with("tile/entries/") {
            return Ok(());
        }
        for entry in read_entries(bytes).unwrap_or_default() {
            for name in places.get(&index).into_iter().flatten() {
                let proof = log.proof(index).ok_or(LedgerError::Proof { why: "an entry without a place" })?;
                out.put(&format!("{name}.dsse.json"), entry)?;
                out.put(&format!("{name}.tlog-proof"), proof.to_text().as_bytes())?;
            }
            index += 1;
        }
        Ok(())
    })
}

/// Manifests, and each memory once, by the commitment that the manifests hold.
fn versions(
    store: &SqliteStore,
    log: &VerifiedLog,
    options: &Options,
    out: &mut Out<'_>,
) -> Result<(usize, usize), StoreError> {
    let mut seen: BTreeSet<Digest> = BTreeSet::new();
    let versions = log.history().versions().len();
    let logged = store.outlines()?.into_iter().filter(|record| record.state == VersionState::Logged).count();
    if logged > versions {
        return Err(LedgerError::Missing { what: "a version that the log's files do not hold yet" }.into());
    }
    for version in log.history().versions() {
        let sequence = version.common().sequence;
        let record = store.version(sequence)?.ok_or(LedgerError::Missing { what: "the manifest of a version" })?;
        let manifest = log.manifest(sequence, &record.manifest, &record.head)?;
        out.put(&format!("versions/{sequence}/manifest"), &record.manifest)?;
        out.put(&format!("versions/{sequence}/manifest.head"), &record.head)?;
        for line in manifest.lines() {
            let Line::Memory { path, content, .. } = line else { continue };
            if options.without_contents || !seen.insert(*content) {
                continue;
            }
            let object = store.object(content)?.filter(|object| object.path == *path);
            let object = object.ok_or(LedgerError::Missing { what: "a memory of a version" })?;
            line.verify(&object.salt, &object.content, object.provenance.as_bytes())?;
            out.put(&format!("blobs/{content}.content"), &object.content)?;
            out.put(&format!("blobs/{content}.provenance"), object.provenance.as_bytes())?;
            let salt = data_encoding::HEXLOWER.encode(&object.salt);
            out.put(&format!("blobs/{content}.salt.hex"), format!("{salt}\n").as_bytes())?;
        }
    }
    Ok((versions, seen.len()))
}
