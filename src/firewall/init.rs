//! A new data folder.

use std::fs;
use std::path::Path;

use crate::config::{self, Settings};
use crate::domain::PrincipalId;
use crate::gate::{Policy, PolicyError};
use crate::ledger::Namespace;
use crate::store::{DATABASE, DataFolder, SqliteStore, StoreError, folder};

use super::sign::{PROPOSER, Vault};
use super::{Env, Firewall, FirewallError};

/// What a new data folder is for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct InitRequest {
    /// Name of the store: lower-case letters, digits and dashes.
    pub store: String,
    /// Who runs the deployment.
    pub operator: PrincipalId,
    /// Who reviews.
    pub reviewers: Vec<PrincipalId>,
    /// The policy file's text.
    pub policy: String,
}

impl Firewall {
    /// Makes a data folder with fresh keys, a policy and an empty store, and opens it.
    ///
    /// # Errors
    /// Refused when there is one already, or for names that cannot stand in a statement; unavailable when
    /// the disk refuses: a folder that was begun is then removed again.
    pub fn init(data: &Path, request: InitRequest, mut env: Env) -> Result<Self, FirewallError> {
        Policy::parse(&request.policy)
            .map_err(|source| config::ConfigError::Policy { path: "policy".into(), source })?;
        let names = request.reviewers.iter().chain([&request.operator]).map(PrincipalId::as_str);
        for name in names.chain([request.store.as_str()]) {
            let lawful = (1..=64).contains(&name.len())
                && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
            if !lawful || name == PROPOSER {
                return Err(FirewallError::Name { name: name.to_owned() });
            }
        }
        let namespace = Namespace::product();
        let settings = Settings {
            version: 1,
            store: namespace.store(&request.store),
            log: namespace.log_origin(&request.store),
            operator: request.operator,
            reviewers: request.reviewers,
        };
        if DataFolder::exists(data) {
            return Err(StoreError::Exists { folder: data.to_owned() }.into());
        }
        // Made beside its place and moved there whole: a killed init leaves no folder that only looks like one.
        let parent = match data.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent,
            _ => Path::new("."),
        };
        folder::create_private_dir(parent)?;
        let staging = tempfile::Builder::new()
            .prefix(".memgate-new-")
            .tempdir_in(parent)
            .map_err(StoreError::io("create a folder in", parent))?;
        make(staging.path(), &settings, &request.policy, &mut env)?;
        fs::rename(staging.path(), data).map_err(StoreError::io("move into place", data))?;
        drop(staging.keep());
        folder::sync_dir(parent)?;
        Self::open(data, env)
    }
}

fn make(data: &Path, settings: &Settings, policy: &str, env: &mut Env) -> Result<(), FirewallError> {
    let opened = DataFolder::create(data)?;
    Vault::create(data, settings, env)?;
    let text = toml::to_string(settings).map_err(|e| FirewallError::Encoding { message: e.to_string() })?;
    folder::write_atomic(&data.join(config::SETTINGS_FILE), text.as_bytes())?;
    folder::write_atomic(&data.join(config::POLICY_FILE), policy.as_bytes())?;
    SqliteStore::open(&data.join(DATABASE))?;
    opened.seal(|inventory| Vault::seal_new(data, inventory, &env.outside))
}

impl From<PolicyError> for FirewallError {
    fn from(source: PolicyError) -> Self {
        Self::Config(config::ConfigError::Policy { path: config::POLICY_FILE.into(), source })
    }
}
