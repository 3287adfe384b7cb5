//! The dream: screen, consolidate, gate, hold, sign.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use crate::auth::{self, Adopt};
use crate::consolidate::plan::{Disposition, NoteRef, Operation, OperationKind, OutputMemory, Plan, Tier};
use crate::consolidate::{Input, Marks, Workspace, consolidate};
use crate::detect::known::Known;
use crate::detect::set::{SetReport, is_definition, is_opening};
use crate::detect::{Coverage, Scanner, Sources, is_about_origin};
use crate::domain::{Candidate, Claim, Digest, Finding, Kind, MemoryPath, PrincipalId, Span, Stage, Untrusted};
use crate::gate::decide::{glue_lines, set_finding};
use crate::gate::policy::Accept;
use crate::gate::{Accepted, Adopted, Basis, HeldRecord};
use crate::ingest::{Memory, RawInput, Session};
use crate::ledger::SignedVersion;
use crate::notes::{Document, Piece};
use crate::store::Store as _;

use super::gateway::Passed;
use super::screen::screen_sessions;
use super::sign::Change;
use super::{Firewall, FirewallError, Ground, VersionInfo, sources};

/// What happens to a dream's proposals.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AcceptMode {
    /// All proposals are accepted; the gate still looks at each.
    Proposals,
    /// None, except those the policy accepts.
    None,
}

/// Asks the owner about one proposal: yes, no, or `None` to leave it to the mode.
pub type Ask<'a> = dyn FnMut(&Operation) -> Option<bool> + 'a;

/// What a dream reads.
pub struct DreamRequest<'a> {
    /// The memory folder, or `None` to dream over the store's current version.
    pub memories: Option<Vec<Memory>>,
    /// The sessions.
    pub sessions: Vec<Session>,
    /// Raw inputs to keep as evidence.
    pub raw: Vec<RawInput>,
    /// Steering text.
    pub instructions: Option<String>,
    /// The workspace the notes speak of.
    pub workspace: Option<&'a dyn Workspace>,
    /// What happens to proposals.
    pub accept: AcceptMode,
    /// Asked for each proposal before `accept` is looked at; `None` leaves it to `accept`.
    pub ask: Option<&'a mut Ask<'a>>,
    /// The owner vouches for the memory folder's notes even though the store has a version already.
    pub adopt: bool,
    /// Make the plan and the report, change nothing.
    pub dry_run: bool,
}

/// A step of a dream, for progress bars.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Progress {
    /// A stage begins with so many units of work.
    Stage(&'static str, usize),
    /// Units done.
    Done(usize),
}

/// What a dream did. Counts add up: every input note has one disposition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DreamReport {
    /// Digest of the input snapshot: also the dream's id.
    pub base: Digest,
    /// Memories and notes read.
    pub memories: usize,
    /// Notes read.
    pub notes: usize,
    /// Sessions read.
    pub sessions: usize,
    /// Events read.
    pub events: usize,
    /// Bytes of transcript read.
    pub session_bytes: usize,
    /// The plan, as proposed.
    pub plan: Plan,
    /// Edits that were left out because they would have changed a neighbour; their notes are kept.
    pub stage_errors: Vec<String>,
    /// Ids of the operations that took effect.
    pub applied: Vec<String>,
    /// Every input note with its terminal disposition.
    pub dispositions: Vec<(NoteRef, Disposition)>,
    /// Items in the quarantine because of this dream, worst first.
    pub held: Vec<HeldRecord>,
    /// How many of them are new there.
    pub held_new: usize,
    /// Notes turned away: memory or session, and why.
    pub refused: Vec<RefusedNote>,
    /// Secrets: masked in a memory, or a span of a transcript the dream did not see; place and rule. Places are
    /// untrusted: show them escaped.
    pub redacted: Vec<(String, String)>,
    /// Memories in the output.
    pub output_memories: usize,
    /// Notes in the output.
    pub output_notes: usize,
    /// The signed version, when content changed.
    pub version: Option<VersionInfo>,
    /// True when policy only observes.
    pub observed: bool,
}

