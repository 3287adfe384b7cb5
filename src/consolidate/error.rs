//! Why a plan cannot be applied.

use crate::domain::{Coded, Digest, Family};

/// Why a plan cannot be applied.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ConsolidateError {
    /// The input is not the one the plan was made from.
    #[error("the store or the sessions changed since the plan was made")]
    BaseChanged {
        /// Digest the plan was made from.
        planned: Digest,
        /// Digest of what was given now.
        given: Digest,
    },
    /// An accepted id names no operation of the plan.
    #[error("the plan has no operation {id:?}")]
    NoSuchOperation {
        /// The id.
        id: String,
    },
    /// The dispositions do not add up to the notes of the input.
    #[error("{dispositions} dispositions for {notes} notes")]
    Unbalanced {
        /// Notes of the input.
        notes: usize,
        /// Dispositions.
        dispositions: usize,
    },
}

impl Coded for ConsolidateError {
    fn code(&self) -> &'static str {
        match self {
            Self::BaseChanged { .. } => "consolidate-base-changed",
            Self::NoSuchOperation { .. } => "consolidate-no-such-operation",
            Self::Unbalanced { .. } => "consolidate-unbalanced",
        }
    }
    fn family(&self) -> Family {
        match self {
            Self::BaseChanged { .. } | Self::NoSuchOperation { .. } => Family::Refused,
            Self::Unbalanced { .. } => Family::Bug,
        }
    }
    fn remedy(&self) -> &'static str {
        match self {
            Self::BaseChanged { .. } => "run the dream again and review the new plan",
            Self::NoSuchOperation { .. } => "use ids that the plan lists",
            Self::Unbalanced { .. } => "report this: a note would have been lost, so nothing was written",
        }
    }
}
