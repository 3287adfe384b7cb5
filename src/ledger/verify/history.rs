//! Checking entries in log order. Source: signing format, sections 7.5 and 10.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{Digest, PrincipalId, Timestamp};
use crate::ledger::policy::{Role, Trust, TrustPolicy};
use crate::ledger::statement::{
    Approval, AuditEvent, Body, Common, Erasure, Restores, Statement, TrustNotice, VersionStatement,
};
use crate::ledger::{Action, Envelope, KeyId, LedgerError, tree};

/// Seconds by which the first cosigned checkpoint may trail an approval's end.
const COSIGN_SLACK_S: i64 = 300;

/// Names a version: its statement id and sequence number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct VersionRef {
    /// SHA-256 of the version statement.
    pub id: Digest,
    /// Its number.
    pub sequence: u64,
}

/// Whether a version may be served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// All thresholds are met by keys that count.
    Good,
    /// It was lawful, but keys revoked since leave it short: never served, needs a new approved version.
    Revoked,
}

/// What the log proves about one version. Its content is not part of this: see [`super::VerifiedLog::version`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VerifiedVersion {
    id: Digest,
    index: u64,
    common: Common,
    restores: Option<Restores>,
    proposer: PrincipalId,
    reviewers: Vec<PrincipalId>,
    created_at: Timestamp,
    expires_at: Timestamp,
    standing: Standing,
}

impl VerifiedVersion {
    /// Statement id and number.
    pub const fn reference(&self) -> VersionRef {
        VersionRef { id: self.id, sequence: self.common.sequence }
    }
    /// Statement id.
    pub const fn id(&self) -> &Digest {
        &self.id
    }
    /// Log index of the version statement.
    pub const fn index(&self) -> u64 {
        self.index
    }
    /// Store, number, parent, action, root, size and policy.
    pub const fn common(&self) -> &Common {
        &self.common
    }
    /// What a rollback restores.
    pub const fn restores(&self) -> Option<&Restores> {
        self.restores.as_ref()
    }
    /// Who proposed it.
    pub const fn proposer(&self) -> &PrincipalId {
        &self.proposer
    }
    /// The distinct people who approved it, without the proposer, ascending.
    pub fn reviewers(&self) -> &[PrincipalId] {
        &self.reviewers
    }
    /// When it was made, as the signer claims.
    pub const fn created_at(&self) -> Timestamp {
        self.created_at
    }
    /// Whether it may be served.
    pub const fn standing(&self) -> Standing {
        self.standing
    }
    /// Checks that the first cosigned checkpoint that covers the version is not later than its approvals allow.
    ///
    /// Errors: refused, [`LedgerError::Expired`].
    pub fn check_cosigned_at(&self, seconds: u64) -> Result<(), LedgerError> {
        let limit = self.expires_at.seconds().saturating_add(COSIGN_SLACK_S);
        if i64::try_from(seconds).is_ok_and(|at| at <= limit) { Ok(()) } else { Err(LedgerError::Expired) }
    }
}

#[derive(Clone, Debug)]
struct Record {
    statement: Statement,
    leaf: Digest,
    /// False when keys revoked since take its force away.
    counts: bool,
}

/// The verified statements of a log, in order.
#[derive(Clone, Debug)]
pub struct History {
    trust: Trust,
    records: Vec<Record>,
    entries: BTreeMap<Digest, u64>,
    by_id: BTreeMap<Digest, Vec<usize>>,
    versions: Vec<VerifiedVersion>,
    roots: BTreeMap<Digest, u64>,
    erased: BTreeMap<Digest, u64>,
    leaves: BTreeMap<Digest, Vec<Digest>>,
    /// Rejections by proposal: reviewer and log index. A rejection may stand before its proposal, too.
    rejected: BTreeMap<Digest, Vec<(PrincipalId, u64)>>,
    /// Checked entries that come next if nothing else does, last one first: see [`History::take_back`].
    checked: Vec<(Record, Option<VerifiedVersion>)>,
}

/// Verifies all entries of a log in order and returns its versions.
///
/// `leaves` gives, for each manifest at hand, its leaf hashes; a rollback after an erasure needs those of the
/// manifest it restores.
///
/// Errors: refused, with the index ([`LedgerError::At`]) of the first entry that fails.
pub fn verify_history<'a>(
    entries: impl IntoIterator<Item = &'a [u8]>,
    trust: &Trust,
    leaves: impl IntoIterator<Item = Vec<Digest>>,
) -> Result<Vec<VerifiedVersion>, LedgerError> {
    let mut history = History::new(trust.clone());
    leaves.into_iter().for_each(|leaves| history.know_leaves(leaves));
    for entry in entries {
        history.push(entry)?;
    }
    Ok(history.versions)
}