/// A note that was turned away. Its text is not kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RefusedNote {
    /// The memory it would have gone to. Untrusted: show it escaped.
    pub path: String,
    /// Digest of its text.
    pub digest: Digest,
    /// Why, constant texts.
    pub reasons: Vec<String>,
    /// The rules that fired.
    pub rules: Vec<String>,
}

impl DreamReport {
    /// Number of input notes per disposition name.
    pub fn counts(&self) -> BTreeMap<&'static str, usize> {
        let mut counts = BTreeMap::new();
        for (_, disposition) in &self.dispositions {
            *counts.entry(disposition_name(disposition)).or_insert(0) += 1;
        }
        counts
    }
    /// Operations that took effect, of one kind.
    pub fn applied_of(&self, kind: OperationKind) -> usize {
        let applied: BTreeSet<&str> = self.applied.iter().map(String::as_str).collect();
        self.plan.operations.iter().filter(|op| op.kind == kind && applied.contains(op.id.as_str())).count()
    }
}

/// Stable lower-case name of a disposition.
pub const fn disposition_name(disposition: &Disposition) -> &'static str {
    match disposition {
        Disposition::Keep => "keep",
        Disposition::MergedInto { .. } => "merged",
        Disposition::SupersededBy { .. } => "superseded",
        Disposition::Contested => "contested",
        Disposition::Repaired => "repaired",
        Disposition::Quarantined => "quarantined",
        Disposition::Expired => "expired",
        Disposition::Redacted => "redacted",
    }
}

/// The marks of the scan before consolidation.
struct Before {
    memory_marks: BTreeMap<(MemoryPath, usize), Marks>,
    note_kinds: BTreeMap<(MemoryPath, usize), Kind>,
    held: Vec<HeldRecord>,
    refused: Vec<RefusedNote>,
    secrets: BTreeSet<(MemoryPath, Digest)>,
    adopted: Vec<Adopted>,
}

