//! Witnesses: the add-checkpoint exchange from both ends, as bytes. Source: C2SP tlog-witness, tlog-cosignature.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;

use super::checkpoint::{Age, Checkpoint, LogKey, Note, TlogPolicy, VKey};
use super::proof::{consistency_text, parse_consistency};
use super::{LedgerError, tree};
use crate::domain::Digest;

/// Most hashes of a request's proof.
const MAX_PROOF: usize = 63;

/// A log asks for a cosignature.
///
/// Shape: `old <size>`, the consistency proof from that size in base64 lines, a blank line, the signed checkpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AddCheckpoint {
    /// The size the log thinks the witness saw last.
    pub old: u64,
    /// From that size to the checkpoint's.
    pub proof: Vec<Digest>,
    /// The signed checkpoint.
    pub note: String,
}

impl AddCheckpoint {
    /// Reads a request's body.
    ///
    /// Errors: refused, [`LedgerError::Format`].
    pub fn parse(body: &[u8]) -> Result<Self, LedgerError> {
        let refuse = |why| LedgerError::Format { what: "add-checkpoint request", why };
        let text = std::str::from_utf8(body).map_err(|_| refuse("not UTF-8"))?;
        let (head, note) = text.split_once("\n\n").ok_or_else(|| refuse("no blank line"))?;
        let (old, proof) = head.split_once('\n').unwrap_or((head, ""));
        let number = old.strip_prefix("old ").ok_or_else(|| refuse("does not begin with the old size"))?;
        let old: u64 = number.parse().map_err(|_| refuse("the old size is not a number"))?;
        if old.to_string() != number {
            return Err(refuse("the old size is not a plain decimal number"));
        }
        let proof = parse_consistency(proof)?;
        if proof.len() > MAX_PROOF {
            return Err(refuse("too many hashes"));
        }
        Note::parse(note.as_bytes())?;
        let read = Self { old, proof, note: note.to_owned() };
        if read.to_text() == text { Ok(read) } else { Err(refuse("not in its one form")) }
    }
    /// The request's body.
    pub fn to_text(&self) -> String {
        format!("old {}\n{}\n{}", self.old, consistency_text(&self.proof), self.note)
    }
}

/// Why a witness does not sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// The request does not parse, or its old size is above its checkpoint's.
    Malformed,
    /// No log of this name is watched.
    UnknownLog,
    /// The log has not signed the checkpoint.
    BadSignature,
    /// The witness saw this size last.
    OtherSize(u64),
    /// The checkpoint does not continue what the witness saw: the log was rewritten.
    NotContinued,
}

impl Refusal {
    /// The status that the protocol gives it.
    pub const fn status(self) -> u16 {
        match self {
            Self::Malformed => 400,
            Self::BadSignature => 403,
            Self::UnknownLog => 404,
            Self::OtherSize(_) => 409,
            Self::NotContinued => 422,
        }
    }
}

/// A witness's decision for a request: the checkpoint to remember, before anybody is told, and the cosignature line.
///
/// `logs` are the keys of all watched logs, `last` what was cosigned last for the request's origin.
///
/// Errors: the refusal. A signing key that fails is [`Refusal::BadSignature`] of nobody: it cannot be told apart from a
/// broken machine, and nothing is signed.
pub fn decide(
    request: &AddCheckpoint,
    logs: &[VKey],
    last: Option<&Checkpoint>,
    key: &LogKey,
    at_s: u64,
) -> Result<(Checkpoint, String), Refusal> {
    let note = Note::parse(request.note.as_bytes()).map_err(|_| Refusal::Malformed)?;
    let origin = &note.dangerous_unverified_body().origin;
    let mut known = logs.iter().filter(|vkey| vkey.name() == origin);
    let first = known.next().ok_or(Refusal::UnknownLog)?;
    let mut policy = TlogPolicy::unwitnessed(first.clone());
    known.for_each(|vkey| policy.also(vkey.clone()));
    let body = note.verify_log(&policy).map_err(|_| Refusal::BadSignature)?;
    if request.old > body.size {
        return Err(Refusal::Malformed);
    }
    let empty = Checkpoint { origin: body.origin.clone(), size: 0, root: tree::root_of([]) };
    let last = last.unwrap_or(&empty);
    if request.old != last.size {
        return Err(Refusal::OtherSize(last.size));
    }
    body.follows(last, &request.proof).map_err(|_| Refusal::NotContinued)?;
    let line = body.cosign(key, at_s).map_err(|_| Refusal::BadSignature)?;
    Ok((body, line))
}

