//! The trust policy: which keys may do what, and how many people are needed.

use std::collections::{BTreeMap, BTreeSet};

use super::checkpoint::TlogPolicy;
use super::statement::{is_code, is_store_name};
use super::{Action, KeyId, LedgerError, Namespace, PublicKey, TestKeys};
use crate::domain::canonical::{Value, parse_canonical};
use crate::domain::{Digest, PrincipalId, StoreName};

/// What a person or service may sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Role {
    /// Proposals.
    Proposer,
    /// Approvals, rejections and erasures.
    Reviewer,
}

impl Role {
    const fn name(self) -> &'static str {
        match self {
            Self::Proposer => "proposer",
            Self::Reviewer => "reviewer",
        }
    }
}

/// A person or service under a pseudonym.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Principal {
    /// Keys, each of which speaks for this principal.
    pub keys: Vec<KeyId>,
    /// Roles.
    pub roles: Vec<Role>,
}

/// A range of log indices or sequence numbers, both ends included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reach {
    /// First.
    pub from: u64,
    /// Last.
    pub to: u64,
}

impl Reach {
    /// True when the number lies in the range.
    pub const fn holds(&self, number: u64) -> bool {
        self.from <= number && number <= self.to
    }
}

/// How many distinct people each act needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Approvals {
    /// The first version.
    pub genesis: usize,
    /// New content.
    pub advance: usize,
    /// Old content again.
    pub rollback: usize,
    /// An erasure.
    pub erase: usize,
}

/// The parts of a policy, to write one.
#[derive(Clone, Debug)]
pub struct PolicyParts {
    /// The store it governs.
    pub store: StoreName,
    /// All keys.
    pub keys: Vec<PublicKey>,
    /// People and services.
    pub principals: BTreeMap<PrincipalId, Principal>,
    /// Gate keys.
    pub gates: Vec<KeyId>,
    /// Version signers and how many must sign.
    pub version_signers: (Vec<KeyId>, usize),
    /// Thresholds.
    pub approvals: Approvals,
    /// Retired keys and the log indices at which they count.
    pub retired: BTreeMap<KeyId, Reach>,
    /// Earlier policy files and the versions each governs.
    pub history: Vec<(Digest, Reach)>,
}

/// A loaded trust policy file.
///
/// Shape: canonical JSON; `policy.json` of the signing format, section 5.
#[derive(Clone, Debug)]
pub struct TrustPolicy {
    digest: Digest,
    store: StoreName,
    keys: BTreeMap<KeyId, PublicKey>,
    principals: BTreeMap<PrincipalId, Principal>,
    owners: BTreeMap<KeyId, PrincipalId>,
    gates: BTreeSet<KeyId>,
    version_signers: BTreeSet<KeyId>,
    version_threshold: usize,
    approvals: Approvals,
    retired: BTreeMap<KeyId, Reach>,
    history: Vec<(Digest, Reach)>,
}

const fn refuse(why: &'static str) -> LedgerError {
    LedgerError::Policy { why }
}

impl PolicyParts {
    /// The policy file's bytes.
    ///
    /// Errors: refused, when [`TrustPolicy::parse`] would refuse them.
    pub fn to_bytes(&self, namespace: &Namespace, test_keys: TestKeys) -> Result<Vec<u8>, LedgerError> {
        let ids = |keys: &[KeyId]| Value::List(keys.iter().map(|id| Value::text(id.to_string())).collect());
        let count = |n: usize| Value::Int(i64::try_from(n).unwrap_or(i64::MAX));
        let edge = |n: u64| Value::Int(i64::try_from(n).unwrap_or(i64::MAX));
        let principal = |p: &Principal| {
            let roles = p.roles.iter().map(|role| Value::text(role.name())).collect();
            Value::map([("keys", ids(&p.keys)), ("roles", Value::List(roles))])
        };
        let principals = self.principals.iter().map(|(name, p)| (name.to_string(), principal(p))).collect();
        let keys = self.keys.iter().map(|key| (key.id().to_string(), Value::text(key.hex()))).collect();
        let mut members = BTreeMap::from([
            (
                "approvals".to_owned(),
                Value::map([
                    ("advance", count(self.approvals.advance)),
                    ("erase", count(self.approvals.erase)),
                    ("genesis", count(self.approvals.genesis)),
                    ("rollback", count(self.approvals.rollback)),
                ]),
            ),
            ("gates".to_owned(), ids(&self.gates)),
            ("keys".to_owned(), Value::Map(keys)),
            ("principals".to_owned(), Value::Map(principals)),
            ("schema".to_owned(), Value::text(namespace.policy_schema())),
            ("store".to_owned(), Value::text(self.store.as_str())),
            (
                "versionSigners".to_owned(),
                Value::map([("keys", ids(&self.version_signers.0)), ("threshold", count(self.version_signers.1))]),
            ),
        ]);
        if !self.retired.is_empty() {
            let range = |reach: &Reach| Value::map([("fromIndex", edge(reach.from)), ("toIndex", edge(reach.to))]);
            let retired = self.retired.iter().map(|(id, reach)| (id.to_string(), range(reach))).collect();
            members.insert("retired".to_owned(), Value::Map(retired));
        }
        if !self.history.is_empty() {
            let item = |(policy, reach): &(Digest, Reach)| {
                Value::map([
                    ("fromSequence", edge(reach.from)),
                    ("policy", Value::text(policy.hex())),
                    ("toSequence", edge(reach.to)),
                ])
            };
            members.insert("history".to_owned(), Value::List(self.history.iter().map(item).collect()));
        }
        let bytes = Value::Map(members).to_bytes().map_err(|_| refuse("a value is outside the signable subset"))?;
        TrustPolicy::parse(&bytes, namespace, test_keys)?;
        Ok(bytes)
    }
}

