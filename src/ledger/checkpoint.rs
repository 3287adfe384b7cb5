//! Checkpoints of the log: signed notes, verifier keys, witnesses, quorum.

use std::collections::{BTreeMap, BTreeSet};

use data_encoding::{BASE64, HEXLOWER};

use super::{LedgerError, PublicKey, SigningKey, TestKeys, tree};
use crate::domain::{Digest, Timestamp};

/// Signature type of a log key. Source: C2SP signed-note.
const LOG_TYPE: u8 = 1;
/// Signature type of an Ed25519 witness. Source: C2SP tlog-cosignature.
const WITNESS_TYPE: u8 = 4;
/// How far a witness's clock may be ahead of ours, in seconds.
const CLOCK_SLACK_S: u64 = 300;
const MAX_NOTE: usize = 64 * 1024;
const MAX_SIGNATURES: usize = 64;

/// The body of a checkpoint: exactly three lines, no extensions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Checkpoint {
    /// Name of the log.
    pub origin: String,
    /// Number of entries.
    pub size: u64,
    /// Tree root.
    pub root: Digest,
}

impl Checkpoint {
    /// The signed text.
    pub fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, BASE64.encode(&self.root.0))
    }
    /// A signed note of this checkpoint.
    ///
    /// Errors: refused, when signing fails.
    pub fn sign(&self, key: &LogKey) -> Result<String, LedgerError> {
        let text = self.text();
        let mut signature = key.vkey.id.to_vec();
        signature.extend_from_slice(&key.key.sign(text.as_bytes())?);
        Ok(format!("{text}\n\u{2014} {} {}\n", key.vkey.name, BASE64.encode(&signature)))
    }
    /// A witness's signature line over this checkpoint.
    ///
    /// Errors: refused, when signing fails.
    pub fn cosign(&self, key: &LogKey, at_s: u64) -> Result<String, LedgerError> {
        let mut signature = key.vkey.id.to_vec();
        signature.extend_from_slice(&at_s.to_be_bytes());
        signature.extend_from_slice(&key.key.sign(cosigned(&self.text(), at_s).as_bytes())?);
        Ok(format!("\u{2014} {} {}\n", key.vkey.name, BASE64.encode(&signature)))
    }
    /// Checks that this checkpoint may follow `old`.
    ///
    /// Errors: refused: [`LedgerError::Origin`], [`LedgerError::Shrink`], [`LedgerError::Fork`]; on a fork keep
    /// both signed notes and the proof: together they are evidence against the log's key.
    pub fn follows(&self, old: &Self, proof: &[Digest]) -> Result<(), LedgerError> {
        if self.origin != old.origin {
            return Err(LedgerError::Origin);
        }
        tree::verify_consistency(old.size, &old.root, self.size, &self.root, proof)
    }
}

fn cosigned(text: &str, at_s: u64) -> String {
    format!("cosignature/v1\ntime {at_s}\n{text}")
}

/// A verifier key: name, four-byte id, type, public key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VKey {
    name: String,
    id: [u8; 4],
    kind: u8,
    key: PublicKey,
}

