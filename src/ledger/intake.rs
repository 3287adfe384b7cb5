//! Versions that are logged by a record which the caller keeps: one durable write an append, files later.
//!
//! A record holds the entries of one batch and the signed checkpoint that covers them, so that the log is whole wherever
//! the records are: a reader needs files and records, a writer lays the records out as files when it likes. The caller
//! writes a record in the same transaction as the version's memories: then there is no moment at which one of the two is
//! there without the other.

use super::bundle::{read_entries, write_entry};
use super::checkpoint::{Age, Checkpoint, Note, TlogPolicy, VerifiedCheckpoint};
use super::policy::Trust;
use super::reader::{locate_damage, read_log, read_log_entries};
use super::sign::Draft;
use super::signed::SignedVersion;
use super::storage::LogStorage;
use super::tree::{Tree, leaf_hash};
use super::verify::VerifiedLog;
use super::writer::LogWriter;
use super::{Envelope, LedgerError};
use crate::domain::Digest;

/// What to keep of one batch until it is laid out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Index of its first entry.
    pub first: u64,
    /// Entries and checkpoint. Holds commitments, and no text of a memory.
    pub bytes: Vec<u8>,
}

/// Shape: index of the first entry and length of the note (u64, big-endian each), the note, the entries as a bundle.
fn write_record(first: u64, note: &str, entries: &[Vec<u8>]) -> Record {
    let mut bytes = first.to_be_bytes().to_vec();
    bytes.extend_from_slice(&(note.len() as u64).to_be_bytes());
    bytes.extend_from_slice(note.as_bytes());
    entries.iter().for_each(|entry| write_entry(entry, &mut bytes));
    Record { first, bytes }
}

fn read_record(bytes: &[u8]) -> Option<(u64, &str, Vec<&[u8]>)> {
    let (first, rest) = bytes.split_first_chunk::<8>()?;
    let (length, rest) = rest.split_first_chunk::<8>()?;
    let (note, rest) = rest.split_at_checked(usize::try_from(u64::from_be_bytes(*length)).ok()?)?;
    let entries = read_entries(rest).filter(|entries| !entries.is_empty())?;
    Some((u64::from_be_bytes(*first), std::str::from_utf8(note).ok()?, entries))
}

fn refuse(why: &'static str) -> LedgerError {
    LedgerError::ReadOnly { file: "intake".to_owned(), why }
}

/// Where a record stands beside the entries that are there.
enum Place {
    /// All of it is there already.
    Before,
    /// It comes next.
    Next,
}

/// Finds a record's place; what is there must be what it says.
fn place(tree: &Tree, first: u64, entries: &[&[u8]]) -> Result<Place, LedgerError> {
    let size = tree.size();
    let end = first.checked_add(entries.len() as u64).ok_or_else(|| refuse("counts too far"))?;
    if first == size {
        return Ok(Place::Next);
    }
    if end > size {
        return Err(refuse("does not continue the log"));
    }
    let same = entries.iter().zip(first..).all(|(entry, at)| tree.leaf(at) == Some(leaf_hash(entry)));
    if same { Ok(Place::Before) } else { Err(refuse("differs from the log")) }
}

/// The checkpoint of a record, which must be over exactly the entries up to its last.
fn checkpoint(note: &str, tree: &Tree, policy: &TlogPolicy) -> Result<VerifiedCheckpoint, LedgerError> {
    let verified = Note::parse(note.as_bytes()).and_then(|note| note.verify_alone(policy));
    let verified = verified.map_err(|_| refuse("holds no checkpoint signed by this log"))?;
    if verified.body().size == tree.size() && verified.body().root == tree.root() {
        Ok(verified)
    } else {
        Err(refuse("its checkpoint is over other entries"))
    }
}

impl<S: LogStorage> LogWriter<S> {
    /// True when versions may be logged by a record: their checkpoints need no witness.
    pub fn takes_records(&self) -> bool {
        self.log.history().trust().tlog().is_unwitnessed()
    }

