//! The statements of the log: typed, built and read in one canonical form.

use std::collections::BTreeMap;

use super::envelope::VerifiedPayload;
use super::{Head, LedgerError};
use crate::domain::canonical::{Value, parse_canonical};
use crate::domain::{Digest, PrincipalId, StoreName, Timestamp};

/// `_type` of every statement. Source: in-toto attestation framework v1.
pub const STATEMENT_TYPE: &str = "https://in-toto.io/Statement/v1";
/// Predicate type of the gate's verdict. Source: SLSA verification summary v1.
pub const VSA_TYPE: &str = "https://slsa.dev/verification_summary/v1";
/// Where a verdict says the policy is.
const POLICY_URI: &str = "trust/policy.json";

/// The prefix of our predicate types, and the names that follow from it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Namespace {
    host: String,
}

impl Default for Namespace {
    fn default() -> Self {
        Self::product()
    }
}

impl Namespace {
    /// The product's own: `https://memgate.example/attestation/`. Never changes.
    pub fn product() -> Self {
        Self { host: "memgate.example".to_owned() }
    }
    /// Another product's evidence, by its host name.
    pub fn of_host(host: impl Into<String>) -> Self {
        Self { host: host.into() }
    }
    /// The predicate type of a kind, e.g. `memory-version`.
    pub fn predicate(&self, kind: &str) -> String {
        format!("https://{}/attestation/{kind}/v1", self.host)
    }
    /// The gate's verifier id.
    pub fn verifier(&self) -> String {
        format!("https://{}/gate", self.host)
    }
    /// The schema name of the trust policy.
    pub fn policy_schema(&self) -> String {
        format!("{}/trust-policy/v1", self.host)
    }
    /// The schema name of the trust root.
    pub fn root_schema(&self) -> String {
        format!("{}/trust-root/v1", self.host)
    }
    /// A lawful store name, `<host>/stores/<name>`.
    pub fn store(&self, name: &str) -> StoreName {
        StoreName::new(format!("{}/stores/{name}", self.host))
    }
    /// A lawful log origin, `<host>/logs/<name>`.
    pub fn log_origin(&self, name: &str) -> String {
        format!("{}/logs/{name}", self.host)
    }
}

/// What a version does to the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Action {
    /// The first version.
    Genesis,
    /// New content.
    Advance,
    /// The content of an earlier version again.
    Rollback,
}

impl Action {
    /// Stable lower-case name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Genesis => "genesis",
            Self::Advance => "advance",
            Self::Rollback => "rollback",
        }
    }
    fn parse(text: &str) -> Option<Self> {
        [Self::Genesis, Self::Advance, Self::Rollback].into_iter().find(|action| action.name() == text)
    }
}

/// What proposal, approval and version of one change have in common.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Common {
    /// Store name.
    pub store: StoreName,
    /// 1, 2, 3 … without gaps.
    pub sequence: u64,
    /// Statement id of the previous version.
    pub parent: Option<Digest>,
    /// What it does.
    pub action: Action,
    /// Tree root over the manifest's lines.
    pub root: Digest,
    /// Number of manifest lines.
    pub size: u64,
    /// SHA-256 of the trust policy file in force.
    pub policy: Digest,
}

impl Common {
    /// The head that root and size stand for.
    pub fn head(&self) -> Head {
        Head::new(&self.store, self.size, self.root)
    }
    /// The one subject of every statement about this version.
    pub fn subject(&self) -> Subject {
        Subject { name: format!("{}/versions/{}", self.store, self.sequence), digest: self.head().digest() }
    }
    fn members(&self) -> Result<BTreeMap<String, Value>, LedgerError> {
        let manifest =
            Value::map([("rootHash", Value::text(self.root.hex())), ("size", number(self.size, "manifest")?)]);
        let Value::Map(members) = Value::map([
            ("action", Value::text(self.action.name())),
            ("manifest", manifest),
            ("parent", self.parent.map_or(Value::Null, |id| Value::text(id.hex()))),
            ("policy", Value::text(self.policy.hex())),
            ("sequence", number(self.sequence, "sequence")?),
            ("store", Value::text(self.store.as_str())),
        ]) else {
            return Err(LedgerError::Field { member: "predicate" });
        };
        Ok(members)
    }
}

