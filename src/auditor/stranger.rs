//! Verification of an evidence folder by somebody who trusts nothing but the root file.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use super::export::{ROOT_FILE, key_files, places};
use super::{AuditReport, Problem, count};
use crate::domain::{Digest, Timestamp};
use crate::ledger::proof::parse_consistency;
use crate::ledger::{
    self, Age, Checkpoint, LedgerError, Line, LogProof, Manifest, Namespace, Note, Trust, TrustRoot, VerifiedLog,
};
use crate::store::logdir::LogDir;

/// No file of an honest folder is larger; a hostile one is refused before it is read.
const MAX_FILE: u64 = 256 << 20;
/// More problems than this say nothing new.
const MAX_PROBLEMS: usize = 200;

/// A folder under verification.
struct Folder<'a> {
    root: &'a Path,
    /// Every plain file, relative, with `/` between parts.
    files: BTreeSet<String>,
    /// What was looked at; the rest belongs to nothing.
    known: BTreeSet<String>,
}

impl Folder<'_> {
    fn has(&self, name: &str) -> bool {
        self.files.contains(name)
    }
    fn read(&mut self, name: &str, report: &mut AuditReport) -> Option<Vec<u8>> {
        self.known.insert(name.to_owned());
        if !self.has(name) {
            say(report, "verify-missing-file", name, "is missing");
            return None;
        }
        match fs::read(self.root.join(name)) {
            Ok(bytes) => Some(bytes),
            Err(error) => {
                say(report, "verify-missing-file", name, &format!("cannot be read: {error}"));
                None
            }
        }
    }
}

fn say(report: &mut AuditReport, code: &str, place: &str, what: &str) {
    if report.problems.len() < MAX_PROBLEMS {
        report.problems.push(Problem { code: code.to_owned(), place: place.to_owned(), what: what.to_owned() });
    }
}

fn refuse(report: &mut AuditReport, error: &LedgerError, place: &str) {
    if report.problems.len() < MAX_PROBLEMS {
        report.problem(error, error.vector_code(), place);
    }
}

/// True when there is something at this place that looks like an evidence folder.
pub fn is_evidence(folder: &Path) -> bool {
    folder.join("trust/policy.json").is_file() && folder.join("log").is_dir() && !folder.join("seal").exists()
}

/// Verifies an evidence folder. `root` is the root file that the caller has by other means, `since` a checkpoint that
/// the caller kept from before.
///
/// Cost: one version at a time in memory, beside the index over the log; about 60 microseconds a signature.
pub fn verify(folder: &Path, root: &[u8], since: Option<&[u8]>, now: Timestamp) -> AuditReport {
    let mut report = AuditReport {
        checks: Vec::new(),
        problems: Vec::new(),
        policy: Digest::of(b""),
        witnesses: "unwitnessed: nobody else has seen this log".to_owned(),
        at: now,
    };
    let Some(files) = list(folder, &mut report) else { return report };
    let mut folder = Folder { root: folder, files, known: BTreeSet::new() };
    let Some(trust) = admit(&mut folder, root, &mut report) else { return report };
    let Some(log) = log(&mut folder, &trust, &mut report) else { return report };
    keys(&mut folder, &log, &mut report);
    checkpoints(&mut folder, &log, since, &mut report);
    statements(&mut folder, &log, &mut report);
    versions(&mut folder, &log, &mut report);
    let before = report.problems.len();
    let surplus: Vec<String> = folder.files.difference(&folder.known).cloned().collect();
    for name in surplus {
        // What lies beside the folders of evidence may be the reader's own.
        if name.contains('/') {
            say(&mut report, "verify-extra-file", &name, "belongs to no part of the evidence");
        }
    }
    report.check("files", before, format!("{}, none too many", count(folder.known.len(), "file")));
    report
}

/// Every file, none of them odd or too large; anything else stops the verification before a byte is read.
fn list(root: &Path, report: &mut AuditReport) -> Option<BTreeSet<String>> {
    let mut files = BTreeSet::new();
    for item in walkdir::WalkDir::new(root).follow_links(false) {
        let item = match item {
            Ok(item) => item,
            Err(error) => {
                say(report, "verify-odd-file", ".", &format!("cannot be listed: {error}"));
                continue;
            }
        };
        if item.file_type().is_dir() {
            continue;
        }
        let path = item.path().strip_prefix(root).unwrap_or(item.path());
        let name = path.iter().map(|part| part.to_string_lossy()).collect::<Vec<_>>().join("/");
        let length = item.metadata().map_or(u64::MAX, |data| data.len());
        if !item.file_type().is_file() {
            say(report, "verify-odd-file", &name, "is not a plain file");
        } else if length > MAX_FILE {
            say(report, "verify-odd-file", &name, "is larger than any file of an honest folder");
        }
        files.insert(name);
    }
    if report.problems.is_empty() {
        return Some(files);
    }
    report.check("files", 0, "are not those of an evidence folder; nothing was read".to_owned());
    None
}

