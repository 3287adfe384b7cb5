//! Collects operations and keeps account of every note.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{Authority, Digest};

use super::plan::Output;
use super::snapshot::{Entry, Snapshot};
use super::{Disposition, Evidence, Input, NoteRef, Operation, OperationKind, Plan, Tier};

/// An operation before it has an id.
pub(super) struct Draft {
    pub(super) kind: OperationKind,
    pub(super) tier: Tier,
    /// Entry numbers, the surviving one first.
    pub(super) inputs: Vec<usize>,
    pub(super) output: Option<Output>,
    pub(super) evidence: Vec<Evidence>,
    pub(super) rule: &'static str,
    pub(super) reason: String,
    pub(super) authority: Authority,
    pub(super) warnings: Vec<String>,
}

/// The plan in the making.
pub(super) struct Builder<'s> {
    snapshot: &'s Snapshot,
    decided: &'s BTreeSet<String>,
    /// Out of the live view for later stages, if everything is accepted.
    retired: Vec<bool>,
    /// Will be rewritten: at most once.
    rewritten: Vec<bool>,
    contested: BTreeSet<(usize, usize)>,
    drafts: Vec<Draft>,
    pub(super) not_measurable: Vec<String>,
    pub(super) errors: Vec<String>,
}

/// A quote for a reviewer: at most 300 bytes, cut at a character.
pub(super) fn quote(text: &str) -> String {
    let mut end = text.len().min(300);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].to_owned()
}

/// A note as evidence.
pub(super) fn cite(entry: &Entry) -> Evidence {
    Evidence { origin: entry.origin.clone(), quote: quote(&entry.body) }
}

impl<'s> Builder<'s> {
    pub(super) fn new(input: &Input<'s>, snapshot: &'s Snapshot) -> Self {
        let mut builder = Self {
            snapshot,
            decided: input.decided,
            retired: vec![false; snapshot.entries.len()],
            rewritten: vec![false; snapshot.entries.len()],
            contested: BTreeSet::new(),
            drafts: Vec::new(),
            not_measurable: Vec::new(),
            errors: snapshot.errors.clone(),
        };
        for (at, entry) in snapshot.entries.iter().enumerate() {
            if let Some(reason) = &entry.held {
                builder.retire(Draft {
                    kind: OperationKind::Quarantine,
                    tier: Tier::Automatic,
                    inputs: vec![at],
                    output: None,
                    evidence: vec![cite(entry)],
                    rule: "quarantine.held-by-scan",
                    reason: reason.clone(),
                    authority: entry.authority,
                    warnings: Vec::new(),
                });
            }
        }
        builder
    }

    /// Live entries that take part, in order.
    pub(super) fn live(&self) -> Vec<usize> {
        (0..self.retired.len()).filter(|&at| self.is_live(at)).collect()
    }

    pub(super) fn is_live(&self, at: usize) -> bool {
        !self.retired[at] && self.snapshot.entries[at].active
    }

    /// An operation after which every input but the first leaves the live view (for a quarantine
    /// or an expiry: every input).
    pub(super) fn retire(&mut self, draft: Draft) {
        let all = matches!(draft.kind, OperationKind::Quarantine | OperationKind::Expire);
        for &at in draft.inputs.iter().skip(usize::from(!all)) {
            self.retired[at] = true;
        }
        self.drafts.push(draft);
    }

    /// An operation that rewrites its only input.
    pub(super) fn rewrite(&mut self, draft: Draft) {
        for &at in &draft.inputs {
            self.rewritten[at] = true;
        }
        self.drafts.push(draft);
    }

    pub(super) fn add(&mut self, draft: Draft) {
        self.drafts.push(draft);
    }

    /// Flags two or more notes that nobody here may decide between.
    pub(super) fn contest(&mut self, mut inputs: Vec<usize>, rule: &'static str, reason: String) {
        inputs.sort_unstable();
        inputs.dedup();
        let pairs: Vec<(usize, usize)> = match inputs.as_slice() {
            [one] => vec![(*one, *one)],
            many => many.windows(2).map(|w| (w[0], w[1])).collect(),
        };
        if pairs.iter().all(|pair| self.contested.contains(pair)) {
            return;
        }
        self.contested.extend(pairs);
        let entries = &self.snapshot.entries;
        self.drafts.push(Draft {
            kind: OperationKind::Contest,
            tier: Tier::Automatic,
            evidence: inputs.iter().map(|&at| cite(&entries[at])).collect(),
            authority: Authority::lowest(inputs.iter().map(|&at| entries[at].authority)),
            output: None,
            rule,
            reason,
            warnings: Vec::new(),
            inputs,
        });
    }