impl Firewall {
    /// Runs one dream. The input is never written; the store changes only by a new signed version and by
    /// new items in the quarantine, both after everything else worked.
    ///
    /// # Errors
    /// Refused input, an unavailable store, or a failed self-check; nothing is half-written.
    pub fn dream(
        &mut self,
        request: DreamRequest<'_>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<DreamReport, FirewallError> {
        let grant = auth::authorize::<auth::Dream>(&self.operator()?)?;
        let now = self.now();
        let DreamRequest { memories, sessions, raw, instructions, workspace, accept, mut ask, adopt, dry_run } =
            request;
        let from_folder = memories.is_some();
        let memories = match memories {
            Some(memories) => memories,
            None => self.current_memories()?,
        };
        let ground = self.ground()?;
        let vouch = adopt || (from_folder && ground.base().is_none());

        progress(Progress::Stage("scan sessions", sessions.len()));
        let go_on = || self.go_on();
        let mut done = |done| progress(Progress::Done(done));
        let screened = screen_sessions(&self.scanner, &self.policy, &sessions, now, &go_on, &mut done)?;
        progress(Progress::Stage("scan memories", memories.len()));
        let mut sources = sources::of(&sessions, &screened.marks);
        let before = self.screen_memories(&memories, vouch, &ground, &sources, grant.principal(), progress)?;

        progress(Progress::Stage("consolidate", 1));
        let (note_authority, decided) = (BTreeMap::new(), self.decided_operations(from_folder)?);
        let options = crate::consolidate::Options::default();
        let input = Input {
            memories: &memories,
            memory_marks: &before.memory_marks,
            note_kinds: &before.note_kinds,
            note_authority: &note_authority,
            sessions: &sessions,
            event_marks: &screened.marks,
            decided: &decided,
            probes: workspace,
            steering: instructions.as_deref(),
            now,
            options: &options,
        };
        let plan = consolidate(&input);
        progress(Progress::Done(1));
        self.go_on()?;
        let accepted_ops = self.choose(&plan, accept, &mut ask);
        let applied = plan.apply(&input, &accepted_ops)?;

        progress(Progress::Stage("gate", applied.memories.len()));
        sources::add_memories(&mut sources, &memories);
        let composed = composed(&plan, &accepted_ops);
        for text in &composed {
            sources.add_composed(*text);
        }
        let passed = self.gate_outputs(&applied.memories, &before, &ground, &composed, &sources, progress)?;
        let mut held = self.records(&passed, grant.principal());
        let mut refused = before.refused;
        refused.extend(passed.refused.iter().map(|(note, place)| refused_note(place.memory(), note)));
        refused.extend(passed.turned_away.iter().map(|(path, reason)| RefusedNote {
            path: path.to_string(),
            digest: Digest::of(b""),
            reasons: vec![(*reason).to_owned()],
            rules: Vec::new(),
        }));
        held.extend(before.held);
        held.extend(screened.held.iter().cloned());
        dedup_held(&mut held);

        let mut dispositions = applied.dispositions.clone();
        mark_redacted(&mut dispositions, &before.secrets);
        let output_notes = passed.approved.iter().map(|a| Document::parse(a.text()).notes().count()).sum();
        let in_memories = passed.redacted.iter().map(|(path, rule)| (path.to_string(), rule.to_string()));
        let in_sessions =
            screened.secrets.iter().map(|(id, event, rule)| (format!("session {id} event {event}"), rule.to_string()));
        let redacted = in_memories.chain(in_sessions).collect();
        let mut report = DreamReport {
            base: plan.base,
            memories: memories.len(),
            notes: dispositions.len(),
            sessions: sessions.len(),
            events: screened.events,
            session_bytes: screened.bytes,
            applied: applied_ids(&plan, &accepted_ops),
            stage_errors: applied.errors.clone(),
            plan,
            dispositions,
            held,
            held_new: 0,
            refused,
            redacted,
            output_memories: passed.approved.len(),
            output_notes,
            version: None,
            observed: self.policy.mode == crate::gate::Mode::Observe,
        };
        if dry_run {
            return Ok(report);
        }
        // The last chance: from here on the dream is finished.
        self.go_on()?;
        progress(Progress::Stage("sign", 1));
        if self.policy.evidence.keep_raw {
            let inputs: Vec<(&str, &[u8])> =
                raw.iter().map(|input| (input.name.as_str(), input.bytes.peek_unscanned().as_ref())).collect();
            self.store.put_raws(&inputs)?;
        }
        self.expire()?;
        report.held_new = self.put_held(&report.held)?;
        let change = Change::content(if ground.base().is_none() { "genesis" } else { "advance" });
        report.version = self.sign_approved(passed.approved, change, &[grant.principal().clone()])?;
        let flags: BTreeSet<&str> = report
            .plan
            .operations
            .iter()
            .filter(|op| op.kind == OperationKind::Contest)
            .map(|op| op.id.as_str())
            .collect();
        let settled: Vec<(String, String)> = applied
            .settled
            .iter()
            .map(|id| (id.clone(), if flags.contains(id.as_str()) { "flag" } else { "change" }.to_owned()))
            .collect();
        self.store.put_documents("operation", &settled)?;
        self.save_dream(&report)?;
        progress(Progress::Done(1));
        Ok(report)
    }

