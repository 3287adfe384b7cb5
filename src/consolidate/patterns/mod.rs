//! What several sessions support: recurring errors, shared tool sequences, preferences.
//!
//! Counting is what attackers play on (threat T12): thirty accounts, one page in twelve copies,
//! a note that quotes itself. So a principal counts once and only with sessions of its own,
//! copies count once, held, tainted and echoed text counts nothing, and every result is a
//! proposal in a fixed frame that observes and never orders.

mod errors;
mod preferences;
mod sequences;

use std::collections::{BTreeMap, BTreeSet, HashSet};

use crate::domain::{Authority, Channel, Digest, MemoryPath, Origin, PrincipalId, SessionId, Severity};
use crate::ingest::{Event, EventKind, Session};

use super::build::{Builder, Draft, quote};
use super::key::Key;
use super::plan::Output;
use super::snapshot::Snapshot;
use super::{Evidence, Input, OperationKind, Tier};

/// One session as the miners see it.
pub(super) struct Run<'a> {
    pub(super) session: &'a Session,
    /// On whose behalf, forks and sub-agents counted with their parent.
    pub(super) principal: PrincipalId,
    /// Numbers of events that may be evidence.
    pub(super) usable: Vec<usize>,
    /// Digest of its usable texts: copies of a session are one session.
    pub(super) fingerprint: Digest,
}

/// All sessions, with what no pattern may rest on.
pub(super) struct Corpus<'a> {
    pub(super) runs: Vec<Run<'a>>,
    /// Distinct principals with at least one usable event.
    pub(super) active: usize,
    /// Keys of sentences that came from outside: a user who pastes them adds no voice.
    external: HashSet<String>,
    /// Keys of memory notes: an echo of memory is no new evidence (threat T15).
    memory: HashSet<String>,
}

impl Corpus<'_> {
    /// True for text that memory or an outside document already holds.
    pub(super) fn is_echo(&self, key: &str) -> bool {
        self.memory.contains(key) || self.external.contains(key)
    }
    /// Distinct principals a shared pattern needs: max(3, a quarter of the active ones).
    pub(super) fn needed(&self) -> usize {
        self.active.div_ceil(4).max(3)
    }
}

/// Support of one pattern.
#[derive(Default)]
pub(super) struct Support {
    /// For each principal: the fingerprints of its sessions that show the pattern.
    votes: BTreeMap<PrincipalId, BTreeSet<Digest>>,
    /// Digests of the texts or sessions it rests on: copies are one origin.
    origins: BTreeSet<Digest>,
    evidence: Vec<Evidence>,
}

impl Support {
    pub(super) fn add(&mut self, run: &Run<'_>, origin: Digest, evidence: Evidence) {
        let votes = self.votes.entry(run.principal.clone()).or_default();
        let first = votes.insert(run.fingerprint);
        self.origins.insert(origin);
        // Two spans a principal are enough to check; a flood of one principal must not fill the page.
        let own = self.evidence.iter().filter(|e| e.origin.principal == evidence.origin.principal).count();
        if first && own < 2 && self.evidence.len() < 24 {
            self.evidence.push(evidence);
        }
    }
    /// Principals with evidence of their own in at least `sessions` sessions.
    pub(super) fn principals(&self, sessions: usize) -> usize {
        self.votes.values().filter(|own| own.len() >= sessions).count()
    }
    /// Sessions that show it, copies once.
    pub(super) fn sessions(&self) -> usize {
        self.votes.values().flatten().collect::<BTreeSet<_>>().len()
    }
    /// True when the pattern may be raised for the whole store.
    pub(super) fn is_shared(&self, corpus: &Corpus<'_>, sessions: usize) -> bool {
        corpus.active >= 3
            && self.origins.len() >= 2
            && self.sessions() >= 2
            && self.principals(sessions) >= corpus.needed()
    }
    /// True when the loss of one principal would end it.
    pub(super) fn is_fragile(&self, corpus: &Corpus<'_>, sessions: usize) -> bool {
        self.principals(sessions) <= corpus.needed()
    }
}

/// Raises insights as proposals.
pub(super) fn insights(snapshot: &Snapshot, input: &Input<'_>, builder: &mut Builder<'_>) {
    if !input.options.insights || input.sessions.is_empty() {
        return;
    }
    let corpus = read(snapshot, input, builder);
    if corpus.runs.is_empty() {
        return;
    }
    let known: HashSet<(MemoryPath, String)> = snapshot
        .entries
        .iter()
        .filter(|e| e.held.is_none())
        .map(|e| (e.note.path.clone(), Key::of(&e.body).key))
        .collect();
    let mut found = errors::mine(&corpus);
    found.extend(sequences::mine(&corpus));
    found.extend(preferences::mine(&corpus));
    for insight in found {
        // What the store already says is not said again: a second run is empty.
        if known.contains(&(insight.path.clone(), Key::of(&insight.text).key)) {
            continue;
        }
        let authority = Authority::lowest(insight.evidence.iter().map(|e| e.origin.authority));
        builder.add(Draft {
            kind: OperationKind::Insight,
            tier: Tier::Propose,
            inputs: Vec::new(),
            output: Some(Output { path: insight.path, text: insight.text }),
            evidence: insight.evidence,
            rule: insight.rule,
            reason: insight.reason,
            authority,
            warnings: insight.warnings,
        });
    }
}

/// A pattern that passed.
pub(super) struct Insight {
    pub(super) path: MemoryPath,
    pub(super) text: String,
    pub(super) evidence: Vec<Evidence>,
    pub(super) rule: &'static str,
    pub(super) reason: String,
    pub(super) warnings: Vec<String>,
}

