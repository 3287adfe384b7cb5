//! Signing approved memories: approved text in, a draft out. Only the log turns a draft into a version.

use std::collections::{BTreeMap, BTreeSet};

use super::manifest::{Label, Line, Manifest, Salt};
use super::policy::{Role, Trust};
use super::signed::{MemoryObject, SignedMemory, SignedVersion, StoredVersion};
use super::statement::{Approval, Body, Common, Erasure, Proposal, Restores, Subject, Verdict, VersionStatement};
use super::verify::History;
use super::{Action, Envelope, LedgerError, SigningKey};
use crate::domain::canonical::parse_canonical;
use crate::domain::{Digest, MemoryPath, PrincipalId, Timestamp};
use crate::gate::Approved;

/// What a verdict by this gate claims.
const SCAN_LEVEL: &str = "MEMGATE_SCAN_PASSED";
/// How long an approval lasts when the request does not say: 30 days. Source: the published example evidence.
const DEFAULT_APPROVAL_MS: i64 = 30 * 24 * 3600 * 1000;

/// The private keys of one signing process.
#[derive(Debug)]
pub struct KeySet {
    /// Keys of proposers and reviewers, by pseudonym.
    pub people: BTreeMap<PrincipalId, SigningKey>,
    /// The gate's key.
    pub gate: SigningKey,
    /// Keys of version signers, at least as many as the policy asks for.
    pub version_signers: Vec<SigningKey>,
}

/// What to sign, beside the approved memories.
#[derive(Debug)]
pub struct SignRequest<'a> {
    /// The version whose content a rollback restores; `None` for new content.
    pub restores: Option<&'a SignedVersion>,
    /// The version from which unchanged memories keep provenance and salt, so that their lines stay the same.
    pub base: Option<&'a SignedVersion>,
    /// Paths whose provenance changed though the text did not.
    pub reattributed: BTreeSet<MemoryPath>,
    /// The current time.
    pub now: Timestamp,
    /// Until when the approvals last; 30 days when `None`.
    pub expires_at: Option<Timestamp>,
    /// Who proposes.
    pub proposer: PrincipalId,
    /// Who approves.
    pub reviewers: Vec<PrincipalId>,
    /// Fresh random salts, at least one for each memory.
    pub salts: Vec<Salt>,
}

/// A signed but unlogged version. It proves nothing: [`super::LogWriter::append_version`] makes it a version.
///
/// Store its objects durably **before** logging it: the log holds commitments only.
#[derive(Debug)]
pub struct Draft {
    pub(in crate::ledger) envelopes: Vec<Envelope>,
    pub(in crate::ledger) manifest: Manifest,
    pub(in crate::ledger) memories: Vec<SignedMemory>,
    pub(in crate::ledger) common: Common,
    pub(in crate::ledger) id: Digest,
}

impl Draft {
    /// Log entries in log order: proposal, approvals, verdict, version.
    pub fn envelopes(&self) -> &[Envelope] {
        &self.envelopes
    }
    /// Statement id that the version will have.
    pub const fn id(&self) -> &Digest {
        &self.id
    }
    /// Store, number, parent, action, root, size and policy.
    pub const fn common(&self) -> &Common {
        &self.common
    }
    /// The manifest.
    pub const fn manifest(&self) -> &Manifest {
        &self.manifest
    }
    /// The record of one memory to store.
    pub fn object(&self, path: &MemoryPath) -> Option<MemoryObject> {
        let at = self.memories.partition_point(|memory| super::manifest::path_order(memory.path(), path).is_lt());
        self.memories.get(at).filter(|memory| memory.path() == path).map(SignedMemory::to_object)
    }
    /// The records to store.
    pub fn to_stored(&self) -> StoredVersion {
        let objects: Vec<MemoryObject> = self.memories.iter().map(SignedMemory::to_object).collect();
        StoredVersion {
            sequence: self.common.sequence,
            manifest: self.manifest.to_bytes(),
            head: self.common.head().to_bytes(),
            memories: objects,
        }
    }
}

/// Signs versions for one store under one policy.
#[derive(Debug)]
pub struct Signer {
    trust: Trust,
    keys: KeySet,
}

