//! The one writer of a log: append in crash-safe steps, and recovery from every crash point.
//!
//! Source: signing format, section 6.1.

use std::collections::BTreeSet;

use super::bundle::{read_records, write_entry, write_record};
use super::checkpoint::{Age, Checkpoint, LogKey, Note, VerifiedCheckpoint};
use super::cosign::{self, Asker, Seen};
use super::policy::Trust;
use super::proof::LogProof;
use super::reader::{check_kept, locate_damage, read_log_entries};
use super::sign::{Draft, SignRequest, Signer};
use super::signed::SignedVersion;
use super::storage::LogStorage;
use super::tree::{TILE_WIDTH, Tile, entries_path, grown_bundles, leaf_hash};
use super::verify::VerifiedLog;
use super::{Envelope, LedgerError};
use crate::domain::{Digest, MemoryPath};
use crate::gate::Approved;

/// Folder beside the tiles of the checkpoints that were the newest when a writer began.
pub const CHECKPOINTS: &str = "checkpoints";

/// Appends to a log. Holds the whole verified log in memory.
#[derive(Debug)]
pub struct LogWriter<S: LogStorage> {
    pub(in crate::ledger) storage: S,
    pub(in crate::ledger) key: LogKey,
    pub(in crate::ledger) log: VerifiedLog,
    /// Entries of the last, partial bundle on disk.
    tail: Vec<Vec<u8>>,
    /// Entries that are logged and lie in a caller's records, not yet in files: see [`LogWriter::append_version_kept`].
    pub(in crate::ledger) taken_in: Vec<Vec<u8>>,
    /// The head record as it lies in storage.
    head: Option<Vec<u8>>,
    /// The way to the witnesses.
    asker: Option<Asker>,
    /// What each witness saw last.
    seen: Seen,
    pub(in crate::ledger) poisoned: bool,
    /// Whether this run has kept a checkpoint.
    kept: bool,
}

/// What a caller may know beyond the log's own folder.
#[derive(Debug, Default)]
pub struct OpenOptions {
    /// A checkpoint this log must continue, kept elsewhere: finds a folder that was put back from an old backup.
    pub floor: Option<Checkpoint>,
    /// Leaf hashes of manifests at hand; a rollback after an erasure needs those of the manifest it restores.
    pub leaves: Vec<Vec<Digest>>,
    /// Records that [`LogWriter::append_version_kept`] gave out, oldest first; those that are laid out may be among them.
    pub intake: Vec<Vec<u8>>,
    /// The way to the witnesses of the log policy; without one nobody is asked.
    pub asker: Option<Asker>,
}

/// Evidence that entries are in the log: the signed checkpoint and a proof for each.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receipt {
    /// Index of the first entry.
    pub first: u64,
    /// The signed checkpoint.
    pub checkpoint: String,
    /// One proof an entry, in order.
    pub proofs: Vec<LogProof>,
}

impl<S: LogStorage> LogWriter<S> {
    /// Opens a log for writing: re-reads and verifies everything, completes what a crash interrupted.
    ///
    /// Errors: refused: [`LedgerError::ReadOnly`] when going on could sign a fork, naming the file;
    /// [`LedgerError::HeadMoved`]; any failed check of the entries. Unavailable: [`LedgerError::Storage`].
    /// Cost: about 60 microseconds a signature in the log.
    pub fn open(storage: S, key: LogKey, trust: Trust, options: OpenOptions) -> Result<Self, LedgerError> {
        if !trust.tlog().is_log_key(key.vkey()) {
            return Err(LedgerError::CannotSign { why: "the log key is not in the log policy" });
        }
        let head = storage.head()?;
        let log = VerifiedLog::empty(trust);
        let (tail, taken_in, asker, seen) = (Vec::new(), Vec::new(), options.asker, Seen::new());
        let mut writer = Self { storage, key, log, tail, taken_in, head, asker, seen, poisoned: false, kept: false };
        options.leaves.into_iter().for_each(|leaves| writer.log.history_mut().know_leaves(leaves));
        writer.load()?;
        writer.take_in(&options.intake)?;
        writer.lay_out()?;
        writer.replay()?;
        writer.check_nothing_beyond()?;
        if let Some(floor) = &options.floor {
            writer.log.continues(floor).map_err(|_| LedgerError::ReadOnly {
                file: "checkpoint".to_owned(),
                why: "the log does not continue the checkpoint kept elsewhere: was an old copy put back?",
            })?;
        }
        writer.publish()?;
        writer.storage.clear_wal()?;
        Ok(writer)
    }
    /// The verified log.
    ///
    /// Errors: unavailable, [`LedgerError::Poisoned`] after a failed step.
    pub const fn log(&self) -> Result<&VerifiedLog, LedgerError> {
        if self.poisoned { Err(LedgerError::Poisoned) } else { Ok(&self.log) }
    }
    #[cfg(test)]
    pub(in crate::ledger) const fn storage_for_tests(&self) -> &S {
        &self.storage
    }
    #[cfg(test)]
    pub(in crate::ledger) const fn storage_mut_for_tests(&mut self) -> &mut S {
        &mut self.storage
    }
    /// Gives the storage back.
    pub fn into_storage(self) -> S {
        self.storage
    }