fn number(value: u64, member: &'static str) -> Result<Value, LedgerError> {
    i64::try_from(value).map(Value::Int).map_err(|_| LedgerError::Field { member })
}

/// The version a rollback restores.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restores {
    /// Its statement id.
    pub id: Digest,
    /// Its sequence number.
    pub sequence: u64,
    /// Leaf hashes of its manifest that a logged erasure covers, ascending.
    pub omitted: Vec<Digest>,
}

/// The one subject of a statement.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// Its name.
    pub name: String,
    /// Its SHA-256.
    pub digest: Digest,
}

/// Somebody proposes a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// Shared members.
    pub common: Common,
    /// For a rollback.
    pub restores: Option<Restores>,
    /// Pseudonym.
    pub proposer: PrincipalId,
    /// Claimed time.
    pub proposed_at: Timestamp,
}

/// A reviewer's decision about a proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Approval {
    /// Shared members.
    pub common: Common,
    /// Statement id of the proposal.
    pub proposal: Digest,
    /// Pseudonym.
    pub reviewer: PrincipalId,
    /// False is a rejection, which blocks the proposal.
    pub approve: bool,
    /// Claimed time.
    pub reviewed_at: Timestamp,
    /// After this it no longer counts.
    pub expires_at: Timestamp,
    /// Commitment to notes kept elsewhere.
    pub notes: Option<Digest>,
}

/// The gate's verdict, an SLSA verification summary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Verdict {
    /// Statement id of the proposal.
    pub proposal: Digest,
    /// SHA-256 of the trust policy file.
    pub policy: Digest,
    /// True for `PASSED`.
    pub passed: bool,
    /// Levels, e.g. `MEMGATE_SCAN_PASSED`.
    pub levels: Vec<String>,
    /// Claimed time.
    pub verified_at: Timestamp,
}

/// A version is released.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VersionStatement {
    /// Shared members.
    pub common: Common,
    /// For a rollback.
    pub restores: Option<Restores>,
    /// Statement id of the proposal.
    pub proposal: Digest,
    /// Statement ids of the approvals, ascending.
    pub approvals: Vec<Digest>,
    /// Statement id of the verdict.
    pub verdict: Digest,
    /// Claimed time.
    pub created_at: Timestamp,
}

/// A memory's content, provenance and salt were destroyed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Erasure {
    /// Store name.
    pub store: StoreName,
    /// Leaf hash of the memory's manifest line.
    pub leaf: Digest,
    /// A code, never text.
    pub reason: String,
    /// SHA-256 of the trust policy file.
    pub policy: Digest,
    /// Claimed time.
    pub erased_at: Timestamp,
    /// Codes of what was destroyed.
    pub destroyed: Vec<String>,
}

/// A new root or policy file is announced, so that a monitor sees key changes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TrustNotice {
    /// Store name.
    pub store: StoreName,
    /// File name, e.g. `policy.json` or `2.root.json`.
    pub file: String,
    /// SHA-256 of the file.
    pub digest: Digest,
}

/// Something worth a record that is not a version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuditEvent {
    /// Store name.
    pub store: StoreName,
    /// A code, never text.
    pub kind: String,
    /// Running number.
    pub serial: u64,
    /// SHA-256 of the record kept elsewhere.
    pub digest: Digest,
}

/// What a statement says.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Body {
    /// A proposal.
    Proposal(Proposal),
    /// An approval or rejection.
    Approval(Approval),
    /// The gate's verdict.
    Verdict(Verdict),
    /// A released version.
    Version(VersionStatement),
    /// An erasure.
    Erasure(Erasure),
    /// A new trust file.
    TrustNotice(TrustNotice),
    /// An audit event.
    AuditEvent(AuditEvent),
}

