//! From scanned text to a decision.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::detect::scan::joins;
use crate::detect::{Coverage, NoteScan, Scanned, is_about_origin};
use crate::domain::{
    Authority, Candidate, Claim, Confidence, Digest, Finding, Kind, MemoryPath, Origin, RuleId, Severity, Span,
    Untrusted, View,
};

use super::approved::Approved;
use super::policy::{Mode, Policy};
use super::review::{Accepted, Adopted, Released};

/// What people vouched for, and what came before.
#[derive(Debug, Default)]
pub struct Basis<'a> {
    /// Statements their owner vouches for: a baseline, the parent version.
    pub adopted: &'a [Adopted],
    /// Proposals their owner accepted.
    pub accepted: &'a [Accepted],
    /// Held statements that reviewers released.
    pub released: &'a [Released],
    /// Digests of statements that reviewers destroyed: they do not come back unseen.
    pub tombstones: BTreeSet<Digest>,
    /// Findings over sets of notes (fragments), by digest of the member statement.
    pub set_findings: BTreeMap<Digest, Vec<Finding>>,
    /// True when the notes could not all be read beside their neighbours: that is a gap like any other.
    pub sets_incomplete: bool,
    /// The memory's text digest and provenance in the parent version: an unchanged memory keeps it.
    pub unchanged: Option<(Digest, String)>,
    /// True on the way round after a redaction: a second need for one is refused.
    pub after_redaction: bool,
}

impl Basis<'_> {
    /// True when the owner vouches for a statement.
    pub fn is_adopted(&self, digest: &Digest) -> bool {
        self.adopted.iter().any(|adopted| adopted.contains(digest))
    }
}

/// Digests of the lines with words between statements: how glue is vouched for, since edits around it join
/// and split it.
pub fn glue_lines(glue: &str) -> impl Iterator<Item = Digest> {
    glue.lines().map(str::trim).filter(|line| line.chars().any(char::is_alphanumeric)).map(Digest::of)
}

/// The gate's answer for one memory. There is no boolean: each arm carries what comes next.
#[derive(Debug)]
#[must_use]
pub enum Decision {
    /// Every note was admitted.
    Admit(Approved),
    /// Secrets were masked: the new text is untrusted again and goes round once more.
    Redact(Redaction),
    /// Some notes are held or refused; the rest is untrusted again and goes round once more.
    Hold(Split),
    /// The whole memory is turned away.
    Refuse {
        /// Why, for people: constant text.
        reason: &'static str,
        /// Where.
        path: MemoryPath,
    },
}

/// A memory with its secrets masked.
#[derive(Debug)]
pub struct Redaction {
    /// The new text.
    pub candidate: Untrusted<Candidate>,
    /// The rules that masked something, one for each place.
    pub masked: Vec<RuleId>,
}

/// A memory with its held notes taken out.
#[derive(Debug)]
pub struct Split {
    /// The notes, each with its verdict.
    pub notes: Vec<HeldNote>,
    /// What is left, when something is left.
    pub rest: Option<Untrusted<Candidate>>,
    /// Digest of the ruleset that looked.
    pub ruleset: Digest,
}

/// Hold for a person, or turn away.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Verdict {
    /// Waits in the quarantine.
    Hold,
    /// Turned away; recorded, not queued.
    Refuse,
}

/// A note that was not admitted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HeldNote {
    /// Hold or refuse.
    pub verdict: Verdict,
    /// The statement. Untrusted.
    pub text: String,
    /// Its bytes in the memory.
    pub span: Span,
    /// What it is.
    pub kind: Kind,
    /// The lowest authority among its sources.
    pub authority: Authority,
    /// The worst severity among the findings; medium when only kind or origin hold it.
    pub severity: Severity,
    /// Why, for people: our own constant texts.
    pub reasons: Vec<String>,
    /// Findings, spans relative to `text`.
    pub findings: Vec<Finding>,
    /// Sources.
    pub origins: Vec<Origin>,
}

const INCOMPLETE: &str = "not everything could be read, decoded and scanned within the limits";
const GOVERNED: &str = "a governed kind is never admitted without a person";
const NO_SOURCE: &str = "no source is cited";
const EXTERNAL: &str = "its only support is external content";
const TOMBSTONE: &str = "the same text was destroyed by a reviewer before";
const FOUND: &str = "detectors found something at or above the hold level";
const REFUSED: &str = "the policy refuses text with this finding";
const TWICE: &str = "a secret remained after masking";

