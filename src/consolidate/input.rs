//! What a dream reads.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{Authority, Kind, MemoryPath, SessionId, Timestamp};
use crate::ingest::{Memory, Session};

use super::{Marks, Workspace};

/// Settings that narrow or time the work; none of them can loosen a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Options {
    /// Finished task states older than this may expire. Units: days.
    pub task_retention_days: u32,
    /// Raise insights from sessions.
    pub insights: bool,
}

impl Default for Options {
    fn default() -> Self {
        Self { task_retention_days: 30, insights: true }
    }
}

/// Everything a dream reads. Nothing of it is written.
#[derive(Clone, Copy)]
pub struct Input<'a> {
    /// The store. Order does not matter; a path counts once (the first wins).
    pub memories: &'a [Memory],
    /// What the scan found in a note, by memory and note number.
    pub memory_marks: &'a BTreeMap<(MemoryPath, usize), Marks>,
    /// What a note is, where `detect` said so. Where it did not, a cautious rule here decides.
    pub note_kinds: &'a BTreeMap<(MemoryPath, usize), Kind>,
    /// Authority of single notes where it differs from their memory's; it can only lower it.
    pub note_authority: &'a BTreeMap<(MemoryPath, usize), Authority>,
    /// The transcripts. Order does not matter; an id counts once (the first wins).
    pub sessions: &'a [Session],
    /// What the scan found in an event, by session and event number.
    pub event_marks: &'a BTreeMap<(SessionId, usize), Marks>,
    /// Ids of operations that were accepted, rejected or acknowledged before: not raised again.
    /// Ids name contents, so a changed note raises its operation anew.
    pub decided: &'a BTreeSet<String>,
    /// The workspace that references are checked against; without it none is called stale.
    pub probes: Option<&'a dyn Workspace>,
    /// Directives of the owner, at most 4,096 characters.
    pub steering: Option<&'a str>,
    /// The time of the run.
    pub now: Timestamp,
    /// Settings.
    pub options: &'a Options,
}
