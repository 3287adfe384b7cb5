//! Held items: plain records, an input like any other until a reviewer and a new scan speak.

use serde::{Deserialize, Serialize};

use crate::domain::{
    Authority, Digest, Finding, HoldId, Kind, MemoryPath, Origin, PrincipalId, SessionId, Severity, Span, Timestamp,
};

use super::decide::HeldNote;
use super::policy::Policy;

/// Where a held item would go, or was found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "in")]
pub enum Place {
    /// A note of a memory, with the text of the heading above it.
    Memory {
        /// The memory.
        path: MemoryPath,
        /// The nearest heading, if any.
        heading: Option<String>,
    },
    /// A whole write: the item's text is the whole new content of the memory.
    Write {
        /// The memory.
        path: MemoryPath,
        /// SHA-256 of what the memory held then; `None` when there was none. It must still hold it when the write is
        /// released.
        base: Option<Digest>,
        /// The path it is renamed from.
        moves: Option<MemoryPath>,
        /// The parts that hold the whole, bytes of the text.
        notes: Vec<Span>,
    },
    /// A span of a transcript: it was kept away from the dream.
    Session {
        /// The session.
        session: SessionId,
        /// The event's number.
        event: usize,
    },
}

impl Place {
    /// The memory, when there is one.
    pub const fn memory(&self) -> Option<&MemoryPath> {
        match self {
            Self::Memory { path, .. } | Self::Write { path, .. } => Some(path),
            Self::Session { .. } => None,
        }
    }
}

/// The state of a held item.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HeldState {
    /// Waits for a reviewer.
    Open,
    /// One reviewer said yes; another one is needed.
    AwaitsSecond,
    /// Released into a version.
    Released,
    /// Destroyed.
    Destroyed,
    /// Its time ran out: no.
    Expired,
}

impl HeldState {
    /// Stable lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::AwaitsSecond => "awaits_second",
            Self::Released => "released",
            Self::Destroyed => "destroyed",
            Self::Expired => "expired",
        }
    }
    /// True while a person can still decide.
    pub const fn is_open(self) -> bool {
        matches!(self, Self::Open | Self::AwaitsSecond)
    }
}

/// One held item as it is stored. A plain record: it proves nothing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HeldRecord {
    /// `hold_` and 12 hex digits.
    pub id: HoldId,
    /// Digest of `text`: what a release names.
    pub digest: Digest,
    /// The statement, exactly as it would be stored. Untrusted: show it escaped.
    pub text: String,
    /// Where it would go, or was found.
    pub place: Place,
    /// What it is.
    pub kind: Kind,
    /// The lowest authority among its sources.
    pub authority: Authority,
    /// The worst severity among the findings; `medium` when there is none.
    pub severity: Severity,
    /// Why it is held, for people: our own constant texts.
    pub reasons: Vec<String>,
    /// What the detectors found, spans relative to `text`.
    pub findings: Vec<Finding>,
    /// Where it came from.
    pub origins: Vec<Origin>,
    /// On whose behalf it was proposed.
    pub submitter: PrincipalId,
    /// True when a release needs two different reviewers.
    pub needs_two: bool,
    /// Who gave the first yes.
    pub first_reviewer: Option<PrincipalId>,
    /// Where it stands.
    pub state: HeldState,
    /// When it was held.
    pub created: Timestamp,
    /// When it becomes no.
    pub deadline: Timestamp,
    /// The policy that held it.
    pub policy: Digest,
    /// The rules that held it.
    pub ruleset: Digest,
}

impl HeldRecord {
    /// A new open item. Its id is over content and place, so the same text held again is the same item.
    pub fn open(
        note: HeldNote,
        place: Place,
        submitter: PrincipalId,
        policy: &Policy,
        ruleset: Digest,
        now: Timestamp,
    ) -> Self {
        let digest = Digest::of(&note.text);
        let place_key = match &place {
            Place::Memory { path, .. } => path.as_str().to_owned(),
            Place::Write { path, base, moves, .. } => {
                let base = base.map(|base| base.hex()).unwrap_or_default();
                let from = moves.as_ref().map(MemoryPath::as_str).unwrap_or_default();
                format!("write\n{path}\n{from}\n{base}")
            }
            Place::Session { .. } => "session".to_owned(),
        };
        let identity = Digest::of_parts([digest.bytes().as_slice(), place_key.as_bytes()]);
        Self {
            id: HoldId::of(&identity),
            digest,
            needs_two: policy.needs_two(note.kind, note.severity),
            deadline: now.plus_ms(policy.deadline_ms(note.severity)),
            text: note.text,
            place,
            kind: note.kind,
            authority: note.authority,
            severity: note.severity,
            reasons: note.reasons,
            findings: note.findings,
            origins: note.origins,
            submitter,
            first_reviewer: None,
            state: HeldState::Open,
            created: now,
            policy: policy.digest(),
            ruleset,
        }
    }

    /// Digests of what does not come back once this is destroyed: its text, and of a whole write each part that held
    /// it. The innocent parts of the same write are not among them.
    pub fn tombstones(&self) -> Vec<Digest> {
        let mut digests = vec![self.digest];
        if let Place::Write { notes, .. } = &self.place {
            digests.extend(notes.iter().filter_map(|span| span.slice(&self.text)).map(Digest::of));
        }
        digests
    }
}
