//! One item with everything a decision needs, and the decision.

use std::collections::BTreeSet;

use serde_json::json;

use crate::auth::Scope;
use crate::detect;
use crate::domain::{Coded as _, Digest, PrincipalId, Severity, Span, Timestamp, View};
use crate::firewall::{FirewallError, ReviewDecision as Kept, UNDO_MS};
use crate::gate::{HeldRecord, HeldState, Place, ReviewError};
use crate::service::{Caller, ReviewDecision, Service, ServiceError, Visitor, now};

use super::{Row, head, row};

/// Findings that a page lists.
const FINDINGS: usize = 200;
/// Layers that a page lists, and bytes of each.
const LAYERS: usize = 24;
const LAYER_BYTES: usize = 8 * 1024;
/// Sources that a page lists.
const SOURCES: usize = 50;
/// Memories that are compared with an item.
const NEIGHBOURS: usize = 2000;

/// A finding, numbered as in the text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FindingView {
    /// 1, 2, 3 …
    pub number: usize,
    /// The rule.
    pub rule: String,
    /// Our own text.
    pub title: String,
    /// Harm if real.
    pub severity: Severity,
    /// How often a hit is real.
    pub confidence: &'static str,
    /// Bytes of the text.
    pub span: Span,
    /// The reading in which it matched.
    pub view: &'static str,
    /// Decoding steps.
    pub decoding: Vec<String>,
    /// Threats it answers.
    pub threats: Vec<String>,
    /// What matched, when it is not plain in the text. Untrusted.
    pub excerpt: String,
    /// Why it matters: the rule's own text.
    pub why: String,
    /// What to do: the rule's own text.
    pub advice: String,
}

/// One reading of the text that says more than the text. Untrusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerView {
    /// Which reading.
    pub view: &'static str,
    /// Steps, outermost first.
    pub decoding: Vec<String>,
    /// The bytes of the raw text it came from.
    pub span: Span,
    /// The reading.
    pub text: String,
    /// True when the reading is longer than what is shown.
    pub cut: bool,
}

/// One place the text came from. Names are untrusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceView {
    /// The input.
    pub input: String,
    /// Its digest.
    pub digest: String,
    /// The session.
    pub session: Option<String>,
    /// The event's number in it.
    pub event: Option<usize>,
    /// Bytes of the input.
    pub span: Span,
    /// How it reached the agent.
    pub channel: &'static str,
    /// What it may claim.
    pub authority: &'static str,
    /// On whose behalf.
    pub principal: String,
    /// When, as the input claims.
    pub at: Option<Timestamp>,
    /// True when this server has the session's transcript.
    pub known: bool,
}

/// Something near the item. Untrusted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NeighbourView {
    /// Where: a path of the store, or another held item.
    pub place: String,
    /// Its id.
    pub id: String,
    /// True for another held item.
    pub held: bool,
    /// Its state, or `stored`.
    pub state: &'static str,
    /// How it begins.
    pub start: String,
    /// Shared words in permille of the smaller text.
    pub shared: usize,
}

/// One earlier decision.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HistoryView {
    /// `release`, `destroy` or `undo`.
    pub decision: &'static str,
    /// Who.
    pub reviewer: String,
    /// Reason code.
    pub reason: String,
    /// Their note. Untrusted.
    pub note: String,
    /// When.
    pub at: Timestamp,
    /// Digest of what was decided on.
    pub digest: String,
}

/// What somebody may do with the item now; a text says why not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Act {
    /// Release.
    pub release: Option<String>,
    /// Destroy.
    pub destroy: Option<String>,
    /// Take the last decision back.
    pub undo: Option<String>,
}