    /// Signs approved memories as the next version. Nothing is logged yet, and a draft proves nothing.
    ///
    /// Errors: refused, when a key is missing or the version would fail any check of a verifier.
    pub fn sign_version(
        &mut self,
        signer: &Signer,
        approved: Vec<Approved>,
        request: &SignRequest<'_>,
    ) -> Result<Draft, LedgerError> {
        self.log()?;
        signer.draft(self.log.history_mut(), approved, None, request)
    }
    /// Signs changes of the last version as the next one: the approved memories are new or take the place of old
    /// ones, those at `removed` go, and every other memory of `request.base` stays with its line, salt and record.
    ///
    /// `request.base` is the last version, verified; salts: one a changed memory and one more.
    ///
    /// Errors: as [`LogWriter::sign_version`]; refused when the base is not the last version.
    pub fn sign_changes(
        &mut self,
        signer: &Signer,
        changed: Vec<Approved>,
        removed: &BTreeSet<MemoryPath>,
        request: &SignRequest<'_>,
    ) -> Result<Draft, LedgerError> {
        self.log()?;
        signer.draft(self.log.history_mut(), changed, Some(removed), request)
    }
    /// Logs a draft. Only now there is a version, and only this or a fresh verification gives the proof of it.
    ///
    /// Store the draft's records durably before: see [`Draft::to_stored`].
    ///
    /// Errors: as [`LogWriter::append`].
    pub fn append_version(&mut self, draft: Draft) -> Result<(SignedVersion, Receipt), LedgerError> {
        self.append_version_with(draft, &[])
    }
    /// The same with entries that follow the version in the same batch.
    ///
    /// Errors: as [`LogWriter::append`].
    pub fn append_version_with(
        &mut self,
        mut draft: Draft,
        after: &[Envelope],
    ) -> Result<(SignedVersion, Receipt), LedgerError> {
        draft.envelopes.extend_from_slice(after);
        let receipt = self.append(&draft.envelopes)?;
        let version = self.log.history().version(draft.common.sequence).filter(|v| *v.id() == draft.id);
        let version = version.ok_or(LedgerError::Missing { what: "the version just logged" })?.clone();
        Ok((SignedVersion::new(version, draft.manifest, draft.memories), receipt))
    }
    /// Logs entries as one batch: all of them or none.
    ///
    /// Errors: refused, when an entry fails a check or is logged already: nothing was written. Unavailable, when
    /// storage failed: the batch is completed or dropped when the log is opened again.
    pub fn append(&mut self, batch: &[Envelope]) -> Result<Receipt, LedgerError> {
        self.log()?;
        // One order on disk: what a caller keeps comes before what the write-ahead file keeps.
        self.lay_out()?;
        let first = self.log.history().len();
        let entries = self.verify_new(batch)?;
        // From here a failure leaves memory and disk apart until the log is opened again.
        self.poisoned = true;
        if !entries.is_empty() {
            self.keep_checkpoint()?;
            // Step 2.
            self.storage.append_wal(&write_record(first, &entries))?;
            // Steps 3 to 5.
            self.commit(entries)?;
            // Step 6.
            self.publish()?;
            self.storage.clear_wal()?;
        }
        self.poisoned = false;
        // Step 7.
        let size = self.log.tree().size();
        let proofs = (first..size).filter_map(|index| self.log.proof(index)).collect();
        Ok(Receipt { first, checkpoint: self.log.note().to_owned(), proofs })
    }

    /// Step 1: verifies entries fully; on the first refusal nothing has happened.
    pub(in crate::ledger) fn verify_new(&mut self, batch: &[Envelope]) -> Result<Vec<Vec<u8>>, LedgerError> {
        let first = self.log.history().len();
        let entries: Vec<Vec<u8>> = batch.iter().map(|envelope| envelope.bytes().to_vec()).collect();
        for entry in &entries {
            if let Err(error) = self.log.history_mut().push_new(entry) {
                self.log.history_mut().rewind(first);
                return Err(error);
            }
        }
        Ok(entries)
    }