impl History {
    /// An empty log.
    pub const fn new(trust: Trust) -> Self {
        Self {
            trust,
            records: Vec::new(),
            entries: BTreeMap::new(),
            by_id: BTreeMap::new(),
            versions: Vec::new(),
            roots: BTreeMap::new(),
            erased: BTreeMap::new(),
            leaves: BTreeMap::new(),
            rejected: BTreeMap::new(),
            checked: Vec::new(),
        }
    }
    /// The policies and keys it is checked under.
    pub const fn trust(&self) -> &Trust {
        &self.trust
    }
    /// Number of entries.
    pub fn len(&self) -> u64 {
        self.records.len() as u64
    }
    /// True before the first entry.
    pub fn is_empty(&self) -> bool {
        self.records.is_empty()
    }
    /// All versions, in order.
    pub fn versions(&self) -> &[VerifiedVersion] {
        &self.versions
    }
    /// The version with a number.
    pub fn version(&self, sequence: u64) -> Option<&VerifiedVersion> {
        let at = usize::try_from(sequence.checked_sub(1)?).ok()?;
        self.versions.get(at)
    }
    /// The statement at a log index.
    pub fn statement(&self, index: u64) -> Option<&Statement> {
        self.records.get(usize::try_from(index).ok()?).map(|record| &record.statement)
    }
    /// Leaf hashes that logged erasures cover.
    pub fn erased(&self) -> BTreeSet<Digest> {
        self.erased.keys().copied().collect()
    }
    /// True when some version had this manifest root: signing it again must be a declared rollback.
    pub fn has_root(&self, root: &Digest) -> bool {
        self.roots.contains_key(root)
    }
    /// The log index of a statement by its id; of several with one id, one that counts.
    pub fn index_of(&self, id: &Digest) -> Option<u64> {
        let places = self.by_id.get(id)?;
        let counting = places.iter().find(|at| self.records.get(**at).is_some_and(|record| record.counts));
        counting.or(places.first()).map(|at| *at as u64)
    }
    /// The log index of an entry with exactly these bytes.
    pub fn index_of_entry(&self, entry: &[u8]) -> Option<u64> {
        self.entries.get(&tree::leaf_hash(entry)).copied()
    }
    /// Learns the leaf hashes of a manifest; they vouch for themselves by their root.
    pub fn know_leaves(&mut self, leaves: Vec<Digest>) {
        self.checked.clear();
        self.leaves.insert(tree::root_of(leaves.iter().copied()), leaves);
    }

