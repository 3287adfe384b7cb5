//! Where text came from, and what that origin may claim.

use serde::{Deserialize, Serialize};

use super::{Digest, PrincipalId, SessionId, Span, Timestamp};

/// What an origin may claim, weakest first: `External < Agent < User < Reviewer < Operator`.
///
/// Fixed when text is written. Derived text takes the lowest authority among its sources
/// ([`Authority::lowest`]); it only ever falls, whatever merges, summaries or counts do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Authority {
    /// Tool results, pages, mails, documents, other agents: data, never orders.
    External,
    /// The agent's own words and notes.
    Agent,
    /// A user, within that user's own scope.
    User,
    /// A person who reviews.
    Reviewer,
    /// Whoever runs the deployment.
    Operator,
}

impl Authority {
    /// The lowest of some authorities; `External` when there is none (no source, no trust).
    pub fn lowest(sources: impl IntoIterator<Item = Self>) -> Self {
        sources.into_iter().min().unwrap_or(Self::External)
    }
    /// Stable lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::External => "external",
            Self::Agent => "agent",
            Self::User => "user",
            Self::Reviewer => "reviewer",
            Self::Operator => "operator",
        }
    }
}

/// The way by which text reached the agent.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// System or developer message.
    System,
    /// A user's turn.
    User,
    /// The agent's turn, including the arguments of its tool calls.
    Assistant,
    /// A tool's result (pages, mails, files, command output).
    Tool,
    /// Another agent's message.
    Peer,
    /// A memory document.
    Memory,
}

impl Channel {
    /// The authority text gets from this channel alone.
    ///
    /// `Memory` maps to `Agent`: agents write their notes themselves. Someone who knows better
    /// (the operator who names the folder) says so when it is read.
    pub const fn authority(self) -> Authority {
        match self {
            Self::System => Authority::Operator,
            Self::User => Authority::User,
            Self::Assistant | Self::Memory => Authority::Agent,
            Self::Tool | Self::Peer => Authority::External,
        }
    }
    /// Stable lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
            Self::Tool => "tool",
            Self::Peer => "peer",
            Self::Memory => "memory",
        }
    }
}

/// Where a span of text came from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Origin {
    /// Name of the input: a path relative to the folder or file the user named. Untrusted.
    pub input: String,
    /// SHA-256 of the whole input's raw bytes.
    pub input_digest: Digest,
    /// The session, when the input is a transcript.
    pub session: Option<SessionId>,
    /// Zero-based number of the event in its session.
    pub event: Option<usize>,
    /// Byte range in the raw input.
    pub span: Span,
    /// How the text reached the agent.
    pub channel: Channel,
    /// On whose behalf.
    pub principal: PrincipalId,
    /// What it may claim.
    pub authority: Authority,
    /// When it was said or written, as the input claims.
    pub at: Option<Timestamp>,
}