/// Everything a decision needs. Texts are untrusted: show them escaped.
#[derive(Clone, Debug, PartialEq)]
pub struct Item {
    /// The line of the queue.
    pub row: Row,
    /// The exact text.
    pub text: String,
    /// Its digest.
    pub digest: String,
    /// Why it is held: our own texts.
    pub reasons: Vec<String>,
    /// True for a change of what an agent may or must do.
    pub normative: bool,
    /// Who gave the first yes; hidden from whoever gives the second.
    pub first_yes: bool,
    /// Findings.
    pub findings: Vec<FindingView>,
    /// How many there are.
    pub findings_total: usize,
    /// Readings.
    pub layers: Vec<LayerView>,
    /// Why there may be more.
    pub layer_limits: Vec<String>,
    /// Sources.
    pub sources: Vec<SourceView>,
    /// How many there are.
    pub sources_total: usize,
    /// The memory as it is and as a release leaves it: path, before, after.
    pub change: Option<(String, Option<String>, String)>,
    /// Why a release would be refused today.
    pub outdated: bool,
    /// What is near.
    pub neighbours: Vec<NeighbourView>,
    /// What was decided.
    pub history: Vec<HistoryView>,
    /// What may be done.
    pub act: Act,
    /// What a decision is bound to.
    pub basis: String,
    /// The store's version that it was compared with.
    pub version: u64,
    /// Milliseconds that a release waits after the whole text was shown.
    pub dwell_ms: i64,
    /// The next item of the queue, store and id.
    pub policy: String,
    /// Digest of the rules that held it.
    pub ruleset: String,
}

/// What a decision led to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// In the store, as this version.
    Released(u64),
    /// A second person is needed.
    AwaitsSecond,
    /// Never.
    Destroyed,
    /// It waits again.
    Reopened,
}

/// Why a decision was not carried out, as the page says it.
#[derive(Debug)]
pub enum Conflict {
    /// What was shown is not what is there: the parts that moved.
    Moved(Vec<&'static str>),
    /// It was not shown to this login, or not to its end.
    NotShown,
    /// Milliseconds to go before a release.
    TooFast(i64),
    /// Somebody else has the item.
    Taken(String),
    /// Everything else.
    Refused(ServiceError),
}

impl<E: Into<ServiceError>> From<E> for Conflict {
    fn from(error: E) -> Self {
        Self::Refused(error.into())
    }
}

/// How long a text of this size has to be on the screen before it can be released: reading takes time (T35).
fn dwell(text: &str, severity: Severity, permille: u32) -> i64 {
    let least = if severity >= Severity::High { 5_000 } else { 2_000 };
    let reading = i64::try_from(text.chars().count()).unwrap_or(i64::MAX).saturating_mul(5);
    least.max(reading.min(60_000)).saturating_mul(i64::from(permille)) / 1000
}

/// What a decision is bound to, part by part.
fn basis(record: &HeldRecord, parent: Option<Digest>, policy: Digest, ruleset: Digest) -> String {
    let findings = serde_json::to_string(&record.findings).unwrap_or_default();
    let state = format!("{}:{}", record.state.name(), record.first_reviewer.is_some());
    let parent = parent.map_or("none".to_owned(), |parent| parent.short());
    format!(
        "text={} findings={} state={} parent={} policy={} rules={}",
        record.digest.short(),
        Digest::of(findings).short(),
        Digest::of(state).short(),
        parent,
        policy.short(),
        ruleset.short()
    )
}

/// The names of the parts in which two bases differ.
fn moved(shown: &str, now: &str) -> Vec<&'static str> {
    const PARTS: [(&str, &str); 6] = [
        ("text", "the text"),
        ("findings", "what the rules find"),
        ("state", "its state: somebody decided"),
        ("parent", "the memory it would change"),
        ("policy", "the policy"),
        ("rules", "the rules"),
    ];
    let part = |basis: &str, name: &str| {
        basis.split(' ').find_map(|part| part.strip_prefix(name)?.strip_prefix('=').map(str::to_owned))
    };
    PARTS.into_iter().filter(|(name, _)| part(shown, name) != part(now, name)).map(|(_, said)| said).collect()
}

