//! Carries out the accepted part of a plan, on copies.

use std::collections::{BTreeMap, BTreeSet};

use crate::domain::{Authority, Claim, MemoryPath, Origin, Untrusted};
use crate::notes::{Document, Edit};

use super::snapshot::by_path;
use super::{ConsolidateError, Disposition, Input, NoteRef, Operation, OperationKind, OutputMemory, Plan, Tier};
use super::{build, snapshot};

/// The output store of an accepted plan.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Applied {
    /// Every memory of the input, and those that insights open, by path.
    pub memories: Vec<OutputMemory>,
    /// Every input note with its one terminal disposition.
    pub dispositions: Vec<(NoteRef, Disposition)>,
    /// Ids that took effect, flags included: `decided` of the next run.
    pub settled: BTreeSet<String>,
    /// Edits that could not be made without touching a neighbour; their notes are kept.
    pub errors: Vec<String>,
}

/// What stands in place of a held note that cannot be cut out without touching its neighbours.
const WITHHELD: &str = "(withheld)";

impl Plan {
    /// Operations that would change the store: everything but flags on notes in dispute.
    pub fn changes(&self) -> impl Iterator<Item = &Operation> {
        self.operations.iter().filter(|operation| operation.kind != OperationKind::Contest)
    }

    /// Makes the output store: automatic operations always, proposals only when accepted.
    ///
    /// Input is not written. Bytes of notes that no operation touches stay as they are.
    ///
    /// Errors: refused: [`ConsolidateError::BaseChanged`] when `input` is not the plan's,
    /// [`ConsolidateError::NoSuchOperation`] for an unknown id. Bug:
    /// [`ConsolidateError::Unbalanced`] when a note would have no disposition.
    /// Cost: linear in the store.
    pub fn apply(&self, input: &Input<'_>, accepted: &BTreeSet<String>) -> Result<Applied, ConsolidateError> {
        let given = snapshot::base(input);
        if given != self.base {
            return Err(ConsolidateError::BaseChanged { planned: self.base, given });
        }
        let known: BTreeSet<&str> = self.operations.iter().map(|operation| operation.id.as_str()).collect();
        if let Some(id) = accepted.iter().find(|id| !known.contains(id.as_str())) {
            return Err(ConsolidateError::NoSuchOperation { id: id.clone() });
        }
        let chosen: Vec<&Operation> =
            self.operations.iter().filter(|o| o.tier == Tier::Automatic || accepted.contains(&o.id)).collect();
        let mut errors = Vec::new();
        let mut outcomes = outcomes(&self.dispositions, &chosen);
        let mut lineage = lineage(&chosen);
        let (memories, _) = by_path(input.memories);
        let mut appended = appended(&chosen);
        let mut out = Vec::with_capacity(memories.len());
        let mut notes = 0;
        for memory in memories {
            let document = Document::parse(memory.text.peek_unscanned());
            notes += document.note_count();
            let mut edits = edits_of(&memory.path, &document, &outcomes, &chosen);
            let additions = appended.remove(&memory.path).unwrap_or_default();
            edits.extend(additions.iter().map(|o| append(o)));
            let (edited, made) = edit(&document, edits, &memory.path, &mut outcomes, &mut errors);
            let sources = sources_of(memory, &document, input, &made, &mut lineage);
            out.push(output(memory.path.clone(), &edited, sources, &additions));
        }
        for (path, additions) in appended {
            let empty = Document::parse("");
            let edits: Vec<Edit> = additions.iter().map(|o| append(o)).collect();
            let (edited, _) = edit(&empty, edits, &path, &mut outcomes, &mut errors);
            out.push(output(path, &edited, Vec::new(), &additions));
        }
        out.sort_by(|a, b| a.path.cmp(&b.path));
        let dispositions: Vec<(NoteRef, Disposition)> = outcomes.into_values().collect();
        if dispositions.len() != notes {
            return Err(ConsolidateError::Unbalanced { notes, dispositions: dispositions.len() });
        }
        let settled = chosen.iter().map(|o| o.id.clone()).collect();
        Ok(Applied { memories: out, dispositions, settled, errors })
    }
}

type Outcomes = BTreeMap<(MemoryPath, usize), (NoteRef, Disposition)>;

fn place(note: &NoteRef) -> (MemoryPath, usize) {
    (note.path.clone(), note.note)
}

