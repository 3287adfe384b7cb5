//! What a verb of the firewall can answer instead of an outcome.

use crate::auth::AuthError;
use crate::config::ConfigError;
use crate::consolidate::ConsolidateError;
use crate::domain::{Coded, Digest, Family, HoldId, MemoryPath};
use crate::gate::ReviewError;
use crate::grade::GradeError;
use crate::ledger::LedgerError;
use crate::notes::NotesError;
use crate::ruleset::RuleSetError;
use crate::store::StoreError;

/// Why a verb did not do what was asked. Nothing is half-done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FirewallError {
    /// Not allowed.
    #[error(transparent)]
    Auth(#[from] AuthError),
    /// Settings or policy refused.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// Rule packs refused.
    #[error(transparent)]
    Ruleset(#[from] RuleSetError),
    /// Store refused or unavailable.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Signing, logging or verification refused.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A decision on a held item refused.
    #[error(transparent)]
    Review(#[from] ReviewError),
    /// The dream's plan cannot be trusted.
    #[error(transparent)]
    Consolidate(#[from] ConsolidateError),
    /// A memory could not be edited.
    #[error(transparent)]
    Notes(#[from] NotesError),
    /// The private keys cannot be opened.
    #[error("the keys of this folder stay closed: {why}")]
    Locked {
        /// Why.
        why: &'static str,
    },
    /// The passphrase could not be had.
    #[error("the passphrase cannot be read")]
    Passphrase {
        /// Why.
        source: std::io::Error,
    },
    /// There is no signed version yet.
    #[error("the store has no version yet")]
    NoVersion,
    /// There is no such version.
    #[error("the store has no version {sequence}")]
    UnknownVersion {
        /// The number asked for.
        sequence: u64,
    },
    /// No held item has this id.
    #[error("no held item has the id {id:?}")]
    NoItem {
        /// What was asked for.
        id: String,
    },
    /// Several held items begin like this.
    #[error("several held items begin with {id:?}")]
    ManyItems {
        /// What was asked for.
        id: String,
    },
    /// Releasing something severe needs a note.
    #[error("{id} has severe findings: its release needs a note")]
    NoteRequired {
        /// The item.
        id: HoldId,
    },
    /// Rules changed since the item was held and now find more.
    #[error("today's rules find more in {id} than was shown: {}", rules.join(", "))]
    NewFindings {
        /// The item.
        id: HoldId,
        /// The new rules.
        rules: Vec<String>,
    },
    /// Content that was to become a version is held by today's rules.
    #[error("the statement {} would be held today: {}", digest.short(), reasons.join("; "))]
    StoreHeld {
        /// The statement.
        digest: Digest,
        /// Why.
        reasons: Vec<String>,
    },
    /// A name that cannot stand in a statement.
    #[error("{name:?} cannot be the name of a store or a person")]
    Name {
        /// The name.
        name: String,
    },
    /// The data folder was opened to read.
    #[error("the data folder was opened to read")]
    ReadOnly,
    /// Grading refused.
    #[error(transparent)]
    Grade(#[from] GradeError),
    /// The git history of a workspace cannot be read.
    #[error("cannot read the workspace {path}")]
    Workspace {
        /// The folder.
        path: std::path::PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The new version would equal one that exists.
    #[error("nothing would change")]
    NothingChanged,
    /// The output folder exists and is not empty.
    #[error("{path} exists and is not empty")]
    OutputExists {
        /// The folder.
        path: std::path::PathBuf,
    },
    /// A batch changes each path once.
    #[error("this batch changed {path} already")]
    InBatch {
        /// The path.
        path: MemoryPath,
    },
    /// There is no memory to rename.
    #[error("there is no memory at {path}")]
    NoMemory {
        /// The path.
        path: MemoryPath,
    },
    /// Another memory is at the path, above it or below it.
    #[error("the memory {by} is in the way of {path}")]
    PathTaken {
        /// The path that was to be written.
        path: MemoryPath,
        /// The memory in the way.
        by: MemoryPath,
    },
    /// A decision cannot be taken back any more.
    #[error("the decision on {id} cannot be taken back: {why}")]
    NoUndo {
        /// The item.
        id: HoldId,
        /// Why.
        why: &'static str,
    },
    /// The memory is no longer what the held write was to replace.
    #[error("{path} was changed since {id} was held")]
    WriteOutdated {
        /// The item.
        id: HoldId,
        /// The memory.
        path: MemoryPath,
    },
    /// Somebody asked the run to end before it had changed anything.
    #[error("stopped before anything was changed")]
    Stopped,
    /// A record could not be written as or read from JSON.
    #[error("a record does not encode or decode: {message}")]
    Encoding {
        /// What the encoder says.
        message: String,
    },
    /// The system's random generator failed.
    #[error("the system's random generator failed")]
    Random {
        /// Its answer.
        source: std::io::Error,
    },
}

impl FirewallError {
    #[expect(clippy::needless_pass_by_value, reason = "used as a map_err function")]
    pub(super) fn encode(error: serde_json::Error) -> Self {
        Self::Encoding { message: error.to_string() }
    }
}

impl Coded for FirewallError {
    fn code(&self) -> &'static str {
        match self {
            Self::Auth(e) => e.code(),
            Self::Config(e) => e.code(),
            Self::Ruleset(e) => e.code(),
            Self::Store(e) => e.code(),
            Self::Ledger(e) => e.code(),
            Self::Review(e) => e.code(),
            Self::Consolidate(e) => e.code(),
            Self::Notes(e) => e.code(),
            Self::NoVersion => "firewall-no-version",
            Self::UnknownVersion { .. } => "firewall-unknown-version",
            Self::NoItem { .. } => "firewall-no-item",
            Self::ManyItems { .. } => "firewall-many-items",
            Self::NoteRequired { .. } => "firewall-note-required",
            Self::NewFindings { .. } => "firewall-new-findings",
            Self::StoreHeld { .. } => "firewall-store-held",
            Self::Name { .. } => "firewall-name",
            Self::ReadOnly => "firewall-read-only",
            Self::Grade(e) => e.code(),
            Self::Workspace { .. } => "firewall-workspace",
            Self::NothingChanged => "firewall-nothing-changed",
            Self::OutputExists { .. } => "firewall-output-exists",
            Self::InBatch { .. } => "firewall-in-batch",
            Self::NoMemory { .. } => "firewall-no-memory",
            Self::PathTaken { .. } => "firewall-path-taken",
            Self::NoUndo { .. } => "firewall-no-undo",
            Self::WriteOutdated { .. } => "firewall-write-outdated",
            Self::Stopped => "firewall-stopped",
            Self::Encoding { .. } => "firewall-encoding",
            Self::Random { .. } => "firewall-random",
            Self::Locked { .. } => "firewall-locked",
            Self::Passphrase { .. } => "firewall-passphrase",
        }
    }
    fn family(&self) -> Family {
        match self {
            Self::Auth(e) => e.family(),
            Self::Config(e) => e.family(),
            Self::Ruleset(e) => e.family(),
            Self::Store(e) => e.family(),
            Self::Ledger(e) => e.family(),
            Self::Review(e) => e.family(),
            Self::Consolidate(e) => e.family(),
            Self::Notes(e) => e.family(),
            Self::Grade(e) => e.family(),
            Self::Workspace { .. } => Family::Unavailable,
            Self::Encoding { .. } | Self::ReadOnly => Family::Bug,
            Self::Random { .. } | Self::Stopped => Family::Unavailable,
            _ => Family::Refused,
        }
    }
    fn remedy(&self) -> &'static str {
        match self {
            Self::Auth(e) => e.remedy(),
            Self::Config(e) => e.remedy(),
            Self::Ruleset(e) => e.remedy(),
            Self::Store(e) => e.remedy(),
            Self::Ledger(e) => e.remedy(),
            Self::Review(e) => e.remedy(),
            Self::Consolidate(e) => e.remedy(),
            Self::Notes(e) => e.remedy(),
            Self::NoVersion => "run `memgate dream --memory FOLDER` first",
            Self::UnknownVersion { .. } => "`memgate log` lists the versions",
            Self::NoItem { .. } => "`memgate review list` shows the ids",
            Self::ManyItems { .. } => "type more of the id",
            Self::NoteRequired { .. } => "say why with --note",
            Self::NewFindings { .. } => "look again with `memgate review show`, then decide",
            Self::StoreHeld { .. } => "release it by itself, or choose another version; nothing was changed",
            Self::Name { .. } => "use 1 to 64 lower-case letters, digits and dashes; `dream` is taken",
            Self::ReadOnly => "please report this",
            Self::Grade(e) => e.remedy(),
            Self::Workspace { .. } => "name a folder that can be read, with --workspace",
            Self::NothingChanged => "there is nothing to do",
            Self::OutputExists { .. } => "name a new or empty folder with --out",
            Self::InBatch { .. } => "begin a new batch",
            Self::NoMemory { .. } => "list the memories and name one of them",
            Self::PathTaken { .. } => "choose another path, or move the other memory first",
            Self::NoUndo { .. } => "`memgate rollback` puts a store back; a destroyed text can be submitted again",
            Self::WriteOutdated { .. } => "destroy it, and submit the text again if it is still wanted",
            Self::Stopped => "nothing is half-done; run it again",
            Self::Encoding { .. } => "please report this",
            Self::Random { .. } => "try again",
            Self::Locked { .. } | Self::Passphrase { .. } => {
                "give the passphrase on the terminal, or with --passphrase-file or --passphrase-fd"
            }
        }
    }
}