/// True for a reading that is the text itself, up to case and white space.
fn says_more(view: View, layer: &str, text: &str) -> bool {
    let plain =
        |text: &str| -> String { text.chars().filter(|c| !c.is_whitespace()).flat_map(char::to_lowercase).collect() };
    match view {
        View::Raw => false,
        View::Folded => plain(layer) != plain(text),
        _ => true,
    }
}

fn words(text: &str) -> BTreeSet<String> {
    let words = head(text, 8192).split(|c: char| !c.is_alphanumeric()).filter(|word| word.chars().count() > 3);
    words.map(str::to_lowercase).collect()
}

fn shared(a: &BTreeSet<String>, b: &BTreeSet<String>) -> usize {
    let least = a.len().min(b.len());
    if least < 2 { 0 } else { a.intersection(b).count() * 1000 / least }
}

/// What is read from a store for one item.
struct Read {
    record: HeldRecord,
    change: Option<(String, Option<String>, String)>,
    outdated: bool,
    parent: Option<Digest>,
    policy: Digest,
    ruleset: Digest,
    scanner: detect::Scanner,
    history: Vec<HistoryView>,
    undoable: Option<String>,
    neighbours: Vec<NeighbourView>,
    reviewers: BTreeSet<String>,
    version: u64,
}

fn read(firewall: &mut crate::firewall::Firewall, id: &str, full: bool, now: Timestamp) -> Result<Read, FirewallError> {
    let record = firewall.held_item(id)?;
    let (change, outdated) = match firewall.preview(&record) {
        Ok(change) => (change.map(|change| (change.path.to_string(), change.before, change.after)), false),
        Err(_) => (None, true),
    };
    let head_now = firewall.live_head()?;
    let parent = match &record.place {
        Place::Write { path, moves, .. } => head_now.at(moves.as_ref().unwrap_or(path)).map(|row| row.sha256),
        Place::Memory { path, .. } => head_now.at(path).map(|row| row.sha256),
        Place::Session { .. } => None,
    };
    let decisions = firewall.decisions()?;
    let ours: Vec<_> = decisions.iter().filter(|decision| decision.item == record.id).collect();
    let undoable = match ours.last() {
        None => Some("nothing was decided".to_owned()),
        Some(last) if last.decision == Kept::Undo => Some("the last decision was taken back".to_owned()),
        Some(last) if now > last.at.plus_ms(UNDO_MS) => Some("more than ten minutes have passed".to_owned()),
        Some(_) => None,
    };
    let history = ours
        .iter()
        .map(|decision| HistoryView {
            decision: match decision.decision {
                Kept::Release => "release",
                Kept::Destroy => "destroy",
                Kept::Undo => "undo",
            },
            reviewer: decision.reviewer.to_string(),
            reason: decision.reason.clone(),
            note: decision.note.clone().unwrap_or_default(),
            at: decision.at,
            digest: decision.digest.short(),
        })
        .collect();
    let mut neighbours = Vec::new();
    if full {
        let mine = words(&record.text);
        for memory in head_now.memories().take(NEIGHBOURS) {
            let text = head_now.text(memory);
            let permille = shared(&mine, &words(text));
            if permille >= 400 && Digest::of(text) != record.digest {
                neighbours.push(NeighbourView {
                    place: memory.path.to_string(),
                    id: memory.id.clone(),
                    held: false,
                    state: "stored",
                    start: head(text, 200).to_owned(),
                    shared: permille,
                });
            }
        }
        for other in firewall.held()?.into_iter().take(NEIGHBOURS).filter(|other| other.id != record.id) {
            let permille = shared(&mine, &words(&other.text));
            // What was decided about the same author says more than what else waits.
            let decided = other.submitter == record.submitter && !other.state.is_open();
            if permille >= 400 || decided {
                neighbours.push(NeighbourView {
                    place: super::place(&other),
                    id: other.id.to_string(),
                    held: true,
                    state: other.state.name(),
                    start: head(&other.text, 200).to_owned(),
                    shared: permille,
                });
            }
        }
        neighbours.sort_by(|a, b| b.shared.cmp(&a.shared).then_with(|| a.id.cmp(&b.id)));
        neighbours.truncate(8);
    }
    Ok(Read {
        change,
        outdated,
        parent,
        policy: firewall.config().policy.digest(),
        ruleset: firewall.scanner().rules().digest(),
        scanner: firewall.scanner().clone(),
        history,
        undoable,
        neighbours,
        reviewers: firewall.config().settings.reviewers.iter().map(ToString::to_string).collect(),
        version: head_now.sequence(),
        record,
    })
}

