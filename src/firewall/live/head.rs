//! The head: verified content, and the ids under which the wire knows its memories.

use std::collections::BTreeMap;
use std::sync::Arc;

use crate::domain::{Digest, MemoryPath, Timestamp};
use crate::firewall::{FirewallError, VersionInfo};
use crate::ledger::SignedVersion;
use crate::store::{MemoryVersionRow, StoreError, VersionOperation};

/// A memory of the head with its wire ids.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemoryRow {
    /// `mem_…`.
    pub id: String,
    /// Where it is.
    pub path: MemoryPath,
    /// Id of its newest memory version.
    pub version_id: String,
    /// SHA-256 of its text.
    pub sha256: Digest,
    /// Bytes of its text.
    pub size: usize,
    /// When it was created.
    pub created: Timestamp,
    /// When it was last changed.
    pub updated: Timestamp,
}

/// The last signed version with the ids of its memories: what is served. Held in an `Arc`; cheap to keep.
#[derive(Debug, Default)]
pub struct Head {
    version: Option<SignedVersion>,
    info: Option<VersionInfo>,
    /// In byte order of the paths.
    by_path: Vec<Arc<MemoryRow>>,
    /// In order of the ids.
    by_id: Vec<Arc<MemoryRow>>,
}

impl Head {
    /// Lays the newest rows beside a verified version.
    pub(super) fn load(
        version: SignedVersion,
        info: VersionInfo,
        rows: Vec<(MemoryVersionRow, Timestamp)>,
    ) -> Result<Self, FirewallError> {
        let mut by_path = BTreeMap::new();
        for (row, created) in rows {
            let bad = |problem: &str| damaged(&row.id, problem);
            let (Some(path), Some(sha256), Some(size)) = (row.path.clone(), row.sha256, row.size) else {
                return Err(bad("the newest version of a memory has no content"));
            };
            let memory = version.memory(&path).ok_or_else(|| bad("its memory is not in the signed version"))?;
            if Digest::of(memory.text()) != sha256 || memory.text().len() as u64 != size {
                return Err(bad("it is not what the signed version holds"));
            }
            let row = MemoryRow {
                id: row.memory_id,
                path: path.clone(),
                version_id: row.id,
                sha256,
                size: memory.text().len(),
                created,
                updated: row.created,
            };
            if let Some(other) = by_path.insert(path, Arc::new(row)) {
                return Err(damaged(&other.version_id, "two memories are at one path"));
            }
        }
        if let Some(memory) = version.memories().iter().find(|memory| !by_path.contains_key(memory.path())) {
            return Err(damaged(memory.path().as_str(), "a memory of the signed version has no row"));
        }
        let by_path: Vec<Arc<MemoryRow>> = by_path.into_values().collect();
        let mut by_id = by_path.clone();
        by_id.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(Self { version: Some(version), info: Some(info), by_path, by_id })
    }

    /// The next head: this one's rows with those of a new version laid over.
    pub(in crate::firewall) fn next(
        &self,
        version: SignedVersion,
        info: VersionInfo,
        rows: &[MemoryVersionRow],
    ) -> Self {
        let (mut by_path, mut by_id) = (self.by_path.clone(), self.by_id.clone());
        let find_id = |list: &Vec<Arc<MemoryRow>>, id: &str| list.binary_search_by(|row| row.id.as_str().cmp(id));
        let mut put = Vec::new();
        for row in rows {
            let old = find_id(&by_id, &row.memory_id).ok().map(|at| by_id.remove(at));
            if let Some(old) = &old
                && let Ok(at) = by_path.binary_search_by(|other| other.path.cmp(&old.path))
            {
                by_path.remove(at);
            }
            if let (Some(path), Some(sha256), Some(size), true) =
                (&row.path, row.sha256, row.size, row.operation != VersionOperation::Deleted)
            {
                put.push(Arc::new(MemoryRow {
                    id: row.memory_id.clone(),
                    path: path.clone(),
                    version_id: row.id.clone(),
                    sha256,
                    size: usize::try_from(size).unwrap_or(usize::MAX),
                    created: old.map_or(row.created, |old| old.created),
                    updated: row.created,
                }));
            }
        }
        for row in put {
            if let Err(at) = find_id(&by_id, &row.id) {
                by_id.insert(at, Arc::clone(&row));
            }
            if let Err(at) = by_path.binary_search_by(|other| other.path.cmp(&row.path)) {
                by_path.insert(at, row);
            }
        }
        Self { version: Some(version), info: Some(info), by_path, by_id }
    }

    /// Number of the version; 0 before there is one.
    pub fn sequence(&self) -> u64 {
        self.version.as_ref().map_or(0, SignedVersion::sequence)
    }
    /// The proof that it is served from.
    pub const fn version(&self) -> Option<&SignedVersion> {
        self.version.as_ref()
    }
    /// The version in a few words.
    pub const fn info(&self) -> Option<&VersionInfo> {
        self.info.as_ref()
    }
    /// Its memories, in byte order of the paths.
    pub fn memories(&self) -> impl Iterator<Item = &MemoryRow> {
        self.by_path.iter().map(Arc::as_ref)
    }
    /// Memories from a path on, in byte order.
    pub fn from(&self, path: &str) -> impl Iterator<Item = &MemoryRow> {
        let at = self.by_path.partition_point(|row| row.path.as_str() < path);
        self.by_path.iter().skip(at).map(Arc::as_ref)
    }
    /// The memory with an id.
    pub fn memory(&self, id: &str) -> Option<&MemoryRow> {
        let at = self.by_id.binary_search_by(|row| row.id.as_str().cmp(id)).ok()?;
        self.by_id.get(at).map(Arc::as_ref)
    }
    /// The memory at a path.
    pub fn at(&self, path: &MemoryPath) -> Option<&MemoryRow> {
        let at = self.by_path.binary_search_by(|row| row.path.cmp(path)).ok()?;
        self.by_path.get(at).map(Arc::as_ref)
    }
    /// The exact text of one of this head's rows.
    pub fn text(&self, row: &MemoryRow) -> &str {
        self.version.as_ref().and_then(|version| version.memory(&row.path)).map_or("", |memory| memory.text())
    }
    /// Number of memories.
    pub fn len(&self) -> usize {
        self.by_path.len()
    }
    /// True when there is no memory.
    pub fn is_empty(&self) -> bool {
        self.by_path.is_empty()
    }
}

fn damaged(key: &str, problem: &str) -> FirewallError {
    StoreError::Damaged { table: "memory_version", key: key.to_owned(), problem: problem.to_owned() }.into()
}