    /// Steps 3 to 5 for entries that are verified and in the write-ahead file.
    fn commit(&mut self, entries: Vec<Vec<u8>>) -> Result<(), LedgerError> {
        let old = self.log.tree().size();
        entries.iter().for_each(|entry| self.log.tree_mut().push(leaf_hash(entry)));
        self.write_files(old, entries)?;
        if let Some(last) = self.log.checkpoint() {
            self.log.continues(last.body())?;
        }
        // Step 5: sign, then compare and swap. The record alone keeps this writer from signing a fork.
        let (size, root) = (self.log.tree().size(), self.log.tree().root());
        let body = Checkpoint { origin: self.log.history().trust().tlog().origin().to_owned(), size, root };
        let note = body.sign(&self.key)?;
        self.swap_head(&note)?;
        let verified = Note::parse(note.as_bytes())?.verify_alone(self.log.history().trust().tlog())?;
        self.log.seal(note, verified);
        Ok(())
    }

    /// Steps 3 to 6 for what a caller keeps: from here on the files hold it, and the caller may forget it.
    ///
    /// Errors: unavailable, when storage failed: the records are laid out when the log is opened again.
    pub fn lay_out(&mut self) -> Result<(), LedgerError> {
        self.log()?;
        if self.taken_in.is_empty() {
            return Ok(());
        }
        self.poisoned = true;
        self.keep_checkpoint()?;
        let entries = std::mem::take(&mut self.taken_in);
        let old = self.laid_out_before(entries.len());
        self.write_files(old, entries)?;
        // Step 5: it was signed when it was taken in, over the same tree.
        let note = self.log.note().to_owned();
        self.swap_head(&note)?;
        self.publish()?;
        self.poisoned = false;
        Ok(())
    }
    /// Number of entries that are in files: records of earlier ones need not be kept.
    pub fn laid_out(&self) -> u64 {
        self.laid_out_before(self.taken_in.len())
    }
    fn laid_out_before(&self, waiting: usize) -> u64 {
        self.log.tree().size().saturating_sub(waiting as u64)
    }

    /// Replaces the head record, if it still is the one that this writer wrote.
    fn swap_head(&mut self, note: &str) -> Result<(), LedgerError> {
        if !self.storage.swap_head(self.head.as_deref(), note.as_bytes())? {
            return Err(LedgerError::HeadMoved);
        }
        self.head = Some(note.as_bytes().to_vec());
        Ok(())
    }

    /// Steps 3 and 4 for entries that are in the tree from `old` on.
    fn write_files(&mut self, old: u64, entries: Vec<Vec<u8>>) -> Result<(), LedgerError> {
        let new = self.log.tree().size();
        self.tail.extend(entries);

        // Step 3: the tail begins at the first bundle that grows.
        let mut written = Vec::new();
        for (index, width) in grown_bundles(old, new) {
            let skip = usize::try_from((index - old / TILE_WIDTH) * TILE_WIDTH).unwrap_or(usize::MAX);
            let mut bytes = Vec::new();
            let bundle = self.tail.iter().skip(skip).take(usize::from(width));
            bundle.for_each(|entry| write_entry(entry, &mut bytes));
            written.push((entries_path(index, width), bytes));
        }
        for tile in Tile::grown(old, new) {
            let bytes = self.log.tree().tile(tile).ok_or(LedgerError::Proof { why: "a tile without hashes" })?;
            written.push((tile.path(), bytes));
        }
        for (path, bytes) in &written {
            self.storage.write_new(path, bytes)?;
        }
        // Step 4: what is signed is what lies on the disk, not what memory says was written. One bit that flipped
        // in between once cost a public log its life.
        for (path, bytes) in &written {
            if self.storage.read(path)?.as_ref() != Some(bytes) {
                return Err(LedgerError::ReadOnly { file: path.clone(), why: "reads back differently than written" });
            }
        }
        let reread = read_log_entries(&self.storage, old / TILE_WIDTH * TILE_WIDTH, new)?;
        let first = usize::try_from(old % TILE_WIDTH).unwrap_or(0);
        let fresh = reread.get(first..).unwrap_or_default();
        let same = (old..new).all(|index| {
            let at = usize::try_from(index - old).unwrap_or(usize::MAX);
            fresh.get(at).map(|entry| leaf_hash(entry)) == self.log.tree().leaf(index)
        });
        let root = self.log.tree().root();
        let proof = self.log.tree().consistency_proof(old, new).unwrap_or_default();
        let before = self.log.tree().root_at(old).unwrap_or(root);
        super::tree::verify_consistency(old, &before, new, &root, &proof)?;
        if !same {
            return Err(LedgerError::ReadOnly {
                file: entries_path(new / TILE_WIDTH, (new % TILE_WIDTH) as u16),
                why: "reads back differently than written",
            });
        }
        let full = usize::try_from((new / TILE_WIDTH - old / TILE_WIDTH) * TILE_WIDTH).unwrap_or(usize::MAX);
        self.tail.drain(..full.min(self.tail.len()));
        Ok(())
    }