    /// Checks and adds one entry.
    ///
    /// Errors: refused, with its index; the history is then unchanged.
    pub fn push(&mut self, bytes: &[u8]) -> Result<&Statement, LedgerError> {
        let index = self.len();
        let leaf = tree::leaf_hash(bytes);
        // Checked before in this very place, after the very same entries: the answer is the same.
        let known = self.checked.pop().filter(|(record, _)| record.leaf == leaf);
        let (statement, counts, version) = match known {
            Some((record, version)) => (record.statement, record.counts, version),
            None => {
                self.checked.clear();
                self.check(bytes, index).map_err(|error| error.at(index))?
            }
        };
        self.entries.entry(leaf).or_insert(index);
        self.by_id.entry(statement.id).or_default().push(self.records.len());
        if let (Body::Erasure(erasure), true) = (&statement.body, counts) {
            self.erased.entry(erasure.leaf).or_insert(index);
        }
        if let (Body::Approval(Approval { approve: false, proposal, reviewer, .. }), true) = (&statement.body, counts) {
            self.rejected.entry(*proposal).or_default().push((reviewer.clone(), index));
        }
        if let Some(version) = version {
            self.roots.entry(version.common.root).or_insert(index);
            self.versions.push(version);
        }
        self.records.push(Record { statement, leaf, counts });
        Ok(&self.records[self.records.len() - 1].statement)
    }
    /// Like [`History::push`] for an entry that is about to be logged: it must count in full today.
    ///
    /// Errors: refused, also [`LedgerError::AlreadyLogged`] and [`LedgerError::Signature`] for a retired key.
    pub(in crate::ledger) fn push_new(&mut self, bytes: &[u8]) -> Result<(), LedgerError> {
        if let Some(index) = self.index_of_entry(bytes) {
            return Err(LedgerError::AlreadyLogged { index });
        }
        let before = self.len();
        self.push(bytes)?;
        let counts = self.records.last().is_some_and(|record| record.counts);
        let revoked = self.versions.last().is_some_and(|v| v.index == before && v.standing == Standing::Revoked);
        if counts && !revoked {
            return Ok(());
        }
        self.rewind(before);
        Err(LedgerError::Signature { why: "by a retired key" }.at(before))
    }
    /// Forgets all entries from `len` on.
    pub(in crate::ledger) fn rewind(&mut self, len: u64) {
        self.take_back(len);
        self.checked.clear();
    }
    /// The same, but remembers what was found out about them: checking them again right away costs nothing.
    pub(in crate::ledger) fn take_back(&mut self, len: u64) {
        self.checked.clear();
        while self.len() > len {
            let Some(record) = self.records.pop() else { return };
            let mut taken = None;
            let index = self.len();
            let is_this = |found: Option<&u64>| found == Some(&index);
            if is_this(self.entries.get(&record.leaf)) {
                self.entries.remove(&record.leaf);
            }
            if let Some(places) = self.by_id.get_mut(&record.statement.id) {
                places.pop();
                if places.is_empty() {
                    self.by_id.remove(&record.statement.id);
                }
            }
            match &record.statement.body {
                Body::Version(version) => {
                    taken = self.versions.pop();
                    if is_this(self.roots.get(&version.common.root)) {
                        self.roots.remove(&version.common.root);
                    }
                }
                Body::Erasure(erasure) if is_this(self.erased.get(&erasure.leaf)) => {
                    self.erased.remove(&erasure.leaf);
                }
                Body::Approval(approval) => {
                    if let Some(rejections) = self.rejected.get_mut(&approval.proposal) {
                        rejections.retain(|(_, at)| *at < index);
                    }
                }
                _ => {}
            }
            self.checked.push((record, taken));
        }
    }

    fn check(&self, bytes: &[u8], index: u64) -> Result<(Statement, bool, Option<VerifiedVersion>), LedgerError> {
        let envelope = Envelope::parse(bytes)?;
        let verified = envelope.verify(|id| self.trust.key(id))?;
        let statement = Statement::read(&verified, self.trust.namespace())?;
        let counts = self.check_signers(&statement, verified.signers(), index)?;
        let version = match &statement.body {
            Body::Version(version) => Some(self.check_version(&statement, version, index, counts)?),
            _ => None,
        };
        Ok((statement, counts, version))
    }

    /// The policies of which one must govern an act outside any version: that of the last version or the next.
    fn governs_now(&self, digest: &Digest) -> bool {
        let last = self.versions.len() as u64;
        [last.max(1), last + 1].iter().any(|sequence| self.trust.governing(*sequence).digest() == digest)
    }

    /// The signers' right to make the statement; false when keys retired since leave it without force.
    fn check_signers(&self, statement: &Statement, signers: &[KeyId], index: u64) -> Result<bool, LedgerError> {
        let what = statement.body.kind();
        let role = LedgerError::Role { what };
        let current = self.trust.policy();
        let claimed = statement.body.policy().and_then(|digest| self.trust.policy_of(digest));
        let policy = claimed.unwrap_or(current);
        let counting: Vec<KeyId> =
            signers.iter().filter(|id| current.retired(id).is_none_or(|reach| reach.holds(index))).copied().collect();
        let speaks_for = |name: &PrincipalId, needed: Role| {
            policy.has_role(name, needed) && signers.iter().all(|id| policy.owner(id) == Some(name))
        };
        match &statement.body {
            Body::Proposal(p) if !speaks_for(&p.proposer, Role::Proposer) => Err(role),
            Body::Approval(a) if !speaks_for(&a.reviewer, Role::Reviewer) => Err(role),
            Body::Proposal(_) | Body::Approval(_) => Ok(!counting.is_empty()),
            Body::Verdict(_) if !signers.iter().all(|id| policy.is_gate(id)) => Err(role),
            Body::Verdict(_) => Ok(!counting.is_empty()),
            Body::TrustNotice(TrustNotice { store, .. }) | Body::AuditEvent(AuditEvent { store, .. }) => {
                if store != current.store() {
                    return Err(LedgerError::Binding { what, member: "store" });
                }
                let last = self.versions.len() as u64;
                let policies = [self.trust.governing(last.max(1)), self.trust.governing(last + 1)];
                if !policies.iter().any(|policy| signers.iter().all(|id| policy.is_gate(id))) {
                    return Err(role);
                }
                Ok(!counting.is_empty())
            }
            Body::Version(_) => {
                if !signers.iter().all(|id| policy.is_version_signer(id)) {
                    return Err(role);
                }
                let needed = policy.version_threshold();
                if signers.len() < needed {
                    return Err(LedgerError::Threshold { what: "version signers", found: signers.len(), needed });
                }
                Ok(counting.len() >= needed)
            }
            Body::Erasure(erasure) => self.check_erasure(erasure, policy, signers, &counting),
        }
    }