/// `/insights/<family>.md`.
pub(super) fn shared_path(family: &str) -> Option<MemoryPath> {
    MemoryPath::parse(&format!("/insights/{family}.md")).ok()
}

/// `/users/<principal>.md`; characters a path cannot have are written as their hex value, so that
/// two principals never share a file.
pub(super) fn personal_path(principal: &PrincipalId) -> Option<MemoryPath> {
    let mut name = String::new();
    for byte in principal.as_str().bytes().take(200) {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' | b'-' => name.push(char::from(byte)),
            _ => name.push_str(&format!(".{byte:02x}")),
        }
    }
    if principal.as_str().len() > 200 {
        name.push_str(&Digest::of(principal.as_str()).short());
    }
    MemoryPath::parse(&format!("/users/{name}.md")).ok()
}

/// A vote nobody authenticated is one shared vote.
pub(super) fn is_anonymous(principal: &PrincipalId) -> bool {
    matches!(
        principal.as_str().trim().to_lowercase().as_str(),
        "" | "anonymous" | "unknown" | "unauthenticated" | "guest"
    )
}

/// Finalises a shared insight.
pub(super) fn shared(
    support: Support,
    corpus: &Corpus<'_>,
    sessions: usize,
    family: &str,
    rule: &'static str,
    text: String,
) -> Option<Insight> {
    if !support.is_shared(corpus, sessions) {
        return None;
    }
    let k = support.principals(sessions);
    let mut warnings = Vec::new();
    if support.is_fragile(corpus, sessions) {
        warnings.push("fragile: it would not pass without any one of its principals".to_owned());
    }
    let reason = format!(
        "{k} of {} principals with evidence of their own ({} sessions, {} independent origins; {} principals needed)",
        corpus.active,
        support.sessions(),
        support.origins.len(),
        corpus.needed()
    );
    Some(Insight { path: shared_path(family)?, text, evidence: support.evidence, rule, reason, warnings })
}

/// The text of an event.
pub(super) fn text_of(event: &Event) -> &str {
    match &event.kind {
        EventKind::Message { text } | EventKind::ToolResult { text, .. } => text.peek_unscanned(),
        EventKind::ToolUse { arguments, .. } => arguments.peek_unscanned(),
    }
}

/// An event's span as evidence.
pub(super) fn cite(run: &Run<'_>, event: usize, text: &str) -> Evidence {
    let origin: Origin = run.session.events[event].origin.clone();
    Evidence { origin, quote: quote(text) }
}

fn read<'a>(snapshot: &Snapshot, input: &Input<'a>, builder: &mut Builder<'_>) -> Corpus<'a> {
    let mut sessions: Vec<&Session> = input.sessions.iter().collect();
    sessions.sort_by(|a, b| (&a.id, a.input_digest, &a.input).cmp(&(&b.id, b.input_digest, &b.input)));
    sessions.dedup_by(|next, kept| {
        let same = next.id == kept.id;
        if same {
            builder.errors.push(format!("session {:?} was given twice; only one copy was read", kept.id.as_str()));
        }
        same
    });
    if sessions.len() > 100 {
        builder
            .errors
            .push(format!("{} sessions given; a dream reads at most 100, the rest was not read", sessions.len()));
        sessions.truncate(100);
    }
    let by_id: BTreeMap<&SessionId, &Session> = sessions.iter().map(|s| (&s.id, *s)).collect();
    let mut external: HashSet<String> = HashSet::new();
    let mut runs: Vec<Run<'a>> = Vec::new();
    let mut prints: BTreeSet<(PrincipalId, Digest)> = BTreeSet::new();
    for session in sessions {
        let mut usable = Vec::new();
        let mut texts: Vec<&str> = Vec::new();
        for (number, event) in session.events.iter().enumerate() {
            let mark = input.event_marks.get(&(session.id.clone(), number));
            if mark.is_some_and(|m| m.held || m.findings.iter().any(|f| f.severity >= Severity::Low)) {
                continue;
            }
            usable.push(number);
            texts.push(text_of(event));
            if matches!(event.origin.channel, Channel::Tool | Channel::Peer | Channel::Memory | Channel::System)
                || (event.origin.authority == Authority::External && event.origin.channel != Channel::User)
            {
                external
                    .extend(preferences::sentences(text_of(event)).map(|s| Key::of(s).key).filter(|k| k.len() >= 24));
            }
        }
        if usable.is_empty() {
            continue;
        }
        let principal = root_principal(session, &by_id);
        let fingerprint = Digest::of_parts(texts.iter().map(|t| t.as_bytes()));
        // The same transcript twice under two ids is one session.
        if prints.insert((principal.clone(), fingerprint)) {
            runs.push(Run { session, principal, usable, fingerprint });
        }
    }
    let active = runs.iter().map(|run| &run.principal).collect::<BTreeSet<_>>().len();
    let memory = snapshot.entries.iter().filter(|e| e.held.is_none()).map(|e| e.key.key.clone()).collect();
    Corpus { runs, active, external, memory }
}

/// The principal a session counts for: that of the session that started it, however deep.
fn root_principal(session: &Session, by_id: &BTreeMap<&SessionId, &Session>) -> PrincipalId {
    let mut at = session;
    for _ in 0..32 {
        match at.parent.as_ref().and_then(|parent| by_id.get(parent)) {
            Some(parent) if parent.id != session.id => at = parent,
            _ => break,
        }
    }
    if is_anonymous(&at.principal) { PrincipalId::new("anonymous") } else { at.principal.clone() }
}