/// A statement, read from bytes under which a signature verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// SHA-256 of the payload.
    pub id: Digest,
    /// What it is about.
    pub subject: Subject,
    /// What it says.
    pub body: Body,
}

impl Body {
    /// Short name of the kind, as in the predicate type.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Proposal(_) => "memory-proposal",
            Self::Approval(_) => "memory-approval",
            Self::Verdict(_) => "verdict",
            Self::Version(_) => "memory-version",
            Self::Erasure(_) => "memory-erasure",
            Self::TrustNotice(_) => "trust-root",
            Self::AuditEvent(_) => "audit-event",
        }
    }
    /// The trust policy a statement says it is made under, when it says so.
    pub const fn policy(&self) -> Option<&Digest> {
        match self {
            Self::Proposal(p) => Some(&p.common.policy),
            Self::Approval(a) => Some(&a.common.policy),
            Self::Verdict(v) => Some(&v.policy),
            Self::Version(v) => Some(&v.common.policy),
            Self::Erasure(e) => Some(&e.policy),
            Self::TrustNotice(_) | Self::AuditEvent(_) => None,
        }
    }
    /// The payload bytes that are to be signed.
    ///
    /// `subject` is needed for verdicts, which do not carry the version's numbers; all others know theirs.
    ///
    /// Errors: refused, when a member is outside the signable subset.
    pub fn payload(&self, namespace: &Namespace, subject: &Subject) -> Result<Vec<u8>, LedgerError> {
        let predicate_type = match self {
            Self::Verdict(_) => VSA_TYPE.to_owned(),
            _ => namespace.predicate(self.kind()),
        };
        let subject_value = Value::map([
            ("digest", Value::map([("sha256", Value::text(subject.digest.hex()))])),
            ("name", Value::text(&subject.name)),
        ]);
        let value = Value::map([
            ("_type", Value::text(STATEMENT_TYPE)),
            ("predicate", self.predicate(namespace, subject)?),
            ("predicateType", Value::text(predicate_type)),
            ("subject", Value::List(vec![subject_value])),
        ]);
        value.to_bytes().map_err(LedgerError::Json)
    }
    fn predicate(&self, namespace: &Namespace, subject: &Subject) -> Result<Value, LedgerError> {
        let time = |at: Timestamp| Value::text(at.rfc3339_seconds());
        let texts = |items: &[String]| Value::List(items.iter().map(Value::text).collect());
        let restored = |restores: &Option<Restores>| -> Result<Value, LedgerError> {
            let Some(restores) = restores else { return Ok(Value::Null) };
            let omitted = restores.omitted.iter().map(|leaf| Value::text(leaf.hex())).collect();
            Ok(Value::map([
                ("id", Value::text(restores.id.hex())),
                ("omitted", Value::List(omitted)),
                ("sequence", number(restores.sequence, "restores")?),
            ]))
        };
        let joined = |common: &Common, more: Vec<(&str, Value)>| -> Result<Value, LedgerError> {
            let mut members = common.members()?;
            members.extend(more.into_iter().map(|(name, value)| (name.to_owned(), value)));
            Ok(Value::Map(members))
        };
        match self {
            Self::Proposal(p) => joined(
                &p.common,
                vec![
                    ("proposedAt", time(p.proposed_at)),
                    ("proposer", Value::text(p.proposer.as_str())),
                    ("restores", restored(&p.restores)?),
                ],
            ),
            Self::Approval(a) => joined(
                &a.common,
                vec![
                    ("decision", Value::text(if a.approve { "approve" } else { "reject" })),
                    ("expiresAt", time(a.expires_at)),
                    ("notes", a.notes.map_or(Value::Null, |notes| Value::text(notes.hex()))),
                    ("proposal", Value::text(a.proposal.hex())),
                    ("reviewedAt", time(a.reviewed_at)),
                    ("reviewer", Value::text(a.reviewer.as_str())),
                ],
            ),
            Self::Version(v) => joined(
                &v.common,
                vec![
                    ("approvals", Value::List(v.approvals.iter().map(|id| Value::text(id.hex())).collect())),
                    ("createdAt", time(v.created_at)),
                    ("proposal", Value::text(v.proposal.hex())),
                    ("restores", restored(&v.restores)?),
                    ("verdict", Value::text(v.verdict.hex())),
                ],
            ),
            Self::Verdict(v) => {
                let sha256 = |digest: &Digest| Value::map([("sha256", Value::text(digest.hex()))]);
                let input = Value::map([
                    ("digest", sha256(&v.proposal)),
                    ("uri", Value::text(namespace.predicate("memory-proposal"))),
                ]);
                Ok(Value::map([
                    ("inputAttestations", Value::List(vec![input])),
                    ("policy", Value::map([("digest", sha256(&v.policy)), ("uri", Value::text(POLICY_URI))])),
                    ("resourceUri", Value::text(&subject.name)),
                    ("timeVerified", time(v.verified_at)),
                    ("verificationResult", Value::text(if v.passed { "PASSED" } else { "FAILED" })),
                    ("verifiedLevels", texts(&v.levels)),
                    ("verifier", Value::map([("id", Value::text(namespace.verifier()))])),
                ]))
            }
            Self::Erasure(e) => Ok(Value::map([
                ("action", Value::text("erase")),
                ("destroyed", texts(&e.destroyed)),
                ("erasedAt", time(e.erased_at)),
                ("leafHash", Value::text(e.leaf.hex())),
                ("policy", Value::text(e.policy.hex())),
                ("reason", Value::text(&e.reason)),
                ("store", Value::text(e.store.as_str())),
            ])),
            Self::TrustNotice(n) => Ok(Value::map([("store", Value::text(n.store.as_str()))])),
            Self::AuditEvent(e) => Ok(Value::map([
                ("kind", Value::text(&e.kind)),
                ("serial", number(e.serial, "serial")?),
                ("store", Value::text(e.store.as_str())),
            ])),
        }
    }
    /// The subject of a statement that is not about a version.
    pub fn own_subject(&self) -> Option<Subject> {
        match self {
            Self::Proposal(p) => Some(p.common.subject()),
            Self::Approval(a) => Some(a.common.subject()),
            Self::Version(v) => Some(v.common.subject()),
            Self::Verdict(_) => None,
            Self::Erasure(e) => Some(Subject { name: format!("{}/leaves", e.store), digest: e.leaf }),
            Self::TrustNotice(n) => Some(Subject { name: format!("{}/trust/{}", n.store, n.file), digest: n.digest }),
            Self::AuditEvent(e) => Some(Subject { name: format!("{}/audit", e.store), digest: e.digest }),
        }
    }
}

