//! What can go wrong here, with stable codes.

use crate::domain::{Coded, Family};

/// A place in a rubric file, counted from one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Place {
    /// Line.
    pub line: u64,
    /// Column, in characters.
    pub column: u64,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

fn did_you_mean(suggestion: Option<&str>) -> String {
    suggestion.map(|s| format!("; did you mean `{s}`?")).unwrap_or_default()
}

/// Why a rubric, a set of artifacts or a monitor is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum GradeError {
    /// Not YAML that this room reads.
    #[error("{place}: the file is not readable YAML: {problem}")]
    Syntax {
        /// Where.
        place: Place,
        /// The parser's words, first line only.
        problem: String,
    },
    /// A key nobody asked for.
    #[error("{place}: unknown key `{key}` in {within}{}", did_you_mean(suggestion.as_deref()))]
    UnknownKey {
        /// Where.
        place: Place,
        /// The key.
        key: String,
        /// What it stands in, e.g. `criterion looked-up-order (calls.order)`.
        within: String,
        /// The nearest key that would be read.
        suggestion: Option<String>,
    },
    /// A kind that does not exist.
    #[error("{place}: unknown criterion kind `{kind}`{}", did_you_mean(suggestion.as_deref()))]
    UnknownKind {
        /// Where.
        place: Place,
        /// The kind.
        kind: String,
        /// The nearest kind.
        suggestion: Option<String>,
    },
    /// A kind of the specification that this release does not evaluate.
    #[error("{place}: criterion kind `{kind}` is planned, not built: it would never be evaluated")]
    UnbuiltKind {
        /// Where.
        place: Place,
        /// The kind.
        kind: String,
    },
    /// A required key is not there.
    #[error("{place}: {within} needs the key `{key}`")]
    MissingKey {
        /// Where.
        place: Place,
        /// The key.
        key: &'static str,
        /// What lacks it.
        within: String,
    },
    /// A key's value has the wrong form or range.
    #[error("{place}: `{key}` in {within}: {problem}")]
    BadValue {
        /// Where.
        place: Place,
        /// The key.
        key: String,
        /// What it stands in.
        within: String,
        /// What is wrong with it.
        problem: String,
    },
    /// Two criteria or groups with one id.
    #[error("{place}: the id `{id}` is used twice")]
    DuplicateId {
        /// Where the second stands.
        place: Place,
        /// The id.
        id: String,
    },
    /// A `ref` to nothing, or to itself by some way.
    #[error("{place}: `ref` to `{id}`: {problem}")]
    BadReference {
        /// Where.
        place: Place,
        /// The id named.
        id: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// A group whose score would divide by zero.
    #[error("{place}: group `{id}` has no criterion with positive points")]
    NoPositivePoints {
        /// Where.
        place: Place,
        /// The group.
        id: String,
    },
    /// A gate on a kind that answers by degrees.
    #[error("{place}: criterion `{id}` is a gate, but its kind answers by degrees")]
    GradedGate {
        /// Where.
        place: Place,
        /// The criterion.
        id: String,
    },
    /// More than the limits allow.
    #[error("{place}: {what}, at most {limit}")]
    TooLarge {
        /// Where.
        place: Place,
        /// What there is too much of.
        what: &'static str,
        /// How much is allowed.
        limit: usize,
    },
    /// Artifacts that are not the documented JSON.
    #[error("the artifacts are not readable: {problem}")]
    BadArtifacts {
        /// The parser's words.
        problem: String,
    },
    /// A monitor whose numbers make no test.
    #[error("monitor `{id}`: {problem}")]
    BadMonitor {
        /// The monitor.
        id: String,
        /// What is wrong.
        problem: &'static str,
    },
    /// Anchor values from which no reference can be learned.
    #[error("the reference cannot be learned: {problem}")]
    BadAnchor {
        /// What is wrong.
        problem: &'static str,
    },
    /// A stored monitor state that its stream does not produce.
    #[error("monitor `{id}`: the stored state is not what its stream produces")]
    StateMismatch {
        /// The monitor.
        id: String,
    },
    /// A stored monitor state that cannot be read.
    #[error("the stored monitor state is not readable: {problem}")]
    BadState {
        /// The parser's words.
        problem: String,
    },
}

impl Coded for GradeError {
    fn code(&self) -> &'static str {
        match self {
            Self::Syntax { .. } => "grade-bad-yaml",
            Self::UnknownKey { .. } => "grade-unknown-key",
            Self::UnknownKind { .. } => "grade-unknown-kind",
            Self::UnbuiltKind { .. } => "grade-unbuilt-kind",
            Self::MissingKey { .. } => "grade-missing-key",
            Self::BadValue { .. } => "grade-bad-value",
            Self::DuplicateId { .. } => "grade-duplicate-id",
            Self::BadReference { .. } => "grade-bad-reference",
            Self::NoPositivePoints { .. } => "grade-no-positive-points",
            Self::GradedGate { .. } => "grade-graded-gate",
            Self::TooLarge { .. } => "grade-too-large",
            Self::BadArtifacts { .. } => "grade-bad-artifacts",
            Self::BadMonitor { .. } => "grade-bad-monitor",
            Self::BadAnchor { .. } => "grade-bad-anchor",
            Self::StateMismatch { .. } => "grade-state-mismatch",
            Self::BadState { .. } => "grade-bad-state",
        }
    }
    fn family(&self) -> Family {
        Family::Refused
    }
    fn remedy(&self) -> &'static str {
        match self {
            Self::Syntax { .. } => "Correct the YAML at that place.",
            Self::UnknownKey { .. } => {
                "Remove or correct the key; unknown keys are refused so that no check is lost to a typing error."
            }
            Self::UnknownKind { .. } => "Use a kind that `memgate explain grade-kinds` lists.",
            Self::UnbuiltKind { .. } => "Leave the criterion out, or express it with a kind that exists.",
            Self::MissingKey { .. } => "Add the key.",
            Self::BadValue { .. } => "Correct the value.",
            Self::DuplicateId { .. } => "Give every group and criterion an id of its own.",
            Self::BadReference { .. } => "Name the id of a criterion of this file that does not lead back here.",
            Self::NoPositivePoints { .. } => {
                "Give at least one criterion of the group positive points; penalties alone make no score."
            }
            Self::GradedGate { .. } => "Give the criterion a `min`, so that it answers yes or no.",
            Self::TooLarge { .. } => "Split the rubric.",
            Self::BadArtifacts { .. } => {
                "Write the artifacts in the documented form, without unknown or repeated keys."
            }
            Self::BadMonitor { .. } => "Correct the monitor's numbers.",
            Self::BadAnchor { .. } => "Use more anchor sessions, or declare the reference.",
            Self::StateMismatch { .. } => {
                "Distrust the stored state: rebuild it from the log and find out who changed it."
            }
            Self::BadState { .. } => "Rebuild the state from the log.",
        }
    }
}
