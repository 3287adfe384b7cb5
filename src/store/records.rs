//! The records and the store contract.

use crate::domain::{Digest, HoldId, MemoryPath, Timestamp};
use crate::gate::HeldRecord;
use crate::ledger::Record;

use super::StoreError;
use super::rows::{MemoryVersionRow, VersionQuery};

/// Where a version stands between database and log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum VersionState {
    /// Written here, not yet found in the log: not served.
    Pending,
    /// In the log.
    Logged,
}

/// One version as it is stored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionRecord {
    /// 1, 2, 3 …
    pub sequence: u64,
    /// Id of the version statement.
    pub statement: Digest,
    /// `genesis`, `advance` or `rollback`.
    pub action: String,
    /// The manifest's bytes.
    pub manifest: Vec<u8>,
    /// The manifest head's bytes.
    pub head: Vec<u8>,
    /// When it was made.
    pub created: Timestamp,
    /// Where it stands.
    pub state: VersionState,
    /// What the run that made it says about it, JSON.
    pub summary: String,
}

/// One memory of one or more versions: what its manifest line commits to.
#[derive(Clone, PartialEq, Eq)]
pub struct ObjectRecord {
    /// The content commitment, its key.
    pub commit: Digest,
    /// Its path.
    pub path: MemoryPath,
    /// The exact bytes.
    pub content: Vec<u8>,
    /// The salt of both commitments.
    pub salt: [u8; 32],
    /// The provenance record, canonical JSON.
    pub provenance: String,
}

impl std::fmt::Debug for ObjectRecord {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ObjectRecord")
            .field("path", &self.path)
            .field("bytes", &self.content.len())
            .finish_non_exhaustive()
    }
}

/// A held item's record as it is stored: what its digest in the log is over.
///
/// # Errors
/// A record that does not encode.
pub fn held_body(record: &HeldRecord) -> Result<String, StoreError> {
    serde_json::to_string(record).map_err(|e| StoreError::Damaged {
        table: "held",
        key: record.id.to_string(),
        problem: e.to_string(),
    })
}

/// The store contract. Every backend passes the same suite (`tests/store_contract.rs`).
///
/// Errors: refused for damaged records, unavailable for the database.
pub trait Store {
    /// Keeps raw bytes by digest; a second call with the same bytes changes nothing.
    fn put_raw(&mut self, name: &str, bytes: &[u8]) -> Result<Digest, StoreError>;
    /// Keeps many raw inputs, name and bytes, in one transaction.
    fn put_raws(&mut self, inputs: &[(&str, &[u8])]) -> Result<(), StoreError>;
    /// Raw bytes, checked against their digest.
    fn raw(&self, digest: &Digest) -> Result<Option<Vec<u8>>, StoreError>;
    /// Writes a pending version with its new objects, in one transaction.
    fn put_pending(&mut self, version: &VersionRecord, objects: &[ObjectRecord]) -> Result<(), StoreError> {
        self.put_pending_rows(version, objects, &[])
    }
    /// The same with the rows of the memories it changes.
    fn put_pending_rows(
        &mut self,
        version: &VersionRecord,
        objects: &[ObjectRecord],
        rows: &[MemoryVersionRow],
    ) -> Result<(), StoreError>;
    /// Writes a version that is logged by this: its record goes into the same transaction as its objects and rows.
    fn put_logged(
        &mut self,
        version: &VersionRecord,
        objects: &[ObjectRecord],
        rows: &[MemoryVersionRow],
        intake: &Record,
    ) -> Result<(), StoreError>;
    /// Records of the log that were not forgotten, oldest first.
    fn intake(&self) -> Result<Vec<Vec<u8>>, StoreError>;
    /// Forgets records whose entries come before an index: the log's files hold them. Nothing is lost when this is.
    fn forget_intake(&mut self, before: u64) -> Result<(), StoreError>;
    /// Writes rows of versions that were made before there were any, or replaces rows whose content was erased.
    fn put_rows(&mut self, rows: &[MemoryVersionRow]) -> Result<(), StoreError>;
    /// Takes memories out for good: their objects go, manifests and rows are replaced, documents (kind, id, body) written,
    /// all in one transaction.
    fn erase(
        &mut self,
        commitments: &[Digest],
        manifests: &[(u64, Vec<u8>)],
        rows: &[MemoryVersionRow],
        documents: &[(&str, &str, &str)],
    ) -> Result<(), StoreError>;
    /// Rows of logged versions, newest first, ties by id.
    fn rows(&self, query: &VersionQuery) -> Result<Vec<MemoryVersionRow>, StoreError>;
    /// Rows of one signed version, by id, pending or not.
    fn rows_of(&self, sequence: u64) -> Result<Vec<MemoryVersionRow>, StoreError>;
    /// One row by its id.
    fn row(&self, id: &str) -> Result<Option<MemoryVersionRow>, StoreError>;
    /// The newest row of every memory that is not deleted, and when the memory was created.
    fn live_rows(&self) -> Result<Vec<(MemoryVersionRow, Timestamp)>, StoreError>;
    /// The newest version that has rows; 0 when none has.
    fn rows_until(&self) -> Result<u64, StoreError>;
    /// Marks a pending version as logged.
    fn mark_logged(&mut self, sequence: u64) -> Result<(), StoreError>;
    /// Removes a pending version that never reached the log.
    fn drop_pending(&mut self, sequence: u64) -> Result<(), StoreError>;
    /// One version.
    fn version(&self, sequence: u64) -> Result<Option<VersionRecord>, StoreError>;
    /// All versions, oldest first, without their manifests.
    fn outlines(&self) -> Result<Vec<VersionRecord>, StoreError>;
    /// All versions, oldest first.
    fn versions(&self) -> Result<Vec<VersionRecord>, StoreError>;
    /// One memory by its content commitment.
    fn object(&self, commit: &Digest) -> Result<Option<ObjectRecord>, StoreError>;
    /// Writes held items, or replaces them, and documents (kind, id, body) beside them: all of it or nothing.
    fn put_held(&mut self, records: &[HeldRecord], documents: &[(&str, String, String)]) -> Result<(), StoreError>;
    /// The id of every held item, with the digest of its record as it is stored.
    fn held_digests(&self) -> Result<Vec<(HoldId, Digest)>, StoreError>;
    /// One held item.
    fn held(&self, id: &HoldId) -> Result<Option<HeldRecord>, StoreError>;
    /// All held items: worst severity first, then oldest, then by id.
    fn all_held(&self) -> Result<Vec<HeldRecord>, StoreError>;
    /// Writes a JSON document of some kind (dream report, decision, grade, monitor).
    fn put_document(&mut self, kind: &str, id: &str, body: &str) -> Result<(), StoreError>;
    /// Writes many documents of one kind, id and body, in one transaction.
    fn put_documents(&mut self, kind: &str, documents: &[(String, String)]) -> Result<(), StoreError>;
    /// One document.
    fn document(&self, kind: &str, id: &str) -> Result<Option<String>, StoreError>;
    /// All documents of a kind, by id.
    fn documents(&self, kind: &str) -> Result<Vec<(String, String)>, StoreError>;
}