/// Sends requests to witnesses, all at once: address and body; gives status and body of each that answered.
pub type Send = dyn Fn(&[(String, Vec<u8>)]) -> Vec<Option<(u16, Vec<u8>)>> + std::marker::Send + Sync;

/// The way to the witnesses, filled in above this room.
#[derive(Clone)]
pub struct Asker(pub Arc<Send>);

impl fmt::Debug for Asker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Asker")
    }
}

/// What each witness saw last, as far as the writer knows: a wrong guess costs one more request.
pub(super) type Seen = BTreeMap<usize, u64>;

/// Cosignature lines for a checkpoint from every witness that answers with a good one.
///
/// Errors: refused, [`LedgerError::WitnessRefuses`], when a witness says that it saw another history of this log.
pub(super) fn gather(
    asker: &Asker,
    policy: &TlogPolicy,
    note: &str,
    log: &tree::Tree,
    seen: &mut Seen,
) -> Result<Vec<String>, LedgerError> {
    let size = log.size();
    let mut lines = Vec::new();
    let mut open: Vec<(usize, String)> = policy.addresses().map(|(at, url)| (at, url.to_owned())).collect();
    // The second round is for witnesses that saw another size than expected.
    for _ in 0..2 {
        let mut requests = Vec::new();
        for (at, url) in &open {
            let old = seen.get(at).copied().unwrap_or(0).min(size);
            let proof = log.consistency_proof(old, size).unwrap_or_default();
            let body = AddCheckpoint { old, proof, note: note.to_owned() }.to_text();
            requests.push((format!("{}/add-checkpoint", url.trim_end_matches('/')), body.into_bytes()));
        }
        if requests.is_empty() {
            break;
        }
        let answers = (asker.0)(&requests);
        let mut again = Vec::new();
        for ((at, url), answer) in open.into_iter().zip(answers) {
            let Some((status, body)) = answer else { continue };
            match status {
                200 => {
                    if let Some(line) = good_line(policy, at, note, &body) {
                        lines.push(line);
                        seen.insert(at, size);
                    }
                }
                409 => {
                    let saw = std::str::from_utf8(&body).ok().and_then(|text| text.trim_end().parse::<u64>().ok());
                    let Some(saw) = saw else { continue };
                    if saw > size {
                        // An old copy of this log was put back, and has grown another way or will.
                        return Err(LedgerError::WitnessRefuses { name: policy.witness_name(at), saw });
                    }
                    seen.insert(at, saw);
                    again.push((at, url));
                }
                422 => {
                    let saw = seen.get(&at).copied().unwrap_or(0);
                    return Err(LedgerError::WitnessRefuses { name: policy.witness_name(at), saw });
                }
                _ => {}
            }
        }
        open = again;
    }
    Ok(lines)
}