impl Statement {
    /// Reads a statement from verified bytes.
    ///
    /// Errors: refused, in the order of the signing format, section 7.5: [`LedgerError::Json`],
    /// [`LedgerError::Field`] and [`LedgerError::Type`], [`LedgerError::Subject`], [`LedgerError::Field`].
    pub fn read(verified: &VerifiedPayload<'_>, namespace: &Namespace) -> Result<Self, LedgerError> {
        Self::read_payload(verified.bytes(), namespace)
    }

    fn read_payload(payload: &[u8], namespace: &Namespace) -> Result<Self, LedgerError> {
        let value = parse_canonical(payload).map_err(LedgerError::Json)?;
        let top = Members::of(&value, "statement", &["_type", "predicate", "predicateType", "subject"])?;
        if top.text("_type")? != STATEMENT_TYPE {
            return Err(LedgerError::Type { what: "_type" });
        }
        let predicate_type = top.text("predicateType")?;
        let kind = if predicate_type == VSA_TYPE {
            "verdict"
        } else {
            KINDS
                .into_iter()
                .find(|kind| namespace.predicate(kind) == predicate_type)
                .ok_or(LedgerError::Type { what: "predicateType" })?
        };
        let subject = read_subject(top.get("subject")?)?;
        let body = read_body(kind, top.get("predicate")?, &subject, namespace)?;
        Ok(Self { id: Digest::of(payload), subject, body })
    }
}