fn admit(folder: &mut Folder<'_>, root: &[u8], report: &mut AuditReport) -> Option<Trust> {
    let before = report.problems.len();
    let namespace = Namespace::product();
    let files = (folder.read("trust/policy.json", report), folder.read("trust/tlog.policy", report));
    let admitted = match (TrustRoot::parse(root, &namespace), files) {
        (Err(error), _) => Err(error),
        (Ok(root), (Some(policy), Some(tlog))) => {
            report.policy = Digest::of(&policy);
            root.admit(&policy, &tlog, &namespace)
        }
        (Ok(_), _) => {
            report.check("trust", before, "the trust files are missing; nothing else can be verified".to_owned());
            return None;
        }
    };
    // The copy inside proves nothing; that it differs from the one outside is worth knowing.
    if folder.has(ROOT_FILE) && folder.read(ROOT_FILE, report).is_some_and(|inside| inside != root) {
        say(report, "ledger-other-trust", ROOT_FILE, "is not the root file that was given");
    }
    match admitted {
        Ok(trust) => {
            report.check("trust", before, format!("{}, one purpose each", count(trust.policy().keys().count(), "key")));
            Some(trust)
        }
        Err(error) => {
            let place = match &error {
                LedgerError::OtherTrust { file } => file,
                _ => "the root file or the trust files",
            };
            refuse(report, &error, place);
            report.check("trust", before, "is not that of the root file; nothing else can be verified".to_owned());
            None
        }
    }
}

fn log(folder: &mut Folder<'_>, trust: &Trust, report: &mut AuditReport) -> Option<VerifiedLog> {
    let before = report.problems.len();
    let storage = LogDir::public_only(&folder.root.join("log"));
    let logged: Vec<String> = folder.files.iter().filter(|name| name.starts_with("log/tile/")).cloned().collect();
    let empty = logged.is_empty() && !folder.has("log/checkpoint");
    if empty {
        say(report, "verify-missing-file", "log/checkpoint", "is missing");
        report.check("log", before, "is not there".to_owned());
        return None;
    }
    folder.known.insert("log/checkpoint".to_owned());
    folder.known.extend(logged);
    let leaves = leaves(folder);
    match ledger::fsck(&storage, trust, leaves.clone()) {
        Ok(damage) => {
            for one in damage.into_iter().filter(|one| one.file != "head") {
                say(report, "log-damaged", &format!("log/{}", one.file), one.why);
            }
        }
        Err(error) => refuse(report, &error, "log"),
    }
    match ledger::read_log(&storage, trust, Age::Archive, leaves) {
        Ok(log) => {
            if let Some(checkpoint) = log.checkpoint() {
                report.witnesses = checkpoint.seen_by();
            }
            let entries = usize::try_from(log.history().len()).unwrap_or(usize::MAX);
            let versions = count(log.history().versions().len(), "version");
            report.check("log", before, format!("{}, {versions}, one signed tree", count(entries, "entry")));
            Some(log)
        }
        Err(error) => {
            refuse(report, &error, "log");
            report.check("log", before, "does not verify".to_owned());
            None
        }
    }
}

/// Leaf hashes of the manifests, where a rollback over an erasure needs them; they vouch for themselves by their root.
fn leaves(folder: &Folder<'_>) -> Vec<Vec<Digest>> {
    if !folder.files.iter().any(|name| name.starts_with("erasures/")) {
        return Vec::new();
    }
    let manifests = folder.files.iter().filter(|name| name.starts_with("versions/") && name.ends_with("/manifest"));
    let read = manifests.filter_map(|name| fs::read(folder.root.join(name)).ok());
    read.filter_map(|bytes| Manifest::parse(&bytes).ok()).map(|manifest| manifest.leaf_hashes()).collect()
}

fn keys(folder: &mut Folder<'_>, log: &VerifiedLog, report: &mut AuditReport) {
    let before = report.problems.len();
    let files = key_files(log);
    for (name, text) in &files {
        if folder.read(name, report).is_some_and(|found| found != text.as_bytes()) {
            say(report, "ledger-key", name, "is not the key that the trust files name");
        }
    }
    report.check("keys", before, format!("{} as the trust files name them", count(files.len(), "file")));
}

