//! The ledger seen from the firewall: keys, log, versions, seal.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::config::{Config, Settings};
use crate::domain::{Digest, MemoryPath, PrincipalId, Timestamp};
use crate::gate::Approved;
use crate::ledger::statement::AuditEvent;
use crate::ledger::{
    Age, Approvals, Body, KeySet, LedgerError, Line, LogKey, LogWriter, Manifest, Namespace, OpenOptions, PolicyParts,
    Principal, Role, Salt, SignRequest, SignedVersion, Signer, SigningKey, StoredVersion, TestKeys, TlogPolicy,
    VerifiedLog, VerifiedVersion, read_log,
};
use crate::store::evidence::{self, LEDGER, TRUST};
use crate::store::logdir::LogDir;
use crate::store::{Access, ObjectRecord, Store, StoreError, VersionRecord, VersionState, folder};

use super::{Env, Firewall, FirewallError};

/// The pseudonym that proposes versions; no person, so it can approve nothing.
pub(super) const PROPOSER: &str = "dream";
const KEYS: &str = "keys";

/// A signed version, in a few words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionInfo {
    /// 1, 2, 3 …
    pub sequence: u64,
    /// Id of the version statement.
    pub statement: Digest,
    /// `genesis`, `advance` or `rollback`.
    pub action: String,
    /// When it was signed.
    pub created: Timestamp,
    /// Memories in it.
    pub memories: usize,
    /// Index of the version statement in the log.
    pub log_index: u64,
    /// Who else saw the log: `unwitnessed` when nobody did.
    pub witnesses: String,
}

/// Why a version is made.
pub(super) struct Change<'a> {
    action: &'static str,
    restores: Option<&'a SignedVersion>,
    summary: String,
}

impl Change<'_> {
    /// New content.
    pub(super) fn content(action: &'static str) -> Self {
        Self { action, restores: None, summary: "{}".to_owned() }
    }
}

enum Log {
    Reader(Box<VerifiedLog>),
    Writer { writer: Box<LogWriter<LogDir>>, signer: Box<Signer>, gate: Box<SigningKey> },
}

/// Keys, trust files and the open log of a data folder.
pub(super) struct Vault {
    log: Log,
}

fn read_key(data: &Path, name: &str) -> Result<SigningKey, FirewallError> {
    let path = data.join(KEYS).join(format!("{name}.pem"));
    let pem = fs::read_to_string(&path).map_err(StoreError::io("read", &path))?;
    Ok(SigningKey::from_pkcs8_pem(&Zeroizing::new(pem))?)
}

impl Vault {
    /// Makes keys and trust files for a new data folder.
    pub(super) fn create(data: &Path, settings: &Settings, env: &mut Env) -> Result<(), FirewallError> {
        let mut seed = || -> Result<SigningKey, FirewallError> {
            let mut bytes = Zeroizing::new([0_u8; 32]);
            (env.random)(&mut bytes).map_err(|source| FirewallError::Random { source })?;
            Ok(SigningKey::from_seed(&bytes)?)
        };
        folder::create_private_dir(&data.join(KEYS))?;
        folder::create_private_dir(&data.join(TRUST))?;
        let mut people: BTreeSet<&PrincipalId> = settings.reviewers.iter().collect();
        people.insert(&settings.operator);
        let mut keys = Vec::new();
        let mut principals = std::collections::BTreeMap::new();
        let keep = |name: &str, key: &SigningKey| {
            folder::write_atomic(&data.join(KEYS).join(format!("{name}.pem")), key.to_pkcs8_pem().as_bytes())
        };
        let named = people.into_iter().map(|p| (p.clone(), Role::Reviewer));
        for (name, role) in named.chain([(PrincipalId::new(PROPOSER), Role::Proposer)]) {
            let key = seed()?;
            keep(&format!("person-{name}"), &key)?;
            principals.insert(name, Principal { keys: vec![key.public().id()], roles: vec![role] });
            keys.push(key.public().clone());
        }
        let (gate, signer, log) = (seed()?, seed()?, seed()?);
        keep("gate", &gate)?;
        keep("version-signer", &signer)?;
        keep("log", &log)?;
        keys.extend([gate.public().clone(), signer.public().clone()]);
        let parts = PolicyParts {
            store: settings.store.clone(),
            keys,
            principals,
            gates: vec![gate.public().id()],
            version_signers: (vec![signer.public().id()], 1),
            approvals: Approvals { genesis: 1, advance: 1, rollback: 1, erase: 1 },
            retired: std::collections::BTreeMap::new(),
            history: Vec::new(),
        };
        let log = LogKey::log(&settings.log, log)?;
        folder::write_atomic(
            &data.join(TRUST).join("policy.json"),
            &parts.to_bytes(&Namespace::product(), TestKeys::Refuse)?,
        )?;
        folder::write_atomic(
            &data.join(TRUST).join("tlog.policy"),
            TlogPolicy::unwitnessed_text(log.vkey()).as_bytes(),
        )?;
        Ok(())
    }