/// Decides on one scanned memory.
///
/// Errors: none; everything ends in an arm. Fails closed: partial coverage holds the whole memory.
/// Cost: linear in notes and findings.
pub fn decide(scanned: Scanned, policy: &Policy, basis: &Basis<'_>) -> Decision {
    let path = scanned.candidate().path.clone();
    if scanned.candidate().text.len() > policy.refuse.memory_bytes {
        return Decision::Refuse { reason: "longer than the policy allows", path };
    }
    if policy.mode == Mode::Observe {
        let observed = observe(&scanned, policy, basis);
        return Decision::Admit(approve(&scanned, policy, basis, observed));
    }
    if basis.released.iter().any(|released| released.digest == scanned.digest()) {
        return Decision::Admit(approve(&scanned, policy, basis, Vec::new()));
    }
    if matches!(scanned.coverage(), Coverage::Partial { .. }) || basis.sets_incomplete {
        return Decision::Hold(hold_everything(&scanned, policy));
    }
    let masked: Vec<&Finding> = scanned.findings().iter().filter(|f| policy.redacts(f) && !f.span.is_empty()).collect();
    if !masked.is_empty() && !basis.after_redaction {
        return Decision::Redact(redact(scanned.candidate(), &masked));
    }
    let notes = judge(&scanned, policy, basis);
    if notes.is_empty() {
        return Decision::Admit(approve(&scanned, policy, basis, Vec::new()));
    }
    // Headings whose every note is held and that nobody vouched for would be an empty shell of the attack.
    let emptied = scanned.notes().iter().all(|note| notes.iter().any(|held| held.span.contains(&note.span)));
    let vouched = |glue: &NoteScan| {
        glue_lines(glue.body.slice(&scanned.candidate().text).unwrap_or_default()).all(|line| basis.is_adopted(&line))
    };
    let rest = if emptied && !scanned.glue().iter().all(vouched) { None } else { remove(scanned.candidate(), &notes) };
    Decision::Hold(Split { notes, rest, ruleset: scanned.ruleset() })
}

/// The verdict on findings alone, for spans of transcripts: true when a dream must not see them.
pub fn holds_span(findings: &[Finding], policy: &Policy) -> bool {
    policy.holds(findings.iter()) || findings.iter().any(|f| policy.refuses(f))
}

fn observe(scanned: &Scanned, policy: &Policy, basis: &Basis<'_>) -> Vec<HeldNote> {
    match scanned.coverage() {
        Coverage::Partial { .. } => hold_everything(scanned, policy).notes,
        Coverage::Full => judge(scanned, policy, basis),
    }
}

/// One item for the whole memory. The secrets that were seen are blotted out in it, byte for byte so that spans
/// stay true: it can only be destroyed or expire, and the quarantine is no place for them.
fn hold_everything(scanned: &Scanned, policy: &Policy) -> Split {
    let candidate = scanned.candidate();
    let whole = Span::new(0, candidate.text.len());
    let mut text = candidate.text.clone();
    let mut findings = scanned.findings().to_vec();
    for finding in findings.iter_mut().filter(|finding| policy.redacts(finding)) {
        finding.excerpt.clear();
        if text.get(finding.span.start..finding.span.end).is_some() {
            text.replace_range(finding.span.start..finding.span.end, &"*".repeat(finding.span.len()));
        }
    }
    let note = HeldNote {
        verdict: Verdict::Hold,
        text,
        span: whole,
        kind: Kind::Fact,
        authority: candidate.authority_of(&whole),
        severity: worst(scanned.findings()).max(Severity::Medium),
        reasons: vec![INCOMPLETE.to_owned()],
        findings,
        origins: origins(candidate, &whole),
    };
    Split { notes: vec![note], rest: None, ruleset: scanned.ruleset() }
}

