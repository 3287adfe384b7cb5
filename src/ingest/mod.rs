//! Transcripts and memory folders in known formats.
//!
//! For: labels every span with origin and authority; keeps raw bytes by digest.
//! In: bytes with a name. Out: sessions and memories, all `Untrusted`.
//! May touch: `domain`, `notes`. No I/O: bytes are passed in.
//! Never: alters raw bytes, guesses what it cannot parse, imports half of an input.

use std::sync::Arc;

use crate::domain::{Authority, Digest, MemoryPath, Origin, PrincipalId, SessionId, Timestamp, Untrusted};

/// One input as it was read: never altered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RawInput {
    /// Path relative to what the user named.
    pub name: String,
    /// The bytes.
    pub bytes: Untrusted<Arc<[u8]>>,
    /// Their SHA-256.
    pub digest: Digest,
}

/// A memory document as it was found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Memory {
    /// Where it lies in the store.
    pub path: MemoryPath,
    /// Its text.
    pub text: Untrusted<String>,
    /// Where it came from (span = the whole text).
    pub origin: Origin,
}

/// One transcript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Its id, or the file stem when it has none.
    pub id: SessionId,
    /// On whose behalf it ran.
    pub principal: PrincipalId,
    /// The agent, when the format names one.
    pub agent: Option<String>,
    /// The session that started this one, for sub-agents and forks.
    pub parent: Option<SessionId>,
    /// Its first claimed time.
    pub started: Option<Timestamp>,
    /// The input it was read from.
    pub input: String,
    /// SHA-256 of that input.
    pub input_digest: Digest,
    /// Its events in order.
    pub events: Vec<Event>,
    /// Free labels a format carries (for grading), e.g. `task_reward`.
    pub labels: Vec<(String, String)>,
}

/// One item of a transcript.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    /// The event's own id, when it has one.
    pub id: Option<String>,
    /// What it is.
    pub kind: EventKind,
    /// Where its text came from; `span` covers the JSON value of the text in the raw input.
    pub origin: Origin,
}

/// What an event is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// Something said; the channel in the event's origin tells by whom.
    Message {
        /// The text.
        text: Untrusted<String>,
    },
    /// The agent called a tool.
    ToolUse {
        /// The call's id, when given.
        call: Option<String>,
        /// The tool's name.
        name: Untrusted<String>,
        /// The arguments as JSON text.
        arguments: Untrusted<String>,
    },
    /// A tool answered.
    ToolResult {
        /// The call it answers, when given.
        call: Option<String>,
        /// The tool's name, when it could be resolved.
        name: Option<Untrusted<String>>,
        /// The text.
        text: Untrusted<String>,
        /// True for an error, false for a success, `None` when the format does not say.
        is_error: Option<bool>,
    },
}

/// How a transcript is written down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Format {
    /// Managed Agents event list, one JSON value (array, or object with `data` or `events`).
    ManagedJson,
    /// Managed Agents events, one a line.
    ManagedJsonl,
    /// Claude Code session JSONL.
    ClaudeCode,
    /// Anthropic message array (or an object with `messages`).
    Anthropic,
    /// OpenAI message array with tool calls (or an object with `messages`); also one such object a line.
    OpenAi,
    /// memgate's own documented JSONL.
    Memgate,
}

/// What the caller knows about an input that its bytes cannot prove.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Context {
    /// The principal when the format names none.
    pub principal: PrincipalId,
    /// Authority of memories in a folder: `Agent` unless the person running the command vouches.
    pub memory_authority: Authority,
}
