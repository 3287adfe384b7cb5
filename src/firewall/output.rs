//! What leaves the store: verified memories, differences of versions, folders.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use crate::domain::{Authority, Channel, Digest, MemoryPath, Origin, Span, Untrusted};
use crate::ingest::Memory;
use crate::ledger::{SignedMemory, SignedVersion};
use crate::store::StoreError;

use super::{Firewall, FirewallError};

/// One memory of a version. The text is verified: that says where it came from, not that it is true or safe to
/// print; show it escaped.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionText {
    /// Its path.
    pub path: MemoryPath,
    /// Its text.
    pub text: String,
}

/// The difference of two versions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VersionDiff {
    /// Memories only in the newer one.
    pub added: Vec<VersionText>,
    /// Memories only in the older one.
    pub removed: Vec<VersionText>,
    /// Memories in both with different text: old, new.
    pub changed: Vec<(VersionText, VersionText)>,
    /// Number of memories that did not change.
    pub same: usize,
}

pub(super) fn as_memory(memory: &SignedMemory) -> Memory {
    let text = memory.text().to_owned();
    Memory {
        path: memory.path().clone(),
        origin: Origin {
            input: memory.path().as_str().to_owned(),
            input_digest: Digest::of(&text),
            session: None,
            event: None,
            span: Span::new(0, text.len()),
            channel: Channel::Memory,
            principal: "memory".into(),
            authority: Authority::Agent,
            at: None,
        },
        text: Untrusted::new(text),
    }
}

impl Firewall {
    /// The memories of a version, verified.
    ///
    /// # Errors
    /// Refused when anything does not verify: nothing is served then.
    pub fn texts(&self, sequence: u64) -> Result<Vec<VersionText>, FirewallError> {
        let version: SignedVersion = self.recall(sequence)?;
        Ok(version
            .memories()
            .iter()
            .map(|m| VersionText { path: m.path().clone(), text: m.text().to_owned() })
            .collect())
    }

    /// What changed between two versions, both verified.
    ///
    /// # Errors
    /// As [`Firewall::texts`].
    pub fn diff(&self, old: u64, new: u64) -> Result<VersionDiff, FirewallError> {
        let by_path = |texts: Vec<VersionText>| -> BTreeMap<MemoryPath, VersionText> {
            texts.into_iter().map(|text| (text.path.clone(), text)).collect()
        };
        let mut old = by_path(self.texts(old)?);
        let mut diff = VersionDiff::default();
        for (path, text) in by_path(self.texts(new)?) {
            match old.remove(&path) {
                None => diff.added.push(text),
                Some(before) if before.text == text.text => diff.same += 1,
                Some(before) => diff.changed.push((before, text)),
            }
        }
        diff.removed = old.into_values().collect();
        Ok(diff)
    }
}

/// Checks that a folder can take a version: it is new or empty.
///
/// # Errors
/// Refused when it exists and is not empty; unavailable when it cannot be read.
pub fn check_out(folder: &Path) -> Result<(), FirewallError> {
    let occupied = match fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_some(),
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => false,
        Err(source) => return Err(StoreError::Io { verb: "read", path: folder.to_owned(), source }.into()),
    };
    if occupied { Err(FirewallError::OutputExists { path: folder.to_owned() }) } else { Ok(()) }
}

/// Writes a version's memories as a folder: all of it appears at once, or nothing.
///
/// # Errors
/// Refused when the folder exists and is not empty; unavailable when the disk refuses.
pub fn write_out(texts: &[VersionText], folder: &Path) -> Result<(), FirewallError> {
    check_out(folder)?;
    let parent = match folder.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    fs::create_dir_all(parent).map_err(StoreError::io("create", parent))?;
    let staging = tempfile::Builder::new()
        .prefix(".memgate-out-")
        .tempdir_in(parent)
        .map_err(StoreError::io("create a folder in", parent))?;
    for memory in texts {
        let path = staging.path().join(memory.path.relative());
        if let Some(folder) = path.parent() {
            fs::create_dir_all(folder).map_err(StoreError::io("create", folder))?;
        }
        fs::write(&path, &memory.text).map_err(StoreError::io("write", &path))?;
    }
    if folder.exists() {
        fs::remove_dir(folder).map_err(StoreError::io("replace", folder))?;
    }
    // Only what was moved is kept: a failed move leaves no folder of its own behind.
    fs::rename(staging.path(), folder).map_err(StoreError::io("move into place", folder))?;
    drop(staging.keep());
    Ok(())
}