impl Service {
    fn read_item(&self, caller: &Caller, store: &str, id: &str, full: bool) -> Result<Read, ServiceError> {
        let (wanted, at) = (id.to_owned(), now());
        match self.live(&caller.workspace, store)?.with(move |firewall| read(firewall, &wanted, full, at))? {
            Err(FirewallError::NoItem { .. }) => Err(ServiceError::Unknown { what: "held item" }),
            other => Ok(other?),
        }
    }

    /// One item. `whole` says that its text is shown to the end: a decision counts from then on.
    ///
    /// # Errors
    /// Forbidden without `review:read`; unknown store or item.
    pub fn console_item(&self, visitor: &Visitor, store: &str, id: &str) -> Result<Item, ServiceError> {
        let caller = visitor.account.caller();
        Self::require(&caller, Scope::ReviewRead)?;
        let store_row = self.store_row(&caller.workspace, store)?;
        let found = self.read_item(&caller, store, id, true)?;
        let record = &found.record;
        let at = now();
        let claims = self.db.claims(at)?;
        let claim = claims.iter().find(|claim| claim.store == store && claim.item == record.id.as_str());
        let rules = found.scanner.rules();
        let findings = record.findings.iter().take(FINDINGS).zip(1..).map(|(finding, number)| {
            let rule = rules.get(finding.rule.as_str());
            let plain = finding.span.slice(&record.text).is_some_and(|text| text == finding.excerpt);
            FindingView {
                number,
                rule: finding.rule.to_string(),
                title: finding.title.clone(),
                severity: finding.severity,
                confidence: finding.confidence.name(),
                span: finding.span,
                view: finding.view.name(),
                decoding: finding.decoding.clone(),
                threats: finding.threats.clone(),
                excerpt: if plain { String::new() } else { finding.excerpt.clone() },
                why: rule.map(|rule| rule.why.clone()).unwrap_or_default(),
                advice: rule.map(|rule| rule.advice.clone()).unwrap_or_default(),
            }
        });
        let (layers, limits) = detect::views(&record.text, found.scanner.budget());
        let layers = layers
            .into_iter()
            .filter(|layer| says_more(layer.view, &layer.text, &record.text))
            .take(LAYERS)
            .map(|layer| LayerView {
                view: layer.view.name(),
                span: layer.map.to_raw(Span::new(0, layer.text.len())),
                text: head(&layer.text, LAYER_BYTES).to_owned(),
                cut: layer.text.len() > LAYER_BYTES,
                decoding: layer.decoding,
            })
            .collect();
        let mut sources = Vec::new();
        for origin in record.origins.iter().take(SOURCES) {
            let session = origin.session.as_ref().map(ToString::to_string);
            let known = match &session {
                Some(session) => self.any_session(&caller.workspace, session)?.is_some(),
                None => false,
            };
            sources.push(SourceView {
                input: origin.input.clone(),
                digest: origin.input_digest.short(),
                session,
                event: origin.event,
                span: origin.span,
                channel: origin.channel.name(),
                authority: origin.authority.name(),
                principal: self.name_of(origin.principal.as_str()),
                at: origin.at,
                known,
            });
        }
        let act = self.act(&caller, &found, claim.map(|claim| claim.name.as_str()));
        let awaits = record.state == HeldState::AwaitsSecond;
        // The second person sees the item fresh: what the first said is hidden until both have chosen.
        let history = found.history.iter().filter(|entry| !awaits || entry.reviewer == caller.name).cloned().collect();
        Ok(Item {
            row: self.named(row(&store_row, record, claim)),
            text: record.text.clone(),
            digest: record.digest.hex(),
            reasons: record.reasons.clone(),
            normative: record.kind.is_governed(),
            first_yes: record.first_reviewer.is_some(),
            findings: findings.collect(),
            findings_total: record.findings.len(),
            layers,
            layer_limits: limits.iter().map(ToString::to_string).collect(),
            sources_total: record.origins.len(),
            sources,
            change: found.change.clone(),
            outdated: found.outdated,
            neighbours: found.neighbours.clone(),
            history,
            act,
            basis: basis(record, found.parent, found.policy, found.ruleset),
            version: found.version,
            dwell_ms: dwell(&record.text, record.severity, self.options.review_dwell_permille),
            policy: record.policy.short(),
            ruleset: record.ruleset.short(),
        })
    }