    /// Step 6: what witnesses say, the public checkpoint, and the partial tiles that full ones have replaced.
    fn publish(&mut self) -> Result<(), LedgerError> {
        let Some(head) = self.head.clone() else { return Ok(()) };
        let tlog = self.log.history().trust().tlog().clone();
        let published = self.storage.published()?.filter(|bytes| bytes.starts_with(&head));
        let verified = |bytes: &[u8]| Note::parse(bytes).and_then(|note| note.verify(&tlog, Age::Archive));
        let standing = published.and_then(|bytes| {
            let seen = verified(&bytes).ok()?;
            Some((String::from_utf8_lossy(&bytes).into_owned(), seen))
        });
        let everybody = tlog.addresses().count();
        let complete = |seen: &VerifiedCheckpoint| self.asker.is_none() || seen.witnesses() >= everybody;
        let standing = match standing {
            Some((note, seen)) if complete(&seen) => {
                self.log.seal(note, seen);
                return Ok(());
            }
            standing => standing,
        };
        let mut note = String::from_utf8_lossy(&head).into_owned();
        let mut found = 0;
        if let Some(asker) = &self.asker {
            let lines = cosign::gather(asker, &tlog, &note, self.log.tree(), &mut self.seen)?;
            found = lines.len();
            note.extend(lines);
        }
        let fresh = verified(note.as_bytes());
        // What witnesses signed before is not given up because one of them does not answer now.
        if let Some((note, seen)) = standing
            && fresh.as_ref().is_ok_and(|fresh| fresh.witnesses() <= seen.witnesses())
        {
            self.log.seal(note, seen);
            return Ok(());
        }
        let verified = fresh.map_err(|error| match error {
            LedgerError::Quorum => LedgerError::Waiting { found },
            error => error,
        })?;
        self.storage.publish(note.as_bytes())?;
        self.log.seal(note, verified);
        let full = self.log.tree().size() / TILE_WIDTH;
        for path in self.storage.list()? {
            if is_replaced(&path, full) {
                self.storage.remove_partial(&path)?;
            }
        }
        Ok(())
    }

    /// Keeps the checkpoint that a run found, once it writes: later evidence proves that the log only grew since. A run
    /// that only looks writes nothing.
    fn keep_checkpoint(&mut self) -> Result<(), LedgerError> {
        if std::mem::replace(&mut self.kept, true) {
            return Ok(());
        }
        let Some(head) = self.head.clone() else { return Ok(()) };
        let path = format!("{CHECKPOINTS}/{}", Note::parse(&head)?.dangerous_unverified_body().size);
        if self.storage.read(&path)?.is_none() {
            // With what witnesses said of it.
            let published = self.storage.published()?.filter(|bytes| bytes.starts_with(&head));
            self.storage.write_new(&path, &published.unwrap_or(head))?;
        }
        Ok(())
    }