/// Every note that is not admitted, in order. Findings that touch no note hold the lines they are on.
fn judge(scanned: &Scanned, policy: &Policy, basis: &Basis<'_>) -> Vec<HeldNote> {
    let candidate = scanned.candidate();
    let mut held = Vec::new();
    let mut covered = vec![false; scanned.findings().len()];
    for note in scanned.notes() {
        for index in &note.findings {
            if let Some(flag) = covered.get_mut(*index) {
                *flag = true;
            }
        }
        held.extend(judge_note(scanned, note, policy, basis, Part::Note));
    }
    // Headings and code carry no note, but a reader obeys an order in a heading all the same.
    for glue in scanned.glue() {
        for index in &glue.findings {
            if let Some(flag) = covered.get_mut(*index) {
                *flag = true;
            }
        }
        held.extend(judge_note(scanned, glue, policy, basis, Part::Glue));
    }
    let loose: Vec<&Finding> =
        scanned.findings().iter().zip(&covered).filter(|(_, covered)| !**covered).map(|(finding, _)| finding).collect();
    if !loose.is_empty() && policy.holds(loose.iter().copied()) {
        for finding in loose.iter().filter(|f| f.severity >= Severity::Medium && policy.blocks(f)) {
            let span = whole_lines(&candidate.text, finding.span);
            held.push(held_note(scanned, span, span, Kind::Fact, vec![(*finding).clone()], Verdict::Hold, vec![FOUND]));
        }
    }
    merge_overlaps(held)
}

/// What is judged: a statement with sources, or the text between statements.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Note,
    Glue,
}

fn judge_note(scanned: &Scanned, note: &NoteScan, policy: &Policy, basis: &Basis<'_>, part: Part) -> Option<HeldNote> {
    let candidate = scanned.candidate();
    let body = note.body.slice(&candidate.text).unwrap_or_default();
    let digest = Digest::of(body);
    if basis.released.iter().any(|released| released.digest == digest) {
        return None;
    }
    let mut findings: Vec<Finding> = note.findings.iter().filter_map(|i| scanned.findings().get(*i)).cloned().collect();
    let adopted = match part {
        Part::Note => basis.is_adopted(&digest),
        Part::Glue => glue_lines(body).all(|line| basis.is_adopted(&line)),
    };
    if adopted {
        // Whoever vouches for a statement is its source.
        findings.retain(|finding| !is_about_origin(finding));
    }
    if let Some(set) = basis.set_findings.get(&digest) {
        findings.extend(set.iter().cloned().map(|f| Finding { span: note.body, view: View::Structure, ..f }));
    }
    let hold = |verdict, reasons: Vec<&str>, findings| {
        Some(held_note(scanned, note.span, note.body, note.kind, findings, verdict, reasons))
    };
    if findings.iter().any(|f| policy.redacts(f)) {
        // Masking was tried: what still reads as a secret never enters the quarantine either.
        return hold(Verdict::Refuse, vec![TWICE], findings);
    }
    if findings.iter().any(|f| policy.refuses(f)) {
        return hold(Verdict::Refuse, vec![REFUSED], findings);
    }
    if basis.tombstones.contains(&digest) {
        return hold(Verdict::Refuse, vec![TOMBSTONE], findings);
    }
    if policy.holds(findings.iter()) {
        let mut reasons = vec![FOUND];
        if note.kind.is_governed() {
            reasons.push(GOVERNED);
        }
        return hold(Verdict::Hold, reasons, findings);
    }
    if adopted {
        return None;
    }
    if part == Part::Glue {
        return if note.kind.is_governed() { hold(Verdict::Hold, vec![GOVERNED], findings) } else { None };
    }
    if candidate.origins_of(&note.body).next().is_none() {
        return hold(Verdict::Hold, vec![NO_SOURCE], findings);
    }
    if note.kind.is_governed() {
        return hold(Verdict::Hold, vec![GOVERNED], findings);
    }
    if basis.accepted.iter().any(|accepted| accepted.digests.contains(&digest)) {
        return None;
    }
    if candidate.authority_of(&note.body) == Authority::External {
        return hold(Verdict::Hold, vec![EXTERNAL], findings);
    }
    None
}

fn held_note(
    scanned: &Scanned,
    span: Span,
    body: Span,
    kind: Kind,
    findings: Vec<Finding>,
    verdict: Verdict,
    reasons: Vec<&str>,
) -> HeldNote {
    let candidate = scanned.candidate();
    HeldNote {
        verdict,
        text: body.slice(&candidate.text).unwrap_or_default().to_owned(),
        span,
        kind,
        authority: candidate.authority_of(&body),
        severity: if findings.is_empty() { Severity::Medium } else { worst(&findings).max(Severity::Low) },
        reasons: reasons.into_iter().map(str::to_owned).collect(),
        findings: findings.into_iter().map(|f| relative(f, body)).collect(),
        origins: origins(candidate, &body),
    }
}