    /// Marks every input note, by what the gate would say of it as it lies there.
    fn screen_memories(
        &self,
        memories: &[Memory],
        vouch: bool,
        ground: &Ground,
        sources: &Sources<'_>,
        operator: &PrincipalId,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Before, FirewallError> {
        let adopt = auth::authorize::<Adopt>(&self.operator()?)?;
        let mut adopted = Vec::new();
        if vouch {
            adopted.push(Adopted::new(&adopt, memories.iter().flat_map(|m| statements(m.text.peek_unscanned()))));
        }
        adopted.push(self.adopted_from(ground.base())?);
        let mut before = Before {
            memory_marks: BTreeMap::new(),
            note_kinds: BTreeMap::new(),
            held: Vec::new(),
            refused: Vec::new(),
            secrets: BTreeSet::new(),
            adopted,
        };
        for memory in memories {
            self.go_on()?;
            let text = memory.text.peek_unscanned();
            let document = Document::parse(text);
            let scanned = self.scanner.scan_with(Untrusted::new(as_found(memory)), sources);
            let unread = *scanned.coverage() != Coverage::Full;
            for (number, note) in scanned.notes().iter().enumerate() {
                before.note_kinds.insert((memory.path.clone(), number), note.kind);
                let findings = note.findings.iter().filter_map(|i| scanned.findings().get(*i));
                if findings.clone().any(|f| self.policy.redacts(f)) {
                    before.secrets.insert((memory.path.clone(), Digest::of(note.body.slice(text).unwrap_or_default())));
                }
            }
            let found = scanned.findings().to_vec();
            let mut passed = Passed::default();
            let mut basis = ground.basis(&memory.path, &before.adopted);
            passed.send_scanned(&self.scanner, &self.policy, &mut basis, sources, scanned);
            let texts = || passed.held.iter().chain(&passed.refused).map(|(note, _)| note.text.as_str());
            let removed: BTreeSet<Digest> = texts().map(Digest::of).collect();
            let places = places_of(text, texts());
            for (number, note) in document.notes().enumerate() {
                let vouched = basis.is_adopted(&document.body_digest(note));
                let counts = |f: &&Finding| f.span.overlaps(&note.span) && !(vouched && is_about_origin(f));
                let findings: Vec<Finding> = found.iter().filter(counts).cloned().collect();
                // A held span that is no note of the input (glue, a part) marks the notes it touches.
                let held = unread || removed.contains(&document.body_digest(note)) || touches(&places, note.span);
                if held || !findings.is_empty() {
                    before.memory_marks.insert((memory.path.clone(), number), Marks { findings, held });
                }
            }
            before.held.extend(self.records(&passed, operator));
            before.refused.extend(passed.refused.iter().map(|(note, place)| refused_note(place.memory(), note)));
            progress(Progress::Done(1));
        }
        Ok(before)
    }

    /// Operations of earlier dreams that took effect: their ids name contents, so what changed since is raised
    /// anew. A folder that is read again still holds what a dream changed: there only flags are not repeated,
    /// and the same input gives the same output.
    fn decided_operations(&self, from_folder: bool) -> Result<BTreeSet<String>, FirewallError> {
        let documents = self.store.documents("operation")?;
        Ok(documents.into_iter().filter(|(_, body)| !from_folder || body == "flag").map(|(id, _)| id).collect())
    }

    fn choose(&self, plan: &Plan, accept: AcceptMode, ask: &mut Option<&mut Ask<'_>>) -> BTreeSet<String> {
        let policy = &self.policy.accept;
        plan.operations
            .iter()
            .filter(|op| op.tier == Tier::Propose)
            .filter(|op| {
                let asked = ask.as_mut().and_then(|ask| ask(op));
                asked.unwrap_or_else(|| {
                    let by_policy = match op.kind {
                        OperationKind::MergeNear => policy.merge_near,
                        OperationKind::Subsume => policy.subsume,
                        OperationKind::Supersede => policy.supersede,
                        OperationKind::Repair => policy.repair,
                        OperationKind::Quarantine => policy.quarantine,
                        OperationKind::Expire => policy.expire,
                        // What a fragile pattern says is for a person's eyes, whatever the policy accepts.
                        OperationKind::Insight if op.warnings.is_empty() => policy.insight,
                        OperationKind::Insight | OperationKind::Contest | OperationKind::MergeExact => Accept::Ask,
                    };
                    by_policy == Accept::Auto || accept == AcceptMode::Proposals
                })
            })
            .map(|op| op.id.clone())
            .collect()
    }

    fn gate_outputs(
        &self,
        outputs: &[OutputMemory],
        before: &Before,
        ground: &Ground,
        composed: &[Digest],
        sources: &Sources<'_>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<Passed, FirewallError> {
        let grant = auth::authorize::<auth::Accept>(&self.operator()?)?;
        let acceptance = [Accepted::new(&grant, composed.iter().copied())];
        let mut passed = Passed::default();
        let texts = outputs.iter().map(|output| output.text.peek_unscanned().as_str());
        let (elsewhere, approved) = (Fragments::of(texts), Beside::of(ground.base()));
        for output in outputs {
            self.go_on()?;
            let mut basis = ground.basis(&output.path, &before.adopted);
            basis.accepted = &acceptance;
            self.set_findings(output.text.peek_unscanned(), &elsewhere, &approved, &mut basis);
            let candidate = Candidate {
                path: output.path.clone(),
                text: output.text.peek_unscanned().clone(),
                claims: output.claims.clone(),
                stage: Stage::Consolidate,
            };
            passed.send(&self.scanner, &self.policy, &mut basis, sources, Untrusted::new(candidate));
            progress(Progress::Done(1));
        }
        Ok(passed)
    }

    /// Notes beside their neighbours: see [`set_findings`].
    pub(super) fn set_findings(&self, text: &str, elsewhere: &Fragments, approved: &Beside<'_>, basis: &mut Basis<'_>) {
        set_findings(&self.scanner, text, elsewhere, approved, basis);
    }
}

/// Notes beside their neighbours, in their memory and elsewhere, and beside what was approved before: what no
/// note says alone (T05, T11, T13, T14). True beside it: not every note was read so.
pub(super) fn set_findings(
    scanner: &Scanner,
    text: &str,
    elsewhere: &Fragments,
    approved: &Beside<'_>,
    basis: &mut Basis<'_>,
) {
    let document = Document::parse(text);
    let notes: Vec<&str> = document.notes().map(|note| document.body(note)).collect();
    let is_new = |body: &str| !basis.is_adopted(&Digest::of(body));
    let new: Vec<&str> = notes.iter().copied().filter(|body| is_new(body)).collect();
    let mut findings: BTreeMap<Digest, Vec<Finding>> = BTreeMap::new();
    let (found, mut incomplete) = sets(scanner, &notes);
    attach(&mut findings, &notes, found);
    if !new.is_empty() {
        // Fragments of other memories come first: names they define are put in, and new notes may complete them.
        let here: BTreeSet<Digest> = notes.iter().map(Digest::of).collect();
        let mut joined: Vec<&str> = elsewhere
            .fragments
            .iter()
            .filter(|(digest, _)| !here.contains(digest))
            .map(|(_, body)| body.as_str())
            .collect();
        let border = joined.len();
        joined.extend(&notes);
        if border > 0 {
            let (found, more) = sets(scanner, &joined);
            incomplete |= more;
            let crosses = |group: &[usize]| group.iter().any(|m| *m < border) && group.iter().any(|m| *m >= border);
            let crossing = found.into_iter().filter(|(_, group)| crosses(group));
            let crossing =
                crossing.filter(|(_, group)| group.iter().any(|m| joined.get(*m).is_some_and(|b| is_new(b))));
            attach(&mut findings, &joined, crossing.collect());
        }
        let openings: Vec<&str> =
            elsewhere.openings.iter().filter(|(d, _)| !here.contains(d)).map(|(_, body)| body.as_str()).collect();
        let mut halves = openings.clone();
        halves.extend(&new);
        let (found, more) = named(scanner, scanner.scan_halves(&openings, &new));
        incomplete |= more;
        attach(&mut findings, &halves, found);
        let report = match approved {
            Beside::Texts(approved) => {
                let known: Vec<&str> = notes.iter().copied().filter(|body| !is_new(body)).collect();
                let known: Vec<&str> = known.into_iter().chain(approved.iter().map(String::as_str)).collect();
                scanner.lay_beside(&new, &known)
            }
            // Whatever is vouched for in this text is among them: it is in the store.
            Beside::Known(known, replaced) => scanner.lay_beside_known(&new, known, replaced),
        };
        let (found, more) = named(scanner, report);
        incomplete |= more;
        attach(&mut findings, &new, found);
    }
    (basis.set_findings, basis.sets_incomplete) = (findings, incomplete);
}

/// Statements that accepted operations write: our own code composed them.
fn composed(plan: &Plan, accepted: &BTreeSet<String>) -> Vec<Digest> {
    let chosen = plan.operations.iter().filter(|op| accepted.contains(&op.id));
    chosen.filter_map(|op| op.output.as_ref()).map(|output| Digest::of(&output.text)).collect()
}

/// What other memories hold that a new note may lean on.
#[derive(Default)]
pub(super) struct Fragments {
    /// Short statements that define a name, by digest.
    pub(super) fragments: BTreeMap<Digest, String>,
    /// Short statements that may go on elsewhere, by digest.
    pub(super) openings: BTreeMap<Digest, String>,
}

/// What was approved before.
pub(super) enum Beside<'a> {
    /// Read for this run.
    Texts(Vec<String>),
    /// Kept with the head; without the numbers that the text replaces.
    Known(&'a Known, BTreeSet<u32>),
}

/// Fragments of other memories that are read along: the stated bound of the search across memories.
pub(super) const MOST_FRAGMENTS: usize = 2_000;
/// Openings of other memories that new notes are read after.
pub(super) const MOST_OPENINGS: usize = 400;

impl Fragments {
    /// Reads the other memories of a write.
    pub(super) fn of<'t>(others: impl Iterator<Item = &'t str>) -> Self {
        let mut elsewhere = Self::default();
        for text in others {
            let document = Document::parse(text);
            for note in document.notes() {
                let body = document.body(note);
                if elsewhere.fragments.len() < MOST_FRAGMENTS && is_definition(body) {
                    elsewhere.fragments.insert(Digest::of(body), body.to_owned());
                }
                if elsewhere.openings.len() < MOST_OPENINGS && is_opening(body) {
                    elsewhere.openings.insert(Digest::of(body), body.to_owned());
                }
            }
        }
        elsewhere
    }
}