impl VKey {
    /// Name of the log or witness.
    pub fn name(&self) -> &str {
        &self.name
    }
    /// The public key.
    pub const fn key(&self) -> &PublicKey {
        &self.key
    }
    fn new(name: &str, kind: u8, key: PublicKey) -> Result<Self, LedgerError> {
        if !is_key_name(name) {
            return Err(LedgerError::Format { what: "verifier key", why: "the name is empty or holds a space or +" });
        }
        let mut input = name.as_bytes().to_vec();
        input.extend([b'\n', kind]);
        input.extend_from_slice(key.bytes());
        let [a, b, c, d, ..] = Digest::of(input).0;
        Ok(Self { name: name.to_owned(), id: [a, b, c, d], kind, key })
    }
    /// Reads `<name>+<hex key id>+<base64(type || key)>`.
    ///
    /// Errors: refused: [`LedgerError::Format`], [`LedgerError::Key`].
    pub fn parse(text: &str, test_keys: TestKeys) -> Result<Self, LedgerError> {
        let refuse = |why| LedgerError::Format { what: "verifier key", why };
        // The name holds no +, but the base64 may.
        let mut parts = text.splitn(3, '+');
        let (Some(name), Some(id), Some(key)) = (parts.next(), parts.next(), parts.next()) else {
            return Err(refuse("not three parts"));
        };
        let bytes = BASE64.decode(key.as_bytes()).map_err(|_| refuse("not canonical base64"))?;
        let Some((&kind @ (LOG_TYPE | WITNESS_TYPE), key)) = bytes.split_first() else {
            return Err(refuse("not a log or witness key type"));
        };
        let key = key.try_into().map_err(|_| refuse("not 32 key bytes"))?;
        let vkey = Self::new(name, kind, PublicKey::enrol(&key, test_keys)?)?;
        if HEXLOWER.encode(&vkey.id) == id { Ok(vkey) } else { Err(refuse("the key id does not match")) }
    }
}

impl std::fmt::Display for VKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let mut bytes = vec![self.kind];
        bytes.extend_from_slice(self.key.bytes());
        write!(f, "{}+{}+{}", self.name, HEXLOWER.encode(&self.id), BASE64.encode(&bytes))
    }
}

fn is_key_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= 200 && !name.contains('+') && !name.contains(char::is_whitespace)
}

/// A private key that signs checkpoints, as a log or as a witness.
#[derive(Debug)]
pub struct LogKey {
    key: SigningKey,
    vkey: VKey,
}

impl LogKey {
    /// The log of this name.
    pub fn log(name: &str, key: SigningKey) -> Result<Self, LedgerError> {
        let vkey = VKey::new(name, LOG_TYPE, key.public().clone())?;
        Ok(Self { key, vkey })
    }
    /// A witness of this name.
    pub fn witness(name: &str, key: SigningKey) -> Result<Self, LedgerError> {
        let vkey = VKey::new(name, WITNESS_TYPE, key.public().clone())?;
        Ok(Self { key, vkey })
    }
    /// The public half.
    pub const fn vkey(&self) -> &VKey {
        &self.vkey
    }
}

/// A read note: body and signature lines, nothing verified.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    text: String,
    body: Checkpoint,
    signatures: Vec<NoteSignature>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct NoteSignature {
    name: String,
    id: [u8; 4],
    bytes: Vec<u8>,
}