    fn check_erasure(
        &self,
        erasure: &Erasure,
        policy: &TrustPolicy,
        signers: &[KeyId],
        counting: &[KeyId],
    ) -> Result<bool, LedgerError> {
        let what = "memory-erasure";
        let people = |keys: &[KeyId]| keys.iter().filter_map(|id| policy.owner(id)).collect::<BTreeSet<_>>().len();
        let reviewer = |id: &KeyId| policy.owner(id).is_some_and(|name| policy.has_role(name, Role::Reviewer));
        if !signers.iter().all(reviewer) {
            return Err(LedgerError::Role { what });
        }
        let needed = policy.needed_to_erase();
        if people(signers) < needed {
            return Err(LedgerError::Threshold { what: "reviewers", found: people(signers), needed });
        }
        if erasure.store != *policy.store() {
            return Err(LedgerError::Binding { what, member: "store" });
        }
        // A reviewer of an old policy must not erase under it today.
        if !self.governs_now(&erasure.policy) {
            return Err(LedgerError::Binding { what, member: "policy" });
        }
        Ok(people(counting) >= needed)
    }

    /// The record of a statement id; one that counts is preferred.
    fn find(&self, id: &Digest) -> Option<&Record> {
        let places = self.by_id.get(id)?;
        let mut records = places.iter().map(|at| &self.records[*at]);
        let first = records.next()?;
        if first.counts { Some(first) } else { records.find(|record| record.counts).or(Some(first)) }
    }

