//! Rules do not see each other: what one half of them finds is what all of them find, less the other half.

use std::collections::BTreeSet;
use std::sync::{Arc, OnceLock};

use memgate::detect::{Budget, Examined, Levels, Scanner};
use memgate::domain::{Authority, Channel, Span, Stage, Untrusted, View};
use memgate::ruleset::{Matcher, Rule, RuleSet};

type Hit = (String, Span, View, Vec<String>);

/// The text under all rules with a pattern, and under each half of them.
pub fn body(data: &[u8]) {
    let Some(text) = super::text(data).filter(|text| text.len() <= 8192) else { return };
    let (all, halves) = scanners();
    let full = examine(all, text);
    bounded(text, &full);
    if !full.coverage().is_full() {
        return;
    }
    let mut apart = BTreeSet::new();
    for half in halves {
        let examined = examine(half, text);
        assert!(examined.coverage().is_full(), "fewer rules reached a limit that all did not reach");
        apart.extend(hits(&examined));
    }
    assert_eq!(hits(&full), apart, "a rule finds something else when other rules run beside it");
}

fn bounded(text: &str, examined: &Examined) {
    let most = Budget::default().findings + 8;
    assert!(examined.findings().len() <= most, "{} findings", examined.findings().len());
    for finding in examined.findings() {
        assert!(finding.span.slice(text).is_some(), "{} at {:?} is not on borders", finding.rule, finding.span);
        // A text without anything hidden, encoded or look-alike has one reading.
        let plain = text.bytes().all(|b| b == b' ' || b.is_ascii_lowercase());
        let guessed = !finding.decoding.is_empty();
        assert!(!plain || guessed || finding.view == View::Raw, "{} in a view of plain text", finding.rule);
    }
}

fn hits(examined: &Examined) -> BTreeSet<Hit> {
    let hit = |f: &memgate::domain::Finding| (f.rule.as_str().to_owned(), f.span, f.view, f.decoding.clone());
    examined.findings().iter().map(hit).collect()
}

fn examine(scanner: &Scanner, text: &str) -> Examined {
    scanner.examine(&Untrusted::new(text), Stage::Write, Channel::Tool, Authority::External)
}

fn scanners() -> &'static (Scanner, [Scanner; 2]) {
    static SCANNERS: OnceLock<(Scanner, [Scanner; 2])> = OnceLock::new();
    SCANNERS.get_or_init(|| {
        let rules = RuleSet::builtin().expect("the built-in rules load");
        let pattern = |rule: &Rule| matches!(rule.matcher, Matcher::Pattern { .. });
        let part = |keep: &dyn Fn(&Rule) -> bool| {
            let rules = rules.only(|rule| pattern(rule) && keep(rule));
            Scanner::with_levels(Arc::new(rules), Budget::default(), Levels::ALL)
        };
        let even = |rule: &Rule| rule.id.as_str().bytes().map(u32::from).sum::<u32>() % 2 == 0;
        (part(&|_| true), [part(&even), part(&|rule| !even(rule))])
    })
}