impl Note {
    /// Reads a checkpoint note.
    ///
    /// Errors: refused, [`LedgerError::Format`].
    pub fn parse(bytes: &[u8]) -> Result<Self, LedgerError> {
        let refuse = |why| LedgerError::Format { what: "checkpoint", why };
        if bytes.len() > MAX_NOTE {
            return Err(refuse("more than 64 KiB"));
        }
        let note = std::str::from_utf8(bytes).map_err(|_| refuse("not UTF-8"))?;
        if note.chars().any(|c| c != '\n' && c.is_control()) {
            return Err(refuse("control characters"));
        }
        if !note.ends_with('\n') {
            return Err(refuse("does not end with a line feed"));
        }
        let split = note.rfind("\n\n").ok_or_else(|| refuse("no blank line"))?;
        let (text, lines) = (&note[..=split], &note[split + 2..]);
        let body = parse_body(text)?;
        let mut signatures = Vec::new();
        for line in lines.lines() {
            let rest = line.strip_prefix("\u{2014} ").ok_or_else(|| refuse("a signature line without em dash"))?;
            let (name, signature) = rest.split_once(' ').ok_or_else(|| refuse("malformed signature line"))?;
            let bytes = BASE64.decode(signature.as_bytes()).map_err(|_| refuse("signature is not base64"))?;
            let Some((&id, signature)) = bytes.split_first_chunk::<4>().filter(|(_, s)| !s.is_empty()) else {
                return Err(refuse("signature too short"));
            };
            if !is_key_name(name) {
                return Err(refuse("malformed key name"));
            }
            signatures.push(NoteSignature { name: name.to_owned(), id, bytes: signature.to_vec() });
        }
        if signatures.is_empty() || signatures.len() > MAX_SIGNATURES {
            return Err(refuse("no signature line, or more than 64"));
        }
        Ok(Self { text: text.to_owned(), body, signatures })
    }
    /// The body before any signature was checked.
    pub const fn dangerous_unverified_body(&self) -> &Checkpoint {
        &self.body
    }
    /// Verifies the log's own signature alone: for a checkpoint that witnesses have not seen yet, or that is compared
    /// with one they have.
    ///
    /// Errors: refused: [`LedgerError::Origin`], [`LedgerError::Signature`].
    pub fn verify_log(&self, policy: &TlogPolicy) -> Result<Checkpoint, LedgerError> {
        self.verify_alone(policy).map(|verified| verified.body)
    }
    pub(in crate::ledger) fn verify_alone(&self, policy: &TlogPolicy) -> Result<VerifiedCheckpoint, LedgerError> {
        self.verify(&TlogPolicy { logs: policy.logs.clone(), ..TlogPolicy::default() }, Age::Archive)
    }
    /// Verifies log and witness signatures.
    ///
    /// Errors: refused: [`LedgerError::Origin`], [`LedgerError::Signature`], [`LedgerError::Quorum`],
    /// [`LedgerError::Stale`].
    pub fn verify(&self, policy: &TlogPolicy, age: Age) -> Result<VerifiedCheckpoint, LedgerError> {
        if self.body.origin != policy.origin() {
            return Err(LedgerError::Origin);
        }
        let bad = LedgerError::Signature { why: "a checkpoint signature does not verify" };
        let mut log_signed = false;
        let mut times: BTreeMap<usize, u64> = BTreeMap::new();
        for signature in &self.signatures {
            let is = |vkey: &VKey| vkey.name == signature.name && vkey.id == signature.id;
            if let Some(vkey) = policy.logs.iter().find(|vkey| is(vkey)) {
                if !vkey.key.verifies(self.text.as_bytes(), &signature.bytes) {
                    return Err(bad);
                }
                log_signed = true;
            } else if let Some(at) = policy.witnesses.iter().position(|(_, vkey)| is(vkey)) {
                let Some((time, rest)) = signature.bytes.split_first_chunk::<8>() else { return Err(bad) };
                let time = u64::from_be_bytes(*time);
                if !policy.witnesses[at].1.key.verifies(cosigned(&self.text, time).as_bytes(), rest) {
                    return Err(bad);
                }
                // The same witness twice is one witness; its latest word counts.
                let latest = times.entry(at).or_insert(time);
                *latest = time.max(*latest);
            }
        }
        if !log_signed {
            return Err(LedgerError::Signature { why: "the log has not signed" });
        }
        let signed: BTreeSet<usize> = times.keys().copied().collect();
        if !policy.quorum_met(&signed) {
            return Err(LedgerError::Quorum);
        }
        if let Age::Within { now, max_age_s } = age {
            let now = u64::try_from(now.seconds()).unwrap_or(0);
            let window = now.saturating_sub(max_age_s)..=now.saturating_add(CLOCK_SLACK_S);
            let fresh = times.iter().filter(|(_, time)| window.contains(time)).map(|(at, _)| *at).collect();
            if !policy.quorum_met(&fresh) {
                return Err(LedgerError::Stale);
            }
        }
        let cosigned_at_s = times.values().copied().min();
        Ok(VerifiedCheckpoint { body: self.body.clone(), witnesses: signed.len(), cosigned_at_s })
    }
}