impl Signer {
    /// A signer whose keys are those of the policy.
    ///
    /// Errors: refused, [`LedgerError::CannotSign`] for a key that the policy does not name for its purpose.
    pub fn new(trust: Trust, keys: KeySet) -> Result<Self, LedgerError> {
        let refuse = |why| LedgerError::CannotSign { why };
        let policy = trust.policy();
        for (name, key) in &keys.people {
            if policy.owner(&key.public().id()) != Some(name) {
                return Err(refuse("a key is not that of its principal in the trust policy"));
            }
        }
        if !policy.is_gate(&keys.gate.public().id()) {
            return Err(refuse("the gate's key is not in the trust policy"));
        }
        let ids: BTreeSet<_> = keys.version_signers.iter().map(|key| key.public().id()).collect();
        if !ids.iter().all(|id| policy.is_version_signer(id)) || ids.len() != keys.version_signers.len() {
            return Err(refuse("a version signer's key is not in the trust policy, or is given twice"));
        }
        if ids.len() < policy.version_threshold() {
            return Err(refuse("too few version signers' keys"));
        }
        let retired = |key: &SigningKey| policy.retired(&key.public().id()).is_some();
        if keys.people.values().chain([&keys.gate]).chain(&keys.version_signers).any(retired) {
            return Err(refuse("a key is retired"));
        }
        Ok(Self { trust, keys })
    }
    /// The policies it signs under.
    pub const fn trust(&self) -> &Trust {
        &self.trust
    }

    /// Builds and signs a version that continues `history`, and checks it as a verifier would.
    pub(in crate::ledger) fn draft(
        &self,
        history: &mut History,
        approved: Vec<Approved>,
        carry: Option<&BTreeSet<MemoryPath>>,
        request: &SignRequest<'_>,
    ) -> Result<Draft, LedgerError> {
        let last = history.versions().last();
        let sequence = last.map_or(1, |last| last.common().sequence + 1);
        let parent = last.map(|last| *last.id());
        let action = match (sequence, request.restores) {
            (1, _) => Action::Genesis,
            (_, None) => Action::Advance,
            (_, Some(_)) => Action::Rollback,
        };
        let erased = history.erased();
        if let Some(restored) = request.restores {
            history.know_leaves(restored.manifest().leaf_hashes());
        }
        let restores = request.restores.map(|restored| Restores {
            id: *restored.id(),
            sequence: restored.sequence(),
            omitted: {
                let leaves: BTreeSet<Digest> = restored.manifest().leaf_hashes().into_iter().collect();
                leaves.intersection(&erased).copied().collect()
            },
        });
        let is_known = |root: &Digest| history.has_root(root);
        let (manifest, memories) = match carry {
            None => build_manifest(approved, request, action, is_known)?,
            // What was verified as the parent's content needs no second approval; anything else does.
            Some(removed) if request.base.map(|base| *base.id()) == parent && request.restores.is_none() => {
                carry_manifest(approved, removed, request, is_known)?
            }
            Some(_) => return Err(LedgerError::CannotSign { why: "only the last version's memories are carried" }),
        };
        let policy = self.trust.governing(sequence);
        if policy.digest() != self.trust.policy().digest() {
            return Err(LedgerError::CannotSign { why: "an earlier policy governs this version" });
        }
        let head = manifest.head(policy.store());
        let common = Common {
            store: policy.store().clone(),
            sequence,
            parent,
            action,
            root: *head.root(),
            size: head.size(),
            policy: *policy.digest(),
        };
        let (envelopes, id) = self.sign_statements(&common, restores, request)?;
        // No signing oracle: what leaves here has passed every check a verifier makes.
        let before = history.len();
        let checked = envelopes.iter().try_for_each(|envelope| history.push_new(envelope.bytes()));
        match &checked {
            Ok(()) => history.take_back(before),
            Err(_) => history.rewind(before),
        }
        checked?;
        Ok(Draft { envelopes, manifest, memories, common, id })
    }

    fn sign_statements(
        &self,
        common: &Common,
        restores: Option<Restores>,
        request: &SignRequest<'_>,
    ) -> Result<(Vec<Envelope>, Digest), LedgerError> {
        let subject = common.subject();
        let now = Timestamp::from_seconds(request.now.seconds());
        let person = |name: &PrincipalId| {
            self.keys.people.get(name).ok_or(LedgerError::CannotSign { why: "no key for a proposer or reviewer" })
        };
        let proposal = self.sign(
            &Body::Proposal(Proposal {
                common: common.clone(),
                restores: restores.clone(),
                proposer: request.proposer.clone(),
                proposed_at: now,
            }),
            &subject,
            &[person(&request.proposer)?],
        )?;
        let mut envelopes = vec![proposal];
        let proposal = envelopes[0].statement_id();
        let mut approvals = Vec::new();
        // A set: the same reviewer twice is one reviewer, and the order is always the same.
        for reviewer in request.reviewers.iter().collect::<BTreeSet<_>>() {
            let body = Body::Approval(Approval {
                common: common.clone(),
                proposal,
                reviewer: reviewer.clone(),
                approve: true,
                reviewed_at: now,
                expires_at: request.expires_at.unwrap_or_else(|| now.plus_ms(DEFAULT_APPROVAL_MS)),
                notes: None,
            });
            let envelope = self.sign(&body, &subject, &[person(reviewer)?])?;
            approvals.push(envelope.statement_id());
            envelopes.push(envelope);
        }
        approvals.sort_unstable();
        let verdict = Body::Verdict(Verdict {
            proposal,
            policy: common.policy,
            passed: true,
            levels: vec![SCAN_LEVEL.to_owned()],
            verified_at: now,
        });
        let verdict = self.sign(&verdict, &subject, &[&self.keys.gate])?;
        let body = Body::Version(VersionStatement {
            common: common.clone(),
            restores,
            proposal,
            approvals,
            verdict: verdict.statement_id(),
            created_at: now,
        });
        let version = self.sign(&body, &subject, &self.keys.version_signers.iter().collect::<Vec<_>>())?;
        let id = version.statement_id();
        envelopes.push(verdict);
        envelopes.push(version);
        Ok((envelopes, id))
    }