impl Beside<'_> {
    /// Reads the statements of a version.
    pub(super) fn of(base: Option<&SignedVersion>) -> Self {
        let mut approved = Vec::new();
        for memory in base.map(SignedVersion::memories).unwrap_or_default() {
            let document = Document::parse(memory.text());
            approved.extend(document.notes().map(|note| document.body(note).to_owned()));
        }
        Self::Texts(approved)
    }
}

fn attach(findings: &mut BTreeMap<Digest, Vec<Finding>>, bodies: &[&str], found: Vec<(Finding, Vec<usize>)>) {
    for (finding, members) in found {
        for body in members.into_iter().filter_map(|member| bodies.get(member)) {
            let list = findings.entry(Digest::of(body)).or_default();
            if !list.contains(&finding) {
                list.push(finding.clone());
            }
        }
    }
}

/// Findings over sets of texts, each with the numbers of its members; true beside them when not all was read.
pub(super) fn sets(scanner: &Scanner, texts: &[&str]) -> (Vec<(Finding, Vec<usize>)>, bool) {
    let names: Vec<String> = (0..texts.len()).map(|n| n.to_string()).collect();
    let members: Vec<(&str, &str)> = names.iter().map(String::as_str).zip(texts.iter().copied()).collect();
    named(scanner, scanner.scan_set(&members))
}