    /// Signs the first seal, before there is a log to open.
    pub(super) fn seal_new(data: &Path, inventory: &str) -> Result<Vec<u8>, FirewallError> {
        Ok(evidence::sign_seal(&read_key(data, "gate")?, inventory)?)
    }

    /// Opens the log: to write with all keys, to read with none.
    pub(super) fn open(data: &Path, config: &Config, access: Access) -> Result<Self, FirewallError> {
        let trust = evidence::read_trust(data)?;
        let log = match access {
            Access::Read => {
                Log::Reader(Box::new(read_log(&evidence::log_folder(data), &trust, Age::Archive, Vec::new())?))
            }
            Access::Write => {
                let mut people = std::collections::BTreeMap::new();
                let settings = &config.settings;
                for name in settings.reviewers.iter().chain([&settings.operator, &PrincipalId::new(PROPOSER)]) {
                    people.insert(name.clone(), read_key(data, &format!("person-{name}"))?);
                }
                let keys = KeySet {
                    people,
                    gate: read_key(data, "gate")?,
                    version_signers: vec![read_key(data, "version-signer")?],
                };
                let signer = Signer::new(trust.clone(), keys)?;
                let storage = LogDir::create(&data.join(LEDGER)).map_err(LedgerError::from)?;
                let key = LogKey::log(&settings.log, read_key(data, "log")?)?;
                let writer = LogWriter::open(storage, key, trust.clone(), OpenOptions::default())?;
                Log::Writer {
                    writer: Box::new(writer),
                    signer: Box::new(signer),
                    gate: Box::new(read_key(data, "gate")?),
                }
            }
        };
        Ok(Self { log })
    }

    pub(super) fn log(&self) -> Result<&VerifiedLog, FirewallError> {
        match &self.log {
            Log::Reader(log) => Ok(log),
            Log::Writer { writer, .. } => Ok(writer.log()?),
        }
    }

    pub(super) fn sign_seal(&self, inventory: &str) -> Result<Vec<u8>, FirewallError> {
        let Log::Writer { gate, .. } = &self.log else { return Err(FirewallError::ReadOnly) };
        Ok(evidence::sign_seal(gate, inventory)?)
    }
}

impl Firewall {
    /// Signed versions, oldest first.
    ///
    /// # Errors
    /// Unavailable store, damaged records.
    pub fn versions(&self) -> Result<Vec<VersionInfo>, FirewallError> {
        let log = self.vault.log()?;
        let mut infos = Vec::new();
        for record in self.store.versions()? {
            if record.state != VersionState::Logged {
                continue;
            }
            let same = |v: &&VerifiedVersion| *v.id() == record.statement && v.common().action.name() == record.action;
            let verified = log.history().version(record.sequence).filter(same);
            let verified = verified.ok_or(LedgerError::Missing { what: "the statement of a stored version" })?;
            infos.push(VersionInfo {
                sequence: record.sequence,
                statement: record.statement,
                action: record.action,
                created: record.created,
                memories: usize::try_from(verified.common().size).unwrap_or(usize::MAX),
                log_index: verified.index(),
                witnesses: "unwitnessed".to_owned(),
            });
        }
        Ok(infos)
    }

    /// The current version.
    ///
    /// # Errors
    /// As [`Firewall::versions`].
    pub fn head(&self) -> Result<Option<VersionInfo>, FirewallError> {
        Ok(self.versions()?.pop())
    }

    /// A version with everything verified: statements, log, manifest, every memory.
    ///
    /// # Errors
    /// Refused when anything does not verify: nothing is served then.
    pub fn recall(&self, sequence: u64) -> Result<SignedVersion, FirewallError> {
        let record =
            self.store.versions()?.into_iter().find(|v| v.sequence == sequence && v.state == VersionState::Logged);
        let record = record.ok_or(FirewallError::UnknownVersion { sequence })?;
        Ok(self.vault.log()?.version(evidence::stored(&self.store, &record)?)?)
    }

    /// Text digest and provenance of a memory in the current version.
    pub(super) fn provenance_of(base: Option<&SignedVersion>, path: &MemoryPath) -> Option<(Digest, String)> {
        let memory = base?.memory(path)?;
        Some((Digest::of(memory.text()), memory.provenance().to_owned()))
    }

