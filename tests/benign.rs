//! Every rule over more than ten thousand honest sentences: what each fires on wrongly is a golden file.
//!
//! The sentences are `cases/benign/sentences.jsonl`, where they come from is beside it. A rule that gets worse changes
//! `golden/rules-false-alarms.txt`, and somebody has to look at it. `MEMGATE_BLESS=1` rewrites the file.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Arc;

use memgate::detect::{Budget, Levels, Scanner};
use memgate::domain::{Channel, Stage, Untrusted};
use memgate::gate::{Policy, decide::holds_span};
use memgate::ruleset::RuleSet;
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Sentence {
    source: String,
    licence: String,
    channel: String,
    text: String,
}

fn sentences() -> Vec<Sentence> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/benign/sentences.jsonl");
    let text = std::fs::read_to_string(path).unwrap();
    text.lines().map(|line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"))).collect()
}

fn channel(name: &str) -> Channel {
    match name {
        "user" => Channel::User,
        "memory" => Channel::Memory,
        "tool" | "document" | "web" | "email" | "code" => Channel::Tool,
        other => panic!("{other} is no channel"),
    }
}

#[test]
fn the_sentences_are_many_different_and_licensed() {
    let all = sentences();
    assert!(all.len() >= 10_000, "{}", all.len());
    let distinct: BTreeSet<(&str, &str)> = all.iter().map(|s| (s.source.as_str(), s.text.as_str())).collect();
    assert_eq!(distinct.len(), all.len(), "a sentence stands there twice");
    let licences =
        std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/cases/benign/LICENSES.md")).unwrap();
    let sources: BTreeSet<&str> = all.iter().map(|s| s.source.as_str()).collect();
    assert!(sources.len() >= 15, "{sources:?}");
    for source in sources {
        assert!(licences.contains(&format!("`{source}`")), "{source} is not in LICENSES.md");
        let share = all.iter().filter(|s| s.source == source).count();
        assert!(share * 10 < all.len(), "{source} has {share} sentences: the figures would be those of one source");
    }
    for sentence in &all {
        assert!(matches!(sentence.licence.as_str(), "MIT" | "MIT-0" | "Apache-2.0" | "CC0-1.0"));
    }
}

#[test]
fn what_each_rule_fires_on_wrongly_is_known() {
    let scanner = Scanner::with_levels(Arc::new(RuleSet::builtin().unwrap()), Budget::default(), Levels::ALL);
    let policy = Policy::builtin();
    let all = sentences();
    let mut by_rule: BTreeMap<String, BTreeMap<&str, usize>> = BTreeMap::new();
    let mut held: BTreeMap<&str, usize> = BTreeMap::new();
    for sentence in &all {
        let channel = channel(&sentence.channel);
        let text = Untrusted::new(sentence.text.as_str());
        let seen = scanner.examine(&text, Stage::Write, channel, channel.authority());
        assert!(seen.coverage().is_full(), "{}", sentence.text);
        let rules: BTreeSet<(&str, u8)> = seen.findings().iter().map(|f| (f.rule.as_str(), f.level)).collect();
        for (rule, level) in rules {
            let name = if level == 1 { rule.to_owned() } else { format!("{rule} (paranoia {level})") };
            *by_rule.entry(name).or_default().entry(&sentence.source).or_default() += 1;
        }
        if holds_span(seen.findings(), &policy) {
            *held.entry(&sentence.source).or_default() += 1;
        }
    }
    let mut out = String::from(
        "# Honest sentences on which rules fire, of tests/cases/benign/sentences.jsonl. MEMGATE_BLESS=1 rewrites this.\n\
         # A rule that is not listed fires on none. Held: by content, at the default policy, each sentence alone.\n\n",
    );
    let total: usize = held.values().sum();
    let _ = writeln!(out, "sentences {}, held {total}: {}", all.len(), counts(&held));
    let mut rows: Vec<(usize, &String, &BTreeMap<&str, usize>)> =
        by_rule.iter().map(|(rule, sources)| (sources.values().sum(), rule, sources)).collect();
    rows.sort_by(|a, b| b.0.cmp(&a.0).then(a.1.cmp(b.1)));
    for (count, rule, sources) in rows {
        let _ = writeln!(out, "{count} {rule}: {}", counts(sources));
    }
    crate::common::golden("rules-false-alarms.txt", &out);
    // Beyond this the default policy would be in honest people's way: one sentence in four hundred.
    assert!(total * 400 <= all.len(), "{total} of {} honest sentences are held", all.len());
}

fn counts(by_source: &BTreeMap<&str, usize>) -> String {
    by_source.iter().map(|(source, count)| format!("{source} {count}")).collect::<Vec<_>>().join(", ")
}