/// Where every note ends, chains followed to the note that really stays.
fn outcomes(base: &[(NoteRef, Disposition)], chosen: &[&Operation]) -> Outcomes {
    // The plan's own dispositions carry flags whose operations were not raised again.
    let mut out: Outcomes = base.iter().map(|(note, d)| (place(note), (note.clone(), d.clone()))).collect();
    // Flags first: whatever retires or rewrites a note says more about it.
    let strength = |kind: OperationKind| match kind {
        OperationKind::Contest | OperationKind::Insight => 0,
        OperationKind::Repair => 1,
        _ => 2,
    };
    let mut ordered: Vec<&&Operation> = chosen.iter().collect();
    ordered.sort_by_key(|o| strength(o.kind));
    for operation in ordered {
        for (at, note) in operation.inputs.iter().enumerate() {
            if let (Some(new), Some(slot)) =
                (build::outcome(operation.kind, at, &operation.inputs), out.get_mut(&place(note)))
            {
                slot.1 = new;
            }
        }
    }
    let keys: Vec<(MemoryPath, usize)> = out.keys().cloned().collect();
    for key in keys {
        // A note is retired once and only into one that was live then, so chains end; the bound is for damaged plans.
        for _ in 0..64 {
            let target = match out.get(&key).map(|slot| &slot.1) {
                Some(Disposition::MergedInto { into }) => place(into),
                Some(Disposition::SupersededBy { by }) => place(by),
                _ => break,
            };
            let next = match out.get(&target).map(|slot| slot.1.clone()) {
                Some(Disposition::MergedInto { into }) => match out.get(&key).map(|slot| &slot.1) {
                    Some(Disposition::SupersededBy { .. }) => Disposition::SupersededBy { by: into },
                    _ => Disposition::MergedInto { into },
                },
                // A copy of something superseded is superseded as well.
                Some(Disposition::SupersededBy { by })
                    if matches!(out.get(&key).map(|s| &s.1), Some(Disposition::MergedInto { .. })) =>
                {
                    Disposition::SupersededBy { by }
                }
                _ => break,
            };
            if let Some(slot) = out.get_mut(&key) {
                slot.1 = next;
            }
        }
    }
    out
}

/// Origins that a surviving note also rests on, by its place.
fn lineage(chosen: &[&Operation]) -> BTreeMap<(MemoryPath, usize), (Vec<Origin>, Authority)> {
    let mut out: BTreeMap<(MemoryPath, usize), (Vec<Origin>, Authority)> = BTreeMap::new();
    for operation in chosen {
        if matches!(operation.kind, OperationKind::MergeExact | OperationKind::MergeNear | OperationKind::Subsume) {
            let Some(first) = operation.inputs.first() else { continue };
            let slot = out.entry(place(first)).or_insert((Vec::new(), operation.authority));
            slot.0.extend(operation.evidence.iter().skip(1).map(|e| e.origin.clone()));
            slot.1 = slot.1.min(operation.authority);
        }
    }
    out
}

fn appended<'o>(chosen: &[&'o Operation]) -> BTreeMap<MemoryPath, Vec<&'o Operation>> {
    let mut out: BTreeMap<MemoryPath, Vec<&Operation>> = BTreeMap::new();
    for operation in chosen.iter().filter(|o| o.kind == OperationKind::Insight) {
        if let Some(output) = &operation.output {
            out.entry(output.path.clone()).or_default().push(operation);
        }
    }
    out
}

fn append(operation: &Operation) -> Edit {
    let text = operation.output.as_ref().map(|output| output.text.clone()).unwrap_or_default();
    Edit::Append { heading: String::new(), text }
}

fn edits_of(path: &MemoryPath, document: &Document, outcomes: &Outcomes, chosen: &[&Operation]) -> Vec<Edit> {
    let mut texts: BTreeMap<usize, &str> = BTreeMap::new();
    for operation in chosen.iter().filter(|o| o.kind == OperationKind::Repair) {
        if let (Some(note), Some(output)) = (operation.inputs.first(), &operation.output)
            && note.path == *path
        {
            texts.insert(note.note, &output.text);
        }
    }
    (0..document.note_count())
        .filter_map(|number| match outcomes.get(&(path.clone(), number)).map(|slot| &slot.1) {
            Some(Disposition::Repaired) => texts.get(&number).map(|text| Edit::Replace(number, (*text).to_owned())),
            Some(
                Disposition::MergedInto { .. }
                | Disposition::SupersededBy { .. }
                | Disposition::Quarantined
                | Disposition::Expired,
            ) => Some(Edit::Remove(number)),
            _ => None,
        })
        .collect()
}

