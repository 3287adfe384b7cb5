//! One memory through scan and gate until nothing is left to decide.

use std::collections::BTreeSet;

use crate::detect::{Scanned, Scanner, Sources, kind};
use crate::domain::{
    Authority, Candidate, Digest, Finding, Kind, MemoryPath, Origin, RuleId, Severity, Span, Untrusted,
};
use crate::gate::{Approved, Basis, Decision, HeldNote, Place, Policy, Verdict, decide};
use crate::notes::Document;

use super::FirewallError;

/// Rounds after which what is left is held as a whole: each round takes something out, so an input
/// that needs more is built to stall.
const ROUNDS: usize = 8;

/// What became of one or more memories.
#[derive(Debug, Default)]
pub(super) struct Passed {
    /// Admitted memories.
    pub(super) approved: Vec<Approved>,
    /// Held notes with their places.
    pub(super) held: Vec<(HeldNote, Place)>,
    /// Refused notes with their places.
    pub(super) refused: Vec<(HeldNote, Place)>,
    /// Masked secrets: memory and rule, one for each place.
    pub(super) redacted: Vec<(MemoryPath, RuleId)>,
    /// Memories turned away whole, and why.
    pub(super) turned_away: Vec<(MemoryPath, &'static str)>,
}

impl Passed {
    /// Sends one candidate round until it is admitted, empty or turned away. Every round is weighed against the
    /// cited texts anew: what a mask or a cut changes keeps no verdict.
    pub(super) fn send(
        &mut self,
        scanner: &Scanner,
        policy: &Policy,
        basis: &mut Basis<'_>,
        sources: &Sources<'_>,
        candidate: Untrusted<Candidate>,
    ) {
        self.send_scanned(scanner, policy, basis, sources, scanner.scan_with(candidate, sources));
    }

    /// The same for a candidate whose first scan was needed elsewhere, too.
    pub(super) fn send_scanned(
        &mut self,
        scanner: &Scanner,
        policy: &Policy,
        basis: &mut Basis<'_>,
        sources: &Sources<'_>,
        scanned: Scanned,
    ) {
        let mut next = Some(scanned);
        basis.after_redaction = false;
        for round in 0.. {
            let Some(scanned) = next.take() else { return };
            let path = scanned.candidate().path.clone();
            if round == ROUNDS {
                self.turned_away.push((path, "it kept changing while it was taken apart"));
                return;
            }
            let document = Document::parse(&scanned.candidate().text);
            match decide(scanned, policy, basis) {
                Decision::Admit(approved) => self.approved.push(approved),
                Decision::Redact(redaction) => {
                    self.redacted.extend(redaction.masked.into_iter().map(|rule| (path.clone(), rule)));
                    basis.after_redaction = true;
                    carry_sets(&document, &redaction.candidate, basis);
                    next = Some(scanner.scan_with(redaction.candidate, sources));
                }
                Decision::Hold(split) => {
                    for note in split.notes {
                        let place = place_of(&document, &path, &note);
                        match note.verdict {
                            Verdict::Hold => self.held.push((note, place)),
                            Verdict::Refuse => self.refused.push((note, place)),
                        }
                    }
                    next = split.rest.map(|rest| scanner.scan_with(rest, sources));
                }
                Decision::Refuse { reason, path } => self.turned_away.push((path, reason)),
            }
        }
    }