/// What a report over sets says, in the words of its rules.
pub(super) fn named(scanner: &Scanner, report: SetReport) -> (Vec<(Finding, Vec<usize>)>, bool) {
    let incomplete = report.coverage != Coverage::Full;
    let found = report
        .findings
        .into_iter()
        .map(|found| {
            let rule = scanner.rules().get(found.rule.as_str());
            let title = rule.map_or("Notes that are harmful only together", |rule| &rule.title);
            let threats = rule.map(|rule| rule.threats.clone()).unwrap_or_default();
            let mut finding = set_finding(&found.rule, title, &threats);
            // A rule that was written for sets knows its own weight; a combination weighs more than its words.
            if let Some(rule) = rule.filter(|rule| rule.id.as_str().starts_with("sets.")) {
                (finding.severity, finding.confidence) = (rule.severity, rule.confidence);
            }
            (finding, found.members.iter().filter_map(|name| name.parse().ok()).collect())
        })
        .collect();
    (found, incomplete)
}

/// A memory as it was found: one claim over everything, from its own origin.
pub(super) fn as_found(memory: &Memory) -> Candidate {
    let text = memory.text.peek_unscanned().clone();
    let claims = vec![Claim {
        span: Span::new(0, text.len()),
        origins: vec![memory.origin.clone()],
        authority: memory.origin.authority,
    }];
    Candidate { path: memory.path.clone(), text, claims, stage: Stage::Write }
}