impl TrustPolicy {
    /// Reads a policy file and applies the rules on keys.
    ///
    /// Errors: refused: [`LedgerError::Policy`], [`LedgerError::Key`].
    pub fn parse(bytes: &[u8], namespace: &Namespace, test_keys: TestKeys) -> Result<Self, LedgerError> {
        let value = parse_canonical(bytes).map_err(|_| refuse("not canonical JSON"))?;
        let top = value.as_map().ok_or(refuse("not an object"))?;
        let allowed =
            ["approvals", "gates", "history", "keys", "principals", "retired", "schema", "store", "versionSigners"];
        if top.keys().any(|name| !allowed.contains(&name.as_str())) {
            return Err(refuse("unknown member"));
        }
        let get = |name: &str| top.get(name).ok_or(refuse("missing member"));
        if get("schema")?.as_text() != Some(namespace.policy_schema().as_str()) {
            return Err(refuse("another schema"));
        }
        let store = get("store")?.as_text().filter(|s| is_store_name(s)).ok_or(refuse("malformed store name"))?;

        let mut keys = BTreeMap::new();
        for (id, hex) in get("keys")?.as_map().ok_or(refuse("keys is not an object"))? {
            let key = PublicKey::enrol_hex(hex.as_text().ok_or(refuse("a key is not text"))?, test_keys)?;
            if key.id().to_string() != *id {
                return Err(refuse("a key id does not name its key"));
            }
            keys.insert(key.id(), key);
        }
        let known = |value: &Value| key_ids(value, &keys);

        let mut principals = BTreeMap::new();
        let mut owners = BTreeMap::new();
        for (name, value) in get("principals")?.as_map().ok_or(refuse("principals is not an object"))? {
            if !is_code(name) {
                return Err(refuse("a principal is a pseudonym of lower-case letters, digits and hyphens"));
            }
            let members = exactly(value, &["keys", "roles"])?;
            let principal = Principal { keys: known(&members["keys"])?, roles: read_roles(&members["roles"])? };
            if principal.keys.is_empty() || principal.roles.is_empty() {
                return Err(refuse("a principal has no key or no role"));
            }
            for id in &principal.keys {
                // One person with two names would be two people.
                if owners.insert(*id, PrincipalId::from(name.as_str())).is_some() {
                    return Err(refuse("one key serves two principals"));
                }
            }
            principals.insert(PrincipalId::from(name.as_str()), principal);
        }
        let gates: BTreeSet<KeyId> = known(get("gates")?)?.into_iter().collect();
        let signers = exactly(get("versionSigners")?, &["keys", "threshold"])?;
        let version_signers: BTreeSet<KeyId> = known(&signers["keys"])?.into_iter().collect();
        let version_threshold = positive(&signers["threshold"])?;
        if gates.is_empty() || version_threshold > version_signers.len() {
            return Err(refuse("no gate key, or fewer version signers than must sign"));
        }
        let overlap = |ids: &BTreeSet<KeyId>| ids.iter().any(|id| owners.contains_key(id));
        if overlap(&gates) || overlap(&version_signers) || !gates.is_disjoint(&version_signers) {
            return Err(refuse("one key serves two purposes"));
        }
        let approvals = exactly(get("approvals")?, &["advance", "erase", "genesis", "rollback"])?;
        let approvals = Approvals {
            genesis: positive(&approvals["genesis"])?,
            advance: positive(&approvals["advance"])?,
            rollback: positive(&approvals["rollback"])?,
            erase: positive(&approvals["erase"])?,
        };
        let reviewers = principals.values().filter(|p| p.roles.contains(&Role::Reviewer)).count();
        let most = approvals.genesis.max(approvals.advance).max(approvals.rollback).max(approvals.erase);
        if most > reviewers {
            return Err(refuse("fewer reviewers than approvals are needed"));
        }
        let retired = read_retired(top.get("retired"), &keys)?;
        let history = read_history(top.get("history"))?;
        Ok(Self {
            digest: Digest::of(bytes),
            store: StoreName::from(store),
            keys,
            principals,
            owners,
            gates,
            version_signers,
            version_threshold,
            approvals,
            retired,
            history,
        })
    }
    /// SHA-256 of the file.
    pub const fn digest(&self) -> &Digest {
        &self.digest
    }
    /// The store it governs.
    pub const fn store(&self) -> &StoreName {
        &self.store
    }
    /// The key of an id.
    pub fn key(&self, id: &KeyId) -> Option<&PublicKey> {
        self.keys.get(id)
    }
    /// All keys.
    pub fn keys(&self) -> impl Iterator<Item = &PublicKey> {
        self.keys.values()
    }
    /// All principals.
    pub const fn principals(&self) -> &BTreeMap<PrincipalId, Principal> {
        &self.principals
    }
    /// Who owns a key.
    pub fn owner(&self, id: &KeyId) -> Option<&PrincipalId> {
        self.owners.get(id)
    }
    /// True when the principal has the role.
    pub fn has_role(&self, principal: &PrincipalId, role: Role) -> bool {
        self.principals.get(principal).is_some_and(|p| p.roles.contains(&role))
    }
    /// True for a gate key.
    pub fn is_gate(&self, id: &KeyId) -> bool {
        self.gates.contains(id)
    }
    /// True for a version signer's key.
    pub fn is_version_signer(&self, id: &KeyId) -> bool {
        self.version_signers.contains(id)
    }
    /// How many version signers must sign.
    pub const fn version_threshold(&self) -> usize {
        self.version_threshold
    }
    /// How many reviewers an action needs.
    pub const fn needed(&self, action: Action) -> usize {
        match action {
            Action::Genesis => self.approvals.genesis,
            Action::Advance => self.approvals.advance,
            Action::Rollback => self.approvals.rollback,
        }
    }
    /// How many reviewers an erasure needs.
    pub const fn needed_to_erase(&self) -> usize {
        self.approvals.erase
    }
    /// The log indices at which a retired key counts.
    pub fn retired(&self, id: &KeyId) -> Option<&Reach> {
        self.retired.get(id)
    }
    /// Earlier policy files and the versions each governs.
    pub fn history(&self) -> &[(Digest, Reach)] {
        &self.history
    }
}

