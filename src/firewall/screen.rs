//! The scan before consolidation: transcripts and memories get their marks.

use std::collections::BTreeMap;

use crate::consolidate::plan::Marks;
use crate::detect::repeat::Voice;
use crate::detect::{Coverage, Scanner, kind};
use crate::domain::{
    Authority, Channel, Digest, Finding, Kind, Origin, RuleId, SessionId, Severity, Span, Stage, Timestamp, Untrusted,
};
use crate::gate::decide::{HeldNote, Verdict, holds_span};
use crate::gate::{HeldRecord, Place, Policy};
use crate::ingest::{Event, EventKind, Session};

use super::FirewallError;
use super::dream::{named, sets};

/// Texts longer than this are pages, not fragments: they are scanned alone.
const FRAGMENT_BYTES: usize = 600;
/// Shorter texts ("yes, please") say nothing to put together.
const FRAGMENT_LEAST: usize = 16;

/// What the screen says about the sessions of a dream.
#[derive(Debug, Default)]
pub(super) struct Screened {
    /// Marks by session and event.
    pub(super) marks: BTreeMap<(SessionId, usize), Marks>,
    /// Spans that are kept away from the dream, as quarantine items.
    pub(super) held: Vec<HeldRecord>,
    /// Spans with secrets, kept away from the dream: session, event, rule. Their text is kept nowhere else.
    pub(super) secrets: Vec<(SessionId, usize, RuleId)>,
    /// Events looked at.
    pub(super) events: usize,
    /// Bytes looked at.
    pub(super) bytes: usize,
}

/// The text of an event as a detector reads it.
pub(super) const fn event_text(event: &Event) -> &Untrusted<String> {
    match &event.kind {
        EventKind::Message { text } | EventKind::ToolResult { text, .. } => text,
        EventKind::ToolUse { arguments, .. } => arguments,
    }
}

/// Scans every event, alone and together with the same principal's neighbours.
pub(super) fn screen_sessions(
    scanner: &Scanner,
    policy: &Policy,
    sessions: &[Session],
    now: Timestamp,
    go_on: &dyn Fn() -> Result<(), FirewallError>,
    progress: &mut dyn FnMut(usize),
) -> Result<Screened, FirewallError> {
    let mut screened = Screened::default();
    for session in sessions {
        for (number, event) in session.events.iter().enumerate() {
            go_on()?;
            let text = event_text(event);
            screened.events += 1;
            screened.bytes += text.len();
            let examined = scanner.examine(text, Stage::Ingest, event.origin.channel, event.origin.authority);
            let incomplete = *examined.coverage() != Coverage::Full;
            let mut findings = examined.findings().to_vec();
            // A transcript that shows a secret is no attack, but nothing is learned from it either: a
            // quarantine item would copy the secret.
            let secrets: Vec<RuleId> = findings.iter().filter(|f| policy.redacts(f)).map(|f| f.rule.clone()).collect();
            findings.retain(|f| !policy.redacts(f));
            if let Some(rule) = secrets.into_iter().next() {
                screened.marks.insert((session.id.clone(), number), Marks { findings, held: true });
                screened.secrets.push((session.id.clone(), number, rule));
                continue;
            }
            let held = incomplete || holds_span(&findings, policy);
            if held || !findings.is_empty() {
                screened.marks.insert((session.id.clone(), number), Marks { findings, held });
            }
        }
        progress(1);
    }
    screen_sets(scanner, sessions, &mut screened);
    collect_held(policy, scanner.rules().digest(), sessions, now, &mut screened);
    Ok(screened)
}

/// Fragments (T11): the same principal's short texts in time order, read together.
fn screen_sets(scanner: &Scanner, sessions: &[Session], screened: &mut Screened) {
    let mut groups: BTreeMap<&str, Vec<(&Session, usize, &Event)>> = BTreeMap::new();
    for session in sessions {
        for (number, event) in session.events.iter().enumerate() {
            let text = event_text(event);
            // The agent's own words are answers to fragments, not fragments.
            let speaks = matches!(event.origin.authority, Authority::User | Authority::External)
                && !matches!(event.kind, EventKind::ToolUse { .. });
            if speaks && (FRAGMENT_LEAST..=FRAGMENT_BYTES).contains(&text.len()) {
                groups.entry(session.principal.as_str()).or_default().push((session, number, event));
            }
        }
    }
    let mut all: Vec<(&Session, usize, &Event)> = Vec::new();
    for members in groups.values_mut() {
        members
            .sort_by_key(|(session, number, event)| (event.origin.at.or(session.started), session.id.clone(), *number));
        let texts: Vec<&str> =
            members.iter().map(|(_, _, event)| event_text(event).peek_unscanned().as_str()).collect();
        let (found, incomplete) = sets(scanner, &texts);
        mark_sets(screened, members, found, incomplete);
        all.append(members);
    }
    let (found, incomplete) = hear(scanner, &all);
    mark_sets(screened, &all, found, incomplete);
}