/// A finding with its span counted from the start of the held text.
fn relative(finding: Finding, body: Span) -> Finding {
    let start = finding.span.start.clamp(body.start, body.end) - body.start;
    let end = finding.span.end.clamp(body.start, body.end) - body.start;
    Finding { span: Span::new(start, end), ..finding }
}

fn origins(candidate: &Candidate, span: &Span) -> Vec<Origin> {
    let mut all: Vec<Origin> = candidate.origins_of(span).cloned().collect();
    all.sort();
    all.dedup();
    all
}

fn worst(findings: &[Finding]) -> Severity {
    findings.iter().map(|f| f.severity).max().unwrap_or(Severity::Info)
}

fn whole_lines(text: &str, span: Span) -> Span {
    let bytes = text.as_bytes();
    let start = bytes[..span.start.min(bytes.len())].iter().rposition(|b| *b == b'\n').map_or(0, |i| i + 1);
    let from = span.end.min(bytes.len()).max(start);
    let end = bytes[from..].iter().position(|b| *b == b'\n').map_or(bytes.len(), |i| from + i + 1);
    Span::new(start, end)
}

/// Held spans must not overlap: they are cut out of the text. Overlapping ones become one item.
fn merge_overlaps(mut held: Vec<HeldNote>) -> Vec<HeldNote> {
    held.sort_by_key(|note| (note.span.start, std::cmp::Reverse(note.span.end)));
    let mut merged: Vec<HeldNote> = Vec::new();
    for note in held {
        match merged.last_mut() {
            Some(last) if last.span.contains(&note.span) || last.span == note.span => {
                last.verdict = last.verdict.max(note.verdict);
                last.severity = last.severity.max(note.severity);
                last.findings.extend(note.findings);
                last.reasons.extend(note.reasons);
                last.reasons.sort();
                last.reasons.dedup();
            }
            Some(last) if last.span.overlaps(&note.span) => {
                // Cut the shared bytes off the later one; both go.
                let start = last.span.end;
                merged.push(HeldNote { span: Span::new(start, note.span.end), ..note });
            }
            _ => merged.push(note),
        }
    }
    merged
}

/// The candidate without the held spans, claims moved along; `None` when no letter or digit is left.
///
/// A cut never joins what it stood between: a heading taken out from between two paragraphs would make one statement
/// of them, which nobody vouched for, destroyed or released, and whose second half may stand in the first one's quote.
fn remove(candidate: &Candidate, held: &[HeldNote]) -> Option<Untrusted<Candidate>> {
    let mut edits: Vec<(Span, String)> = held.iter().map(|note| (note.span, String::new())).collect();
    let mut edited = edit(candidate, &edits);
    let mut removed = 0;
    let cuts: Vec<usize> = edits
        .iter()
        .map(|(span, _)| {
            let cut = span.start.saturating_sub(removed);
            removed += span.len();
            cut
        })
        .collect();
    let joined = joins(&edited.text, &cuts);
    if joined.contains(&true) {
        for (index, (span, with)) in edits.iter_mut().enumerate() {
            // Cuts that touch are one: the last of them leaves the line.
            if joined.get(index) == Some(&true) && cuts.get(index + 1) != cuts.get(index) {
                empty_line(&candidate.text, span.start).clone_into(with);
            }
        }
        edited = edit(candidate, &edits);
    }
    edited.text.chars().any(char::is_alphanumeric).then(|| Untrusted::new(edited))
}

/// The line break that makes an empty line at `at`, as the line before it ends.
fn empty_line(text: &str, at: usize) -> &'static str {
    let before = text.get(..at).unwrap_or_default();
    if before.ends_with("\r\n") {
        "\r\n"
    } else if before.ends_with('\r') {
        // An LF would only finish that line break.
        "\r"
    } else if before.ends_with('\n') {
        "\n"
    } else {
        "\n\n"
    }
}

fn redact(candidate: &Candidate, findings: &[&Finding]) -> Redaction {
    let mut spans: Vec<(Span, &RuleId)> = findings.iter().map(|f| (f.span, &f.rule)).collect();
    spans.sort();
    let mut edits: Vec<(Span, String)> = Vec::new();
    let mut masked = Vec::new();
    for (span, rule) in spans {
        match edits.last_mut() {
            Some((last, _)) if last.overlaps(&span) => *last = last.cover(&span),
            _ => {
                edits.push((span, format!("[redacted:{rule}]")));
                masked.push(rule.clone());
            }
        }
    }
    Redaction { candidate: Untrusted::new(edit(candidate, &edits)), masked }
}

