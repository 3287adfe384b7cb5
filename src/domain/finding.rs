//! What a detector found, and the order of severities and confidences.

use serde::{Deserialize, Serialize};

use super::{RuleId, Span};

/// Harm if the hit is real, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Worth knowing.
    Info,
    /// Slight.
    Low,
    /// Holds at the default level together with others.
    Medium,
    /// Holds alone.
    High,
    /// A hard stop: no score, exclusion or model outweighs it.
    Critical,
}

impl Severity {
    /// Stable lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
            Self::Critical => "critical",
        }
    }
}

/// How often a hit is real, weakest first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Confidence {
    /// Often wrong alone.
    Low,
    /// More often right than wrong.
    Medium,
    /// Nearly always right.
    High,
}

impl Confidence {
    /// Stable lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Low => "low",
            Self::Medium => "medium",
            Self::High => "high",
        }
    }
}

/// Where in the life of a text a rule runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Stage {
    /// Transcript spans, before a dream compresses them.
    Ingest,
    /// A write to memory, or a memory as it lies in a store.
    Write,
    /// The text a dream proposes.
    Consolidate,
}

/// The reading of a text in which a detector matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum View {
    /// The bytes as they are.
    Raw,
    /// NFKC, case-folded, confusable skeleton, invisible characters removed.
    Folded,
    /// What invisible characters spell (tags, zero-width, variation selectors).
    Hidden,
    /// Comments, attributes and other parts that a rendered page does not show.
    Markup,
    /// Decoded base64, hex, percent, entities; may nest.
    Decoded,
    /// The whole document or a set of notes: a finding about structure, not wording.
    Structure,
}

impl View {
    /// Stable lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::Folded => "folded",
            Self::Hidden => "hidden",
            Self::Markup => "markup",
            Self::Decoded => "decoded",
            Self::Structure => "structure",
        }
    }
}

/// One detector's hit.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Finding {
    /// The rule.
    pub rule: RuleId,
    /// Its title: our own constant text, safe to print.
    pub title: String,
    /// Harm if real.
    pub severity: Severity,
    /// How often a hit is real.
    pub confidence: Confidence,
    /// Byte range in the raw text.
    pub span: Span,
    /// The reading in which it matched.
    pub view: View,
    /// Decoding steps from the raw text to the view, e.g. `["base64", "percent"]`.
    pub decoding: Vec<String>,
    /// Threats of the threat model the rule answers, e.g. `T01`.
    pub threats: Vec<String>,
    /// The matched text of the view, cut to 240 bytes. Untrusted: show it escaped. Empty for
    /// secrets: those are never copied.
    pub excerpt: String,
    /// The paranoia level of the rule, 1 to 4. A finding above the policy's blocking level informs and holds nothing.
    #[serde(default = "Finding::first_level", skip_serializing_if = "Finding::is_first_level")]
    pub level: u8,
}

impl Finding {
    /// The level every installation blocks at.
    pub const FIRST_LEVEL: u8 = 1;

    const fn first_level() -> u8 {
        Self::FIRST_LEVEL
    }
    #[allow(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde calls")]
    const fn is_first_level(level: &u8) -> bool {
        *level == Self::FIRST_LEVEL
    }
}
