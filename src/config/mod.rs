//! Files and environment to checked values.
//!
//! For: the data folder's place, its policy and its reviewers. In: paths, environment. Out: [`Config`].
//! May touch: `domain`, `auth`, `ruleset`, `gate`, `ledger`, `store`; files and environment.
//! Never: goes on with an unknown key; loosens what a lower level pinned.
#![expect(clippy::disallowed_methods, reason = "configuration is read from files")]

pub mod server;

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::domain::{Coded, Family, PrincipalId, StoreName};
use crate::gate::{Policy, PolicyError};

pub use crate::store::DATABASE;

/// The data folder used when nobody names one.
pub const DEFAULT_DATA: &str = ".memgate";
/// The policy file in the data folder.
pub const POLICY_FILE: &str = "policy.toml";
/// The settings file in the data folder.
pub const SETTINGS_FILE: &str = "memgate.toml";

/// What `memgate init` fixed for a data folder.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// Format version, 1.
    pub version: u32,
    /// The store's name in statements.
    pub store: StoreName,
    /// The log's origin line.
    pub log: String,
    /// Who runs the deployment.
    pub operator: PrincipalId,
    /// Who reviews; the operator may be among them.
    pub reviewers: Vec<PrincipalId>,
}

/// Everything a data folder's files say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Config {
    /// The data folder.
    pub data: PathBuf,
    /// Its settings.
    pub settings: Settings,
    /// Its policy.
    pub policy: Policy,
}

/// Why a configuration is refused.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ConfigError {
    /// A file cannot be read.
    #[error("cannot read {path}")]
    Read {
        /// Which.
        path: PathBuf,
        /// The system's answer.
        source: std::io::Error,
    },
    /// The policy is refused.
    #[error("{path}: {source}")]
    Policy {
        /// Which file.
        path: PathBuf,
        /// Why.
        source: PolicyError,
    },
    /// The settings are refused.
    #[error("{path}: {message}")]
    Settings {
        /// Which file.
        path: PathBuf,
        /// Position and problem.
        message: String,
    },
    /// A server's configuration is refused.
    #[error("{}", problems.join("\n"))]
    Server {
        /// Place and problem, one each.
        problems: Vec<String>,
    },
    /// A secret is not where the configuration says.
    #[error("there is no secret in {place}")]
    Secret {
        /// The variable or file.
        place: String,
    },
}

impl Coded for ConfigError {
    fn code(&self) -> &'static str {
        match self {
            Self::Read { .. } => "config-read",
            Self::Policy { source, .. } => source.code(),
            Self::Settings { .. } => "config-settings",
            Self::Server { .. } => "config-server",
            Self::Secret { .. } => "config-secret",
        }
    }
    fn family(&self) -> Family {
        match self {
            Self::Read { .. } => Family::Unavailable,
            _ => Family::Refused,
        }
    }
    fn remedy(&self) -> &'static str {
        match self {
            Self::Read { .. } => "run `memgate init` first, or name the folder with --data",
            Self::Policy { source, .. } => source.remedy(),
            Self::Settings { .. } => "restore the file that `memgate init` wrote",
            Self::Server { .. } => "mend what is named; `memgate config show` lists every key",
            Self::Secret { .. } => "set the variable or write the file before the server starts",
        }
    }
}

/// Reads a policy file.
///
/// # Errors
/// Unavailable when it cannot be read, refused when it does not check.
pub fn read_policy(path: &Path) -> Result<Policy, ConfigError> {
    let text = fs::read_to_string(path).map_err(|source| ConfigError::Read { path: path.to_owned(), source })?;
    Policy::parse(&text).map_err(|source| ConfigError::Policy { path: path.to_owned(), source })
}

impl Config {
    /// Reads a data folder's settings and policy.
    ///
    /// # Errors
    /// Unavailable when a file cannot be read, refused when one does not check.
    pub fn load(data: &Path) -> Result<Self, ConfigError> {
        let path = data.join(SETTINGS_FILE);
        let refuse = |message: String| ConfigError::Settings { path: path.clone(), message };
        let text = fs::read_to_string(&path).map_err(|source| ConfigError::Read { path: path.clone(), source })?;
        let settings: Settings = toml::from_str(&text).map_err(|e| refuse(e.to_string().trim_end().to_owned()))?;
        if settings.version != 1 {
            return Err(refuse(format!("version {} is not 1", settings.version)));
        }
        if settings.reviewers.is_empty() {
            return Err(refuse("at least one reviewer is needed".to_owned()));
        }
        let policy = read_policy(&data.join(POLICY_FILE))?;
        Ok(Self { data: data.to_owned(), settings, policy })
    }
}
