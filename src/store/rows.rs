//! Who changed which memory, row by row: what the wire calls memory versions.
//!
//! A row is written in the transaction of the pending version it belongs to and goes with it when that version never
//! reached the log. The log holds a digest over the rows of each version, so that a changed row is named.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::domain::{Digest, MemoryPath, Timestamp};
use crate::ledger::{Body, VerifiedLog};

use super::{Store, StoreError};

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

/// The event of the log that speaks of the rows of a version.
pub const EVENT: &str = "memory-rows";

/// What the log says of the rows of one version: digest over the version's statement id and its rows, by id.
///
/// # Errors
/// A row that does not encode.
pub fn digest(statement: &Digest, rows: &[MemoryVersionRow]) -> Result<Digest, StoreError> {
    let rows = serde_json::to_vec(rows).map_err(|e| StoreError::Damaged {
        table: "memory_version",
        key: statement.short(),
        problem: e.to_string(),
    })?;
    Ok(Digest::of_parts([EVENT.as_bytes(), statement.bytes().as_slice(), &rows]))
}

/// True when the log speaks of rows at all.
pub fn is_logged(log: &VerifiedLog) -> bool {
    events(log).next().is_some()
}

fn events(log: &VerifiedLog) -> impl Iterator<Item = Digest> {
    let history = log.history();
    (0..history.len()).filter_map(|index| match &history.statement(index)?.body {
        Body::AuditEvent(event) if event.kind == EVENT => Some(event.digest),
        _ => None,
    })
}

/// The rows beside the log.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checked {
    /// Rows of versions that log and database agree on.
    pub rows: usize,
    /// What does not agree: the record, and why.
    pub problems: Vec<(String, &'static str)>,
}

/// Lays the rows of every version beside the log: what it says of them, and what the signed manifests hold.
///
/// A store whose rows were never made (a file of an older layout, only read so far) has nothing to check.
///
/// # Errors
/// Unavailable database. What does not agree is the result.
pub fn check(store: &impl Store, log: &VerifiedLog) -> Result<Checked, StoreError> {
    let history = log.history();
    let logged: BTreeSet<Digest> = events(log).collect();
    let mut checked = Checked::default();
    if logged.is_empty() {
        return Ok(checked);
    }
    let erased = history.erased();
    let mut known = BTreeSet::new();
    for version in history.versions() {
        let sequence = version.common().sequence;
        let rows = store.rows_of(sequence)?;
        known.extend(rows.iter().map(|row| row.id.clone()));
        if logged.contains(&digest(version.id(), &rows)?) {
            checked.rows += rows.len();
        } else {
            let named = rows.iter().find(|row| !holds(store, row)).map(|row| row.id.clone());
            let place = named.unwrap_or_else(|| format!("memory versions of version {sequence}"));
            checked.problems.push((place, "is not what the log says it is"));
        }
        if erased.is_empty() {
            continue;
        }
        for row in rows.iter().filter(|row| row.redacted.is_none()) {
            let gone = |commitment: &Digest| store.object(commitment).is_ok_and(|object| object.is_none());
            if row.commitment.as_ref().is_some_and(gone) {
                checked.problems.push((row.id.clone(), "its text was erased, and it does not say so"));
            }
        }
    }
    for row in store.rows(&VersionQuery::default())? {
        if !known.contains(&row.id) {
            checked.problems.push((row.id, "belongs to no version of the log"));
        }
    }
    Ok(checked)
}

/// True when a row's digest is that of the text it commits to.
fn holds(store: &impl Store, row: &MemoryVersionRow) -> bool {
    let Some(commitment) = &row.commitment else { return row.sha256.is_none() };
    store.object(commitment).is_ok_and(|object| object.is_some_and(|o| Some(Digest::of(&o.content)) == row.sha256))
}