    /// Everything up to the head record, verified from the bytes on disk.
    fn load(&mut self) -> Result<(), LedgerError> {
        let read_only = |file: &str, why| LedgerError::ReadOnly { file: file.to_owned(), why };
        let tlog = self.log.history().trust().tlog().clone();
        let verify = |file: &str, bytes: &[u8]| {
            // Witnesses are asked once it is known what is here.
            let verified = Note::parse(bytes).and_then(|note| note.verify_alone(&tlog));
            verified.map_err(|_| read_only(file, "not a checkpoint signed by this log"))
        };
        let published = self.storage.published()?;
        let published = published.map(|bytes| verify("checkpoint", &bytes)).transpose()?;
        let Some(head) = self.head.clone() else {
            return match published {
                Some(_) => Err(read_only("head", "the head record is missing, but a checkpoint is published")),
                None => Ok(()),
            };
        };
        let verified = verify("head", &head)?;
        let body = verified.body().clone();
        if let Some(published) = &published {
            // A head record put back from a backup would make this writer sign a second history.
            if published.body().size > body.size {
                return Err(read_only("head", "the published checkpoint is ahead of the head record"));
            }
        }
        let entries = read_log_entries(&self.storage, 0, body.size)
            .map_err(|error| locate_damage(&self.storage, &body).unwrap_or(error))?;
        entries.iter().for_each(|entry| self.log.tree_mut().push(leaf_hash(entry)));
        if self.log.tree().root() != body.root {
            let unknown = read_only("tile", "the entries do not hash to the head record");
            return Err(locate_damage(&self.storage, &body).unwrap_or(unknown));
        }
        if let Some(published) = &published {
            self.log.continues(published.body()).map_err(|_| read_only("checkpoint", "not of this history"))?;
        }
        for entry in &entries {
            self.log.history_mut().push(entry)?;
        }
        // Hash tiles hold nothing that the entries do not say: a missing one is written again, a wrong one stops.
        for tile in Tile::grown(0, body.size) {
            let path = tile.path();
            let bytes = self.log.tree().tile(tile).ok_or(LedgerError::Proof { why: "a tile without hashes" })?;
            match self.storage.read(&path)? {
                None => self.storage.write_new(&path, &bytes)?,
                Some(found) if found == bytes => {}
                Some(_) => return Err(read_only(&path, "differs from the entries")),
            }
        }
        let keep = usize::try_from(body.size / TILE_WIDTH * TILE_WIDTH).unwrap_or(usize::MAX);
        self.tail = entries.into_iter().skip(keep).collect();
        self.log.seal(String::from_utf8_lossy(&head).into_owned(), verified);
        Ok(())
    }

    /// Batches that were safe in the write-ahead file but not signed get the same indices now.
    fn replay(&mut self) -> Result<(), LedgerError> {
        let wal = self.storage.read_wal()?;
        for (start, entries) in read_records(&wal) {
            let size = self.log.tree().size();
            let conflict = || LedgerError::ReadOnly { file: "wal".to_owned(), why: "does not continue the log" };
            if start < size {
                // Left over from a batch that was signed: it must say the same.
                let same =
                    entries.iter().zip(start..).all(|(entry, at)| self.log.tree().leaf(at) == Some(leaf_hash(entry)));
                if !same {
                    return Err(conflict());
                }
                continue;
            }
            if start > size {
                return Err(conflict());
            }
            let pushed = entries.iter().try_for_each(|entry| self.log.history_mut().push_new(entry));
            if let Err(error) = pushed {
                self.log.history_mut().rewind(size);
                // Verified when it was written, but not under today's policy. It was never signed nor answered, so
                // it may be dropped, unless files at its indices already hold it.
                return self.check_nothing_beyond().map_err(|_| error);
            }
            self.commit(entries)?;
        }
        Ok(())
    }

    /// Files beyond the log's end mean that the head record is older than the files.
    fn check_nothing_beyond(&self) -> Result<(), LedgerError> {
        let size = self.log.tree().size();
        let known: Vec<String> =
            grown_bundles(0, size).into_iter().map(|(at, width)| entries_path(at, width)).collect();
        for path in self.storage.list()? {
            if let Some(why) = check_kept(&self.storage, &path, self.log.tree(), self.log.history().trust().tlog())? {
                return Err(LedgerError::ReadOnly { file: path, why });
            }
            let Some((index, width)) = parse_bundle(&path) else { continue };
            let end = index.checked_mul(TILE_WIDTH).and_then(|start| start.checked_add(width));
            if end.is_none_or(|end| end > size) && !known.contains(&path) {
                return Err(LedgerError::ReadOnly { file: path, why: "holds entries beyond the head record" });
            }
        }
        Ok(())
    }
}

/// Number and width of an entry bundle from its path.
pub(crate) fn parse_bundle(path: &str) -> Option<(u64, u64)> {
    parse_numbered(path.strip_prefix("tile/entries/")?)
}

fn parse_numbered(text: &str) -> Option<(u64, u64)> {
    let (number, width) = match text.split_once(".p/") {
        Some((number, width)) => (number, width.parse().ok()?),
        None => (text, TILE_WIDTH),
    };
    let mut index = 0_u64;
    for part in number.split('/') {
        let digits = part.strip_prefix('x').unwrap_or(part);
        index = index.checked_mul(1000)?.checked_add(digits.parse().ok()?)?;
    }
    Some((index, width))
}

/// True for a partial bundle or leaf tile whose full form exists.
fn is_replaced(path: &str, full: u64) -> bool {
    let numbered = path.strip_prefix("tile/entries/").or_else(|| path.strip_prefix("tile/0/"));
    path.contains(".p/") && numbered.and_then(parse_numbered).is_some_and(|(index, _)| index < full)
}
