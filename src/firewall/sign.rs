//! The ledger seen from the firewall: keys, log, versions, seal.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use zeroize::Zeroizing;

use crate::config::{Config, Settings};
use crate::domain::{Digest, MemoryPath, PrincipalId, Timestamp};
use crate::gate::Approved;
use crate::ledger::statement::AuditEvent;
use crate::ledger::{
    Age, Approvals, Body, Draft, Envelope, KeySet, LedgerError, Line, LogKey, LogWriter, Manifest, Namespace,
    OpenOptions, PolicyParts, Principal, Role, Salt, SignRequest, SignedVersion, Signer, SigningKey, TestKeys,
    TlogPolicy, VerifiedCheckpoint, VerifiedLog, VerifiedVersion, read_log_with,
};
use crate::store::evidence::{self, LEDGER, TRUST};
use crate::store::logdir::LogDir;
use crate::store::rows;
use crate::store::{Access, ObjectRecord, Store, VersionRecord, VersionState, folder};

use super::live::{self, Told};
use super::{Env, Firewall, FirewallError, Outside, rekey};

/// The pseudonym that proposes versions; no person, so it can approve nothing.
pub(super) const PROPOSER: &str = "dream";
pub(super) const KEYS: &str = "keys";
/// Entries of the log that may wait to be laid out as files: those of a full bundle. A file is so written about once.
const MOST_BEHIND: u64 = 256;

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
    told: Told,
}

