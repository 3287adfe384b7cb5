//! Transcripts and memory folders in known formats.
//!
//! For: labels every span with origin and authority; keeps raw bytes by digest.
//! In: bytes with a name. Out: sessions and memories, all `Untrusted`.
//! May touch: `domain`, `notes`. No I/O: bytes are passed in.
//! Never: alters raw bytes, guesses what it cannot parse, imports half of an input.
//!
//! # Formats
//!
//! [`Format`] lists them; [`detect_format`] tells them apart by the first JSON value.
//! Who said a thing decides what it may claim ([`Channel::authority`]):
//!
//! | In the input | Channel | Authority |
//! |---|---|---|
//! | system and developer messages | system | operator |
//! | user messages, outcome definitions | user | user |
//! | agent messages, tool calls, summaries | assistant | agent |
//! | tool results of every kind, documents in a user's message | tool | external |
//! | messages from other agents; a sub-agent's prompts | peer | external |
//!
//! In Claude Code files a `user` line is the user's only when a person typed it: lines marked
//! `isMeta`, command output and hook output are tool text, compaction summaries are the agent's,
//! and every prompt of a side chain comes from another agent. `system` lines there are notices of
//! the program, which quote command output, so they are tool text and never the operator's.
//!
//! Consecutive text blocks of one message are one event, joined by a line break: a statement cut
//! into two blocks is read whole, as the agent read it.
//!
//! What carries no statement (status changes, thinking, images, file snapshots) is passed over
//! and counted in the session's label [`SKIPPED`]. What is not known at all is an error: text
//! that is not read is not scanned.
//!
//! # memgate's own JSONL
//!
//! The first line names a session; the lines after it are its events, until the next such line.
//! Unknown fields are refused.
//!
//! ```text
//! {"memgate":1,"session":"s1","principal":"alice","agent":"helper","parent":"s0","started":"2026-01-31T12:00:00Z","labels":{"site":"north"}}
//! {"event":"message","role":"user","text":"Hello","at":"2026-01-31T12:00:01Z","id":"e1"}
//! {"event":"tool_use","call":"c1","name":"search","arguments":{"q":"x"}}
//! {"event":"tool_result","call":"c1","text":"nothing found","is_error":false}
//! ```
//!
//! Only `memgate` and `session` are needed in the header. Roles are `system`, `user`,
//! `assistant`, `tool` and `peer`; `arguments` is any JSON value; `at` and `id` are optional
//! everywhere, and so are `call`, `name` (of a result) and `is_error`.

mod blocks;
mod claude_code;
mod draft;
mod error;
mod folder;
mod json;
mod limits;
mod managed;
mod messages;
mod own;
mod read;

use std::sync::Arc;

use crate::domain::{Authority, Digest, MemoryPath, Origin, PrincipalId, SessionId, Timestamp, Untrusted};

pub use error::{IngestError, Place, Problem};
pub use folder::{FileKind, Imported, enters_folder, file_kind, read_folder, read_memory};
pub use limits::{MAX_DEPTH, MAX_ERRORS, MAX_INPUT_BYTES, MAX_LINE_BYTES, MAX_MEMORY_BYTES, MAX_SESSIONS, MAX_VALUES};
pub use read::{detect_format, read_sessions};

#[cfg(doc)]
use crate::domain::Channel;

/// The label that counts what was passed over without being read, e.g. `("memgate.skipped", "3")`.
/// Labels of an input that begin with `memgate.` are dropped, so no input can set it.
pub const SKIPPED: &str = "memgate.skipped";

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
    /// Managed Agents event list, one JSON value (array, or object with `data` or `events`), or one such object a line.
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

impl RawInput {
    /// Wraps bytes under a name: a path relative to what the user named, `/` between its parts.
    pub fn new(name: impl Into<String>, bytes: impl Into<Arc<[u8]>>) -> Self {
        let bytes = bytes.into();
        Self { name: name.into(), digest: Digest::of(&bytes), bytes: Untrusted::new(bytes) }
    }
}

impl Session {
    /// How many items of the input were passed over without being read.
    pub fn skipped(&self) -> usize {
        self.label(SKIPPED).and_then(|count| count.parse().ok()).unwrap_or(0)
    }
    /// The value of a label.
    pub fn label(&self, name: &str) -> Option<&str> {
        self.labels.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_str())
    }
}

impl Event {
    /// What the event says: a message's or result's text, or a call's arguments.
    pub const fn text(&self) -> &Untrusted<String> {
        match &self.kind {
            EventKind::Message { text } | EventKind::ToolResult { text, .. } => text,
            EventKind::ToolUse { arguments, .. } => arguments,
        }
    }
}

impl Format {
    /// All formats, in the order in which detection tries them.
    pub const ALL: [Self; 6] =
        [Self::Memgate, Self::ManagedJson, Self::ManagedJsonl, Self::ClaudeCode, Self::Anthropic, Self::OpenAi];
    /// Stable lower-case name, as a command line flag takes it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ManagedJson => "managed-json",
            Self::ManagedJsonl => "managed-jsonl",
            Self::ClaudeCode => "claude-code",
            Self::Anthropic => "anthropic",
            Self::OpenAi => "openai",
            Self::Memgate => "memgate",
        }
    }
    /// The format with this name.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.name() == name)
    }
}

/// Untrusted text for an error message: cut to 64 bytes, control and invisible characters escaped.
fn cut(text: &str) -> String {
    cut_to(text, 64)
}

fn cut_to(text: &str, limit: usize) -> String {
    let mut end = text.len().min(limit);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    let escape = |c: char| {
        // Characters that reorder or hide text are format characters, which escape_debug leaves.
        let plain = c.is_ascii_graphic() || c == ' ' || c.is_alphanumeric();
        if plain { c.to_string() } else { c.escape_default().to_string() }
    };
    text[..end].chars().map(escape).collect()
}

#[cfg(test)]
mod tests;