    /// Signs, stores, logs, and only then calls it a version. `None` when nothing would change.
    pub(super) fn sign_approved(
        &mut self,
        approved: Vec<Approved>,
        change: Change<'_>,
        approvers: &[PrincipalId],
    ) -> Result<Option<VersionInfo>, FirewallError> {
        let base = match self.head()? {
            Some(head) => Some(self.recall(head.sequence)?),
            None => None,
        };
        if let (Some(base), None) = (&base, change.restores) {
            let same = base.memories().len() == approved.len()
                && approved.iter().all(|a| base.memory(a.path()).is_some_and(|m| m.text() == a.text()));
            if same {
                return Ok(None);
            }
        }
        let mut salts = Vec::with_capacity(approved.len());
        for _ in &approved {
            let mut bytes = [0_u8; 32];
            (self.env.random)(&mut bytes).map_err(|source| FirewallError::Random { source })?;
            salts.push(Salt::new(bytes));
        }
        let now = self.now();
        let Log::Writer { writer, signer, .. } = &mut self.vault.log else { return Err(FirewallError::ReadOnly) };
        let request = SignRequest {
            restores: change.restores,
            base: base.as_ref(),
            reattributed: BTreeSet::new(),
            now,
            expires_at: None,
            proposer: PrincipalId::new(PROPOSER),
            reviewers: approvers.to_vec(),
            salts,
        };
        let draft = writer.sign_version(signer, approved, &request)?;
        let stored = draft.to_stored();
        let record = VersionRecord {
            sequence: stored.sequence,
            statement: *draft.id(),
            action: change.action.to_owned(),
            manifest: stored.manifest.clone(),
            head: stored.head.clone(),
            created: now,
            state: VersionState::Pending,
            summary: change.summary,
        };
        self.store.put_pending(&record, &objects(&stored, draft.manifest())?)?;
        let Log::Writer { writer, .. } = &mut self.vault.log else { return Err(FirewallError::ReadOnly) };
        let appended = writer.append_version(draft);
        let (version, _receipt) = match appended {
            Ok(done) => done,
            Err(error) => {
                // Never in the log, or completed when the folder is opened again: `recover` tells which.
                return Err(error.into());
            }
        };
        self.store.mark_logged(version.sequence())?;
        self.head()
    }

    /// Puts one audit event into the log.
    pub(super) fn log_event(&mut self, kind: &str, digest: &Digest) -> Result<(), FirewallError> {
        let store = self.config.settings.store.clone();
        let Log::Writer { writer, signer, .. } = &mut self.vault.log else { return Err(FirewallError::ReadOnly) };
        let serial = writer.log()?.history().len() + 1;
        let event = Body::AuditEvent(AuditEvent { store, kind: kind.to_owned(), serial, digest: *digest });
        writer.append(&[signer.sign_event(&event)?])?;
        Ok(())
    }

    /// Finishes or drops versions that an interrupted run left between database and log.
    pub(super) fn recover(&mut self) -> Result<(), FirewallError> {
        for record in self.store.versions()?.into_iter().filter(|v| v.state == VersionState::Pending) {
            let logged =
                self.vault.log()?.history().version(record.sequence).is_some_and(|v| *v.id() == record.statement);
            if logged {
                self.store.mark_logged(record.sequence)?;
            } else {
                self.store.drop_pending(record.sequence)?;
            }
        }
        Ok(())
    }

    /// A new version with the content of an earlier one, scanned again with today's rules.
    ///
    /// # Errors
    /// Refused when today's rules hold any of it, or when it is the current content.
    pub fn rollback(&mut self, target: u64, reason: &str) -> Result<VersionInfo, FirewallError> {
        let grant = crate::auth::authorize::<crate::auth::Rollback>(&self.operator()?)?;
        let restored = self.recall(target)?;
        let head = self.head()?.ok_or(FirewallError::NoVersion)?;
        if head.sequence == target {
            return Err(FirewallError::NothingChanged);
        }
        let approved = self.readmit(&restored)?;
        self.log_event("rollback-reason", &Digest::of(reason))?;
        let summary = serde_json::json!({ "reason": reason, "restores": target }).to_string();
        let change = Change { action: "rollback", restores: Some(&restored), summary };
        let version = self.sign_approved(approved, change, &[grant.principal().clone()])?;
        version.ok_or(FirewallError::NothingChanged)
    }
}

fn objects(stored: &StoredVersion, manifest: &Manifest) -> Result<Vec<ObjectRecord>, FirewallError> {
    let mut objects = Vec::new();
    for memory in &stored.memories {
        let commit = manifest.lines().iter().find_map(|line| match line {
            Line::Memory { path, content, .. } if *path == memory.path => Some(*content),
            _ => None,
        });
        objects.push(ObjectRecord {
            commit: commit.ok_or(LedgerError::Missing { what: "a manifest line" })?,
            path: memory.path.clone(),
            content: memory.text.clone().into_bytes(),
            salt: memory.salt.as_slice().try_into().map_err(|_| LedgerError::Missing { what: "a 32-byte salt" })?,
            provenance: memory.provenance.clone(),
        });
    }
    Ok(objects)
}