fn checkpoints(folder: &mut Folder<'_>, log: &VerifiedLog, since: Option<&[u8]>, report: &mut AuditReport) {
    let before = report.problems.len();
    let tlog = log.history().trust().tlog();
    let mut read: BTreeMap<u64, Checkpoint> = BTreeMap::new();
    let names: Vec<String> = folder.files.iter().filter(|name| name.starts_with("checkpoints/")).cloned().collect();
    for name in names {
        let Some(bytes) = folder.read(&name, report) else { continue };
        let checked = Note::parse(&bytes).and_then(|note| note.verify_log(tlog)).and_then(|old| {
            log.continues(&old)?;
            Ok(old)
        });
        match checked {
            Ok(old) if name == format!("checkpoints/{}", old.size) => {
                read.insert(old.size, old);
            }
            Ok(_) => say(report, "E_FORMAT", &name, "is of another size than its name says"),
            Err(error) => refuse(report, &error, &name),
        }
    }
    let mut joined = 0;
    let names: Vec<String> = folder.files.iter().filter(|name| name.starts_with("consistency/")).cloned().collect();
    for name in names {
        let Some(bytes) = folder.read(&name, report) else { continue };
        let sizes = name.strip_prefix("consistency/").and_then(|rest| rest.strip_suffix(".proof")?.split_once('-'));
        let ends = sizes.and_then(|(old, new)| Some((read.get(&old.parse().ok()?)?, read.get(&new.parse().ok()?)?)));
        let Some((old, new)) = ends else {
            say(report, "E_FORMAT", &name, "joins no two checkpoints that are here and verify");
            continue;
        };
        let text = String::from_utf8_lossy(&bytes).into_owned();
        match parse_consistency(&text).and_then(|proof| new.follows(old, &proof)) {
            Ok(()) => joined += 1,
            Err(error) => refuse(report, &error, &name),
        }
    }
    if let Some(since) = since {
        let kept = Note::parse(since).and_then(|note| note.verify_log(tlog)).and_then(|old| {
            log.continues(&old)?;
            Ok(())
        });
        if let Err(error) = kept {
            refuse(report, &error, "the checkpoint you kept");
        }
    }
    report.check("checkpoints", before, format!("{}, {joined} joined by a proof", count(read.len(), "checkpoint")));
}

/// Each statement beside its version is the one at its place in the log, and its proof says so by itself.
fn statements(folder: &mut Folder<'_>, log: &VerifiedLog, report: &mut AuditReport) {
    let before = report.problems.len();
    let tlog = log.history().trust().tlog();
    let mut number = 0;
    for (index, names) in places(log) {
        for name in names {
            let (entry_name, proof_name) = (format!("{name}.dsse.json"), format!("{name}.tlog-proof"));
            let entry = folder.read(&entry_name, report);
            let proof = folder.read(&proof_name, report);
            let (Some(entry), Some(proof)) = (entry, proof) else { continue };
            if log.history().index_of_entry(&entry) != Some(index) {
                say(report, "E_BINDING", &entry_name, "is not the entry at its place in the log");
                continue;
            }
            let text = String::from_utf8_lossy(&proof).into_owned();
            let checked = LogProof::parse(&text).and_then(|proof| {
                if proof.index() != index {
                    return Err(LedgerError::Proof { why: "is of another entry" });
                }
                let seen = proof.verify(&entry, tlog, Age::Archive)?;
                log.continues(seen.body())
            });
            match checked {
                Ok(()) => number += 1,
                Err(error) => refuse(report, &error, &proof_name),
            }
        }
    }
    report.check("proofs", before, format!("{} with their place in the log", count(number, "statement")));
}

fn versions(folder: &mut Folder<'_>, log: &VerifiedLog, report: &mut AuditReport) {
    let before = report.problems.len();
    let contents = folder.files.iter().any(|name| name.starts_with("blobs/"));
    let mut seen: BTreeSet<Digest> = BTreeSet::new();
    let mut good = 0;
    for version in log.history().versions() {
        let at = format!("versions/{}", version.common().sequence);
        let manifest = folder.read(&format!("{at}/manifest"), report);
        let head = folder.read(&format!("{at}/manifest.head"), report);
        let (Some(manifest), Some(head)) = (manifest, head) else { continue };
        let manifest = match log.manifest(version.common().sequence, &manifest, &head) {
            Ok(manifest) => manifest,
            Err(error) => {
                refuse(report, &error, &format!("{at}/manifest"));
                continue;
            }
        };
        for (number, line) in manifest.lines().iter().enumerate() {
            let Line::Memory { content, .. } = line else { continue };
            if contents && seen.insert(line.leaf_hash()) {
                good += usize::from(memory(folder, line, content, &format!("{at}/manifest"), number + 1, report));
            }
        }
    }
    let versions = count(log.history().versions().len(), "version");
    let detail = if contents {
        format!("{versions} with {} against their commitments", count(good, "memory"))
    } else {
        format!("{versions}; the memories themselves are not in this folder")
    };
    report.check("versions", before, detail);
}

fn memory(
    folder: &mut Folder<'_>,
    line: &Line,
    content: &Digest,
    place: &str,
    number: usize,
    report: &mut AuditReport,
) -> bool {
    let mut read = |end: &str| folder.read(&format!("blobs/{content}.{end}"), report);
    let (Some(text), Some(record), Some(salt)) = (read("content"), read("provenance"), read("salt.hex")) else {
        return false;
    };
    let salt = data_encoding::HEXLOWER.decode(salt.strip_suffix(b"\n").unwrap_or(&salt)).unwrap_or_default();
    match line.verify(&salt, &text, &record) {
        Ok(()) => true,
        Err(_) => {
            refuse(report, &LedgerError::Commit { line: number }, place);
            false
        }
    }
}