const KINDS: [&str; 6] =
    ["memory-proposal", "memory-approval", "memory-version", "memory-erasure", "trust-root", "audit-event"];
const COMMON: [&str; 6] = ["action", "manifest", "parent", "policy", "sequence", "store"];

fn read_subject(value: &Value) -> Result<Subject, LedgerError> {
    let refuse = || LedgerError::Subject { why: "not one name with one SHA-256" };
    let [item] = value.as_list().ok_or_else(refuse)? else { return Err(refuse()) };
    let item = Members::of(item, "subject", &["digest", "name"]).map_err(|_| refuse())?;
    let digest = Members::of(item.get("digest")?, "subject", &["sha256"]).map_err(|_| refuse())?;
    let name = item.text("name").map_err(|_| refuse())?.to_owned();
    Ok(Subject { name, digest: digest.digest("sha256").map_err(|_| refuse())? })
}

fn read_body(kind: &str, value: &Value, subject: &Subject, namespace: &Namespace) -> Result<Body, LedgerError> {
    let with_common = |own: &[&'static str]| {
        let names: Vec<&'static str> = COMMON.iter().chain(own).copied().collect();
        let members = Members::of(value, "predicate", &names)?;
        let common = read_common(&members)?;
        Ok::<_, LedgerError>((members, common))
    };
    match kind {
        "memory-proposal" => {
            let (m, common) = with_common(&["proposedAt", "proposer", "restores"])?;
            Ok(Body::Proposal(Proposal {
                common,
                restores: read_restores(m.get("restores")?)?,
                proposer: m.pseudonym("proposer")?,
                proposed_at: m.time("proposedAt")?,
            }))
        }
        "memory-approval" => {
            let (m, common) = with_common(&["decision", "expiresAt", "notes", "proposal", "reviewedAt", "reviewer"])?;
            Ok(Body::Approval(Approval {
                common,
                proposal: m.digest("proposal")?,
                reviewer: m.pseudonym("reviewer")?,
                approve: m.one_of("decision", &["reject", "approve"])? == 1,
                reviewed_at: m.time("reviewedAt")?,
                expires_at: m.time("expiresAt")?,
                notes: m.optional_digest("notes")?,
            }))
        }
        "memory-version" => {
            let (m, common) = with_common(&["approvals", "createdAt", "proposal", "restores", "verdict"])?;
            Ok(Body::Version(VersionStatement {
                common,
                restores: read_restores(m.get("restores")?)?,
                proposal: m.digest("proposal")?,
                approvals: ascending(m.get("approvals")?, "approvals")?,
                verdict: m.digest("verdict")?,
                created_at: m.time("createdAt")?,
            }))
        }
        "memory-erasure" => {
            let names = ["action", "destroyed", "erasedAt", "leafHash", "policy", "reason", "store"];
            let m = Members::of(value, "predicate", &names)?;
            m.one_of("action", &["erase"])?;
            let erasure = Erasure {
                store: m.store()?,
                leaf: m.digest("leafHash")?,
                reason: m.code("reason")?,
                policy: m.digest("policy")?,
                erased_at: m.time("erasedAt")?,
                destroyed: m.codes("destroyed")?,
            };
            own_subject(Body::Erasure(erasure), subject)
        }
        "trust-root" => {
            let m = Members::of(value, "predicate", &["store"])?;
            let store = m.store()?;
            let file = subject.name.strip_prefix(&format!("{store}/trust/")).unwrap_or_default();
            if file.is_empty() || !file.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-')) {
                return Err(LedgerError::Subject { why: "not the name the predicate asks for" });
            }
            let notice = TrustNotice { file: file.to_owned(), digest: subject.digest, store };
            own_subject(Body::TrustNotice(notice), subject)
        }
        "audit-event" => {
            let m = Members::of(value, "predicate", &["kind", "serial", "store"])?;
            let event = AuditEvent {
                store: m.store()?,
                kind: m.code("kind")?,
                serial: m.count("serial")?,
                digest: subject.digest,
            };
            own_subject(Body::AuditEvent(event), subject)
        }
        _ => read_verdict(value, subject, namespace),
    }
}

