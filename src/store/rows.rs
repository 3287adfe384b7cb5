//! Who changed which memory, row by row: what the wire calls memory versions.
//!
//! A row is written in the transaction of the pending version it belongs to and goes with it when that version never
//! reached the log. The log holds a digest over the rows of each version, so that a changed row is named.

use serde::{Deserialize, Serialize};

use crate::domain::{Digest, MemoryPath, Timestamp};

/// Who wrote a memory version.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "ActorForm", into = "ActorForm")]
pub enum Actor {
    /// An agent, through a session's mount.
    Session(String),
    /// The holder of an API key.
    ApiKey(String),
    /// A person.
    User(String),
    /// A service account.
    ServiceAccount(String),
}

impl Actor {
    /// The name of its kind on the wire.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Session(_) => "session_actor",
            Self::ApiKey(_) => "api_actor",
            Self::User(_) => "user_actor",
            Self::ServiceAccount(_) => "service_account_actor",
        }
    }
    /// Its id.
    pub fn id(&self) -> &str {
        match self {
            Self::Session(id) | Self::ApiKey(id) | Self::User(id) | Self::ServiceAccount(id) => id,
        }
    }
}

/// The form on the wire: tagged by type, each kind with its own member.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "type")]
enum ActorForm {
    #[serde(rename = "session_actor")]
    Session { session_id: String },
    #[serde(rename = "api_actor")]
    Api { api_key_id: String },
    #[serde(rename = "user_actor")]
    User { user_id: String },
    #[serde(rename = "service_account_actor")]
    ServiceAccount { service_account_id: String },
}

impl From<ActorForm> for Actor {
    fn from(form: ActorForm) -> Self {
        match form {
            ActorForm::Session { session_id } => Self::Session(session_id),
            ActorForm::Api { api_key_id } => Self::ApiKey(api_key_id),
            ActorForm::User { user_id } => Self::User(user_id),
            ActorForm::ServiceAccount { service_account_id } => Self::ServiceAccount(service_account_id),
        }
    }
}

impl From<Actor> for ActorForm {
    fn from(actor: Actor) -> Self {
        match actor {
            Actor::Session(session_id) => Self::Session { session_id },
            Actor::ApiKey(api_key_id) => Self::Api { api_key_id },
            Actor::User(user_id) => Self::User { user_id },
            Actor::ServiceAccount(service_account_id) => Self::ServiceAccount { service_account_id },
        }
    }
}

/// What a change did to a memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum VersionOperation {
    /// A new memory.
    Created,
    /// Other text, another path, or both.
    Modified,
    /// Gone.
    Deleted,
}

impl VersionOperation {
    /// Stable lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Modified => "modified",
            Self::Deleted => "deleted",
        }
    }
    /// The operation of a name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Created, Self::Modified, Self::Deleted].into_iter().find(|operation| operation.name() == name)
    }
}

/// One change of one memory.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryVersionRow {
    /// `memver_…`.
    pub id: String,
    /// `mem_…`; stays the same when the memory is renamed.
    pub memory_id: String,
    /// The signed version it belongs to.
    pub sequence: u64,
    /// What happened.
    pub operation: VersionOperation,
    /// Where the memory was then; `None` once redacted.
    pub path: Option<MemoryPath>,
    /// SHA-256 of its text; `None` for a deletion and once redacted.
    pub sha256: Option<Digest>,
    /// Bytes of its text; `None` for a deletion and once redacted.
    pub size: Option<u64>,
    /// When.
    pub created: Timestamp,
    /// By whom, where it is known.
    pub actor: Option<Actor>,
    /// When and by whom its content was erased.
    pub redacted: Option<(Timestamp, Actor)>,
    /// The commitment that the signed manifest holds to the text; `None` for a deletion.
    pub commitment: Option<Digest>,
}

/// Which memory versions to list: newest first, ties by id.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct VersionQuery {
    /// Of this memory only.
    pub memory_id: Option<String>,
    /// Of this operation only.
    pub operation: Option<VersionOperation>,
    /// By this actor only.
    pub actor: Option<Actor>,
    /// Not older.
    pub from: Option<Timestamp>,
    /// Not newer.
    pub to: Option<Timestamp>,
    /// Only what comes after this row: its time and id.
    pub after: Option<(Timestamp, String)>,
    /// At most so many; 0 for all.
    pub limit: usize,
}
