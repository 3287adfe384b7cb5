//! Rule packs: refused with a reason that can be shown, or compiled to rules that can run.

use std::sync::Arc;

use memgate::detect::{Budget, Scanner};
use memgate::domain::{Authority, Channel, Stage, Untrusted};
use memgate::ruleset::RuleSet;

/// The text as a pack.
pub fn body(data: &[u8]) {
    let Some(text) = super::text(data).filter(|text| text.len() <= 16 * 1024) else { return };
    let load = || RuleSet::from_packs([("fuzz/pack.yaml", text)]);
    let rules = match load() {
        Ok(rules) => rules,
        Err(error) => {
            let said = error.to_string();
            assert!(!said.is_empty(), "refused without a reason");
            assert!(!said.chars().any(|c| c.is_control() && c != '\n' && c != '\t'), "a message that acts: {said:?}");
            return;
        }
    };
    assert_eq!(load().ok().map(|again| again.digest()), Some(rules.digest()), "loaded twice, two digests");
    let ids: Vec<&str> = rules.rules().iter().map(|rule| rule.id.as_str()).collect();
    assert!(ids.windows(2).all(|pair| pair[0] < pair[1]), "rules are not in order of their ids, or one stands twice");
    for rule in rules.rules() {
        assert!(rules.get(rule.id.as_str()).is_some_and(|found| found.id == rule.id));
        assert!(rule.examples.fires.len() >= 2 && rule.examples.quiet.len() >= 2, "{}: too few examples", rule.id);
        assert!(!rule.stages.is_empty(), "{} runs nowhere", rule.id);
    }
    // What compiles can run, on its own examples and on nothing.
    let examples: Vec<String> = rules.rules().iter().flat_map(|rule| rule.examples.fires.clone()).take(8).collect();
    let scanner = Scanner::new(Arc::new(rules), Budget { steps: 1 << 20, ..Budget::default() });
    for text in examples.iter().map(String::as_str).chain([""]) {
        scanner.examine(&Untrusted::new(text), Stage::Write, Channel::User, Authority::User);
    }
}