fn parse_body(text: &str) -> Result<Checkpoint, LedgerError> {
    let refuse = |why| LedgerError::Format { what: "checkpoint", why };
    let Some(lines) = text.strip_suffix('\n') else { return Err(refuse("the text does not end with a line feed")) };
    let [origin, size, root] = lines.split('\n').collect::<Vec<_>>()[..] else {
        return Err(refuse("not exactly three lines"));
    };
    let digits =
        !size.is_empty() && size.bytes().all(|b| b.is_ascii_digit()) && (size == "0" || !size.starts_with('0'));
    let size = size.parse().ok().filter(|_| digits).ok_or_else(|| refuse("size is not a plain decimal number"))?;
    let root = BASE64.decode(root.as_bytes()).ok().and_then(|bytes| bytes.try_into().ok());
    let root = root.map(Digest).ok_or_else(|| refuse("root is not 32 bytes in base64"))?;
    if origin.is_empty() {
        return Err(refuse("no origin"));
    }
    Ok(Checkpoint { origin: origin.to_owned(), size, root })
}

/// How old cosignatures may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Age {
    /// Any age: checking an archive.
    Archive,
    /// At most so old at the given time.
    Within {
        /// The current time, passed in.
        now: Timestamp,
        /// Seconds.
        max_age_s: u64,
    },
}

/// A checkpoint under which the log's signature and the quorum verified.
#[derive(Debug, PartialEq, Eq)]
pub struct VerifiedCheckpoint {
    body: Checkpoint,
    witnesses: usize,
    cosigned_at_s: Option<u64>,
}

impl VerifiedCheckpoint {
    /// The body.
    pub const fn body(&self) -> &Checkpoint {
        &self.body
    }
    /// Number of distinct witnesses that signed; 0 means **unwitnessed**, and every report says so.
    pub const fn witnesses(&self) -> usize {
        self.witnesses
    }
    /// Who else saw the log, in a word.
    pub fn witnessed(&self) -> String {
        match self.witnesses {
            0 => "unwitnessed".to_owned(),
            1 => "1 witness".to_owned(),
            number => format!("{number} witnesses"),
        }
    }
    /// Who else saw the log, in words for a report.
    pub fn seen_by(&self) -> String {
        match (self.witnesses, self.cosigned_at_s) {
            (0, _) | (_, None) => "unwitnessed: nobody else has seen this log".to_owned(),
            (number, Some(at)) => {
                let at = Timestamp::from_seconds(i64::try_from(at).unwrap_or(i64::MAX));
                let noun = if number == 1 { "witness" } else { "witnesses" };
                format!("{number} {noun} cosigned entries 1 to {}, first at {at}", self.body.size)
            }
        }
    }
    /// The earliest cosignature, seconds since 1970.
    pub const fn cosigned_at_s(&self) -> Option<u64> {
        self.cosigned_at_s
    }
}

/// Compares any two verified checkpoints of one log, in either order.
///
/// Errors: refused: [`LedgerError::Origin`], [`LedgerError::Fork`]. Keep [`super::ForkEvidence`] of a fork.
pub fn compare(a: &VerifiedCheckpoint, b: &VerifiedCheckpoint, proof: &[Digest]) -> Result<(), LedgerError> {
    let (old, new) = if a.body.size <= b.body.size { (a, b) } else { (b, a) };
    new.body.follows(&old.body, proof)
}