fn exactly<'a>(value: &'a Value, names: &[&str]) -> Result<&'a BTreeMap<String, Value>, LedgerError> {
    let members = value.as_map().ok_or(refuse("not an object"))?;
    if members.len() == names.len() && names.iter().all(|name| members.contains_key(*name)) {
        Ok(members)
    } else {
        Err(refuse("missing or unknown member"))
    }
}

fn positive(value: &Value) -> Result<usize, LedgerError> {
    value
        .as_int()
        .and_then(|n| usize::try_from(n).ok())
        .filter(|n| (1..=64).contains(n))
        .ok_or(refuse("a threshold is a number from 1 to 64"))
}

fn key_ids(value: &Value, keys: &BTreeMap<KeyId, PublicKey>) -> Result<Vec<KeyId>, LedgerError> {
    let mut ids: Vec<KeyId> = Vec::new();
    for item in value.as_list().ok_or(refuse("a key list is not a list"))? {
        let id = item.as_text().and_then(|text| text.parse().ok()).ok_or(refuse("malformed key id"))?;
        if !keys.contains_key(&id) || ids.contains(&id) {
            return Err(refuse("a key id without a key, or listed twice"));
        }
        ids.push(id);
    }
    Ok(ids)
}

fn read_roles(value: &Value) -> Result<Vec<Role>, LedgerError> {
    let mut roles = Vec::new();
    for item in value.as_list().ok_or(refuse("roles is not a list"))? {
        let role = [Role::Proposer, Role::Reviewer].into_iter().find(|role| item.as_text() == Some(role.name()));
        let role = role.filter(|role| !roles.contains(role)).ok_or(refuse("unknown role, or listed twice"))?;
        roles.push(role);
    }
    Ok(roles)
}

fn reach(members: &BTreeMap<String, Value>, from: &str, to: &str) -> Result<Reach, LedgerError> {
    let edge = |name: &str| members.get(name).and_then(Value::as_int).and_then(|n| u64::try_from(n).ok());
    match (edge(from), edge(to)) {
        (Some(from), Some(to)) => Ok(Reach { from, to }),
        _ => Err(refuse("malformed range")),
    }
}

