//! Scanning: the same findings each time, inside the text, and nothing unread that is called read.
//!
//! Input: optionally a first line of words, then a line `---`; then the text. The words become rules of the form
//! *word* + `now`, which have the plainest possible oracle: a search for the same two words.

use std::sync::{Arc, OnceLock};

use memgate::detect::{Budget, Examined, Scanner};
use memgate::domain::{Authority, Channel, Stage, Untrusted};
use memgate::notes::Document;
use memgate::ruleset::RuleSet;

/// The built-in rules on the text, then the input's own rules with an oracle.
pub fn body(data: &[u8]) {
    let Some(input) = super::text(data).filter(|text| text.len() <= 8192) else { return };
    let (words, text) = match input.split_once("\n---\n") {
        Some((head, text)) if !head.contains('\n') => (head, text),
        _ => ("", input),
    };
    let scanner = builtin();
    for stage in [Stage::Ingest, Stage::Write, Stage::Consolidate] {
        let full = examine(scanner, text, stage);
        assert_eq!(full, examine(scanner, text, stage), "the same text was scanned twice, differently");
        lawful(text, &full);
    }
    let full = examine(scanner, text, Stage::Write);
    let tight = Budget { text_bytes: 4096, depth: 1, views: 4, view_bytes: 4096, findings: 3, steps: 20_000 };
    let small = examine(tight_scanner(&tight), text, Stage::Write);
    lawful(text, &small);
    if small.coverage().limits().is_empty() {
        assert_eq!(small.findings(), full.findings(), "a tight budget says it saw everything, and did not");
    }
    own_rules(words, text);
}

fn examine(scanner: &Scanner, text: &str, stage: Stage) -> Examined {
    scanner.examine(&Untrusted::new(text), stage, Channel::User, Authority::User)
}

fn lawful(text: &str, examined: &Examined) {
    let mut last = None;
    for finding in examined.findings() {
        assert!(finding.span.slice(text).is_some(), "{} at {:?} is not on borders", finding.rule, finding.span);
        assert!(finding.excerpt.len() <= 240, "{} shows {} bytes", finding.rule, finding.excerpt.len());
        assert!(last.is_none_or(|start| start <= finding.span.start), "findings are not in order of place");
        last = Some(finding.span.start);
    }
    let document = Document::parse(text);
    assert_eq!(examined.notes().len(), document.note_count(), "one entry per note");
    for (scan, note) in examined.notes().iter().zip(document.notes()) {
        assert_eq!((scan.span, scan.body), (note.span, note.body));
        for &number in &scan.findings {
            let finding = examined.findings().get(number).expect("a note names a finding that exists");
            let touches = finding.span.start <= scan.span.end && scan.span.start <= finding.span.end;
            assert!(touches, "{} is said to touch a note it does not touch", finding.rule);
        }
        assert!(scan.cue.is_none_or(|cue| cue.slice(text).is_some()), "a cue is not on borders");
    }
}

/// What a plain search finds in plain text, the rule finds: the prefilter and its windows hide nothing.
fn own_rules(words: &str, text: &str) {
    let words: Vec<&str> = words
        .split(|c: char| !c.is_ascii_lowercase())
        .filter(|word| (4..=12).contains(&word.len()) && *word != "later")
        .take(3)
        .collect();
    if words.is_empty() {
        return;
    }
    let mut pack = String::new();
    for (number, word) in words.iter().enumerate() {
        pack.push_str(&format!(
            "- id: fuzz.word-{number}\n  title: A word of the fuzzer\n  status: preview\n  since: 0.1.0\n  severity: low\n  \
             confidence: low\n  stages: [ingest, write, consolidate]\n  maps: []\n  threats: [T01]\n  keywords: [{word}]\n  \
             pattern: '\\b{word} now\\b'\n  why: Because.\n  advice: None.\n  references: []\n  examples:\n    fires: \
             ['so {word} now', '{word} now please']\n    quiet: ['so {word} later', 'quite another text']\n"
        ));
    }
    let Ok(rules) = RuleSet::from_packs([("fuzz/words.yaml", &pack)]) else { return };
    let scanner = Scanner::new(Arc::new(rules), Budget::default());
    let examined = examine(&scanner, text, Stage::Write);
    lawful(text, &examined);
    if !examined.coverage().limits().is_empty() {
        return;
    }
    for (number, word) in words.iter().enumerate() {
        let wanted = format!("{word} now");
        let border = |c: Option<char>| c.is_none_or(|c| c.is_ascii_whitespace() || matches!(c, '.' | ',' | ';' | '!'));
        // Only where the whole line is plain ASCII: there the oracle is beyond doubt.
        let plain =
            text.split('\n').filter(|line| line.bytes().all(|b| b == b' ' || b.is_ascii_alphanumeric() || b == b'.'));
        for line in plain {
            let hit = line.match_indices(&wanted).any(|(at, _)| {
                border(line[..at].chars().next_back()) && border(line[at + wanted.len()..].chars().next())
            });
            let id = format!("fuzz.word-{number}");
            let found = examined.findings().iter().any(|f| f.rule.as_str() == id);
            assert!(!hit || found, "{wanted:?} stands in {line:?} and was not found");
        }
    }
}

fn builtin() -> &'static Scanner {
    static SCANNER: OnceLock<Scanner> = OnceLock::new();
    SCANNER.get_or_init(|| Scanner::new(Arc::new(rules()), Budget::default()))
}

fn tight_scanner(budget: &Budget) -> &'static Scanner {
    static SCANNER: OnceLock<Scanner> = OnceLock::new();
    SCANNER.get_or_init(|| Scanner::new(Arc::new(rules()), *budget))
}

fn rules() -> RuleSet {
    RuleSet::builtin().expect("the built-in rules load")
}