    pub(super) fn is_contested(&self, left: usize, right: usize) -> bool {
        self.contested.contains(&(left.min(right), left.max(right)))
    }

    pub(super) fn finish(mut self, steering: Vec<String>) -> Plan {
        let entries = &self.snapshot.entries;
        let reference = |at: &usize| entries[*at].note.clone();
        let mut operations: Vec<Operation> = Vec::with_capacity(self.drafts.len());
        let mut seen: BTreeMap<String, usize> = BTreeMap::new();
        let mut drafts = std::mem::take(&mut self.drafts);
        drafts.sort_by(|a, b| sort_key(a).cmp(&sort_key(b)));
        let mut dispositions: Vec<(NoteRef, Disposition)> =
            entries.iter().map(|entry| (entry.note.clone(), Disposition::Keep)).collect();
        for draft in drafts {
            let inputs: Vec<NoteRef> = draft.inputs.iter().map(reference).collect();
            let mut id = operation_id(&draft, &inputs, 0);
            // Equal notes in one memory give equal operations: number them.
            let count = seen.entry(id.clone()).or_insert(0);
            *count += 1;
            if *count > 1 {
                id = operation_id(&draft, &inputs, *count - 1);
            }
            if draft.tier == Tier::Automatic {
                settle(&draft, &inputs, &mut dispositions);
            }
            // What was decided before is not raised again; what holds automatically still holds.
            let flag_only = draft.tier == Tier::Propose || draft.kind == OperationKind::Contest;
            if flag_only && self.decided.contains(&id) {
                continue;
            }
            operations.push(Operation {
                id,
                kind: draft.kind,
                tier: draft.tier,
                inputs,
                output: draft.output,
                evidence: draft.evidence,
                rule: draft.rule.to_owned(),
                reason: draft.reason,
                authority: draft.authority,
                warnings: draft.warnings,
            });
        }
        self.not_measurable.sort();
        self.not_measurable.dedup();
        let leaving = self.retired.iter().filter(|gone| **gone).count();
        if entries.len() >= 20 && leaving * 2 > entries.len() {
            // Mass deletion is how an attack on the consolidation itself shows (threat T16).
            self.errors
                .push(format!("store-wide loss: {leaving} of {} notes would leave the live view", entries.len()));
        }
        Plan {
            base: self.snapshot.base,
            operations,
            dispositions,
            not_measurable: self.not_measurable,
            steering,
            errors: self.errors,
        }
    }
}

fn sort_key(draft: &Draft) -> (OperationKind, &[usize], &str, Option<(&str, &str)>) {
    let output = draft.output.as_ref().map(|output| (output.path.as_str(), output.text.as_str()));
    (draft.kind, &draft.inputs, draft.rule, output)
}

/// Ids name contents and places of memories, not note numbers: they survive edits around them,
/// and held notes leave no trace in them.
fn operation_id(draft: &Draft, inputs: &[NoteRef], count: usize) -> String {
    let kind = format!("{:?}", draft.kind);
    let count = count.to_string();
    let mut parts: Vec<&[u8]> = vec![kind.as_bytes(), draft.rule.as_bytes(), count.as_bytes()];
    for input in inputs {
        parts.extend([input.path.as_str().as_bytes(), input.digest.bytes().as_slice()]);
    }
    if let Some(output) = &draft.output {
        parts.extend([output.path.as_str().as_bytes(), output.text.as_bytes()]);
    }
    format!("op_{}", Digest::of_parts(parts).short())
}

fn settle(draft: &Draft, inputs: &[NoteRef], dispositions: &mut [(NoteRef, Disposition)]) {
    for (at, &entry) in draft.inputs.iter().enumerate() {
        if let Some(outcome) = outcome(draft.kind, at, inputs) {
            dispositions[entry].1 = outcome;
        }
    }
}

/// What an operation makes of its `at`-th input; `None` when that input stays as it is.
pub(super) fn outcome(kind: OperationKind, at: usize, inputs: &[NoteRef]) -> Option<Disposition> {
    let first = || inputs[0].clone();
    match kind {
        OperationKind::MergeExact | OperationKind::MergeNear | OperationKind::Subsume => {
            (at > 0).then(|| Disposition::MergedInto { into: first() })
        }
        OperationKind::Supersede => (at > 0).then(|| Disposition::SupersededBy { by: first() }),
        OperationKind::Contest => Some(Disposition::Contested),
        OperationKind::Repair => Some(Disposition::Repaired),
        OperationKind::Quarantine => Some(Disposition::Quarantined),
        OperationKind::Expire => Some(Disposition::Expired),
        OperationKind::Insight => None,
    }
}
