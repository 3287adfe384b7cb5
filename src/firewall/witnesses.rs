//! The witnesses of a store's log: who is asked to sign that it saw each checkpoint, and how many must.

use std::fs;
use std::path::Path;

use serde::Serialize;

use crate::domain::Digest;
use crate::ledger::statement::TrustNotice;
use crate::ledger::{Body, LedgerError, TestKeys, TlogPolicy, Trust, VKey};
use crate::store::evidence::{self, TRUST};
use crate::store::{Access, DataFolder, StoreError, folder};

use super::sign::Vault;
use super::{Env, Firewall, FirewallError};

const FILE: &str = "tlog.policy";

/// One witness of a log policy.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct WitnessEntry {
    /// Its name in the policy.
    pub name: String,
    /// Its verifier key.
    pub vkey: String,
    /// Where it is asked; a witness without an address is never asked.
    pub url: Option<String>,
}

/// Who witnesses a log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Witnessing {
    /// The log's verifier keys: what witnesses have to know.
    pub log: Vec<String>,
    /// The witnesses.
    pub witnesses: Vec<WitnessEntry>,
    /// How many must sign before a version counts; `None` when the policy is not one plain number.
    pub quorum: Option<usize>,
    /// Who has seen the newest checkpoint.
    pub seen_by: String,
}

impl Firewall {
    /// Who witnesses this store's log.
    ///
    /// # Errors
    /// Unavailable log.
    pub fn witnessing(&self) -> Result<Witnessing, FirewallError> {
        let log = self.vault.log()?;
        let tlog = log.history().trust().tlog();
        let entry = |(name, vkey): (&str, &VKey)| WitnessEntry {
            name: name.to_owned(),
            vkey: vkey.to_string(),
            url: tlog.address(name).map(str::to_owned),
        };
        Ok(Witnessing {
            log: tlog.logs().iter().map(ToString::to_string).collect(),
            witnesses: tlog.witnesses().map(entry).collect(),
            quorum: tlog.plain_quorum(),
            seen_by: log.checkpoint().map_or_else(|| "nothing is signed yet".to_owned(), |seen| seen.seen_by()),
        })
    }

    /// Gives a store's log other witnesses, of which so many must sign: 0 asks them and waits for none.
    ///
    /// The change is announced in the log, and the witnesses are asked at once: when they do not make the quorum, the old
    /// policy is put back. Whoever verifies needs the new trust root from here on.
    ///
    /// # Errors
    /// Refused for keys or names that cannot stand in a policy; unavailable when too few witnesses sign.
    pub fn set_witnesses(
        data: &Path,
        witnesses: &[WitnessEntry],
        quorum: usize,
        env: impl Fn() -> Env,
    ) -> Result<Witnessing, FirewallError> {
        let trust = evidence::read_trust(data)?;
        let mut all = Vec::new();
        for entry in witnesses {
            let url = entry.url.clone().filter(|url| is_address(url));
            let url = url.ok_or(LedgerError::Format { what: "witness address", why: "not http:// or https://" })?;
            all.push((entry.name.clone(), VKey::parse(&entry.vkey, TestKeys::Refuse)?, url));
        }
        let text = trust.tlog().with_witnesses(&all, quorum)?;
        // Everything that can be refused is, before anything is opened to write: also a key that serves twice.
        let tlog = TlogPolicy::parse(&text, TestKeys::Refuse)?;
        Trust::new(trust.namespace().clone(), trust.policy().clone(), Vec::new(), tlog)?;
        let mut firewall = Self::open(data, env())?;
        let store = firewall.config.settings.store.clone();
        let notice = TrustNotice { store, file: FILE.to_owned(), digest: Digest::of(&text) };
        firewall.log_statement(&Body::TrustNotice(notice))?;
        let path = data.join(TRUST).join(FILE);
        let before = fs::read(&path).map_err(StoreError::io("read", &path))?;
        folder::write_atomic(&path, text.as_bytes())?;
        firewall.close()?;
        match Self::open(data, env()) {
            Ok(firewall) => {
                let now = firewall.witnessing();
                firewall.close()?;
                now
            }
            Err(error) => {
                let opened = DataFolder::open(data, Access::Write)?;
                folder::write_atomic(&path, &before)?;
                opened.seal(|inventory| Vault::seal_new(data, inventory, &env().outside))?;
                Err(error)
            }
        }
    }
}

fn is_address(url: &str) -> bool {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    rest.is_some_and(|rest| !rest.is_empty()) && !url.chars().any(|c| c.is_whitespace() || c.is_control())
}
