//! What a note is. Kind decides the gate, whatever the score (threat model R3).

use serde::{Deserialize, Serialize};

/// What a note is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// Something that is so.
    Fact,
    /// What somebody likes.
    Preference,
    /// How something is done.
    Procedure,
    /// A standing order to the agent.
    Directive,
    /// A right granted, or a control waived.
    Permission,
    /// A place to send or fetch data.
    Destination,
    /// Which tool, package or command to use.
    ToolChoice,
    /// Who the agent or somebody is or may act as.
    Identity,
}

impl Kind {
    /// All kinds, ordinary ones first.
    pub const ALL: [Self; 8] = [
        Self::Fact,
        Self::Preference,
        Self::Procedure,
        Self::Directive,
        Self::Permission,
        Self::Destination,
        Self::ToolChoice,
        Self::Identity,
    ];
    /// Governed kinds are never admitted without a person (invariant I4).
    pub const fn is_governed(self) -> bool {
        matches!(self, Self::Directive | Self::Permission | Self::Destination | Self::ToolChoice | Self::Identity)
    }
    /// Stable lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Fact => "fact",
            Self::Preference => "preference",
            Self::Procedure => "procedure",
            Self::Directive => "directive",
            Self::Permission => "permission",
            Self::Destination => "destination",
            Self::ToolChoice => "tool_choice",
            Self::Identity => "identity",
        }
    }
}