fn read_retired(
    value: Option<&Value>,
    keys: &BTreeMap<KeyId, PublicKey>,
) -> Result<BTreeMap<KeyId, Reach>, LedgerError> {
    let mut retired = BTreeMap::new();
    let Some(value) = value else { return Ok(retired) };
    for (id, range) in value.as_map().ok_or(refuse("retired is not an object"))? {
        let id: KeyId = id.parse().map_err(|_| refuse("malformed key id"))?;
        if !keys.contains_key(&id) {
            return Err(refuse("a retired key stays among the keys"));
        }
        retired.insert(id, reach(exactly(range, &["fromIndex", "toIndex"])?, "fromIndex", "toIndex")?);
    }
    Ok(retired)
}

fn read_history(value: Option<&Value>) -> Result<Vec<(Digest, Reach)>, LedgerError> {
    let mut history: Vec<(Digest, Reach)> = Vec::new();
    let Some(value) = value else { return Ok(history) };
    for item in value.as_list().ok_or(refuse("history is not a list"))? {
        let members = exactly(item, &["fromSequence", "policy", "toSequence"])?;
        let policy = members["policy"].as_text().and_then(|t| t.parse().ok()).ok_or(refuse("malformed digest"))?;
        let range = reach(members, "fromSequence", "toSequence")?;
        // Ascending ranges that do not meet: each version has one policy.
        if range.from > range.to || history.last().is_some_and(|(_, last)| last.to >= range.from) {
            return Err(refuse("history ranges are not ascending and apart"));
        }
        history.push((policy, range));
    }
    Ok(history)
}

/// Everything a verifier trusts: the policy in force, the earlier ones it vouches for, and the log's keys.
#[derive(Clone, Debug)]
pub struct Trust {
    namespace: Namespace,
    current: TrustPolicy,
    earlier: BTreeMap<Digest, TrustPolicy>,
    tlog: TlogPolicy,
}

impl Trust {
    /// Joins the files and compares key bytes across them.
    ///
    /// Errors: refused: a key with two purposes, an earlier policy that the current one does not name, or one
    /// that it names and that is not given.
    pub fn new(
        namespace: Namespace,
        current: TrustPolicy,
        earlier: Vec<TrustPolicy>,
        tlog: TlogPolicy,
    ) -> Result<Self, LedgerError> {
        let earlier: BTreeMap<Digest, TrustPolicy> = earlier.into_iter().map(|p| (p.digest, p)).collect();
        let named: BTreeSet<Digest> = current.history.iter().map(|(digest, _)| *digest).collect();
        if named.iter().any(|digest| *digest != current.digest && !earlier.contains_key(digest))
            || earlier.keys().any(|digest| !named.contains(digest))
        {
            return Err(refuse("earlier policies are not exactly those the current one names"));
        }
        if earlier.values().any(|policy| policy.store != current.store) {
            return Err(refuse("an earlier policy governs another store"));
        }
        let log_keys: BTreeSet<[u8; 32]> = tlog.keys().map(|key| *key.bytes()).collect();
        let statement_keys = earlier.values().chain([&current]).flat_map(TrustPolicy::keys);
        if statement_keys.into_iter().any(|key| log_keys.contains(key.bytes())) {
            return Err(refuse("one key serves two purposes"));
        }
        Ok(Self { namespace, current, earlier, tlog })
    }
    /// The statement namespace.
    pub const fn namespace(&self) -> &Namespace {
        &self.namespace
    }
    /// The policy in force.
    pub const fn policy(&self) -> &TrustPolicy {
        &self.current
    }
    /// The log's and the witnesses' keys.
    pub const fn tlog(&self) -> &TlogPolicy {
        &self.tlog
    }
    /// The policy with a digest, current or earlier.
    pub fn policy_of(&self, digest: &Digest) -> Option<&TrustPolicy> {
        if *digest == self.current.digest { Some(&self.current) } else { self.earlier.get(digest) }
    }
    /// The policy that governs a sequence number.
    pub fn governing(&self, sequence: u64) -> &TrustPolicy {
        let hit = self.current.history.iter().find(|(_, reach)| reach.holds(sequence));
        hit.and_then(|(digest, _)| self.policy_of(digest)).unwrap_or(&self.current)
    }
    /// The key of an id under any of the policies.
    pub fn key(&self, id: &KeyId) -> Option<&PublicKey> {
        self.current.key(id).or_else(|| self.earlier.values().find_map(|policy| policy.key(id)))
    }
}