    /// The admitted memories, when nothing at all was held, refused, masked or turned away.
    pub(super) fn all_or_nothing(self) -> Result<Vec<Approved>, FirewallError> {
        if let Some((note, _)) = self.held.first().or_else(|| self.refused.first()) {
            return Err(FirewallError::StoreHeld { digest: Digest::of(&note.text), reasons: note.reasons.clone() });
        }
        if let Some((path, reason)) = self.turned_away.first() {
            return Err(FirewallError::StoreHeld {
                digest: Digest::of(path.as_str()),
                reasons: vec![(*reason).to_owned()],
            });
        }
        if let Some((path, rule)) = self.redacted.first() {
            return Err(FirewallError::StoreHeld {
                digest: Digest::of(path.as_str()),
                reasons: vec![rule.to_string()],
            });
        }
        Ok(self.approved)
    }
}

/// Findings over sets name statements by their bytes; a mask changes those, and a finding that was lost with them
/// would let a fragment through for carrying a secret.
fn carry_sets(before: &Document, after: &Untrusted<Candidate>, basis: &mut Basis<'_>) {
    if basis.set_findings.is_empty() {
        return;
    }
    let after = Document::parse(&after.peek_unscanned().text);
    if after.note_count() != before.note_count() {
        basis.sets_incomplete = true;
        return;
    }
    for (old, new) in before.notes().zip(after.notes()) {
        let (old, new) = (before.body_digest(old), after.body_digest(new));
        if let Some(findings) = basis.set_findings.get(&old).filter(|_| old != new).cloned() {
            basis.set_findings.insert(new, findings);
        }
    }
}

fn place_of(document: &Document, path: &MemoryPath, held: &HeldNote) -> Place {
    let heading = document
        .notes()
        .find(|note| note.span.overlaps(&held.span))
        .and_then(|note| note.headings.last())
        .and_then(|span| span.slice(document.text()))
        .map(str::to_owned);
    Place::Memory { path: path.clone(), heading }
}

/// What becomes of a write that is admitted whole or not at all.
#[derive(Debug)]
pub(super) enum Whole {
    /// Every part was admitted.
    Admitted { approved: Approved, redacted: Vec<RuleId> },
    /// Something in it waits for a person, and with it the whole: its text after masking, and what in it is held.
    Held { note: HeldNote, spans: Vec<Span> },
    /// Something in it is turned away, and with it the whole.
    Refused { rules: Vec<RuleId>, reasons: Vec<String> },
}

/// Sends one candidate through the gate as a whole.
pub(super) fn whole(
    scanner: &Scanner,
    policy: &Policy,
    basis: &mut Basis<'_>,
    sources: &Sources<'_>,
    scanned: Scanned,
) -> Whole {
    basis.after_redaction = false;
    let mut redacted = Vec::new();
    let mut next = scanned;
    for _ in 0..ROUNDS {
        let candidate = next.candidate();
        let (text, document) = (candidate.text.clone(), Document::parse(&candidate.text));
        // A reviewer who destroyed exactly this write destroyed it for every place.
        if basis.tombstones.contains(&next.digest()) {
            return Whole::Refused { rules: Vec::new(), reasons: vec![TOMBSTONE.to_owned()] };
        }
        let origins = candidate.claims.iter().flat_map(|claim| claim.origins.clone()).collect::<BTreeSet<_>>();
        let authority = candidate.authority_of(&Span::new(0, text.len()));
        match decide(next, policy, basis) {
            Decision::Admit(approved) => return Whole::Admitted { approved, redacted },
            Decision::Redact(redaction) => {
                redacted.extend(redaction.masked);
                basis.after_redaction = true;
                carry_sets(&document, &redaction.candidate, basis);
                next = scanner.scan_with(redaction.candidate, sources);
            }
            Decision::Refuse { reason, .. } => {
                return Whole::Refused { rules: Vec::new(), reasons: vec![reason.to_owned()] };
            }
            Decision::Hold(split) => {
                let refused: Vec<&HeldNote> = split.notes.iter().filter(|n| n.verdict == Verdict::Refuse).collect();
                if !refused.is_empty() {
                    let rules: BTreeSet<RuleId> =
                        refused.iter().flat_map(|note| &note.findings).map(|finding| finding.rule.clone()).collect();
                    let reasons = joined(refused.iter().flat_map(|note| &note.reasons));
                    return Whole::Refused { rules: rules.into_iter().collect(), reasons };
                }
                return together(text, split.notes, authority, origins.into_iter().collect());
            }
        }
    }
    Whole::Refused { rules: Vec::new(), reasons: vec!["it kept changing while it was taken apart".to_owned()] }
}

const TOMBSTONE: &str = "the same text was destroyed by a reviewer before";

/// Reasons in their order, each once.
fn joined<'a>(reasons: impl Iterator<Item = &'a String>) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    for reason in reasons {
        if !out.contains(reason) {
            out.push(reason.clone());
        }
    }
    out
}

/// One held item for a whole write: what the reviewer sees is what will be stored.
fn together(text: String, notes: Vec<HeldNote>, authority: Authority, origins: Vec<Origin>) -> Whole {
    // An unread text is held with its secrets blotted out: that text, and no other, may be kept.
    let text = match &notes[..] {
        [only] if only.span == Span::new(0, text.len()) && only.text.len() == text.len() => only.text.clone(),
        _ => text,
    };
    let severity = notes.iter().map(|note| note.severity).max().unwrap_or(Severity::Medium);
    let kind = notes.iter().fold(Kind::Fact, |most, note| kind::stronger(most, note.kind));
    let reasons = joined(notes.iter().flat_map(|note| &note.reasons));
    let (mut findings, mut spans) = (Vec::new(), Vec::new());
    for note in &notes {
        // The statement's own start: marker and indentation come before it.
        let inside = note.span.slice(&text).and_then(|span| span.find(&note.text)).unwrap_or_default();
        let start = note.span.start + inside;
        spans.push(Span::new(start, (start + note.text.len()).min(text.len())));
        findings.extend(note.findings.iter().map(|finding| Finding {
            span: Span::new((start + finding.span.start).min(text.len()), (start + finding.span.end).min(text.len())),
            ..finding.clone()
        }));
    }
    findings.sort_by(|a, b| (a.span, &a.rule).cmp(&(b.span, &b.rule)));
    findings.dedup();
    let span = Span::new(0, text.len());
    let note = HeldNote { verdict: Verdict::Hold, text, span, kind, authority, severity, reasons, findings, origins };
    Whole::Held { note, spans }
}