    /// Notes that an item was shown to its end: a decision of this login may name it from now on.
    pub fn console_shown(&self, visitor: &Visitor, item: &Item) {
        self.showings.note(visitor, &item.row.store, &item.row.id, &item.basis, now());
    }

    fn act(&self, caller: &Caller, found: &Read, claim: Option<&str>) -> Act {
        let record = &found.record;
        let deciding = caller.role.may(Scope::ReviewDecide)
            || (caller.role.may(Scope::ReviewSecond) && record.state == HeldState::AwaitsSecond);
        let person = if !deciding {
            Some(match record.state {
                HeldState::Open if caller.role.may(Scope::ReviewSecond) => {
                    "your role gives the second yes; somebody else decides first".to_owned()
                }
                _ => "your role reads and does not decide".to_owned(),
            })
        } else if !found.reviewers.contains(&caller.name) {
            Some("you are not one of this store's reviewers: it was made before your account".to_owned())
        } else {
            claim.filter(|name| *name != caller.name).map(|name| format!("{name} has it"))
        };
        let open = match record.state {
            HeldState::Open | HeldState::AwaitsSecond => None,
            HeldState::Released => Some("it was released".to_owned()),
            HeldState::Destroyed => Some("it was destroyed".to_owned()),
            HeldState::Expired => Some("its time ran out: the answer is no".to_owned()),
        };
        let destroy = person.clone().or_else(|| open.clone());
        let release = destroy.clone().or_else(|| {
            if record.place.memory().is_none() {
                Some("it is a span of a transcript: there is no memory to put it into".to_owned())
            } else if found.outdated {
                Some("the memory was changed since: releasing it would undo that change unseen".to_owned())
            } else if record.submitter.as_str() == caller.name {
                Some("you submitted it".to_owned())
            } else if record.first_reviewer.as_ref().is_some_and(|first| first.as_str() == caller.name) {
                Some("you gave the first yes; somebody else gives the second".to_owned())
            } else {
                None
            }
        });
        let undo = person.or_else(|| match record.state {
            HeldState::Expired => Some("its time ran out".to_owned()),
            _ => found.undoable.clone(),
        });
        Act { release, destroy, undo }
    }

