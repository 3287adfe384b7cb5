//! One memory through scan and gate until nothing is left to decide.

use crate::detect::{Scanned, Scanner, Sources};
use crate::domain::{Candidate, Digest, MemoryPath, RuleId, Untrusted};
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