/// The witness's own line of an answer, if it verifies.
fn good_line(policy: &TlogPolicy, at: usize, note: &str, body: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(body).ok()?;
    let only = policy.only_witness(at)?;
    text.lines().take(16).find_map(|line| {
        let line = format!("{line}\n");
        let full = format!("{note}{line}");
        let parsed = Note::parse(full.as_bytes()).ok()?;
        parsed.verify(&only, Age::Archive).is_ok().then_some(line)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ledger::SigningKey;

    fn log() -> LogKey {
        LogKey::log("log.example/a", SigningKey::from_seed(&[41; 32]).unwrap()).unwrap()
    }
    fn witness() -> LogKey {
        LogKey::witness("witness.example/w", SigningKey::from_seed(&[42; 32]).unwrap()).unwrap()
    }
    fn grown(size: u64) -> tree::Tree {
        let mut tree = tree::Tree::default();
        (0..size).for_each(|n| tree.push(tree::leaf_hash(&n.to_be_bytes())));
        tree
    }
    fn request(old: u64, size: u64) -> AddCheckpoint {
        let tree = grown(size);
        let body = Checkpoint { origin: "log.example/a".to_owned(), size, root: tree.root() };
        let proof = tree.consistency_proof(old.min(size), size).unwrap_or_default();
        AddCheckpoint { old, proof, note: body.sign(&log()).unwrap() }
    }
    fn last(size: u64) -> Checkpoint {
        Checkpoint { origin: "log.example/a".to_owned(), size, root: grown(size).root() }
    }
    fn asked(request: &AddCheckpoint, saw: Option<&Checkpoint>) -> Result<(Checkpoint, String), Refusal> {
        decide(request, &[log().vkey().clone()], saw, &witness(), 1_800_000_000)
    }

    #[test]
    fn a_request_reads_back_and_odd_ones_do_not() {
        for (old, size) in [(0, 1), (0, 7), (3, 7), (7, 7), (256, 300)] {
            let one = request(old, size);
            assert_eq!(AddCheckpoint::parse(one.to_text().as_bytes()).unwrap(), one);
        }
        let good = request(3, 7).to_text();
        for bad in [
            good.replacen("old 3", "old 03", 1),
            good.replacen("old 3", "old +3", 1),
            good.replacen("old 3", "old 18446744073709551616", 1),
            good.replacen("old 3\n", "", 1),
            good.replacen("old 3\n", "old 3\nAAAA\n", 1),
            good.replacen("\n\n", "\n", 1),
            good.replacen("=\n", "=\r\n", 1),
            String::new(),
        ] {
            assert!(AddCheckpoint::parse(bad.as_bytes()).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn every_refusal_has_its_status() {
        let good = asked(&request(3, 7), Some(&last(3))).unwrap();
        assert_eq!(good.0, last(7));
        assert_eq!(asked(&request(0, 7), None).unwrap().0, last(7));
        // The same again is signed again: the log may have lost the answer.
        assert!(asked(&request(7, 7), Some(&last(7))).is_ok());
        let status = |request: &AddCheckpoint, saw: Option<&Checkpoint>| asked(request, saw).unwrap_err().status();
        assert_eq!(status(&request(3, 7), Some(&last(4))), 409);
        assert_eq!(asked(&request(0, 7), Some(&last(4))).unwrap_err(), Refusal::OtherSize(4));
        assert_eq!(status(&AddCheckpoint { old: 8, ..request(3, 7) }, Some(&last(8))), 400);
        // Another history of the same size, and one that grew from another.
        let forked = Checkpoint { root: Digest::of(b"fork"), ..last(7) };
        assert_eq!(status(&request(7, 7), Some(&forked)), 422);
        assert_eq!(status(&request(3, 7), Some(&Checkpoint { root: Digest::of(b"fork"), ..last(3) })), 422);
        let mut short = request(3, 7);
        short.proof.pop();
        assert_eq!(status(&short, Some(&last(3))), 422);
        let mut surplus = request(7, 7);
        surplus.proof.push(Digest::of(b"x"));
        assert_eq!(status(&surplus, Some(&last(7))), 422);
        let other = LogKey::log("log.example/b", SigningKey::from_seed(&[43; 32]).unwrap()).unwrap();
        let unknown = decide(&request(0, 7), &[other.vkey().clone()], None, &witness(), 1);
        assert_eq!(unknown.unwrap_err().status(), 404);
        let thief = LogKey::log("log.example/a", SigningKey::from_seed(&[44; 32]).unwrap()).unwrap();
        let stolen = AddCheckpoint { note: last(7).sign(&thief).unwrap(), ..request(0, 7) };
        assert_eq!(status(&stolen, None), 403);
    }

    #[test]
    fn a_cosignature_counts_towards_the_quorum_and_a_changed_one_does_not() {
        let (log, witness) = (log(), witness());
        let text = format!("log {}\nwitness w {} http://w.example\nquorum w\n", log.vkey(), witness.vkey());
        let policy = TlogPolicy::parse(&text, crate::ledger::TestKeys::Refuse).unwrap();
        let note = request(0, 7).note;
        let (_, line) = asked(&request(0, 7), None).unwrap();
        assert_eq!(good_line(&policy, 0, &note, line.as_bytes()).unwrap(), line);
        assert!(Note::parse(format!("{note}{line}").as_bytes()).unwrap().verify(&policy, Age::Archive).is_ok());
        let (_, other) = asked(&request(0, 6), None).unwrap();
        assert_eq!(good_line(&policy, 0, &note, other.as_bytes()), None);
        assert_eq!(good_line(&policy, 0, &note, b"OK\n"), None);
    }
}
