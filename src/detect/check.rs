//! Runs every rule on its own examples.

use std::fmt;
use std::sync::Arc;

use super::budget::Budget;
use super::repeat::Voice;
use super::scan::Scanner;
use super::score::Levels;
use super::set::SetReport;
use super::{normalize, provenance, views};
use crate::domain::{Authority, Channel, Coded, Family, RuleId, Untrusted};
use crate::ruleset::{Matcher, Rule, RuleSet};

/// What is wrong with an example.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[non_exhaustive]
pub enum ExampleProblem {
    /// A `fires` text in which the rule does not fire.
    DoesNotFire,
    /// A `quiet` text in which the rule fires.
    NotQuiet,
    /// No keyword stands in a `fires` text, in any view.
    NoKeyword,
    /// No `quiet` text contains a keyword.
    NoNearMiss,
    /// A declared evasion that must fire slips by.
    EvasionPasses,
    /// A declared gap is none: the rule fires on it.
    GapIsClosed,
    /// Scanning the example ended incomplete.
    Incomplete,
}

/// One rule that its examples contradict.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ExampleFailure {
    /// The pack file.
    pub pack: String,
    /// The rule.
    pub rule: RuleId,
    /// Zero-based number of the example in its list; `None` when the whole list is meant.
    pub example: Option<usize>,
    /// What is wrong.
    pub problem: ExampleProblem,
}

impl fmt::Display for ExampleFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "error[{}]: {}: rule {}", self.code(), self.pack, self.rule)?;
        if let Some(number) = self.example {
            let list = match self.problem {
                ExampleProblem::NotQuiet => "quiet example",
                ExampleProblem::EvasionPasses | ExampleProblem::GapIsClosed => "evasion",
                _ => "fires example",
            };
            write!(f, ": {list} {}", number + 1)?;
        }
        write!(f, "\n  hint: {}", self.remedy())
    }
}

impl Coded for ExampleFailure {
    fn code(&self) -> &'static str {
        match self.problem {
            ExampleProblem::DoesNotFire => "detect-example-does-not-fire",
            ExampleProblem::NotQuiet => "detect-example-not-quiet",
            ExampleProblem::NoKeyword => "detect-example-no-keyword",
            ExampleProblem::NoNearMiss => "detect-example-no-near-miss",
            ExampleProblem::EvasionPasses => "detect-example-evasion-passes",
            ExampleProblem::GapIsClosed => "detect-example-gap-closed",
            ExampleProblem::Incomplete => "detect-example-incomplete",
        }
    }
    fn family(&self) -> Family {
        Family::Refused
    }
    fn remedy(&self) -> &'static str {
        match self.problem {
            ExampleProblem::DoesNotFire => {
                "the pattern sees folded text: lower case, white space collapsed to one space"
            }
            ExampleProblem::NotQuiet => "narrow the pattern, or move the text to `fires`",
            ExampleProblem::NoKeyword => {
                "every match has to contain one of the keywords, folded; add one that this text has"
            }
            ExampleProblem::NoNearMiss => "add a harmless `quiet` text that contains a keyword",
            ExampleProblem::EvasionPasses => "widen the pattern, or list the text as an open gap with its reason",
            ExampleProblem::GapIsClosed => "mark the evasion `fires: true`: the gap is closed",
            ExampleProblem::Incomplete => "shorten the example",
        }
    }
}

/// Every contradiction between the rules and their examples, in rule order.
///
/// Coded detectors are held to their examples too; without keywords they need no near miss.
pub fn check(rules: &Arc<RuleSet>) -> Vec<ExampleFailure> {
    let scanner = Scanner::with_levels(Arc::clone(rules), Budget::default(), Levels::ALL);
    let mut failures = Vec::new();
    for rule in rules.rules() {
        let mut fail = |example, problem| {
            failures.push(ExampleFailure { pack: rule.pack.clone(), rule: rule.id.clone(), example, problem });
        };
        let keywords: Vec<String> = rule.keywords.iter().map(|k| normalize::fold_text(k)).collect();
        for (number, text) in rule.examples.fires.iter().enumerate() {
            let (fires, full) = fires(&scanner, rule, text);
            if !fires && !keywords.is_empty() && !contains(text, &keywords) {
                fail(Some(number), ExampleProblem::NoKeyword);
            } else if !fires {
                fail(Some(number), ExampleProblem::DoesNotFire);
            } else if !full && !matches!(&rule.matcher, Matcher::Detector(slug) if slug == "scan-incomplete") {
                fail(Some(number), ExampleProblem::Incomplete);
            }
        }
        for (number, text) in rule.examples.quiet.iter().enumerate() {
            if fires(&scanner, rule, text).0 {
                fail(Some(number), ExampleProblem::NotQuiet);
            }
        }
        for (number, evasion) in rule.evasions.iter().enumerate() {
            match (evasion.fires, fires(&scanner, rule, &evasion.text).0) {
                (true, false) => fail(Some(number), ExampleProblem::EvasionPasses),
                (false, true) => fail(Some(number), ExampleProblem::GapIsClosed),
                _ => {}
            }
        }
        if !keywords.is_empty() && !rule.examples.quiet.iter().any(|text| contains(text, &keywords)) {
            fail(None, ExampleProblem::NoNearMiss);
        }
    }
    failures
}