    fn sign(&self, body: &Body, subject: &Subject, keys: &[&SigningKey]) -> Result<Envelope, LedgerError> {
        Envelope::sign(&body.payload(self.trust.namespace(), subject)?, keys)
    }

    /// Signs the erasure of a memory by several reviewers in one envelope; log it with [`super::LogWriter::append`].
    ///
    /// Errors: refused, [`LedgerError::CannotSign`] without the key of a reviewer.
    pub fn sign_erasure(
        &self,
        leaf: Digest,
        reason: &str,
        destroyed: &[&str],
        reviewers: &[PrincipalId],
        now: Timestamp,
    ) -> Result<Envelope, LedgerError> {
        let policy = self.trust.policy();
        let mut keys = Vec::new();
        for name in reviewers.iter().collect::<BTreeSet<_>>() {
            let key = self.keys.people.get(name).filter(|_| policy.has_role(name, Role::Reviewer));
            keys.push(key.ok_or(LedgerError::CannotSign { why: "no key for a reviewer" })?);
        }
        let body = Body::Erasure(Erasure {
            store: policy.store().clone(),
            leaf,
            reason: reason.to_owned(),
            policy: *policy.digest(),
            erased_at: now,
            destroyed: destroyed.iter().map(|&code| code.to_owned()).collect(),
        });
        self.sign_own(&body, &keys)
    }
    /// Signs an audit event or the announcement of a trust file with the gate's key.
    ///
    /// Errors: refused, [`LedgerError::CannotSign`] for any other statement.
    pub fn sign_event(&self, body: &Body) -> Result<Envelope, LedgerError> {
        match body {
            Body::AuditEvent(_) | Body::TrustNotice(_) => self.sign_own(body, &[&self.keys.gate]),
            _ => Err(LedgerError::CannotSign { why: "only events are signed one by one" }),
        }
    }
    /// Signs a rejection of a logged proposal, which blocks it.
    ///
    /// Errors: refused, when the statement is not a proposal or the reviewer's key is not here.
    pub fn sign_rejection(
        &self,
        proposal: &super::Statement,
        reviewer: &PrincipalId,
        now: Timestamp,
    ) -> Result<Envelope, LedgerError> {
        let Body::Proposal(body) = &proposal.body else {
            return Err(LedgerError::CannotSign { why: "not a proposal" });
        };
        let key = self.keys.people.get(reviewer);
        let key = key.ok_or(LedgerError::CannotSign { why: "no key for a proposer or reviewer" })?;
        let body = Body::Approval(Approval {
            common: body.common.clone(),
            proposal: proposal.id,
            reviewer: reviewer.clone(),
            approve: false,
            reviewed_at: now,
            expires_at: now,
            notes: None,
        });
        self.sign_own(&body, &[key])
    }
    fn sign_own(&self, body: &Body, keys: &[&SigningKey]) -> Result<Envelope, LedgerError> {
        let subject = body.own_subject().ok_or(LedgerError::CannotSign { why: "the statement has no subject" })?;
        self.sign(body, &subject, keys)
    }
}

