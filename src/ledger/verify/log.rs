//! A log whose entries, chain and checkpoint all verified: the only source of [`SignedVersion`]s.

use super::history::{History, Standing, VerifiedVersion};
use crate::domain::{Digest, StoreName};
use crate::ledger::checkpoint::{Age, Checkpoint, Note, VerifiedCheckpoint};
use crate::ledger::manifest::{Line, Manifest};
use crate::ledger::policy::Trust;
use crate::ledger::proof::LogProof;
use crate::ledger::signed::{MemoryObject, SignedMemory, SignedVersion, StoredVersion};
use crate::ledger::tree::{Tree, leaf_hash};
use crate::ledger::{LedgerError, Salt};

/// A verified log: every entry checked in order, and the tree over them equal to a signed checkpoint.
#[derive(Debug)]
pub struct VerifiedLog {
    history: History,
    tree: Tree,
    note: String,
    checkpoint: Option<VerifiedCheckpoint>,
}

impl VerifiedLog {
    /// A log without entries and checkpoint.
    pub(in crate::ledger) fn empty(trust: Trust) -> Self {
        Self { history: History::new(trust), tree: Tree::default(), note: String::new(), checkpoint: None }
    }
    /// Verifies everything: the checkpoint's signatures, that its tree is the tree over exactly these entries,
    /// and each entry in order.
    ///
    /// Errors: refused, the first failed check.
    /// Cost: about 60 microseconds a signature.
    pub fn verify<'a>(
        entries: impl IntoIterator<Item = &'a [u8]>,
        note: &str,
        trust: &Trust,
        age: Age,
        leaves: impl IntoIterator<Item = Vec<Digest>>,
    ) -> Result<Self, LedgerError> {
        let checkpoint = Note::parse(note.as_bytes())?.verify(trust.tlog(), age)?;
        let mut log = Self::empty(trust.clone());
        let entries: Vec<&[u8]> = entries.into_iter().collect();
        for entry in &entries {
            log.tree.push(leaf_hash(entry));
        }
        let body = checkpoint.body();
        if log.tree.size() < body.size {
            return Err(LedgerError::Shrink { old: body.size, new: log.tree.size() });
        }
        if log.tree.size() > body.size || log.tree.root() != body.root {
            return Err(LedgerError::Fork { size: body.size });
        }
        leaves.into_iter().for_each(|leaves| log.history.know_leaves(leaves));
        for entry in entries {
            log.history.push(entry)?;
        }
        log.note = note.to_owned();
        log.checkpoint = Some(checkpoint);
        Ok(log)
    }
    /// A log of which nothing is known yet.
    pub fn nothing(trust: Trust) -> Self {
        Self::empty(trust)
    }
    /// Adds entries that a newer checkpoint signs: all of them verify, or nothing changes.
    ///
    /// Errors: refused: those of [`Note::verify`]; [`LedgerError::Fork`] when checkpoint and entries do not continue
    /// this log; those of the first entry that fails.
    pub fn extend(&mut self, entries: &[&[u8]], note: &str, leaves: Vec<Vec<Digest>>) -> Result<(), LedgerError> {
        let checkpoint = Note::parse(note.as_bytes())?.verify(self.history.trust().tlog(), Age::Archive)?;
        let before = self.tree.size();
        entries.iter().for_each(|entry| self.tree.push(leaf_hash(entry)));
        let body = checkpoint.body();
        let mut outcome = Ok(());
        if self.tree.size() != body.size || self.tree.root() != body.root {
            outcome = Err(LedgerError::Fork { size: before });
        } else {
            leaves.into_iter().for_each(|leaves| self.history.know_leaves(leaves));
            for entry in entries {
                if let Err(error) = self.history.push(entry) {
                    outcome = Err(error);
                    break;
                }
            }
        }
        if outcome.is_err() {
            self.history.rewind(before);
            self.tree.truncate(before);
            return outcome;
        }
        self.note = note.to_owned();
        self.checkpoint = Some(checkpoint);
        Ok(())
    }
    /// The root over the first entries.
    pub fn root_at(&self, size: u64) -> Option<Digest> {
        self.tree.root_at(size)
    }
    /// The leaf hash of an entry.
    pub fn leaf(&self, index: u64) -> Option<Digest> {
        self.tree.leaf(index)
    }
    /// The statements.
    pub const fn history(&self) -> &History {
        &self.history
    }
    /// The newest checkpoint; `None` before the first entry.
    pub const fn checkpoint(&self) -> Option<&VerifiedCheckpoint> {
        self.checkpoint.as_ref()
    }
    /// The newest checkpoint as a signed note; empty before the first entry.
    pub fn note(&self) -> &str {
        &self.note
    }
    /// A proof of one entry's place under the newest checkpoint.
    pub fn proof(&self, index: u64) -> Option<LogProof> {
        let size = self.checkpoint.as_ref()?.body().size;
        Some(LogProof::new(index, self.tree.inclusion_proof(index, size)?, self.note.clone()))
    }
    /// The hashes that show how the log grew from an older size to the newest checkpoint.
    pub fn consistency_proof(&self, old: u64) -> Option<Vec<Digest>> {
        self.tree.consistency_proof(old, self.checkpoint.as_ref()?.body().size)
    }
    /// Checks that this log continues an older checkpoint.
    ///
    /// Errors: refused: [`LedgerError::Origin`], [`LedgerError::Shrink`], [`LedgerError::Fork`].
    pub fn continues(&self, old: &Checkpoint) -> Result<(), LedgerError> {
        let size = self.tree.size();
        let new = Checkpoint { origin: self.history.trust().tlog().origin().to_owned(), size, root: self.tree.root() };
        let proof = self.tree.consistency_proof(old.size, size).unwrap_or_default();
        new.follows(old, &proof)
    }

    /// Verifies a stored version's manifest and every memory against the log.
    ///
    /// Errors: refused: [`LedgerError::Missing`] when the log has no such version in good standing,
    /// [`LedgerError::Manifest`], [`LedgerError::Root`], [`LedgerError::Redaction`], and [`LedgerError::Commit`]
    /// for the first memory that is missing, surplus or changed.
    pub fn version(&self, stored: StoredVersion) -> Result<SignedVersion, LedgerError> {
        let (version, damaged) = self.version_withholding(stored)?;
        match damaged.first() {
            None => Ok(version),
            Some(line) => Err(LedgerError::Commit { line: *line }),
        }
    }
    /// Like [`VerifiedLog::version`], but withholds each memory that does not verify instead of refusing all.
    ///
    /// Gives the one-based manifest lines that are withheld (0 for objects in no line): count them and raise an
    /// alarm. Lines redacted after a logged erasure are not among them.
    pub fn version_withholding(&self, stored: StoredVersion) -> Result<(SignedVersion, Vec<usize>), LedgerError> {
        let (version, manifest) = self.lines(stored.sequence, &stored.manifest, &stored.head)?;
        Ok(open_memories(version, manifest, stored.memories))
    }
    /// Verifies a stored manifest against the log, without the memories: what they are checked against is
    /// [`Line::verify`]. A memory that many versions hold is so checked once. It proves no version.
    ///
    /// Errors: as [`VerifiedLog::version`], but for memories.
    pub fn manifest(&self, sequence: u64, manifest: &[u8], head: &[u8]) -> Result<Manifest, LedgerError> {
        self.lines(sequence, manifest, head).map(|(_, manifest)| manifest)
    }
    fn lines(&self, sequence: u64, manifest: &[u8], head: &[u8]) -> Result<(VerifiedVersion, Manifest), LedgerError> {
        let version = self.history.version(sequence);
        let version = version.filter(|v| v.standing() == Standing::Good && v.index() < self.sealed_size());
        let version = version.ok_or(LedgerError::Missing { what: "a version in good standing" })?.clone();
        let store = &version.common().store;
        let manifest = Manifest::verify(manifest, head, store, &self.history.erased())?;
        if manifest.head(store) != version.common().head() {
            return Err(LedgerError::Root);
        }
        Ok((version, manifest))
    }
    fn sealed_size(&self) -> u64 {
        self.checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.body().size)
    }

    pub(in crate::ledger) const fn history_mut(&mut self) -> &mut History {
        &mut self.history
    }
    pub(in crate::ledger) const fn tree(&self) -> &Tree {
        &self.tree
    }
    pub(in crate::ledger) const fn tree_mut(&mut self) -> &mut Tree {
        &mut self.tree
    }
    pub(in crate::ledger) fn seal(&mut self, note: String, checkpoint: VerifiedCheckpoint) {
        self.note = note;
        self.checkpoint = Some(checkpoint);
    }
    /// The store.
    pub const fn store(&self) -> &StoreName {
        self.history.trust().policy().store()
    }
}

/// Matches objects to lines; what does not verify is left out and named.
fn open_memories(
    version: VerifiedVersion,
    manifest: Manifest,
    objects: Vec<MemoryObject>,
) -> (SignedVersion, Vec<usize>) {
    let mut damaged = Vec::new();
    let mut by_path = std::collections::BTreeMap::new();
    for object in objects {
        if by_path.insert(object.path.clone(), object).is_some() {
            damaged.push(0);
        }
    }
    let mut memories = Vec::new();
    for (at, line) in manifest.lines().iter().enumerate() {
        let Line::Memory { path, .. } = line else { continue };
        let object = by_path
            .remove(path)
            .filter(|object| line.verify(&object.salt, object.text.as_bytes(), object.provenance.as_bytes()).is_ok());
        let opened = object.and_then(|object| {
            let salt = Salt::from_slice(&object.salt).ok()?;
            Some(SignedMemory::new(object.path, object.text, object.provenance, salt))
        });
        match opened {
            Some(memory) => memories.push(memory),
            None => damaged.push(at + 1),
        }
    }
    if !by_path.is_empty() {
        damaged.push(0);
    }
    damaged.sort_unstable();
    (SignedVersion::new(version, manifest, memories), damaged)
}
