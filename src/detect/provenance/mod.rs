//! Where a statement comes from, and what that may claim (threats T02 to T04, T06, T08 to T10).
//!
//! These detectors need no wording of an attack: they compare a note with the spans it cites. What is not known is
//! not assumed: a transcript that is cited and cannot be read is a finding, and a success that no tool result shows is
//! no success. Source: own design after the threat model's rules R2, R4 and R5.

mod claims;
mod echo;
pub mod example;
mod meter;
mod words;

use std::cell::OnceCell;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use crate::domain::{Authority, Candidate, Channel, Digest, Finding, Kind, Origin, SessionId, Span, Timestamp};

use self::echo::Echo;
use self::meter::{Axis, rises};
use self::words::{content, parts};
use super::normalize::fold_text;

/// Slugs of the detectors that weigh a note against what it cites; their examples are written as [`example`] says.
pub const SLUGS: [&str; 17] = [
    "echoed-order",
    "echoed-text",
    "external-directive",
    "laundered-attribution",
    "laundered-authority",
    "laundered-certainty",
    "laundered-name",
    "laundered-quantity",
    "laundered-scope",
    "laundered-time",
    "promotional-claim",
    "raised-authority",
    "tainted-source",
    "unbacked-outcome",
    "unbacked-procedure",
    "unreadable-source",
    "unsourced-equivalence",
];

/// True for findings about where a statement comes from, which its owner answers by vouching for it.
pub fn is_about_origin(finding: &Finding) -> bool {
    finding.rule.as_str().starts_with("provenance.")
}

/// Longest note that is weighed sentence by sentence, bytes; longer ones are a finding of their own.
const NOTE_BYTES: usize = 20_000;

/// How a tool's answer says that the call went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ran {
    /// It says that it worked.
    Well,
    /// It says that it failed.
    Badly,
    /// It is an answer that does not say.
    Unsaid,
    /// No tool's answer at all.
    No,
}

/// One cited text.
#[derive(Clone, Debug)]
pub struct Cited<'a> {
    /// The text. Untrusted.
    pub text: &'a str,
    /// What it answers: name and arguments of a call. Untrusted.
    pub context: &'a str,
    /// How it reached the agent.
    pub channel: Channel,
    /// What it may claim, as the one who read it knows.
    pub authority: Authority,
    /// When it was said.
    pub at: Option<Timestamp>,
    /// Whether it shows a run.
    pub ran: Ran,
    /// True when the scan before consolidation held it; `None` when nobody looked.
    pub held: Option<bool>,
}

/// The place of a cited text: input, session, event.
type Place = (Digest, Option<SessionId>, Option<usize>);

/// The texts that notes may cite.
///
/// Cost: borrows; the index of external text is made when the first note needs it.
#[derive(Debug, Default)]
pub struct Sources<'a> {
    places: BTreeMap<Place, Cited<'a>>,
    composed: BTreeSet<Digest>,
    echo: OnceLock<Echo>,
}

impl<'a> Sources<'a> {
    /// Adds a text at the place an origin names; the first of two at one place stays.
    pub fn add(&mut self, origin: &Origin, cited: Cited<'a>) {
        let place = (origin.input_digest, origin.session.clone(), origin.event);
        if cited.authority == Authority::External {
            self.echo = OnceLock::new();
        }
        self.places.entry(place).or_insert(cited);
    }
    /// Marks a statement that our own code composed by counting: its counts and places are not looked for.
    pub fn add_composed(&mut self, statement: Digest) {
        self.composed.insert(statement);
    }
    fn at(&self, origin: &Origin) -> Option<&Cited<'a>> {
        self.places.get(&(origin.input_digest, origin.session.clone(), origin.event))
    }
    fn echo(&self) -> &Echo {
        self.echo.get_or_init(|| {
            Echo::of(self.places.values().filter(|c| c.authority == Authority::External).map(|c| c.text))
        })
    }
}

/// A step up that the meter read.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Step {
    axis: Axis,
    span: Span,
    what: &'static str,
}

/// What a note's sources do not carry: a detector's slug, bytes of the candidate, our own words.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Gap {
    pub(super) slug: &'static str,
    pub(super) span: Span,
    pub(super) what: &'static str,
}

/// True when a text puts a named third party before others.
pub(super) fn ranks(text: &str) -> bool {
    text.split(['\n', '!', '?']).any(|part| claims::promotion(part).is_some())
}

/// The identifiers a text names: numbers and mixed codes, folded.
pub(super) fn codes(text: &str) -> BTreeSet<String> {
    claims::codes(text)
}