/// Every member of a set is held. What could not be read together is held, too: a ceiling is no pass.
fn mark_sets(
    screened: &mut Screened,
    members: &[(&Session, usize, &Event)],
    found: Vec<(Finding, Vec<usize>)>,
    incomplete: bool,
) {
    for (session, number, _) in members.iter().filter(|_| incomplete) {
        screened.marks.entry((session.id.clone(), *number)).or_default().held = true;
    }
    for (finding, group) in found {
        for (session, number, _) in group.into_iter().filter_map(|member| members.get(member)) {
            let mark = screened.marks.entry((session.id.clone(), *number)).or_default();
            mark.held = true;
            if !mark.findings.contains(&finding) {
                mark.findings.push(finding.clone());
            }
        }
    }
}

/// What people say often, in a crowd, or less and less of: named once, with all its places (T03, T06, T12).
fn hear(scanner: &Scanner, members: &[(&Session, usize, &Event)]) -> (Vec<(Finding, Vec<usize>)>, bool) {
    let mut names: Vec<&SessionId> = members.iter().map(|(session, _, _)| &session.id).collect();
    names.sort();
    names.dedup();
    // Tools repeat themselves by nature; people who do so press a point.
    let spoken = |event: &Event| matches!(event.origin.channel, Channel::User | Channel::Peer);
    let (places, voices): (Vec<usize>, Vec<Voice<'_>>) = members
        .iter()
        .enumerate()
        .filter(|(_, (_, _, event))| spoken(event))
        .map(|(at, (session, _, event))| {
            let voice = Voice {
                text: event_text(event).peek_unscanned(),
                principal: session.principal.as_str(),
                session: names.binary_search(&&session.id).unwrap_or_default(),
            };
            (at, voice)
        })
        .unzip();
    let (found, incomplete) = named(scanner, scanner.hear(&voices));
    let place = |group: Vec<usize>| group.into_iter().filter_map(|member| places.get(member).copied()).collect();
    let found = found
        .into_iter()
        .map(|(finding, group)| {
            let title = format!("{} ({} places)", finding.title, group.len());
            (Finding { title, ..finding }, place(group))
        })
        .collect();
    (found, incomplete)
}

fn collect_held(policy: &Policy, ruleset: Digest, sessions: &[Session], now: Timestamp, screened: &mut Screened) {
    let mut records: BTreeMap<Digest, HeldRecord> = BTreeMap::new();
    for session in sessions {
        for (number, event) in session.events.iter().enumerate() {
            let Some(mark) = screened.marks.get(&(session.id.clone(), number)).filter(|m| m.held) else { continue };
            if screened.secrets.iter().any(|(id, event, _)| *id == session.id && *event == number) {
                continue;
            }
            let full = event_text(event).peek_unscanned();
            let (text, offset) = window(full, &mark.findings);
            let digest = Digest::of(text);
            // The same words in many sessions are one item with many origins (flooding, T12).
            if let Some(record) = records.get_mut(&digest) {
                if record.origins.len() < 50 {
                    record.origins.push(event.origin.clone());
                }
                continue;
            }
            let note = held_span(text, offset, &mark.findings, &event.origin, scanner_kind(text));
            let place = Place::Session { session: session.id.clone(), event: number };
            records.insert(digest, HeldRecord::open(note, place, session.principal.clone(), policy, ruleset, now));
        }
    }
    screened.held = records.into_values().collect();
}

fn scanner_kind(text: &str) -> Kind {
    kind::classify(text)
}

fn held_span(text: &str, offset: usize, findings: &[Finding], origin: &Origin, kind: Kind) -> HeldNote {
    HeldNote {
        verdict: Verdict::Hold,
        text: text.to_owned(),
        span: Span::new(0, text.len()),
        kind,
        authority: origin.authority,
        severity: findings.iter().map(|f| f.severity).max().unwrap_or(Severity::Medium),
        reasons: vec![if findings.is_empty() {
            "it could not be fully read, decoded and scanned; kept away from the dream".to_owned()
        } else {
            "kept away from the dream: it reads like an attempt to enter memory".to_owned()
        }],
        findings: findings
            .iter()
            .map(|f| Finding {
                span: Span::new(
                    f.span.start.saturating_sub(offset).min(text.len()),
                    f.span.end.saturating_sub(offset).min(text.len()),
                ),
                ..f.clone()
            })
            .collect(),
        origins: vec![origin.clone()],
    }
}

/// The part of a long event that the findings cover, with some text around them.
fn window<'a>(text: &'a str, findings: &[Finding]) -> (&'a str, usize) {
    const AROUND: usize = 200;
    if text.len() <= 2000 {
        return (text, 0);
    }
    let covering = findings.iter().filter(|f| !f.span.is_empty()).map(|f| f.span).reduce(|a, b| a.cover(&b));
    let span = covering.unwrap_or_else(|| Span::new(0, text.len().min(2000)));
    let mut start = span.start.saturating_sub(AROUND);
    let mut end = (span.end + AROUND).min(text.len());
    while !text.is_char_boundary(start) {
        start -= 1;
    }
    while !text.is_char_boundary(end) {
        end += 1;
    }
    (text.get(start..end).unwrap_or(text), start)
}
