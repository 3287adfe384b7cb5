//! [`SignedVersion`]: the proof that exact bytes are in the log under trusted keys.

use std::sync::Arc;

use super::manifest::{self, Label, Line, Manifest, Salt};
use super::verify::{VerifiedVersion, VersionRef};
use crate::domain::{Digest, MemoryPath, StoreName};

/// A version whose signatures, place in the log, manifest and every memory verified.
///
/// Made only by logging a signed draft ([`super::LogWriter::append_version`]) and by verifying stored evidence
/// ([`super::VerifiedLog::version`]). It is never stored, copied or made from parts:
///
/// ```compile_fail,E0451
/// use memgate::ledger::SignedVersion;
/// fn forge(known: SignedVersion) -> SignedVersion {
///     SignedVersion { memories: Vec::new(), ..known } // private fields: no proof from parts
/// }
/// ```
///
/// ```compile_fail,E0277
/// fn copy(known: &memgate::ledger::SignedVersion) -> memgate::ledger::SignedVersion {
///     memgate::ledger::SignedVersion::clone(known) // no Clone: a proof is earned again each time
/// }
/// ```
///
/// ```
/// use memgate::ledger::{LedgerError, SignedVersion, StoredVersion, VerifiedLog};
/// fn earn(log: &VerifiedLog, stored: StoredVersion) -> Result<SignedVersion, LedgerError> {
///     log.version(stored) // checks everything
/// }
/// # let _: fn(&VerifiedLog, StoredVersion) -> Result<SignedVersion, LedgerError> = earn;
/// ```
#[derive(Debug)]
pub struct SignedVersion {
    version: VerifiedVersion,
    manifest: Manifest,
    memories: Vec<SignedMemory>,
}

/// One memory of a signed version. Versions that hold the same memory share it.
pub struct SignedMemory(Arc<Parts>);

struct Parts {
    path: MemoryPath,
    text: String,
    provenance: String,
    salt: Salt,
}

impl std::fmt::Debug for SignedMemory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SignedMemory({:?}, {} bytes)", self.0.path, self.0.text.len())
    }
}

impl SignedMemory {
    pub(in crate::ledger) fn new(path: MemoryPath, text: String, provenance: String, salt: Salt) -> Self {
        Self(Arc::new(Parts { path, text, provenance, salt }))
    }
    /// The same memory for the next version of the same ledger: it was verified, and nothing of it changes.
    pub(in crate::ledger) fn carry(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
    /// Where it is stored.
    pub fn path(&self) -> &MemoryPath {
        &self.0.path
    }
    /// The exact text.
    pub fn text(&self) -> &str {
        &self.0.text
    }
    /// The provenance record, canonical JSON.
    pub fn provenance(&self) -> &str {
        &self.0.provenance
    }
    /// The salt of its commitments.
    pub fn salt(&self) -> &Salt {
        &self.0.salt
    }
    /// The commitment to its text that the manifest holds.
    pub fn commitment(&self) -> Digest {
        self.salt().commit(Label::Content, self.text().as_bytes())
    }
    /// The record to store.
    pub fn to_object(&self) -> MemoryObject {
        MemoryObject {
            path: self.path().clone(),
            text: self.text().to_owned(),
            provenance: self.provenance().to_owned(),
            salt: self.salt().bytes().to_vec(),
        }
    }
}

impl SignedVersion {
    pub(in crate::ledger) const fn new(
        version: VerifiedVersion,
        manifest: Manifest,
        memories: Vec<SignedMemory>,
    ) -> Self {
        Self { version, manifest, memories }
    }
    /// What the log says about it.
    pub const fn evidence(&self) -> &VerifiedVersion {
        &self.version
    }
    /// Statement id and number.
    pub const fn reference(&self) -> VersionRef {
        self.version.reference()
    }
    /// Its number.
    pub const fn sequence(&self) -> u64 {
        self.version.common().sequence
    }
    /// Its statement id.
    pub const fn id(&self) -> &Digest {
        self.version.id()
    }
    /// The store.
    pub const fn store(&self) -> &StoreName {
        &self.version.common().store
    }
    /// The manifest.
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }
    /// The memories, in manifest order.
    pub fn memories(&self) -> &[SignedMemory] {
        &self.memories
    }
    /// The memory at a path. Cost: a binary search.
    pub fn memory(&self, path: &MemoryPath) -> Option<&SignedMemory> {
        let at = self.memories.partition_point(|memory| manifest::path_order(memory.path(), path).is_lt());
        self.memories.get(at).filter(|memory| memory.path() == path)
    }
    /// How many memories were erased since.
    pub fn redacted(&self) -> usize {
        self.manifest.lines().iter().filter(|line| matches!(line, Line::Redacted(_))).count()
    }
    /// The records to store, from which it can be verified again.
    pub fn to_stored(&self) -> StoredVersion {
        StoredVersion {
            sequence: self.sequence(),
            manifest: self.manifest.to_bytes(),
            head: self.manifest.head(self.store()).to_bytes(),
            memories: self.memories.iter().map(SignedMemory::to_object).collect(),
        }
    }
}

/// A version's records as a store keeps them: an input like any other, until verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoredVersion {
    /// Its number.
    pub sequence: u64,
    /// The file `manifest`.
    pub manifest: Vec<u8>,
    /// The file `manifest.head`.
    pub head: Vec<u8>,
    /// Memories; those of redacted lines are gone.
    pub memories: Vec<MemoryObject>,
}

/// One memory's records as a store keeps them.
#[derive(Clone, PartialEq, Eq)]
pub struct MemoryObject {
    /// Where it is stored.
    pub path: MemoryPath,
    /// The text.
    pub text: String,
    /// The provenance record.
    pub provenance: String,
    /// The salt's bytes.
    pub salt: Vec<u8>,
}

impl std::fmt::Debug for MemoryObject {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "MemoryObject({:?}, {} bytes)", self.path, self.text.len())
    }
}