fn own_subject(body: Body, subject: &Subject) -> Result<Body, LedgerError> {
    if body.own_subject().as_ref() == Some(subject) {
        Ok(body)
    } else {
        Err(LedgerError::Subject { why: "not the name the predicate asks for" })
    }
}

fn read_verdict(value: &Value, subject: &Subject, namespace: &Namespace) -> Result<Body, LedgerError> {
    let names = [
        "inputAttestations",
        "policy",
        "resourceUri",
        "timeVerified",
        "verificationResult",
        "verifiedLevels",
        "verifier",
    ];
    let m = Members::of(value, "predicate", &names)?;
    let field = |member| LedgerError::Field { member };
    let reference = |value: &Value, member: &'static str, uri: &str| {
        let item = Members::of(value, member, &["digest", "uri"])?;
        if item.text("uri")? != uri {
            return Err(field(member));
        }
        Members::of(item.get("digest")?, member, &["sha256"])?.digest("sha256")
    };
    let [input] = m.get("inputAttestations")?.as_list().ok_or(field("inputAttestations"))? else {
        return Err(field("inputAttestations"));
    };
    if Members::of(m.get("verifier")?, "verifier", &["id"])?.text("id")? != namespace.verifier() {
        return Err(field("verifier"));
    }
    if m.text("resourceUri")? != subject.name {
        return Err(field("resourceUri"));
    }
    let level = |value: &Value| {
        let text = value.as_text().filter(|t| (1..=64).contains(&t.len()));
        text.filter(|t| t.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')).map(str::to_owned)
    };
    let levels = m.get("verifiedLevels")?.as_list().filter(|l| l.len() <= 16).ok_or(field("verifiedLevels"))?;
    Ok(Body::Verdict(Verdict {
        proposal: reference(input, "inputAttestations", &namespace.predicate("memory-proposal"))?,
        policy: reference(m.get("policy")?, "policy", POLICY_URI)?,
        passed: m.one_of("verificationResult", &["FAILED", "PASSED"])? == 1,
        levels: levels.iter().map(level).collect::<Option<_>>().ok_or(field("verifiedLevels"))?,
        verified_at: m.time("timeVerified")?,
    }))
}

fn read_common(m: &Members<'_>) -> Result<Common, LedgerError> {
    let manifest = Members::of(m.get("manifest")?, "manifest", &["rootHash", "size"])?;
    let sequence = m.count("sequence")?;
    if sequence == 0 {
        return Err(LedgerError::Field { member: "sequence" });
    }
    Ok(Common {
        store: m.store()?,
        sequence,
        parent: m.optional_digest("parent")?,
        action: Action::parse(m.text("action")?).ok_or(LedgerError::Field { member: "action" })?,
        root: manifest.digest("rootHash")?,
        size: manifest.count("size")?,
        policy: m.digest("policy")?,
    })
}

fn read_restores(value: &Value) -> Result<Option<Restores>, LedgerError> {
    if *value == Value::Null {
        return Ok(None);
    }
    let m = Members::of(value, "restores", &["id", "omitted", "sequence"])?;
    let omitted = ascending(m.get("omitted")?, "restores")?;
    Ok(Some(Restores { id: m.digest("id")?, sequence: m.count("sequence")?, omitted }))
}

/// A list of digests, strictly ascending: no id counts twice.
fn ascending(value: &Value, member: &'static str) -> Result<Vec<Digest>, LedgerError> {
    let refuse = || LedgerError::Field { member };
    let items = value.as_list().ok_or_else(refuse)?;
    let digest = |item: &Value| item.as_text().and_then(|text| text.parse::<Digest>().ok());
    let list = items.iter().map(digest).collect::<Option<Vec<_>>>().ok_or_else(refuse)?;
    if list.windows(2).all(|pair| pair[0] < pair[1]) { Ok(list) } else { Err(refuse()) }
}

