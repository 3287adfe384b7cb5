//! Rules about findings that stand together in one note (composites).
//!
//! A standing order is a nuisance and an address is an address; a standing order that ends in an address is how data
//! leaves. Weak rules of a higher paranoia level earn their keep here. Own design.

use std::collections::BTreeMap;

use super::budget::Budget;
use super::scan::NoteScan;
use crate::domain::{Finding, Kind, Span, View};
use crate::ruleset::{Composite, Matcher, Rule, Term};

/// What a note offers: by the name of its rule or kind, the first place it stands at.
type Offers<'a> = BTreeMap<Offer<'a>, Span>;

#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Offer<'a> {
    Rule(&'a crate::domain::RuleId),
    Kind(Kind),
}

/// The findings of composite rules over the pieces of one text.
///
/// Cost: nothing without composites; else the findings of each piece by the terms of each composite.
pub(super) fn findings<'a>(
    rules: impl Iterator<Item = &'a Rule> + Clone,
    pieces: &[NoteScan],
    found: &[Finding],
    cues: &[(Kind, Span)],
    budget: &Budget,
) -> Vec<Finding> {
    let mut out = Vec::new();
    if rules.clone().next().is_none() || found.is_empty() && cues.is_empty() {
        return out;
    }
    for piece in pieces {
        let inside = |span: &Span| span.overlaps(&piece.span) || (span.is_empty() && piece.span.contains(span));
        let mut offers = Offers::new();
        for number in &piece.findings {
            if let Some(finding) = found.get(*number) {
                offers.entry(Offer::Rule(&finding.rule)).or_insert(finding.span);
            }
        }
        for (kind, span) in cues.iter().filter(|(_, span)| inside(span)) {
            offers.entry(Offer::Kind(*kind)).or_insert(*span);
        }
        if offers.len() < 2 {
            continue;
        }
        for rule in rules.clone() {
            let Matcher::Composite(composite) = &rule.matcher else { continue };
            let Some(chosen) = choose(composite, &offers) else { continue };
            if out.len() >= budget.findings {
                return out;
            }
            out.push(joined(rule, &chosen));
        }
    }
    out
}

/// One offer for every group, all different.
fn choose<'a>(composite: &Composite, offers: &Offers<'a>) -> Option<Vec<(Offer<'a>, Span)>> {
    fn takes(term: &Term, offer: &Offer<'_>) -> bool {
        match (term, offer) {
            (term, Offer::Rule(rule)) => term.takes(rule),
            (Term::Kind(wanted), Offer::Kind(kind)) => wanted == kind,
            (Term::Rule(_), Offer::Kind(_)) => false,
        }
    }
    fn next<'a>(groups: &[Vec<Term>], offers: &Offers<'a>, taken: &mut Vec<(Offer<'a>, Span)>) -> bool {
        let Some((group, rest)) = groups.split_first() else { return true };
        for (offer, span) in offers.iter().filter(|(offer, _)| group.iter().any(|term| takes(term, offer))) {
            if taken.iter().any(|(other, _)| other == offer) {
                continue;
            }
            taken.push((*offer, *span));
            if next(rest, offers, taken) {
                return true;
            }
            taken.pop();
        }
        false
    }
    let mut taken = Vec::new();
    next(&composite.all, offers, &mut taken).then_some(taken)
}

fn joined(rule: &Rule, chosen: &[(Offer<'_>, Span)]) -> Finding {
    let names: Vec<&str> = chosen
        .iter()
        .map(|(offer, _)| match offer {
            Offer::Rule(rule) => rule.as_str(),
            Offer::Kind(kind) => kind.name(),
        })
        .collect();
    Finding {
        rule: rule.id.clone(),
        title: format!("{}: {}", rule.title, names.join(" + ")),
        severity: rule.severity,
        confidence: rule.confidence,
        span: chosen.iter().map(|(_, span)| *span).reduce(|a, b| a.cover(&b)).unwrap_or(Span::new(0, 0)),
        view: View::Structure,
        decoding: Vec::new(),
        threats: rule.threats.clone(),
        excerpt: String::new(),
        level: rule.paranoia,
    }
}
