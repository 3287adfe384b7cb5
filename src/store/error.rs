//! Errors of the store.

use std::path::PathBuf;

use crate::domain::{Coded, Family};
use crate::ledger::LedgerError;

/// Why the store cannot do something.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StoreError {
    /// Another process holds the data folder.
    #[error("{folder} is in use by another memgate")]
    Busy {
        /// The folder.
        folder: PathBuf,
    },
    /// There is no data folder here.
    #[error("{folder} is not a memgate data folder")]
    Missing {
        /// The folder.
        folder: PathBuf,
    },
    /// There is one already.
    #[error("{folder} is a memgate data folder already")]
    Exists {
        /// The folder.
        folder: PathBuf,
    },
    /// A file or folder operation failed.
    #[error("cannot {verb} {path}")]
    Io {
        /// What was tried.
        verb: &'static str,
        /// Where.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The database refused.
    #[error("the database refused")]
    Database {
        /// Its answer.
        #[from]
        source: rusqlite::Error,
    },
    /// A signature, a proof or a form of the signing format does not verify.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A stored record does not read back: damage, or a change from outside.
    #[error("{table} record {key} does not read back: {problem}")]
    Damaged {
        /// The table.
        table: &'static str,
        /// The record's key.
        key: String,
        /// What is wrong.
        problem: String,
    },
    /// Files differ from the signed seal of the last run.
    #[error("the data folder was changed from outside: {}", differences.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))]
    Changed {
        /// What differs.
        differences: Vec<super::folder::Difference>,
    },
    /// The database has a layout this program does not know.
    #[error("database layout {found} is not {known}")]
    Layout {
        /// In the file.
        found: i64,
        /// In this program.
        known: i64,
    },
}

impl StoreError {
    /// A file-system error with its place.
    pub fn io(verb: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Self {
        let path = path.into();
        move |source| Self::Io { verb, path, source }
    }
}

impl StoreError {
    /// The code of the signing format, when it is one of its checks that failed.
    pub fn vector_code(&self) -> Option<&'static str> {
        match self {
            Self::Ledger(error) => error.vector_code(),
            _ => None,
        }
    }
}

impl Coded for StoreError {
    fn code(&self) -> &'static str {
        match self {
            Self::Busy { .. } => "store-busy",
            Self::Missing { .. } => "store-missing",
            Self::Exists { .. } => "store-exists",
            Self::Io { .. } => "store-io",
            Self::Database { .. } => "store-database",
            Self::Ledger(e) => e.code(),
            Self::Damaged { .. } => "store-damaged",
            Self::Changed { .. } => "store-changed",
            Self::Layout { .. } => "store-layout",
        }
    }
    fn family(&self) -> Family {
        match self {
            Self::Busy { .. } | Self::Io { .. } | Self::Database { .. } => Family::Unavailable,
            Self::Ledger(e) => e.family(),
            _ => Family::Refused,
        }
    }
    fn remedy(&self) -> &'static str {
        match self {
            Self::Busy { .. } => "wait for the other command to finish, or stop it",
            Self::Missing { .. } => "run `memgate init` first, or name the folder with --data",
            Self::Exists { .. } => "use it, or name another folder with --data",
            Self::Io { .. } => "check permissions and free space; nothing was changed",
            Self::Database { .. } => "check permissions and free space; run `memgate verify`",
            Self::Ledger(e) => e.remedy(),
            Self::Damaged { .. } | Self::Changed { .. } => {
                "run `memgate verify` to see every difference, and restore the data folder from a backup"
            }
            Self::Layout { .. } => "use the memgate that wrote this folder",
        }
    }
}