/// Digests of every statement of a text, and of every line between statements.
pub(super) fn statements(text: &str) -> Vec<Digest> {
    let document = Document::parse(text);
    let mut digests: Vec<Digest> = document.notes().map(|note| document.body_digest(note)).collect();
    for piece in document.pieces() {
        if let Piece::Glue(span) = piece {
            digests.extend(glue_lines(span.slice(text).unwrap_or_default()));
        }
    }
    digests
}

/// Where held texts, exact bytes of the memory, lie in it: sorted, joined where they meet.
///
/// Looked for once a memory: a long memory full of held notes would be read once for each pair otherwise.
fn places_of<'a>(text: &str, held: impl Iterator<Item = &'a str>) -> Vec<Span> {
    let distinct: BTreeSet<&str> = held.filter(|held| !held.is_empty()).collect();
    let mut places: Vec<Span> = distinct
        .into_iter()
        .flat_map(|held| text.match_indices(held).map(|(at, _)| Span::new(at, at + held.len())))
        .collect();
    places.sort_unstable();
    places.dedup_by(|next, before| {
        let joins = next.start <= before.end;
        if joins {
            *before = before.cover(next);
        }
        joins
    });
    places
}

/// True when `note` shares a byte with one of the sorted, disjoint places.
fn touches(places: &[Span], note: Span) -> bool {
    let at = places.partition_point(|place| place.end <= note.start);
    places.get(at).is_some_and(|place| place.overlaps(&note))
}

fn refused_note(path: Option<&MemoryPath>, note: &crate::gate::HeldNote) -> RefusedNote {
    let mut rules: Vec<String> = note.findings.iter().map(|f| f.rule.to_string()).collect();
    rules.sort();
    rules.dedup();
    RefusedNote {
        path: path.map_or_else(|| "a transcript".to_owned(), ToString::to_string),
        digest: Digest::of(&note.text),
        reasons: note.reasons.clone(),
        rules,
    }
}

fn applied_ids(plan: &Plan, accepted: &BTreeSet<String>) -> Vec<String> {
    plan.operations
        .iter()
        .filter(|op| op.tier == Tier::Automatic || accepted.contains(&op.id))
        .map(|op| op.id.clone())
        .collect()
}

fn mark_redacted(dispositions: &mut [(NoteRef, Disposition)], secrets: &BTreeSet<(MemoryPath, Digest)>) {
    for (note, disposition) in dispositions {
        if *disposition == Disposition::Keep && secrets.contains(&(note.path.clone(), note.digest)) {
            *disposition = Disposition::Redacted;
        }
    }
}

fn dedup_held(held: &mut Vec<HeldRecord>) {
    held.sort_by(|a, b| b.severity.cmp(&a.severity).then_with(|| a.id.cmp(&b.id)));
    let mut seen = BTreeSet::new();
    held.retain(|record| seen.insert(record.id.clone()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn held_texts_mark_what_they_touch_and_nothing_else() {
        let text = "ab cd ab\nef gh\nab";
        let places = places_of(text, ["ab", "cd ab", "", "ef"].into_iter());
        assert_eq!(places, [Span::new(0, 2), Span::new(3, 8), Span::new(9, 11), Span::new(15, 17)]);
        for (start, end, marked) in
            [(0, 3, true), (2, 3, false), (8, 9, false), (7, 9, true), (11, 15, false), (12, 17, true)]
        {
            assert_eq!(touches(&places, Span::new(start, end)), marked, "{start}..{end}");
        }
    }
}