/// Weighs one note. `taints` tells whether the rules would hold a cited text that nobody has looked at yet.
///
/// Cost: one pass for a note that cites only itself and claims nothing; else the sentences of note and sources.
pub(super) fn weigh(
    candidate: &Candidate,
    span: Span,
    kind: Kind,
    sources: &Sources<'_>,
    taints: &dyn Fn(&str) -> bool,
) -> Vec<Gap> {
    let Some(body) = span.slice(&candidate.text) else { return Vec::new() };
    let mut gaps = Vec::new();
    let mut add = |slug, at: Span, what| gaps.push(Gap { slug, span: at, what });
    let whole = span;
    let authority = candidate.authority_of(&span);
    let origins: Vec<&Origin> = candidate.origins_of(&span).collect();
    if origins.is_empty() {
        // The gate holds what cites nothing; there is nothing to weigh it against.
        return gaps;
    }
    if body.len() > NOTE_BYTES {
        add("unreadable-source", whole, "the note is too long to be laid beside its sources");
        return gaps;
    }
    let (cited, missing) = resolve(candidate, &origins, sources);
    let shown = cited.iter().map(|c| c.authority).min().unwrap_or(authority);
    if shown < authority {
        add("raised-authority", whole, "");
    }
    let authority = authority.min(shown);
    if kind.is_governed() && authority == Authority::External {
        add("external-directive", whole, "");
    }
    if missing {
        add("unreadable-source", whole, "a cited transcript is not at hand");
    }
    for source in &cited {
        let held = matches!(source.held, Some(true)) || (source.held.is_none() && taints(source.text));
        if held && source.text != body {
            add("tainted-source", whole, "");
            break;
        }
    }
    let vouched = authority >= Authority::Reviewer;
    // A part of a source is not the source: what was cut off may be the doubt.
    let itself = cited.iter().all(|c| c.text.trim() == body.trim());
    if !itself && !vouched {
        let counted = sources.composed.contains(&Digest::of(body));
        let steps = rises(body, &cited, counted);
        if kind.is_governed() && !steps.is_empty() {
            add("laundered-authority", whole, "");
        }
        for step in steps {
            add(step.axis.slug(), step.span.shifted(span.start), step.what);
        }
    }
    if vouched {
        return gaps;
    }
    if authority > Authority::External && sources.echo().holds(body) {
        add(if kind.is_governed() { "echoed-order" } else { "echoed-text" }, whole, "");
    }
    unsourced(body, span.start, kind, &cited, &mut gaps);
    gaps.sort();
    gaps.dedup();
    gaps
}

/// Claims that need a certain kind of source.
fn unsourced(body: &str, start: usize, kind: Kind, cited: &[Cited<'_>], gaps: &mut Vec<Gap>) {
    // Most notes claim none of the three: that is told of the whole note, and its sentences are not cut out.
    let folded = fold_text(body);
    let claims = claims::may_claim(&folded);
    let [tells, ranks] = [claims && claims::may_tell(&folded), claims && claims::may_rank(&folded)];
    let ties = claims::may_tie(body);
    if !(tells || ties || ranks) {
        return;
    }
    let parts = parts(body);
    // An order or a recipe in the note makes every success in it an advertisement for it.
    let recipe = kind != Kind::Fact && kind != Kind::Preference;
    let words: OnceCell<BTreeSet<String>> = OnceCell::new();
    for part in &parts {
        let Some(raw) = part.slice(body) else { continue };
        let at = part.shifted(start);
        if tells
            && let Some(how) = claims::outcome(raw)
            && !cited.iter().any(|c| shows(c, words.get_or_init(|| all_words(body, &parts))))
        {
            let slug = if how || recipe { "unbacked-procedure" } else { "unbacked-outcome" };
            gaps.push(Gap { slug, span: at, what: "" });
        }
        if ties
            && let Some((one, other, place)) = claims::equivalence(raw)
            && !cited.iter().any(|c| carries(c, &one, &other))
        {
            gaps.push(Gap { slug: "unsourced-equivalence", span: place.shifted(at.start), what: "" });
        }
        if ranks && let Some(place) = claims::promotion(raw) {
            gaps.push(Gap { slug: "promotional-claim", span: place.shifted(at.start), what: "" });
        }
    }
}

/// Stems of the content words of all sentences.
fn all_words(body: &str, parts: &[Span]) -> BTreeSet<String> {
    parts.iter().filter_map(|part| part.slice(body)).flat_map(|raw| content(&fold_text(raw))).collect()
}

/// A tool's answer that says it worked, and speaks of the same thing.
fn shows(cited: &Cited<'_>, words: &BTreeSet<String>) -> bool {
    let folded = fold_text(cited.text);
    let well = match cited.ran {
        Ran::Well => true,
        Ran::Unsaid => claims::reads_like_success(&folded),
        Ran::Badly | Ran::No => false,
    };
    if !well {
        return false;
    }
    let mut known = content(&folded);
    known.extend(content(&fold_text(cited.context)));
    !known.is_disjoint(words)
}

/// A source that may say so and names both.
fn carries(cited: &Cited<'_>, one: &str, other: &str) -> bool {
    let may = cited.authority >= Authority::Reviewer || matches!(cited.ran, Ran::Well | Ran::Unsaid);
    let low = cited.text.to_lowercase();
    may && low.contains(one) && low.contains(other)
}

/// The cited texts that are at hand; true beside them when a transcript is not.
fn resolve<'s>(candidate: &Candidate, origins: &[&Origin], sources: &'s Sources<'_>) -> (Vec<Cited<'s>>, bool) {
    let mut missing = false;
    let mut cited = Vec::new();
    for origin in origins {
        match sources.at(origin) {
            // Spans of memories are bytes of the memory; those of events are bytes of the transcript's file.
            Some(source) if origin.session.is_none() => {
                cited.push(Cited { text: origin.span.slice(source.text).unwrap_or(source.text), ..source.clone() });
            }
            Some(source) => cited.push(source.clone()),
            // A note may cite itself, or a memory that is not read here; a transcript has to be shown.
            None => missing |= origin.session.is_some() && origin.input_digest != candidate.digest(),
        }
    }
    (cited, missing)
}

#[cfg(test)]
mod tests;