/// Replaces ascending, disjoint spans; claims keep covering what they covered.
fn edit(candidate: &Candidate, edits: &[(Span, String)]) -> Candidate {
    let mut text = String::with_capacity(candidate.text.len());
    let mut at = 0;
    for (span, with) in edits {
        text.push_str(candidate.text.get(at..span.start).unwrap_or_default());
        text.push_str(with);
        at = span.end.max(at);
    }
    text.push_str(candidate.text.get(at..).unwrap_or_default());
    let map = |offset: usize, is_end: bool| {
        let mut shift = 0_i64;
        for (span, with) in edits {
            if offset >= span.end {
                shift += with.len() as i64 - span.len() as i64;
            } else if offset > span.start {
                let inside = if is_end { with.len() as i64 } else { 0 };
                return (span.start as i64 + shift + inside).max(0) as usize;
            } else {
                break;
            }
        }
        (offset as i64 + shift).max(0) as usize
    };
    let claims = candidate
        .claims
        .iter()
        .map(|claim| Claim {
            span: Span::new(map(claim.span.start, false), map(claim.span.end, true)),
            ..claim.clone()
        })
        .filter(|claim| !claim.span.is_empty())
        .collect();
    Candidate { path: candidate.path.clone(), text, claims, stage: candidate.stage }
}

fn approve(scanned: &Scanned, policy: &Policy, basis: &Basis<'_>, observed: Vec<HeldNote>) -> Approved {
    let candidate = scanned.candidate();
    let provenance = match &basis.unchanged {
        Some((digest, provenance)) if *digest == candidate.digest() => provenance.clone(),
        _ => provenance(scanned, policy, basis, &observed),
    };
    Approved::mint(candidate.path.clone(), candidate.text.clone(), provenance)
}

/// Canonical JSON: sorted ASCII members, integers, digests and closed words only, so that nothing a
/// transcript says can reach a signed record as text.
fn provenance(scanned: &Scanned, policy: &Policy, basis: &Basis<'_>, observed: &[HeldNote]) -> String {
    let candidate = scanned.candidate();
    // A whole write was released: every part of it by that yes.
    let whole = basis.released.iter().any(|released| released.digest == scanned.digest());
    let notes: Vec<Value> = scanned
        .notes()
        .iter()
        .map(|note| {
            let digest = Digest::of(note.body.slice(&candidate.text).unwrap_or_default());
            let by = if whole || basis.released.iter().any(|r| r.digest == digest) {
                BY_RELEASE
            } else if basis.is_adopted(&digest) {
                "adoption"
            } else if basis.accepted.iter().any(|a| a.digests.contains(&digest)) {
                "acceptance"
            } else if observed.iter().any(|held| held.span.overlaps(&note.span)) {
                BY_OBSERVE
            } else {
                "policy"
            };
            json!({
                "admittedBy": by,
                "authority": candidate.authority_of(&note.body).name(),
                "kind": note.kind.name(),
                "sources": origins(candidate, &note.body).iter().map(origin_record).collect::<Vec<_>>(),
                "span": [note.body.start, note.body.end],
            })
        })
        .collect();
    // Headings and code are no statements and cite nothing; only that nobody stopped one, or that a reviewer did not,
    // has to be remembered.
    let glue: Vec<Value> = scanned
        .glue()
        .iter()
        .filter(|glue| whole || observed.iter().any(|held| held.span.overlaps(&glue.span)))
        .map(|glue| {
            let by = if whole { BY_RELEASE } else { BY_OBSERVE };
            json!({ "admittedBy": by, "span": [glue.body.start, glue.body.end] })
        })
        .collect();
    let mut record = json!({
        "gatePolicy": policy.digest().hex(),
        "notes": notes,
        "rules": scanned.ruleset().hex(),
        "schema": "memgate-provenance/1",
    });
    if let Some(members) = record.as_object_mut() {
        if !glue.is_empty() {
            members.insert("glue".to_owned(), Value::Array(glue));
        }
        if whole {
            members.insert("whole".to_owned(), Value::from(BY_RELEASE));
        }
    }
    record.to_string()
}