/// Makes the edits; one that would touch a neighbour is left out and its note kept. A held note
/// is never kept: where it cannot be cut out, a fixed word takes its place.
fn edit(
    document: &Document,
    edits: Vec<Edit>,
    path: &MemoryPath,
    outcomes: &mut Outcomes,
    errors: &mut Vec<String>,
) -> (Document, Vec<Edit>) {
    if edits.is_empty() {
        return (document.clone(), edits);
    }
    if let Ok(edited) = document.apply(&edits) {
        return (edited, edits);
    }
    let mut made: Vec<Edit> = Vec::new();
    for edit in edits {
        let number = match &edit {
            Edit::Remove(n) | Edit::Replace(n, _) => Some(*n),
            Edit::Append { .. } => None,
        };
        let held =
            number.is_some_and(|n| matches!(outcomes.get(&(path.clone(), n)), Some((_, Disposition::Quarantined))));
        let mut tries = vec![edit];
        if let (true, Some(n)) = (held, number) {
            tries.push(Edit::Replace(n, WITHHELD.to_owned()));
        }
        let before = made.len();
        for attempt in tries {
            made.push(attempt);
            if document.apply(&made).is_ok() {
                break;
            }
            made.pop();
        }
        if made.len() == before {
            match number {
                Some(n) => {
                    errors.push(format!("note {n} of {path} was kept: changing it would change its neighbours"));
                    if let Some(slot) = outcomes.get_mut(&(path.clone(), n)) {
                        slot.1 = Disposition::Keep;
                    }
                }
                None => errors.push(format!("an insight could not be written to {path}")),
            }
        }
    }
    match document.apply(&made) {
        Ok(edited) => (edited, made),
        Err(_) => (document.clone(), Vec::new()),
    }
}

type Sources = Vec<(Vec<Origin>, Authority)>;

/// Sources of the notes that stay, in order.
fn sources_of(
    memory: &crate::ingest::Memory,
    document: &Document,
    input: &Input<'_>,
    made: &[Edit],
    lineage: &mut BTreeMap<(MemoryPath, usize), (Vec<Origin>, Authority)>,
) -> Sources {
    let removed: BTreeSet<usize> =
        made.iter().filter_map(|e| if let Edit::Remove(n) = e { Some(*n) } else { None }).collect();
    let mut out = Vec::new();
    for (number, note) in document.notes().enumerate().filter(|(number, _)| !removed.contains(number)) {
        let key = (memory.path.clone(), number);
        let own = input.note_authority.get(&key).map_or(memory.origin.authority, |a| (*a).min(memory.origin.authority));
        let mut origins =
            vec![Origin { span: note.body.shifted(memory.origin.span.start), authority: own, ..memory.origin.clone() }];
        let mut authority = own;
        if let Some((more, lowest)) = lineage.remove(&key) {
            origins.extend(more);
            authority = authority.min(lowest);
        }
        out.push((origins, authority));
    }
    out
}

/// The output memory: every note with its claim. Notes that stay are in order; a note that is
/// not one of them is one of the additions.
fn output(path: MemoryPath, edited: &Document, sources: Sources, additions: &[&Operation]) -> OutputMemory {
    let extra = edited.note_count().saturating_sub(sources.len());
    let mut sources = sources.into_iter();
    let mut additions = additions.iter();
    let mut added = 0;
    let claims = edited
        .notes()
        .filter_map(|note| {
            let body = edited.body(note);
            let next = additions.as_slice().first();
            let is_addition =
                added < extra && next.is_some_and(|o| o.output.as_ref().is_some_and(|out| out.text == body));
            let (origins, authority) = if is_addition {
                added += 1;
                let operation = additions.next()?;
                (operation.evidence.iter().map(|e| e.origin.clone()).collect(), operation.authority)
            } else {
                sources.next()?
            };
            Some(Claim { span: note.body, origins, authority })
        })
        .collect();
    OutputMemory { path, text: Untrusted::new(edited.text().to_owned()), claims }
}