fn contains(text: &str, keywords: &[String]) -> bool {
    let has = |text: &str| keywords.iter().any(|k| text.contains(k.as_str()));
    views::views(text, &Budget::default())
        .0
        .iter()
        .any(|view| has(&view.text) || has(&normalize::fold_text(&view.text)))
}

/// Whether the rule fires at one of its stages and channels, and whether the scan was complete.
fn fires(scanner: &Scanner, rule: &Rule, text: &str) -> (bool, bool) {
    let text = Untrusted::new(text);
    let channel = rule.channels.first().copied().unwrap_or(Channel::Memory);
    if let Matcher::Detector(slug) = &rule.matcher
        && slug == "fragment-assembly"
    {
        let lines: Vec<(String, &str)> =
            text.peek_unscanned().lines().enumerate().map(|(i, line)| (i.to_string(), line)).collect();
        let members: Vec<(&str, &str)> = lines.iter().map(|(id, line)| (id.as_str(), *line)).collect();
        let report = scanner.scan_set(&members);
        return (!report.findings.is_empty(), report.coverage.is_full());
    }
    if let Some(report) = example_set(scanner, rule, text.peek_unscanned()) {
        return (report.findings.iter().any(|f| f.rule == rule.id), report.coverage.is_full());
    }
    if let Matcher::Detector(slug) = &rule.matcher
        && provenance::SLUGS.contains(&slug.as_str())
    {
        let Some((candidate, sources)) = provenance::example::parse(text.peek_unscanned()) else {
            return (false, false);
        };
        let scanned = scanner.scan_with(Untrusted::new(candidate), &sources);
        return (scanned.findings().iter().any(|f| f.rule == rule.id), scanned.coverage().is_full());
    }
    let mut full = true;
    let fires = rule.stages.iter().any(|&stage| {
        let examined = scanner.examine(&text, stage, channel, Authority::External);
        full &= examined.coverage().is_full();
        examined.findings().iter().any(|f| f.rule == rule.id)
    });
    (fires, full)
}

/// An example of a detector over several texts: `principal/session: text`, or `known: …` and `new: …`, one a line.
fn example_set(scanner: &Scanner, rule: &Rule, text: &str) -> Option<SetReport> {
    let Matcher::Detector(slug) = &rule.matcher else { return None };
    let lines = text.lines().filter_map(|line| line.split_once(": "));
    match slug.as_str() {
        "repeated-claim" | "campaign" | "shrinking-series" => {
            let voices: Vec<Voice<'_>> = lines
                .filter_map(|(who, text)| {
                    let (principal, session) = who.split_once('/')?;
                    Some(Voice { text, principal, session: session.parse().ok()? })
                })
                .collect();
            Some(scanner.hear(&voices))
        }
        "mutated-copy" | "overrides-approved" | "trigger-token" | "broad-anchor" => {
            let (new, known): (Vec<_>, Vec<_>) = lines.partition(|(side, _)| *side == "new");
            let texts = |list: Vec<(&str, &'_ str)>| list.into_iter().map(|(_, text)| text.to_owned()).collect();
            let (new, known): (Vec<String>, Vec<String>) = (texts(new), texts(known));
            let new: Vec<&str> = new.iter().map(String::as_str).collect();
            let known: Vec<&str> = known.iter().map(String::as_str).collect();
            Some(scanner.lay_beside(&new, &known))
        }
        _ => None,
    }
}