    fn check_version(
        &self,
        statement: &Statement,
        version: &VersionStatement,
        index: u64,
        counts: bool,
    ) -> Result<VerifiedVersion, LedgerError> {
        let what = "memory-version";
        let common = &version.common;
        // Step 1: store and policy.
        let policy = self.trust.governing(common.sequence);
        if common.store != *policy.store() {
            return Err(LedgerError::Binding { what, member: "store" });
        }
        if common.policy != *policy.digest() {
            return Err(LedgerError::Binding { what, member: "policy" });
        }
        // Step 2: place in the chain.
        let expected = self.versions.len() as u64 + 1;
        if common.sequence != expected || (common.action == Action::Genesis) != (expected == 1) {
            return Err(LedgerError::Sequence { expected, found: common.sequence });
        }
        if common.parent != self.versions.last().map(|last| last.id) {
            return Err(LedgerError::Parent);
        }
        // Step 3: subject.
        if statement.subject != common.subject() {
            return Err(LedgerError::Subject { why: "not the head that root and size stand for" });
        }
        // Step 4: the statements it names, earlier in the log, about the same thing.
        let mut standing = if counts { Standing::Good } else { Standing::Revoked };
        let binds = |what: &'static str, other: &Statement, same: bool| {
            if other.subject == statement.subject && same {
                Ok(())
            } else {
                Err(LedgerError::Binding { what, member: "subject or shared members" })
            }
        };
        let missing = |what| LedgerError::Missing { what };
        let proposal_record = self.find(&version.proposal).ok_or_else(|| missing("the proposal"))?;
        let Body::Proposal(proposal) = &proposal_record.statement.body else {
            return Err(missing("the proposal"));
        };
        let same = proposal.common == *common && proposal.restores == version.restores;
        binds("memory-proposal", &proposal_record.statement, same)?;
        let verdict_record = self.find(&version.verdict).ok_or_else(|| missing("the verdict"))?;
        let Body::Verdict(verdict) = &verdict_record.statement.body else {
            return Err(missing("the verdict"));
        };
        let same = verdict.policy == common.policy && verdict.proposal == version.proposal;
        binds("verdict", &verdict_record.statement, same)?;
        if !proposal_record.counts || !verdict_record.counts {
            standing = Standing::Revoked;
        }
        let mut approvals = Vec::new();
        for id in &version.approvals {
            let record = self.find(id).ok_or_else(|| missing("an approval"))?;
            let Body::Approval(approval) = &record.statement.body else {
                return Err(missing("an approval"));
            };
            let same = approval.common == *common && approval.proposal == version.proposal;
            binds("memory-approval", &record.statement, same)?;
            approvals.push((approval, record.counts));
        }
        // Step 5: verdict, decisions, time.
        if !verdict.passed {
            return Err(LedgerError::Verdict);
        }
        if approvals.iter().any(|(approval, _)| !approval.approve) || self.is_rejected(&version.proposal, policy) {
            return Err(LedgerError::Rejected);
        }
        if approvals.iter().any(|(approval, _)| version.created_at > approval.expires_at) {
            return Err(LedgerError::Expired);
        }
        // Step 6: people, not keys and not signatures, and never the proposer.
        let people = |all: bool| -> BTreeSet<&PrincipalId> {
            let counted = approvals.iter().filter(|(_, counts)| all || *counts);
            counted.map(|(approval, _)| &approval.reviewer).filter(|name| **name != proposal.proposer).collect()
        };
        let needed = policy.needed(common.action);
        if people(true).len() < needed {
            return Err(LedgerError::Threshold { what: "reviewers", found: people(true).len(), needed });
        }
        if people(false).len() < needed {
            standing = Standing::Revoked;
        }
        // Step 7.
        self.check_rollback(version)?;
        Ok(VerifiedVersion {
            id: statement.id,
            index,
            common: common.clone(),
            restores: version.restores.clone(),
            proposer: proposal.proposer.clone(),
            reviewers: people(false).into_iter().cloned().collect(),
            created_at: version.created_at,
            expires_at: approvals.iter().map(|(a, _)| a.expires_at).min().unwrap_or(version.created_at),
            standing,
        })
    }

    /// A logged rejection by an entitled reviewer blocks its proposal, listed or not.
    fn is_rejected(&self, proposal: &Digest, policy: &TrustPolicy) -> bool {
        let rejections = self.rejected.get(proposal).into_iter().flatten();
        rejections.into_iter().any(|(reviewer, _)| policy.has_role(reviewer, Role::Reviewer))
    }

    /// Section 10: a rollback is a new version that says what it restores; nothing else may bring a root back.
    fn check_rollback(&self, version: &VersionStatement) -> Result<(), LedgerError> {
        let refuse = |why| Err(LedgerError::Rollback { why });
        let common = &version.common;
        if common.action != Action::Rollback {
            if version.restores.is_some() {
                return refuse("restores something without being a rollback");
            }
            if self.has_root(&common.root) {
                return refuse("the content of an earlier version, undeclared");
            }
            return Ok(());
        }
        let Some(restores) = &version.restores else {
            return refuse("does not say what it restores");
        };
        let Some(old) = self.version(restores.sequence).filter(|old| old.id == restores.id) else {
            return refuse("restores a version that is not in the log");
        };
        let (omitted, leaves) = match self.leaves.get(&old.common.root) {
            Some(leaves) => {
                let omitted: BTreeSet<Digest> =
                    leaves.iter().filter(|leaf| self.erased.contains_key(leaf)).copied().collect();
                (omitted, Some(leaves))
            }
            // Without an erasure nothing can have to be omitted.
            None if self.erased.is_empty() => (BTreeSet::new(), None),
            None => return refuse("the leaves of the restored manifest are needed, because something was erased"),
        };
        if !restores.omitted.iter().eq(&omitted) {
            return refuse("does not omit exactly what was erased");
        }
        let (root, size) = match leaves {
            Some(leaves) if !omitted.is_empty() => {
                let kept: Vec<Digest> = leaves.iter().filter(|leaf| !omitted.contains(leaf)).copied().collect();
                let size = kept.len() as u64;
                (tree::root_of(kept), size)
            }
            _ => (old.common.root, old.common.size),
        };
        if common.root == root && common.size == size {
            Ok(())
        } else {
            refuse("the content is not that of the version it restores")
        }
    }
}