    /// Decides on what was shown: the basis names it, and it must still be so.
    ///
    /// # Errors
    /// A [`Conflict`] that says what is in the way; nothing was changed.
    pub fn console_decide(
        &self,
        visitor: &Visitor,
        store: &str,
        id: &str,
        shown: &str,
        decision: ReviewDecision,
    ) -> Result<Outcome, Conflict> {
        let caller = visitor.account.caller();
        let found = self.read_item(&caller, store, id, false)?;
        let id = found.record.id.to_string();
        let current = basis(&found.record, found.parent, found.policy, found.ruleset);
        if current != shown {
            return Err(Conflict::Moved(moved(shown, &current)));
        }
        let seen = self.showings.at(visitor, store, &id, shown).ok_or(Conflict::NotShown)?;
        if decision.release {
            let needed = dwell(&found.record.text, found.record.severity, self.options.review_dwell_permille);
            let left = seen.plus_ms(needed).0.saturating_sub(now().0);
            if left > 0 {
                return Err(Conflict::TooFast(left));
            }
        }
        self.check_claim(&caller, store, &id)?;
        let answer = match self.decide(&caller, store, &id, decision) {
            // Somebody was faster, between our look and the store's turn.
            Err(ServiceError::Firewall(FirewallError::Review(ReviewError::NotOpen { .. }))) => {
                return Err(Conflict::Moved(vec!["its state: somebody decided"]));
            }
            other => other?,
        };
        self.db.drop_claim(store, &id, &caller.id)?;
        Ok(match answer["outcome"].as_str() {
            Some("released") => Outcome::Released(answer["version"]["sequence"].as_u64().unwrap_or_default()),
            Some("awaits_second") => Outcome::AwaitsSecond,
            _ => Outcome::Destroyed,
        })
    }

    fn check_claim(&self, caller: &Caller, store: &str, id: &str) -> Result<(), Conflict> {
        let claims = self.db.claims(now())?;
        let other = claims.into_iter().find(|c| c.store == store && c.item == id && c.account != caller.id);
        other.map_or(Ok(()), |claim| Err(Conflict::Taken(claim.name)))
    }

    /// Takes the last decision on an item back.
    ///
    /// # Errors
    /// A [`Conflict`] that says what is in the way; nothing was changed.
    pub fn console_undo(
        &self,
        visitor: &Visitor,
        store: &str,
        id: &str,
        reason: &str,
        note: Option<String>,
    ) -> Result<Outcome, Conflict> {
        let caller = visitor.account.caller();
        Self::require(&caller, Scope::ReviewDecide)?;
        let live = self.live(&caller.workspace, store)?;
        let (wanted, who, code, actor) =
            (id.to_owned(), PrincipalId::new(caller.name.clone()), reason.to_owned(), caller.actor());
        live.with(move |firewall| {
            firewall.set_actor(Some(actor));
            let undone = firewall.undo(&wanted, &who, &code, note);
            firewall.set_actor(None);
            undone.map(|_| ())
        })??;
        let about = json!({ "memory_store": store, "review": id, "user": caller.id, "reason": reason });
        self.audit(&caller.workspace, "review.undone", &about)?;
        Ok(Outcome::Reopened)
    }
}

/// What a person reads of an error: its words, without places of the disk.
pub(super) fn said(error: &ServiceError) -> String {
    match error {
        ServiceError::Firewall(FirewallError::NoUndo { why, .. }) => (*why).to_owned(),
        // These name ids, digests, rules and the reviewer's own words.
        ServiceError::Firewall(
            FirewallError::Review(_)
            | FirewallError::NoteRequired { .. }
            | FirewallError::NewFindings { .. }
            | FirewallError::WriteOutdated { .. }
            | FirewallError::StoreHeld { .. },
        ) => error.to_string(),
        ServiceError::Firewall(_) | ServiceError::Store(_) => format!("{}: {}", error.code(), error.remedy()),
        other => other.to_string(),
    }
}

impl Conflict {
    /// What a person reads.
    pub fn said(&self) -> String {
        match self {
            Self::Moved(_) => "what you saw is no longer what is there".to_owned(),
            Self::NotShown => "the item was not shown to its end in this login".to_owned(),
            Self::TooFast(left) => {
                format!("a release needs the text to have been on the screen for {} s more", left / 1000 + 1)
            }
            Self::Taken(name) => format!("{name} has the item"),
            Self::Refused(error) => said(error),
        }
    }
}