impl Change<'_> {
    /// New content.
    pub(super) fn content(action: &'static str) -> Self {
        Self { action, restores: None, summary: "{}".to_owned(), told: Told::default() }
    }

    /// What is known of who changed what.
    pub(super) fn told(self, told: Told) -> Self {
        Self { told, ..self }
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

fn read_key(data: &Path, name: &str, outside: &Outside) -> Result<SigningKey, FirewallError> {
    rekey::read(&data.join(KEYS).join(format!("{name}.pem")), outside)
}

impl Vault {
    /// Makes keys and trust files for a new data folder.
    pub(super) fn create(data: &Path, settings: &Settings, env: &mut Env) -> Result<(), FirewallError> {
        let passphrase = match &env.outside.passphrase {
            Some(ask) if env.outside.encrypt => Some((ask.0)().map_err(|source| FirewallError::Passphrase { source })?),
            _ => None,
        };
        let seed = |env: &mut Env| -> Result<SigningKey, FirewallError> {
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
        let keep = |name: &str, key: &SigningKey, env: &mut Env| -> Result<(), FirewallError> {
            let pem = rekey::to_pem(key, passphrase.as_deref().map(String::as_str), env)?;
            Ok(folder::write_atomic(&data.join(KEYS).join(format!("{name}.pem")), pem.as_bytes())?)
        };
        let named = people.into_iter().map(|p| (p.clone(), Role::Reviewer));
        for (name, role) in named.chain([(PrincipalId::new(PROPOSER), Role::Proposer)]) {
            let key = seed(env)?;
            keep(&format!("person-{name}"), &key, env)?;
            principals.insert(name, Principal { keys: vec![key.public().id()], roles: vec![role] });
            keys.push(key.public().clone());
        }
        let (gate, signer, log) = (seed(env)?, seed(env)?, seed(env)?);
        keep("gate", &gate, env)?;
        keep("version-signer", &signer, env)?;
        keep("log", &log, env)?;
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
    pub(super) fn seal_new(data: &Path, inventory: &str, outside: &Outside) -> Result<Vec<u8>, FirewallError> {
        Self::seal_with(&read_key(data, "gate", outside)?, inventory)
    }

    /// Signs a seal with a gate's key that is at hand.
    pub(super) fn seal_with(gate: &SigningKey, inventory: &str) -> Result<Vec<u8>, FirewallError> {
        Ok(evidence::sign_seal(gate, inventory)?)
    }

    /// Opens the log: to write with all keys, to read with none.
    pub(super) fn open(
        data: &Path,
        config: &Config,
        access: Access,
        leaves: Vec<Vec<Digest>>,
        intake: Vec<Vec<u8>>,
        outside: &Outside,
    ) -> Result<Self, FirewallError> {
        let trust = evidence::read_trust(data)?;
        let log = match access {
            Access::Read => {
                let folder = evidence::log_folder(data);
                Log::Reader(Box::new(read_log_with(&folder, &trust, Age::Archive, leaves, &intake)?))
            }
            Access::Write => {
                let mut people = std::collections::BTreeMap::new();
                let settings = &config.settings;
                for name in settings.reviewers.iter().chain([&settings.operator, &PrincipalId::new(PROPOSER)]) {
                    people.insert(name.clone(), read_key(data, &format!("person-{name}"), outside)?);
                }
                let keys = KeySet {
                    people,
                    gate: read_key(data, "gate", outside)?,
                    version_signers: vec![read_key(data, "version-signer", outside)?],
                };
                let signer = Signer::new(trust.clone(), keys)?;
                let storage = LogDir::create(&data.join(LEDGER)).map_err(LedgerError::from)?;
                let key = LogKey::log(&settings.log, read_key(data, "log", outside)?)?;
                let asker = outside.witnesses.clone();
                let options = OpenOptions { leaves, intake, asker, ..OpenOptions::default() };
                let writer = LogWriter::open(storage, key, trust.clone(), options)?;
                Log::Writer {
                    writer: Box::new(writer),
                    signer: Box::new(signer),
                    gate: Box::new(read_key(data, "gate", outside)?),
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

    /// Who else has seen the newest checkpoint, in a word.
    fn witnessed(&self) -> Result<String, FirewallError> {
        let seen = self.log()?.checkpoint().map(VerifiedCheckpoint::witnessed);
        Ok(seen.unwrap_or_else(|| "unwitnessed".to_owned()))
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
        for record in self.store.outlines()? {
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
                witnesses: log.checkpoint().map_or_else(|| "unwitnessed".to_owned(), VerifiedCheckpoint::witnessed),
            });
        }
        Ok(infos)
    }

    /// The current version.
    ///
    /// # Errors
    /// As [`Firewall::versions`].
    pub fn head(&self) -> Result<Option<VersionInfo>, FirewallError> {
        if let Some(head) = &self.live {
            return Ok(head.info().cloned());
        }
        Ok(self.versions()?.pop())
    }

    /// A version with everything verified: statements, log, manifest, every memory.
    ///
    /// # Errors
    /// Refused when anything does not verify: nothing is served then.
    pub fn recall(&self, sequence: u64) -> Result<SignedVersion, FirewallError> {
        let record = self.store.version(sequence)?.filter(|v| v.state == VersionState::Logged);
        let record = record.ok_or(FirewallError::UnknownVersion { sequence })?;
        Ok(self.vault.log()?.version(evidence::stored(&self.store, &record)?)?)
    }

    /// Text digest and provenance of a memory in the current version.
    pub(super) fn provenance_of(base: Option<&SignedVersion>, path: &MemoryPath) -> Option<(Digest, String)> {
        let memory = base?.memory(path)?;
        Some((Digest::of(memory.text()), memory.provenance().to_owned()))
    }

    /// Signs, stores, logs, and only then calls it a version: the approved memories are its whole content. `None` when
    /// nothing would change.
    pub(super) fn sign_approved(
        &mut self,
        approved: Vec<Approved>,
        change: Change<'_>,
        approvers: &[PrincipalId],
    ) -> Result<Option<VersionInfo>, FirewallError> {
        let head = self.live_head()?;
        if let (Some(base), None) = (head.version(), change.restores) {
            let same = base.memories().len() == approved.len()
                && approved.iter().all(|a| base.memory(a.path()).is_some_and(|m| m.text() == a.text()));
            if same {
                return Ok(None);
            }
        }
        self.sign_content(&head, approved, None, change, approvers).map(Some)
    }

    /// The same for changes of the head: every memory that is neither approved anew nor removed stays as it is.
    pub(super) fn sign_changes(
        &mut self,
        changed: Vec<Approved>,
        removed: &BTreeSet<MemoryPath>,
        change: Change<'_>,
        approvers: &[PrincipalId],
    ) -> Result<Option<VersionInfo>, FirewallError> {
        let head = self.live_head()?;
        if changed.is_empty() && removed.is_empty() {
            return Ok(None);
        }
        // A store is empty in one way only: the second time is a return to the first, and says so.
        if changed.is_empty() && head.memories().all(|row| removed.contains(&row.path)) {
            let log = self.vault.log()?;
            let before = log.history().versions().iter().find(|version| version.common().size == 0);
            if let Some(sequence) = before.map(|version| version.common().sequence) {
                let empty = self.recall(sequence)?;
                let change = Change { action: "rollback", restores: Some(&empty), ..change };
                return self.sign_content(&head, Vec::new(), None, change, approvers).map(Some);
            }
        }
        self.sign_content(&head, changed, Some(removed), change, approvers).map(Some)
    }

    fn sign_content(
        &mut self,
        head: &live::Head,
        approved: Vec<Approved>,
        removed: Option<&BTreeSet<MemoryPath>>,
        mut change: Change<'_>,
        approvers: &[PrincipalId],
    ) -> Result<VersionInfo, FirewallError> {
        let texts: Vec<(MemoryPath, String)> =
            approved.iter().map(|item| (item.path().clone(), item.text().to_owned())).collect();
        let gone: BTreeSet<MemoryPath> = match removed {
            Some(removed) => removed.clone(),
            None => {
                let stays: BTreeSet<&MemoryPath> = texts.iter().map(|(path, _)| path).collect();
                head.memories().map(|row| &row.path).filter(|path| !stays.contains(*path)).cloned().collect()
            }
        };
        let mut salts = Vec::with_capacity(approved.len() + 1);
        for _ in 0..=approved.len() {
            let mut bytes = [0_u8; 32];
            (self.env.random)(&mut bytes).map_err(|source| FirewallError::Random { source })?;
            salts.push(Salt::new(bytes));
        }
        let now = self.now();
        let Log::Writer { writer, signer, .. } = &mut self.vault.log else { return Err(FirewallError::ReadOnly) };
        let request = SignRequest {
            restores: change.restores,
            base: head.version(),
            reattributed: BTreeSet::new(),
            now,
            expires_at: None,
            proposer: PrincipalId::new(PROPOSER),
            reviewers: approvers.to_vec(),
            salts,
        };
        let draft = match removed {
            None => writer.sign_version(signer, approved, &request)?,
            Some(removed) => writer.sign_changes(signer, approved, removed, &request)?,
        };
        let sequence = draft.common().sequence;
        if change.told.actor.is_none() {
            change.told.actor.clone_from(&self.actor);
        }
        let none = Manifest::default();
        let base_manifest = head.version().map_or(&none, SignedVersion::manifest);
        let fresh = draft.manifest().beyond(base_manifest);
        let commit = |path: &MemoryPath| {
            fresh.iter().find_map(|(other, line)| match line {
                Line::Memory { content, .. } if *other == path => Some(*content),
                _ => None,
            })
        };
        let store = self.config.settings.store.as_str();
        let present = texts.iter().map(|(path, text)| (path, text.as_str()));
        let step = live::Step { store, sequence, created: now, head, gone: &gone, told: &change.told };
        let rows = live::of_change(&step, present, commit);
        let record = VersionRecord {
            sequence,
            statement: *draft.id(),
            action: change.action.to_owned(),
            manifest: draft.manifest().to_bytes(),
            head: draft.common().head().to_bytes(),
            created: now,
            state: VersionState::Pending,
            summary: change.summary,
        };
        let objects = objects(&draft, &fresh)?;
        let told = rows::digest(draft.id(), &rows)?;
        let event = self.event(rows::EVENT, &told, draft.envelopes().len())?;
        let (log, store) = (&mut self.vault.log, &mut self.store);
        let Log::Writer { writer, .. } = log else { return Err(FirewallError::ReadOnly) };
        let version = if writer.takes_records() {
            // One transaction is the version and its place in the log: no crash can part the two.
            let keep = |intake: &crate::ledger::Record| Ok(store.put_logged(&record, &objects, &rows, intake)?);
            writer.append_version_kept::<FirewallError>(draft, &[event], keep)?
        } else {
            store.put_pending_rows(&record, &objects, &rows)?;
            // On failure it was never in the log, or is completed when the folder is opened again: `recover` tells.
            let (version, _receipt) = writer.append_version_with(draft, &[event])?;
            store.mark_logged(sequence)?;
            version
        };
        // Whoever makes one version leaves the log as anybody reads it; a server does so every now and then.
        if !self.store.keeps_log() || self.behind() >= MOST_BEHIND {
            self.lay_out()?;
        }
        let info = VersionInfo {
            sequence,
            statement: *version.id(),
            action: record.action,
            created: now,
            memories: version.memories().len(),
            log_index: version.evidence().index(),
            witnesses: self.vault.witnessed()?,
        };
        // Taken out while a batch is signed, which keeps it itself.
        if let Some(mut near) = self.near.take() {
            let grant = crate::auth::authorize::<crate::auth::Adopt>(&self.operator()?)?;
            gone.iter().for_each(|path| near.put(&grant, path, None));
            for memory in rows.iter().filter_map(|row| version.memory(row.path.as_ref()?)) {
                near.put(&grant, memory.path(), Some((memory.text(), memory.provenance())));
            }
            self.near = Some(near);
        }
        self.live = Some(Arc::new(head.next(version, info.clone(), &rows)));
        Ok(info)
    }

    /// Entries of the log that its files do not hold yet.
    fn behind(&self) -> u64 {
        match &self.vault.log {
            Log::Writer { writer, .. } => writer.log().map_or(0, |log| log.history().len() - writer.laid_out()),
            Log::Reader(_) => 0,
        }
    }

    /// Brings the files of the log up to its last entry. Nothing is waited for otherwise: the entries are on disk.
    ///
    /// # Errors
    /// Unavailable disk: the folder has to be opened again.
    pub fn lay_out(&mut self) -> Result<(), FirewallError> {
        let Log::Writer { writer, .. } = &mut self.vault.log else { return Ok(()) };
        writer.lay_out()?;
        Ok(self.store.forget_intake(writer.laid_out())?)
    }

    /// True when [`Firewall::lay_out`] has something to do.
    pub fn is_behind(&self) -> bool {
        self.behind() > 0
    }

    /// Rows for versions that were made before there were any: from the differences of the versions.
    pub(super) fn fill_rows(&mut self) -> Result<(), FirewallError> {
        if self.store.document("state", "rows")?.is_some() {
            return Ok(());
        }
        let mut head = live::Head::default();
        let mut events = Vec::new();
        for info in self.versions()? {
            let version = self.recall(info.sequence)?;
            let rows = live::backfill(self.config.settings.store.as_str(), info.created, &head, &version);
            self.store.put_rows(&rows)?;
            events.push(self.event(rows::EVENT, &rows::digest(version.id(), &rows)?, events.len())?);
            head = head.next(version, info, &rows);
        }
        if let Log::Writer { writer, .. } = &mut self.vault.log {
            // All of them or none: a run that died behind this has logged them already.
            if !rows::is_logged(writer.log()?) {
                writer.append(&events)?;
            }
        }
        Ok(self.store.put_document("state", "rows", "1")?)
    }

    /// Puts one audit event into the log.
    pub(super) fn log_event(&mut self, kind: &str, digest: &Digest) -> Result<(), FirewallError> {
        let event = self.event(kind, digest, 0)?;
        let Log::Writer { writer, .. } = &mut self.vault.log else { return Err(FirewallError::ReadOnly) };
        writer.append(&[event])?;
        Ok(())
    }

    /// Logs the erasure of manifest lines and what is said of their rows from now on, as one batch.
    pub(super) fn log_erasures(
        &mut self,
        leaves: &[Digest],
        reason: &str,
        told: &[(Digest, Vec<live::MemoryVersionRow>)],
    ) -> Result<(), FirewallError> {
        let (now, operator) = (self.now(), self.config.settings.operator.clone());
        let mut entries = Vec::new();
        for leaf in leaves {
            let Log::Writer { signer, .. } = &self.vault.log else { return Err(FirewallError::ReadOnly) };
            let destroyed = ["content", "provenance", "salt"];
            entries.push(signer.sign_erasure(*leaf, reason, &destroyed, std::slice::from_ref(&operator), now)?);
        }
        for (statement, rows) in told {
            let digest = rows::digest(statement, rows)?;
            entries.push(self.event(rows::EVENT, &digest, entries.len())?);
        }
        let Log::Writer { writer, .. } = &mut self.vault.log else { return Err(FirewallError::ReadOnly) };
        writer.append(&entries)?;
        Ok(())
    }

    /// Puts a statement of the gate into the log.
    pub(super) fn log_statement(&mut self, body: &Body) -> Result<(), FirewallError> {
        let Log::Writer { writer, signer, .. } = &mut self.vault.log else { return Err(FirewallError::ReadOnly) };
        writer.append(&[signer.sign_event(body)?])?;
        Ok(())
    }

    /// An audit event for the log that so many other new entries come before.
    pub(super) fn event(&self, kind: &str, digest: &Digest, after: usize) -> Result<Envelope, FirewallError> {
        let store = self.config.settings.store.clone();
        let Log::Writer { writer, signer, .. } = &self.vault.log else { return Err(FirewallError::ReadOnly) };
        let serial = writer.log()?.history().len() + after as u64 + 1;
        let event = Body::AuditEvent(AuditEvent { store, kind: kind.to_owned(), serial, digest: *digest });
        Ok(signer.sign_event(&event)?)
    }

    /// Finishes or drops versions that an interrupted run left between database and log.
    pub(super) fn recover(&mut self) -> Result<(), FirewallError> {
        for record in self.store.outlines()?.into_iter().filter(|v| v.state == VersionState::Pending) {
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
        let change = Change { action: "rollback", restores: Some(&restored), summary, told: Told::default() };
        let version = self.sign_approved(approved, change, &[grant.principal().clone()])?;
        version.ok_or(FirewallError::NothingChanged)
    }
}

/// The records of the memories that the version adds to what is stored.
fn objects(draft: &Draft, fresh: &[(&MemoryPath, &Line)]) -> Result<Vec<ObjectRecord>, FirewallError> {
    let mut objects = Vec::new();
    for (path, line) in fresh {
        let Line::Memory { content, .. } = line else { continue };
        let memory = draft.object(path).ok_or(LedgerError::Missing { what: "a memory of the draft" })?;
        objects.push(ObjectRecord {
            commit: *content,
            path: memory.path,
            content: memory.text.into_bytes(),
            salt: memory.salt.as_slice().try_into().map_err(|_| LedgerError::Missing { what: "a 32-byte salt" })?,
            provenance: memory.provenance,
        });
    }
    Ok(objects)
}
