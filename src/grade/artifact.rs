//! What a criterion may look at: one finished session as typed data.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::error::GradeError;
use crate::domain::json::parse_strict;
use crate::domain::{Digest, Finding, SessionId};

/// One finished session, collected by the caller; grading never runs the agent's code.
///
/// Every text in here is untrusted: it is compared and counted, never followed, and a grade does
/// not copy it. `None` means *nobody supplied it*, an empty list means *there was none*: the first
/// leaves a criterion open, the second is a fact that counts. `Debug` shows sizes only.
///
/// Shape: as JSON, the field names below; unknown keys are refused.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Artifacts {
    /// The session's id.
    pub session: Option<SessionId>,
    /// The agent that ran.
    pub agent: Option<String>,
    /// What it was to do.
    pub task: Task,
    /// The last thing the agent said to its user; empty when it never said anything.
    pub answer: Option<String>,
    /// Everything said, in order.
    pub messages: Option<Vec<Message>>,
    /// Every tool call, in order.
    pub calls: Option<Vec<Call>>,
    /// The world around the agent before and after.
    pub state: States,
    /// Time, cost and spans.
    pub trace: Trace,
    /// What the memory had to do with it.
    pub memory: MemoryUse,
    /// Labels people gave, by name.
    pub labels: BTreeMap<String, String>,
    /// The outcome as the platform reports it, e.g. `satisfied`.
    pub status: Option<String>,
    /// Things that happened later, such as a reopened ticket.
    pub events: Option<Vec<OutcomeEvent>>,
    /// A user's rating in permille.
    pub feedback_permille: Option<u16>,
    /// Results of probes the harness ran, by name.
    pub probes: BTreeMap<String, bool>,
    /// What our own rules found in this session, when the caller scanned it.
    pub findings: Option<Vec<Finding>>,
}

/// The task of a session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Task {
    /// Its id.
    pub id: Option<String>,
    /// Slice labels, e.g. `task: refund`.
    pub labels: BTreeMap<String, String>,
    /// A reference answer.
    pub reference: Option<String>,
}

/// One thing said.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Message {
    /// `user`, `assistant`, `system`, `tool`, `peer` or `memory`.
    pub role: String,
    /// The words.
    pub text: String,
}

/// One tool call with its result.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Call {
    /// The tool.
    pub name: String,
    /// The arguments; a JSON string when they were not JSON.
    pub arguments: Value,
    /// What came back, when anything did.
    pub result: Option<String>,
    /// Whether it failed; `None` when the transcript does not say.
    pub error: Option<bool>,
    /// How long it took.
    pub latency_ms: Option<u64>,
    /// The permission it ran under.
    pub permission: Option<String>,
}

/// The world before and after.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct States {
    /// Before the session.
    pub before: Option<State>,
    /// After it.
    pub after: Option<State>,
}

/// Records and files at one moment.
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct State {
    /// Any JSON tree, e.g. `{"orders": {"17": {"refunded": false}}}`.
    pub records: Value,
    /// Files by path.
    pub files: BTreeMap<String, FileState>,
}

/// A file at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FileState {
    /// SHA-256 of its bytes.
    pub digest: Digest,
    /// Its text, when the harness kept it.
    #[serde(default)]
    pub text: Option<String>,
}

/// Numbers of a run.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Trace {
    /// Cost in millionths of a US dollar.
    pub cost_micro_usd: Option<u64>,
    /// Tokens, in and out.
    pub tokens: Option<u64>,
    /// Wall time.
    pub latency_ms: Option<u64>,
    /// The agent's turns; counted from the messages when absent.
    pub turns: Option<u64>,
    /// Spans recorded.
    pub spans: Option<u64>,
    /// Spans that failed.
    pub errors: Option<u64>,
}

/// What the memory had to do with a session.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct MemoryUse {
    /// Label of the store version the session ran on.
    pub version: Option<String>,
    /// Notes that were recalled.
    pub recalled: Option<Vec<String>>,
    /// Notes the answer cites.
    pub cited: Option<Vec<String>>,
    /// What the session tried to write.
    pub writes: Option<Vec<MemoryWrite>>,
}

/// One attempt to write to memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MemoryWrite {
    /// Kind of the note, e.g. `fact`.
    pub kind: String,
    /// What the gate decided: `admit`, `redact`, `hold`, `refuse`.
    pub decision: String,
}

/// Something that happened after the session.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutcomeEvent {
    /// Its name, e.g. `ticket.reopened`.
    pub name: String,
}

impl Artifacts {
    /// Reads the documented JSON form.
    ///
    /// Errors: refused when it is not JSON, repeats a key, or has a key nobody reads.
    pub fn from_json(text: &str) -> Result<Self, GradeError> {
        let value = parse_strict(text)
            .ok()
            .filter(Value::is_object)
            .ok_or_else(|| GradeError::BadArtifacts { problem: "not one JSON object with unique keys".to_owned() })?;
        serde_json::from_value(value).map_err(|error| GradeError::BadArtifacts { problem: error.to_string() })
    }
    /// Arguments of a call as JSON, or as a JSON string when the text is not JSON (or repeats a key).
    pub fn arguments(text: &str) -> Value {
        parse_strict(text).unwrap_or_else(|_| Value::String(text.to_owned()))
    }
}

impl fmt::Debug for Artifacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Artifacts")
            .field("session", &self.session)
            .field("answer_bytes", &self.answer.as_ref().map(String::len))
            .field("messages", &self.messages.as_ref().map(Vec::len))
            .field("calls", &self.calls.as_ref().map(Vec::len))
            .field("version", &self.memory.version)
            .finish_non_exhaustive()
    }
}