    /// Logs a draft and entries that follow it by a record: see [`LogWriter::append_kept`]. `keep` writes what
    /// [`Draft::to_stored`] says, too.
    ///
    /// Errors: as [`LogWriter::append_kept`].
    pub fn append_version_kept<E: From<LedgerError>>(
        &mut self,
        mut draft: Draft,
        after: &[Envelope],
        keep: impl FnOnce(&Record) -> Result<(), E>,
    ) -> Result<SignedVersion, E> {
        draft.envelopes.extend_from_slice(after);
        self.append_kept(&draft.envelopes, keep)?;
        let version = self.log.history().version(draft.common.sequence).filter(|v| *v.id() == draft.id);
        let version = version.ok_or(LedgerError::Missing { what: "the version just logged" })?.clone();
        Ok(SignedVersion::new(version, draft.manifest, draft.memories))
    }
    /// Logs entries as one batch by a record. `keep` writes the record durably: when it returns `Ok`, the entries are
    /// logged. The files of the log follow with [`LogWriter::lay_out`]; until then the record is needed to open the log.
    ///
    /// Errors: as [`LogWriter::append`], and what `keep` says: whether the entries are logged is known when the log is
    /// opened again.
    pub fn append_kept<E: From<LedgerError>>(
        &mut self,
        batch: &[Envelope],
        keep: impl FnOnce(&Record) -> Result<(), E>,
    ) -> Result<(), E> {
        self.log()?;
        let first = self.log.history().len();
        let entries = self.verify_new(batch)?;
        if entries.is_empty() {
            return Ok(());
        }
        // From here a failure leaves memory and disk apart until the log is opened again.
        self.poisoned = true;
        entries.iter().for_each(|entry| self.log.tree_mut().push(leaf_hash(entry)));
        let (size, root) = (self.log.tree().size(), self.log.tree().root());
        if let Some(last) = self.log.checkpoint() {
            self.log.continues(last.body())?;
        }
        let body = Checkpoint { origin: self.log.history().trust().tlog().origin().to_owned(), size, root };
        let note = body.sign(&self.key)?;
        let verified = checkpoint(&note, self.log.tree(), self.log.history().trust().tlog())?;
        // The checkpoint leaves this function only when the entries under it are on disk: no crash can make this log
        // sign other entries at their indices afterwards.
        keep(&write_record(first, &note, &entries))?;
        self.log.seal(note, verified);
        self.taken_in.extend(entries);
        self.poisoned = false;
        // Who has to be seen by witnesses is answered once they saw it; they are asked when files are published.
        if !self.log.history().trust().tlog().is_unwitnessed() {
            self.lay_out()?;
        }
        Ok(())
    }

    /// Takes in what was logged by records and is not in files.
    pub(in crate::ledger) fn take_in(&mut self, records: &[Vec<u8>]) -> Result<(), LedgerError> {
        for record in records {
            let (first, note, entries) = read_record(record).ok_or_else(|| refuse("a record does not read"))?;
            if matches!(place(self.log.tree(), first, &entries)?, Place::Before) {
                continue;
            }
            for entry in entries {
                // It was signed for and answered: it is judged as any entry of the log is.
                self.log.history_mut().push(entry)?;
                self.log.tree_mut().push(leaf_hash(entry));
                self.taken_in.push(entry.to_vec());
            }
            let verified = checkpoint(note, self.log.tree(), self.log.history().trust().tlog())?;
            self.log.seal(note.to_owned(), verified);
        }
        Ok(())
    }
}

/// Reads and verifies a whole log, as [`read_log`] does, with the records that are not laid out yet.
///
/// Errors: as [`read_log`].
pub fn read_log_with<S: LogStorage + ?Sized>(
    storage: &S,
    trust: &Trust,
    age: Age,
    leaves: Vec<Vec<Digest>>,
    intake: &[Vec<u8>],
) -> Result<VerifiedLog, LedgerError> {
    if intake.is_empty() {
        return read_log(storage, trust, age, leaves);
    }
    let published = storage.published()?;
    let mut note = published.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default();
    let size = if note.is_empty() { 0 } else { Note::parse(note.as_bytes())?.dangerous_unverified_body().size };
    let mut records = Vec::new();
    for record in intake {
        records.push(read_record(record).ok_or_else(|| refuse("a record does not read"))?);
    }
    if size == 0 && records.first().is_none_or(|(first, _, _)| *first > 0) {
        // The checkpoint is missing, and no record stands in for it.
        return read_log(storage, trust, age, leaves);
    }
    let body = (size > 0).then(|| Note::parse(note.as_bytes())?.verify(trust.tlog(), Age::Archive)).transpose()?;
    let locate = |error| body.as_ref().and_then(|body| locate_damage(storage, body.body())).unwrap_or(error);
    let mut all = read_log_entries(storage, 0, size).map_err(locate)?;
    let mut tree = Tree::default();
    all.iter().for_each(|entry| tree.push(leaf_hash(entry)));
    if body.as_ref().is_some_and(|body| body.body().root != tree.root()) {
        return Err(locate(LedgerError::Fork { size }));
    }
    for (first, signed, entries) in records {
        if matches!(place(&tree, first, &entries)?, Place::Before) {
            continue;
        }
        for entry in entries {
            tree.push(leaf_hash(entry));
            all.push(entry.to_vec());
        }
        checkpoint(signed, &tree, trust.tlog())?;
        signed.clone_into(&mut note);
    }
    VerifiedLog::verify(all.iter().map(Vec::as_slice), &note, trust, age, leaves)
}