/// Lines and objects of the new version.
///
/// A memory whose text is byte-identical to the base's keeps its record and salt, hence its line; any other gets
/// a fresh salt. A rollback takes records and salts from the version it restores.
fn build_manifest(
    approved: Vec<Approved>,
    request: &SignRequest<'_>,
    action: Action,
    is_known: impl Fn(&Digest) -> bool,
) -> Result<(Manifest, Vec<SignedMemory>), LedgerError> {
    let cannot = |why| LedgerError::CannotSign { why };
    let mut salts = request.salts.iter();
    let base = if action == Action::Rollback { request.restores } else { request.base };
    let mut memories: Vec<SignedMemory> = Vec::with_capacity(approved.len());
    let mut spare = Vec::new();
    for item in approved {
        let fresh = salts.next().ok_or_else(|| cannot("fewer salts than memories"))?.clone();
        let kept = base.and_then(|base| base.memory(item.path())).filter(|old| {
            old.text() == item.text() && (action == Action::Rollback || !request.reattributed.contains(item.path()))
        });
        let memory = match kept {
            Some(old) => {
                spare.push((memories.len(), fresh));
                let (path, text) = (item.path().clone(), item.text().to_owned());
                SignedMemory::new(path, text, old.provenance().to_owned(), old.salt().clone())
            }
            None => {
                // The record is committed to as bytes, but others will parse it: it has one form, too.
                parse_canonical(item.provenance().as_bytes()).map_err(LedgerError::Json)?;
                let (path, text) = (item.path().clone(), item.text().to_owned());
                SignedMemory::new(path, text, item.provenance().to_owned(), fresh)
            }
        };
        memories.push(memory);
    }
    let manifest = manifest_of(&memories)?;
    let root = *manifest.root();
    if action != Action::Advance || !is_known(&root) {
        return Ok((manifest, in_order(memories)));
    }
    // The same set of memories as in an earlier version: a fresh salt on one of them makes it new again. An
    // unchanged store is refused instead: there is nothing to sign.
    let same_as_base = base.is_some_and(|base| *base.manifest().root() == root);
    match spare.into_iter().next() {
        Some((at, salt)) if !same_as_base => {
            let old = &memories[at];
            let again = SignedMemory::new(old.path().clone(), old.text().to_owned(), old.provenance().to_owned(), salt);
            memories[at] = again;
            Ok((manifest_of(&memories)?, in_order(memories)))
        }
        _ => Err(LedgerError::Rollback { why: "the content of an earlier version, undeclared" }),
    }
}

/// Lines and objects of the parent with some memories replaced, added or removed.
fn carry_manifest(
    approved: Vec<Approved>,
    removed: &BTreeSet<MemoryPath>,
    request: &SignRequest<'_>,
    is_known: impl Fn(&Digest) -> bool,
) -> Result<(Manifest, Vec<SignedMemory>), LedgerError> {
    let cannot = |why| LedgerError::CannotSign { why };
    let mut salts = request.salts.iter();
    let mut salt = || salts.next().cloned().ok_or_else(|| cannot("fewer salts than memories"));
    let mut changed: BTreeMap<MemoryPath, SignedMemory> = BTreeMap::new();
    for item in approved {
        parse_canonical(item.provenance().as_bytes()).map_err(LedgerError::Json)?;
        let (path, text) = (item.path().clone(), item.text().to_owned());
        let memory = SignedMemory::new(path.clone(), text, item.provenance().to_owned(), salt()?);
        if changed.insert(path, memory).is_some() {
            return Err(cannot("a path is approved twice"));
        }
    }
    let stays = |path: &MemoryPath| !removed.contains(path) && !changed.contains_key(path);
    let carried = request.base.map(SignedVersion::memories).unwrap_or_default().iter();
    let mut memories: Vec<SignedMemory> = carried.filter(|m| stays(m.path())).map(SignedMemory::carry).collect();
    let nothing = Manifest::default();
    let base = request.base.map_or(&nothing, SignedVersion::manifest);
    let manifest = base.changed(stays, changed.values().map(line_of).collect())?;
    let fresh = changed.len();
    memories.extend(changed.into_values());
    if !is_known(manifest.root()) {
        return Ok((manifest, in_order(memories)));
    }
    // As in `build_manifest`: the memories of an earlier version, which a fresh salt makes new again. Without any
    // carried memory to give it to, only a declared rollback can say this.
    let nothing = LedgerError::Rollback { why: "the content of an earlier version, undeclared" };
    let same_as_base = fresh == 0 && removed.is_empty();
    let Some(old) = memories.first().filter(|_| !same_as_base) else { return Err(nothing) };
    memories[0] = SignedMemory::new(old.path().clone(), old.text().to_owned(), old.provenance().to_owned(), salt()?);
    Ok((manifest_of(&memories)?, in_order(memories)))
}

fn line_of(memory: &SignedMemory) -> Line {
    Line::Memory {
        path: memory.path().clone(),
        content: memory.salt().commit(Label::Content, memory.text().as_bytes()),
        provenance: memory.salt().commit(Label::Provenance, memory.provenance().as_bytes()),
    }
}

fn manifest_of(memories: &[SignedMemory]) -> Result<Manifest, LedgerError> {
    Manifest::build(memories.iter().map(line_of).collect())
}

fn in_order(mut memories: Vec<SignedMemory>) -> Vec<SignedMemory> {
    memories.sort_by(|one, other| super::manifest::path_order(one.path(), other.path()));
    memories
}