/// An object with exactly the expected members.
struct Members<'a> {
    members: &'a BTreeMap<String, Value>,
    names: Vec<&'static str>,
}

impl<'a> Members<'a> {
    fn of(value: &'a Value, what: &'static str, names: &[&'static str]) -> Result<Self, LedgerError> {
        let members = value.as_map().ok_or(LedgerError::Field { member: what })?;
        if let Some(missing) = names.iter().find(|name| !members.contains_key(**name)) {
            return Err(LedgerError::Field { member: missing });
        }
        if members.len() != names.len() {
            return Err(LedgerError::Field { member: what });
        }
        Ok(Self { members, names: names.to_vec() })
    }
    fn get(&self, name: &'static str) -> Result<&'a Value, LedgerError> {
        debug_assert!(self.names.contains(&name));
        self.members.get(name).ok_or(LedgerError::Field { member: name })
    }
    fn text(&self, name: &'static str) -> Result<&'a str, LedgerError> {
        self.get(name)?.as_text().ok_or(LedgerError::Field { member: name })
    }
    fn digest(&self, name: &'static str) -> Result<Digest, LedgerError> {
        self.text(name)?.parse().map_err(|_| LedgerError::Field { member: name })
    }
    fn optional_digest(&self, name: &'static str) -> Result<Option<Digest>, LedgerError> {
        if *self.get(name)? == Value::Null { Ok(None) } else { self.digest(name).map(Some) }
    }
    fn count(&self, name: &'static str) -> Result<u64, LedgerError> {
        let number = self.get(name)?.as_int().and_then(|n| u64::try_from(n).ok());
        number.ok_or(LedgerError::Field { member: name })
    }
    /// RFC 3339, whole seconds, `Z`, and no other spelling of the same time.
    fn time(&self, name: &'static str) -> Result<Timestamp, LedgerError> {
        let text = self.text(name)?;
        let time = text.parse::<Timestamp>().ok().filter(|time| time.rfc3339_seconds() == text);
        time.ok_or(LedgerError::Field { member: name })
    }
    fn one_of(&self, name: &'static str, choices: &[&str]) -> Result<usize, LedgerError> {
        let text = self.text(name)?;
        choices.iter().position(|choice| *choice == text).ok_or(LedgerError::Field { member: name })
    }
    fn store(&self) -> Result<StoreName, LedgerError> {
        let text = self.text("store")?;
        if is_store_name(text) { Ok(StoreName::from(text)) } else { Err(LedgerError::Field { member: "store" }) }
    }
    /// Pseudonyms and codes only: no free text, names or addresses reach the log.
    fn code(&self, name: &'static str) -> Result<String, LedgerError> {
        let text = self.text(name)?;
        if is_code(text) { Ok(text.to_owned()) } else { Err(LedgerError::Field { member: name }) }
    }
    fn codes(&self, name: &'static str) -> Result<Vec<String>, LedgerError> {
        let refuse = || LedgerError::Field { member: name };
        let items = self.get(name)?.as_list().filter(|items| items.len() <= 16).ok_or_else(refuse)?;
        let code = |item: &Value| item.as_text().filter(|text| is_code(text)).map(str::to_owned);
        items.iter().map(code).collect::<Option<_>>().ok_or_else(refuse)
    }
    fn pseudonym(&self, name: &'static str) -> Result<PrincipalId, LedgerError> {
        self.code(name).map(PrincipalId::new)
    }
}

/// Lower-case letters, digits and hyphens, 1 to 64.
pub(crate) fn is_code(text: &str) -> bool {
    (1..=64).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

/// Printable ASCII without space, quote or backslash, at most 200 bytes: it becomes the first line of a head.
pub(crate) fn is_store_name(text: &str) -> bool {
    (1..=200).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b'_' | b'/'))
}