const BY_RELEASE: &str = "release";
const BY_OBSERVE: &str = "observe";

/// Digests of the statements of a memory that its provenance record says were admitted this way.
pub(super) fn admitted_by(text: &str, provenance: &str, by: &str) -> Vec<Digest> {
    parts_by(text, provenance, "notes", by).into_iter().map(Digest::of).collect()
}

/// Digests of everything that reviewers released into a memory: statements, and of a write that was released whole also
/// what stands between them, and the whole.
pub(super) fn released_in(text: &str, provenance: &str) -> Vec<Digest> {
    let mut digests = admitted_by(text, provenance, BY_RELEASE);
    digests.extend(parts_by(text, provenance, "glue", BY_RELEASE).into_iter().map(Digest::of));
    let record: Value = serde_json::from_str(provenance).unwrap_or_default();
    if record.get("whole").and_then(Value::as_str) == Some(BY_RELEASE) {
        digests.push(Digest::of(text));
    }
    digests
}

/// The parts of a memory that one list of its provenance record says were admitted this way.
fn parts_by<'t>(text: &'t str, provenance: &str, list: &str, by: &str) -> Vec<&'t str> {
    let record: Value = serde_json::from_str(provenance).unwrap_or_default();
    let parts = record.get(list).and_then(Value::as_array);
    let number = |value: Option<&Value>| usize::try_from(value?.as_u64()?).ok();
    parts
        .into_iter()
        .flatten()
        .filter(|part| part.get("admittedBy").and_then(Value::as_str) == Some(by))
        .filter_map(|part| {
            let span = part.get("span")?;
            text.get(number(span.get(0))?..number(span.get(1))?)
        })
        .collect()
}

/// Statements of a memory that a writer of this authority may replace where they stand: of an ordinary kind, admitted by
/// policy or as they were found, and of no higher authority. What a reviewer released is not among them.
pub fn yielding(text: &str, provenance: &str, authority: Authority) -> Vec<Digest> {
    let record: Value = serde_json::from_str(provenance).unwrap_or_default();
    let notes = record.get("notes").and_then(Value::as_array);
    let number = |value: Option<&Value>| usize::try_from(value?.as_u64()?).ok();
    notes
        .into_iter()
        .flatten()
        .filter(|note| {
            let says = |name: &str| note.get(name).and_then(Value::as_str).unwrap_or_default();
            let lower = [Authority::External, Authority::Agent, Authority::User, Authority::Reviewer]
                .into_iter()
                .any(|one| one <= authority && one.name() == says("authority"));
            let ordinary =
                [Kind::Fact, Kind::Preference, Kind::Procedure].iter().any(|kind| kind.name() == says("kind"));
            lower && ordinary && matches!(says("admittedBy"), "policy" | "adoption")
        })
        .filter_map(|note| {
            let span = note.get("span")?;
            text.get(number(span.get(0))?..number(span.get(1))?).map(Digest::of)
        })
        .collect()
}

/// Statements, and lines between them, that were only let through because the policy observed: nobody vouched for
/// them, and being in a version must not make them look vouched for once the policy is enforced.
pub fn only_observed(text: &str, provenance: &str) -> Vec<Digest> {
    let glue = parts_by(text, provenance, "glue", BY_OBSERVE);
    let mut digests = admitted_by(text, provenance, BY_OBSERVE);
    digests.extend(glue.into_iter().flat_map(glue_lines));
    digests
}

fn origin_record(origin: &Origin) -> Value {
    json!({
        "authority": origin.authority.name(),
        "channel": origin.channel.name(),
        "event": origin.event,
        "input": origin.input_digest.hex(),
        "principal": Digest::of(origin.principal.as_str()).hex(),
        "span": [origin.span.start, origin.span.end],
    })
}

/// The finding attached to every member of a set of notes that is harmful only together (T11).
pub fn set_finding(rule: &RuleId, title: &str, threats: &[String]) -> Finding {
    Finding {
        rule: rule.clone(),
        title: title.to_owned(),
        severity: Severity::High,
        confidence: Confidence::Medium,
        span: Span::new(0, 0),
        view: View::Structure,
        decoding: Vec::new(),
        threats: threats.to_vec(),
        excerpt: String::new(),
        level: Finding::FIRST_LEVEL,
    }
}
