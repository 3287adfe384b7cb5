//! Rows from the difference of two signed versions, whatever path made the newer one.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{Digest, MemoryPath, Timestamp};
use crate::ledger::{SignedMemory, SignedVersion};
use crate::store::{Actor, MemoryVersionRow, VersionOperation};

use super::Head;

/// What a caller knows of a change beyond what the difference shows.
#[derive(Clone, Debug, Default)]
pub(in crate::firewall) struct Told {
    /// Who changed the memory at each path (for a deletion: where it was).
    pub(in crate::firewall) actors: BTreeMap<MemoryPath, Actor>,
    /// Who made the rest.
    pub(in crate::firewall) actor: Option<Actor>,
    /// New path and old path of each memory that was renamed.
    pub(in crate::firewall) moves: BTreeMap<MemoryPath, MemoryPath>,
}

/// The digits of ids: no 0, O, I or l.
const DIGITS: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/// Prefix, `01` and 22 characters that follow from the parts: the same history has the same ids.
fn id(prefix: &str, parts: &[&[u8]]) -> String {
    let digest = Digest::of_parts(std::iter::once(prefix.as_bytes()).chain(parts.iter().copied()));
    let mut number = u128::from_be_bytes(std::array::from_fn(|at| digest.bytes()[at]));
    let mut out = format!("{prefix}01");
    for _ in 0..22 {
        out.push(char::from(DIGITS[(number % 58) as usize]));
        number /= 58;
    }
    out
}

/// A memory before or after a change.
struct State<'a> {
    path: &'a MemoryPath,
    sha256: Digest,
    size: usize,
}

/// A new version beside the head it follows.
pub(in crate::firewall) struct Step<'a> {
    /// The store's name.
    pub(in crate::firewall) store: &'a str,
    /// The new version's number.
    pub(in crate::firewall) sequence: u64,
    /// When it is made.
    pub(in crate::firewall) created: Timestamp,
    /// What it follows.
    pub(in crate::firewall) head: &'a Head,
    /// Paths that are no longer there.
    pub(in crate::firewall) gone: &'a BTreeSet<MemoryPath>,
    /// What the caller knows.
    pub(in crate::firewall) told: &'a Told,
}

/// The rows of one new version.
///
/// `present` gives the paths and texts of what was changed or added, `commit` the commitment of a path's line in the new
/// manifest.
pub(in crate::firewall) fn of_change<'t>(
    step: &Step<'_>,
    present: impl IntoIterator<Item = (&'t MemoryPath, &'t str)>,
    commit: impl Fn(&MemoryPath) -> Option<Digest>,
) -> Vec<MemoryVersionRow> {
    let Step { store, sequence, created, head, gone, told } = *step;
    let number = sequence.to_be_bytes();
    let version_id = |memory: &str| id("memver_", &[store.as_bytes(), number.as_slice(), memory.as_bytes()]);
    let mut rows = Vec::new();
    let mut moved: BTreeSet<&MemoryPath> = BTreeSet::new();
    for (path, text) in present {
        let now = State { path, sha256: Digest::of(text), size: text.len() };
        let from = told.moves.get(path).filter(|from| gone.contains(*from));
        let before = head.at(from.unwrap_or(path));
        let (memory, operation) = match before {
            Some(old) if old.sha256 == now.sha256 && old.path == *path => continue,
            Some(old) => {
                moved.extend(from);
                (old.id.clone(), VersionOperation::Modified)
            }
            None => (
                id("mem_", &[store.as_bytes(), number.as_slice(), path.as_str().as_bytes()]),
                VersionOperation::Created,
            ),
        };
        rows.push(MemoryVersionRow {
            id: version_id(&memory),
            memory_id: memory,
            sequence,
            operation,
            path: Some(now.path.clone()),
            sha256: Some(now.sha256),
            size: Some(now.size as u64),
            created,
            actor: told.actors.get(path).or(told.actor.as_ref()).cloned(),
            redacted: None,
            commitment: commit(path),
        });
    }
    for path in gone.iter().filter(|path| !moved.contains(path)) {
        let Some(old) = head.at(path) else { continue };
        rows.push(MemoryVersionRow {
            id: version_id(&old.id),
            memory_id: old.id.clone(),
            sequence,
            operation: VersionOperation::Deleted,
            path: Some(path.clone()),
            sha256: None,
            size: None,
            created,
            actor: told.actors.get(path).or(told.actor.as_ref()).cloned(),
            redacted: None,
            commitment: None,
        });
    }
    rows.sort_by(|a, b| a.id.cmp(&b.id));
    rows
}

/// The rows of a version that was made before there were rows.
pub(in crate::firewall) fn backfill(
    store: &str,
    created: Timestamp,
    head: &Head,
    version: &SignedVersion,
) -> Vec<MemoryVersionRow> {
    let present = version.memories().iter().map(|memory| (memory.path(), memory.text()));
    let gone = head.memories().filter(|row| version.memory(&row.path).is_none()).map(|row| row.path.clone()).collect();
    let commit = |path: &MemoryPath| version.memory(path).map(SignedMemory::commitment);
    let step = Step { store, sequence: version.sequence(), created, head, gone: &gone, told: &Told::default() };
    of_change(&step, present, commit)
}
