//! The plan: what a dream suggests, operation by operation.

use serde::{Deserialize, Serialize};

use crate::domain::{Authority, Claim, Digest, Finding, MemoryPath, Origin, Untrusted};

/// One note of the input, by place and content.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct NoteRef {
    /// The memory.
    pub path: MemoryPath,
    /// The note's number in it.
    pub note: usize,
    /// Digest of its statement.
    pub digest: Digest,
}

/// How an operation may take effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Tier {
    /// Applied in the output store: cannot lose or plant anything.
    Automatic,
    /// Waits for its owner.
    Propose,
}

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OperationKind {
    /// Equal canonical keys: one stays.
    MergeExact,
    /// No protected difference and similar enough: the most informative member stays.
    MergeNear,
    /// One says all that the other says: the larger stays.
    Subsume,
    /// A newer value of the same slot replaces an older one.
    Supersede,
    /// Two notes disagree and nobody may decide: both stay, linked.
    Contest,
    /// A reference moved: the note names the new place.
    Repair,
    /// A checked reference is gone, or the scan held the note: it leaves the live view.
    Quarantine,
    /// An explicit expiry or a retention rule has passed.
    Expire,
    /// A pattern over sessions: a new note.
    Insight,
}

/// The one terminal disposition of an input note.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", tag = "disposition")]
pub enum Disposition {
    /// Copied unchanged.
    Keep,
    /// Merged into another note.
    MergedInto {
        /// The note that stays.
        into: NoteRef,
    },
    /// A newer note took its slot.
    SupersededBy {
        /// The newer note.
        by: NoteRef,
    },
    /// Live, linked with what it disagrees with.
    Contested,
    /// Live with a corrected reference.
    Repaired,
    /// Out of the live view, restorable.
    Quarantined,
    /// Out of the live view, its time is over.
    Expired,
    /// Live with secrets masked.
    Redacted,
}

/// A cited span.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Evidence {
    /// Where.
    pub origin: Origin,
    /// The cited text, cut to 300 bytes. Untrusted: show it escaped.
    pub quote: String,
}

/// One proposed edit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Operation {
    /// `op_` and 12 hex digits over kind, rule, inputs and output: stable across runs.
    pub id: String,
    /// What it does.
    pub kind: OperationKind,
    /// How it may take effect.
    pub tier: Tier,
    /// The input notes it touches; the surviving note first, where one survives.
    pub inputs: Vec<NoteRef>,
    /// What it would write, where it writes.
    pub output: Option<Output>,
    /// The spans it rests on.
    pub evidence: Vec<Evidence>,
    /// Id of the deterministic rule that produced it, e.g. `merge.canonical-key`.
    pub rule: String,
    /// Why, one sentence for people. May quote untrusted text: show it escaped.
    pub reason: String,
    /// The lowest authority among everything that contributed.
    pub authority: Authority,
    /// Things a reviewer should know first, e.g. `fragile: one principal carries it`.
    pub warnings: Vec<String>,
}

/// New text an operation would write.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Output {
    /// The memory it goes to.
    pub path: MemoryPath,
    /// The statement. Untrusted like everything a dream writes.
    pub text: String,
}

/// A memory as the accepted part of a plan would leave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutputMemory {
    /// Its path.
    pub path: MemoryPath,
    /// Its whole text.
    pub text: Untrusted<String>,
    /// Sources of every note.
    pub claims: Vec<Claim>,
}

/// Everything a dream suggests.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// Digest of the input snapshot.
    pub base: Digest,
    /// The operations, in a fixed order.
    pub operations: Vec<Operation>,
    /// Every input note with its terminal disposition under the automatic tier.
    pub dispositions: Vec<(NoteRef, Disposition)>,
    /// References nobody could check, and why.
    pub not_measurable: Vec<String>,
    /// Steering directives that were understood, and sentences that were not.
    pub steering: Vec<String>,
    /// Stage errors; the notes they touch are kept.
    pub errors: Vec<String>,
}

/// Findings the scan before consolidation attached to a note or an event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// Findings.
    pub findings: Vec<Finding>,
    /// True when policy holds the text: it leaves the live view, and is never evidence.
    pub held: bool,
}
