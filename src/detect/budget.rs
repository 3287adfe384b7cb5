//! Ceilings of one scan. They are counted, never timed: the same text ends the same way everywhere.

use std::fmt;

/// Ceilings of one scan. Reaching one ends in partial coverage and a finding, never in a pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// Bytes of one text that are read.
    pub text_bytes: usize,
    /// Decoding steps on top of each other.
    pub depth: usize,
    /// Hidden, markup and decoded views of one text.
    pub views: usize,
    /// Bytes of all those views together.
    pub view_bytes: usize,
    /// Findings of one text.
    pub findings: usize,
    /// Bytes looked at, over all views, windows and decoders.
    pub steps: u64,
}

impl Default for Budget {
    /// Own choice: a memory has at most 100 KiB; transcripts have events of a few MiB.
    fn default() -> Self {
        Self { text_bytes: 16 << 20, depth: 5, views: 4096, view_bytes: 32 << 20, findings: 1000, steps: 2 << 30 }
    }
}

/// Which ceiling was reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum Limit {
    /// The text is longer than is read.
    TextBytes,
    /// Something decodable lies deeper than is decoded.
    Depth,
    /// Too many views.
    Views,
    /// Views too large together.
    ViewBytes,
    /// Too many findings.
    Findings,
    /// Too much work.
    Steps,
    /// The classifier's weights were refused: it judged nothing.
    Model,
}

impl Limit {
    /// Stable kebab-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::TextBytes => "text-bytes",
            Self::Depth => "depth",
            Self::Views => "views",
            Self::ViewBytes => "view-bytes",
            Self::Findings => "findings",
            Self::Steps => "steps",
            Self::Model => "model",
        }
    }
}

impl fmt::Display for Limit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// How much of a text was examined.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Coverage {
    /// Every byte of every view.
    Full,
    /// Not everything: the gate never admits such a text.
    Partial {
        /// The ceilings that were reached, ascending.
        limits: Vec<Limit>,
    },
}

impl Coverage {
    /// True when everything was examined.
    pub const fn is_full(&self) -> bool {
        matches!(self, Self::Full)
    }
}