/// Log keys, witness keys and the quorum rule: the file `tlog.policy`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TlogPolicy {
    logs: Vec<VKey>,
    witnesses: Vec<(String, VKey)>,
    /// Where each witness is asked; beside `witnesses`, by place.
    addresses: Vec<Option<String>>,
    groups: Vec<(String, Group)>,
    quorum: Option<Member>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Group {
    needed: usize,
    members: Vec<Member>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Member {
    Witness(usize),
    Group(usize),
}

impl TlogPolicy {
    /// A log without witnesses.
    pub fn unwitnessed(log: VKey) -> Self {
        Self { logs: vec![log], ..Self::default() }
    }
    /// Reads the file.
    ///
    /// Errors: refused: [`LedgerError::Format`], [`LedgerError::Key`], [`LedgerError::Policy`] for a key that
    /// serves twice. Source: C2SP tlog-policy.
    pub fn parse(text: &str, test_keys: TestKeys) -> Result<Self, LedgerError> {
        let refuse = |why| LedgerError::Format { what: "log policy", why };
        let mut policy = Self::default();
        let mut quorum_seen = false;
        for line in text.lines() {
            let words: Vec<&str> = line.split_ascii_whitespace().collect();
            match words[..] {
                [] => {}
                [comment, ..] if comment.starts_with('#') => {}
                ["log", vkey] | ["log", vkey, _] => {
                    let vkey = VKey::parse(vkey, test_keys)?;
                    if vkey.kind != LOG_TYPE || policy.logs.iter().any(|log| log.name != vkey.name) {
                        return Err(refuse("not a log key, or a second log of another name"));
                    }
                    policy.logs.push(vkey);
                }
                ["witness", name, vkey, ref address @ ..] if address.len() <= 1 => {
                    policy.check_name(name)?;
                    let vkey = VKey::parse(vkey, test_keys)?;
                    if vkey.kind != WITNESS_TYPE {
                        return Err(refuse("not a witness key"));
                    }
                    policy.witnesses.push((name.to_owned(), vkey));
                    policy.addresses.push(address.first().map(|url| (*url).to_owned()));
                }
                ["group", name, needed, ref members @ ..] => {
                    policy.check_name(name)?;
                    let found = members.iter().map(|m| policy.member(m)).collect::<Option<Vec<_>>>();
                    let members = found.ok_or_else(|| refuse("a group names an unknown member"))?;
                    let distinct = members.iter().enumerate().all(|(at, m)| !members[..at].contains(m));
                    let needed = match needed {
                        "any" => Some(1),
                        "all" => Some(members.len()),
                        number => number.parse().ok(),
                    };
                    let needed = needed.filter(|n| (1..=members.len()).contains(n) && distinct);
                    let needed = needed.ok_or_else(|| refuse("a group's number is not possible"))?;
                    policy.groups.push((name.to_owned(), Group { needed, members }));
                }
                ["quorum", name] if !quorum_seen => {
                    quorum_seen = true;
                    policy.quorum = match name {
                        "none" => None,
                        name => Some(policy.member(name).ok_or_else(|| refuse("unknown quorum"))?),
                    };
                }
                _ => return Err(refuse("unknown or repeated line")),
            }
        }
        if policy.logs.is_empty() || !quorum_seen {
            return Err(refuse("no log or no quorum line"));
        }
        let keys: Vec<_> = policy.keys().map(PublicKey::bytes).collect();
        if keys.iter().enumerate().any(|(at, key)| keys[..at].contains(key)) {
            return Err(LedgerError::Policy { why: "one key serves two logs or witnesses" });
        }
        Ok(policy)
    }
    fn check_name(&self, name: &str) -> Result<(), LedgerError> {
        if name == "none" || self.member(name).is_some() {
            Err(LedgerError::Format { what: "log policy", why: "a name is used twice" })
        } else {
            Ok(())
        }
    }
    fn member(&self, name: &str) -> Option<Member> {
        let witness = self.witnesses.iter().position(|(other, _)| other == name).map(Member::Witness);
        witness.or_else(|| self.groups.iter().position(|(other, _)| other == name).map(Member::Group))
    }
    fn quorum_met(&self, signed: &BTreeSet<usize>) -> bool {
        // Groups name earlier lines only: one pass in order, however they share members.
        let mut met: Vec<bool> = Vec::with_capacity(self.groups.len());
        let is_met = |met: &[bool], member: &Member| match member {
            Member::Witness(at) => signed.contains(at),
            Member::Group(at) => met.get(*at).copied().unwrap_or(false),
        };
        for (_, group) in &self.groups {
            met.push(group.members.iter().filter(|member| is_met(&met, member)).count() >= group.needed);
        }
        self.quorum.is_none_or(|member| is_met(&met, &member))
    }
    /// The name of the log.
    pub fn origin(&self) -> &str {
        self.logs.first().map_or("", |log| &log.name)
    }
    /// All log and witness keys.
    pub fn keys(&self) -> impl Iterator<Item = &PublicKey> {
        self.logs.iter().chain(self.witnesses.iter().map(|(_, vkey)| vkey)).map(|vkey| &vkey.key)
    }
    /// The log's keys; more than one while they are exchanged.
    pub fn logs(&self) -> &[VKey] {
        &self.logs
    }
    /// The witnesses' keys with the names the policy gives them.
    pub fn witnesses(&self) -> impl Iterator<Item = (&str, &VKey)> {
        self.witnesses.iter().map(|(name, vkey)| (name.as_str(), vkey))
    }
    /// Witnesses that can be asked, by place, and where.
    pub(in crate::ledger) fn addresses(&self) -> impl Iterator<Item = (usize, &str)> {
        self.addresses.iter().enumerate().filter_map(|(at, url)| Some((at, url.as_deref()?)))
    }
    /// Where a witness is asked.
    pub fn address(&self, name: &str) -> Option<&str> {
        let at = self.witnesses.iter().position(|(other, _)| other == name)?;
        self.addresses.get(at)?.as_deref()
    }
    /// How many of the witnesses must sign, when that is one plain number: 0 without a quorum.
    pub fn plain_quorum(&self) -> Option<usize> {
        match self.quorum {
            None => Some(0),
            Some(Member::Witness(_)) => Some(1),
            Some(Member::Group(at)) => {
                let group = self.groups.get(at)?;
                group.1.members.iter().all(|member| matches!(member, Member::Witness(_))).then_some(group.1.needed)
            }
        }
    }
    /// This log and one of its witnesses, which must sign.
    pub(in crate::ledger) fn only_witness(&self, at: usize) -> Option<Self> {
        let witness = self.witnesses.get(at)?.clone();
        let quorum = Some(Member::Witness(0));
        Some(Self { logs: self.logs.clone(), witnesses: vec![witness], quorum, ..Self::default() })
    }
    pub(in crate::ledger) fn witness_name(&self, at: usize) -> String {
        self.witnesses.get(at).map(|(name, _)| name.clone()).unwrap_or_default()
    }
    /// One more key of the same log.
    pub(in crate::ledger) fn also(&mut self, log: VKey) {
        self.logs.push(log);
    }
    /// The file of this log with other witnesses, of which so many must sign: 0 asks them and waits for none.
    ///
    /// Errors: refused, as [`TlogPolicy::parse`].
    pub fn with_witnesses(&self, witnesses: &[(String, VKey, String)], quorum: usize) -> Result<String, LedgerError> {
        let mut text = String::new();
        for log in &self.logs {
            text.push_str(&format!("log {log}\n"));
        }
        for (name, vkey, url) in witnesses {
            text.push_str(&format!("witness {name} {vkey} {url}\n"));
        }
        if quorum == 0 {
            text.push_str("quorum none\n");
        } else {
            let names: Vec<&str> = witnesses.iter().map(|(name, _, _)| name.as_str()).collect();
            text.push_str(&format!("group quorum-of {quorum} {}\nquorum quorum-of\n", names.join(" ")));
        }
        Self::parse(&text, TestKeys::Refuse)?;
        Ok(text)
    }
    /// True when this is one of the log's keys.
    pub fn is_log_key(&self, vkey: &VKey) -> bool {
        self.logs.contains(vkey)
    }
    /// True when no witness has to sign.
    pub const fn is_unwitnessed(&self) -> bool {
        self.quorum.is_none()
    }
    /// The file of a log without witnesses.
    pub fn unwitnessed_text(log: &VKey) -> String {
        format!("log {log}\nquorum none\n")
    }
}
